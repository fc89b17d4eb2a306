"""Sets of keys: those that a Verifier signs with, and those that a Relying Party believes (RFC 7517 section 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from verifier.ear.errors import EarError, EarErrorCode
from verifier.ear.keys import EarKey, generate_key, key_of_jwk
from verifier.ear.strict_json import decode_object
from verifier.reasons import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_JWKS_BYTES = 64 * 1024
MAX_JWKS_KEYS = 32

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    """The key that signs, and those beside it that Relying Parties shall know already, or still."""

    current: EarKey
    next: EarKey | None = None
    previous: EarKey | None = None
    ephemeral: bool = False
    """Made at start-up: no other process, and none after this one, can sign with it."""

    def __post_init__(self) -> None:
        """Refuse a current key that cannot sign, and one key in two places."""
        if self.current.private is None:
            msg = "signing_keys: current is a public key; signing needs the private one"
            raise ConfigurationError(msg)
        kids = [key.kid for key in self.published]
        if len(set(kids)) != len(kids):
            msg = "signing_keys: current, next and previous must be different keys"
            raise ConfigurationError(msg)

    @property
    def published(self) -> tuple[EarKey, ...]:
        """Every key that Relying Parties should know."""
        return tuple(key for key in (self.current, self.next, self.previous) if key is not None)

    def jwks(self) -> dict[str, object]:
        """Give the public parts as a JWK Set."""
        return {"keys": [key.public_jwk() for key in self.published]}


def ephemeral_signing_keys() -> SigningKeys:
    """Make a key that dies with the process."""
    return SigningKeys(current=generate_key(), ephemeral=True)


@dataclass(frozen=True, slots=True)
class VerificationKeys:
    """The keys of one issuer, by kid; made by ``read_jwks`` or from keys at hand."""

    keys: Iterable[EarKey]
    _by_kid: Mapping[str, EarKey] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the keys by kid."""
        object.__setattr__(self, "keys", tuple(self.keys))
        object.__setattr__(self, "_by_kid", MappingProxyType({key.kid: key for key in self.keys}))

    def find(self, kid: str) -> EarKey:
        """Give the key of this kid.

        Raises:
            EarError: ``KEY_UNKNOWN``.
        """
        key = self._by_kid.get(kid)
        if key is None:
            raise EarError(EarErrorCode.KEY_UNKNOWN, "no key of the issuer has this kid")
        return key


def read_jwks(document: bytes | str) -> VerificationKeys:
    """Read the JWKS that an issuer publishes at ``/.well-known/jwks.json``.

    Keys of other kinds or for other uses are passed over (RFC 7517 section 5). A key whose kid is not its RFC 7638
    thumbprint is refused: so a kid always means one key, whoever published it.

    Raises:
        EarError: ``KEYS_INVALID``: malformed, too large, no usable key, one kid twice, or a private key.
    """
    data = document.encode("utf-8", "surrogatepass") if isinstance(document, str) else document
    if len(data) > MAX_JWKS_BYTES:
        raise EarError(EarErrorCode.KEYS_INVALID, f"a JWKS longer than {MAX_JWKS_BYTES} bytes")
    try:
        entries = decode_object(data).get("keys")
    except ValueError as error:
        raise EarError(EarErrorCode.KEYS_INVALID, "not a JWKS") from error
    if type(entries) is not list or len(entries) > MAX_JWKS_KEYS or any(type(entry) is not dict for entry in entries):
        raise EarError(EarErrorCode.KEYS_INVALID, f"not a JWKS of at most {MAX_JWKS_KEYS} keys")
    found = [key for entry in entries if (key := _read_entry(entry)) is not None]
    if not found or len({key.kid for key in found}) != len(found):
        raise EarError(EarErrorCode.KEYS_INVALID, "no key that signs results, or one key twice")
    return VerificationKeys(found)


def _read_entry(entry: dict[str, object]) -> EarKey | None:
    if entry.keys() & _PRIVATE_MEMBERS:
        raise EarError(EarErrorCode.KEYS_INVALID, "a JWKS with a private or secret key in it")
    try:
        key = key_of_jwk(entry)
    except ConfigurationError:
        return None
    if entry.get("kid") != key.kid:
        raise EarError(EarErrorCode.KEYS_INVALID, "a kid that is not its key's RFC 7638 thumbprint")
    return key
