from pathlib import Path

import pytest

from issuer.vsock import AllowListError, TcpAddress
from issuer.vsock.allowlist import MAX_FILE_BYTES, parse_allow_list, read_allow_list

# The form in which aws-nitro-enclaves-cli ships it.
AWS = b"""
# This is a sample configuration file.
allowlist:
- {address: kms.us-east-1.amazonaws.com, port: 443}
- {address: kms-fips.us-east-1.amazonaws.com, port: 443}
- address: "10.0.0.1"
  port: 8080
- {address: '::1', port: 1}
"""


def test_the_tools_own_file_is_read() -> None:
    """An operator would have to keep two lists."""
    assert parse_allow_list(AWS).entries == (
        TcpAddress(host="kms.us-east-1.amazonaws.com", port=443),
        TcpAddress(host="kms-fips.us-east-1.amazonaws.com", port=443),
        TcpAddress(host="10.0.0.1", port=8080),
        TcpAddress(host="::1", port=1),
    )


def test_an_empty_list_permits_nothing() -> None:
    """It must not mean anything goes."""
    assert parse_allow_list(b"allowlist: []").entries == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "^empty"),
        (b"# nothing\n", "^empty"),
        (b"allowlist:\n", "line 1: allowlist is a list"),
        (b"allowlist: {address: a, port: 1}", "line 1: allowlist is a list"),
        (b"- {address: a, port: 1}", "line 1: here stands a mapping with allowlist"),
        (b"whitelist: []", "line 1: a mapping with allowlist"),
        (b"allowlist: []\nother: []", "line 1: a mapping with allowlist"),
        (b"allowlist: []\nallowlist: []", "once each"),
        (b"? [allowlist]\n: []", "once each"),
        (b"? {allowlist: a}\n: []", "once each"),
        (b"1: []", "once each"),
        (b"<<: {allowlist: []}", "once each"),
        (b"allowlist:\n- kms.example.com:443", "line 2: here stands a mapping with address and port"),
        (b"allowlist:\n- {address: a}", "line 2: a mapping with address and port"),
        (b"allowlist:\n- {address: a, port: 1, tls: true}", "nothing else"),
        (b"allowlist:\n- {address: a, port: 1, port: 2}", "once each"),
        (b"allowlist:\n- {address: [a], port: 1}", "address is text"),
        (b"allowlist:\n- {address: 1.5, port: 1}", "address is text"),
        (b"allowlist:\n- {address: yes, port: 1}", "address is text"),
        (b"allowlist:\n- {address: !!binary YQ==, port: 1}", "address is text"),
        (b"allowlist:\n- {address: !!python/name:os.system x, port: 1}", "address is text"),
        (b"allowlist:\n- {address: '*.example.com', port: 1}", "line 2: a host is"),
        (b"allowlist:\n- {address: '', port: 1}", "line 2: a host is"),
        (b"allowlist:\n- {address: a, port: '443'}", "port is a plain decimal"),
        (b"allowlist:\n- {address: a, port: 0443}", "port is a plain decimal"),
        (b"allowlist:\n- {address: a, port: 0x1bb}", "port is a plain decimal"),
        (b"allowlist:\n- {address: a, port: 1:20}", "port is a plain decimal"),
        (b"allowlist:\n- {address: a, port: 4_43}", "port is a plain decimal"),
        (b"allowlist:\n- {address: a, port: 0}", "port is a plain decimal"),
        (b"allowlist:\n- {address: a, port: {}}", "port is a plain"),
        (b"allowlist:\n- {address: a, port: 65536}", "line 2: a TCP port is"),
        (b"a: &a 1\nb: *a", "line 2: no aliases"),
        (b"[" * 60_000, "line 1: nested too deeply"),
        (b"allowlist: []\n---\nallowlist: []", "line 2: no YAML"),
        (b"allowlist: [", "no YAML"),
        (b"\t- x", "no YAML"),
        (b"\xff\xfe\x00", "no YAML: not text"),
        (b"\xc3(", "no YAML: not text"),
        (b"#" * (MAX_FILE_BYTES + 1), f"larger than {MAX_FILE_BYTES}"),
    ],
)
def test_whatever_is_not_entirely_understood_is_refused_with_its_line(text: bytes, problem: str) -> None:
    """A typing mistake would allow something, or silently nothing."""
    with pytest.raises(AllowListError, match=problem):
        parse_allow_list(text)


def test_a_file_is_read_and_named_in_its_mistakes(tmp_path: Path) -> None:
    """An operator has several."""
    path = tmp_path / "list.yaml"
    path.write_bytes(AWS)
    assert len(read_allow_list(path).entries) == 4
    path.write_bytes(b"#" * 100_000)
    with pytest.raises(AllowListError, match=r"list\.yaml: larger"):
        read_allow_list(path)


def test_a_missing_list_is_an_error_and_no_empty_list(tmp_path: Path) -> None:
    """Absence is refusal."""
    with pytest.raises(AllowListError, match="nothing is allowed"):
        read_allow_list(tmp_path / "none.yaml")
