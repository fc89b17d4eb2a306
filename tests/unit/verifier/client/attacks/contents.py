"""Well signed tokens that must not admit anybody: for somebody else, of another time, or that do not affirm."""

from collections.abc import Iterator
from typing import Any

from tests.unit.verifier.client.attacks.envelopes import Attack
from tests.unit.verifier.client.attacks.forge import (
    AUDIENCE,
    IAT,
    ISSUER,
    STRANGER,
    Genuine,
    Json,
    affirmed,
    affirmed_in_debug_mode,
    appraisal,
    b64,
    claims,
    jwt,
    key_of,
    rejected_as_forged,
    rejected_for_its_build,
    rejected_for_its_nonce,
)
from verifier.client import EarErrorCode as Code
from verifier.ear.signing import Profile

LEEWAY = 30
LEGACY = "tag:github.com,2023:veraison/ear"
Values = tuple[Any, ...]
OTHER_TYPES: Values = (None, True, 1.5, "1", [], {})


def times() -> Iterator[Attack]:
    """Expired, not yet good, or without an end."""
    yield "expired", jwt(claims(iat=IAT - 600, exp=IAT - LEEWAY)), Code.EXPIRED
    yield "expired a second ago, without leeway left", jwt(claims(iat=IAT - 600, exp=IAT - LEEWAY - 1)), Code.EXPIRED
    yield "expired long ago", jwt(claims(iat=0, exp=1)), Code.EXPIRED
    yield "iat in the future", jwt(claims(iat=IAT + LEEWAY + 1)), Code.NOT_YET_VALID
    yield "not yet valid", jwt(claims(nbf=IAT + LEEWAY + 1)), Code.NOT_YET_VALID
    yield "expires before it is issued", jwt(claims(iat=IAT + 20, exp=IAT + 10)), Code.CLAIM_INVALID
    yield "expires when it is issued", jwt(claims(exp=IAT)), Code.CLAIM_INVALID
    yield "expires after all time", jwt(claims(exp=10**30)), Code.CLAIM_INVALID
    yield "exp in milliseconds", jwt(claims(exp=IAT * 1000 + 300_000)), Code.CLAIM_INVALID
    yield "issued before all time", jwt(claims(iat=-1)), Code.CLAIM_INVALID
    for name in ("exp", "iat"):
        yield f"no {name}", jwt(claims(**{name: ...})), Code.CLAIM_MISSING
        for value in OTHER_TYPES:
            yield f"{name} {value!r}", jwt(claims(**{name: value})), Code.CLAIM_INVALID
    for value in OTHER_TYPES:
        yield f"nbf {value!r}", jwt(claims(nbf=value)), Code.CLAIM_INVALID
    yield "exp as a float", jwt(claims(exp=float(IAT + 300))), Code.CLAIM_INVALID


def parties() -> Iterator[Attack]:
    """By somebody else, or for somebody else."""
    for name, iss in {
        "another": "https://attacker.example",
        "with a slash": f"{ISSUER}/",
        "in capitals": ISSUER.upper(),
        "half": ISSUER[:-1],
        "longer": f"{ISSUER}.attacker.example",
        "nobody": "",
    }.items():
        yield f"iss: {name}", jwt(claims(iss=iss)), Code.ISSUER_MISMATCH
    yield "no iss", jwt(claims(iss=...)), Code.CLAIM_MISSING
    yield "iss in a list", jwt(claims(iss=[ISSUER])), Code.CLAIM_INVALID
    yield "genuine, by another issuer", Genuine(issuer="https://other.example").jwt(affirmed()), Code.ISSUER_MISMATCH
    yield "genuine, by another key", Genuine(key=key_of(STRANGER)).jwt(affirmed()), Code.KEY_UNKNOWN
    for name, aud in {
        "another": "billing-rp",
        "in capitals": AUDIENCE.upper(),
        "nobody": "",
        "longer": f"{AUDIENCE}2",
    }.items():
        yield f"aud: {name}", jwt(claims(aud=aud)), Code.AUDIENCE_MISMATCH
    yield "no aud", jwt(claims(aud=...)), Code.AUDIENCE_MISMATCH
    audiences: Values = ([AUDIENCE], ["billing-rp", AUDIENCE], None, True, {})
    for value in audiences:
        yield f"aud {value!r}", jwt(claims(aud=value)), Code.CLAIM_INVALID
    yield "genuine, for another audience", Genuine(audience="billing-rp").jwt(affirmed()), Code.AUDIENCE_MISMATCH
    yield "genuine, for no audience", Genuine(audience=None).jwt(affirmed()), Code.AUDIENCE_MISMATCH


