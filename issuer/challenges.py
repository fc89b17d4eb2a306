"""Challenges: a Relying Party's nonce comes in, the enclave's attestation document goes out (RFC 9334, section 10.2).

One JSON object each way, in the framing of `issuer.vsock`; bytes are base64url without padding:

    {"nonce": "...", "user_data": "..."}  ->  {"document": "..."}  or  {"error": "malformed"}

Whoever asks is not the enclave, so nothing that it says is signed as the enclave's word: a challenge names no public
key, and user data only where the responder was told to take it. An answer says which of a few things went wrong and
no more: peers are on the parent's side of the door.
"""

import base64
import binascii
import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from issuer.nsm import AsyncNsm, NsmError
from issuer.nsm.recorded import NotRecordedError

MAX_NONCE_BYTES: Final = 1024
MAX_USER_DATA_BYTES: Final = 1024
MAX_DOCUMENT_BYTES: Final = 16 * 1024  # the NSM's reply has 12 KiB at most
MAX_ANSWER_BYTES: Final = 32 * 1024
"""The limit for messages in both directions: a document of that size takes 22 KiB in base64url, a challenge 2.7 KiB."""

_log = logging.getLogger(__name__)


class ChallengeError(ValueError):
    """These bytes are no challenge, or no answer to one; the message is ours and quotes nothing."""


class ErrorCode(StrEnum):
    """Why there is no document. Stable, and all that a peer is told."""

    MALFORMED = "malformed"
    """The message is no challenge."""
    USER_DATA_REFUSED = "user-data-refused"
    """This enclave signs no user data of others."""
    NO_DOCUMENT = "no-document"
    """The NSM gave none; why is in the enclave's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What is to be signed.

    Attributes:
        nonce: the Relying Party's, 1 to 1024 bytes. There is no challenge without one: its document could be replayed.
        user_data: None leaves the field null, which is another thing than zero bytes.
    """

    nonce: bytes
    user_data: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse what an NSM would not sign."""
        if not 1 <= len(self.nonce) <= MAX_NONCE_BYTES:
            raise ChallengeError(f"a nonce has 1 to {MAX_NONCE_BYTES} bytes")
        if self.user_data is not None and len(self.user_data) > MAX_USER_DATA_BYTES:
            raise ChallengeError(f"user data has {MAX_USER_DATA_BYTES} bytes at most")


class _Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    nonce: str
    user_data: str | None = None


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    document: str | None = None
    error: ErrorCode | None = None


def encode_challenge(challenge: Challenge) -> bytes:
    """Write a challenge as a message."""
    user_data = challenge.user_data
    return msgspec.json.encode(
        _Question(nonce=_text(challenge.nonce), user_data=None if user_data is None else _text(user_data))
    )


def decode_challenge(message: bytes) -> Challenge:
    """Read a challenge.

    Raises:
        ChallengeError: it is none. What it has beyond nonce and user_data is refused, not passed over: a peer that
            sends more expects more to be signed.
    """
    try:
        question = msgspec.json.decode(message, type=_Question)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ChallengeError("not a JSON object of nonce and user_data") from error
    user_data = question.user_data
    return Challenge(nonce=_octets(question.nonce), user_data=None if user_data is None else _octets(user_data))


def decode_answer(message: bytes) -> bytes | ErrorCode:
    """Read an answer: the document, believed by nobody yet, or why there is none.

    Raises:
        ChallengeError: it is neither.
    """
    try:
        answer = msgspec.json.decode(message, type=_Answer)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ChallengeError("the answer is not a JSON object of document or error") from error
    match answer:
        case _Answer(document=str(text), error=None):
            return _document(text)
        case _Answer(document=None, error=ErrorCode() as code):
            return code
        case _:
            raise ChallengeError("the answer holds either a document or an error")


class ChallengeResponder:
    """Answers challenges with documents of an NSM: a handler for `issuer.vsock.MessageServer`."""

    __slots__ = ("_nsm", "_public_key", "_takes_user_data")

    def __init__(self, nsm: AsyncNsm, *, public_key: bytes | None = None, takes_user_data: bool = False) -> None:
        """Say what is signed beside the nonce.

        Args:
            nsm: who signs.
            public_key: the enclave's own, in every document.
            takes_user_data: sign user data of whoever asks. The documents then prove that somebody wanted these bytes
                signed, and nothing about what they say.
        """
        self._nsm: Final = nsm
        self._public_key: Final = public_key
        self._takes_user_data: Final = takes_user_data

    async def __call__(self, message: bytes) -> bytes:
        """Answer one message; whatever it is, there is an answer."""
        answer = await self._answer(message)
        return msgspec.json.encode(
            _Answer(error=answer) if isinstance(answer, ErrorCode) else _Answer(document=_text(answer))
        )

    async def _answer(self, message: bytes) -> bytes | ErrorCode:
        try:
            challenge = decode_challenge(message)
        except ChallengeError as error:
            _log.info("no challenge: %s", error)
            return ErrorCode.MALFORMED
        if challenge.user_data is not None and not self._takes_user_data:
            return ErrorCode.USER_DATA_REFUSED
        try:
            return await self._nsm.attestation(
                nonce=challenge.nonce, user_data=challenge.user_data, public_key=self._public_key
            )
        except (NsmError, NotRecordedError) as error:
            _log.error("no document: %s: %s", type(error).__name__, error)
            return ErrorCode.NO_DOCUMENT


def _document(text: str) -> bytes:
    document = _octets(text)
    if not 1 <= len(document) <= MAX_DOCUMENT_BYTES:
        raise ChallengeError(f"a document has 1 to {MAX_DOCUMENT_BYTES} bytes")
    return document


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def _octets(text: str) -> bytes:
    """Read base64url, in the one spelling that it has."""
    try:
        octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise ChallengeError("not base64url") from error
    if _text(octets) != text:
        raise ChallengeError("not base64url without padding")
    return octets
