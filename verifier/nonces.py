"""Self-authenticating nonces: proof that a document is younger than a moment, without remembering anything.

A nonce is 58 bytes, legal as an EAT nonce (RFC 9711 section 4.1) and as a Nitro one::

    version 1 | key id 1 | issued, ms since 1970 6 | time to live, s 2 | random 16 | HMAC-SHA-256 32

The HMAC covers a domain label, those fields and the context, each part of it length-prefixed, so a nonce is good for
one policy and audience only. Time comes in as an argument; what comes out is bytes. A MAC gives freshness, not single
use: that is the guard's work, and every result says which guard applied.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

import msgspec

from verifier.reasons import ConfigurationError, Reason, Rejection

NONCE_BYTES = 58
VERSION = 1
MIN_KEY_BYTES = 32
MIN_TTL_S, MAX_TTL_S = 1, 3600
RANDOM_BYTES = 16

_DOMAIN = b"nitro-verifier nonce v1\x00"
_FIELDS = struct.Struct(">BBHIH16s")
"""The issue time's six bytes are packed as two and four."""
_KEY_IDS = 256


class SingleUse(StrEnum):
    """How far "only once" reaches."""

    OFF = "off"
    HOST = "host"
    """Across all processes of one host."""
    SHARED = "shared"
    """Across all replicas."""
    CALLER = "caller"
    """The Relying Party brought the nonce, and answers for using it once."""


class GuardUnavailableError(Exception):
    """The guard cannot tell whether a nonce was used: nothing may be affirmed until it can."""


class SingleUseGuard(Protocol):
    """Remembers which nonces were used."""

    @property
    def reach(self) -> SingleUse:
        """How far this guard's memory reaches."""
        ...

    def consume(self, nonce: bytes, *, expires_at: int, at: int) -> bool:
        """Mark a nonce as used: ``True`` for exactly one caller, ``False`` for all others until it expires.

        Only the very value ``True`` is taken for a first use.

        Raises:
            GuardUnavailableError: it cannot be known.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceKey:
    """A secret of at least 32 bytes, with the id that nonces name it by."""

    id: int
    secret: bytes = field(repr=False)
    _hmac: hmac.HMAC = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse short secrets and ids that do not fit a byte; then begin every MAC that this key will make."""
        problems = []
        if len(self.secret) < MIN_KEY_BYTES:
            problems.append(f"nonce key {self.id}: {len(self.secret)} bytes, at least {MIN_KEY_BYTES} are needed")
        if not 0 <= self.id < _KEY_IDS:
            problems.append(f"nonce key {self.id}: the id must be 0 to 255")
        if problems:
            raise ConfigurationError(*problems)
        # Begun once and copied for each nonce: that takes half as long as keying it anew.
        object.__setattr__(self, "_hmac", hmac.new(self.secret, _DOMAIN, hashlib.sha256))

    def mac(self, message: bytes) -> bytes:
        """Give the HMAC-SHA-256 of the domain label and ``message``."""
        begun = self._hmac.copy()
        begun.update(message)
        return begun.digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The key that signs, and those beside it that are still, or already, believed."""

    current: NonceKey
    next: NonceKey | None = None
    previous: NonceKey | None = None
    ephemeral: bool = False
    """Made at start-up: nonces are understood by this process alone."""

    def __post_init__(self) -> None:
        """Refuse two keys with one id."""
        ids = [key.id for key in (self.current, self.next, self.previous) if key is not None]
        if len(set(ids)) != len(ids):
            msg = "nonce keys: current, next and previous must have different ids"
            raise ConfigurationError(msg)

    def find(self, key_id: int) -> NonceKey | None:
        """Give the key with this id."""
        for key in (self.current, self.next, self.previous):
            if key is not None and key.id == key_id:
                return key
        return None


def ephemeral_keyring(secret: bytes | None = None) -> Keyring:
    """Make a keyring that dies with the process."""
    return Keyring(current=NonceKey(id=0, secret=secret or secrets.token_bytes(MIN_KEY_BYTES)), ephemeral=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceContext:
    """What a nonce is good for. An empty policy name stands for any policy."""

    audience: str
    policy: str = ""
    _encoded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Write the bytes once: a context is made once, and looked for in every nonce that is read."""
        parts = (self.policy.encode(), self.audience.encode())
        object.__setattr__(self, "_encoded", b"".join([len(part).to_bytes(4) + part for part in parts]))

    def encode(self) -> bytes:
        """Give the parts with their lengths, so that no two contexts have the same bytes."""
        return self._encoded


class IssuedNonce(msgspec.Struct, frozen=True, kw_only=True):
    """What a nonce of ours says about itself, once its MAC was found right."""

    value: bytes
    key_id: int
    issued_at: int
    """Milliseconds since 1970."""
    ttl: int
    """Seconds."""

    @property
    def expires_at(self) -> int:
        """Milliseconds since 1970; from then on the nonce is worth nothing."""
        return self.issued_at + self.ttl * 1000


