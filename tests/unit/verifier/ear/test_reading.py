"""Reading a token: what a good one says, and the ways in which a bad one is refused."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.cases import vector_cases
from tests.support.core import AT, NONCE, PCRS, appraise, document, policy, throwaway_pki
from tests.support.tokens import CURVES, ISSUER, RP_NONCE, TO, TOKEN_ID, jwks, key, keys, payload_of
from verifier import Verdict, Verifier, read_policy
from verifier.ear.cbor import encode_item
from verifier.ear.cose import sign_sign1
from verifier.ear.errors import EarError, EarErrorCode
from verifier.ear.jws import sign_jws
from verifier.ear.keyrings import VerificationKeys
from verifier.ear.keys import generate_key
from verifier.ear.reading import MAX_TOKEN_BYTES, read_token
from verifier.ear.results import EarResult
from verifier.ear.signing import Addressee, Profile, sign_cwt, sign_jwt
from verifier.ear.strict_json import encode_object
from verifier.ear.tiers import Tier, Trust
from verifier.evidence.pcrs import EvidenceKind
from verifier.policy.model import DebugMode

ED = "Ed25519"
SPKI, OTHER_SPKI = (
    ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for _ in range(2)
)
AFFIRMED = appraise(document(public_key=SPKI, user_data=b"hello"))
REJECTED = appraise(document(pcrs={**PCRS, 0: b"\x11" * 48}))
FORGED = appraise(b"nothing")
JWT = sign_jwt(AFFIRMED, issuer=ISSUER, key=key(), to=TO, token_id=TOKEN_ID)
CWT = sign_cwt(AFFIRMED, issuer=ISSUER, key=key(), to=TO, token_id=TOKEN_ID)
CLAIMS = payload_of(JWT)
LABEL = "aws-nitro-enclave"


def read(token: str | bytes, **changes: Any) -> EarResult:  # noqa: ANN401 - what a Relying Party may ask for
    expected: dict[str, Any] = {"at": AT, "issuer": ISSUER.name, "audience": TO.audience, "nonce": RP_NONCE}
    trusted: VerificationKeys = changes.pop("keys", keys())
    return read_token(token, trusted, **(expected | changes))


def refusal(token: str | bytes, **changes: Any) -> EarErrorCode:  # noqa: ANN401 - as above
    with pytest.raises(EarError) as caught:
        read(token, **changes)
    return caught.value.code


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("sign", [sign_jwt, sign_cwt])
def test_an_affirmed_token_says_what_the_verifier_found(curve: str, sign: Callable[..., str | bytes]) -> None:
    """A Relying Party would act on something else than was appraised, or on another form of it."""
    result = read(sign(AFFIRMED, issuer=ISSUER, key=key(curve), to=TO, token_id=TOKEN_ID))

    assert result.require_affirmed() is result
    assert result.verdict is Verdict.AFFIRMED
    assert result.status is Tier.AFFIRMING
    assert result.vector == {Trust.HARDWARE: 2, Trust.CONFIGURATION: 2, Trust.EXECUTABLES: 3}
    assert (result.issuer, result.audience, result.nonce) == (ISSUER.name, TO.audience, RP_NONCE)
    assert (result.issued_at, result.expires_at) == (AT, AT + timedelta(minutes=5))
    assert (result.key_id, result.algorithm) == (key(curve).kid, key(curve).algorithm.jose)
    assert (result.policy_name, result.build, result.debug_allowed) == ("payments", "v1", False)
    assert result.policy_ids == (f"ni:///sha-256;{b64(bytes.fromhex(policy().sha256))}",)
    assert result.token_id == b64(TOKEN_ID)
    assert result.verifier_build == "nitro-verifier 1.0.0"
    assert result.evidence_sha256 == AFFIRMED.evidence_sha256
    assert result.freshness is not None
    assert (result.freshness.mode, result.freshness.single_use) == ("caller-nonce", "caller")
    attester = result.attester
    assert attester is not None
    assert attester.module_id == throwaway_pki().module_id(bytes.fromhex("019ca8ed3c001234"))
    assert attester.pcrs == PCRS
    assert (attester.nonce, attester.user_data, attester.public_key, attester.spki) == (NONCE, b"hello", SPKI, SPKI)
    assert attester.debug is False
    assert result.confirmation is not None
    assert result.confirmation["crv"] == "P-256"


@pytest.mark.parametrize("sign", [sign_jwt, sign_cwt])
def test_a_rejected_token_is_read_and_never_passes(sign: Callable[..., str | bytes]) -> None:
    """A rejection would be an error like any other, or pass."""
    for appraised, attester in ((REJECTED, True), (FORGED, False)):
        result = read(sign(appraised, issuer=ISSUER, key=key(), to=TO))

        assert not result.affirmed
        assert result.verdict is Verdict.REJECTED
        assert (result.attester is not None) is attester
        assert result.reasons
        with pytest.raises(EarError, match=result.reasons[0]) as caught:
            result.require_affirmed()
        assert caught.value.code is EarErrorCode.NOT_AFFIRMED


def test_a_debug_token_is_read_as_what_it_is() -> None:
    """A policy for development would open production's doors."""
    debug = appraise(document(pcrs={**PCRS, **dict.fromkeys((0, 1, 2), bytes(48))}), policy(debug=DebugMode.ALLOW))
    result = read(sign_jwt(debug, issuer=ISSUER, key=key(), to=TO))

    assert result.attester is not None
    assert result.attester.debug is True
    assert result.debug_allowed
    assert not result.affirmed


