"""Measurements out of what nitro-cli prints: ``build-enclave``, ``describe-eif`` and ``describe-enclaves``.

Keys that this version does not know are passed over, since nitro-cli's output grows; what is read is read strictly.
Text before the JSON is passed over too: ``build-enclave … 2>&1`` tells what it does before it prints the result.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from verifier.evidence.pcrs import IMAGE_PCRS, PCR_BYTES, PCR_COUNT
from verifier.policy.model import SIGNER_PCR
from verifier.reasons import ConfigurationError
from verifier.reference_values.provenance import Provenance, ReferenceValues
from verifier.reference_values.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_OUTPUT_BYTES = 1024 * 1024

_WHAT = "nitro-cli output"
_JSON_START = re.compile(r"^[\[{]", re.MULTILINE)
_PCR_KEY = re.compile(r"PCR(0|[1-9][0-9]?)")
_PCR_VALUE = re.compile(rf"[0-9a-fA-F]{{{2 * PCR_BYTES}}}")
_HASH_ALGORITHM = "Sha384"
_OF_DESCRIBE_EIF = frozenset({"EifVersion", "CheckCRC", "IsSigned", "SignatureCheck"})
_NO_FLAGS = "NONE"

_Table = dict[str, object]


def read_nitro_cli(text: str) -> tuple[ReferenceValues, ...]:
    """Read the measurements in nitro-cli's output: one image's, or one for each enclave described.

    Raises:
        ConfigurationError: not such output, or without measurements.
    """
    output = _read_output(text)
    if isinstance(output, list):
        if not output:
            raise _mistake("no enclave is running")
        return tuple(_read_enclave(entry) for entry in output)
    table = _table(output, "the output")
    if _OF_DESCRIBE_EIF & table.keys():
        return (_read_described_image(table),)
    return (ReferenceValues(pcrs=_measurements(table), provenance=Provenance.BUILD_ENCLAVE),)


def select(values: tuple[ReferenceValues, ...], enclave: str | None) -> ReferenceValues:
    """Take the one image there is, or that of the enclave with this name or id.

    Raises:
        ConfigurationError: none is meant, or more than one could be.
    """
    if enclave is not None:
        values = tuple(value for value in values if enclave in {value.name, value.enclave_id})
    if len(values) != 1:
        raise _mistake(f"{len(values)} enclaves fit: name one by its name or id")
    return values[0]


def _mistake(problem: str) -> ConfigurationError:
    return ConfigurationError(f"{_WHAT}: {problem}")


def _read_output(text: str) -> object:
    """Read all of the text as JSON, or all from the last line on that can begin the whole.

    The last one, because what comes before was written by a container build: it could print a result of its own.
    """
    if len(text) > MAX_OUTPUT_BYTES:
        raise _mistake(f"longer than {MAX_OUTPUT_BYTES} bytes")
    starts = [match.start() for match in _JSON_START.finditer(text)]
    if not starts:
        raise _mistake("no JSON in it")
    try:
        return read_json(text, _WHAT)
    except ConfigurationError:
        return read_json(text[starts[-1] :], _WHAT)


def _read_described_image(table: _Table) -> ReferenceValues:
    pcrs = _measurements(table)
    is_signed = SIGNER_PCR in pcrs
    objection = None
    if table.get("CheckCRC") is not True:
        objection = "describe-eif does not say that the file's CRC is right"
    elif table.get("IsSigned", False) is not is_signed:
        objection = "describe-eif contradicts itself on whether the image is signed"
    elif is_signed and table.get("SignatureCheck") is not True:
        objection = "describe-eif does not say that the signature is right"
    return ReferenceValues(
        pcrs=pcrs, provenance=Provenance.DESCRIBE_EIF, name=_text(table, "ImageName"), objection=objection
    )


def _read_enclave(entry: object) -> ReferenceValues:
    table = _table(entry, "an enclave")
    flags = table.get("Flags")
    objection = None
    if flags != _NO_FLAGS:
        # The numbers are those of a normal run. The enclave that runs reports zeros, and its parent reads its console.
        objection = f"the enclave runs with the flags {flags!r}, not {_NO_FLAGS}: start it without debug mode"
    return ReferenceValues(
        pcrs=_measurements(table),
        provenance=Provenance.DESCRIBE_ENCLAVES,
        name=_text(table, "EnclaveName"),
        enclave_id=_text(table, "EnclaveID"),
        objection=objection,
    )


def _measurements(table: _Table) -> Mapping[int, bytes]:
    measurements = _table(table.get("Measurements"), "Measurements")
    algorithm = measurements.get("HashAlgorithm")
    if not isinstance(algorithm, str) or not algorithm.startswith(_HASH_ALGORITHM):
        raise _mistake("HashAlgorithm is not Sha384")
    pcrs = {}
    for key, value in measurements.items():
        match = _PCR_KEY.fullmatch(key)
        if match is not None:
            pcrs[_index(match[1])] = _pcr(key, value)
    missing = [f"PCR{index}" for index in IMAGE_PCRS if index not in pcrs]
    if missing:
        raise _mistake(f"Measurements without {' and '.join(missing)}")
    return pcrs


def _index(text: str) -> int:
    if int(text) >= PCR_COUNT:
        raise _mistake(f"there is no PCR{text}")
    return int(text)


def _pcr(key: str, value: object) -> bytes:
    if not isinstance(value, str) or not _PCR_VALUE.fullmatch(value):
        raise _mistake(f"{key} is not {2 * PCR_BYTES} hex digits")
    return bytes.fromhex(value)


def _text(table: _Table, key: str) -> str | None:
    value = table.get(key)
    if value is not None and not isinstance(value, str):
        raise _mistake(f"{key} is not text")
    return value


def _table(value: object, what: str) -> _Table:
    if not isinstance(value, dict):
        raise _mistake(f"{what} is absent or not an object; run-enclave and old versions print no measurements")
    return cast("_Table", value)
