"""Signed results over HTTP: asked for by Accept, for affirmed and rejected alike, with the keys beside them."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.service.harness import POLICIES, Reply, Running, base64url, enclave, make_settings, running, stranger
from tests.support.tokens import CURVES, key, payload_of
from verifier import ConfigurationError, Verdict
from verifier.ear.keyrings import read_jwks
from verifier.ear.keys import EarKey, generate_key
from verifier.ear.reading import read_token
from verifier.ear.results import EarResult
from verifier.service.config import load_settings
from verifier.service.forms import CWT, JWT, LEGACY_JWT
from verifier.service.options import SigningKeysOption
from verifier.service.settings import Settings
from verifier.service.signing import Signer, load_signing_keys

ISSUER = "https://verifier.example"
RP = "https://rp.example"
CHALLENGE = b"the Relying Party's challenge"
TO = f"result_audience={RP}&result_nonce={base64url(CHALLENGE)}"
ANY_JWT, ANY_CWT = "application/eat+jwt", "application/eat+cwt"


def write_key(path: Path, of: EarKey, *, private: bool = True) -> Path:
    """Write a key as a JWK file that only we may read."""
    jwk: Any = of.private.as_dict(private=True) if private and of.private is not None else of.public_jwk()
    path.write_text(json.dumps(dict(jwk)))
    path.chmod(0o600)
    return path


def signing(folder: Path, **options: Any) -> Settings:  # noqa: ANN401 - whatever the service has an option for
    """Settings of a service that signs with the P-256 key, announces P-384 and remembers Ed25519."""
    names = dict(zip(("current", "next", "previous"), CURVES, strict=True))
    files = {name: str(write_key(folder / f"{name}.jwk", key(curve))) for name, curve in names.items()}
    given: dict[str, Any] = {"issuer": ISSUER, "signing_keys": files, **options}
    return make_settings(folder, **given)


@pytest.fixture(scope="module")
def service(module_folder: Path) -> Iterator[Running]:
    """A service that signs."""
    with running(signing(module_folder, historical="allow")) as started:
        yield started


def read(service: Running, reply: Reply, *, audience: str | None = RP, nonce: bytes | None = CHALLENGE) -> EarResult:
    """Read a token with what the service publishes and nothing else."""
    keys = read_jwks(service.call("GET", "/.well-known/jwks.json").body)
    return read_token(reply.body, keys, at=datetime.now(UTC), issuer=ISSUER, audience=audience, nonce=nonce)


@pytest.mark.parametrize(("accept", "form"), [(ANY_JWT, JWT), (ANY_CWT, CWT), (JWT, JWT), (CWT, CWT)])
def test_an_affirmed_result_is_signed(service: Running, accept: str, form: str) -> None:
    """A verdict could not be shown to anybody else."""
    document = enclave().attestation(nonce=service.nonce(), user_data=b"hello")
    reply = service.verify(document, f"policy=payments&{TO}", Accept=accept)
    result = read(service, reply)

    assert (reply.status, reply.headers["Content-Type"]) == (200, form)
    assert reply.headers["Attestation-Verdict"] == "affirmed"
    assert reply.headers["Cache-Control"] == "no-store"
    assert result.require_affirmed().attester is not None
    assert (result.policy_name, result.build) == ("payments", "v1")
    assert result.freshness is not None
    assert result.freshness.mode == "service-nonce"
    assert result.verifier_build == f"nitro-verifier {service.service.version}"


@pytest.mark.parametrize("accept", [ANY_JWT, ANY_CWT])
def test_a_rejected_result_is_signed_and_has_the_status_of_a_rejection(service: Running, accept: str) -> None:
    """A caller that looks at nothing but the status would take a rejection for a pass."""
    reply = service.verify(stranger().attestation(), f"policy=open&{TO}", Accept=accept)
    other = service.verify(stranger().attestation(), f"policy=open&reject_status=403&{TO}", Accept=accept)
    result = read(service, reply)

    assert (reply.status, other.status) == (422, 403)
    assert reply.headers["Attestation-Verdict"] == "rejected"
    assert result.verdict is Verdict.REJECTED
    assert result.reasons == ("path.root-untrusted",)
    assert result.attester is None


def test_a_json_request_may_ask_for_a_token_too(service: Running) -> None:
    """Only those who send raw documents could have one."""
    document = enclave().attestation()
    body = {
        "document": base64url(document), "policy": "open", "result_audience": RP, "result_nonce": CHALLENGE.hex(),
    }  # fmt: skip
    reply = service.call("POST", "/v1/verify", json.dumps(body), Content_Type="application/json", Accept=ANY_JWT)

    assert read(service, reply).affirmed


def test_the_older_names_are_given_where_they_are_asked_for(service: Running) -> None:
    """Veraison's and Trustee's Relying Parties could not read our results."""
    reply = service.verify(enclave().attestation(), "policy=open", Accept=LEGACY_JWT)
    claims = payload_of(reply.body.decode())

    assert reply.headers["Content-Type"] == LEGACY_JWT
    assert claims["eat_profile"] == "tag:github.com,2023:veraison/ear"
    assert claims["submods"]["aws-nitro-enclave"]["ear.status"] == "affirming"


JSON = "application/json"
ACCEPTS = {
    "*/*": JSON,
    "application/*": JSON,
    f"{ANY_JWT};q=0.5, {JSON};q=0.4": JWT,
    f"{ANY_JWT};q=0.5, {JSON}": JSON,
    f"{CWT}, {JWT};q=0.9": CWT,
    f"{JWT};q=0, {ANY_JWT}": LEGACY_JWT,
    f"{LEGACY_JWT};q=0.1, {CWT};q=0.2": CWT,
    f'{ANY_CWT}; EAT_PROFILE="tag:ietf.org,2026:rats/ear#04"': CWT,
    f'{ANY_CWT};eat_profile = "tag:ietf.org,2026\\:rats\\/ear#04" ; q=1.000': CWT,
    f'{ANY_JWT}; eat_profile="tag:somebody,2026:else", {JSON};q=0.1': JSON,
    f'text/plain; note="a, {ANY_JWT}", {ANY_CWT}': CWT,
    "APPLICATION/EAT+JWT": JWT,
    f"{ANY_JWT}; charset=utf-8": JWT,
}


@pytest.mark.parametrize(("accept", "form"), ACCEPTS.items())
def test_what_the_client_likes_best_is_given(service: Running, accept: str, form: str) -> None:
    """A client would get a form that it did not ask for, or none (RFC 9110 section 12.5.1, RFC 9782)."""
    reply = service.verify(enclave().attestation(), "policy=open", Accept=accept)

    assert (reply.status, reply.headers["Content-Type"]) == (200, form)


@pytest.mark.parametrize(
    "accept",
    [
        f'{ANY_JWT}; eat_profile="tag:somebody,2026:else"',
        f"{ANY_JWT}; eat_profile=tag:ietf.org,2026:rats/ear#04",
        f'{ANY_CWT}; eat_profile="tag:github.com,2023:veraison/ear"',
        f"{ANY_JWT};q=0",
        f'{ANY_JWT}; eat_profile="',
        "application/eat-ucs+json",
    ],
)
def test_what_is_not_made_is_not_acceptable(service: Running, accept: str) -> None:
    """A client would get claims of another profile than it reads."""
    reply = service.verify(enclave().attestation(), "policy=open", Accept=accept)

    assert (reply.status, reply.problem) == (406, "not-acceptable")
    assert "eat_profile" in reply.json["detail"]


def test_debug_mode_is_rejected_as_soon_as_it_would_be_signed(service: Running) -> None:
    """Status, header, log, metric and token would say two things."""
    debug = enclave(debug=True).attestation()
    before = service.metric("appraisals_total", verdict="rejected", policy="lab")
    plain, signed = service.verify(debug, "policy=lab"), service.verify(debug, "policy=lab", Accept=ANY_JWT)

    assert (plain.status, plain.json["verdict"]) == (200, "affirmed")
    assert (signed.status, signed.headers["Attestation-Verdict"]) == (422, "rejected")
    assert read(service, signed, audience=None, nonce=None).reasons == ("measurement.debug-mode",)
    assert service.metric("appraisals_total", verdict="rejected", policy="lab") == before + 1
    assert service.lines("appraisal")[-1]["verdict"] == "rejected"


def test_a_historical_verdict_is_never_signed(service: Running) -> None:
    """Yesterday's document would open today's door."""
    document = enclave().attestation()
    signed = service.verify(document, "policy=open&at=document", Accept=ANY_JWT)
    plain = service.verify(document, "policy=open&at=document")

    assert (signed.status, signed.problem) == (406, "not-acceptable")
    assert "never signed" in signed.json["detail"]
    assert plain.status == 200


@pytest.mark.parametrize("route", ["verify", "explain"])
def test_a_wish_that_json_cannot_fulfil_is_refused(service: Running, route: str) -> None:
    """A Relying Party would believe that its nonce was taken."""
    for query in (f"result_nonce={base64url(CHALLENGE)}", f"result_audience={RP}"):
        target = f"/v1/{route}?policy=open&{query}"
        reply = service.call("POST", target, enclave().attestation(), Content_Type="application/cbor")
        assert (reply.status, reply.problem) == (400, "malformed-request")
        assert "application/eat+jwt" in reply.json["detail"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("result_nonce=00", "result_nonce: 8 to 64 bytes"),
        (f"result_nonce={'00' * 65}", "result_nonce: 8 to 64 bytes"),
        ("result_nonce=", "result_nonce: not hex"),
        ("result_nonce=%20%20", "result_nonce: not hex"),
        ("result_audience=", "result_audience: 1 to 255"),
        ("result_audience=two+words", "result_audience: 1 to 255"),
        (f"result_audience={'x' * 256}", "result_audience: 1 to 255"),
        ("result_audience=%C3%BC", "result_audience: 1 to 255"),
        ("audience=x", "unknown query parameter"),
    ],
)
def test_what_cannot_be_signed_is_refused_before_anything_is_appraised(service: Running, query: str, said: str) -> None:
    """A nonce of the service would be used up for nothing, or something else be signed than was asked for."""
    before = len(service.lines("appraisal"))
    reply = service.verify(enclave().attestation(), f"policy=open&{query}", Accept=ANY_JWT)

    assert (reply.status, reply.problem) == (400, "malformed-request")
    assert said in reply.json["detail"]
    assert len(service.lines("appraisal")) == before


def test_the_jwks_has_every_key_and_nothing_private(service: Running) -> None:
    """Tokens would be refused around a rotation, or anybody could sign."""
    reply = service.call("GET", "/.well-known/jwks.json")

    assert (reply.status, reply.media_type) == (200, "application/jwk-set+json")
    assert reply.headers["Cache-Control"] == "public, max-age=300"
    assert [entry["kid"] for entry in reply.json["keys"]] == [key(curve).kid for curve in CURVES]
    assert all(entry.keys() <= {"kty", "crv", "x", "y", "kid", "alg", "use"} for entry in reply.json["keys"])
    assert service.call("GET", "/.well-known/jwks.json", Accept=JSON).status == 200
    assert service.call("GET", "/.well-known/jwks.json?x=1").status == 400


def test_discovery_says_who_signs_and_how(service: Running) -> None:
    """Relying Parties would have to be configured with it."""
    found = service.call("GET", "/.well-known/nitro-verifier").json

    assert found["produces"] == [JSON, JWT, CWT, LEGACY_JWT]
    assert found["endpoints"]["jwks"] == "/.well-known/jwks.json"
    assert found["signing"] == {
        "issuer": ISSUER, "kid": key().kid, "algorithm": "ES256", "ephemeral": False,
        "affirmed_lifetime": 300, "rejected_lifetime": 60,
    }  # fmt: skip


def test_keys_are_replaced_between_two_requests(service: Running) -> None:
    """A rotation would need a restart, or old tokens be refused."""
    first = service.verify(enclave().attestation(), f"policy=open&{TO}", Accept=ANY_JWT)
    before = service.service.signer
    assert before is not None
    new = generate_key("P-384")
    rotated = type(before.keys)(current=new, previous=before.keys.current)
    service.service.signer = Signer(issuer=before.issuer, keys=rotated)
    try:
        second = service.verify(enclave().attestation(), f"policy=open&{TO}", Accept=ANY_JWT)

        assert read(service, second).key_id == new.kid
        assert read(service, first).key_id == key().kid
    finally:
        service.service.signer = before


def test_without_keys_nothing_is_signed_and_the_answer_says_so(tmp_path: Path) -> None:
    """A client would guess why, and a default key would be everybody's."""
    with running(make_settings(tmp_path)) as service:
        document = enclave().attestation()
        reply = service.verify(document, "policy=open", Accept=ANY_JWT)
        either = service.verify(document, "policy=open", Accept=f"{ANY_JWT}, {JSON};q=0.1")
        neither = service.verify(document, "policy=open", Accept="text/html")

        assert (reply.status, reply.problem) == (406, "signing-not-configured")
        assert (either.status, either.media_type) == (200, JSON)
        assert neither.problem == "not-acceptable"
        assert service.call("GET", "/.well-known/jwks.json").json == {"keys": []}
        assert service.call("GET", "/.well-known/nitro-verifier").json["signing"] is None


