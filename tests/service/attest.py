"""Prints the document of the tests' enclave for a nonce in base64url: ``python -m tests.service.attest NONCE``."""

import base64
import sys

from tests.service.harness import enclave

if __name__ == "__main__":
    sys.stdout.buffer.write(enclave().attestation(nonce=base64.urlsafe_b64decode(sys.argv[1] + "==")))
