"""Service nonces written from their description alone, so that reading them is checked against a second writing.

version 1 | key id 1 | issued, ms since 1970 6 | time to live, s 2 | random 16 | HMAC-SHA-256 32, where the MAC covers
the label, the fields and the context: policy and audience, each after its length in four bytes.
"""

from __future__ import annotations

import hmac

from vectors.case import Service
from vectors.world import AT, KEYS, milliseconds

AUDIENCE = "https://verifier.example.invalid"
LABEL = b"nitro-verifier nonce v1\0"
ISSUED_AT = milliseconds(AT) - 10_000
TTL = 60

SECRETS = {role: KEYS.octets(f"nonce key {role}", 32) for role in ("current", "next", "previous", "stranger")}
IDS = {"current": 2, "next": 3, "previous": 1, "stranger": 2}
SERVICE = Service(
    audience=AUDIENCE, keys=tuple((role, IDS[role], SECRETS[role]) for role in ("current", "next", "previous"))
)
UNGUARDED = Service(audience=AUDIENCE, keys=SERVICE.keys, single_use=False)
ONE_KEY = Service(audience=AUDIENCE, keys=SERVICE.keys[:1])


def nonce(  # noqa: PLR0913 - each field of the format
    role: str = "current",
    *,
    policy: str = "strict",
    audience: str = AUDIENCE,
    issued_at: int = ISSUED_AT,
    ttl: int = TTL,
    version: int = 1,
    label: bytes = LABEL,
) -> bytes:
    """Issue a nonce, right or wrong in one field that the MAC covers."""
    head = bytes((version, IDS[role])) + issued_at.to_bytes(6) + ttl.to_bytes(2)
    fields = head + KEYS.octets(f"nonce random {head.hex()}", 16)
    context = b"".join(len(part).to_bytes(4) + part for part in (policy.encode(), audience.encode()))
    return fields + hmac.digest(SECRETS[role], label + fields + context, "sha256")
