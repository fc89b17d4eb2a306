"""Measurements against a policy: what runs, whose it is, and what is no measurement at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectors.case import affirmed, rejected
from vectors.policies import PCR16, SECOND_BUILD, THIRD_BUILD
from vectors.world import AT, GOOD, PCRS, SIGNER, ZERO, attest, fields, milliseconds, seal, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectors.case import Case

NO_POLICY, DEBUG, UNMEASURED = "measurement.no-policy", "measurement.debug-mode", "measurement.unmeasured"
DENIED, MISMATCH, ABSENT = "measurement.build-denied", "measurement.pcr-mismatch", "measurement.pcr-absent"
ROLE, INSTANCE, SIGNER_MISMATCH = (
    "measurement.role-mismatch",
    "measurement.instance-mismatch",
    "measurement.signer-mismatch",
)

DEBUG_DOCUMENT = attest(pcrs={**PCRS, 0: ZERO, 1: ZERO, 2: ZERO})
SIGNED_IMAGE = attest(pcrs={**PCRS, 8: SIGNER})


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _no_policy()
    yield from _debug()
    yield from _unmeasured()
    yield from _mismatches()
    yield from _absent()
    yield from _denied()
    yield from _shadows()
    yield from _windows()
    yield from _requirements()
    yield from _signer_mode()
    yield from _everything()


def with_pcrs(**changes: bytes) -> bytes:
    """Give the good document with some PCRs changed, named pcr0 and so on."""
    return attest(pcrs={**PCRS, **{int(name[3:]): value for name, value in changes.items()}})


def without_pcrs(*indices: int) -> bytes:
    """Give the good document without some PCRs."""
    return attest(pcrs={index: value for index, value in PCRS.items() if index not in indices})


def _no_policy() -> Iterator[Case]:
    yield rejected("good-document", "A good document and no policy.", GOOD, NO_POLICY, policy=None)
    yield rejected("debug-document", "A document of debug mode and no policy.", DEBUG_DOCUMENT, NO_POLICY, policy=None)
    yield rejected("no-nonce", "A good document, no policy and no nonce.", GOOD, NO_POLICY, policy=None, nonce=None)


def _debug() -> Iterator[Case]:
    yield rejected("image-zero", "PCR0, PCR1 and PCR2 are zero; PCR3 and PCR4 are not.", DEBUG_DOCUMENT, DEBUG)
    every = attest(pcrs=dict.fromkeys(range(16), ZERO))
    yield rejected("every-pcr-zero", "Every PCR is zero.", every, DEBUG)
    three = attest(pcrs=dict.fromkeys(range(3), ZERO))
    yield rejected("three-pcrs", "There is nothing but PCR0, PCR1 and PCR2, all zero.", three, DEBUG)
    yield affirmed("debug.allowed", "Debug mode, and a policy that allows it.", DEBUG_DOCUMENT, policy="debug")
    yield affirmed("debug.normal-run", "A normal run, and a policy that allows debug mode too.", GOOD, policy="debug")
    yield affirmed(
        "debug.zero-build",
        "Debug mode, and a policy whose only build is all zero.",
        DEBUG_DOCUMENT,
        policy="debug-zero",
    )
    yield affirmed(
        "debug.other-pcrs",
        "Debug mode on the instance that the build names.",
        DEBUG_DOCUMENT,
        policy="debug-with-instance",
    )
    elsewhere = attest(pcrs={**PCRS, 0: ZERO, 1: ZERO, 2: ZERO, 4: SIGNER})
    yield rejected(
        "debug-elsewhere",
        "Debug mode is allowed, but on another instance than the build's.",
        elsewhere,
        MISMATCH,
        policy="debug-with-instance",
    )
    yield rejected(
        "debug-mode", "Debug mode is allowed, and denied by its zeros.", DEBUG_DOCUMENT, DENIED, policy="debug-denied"
    )
    yield rejected(
        "debug-other-build",
        "A normal run of another build, where debug mode is allowed.",
        with_pcrs(**_second()),
        MISMATCH,
        policy="debug",
    )
    yield rejected(
        "debug-zero-build-normal-run",
        "A normal run, where the only build is all zero.",
        GOOD,
        MISMATCH,
        policy="debug-zero",
    )


def _second() -> dict[str, bytes]:
    return {f"pcr{index}": value for index, value in SECOND_BUILD.items()}


def _unmeasured() -> Iterator[Case]:
    for index in range(3):
        zero = with_pcrs(**{f"pcr{index}": ZERO})
        yield rejected(f"pcr{index}-zero", f"PCR{index} alone is zero.", zero, UNMEASURED, MISMATCH)
        yield rejected(f"pcr{index}-absent", f"PCR{index} is absent.", without_pcrs(index), UNMEASURED, ABSENT)
        yield rejected(
            f"pcr{index}-zero-debug-allowed",
            f"PCR{index} alone is zero; allowed debug mode does not cover it.",
            zero,
            UNMEASURED,
            MISMATCH,
            policy="debug",
        )
    yield rejected(
        "two-zero", "PCR0 and PCR1 are zero, PCR2 is not.", with_pcrs(pcr0=ZERO, pcr1=ZERO), UNMEASURED, MISMATCH
    )
    yield rejected("all-absent", "PCR0, PCR1 and PCR2 are absent.", without_pcrs(0, 1, 2), UNMEASURED, ABSENT)
    yield rejected(
        "all-absent-debug-allowed",
        "They are absent, which debug mode is not.",
        without_pcrs(0, 1, 2),
        UNMEASURED,
        ABSENT,
        policy="debug",
    )
    yield rejected(
        "absent-for-zero-build",
        "They are absent, and the policy's only build is all zero.",
        without_pcrs(0, 1, 2),
        UNMEASURED,
        ABSENT,
        policy="debug-zero",
    )
    partly = attest(pcrs={1: ZERO, 2: ZERO, 4: PCRS[4]})
    yield rejected(
        "two-zero-one-absent",
        "PCR1 and PCR2 are zero, PCR0 is absent.",
        partly,
        UNMEASURED,
        ABSENT,
        policy="debug-zero",
    )
    yield rejected(
        "pcr0-zero-signer-mode",
        "PCR0 is zero where the signer alone decides.",
        attest(pcrs={**PCRS, 0: ZERO, 8: SIGNER}),
        UNMEASURED,
        policy="signer",
    )
    yield rejected(
        "pcr1-absent-signer-mode",
        "PCR1 is absent where the signer alone decides.",
        attest(pcrs={index: value for index, value in {**PCRS, 8: SIGNER}.items() if index != 1}),
        UNMEASURED,
        policy="signer",
    )


def _mismatches() -> Iterator[Case]:
    for index in range(3):
        other = bytes((PCRS[index][0] ^ 1,)) + PCRS[index][1:]
        yield rejected(
            f"pcr{index}-one-bit", f"PCR{index} differs in one bit.", with_pcrs(**{f"pcr{index}": other}), MISMATCH
        )
    last = PCRS[2][:-1] + bytes((PCRS[2][-1] ^ 1,))
    yield rejected("pcr2-last-byte", "PCR2 differs in its last byte.", with_pcrs(pcr2=last), MISMATCH)
    yield rejected("swapped", "PCR1 and PCR2 are swapped.", with_pcrs(pcr1=PCRS[2], pcr2=PCRS[1]), MISMATCH)
    yield rejected("other-build", "A build that the policy does not name.", with_pcrs(**_second()), MISMATCH)
    mixed = with_pcrs(pcr0=SECOND_BUILD[0], pcr1=THIRD_BUILD[1])
    yield rejected(
        "mixed-builds", "Every PCR is of a build, but of different ones.", mixed, MISMATCH, policy="several-builds"
    )
    yield rejected("none-of-several", "None of the policy's builds.", GOOD, MISMATCH, policy="other-builds")
    yield rejected("fourth-pcr", "PCR0 to PCR2 match, PCR8 does not.", GOOD, MISMATCH, policy="with-pcr8")
    yield rejected(
        "fourth-pcr-other",
        "PCR0 to PCR2 match, PCR8 is another signer's.",
        with_pcrs(pcr8=PCR16),
        MISMATCH,
        policy="with-pcr8",
    )
    yield affirmed("builds.third-of-three", "The third of three builds.", GOOD, policy="several-builds")
    yield affirmed("builds.with-pcr8", "A build of four PCRs.", SIGNED_IMAGE, policy="with-pcr8")


def _absent() -> Iterator[Case]:
    yield rejected("pcr16", "The build names PCR16, which the document lacks.", GOOD, ABSENT, policy="with-pcr16")
    yield rejected(
        "pcr8", "The build names PCR8, which the document lacks.", without_pcrs(8), ABSENT, policy="with-pcr8"
    )
    locked = attest(pcrs={**PCRS, 16: PCR16})
    yield affirmed(
        "builds.with-pcr16", "A build that names PCR16, which the enclave locked.", locked, policy="with-pcr16"
    )
    yield rejected(
        "pcr16-other",
        "PCR16 is there, with another value.",
        attest(pcrs={**PCRS, 16: SIGNER}),
        MISMATCH,
        policy="with-pcr16",
    )
    yield rejected(
        "pcr16-zero", "PCR16 is there, and zero.", attest(pcrs={**PCRS, 16: ZERO}), MISMATCH, policy="with-pcr16"
    )
    yield affirmed("builds.one-asks-less", "One build names PCR16, another does not.", GOOD, policy="with-pcr16-or-not")


def _denied() -> Iterator[Case]:
    yield rejected("by-pcr0", "The build is allowed and revoked: revoked wins.", GOOD, DENIED, policy="deny-v1")
    yield rejected("by-signer", "The signer is revoked.", SIGNED_IMAGE, DENIED, policy="deny-signer")
    yield rejected("twice", "Two entries revoke the build.", GOOD, DENIED, DENIED, policy="deny-twice")
    yield rejected(
        "and-unknown",
        "The revoked PCR0 with other PCRs than any build's.",
        with_pcrs(pcr1=THIRD_BUILD[1]),
        DENIED,
        MISMATCH,
        policy="deny-v1",
    )
    yield affirmed("deny.other-build", "Another build is revoked.", GOOD, policy="deny-v2")
    yield affirmed("deny.other-signer", "A signer is revoked that did not sign this image.", GOOD, policy="deny-signer")
    yield affirmed("deny.half-match", "A revoked build shares PCR0 only.", GOOD, policy="deny-partial")
    revoked = with_pcrs(**_second())
    yield rejected(
        "second-build", "One of two builds is revoked, and it is that one.", revoked, DENIED, policy="deny-v2"
    )


def _shadows() -> Iterator[Case]:
    yield rejected(
        "shadow", "The build is only being tried: [[shadow]] trusts nothing.", GOOD, MISMATCH, policy="shadow-v1"
    )
    yield affirmed("shadow.beside", "Another build is being tried, which changes nothing.", GOOD, policy="shadow-v2")
    mixed = with_pcrs(pcr1=SECOND_BUILD[1], pcr2=SECOND_BUILD[2])
    yield rejected(
        "shadow-mixed", "PCR0 is of a build in force, the rest of one being tried.", mixed, MISMATCH, policy="shadow-v2"
    )


def _windows() -> Iterator[Case]:
    expired, early = "measurement.build-expired", "measurement.build-not-yet-valid"
    yield rejected("one-second", "The build's time ended a second ago.", GOOD, expired, policy="window-ended")
    yield rejected("one-second", "The build's time begins in a second.", GOOD, early, policy="window-ahead")
    yield rejected(
        "millisecond",
        "The build's time ended a millisecond ago.",
        GOOD,
        expired,
        policy="window-ends-now",
        at=AT + seconds(0.001),
    )
    yield rejected(
        "millisecond",
        "The build's time begins in a millisecond.",
        GOOD,
        early,
        policy="window-begins-now",
        at=AT - seconds(0.001),
    )
    yield affirmed("window.open", "Within the build's time.", GOOD, policy="window-open")
    yield affirmed("window.ends-now", "The build's last moment.", GOOD, policy="window-ends-now")
    yield affirmed(
        "window.begins-now", "The build's first moment, written in another time zone.", GOOD, policy="window-begins-now"
    )
    yield affirmed(
        "window.renewed", "The same measurements twice: one entry ended, the next began.", GOOD, policy="window-renewed"
    )
    yield rejected(
        "other-build-window",
        "Another build, whatever the window.",
        with_pcrs(**_second()),
        MISMATCH,
        policy="window-ended",
    )


def _requirements() -> Iterator[Case]:
    yield affirmed("require.role", "The role that the policy asks for.", GOOD, policy="role")
    yield affirmed("require.role-of-several", "The second of two roles.", GOOD, policy="role-of-several")
    yield rejected("other", "Another role.", GOOD, ROLE, policy="role-other")
    yield rejected("zero", "No role at all: PCR3 is zero.", with_pcrs(pcr3=ZERO), ROLE, policy="role")
    yield rejected("absent", "PCR3 is absent.", without_pcrs(3), ROLE, policy="role")
    yield affirmed("require.instance", "The instance that the policy asks for.", GOOD, policy="instance")
    yield rejected("other", "Another instance.", GOOD, INSTANCE, policy="instance-other")
    yield rejected("zero", "PCR4 is zero.", with_pcrs(pcr4=ZERO), INSTANCE, policy="instance")
    yield rejected("absent", "PCR4 is absent.", without_pcrs(4), INSTANCE, policy="instance")
    yield affirmed("require.signer", "The signer that the policy asks for.", SIGNED_IMAGE, policy="pcr8")
    yield rejected("unsigned", "The image is not signed: PCR8 is zero.", GOOD, SIGNER_MISMATCH, policy="pcr8")
    yield rejected("other", "Another signer.", with_pcrs(pcr8=PCR16), SIGNER_MISMATCH, policy="pcr8")
    yield rejected("absent", "PCR8 is absent.", without_pcrs(8), SIGNER_MISMATCH, policy="pcr8")


def _signer_mode() -> Iterator[Case]:
    yield affirmed(
        "signer.any-image",
        "An image that no policy names, by the signer it names.",
        attest(pcrs={**PCRS, **THIRD_BUILD, 8: SIGNER}),
        policy="signer",
    )
    yield rejected("signer-other", "Another signer.", with_pcrs(pcr8=PCR16), MISMATCH, policy="signer")
    yield rejected("signer-none", "An image that is not signed.", GOOD, MISMATCH, policy="signer")
    yield rejected("signer", "PCR8 is absent.", without_pcrs(8), ABSENT, policy="signer")
    debug = attest(pcrs={**PCRS, 0: ZERO, 1: ZERO, 2: ZERO, 8: SIGNER})
    yield rejected("signer-mode", "Debug mode of a signed image.", debug, DEBUG, policy="signer")
    yield affirmed(
        "signer.debug-allowed", "Debug mode of a signed image, where that is allowed.", debug, policy="signer-debug"
    )
    yield rejected(
        "signer-debug-unsigned",
        "Debug mode, allowed, without a signer.",
        DEBUG_DOCUMENT,
        MISMATCH,
        policy="signer-debug",
    )


def _everything() -> Iterator[Case]:
    """All findings in one answer, in the order of the checks."""
    said = fields(timestamp=milliseconds(AT) - 3_600_000, public_key=b"\x30\0", user_data=b"other", nonce=bytes(32))
    wrong = seal((*said.pairs(), ("extra", 1)))
    yield rejected(
        "everything-else-too",
        "All that appraisal can find at once, in its order.",
        wrong,
        *(DENIED, MISMATCH, ROLE, INSTANCE, SIGNER_MISMATCH),
        *("binding.public-key-unacceptable", "binding.user-data-mismatch", "document.field-unrecognised"),
        *("freshness.too-old", "freshness.outside-certificate", "freshness.nonce-mismatch"),
        policy="everything",
    )
    yield rejected(
        "everything-absent",
        "Everything that the policy asks for is absent.",
        attest(pcrs={15: ZERO}, nonce=None),
        *(UNMEASURED, ABSENT, ROLE, INSTANCE, SIGNER_MISMATCH),
        *("binding.public-key-absent", "binding.user-data-absent", "freshness.nonce-missing"),
        policy="everything",
    )
