"""Write a policy from measurements: what ``read_policy`` reads, with a word on where the numbers came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.policy.canonical import write_policy
from verifier.policy.model import SIGNER_PCR, Build, MeasurementMode, Policy, Requirements
from verifier.reasons import ConfigurationError

if TYPE_CHECKING:
    from datetime import datetime

    from verifier.reference_values.provenance import ReferenceValues


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the operator wants of the policy; the measurements do not say."""

    name: str
    build: str
    role_arns: tuple[str, ...] = ()
    instance_ids: tuple[str, ...] = ()
    not_after: datetime | None = None
    mode: MeasurementMode = MeasurementMode.IMAGE
    """``SIGNER`` names PCR8 alone: whatever the same certificate signs is trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A policy and the text to keep it in."""

    policy: Policy
    text: str


def draft_policy(values: ReferenceValues, wishes: Wishes) -> Draft:
    """Make a policy of one build; every setting that is not wished for has its strict default.

    Raises:
        ConfigurationError: no policy may be made of these measurements, or a wish makes none.
    """
    if values.objection is not None:
        msg = f"no policy is made of these measurements: {values.objection}"
        raise ConfigurationError(msg)
    policy = Policy(
        name=wishes.name,
        builds=(Build(name=wishes.build, pcrs=_pcrs(values, wishes.mode), not_after=wishes.not_after),),
        mode=wishes.mode,
        require=Requirements(
            pcr3_role_arn=wishes.role_arns or None,
            pcr4_instance_id=wishes.instance_ids or None,
        ),
    )
    return Draft(policy=policy, text=f"{_preface(values)}\n{write_policy(policy)}")


def _pcrs(values: ReferenceValues, mode: MeasurementMode) -> dict[int, bytes]:
    if mode is MeasurementMode.IMAGE:
        return dict(values.pcrs)
    if SIGNER_PCR not in values.pcrs:
        raise ConfigurationError("the image is not signed, so it has no PCR8 to know its builds by")
    return {SIGNER_PCR: values.pcrs[SIGNER_PCR]}


def _preface(values: ReferenceValues) -> str:
    """Say in comments where the numbers came from. Nothing that the source says of itself enters them."""
    lines = [f"# Measurements: {values.provenance}."]
    if values.provenance.caution is not None:
        lines.append(f"# NOT AUTHORITATIVE: {values.provenance.caution}")
    return "\n".join(lines)
