"""Where fuzzing begins: the vectors' evidence, policies and certificates, and what is known to be right among them.

Each target writes its seeds into the first directory it is given; the first one is given `vectors/evidence` as well.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.second_opinion.documents import certificates_of
from tests.support.cases import policy_texts, vector_cases
from tests.support.core import document
from verifier import Reason

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
TAG_18 = b"\xd2"
SCALAR_BYTES = 48
POLICY, CERTIFICATE = b"P", b"C"
"""The first byte of an input of the second target says which reader it is for."""

CONTEXTUAL = frozenset(
    reason
    for reason in Reason
    if reason.stage in {"freshness", "measurement", "binding"}
    or reason
    in {
        Reason.DOCUMENT_FIELD_UNRECOGNISED,
        Reason.PATH_EXPIRED,
        Reason.PATH_NOT_YET_VALID,
        Reason.PATH_ROOT_UNTRUSTED,
    }
)
"""Reasons that speak of the policy, the clock or the anchors, and not of the document's form or signature."""

Identity = tuple[bytes, int]


def identity(evidence: bytes) -> Identity:
    """What makes two documents the same: every byte but tag 18 before it, and the last number up to its sign.

    Exactly these two things can vary without anybody's key: the tag, and the (r, n - s) twin of the signature.
    """
    bare = evidence.removeprefix(TAG_18)
    s = int.from_bytes(bare[-SCALAR_BYTES:])
    return bare[:-SCALAR_BYTES], min(s, ORDER - s)


def own_documents() -> tuple[bytes, ...]:
    """Documents under the key that the first target signs with, in both map styles."""
    return document(), document(style="definite", user_data=b"data", public_key=b"key", tagged=True)


def known_documents() -> frozenset[Identity]:
    """The identities of all evidence that is rightly signed, for whatever policy, anchor or time it is refused.

    Whether each is refused where it should be is the vectors' own test.
    """
    signed = [case.evidence for case in vector_cases() if set(case.reasons) <= CONTEXTUAL]
    return frozenset(identity(evidence) for evidence in (*signed, *own_documents()))


def identities_of(directories: Iterable[Path]) -> frozenset[Identity]:
    """The identities of all that a run begins with: a corpus may hold documents of vectors that are written anew since.

    What an earlier run complained about lies beside it under names that begin with `crash-`, and is not believed.
    """
    files = (path for directory in directories for path in directory.iterdir() if not path.name.startswith("crash-"))
    return frozenset(identity(path.read_bytes()) for path in files)


def reader_seeds() -> Iterator[bytes]:
    """Give the inputs of the second target."""
    for text in policy_texts():
        yield POLICY + text.encode()
    for der in sorted({der for case in vector_cases() for der in certificates_of(case.evidence)}):
        yield CERTIFICATE + der


def write_seeds(directory: Path, seeds: Iterable[bytes]) -> None:
    """Write a corpus."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (directory / f"seed-{number:04}").write_bytes(seed)
