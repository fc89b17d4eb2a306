"""Who signs in tests of tokens, with which keys, and whom it is for."""

import base64
import json
from datetime import timedelta
from functools import cache
from typing import Any

from verifier.ear.keyrings import SigningKeys, VerificationKeys, read_jwks
from verifier.ear.keys import EarKey, generate_key
from verifier.ear.signing import Addressee, Issuer

ISSUER = Issuer(
    name="https://verifier.example",
    build="nitro-verifier 1.0.0",
    affirmed_lifetime=timedelta(minutes=5),
    rejected_lifetime=timedelta(minutes=1),
)
RP_NONCE = b"the Relying Party's challenge"
TO = Addressee(audience="https://rp.example", nonce=RP_NONCE)
CURVES = ("P-256", "P-384", "Ed25519")
TOKEN_ID = bytes(range(16))


@cache
def _key(curve: str) -> EarKey:
    return generate_key(curve)


def key(curve: str = "P-256") -> EarKey:
    """The one key of each curve."""
    return _key(curve)


@cache
def jwks(*curves: str) -> str:
    """What the issuer publishes; without curves, all of them."""
    keys = [key(curve) for curve in curves or CURVES]
    beside = dict(zip(("next", "previous"), keys[1:], strict=False))
    return json.dumps(SigningKeys(current=keys[0], **beside).jwks())  # type: ignore[arg-type]  # none is ephemeral


@cache
def keys(*curves: str) -> VerificationKeys:
    """The same, read."""
    return read_jwks(jwks(*curves))


def payload_of(token: str) -> Any:  # noqa: ANN401 - whatever is in it
    """A JWT's claims, unverified."""
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
