"""What an NSM answers: one value for each request, and the refusal."""

from dataclasses import dataclass
from typing import TypeAlias

from issuer.nsm.pcrs import PCR_COUNT, PcrDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class NsmDescription:
    """The answer to DescribeNSM, in the words of the wire."""

    module_id: str
    locked_pcrs: tuple[int, ...]
    version_major: int = 1
    version_minor: int = 0
    version_patch: int = 0
    max_pcrs: int = PCR_COUNT
    digest: str = "SHA384"


@dataclass(frozen=True, slots=True, kw_only=True)
class PcrExtended:
    """The answer to ExtendPCR: the PCR's new value."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PcrLocked:
    """The answer to LockPCR, which says nothing but that it was done."""


@dataclass(frozen=True, slots=True)
class PcrsLocked:
    """The answer to LockPCRs, which says nothing but that it was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationDocument:
    """The answer to Attestation: an untagged COSE_Sign1, which nobody has looked into."""

    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomBytes:
    """The answer to GetRandom."""

    random: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The answer to what the NSM will not do: the wire's name for why."""

    code: str


Response: TypeAlias = (
    NsmDescription | PcrDescription | PcrExtended | PcrLocked | PcrsLocked | AttestationDocument | RandomBytes | Refusal
)
