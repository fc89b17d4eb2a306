"""JWS in compact form (RFC 7515) with the three headers of our tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.ear.envelopes import SealedToken, check_headers
from verifier.ear.errors import EarError, EarErrorCode
from verifier.ear.strict_json import decode_bytes, decode_object, encode_bytes, encode_object

if TYPE_CHECKING:
    from verifier.ear.keys import EarKey

TYPE = "eat+jwt"
"""application/eat+jwt (RFC 9782), without its first part as RFC 7515 section 4.1.9 recommends."""

_PARTS = 3


def sign_jws(payload: bytes, key: EarKey) -> str:
    """Sign a payload."""
    header = encode_object({"alg": key.algorithm.jose, "kid": key.kid, "typ": TYPE})
    to_be_signed = f"{encode_bytes(header)}.{encode_bytes(payload)}"
    return f"{to_be_signed}.{encode_bytes(key.sign(to_be_signed.encode()))}"


def decode_jws(token: bytes) -> SealedToken:
    """Take a token apart, believing nothing.

    Raises:
        EarError: it is not three parts of base64url, or its header is not like ours.
    """
    parts = token.split(b".")
    if len(parts) != _PARTS:
        raise EarError(EarErrorCode.MALFORMED, "not a JWS in compact form")
    try:
        header, payload, signature = map(decode_bytes, parts)
        headers = decode_object(header)
    except ValueError as error:
        raise EarError(EarErrorCode.MALFORMED, "not a JWS in compact form") from error
    kid = check_headers(headers, names=("alg", "kid", "typ"), kind=str, content_type=TYPE)
    return SealedToken(
        algorithm=headers.get("alg"),
        kid=kid,
        payload=payload,
        signature=signature,
        to_be_signed=parts[0] + b"." + parts[1],
    )