def test_an_ephemeral_key_is_asked_for_and_announced(tmp_path: Path) -> None:
    """Tokens that nobody can verify tomorrow would look like any other."""
    with running(make_settings(tmp_path, issuer=ISSUER, ephemeral_signing_key=True)) as service:
        reply = service.verify(enclave().attestation(), f"policy=open&{TO}", Accept=ANY_CWT)

        assert read(service, reply).affirmed
        assert service.call("GET", "/.well-known/nitro-verifier").json["signing"]["ephemeral"] is True


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "an issuer and no keys": ({"issuer": ISSUER}, "issuer: nothing signs"),
    "keys and no issuer": ({"ephemeral_signing_key": True}, "issuer: signed results need"),
    "an issuer of words": ({"issuer": "my verifier", "ephemeral_signing_key": True}, "issuer: 1 to 255"),
    "two kinds of keys": (
        {"issuer": ISSUER, "ephemeral_signing_key": True, "signing_keys": {"current": "x"}}, "one or the other",
    ),
    "a lifetime of no time": (
        {"issuer": ISSUER, "ephemeral_signing_key": True, "result_lifetime": "5"}, "result_lifetime:",
    ),
    "a lifetime of nothing": (
        {"issuer": ISSUER, "ephemeral_signing_key": True, "rejected_result_lifetime": "0s"}, "rejected_lifetime: 1s",
    ),
    "a lifetime without end": (
        {"issuer": ISSUER, "ephemeral_signing_key": True, "result_lifetime": "2d"}, "affirmed_lifetime: 1s to 1d",
    ),
    "no current key": ({"issuer": ISSUER, "signing_keys": {"next": "x"}}, "current"),
    "a file that is not there": (
        {"issuer": ISSUER, "signing_keys": {"current": "/nowhere/key.pem"}}, "No such file",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("options", "said"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_named_before_the_port_opens(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    """A service would come up that signs with nothing, or for ever."""
    with pytest.raises(ConfigurationError, match=said):
        make_settings(tmp_path, **options)


def test_every_mistake_in_keys_is_named_at_once(tmp_path: Path) -> None:
    """An operator would restart once for each."""
    (tmp_path / "bad.pem").write_text("not a key")
    (tmp_path / "long.pem").write_text("x" * 5000)
    option = SigningKeysOption(
        current=str(tmp_path / "bad.pem"), next=str(tmp_path / "long.pem"), previous=str(tmp_path / "none.pem")
    )
    with pytest.raises(ConfigurationError) as caught:
        load_signing_keys(option, [])

    assert [problem.split(":")[1].strip() for problem in caught.value.problems] == ["current", "next", "previous"]


def test_a_mistake_beside_a_good_current_key_is_one(tmp_path: Path) -> None:
    """A rotation would go wrong on the day it is needed."""
    current = write_key(tmp_path / "current.jwk", key())
    with pytest.raises(ConfigurationError, match="signing_keys: next"):
        load_signing_keys(SigningKeysOption(current=str(current), next=str(tmp_path / "none")), [])
    with pytest.raises(ConfigurationError, match="different keys"):
        load_signing_keys(SigningKeysOption(current=str(current), next=str(current)), [])


def test_a_private_key_that_others_may_read_is_noted_and_a_public_one_not(tmp_path: Path) -> None:
    """Nobody would notice that anybody on the machine can sign, or everybody be warned for nothing."""
    current, following = write_key(tmp_path / "a", key()), write_key(tmp_path / "b", key("P-384"), private=False)
    for path in (current, following):
        os.chmod(path, 0o644)  # noqa: PTH101 - the mistake under test
    warnings: list[str] = []
    keys = load_signing_keys(SigningKeysOption(current=str(current), next=str(following)), warnings)

    assert keys.next is not None
    assert keys.next.private is None
    assert len(warnings) == 1
    assert "signing_keys: current" in warnings[0]


def test_paths_of_keys_in_a_file_are_relative_to_the_file(tmp_path: Path) -> None:
    """The service would find its keys from one directory only."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "open.toml").write_text(POLICIES["open"])
    write_key(tmp_path / "a.jwk", key())
    write_key(tmp_path / "b.jwk", key("P-384"))
    file = tmp_path / "service.toml"
    file.write_text(
        f'policies = "policies"\nissuer = "{ISSUER}"\n[signing_keys]\ncurrent = "a.jwk"\nprevious = "b.jwk"\n'
    )

    signer = load_settings(file=file).signer
    assert signer is not None
    assert [each.kid for each in signer.keys.published] == [key().kid, key("P-384").kid]
