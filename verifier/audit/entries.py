"""What an archive holds: documents as they are, or lines of JSON that say more about each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec

from verifier.service.notation import read_bytes, read_chosen_time, read_nonce_text

if TYPE_CHECKING:
    from verifier.history import ChosenTime

MAX_ID = 256
_KEYS = "document, policy, nonce, at, id"


class ItemKind(StrEnum):
    """How an entry stands in the archive."""

    DOCUMENT = "document"
    """The document's bytes."""
    LINE = "line"
    """A line of JSON."""
    UNREADABLE = "unreadable"
    """It could not be read; the bytes are a sentence that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditItem:
    """One entry as it was read, understood by nobody yet."""

    number: int
    """Its place in the archive, from 0."""
    name: str
    """What it is called unless it says otherwise: its file, or its line."""
    kind: ItemKind
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What to appraise, by which policy, with which nonce, as of when; ``None`` where the entry does not say."""

    id: str
    document: bytes
    policy: str | None = None
    nonce: bytes | None = None
    at: ChosenTime | None = None


class _Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    document: str
    policy: str | None = None
    nonce: str | None = None
    at: str | None = None
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)] | None = None


_decode = msgspec.json.Decoder(_Line)


def decode_item(item: AuditItem) -> AuditEntry:
    """Understand an entry.

    Raises:
        ValueError: it is none; a sentence says why, and quotes nothing of it.
    """
    if item.kind is ItemKind.UNREADABLE:
        raise ValueError(item.content.decode())
    if item.kind is ItemKind.DOCUMENT:
        return AuditEntry(id=item.name, document=item.content)
    try:
        line = _decode.decode(item.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"not a JSON object with {_KEYS}, of which document is needed"
        raise ValueError(msg) from error
    return AuditEntry(
        id=item.name if line.id is None else line.id,
        document=read_bytes(line.document) if line.document else b"",
        policy=line.policy,
        nonce=None if line.nonce is None else read_nonce_text(line.nonce),
        at=None if line.at is None else read_chosen_time(line.at),
    )
