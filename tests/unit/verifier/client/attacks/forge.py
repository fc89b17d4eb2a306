"""Genuine tokens, and an independent hand that writes and signs whatever it is told to.

Nothing but the genuine tokens is made by `verifier.ear`: what writes strictly cannot write an attack.
"""

import base64
import hashlib
import hmac
import json
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.support.core import AT, ROLE_ARN, appraise, build, document, policy
from verifier import AttestationResult
from verifier.client import Expectations
from verifier.ear.keyrings import VerificationKeys, read_jwks
from verifier.ear.keys import EarKey, read_key
from verifier.ear.signing import Addressee, Issuer, Profile, sign_cwt, sign_jwt
from verifier.policy.model import DebugMode

ISSUER, AUDIENCE, POLICY = "https://verifier.example", "payments-rp", "payments"
RESULT_NONCE = b"a nonce to be echoed, 32 bytes.."
EXPECTED = Expectations(issuer=ISSUER, audience=AUDIENCE, policy=POLICY)
IAT = int(AT.timestamp())
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256's group

P256 = ec.derive_private_key(0x1234567, ec.SECP256R1())
P384 = ec.derive_private_key(0x1234567, ec.SECP384R1())
ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = ec.derive_private_key(0x7654321, ec.SECP256R1())
Private = ec.EllipticCurvePrivateKey | Ed25519PrivateKey
Json = dict[str, Any]


def key_of(private: Private) -> EarKey:
    """The key as the verifier holds it."""
    return read_key(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


SIGNER = key_of(P256)
KID = SIGNER.kid
KEYS = [SIGNER, key_of(P384), key_of(ED25519)]
JWKS = json.dumps({"keys": [key.public_jwk() for key in KEYS]}).encode()
PEM = P256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
DER = P256.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
POINT = P256.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@cache
def keys() -> VerificationKeys:
    """The issuer's keys, as a Relying Party reads them."""
    return read_jwks(JWKS)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# --- genuine ---


def affirmed() -> AttestationResult:
    """The right document, whose public key is one."""
    return appraise(document(public_key=DER), policy())


@dataclass(frozen=True)
class Genuine:
    """How a genuine token may differ."""

    key: EarKey = SIGNER
    profile: Profile = Profile.EAR
    audience: str | None = AUDIENCE
    nonce: bytes | None = RESULT_NONCE
    issuer: str = ISSUER

    def jwt(self, result: AttestationResult) -> str:
        """Sign as the service does."""
        return sign_jwt(result, issuer=self._issuer(), key=self.key, to=self._to(), profile=self.profile)

    def cwt(self, result: AttestationResult) -> bytes:
        """Sign as the service does."""
        return sign_cwt(result, issuer=self._issuer(), key=self.key, to=self._to())

    def _issuer(self) -> Issuer:
        return Issuer(name=self.issuer, build="nitro-verifier 1.0.0")

    def _to(self) -> Addressee:
        return Addressee(audience=self.audience, nonce=self.nonce)


def rejected_for_its_build() -> AttestationResult:
    return appraise(document(public_key=DER), policy(builds=(build(pcrs=dict.fromkeys((0, 1, 2), b"\x01" * 48)),)))


def rejected_for_its_nonce() -> AttestationResult:
    return appraise(document(nonce=b"another nonce"), policy())


def rejected_as_forged() -> AttestationResult:
    whole = document(public_key=DER)
    return appraise(whole[:-1] + bytes([whole[-1] ^ 1]), policy())


def affirmed_in_debug_mode() -> AttestationResult:
    pcrs = dict.fromkeys(range(16), bytes(48))
    result = appraise(document(pcrs=pcrs), policy(debug=DebugMode.ALLOW))
    assert result.verdict == "affirmed", ROLE_ARN
    return result


# --- by hand: JWS ---


@cache
def _genuine_claims() -> Json:
    claims: Json = json.loads(unb64(Genuine().jwt(affirmed()).split(".")[1]))
    return claims


def claims(**changes: Any) -> Json:  # noqa: ANN401 - any JSON
    """The claims of a genuine token; ``a__b`` changes what is at b in a, and `...` takes it away."""
    changed = deepcopy(_genuine_claims())
    for path, value in changes.items():
        *holders, last = (_NAMES.get(part, part) for part in path.split("__"))
        holder = changed
        for name in holders:
            holder = holder[name]
        if value is ...:
            del holder[last]
        else:
            holder[last] = value
    return changed


_NAMES = {"submod": "aws-nitro-enclave", "said": "ear_verifier_claims", "vector": "ear_trustworthiness_vector"}


def appraisal(**changes: Any) -> Json:  # noqa: ANN401 - as above
    """The claims with changes in the one submodule."""
    return claims(**{f"submods__submod__{path}": value for path, value in changes.items()})


def header(**changes: Any) -> Json:  # noqa: ANN401 - as above
    """The header of a genuine token, with changes; `...` takes a member away."""
    changed = {"alg": "ES256", "kid": KID, "typ": "eat+jwt"} | changes
    return {name: value for name, value in changed.items() if value is not ...}


def signature(data: bytes, private: Private = P256) -> bytes:
    """Sign as JOSE does."""
    if isinstance(private, Ed25519PrivateKey):
        return private.sign(data)
    size = (private.curve.key_size + 7) // 8
    digest = hashes.SHA256() if private.curve.name == "secp256r1" else hashes.SHA384()
    r, s = decode_dss_signature(private.sign(data, ec.ECDSA(digest)))
    return r.to_bytes(size) + s.to_bytes(size)


def jwt(payload: Any = ..., head: Any = ..., *, private: Private = P256, tail: bytes | None = None) -> str:  # noqa: ANN401 - anything
    """Write a token and sign it; bytes are taken as they are."""
    first, second = (
        part if isinstance(part, bytes) else json.dumps(part).encode()
        for part in (header() if head is ... else head, claims() if payload is ... else payload)
    )
    signed = f"{b64(first)}.{b64(second)}"
    return f"{signed}.{b64(signature(signed.encode(), private) if tail is None else tail)}"


def hmac_jwt(secret: bytes, alg: str = "HS256", **changes: Any) -> str:  # noqa: ANN401 - any JSON
    """Authenticate a token with a secret that everybody knows."""
    digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[alg]
    signed = f"{b64(json.dumps(header(alg=alg, **changes)).encode())}.{b64(json.dumps(claims()).encode())}"
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), digest).digest())}"


