"""Policies out of measurements."""

import io
from datetime import UTC, datetime

import pytest

from tests.support import core
from tests.support.eif_writer import signed_sections, write_eif
from tests.unit.verifier.reference_values.outputs import ONE, PCRS, SIGNER
from verifier import ConfigurationError, Reason, read_policy, write_policy
from verifier.policy.model import DebugMode, MeasurementMode, NonceMode
from verifier.reference_values.drafting import Wishes, draft_policy
from verifier.reference_values.eif import measure_image
from verifier.reference_values.provenance import Provenance, ReferenceValues

ROLE = "arn:aws:iam::123456789012:role/payments"
SIGNED = {**PCRS, 8: bytes.fromhex(SIGNER)}
WISHES = Wishes(name="payments", build="v1.4.2")


def values(
    pcrs: dict[int, bytes] = SIGNED,
    provenance: Provenance = Provenance.BUILD_ENCLAVE,
    objection: str | None = None,
) -> ReferenceValues:
    return ReferenceValues(pcrs=pcrs, provenance=provenance, objection=objection, name="\n[[build]]")


@pytest.mark.parametrize("provenance", Provenance)
def test_the_draft_is_read_back_as_the_policy_that_was_meant(provenance: Provenance) -> None:
    """The service would refuse the file, or read another policy in it."""
    draft = draft_policy(values(provenance=provenance), WISHES)
    assert read_policy(draft.text) == draft.policy
    (build,) = draft.policy.builds
    assert (draft.policy.name, build.name, build.pcrs) == ("payments", "v1.4.2", SIGNED)
    assert (draft.policy.nonce, draft.policy.debug) == (NonceMode.REQUIRED, DebugMode.REJECT)


def test_a_document_of_the_image_is_affirmed_and_one_of_another_is_not() -> None:
    """An operator would deploy a policy that refuses the very image it was made of, or accepts another."""
    image = measure_image(io.BytesIO(write_eif(signed_sections())))
    wishes = Wishes(name="payments", build="v1", role_arns=(core.ROLE_ARN,))
    draft = draft_policy(ReferenceValues(pcrs=image.pcrs, provenance=Provenance.IMAGE), wishes)
    policy = read_policy(draft.text)
    running = {**core.PCRS, **image.pcrs}
    assert core.reasons(core.appraise(core.document(pcrs=running), policy)) == ()
    for index in image.pcrs:
        other = core.document(pcrs={**running, index: b"\x01" * 48})
        assert core.reasons(core.appraise(other, policy)) == (Reason.MEASUREMENT_PCR_MISMATCH,)
    in_debug = core.document(pcrs={**running, **dict.fromkeys((0, 1, 2), bytes(48))})
    assert Reason.MEASUREMENT_DEBUG_MODE in core.reasons(core.appraise(in_debug, policy))


@pytest.mark.parametrize("provenance", Provenance)
def test_the_text_says_where_the_numbers_came_from(provenance: Provenance) -> None:
    """Nobody would know a year later whether to trust them."""
    text = draft_policy(values(provenance=provenance), WISHES).text
    assert text.startswith(f"# Measurements: {provenance.value}.\n")
    assert ("NOT AUTHORITATIVE" in text) is not provenance.is_authoritative


def test_wishes_become_requirements() -> None:
    """An enclave on anybody's instance would be accepted."""
    until = datetime(2027, 1, 31, tzinfo=UTC)
    wishes = Wishes(
        name="p", build="b", role_arns=(ROLE,), instance_ids=("i-0123456789abcdef0",), not_after=until
    )  # fmt: skip
    policy = draft_policy(values(), wishes).policy
    assert policy.require.pcr3_role_arn == (ROLE,)
    assert policy.require.pcr4_instance_id == ("i-0123456789abcdef0",)
    assert policy.builds[0].not_after == until


def test_a_policy_by_signer_names_pcr8_alone() -> None:
    """The next build of the same signer would be refused."""
    policy = draft_policy(values(), Wishes(name="p", build="b", mode=MeasurementMode.SIGNER)).policy
    assert policy.builds[0].pcrs == {8: SIGNED[8]}
    assert read_policy(write_policy(policy)) == policy


@pytest.mark.parametrize(
    ("measured", "wishes", "problem"),
    [
        (values(objection="the enclave runs with the flags 'DEBUG_MODE'"), WISHES, "DEBUG_MODE"),
        (values(PCRS), Wishes(name="p", build="b", mode=MeasurementMode.SIGNER), "not signed"),
        (values({0: bytes(48), 1: bytes(48), 2: bytes(48)}), WISHES, "all zero"),
        (values({0: bytes.fromhex(ONE)}), WISHES, "PCR1 and PCR2 missing"),
        (values(), Wishes(name="no name", build="b"), "name must be"),
        (values(), Wishes(name="p", build="b", role_arns=("Web",)), "not the ARN"),
        (values(), Wishes(name="p", build="b", instance_ids=("x",)), "not an EC2 instance id"),
    ],
)
def test_no_policy_is_made_of_what_cannot_be_trusted(measured: ReferenceValues, wishes: Wishes, problem: str) -> None:
    """Debug measurements or half a build would be written down as trusted."""
    with pytest.raises(ConfigurationError, match=problem):
        draft_policy(measured, wishes)
