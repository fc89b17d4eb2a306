"""From a result to a token: what is in it, and what is not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from tests.support.core import AT, NONCE, PCRS, appraise, build, document, policy, verifier
from tests.support.tokens import ISSUER, TO, TOKEN_ID, key, keys, payload_of
from verifier import Affirmed, AttestationResult, ConfigurationError, Policy, Reason, Rejected, SingleUse
from verifier.ear.reading import read_token
from verifier.ear.signing import Addressee, Issuer, UnsignableError, sign_cwt, sign_jwt, signable
from verifier.ear.vector import FINDINGS
from verifier.policy.model import DebugMode, DeniedBuild, KeyKind, NonceMode, PublicKeyRule, Requirements

LABEL = "aws-nitro-enclave"
DEBUG_PCRS = {**PCRS, 0: bytes(48), 1: bytes(48), 2: bytes(48)}
OTHER = b"\x11" * 48
SPKI = (
    ec.generate_private_key(ec.SECP384R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)
LAB = policy(debug=DebugMode.ALLOW)


def spki_of(private: Any) -> bytes:  # noqa: ANN401 - any kind of private key
    encoded: bytes = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


SPKI = spki_of(ec.generate_private_key(ec.SECP384R1()))


def claims(result: AttestationResult, to: Addressee = TO) -> Any:  # noqa: ANN401 - JSON
    return payload_of(sign_jwt(result, issuer=ISSUER, key=key(), to=to, token_id=TOKEN_ID))


def appraisal(result: AttestationResult) -> Any:  # noqa: ANN401 - JSON
    return claims(result)["submods"][LABEL]


def test_an_affirmed_result_says_who_signed_for_whom_when_and_what() -> None:
    """A Relying Party could not tell a token that was made for it from any other."""
    token = claims(appraise(document(user_data=b"hello", public_key=SPKI)))
    inside = token["submods"][LABEL]

    assert (token["iss"], token["aud"]) == ("https://verifier.example", "https://rp.example")
    assert (token["iat"], token["exp"]) == (int(AT.timestamp()), int(AT.timestamp()) + 300)
    assert token["eat_nonce"] == "dGhlIFJlbHlpbmcgUGFydHkncyBjaGFsbGVuZ2U"
    assert token["ear_verifier_id"] == {"developer": "https://verifier.example", "build": "nitro-verifier 1.0.0"}
    assert token["ear_status"] == inside["ear_status"] == "affirming"
    assert inside["ear_trustworthiness_vector"] == {"hardware": 2, "configuration": 2, "executables": 3}
    assert inside["eat_nonce"] == "YSBub25jZSBvZiB0aGUgUmVseWluZyBQYXJ0eQ"
    assert inside["ear_attester_claims"]["dbgstat"] == "disabled-since-boot"
    assert inside["ear_attester_claims"]["nitro_user_data"] == "aGVsbG8"
    assert inside["ear_attester_claims"]["nitro_pcrs"]["0"] == PCRS[0].hex()
    said = inside["ear_verifier_claims"]
    assert (said["verdict"], said["build"]) == ("affirmed", "v1")
    assert said["freshness"] == {"mode": "caller-nonce", "age_ms": 5000, "single_use": "caller"}
    assert said["path"]["anchor"] == "throwaway"
    assert said["policy"] == {"name": "payments", "sha256": policy().sha256, "debug": "reject"}


def test_the_policy_is_named_by_its_digest() -> None:
    """Two policies of one name could not be told apart (RFC 6920)."""
    by = policy()
    [name] = appraisal(appraise(document(), by))["ear_appraisal_policy_ids"]
    scheme, _, digest = name.partition(";")

    assert scheme == "ni:///sha-256"
    assert len(digest) == 43
    assert name != appraisal(appraise(document(), policy(max_age_ms=1_000_000)))["ear_appraisal_policy_ids"][0]


def test_without_an_addressee_a_token_is_for_nobody_in_particular() -> None:
    """An absent audience would be an empty one."""
    token = claims(appraise(document()), Addressee())

    assert {"aud", "eat_nonce"}.isdisjoint(token)


def test_every_token_has_an_id_of_its_own() -> None:
    """A Relying Party could not refuse a token that it has seen."""
    result = appraise(document())
    ids = {payload_of(sign_jwt(result, issuer=ISSUER, key=key()))["jti"] for _ in range(20)}

    assert len(ids) == 20


def test_an_old_result_cannot_be_made_to_look_new() -> None:
    """Whoever keeps results could sign them whenever they like."""
    result = appraise(document())

    assert claims(result)["iat"] == int(result.evaluated_at.timestamp())


VECTORS: dict[str, tuple[bytes, Policy, dict[str, int]]] = {
    "another build": (
        document(pcrs={**PCRS, 0: OTHER}), policy(), {"hardware": 2, "configuration": 2, "executables": 33},
    ),
    "a denied build": (
        document(), policy(denied=(DeniedBuild(name="old", pcrs={0: PCRS[0]}),)),
        {"hardware": 2, "configuration": 2, "executables": 96},
    ),
    "a denied build that no build is": (
        document(pcrs={**PCRS, 1: OTHER}), policy(denied=(DeniedBuild(name="old", pcrs={0: PCRS[0]}),)),
        {"hardware": 2, "configuration": 2, "executables": 96},
    ),
    "debug mode": (document(pcrs=DEBUG_PCRS), policy(), {"hardware": 2, "configuration": 96, "executables": 33}),
    "debug mode, allowed": (document(pcrs=DEBUG_PCRS), LAB, {"hardware": 2, "configuration": 96, "executables": 33}),
    "nothing measured": (
        document(pcrs={**PCRS, 0: bytes(48)}), policy(), {"hardware": 2, "configuration": 36, "executables": 33},
    ),
    "a register that every build names is absent": (
        document(pcrs={index: PCRS[index] for index in (0, 1, 2)}),
        policy(builds=(build(pcrs={index: PCRS[index] for index in (0, 1, 2, 8)}),)),
        {"hardware": 2, "configuration": 36, "executables": 33},
    ),
    "a build whose time is over": (
        document(), policy(builds=(build(not_after=AT - timedelta(days=1)),)),
        {"hardware": 2, "configuration": 2, "executables": 32},
    ),
    "another role": (
        document(), policy(require=Requirements(pcr3_role_arn=("arn:aws:iam::123456789012:role/other",))),
        {"hardware": 2, "configuration": 96, "executables": 3},
    ),
    "no role": (
        document(pcrs={index: PCRS[index] for index in (0, 1, 2)}),
        policy(require=Requirements(pcr3_role_arn=("arn:aws:iam::123456789012:role/other",))),
        {"hardware": 2, "configuration": 36, "executables": 3},
    ),
    "another signer": (
        document(), policy(require=Requirements(pcr8=(OTHER,))),
        {"hardware": 2, "configuration": 96, "executables": 3},
    ),
    "the instance": (
        document(), policy(require=Requirements(pcr4_instance_id=("i-0123456789abcdef0",))),
        {"instance-identity": 2, "hardware": 2, "configuration": 2, "executables": 3},
    ),
    "another instance": (
        document(), policy(require=Requirements(pcr4_instance_id=("i-0123456789abcdef1",))),
        {"instance-identity": 97, "hardware": 2, "configuration": 2, "executables": 3},
    ),
    "no public key": (
        document(), policy(require=Requirements(public_key=PublicKeyRule(kind=KeyKind.RAW, lengths=(32,)))),
        {"hardware": 2, "configuration": 36, "executables": 3},
    ),
    "other user data": (
        document(user_data=b"x"), policy(require=Requirements(user_data_sha256=(bytes(32),))),
        {"hardware": 2, "configuration": 96, "executables": 3},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("evidence", "by", "expected"), VECTORS.values(), ids=VECTORS)
def test_each_finding_has_its_place_in_the_vector(evidence: bytes, by: Policy, expected: dict[str, int]) -> None:
    """Relying Parties that read AR4SI would be told something else than operators."""
    result = appraise(evidence, by)
    status = "affirming" if expected["configuration"] == 2 and expected["executables"] == 3 else "contraindicated"
    if expected.get("instance-identity") == 97:
        status = "contraindicated"

    assert appraisal(result)["ear_trustworthiness_vector"] == expected
    assert claims(result)["ear_status"] == status


ALL_99 = dict.fromkeys(
    (
        *("instance-identity", "configuration", "executables", "file-system"),
        *("hardware", "runtime-opaque", "storage-opaque", "sourced-data"),
    ),
    99,
)


@pytest.mark.parametrize(
    "result",
    [
        appraise(b"no document"),
        appraise(document()[:-1] + b"\x00"),
        appraise(document(), nonce=b"another"),
        appraise(document(), at=AT + timedelta(minutes=20)),
    ],
    ids=["malformed", "altered", "another nonce", "old"],
)
def test_what_is_not_authentic_or_not_fresh_fails_in_every_place(result: AttestationResult) -> None:
    """A replayed document's hardware would count as genuine."""
    inside = appraisal(result)

    assert inside["ear_trustworthiness_vector"] == ALL_99
    assert inside["ear_status"] == "contraindicated"
    assert {"ear_attester_claims", "eat_nonce", "ear_veraison_key_attestation"}.isdisjoint(inside)
    assert "path" not in inside["ear_verifier_claims"]
    assert "cnf" not in claims(result)


