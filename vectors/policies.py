"""The policies that cases are appraised by, as the text of their files."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from issuer.nsm import build_pcrs, measured
from vectors.world import PCRS, PKI, ROLE_ARN, SIGNER, ZERO

if TYPE_CHECKING:
    from collections.abc import Mapping

USER_DATA = b"user data that the policies name"
SECOND_BUILD = build_pcrs("v2")
THIRD_BUILD = build_pcrs("v3")
PCR16 = measured(b"throwaway pcr16")
OTHER_INSTANCE, OTHER_ROLE = "i-0fedcba9876543210", "arn:aws:iam::210987654321:role/another"


def pcrs(values: Mapping[int, bytes]) -> str:
    """Write PCRs as a TOML inline table."""
    return "{ " + ", ".join(f'{index} = "{value.hex()}"' for index, value in sorted(values.items())) + " }"


def build(values: Mapping[int, bytes], *lines: str, name: str = "v1", table: str = "build") -> str:
    """Write one build."""
    return "\n".join(("", f"[[{table}]]", f'name = "{name}"', f"pcrs = {pcrs(values)}", *lines)) + "\n"


def image(values: Mapping[int, bytes] = PCRS) -> dict[int, bytes]:
    """Give PCR0, PCR1 and PCR2."""
    return {index: values[index] for index in range(3)}


TPM_PCRS: Mapping[int, bytes] = {
    **{index: measured(b"throwaway tpm pcr%d" % index) for index in (0, 1, 4, 5, 7, 11)},
    **dict.fromkeys((2, 3, 6), measured(bytes(4))),
    **dict.fromkeys((8, 9, 10, *range(12, 17), 23), ZERO),
    **dict.fromkeys(range(17, 23), b"\xff" * 48),
}
"""The twenty-four of a genuine NitroTPM, zero and not zero where its are."""


def boot(values: Mapping[int, bytes] = TPM_PCRS) -> dict[int, bytes]:
    """Give PCR4 and PCR12, by which a standard boot of an EC2 instance is known."""
    return {index: values[index] for index in (4, 12)}


def _require(*lines: str) -> str:
    return "\n".join((build(image()), "[require]", *lines)) + "\n"


def _key(rule: str) -> str:
    return _require(f"public_key = {{ {rule} }}")


_TPM = 'evidence = "nitro-tpm"\n'
_V1, _V2, _V3 = build(image()), build(SECOND_BUILD, name="v2"), build(THIRD_BUILD, name="v3")

_BODIES = {
    "strict": _V1,
    "patient": 'max_age = "3h"\n' + _V1,
    "hurried": 'max_age = "1s"\nclock_skew = "0s"\n' + _V1,
    "caller": 'nonce = "caller"\n' + _V1,
    "no-nonce": 'nonce = "none"\n' + _V1,
    "spelt-out": 'max_age = "5m"\nclock_skew = "30s"\nnonce = "required"\ndebug = "reject"\nmode = "image"\n' + _V1,
    "wide-skew": 'clock_skew = "1h"\n' + _V1,
    "debug": 'debug = "allow"\n' + _V1,
    "debug-with-instance": 'debug = "allow"\n' + build({**image(), 4: PCRS[4]}),
    "debug-zero": 'debug = "allow"\n' + build(dict.fromkeys(range(3), ZERO)),
    "debug-denied": 'debug = "allow"\n' + _V1 + build(dict.fromkeys(range(3), ZERO), name="any-debug", table="deny"),
    "several-builds": _V2 + _V3 + _V1,
    "other-builds": _V2 + _V3,
    "with-pcr8": build({**image(), 8: SIGNER}),
    "with-pcr16": build({**image(), 16: PCR16}),
    "with-pcr16-or-not": build({**image(), 16: PCR16}, name="v1-locked") + _V1,
    "deny-v1": _V1 + _V2 + build({0: PCRS[0]}, name="v1-revoked", table="deny"),
    "deny-v2": _V1 + _V2 + build({0: SECOND_BUILD[0]}, name="v2-revoked", table="deny"),
    "deny-signer": _V1 + build({8: SIGNER}, name="leaked-signer", table="deny"),
    "deny-partial": _V1 + build({0: PCRS[0], 1: SECOND_BUILD[1]}, name="half", table="deny"),
    "deny-twice": _V1
    + build({0: PCRS[0]}, name="first", table="deny")
    + build({1: PCRS[1]}, name="second", table="deny"),
    "window-open": build(image(), "not_before = 2025-12-01T00:00:00Z", "not_after = 2026-02-01T00:00:00Z"),
    "window-ends-now": build(image(), "not_after = 2026-01-01T00:00:00Z"),
    "window-begins-now": build(image(), "not_before = 2026-01-01T01:00:00+01:00"),
    "window-ended": build(image(), "not_after = 2025-12-31T23:59:59Z"),
    "window-ahead": build(image(), "not_before = 2026-01-01T00:00:01Z"),
    "window-renewed": build(image(), "not_after = 2025-12-31T23:59:59Z", name="v1-old")
    + build(image(), "not_before = 2025-12-31T23:59:59Z", name="v1-new"),
    "shadow-v1": _V2 + build(image(), name="v1", table="shadow"),
    "shadow-v2": _V1 + build(SECOND_BUILD, name="v2", table="shadow"),
    "signer": 'mode = "signer"\n' + build({8: SIGNER}, name="ours"),
    "signer-debug": 'mode = "signer"\ndebug = "allow"\n' + build({8: SIGNER}, name="ours"),
    "role": _require(f'pcr3_role_arn = ["{ROLE_ARN}"]'),
    "role-of-several": _require(f'pcr3_role_arn = ["{OTHER_ROLE}", "{ROLE_ARN}"]'),
    "role-other": _require(f'pcr3_role_arn = ["{OTHER_ROLE}"]'),
    "instance": _require(f'pcr4_instance_id = ["{PKI.instance_id}"]'),
    "instance-other": _require(f'pcr4_instance_id = ["{OTHER_INSTANCE}"]'),
    "pcr8": _require(f'pcr8 = ["{SIGNER.hex()}"]'),
    "known-fields": _require("known_fields_only = true"),
    "user-data": _require(f'user_data = {{ sha256 = ["{sha256(USER_DATA).hexdigest()}"] }}'),
    "user-data-empty": _require(f'user_data = {{ sha256 = ["{sha256(b"").hexdigest()}"] }}'),
    "key-rsa": _key('kind = "rsa", bits = [2048, 3072, 4096]'),
    "key-rsa-3072": _key('kind = "rsa", bits = [3072]'),
    "key-ec": _key('kind = "ec", curves = ["secp256r1", "secp384r1"]'),
    "key-ec-p521": _key('kind = "ec", curves = ["secp521r1"]'),
    "key-raw": _key('kind = "raw", lengths = [32]'),
    "tpm": _TPM + build(boot(), name="ami-1"),
    "tpm-secure-boot": _TPM + 'mode = "signer"\n' + build({7: TPM_PCRS[7]}, name="our certificate"),
    "tpm-other": _TPM + build({**boot(), 4: PCR16}, name="ami-2"),
    "tpm-application": _TPM + build({**boot(), 23: PCR16}, name="ami-1"),
    "tpm-denied": _TPM + build(boot(), name="ami-1") + build({4: TPM_PCRS[4]}, name="ami-1-revoked", table="deny"),
    "tpm-firmware-zero": _TPM + build({**boot(), **dict.fromkeys(range(3), ZERO)}, name="ami-1"),
    "everything": 'max_age = "1m"\n'
    + build({**SECOND_BUILD, 8: SIGNER}, name="v2")
    + build({0: PCRS[0]}, name="v1-revoked", table="deny")
    + "\n".join(
        (
            "",
            "[require]",
            f'pcr3_role_arn = ["{OTHER_ROLE}"]',
            f'pcr4_instance_id = ["{OTHER_INSTANCE}"]',
            f'pcr8 = ["{SIGNER.hex()}"]',
            'public_key = { kind = "rsa", bits = [2048] }',
            f'user_data = {{ sha256 = ["{sha256(USER_DATA).hexdigest()}"] }}',
            "known_fields_only = true",
            "",
        )
    ),
}

POLICIES: Mapping[str, str] = {name: f'name = "{name}"\n{body}' for name, body in _BODIES.items()}
