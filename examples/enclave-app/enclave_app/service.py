"""What the enclave does once it is trusted: take the secret in, and make tags with it.

Messages are JSON in the frames of `issuer.vsock`, bytes in base64 (RFC 4648, section 4). Peers are on the parent's side
of the door: an answer holds what was asked for or one of four words, and why is in the log, without the words of
whoever asked.
"""

import asyncio
import hmac
import logging
import re
from enum import StrEnum
from typing import Final

import msgspec

from enclave_app.identity import Identity
from enclave_app.secret import Credentials, decrypt
from enclave_app.settings import Settings
from issuer.nsm import Nsm

_log = logging.getLogger(__name__)


class Word(StrEnum):
    """All that a peer is told when something is wrong."""

    MALFORMED = "malformed"
    LOCKED = "locked"
    UNLOCKED_ALREADY = "unlocked-already"
    NOT_UNLOCKED = "not-unlocked"


class Unlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="unlock"):
    """Have KMS decrypt the secret."""

    credentials: Credentials
    ciphertext: bytes


class Sign(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="sign"):
    """Make a tag over a message, and sign that this enclave made it."""

    message: bytes


_CODE: Final = re.compile(r"[A-Za-z]{1,64}")
_DECODER: Final = msgspec.json.Decoder(Unlock | Sign)


class Service:
    """A handler for `issuer.vsock.MessageServer`. The secret comes in once and does not go out."""

    def __init__(self, settings: Settings, nsm: Nsm, identity: Identity) -> None:
        self._settings: Final = settings
        self._identity: Final = identity
        self._nsm: Final = nsm
        self._unlocking: Final = asyncio.Lock()
        self._secret: bytes | None = None

    async def __call__(self, message: bytes) -> bytes:
        """Answer one message."""
        try:
            request = _DECODER.decode(message)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return _error(Word.MALFORMED)
        return self._sign(request) if isinstance(request, Sign) else await self._unlock(request)

    def _sign(self, request: Sign) -> bytes:
        if self._secret is None:
            return _error(Word.LOCKED)
        tag = hmac.digest(self._secret, request.message, "sha256")
        return msgspec.json.encode({"tag": tag, "signature": self._identity.sign(request.message, tag)})

    async def _unlock(self, request: Unlock) -> bytes:
        async with self._unlocking:  # one at a time: each makes an RSA key
            if self._secret is not None:
                return _error(Word.UNLOCKED_ALREADY)
            try:
                self._secret = await asyncio.to_thread(
                    decrypt, self._settings, self._nsm, request.credentials, request.ciphertext
                )
            except Exception as error:  # noqa: BLE001 - boto3's are made at run time, and none may reach the parent
                _log.warning("not unlocked: %s", _name(error))
                return _error(Word.NOT_UNLOCKED)
        _log.info("unlocked")
        return msgspec.json.encode({"unlocked": True})


def _error(word: Word) -> bytes:
    return msgspec.json.encode({"error": word})


def _name(error: Exception) -> str:
    """Name an error by AWS's code for it, or by its type; messages may quote what was sent."""
    answer = getattr(error, "response", None)
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else type(error).__name__
