"""Read an AWS key policy (or IAM policy) as far as its statements and attestation conditions go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import cast

from verifier.reasons import ConfigurationError
from verifier.reference_values.kms import KEY_PREFIX
from verifier.reference_values.strict_json import read_json

MAX_KEY_POLICY_BYTES = 256 * 1024
"""KMS takes 32 KiB."""

_WHAT = "key policy"
_PCR_KEY = re.compile(r"pcr(0|[1-9][0-9]?)")
_OPENING_ACTIONS = (
    "kms:decrypt",
    "kms:derivesharedsecret",
    "kms:generatedatakey",
    "kms:generatedatakeypair",
    "kms:reencryptfrom",
    "kms:creategrant",
)
"""What gives out plaintext, or (re-encryption, grants) lets somebody have it without an enclave. In lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition key under one operator."""

    operator: str
    key: str
    """Without the prefix, in lower case: condition keys do not heed case. Empty for keys of other kinds."""
    written_key: str
    values: tuple[str, ...]

    @property
    def pcr(self) -> int | None:
        """The PCR that the key is about; ImageSha384 is another name of PCR0."""
        match = _PCR_KEY.fullmatch(self.key)
        if match is not None:
            return int(match[1])
        return 0 if self.is_image else None

    @property
    def is_image(self) -> bool:
        """Whether this is the other name of PCR0."""
        return self.key == "imagesha384"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatement:
    """One statement."""

    label: str
    allows: bool
    opens: bool
    """Whether its actions can give somebody plaintext."""
    conditions: tuple[Condition, ...]
    """Those on attestation."""


def read_key_policy(text: str) -> tuple[KeyStatement, ...]:
    """Read a key policy as JSON, or what ``aws kms get-key-policy`` prints.

    Raises:
        ConfigurationError: not a policy.
    """
    if len(text) > MAX_KEY_POLICY_BYTES:
        raise _mistake(f"longer than {MAX_KEY_POLICY_BYTES} bytes")
    table = _table(read_json(text, _WHAT), "the policy")
    inner = table.get("Policy")
    if isinstance(inner, str) and "Statement" not in table:
        table = _table(read_json(inner, _WHAT), "the policy")
    if "Statement" not in table:
        raise _mistake("no Statement")
    return tuple(_statement(entry, number) for number, entry in enumerate(_many(table["Statement"]), 1))


def _mistake(problem: str) -> ConfigurationError:
    return ConfigurationError(f"{_WHAT}: {problem}")


def _statement(entry: object, number: int) -> KeyStatement:
    table = _table(entry, f"statement {number}")
    effect = table.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise _mistake(f"statement {number}: Effect is neither Allow nor Deny")
    sid = table.get("Sid")
    return KeyStatement(
        label=f"statement {number}" + (f" ({sid})" if isinstance(sid, str) and sid else ""),
        allows=effect == "Allow",
        opens=_opens(table, number),
        conditions=_conditions(table.get("Condition", {}), number),
    )


def _opens(table: dict[str, object], number: int) -> bool:
    """Tell whether any action that gives out plaintext is among the statement's; wildcards and NotAction count."""
    if ("Action" in table) is ("NotAction" in table):
        raise _mistake(f"statement {number}: not exactly one of Action and NotAction")
    patterns = [text.lower() for text in _texts(table.get("Action", table.get("NotAction")), number)]
    matched = [any(fnmatchcase(action, _pattern(pattern)) for pattern in patterns) for action in _OPENING_ACTIONS]
    return any(matched) if "Action" in table else not all(matched)


def _pattern(text: str) -> str:
    # AWS knows * and ?; for fnmatch, [ begins a set as well.
    return text.replace("[", "[[]")


def _conditions(block: object, number: int) -> tuple[Condition, ...]:
    found = []
    for operator, keys in _table(block, f"statement {number}: Condition").items():
        for key, values in _table(keys, f"statement {number}: {operator}").items():
            if key.lower().startswith(KEY_PREFIX.lower()):
                name = key[len(KEY_PREFIX) :].lower()
                found.append(Condition(operator=operator, key=name, written_key=key, values=_texts(values, number)))
    return tuple(found)


def _texts(value: object, number: int) -> tuple[str, ...]:
    texts = _many(value)
    if not texts or not all(isinstance(text, (str, bool)) for text in texts):
        raise _mistake(f"statement {number}: text, or a list of texts, is missing somewhere")
    return tuple(str(text) for text in texts)


def _many(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _table(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _mistake(f"{what} is not an object")
    return cast("dict[str, object]", value)
