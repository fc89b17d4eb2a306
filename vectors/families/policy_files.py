"""Policy files that must not load: what they leave out, or what they cannot mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectors.case import PolicyCase
from vectors.policies import OTHER_INSTANCE, TPM_PCRS, boot, build, image
from vectors.world import PCRS, SIGNER, ZERO

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = 'name = "refused"\n'
_BUILD = build(image())
_HEX0 = PCRS[0].hex()


def cases() -> Iterator[PolicyCase]:
    """Give every case of the family."""
    for table in (_BUILDS, _VALUES, _TPM, _SHADOWS, _KEYS, _SCALARS, _WINDOWS, _REQUIREMENTS, _PUBLIC_KEYS, _TOML):
        for slug, (description, text) in table.items():
            yield PolicyCase(id=f"policy.{slug}", description=description, text=text)


def _built(pcrs: str, *lines: str) -> str:
    return "\n".join((_NAME, "[[build]]", 'name = "v1"', f"pcrs = {pcrs}", *lines)) + "\n"


def _required(*lines: str) -> str:
    return _NAME + _BUILD + "\n[require]\n" + "\n".join(lines) + "\n"


_BUILDS = {
    "no-build": ("An allow-list without a build would allow nothing, or to some readers anything.", _NAME),
    "empty-build-list": ("An empty list of builds.", _NAME + "build = []\n"),
    "empty-build": ("A build without PCRs matches everything.", _NAME + '[[build]]\nname = "v1"\n'),
    "empty-pcrs": ("A build whose PCRs are an empty table.", _built("{}")),
    "pcr0-alone": ("PCR0 alone does not say what runs.", _NAME + build({0: PCRS[0]})),
    "pcr0-and-1": ("PCR2 is left out.", _NAME + build({0: PCRS[0], 1: PCRS[1]})),
    "pcr1-and-2": ("PCR0 is left out.", _NAME + build({1: PCRS[1], 2: PCRS[2]})),
    "pcr8-alone": ("PCR8 alone, without signer mode.", _NAME + build({8: SIGNER})),
    "second-build-empty": (
        "The first build is right, the second has no PCRs.",
        _NAME + _BUILD + '\n[[build]]\nname = "v2"\n',
    ),
    "same-name-twice": ("Two builds of one name.", _NAME + _BUILD + _BUILD),
    "single-brackets": ("[build] in single brackets.", _NAME + _BUILD.replace("[[build]]", "[build]")),
    "deny-only": ("A deny list without a build.", _NAME + build(image(), table="deny")),
    "deny-empty": ("A denied build without PCRs would deny everything.", _NAME + _BUILD + '\n[[deny]]\nname = "all"\n'),
    "build-name-escape": ("A build with an escape sequence in its name.", _NAME + build(image(), name="\\u001b[2J")),
}

_VALUES = {
    f"pcr{index}-zero": (
        f"An expected PCR{index} of zeros is what debug mode reports.",
        _NAME + build({**image(), index: ZERO}),
    )
    for index in range(3)
} | {
    "all-zero": ("Expected zeros throughout.", _NAME + build(dict.fromkeys(range(3), ZERO))),
    "signer-zero": (
        "Signer mode with a PCR8 of zeros, which every unsigned image has.",
        _NAME + 'mode = "signer"\n' + build({8: ZERO}),
    ),
    "signer-without-pcr8": ("Signer mode without PCR8.", _NAME + 'mode = "signer"\n' + _BUILD),
    "signer-pcr0-zero": ("Signer mode with PCR0 zero.", _NAME + 'mode = "signer"\n' + build({8: SIGNER, 0: ZERO})),
    "pcr-short": ("A value of 47 bytes.", _NAME + build({**image(), 0: PCRS[0][:47]})),
    "pcr-long": ("A value of 49 bytes.", _NAME + build({**image(), 0: PCRS[0] + b"\0"})),
    "pcr-sha256": ("A value of 32 bytes.", _NAME + build({**image(), 0: PCRS[0][:32]})),
    "pcr-empty": ("An empty value.", _NAME + build({**image(), 0: b""})),
    "pcr-not-hex": ("A value that is not hex.", _NAME + build(image()).replace(_HEX0, "x" * 96)),
    "pcr-blank": (
        "A value with blanks between its digits.",
        _NAME + build(image()).replace(_HEX0, _HEX0[:48] + " " + _HEX0[48:]),
    ),
    "pcr-prefix-0x": ("A value that begins with 0x.", _NAME + build(image()).replace(_HEX0, "0x" + _HEX0)),
    "pcr-odd": ("A value with half a byte.", _NAME + build(image()).replace(_HEX0, _HEX0[:-1])),
    "pcr-integer": ("A value that is an integer.", _built("{ 0 = 0, 1 = 1, 2 = 2 }")),
    "pcr-array": ("Several values for one PCR.", _built(f'{{ 0 = ["{_HEX0}"] }}')),
    "pcr-index-32": ("An index of 32.", _NAME + build({**image(), 32: SIGNER})),
    "pcr-index-negative": ("An index of -1.", _built(f'{{ -1 = "{_HEX0}" }}')),
    "pcr-index-padded": ("An index written 00.", _NAME + build(image()).replace(" 0 =", " 00 =")),
    "pcr-index-name": ("An index written PCR0.", _NAME + build(image()).replace(" 0 =", " PCR0 =")),
    "pcrs-list": ("PCRs as a list.", _built(f'["{_HEX0}"]')),
}

_TPM_NAME = _NAME + 'evidence = "nitro-tpm"\n'
_TPM_BUILD = build(boot())
# PCR7 of every instance without Secure Boot: the measurement of five variables that are off or empty.
_SECURE_BOOT_OFF = bytes.fromhex(
    "98441c7f7625d10058c47683aec486ce311c633235eb555593a7ee791121e3578ae72d04ecef661f272d59058b77af35"
)
_TPM = {
    "evidence-unknown": ("Evidence of a kind that nobody knows.", _NAME + 'evidence = "tpm"\n' + _BUILD),
    "tpm-pcr4-alone": (
        "PCR4 without PCR12: whoever starts the instance chooses the command line.",
        _TPM_NAME + build({4: TPM_PCRS[4]}),
    ),
    "tpm-pcr12-alone": ("PCR12 without PCR4.", _TPM_NAME + build({12: TPM_PCRS[12]})),
    "tpm-image-pcrs": ("The PCRs of an enclave's image under a policy for NitroTPMs.", _TPM_NAME + _BUILD),
    "tpm-firmware-alone": (
        "PCR0 and PCR1, which are of AWS's own boot code.",
        _TPM_NAME + build({0: TPM_PCRS[0], 1: TPM_PCRS[1]}),
    ),
    "tpm-pcr4-zero": ("PCR4 of zeros.", _TPM_NAME + build({**boot(), 4: ZERO})),
    "tpm-pcr24": ("A PCR that no TPM has.", _TPM_NAME + build({**boot(), 24: SIGNER})),
    "tpm-signer-without-pcr7": ("Signer mode without PCR7.", _TPM_NAME + 'mode = "signer"\n' + _TPM_BUILD),
    "tpm-signer-zero": ("Signer mode with a PCR7 of zeros.", _TPM_NAME + 'mode = "signer"\n' + build({7: ZERO})),
    "tpm-secure-boot-off": (
        "Signer mode with the PCR7 of every instance without Secure Boot.",
        _TPM_NAME + 'mode = "signer"\n' + build({7: _SECURE_BOOT_OFF}),
    ),
    "tpm-debug": ("Debug mode, which only enclaves have.", _TPM_NAME + 'debug = "allow"\n' + _TPM_BUILD),
    "tpm-role": (
        "PCR3 of a NitroTPM is of no role.",
        _TPM_NAME + _TPM_BUILD + '\n[require]\npcr3_role_arn = ["arn:aws:iam::123456789012:role/a"]\n',
    ),
    "tpm-instance": (
        "PCR4 of a NitroTPM is of no instance.",
        _TPM_NAME + _TPM_BUILD + f'\n[require]\npcr4_instance_id = ["{OTHER_INSTANCE}"]\n',
    ),
    "tpm-pcr8": (
        "PCR8 of a NitroTPM is of no signer.",
        _TPM_NAME + _TPM_BUILD + f'\n[require]\npcr8 = ["{SIGNER.hex()}"]\n',
    ),
    "enclave-tpm-pcrs": ("PCR4 and PCR12 under a policy for enclaves.", _NAME + _TPM_BUILD),
}

_SHADOWS = {
    "shadow-alone": ("A shadow build, and none that counts.", _NAME + build(image(), table="shadow")),
    "shadow-pcr0-alone": (
        "A shadow build that would be refused as a build.",
        _NAME + _BUILD + build({0: PCRS[0]}, name="v2", table="shadow"),
    ),
    "shadow-same-name": ("A shadow build with a build's name.", _NAME + _BUILD + build(image(), table="shadow")),
    "shadow-of-itself": ("A policy that shadows itself.", _NAME + 'shadow_of = "refused"\n' + _BUILD),
    "shadow-of-nothing": ("A shadow of no name.", _NAME + 'shadow_of = ""\n' + _BUILD),
    "shadow-of-path": ("A shadow of no possible policy.", _NAME + 'shadow_of = "../payments"\n' + _BUILD),
    "shadow-of-true": ("shadow_of = true.", _NAME + "shadow_of = true\n" + _BUILD),
    "shadow-in-shadow": (
        "Shadow builds in a shadow policy.",
        _NAME + 'shadow_of = "payments"\n' + _BUILD + build(image(), name="v2", table="shadow"),
    ),
}

_KEYS = {
    "unknown-key": ("A key that nobody knows.", _NAME + "max_agee = 5\n" + _BUILD),
    "unknown-table": ("A table that nobody knows.", _NAME + _BUILD + "\n[requires]\n"),
    "unknown-build-key": (
        "A key of a build that nobody knows.",
        _NAME + build(image(), "expires = 2027-01-01T00:00:00Z"),
    ),
    "unknown-deny-key": (
        "A key of a denied build that nobody knows.",
        _NAME + _BUILD + build(image(), "until = 1", table="deny"),
    ),
    "unknown-require-key": ("A requirement that nobody knows.", _required('pcr3 = ["x"]')),
    "unknown-user-data-key": ("A key of user_data that nobody knows.", _required('user_data = { sha512 = ["00"] }')),
    "unknown-public-key-key": (
        "A key of public_key that nobody knows.",
        _required('public_key = { kind = "raw", lengths = [32], exact = true }'),
    ),
    "misspelt-nonce": ("Nonce with a capital letter.", _NAME + 'Nonce = "none"\n' + _BUILD),
}

_SCALARS = {
    "no-name": ("No name.", _BUILD),
    "name-blank": ("A name with a blank.", 'name = "a b"\n' + _BUILD),
    "name-path": ("A name that climbs out of its folder.", 'name = "../strict"\n' + _BUILD),
    "name-integer": ("A name that is a number.", "name = 1\n" + _BUILD),
    "nonce-unknown": ("A nonce mode that nobody knows.", _NAME + 'nonce = "optional"\n' + _BUILD),
    "nonce-false": ("nonce = false.", _NAME + "nonce = false\n" + _BUILD),
    "debug-true": ("debug = true.", _NAME + "debug = true\n" + _BUILD),
    "debug-capital": ("debug with a capital letter.", _NAME + 'debug = "Allow"\n' + _BUILD),
    "mode-unknown": ("A mode that nobody knows.", _NAME + 'mode = "any"\n' + _BUILD),
    "max-age-zero": ("A max_age of nothing.", _NAME + 'max_age = "0s"\n' + _BUILD),
    "max-age-number": ("A max_age without a unit.", _NAME + "max_age = 300\n" + _BUILD),
    "max-age-negative": ("A negative max_age.", _NAME + 'max_age = "-5m"\n' + _BUILD),
    "max-age-years": ("A max_age of ten years.", _NAME + 'max_age = "3650d"\n' + _BUILD),
    "max-age-huge": ("A max_age of five thousand digits.", _NAME + "max_age = " + "9" * 5000 + "\n" + _BUILD),
    "max-age-infinite": ("An infinite max_age.", _NAME + "max_age = inf\n" + _BUILD),
    "skew-day": ("A clock_skew of a day.", _NAME + 'clock_skew = "1d"\n' + _BUILD),
    "skew-negative": ("A negative clock_skew.", _NAME + 'clock_skew = "-1s"\n' + _BUILD),
}

_WINDOWS = {
    "window-text": ("A moment in quotes.", _NAME + build(image(), 'not_after = "2027-01-31"')),
    "window-date": ("A date without a time.", _NAME + build(image(), "not_after = 2027-01-31")),
    "window-local": ("A moment without a time zone.", _NAME + build(image(), "not_after = 2027-01-31T00:00:00")),
    "window-backwards": (
        "A window that ends before it begins.",
        _NAME + build(image(), "not_before = 2027-01-31T00:00:00Z", "not_after = 2026-01-31T00:00:00Z"),
    ),
    "window-before-utc": (
        "A moment that has no UTC form.",
        _NAME + build(image(), "not_after = 0001-01-01T00:00:00+14:00"),
    ),
    "window-after-utc": ("Another one.", _NAME + build(image(), "not_after = 9999-12-31T23:59:59-12:00")),
    "window-empty": (
        "A window that ends when it begins.",
        _NAME + build(image(), "not_before = 2027-01-31T00:00:00Z", "not_after = 2027-01-31T00:00:00Z"),
    ),
}

_REQUIREMENTS = {
    "roles-empty": ("An empty list of roles.", _required("pcr3_role_arn = []")),
    "instances-empty": ("An empty list of instances.", _required("pcr4_instance_id = []")),
    "signers-empty": ("An empty list of signers.", _required("pcr8 = []")),
    "user-data-list-empty": ("An empty list of user data.", _required("user_data = { sha256 = [] }")),
    "user-data-nothing": ("user_data without anything.", _required("user_data = {}")),
    "role-profile": (
        "The ARN of an instance profile.",
        _required('pcr3_role_arn = ["arn:aws:iam::123456789012:instance-profile/Web"]'),
    ),
    "role-name": ("A role's bare name.", _required('pcr3_role_arn = ["Web"]')),
    "role-session": (
        "The ARN of a session.",
        _required('pcr3_role_arn = ["arn:aws:sts::123456789012:assumed-role/Web/i-1"]'),
    ),
    "role-wildcard": ("A wildcard for the account.", _required('pcr3_role_arn = ["arn:aws:iam::*:role/Web"]')),
    "role-text": ("One role outside a list.", _required('pcr3_role_arn = "arn:aws:iam::123456789012:role/Web"')),
    "instance-enclave": (
        "An enclave's id instead of an instance's.",
        _required(f'pcr4_instance_id = ["{OTHER_INSTANCE}-enc0123456789abcdef"]'),
    ),
    "instance-capitals": ("An instance id in capitals.", _required(f'pcr4_instance_id = ["{OTHER_INSTANCE.upper()}"]')),
    "signer-requirement-zero": ("A required PCR8 of zeros.", _required(f'pcr8 = ["{ZERO.hex()}"]')),
    "signer-requirement-short": ("A required PCR8 of 32 bytes.", _required(f'pcr8 = ["{SIGNER[:32].hex()}"]')),
    "user-data-digest-short": (
        "A digest of user data of 20 bytes.",
        _required(f'user_data = {{ sha256 = ["{"00" * 20}"] }}'),
    ),
    "known-fields-text": ("known_fields_only in quotes.", _required('known_fields_only = "true"')),
    "require-list": ("[[require]] in double brackets.", _NAME + _BUILD + "\n[[require]]\nknown_fields_only = true\n"),
}

_PUBLIC_KEYS = {
    "key-nothing": ("public_key without anything.", _required("public_key = {}")),
    "key-kind-unknown": ("A kind of key that nobody knows.", _required('public_key = { kind = "dsa", bits = [2048] }')),
    "key-no-bits": ("RSA without sizes.", _required('public_key = { kind = "rsa" }')),
    "key-bits-empty": ("RSA with an empty list of sizes.", _required('public_key = { kind = "rsa", bits = [] }')),
    "key-1024": ("RSA of 1024 bits.", _required('public_key = { kind = "rsa", bits = [1024, 2048] }')),
    "key-bits-for-ec": ("Bits for an EC key.", _required('public_key = { kind = "ec", bits = [256] }')),
    "key-length-zero": ("Raw keys of no bytes.", _required('public_key = { kind = "raw", lengths = [0] }')),
    "key-length-huge": (
        "Raw keys of 2^20000 bytes.",
        _required(f'public_key = {{ kind = "raw", lengths = [0x{"f" * 5000}] }}'),
    ),
    "key-bits-text": ("Sizes in quotes.", _required('public_key = { kind = "rsa", bits = ["2048"] }')),
    "key-true": ("public_key = true.", _required("public_key = true")),
    "key-curve-unknown": ("A curve that nobody knows.", _required('public_key = { kind = "ec", curves = ["P-255"] }')),
}

_TOML = {
    "not-toml": ("Not TOML.", "name: refused\n"),
    "json": ("JSON.", '{"name": "refused"}\n'),
    "key-twice": ("A key twice.", _NAME + _NAME + _BUILD),
    "pcr-twice": ("A PCR twice.", _built(f'{{ 0 = "{_HEX0}", 0 = "{_HEX0}" }}')),
    "empty": ("An empty file.", ""),
    "deep": ("Two thousand arrays, one in the other.", _NAME + "build = " + "[" * 2000 + "]" * 2000 + "\n"),
}