def nonces() -> Iterator[Attack]:
    """Of another conversation."""
    ours = claims()["eat_nonce"]
    yield "another nonce", jwt(claims(eat_nonce=b64(b"another nonce"))), Code.NONCE_MISMATCH
    yield "half of the nonce", jwt(claims(eat_nonce=ours[:20])), Code.NONCE_MISMATCH
    yield "no nonce", jwt(claims(eat_nonce=...)), Code.NONCE_MISMATCH
    yield "the nonce under another name", jwt(claims(eat_nonce=..., nonce=ours)), Code.NONCE_MISMATCH
    yield (
        "the document's nonce",
        jwt(claims(eat_nonce=claims()["submods"]["aws-nitro-enclave"]["eat_nonce"])),
        Code.NONCE_MISMATCH,
    )
    yield "genuine, with another nonce", Genuine(nonce=b"of another time").jwt(affirmed()), Code.NONCE_MISMATCH
    yield "genuine, without a nonce", Genuine(nonce=None).jwt(affirmed()), Code.NONCE_MISMATCH
    for value in ([ours], [ours, b64(bytes(8))], None, 1, "", b64(bytes(7)), b64(bytes(65)), f"{ours}=", "not base64!"):
        yield f"nonce {value!r}", jwt(claims(eat_nonce=value)), Code.CLAIM_INVALID


def profiles() -> Iterator[Attack]:
    """Other names for other claims, which would be passed over."""
    yield (
        "genuine, with the older dotted names",
        Genuine(profile=Profile.LEGACY).jwt(affirmed()),
        Code.PROFILE_UNEXPECTED,
    )
    dotted = {
        name.replace("ear_", "ear.").replace("_", "-"): value for name, value in claims(eat_profile=LEGACY).items()
    }
    yield "dotted names", jwt(dotted | {"ear.status": "affirming"}), Code.PROFILE_UNEXPECTED
    others: Values = (
        LEGACY,
        "tag:ietf.org,2026:rats/ear#03",
        "tag:github.com,2024:confidential-containers/Trustee",
        "",
        None,
        [],
    )
    for value in others:
        yield f"profile {value!r}", jwt(claims(eat_profile=value)), Code.PROFILE_UNEXPECTED
    yield "no profile", jwt(claims(eat_profile=...)), Code.PROFILE_UNEXPECTED
    yield "another profile of the appraisal", jwt(appraisal(eat_profile="urn:nitro-verifier:ear:2")), Code.CLAIM_INVALID
    yield "an ID token", jwt({"iss": ISSUER, "aud": AUDIENCE, "exp": IAT + 300, "iat": IAT}), Code.PROFILE_UNEXPECTED


def verdicts() -> Iterator[Attack]:
    """Not affirmed, or affirmed in one place and not in another."""
    yield "rejected: another build", Genuine().jwt(rejected_for_its_build()), Code.NOT_AFFIRMED
    yield "rejected: another nonce in the document", Genuine().jwt(rejected_for_its_nonce()), Code.NOT_AFFIRMED
    yield "rejected: forged", Genuine().jwt(rejected_as_forged()), Code.NOT_AFFIRMED
    yield "debug mode, which the policy allows", Genuine().jwt(affirmed_in_debug_mode()), Code.NOT_AFFIRMED
    yield "historical", jwt(appraisal(said__historical=True)), Code.HISTORICAL
    yield "historical as text", jwt(appraisal(said__historical="no")), Code.CLAIM_INVALID
    for status in ("none", "warning", "contraindicated"):
        yield f"{status}, with an affirmed verdict", jwt(_both(status)), Code.CLAIM_INVALID
        yield f"{status} within, affirming without", jwt(appraisal(ear_status=status)), Code.CLAIM_INVALID
        yield f"affirming within, {status} without", jwt(claims(ear_status=status)), Code.CLAIM_INVALID
    statuses: Values = ("Affirming", "affirmed", "pass", "", 2, True, None, ["affirming"])
    for value in statuses:
        yield f"status {value!r}", jwt(_both(value)), Code.CLAIM_INVALID
    yield "no status", jwt(claims(ear_status=...)), Code.CLAIM_MISSING
    yield "no status within", jwt(appraisal(ear_status=...)), Code.CLAIM_MISSING
    words: Values = ("rejected", "Affirmed", "pass", "", True, 1, None)
    for value in words:
        yield f"verdict {value!r}", jwt(appraisal(said__verdict=value)), Code.CLAIM_INVALID
    yield "no verdict", jwt(appraisal(said__verdict=...)), Code.CLAIM_MISSING
    yield "affirmed for a reason", jwt(appraisal(said__reasons=["path.expired"])), Code.CLAIM_INVALID
    yield "no build", jwt(appraisal(said__build=...)), Code.CLAIM_INVALID
    yield "debug mode", jwt(appraisal(ear_attester_claims__dbgstat="enabled")), Code.CLAIM_INVALID
    yield "silent about debug mode", jwt(appraisal(ear_attester_claims__dbgstat=...)), Code.CLAIM_INVALID
    yield "no attester", jwt(appraisal(ear_attester_claims=...)), Code.CLAIM_INVALID
    for number in (0, 1, -1, 32, 33, 95, 96, 97, 99, 127, -33, -128, 128, -129, 10**20):
        yield f"hardware {number}", jwt(appraisal(vector__hardware=number)), Code.CLAIM_INVALID
    kinds: Values = (None, True, 2.0, "2", [2])
    for value in kinds:
        yield f"hardware {value!r}", jwt(appraisal(vector__hardware=value)), Code.CLAIM_INVALID
    yield "sourced data contraindicated besides", jwt(appraisal(**{"vector__sourced-data": 96})), Code.CLAIM_INVALID
    yield "empty vector", jwt(appraisal(ear_trustworthiness_vector={})), Code.CLAIM_INVALID
    yield "no vector", jwt(appraisal(ear_trustworthiness_vector=...)), Code.CLAIM_MISSING
    yield "another policy", jwt(appraisal(said__policy__name="lab")), Code.POLICY_MISMATCH
    yield "no policy", jwt(appraisal(said__policy=...)), Code.POLICY_MISMATCH


