"""For any bytes there is a result; nothing that was changed after signing is affirmed."""

from datetime import UTC, datetime, timedelta

import cbor2
from hypothesis import example, given
from hypothesis import strategies as st

from issuer.nsm import assemble_sign1, encode_map, sign1
from issuer.nsm.document import PROTECTED_ES384
from tests.fuzz.seeds import ORDER, identity
from tests.support.core import AT, NONCE, chain, document, fields, policy, reasons, verifier
from verifier import Affirmed, AttestationResult, Rejected

DOCUMENTS = (
    document(),
    document(style="definite", user_data=b"", public_key=b"key"),
    document(tagged=True, user_data=bytes(1024)),
)
JUDGE, POLICY = verifier(), policy()
MOMENTS = st.one_of(
    st.sampled_from([datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), AT]),
    st.datetimes(
        min_value=datetime(1, 1, 2),  # noqa: DTZ001 - Hypothesis adds the zone
        max_value=datetime(9999, 12, 30),  # noqa: DTZ001 - as above
        timezones=st.timezones(),
    ),
    st.integers(-7200, 14400).map(lambda seconds: AT + timedelta(seconds=seconds)),
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=60)
    | st.text(max_size=9)
)
SHAPES = st.recursive(
    SCALARS | st.builds(cbor2.CBORTag, st.integers(0, 70_000), SCALARS),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.integers(-1, 33) | st.text(max_size=9), inner, max_size=5)
    ),
    max_leaves=20,
)
CBOR = SHAPES.map(cbor2.dumps)


def appraise(evidence: bytes, at: datetime = AT) -> AttestationResult:
    return JUDGE.appraise(evidence, policy=POLICY, nonce=NONCE, at=at)


def is_result(result: AttestationResult) -> bool:
    """Whether it is one of the two, and says why when it is not affirmed."""
    match result:
        case Affirmed():
            return True
        case Rejected():
            return len(result.findings) > 0


def sign1_of(payload: bytes, protected: bytes = PROTECTED_ES384) -> bytes:
    return assemble_sign1(protected, {}, payload, bytes(96))


@given(st.one_of(st.binary(max_size=20_000), CBOR, CBOR.map(sign1_of), st.builds(sign1_of, CBOR, CBOR)), MOMENTS)
@example(b"", AT)
def test_any_bytes_at_any_time_give_a_rejection(evidence: bytes, at: datetime) -> None:
    """An unauthenticated sender could cause a 500, or be affirmed."""
    result = appraise(evidence, at)
    assert isinstance(result, Rejected)
    assert result.findings
    assert result.unaffirmed_claims is None


@given(st.sampled_from(DOCUMENTS), MOMENTS)
def test_a_document_at_any_time_gives_a_result(evidence: bytes, at: datetime) -> None:
    """A clock far out would crash the verifier, or affirm a document outside of its life."""
    result = appraise(evidence, at)
    assert is_result(result)
    if isinstance(result, Affirmed):
        assert abs(at - AT) <= timedelta(minutes=5)


