"""The families of cases; each module says what it attacks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectors.case import AnyCase

FAMILIES = (
    *(
        "affirmed",
        "cose",
        "signature",
        "payload",
        "document",
        "trust",
        "certificate",
        "extensions",
        "keys",
        "path",
        "windows",
        "cache",
    ),
    *("policy", "nitro_tpm", "freshness", "service_nonces", "historical", "binding", "resources", "recorded"),
    *("policy_files", "base64_texts"),
)


def all_cases() -> Iterator[AnyCase]:
    """Give every case of every family, in a fixed order."""
    for name in FAMILIES:
        yield from import_module(f"vectors.families.{name}").cases()
