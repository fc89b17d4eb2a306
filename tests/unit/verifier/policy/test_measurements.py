from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from issuer.nsm import build_pcrs, instance_pcr, role_pcr
from tests.support.core import AT, PCRS, ROLE_ARN, build, policy
from verifier.policy.measurements import check_measurements, pcr_of_text
from verifier.policy.model import DebugMode, DeniedBuild, MeasurementMode, Policy, Requirements
from verifier.reasons import Reason

ZERO = bytes(48)
OTHER = build_pcrs("another build")
DEBUG = {**PCRS, 0: ZERO, 1: ZERO, 2: ZERO}
SECOND = AT + timedelta(seconds=1)
ALLOW = {"debug": DebugMode.ALLOW}


def without(*indices: int) -> dict[int, bytes]:
    return {index: value for index, value in PCRS.items() if index not in indices}


def require(**changes: Any) -> Policy:  # noqa: ANN401 - the fields of Requirements, whatever they are
    return policy(require=Requirements(**changes))


def denying(*indices: int) -> Policy:
    return policy(denied=(DeniedBuild(name="bad", pcrs={index: PCRS[index] for index in indices}),))


def check(pcrs: Mapping[int, bytes], by: Policy) -> tuple[str | None, tuple[Reason, ...]]:
    """The build's name, and why not."""
    name, found = check_measurements(pcrs, by, AT)
    return name, tuple(rejection.reason for rejection in found)


