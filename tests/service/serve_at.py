"""The service at a time of the test's choosing: ``python -m tests.service.serve_at CONFIGURATION WORKERS CLOCK``.

The file CLOCK holds the time, as RFC 3339.
"""

import sys
from datetime import datetime
from pathlib import Path

from verifier.service.config import load_settings


def main(configuration: str, workers: str, clock: str) -> int:
    """Serve."""
    settings = load_settings(file=configuration, overrides={"workers": int(workers)})
    if settings.workers == 1:
        from verifier.service.server import run  # noqa: PLC0415 - as the command chooses
    else:
        from verifier.service.workers import run  # noqa: PLC0415 - as above
    return run(settings, now=lambda: datetime.fromisoformat(Path(clock).read_text(encoding="ascii")))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
