import pickle
import secrets
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from issuer.kms import (
    DecryptionError,
    EnvelopeError,
    KeyBits,
    KmsError,
    RecipientKey,
    ReplayedResponseError,
    SessionClosedError,
)
from issuer.kms import keys as keys_module
from tests.unit.issuer.kms.envelopes import KMS_CHUNKED, KMS_PRIMITIVE, STYLES, Sealed, Style, seal, seal_padded

SECRET = b"a secret of 23 bytes ..."


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_every_size_that_kms_takes_can_be_made_and_opened(bits: KeyBits) -> None:
    """KMS refuses a document with another public key, and the document takes 1024 bytes of it."""
    key = RecipientKey(bits)
    public_key = load_der_public_key(key.public_key)
    assert isinstance(public_key, rsa.RSAPublicKey)
    assert (public_key.key_size, public_key.public_numbers().e) == (bits, 65537)
    assert len(key.public_key) <= 1024
    assert key.open(KMS_CHUNKED.write(seal(key.public_key, SECRET))) == SECRET


@pytest.mark.parametrize("bits", [1024, 2047, 8192])
def test_no_other_size_is_made(bits: Any) -> None:  # noqa: ANN401 - what a caller without mypy passes
    """1024 bits are factored by states, 8192 are refused by KMS."""
    with pytest.raises(ValueError, match="2048"):
        RecipientKey(bits)


def test_two_keys_are_never_the_same() -> None:
    """A key pair that can be foreseen decrypts for everybody."""
    assert RecipientKey().public_key != RecipientKey().public_key


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("size", [1, 15, 16, 17, 32, 4096])
def test_all_forms_and_sizes_open(recipient_key: RecipientKey, style: Style, size: int) -> None:
    """4096 bytes is the most that KMS encrypts."""
    secret = secrets.token_bytes(size)
    assert recipient_key.open(style.write(seal(recipient_key.public_key, secret)), length=size) == secret
    assert not recipient_key.closed


def flipped(data: bytes, at: int) -> bytes:
    """The same bytes but for one bit."""
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def for_another_key(_: bytes) -> Sealed:
    return seal(RecipientKey().public_key, SECRET)


def with_padding(padded: bytes) -> Callable[[bytes], Sealed]:
    return lambda public_key: seal_padded(public_key, padded)


def with_content_key(content_key: bytes) -> Callable[[bytes], Sealed]:
    """Sealed with AES-128 or AES-192; the CBC algorithm says 256."""
    return lambda public_key: seal_padded(public_key, b"p" * 8 + b"\x08" * 8, content_key=content_key)


def with_wrapped_key(change: Callable[[bytes], bytes]) -> Callable[[bytes], Sealed]:
    def sealed(public_key: bytes) -> Sealed:
        right = seal(public_key, SECRET)
        return replace(right, wrapped_key=change(right.wrapped_key))

    return sealed


FAILURES = {
    "another key": for_another_key,
    "wrapped key flipped": with_wrapped_key(lambda wrapped: flipped(wrapped, 255)),
    "wrapped key beyond the modulus": with_wrapped_key(lambda _: b"\xff" * 256),
    "wrapped key of zeros": with_wrapped_key(lambda _: bytes(256)),
    "wrapped key too short": with_wrapped_key(lambda wrapped: wrapped[1:]),
    "wrapped key too long": with_wrapped_key(lambda wrapped: b"\x00" + wrapped),
    "wrapped key empty": with_wrapped_key(lambda _: b""),
    "content key of AES-128": with_content_key(b"k" * 16),
    "content key of AES-192": with_content_key(b"k" * 24),
    "padding of zero": with_padding(b"p" * 15 + b"\x00"),
    "padding of more than a block": with_padding(b"\x11" * 16),
    "padding not uniform": with_padding(b"p" * 13 + b"\x02\x03\x03"),
    "nothing but padding": with_padding(b"\x10" * 16),
}


@pytest.mark.parametrize("sealed", FAILURES.values(), ids=FAILURES)
def test_every_cryptographic_failure_looks_the_same_and_is_the_last(
    recipient_key: RecipientKey, sealed: Callable[[bytes], Sealed]
) -> None:
    """Whoever can tell a bad key from bad padding, and try again, decrypts without the key (Manger, Vaudenay)."""
    with pytest.raises(DecryptionError) as caught:
        recipient_key.open(KMS_PRIMITIVE.write(sealed(recipient_key.public_key)))
    assert str(caught.value) == "the ciphertext for the recipient could not be decrypted"
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)][1:] == ["open"]
    assert recipient_key.closed


