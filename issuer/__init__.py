"""The Attester's side, inside the enclave: what produces Evidence.

Nothing here imports `verifier`: the two parties share the wire format and `vectors/`, and two independent
readings of the format are a check on both (RFC 9334 names the roles).

`issuer.Attester` is all that most applications need. It is imported when it is first named, so that a forwarder on
the parent instance does not load an HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = ["Affirmed", "Attester", "Rejected"]

if TYPE_CHECKING:
    from issuer.attester import Affirmed, Attester, Rejected
else:  # hidden from type checkers, for which every name would exist otherwise

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module("issuer.attester"), name)
