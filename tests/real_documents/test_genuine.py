from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.real_documents.catalogue import (
    TODAY,
    Genuine,
    find_genuine,
    is_affirmed,
    pinning_policy,
    read_genuine,
)
from tests.support.core import reasons
from verifier import Affirmed, AttestationResult, Policy, Reason, Rejected, Verifier
from verifier.evidence.pcrs import ZERO, EvidenceKind
from verifier.policy.model import Build, DebugMode, NonceMode
from verifier.policy.nitro_tpm import BOOT_PCR, COMMAND_LINE_PCR, SECURE_BOOT_OFF, SECURE_BOOT_PCR

SECOND = timedelta(seconds=1)
WHOLE_LIFE = {"max_age_ms": 24 * 3600 * 1000, "clock_skew_ms": 0}


def appraise(document: Genuine, policy: Policy | None, at: datetime) -> AttestationResult:
    return Verifier().appraise(document.evidence, policy=policy, at=at)


@pytest.fixture(params=range(17))
def genuine(request: pytest.FixtureRequest, genuine_folder: Path) -> Genuine:
    """Each genuine document in turn."""
    number: int = request.param
    return read_genuine(genuine_folder)[number]


def test_all_of_them_are_looked_at(genuine_folder: Path) -> None:
    """A new document in the folder would be passed over."""
    found = read_genuine(genuine_folder)
    assert len(found) == 17
    assert sum(document.is_enclave for document in found) == 16
    assert sum(document.debug for document in found) == 4
    assert {path.name for path in genuine_folder.glob("*.cbor")} == {document.name for document in found}


def test_it_is_affirmed_at_its_own_time_by_a_policy_that_pins_it(genuine: Genuine) -> None:
    """The verifier would refuse what AWS signs: an outage."""
    result = appraise(genuine, pinning_policy(genuine), genuine.signed_at)
    assert isinstance(result, Affirmed)
    assert result.claims.anchor.name == "aws-nitro-root-g1"
    assert result.claims.timestamp == genuine.signed_at
    assert result.claims.unrecognised == ()
    assert (result.claims.debug, result.claims.not_after) == (genuine.debug, genuine.last)
    assert (result.claims.kind is EvidenceKind.ENCLAVE) is genuine.is_enclave


def test_it_is_refused_where_the_other_kind_is_asked_for(genuine: Genuine) -> None:
    """An EC2 instance would pass for an enclave, or the reverse."""
    if genuine.debug:
        return  # its PCRs cannot be those of a build
    pinned = pinning_policy(genuine)
    builds = tuple(replace(build, pcrs={**build.pcrs, 4: b"\1" * 48}) for build in pinned.builds)
    other = EvidenceKind.NITRO_TPM if genuine.is_enclave else EvidenceKind.ENCLAVE
    result = appraise(genuine, replace(pinned, builds=builds, evidence=other), genuine.signed_at)
    expected = Reason.DOCUMENT_ENCLAVE if genuine.is_enclave else Reason.DOCUMENT_NITRO_TPM
    assert reasons(result) == (expected,)


def test_the_genuine_instance_booted_without_secure_boot(genuine_folder: Path) -> None:
    """The value that signer mode refuses would be one that no instance has."""
    tpm = find_genuine(genuine_folder, "_tpm_")
    (build,) = pinning_policy(tpm).builds
    assert build.pcrs[SECURE_BOOT_PCR] == SECURE_BOOT_OFF
    assert (build.pcrs[BOOT_PCR] == ZERO, build.pcrs[COMMAND_LINE_PCR] == ZERO) == (False, True)


def enclaves(folder: Path) -> list[Genuine]:
    return [document for document in read_genuine(folder) if document.is_enclave]


def test_it_has_expired_today(genuine_folder: Path) -> None:
    """A document of last year would be affirmed."""
    for document in enclaves(genuine_folder):
        result = appraise(document, pinning_policy(document), TODAY)
        assert reasons(result) == (Reason.PATH_EXPIRED,), document.name
        assert isinstance(result, Rejected)
        assert result.unaffirmed_claims is None


def test_its_life_has_bounds_to_the_second(genuine_folder: Path) -> None:
    """The first or the last second of a certificate would not count, or the one after it would."""
    for document in enclaves(genuine_folder):
        exact = pinning_policy(document, max_age_ms=WHOLE_LIFE["max_age_ms"], clock_skew_ms=0)
        skewed = pinning_policy(document, max_age_ms=WHOLE_LIFE["max_age_ms"], clock_skew_ms=3_600_000)
        moments = {
            document.signed_at: (),
            document.last: (),
            document.last + SECOND: (Reason.PATH_EXPIRED,),
            document.last + timedelta(milliseconds=1): (Reason.PATH_EXPIRED,),
            document.first - SECOND: (Reason.PATH_NOT_YET_VALID,),
            document.first - timedelta(milliseconds=1): (Reason.PATH_NOT_YET_VALID,),
        }
        for at, expected in moments.items():
            assert reasons(appraise(document, exact, at)) == expected, (document.name, at)
        # At its certificate's first second the document lies in the future, which skew forgives.
        early = reasons(appraise(document, exact, document.first))
        assert early == ((Reason.FRESHNESS_IN_FUTURE,) if document.signed_at > document.first else ())
        if document.signed_at - document.first < timedelta(hours=1):
            assert reasons(appraise(document, skewed, document.first)) == ()
            assert reasons(appraise(document, skewed, document.last + SECOND)) == (Reason.PATH_EXPIRED,)


