import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.vsock import ANY, Address, AddressError, TcpAddress, UnixAddress, VsockAddress, parse_address

NUMBERS = st.integers(0, ANY)
LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
HOSTS = st.one_of(
    st.ip_addresses().map(str),
    st.lists(LABELS, min_size=1, max_size=4).map(".".join),
    st.just("kms.eu-west-1.amazonaws.com"),
)
ADDRESSES = st.one_of(
    st.builds(VsockAddress, cid=NUMBERS, port=NUMBERS),
    st.builds(
        UnixAddress, path=st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=100)
    ),
    st.builds(TcpAddress, host=HOSTS, port=st.integers(0, 65535)),
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("vsock:3:8000", VsockAddress(cid=3, port=8000)),
        ("vsock:any:any", VsockAddress(cid=ANY, port=ANY)),
        ("vsock:parent:8000", VsockAddress(cid=3, port=8000)),
        ("vsock:4294967295:0", VsockAddress(cid=ANY, port=0)),
        ("unix:/run/a:b", UnixAddress(path="/run/a:b")),
        ("tcp:localhost:0", TcpAddress(host="localhost", port=0)),
        ("tcp:[::1]:443", TcpAddress(host="::1", port=443)),
        ("tcp:KMS.Example.COM.:443", TcpAddress(host="kms.example.com", port=443)),
        ("tcp:[0:0:0:0:0:0:0:1]:1", TcpAddress(host="::1", port=1)),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    """Somebody's configuration leads elsewhere."""
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8000",
        "vsock",
        "vsock:3",
        "vsock:3:",
        "vsock::8000",
        "vsock:3:8000:1",
        "vsock:parent:parent",
        "vsock:4294967296:1",
        "vsock:1:4294967296",
        "vsock:-1:1",
        "vsock:+3:1",
        "vsock:03:1",
        "vsock: 3:1",
        "vsock:\u0663:1",
        "vsock:3:99999999999",
        "VSOCK:3:1",
        "unix:",
        "unix:a\0b",
        "unix:" + "a" * 104,
        "tcp:localhost",
        "tcp::443",
        "tcp:localhost:",
        "tcp:localhost:65536",
        "tcp:localhost:any",
        "tcp:::1:443",
        "tcp:[localhost]:443",
        "tcp:[::1]443",
        "tcp:[fe80::1%eth0]:443",
        "tcp:2130706433:443",
        "tcp:127.1:443",
        "tcp:0x7f.1:443",
        "tcp:127.0.0.01:443",
        "tcp:a..b:443",
        "tcp:-a:443",
        "tcp:a b:443",
        "tcp:b\u00fccher.example:443",
        "tcp:" + "a" * 64 + ":443",
        "tcp:" + "a." * 127 + "a:443",
        "http://localhost:443",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """A resolver, or the kernel, would guess what was meant."""
    with pytest.raises(AddressError):
        parse_address(text)


def test_the_parent_is_a_setting() -> None:
    """An enclave under QEMU has its parent at 2."""
    assert parse_address("vsock:parent:9", parent_cid=2) == VsockAddress(cid=2, port=9)


@given(ADDRESSES)
def test_what_is_written_is_read_back(address: Address) -> None:
    """The ready line of a forwarder could not be copied into a command."""
    assert parse_address(str(address)) == address