def submodules() -> Iterator[Attack]:
    """More, fewer or other appraisals than the one."""
    ours = claims()["submods"]["aws-nitro-enclave"]
    worse = appraisal(ear_status="contraindicated", said__verdict="rejected")["submods"]["aws-nitro-enclave"]
    others: dict[str, tuple[Any, Code]] = {
        "none": ({}, Code.CLAIM_INVALID),
        "a list": ([ours], Code.CLAIM_INVALID),
        "null": (None, Code.CLAIM_INVALID),
        "one of an instance": ({"aws-nitro-tpm": ours}, Code.CLAIM_INVALID),
        "one of another name": ({"enclave": ours}, Code.CLAIM_INVALID),
        "one in capitals": ({"AWS-NITRO-ENCLAVE": ours}, Code.CLAIM_INVALID),
        "two that agree": ({"aws-nitro-enclave": ours, "b": ours}, Code.CLAIM_INVALID),
        "two that disagree": ({"aws-nitro-enclave": ours, "b": worse}, Code.CLAIM_INVALID),
        "two that disagree, the worse first": ({"a": worse, "aws-nitro-enclave": ours}, Code.CLAIM_INVALID),
        "one more that is empty": ({"aws-nitro-enclave": ours, "b": {}}, Code.CLAIM_MISSING),
        "a nested token": ({"aws-nitro-enclave": ["JWT", jwt()]}, Code.CLAIM_INVALID),
        "nothing in it": ({"aws-nitro-enclave": {}}, Code.CLAIM_MISSING),
    }
    for name, (value, code) in others.items():
        yield f"submods: {name}", jwt(claims(submods=value)), code
    yield "no submods", jwt(claims(submods=...)), Code.CLAIM_MISSING
    for name in ("jti", "ear_verifier_id"):
        yield f"no {name}", jwt(claims(**{name: ...})), Code.CLAIM_MISSING
    yield "no evidence", jwt(appraisal(said__evidence_sha256=...)), Code.CLAIM_MISSING
    yield "half a digest", jwt(appraisal(said__evidence_sha256="ab" * 16)), Code.CLAIM_INVALID
    yield "a short PCR", jwt(appraisal(ear_attester_claims__nitro_pcrs={"0": "ab" * 47})), Code.CLAIM_INVALID


def keys_of_the_enclave() -> Iterator[Attack]:
    """A key that is not the document's, which a Relying Party would talk to."""
    stranger = {name: text for name, text in key_of(STRANGER).public_jwk().items() if name in {"kty", "crv", "x", "y"}}
    own = claims()["cnf"]["jwk"]
    yield "cnf: another key", jwt(claims(cnf={"jwk": stranger})), Code.CLAIM_INVALID
    yield "cnf: with a private part", jwt(claims(cnf={"jwk": own | {"d": b64(bytes(32))}})), Code.CLAIM_INVALID
    yield "cnf: two", jwt(claims(cnf={"jwk": own, "jku": "https://attacker.example"})), Code.CLAIM_INVALID
    yield "cnf: a kid", jwt(claims(cnf={"kid": "x"})), Code.CLAIM_INVALID
    yield "cnf: absent beside the attested key", jwt(claims(cnf=...)), Code.CLAIM_INVALID
    yield "cnf: without an attested key", jwt(appraisal(ear_veraison_key_attestation=...)), Code.CLAIM_INVALID
    akpub = "ear_veraison_key_attestation__akpub"
    yield "attested key that is none", jwt(appraisal(**{akpub: b64(b"x")})), Code.CLAIM_INVALID
    reject: Json = claims()
    reject["ear_status"] = "contraindicated"
    one = reject["submods"]["aws-nitro-enclave"]
    one["ear_status"] = "contraindicated"
    one["ear_verifier_claims"] |= {"verdict": "rejected", "reasons": ["path.expired"]}
    yield "cnf of a rejected enclave", jwt(reject), Code.CLAIM_INVALID


def _both(status: Any) -> Json:  # noqa: ANN401 - any JSON
    return appraisal(ear_status=status) | {"ear_status": status}


ATTACKS = [
    *times(),
    *parties(),
    *nonces(),
    *profiles(),
    *verdicts(),
    *submodules(),
    *keys_of_the_enclave(),
]
