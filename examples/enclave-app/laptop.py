"""The same application on a machine without an enclave: ``python laptop.py`` with the image's settings.

A script of its own, and not an option of the application's: what the image holds knows no NSM but the device.
"""

import argparse
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from enclave_app.settings import Settings
from enclave_app.startup import PROBLEMS, start
from issuer.nsm import Nsm, SoftwareBackend, SoftwareNsm, ThrowawayPki
from issuer.readiness import Place


def now() -> datetime:
    """Read this machine's clock, which plays the hypervisor's."""
    return datetime.now(UTC)


def main() -> None:
    """Serve with a software NSM until SIGINT."""
    parser = argparse.ArgumentParser(description="Run the enclave application with a software NSM. It proves nothing.")
    parser.add_argument("--folder", type=Path, required=True, help="what --software-folder of nitro-issuer made")
    parser.add_argument("--build", required=True, help="the make-believe image that runs")
    chosen = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    pki = ThrowawayPki(seed=(chosen.folder / "throwaway.seed").read_bytes())
    nsm = Nsm(SoftwareBackend(SoftwareNsm(clock=now, pki=pki, build=chosen.build)))
    logging.getLogger().warning("*** SOFTWARE NSM *** This is no enclave, and what it signs proves nothing.")
    try:
        start(Settings.read(os.environ), nsm, place=Place.ELSEWHERE)
    except KeyboardInterrupt:
        return
    except PROBLEMS as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
