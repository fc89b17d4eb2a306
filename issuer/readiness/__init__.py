"""Whether a machine is fit to serve: an enclave from inside, and the parent that starts enclaves.

    check_readiness().require()

as the first line of an enclave application refuses to start on a bad clock, without the NSM's entropy, or in debug
mode. The same checks are ``nitro-issuer doctor``.
"""

from issuer.readiness.catalogue import TOPICS, CheckId, Topic
from issuer.readiness.checks import check_readiness
from issuer.readiness.expectations import Expectations
from issuer.readiness.findings import Finding, NotReadyError, Place, Readiness, State
from issuer.readiness.machine import Machine, UnreadableError, detect_place

__all__ = [
    "TOPICS",
    "CheckId",
    "Expectations",
    "Finding",
    "Machine",
    "NotReadyError",
    "Place",
    "Readiness",
    "State",
    "Topic",
    "UnreadableError",
    "check_readiness",
    "detect_place",
]
