"""Imports that cost less: most of what a command takes to begin is its modules."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@contextmanager
def uncollected_imports() -> Iterator[None]:
    """Import without looking for garbage, and never look for any in what was imported: it stays.

    Collections in between find nothing, and walk everything: about a tenth of the time that a service takes to begin.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def imports_without_certificates() -> Iterator[None]:
    """Import aiohttp without the host's list of certification authorities, in a process that opens no TLS connection.

    Its client loads the whole list while it is imported, twice. Where that is a file, as on Amazon Linux, it costs more
    time than any module does. Were a connection opened in spite of this, it would trust nobody.
    """
    before = {name: os.environ.get(name) for name in _CERTIFICATES}
    os.environ.update(dict.fromkeys(_CERTIFICATES, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
