"""``python -m enclave_app``: what the image runs. The NSM is the device; there is no other way in here."""

import logging
import os
import sys

from enclave_app.settings import Settings
from enclave_app.startup import PROBLEMS, start
from issuer.nsm import Nsm


def main() -> int:
    """Run until the enclave ends; 1 and one line on the console, which only debug mode shows, if it cannot."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        settings = Settings.read(os.environ)
        with Nsm.open() as nsm:
            start(settings, nsm)
    except PROBLEMS as error:
        logging.getLogger(__name__).critical("%s: %s", type(error).__name__, error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
