"""Documents taken apart without the verifier: by the independent CBOR reader and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.second_opinion.strict_cbor import Array, Item, Map, NotWellFormedError, Tagged, Text, read_item

_TAG_18 = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The four parts of a COSE_Sign1, as far as they are byte strings."""

    protected: bytes
    payload: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The certificates of a document in DER, root first, leaf last."""

    cabundle: tuple[bytes, ...]
    leaf: bytes


def read_parts(evidence: bytes) -> Parts | None:
    """Read a COSE_Sign1, tagged or not; None where it is none or its parts are something else than byte strings."""
    try:
        item = read_item(evidence)
    except NotWellFormedError:
        return None
    if isinstance(item, Tagged) and item.number == _TAG_18:
        item = item.content
    match item:
        case Array(items=(bytes(protected), Map(), bytes(payload), bytes(signature))):
            return Parts(protected=protected, payload=payload, signature=signature)
        case _:
            return None


def read_fields(payload: bytes) -> dict[str, Item]:
    """Read a payload's text-keyed fields; of a repeated one the last, of something else nothing."""
    try:
        item = read_item(payload)
    except NotWellFormedError:
        return {}
    if not isinstance(item, Map):
        return {}
    return {key.raw.decode("utf-8", "replace"): value for key, value in item.pairs if isinstance(key, Text)}


def read_chain(evidence: bytes) -> Chain | None:
    """Read a document's certificates; None where they are not byte strings."""
    parts = read_parts(evidence)
    fields = read_fields(parts.payload) if parts else {}
    leaf, bundle = fields.get("certificate"), fields.get("cabundle")
    if not isinstance(leaf, bytes) or not isinstance(bundle, Array):
        return None
    cabundle = tuple(entry for entry in bundle.items if isinstance(entry, bytes))
    return Chain(cabundle=cabundle, leaf=leaf) if cabundle and len(cabundle) == len(bundle.items) else None


def certificates_of(evidence: bytes) -> Iterator[bytes]:
    """Give a document's certificates, if they can be read."""
    chain = read_chain(evidence)
    if chain:
        yield from (*chain.cabundle, chain.leaf)