def test_a_token_about_an_instance_says_nothing_about_an_enclave() -> None:
    """An EC2 instance with a NitroTPM would be admitted where an enclave is asked for."""
    case = next(case for case in vector_cases() if case.id.startswith("affirmed.tpm."))
    by = read_policy(case.policy or "", name="ami")
    result = Verifier(anchors=case.anchors).appraise(case.evidence, policy=by, nonce=case.nonce, at=case.at)
    for sign in (sign_jwt, sign_cwt):
        token = sign(result, issuer=ISSUER, key=key(), to=TO)

        assert refusal(token, at=case.at) is EarErrorCode.CLAIM_INVALID
        assert read(token, at=case.at, kind=EvidenceKind.NITRO_TPM).affirmed
        assert refusal(JWT, kind=EvidenceKind.NITRO_TPM) is EarErrorCode.CLAIM_INVALID
    inside = payload_of(sign_jwt(result, issuer=ISSUER, key=key()))["submods"]["aws-nitro-tpm"]
    assert "dbgstat" not in inside["ear_attester_claims"]


def test_a_token_may_be_bytes_and_a_cwt_may_have_its_tag() -> None:
    """A body as it came from HTTP would have to be guessed about (RFC 8392 section 6)."""
    assert read(JWT.encode()) == read(JWT)
    assert read(b"\xd8\x3d" + CWT) == read(CWT)


def test_without_a_nonce_or_an_age_of_its_own_a_relying_party_takes_any() -> None:
    """Offline checks of kept tokens would be impossible."""
    assert read(JWT, nonce=None).affirmed
    nameless = sign_jwt(AFFIRMED, issuer=ISSUER, key=key())
    assert read(nameless, nonce=None, audience=None).affirmed


# --- attacks: what is sent, and why it is refused ---


def jwt(header: dict[str, Any], claims: dict[str, Any] = CLAIMS, *, signed_with: Any = None) -> str:  # noqa: ANN401
    """A token with any header, signed by any key."""
    signing_input = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    signature = (signed_with or key().sign)(signing_input.encode())
    return f"{signing_input}.{b64(signature)}"


