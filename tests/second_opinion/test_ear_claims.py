"""Every vector's result as a token, held against two readings of the claims that were written from the drafts' text."""

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cbor2
import jsonschema
import pycddl
import pytest

from tests.support.cases import VectorCase, vector_cases
from tests.support.tokens import ISSUER, TO, TOKEN_ID, key, payload_of
from verifier import Affirmed, AttestationResult, Rejected, TrustAnchor, Verifier, read_policy
from verifier.ear.legacy import LEGACY_PROFILE
from verifier.ear.signing import Profile, sign_cwt, sign_jwt

HERE = Path(__file__).parent
LEGACY_NAMES = {"ear.status", "ear.trustworthiness-vector", "ear.veraison.policy-claims"}


@cache
def verifier(anchors: tuple[TrustAnchor, ...]) -> Verifier:
    """One verifier for each set of anchors."""
    return Verifier(anchors=anchors)


def results() -> Iterator[tuple[VectorCase, AttestationResult]]:
    """Each case's result, as of its own time."""
    for case in vector_cases():
        if case.at.year < 1970:  # no token can name that time
            continue
        policy = None if case.policy is None else read_policy(case.policy, name="vector")
        yield case, verifier(case.anchors).appraise(case.evidence, policy=policy, nonce=case.nonce, at=case.at)


def jwt_claims(result: AttestationResult, profile: Profile = Profile.EAR) -> Any:  # noqa: ANN401 - JSON
    """A result's claims in JSON."""
    return payload_of(sign_jwt(result, issuer=ISSUER, key=key(), to=TO, profile=profile, token_id=TOKEN_ID))


def cwt_claims(result: AttestationResult) -> bytes:
    """A result's claims in CBOR."""
    payload: bytes = cbor2.loads(sign_cwt(result, issuer=ISSUER, key=key(), to=TO, token_id=TOKEN_ID)).value[2]
    return payload


@pytest.mark.slow
def test_every_vector_s_result_is_an_ear_by_both_readings() -> None:
    """Somebody who reads the drafts would read our tokens otherwise than they are meant."""
    schema = json.loads((HERE / "ear.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    in_json = jsonschema.Draft202012Validator(schema)
    in_cbor = pycddl.Schema((HERE / "ear.cddl").read_text())
    statuses: Counter[str] = Counter()
    for case, result in results():
        claims, encoded = jwt_claims(result), cwt_claims(result)
        problems = [error.message for error in in_json.iter_errors(claims)]
        assert not problems, (case.id, problems)
        in_cbor.validate_cbor(encoded)
        status = claims["ear_status"]
        [(label, appraisal)] = claims["submods"].items()
        assert status == appraisal["ear_status"]
        assert cbor2.loads(encoded)[266][label][1000] == cbor2.loads(encoded)[1000]
        assert (label == "aws-nitro-tpm") is (result.policy is not None and result.policy.evidence == "nitro-tpm")
        is_good = isinstance(result, Affirmed) and not result.claims.debug
        assert (status == "affirming") is is_good, case.id
        statuses[status] += 1
    assert statuses["affirming"] > 100
    assert statuses["contraindicated"] > 300


def test_the_readings_refuse_what_is_no_ear() -> None:
    """They would accept anything."""
    schema = jsonschema.Draft202012Validator(json.loads((HERE / "ear.schema.json").read_text()))
    in_cbor = pycddl.Schema((HERE / "ear.cddl").read_text())
    result = next(result for _, result in results() if isinstance(result, Affirmed) and not result.claims.debug)
    claims, encoded = jwt_claims(result), cbor2.loads(cwt_claims(result))
    appraisal = claims["submods"]["aws-nitro-enclave"]
    wrong: tuple[dict[str, object], ...] = ({"ear_status": "warning"}, {"ear_trustworthiness_vector": {}}, {"more": 1})
    for change in wrong:
        assert not schema.is_valid(claims | {"submods": {"aws-nitro-enclave": appraisal | change}}), change
    also_wrong: tuple[dict[int, object], ...] = ({265: "tag:other"}, {6: 1.5}, {10: b"short"}, {1000: 3})
    for changed in also_wrong:
        with pytest.raises(pycddl.ValidationError):
            in_cbor.validate_cbor(cbor2.dumps(encoded | changed))


def test_the_older_names_say_the_same() -> None:
    """Veraison's and Trustee's Relying Parties would not find what they look for, or find something else."""
    seen = set()
    for _, result in results():
        kind = (type(result), isinstance(result, Rejected) and result.unaffirmed_claims is None)
        if kind in seen:
            continue
        seen.add(kind)
        new, old = jwt_claims(result), jwt_claims(result, Profile.LEGACY)
        before, after = new["submods"]["aws-nitro-enclave"], old["submods"]["aws-nitro-enclave"]
        assert old["eat_profile"] == LEGACY_PROFILE
        assert "ear_status" not in old
        assert old["ear.verifier-id"] == new["ear_verifier_id"]
        assert after.keys() >= LEGACY_NAMES
        assert after["ear.status"] == before["ear_status"]
        assert [after["ear.appraisal-policy-id"]] == before["ear_appraisal_policy_ids"]
        assert not any(name.startswith("ear_") for name in (*old, *after))
    assert len(seen) == 3
