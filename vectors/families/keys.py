"""Keys of every kind a certificate of this profile must not hold, and the certificates that hold them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from issuer.nsm import encode_payload, sign_raw, signature_structure
from vectors.case import rejected
from vectors.der import BIT_STRING, inner, keyed, sequence, tlv
from vectors.families.cose import PROTECTED, message
from vectors.world import KEY, KEYS, SHORT_SPECS, attest, edit, fields, respecify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectors.case import Case

REASON = "path.key-unsupported"
_ISSUER, _LEAF = 1, 2
_FIELD = 2**384 - 2**128 - 2**96 + 2**32 - 1
_B = 0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF
"""The field's prime and the constant of P-384 (SEC 2, section 2.5.1)."""
_POINT = b"\x04" + KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
_X, _Y = _POINT[1:49], _POINT[49:]
_EC, _P384 = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06052b81040022")


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _other_curves()
    yield from _other_kinds()
    yield from _points()
    yield from _forms()


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """Derive an RSA key; the search for its primes is deterministic, since `cryptography` draws them at random."""
    p, q = (_prime(f"rsa {bits} {name}", bits // 2) for name in "pq")
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    numbers = rsa.RSAPrivateNumbers(
        p=p, q=q, d=d, dmp1=d % (p - 1), dmq1=d % (q - 1), iqmp=pow(q, -1, p), public_numbers=public
    )
    return numbers.private_key()


def _prime(label: str, bits: int) -> int:
    # The two highest bits set, so that the product has its full length.
    candidate = int.from_bytes(KEYS.octets(label, bits // 8)) | 3 << (bits - 2) | 1
    while not (all(candidate % small for small in _SMALL) and _is_probable_prime(candidate)):
        candidate += 2
    return candidate


_SMALL = [
    number for number in range(3, 4000, 2) if all(number % divisor for divisor in range(3, 64, 2) if divisor < number)
]


def _is_probable_prime(number: int) -> bool:
    """Run Miller and Rabin's test with ten fixed bases: enough for keys that protect nothing."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return number % 65537 != 1 and all(
        _passes(number, base, odd, twos) for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29)
    )


def _passes(number: int, base: int, odd: int, twos: int) -> bool:
    value = pow(base, odd, number)
    if value in {1, number - 1}:
        return True
    for _ in range(twos - 1):
        value = value * value % number
        if value == number - 1:
            return True
    return False


def _other_curves() -> Iterator[Case]:
    """Keys on other curves that really signed; signatures of shorter curves are padded to the size of P-384's."""
    curves: tuple[ec.EllipticCurve, ...] = (ec.SECP256R1(), ec.SECP256K1(), ec.BrainpoolP384R1(), ec.SECP224R1())
    for curve in curves:
        key = KEYS.private_key("other curve", curve)
        chain = respecify(_LEAF, SHORT_SPECS, key=key)
        said = encode_payload(fields(chain))
        signature = sign_raw(signature_structure(PROTECTED, said), key)
        half = len(signature) // 2
        padded = signature[:half].rjust(48, b"\0") + signature[half:].rjust(48, b"\0")
        evidence = message(said=said, signature=padded)
        yield rejected(
            f"leaf-{curve.name.lower()}",
            f"The leaf's key is on {curve.name} and signed the document.",
            evidence,
            REASON,
        )
    for curve in (ec.SECP256R1(), ec.SECP521R1(), ec.SECP256K1()):
        key = KEYS.private_key("other curve", curve)
        chain = respecify(_ISSUER, SHORT_SPECS, key=key)
        yield rejected(
            f"issuer-{curve.name.lower()}",
            f"The issuer's key is on {curve.name} and signed the leaf.",
            attest(chain),
            REASON,
        )
    shown = KEYS.private_key("other curve", ec.SECP521R1()).public_key()
    chain = respecify(_LEAF, SHORT_SPECS, public_key=shown)
    yield rejected("leaf-secp521r1", "The leaf's key is on secp521r1.", attest(chain), REASON)


def _other_kinds() -> Iterator[Case]:
    edwards = ed25519.Ed25519PrivateKey.from_private_bytes(KEYS.octets("ed25519", 32))
    for name, key in (("rsa", rsa_key(2048)), ("ed25519", edwards)):
        for place, level in (("leaf", _LEAF), ("issuer", _ISSUER)):
            public = key.public_key()
            chain = respecify(level, SHORT_SPECS, public_key=public)
            yield rejected(f"{place}-{name}", f"The {place}'s key is {name}.", attest(chain), REASON)


def _spki(
    point: bytes, *, parameters: bytes = _P384, algorithm: bytes = _EC, unused: int = 0, tail: bytes = b""
) -> bytes:
    return sequence(sequence(algorithm, parameters), tlv(BIT_STRING, bytes((unused,)) + point), tail)


def _points() -> Iterator[Case]:
    """Points that no key has; each stands in the leaf and in the issuer."""
    y = int.from_bytes(_Y)
    x_small, y_small = _small_point()
    prime = _FIELD.to_bytes(48)
    table = {
        "off-curve": (_X + ((y + 1) % _FIELD).to_bytes(48), "A point beside the curve."),
        "off-curve-last-bit": (_X[:-1] + bytes((_X[-1] ^ 1,)) + _Y, "A point with one bit of x changed."),
        "zero-point": (bytes(96), "The point (0, 0)."),
        "x-not-reduced": (
            (x_small + _FIELD).to_bytes(48) + y_small.to_bytes(48),
            "A point of the curve, with the prime added to x.",
        ),
        "x-is-prime": (prime + _Y, "x is the field's prime."),
        "all-ones": (b"\xff" * 96, "Both coordinates are all ones."),
    }
    for slug, (point, description) in table.items():
        for place, level in (("leaf", _LEAF), ("issuer", _ISSUER)):
            spki = _spki(b"\x04" + point)
            chain = edit(level, keyed(spki), SHORT_SPECS)
            yield rejected(f"{place}-{slug}", f"{description[:-1]}, in the {place}.", attest(chain), REASON)


def _small_point() -> tuple[int, int]:
    """Find a point whose x is so small that x plus the prime still fits in 48 bytes."""
    x = 1
    while True:
        square = (x**3 - 3 * x + _B) % _FIELD
        y = pow(square, (_FIELD + 1) // 4, _FIELD)
        if y * y % _FIELD == square:
            return x, y
        x += 1


def _explicit_parameters(spki: bytes) -> bytes:
    """Write the curve out (RFC 5480 section 2.1.1 forbids it): with another generator any key would fit."""

    def integer(value: int) -> bytes:
        return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1))

    order = KEY.curve.group_order
    curve = sequence(tlv(0x04, (_FIELD - 3).to_bytes(48)), tlv(0x04, _B.to_bytes(48)))
    field = sequence(bytes.fromhex("06072a8648ce3d0101"), integer(_FIELD))
    point = inner(spki)[1][3:]
    parameters = sequence(integer(1), field, curve, tlv(0x04, point), integer(order), integer(1))
    return _spki(point, parameters=parameters)


def _forms() -> Iterator[Case]:
    parity = _Y[-1] & 1
    table = {
        "compressed": (_spki(bytes((2 | parity,)) + _X), "The point is compressed."),
        "hybrid": (_spki(bytes((6 | parity,)) + _POINT[1:]), "The point is in hybrid form."),
        "infinity": (_spki(b"\0"), "The point is the one at infinity."),
        "point-cut": (_spki(_POINT[:-1]), "The point lacks a byte."),
        "point-long": (_spki(_POINT + b"\0"), "The point has a byte too many."),
        "explicit-parameters": (
            _explicit_parameters(_spki(_POINT)),
            "The curve is written out, with the key itself as generator.",
        ),
        "parameters-null": (_spki(_POINT, parameters=b"\x05\0"), "The parameters are NULL."),
        "parameters-absent": (_spki(_POINT, parameters=b""), "There are no parameters."),
        "parameters-p256": (
            _spki(_POINT, parameters=bytes.fromhex("06082a8648ce3d030107")),
            "The parameters say P-256.",
        ),
        "ecdh": (_spki(_POINT, algorithm=bytes.fromhex("06052b8104010c")), "The key is for ECDH only."),
        "unused-bits": (
            _spki(_POINT[:-1] + bytes((_POINT[-1] & 0xFE,)), unused=1),
            "The bit string has an unused bit.",
        ),
        "trailing": (_spki(_POINT, tail=b"\x05\0"), "Something follows the point."),
        "private-key": (sequence(tlv(0x02, b"\1"), tlv(0x04, bytes(48))), "A private key's structure."),
        "empty": (sequence(), "Nothing at all."),
    }
    for slug, (spki, description) in table.items():
        chain = edit(_LEAF, keyed(spki), SHORT_SPECS)
        yield rejected(f"leaf-{slug}", f"The leaf's key: {description}", attest(chain), REASON)
