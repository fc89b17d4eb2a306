"""What is wrong with a nonce, in the words of those who mix nonces up."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from verifier.explanation.words import printable
from verifier.nonces import NONCE_BYTES, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from verifier.evidence.document import AttestationDocument
    from verifier.nonces import NonceService

_KEY_ID_AT = 1
_HEX_SHOWN = 16

_TEXTS: Mapping[str, Callable[[bytes], bytes]] = {
    "hexadecimal": lambda value: value.hex().encode(),
    "base64": base64.b64encode,
    "base64url": lambda value: base64.urlsafe_b64encode(value).rstrip(b"="),
}


def compare_nonces(document: AttestationDocument, expected: bytes) -> str:
    """Say how a document's nonce differs from the one that was expected."""
    carried = document.nonce
    if carried:
        how = _text_form(carried, expected) or _part(carried, expected) or _edit(carried, expected)
        where = _elsewhere(document, expected)
        return f"{how}{where}; expected {_shown(expected)}, carries {_shown(carried)}"
    return f"{describe_absent(document)}{_elsewhere(document, expected)}"


def describe_absent(document: AttestationDocument) -> str:
    """Say in which way a document has no nonce."""
    kind = "null" if document.nonce is None else "of zero length"
    alike = [printable(name) for name in document.unrecognised if name.lower() == "nonce"]
    other = f"; it has a field named {alike[0]}, which is another" if alike else ""
    return f"the document's nonce is {kind}{other}"


def describe_foreign(nonce: bytes, service: NonceService) -> str:
    """Say what a nonce looks like that this verifier did not issue for this policy."""
    if len(nonce) != NONCE_BYTES:
        return f"it has {len(nonce)} bytes ({_shown(nonce)}); those that this verifier issues have {NONCE_BYTES}"
    if nonce[0] != VERSION:
        return f"it is of version {nonce[0]} ({_shown(nonce)}); this verifier issues version {VERSION}"
    key_id = nonce[_KEY_ID_AT]
    if service.keyring.find(key_id) is None:
        return f"it names nonce key {key_id}, which this verifier does not have: another service, or a key that is gone"
    return f"it names nonce key {key_id}, but was issued for another policy or audience, or was altered"


def _text_form(carried: bytes, expected: bytes) -> str:
    for name, write in _TEXTS.items():
        if carried == write(expected):
            return f"it is the expected one as {name} text; pass the bytes to the NSM"
        if write(carried) == expected:
            return f"what was expected is its {name} text; compare the bytes"
    return ""


def _part(carried: bytes, expected: bytes) -> str:
    if len(carried) < len(expected) and carried in expected:
        return f"it is {len(carried)} of the expected {len(expected)} bytes"
    if len(carried) > len(expected) and expected in carried:
        more = len(carried) - len(expected)
        return f"it is the expected one and {more} more byte{'' if more == 1 else 's'}"
    return "it is the expected one backwards" if carried == expected[::-1] else ""


def _edit(carried: bytes, expected: bytes) -> str:
    if len(carried) != len(expected):
        return f"{len(carried)} bytes instead of {len(expected)}"
    differing = [at for at, pair in enumerate(zip(carried, expected, strict=True)) if pair[0] != pair[1]]
    return f"{len(differing)} of {len(expected)} bytes differ, the first at {differing[0]}"


def _elsewhere(document: AttestationDocument, expected: bytes) -> str:
    fields = {"user_data": document.user_data, "public_key": document.public_key}
    found = [name for name, value in fields.items() if value is not None and expected and expected in value]
    return f"; the expected one is in {' and '.join(found)}" if found else ""


def _shown(value: bytes) -> str:
    return value[:_HEX_SHOWN].hex() + ("" if len(value) <= _HEX_SHOWN else "...")
