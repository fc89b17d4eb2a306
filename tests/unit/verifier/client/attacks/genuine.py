"""What must be accepted, so that a refusal of everything is no defence."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import cbor2

from tests.support.core import appraise, document, policy
from tests.unit.verifier.client.attacks.forge import (
    EXPECTED,
    IAT,
    KEYS,
    ORDER,
    RESULT_NONCE,
    Genuine,
    affirmed,
    appraisal,
    claims,
    cwt,
    cwt_claims,
    header,
    jwt,
    parts_of_signature,
    with_signature,
)
from verifier.client import EvidenceKind, Expectations

Case = tuple[str, str | bytes, Expectations, bytes | None]
NOBODY = replace(EXPECTED, audience=None)
ANY_POLICY = replace(EXPECTED, policy=None)


def _cases() -> Iterator[Case]:
    for key in KEYS:
        name = key.algorithm.jose
        yield f"JWT by {name}", Genuine(key=key).jwt(affirmed()), EXPECTED, RESULT_NONCE
        yield f"CWT by {name}", Genuine(key=key).cwt(affirmed()), EXPECTED, RESULT_NONCE
    yield "JWT by another hand", jwt(), EXPECTED, RESULT_NONCE
    yield "CWT by another hand", cwt(), EXPECTED, RESULT_NONCE
    yield "JWT as bytes", jwt().encode(), EXPECTED, RESULT_NONCE
    yield "CWT with the tag of a CWT", b"\xd8\x3d" + cwt(), EXPECTED, RESULT_NONCE
    token = jwt()
    r, s = parts_of_signature(token)
    # Another signature of the same claims, which ECDSA allows anybody to make: nothing is kept by a token's bytes.
    yield "the other s", with_signature(token, r, ORDER - s), EXPECTED, RESULT_NONCE
    yield "no key in the document", Genuine().jwt(appraise(document(), policy())), EXPECTED, RESULT_NONCE
    yield "for no audience", Genuine(audience=None).jwt(affirmed()), NOBODY, RESULT_NONCE
    yield "without a nonce that was not asked for", Genuine(nonce=None).jwt(affirmed()), EXPECTED, None
    yield "with a nonce that was not asked for", jwt(), EXPECTED, None
    yield "by another policy, where any will do", jwt(appraisal(said__policy__name="lab")), ANY_POLICY, RESULT_NONCE
    yield "written with blanks", jwt(json.dumps(claims(), indent=2).encode()), EXPECTED, RESULT_NONCE
    yield "headers in another order", jwt(head=dict(reversed(header().items()))), EXPECTED, RESULT_NONCE
    yield "CWT, claims in another order", cwt(cbor2.dumps(dict(reversed(cwt_claims().items())))), EXPECTED, RESULT_NONCE
    yield "with claims of tomorrow", jwt(claims(of_tomorrow={"a": [1]})), EXPECTED, RESULT_NONCE
    yield "expired within the leeway", jwt(claims(iat=IAT - 300, exp=IAT - 29)), EXPECTED, RESULT_NONCE
    yield "issued in the future within it", jwt(claims(iat=IAT + 30)), EXPECTED, RESULT_NONCE
    yield "nbf that is past", jwt(claims(nbf=IAT)), EXPECTED, RESULT_NONCE
    young = replace(EXPECTED, max_age=timedelta(seconds=60))
    yield "young enough", jwt(claims(iat=IAT - 60)), young, RESULT_NONCE
    instance = replace(EXPECTED, kind=EvidenceKind.NITRO_TPM)
    silent = appraisal(ear_attester_claims__dbgstat=...)["submods"][
        "aws-nitro-enclave"
    ]  # an instance has no debug mode
    submods = {"aws-nitro-tpm": silent}
    yield "about an instance, where that was asked for", jwt(claims(submods=submods)), instance, RESULT_NONCE


GENUINE = list(_cases())
