import base64
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from issuer.nsm import SeededKeys, sign_certificate
from tests.support.core import chain, specs, throwaway_pki
from verifier.reasons import ConfigurationError
from verifier.trust.anchors import AWS_NITRO_ROOT_G1_SHA256, anchor_fingerprint, bundled_anchor, load_anchor
from verifier.trust.certificate import decode_certificate

ROOT = throwaway_pki().root_der
PEM = throwaway_pki().root_pem.encode()
SHA256 = hashlib.sha256(ROOT).hexdigest()
COLONS = ":".join(SHA256[at : at + 2] for at in range(0, 64, 2)).upper()


def test_the_bundled_root_is_the_file_that_people_can_check(checkout: Path) -> None:
    """The root in the code would be another than the one in certs/, whose fingerprint people compare."""
    bundled = bundled_anchor()
    file = (checkout / "certs" / "aws-nitro-root-g1.pem").read_bytes()
    assert anchor_fingerprint(file) == bundled.sha256 == AWS_NITRO_ROOT_G1_SHA256
    assert hashlib.sha256(bundled.certificate.der).hexdigest() == AWS_NITRO_ROOT_G1_SHA256
    assert bundled.is_aws


@pytest.mark.parametrize("data", [ROOT, PEM, b"\n" + PEM, PEM.replace(b"\n", b"\r\n")])
@pytest.mark.parametrize("sha256", [SHA256, COLONS])
def test_an_anchor_is_read_from_pem_or_der(data: bytes, sha256: str) -> None:
    """An operator could not add the root of another partition."""
    anchor = load_anchor(data, name="other-partition", sha256=sha256)
    assert (anchor.name, anchor.sha256, anchor.certificate.der) == ("other-partition", SHA256, ROOT)
    assert not anchor.is_aws


def test_the_fingerprint_is_that_of_the_der() -> None:
    """An operator would pin the hash of a file's line ends."""
    assert anchor_fingerprint(PEM) == anchor_fingerprint(ROOT) == SHA256


def self_signed_with_wrong_signature() -> bytes:
    return sign_certificate(replace(specs()[0], issuer_key=SeededKeys(seed=b"x").private_key("x")))


def off_curve() -> bytes:
    spki = decode_certificate(ROOT).spki
    return ROOT.replace(spki, spki[:-1] + bytes((spki[-1] ^ 1,)))


def not_critical() -> bytes:
    first, *rest = specs()[0].extensions
    return sign_certificate(replace(specs()[0], extensions=(replace(first, critical=False), *rest)))


REFUSED = {
    "a leaf": (chain().certificate, "not a self-issued certification authority"),
    "an intermediate": (chain().cabundle[1], "not a self-issued certification authority"),
    "a root whose constraints are not critical": (not_critical(), "not a self-issued certification authority"),
    "a root with a wrong signature": (self_signed_with_wrong_signature(), "its own signature is wrong"),
    "a root whose point is off the curve": (off_curve(), "not a P-384 certification authority"),
    "no certificate": (b"nothing", "not a P-384 certification authority"),
    "a certificate with bytes after it": (ROOT + b"\x00", "not a P-384 certification authority"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_root_is_no_anchor(case: str) -> None:
    """Every document under somebody's leaf would be trusted."""
    der, problem = REFUSED[case]
    with pytest.raises(ConfigurationError, match=problem):
        load_anchor(der, name="other", sha256=hashlib.sha256(der).hexdigest())


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (PEM + PEM, "2 certificates"),
        (b"-----BEGIN NOTHING-----", "0 certificates"),
        (PEM.replace(b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN CERTIFICATE-----\nA"), "broken base64"),
    ],
)
def test_a_file_holds_exactly_one_certificate(data: bytes, problem: str) -> None:
    """Which of two roots is meant would be a guess."""
    with pytest.raises(ConfigurationError, match=problem):
        load_anchor(data, name="other", sha256=SHA256)


def test_a_refused_certificate_is_explained_in_words() -> None:
    """An operator would read the inside of an exception."""
    with pytest.raises(ConfigurationError) as caught:
        load_anchor(b"nothing", name="other", sha256=hashlib.sha256(b"nothing").hexdigest())
    why = "(path.certificate-malformed: not the strict DER of an X.509 v3 certificate)"
    assert caught.value.problems == (f"trust anchor other: not a P-384 certification authority's certificate {why}",)


def test_the_fingerprint_must_be_the_certificates() -> None:
    """A root that was swapped on the way would be trusted."""
    for sha256 in ("0" * 64, SHA256[:-1] + ("0" if SHA256[-1] != "0" else "1")):
        with pytest.raises(ConfigurationError, match=f"SHA-256 is {SHA256}"):
            load_anchor(ROOT, name="other", sha256=sha256)


def test_every_mistake_is_named_at_once() -> None:
    """An operator would fix a configuration in two rounds."""
    with pytest.raises(ConfigurationError) as caught:
        load_anchor(ROOT, name="Not A Name", sha256=base64.b64encode(bytes(32)).decode())
    assert len(caught.value.problems) == 2