def hs256(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda message: hmac.new(secret, message, hashlib.sha256).digest()


def resigned(**changes: Any) -> str:  # noqa: ANN401 - claims
    """The token with other claims, signed by the right key."""
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    return sign_jws(encode_object(claims), key())


def with_appraisal(**changes: Any) -> str:  # noqa: ANN401 - as above
    appraisal = CLAIMS["submods"][LABEL] | changes
    return resigned(submods={LABEL: {name: value for name, value in appraisal.items() if value is not None}})


def with_said(**changes: Any) -> str:  # noqa: ANN401 - as above
    said = CLAIMS["submods"][LABEL]["ear_verifier_claims"] | changes
    return with_appraisal(ear_verifier_claims={name: value for name, value in said.items() if value is not None})


def with_attester(**changes: Any) -> str:  # noqa: ANN401 - as above
    said = CLAIMS["submods"][LABEL]["ear_attester_claims"] | changes
    return with_appraisal(ear_attester_claims={name: value for name, value in said.items() if value is not None})


def spliced(claims: dict[str, Any]) -> str:
    header, _, signature = JWT.split(".")
    return f"{header}.{b64(json.dumps(claims).encode())}.{signature}"


HEADER = {"alg": "ES256", "kid": key().kid, "typ": "eat+jwt"}
DOUBLED = b'{"kid": "x", ' + json.dumps(HEADER).encode()[1:]
STRANGER = generate_key()
PARTS = JWT.split(".")
PUBLIC = json.loads(jwks())["keys"][0]
Code = EarErrorCode

ATTACKS: dict[str, tuple[str, EarErrorCode]] = {
    "alg none, no signature": (jwt(HEADER | {"alg": "none"}, signed_with=lambda _: b""), Code.ALGORITHM_MISMATCH),
    "alg None": (jwt(HEADER | {"alg": "None"}), Code.ALGORITHM_MISMATCH),
    "no alg": (jwt({"kid": key().kid, "typ": "eat+jwt"}), Code.ALGORITHM_MISMATCH),
    "alg of no text": (jwt(HEADER | {"alg": ["ES256"]}), Code.ALGORITHM_MISMATCH),
    "HS256 with the public key's JWK": (
        jwt(HEADER | {"alg": "HS256"}, signed_with=hs256(json.dumps(PUBLIC).encode())), Code.ALGORITHM_MISMATCH,
    ),
    "HS256 with the public key's bytes": (
        jwt(HEADER | {"alg": "HS256"}, signed_with=hs256(base64.urlsafe_b64decode(PUBLIC["x"] + "=="))),
        Code.ALGORITHM_MISMATCH,
    ),
    "another curve's alg": (jwt(HEADER | {"alg": "ES384"}), Code.ALGORITHM_MISMATCH),
    "another key's alg and kid": (jwt(HEADER | {"alg": "EdDSA", "kid": key(ED).kid}), Code.SIGNATURE_INVALID),
    "RFC 9864's other name": (
        jwt(HEADER | {"alg": "Ed25519", "kid": key(ED).kid}, signed_with=key(ED).sign), Code.ALGORITHM_MISMATCH,
    ),
    "a stranger's key": (sign_jwt(AFFIRMED, issuer=ISSUER, key=STRANGER, to=TO), Code.KEY_UNKNOWN),
    "a stranger's signature under our kid": (jwt(HEADER, signed_with=STRANGER.sign), Code.SIGNATURE_INVALID),
    "another key of ours under this kid": (jwt(HEADER, signed_with=key("P-384").sign), Code.SIGNATURE_INVALID),
    "no kid": (jwt({"alg": "ES256", "typ": "eat+jwt"}), Code.KEY_ID_MISSING),
    "an empty kid": (jwt(HEADER | {"kid": ""}), Code.KEY_ID_MISSING),
    "a kid of no text": (jwt(HEADER | {"kid": 1}), Code.KEY_ID_MISSING),
    "a key in the header": (jwt(HEADER | {"jwk": STRANGER.public_jwk()}, signed_with=STRANGER.sign),
                            Code.HEADER_UNEXPECTED),
    "a key's address in the header": (jwt(HEADER | {"jku": "https://attacker.example/jwks"}), Code.HEADER_UNEXPECTED),
    "certificates in the header": (jwt(HEADER | {"x5c": []}), Code.HEADER_UNEXPECTED),
    "crit": (jwt(HEADER | {"crit": ["exp"]}), Code.HEADER_UNEXPECTED),
    "b64": (jwt(HEADER | {"b64": False, "crit": ["b64"]}), Code.HEADER_UNEXPECTED),
    "typ of any JWT": (jwt(HEADER | {"typ": "JWT"}), Code.TYPE_UNEXPECTED),
    "typ of an access token": (jwt(HEADER | {"typ": "at+jwt"}), Code.TYPE_UNEXPECTED),
    "no typ": (jwt({"alg": "ES256", "kid": key().kid}), Code.TYPE_UNEXPECTED),
    "edited claims": (spliced(CLAIMS | {"aud": "https://other.example"}), Code.SIGNATURE_INVALID),
    "a longer life": (spliced(CLAIMS | {"exp": CLAIMS["exp"] + 3600}), Code.SIGNATURE_INVALID),
    "a header's name twice": (
        f"{b64(DOUBLED)}.{PARTS[1]}.{PARTS[2]}", Code.MALFORMED,
    ),
    "a claim twice": (
        sign_jws(b'{"eat_profile":"tag:x",' + encode_object(CLAIMS)[1:], key()), Code.MALFORMED,
    ),
    "an inner claim twice": (
        sign_jws(encode_object(CLAIMS).replace(b'"verdict":', b'"verdict":"rejected","verdict":'), key()),
        Code.MALFORMED,
    ),
    "NaN": (sign_jws(encode_object(CLAIMS).replace(str(CLAIMS["exp"]).encode(), b"NaN"), key()), Code.MALFORMED),
    "no JSON": (sign_jws(b"\xff", key()), Code.MALFORMED),
    "no object": (sign_jws(b"[]", key()), Code.MALFORMED),
    "bottomless": (sign_jws(b"[" * 20_000, key()), Code.MALFORMED),
    "no signature": (f"{PARTS[0]}.{PARTS[1]}.", Code.SIGNATURE_INVALID),
    "half a signature": (f"{PARTS[0]}.{PARTS[1]}.{PARTS[2][:40]}", Code.SIGNATURE_INVALID),
    "a signature of zeros": (f"{PARTS[0]}.{PARTS[1]}.{b64(bytes(64))}", Code.SIGNATURE_INVALID),
    "two parts": (f"{PARTS[0]}.{PARTS[1]}", Code.MALFORMED),
    "five parts": (f"{JWT}.a.b", Code.MALFORMED),
    "padding": (f"{PARTS[0]}=.{PARTS[1]}.{PARTS[2]}", Code.MALFORMED),
    "a line end": (JWT + "\n", Code.MALFORMED),
    "stray bits": (f"{PARTS[0]}.{PARTS[1]}.{PARTS[2][:-1]}{chr(ord(PARTS[2][-1]) + 1)}", Code.MALFORMED),
    "a surrogate": (JWT + "\ud800", Code.MALFORMED),
    "JSON serialisation": (json.dumps({"payload": PARTS[1], "signatures": []}), Code.MALFORMED),
    "too long": ("A" * (MAX_TOKEN_BYTES + 1), Code.TOO_LARGE),
    "nothing": ("", Code.MALFORMED),
    "the older names": (
        sign_jwt(AFFIRMED, issuer=ISSUER, key=key(), to=TO, profile=Profile.LEGACY), Code.PROFILE_UNEXPECTED,
    ),
    "no profile": (resigned(eat_profile=None), Code.PROFILE_UNEXPECTED),
    "a later draft": (resigned(eat_profile="tag:ietf.org,2026:rats/ear#05"), Code.PROFILE_UNEXPECTED),
    "another issuer": (resigned(iss="https://other.example"), Code.ISSUER_MISMATCH),
    "no issuer": (resigned(iss=None), Code.CLAIM_MISSING),
    "another audience": (
        sign_jwt(AFFIRMED, issuer=ISSUER, key=key(), to=Addressee(audience="x", nonce=RP_NONCE)),
        Code.AUDIENCE_MISMATCH,
    ),
    "no audience": (resigned(aud=None), Code.AUDIENCE_MISMATCH),
    "several audiences": (resigned(aud=[TO.audience, "https://other.example"]), Code.CLAIM_INVALID),
    "another nonce": (
        sign_jwt(AFFIRMED, issuer=ISSUER, key=key(), to=Addressee(audience=TO.audience, nonce=bytes(8))),
        Code.NONCE_MISMATCH,
    ),
    "no nonce": (resigned(eat_nonce=None), Code.NONCE_MISMATCH),
    "several nonces": (resigned(eat_nonce=[CLAIMS["eat_nonce"], "AAAAAAAAAAA"]), Code.CLAIM_INVALID),
    "the document's nonce in its place": (
        resigned(eat_nonce=CLAIMS["submods"][LABEL]["eat_nonce"]), Code.NONCE_MISMATCH,
    ),
    "no exp": (resigned(exp=None), Code.CLAIM_MISSING),
    "exp as text": (resigned(exp=str(CLAIMS["exp"])), Code.CLAIM_INVALID),
    "exp as a fraction": (resigned(exp=float(CLAIMS["exp"])), Code.CLAIM_INVALID),
    "exp as true": (resigned(exp=True), Code.CLAIM_INVALID),
    "exp before iat": (resigned(exp=CLAIMS["iat"], iat=CLAIMS["iat"]), Code.CLAIM_INVALID),
    "exp beyond the calendar": (resigned(exp=10**12), Code.CLAIM_INVALID),
    "an exp of many digits": (resigned(exp=10**4000), Code.CLAIM_INVALID),
    "nbf ahead": (resigned(nbf=CLAIMS["iat"] + 3600), Code.NOT_YET_VALID),
    "iat ahead": (resigned(iat=CLAIMS["iat"] + 3600, exp=CLAIMS["iat"] + 7200), Code.NOT_YET_VALID),
    "no jti": (resigned(jti=None), Code.CLAIM_MISSING),
    "historical": (with_said(historical=True), Code.HISTORICAL),
    "historical, in a word": (with_said(historical="no"), Code.CLAIM_INVALID),
    "rejected, status affirming": (with_said(verdict="rejected"), Code.CLAIM_INVALID),
    "affirmed, status contraindicated": (
        with_appraisal(ear_status="contraindicated"), Code.CLAIM_INVALID,
    ),
    "affirmed, overall status contraindicated": (resigned(ear_status="contraindicated"), Code.CLAIM_INVALID),
    "affirmed, with reasons": (with_said(reasons=["measurement.pcr-mismatch"]), Code.CLAIM_INVALID),
    "affirmed, of no build": (with_said(build=None), Code.CLAIM_INVALID),
    "affirmed, in debug mode": (with_attester(dbgstat="enabled"), Code.CLAIM_INVALID),
    "affirmed, and a vector that is not": (
        with_appraisal(ear_trustworthiness_vector={"hardware": 2, "executables": 33}), Code.CLAIM_INVALID,
    ),
    "affirmed, and no vector": (with_appraisal(ear_trustworthiness_vector={}), Code.CLAIM_INVALID),
    "affirmed, and a vector out of bounds": (
        with_appraisal(ear_trustworthiness_vector={"hardware": 1000}), Code.CLAIM_INVALID,
    ),
    "affirmed, and no document": (with_appraisal(ear_attester_claims=None), Code.CLAIM_INVALID),
    "a verdict of another word": (with_said(verdict="pass"), Code.CLAIM_INVALID),
    "a status of another word": (resigned(ear_status="fine"), Code.CLAIM_INVALID),
    "no status": (resigned(ear_status=None), Code.CLAIM_MISSING),
    "no submodule": (resigned(submods={}), Code.CLAIM_INVALID),
    "another submodule": (resigned(submods={"other": CLAIMS["submods"][LABEL]}), Code.CLAIM_INVALID),
    "one submodule more": (
        resigned(submods=CLAIMS["submods"] | {"other": CLAIMS["submods"][LABEL]}), Code.CLAIM_INVALID,
    ),
    "an appraisal of another profile": (with_appraisal(eat_profile="tag:x"), Code.CLAIM_INVALID),
    "submods of no map": (resigned(submods=[1]), Code.CLAIM_INVALID),
    "an appraisal of no map": (resigned(submods={LABEL: 1}), Code.CLAIM_INVALID),
    "another confirmed key": (resigned(cnf={"jwk": STRANGER.public_jwk()}), Code.CLAIM_INVALID),
    "a confirmed key by name": (resigned(cnf={"kid": "x"}), Code.CLAIM_INVALID),
    "no confirmed key": (resigned(cnf=None), Code.CLAIM_INVALID),
    "another attested key": (
        with_appraisal(ear_veraison_key_attestation={"akpub": b64(OTHER_SPKI)}), Code.CLAIM_INVALID,
    ),
    "an attested key that is none": (
        with_appraisal(ear_veraison_key_attestation={"akpub": "AAAA"}), Code.CLAIM_INVALID,
    ),
    "a PCR of the wrong length": (with_attester(nitro_pcrs={"0": "00"}), Code.CLAIM_INVALID),
    "a PCR in capitals": (with_attester(nitro_pcrs={"0": "AB" * 48}), Code.CLAIM_INVALID),
    "a PCR with blanks": (with_attester(nitro_pcrs={"0": "00 " * 48}), Code.CLAIM_INVALID),
    "affirmed, and nothing said of debug mode": (with_attester(dbgstat=None), Code.CLAIM_INVALID),
    "a PCR of no hex": (with_attester(nitro_pcrs={"0": "x" * 96}), Code.CLAIM_INVALID),
    "a PCR of a strange index": (with_attester(nitro_pcrs={"00": "00" * 48}), Code.CLAIM_INVALID),
    "no module id": (with_attester(nitro_module_id=None), Code.CLAIM_MISSING),
    "reasons of no list": (with_said(reasons="x"), Code.CLAIM_INVALID),
    "a digest in base64": (with_said(evidence_sha256=b64(bytes(32))), Code.CLAIM_INVALID),
}  # fmt: skip


@pytest.mark.parametrize(("token", "code"), ATTACKS.values(), ids=ATTACKS)
def test_each_attack_is_refused_for_its_reason(token: str, code: EarErrorCode) -> None:
    """Somebody would be let in by a token that the Verifier did not make for this purpose."""
    assert refusal(token) is code
    assert refusal(token.encode("utf-8", "surrogatepass")) is code


def test_a_key_of_no_affirmed_document_is_not_confirmed() -> None:
    """A Relying Party would encrypt to a rejected enclave."""
    rejected = payload_of(sign_jwt(REJECTED, issuer=ISSUER, key=key(), to=TO))
    for change in (
        {"cnf": CLAIMS["cnf"]},
        {"submods": {LABEL: rejected["submods"][LABEL] | {"ear_veraison_key_attestation": {"akpub": b64(SPKI)}}}},
    ):
        assert refusal(sign_jws(encode_object(rejected | change), key())) is Code.CLAIM_INVALID


def cwt_of(claims: object, **header: Any) -> bytes:  # noqa: ANN401 - of a COSE_Sign1
    """A CWT with any claims and headers, signed by the right key over what it says."""
    headers = header.get("headers", {1: -7, 4: key().kid.encode(), 16: "application/eat+cwt"})
    protected = header.get("protected", cbor2.dumps(headers))
    payload = claims if isinstance(claims, bytes) else encode_item(claims)
    signature = key().sign(cbor2.dumps(["Signature1", protected, b"", payload]))
    parts = [protected, header.get("unprotected", {}), payload, signature]
    return b"\xd2" + cbor2.dumps(header.get("parts", parts))


CBOR_CLAIMS = cbor2.loads(cbor2.loads(CWT).value[2])
INSIDE, KID = CBOR_CLAIMS[266][LABEL], key().kid.encode()
CWT_ATTACKS: dict[str, tuple[bytes, EarErrorCode]] = {
    "no tag": (CWT[1:], Code.MALFORMED),
    "the CWT tag alone": (b"\xd8\x3d" + CWT[1:], Code.MALFORMED),
    "another tag": (b"\xd1" + CWT[1:], Code.MALFORMED),
    "bytes after it": (CWT + b"\x00", Code.MALFORMED),
    "cut off": (CWT[:-1], Code.MALFORMED),
    "a map": (b"\xd2\xa0", Code.MALFORMED),
    "three parts": (cwt_of(CBOR_CLAIMS, parts=[b"", {}, b""]), Code.MALFORMED),
    "a payload of no bytes": (cwt_of(CBOR_CLAIMS, parts=[b"", {}, "x", b""]), Code.MALFORMED),
    "a payload elsewhere": (cwt_of(CBOR_CLAIMS, parts=[b"", {}, None, b""]), Code.MALFORMED),
    "an unprotected header": (cwt_of(CBOR_CLAIMS, unprotected={4: KID}), Code.HEADER_UNEXPECTED),
    "alg unprotected": (
        cwt_of(CBOR_CLAIMS, headers={4: KID, 16: "application/eat+cwt"}, unprotected={1: -7}), Code.HEADER_UNEXPECTED,
    ),
    "no protected header": (cwt_of(CBOR_CLAIMS, protected=b""), Code.MALFORMED),
    "a protected header of no map": (cwt_of(CBOR_CLAIMS, protected=b"\x80"), Code.HEADER_UNEXPECTED),
    "alg as text": (
        cwt_of(CBOR_CLAIMS, headers={1: "ES256", 4: KID, 16: "application/eat+cwt"}), Code.ALGORITHM_MISMATCH,
    ),
    "alg of another key": (
        cwt_of(CBOR_CLAIMS, headers={1: -8, 4: KID, 16: "application/eat+cwt"}), Code.ALGORITHM_MISMATCH,
    ),
    "no alg": (cwt_of(CBOR_CLAIMS, headers={4: KID, 16: "application/eat+cwt"}), Code.ALGORITHM_MISMATCH),
    "true for alg's label": (
        cwt_of(CBOR_CLAIMS, headers={4: KID, 16: "application/eat+cwt", True: -7}), Code.HEADER_UNEXPECTED,
    ),
    "crit": (
        cwt_of(CBOR_CLAIMS, headers={1: -7, 2: [1], 4: KID, 16: "application/eat+cwt"}), Code.HEADER_UNEXPECTED,
    ),
    "a key in the header": (
        cwt_of(CBOR_CLAIMS, headers={1: -7, 4: KID, 16: "application/eat+cwt", 33: b"x"}), Code.HEADER_UNEXPECTED,
    ),
    "no kid": (cwt_of(CBOR_CLAIMS, headers={1: -7, 16: "application/eat+cwt"}), Code.KEY_ID_MISSING),
    "kid as text": (
        cwt_of(CBOR_CLAIMS, headers={1: -7, 4: key().kid, 16: "application/eat+cwt"}), Code.KEY_ID_MISSING,
    ),
    "another kid": (
        cwt_of(CBOR_CLAIMS, headers={1: -7, 4: b"\xff", 16: "application/eat+cwt"}), Code.KEY_UNKNOWN,
    ),
    "another typ": (cwt_of(CBOR_CLAIMS, headers={1: -7, 4: KID, 16: "application/cwt"}), Code.TYPE_UNEXPECTED),
    "the protected header longer than it must be": (
        cwt_of(CBOR_CLAIMS, protected=b"\xa3\x01\x26\x04\x58\x2b" + KID + b"\x18\x10\x73application/eat+cwt"),
        Code.MALFORMED,
    ),
    "an altered signature": (CWT[:-1] + bytes([CWT[-1] ^ 1]), Code.SIGNATURE_INVALID),
    "a claim twice": (cwt_of(b"\xa2\x01\x61a\x01\x61b"), Code.MALFORMED),
    "a tagged claim": (cwt_of(cbor2.dumps(CBOR_CLAIMS | {4: cbor2.CBORTag(1, 5)})), Code.MALFORMED),
    "no map of claims": (cwt_of([1]), Code.PROFILE_UNEXPECTED),
    "names instead of labels": (cwt_of({"eat_profile": CBOR_CLAIMS[265]}), Code.PROFILE_UNEXPECTED),
    "true for the issuer's label": (
        cwt_of(cbor2.dumps({True: "x"} | {label: each for label, each in CBOR_CLAIMS.items() if label != 1})),
        Code.CLAIM_INVALID,
    ),
    "exp as a fraction": (cwt_of(cbor2.dumps(CBOR_CLAIMS | {4: float(CBOR_CLAIMS[4])})), Code.CLAIM_INVALID),
    "a nonce as text": (cwt_of(CBOR_CLAIMS | {10: "x" * 20}), Code.CLAIM_INVALID),
    "a status in words": (cwt_of(CBOR_CLAIMS | {1000: "affirming"}), Code.CLAIM_INVALID),
    "another confirmed key": (cwt_of(CBOR_CLAIMS | {8: {1: {1: 2, -1: 1, -2: bytes(32), -3: bytes(32)}}}),
                              Code.CLAIM_INVALID),
    "a confirmed key of another kind": (cwt_of(CBOR_CLAIMS | {8: {1: {1: [4], -1: b"x"}}}), Code.CLAIM_INVALID),
    "a confirmed key without its point": (cwt_of(CBOR_CLAIMS | {8: {1: {1: 2, -1: [1]}}}), Code.CLAIM_INVALID),
    "a confirmed key of no map": (cwt_of(CBOR_CLAIMS | {8: {1: 1}}), Code.CLAIM_INVALID),
    "another profile": (cwt_of(CBOR_CLAIMS | {265: "tag:x"}), Code.PROFILE_UNEXPECTED),
    "expired": (cwt_of(CBOR_CLAIMS | {6: 1000, 4: 2000}), Code.EXPIRED),
    "PCRs by name": (
        cwt_of(CBOR_CLAIMS | {266: {LABEL: INSIDE | {1005: INSIDE[1005] | {"nitro_pcrs": {"0": b""}}}}}),
        Code.CLAIM_INVALID,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("token", "code"), CWT_ATTACKS.values(), ids=CWT_ATTACKS)
def test_each_attack_on_a_cwt_is_refused_for_its_reason(token: bytes, code: EarErrorCode) -> None:
    """What JOSE refuses would pass as COSE."""
    assert refusal(token) is code


def test_the_attacks_start_from_tokens_that_are_right() -> None:
    """They would be refused for the way they are made."""
    assert read(jwt(HEADER)).affirmed
    assert read(resigned()).affirmed
    assert read(with_said()).affirmed
    assert read(with_attester()).affirmed
    assert read(cwt_of(CBOR_CLAIMS)).affirmed
    assert sign_sign1(encode_item(CBOR_CLAIMS), key()).startswith(b"\xd2")


def test_unknown_claims_are_passed_over() -> None:
    """A newer Verifier could not say more (draft-ietf-rats-ear-04 section 4)."""
    assert read(resigned(more={"a": 1})).affirmed
    assert read(with_said(more=1, reasons=None)).affirmed
    assert read(cwt_of(CBOR_CLAIMS | {-70000: "x", "more": 1})).affirmed


def test_every_code_is_met_here() -> None:
    """A code that nothing gives is none."""
    elsewhere = {Code.KEYS_INVALID, Code.NOT_AFFIRMED, Code.TOO_OLD, Code.POLICY_MISMATCH}
    met = {code for _, code in (*ATTACKS.values(), *CWT_ATTACKS.values())}

    assert met == set(EarErrorCode) - elsewhere


@pytest.mark.parametrize(
    ("at", "asked", "code"),
    [
        (AT + timedelta(seconds=300), {"leeway": timedelta(0)}, Code.EXPIRED),
        (AT + timedelta(seconds=330), {}, Code.EXPIRED),
        (AT - timedelta(seconds=1), {"leeway": timedelta(0)}, Code.NOT_YET_VALID),
        (AT - timedelta(seconds=31), {}, Code.NOT_YET_VALID),
        (AT + timedelta(seconds=91), {"max_age": timedelta(seconds=60)}, Code.TOO_OLD),
    ],
)
def test_time_is_measured_with_its_leeway(at: datetime, asked: dict[str, timedelta], code: EarErrorCode) -> None:
    """A token would live longer than it says, or be refused by a clock that is a second slow."""
    assert refusal(JWT, at=at, **asked) is code
    second = timedelta(seconds=1 if code is Code.NOT_YET_VALID else -1)
    assert read(JWT, at=at + second, **asked).affirmed


@pytest.mark.parametrize(
    "asked",
    [
        {"at": AT.replace(tzinfo=None)},
        {"leeway": timedelta(minutes=11)},
        {"leeway": timedelta(seconds=-1)},
        {"max_age": timedelta(0)},
    ],
)
def test_what_a_relying_party_asks_must_make_sense(asked: dict[str, Any]) -> None:
    """A mistake in a setting would admit tokens for ever."""
    with pytest.raises(ValueError, match=r"at needs|leeway|max_age"):
        read(JWT, **asked)


def test_a_refusal_quotes_nothing_of_the_token() -> None:
    """What an attacker writes would be in a log."""
    words = "words of an attacker"
    for token in (jwt(HEADER | {"kid": words}), jwt(HEADER | {"alg": words}), jwt(HEADER | {words: 1}), words):
        with pytest.raises(EarError) as caught:
            read(token)
        assert words not in str(caught.value)
        assert str(caught.value).startswith("token.")


def test_an_error_says_its_code_even_without_a_detail() -> None:
    """A log line would be empty."""
    assert str(EarError(Code.EXPIRED)) == "token.expired"
