"""What was done to each refused document of three families, in the words that an explanation must find for it.

By case: the check that fails, and what it must name. ``None`` where an explanation cannot know.
"""

from __future__ import annotations

IMAGE = "the whole image: kernel, command line or boot ramdisk, and the application (PCR0, PCR1, PCR2)"
BOOT = "kernel, command line or boot ramdisk (PCR0, PCR1)"
PCR0, PCR1, PCR2 = "enclave image (PCR0)", "kernel and boot ramdisk (PCR1)", "application (PCR2)"
ROLE, INSTANCE, SIGNER = (
    "no IAM role is attached",
    "instance id of the parent (PCR4)",
    "image signing certificate (PCR8)",
)
UNSIGNED = "the image is not signed"
OTHER_CONTEXT = "issued for another policy or audience, or was altered"

_NAMED: dict[str, dict[str, tuple[str, str] | None]] = {
    "measurement.no-policy": dict.fromkeys(
        ("good-document", "debug-document", "no-nonce"), ("policy", "no policy was given")
    ),
    "measurement.debug-mode": dict.fromkeys(
        ("image-zero", "every-pcr-zero", "three-pcrs", "signer-mode"), ("measured", "PCR0, PCR1 and PCR2 are all zero")
    ),
    "measurement.unmeasured": {
        "pcr0-zero": ("build", PCR0),
        "pcr0-absent": ("build", "no PCR0"),
        "pcr0-zero-debug-allowed": ("build", PCR0),
        "pcr1-zero": ("build", PCR1),
        "pcr1-absent": ("build", "no PCR1"),
        "pcr1-zero-debug-allowed": ("build", PCR1),
        "pcr2-zero": ("build", PCR2),
        "pcr2-absent": ("build", "no PCR2"),
        "pcr2-zero-debug-allowed": ("build", PCR2),
        "two-zero": ("build", BOOT),
        "all-absent": ("build", "no PCR0, PCR1, PCR2"),
        "all-absent-debug-allowed": ("build", "no PCR0, PCR1, PCR2"),
        "absent-for-zero-build": ("build", "expects PCR0, PCR1, PCR2 to be zero, as debug mode reports"),
        "two-zero-one-absent": ("measured", "PCR0, PCR1, PCR2 zero or absent"),
        "pcr0-zero-signer-mode": ("measured", "PCR0 zero or absent"),
        "pcr1-absent-signer-mode": ("measured", "PCR1 zero or absent"),
        "everything-absent": ("build", "no PCR0, PCR1, PCR2, PCR8"),
        "and-wrong-build": ("build", PCR1),
    },
    "measurement.pcr-mismatch": {
        "debug-elsewhere": ("build", INSTANCE),
        "debug-other-build": ("build", IMAGE),
        "debug-zero-build-normal-run": ("build", "expects PCR0, PCR1, PCR2 to be zero, as debug mode reports"),
        "pcr0-one-bit": ("build", PCR0),
        "pcr1-one-bit": ("build", PCR1),
        "pcr2-one-bit": ("build", PCR2),
        "pcr2-last-byte": ("build", PCR2),
        "swapped": ("build", "PCR1 has the value that the build expects as PCR2"),
        "other-build": ("build", IMAGE),
        "mixed-builds": ("build", "PCR1 is that of build v3"),
        "none-of-several": ("build", "no build has any PCR in common"),
        "fourth-pcr": ("build", UNSIGNED),
        "fourth-pcr-other": ("build", SIGNER),
        "pcr16-other": ("build", "(PCR16)"),
        "pcr16-zero": ("build", "PCR16 is zero"),
        "other-build-window": ("build", IMAGE),
        "signer-other": ("build", SIGNER),
        "signer-none": ("build", UNSIGNED),
        "signer-debug-unsigned": ("build", UNSIGNED),
        "shadow": ("build", "it is build v1, which is only being tried"),
        "shadow-mixed": ("build", "is that of build v2, which is only being tried"),
    },
    "measurement.pcr-absent": {
        "pcr16": ("build", "no PCR16"),
        "pcr8": ("build", "no PCR8"),
        "signer": ("build", "no PCR8"),
    },
    "measurement.build-denied": {
        "debug-mode": ("denied", "any-debug"),
        "by-pcr0": ("denied", "v1-revoked"),
        "by-signer": ("denied", "leaked-signer"),
        "twice": ("denied", "second"),
        "and-unknown": ("build", PCR1),
        "second-build": ("denied", "v2-revoked"),
        "everything-else-too": ("role", "arn:aws:iam::210987654321:role/another"),
    },
    "measurement.build-expired": dict.fromkeys(
        ("one-second", "millisecond"), ("build", "v1 matches, outside of its time")
    ),
    "measurement.build-not-yet-valid": dict.fromkeys(
        ("one-second", "millisecond"), ("build", "v1 matches, outside of its time")
    ),
    "measurement.role-mismatch": {
        "other": ("role", "arn:aws:iam::210987654321:role/another"),
        "zero": ("role", ROLE),
        "absent": ("role", ROLE),
    },
    "measurement.instance-mismatch": dict.fromkeys(("other", "zero", "absent"), ("instance", "i-0123456789abcdef0")),
    "measurement.signer-mismatch": {
        "unsigned": ("signer", UNSIGNED),
        "absent": ("signer", UNSIGNED),
        "other": ("signer", "PCR8 is 72db7534b3e0457de9abcaaf"),
    },
    "freshness.too-old": {
        "millisecond": ("age", "300.001 s old"),
        "hurried": ("age", "2 s old; at most 1 s"),
        "stored-document": ("age", "3602 s old"),
        "last-year": ("age", "365 days old"),
        "earliest": ("certificate-time", "made 2001-09-09"),
    },
    "freshness.in-future": {
        "millisecond": ("age", "30.001 s ahead"),
        "no-skew": ("age", "0.001 s ahead of this clock; at most 1 s old, at most 0 s ahead"),
        "an-hour": ("age", "3600 s ahead"),
        "latest": ("certificate-time", "made 9999-12-31"),
    },
    "freshness.outside-certificate": {
        "before": ("certificate-time", "made 2025-12-31 23:49:56Z"),
        "after": ("certificate-time", "to 2026-01-01 02:50:00Z"),
    },
    "freshness.nonce-mismatch": {
        "other-strict": ("nonce", "32 of 32 bytes differ"),
        "other-caller": ("nonce", "32 of 32 bytes differ"),
        "other-no-nonce": ("nonce", "32 of 32 bytes differ"),
        "last-bit": ("nonce", "1 of 32 bytes differ, the first at 31"),
        "first-bit": ("nonce", "1 of 32 bytes differ, the first at 0"),
        "prefix": ("nonce", "it is 16 of the expected 32 bytes"),
        "suffix": ("nonce", "it is 16 of the expected 32 bytes"),
        "longer": ("nonce", "the expected one and 1 more byte"),
        "doubled": ("nonce", "the expected one and 32 more bytes"),
        "hex": ("nonce", "the expected one as hexadecimal text"),
        "reversed": ("nonce", "the expected one backwards"),
        "zero": ("nonce", "carries 00000000000000000000000000000000"),
        "one-byte": ("nonce", "it is 1 of the expected 32 bytes"),
        "in-user-data": ("nonce", "the expected one is in user_data"),
        "in-public-key": ("nonce", "the expected one is in public_key"),
        "service-other": ("nonce", "32 of 58 bytes differ, the first at 26"),
        "service-callers-own": ("nonce", "it has 32 bytes"),
    },
    "freshness.nonce-missing": {
        "null-strict": ("nonce", "the document's nonce is null"),
        "null-caller": ("nonce", "the document's nonce is null"),
        "null-no-nonce": ("nonce", "the document's nonce is null"),
        "absent": ("nonce", "the document's nonce is null"),
        "capital": ("nonce", "a field named Nonce"),
        "empty": ("nonce", "the document's nonce is of zero length"),
        "in-user-data": ("nonce", "the expected one is in user_data"),
        "in-public-key": ("nonce", "the expected one is in public_key"),
        "service-null": ("nonce", "the document's nonce is null"),
        "service-empty": ("nonce", "the document's nonce is of zero length"),
    },
    "freshness.nonce-not-supplied": dict.fromkeys(
        ("strict", "empty-strict", "caller", "empty-caller", "both-null", "both-empty"),
        ("nonce", "name the nonce that the enclave was challenged with"),
    ),
    "freshness.nonce-unknown": {
        **dict.fromkeys(
            (
                *("other-policy", "other-audience", "shifted-context", "stranger-key", "other-label", "mac-bit"),
                *("mac-zero", "time-bit", "ttl-longer"),
            ),
            ("nonce", OTHER_CONTEXT),
        ),
        "key-id": ("nonce", "nonce key 3"),
        "callers-own": ("nonce", "it has 32 bytes"),
        "named-too": ("nonce", "it has 32 bytes"),
        "version-2": ("nonce", "version 2"),
        "version-0": ("nonce", "version 0"),
        "zero": ("nonce", "version 0"),
        "short": ("nonce", "it has 57 bytes"),
        "long": ("nonce", "it has 59 bytes"),
        "fields-only": ("nonce", "it has 26 bytes"),
        "empty-mac": ("nonce", "it has 27 bytes"),
        "retired-key": ("nonce", "nonce key 1, which this verifier does not have"),
    },
    "freshness.nonce-expired": dict.fromkeys(("on-time", "long-ago"), ("nonce", "good until 2026-01-01 00:00:50Z")),
    "freshness.nonce-in-future": {"replica-ahead": ("nonce", "issued 2026-01-01 00:00:30Z")},
    "freshness.document-predates-nonce": {
        "foreseen": ("nonce", "signed 2025-12-31 23:59:19Z"),
        "a-minute": ("nonce", "signed 2025-12-31 23:58:50Z"),
    },
    # An explanation does not ask the guard, so it cannot know of a first use.
    "freshness.nonce-replayed": dict.fromkeys(
        ("same-bytes", "twin-high", "twin-low", "tagged", "other-document"), None
    ),
}

NAMED_PARTS = {f"{reason}.{slug}": expected for reason, by_slug in _NAMED.items() for slug, expected in by_slug.items()}
