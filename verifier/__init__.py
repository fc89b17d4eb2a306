"""Verifier of AWS Nitro Enclaves attestation documents.

One entry point: ``Verifier().appraise(evidence, policy=..., nonce=..., at=...)`` gives ``Affirmed`` or ``Rejected``.
"""

from verifier.nonces import (
    GuardUnavailableError,
    Keyring,
    NonceKey,
    NonceService,
    SingleUse,
    SingleUseGuard,
    ephemeral_keyring,
)
from verifier.pipeline import Stage, Verifier
from verifier.policy.canonical import write_policy
from verifier.policy.findings import Finding
from verifier.policy.freshness import Freshness, FreshnessMode
from verifier.policy.model import Policy
from verifier.policy.reader import read_policy
from verifier.reasons import ConfigurationError, Reason
from verifier.result import Affirmed, AttestationResult, Claims, Rejected, Verdict
from verifier.trust.anchors import TrustAnchor, bundled_anchor, load_anchor
from verifier.trust.cache import PathCache
from verifier.trust.ecdsa import EngineName

__all__ = [
    "Affirmed",
    "AttestationResult",
    "Claims",
    "ConfigurationError",
    "EngineName",
    "Finding",
    "Freshness",
    "FreshnessMode",
    "GuardUnavailableError",
    "Keyring",
    "NonceKey",
    "NonceService",
    "PathCache",
    "Policy",
    "Reason",
    "Rejected",
    "SingleUse",
    "SingleUseGuard",
    "Stage",
    "TrustAnchor",
    "Verdict",
    "Verifier",
    "bundled_anchor",
    "ephemeral_keyring",
    "load_anchor",
    "read_policy",
    "write_policy",
]
