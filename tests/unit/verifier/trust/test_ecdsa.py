import hashlib
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from issuer.nsm import SeededKeys, sign_raw
from verifier.reasons import ConfigurationError
from verifier.trust.der import DerError
from verifier.trust.ecdsa import (
    ORDER,
    SPKI_BYTES,
    SPKI_PREFIX,
    Engine,
    EngineName,
    KeyUnsupportedError,
    decode_signature,
    encode_signature,
    is_in_range,
    select_engine,
)

KEY = SeededKeys(seed=b"ecdsa").private_key("signer")
PUBLIC = KEY.public_key()
SPKI = PUBLIC.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
POINT = PUBLIC.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
COMPRESSED = PUBLIC.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
MESSAGE = b"what was signed"
SIGNATURE = sign_raw(MESSAGE, KEY)
FIELD_PRIME = 2**384 - 2**128 - 2**96 + 2**32 - 1


@pytest.fixture(params=EngineName)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn: what one refuses, the other must refuse too."""
    name: EngineName = request.param
    if name is EngineName.AWS_LC and sys.platform != "linux":
        pytest.skip("AWS-LC is used on Linux only")
    return select_engine(name)


def raw(r: int, s: int) -> bytes:
    return r.to_bytes(48) + s.to_bytes(48)


def spki_of(point: bytes, *, unused_bits: int = 0) -> bytes:
    bits = bytes((3, len(point) + 1, unused_bits)) + point
    algorithm = SPKI_PREFIX[2:20]
    return bytes((0x30, len(algorithm + bits))) + algorithm + bits


def test_the_prefix_is_what_the_test_builds_by_hand() -> None:
    """The table below would test keys that nobody writes."""
    assert spki_of(POINT) == SPKI
    assert (SPKI[: len(SPKI_PREFIX)], len(SPKI)) == (SPKI_PREFIX, SPKI_BYTES)


def test_a_signature_and_its_twin_are_accepted(engine: Engine) -> None:
    """Half of the genuine documents have a high s."""
    r, s = int.from_bytes(SIGNATURE[:48]), int.from_bytes(SIGNATURE[48:])
    key = engine.load_key(SPKI)
    assert key.verify(MESSAGE, SIGNATURE)
    assert key.verify(MESSAGE, raw(r, ORDER - s))


R, S = int.from_bytes(SIGNATURE[:48]), int.from_bytes(SIGNATURE[48:])
NO_SIGNATURES = {
    "r zero": raw(0, S),
    "s zero": raw(R, 0),
    "both zero": bytes(96),
    "r is n": raw(ORDER, S),
    "s is n": raw(R, ORDER),
    "r is n + 1": raw(ORDER + 1, S),
    "s is n + 1": raw(R, ORDER + 1),
    "all ones": b"\xff" * 96,
    "95 bytes": SIGNATURE[:-1],
    "97 bytes": SIGNATURE + b"\x00",
    "96 bytes shifted": b"\x00" + SIGNATURE[:-1],
    "empty": b"",
    "its DER": encode_signature(SIGNATURE),
    "r and s swapped": SIGNATURE[48:] + SIGNATURE[:48],
    "r negated": raw(ORDER - R, S),
    "r and s are one": raw(1, 1),
    "r and s are n - 1": raw(ORDER - 1, ORDER - 1),
    "r plus one": raw(R + 1, S),
}


@pytest.mark.parametrize("name", NO_SIGNATURES)
def test_nothing_else_is_a_signature(engine: Engine, name: str) -> None:
    """A forged document would be authentic."""
    assert not engine.load_key(SPKI).verify(MESSAGE, NO_SIGNATURES[name])


def test_the_digest_is_computed_behind_the_door(engine: Engine) -> None:
    """AWS-LC truncates long digests: a caller who passed one would verify a part of the message."""
    key = engine.load_key(SPKI)
    assert not key.verify(hashlib.sha384(MESSAGE).digest(), SIGNATURE)
    assert not key.verify(MESSAGE + b"\x00", SIGNATURE)
    assert not key.verify(b"", SIGNATURE)


def test_the_range_is_that_of_sec_1() -> None:
    """A number outside 1 to n-1 would reach an engine."""
    assert is_in_range(raw(1, 1))
    assert is_in_range(raw(ORDER - 1, ORDER - 1))
    for r, s in ((0, 1), (1, 0), (ORDER, 1), (1, ORDER)):
        assert not is_in_range(raw(r, s))
    assert not is_in_range(raw(1, 1)[1:])


def off_curve() -> bytes:
    x, y = POINT[1:49], POINT[49:]
    return b"\x04" + x + (int.from_bytes(y) ^ 1).to_bytes(48)


def explicit_parameters() -> bytes:
    """RFC 3279's specifiedCurve in place of the OID, of about the right length."""
    return bytes.fromhex("3076 3010 06072a8648ce3d0201 3005 020101 3000".replace(" ", "")) + SPKI[20:]


