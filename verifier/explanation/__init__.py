"""Why a document is, or would be, accepted or refused: every check, also behind the first that failed.

An explanation is for people who look for a mistake. It is no Attestation Result: nothing is affirmed, no nonce is used
up, and what a document of unproven origin says is marked as unproven.
"""

from verifier.explanation.checks import Check, CheckName, CheckOutcome, Origin
from verifier.explanation.explainer import Explanation, explain

__all__ = ["Check", "CheckName", "CheckOutcome", "Explanation", "Origin", "explain"]