TWO = policy(builds=(build(), build(name="v2", pcrs=OTHER)))
SIGNER = policy(mode=MeasurementMode.SIGNER, builds=(build(pcrs={8: PCRS[8]}),))
M = Reason
CASES: dict[str, tuple[Mapping[int, bytes], Policy, str | None, tuple[Reason, ...]]] = {
    "the build": (PCRS, policy(), "v1", ()),
    "the other build": ({**PCRS, **OTHER}, TWO, "v2", ()),
    "another build": ({**PCRS, **OTHER}, policy(), None, (M.MEASUREMENT_PCR_MISMATCH,)),
    "one register differs": ({**PCRS, 2: OTHER[2]}, policy(), None, (M.MEASUREMENT_PCR_MISMATCH,)),
    "registers of two builds": ({**PCRS, 2: OTHER[2]}, TWO, None, (M.MEASUREMENT_PCR_MISMATCH,)),
    "a register that the policy names is not there": (
        PCRS,
        policy(builds=(build(pcrs={**build().pcrs, 16: ZERO}),)),
        None,
        (M.MEASUREMENT_PCR_ABSENT,),
    ),
    "PCR1 absent": (without(1), policy(), None, (M.MEASUREMENT_UNMEASURED, M.MEASUREMENT_PCR_ABSENT)),
    "PCR0 zero": ({**PCRS, 0: ZERO}, policy(), None, (M.MEASUREMENT_UNMEASURED, M.MEASUREMENT_PCR_MISMATCH)),
    "debug mode": (DEBUG, policy(), None, (M.MEASUREMENT_DEBUG_MODE,)),
    "debug mode, allowed": (DEBUG, policy(**ALLOW), None, ()),
    "debug mode of a build that expects its zeroes": (
        DEBUG,
        policy(**ALLOW, builds=(build(pcrs=dict.fromkeys((0, 1, 2), ZERO)),)),
        "v1",
        (),
    ),
    "PCR0 zero where debug is allowed": (
        {**PCRS, 0: ZERO},
        policy(**ALLOW),
        None,
        (M.MEASUREMENT_UNMEASURED, M.MEASUREMENT_PCR_MISMATCH),
    ),
    "PCR0 to 2 absent where debug is allowed": (
        without(0, 1, 2),
        policy(**ALLOW),
        None,
        (M.MEASUREMENT_UNMEASURED, M.MEASUREMENT_PCR_ABSENT),
    ),
    "debug mode of another signer, allowed": (
        {**DEBUG, 8: OTHER[0]},
        policy(**ALLOW, builds=(build(pcrs={**build().pcrs, 8: PCRS[8]}),)),
        None,
        (M.MEASUREMENT_PCR_MISMATCH,),
    ),
    "not debug where debug is allowed": (PCRS, policy(**ALLOW), "v1", ()),
    "the signer": ({**PCRS, **OTHER}, SIGNER, "v1", ()),
    "another signer": ({**PCRS, 8: OTHER[0]}, SIGNER, None, (M.MEASUREMENT_PCR_MISMATCH,)),
    "the signer of nothing measured": ({**PCRS, 2: ZERO}, SIGNER, "v1", (M.MEASUREMENT_UNMEASURED,)),
    "denied": (PCRS, denying(0, 1, 2), "v1", (M.MEASUREMENT_BUILD_DENIED,)),
    "denied by another register": (PCRS, denying(8), "v1", (M.MEASUREMENT_BUILD_DENIED,)),
    "another is denied": ({**PCRS, 8: OTHER[0]}, denying(0, 8), "v1", ()),
    "the first moment": (PCRS, policy(builds=(build(not_before=AT),)), "v1", ()),
    "the last moment": (PCRS, policy(builds=(build(not_after=AT),)), "v1", ()),
    "too early": (PCRS, policy(builds=(build(not_before=SECOND),)), None, (M.MEASUREMENT_BUILD_NOT_YET_VALID,)),
    "too late": (
        PCRS,
        policy(builds=(build(not_after=AT - timedelta(microseconds=1)),)),
        None,
        (M.MEASUREMENT_BUILD_EXPIRED,),
    ),
    "too late under one name, in time under another": (
        PCRS,
        policy(builds=(build(not_after=AT - timedelta(days=1)), build(name="again"))),
        "again",
        (),
    ),
    "the role": (PCRS, require(pcr3_role_arn=("arn:aws:iam::123456789012:role/x", ROLE_ARN)), "v1", ()),
    "another role": (
        PCRS,
        require(pcr3_role_arn=("arn:aws:iam::123456789012:role/x",)),
        "v1",
        (M.MEASUREMENT_ROLE_MISMATCH,),
    ),
    "no role": (without(3), require(pcr3_role_arn=(ROLE_ARN,)), "v1", (M.MEASUREMENT_ROLE_MISMATCH,)),
    "the instance": (PCRS, require(pcr4_instance_id=("i-0123456789abcdef0",)), "v1", ()),
    "another instance": (
        PCRS,
        require(pcr4_instance_id=("i-0123456789abcdef1",)),
        "v1",
        (M.MEASUREMENT_INSTANCE_MISMATCH,),
    ),
    "the signer required": (PCRS, require(pcr8=(PCRS[8],)), "v1", ()),
    "another signer required": (PCRS, require(pcr8=(OTHER[0],)), "v1", (M.MEASUREMENT_SIGNER_MISMATCH,)),
    "everything is wrong": (
        {**DEBUG, 3: ZERO, 4: ZERO},
        policy(
            denied=(DeniedBuild(name="bad", pcrs={8: PCRS[8]}),),
            builds=(build(pcrs={**build().pcrs, 5: PCRS[0]}),),
            require=Requirements(pcr3_role_arn=(ROLE_ARN,), pcr4_instance_id=("i-01234567",), pcr8=(OTHER[0],)),
        ),
        None,
        (
            M.MEASUREMENT_DEBUG_MODE,
            M.MEASUREMENT_BUILD_DENIED,
            M.MEASUREMENT_ROLE_MISMATCH,
            M.MEASUREMENT_INSTANCE_MISMATCH,
            M.MEASUREMENT_SIGNER_MISMATCH,
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_measurements_are_compared_with_the_policy(case: str) -> None:
    """An enclave would be trusted for what it does not run, or an operator not told all that is wrong."""
    pcrs, by, name, expected = CASES[case]
    assert check(pcrs, by) == (name, expected)


def test_what_is_wrong_names_the_registers() -> None:
    """An operator would have to find the register themselves."""
    _, (mismatch,) = check_measurements({**PCRS, 1: OTHER[1], 2: OTHER[2]}, policy(), AT)
    assert mismatch.detail.startswith("PCR1, PCR2 match no build")


def test_roles_and_instances_are_measured_as_the_hypervisor_does() -> None:
    """No document would ever match a role or an instance."""
    assert pcr_of_text(ROLE_ARN) == role_pcr(ROLE_ARN)
    assert pcr_of_text("i-01234567") == instance_pcr("i-01234567")
