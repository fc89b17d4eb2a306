"""Documents to measure with: made by the software NSM under one throwaway PKI, the same on every run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from issuer.nsm import SoftwareNsm, ThrowawayPki
from verifier import Policy, TrustAnchor, load_anchor, read_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Genuine-looking documents, what they chain to and a policy that accepts them at ``AT``."""

    documents: tuple[tuple[bytes, ...], ...]
    """For each leaf, its documents."""
    anchor: TrustAnchor
    policy: Policy


def make_corpus(*, leaves: int, documents_per_leaf: int) -> Corpus:
    """Make documents of ``leaves`` enclaves that share all issuers."""
    pki = ThrowawayPki(seed=b"nitro-verifier benchmarks, throwaway")
    modules = [
        SoftwareNsm(pki=pki, clock=lambda: AT, build="bench", enclave_id=number.to_bytes(8))
        for number in range(1, leaves + 1)
    ]
    documents = tuple(
        tuple(module.attestation(user_data=number.to_bytes(8)) for number in range(documents_per_leaf))
        for module in modules
    )
    pcrs = {index: modules[0].describe_pcr(index).data for index in (0, 1, 2)}
    anchor = load_anchor(pki.root_der, name="throwaway-test-root", sha256=pki.root_sha256.hex())
    return Corpus(documents=documents, anchor=anchor, policy=pinning_policy(pcrs))


def pinning_policy(pcrs: Mapping[int, bytes]) -> Policy:
    """Write the policy that accepts exactly one build, and any or no nonce."""
    values = ", ".join(f'{index} = "{value.hex()}"' for index, value in pcrs.items())
    return read_policy(f'name = "bench"\nnonce = "none"\n[[build]]\nname = "bench"\npcrs = {{ {values} }}\n')