def issue_nonce(
    keyring: Keyring, context: NonceContext, *, at: int, ttl: int, entropy: bytes | None = None
) -> IssuedNonce:
    """Issue a nonce.

    Args:
        keyring: whose current key signs.
        context: what it will be good for.
        at: now, milliseconds since 1970.
        ttl: seconds it lives, 1 to 3600.
        entropy: 16 bytes nobody can foresee; fresh ones from the operating system by default.

    Raises:
        ConfigurationError: ``ttl`` is out of bounds.
        ValueError: ``entropy`` or ``at`` does not fit its field.
    """
    if not MIN_TTL_S <= ttl <= MAX_TTL_S:
        msg = f"a nonce lives {MIN_TTL_S} to {MAX_TTL_S} seconds, not {ttl}"
        raise ConfigurationError(msg)
    random = secrets.token_bytes(RANDOM_BYTES) if entropy is None else entropy
    if len(random) != RANDOM_BYTES or not 0 <= at < 1 << 48:
        msg = "a nonce needs 16 bytes of entropy and a time that fits 48 bits"
        raise ValueError(msg)
    key = keyring.current
    fields = _FIELDS.pack(VERSION, key.id, at >> 32, at & 0xFFFF_FFFF, ttl, random)
    return IssuedNonce(value=fields + _mac(key, fields, context), key_id=key.id, issued_at=at, ttl=ttl)


def read_nonce(nonce: bytes, keyring: Keyring, contexts: tuple[NonceContext, ...]) -> IssuedNonce:
    """Read back a nonce that one of the keyring's keys issued for one of ``contexts``; time is not looked at.

    Raises:
        Rejection: anything else, with one reason for all of it, so that nothing can be learnt by trying.
    """
    fields, mac = nonce[: _FIELDS.size], nonce[_FIELDS.size :]
    if len(nonce) == NONCE_BYTES and fields[0] == VERSION:
        key = keyring.find(fields[1])
        # Every context is tried, whichever matches, so that the time taken does not tell.
        if key and sum([hmac.compare_digest(mac, _mac(key, fields, context)) for context in contexts]):
            _, key_id, high, low, ttl, _ = _FIELDS.unpack(fields)
            return IssuedNonce(value=nonce, key_id=key_id, issued_at=high << 32 | low, ttl=ttl)
    raise Rejection(Reason.FRESHNESS_NONCE_UNKNOWN, "this verifier did not issue the document's nonce for this policy")


def check_nonce_time(nonce: IssuedNonce, *, document_at: int, at: int, skew: int) -> None:
    """Check a nonce's life, and that the NSM signed after it was issued; all in milliseconds.

    Raises:
        Rejection: expired, issued in the future, or the document's timestamp lies before the nonce.
    """
    if at >= nonce.expires_at:
        raise Rejection(Reason.FRESHNESS_NONCE_EXPIRED, f"expired {(at - nonce.expires_at) / 1000:.1f} s ago")
    if nonce.issued_at > at + skew:
        raise Rejection(Reason.FRESHNESS_NONCE_IN_FUTURE, f"issued {(nonce.issued_at - at) / 1000:.1f} s from now")
    if document_at < nonce.issued_at - skew:
        early = (nonce.issued_at - document_at) / 1000
        raise Rejection(Reason.FRESHNESS_DOCUMENT_PREDATES_NONCE, f"signed {early:.1f} s before the nonce was issued")


@lru_cache(maxsize=256)
def _contexts(audience: str, policy: str) -> tuple[NonceContext, NonceContext]:
    """Give what a nonce that is read for ``policy`` may have been issued for: that policy, or any."""
    return NonceContext(audience=audience, policy=policy), NonceContext(audience=audience)


def _mac(key: NonceKey, fields: bytes, context: NonceContext) -> bytes:
    return key.mac(fields + context.encode())


class NonceService:
    """What a verifier that issues nonces holds: its keys, its name, and its memory of used ones."""

    __slots__ = ("audience", "guard", "keyring")

    def __init__(self, keyring: Keyring, *, audience: str, guard: SingleUseGuard | None = None) -> None:
        """Issue and read back nonces for ``audience``; replacing ``keyring`` rotates the keys in one step."""
        self.keyring = keyring
        self.audience = audience
        self.guard = guard

    @property
    def reach(self) -> SingleUse:
        """How far single use reaches here."""
        return SingleUse.OFF if self.guard is None else self.guard.reach

    def issue(self, *, at: int, ttl: int, policy: str = "") -> IssuedNonce:
        """Issue a nonce for one policy, or for any when ``policy`` is empty."""
        return issue_nonce(self.keyring, NonceContext(audience=self.audience, policy=policy), at=at, ttl=ttl)

    def read(self, nonce: bytes, *, policy: str) -> IssuedNonce:
        """Read back a nonce issued for ``policy`` or for any.

        Raises:
            Rejection: not one of ours.
        """
        return read_nonce(nonce, self.keyring, _contexts(self.audience, policy))