def test_every_reason_an_authentic_document_can_be_refused_for_has_a_place() -> None:
    """A new reason would make a genuine, fresh document look forged."""
    fresh = {reason for reason in Reason if reason.stage in {"measurement", "binding"}}

    assert FINDINGS.keys() == fresh - {Reason.MEASUREMENT_NO_POLICY} | {Reason.DOCUMENT_FIELD_UNRECOGNISED}


def test_without_a_policy_only_the_hardware_is_judged() -> None:
    """A document that was compared with nothing would look measured."""
    result = verifier().appraise(document(), policy=None, nonce=NONCE, at=AT)
    inside = appraisal(result)

    assert inside["ear_trustworthiness_vector"] == {"hardware": 2}
    assert "ear_appraisal_policy_ids" not in inside
    assert inside["ear_verifier_claims"]["reasons"] == ["measurement.no-policy"]


def test_a_rejected_result_repeats_nothing_that_the_enclave_chose() -> None:
    """Anybody can run an enclave, and would have us sign whatever it puts into its document."""
    evidence = document(
        pcrs={**PCRS, 0: OTHER}, user_data=b"words of the enclave", public_key=SPKI, nonce=b"a nonce of its own"
    )
    result = appraise(evidence, policy(nonce=NonceMode.NONE), nonce=None)
    inside = appraisal(result)

    assert inside["ear_attester_claims"]["nitro_module_id"].startswith("i-")
    assert {"nitro_user_data", "nitro_public_key", "nitro_nonce"}.isdisjoint(inside["ear_attester_claims"])
    assert {"eat_nonce", "ear_veraison_key_attestation"}.isdisjoint(inside)
    assert "cnf" not in claims(result)


