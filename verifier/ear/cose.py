"""COSE_Sign1 (RFC 9052 section 4.2) as a CWT (RFC 8392): tag 18, everything in the protected header, one encoding.

RFC 8392 wants the COSE tag and leaves the CWT tag (61) to the application. HTTP names the media type, so it is not
written; it is taken when there. ``kid`` is the same text as in the JWKS, as bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.ear.cbor import encode_item
from verifier.ear.envelopes import SealedToken, check_headers
from verifier.ear.errors import EarError, EarErrorCode
from verifier.evidence.cbor import CborError, decode_item

if TYPE_CHECKING:
    from verifier.ear.keys import EarKey

TYPE = "application/eat+cwt"
"""RFC 9782; the typ header is RFC 9596's."""

_ALG, _KID, _TYP = 1, 4, 16
_CWT_TAG, _SIGN1_TAG = b"\xd8\x3d", b"\xd2"
_PARTS = 4


def sign_sign1(payload: bytes, key: EarKey) -> bytes:
    """Sign a payload."""
    protected = encode_item({_ALG: key.algorithm.cose, _KID: key.kid.encode(), _TYP: TYPE})
    signature = key.sign(_sig_structure(protected, payload))
    return _SIGN1_TAG + encode_item([protected, {}, payload, signature])


def decode_sign1(token: bytes) -> SealedToken:
    """Take a token apart, believing nothing.

    Raises:
        EarError: it is not one tagged COSE_Sign1 in the one encoding, or its headers are not like ours.
    """
    parts = _decode_parts(token.removeprefix(_CWT_TAG))
    protected, payload, signature = parts
    headers = _decode(protected)
    if type(headers) is not dict or any(type(label) is not int for label in headers):
        raise EarError(EarErrorCode.HEADER_UNEXPECTED, "the protected header is not a map of registered labels")
    kid = check_headers(headers, names=(_ALG, _KID, _TYP), kind=bytes, content_type=TYPE)
    return SealedToken(
        algorithm=headers.get(_ALG),
        kid=kid.decode("ascii", "replace"),
        payload=payload,
        signature=signature,
        to_be_signed=_sig_structure(protected, payload),
    )


def _decode_parts(message: bytes) -> tuple[bytes, bytes, bytes]:
    parts = _decode(message[len(_SIGN1_TAG) :]) if message.startswith(_SIGN1_TAG) else None
    if type(parts) is not list or len(parts) != _PARTS:
        raise EarError(EarErrorCode.MALFORMED, "not one COSE_Sign1 with its tag")
    protected, unprotected, payload, signature = parts
    if unprotected != {}:
        raise EarError(EarErrorCode.HEADER_UNEXPECTED, "the unprotected header is not the empty map")
    if not (type(protected) is type(payload) is type(signature) is bytes):
        raise EarError(EarErrorCode.MALFORMED, "not one COSE_Sign1 with its tag")
    return protected, payload, signature


def _decode(data: bytes) -> object:
    """Decode an item that is in its deterministic encoding, so that nobody can write the same token differently."""
    try:
        item = decode_item(data)
        unchanged = encode_item(item) == data
    except (CborError, TypeError) as error:
        raise EarError(EarErrorCode.MALFORMED, "not CBOR, or not of the kind that tokens are made of") from error
    if not unchanged:
        raise EarError(EarErrorCode.MALFORMED, "not in its deterministic encoding")
    return item


def _sig_structure(protected: bytes, payload: bytes) -> bytes:
    """Give what is signed (RFC 9052 section 4.4)."""
    return encode_item(["Signature1", protected, b"", payload])