@pytest.mark.parametrize("length", [0, 23, 25, 32])
def test_a_plaintext_of_the_wrong_length_is_a_failure_like_any_other(recipient_key: RecipientKey, length: int) -> None:
    """A data key of 16 bytes where 32 were asked for is half a key."""
    with pytest.raises(DecryptionError):
        recipient_key.open(KMS_PRIMITIVE.write(seal(recipient_key.public_key, SECRET)), length=length)
    assert recipient_key.closed


def test_a_wrapped_key_opens_once(recipient_key: RecipientKey) -> None:
    """A replayed answer would be yesterday's random number; a mutated one is a question to a padding oracle."""
    sealed = seal(recipient_key.public_key, SECRET)
    recipient_key.open(KMS_CHUNKED.write(sealed))
    mutated = replace(sealed, ciphertext=flipped(sealed.ciphertext, 0))
    for again in (KMS_CHUNKED.write(sealed), KMS_PRIMITIVE.write(sealed), KMS_CHUNKED.write(mutated)):
        with pytest.raises(ReplayedResponseError):
            recipient_key.open(again)
    assert not recipient_key.closed
    other = seal(recipient_key.public_key, b"another")
    assert recipient_key.open(KMS_CHUNKED.write(other)) == b"another"


def test_an_unreadable_envelope_costs_nothing(recipient_key: RecipientKey) -> None:
    """The private key was not touched, so nothing about it was learnt and it stays."""
    with pytest.raises(EnvelopeError):
        recipient_key.open(b"plaintext")
    assert not recipient_key.closed


def test_a_closed_key_does_nothing_more(recipient_key: RecipientKey) -> None:
    """Nobody could open the answer, so nobody should ask."""
    envelope = KMS_PRIMITIVE.write(seal(recipient_key.public_key, SECRET))
    recipient_key.close()
    recipient_key.close()
    with pytest.raises(SessionClosedError):
        recipient_key.open(envelope)
    with pytest.raises(SessionClosedError):
        recipient_key.public_key  # noqa: B018 - reading it is the act


def test_a_key_serves_a_bounded_number_of_answers(recipient_key: RecipientKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each leaves a digest in memory, and no key should live for ever."""
    monkeypatch.setattr(keys_module, "MAX_OPENED", 2)
    for secret in (b"first", b"second"):
        assert recipient_key.open(KMS_PRIMITIVE.write(seal(recipient_key.public_key, secret))) == secret
    assert recipient_key.closed


def test_the_private_key_shows_nowhere(recipient_key: RecipientKey) -> None:
    """Logs and crash reports print objects."""
    assert "rsa" not in repr(recipient_key).lower()
    assert not hasattr(recipient_key, "__dict__")


def test_threads_open_each_envelope_once(recipient_key: RecipientKey) -> None:
    """Two threads that both pass the replay check open one answer twice."""
    envelopes = [KMS_PRIMITIVE.write(seal(recipient_key.public_key, bytes((number + 1,)))) for number in range(16)]

    def attempt(envelope: bytes) -> bytes | None:
        try:
            return recipient_key.open(envelope)
        except KmsError:
            return None

    with ThreadPoolExecutor(8) as pool:
        opened = [result for result in pool.map(attempt, envelopes * 4) if result is not None]
    assert sorted(opened) == [bytes((number + 1,)) for number in range(16)]


def test_text_is_a_mistake_of_the_caller(recipient_key: RecipientKey) -> None:
    """The CLI shows CiphertextForRecipient in base64; boto3 gives bytes."""
    text: Any = "MIAGCSqGSIb3DQEHA6CA"
    with pytest.raises(TypeError):
        recipient_key.open(text)


@pytest.mark.parametrize("error", [DecryptionError(), ReplayedResponseError(), SessionClosedError()])
def test_errors_with_one_message_survive_a_process_boundary(error: KmsError) -> None:
    """An exception that cannot be unpickled hangs a process pool."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(again), str(again)) == (type(error), str(error))
    assert str(error)
