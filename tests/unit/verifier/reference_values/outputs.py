"""What nitro-cli prints, as it prints it."""

import json
from typing import Any

ONE, TWO, THREE, SIGNER = ("1a" * 48, "2b" * 48, "3c" * 48, "8d" * 48)
MEASUREMENTS: dict[str, Any] = {"HashAlgorithm": "Sha384 { ... }", "PCR0": ONE, "PCR1": TWO, "PCR2": THREE}
PCRS = {0: bytes.fromhex(ONE), 1: bytes.fromhex(TWO), 2: bytes.fromhex(THREE)}

BUILD_LOG = """\
Start building the Enclave Image...
Using the locally available Docker image...
Enclave Image successfully created.
"""


def build_enclave(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a test wants there
    """Give the result of build-enclave."""
    return {"Measurements": MEASUREMENTS | changes}


def describe_eif(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Give the result of describe-eif for an image without a signature."""
    usual = {
        "EifVersion": 4,
        "Measurements": MEASUREMENTS,
        "IsSigned": False,
        "CheckCRC": True,
        "ImageName": "app",
        "ImageVersion": "1.4.2",
        "Metadata": {"BuildTime": "2026-01-01T00:00:00+00:00"},
    }
    return usual | changes


def enclave(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Give one entry of describe-enclaves."""
    usual = {
        "EnclaveName": "app",
        "EnclaveID": "i-0123456789abcdef0-enc0123456789abcdef",
        "ProcessID": 4711,
        "EnclaveCID": 16,
        "NumberOfCPUs": 2,
        "CPUIDs": [1, 3],
        "MemoryMiB": 1024,
        "State": "RUNNING",
        "Flags": "NONE",
        "Measurements": MEASUREMENTS,
    }
    return usual | changes


def printed(value: object) -> str:
    """Print as nitro-cli does."""
    return json.dumps(value, indent=2) + "\n"
