"""Who is admitted: the decision that both kinds of middleware share.

The token comes as ``Authorization: Bearer …`` (RFC 6750). Whatever is not certainly affirmed is refused: no token, more
than one, one that is not good, a verdict that is another, and keys that cannot be had.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from verifier.client import AsyncTokenVerifier, EarError, EarErrorCode, EarResult, KeysUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ATTESTATION: Final = "attestation"
"""The name under which a request that was admitted carries its `EarResult`."""
RETRY_AFTER_S: Final = 10
_BEARER: Final = re.compile(r"Bearer +([A-Za-z0-9._-]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The answer instead of the application's."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def admit(tokens: AsyncTokenVerifier, authorization: Sequence[str]) -> EarResult | Refusal:
    """Decide by the values of all headers ``Authorization``."""
    found = [_BEARER.fullmatch(value) for value in authorization]
    if len(found) != 1 or found[0] is None:
        return _refusal(401, "token.missing", "Bearer")
    try:
        return await tokens.require_affirmed(found[0][1], nonce=None)
    except EarError as error:
        if error.code is EarErrorCode.NOT_AFFIRMED:  # a good token about somebody who is not
            return _refusal(403, error.code, 'Bearer error="insufficient_scope"')
        return _refusal(401, error.code, f'Bearer error="invalid_token", error_description="{error.code}"')
    except KeysUnavailableError:
        return _refusal(503, "keys.unavailable", None)


def _refusal(status: int, code: str, challenge: str | None) -> Refusal:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    headers |= {"Retry-After": str(RETRY_AFTER_S)} if challenge is None else {"WWW-Authenticate": challenge}
    return Refusal(status=status, headers=headers, body=json.dumps({"error": code}).encode())
