"""Known-answer self-test: a good document passes at its own time, its twin with one bit flipped does not.

The document was made by the software NSM under a throwaway root that signs nothing else. Document and root are data
beside this module; the root is trusted by the verifier made here and by no other. To write both anew::

    python -m tests.service.known_answer
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING

from verifier.pipeline import Verifier
from verifier.policy.model import Build, NonceMode, Policy
from verifier.reasons import Reason
from verifier.result import Affirmed, Rejected
from verifier.trust.anchors import load_anchor
from verifier.trust.cache import PathCache

if TYPE_CHECKING:
    from verifier.trust.ecdsa import EngineName

SIGNED_AT = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
ROOT_SHA256 = "1f046846169a1a2309f09bce8800d60bb0ddf24ed42560819617d2708c17cb27"
PCRS = {index: bytes([index + 1]) * 48 for index in range(3)}
NONCE = b"known answer"


class SelfTest:
    """A verifier of its own that is asked two questions whose answers are known."""

    def __init__(self, engine: EngineName | None = None) -> None:
        """Read the data; ``engine`` is the one that serves."""
        folder = files("verifier.service").joinpath("known_answer")
        self._document = folder.joinpath("document.cbor").read_bytes()
        anchor = load_anchor(folder.joinpath("root.der").read_bytes(), name="known-answer", sha256=ROOT_SHA256)
        # Without a cache: each run verifies all five signatures.
        self._verifier = Verifier(anchors=(anchor,), engine=engine, cache=PathCache(leaves=0))
        self._policy = Policy(
            name="known-answer", builds=(Build(name="known-answer", pcrs=PCRS),), nonce=NonceMode.CALLER
        )

    def passes(self) -> bool:
        """Tell whether this process still tells a good document from a bad one."""
        good, bad = self._appraise(self._document), self._appraise(_flip_last_bit(self._document))
        return isinstance(good, Affirmed) and isinstance(bad, Rejected) and bad.reasons == (Reason.SIGNATURE_INVALID,)

    def _appraise(self, document: bytes) -> Affirmed | Rejected:
        return self._verifier.appraise(document, policy=self._policy, nonce=NONCE, at=SIGNED_AT)


def _flip_last_bit(document: bytes) -> bytes:
    return document[:-1] + bytes([document[-1] ^ 1])
