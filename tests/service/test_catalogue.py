"""What is told to those who look around, and in which form they get it."""

import base64
import hashlib
from datetime import datetime

import pytest

from tests.service.harness import POLICIES, Running, base64url, enclave
from verifier import read_policy

JSON, TOML, OCTETS, TEXT = "application/json", "application/toml", "application/octet-stream", "text/plain"


def test_all_policies_are_listed_with_what_they_let_through(service: Running) -> None:
    """Nobody could see that a policy allows debug mode."""
    listing = service.call("GET", "/v1/policies").json

    assert [policy["name"] for policy in listing["policies"]] == sorted(POLICIES)
    [lab] = [policy for policy in listing["policies"] if policy["name"] == "lab"]
    assert (lab["debug"], lab["nonce"], lab["builds"][0]["name"]) == ("allow", "none", "v1")
    assert listing["default_policy"] is None


def test_a_policys_text_is_what_its_digest_is_of(service: Running) -> None:
    """The digest in a result could not be traced to what was meant."""
    as_json = service.call("GET", "/v1/policies/payments")
    as_toml = service.call("GET", "/v1/policies/payments", Accept=TOML)

    assert hashlib.sha256(as_toml.body).hexdigest() == as_json.json["sha256"]
    assert as_json.json["toml"].encode() == as_toml.body
    assert as_toml.headers["ETag"] == f'"{as_json.json["sha256"]}"'
    assert as_json.headers["ETag"] == f'"{as_json.json["sha256"]}.json"'
    assert as_json.headers["Vary"] == "Accept"
    assert read_policy(as_toml.body.decode()) == service.service.policies["payments"]


def test_discovery_says_what_is_taken_made_and_trusted(service: Running) -> None:
    """Clients would have to be configured with what the service knows."""
    found = service.call("GET", "/.well-known/nitro-verifier").json

    assert found["accepts"][:2] == [JSON, "application/cose"]
    assert found["produces"] == [JSON]
    assert found["engine"] == service.service.verifier.engine
    assert found["limits"] == {"raw_body": 16384, "json_body": 24576, "evidence": 16384}
    assert found["nonces"] == {
        "size": 58, "default_ttl": 300, "max_ttl": 3600, "single_use": "host", "shared_keys": False,
    }  # fmt: skip
    assert {anchor["name"] for anchor in found["anchors"]} == {"aws-nitro-root-g1", "throwaway"}
    for path in found["endpoints"].values():
        assert service.call("GET", path).status in {200, 405}


def test_people_find_a_word_at_the_root(service: Running) -> None:
    """Whoever tries it with curl would see an error."""
    reply = service.call("GET", "/")

    assert (reply.status, reply.media_type) == (200, TEXT)
    assert b"/v1/verify" in reply.body


def test_a_nonce_can_be_had_as_json_or_as_bytes(service: Running) -> None:
    """An enclave that has no JSON could not use it."""
    as_json = service.call("POST", "/v1/nonces")
    as_bytes = service.call("POST", "/v1/nonces", Accept=OCTETS)
    body = as_json.json

    assert (as_json.status, as_bytes.status) == (201, 201)
    assert len(as_bytes.body) == len(base64.urlsafe_b64decode(body["nonce"] + "==")) == 58
    life = datetime.fromisoformat(body["expires_at"]) - datetime.fromisoformat(body["issued_at"])
    assert life.total_seconds() == 300
    assert as_json.headers["Cache-Control"] == as_bytes.headers["Cache-Control"] == "no-store"
    assert service.verify(enclave().attestation(nonce=as_bytes.body)).status == 200


def test_a_nonce_lives_as_long_as_was_asked_for(service: Running) -> None:
    """A slow enclave needs more, a careful Relying Party less."""
    body = service.call("POST", "/v1/nonces", '{"ttl": 7}', Content_Type=JSON).json

    life = datetime.fromisoformat(body["expires_at"]) - datetime.fromisoformat(body["issued_at"])
    assert life.total_seconds() == 7


def test_a_nonce_is_good_for_its_policy_alone(service: Running) -> None:
    """A challenge of one Relying Party could be answered to another."""
    document = enclave().attestation(nonce=service.nonce("open"))

    assert service.verify(document).reasons == ["freshness.nonce-unknown"]


def test_a_get_can_be_asked_for_its_head_alone(service: Running) -> None:
    """Load balancers probe with HEAD."""
    reply = service.call("HEAD", "/readyz")

    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JSON),
        ("", None),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/toml", TOML),
        ("application/TOML", TOML),
        ("application/toml;charset=utf-8", TOML),
        ("application/toml, application/json", JSON),
        ("application/toml, application/json;q=0.9", TOML),
        ("application/toml;q=0.5, */*;q=0.1", TOML),
        ("application/json;q=0, */*", TOML),
        ("application/json;q=0, application/*;q=0.000", None),
        ("*/*;q=0", None),
        ("*/*;q=1.5", None),
        ("*/*;q=high, application/toml;q=0.001", TOML),
        ("text/html", None),
        ("nonsense", None),
        ("application/json;version=1;q=0.2, application/toml;q=0.1", JSON),
        ("application/eat+jwt", None),
        (f"{'a/b,' * 250}application/toml", TOML),
        (f"{'a/b,' * 253}application/toml", None),  # more than it may have characters
    ],
)
def test_the_accept_header_is_read_as_rfc_9110_says(
    service: Running, accept: str | None, media_type: str | None
) -> None:
    """A client would get what it cannot read, or be refused what it can."""
    headers = {} if accept is None else {"Accept": accept}
    reply = service.call("GET", "/v1/policies/payments", **headers)

    if media_type is None:
        assert (reply.status, reply.problem) == (406, "not-acceptable")
    else:
        assert (reply.status, reply.media_type) == (200, media_type)


def test_several_accept_headers_are_one(service: Running) -> None:
    """RFC 9110 section 5.3: proxies split and join them."""
    with service.connect() as stream:
        stream.sendall(
            b"GET /v1/policies/payments HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n"
            b"Accept: application/toml\r\nConnection: close\r\n\r\n"
        )
        assert b"\r\nContent-Type: application/toml" in stream.makefile("rb").read()


def test_no_answer_names_the_software(service: Running) -> None:
    """A scanner would know which holes to try."""
    replies = [
        service.call("GET", "/livez"),
        service.call("GET", "/nope"),
        service.verify_json(document=base64url(b"x")),
    ]

    assert [reply.headers.get("Server") for reply in replies] == [None] * 3
