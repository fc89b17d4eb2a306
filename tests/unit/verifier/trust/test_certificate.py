from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from issuer.nsm import SeededKeys, sign_certificate
from issuer.nsm.certificates import ECDSA_WITH_SHA384
from tests.support.core import chain, specs
from verifier.reasons import Reason, Rejection
from verifier.trust.certificate import Certificate, decode_certificate
from verifier.trust.ecdsa import encode_signature

LEAF = decode_certificate(chain().certificate)
MALFORMED = Reason.PATH_CERTIFICATE_MALFORMED

OID_BASIC, OID_USAGE, OID_SKI = "0603551d13", "0603551d0f", "0603551d0e"
BASIC_LEAF = f"300c {OID_BASIC} 0101ff 0402 3000"
USAGE_LEAF = f"300b {OID_USAGE} 0404 030206c0"


def element(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    width = 0 if len(content) < 128 else (len(content).bit_length() + 7) // 8
    length = bytes((len(content),)) if not width else bytes((0x80 | width,)) + len(content).to_bytes(width)
    return bytes((tag,)) + length + content


def of(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def time(text: str, tag: int = 0x17) -> bytes:
    return element(tag, text.encode())


def extensions(*entries: str) -> bytes:
    return element(0xA3, element(0x30, *map(of, entries)))


PARTS = {
    "version": of("a003020102"),
    "serial": of("020105"),
    "algorithm": ECDSA_WITH_SHA384,
    "issuer": LEAF.issuer,
    "validity": element(0x30, time("260301115957Z"), time("260301150000Z")),
    "subject": LEAF.subject,
    "spki": LEAF.spki,
    "extensions": extensions(BASIC_LEAF, USAGE_LEAF),
}
OUTER = {
    "outer algorithm": ECDSA_WITH_SHA384,
    "signature": element(0x03, b"\x00", encode_signature(LEAF.signature)),
}


def certificate(**changes: bytes) -> bytes:
    """Assemble a certificate by hand; a part that is named `after_x` follows x."""
    named = {name.replace("outer_", "outer "): part for name, part in changes.items()}
    parts = {name: named.get(name, part) + named.get(f"after_{name}", b"") for name, part in (PARTS | OUTER).items()}
    tbs = element(0x30, *(parts[name] for name in PARTS))
    return element(0x30, tbs, *(parts[name] for name in OUTER), named.get("after_all", b""))


def refusal(der: bytes) -> Reason:
    with pytest.raises(Rejection) as caught:
        decode_certificate(der)
    return caught.value.reason


def test_every_field_is_what_the_issuer_wrote() -> None:
    """A path would be judged by something else than its certificates say."""
    for spec, der in zip(specs(), (*chain().cabundle, chain().certificate), strict=True):
        read, theirs = decode_certificate(der), x509.load_der_x509_certificate(der)
        assert (read.der, read.tbs) == (der, theirs.tbs_certificate_bytes)
        assert encode_signature(read.signature) == theirs.signature
        assert read.serial == spec.serial
        assert (read.issuer, read.subject) == (theirs.issuer.public_bytes(), spec.subject.public_bytes())
        assert datetime.fromtimestamp(read.not_before, UTC) == spec.not_before
        assert datetime.fromtimestamp(read.not_after, UTC) == spec.not_after


def test_the_levels_of_a_path_are_told_apart() -> None:
    """A leaf could issue certificates, or an issuer sign documents."""
    read = [decode_certificate(der) for der in (*chain().cabundle, chain().certificate)]
    assert [entry.is_ca for entry in read] == [True, True, True, True, False]
    assert [entry.path_length for entry in read] == [None, 2, 1, 0, None]
    assert [entry.signs_certificates for entry in read] == [True, True, True, True, False]
    assert [entry.signs_data for entry in read] == [True, True, True, False, True]
    assert all(entry.constraints_critical for entry in read)


def test_the_hand_made_certificate_is_right() -> None:
    """The table below would refuse certificates for another reason than the one it is about."""
    read = decode_certificate(certificate())
    assert (read.serial, read.is_ca, read.signs_data) == (5, False, True)
    assert x509.load_der_x509_certificate(certificate()).serial_number == 5


ACCEPTED = {
    "a serial of 20 octets and a sign": {"serial": of("0215 00ff" + "00" * 19)},
    "generalized time": {"validity": element(0x30, time("20260301115957Z", 0x18), time("99991231235959Z", 0x18))},
    "an extension that is not critical and not known": {
        "extensions": extensions(BASIC_LEAF, USAGE_LEAF, f"3009 {OID_SKI} 0402 0400")
    },
    "constraints that are not critical": {"extensions": extensions(f"3009 {OID_BASIC} 0402 3000", USAGE_LEAF)},
    "key usage in two bytes": {"extensions": extensions(BASIC_LEAF, f"300c {OID_USAGE} 0405 0303078080")},
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_the_profile_leaves_open_is_accepted(name: str) -> None:
    """A genuine certificate would be refused."""
    assert decode_certificate(certificate(**ACCEPTED[name])).signs_data


def test_the_path_length_is_read() -> None:
    """An issuer could have more issuers below it than its own issuer allowed."""
    for content, expected in (("3003 0101ff", None), ("3006 0101ff 020100", 0), ("3006 0101ff 02017f", 127)):
        value = of(content)
        extension = element(0x30, of(OID_BASIC), of("0101ff"), element(0x04, value))
        read = decode_certificate(certificate(extensions=extensions(extension.hex(), USAGE_LEAF)))
        assert (read.is_ca, read.path_length) == (True, expected)


def basic(content: str) -> dict[str, bytes]:
    extension = element(0x30, of(OID_BASIC), of("0101ff"), element(0x04, of(content)))
    return {"extensions": extensions(extension.hex(), USAGE_LEAF)}


def usage(content: str) -> dict[str, bytes]:
    extension = element(0x30, of(OID_USAGE), element(0x04, of(content)))
    return {"extensions": extensions(BASIC_LEAF, extension.hex())}


UNSUPPORTED, KEY, MISSING = (
    Reason.PATH_ALGORITHM_UNSUPPORTED,
    Reason.PATH_KEY_UNSUPPORTED,
    Reason.PATH_EXTENSION_MISSING,
)
SHA256 = of("300a06082a8648ce3d040302")
REFUSED: dict[str, tuple[dict[str, bytes], Reason]] = {
    "version 1": ({"version": b""}, MALFORMED),
    "version 2": ({"version": of("a003020101")}, MALFORMED),
    "version 4": ({"version": of("a003020103")}, MALFORMED),
    "serial zero": ({"serial": of("020100")}, MALFORMED),
    "serial negative": ({"serial": of("0201ff")}, MALFORMED),
    "serial in a long form": ({"serial": of("02020005")}, MALFORMED),
    "serial of 22 bytes": ({"serial": of("0216 00ff" + "00" * 20)}, MALFORMED),
    "SHA-256 inside and outside": ({"algorithm": SHA256, "outer_algorithm": SHA256}, UNSUPPORTED),
    "SHA-256 inside": ({"algorithm": SHA256}, UNSUPPORTED),
    "SHA-256 outside": ({"outer_algorithm": SHA256}, UNSUPPORTED),
    "null parameters": ({"outer_algorithm": of("300c06082a8648ce3d0403030500")}, UNSUPPORTED),
    "an empty issuer": ({"issuer": of("3000")}, MALFORMED),
    "an empty subject": ({"subject": of("3000")}, MALFORMED),
    "a third time": ({"validity": PARTS["validity"] + of("170d3236303330313135303030305a")}, MALFORMED),
    "a third time inside": (
        {"validity": element(0x30, *(time("260301150000Z") for _ in range(3)))},
        MALFORMED,
    ),
    "one time": ({"validity": element(0x30, time("260301150000Z"))}, MALFORMED),
    "P-256": ({"spki": of("3059301306072a8648ce3d020106082a8648ce3d030107034200") + b"\x04" + bytes(64)}, KEY),
    "a compressed point": ({"spki": LEAF.spki.replace(of("03620004"), of("03620006"), 1)}, KEY),
    "an issuer's unique id": ({"after_spki": of("81020000")}, MALFORMED),
    "no extensions": ({"extensions": b""}, MISSING),
    "an empty list of extensions": ({"extensions": extensions()}, MISSING),
    "no basicConstraints": ({"extensions": extensions(USAGE_LEAF)}, MISSING),
    "no keyUsage": ({"extensions": extensions(BASIC_LEAF)}, MISSING),
    "basicConstraints twice": ({"extensions": extensions(BASIC_LEAF, USAGE_LEAF, BASIC_LEAF)}, MALFORMED),
    "an unknown critical extension": (
        {"extensions": extensions(BASIC_LEAF, USAGE_LEAF, "300c 0603551d24 0101ff 0402 3000")},
        Reason.PATH_EXTENSION_UNSUPPORTED,
    ),
    "critical false, spelt out": (
        {"extensions": extensions(f"300c {OID_BASIC} 010100 0402 3000", USAGE_LEAF)},
        MALFORMED,
    ),
    "critical true as 01": (
        {"extensions": extensions(f"300c {OID_BASIC} 010101 0402 3000", USAGE_LEAF)},
        MALFORMED,
    ),
    "an extension without a value": ({"extensions": extensions(f"3005 {OID_BASIC}", USAGE_LEAF)}, MALFORMED),
    "an extension with more than a value": (
        {"extensions": extensions(f"300e {OID_BASIC} 0101ff 0402 3000 0500", USAGE_LEAF)},
        MALFORMED,
    ),
    "an extension's OID that is cut off": (
        {"extensions": extensions(BASIC_LEAF, USAGE_LEAF, "3009 0603551d8e 0402 0400")},
        MALFORMED,
    ),
    "two lists of extensions": (
        {"extensions": element(0xA3, element(0x30, of(BASIC_LEAF)), element(0x30, of(USAGE_LEAF)))},
        MALFORMED,
    ),
    "CA false, spelt out": (basic("3003 010100"), MALFORMED),
    "a path length without CA": (basic("3003 020100"), MALFORMED),
    "a negative path length": (basic("3006 0101ff 0201ff"), MALFORMED),
    "bytes in basicConstraints": (basic("3005 0101ff 0500"), MALFORMED),
    "bytes after basicConstraints": (basic("3000 00"), MALFORMED),
    "key usage of no bits": (usage("0301 00"), MALFORMED),
    "key usage of nothing": (usage("0300"), MALFORMED),
    "key usage with eight unused bits": (usage("0302 08c0"), MALFORMED),
    "key usage with a bit among the unused": (usage("0302 07c0"), MALFORMED),
    "bytes after key usage": (usage("0302 06c0 00"), MALFORMED),
    "bytes after the extensions": ({"after_extensions": of("0500")}, MALFORMED),
    "bytes after the signature": ({"after_all": of("0500")}, MALFORMED),
    "a signature with unused bits": (
        {"signature": element(0x03, b"\x01", encode_signature(LEAF.signature))},
        MALFORMED,
    ),
    "a raw signature": ({"signature": element(0x03, b"\x00", LEAF.signature)}, MALFORMED),
    "no signature": ({"signature": of("0300")}, MALFORMED),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_lies_outside_the_profile_is_refused(name: str) -> None:
    """A path would hold something that nobody here understood."""
    changes, expected = REFUSED[name]
    assert refusal(certificate(**changes)) is expected


@pytest.mark.parametrize(
    "der", [b"", b"0", b"-----BEGIN CERTIFICATE-----", certificate() + b"\x00", certificate()[:-1], b"\x00" * 1024]
)
def test_bytes_that_are_no_certificate_are_refused(der: bytes) -> None:
    """Trailing bytes would give one certificate several identities."""
    assert refusal(der) is MALFORMED


def test_an_issuer_of_another_hash_is_refused_before_its_key() -> None:
    """The reader would be told of the key where the algorithm is what AWS never uses."""
    changed = replace(specs()[0], hash_algorithm=hashes.SHA512(), key=SeededKeys(seed=b"x").private_key("root"))
    assert refusal(sign_certificate(changed)) is UNSUPPORTED


def test_reading_twice_gives_equal_values() -> None:
    """The cache compares what it keeps."""
    assert decode_certificate(chain().certificate) == LEAF
    assert isinstance(LEAF, Certificate)