def test_another_measurement_is_refused(genuine_folder: Path) -> None:
    """An enclave would be affirmed that runs something else."""
    for document in enclaves(genuine_folder):
        pinned = pinning_policy(document).builds[0]
        for index in pinned.pcrs:
            if document.debug and index <= 2:
                continue  # debug mode hides these; what the policy then compares are the others
            other = {**pinned.pcrs, index: b"\x01" * 48}
            policy = pinning_policy(document, builds=(Build(name="other", pcrs=other),))
            result = appraise(document, policy, document.signed_at)
            assert reasons(result) == (Reason.MEASUREMENT_PCR_MISMATCH,), (document.name, index)


def test_debug_mode_is_refused_unless_the_policy_allows_it(genuine_folder: Path) -> None:
    """An enclave whose console its parent reads would be affirmed."""
    for document in enclaves(genuine_folder):
        if document.debug:
            build = Build(name="real", pcrs=dict.fromkeys((0, 1, 2), b"\x01" * 48))
            strict = pinning_policy(document, builds=(build,), debug=DebugMode.REJECT)
            assert Reason.MEASUREMENT_DEBUG_MODE in reasons(appraise(document, strict, document.signed_at))


def test_one_verifier_affirms_all_of_them_one_after_another(genuine_folder: Path) -> None:
    """What the cache keeps of one document would change the verdict on another."""
    judge = Verifier()
    for _ in range(2):
        for document in enclaves(genuine_folder):
            assert is_affirmed(judge, document.evidence, pinning_policy(document), document.signed_at)
            assert not is_affirmed(judge, document.evidence, pinning_policy(document), TODAY)


MALFORMED, EXPIRED = Reason.ENVELOPE_MALFORMED, Reason.PATH_EXPIRED
UNPROTECTED, UNTRUSTED = Reason.ENVELOPE_UNPROTECTED_NOT_EMPTY, Reason.PATH_ROOT_UNTRUSTED
# Each bad document: a time when its certificates are valid, the reason then, and the reason today.
BAD = {
    "fortanix-tampered-signature": ("2021-09-09T11:00:00+00:00", Reason.SIGNATURE_INVALID, EXPIRED),
    "arm-cca-token-tagged-1": ("2023-01-01T00:00:00+00:00", Reason.DOCUMENT_KEY_INVALID, Reason.DOCUMENT_KEY_INVALID),
    "brave-nitriding-selfsigned": ("2022-10-24T17:00:00+00:00", UNPROTECTED, UNPROTECTED),
    "oyster-custom-root": ("2024-01-01T00:00:00+00:00", UNTRUSTED, UNTRUSTED),
    "espresso-sig-structure": ("2025-03-27T20:00:00+00:00", Reason.ENVELOPE_PROTECTED_INVALID, None),
    "dstack-prefixed": ("2025-12-25T17:00:00+00:00", MALFORMED, MALFORMED),
}
ANY_DEBUG = Policy(
    name="lax",
    builds=(Build(name="any", pcrs=dict.fromkeys((0, 1, 2), bytes(48))),),
    debug=DebugMode.ALLOW,
    nonce=NonceMode.NONE,
)


def test_each_bad_document_is_refused_for_its_fault_and_at_any_time(genuine_folder: Path) -> None:
    """Somebody's test data shows a fault that this verifier would miss."""
    paths = {path.stem.rpartition("_")[0]: path for path in (genuine_folder / "bad").iterdir()}
    assert paths.keys() == BAD.keys()
    for name, (valid_at, then, today) in BAD.items():
        for at, expected in ((datetime.fromisoformat(valid_at), then), (TODAY, today or then)):
            result = Verifier().appraise(paths[name].read_bytes(), policy=ANY_DEBUG, at=at)
            assert reasons(result) == (expected,), (name, at)


def test_what_is_wrong_with_the_prefixed_document_is_its_prefix_alone(genuine_folder: Path) -> None:
    """The document inside is genuine: the verifier must not look for it."""
    (path,) = (genuine_folder / "bad").glob("dstack-*")
    data = path.read_bytes()
    length = data.rindex(b"\x58\x60") + 98  # up to the end of the signature
    inside = next(data[4:end] for end in range(length - 98, len(data) + 1) if is_authentic(data[4:end]))
    assert is_authentic(inside)
    assert not is_authentic(data[4:])
    assert not is_authentic(data[3 : 4 + len(inside)])


def is_authentic(evidence: bytes) -> bool:
    result = Verifier().appraise(evidence, policy=None, at=datetime.fromisoformat("2025-12-25T17:00:00+00:00"))
    return reasons(result) == (Reason.MEASUREMENT_NO_POLICY,)
