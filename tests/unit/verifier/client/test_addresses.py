"""Where a verifier may be: https, this machine, or what the caller answers for."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from verifier.client.addresses import parse_address


@pytest.mark.parametrize(
    "text",
    [
        "https://verifier.example",
        "https://verifier.example:8443/below/here",
        "http://127.0.0.1:8080",
        "http://127.200.0.1",
        "http://[::1]:8080",
        "http://localhost:8080",
        "HTTP://LOCALHOST",
    ],
)
def test_https_and_this_machine_are_verifiers(text: str) -> None:
    """A good configuration would be refused."""
    assert parse_address(f"{text}/").url == parse_address(text).url == text


def test_a_unix_socket_is_one() -> None:
    """A verifier beside the Relying Party could not be asked."""
    address = parse_address("unix:/run/verifier.sock")
    assert (address.url, address.socket) == ("http://localhost", "/run/verifier.sock")


@pytest.mark.parametrize("text", ["http://verifier.example", "http://10.0.0.7:8080", "http://localhost.example"])
def test_plain_http_to_another_machine_is_the_callers_decision(text: str) -> None:
    """Whoever is on the way could affirm anything."""
    with pytest.raises(ValueError, match="allow_plaintext"):
        parse_address(text)
    assert parse_address(text, allow_plaintext=True).url == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "verifier.example",
        "verifier.example:8080",
        "ftp://localhost",
        "http://",
        "https:///v1",
        "https://[::1",
        "https://a:b@verifier.example",
        "https://@verifier.example",
        "https://verifier.example?policy=payments",
        "https://verifier.example/#x",
        "https://verifier.example/a/../b",
        "https://verifier.example/%2e%2e",
        "https://verifier.example\\@evil",
        "https://verifier.example:0",
        "https://verifier.example:99999",
        "https://verifier example",
        "https://verifier.example\n",
        "https://vérifier.example",
        "unix:relative",
        "unix:",
        "unix:/a\0b",
    ],
)
def test_anything_else_is_refused_at_once(text: str) -> None:
    """It would be found out with the first document, or lead somewhere else."""
    with pytest.raises(ValueError, match=r"."):
        parse_address(text, allow_plaintext=True)


PIECES = ("http", "https", ":", "//", "/", "@", "[", "]", "::1", ".", "127.0.0.1", "localhost", "evil.example", "80")
pieces = st.sampled_from([*PIECES, "?", "#", "\\", "%", "a", "0", "user", "\t"])


@given(text=st.lists(pieces, max_size=10).map(lambda drawn: "http://" + "".join(drawn)))
@example(text="http://127.0.0.1:80@evil.example")
@example(text="http://evil.example#@127.0.0.1")
@example(text="http://[::1].evil.example")
def test_what_is_taken_for_this_machine_is_this_machine_to_whoever_connects(text: str) -> None:
    """Two readings of one URL: plain HTTP would go to another host than the one that was checked."""
    try:
        url = URL(parse_address(text).url)
    except ValueError:
        return
    assert url.host == "localhost" or ipaddress.ip_address(url.host or "").is_loopback
    assert url.user is None
    assert not url.query_string