def ed25519_spki() -> bytes:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def other_curve(curve: ec.EllipticCurve) -> bytes:
    key = SeededKeys(seed=b"ecdsa").private_key("other", curve).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


NO_KEYS = {
    "nothing": b"",
    "the point alone": POINT,
    "119 bytes": SPKI[:-1],
    "121 bytes": SPKI + b"\x00",
    "a point off the curve": spki_of(off_curve()),
    "the point at infinity in one byte": spki_of(b"\x00"),
    "the point at infinity, padded": spki_of(b"\x00" * 97),
    "zero coordinates": spki_of(b"\x04" + bytes(96)),
    "coordinates of all ones": spki_of(b"\x04" + b"\xff" * 96),
    "x plus p": spki_of(b"\x04" + (FIELD_PRIME + 0).to_bytes(48) + POINT[49:]),
    "a compressed point": spki_of(COMPRESSED),
    "a compressed point, padded": spki_of(COMPRESSED + bytes(48)),
    "a hybrid point": spki_of(bytes((6 | POINT[-1] & 1,)) + POINT[1:]),
    "a hybrid point of the wrong sign": spki_of(bytes((6 | ~POINT[-1] & 1,)) + POINT[1:]),
    "unused bits": spki_of(POINT, unused_bits=1),
    "explicit parameters": explicit_parameters(),
    "another curve's name on this point": SPKI.replace(bytes.fromhex("2b81040022"), bytes.fromhex("2b8104000a")),
    "P-256": other_curve(ec.SECP256R1()),
    "P-521": other_curve(ec.SECP521R1()),
    "secp256k1": other_curve(ec.SECP256K1()),
    "Ed25519": ed25519_spki(),
    "the private key, SEC 1": KEY.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    "the private key, PKCS 8": KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    "PEM": PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
}


@pytest.mark.parametrize("name", NO_KEYS)
def test_nothing_else_is_a_key(engine: Engine, name: str) -> None:
    """AWS-LC would load another curve, a hybrid point or a private key, and verify with it."""
    assert NO_KEYS[name] != SPKI
    with pytest.raises(KeyUnsupportedError):
        engine.load_key(NO_KEYS[name])


@pytest.mark.parametrize("name", [name for name, spki in NO_KEYS.items() if spki.startswith(SPKI_PREFIX)])
def test_what_the_prefix_lets_through_both_engines_refuse(name: str) -> None:
    """The two engines would accept different certificates."""
    for engine in EngineName:
        with pytest.raises(KeyUnsupportedError):
            select_engine(engine).load_key(NO_KEYS[name])


def test_a_signature_survives_its_der() -> None:
    """A certificate's signature would be verified as another one."""
    for r, s in ((R, S), (1, 1), (ORDER - 1, 1), (1 << 383, 127), (128, 255)):
        assert decode_signature(encode_signature(raw(r, s))) == raw(r, s)


DER = encode_signature(raw(0x80, 0x7F))  # 30 07 02 02 00 80 02 01 7f


@pytest.mark.parametrize(
    "der",
    [
        "",
        "3000",
        "300402020080",
        "300702020080020100",
        "30060201800201 7f",
        "3008020300 0080 02017f",
        "300702020080020 17f00",
        "3008020200800201 7f00",
        "300a02020080 02017f 020101",
        "318007 02020080 02017f",
        "308107 02020080 02017f",
        "3080 02020080 02017f 0000",
        "3036 0231 01" + "00" * 48 + "020101",
        "3036 020101 0231 01" + "00" * 48,
    ],
)
def test_a_signature_has_one_der(der: str) -> None:
    """A certificate would have twins that other readers refuse, or that this one reads differently."""
    assert bytes.fromhex("300702020080 02017f") == DER
    with pytest.raises(DerError):
        decode_signature(bytes.fromhex(der.replace(" ", "")))


def test_the_fastest_engine_at_hand_is_chosen() -> None:
    """Every verification on Linux would cost more than twice as much."""
    expected = EngineName.AWS_LC if sys.platform == "linux" else EngineName.OPENSSL
    assert select_engine().name is expected


def test_an_engine_that_is_not_installed_is_a_configuration_error(without_awscrt: None) -> None:
    """A service told to use AWS-LC would quietly run on something else."""
    with pytest.raises(ConfigurationError, match="aws-lc"):
        select_engine(EngineName.AWS_LC)


def test_without_aws_lc_openssl_does_the_work(without_awscrt: None) -> None:
    """The package could not be used where awscrt has no wheel."""
    assert select_engine().name is EngineName.OPENSSL


@pytest.fixture
def without_awscrt(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter in which awscrt is not installed; only the import system can say that."""
    monkeypatch.setitem(sys.modules, "awscrt.crypto", None)
