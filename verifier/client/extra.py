"""Says what is missing before anything else is imported: the client needs packages that the core does not."""

from __future__ import annotations

from importlib.util import find_spec

MISSING = [name for name in ("aiohttp", "joserfc") if find_spec(name) is None]
if MISSING:
    raise ModuleNotFoundError(
        f"verifier.client needs {' and '.join(MISSING)}: pip install 'nitro-verifier[client]'", name=MISSING[0]
    )
