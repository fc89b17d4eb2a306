"""The signature section: whose signature of this very image it is, or a refusal."""

import base64
import datetime as dt
from dataclasses import replace
from typing import get_args

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.support.eif_writer import CurveName, Signer, Signing, signer
from verifier.reference_values.layout import EifError, EifFault
from verifier.reference_values.signature import check_signature

PCR0 = bytes(range(48))
GOOD = Signing(pcr0=PCR0, by=signer())


@pytest.mark.parametrize("curve", get_args(CurveName))
@pytest.mark.parametrize("form", [{}, {"as_numbers": False}, {"value_as_numbers": False}])
def test_a_right_signature_names_its_signer(curve: CurveName, form: dict[str, bool]) -> None:
    """Signed images would be refused, depending on who wrote the section."""
    by = signer(curve)
    found = check_signature(replace(Signing(pcr0=PCR0, by=by), **form).section(), PCR0)  # type: ignore[arg-type]  # flags
    assert found.certificate == by.der
    assert found.subject == found.issuer == "CN=image signer\\, throwaway test"
    assert found.algorithm == {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[curve]
    assert (found.not_before.year, found.not_after.year) == (2026, 2027)


def test_the_tag_of_cose_sign1_is_accepted_once() -> None:
    """A writer that tags its messages, as RFC 9052 allows, would be refused."""
    assert check_signature(replace(GOOD, tag=b"\xd2").section(), PCR0).certificate == signer().der


def certificate_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + dt.timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def strange_curve(signer: Signer) -> bytes:
    """Give a certificate whose key claims a curve that nobody knows."""
    secp384r1, unknown = bytes.fromhex("06052b81040022"), bytes.fromhex("06052b8104007f")
    der = signer.der.replace(secp384r1, unknown)
    body = base64.encodebytes(der)
    return b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"


ENTRY = GOOD.entry()
SIGNATURE = cbor2.loads(GOOD.message())[3]
PEM = signer().pem
BAD: dict[str, bytes] = {
    "nothing": b"",
    "no CBOR": b"\xff",
    "bytes after it": GOOD.section() + b"\0",
    "not a list": cbor2.dumps(ENTRY),
    "no entry": cbor2.dumps([]),
    "two entries": cbor2.dumps([ENTRY, ENTRY]),
    "an entry that is a list": cbor2.dumps([[PEM, GOOD.message()]]),
    "an entry without a certificate": cbor2.dumps([{"signature": ENTRY["signature"]}]),
    "an entry with something else": cbor2.dumps([{**ENTRY, "key": b""}]),
    "text instead of bytes": cbor2.dumps([{**ENTRY, "signing_certificate": PEM.decode()}]),
    "a number that is no byte": cbor2.dumps([{**ENTRY, "signature": [*GOOD.message(), 256]}]),
    "a negative byte": cbor2.dumps([{**ENTRY, "signature": [-1]}]),
    "truth instead of a byte": cbor2.dumps([{**ENTRY, "signature": [True]}]),
    "the signature of another image": replace(GOOD, pcr0=bytes(48)).section(),
    "the signature of another register": replace(GOOD, index=1).section(),
    "a payload with more in it": replace(
        GOOD, payload=cbor2.dumps({"register_index": 0, "register_value": list(PCR0), "x": 0})
    ).section(),
    "a payload in another order": replace(
        GOOD, payload=cbor2.dumps({"register_value": list(PCR0), "register_index": 0})
    ).section(),
    "another's signature": replace(GOOD, pem=signer(name="another").pem).section(),
    "a flipped bit": replace(GOOD, signature=SIGNATURE[:-1] + bytes((SIGNATURE[-1] ^ 1,))).section(),
    "zeros for a signature": replace(GOOD, signature=bytes(96)).section(),
    "a signature that is too short": replace(GOOD, signature=SIGNATURE[:-1]).section(),
    "a signature that is too long": replace(GOOD, signature=SIGNATURE + b"\0").section(),
    "the algorithm of another curve": replace(GOOD, protected=cbor2.dumps({1: -7})).section(),
    "an algorithm that is a float": replace(GOOD, protected=cbor2.dumps({1: -35.0})).section(),
    "an algorithm by name": replace(GOOD, protected=cbor2.dumps({1: "ES384"})).section(),
    "an algorithm under truth": replace(GOOD, protected=cbor2.dumps({True: -35})).section(),
    "no algorithm": replace(GOOD, protected=b"").section(),
    "a protected header that is no map": replace(GOOD, protected=cbor2.dumps([1, -35])).section(),
    "another protected header": replace(GOOD, protected=cbor2.dumps({1: -35, 4: b"kid"})).section(),
    "an unprotected header": replace(GOOD, unprotected=((1, -35),)).section(),
    "a tag twice": replace(GOOD, tag=b"\xd2\xd2").section(),
    "another tag": replace(GOOD, tag=b"\xd1").section(),
    "a message that is no CBOR": cbor2.dumps([{**ENTRY, "signature": b"\xff"}]),
    "a message of three parts": cbor2.dumps([{**ENTRY, "signature": cbor2.dumps([b"", {}, b""])}]),
    "a detached payload": cbor2.dumps([{**ENTRY, "signature": cbor2.dumps([b"", {}, None, b""])}]),
    "no certificate": replace(GOOD, pem=b"").section(),
    "two certificates": replace(GOOD, pem=PEM + signer(name="another").pem).section(),
    "a certificate that is cut off": replace(GOOD, pem=PEM[:200]).section(),
    "a certificate of RSA": replace(GOOD, pem=certificate_of(rsa.generate_private_key(65537, 2048))).section(),
    "a certificate on secp256k1": replace(GOOD, pem=certificate_of(ec.generate_private_key(ec.SECP256K1()))).section(),
    "a certificate on an unknown curve": replace(GOOD, pem=strange_curve(signer())).section(),
}


@pytest.mark.parametrize("section", BAD.values(), ids=BAD.keys())
def test_whatever_is_not_a_signature_of_this_image_is_refused(section: bytes) -> None:
    """Anyone could give an image the PCR8 of somebody else."""
    with pytest.raises(EifError) as caught:
        check_signature(section, PCR0)
    assert caught.value.fault is EifFault.SIGNATURE_INVALID
