"""What all Python drivers share: orders come in as lines of JSON, and each is answered with one.

Imported by drivers that run in environments of their own, so it needs nothing but the standard library.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One document, and what is expected of it."""

    document: bytes
    pcrs: dict[int, str]
    """Expected values in hex; none where the order is to verify without any."""
    tls_certificate: bytes
    """A certificate with the key that the document names; one peer wants it."""


class RefusedError(Exception):
    """The peer said no, without raising anything itself."""


def serve(verify: Callable[[Order], None]) -> None:
    """Answer orders until there are none; ``verify`` raises whatever it likes for no."""
    for line in sys.stdin:
        fields = json.loads(line)
        order = Order(
            document=b64decode(fields["document"]),
            pcrs={int(index): value for index, value in fields["pcrs"].items()},
            tls_certificate=b64decode(fields["tls_certificate"]),
        )
        print(json.dumps(_answer(verify, order, fields["calls"])), flush=True)


def _answer(verify: Callable[[Order], None], order: Order, calls: int) -> dict[str, object]:
    try:
        for _ in range(calls):
            verify(order)
    except BaseException as error:  # noqa: BLE001 - a panic in Rust is no Exception, and a refusal like any other
        return {"accepted": False, "why": f"{type(error).__name__}: {error}"[:200]}
    return {"accepted": True, "why": ""}
