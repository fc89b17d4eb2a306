"""What the enclave put into the document: public keys and user data that a policy asks for."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from vectors.case import affirmed, rejected
from vectors.der import BIT_STRING, inner, sequence, tlv
from vectors.families.keys import rsa_key
from vectors.policies import USER_DATA
from vectors.world import GOOD, KEYS, attest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from issuer.nsm.certificates import PrivateKey
    from vectors.case import Case

UNACCEPTABLE, KEY_ABSENT = "binding.public-key-unacceptable", "binding.public-key-absent"
DATA_ABSENT, DATA_MISMATCH = "binding.user-data-absent", "binding.user-data-mismatch"


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _keys_accepted()
    yield from _keys_refused()
    yield from _keys_absent()
    yield from _user_data()


def _spki(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _ec(curve: ec.EllipticCurve) -> bytes:
    return _spki(KEYS.private_key("binding", curve))


def _x25519() -> bytes:
    private = x25519.X25519PrivateKey.from_private_bytes(KEYS.octets("x25519 spki", 32))
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _compressed() -> bytes:
    point = KEYS.private_key("binding", ec.SECP256R1()).public_key()
    bits = tlv(BIT_STRING, b"\0" + point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))
    return sequence(inner(_ec(ec.SECP256R1()))[0], bits)


def _without_null(spki: bytes) -> bytes:
    algorithm, bits = inner(spki)
    return sequence(sequence(inner(algorithm)[0]), bits)


def _private() -> bytes:
    key = KEYS.private_key("binding", ec.SECP256R1())
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _keys_accepted() -> Iterator[Case]:
    table = {
        "rsa-2048": ("key-rsa", _spki(rsa_key(2048))),
        "rsa-3072": ("key-rsa-3072", _spki(rsa_key(3072))),
        "ec-p256": ("key-ec", _ec(ec.SECP256R1())),
        "ec-p384": ("key-ec", _ec(ec.SECP384R1())),
        "ec-p521": ("key-ec-p521", _ec(ec.SECP521R1())),
        "raw": ("key-raw", KEYS.octets("x25519", 32)),
        "raw-zero": ("key-raw", bytes(32)),
    }
    for slug, (policy, public_key) in table.items():
        yield affirmed(
            f"binding.{slug}",
            f"A public key of the kind that the policy asks for ({slug}).",
            attest(public_key=public_key),
            policy=policy,
        )
    yield affirmed(
        "binding.unasked", "A public key that nobody asked for, of no kind at all.", attest(public_key=b"\0")
    )


def _keys_refused() -> Iterator[Case]:
    rsa, p256 = _spki(rsa_key(2048)), _ec(ec.SECP256R1())
    edwards = _spki(ed25519.Ed25519PrivateKey.from_private_bytes(KEYS.octets("ed25519", 32)))
    table = {
        "rsa-too-short": ("key-rsa-3072", rsa, "2048 bits, where 3072 are asked for."),
        "rsa-1024": ("key-rsa", _spki(rsa_key(1024)), "1024 bits."),
        "rsa-where-ec": ("key-ec", rsa, "RSA, where EC is asked for."),
        "ec-where-rsa": ("key-rsa", p256, "EC, where RSA is asked for."),
        "ec-other-curve": ("key-ec", _ec(ec.SECP521R1()), "a curve that is not asked for."),
        "ec-secp256k1": ("key-ec", _ec(ec.SECP256K1()), "on secp256k1."),
        "ed25519": ("key-ec", edwards, "Ed25519, where EC is asked for."),
        "trailing": ("key-rsa", rsa + b"\0", "followed by a zero."),
        "cut": ("key-rsa", rsa[:-1], "cut off."),
        "pkcs1": ("key-rsa", rsa[24:], "RSA without its wrapper."),
        "pem": ("key-ec", b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", "PEM."),
        "garbage": ("key-rsa", b"\xff" * 300, "no DER."),
        "point": ("key-ec", p256[-65:], "a bare point."),
        "compressed": ("key-ec", _compressed(), "EC with a compressed point."),
        "hybrid": ("key-ec", p256[:26] + bytes((6 | p256[-1] & 1,)) + p256[27:], "EC with a hybrid point."),
        "off-curve": ("key-ec", p256[:-1] + bytes((p256[-1] ^ 1,)), "EC with a point beside the curve."),
        "x25519": ("key-ec", _x25519(), "X25519, where EC is asked for."),
        "rsa-no-null": ("key-rsa", _without_null(rsa), "RSA without its NULL parameters."),
        "ber": ("key-rsa", b"\x30\x80" + rsa[4:] + b"\0\0", "BER of indefinite length."),
        "private-key": ("key-ec", _private(), "a private key."),
        "raw-31": ("key-raw", bytes(31), "31 bytes."),
        "raw-33": ("key-raw", bytes(33), "33 bytes."),
        "spki-where-raw": ("key-raw", edwards, "DER, where raw bytes are asked for."),
    }
    for slug, (policy, public_key, description) in table.items():
        yield rejected(
            slug, f"The public key is {description}", attest(public_key=public_key), UNACCEPTABLE, policy=policy
        )


def _keys_absent() -> Iterator[Case]:
    for policy in ("key-rsa", "key-ec", "key-raw"):
        yield rejected(f"null-{policy}", f"There is no public key (policy {policy}).", GOOD, KEY_ABSENT, policy=policy)
    empty = attest(public_key=b"")
    yield rejected("empty", "The public key is empty.", empty, KEY_ABSENT, policy="key-rsa")
    yield rejected(
        "in-user-data",
        "The public key stands in user_data.",
        attest(user_data=_spki(rsa_key(2048))),
        KEY_ABSENT,
        policy="key-rsa",
    )


def _user_data() -> Iterator[Case]:
    yield affirmed(
        "binding.user-data", "The user data that the policy names.", attest(user_data=USER_DATA), policy="user-data"
    )
    yield affirmed(
        "binding.user-data-empty",
        "Empty user data, and a policy that names it.",
        attest(user_data=b""),
        policy="user-data-empty",
    )
    yield rejected("null", "There is no user data.", GOOD, DATA_ABSENT, policy="user-data")
    yield rejected(
        "null-for-empty",
        "There is no user data; the policy names empty ones.",
        GOOD,
        DATA_ABSENT,
        policy="user-data-empty",
    )
    table = {
        "other": b"other",
        "empty": b"",
        "longer": USER_DATA + b"\0",
        "prefix": USER_DATA[:-1],
        "case": USER_DATA.upper(),
        "digest": sha256(USER_DATA).digest(),
    }
    for slug, value in table.items():
        yield rejected(
            slug,
            f"Other user data than the policy names ({slug}).",
            attest(user_data=value),
            DATA_MISMATCH,
            policy="user-data",
        )