def test_a_rejected_result_shows_the_nonce_that_was_asked_for() -> None:
    """A challenger could not tell which of its challenges was rejected."""
    assert appraisal(appraise(document(pcrs={**PCRS, 0: OTHER})))["eat_nonce"]


@pytest.mark.parametrize("nonce", [b"short", bytes(65)])
def test_a_nonce_that_is_none_to_eat_is_named_otherwise(nonce: bytes) -> None:
    """A token would break RFC 9711, or lose the nonce."""
    inside = appraisal(appraise(document(nonce=nonce), nonce=nonce))

    assert "eat_nonce" not in inside
    assert inside["ear_attester_claims"]["nitro_nonce"]


def test_names_of_unknown_fields_are_only_counted() -> None:
    """Text of any kind and length would be signed."""
    result = appraise(document())
    assert isinstance(result, Affirmed)
    strange = replace(result, claims=replace(result.claims, unrecognised=("<script>", "x" * 5000)))

    assert appraisal(strange)["ear_attester_claims"]["nitro_unrecognised_fields"] == 2
    assert "script" not in str(claims(strange))


KEYS = {
    "EC": (spki_of(ec.generate_private_key(ec.SECP256R1())), {"kty": "EC", "crv": "P-256"}),
    "EC of 521 bits": (spki_of(ec.generate_private_key(ec.SECP521R1())), {"kty": "EC", "crv": "P-521"}),
    "EC of Bitcoin": (spki_of(ec.generate_private_key(ec.SECP256K1())), {"kty": "EC", "crv": "secp256k1"}),
    "RSA": (spki_of(rsa.generate_private_key(65537, 2048)), {"kty": "RSA", "e": "AQAB"}),
    "Ed25519": (spki_of(Ed25519PrivateKey.generate()), {"kty": "OKP", "crv": "Ed25519"}),
    "X25519": (spki_of(X25519PrivateKey.generate()), {"kty": "OKP", "crv": "X25519"}),
}


