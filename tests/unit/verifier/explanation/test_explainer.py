import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from rich.console import Console

from issuer.nsm import issue_chain
from tests.support.core import AT, NONCE, PCRS, build, document, document_under, policy, specs, verifier
from verifier import Policy, Reason
from verifier.cli.explanation_view import show_explanation
from verifier.evidence.document import decode_document
from verifier.evidence.envelope import decode_envelope
from verifier.explanation import CheckName, CheckOutcome, Explanation, Origin, explain
from verifier.explanation.builds import MAX_COMPARED, MAX_SHOWN
from verifier.explanation.checks import check_of
from verifier.explanation.nonces import compare_nonces
from verifier.explanation.words import printable, span
from verifier.service.explanations import explanation_body


def explained(evidence: bytes, by: Policy | None = None, at: datetime = AT) -> Explanation:
    return explain(verifier(), evidence, policy=by or policy(), nonce=NONCE, at=at)


def outcome(found: Explanation, name: CheckName) -> CheckOutcome:
    return next(check.outcome for check in found.checks if check.name is name)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_the_failure_of_one_check(reason: Reason) -> None:
    """A reason that is added would crash every explanation of its documents."""
    assert check_of(reason) in CheckName


def test_an_expired_path_that_is_forged_as_well_is_not_proven() -> None:
    """Whoever forges an old certificate would be told apart from a genuine one by nothing."""
    forged = issue_chain([*specs()[:-1], replace(specs()[-1], issuer_key=specs()[-1].key)])
    found = explained(document_under(forged), at=AT + timedelta(days=400))
    assert found.origin is Origin.UNPROVEN
    assert found.failed[:2] == (CheckName.VALIDITY, CheckName.ISSUERS)
    assert outcome(found, CheckName.SIGNATURE) is CheckOutcome.NOT_CHECKED


def test_an_expired_path_that_was_right_is_proven_for_its_time() -> None:
    """An operator could not tell an old document from a forged one."""
    found = explained(document(), at=AT + timedelta(days=400))
    assert found.origin is Origin.PROVEN_AT_ANOTHER_TIME
    assert outcome(found, CheckName.SIGNATURE) is CheckOutcome.PASSED
    assert found.failed == (CheckName.VALIDITY, CheckName.AGE)
    assert Reason.PATH_EXPIRED in found.reasons


def test_certificates_that_are_never_valid_together_prove_nothing() -> None:
    """There is no time as of which the path could be validated."""
    early = replace(
        specs()[-1], not_before=datetime(2020, 1, 1, tzinfo=UTC), not_after=datetime(2020, 1, 2, tzinfo=UTC)
    )
    found = explained(document_under(issue_chain([*specs()[:-1], early])))
    assert found.origin is Origin.UNPROVEN
    validity = next(check for check in found.checks if check.name is CheckName.VALIDITY)
    assert validity.note == "never all of them at once"
    assert outcome(found, CheckName.ISSUERS) is CheckOutcome.NOT_CHECKED


def test_a_certificate_that_cannot_be_read_leaves_the_rest_to_compare() -> None:
    """One broken certificate would hide that the build is wrong, too."""
    found = explained(
        document(certificate=b"\x30\x00"), policy(builds=(build(pcrs=dict.fromkeys((0, 1, 2), PCRS[3])),))
    )
    assert found.failed == (CheckName.PATH, CheckName.BUILD)
    assert (found.certificates, outcome(found, CheckName.AGE)) == ((), CheckOutcome.NOT_CHECKED)


def test_a_signature_that_is_wrong_proves_nothing() -> None:
    """The forger of a signature would be called an enclave."""
    found = explained(document()[:-1] + b"\x00")
    assert (found.origin, found.failed) == (Origin.UNPROVEN, (CheckName.SIGNATURE,))


def test_a_time_without_a_zone_is_the_callers_mistake() -> None:
    """A local time would be taken for UTC."""
    with pytest.raises(ValueError, match="time zone"):
        explained(document(), at=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the fault


def many(count: int) -> Policy:
    other = dict.fromkeys((0, 1, 2), b"\x01" * 48)
    builds = [build(name=f"b{number}", pcrs={**other, 5: number.to_bytes(48)}) for number in range(1, count)]
    return policy(builds=(*builds, build()))


def test_what_is_shown_of_a_long_policy_is_bounded() -> None:
    """A policy of ten thousand builds would make an explanation dear, and its answer megabytes."""
    found = explained(document(pcrs={**PCRS, 1: PCRS[3]}), many(MAX_COMPARED + 5))
    assert found.builds is not None
    assert (len(found.builds.shown), found.builds.compared, found.builds.total) == (
        MAX_SHOWN,
        MAX_COMPARED,
        MAX_COMPARED + 5,
    )
    stream = io.StringIO()
    show_explanation(Console(file=stream, width=80), found)
    assert f"only the first {MAX_COMPARED} were compared" in stream.getvalue()


def test_the_nearest_build_of_many_is_found() -> None:
    """An operator would compare with a build that has nothing to do with the document."""
    found = explained(document(pcrs={**PCRS, 0: PCRS[3], 2: PCRS[3]}), many(MAX_COMPARED))
    assert found.builds is not None
    assert found.builds.nearest.name == "v1"
    assert found.builds.nearest.parts == ("application (PCR0, PCR2)",)


def test_the_texts_of_a_document_are_few_and_short() -> None:
    """Whoever writes a document would write the page that explains it."""
    extra = {f"field {number}\x1b[2J" + "x" * 200: 1 for number in range(30)}
    plain = document()
    read = decode_document(decode_envelope(plain).payload)
    found = replace(explained(plain), document=msgspec.structs.replace(read, unrecognised=tuple(extra)))
    stated = explanation_body(found).explanation.unaffirmed
    assert stated is not None
    assert len(stated.unrecognised_fields) == 16
    assert all(name.isascii() and name.isprintable() and len(name) <= 128 for name in stated.unrecognised_fields)


@pytest.mark.parametrize(
    ("carried", "expected", "words"),
    [
        (bytes(4), b"00000000", "what was expected is its hexadecimal text; compare the bytes"),
        (b"AAEC", bytes((0, 1, 2)), "it is the expected one as base64 text; pass the bytes to the NSM"),
        (b"-_-_", b"\xfb\xff\xbf", "it is the expected one as base64url text; pass the bytes to the NSM"),
        (b"abc", b"xy", "3 bytes instead of 2"),
    ],
)
def test_how_nonces_get_mixed_up_is_said(carried: bytes, expected: bytes, words: str) -> None:
    """Somebody would look for a replay where there is an encoding."""
    read = decode_document(decode_envelope(document(nonce=carried)).payload)
    assert compare_nonces(read, expected).startswith(words)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(0), "0 s"),
        (timedelta(milliseconds=1), "0.001 s"),
        (timedelta(hours=47), "169200 s"),
        (timedelta(days=2), "2 days"),
    ],
)
def test_lengths_of_time_are_exact_until_they_are_long(length: timedelta, words: str) -> None:
    """A document that is a millisecond too old would look like one that is not."""
    assert span(length) == words


def test_text_from_outside_is_made_fit_to_show() -> None:
    """A certificate's name could clear the screen."""
    assert printable("\x1b[2J\u202e\x7f") == "\\x1b[2J\\u202e\\x7f"
    assert printable("x" * 200) == "x" * 125 + "..."
