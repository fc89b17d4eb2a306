"""What the envelopes of both kinds of token have in common: three headers, a payload, a signature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from verifier.ear.errors import EarError, EarErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping

_Name = TypeVar("_Name", int, str)
_Kid = TypeVar("_Kid", str, bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedToken:
    """A token taken apart, nothing of which is believed yet."""

    algorithm: object
    """As JOSE or COSE name it, or anything else."""
    kid: str
    payload: bytes
    signature: bytes
    to_be_signed: bytes


def check_headers(
    headers: Mapping[_Name, object], *, names: tuple[_Name, _Name, _Name], kind: type[_Kid], content_type: str
) -> _Kid:
    """Refuse headers other than alg, kid and typ (so named), or another typ; give the kid.

    RFC 7515 would have unknown parameters passed over. Nobody but this package makes these tokens, and every known
    attack through a header (crit, b64, jku, jwk, x5c) needs one more than these three.

    Raises:
        EarError: which of them is wrong.
    """
    _, name_of_kid, name_of_typ = names
    if not headers.keys() <= set(names):
        raise EarError(EarErrorCode.HEADER_UNEXPECTED, "only alg, kid and typ are taken")
    if headers.get(name_of_typ) != content_type:
        raise EarError(EarErrorCode.TYPE_UNEXPECTED, f"typ is not {content_type}")
    kid = headers.get(name_of_kid)
    if type(kid) is not kind or not kid:
        raise EarError(EarErrorCode.KEY_ID_MISSING, "the header names no key")
    return kid