def parts_of_signature(token: str) -> tuple[int, int]:
    """Give r and s."""
    raw = unb64(token.split(".")[2])
    return int.from_bytes(raw[:32]), int.from_bytes(raw[32:])


def with_signature(token: str, r: int, s: int) -> str:
    """Put another r and s in their place."""
    return f"{token.rpartition('.')[0]}.{b64(r.to_bytes(32) + s.to_bytes(32))}"


# --- by hand: COSE ---


@cache
def _genuine_cose() -> list[Any]:
    message = cbor2.loads(Genuine().cwt(affirmed()))
    return list(message.value)


def cwt_claims() -> dict[Any, Any]:
    """The claims of a genuine CWT."""
    claims_set: dict[Any, Any] = cbor2.loads(_genuine_cose()[2])
    return claims_set


def protected(**changes: Any) -> bytes:  # noqa: ANN401 - any CBOR
    """The protected header of a genuine CWT; labels are ``alg``, ``kid`` and ``typ``, and `...` takes one away."""
    changed = {"alg": -7, "kid": KID.encode(), "typ": "application/eat+cwt"} | changes
    labels = {"alg": 1, "kid": 4, "typ": 16}
    return cbor2.dumps({labels[name]: value for name, value in changed.items() if value is not ...}, canonical=True)


def cwt(  # noqa: PLR0913 - each can be attacked by itself
    payload: Any = ...,  # noqa: ANN401 - anything
    head: bytes | None = None,
    *,
    unprotected: Any = None,  # noqa: ANN401 - anything
    context: str = "Signature1",
    aad: bytes = b"",
    private: Private = P256,
    tail: bytes | None = None,
) -> bytes:
    """Write a token and sign it; bytes are taken as they are."""
    first = protected() if head is None else head
    second = (
        payload
        if isinstance(payload, bytes)
        else cbor2.dumps(cwt_claims() if payload is ... else payload, canonical=True)
    )
    signed = signature(cbor2.dumps([context, first, aad, second]), private) if tail is None else tail
    return b"\xd2" + cbor2.dumps([first, {} if unprotected is None else unprotected, second, signed], canonical=True)


def digest_of(token: str | bytes) -> str:
    """A short name for what was drawn or made."""
    return hashlib.sha256(token.encode() if isinstance(token, str) else token).hexdigest()[:12]