@pytest.mark.parametrize(("spki", "expected"), KEYS.values(), ids=KEYS)
def test_a_public_key_is_confirmed_and_attested(spki: bytes, expected: dict[str, str]) -> None:
    """A Relying Party could not bind its channel to the enclave."""
    token = claims(appraise(document(public_key=spki)))
    attested = token["submods"][LABEL]["ear_veraison_key_attestation"]["akpub"]

    read = read_token(
        sign_cwt(appraise(document(public_key=spki)), issuer=ISSUER, key=key()),
        keys(), at=AT, issuer=ISSUER.name, audience=None, nonce=None,
    )  # fmt: skip

    assert expected.items() <= token["cnf"]["jwk"].items()
    assert read.confirmation == token["cnf"]["jwk"]
    assert "d" not in token["cnf"]["jwk"]
    assert attested == token["submods"][LABEL]["ear_attester_claims"]["nitro_public_key"]


BARE_POINT = ec.generate_private_key(ec.SECP256R1()).public_key()
NO_KEYS = {
    "none": None,
    "empty": b"",
    "raw": bytes(32),
    "compressed": BARE_POINT.public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
    "trailing": SPKI + b"\x00",
}


@pytest.mark.parametrize("public_key", NO_KEYS.values(), ids=NO_KEYS)
def test_what_is_no_spki_is_confirmed_by_nothing(public_key: bytes | None) -> None:
    """Two readers would find two keys in it, or one of them none."""
    token = claims(appraise(document(public_key=public_key)))

    assert "cnf" not in token
    assert "ear_veraison_key_attestation" not in token["submods"][LABEL]


# Numbers of the right sizes; that they make no good key does not matter here.
DSA = dsa.DSAPublicNumbers(4, dsa.DSAParameterNumbers(p=(1 << 1023) + 29, q=(1 << 159) + 283, g=2)).public_key()
WITHOUT_JWK = {
    "a curve": spki_of(ec.generate_private_key(ec.BrainpoolP256R1())),
    "an algorithm": DSA.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
}


@pytest.mark.parametrize("spki", WITHOUT_JWK.values(), ids=WITHOUT_JWK)
def test_a_key_without_a_jwk_is_attested_and_not_confirmed(spki: bytes) -> None:
    """There would be a JWK that nobody reads, or no token at all."""
    token = claims(appraise(document(public_key=spki)))

    assert "cnf" not in token
    assert token["submods"][LABEL]["ear_veraison_key_attestation"]


