"""What ``nitro-cli describe-enclaves`` says of the enclaves that run here."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from issuer.nsm.pcrs import PCR_COUNT, ZERO
from issuer.readiness.expectations import Expectations
from issuer.readiness.findings import Judgement, State
from issuer.readiness.machine import MAX_FILE_BYTES, UnreadableError
from issuer.readiness.security_module import BUILD_PCRS, compare_pcrs

PRODUCTION_FLAGS: Final = "NONE"
RUNNING: Final = "RUNNING"
_NAME: Final = "describe-enclaves"
_NONE_RUNS: Final = "no enclave runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclave:
    """One of them, in nitro-cli's words; what it does not say is empty."""

    enclave_id: str
    cid: str
    state: str
    flags: str
    pcrs: Mapping[int, bytes]


def decode_enclaves(data: bytes) -> tuple[Enclave, ...]:
    """Read the output.

    Raises:
        UnreadableError: it is not what describe-enclaves writes.
    """
    if len(data) > MAX_FILE_BYTES:
        raise UnreadableError(f"{_NAME}: larger than {MAX_FILE_BYTES} bytes")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{_NAME}: no JSON") from error
    if not isinstance(body, list):
        raise UnreadableError(f"{_NAME}: no list")
    return tuple(_enclave(item) for item in body)


def judge_states(enclaves: tuple[Enclave, ...]) -> Judgement:
    """Hold every enclave to be running; show where to reach them."""
    if not enclaves:
        return State.WARNING, _NONE_RUNS
    found = "; ".join(f"{_id(one)}: {one.state[:20]!a}, CID {one.cid[:20]}" for one in enclaves)
    return (State.OK if all(one.state == RUNNING for one in enclaves) else State.FAILED), found


def judge_flags(enclaves: tuple[Enclave, ...]) -> Judgement:
    """Hold every enclave to have no flags; one without the word has not shown it."""
    if not enclaves:
        return State.NOT_APPLICABLE, _NONE_RUNS
    found = "; ".join(f"{_id(one)}: {one.flags[:40]!a}" for one in enclaves)
    return (State.OK if all(one.flags == PRODUCTION_FLAGS for one in enclaves) else State.FAILED), found


def judge_pcrs(enclaves: tuple[Enclave, ...], expected: Expectations) -> Judgement:
    """Hold every enclave to be measured, and to be the build that is expected, if one is."""
    if not enclaves:
        return State.NOT_APPLICABLE, _NONE_RUNS
    if unmeasured := [_id(one) for one in enclaves if any(one.pcrs.get(i, ZERO) == ZERO for i in BUILD_PCRS)]:
        return State.FAILED, f"PCR0, PCR1 or PCR2 is zero or missing: {', '.join(unmeasured)}"
    return _worst((_id(one), compare_pcrs(one.pcrs, expected)) for one in enclaves)


def _worst(judged: Iterable[tuple[str, Judgement]]) -> Judgement:
    """Say the first that failed, or what all came to."""
    judgements = tuple(judged)
    for name, (state, found) in judgements:
        if state is State.FAILED:
            return state, f"{name}: {found}"
    return judgements[0][1]


def _enclave(item: object) -> Enclave:
    match item:
        case {"EnclaveID": str() as enclave_id, **others}:
            return Enclave(
                enclave_id=enclave_id,
                cid=_cid(others.get("EnclaveCID")),
                state=_text(others.get("State")),
                flags=_text(others.get("Flags")),
                pcrs=_pcrs(others.get("Measurements")),
            )
        case _:
            raise UnreadableError(f"{_NAME}: an enclave without EnclaveID")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _cid(value: object) -> str:
    return str(value) if type(value) is int else "unknown"


def _pcrs(measurements: object) -> dict[int, bytes]:
    if not isinstance(measurements, dict):
        return {}
    values = ((index, _octets(measurements.get(f"PCR{index}"))) for index in range(PCR_COUNT))
    return {index: value for index, value in values if value is not None}


def _octets(value: object) -> bytes | None:
    try:
        return bytes.fromhex(_text(value)) or None
    except ValueError:
        return None


def _id(enclave: Enclave) -> str:
    return f"{enclave.enclave_id[:60]!a}"[1:-1]
