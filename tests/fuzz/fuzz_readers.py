"""Coverage-guided fuzzing of the two readers that an operator's or an attacker's text reaches: policies, certificates.

Kept true: `read_policy` gives a policy that survives being written and read, or raises `ConfigurationError`;
`decode_certificate` gives what `cryptography` reads too (but for the exceptions listed there), or raises `Rejection`.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["verifier"]):
    from verifier import ConfigurationError, read_policy, write_policy
    from verifier.reasons import Rejection
    from verifier.trust.certificate import decode_certificate

from tests.fuzz.seeds import CERTIFICATE, POLICY, reader_seeds, write_seeds
from tests.second_opinion.certificates import EXCUSES, differences, excuse


def read_a_policy(text: str) -> None:
    """Read, write, read again."""
    try:
        policy = read_policy(text)
    except ConfigurationError:
        return
    again = read_policy(write_policy(policy))
    assert again == policy, text
    assert again.sha256 == policy.sha256, text


def read_a_certificate(der: bytes) -> None:
    """Read, and compare with what `cryptography` reads."""
    try:
        certificate = decode_certificate(der)
    except Rejection:
        return
    found = {excuse(difference) for difference in differences(certificate)} - EXCUSES.keys()
    assert not found, found


def test_one_input(data: bytes) -> None:
    """Judge one input of the fuzzer; its first byte says for which reader it is."""
    kind, rest = data[:1], data[1:]
    if kind == POLICY:
        read_a_policy(rest.decode("utf-8", "replace"))
    elif kind == CERTIFICATE:
        read_a_certificate(rest)


if __name__ == "__main__":
    write_seeds(next(Path(word) for word in sys.argv[1:] if not word.startswith("-")), reader_seeds())
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
