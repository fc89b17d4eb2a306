import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from issuer.nsm import (
    InputTooLargeError,
    InvalidIndexError,
    NsmRefusedError,
    ReadOnlyIndexError,
    SoftwareNsm,
    ThrowawayPki,
    build_pcrs,
    instance_pcr,
    role_pcr,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
ZERO = bytes(48)
ONES = b"\x11" * 48


def boot(**settings: Any) -> SoftwareNsm:  # noqa: ANN401 - passes on any of the constructor's settings
    usual: dict[str, Any] = {"clock": lambda: AT, "pki": ThrowawayPki(seed=b"software"), "build": "test"}
    return SoftwareNsm(**(usual | settings))


def read(document: bytes) -> dict[str, Any]:
    """The payload of a document whose signature holds under its own leaf."""
    protected, unprotected, payload, signature = cbor2.loads(document)
    fields: dict[str, Any] = cbor2.loads(payload)
    key = x509.load_der_x509_certificate(fields["certificate"]).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    der = encode_dss_signature(int.from_bytes(signature[:48]), int.from_bytes(signature[48:]))
    message = cbor2.dumps(["Signature1", protected, b"", payload])
    key.verify(der, message, ec.ECDSA(hashes.SHA384()))
    assert unprotected == {}
    return fields


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.at = AT

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.at


def test_a_document_says_what_was_asked_and_nothing_else() -> None:
    """The demo, the vectors and the tests all rest on this."""
    fields = read(boot().attestation(user_data=b"data", nonce=b"nonce", public_key=b"key"))
    assert (fields["user_data"], fields["nonce"], fields["public_key"]) == (b"data", b"nonce", b"key")
    assert fields["timestamp"] == 1767225600000
    assert fields["digest"] == "SHA384"
    assert list(fields["pcrs"]) == list(range(16))
    assert len(fields["cabundle"]) == 4


def test_absent_and_empty_stay_apart() -> None:
    """A verifier that confuses them accepts a document without a nonce."""
    fields = read(boot().attestation(nonce=b""))
    assert (fields["nonce"], fields["user_data"], fields["public_key"]) == (b"", None, None)


@pytest.mark.parametrize(("style", "head"), [("definite", 0xA9), ("indefinite", 0xBF)])
def test_both_map_styles_are_made(style: str, head: int) -> None:
    """Archived documents have one, new ones the other."""
    document = boot(map_style=style).attestation()
    assert cbor2.loads(document)[2][0] == head
    assert len(read(document)) == 9


def test_a_seed_reproduces_a_document_byte_for_byte() -> None:
    """Vectors would change with every regeneration."""
    assert boot().attestation(nonce=b"n") == boot().attestation(nonce=b"n")
    assert boot(build=None).attestation() == boot(build=None).attestation()


def test_without_a_seed_nothing_repeats() -> None:
    """Two laptops would hold the same signing key."""
    first, second = (read(SoftwareNsm(clock=lambda: AT).attestation()) for _ in range(2))
    for field in ("certificate", "module_id"):
        assert first[field] != second[field]
    assert first["cabundle"][0] != second["cabundle"][0]
    assert first["pcrs"][0] != second["pcrs"][0]


@pytest.mark.parametrize("name", ["user_data", "nonce", "public_key"])
def test_a_field_takes_1024_bytes_and_not_one_more(name: str) -> None:
    """The NSM's own limit; beyond it nothing may be signed."""
    nsm = boot()
    assert read(nsm.attestation(**{name: bytes(1024)}))[name] == bytes(1024)
    with pytest.raises(InputTooLargeError, match=name):
        nsm.attestation(**{name: bytes(1025)})


def test_all_fields_may_be_full_at_once() -> None:
    """nsm-check asks for exactly this on hardware."""
    assert read(boot().attestation(bytes(1024), bytes(1024), bytes(1024)))["nonce"] == bytes(1024)


def test_text_is_refused_instead_of_signed_as_text() -> None:
    """The device would take it and say so in CBOR text, which no verifier expects."""
    text: Any = "nonce"
    with pytest.raises(TypeError):
        boot().attestation(nonce=text)
    with pytest.raises(TypeError):
        boot().extend_pcr(16, text)


def test_identity_pcrs_follow_awss_formulas() -> None:
    """Policies by role ARN and instance id would never match."""
    role = "arn:aws:iam::123456789012:role/Webserver"
    pcrs = read(boot(role_arn=role).attestation())["pcrs"]
    assert pcrs[3] == role_pcr(role)
    assert pcrs[4] == instance_pcr("i-0123456789abcdef0")
    assert {index: pcrs[index] for index in range(3)} == build_pcrs("test")
    assert read(boot(role_arn=None).attestation())["pcrs"][3] == ZERO


def test_given_pcrs_replace_computed_ones() -> None:
    """Policies for real images are tried out with their real measurements."""
    pcrs = read(boot(pcrs={0: ONES, 8: ONES}).attestation())["pcrs"]
    assert (pcrs[0], pcrs[8]) == (ONES, ONES)
    assert pcrs[1] == build_pcrs("test")[1]


def test_debug_mode_zeroes_the_image_and_keeps_the_parent() -> None:
    """`All PCRs zero` never happens in genuine debug documents."""
    pcrs = read(boot(debug=True, pcrs={0: ONES, 8: ONES}).attestation())["pcrs"]
    assert [index for index, value in pcrs.items() if value != ZERO] == [3, 4]


def test_module_id_names_instance_and_enclave() -> None:
    """Genuine ids carry the enclave's start time in milliseconds."""
    nsm = boot()
    assert nsm.module_id.startswith(f"i-0123456789abcdef0-enc{1767225600000:012x}")
    assert read(nsm.attestation())["module_id"] == nsm.module_id
    assert boot(enclave_id=bytes(range(8))).module_id.endswith("-enc0001020304050607")


@pytest.mark.parametrize(
    "settings", [{"enclave_id": b"short"}, {"pcrs": {32: ZERO}}, {"pcrs": {-1: ZERO}}, {"pcrs": {0: b"short"}}]
)
def test_an_impossible_enclave_does_not_boot(settings: dict[str, Any]) -> None:
    """A document no NSM could make would be a vector by accident."""
    with pytest.raises(ValueError, match="bytes"):
        boot(**settings)


def test_a_leaf_is_kept_for_an_hour_and_then_replaced() -> None:
    """A verifier's warm path is the kept leaf, its new-leaf path the replaced one."""
    clock = Clock()
    nsm = boot(clock=clock)
    leaves = []
    for age in (timedelta(0), timedelta(minutes=59, seconds=59), timedelta(hours=1), timedelta(minutes=-1)):
        clock.at = AT + age
        leaves.append(read(nsm.attestation())["certificate"])
    assert leaves[0] == leaves[1]
    assert len(set(leaves)) == 3
    assert x509.load_der_x509_certificate(leaves[2]).not_valid_before_utc == AT + timedelta(minutes=59, seconds=57)


def test_the_module_describes_itself() -> None:
    """Readiness checks ask whether PCR0 to 15 are locked."""
    nsm = boot()
    nsm.lock_pcr(20)
    description = nsm.describe()
    assert description.module_id == nsm.module_id
    assert description.locked_pcrs == (*range(16), 20)
    assert (description.max_pcrs, description.digest) == (32, "SHA384")


def test_unlocked_pcrs_start_at_zero_extend_and_stay_out_of_documents() -> None:
    """An application that forgets to lock would believe itself measured."""
    nsm = boot()
    assert nsm.describe_pcr(16).data == ZERO
    first = nsm.extend_pcr(16, b"hello")
    second = nsm.extend_pcr(16, b"world")
    assert first == hashlib.sha384(ZERO + b"hello").digest()
    assert second == hashlib.sha384(first + b"world").digest()
    assert (nsm.describe_pcr(16).lock, nsm.describe_pcr(16).data) == (False, second)
    assert 16 not in read(nsm.attestation())["pcrs"]
    nsm.lock_pcr(16)
    assert read(nsm.attestation())["pcrs"][16] == second


def test_extending_by_nothing_still_changes_the_value() -> None:
    """QEMU's emulated NSM does the same: an extension is an event, even an empty one."""
    assert boot().extend_pcr(17, b"") == hashlib.sha384(ZERO).digest()


def test_locking_a_range_is_exclusive_and_minds_no_lock() -> None:
    """nsm-check locks all 32 on hardware although 16 are locked at boot."""
    nsm = boot()
    nsm.lock_pcrs(0)
    nsm.lock_pcrs(20)
    assert nsm.describe().locked_pcrs == tuple(range(20))
    nsm.lock_pcrs(32)
    assert list(read(nsm.attestation())["pcrs"]) == list(range(32))


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (lambda nsm: nsm.describe_pcr(32), InvalidIndexError),
        (lambda nsm: nsm.describe_pcr(-1), InvalidIndexError),
        (lambda nsm: nsm.extend_pcr(32, b"x"), InvalidIndexError),
        (lambda nsm: nsm.extend_pcr(0, b"x"), ReadOnlyIndexError),
        (lambda nsm: nsm.extend_pcr(16, bytes(4070)), InputTooLargeError),
        (lambda nsm: nsm.extend_pcr(24, bytes(4069)), InputTooLargeError),
        (lambda nsm: nsm.lock_pcr(0), ReadOnlyIndexError),
        (lambda nsm: nsm.lock_pcr(32), InvalidIndexError),
        (lambda nsm: nsm.lock_pcrs(33), InvalidIndexError),
        (lambda nsm: nsm.lock_pcrs(-1), InvalidIndexError),
    ],
)
def test_refusals_are_typed_and_change_nothing(
    request_: Callable[[SoftwareNsm], object], error: type[NsmRefusedError]
) -> None:
    """The names are those QEMU's emulated NSM gave through the real driver."""
    nsm = boot()
    with pytest.raises(error) as caught:
        request_(nsm)
    assert f"{caught.value.code}Error" == error.__name__
    assert nsm.attestation() == boot().attestation()


def test_the_largest_extension_fits() -> None:
    """4096 bytes of request hold 4069 of data."""
    assert len(boot().extend_pcr(16, bytes(4069))) == 48


def test_random_is_256_fresh_bytes_even_with_a_seed() -> None:
    """Somebody will make a key of them."""
    first, second = boot().random(), boot().random()
    assert (len(first), len(second)) == (256, 256)
    assert first != second


def test_threads_lose_no_extension() -> None:
    """The device serialises its callers."""
    nsm = boot()
    with ThreadPoolExecutor(8) as pool:
        values = set(pool.map(lambda _: nsm.extend_pcr(16, b"x"), range(400)))
    expected = ZERO
    for _ in range(400):
        expected = hashlib.sha384(expected + b"x").digest()
    assert nsm.describe_pcr(16).data == expected
    assert len(values) == 400
