"""``python -m nitro_demo``, which ``nitro-verifier demo`` runs."""

import sys

from nitro_demo.loop import main

if __name__ == "__main__":
    sys.exit(main())