def test_debug_mode_is_never_affirmed_under_a_signature() -> None:
    """A token for an enclave whose console its parent reads would open somebody's door."""
    result = appraise(document(pcrs=DEBUG_PCRS, public_key=SPKI), LAB)
    assert isinstance(result, Affirmed)
    token = claims(result)
    inside = token["submods"][LABEL]

    assert token["ear_status"] == "contraindicated"
    assert inside["ear_attester_claims"]["dbgstat"] == "enabled"
    assert inside["ear_verifier_claims"]["verdict"] == "rejected"
    assert inside["ear_verifier_claims"]["reasons"] == ["measurement.debug-mode"]
    assert inside["ear_verifier_claims"]["policy"]["debug"] == "allow"
    assert "cnf" not in token
    assert isinstance(signable(result), Rejected)


def test_a_policy_for_development_is_seen_in_every_token() -> None:
    """Nobody would notice that debug mode could have passed."""
    inside = appraisal(appraise(document(), LAB))

    assert inside["ear_status"] == "affirming"
    assert inside["ear_verifier_claims"]["policy"]["debug"] == "allow"


def test_half_measured_is_neither_debug_nor_not() -> None:
    """Something would be said about debug mode that nobody knows."""
    inside = appraisal(appraise(document(pcrs={**PCRS, 1: bytes(48)})))

    assert "dbgstat" not in inside["ear_attester_claims"]


def test_a_historical_result_is_never_signed() -> None:
    """Yesterday's verdict would pass for today's."""
    for result in (appraise(document()), appraise(b"")):
        with pytest.raises(UnsignableError):
            sign_jwt(_historical(result), issuer=ISSUER, key=key())
        with pytest.raises(UnsignableError):
            sign_cwt(_historical(result), issuer=ISSUER, key=key())


def _historical(result: AttestationResult) -> AttestationResult:
    if isinstance(result, Rejected):
        return replace(result, historical=True)
    return replace(result, historical=True, freshness=replace(result.freshness, single_use=SingleUse.OFF))


@pytest.mark.parametrize("at", [datetime(1969, 12, 31, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 30, tzinfo=UTC)])
def test_a_time_that_no_token_can_name_is_not_signed(at: datetime) -> None:
    """A token would say something that no reader takes."""
    with pytest.raises(UnsignableError):
        sign_jwt(appraise(b"", at=at), issuer=ISSUER, key=key())


@pytest.mark.parametrize("nonce", [b"", b"7 bytes", bytes(65)])
def test_a_relying_party_s_nonce_is_eat_s_or_refused(nonce: bytes) -> None:
    """A nonce would be cut or left out, and its owner not notice."""
    with pytest.raises(ValueError, match="8 to 64 bytes"):
        Addressee(nonce=nonce)
    assert Addressee(nonce=bytes(8)).nonce
    assert Addressee(nonce=bytes(64)).nonce


@pytest.mark.parametrize("audience", ["", "two words", 'a"b', "ü", "x" * 256, "a\nb"])
def test_an_audience_is_a_uri_or_a_name(audience: str) -> None:
    """Whatever a client sends would be signed as text."""
    with pytest.raises(ValueError, match="audience"):
        Addressee(audience=audience)


def test_an_issuer_needs_a_name_and_bounded_lifetimes() -> None:
    """Tokens would live for ever, or name nobody."""
    with pytest.raises(ConfigurationError) as caught:
        Issuer(name="", build="x", affirmed_lifetime=timedelta(0), rejected_lifetime=timedelta(days=2))

    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "issuer", "affirmed_lifetime", "rejected_lifetime",
    ]  # fmt: skip


def test_a_rejected_result_is_good_for_less_time() -> None:
    """A rejection would outlive its cause."""
    token = claims(appraise(b""))

    assert token["exp"] - token["iat"] == 60
