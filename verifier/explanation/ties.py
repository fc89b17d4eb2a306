"""What genuine documents repeat in several places: do this one's copies agree?

The instance's id is in module_id and hashed into PCR4; the module's id is in the leaf certificate's name; the enclave's
id and the time of issue are the leaf's serial number. All genuine documents agree. AWS promises none of it, so this is
reported and never judged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from verifier.evidence.pcrs import ZERO
from verifier.policy.measurements import pcr_of_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.evidence.document import AttestationDocument
    from verifier.trust.certificate import Certificate

BACKDATING_S = 3
"""Leaves begin this long before they are issued; in 2021 they began at once."""

_MODULE_ID = re.compile(r"(?P<instance>i-[0-9a-f]{8}(?:[0-9a-f]{9})?)-enc(?P<enclave>[0-9a-f]{16})")


class Outcome(StrEnum):
    """How two copies compare."""

    AGREES = "agrees"
    DIFFERS = "differs"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """One comparison; ``detail`` may quote the unproven document."""

    name: str
    outcome: Outcome
    detail: str


def compare_identities(document: AttestationDocument, leaf: Certificate | None, leaf_name: str | None) -> Iterator[Tie]:
    """Compare the copies of a document's identity; ``leaf`` is ``None`` when it could not be read."""
    module = _MODULE_ID.fullmatch(document.module_id)
    yield _compare_instance(document, module)
    yield _compare_name(document, leaf_name)
    yield _compare_serial(leaf, module)


def _compare_instance(document: AttestationDocument, module: re.Match[str] | None) -> Tie:
    name = "PCR4 is the hash of module_id's instance"
    if module is None:
        return Tie(name=name, outcome=Outcome.NOT_APPLICABLE, detail="module_id is not <instance>-enc<16 hex>")
    if document.pcrs.get(4, ZERO) == ZERO:
        return Tie(name=name, outcome=Outcome.NOT_APPLICABLE, detail="PCR4 is zero or absent")
    agrees = document.pcrs[4] == pcr_of_text(module["instance"])
    return Tie(name=name, outcome=_outcome(agrees=agrees), detail=module["instance"])


def _compare_name(document: AttestationDocument, leaf_name: str | None) -> Tie:
    name = "leaf is named <module_id>.<region>.aws"
    if leaf_name is None:
        return Tie(name=name, outcome=Outcome.NOT_APPLICABLE, detail="the leaf has no common name")
    agrees = re.fullmatch(rf"{re.escape(document.module_id)}\.[a-z0-9-]+\.aws", leaf_name) is not None
    return Tie(name=name, outcome=_outcome(agrees=agrees), detail=leaf_name)


def _compare_serial(leaf: Certificate | None, module: re.Match[str] | None) -> Tie:
    name = "leaf's serial is the enclave's id and its time of issue"
    if leaf is None or module is None:
        missing = "the leaf cannot be read" if leaf is None else "module_id has no enclave id"
        return Tie(name=name, outcome=Outcome.NOT_APPLICABLE, detail=missing)
    enclave, issued = leaf.serial >> 64, leaf.serial & (1 << 64) - 1
    agrees = enclave == int(module["enclave"], 16) and 0 <= issued - leaf.not_before <= BACKDATING_S
    detail = f"issued {datetime.fromtimestamp(issued, UTC):%Y-%m-%d %H:%M:%SZ}" if agrees else f"serial {leaf.serial:x}"
    return Tie(name=name, outcome=_outcome(agrees=agrees), detail=detail)


def _outcome(*, agrees: bool) -> Outcome:
    return Outcome.AGREES if agrees else Outcome.DIFFERS
