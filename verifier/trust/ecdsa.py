"""ECDSA on P-384 with SHA-384: the one door through which anything is ever verified.

The door is narrow because the engines behind it are not: AWS-LC loads P-256 keys, hybrid points and even private
keys, and truncates long digests. So a key is a 120-byte SubjectPublicKeyInfo with the exact P-384 prefix
(RFC 5480: named curve, uncompressed point), a signature is 96 raw bytes with both numbers in 1 to n-1, and the
digest is always computed here.
"""

from __future__ import annotations

import hashlib
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import load_der_public_key

from verifier.reasons import ConfigurationError
from verifier.trust.der import INTEGER, SEQUENCE, DerError, positive_integer

if TYPE_CHECKING:
    from collections.abc import Callable

SPKI_BYTES = 120
SPKI_PREFIX = bytes.fromhex("3076301006072a8648ce3d020106052b8104002203620004")
"""SEQUENCE, id-ecPublicKey, secp384r1, BIT STRING with no unused bits, uncompressed point."""

COORDINATE_BYTES = 48
ORDER = int("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)
"""n of P-384 (SEC 2, secp384r1)."""

_HEAD_BYTES = 2
"""Of an element in DER whose length is less than 128: its tag and its length."""
_MAX_DER_BYTES = _HEAD_BYTES + 2 * (_HEAD_BYTES + 1 + COORDINATE_BYTES)
"""Of an ECDSA-Sig-Value, with a byte for the sign of each number."""

_SHA384 = ec.ECDSA(utils.Prehashed(hashes.SHA384()))


class KeyUnsupportedError(Exception):
    """The bytes are not a P-384 public key in the one accepted form, or its point is not on the curve."""


class _LoadedKey(Protocol):
    def verify(self, digest: bytes, signature: bytes) -> bool: ...


class EngineName(StrEnum):
    """Who does the arithmetic."""

    AWS_LC = "aws-lc"
    OPENSSL = "openssl"


class PublicKey:
    """A P-384 public key that an engine has loaded."""

    __slots__ = ("_key",)

    def __init__(self, key: _LoadedKey) -> None:
        """Wrap what an engine loaded."""
        self._key = key

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Tell whether ``signature`` (96 bytes, r || s) is this key's over SHA-384 of ``message``."""
        if not is_in_range(signature):
            return False
        return self._key.verify(hashlib.sha384(message).digest(), encode_signature(signature))


class Engine:
    """Loads keys; chosen once, when a verifier is made."""

    __slots__ = ("_load", "name")

    def __init__(self, name: EngineName, load: Callable[[bytes], _LoadedKey]) -> None:
        """Name an engine and say how it loads a checked SubjectPublicKeyInfo."""
        self.name = name
        self._load = load

    def load_key(self, spki: bytes) -> PublicKey:
        """Load a DER SubjectPublicKeyInfo.

        Raises:
            KeyUnsupportedError: not P-384 as named curve and uncompressed point, or the point is off the curve.
        """
        if len(spki) != SPKI_BYTES or not spki.startswith(SPKI_PREFIX):
            raise KeyUnsupportedError
        return PublicKey(self._load(spki))


def select_engine(name: EngineName | None = None) -> Engine:
    """Give the named engine, or the fastest one at hand: AWS-LC on Linux, otherwise OpenSSL.

    Raises:
        ConfigurationError: the named engine is not installed.
    """
    if name is EngineName.OPENSSL:
        return Engine(EngineName.OPENSSL, _load_openssl)
    load = _find_aws_lc()
    if load is not None:
        return Engine(EngineName.AWS_LC, load)
    if name is EngineName.AWS_LC:
        msg = "engine aws-lc: the package awscrt is not installed, or this is not Linux"
        raise ConfigurationError(msg)
    return Engine(EngineName.OPENSSL, _load_openssl)


def is_in_range(signature: bytes) -> bool:
    """Tell whether r and s are both in 1 to n-1 (SEC 1 section 4.1.4); any length but 96 bytes is not."""
    if len(signature) != 2 * COORDINATE_BYTES:
        return False
    r = int.from_bytes(signature[:COORDINATE_BYTES])
    s = int.from_bytes(signature[COORDINATE_BYTES:])
    return 0 < r < ORDER and 0 < s < ORDER


def encode_signature(signature: bytes) -> bytes:
    """Write r || s as the DER of ECDSA-Sig-Value (RFC 3279 section 2.2.3)."""
    content = _encode_integer(signature[:COORDINATE_BYTES]) + _encode_integer(signature[COORDINATE_BYTES:])
    return bytes((SEQUENCE, len(content))) + content


def decode_signature(der: bytes) -> bytes:
    """Read the DER of ECDSA-Sig-Value as r || s.

    Raises:
        DerError: not strict DER, a number not positive, or one of more than 48 bytes.
    """
    # Two numbers of 48 bytes take 104 at most, so whatever has a longer length than one byte is none.
    size = len(der)
    if not _HEAD_BYTES < size <= _MAX_DER_BYTES or der[0] != SEQUENCE or der[1] != size - _HEAD_BYTES:
        raise DerError
    r, at = _take_integer(der, _HEAD_BYTES)
    s, at = _take_integer(der, at)
    if at != size:
        raise DerError
    return r + s


def _take_integer(der: bytes, at: int) -> tuple[bytes, int]:
    """Take the INTEGER that begins at ``at``: its 48 bytes, and where it ends."""
    end = at + _HEAD_BYTES + der[at + 1] if at + 1 < len(der) and der[at] == INTEGER else len(der) + 1
    if end > len(der):
        raise DerError
    try:
        return positive_integer(der[at + _HEAD_BYTES : end]).to_bytes(COORDINATE_BYTES), end
    except OverflowError as error:
        raise DerError from error


def _encode_integer(number: bytes) -> bytes:
    shortest = number.lstrip(b"\x00")
    if shortest[0] & 0x80:
        shortest = b"\x00" + shortest
    return bytes((INTEGER, len(shortest))) + shortest


class _OpensslKey:
    __slots__ = ("_key",)

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        self._key = key

    def verify(self, digest: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, digest, _SHA384)
        except InvalidSignature:
            return False
        return True


def _load_openssl(spki: bytes) -> _LoadedKey:
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyUnsupportedError from error
    if not isinstance(key, ec.EllipticCurvePublicKey):  # pragma: no cover - the prefix says id-ecPublicKey
        raise KeyUnsupportedError
    return _OpensslKey(key)


def _find_aws_lc() -> Callable[[bytes], _LoadedKey] | None:
    if sys.platform != "linux":  # pragma: no cover - elsewhere awscrt uses the system's library, not AWS-LC
        return None
    try:
        from awscrt.crypto import EC  # noqa: PLC0415 - optional, and 20 ms to import
    except ImportError:  # pragma: no cover - proven by hand: uninstall awscrt
        return None

    def load(spki: bytes) -> _LoadedKey:
        try:
            key: _LoadedKey = EC.new_key_from_der_data(spki)
        except (RuntimeError, ValueError) as error:
            raise KeyUnsupportedError from error
        return key

    return load
