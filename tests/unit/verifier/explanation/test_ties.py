"""Copies of an identity, compared and never judged."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from issuer.nsm import CborValue
from tests.unit.verifier.cli.world import BOOT, World
from verifier.evidence.document import decode_document
from verifier.evidence.envelope import decode_envelope
from verifier.explanation.ties import Outcome, compare_identities
from verifier.trust.certificate import decode_certificate

OTHER = "i-00000000000000000-enc0000000000000000"


def outcomes(world: World, changes: dict[str, CborValue], leaf_name: str | None) -> list[str]:
    document = decode_document(decode_envelope(world.sign(changes)).payload)
    leaf = decode_certificate(document.certificate)
    return [tie.outcome.value for tie in compare_identities(document, leaf, leaf_name)]


@pytest.mark.parametrize(
    ("changes", "suffix", "expected"),
    [
        ({}, ".us-east-1.aws", ["agrees", "agrees", "agrees"]),
        ({}, ".us-east-1.aws.example", ["agrees", "differs", "agrees"]),
        ({}, ".us-east-1Xaws", ["agrees", "differs", "agrees"]),
        ({"module_id": OTHER}, ".us-east-1.aws", ["differs", "differs", "differs"]),
        ({"module_id": "unsecure"}, ".us-east-1.aws", ["not-applicable", "differs", "not-applicable"]),
        ({"pcrs": {0: bytes(48)}}, ".us-east-1.aws", ["not-applicable", "agrees", "agrees"]),
        ({"pcrs": {4: bytes(48)}}, ".us-east-1.aws", ["not-applicable", "agrees", "agrees"]),
    ],
)
def test_each_copy_is_compared_by_itself(
    world: World, changes: dict[str, CborValue], suffix: str, expected: list[str]
) -> None:
    """One odd field would hide what the others say."""
    assert outcomes(world, changes, world.nsm().module_id + suffix) == expected


def test_a_name_or_a_leaf_that_cannot_be_read_is_not_a_difference(world: World) -> None:
    """Absence would be reported as forgery."""
    document = decode_document(decode_envelope(world.sign({})).payload)
    assert [tie.outcome for tie in compare_identities(document, None, None)] == [
        Outcome.AGREES,
        Outcome.NOT_APPLICABLE,
        Outcome.NOT_APPLICABLE,
    ]


def test_a_serial_whose_time_is_not_the_leaf_s_differs(world: World) -> None:
    """A leaf with a copied serial would agree."""
    document = decode_document(decode_envelope(world.sign({})).payload)
    later = world.pki.issue(enclave_id=world.nsm().enclave_id, at=BOOT + timedelta(hours=1))
    leaf = decode_certificate(later.certificate)
    agrees = [tie.outcome for tie in compare_identities(document, leaf, None)][2]
    assert agrees is Outcome.AGREES
    twin = replace(leaf, serial=leaf.serial + 10)
    assert [tie.outcome for tie in compare_identities(document, twin, None)][2] is Outcome.DIFFERS
