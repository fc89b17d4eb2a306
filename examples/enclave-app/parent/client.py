"""Talk to the application from the parent: hand it credentials and the encrypted secret, or have it make a tag.

    aws configure export-credentials --format process | python client.py unlock vsock:16:5005 secret.b64
    python client.py sign vsock:16:5005 "a message"

Exit codes: 0 done, 1 the enclave said no or nobody answered, 2 wrong usage.
"""

import argparse
import base64
import json
import sys
from pathlib import Path

from issuer.vsock import VsockError, exchange, parse_address

TIMEOUT_S = 60.0  # KMS is asked meanwhile


def unlock(ciphertext: Path) -> dict[str, object]:
    """Make the request that hands the secret over; credentials come on stdin, as the AWS CLI exports them."""
    exported = json.load(sys.stdin)
    names = {"AccessKeyId": "access_key_id", "SecretAccessKey": "secret_access_key", "SessionToken": "session_token"}
    credentials = {name: exported[aws] for aws, name in names.items()}
    return {"do": "unlock", "credentials": credentials, "ciphertext": "".join(ciphertext.read_text().split())}


def sign(message: str) -> dict[str, object]:
    """Make the request for a tag."""
    return {"do": "sign", "message": base64.b64encode(message.encode()).decode()}


def main() -> int:
    """Send one request and print the answer."""
    parser = argparse.ArgumentParser(description="Talk to the enclave application.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, argument in (("unlock", "ciphertext"), ("sign", "message")):
        command = commands.add_parser(name)
        command.add_argument("address", help="vsock:CID:5005")
        command.add_argument(argument)
    chosen = parser.parse_args()
    try:
        address = parse_address(chosen.address)
        request = unlock(Path(chosen.ciphertext)) if chosen.command == "unlock" else sign(chosen.message)
    except (KeyError, ValueError, OSError) as error:
        parser.error(f"{type(error).__name__}: {error}")
    try:
        answer = exchange(address, json.dumps(request).encode(), timeout=TIMEOUT_S)
    except VsockError as error:
        sys.stderr.write(f"{chosen.address}: {type(error).__name__}: {error}\n")
        return 1
    print(answer.decode())
    return 1 if b'"error"' in answer else 0


if __name__ == "__main__":
    sys.exit(main())