@given(st.sampled_from(DOCUMENTS), MOMENTS)
def test_history_differs_from_now_by_its_label_alone(evidence: bytes, at: datetime) -> None:
    """Looking back would be laxer than looking, or lose its label at some time."""
    now = appraise(evidence, at)
    past = JUDGE.appraise(evidence, policy=POLICY, nonce=NONCE, at=at, historical=True)
    assert (past.verdict, reasons(past), past.evaluated_at) == (now.verdict, reasons(now), now.evaluated_at)
    assert past.historical
    assert not now.historical


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A document after bits were flipped, or bytes cut out, doubled, overwritten or spliced in from another."""
    evidence, other = draw(st.sampled_from(DOCUMENTS)), draw(st.sampled_from(DOCUMENTS))
    for _ in range(draw(st.integers(1, 3))):
        if not evidence:
            break
        start = draw(st.integers(0, len(evidence) - 1))
        end = min(len(evidence), start + draw(st.integers(0, 200)))
        flipped = bytes((evidence[start] ^ 1 << draw(st.integers(0, 7)),))
        evidence = draw(
            st.sampled_from(
                [
                    evidence[:start] + flipped + evidence[start + 1 :],
                    evidence[:start],
                    evidence[end:],
                    evidence[:start] + evidence[end:],
                    evidence[:end] + evidence[start:],
                    evidence[:start] + other[start:],
                    evidence[:start] + other[start:end] + evidence[end:],
                ]
            )
            | st.binary(max_size=20).map(lambda inserted: evidence[:start] + inserted + evidence[end:])  # noqa: B023
        )
    return evidence


KNOWN = frozenset(map(identity, DOCUMENTS))


@given(changed())
def test_what_was_changed_after_signing_is_not_affirmed(evidence: bytes) -> None:
    """Some part of a document would be outside of every check.

    Whatever is affirmed is a known document but for tag 18 and the (r, n - s) twin.
    """
    result = appraise(evidence)
    assert is_result(result)
    assert identity(evidence) in KNOWN or isinstance(result, Rejected)


@given(evidence=st.sampled_from(DOCUMENTS), tagged=st.booleans(), twin=st.booleans())
def test_the_tag_and_the_twin_are_all_that_may_change(evidence: bytes, *, tagged: bool, twin: bool) -> None:
    """The two known ways of writing one document differently would be forgotten, or a third one added."""
    bare = evidence.removeprefix(b"\xd2")
    s = int.from_bytes(bare[-48:])
    other = (b"\xd2" if tagged else b"") + bare[:-48] + ((ORDER - s) if twin else s).to_bytes(48)
    result, original = appraise(other), appraise(evidence)
    assert isinstance(result, Affirmed)
    assert isinstance(original, Affirmed)
    assert result.claims == original.claims


PAIRS = fields().pairs()


@given(pairs=st.permutations(PAIRS), loose=st.booleans())
def test_the_same_fields_written_anew_are_not_what_was_signed(pairs: list[tuple[str, object]], *, loose: bool) -> None:
    """A signature would be checked over a re-encoding instead of over the original bytes."""
    signed = DOCUMENTS[0]
    payload = encode_map(pairs, indefinite=loose)  # type: ignore[arg-type]  # the issuer's own pairs
    rewritten = assemble_sign1(PROTECTED_ES384, {}, payload, signed[-96:])
    assert rewritten == signed or isinstance(appraise(rewritten), Rejected)


@given(pairs=st.permutations(PAIRS), loose=st.booleans())
def test_the_same_fields_in_any_order_mean_the_same_once_signed(
    pairs: list[tuple[str, object]], *, loose: bool
) -> None:
    """AWS could not change its encoder without an outage here."""
    payload = encode_map(pairs, indefinite=loose)  # type: ignore[arg-type]  # as above
    result, original = appraise(sign1(payload, chain().key)), appraise(DOCUMENTS[0])
    assert isinstance(result, Affirmed)
    assert isinstance(original, Affirmed)
    assert result.claims == original.claims


NAMES = [name for name, _ in PAIRS]


@given(st.sampled_from(NAMES), st.sampled_from(NAMES), SHAPES)
def test_a_field_with_another_value_is_affirmed_only_where_it_may_vary(name: str, other: str, value: object) -> None:
    """A field's value would not be looked at, or one field be read in place of another."""
    values = dict(PAIRS)
    swapped = [(key, values[other] if key == name else values[name] if key == other else entry) for key, entry in PAIRS]
    replaced = [(key, value if key == name else entry) for key, entry in PAIRS]
    for pairs in (swapped, replaced):
        payload = b"\xbf" + b"".join(cbor2.dumps(key) + encoded(entry) for key, entry in pairs) + b"\xff"
        result = appraise(sign1(payload, chain().key))
        assert is_result(result)
        if isinstance(result, Affirmed):
            claims = result.claims
            assert claims.nonce == NONCE
            assert all(claims.pcrs[index] == pcr for index, pcr in POLICY.builds[0].pcrs.items())


def encoded(value: object) -> bytes:
    from issuer.nsm import encode  # noqa: PLC0415 - for the issuer's own values

    try:
        return encode(value)  # type: ignore[arg-type]  # whatever it can write
    except cbor2.CBOREncodeError:
        return cbor2.dumps(value)


@given(st.binary(max_size=64) | st.none(), st.binary(max_size=64) | st.none())
def test_only_the_nonce_that_was_asked_for_is_affirmed(carried: bytes | None, asked: bytes | None) -> None:
    """A document made for somebody else, or at another time, would be affirmed."""
    result = JUDGE.appraise(document(nonce=carried), policy=POLICY, nonce=asked, at=AT)
    assert (reasons(result) == ()) == (carried == asked and bool(asked))
