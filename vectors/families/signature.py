"""The document's signature: its form, its range, and what it must have been made over and by whom."""

from __future__ import annotations

from hashlib import sha384
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from issuer.nsm import Encoded, SeededKeys, encode, encode_payload, sign_raw, signature_structure
from vectors.case import affirmed, rejected
from vectors.families.cose import PAYLOAD, PROTECTED, SIGNATURE, message, raw
from vectors.world import CHAIN, GOOD, KEY, KEYS, OTHER_PKI, SHORT_SPECS, ec_key, fields, pairs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectors.case import Case

ORDER = KEY.curve.group_order
FORM, RANGE, WRONG = "envelope.signature-invalid", "signature.out-of-range", "signature.invalid"

R, S = int.from_bytes(SIGNATURE[:48]), int.from_bytes(SIGNATURE[48:])
_TBS = signature_structure(PROTECTED, PAYLOAD)


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _forms()
    yield from _ranges()
    yield from _other_numbers()
    yield from _other_messages()
    yield from _other_signers()
    yield from _altered()
    yield affirmed("signature.low-s", "A signature with s in the lower half.", twin(high=False))
    yield affirmed(
        "signature.high-s", "A signature with s in the upper half, as half of the genuine ones.", twin(high=True)
    )


def twin(*, high: bool, evidence: bytes = GOOD) -> bytes:
    """Give the one of a document's two valid signatures that is wanted."""
    s = int.from_bytes(evidence[-48:])
    return evidence[:-48] + (s if high == (s > ORDER // 2) else ORDER - s).to_bytes(48)


def numbers(r: int, s: int) -> bytes:
    """Give the good message with these numbers as its signature."""
    return message(signature=r.to_bytes(48) + s.to_bytes(48))


def _forms() -> Iterator[Case]:
    table = {
        "der": (encode_dss_signature(R, S), "DER, as most libraries give it."),
        "95-bytes": (SIGNATURE[:-1], "95 bytes."),
        "97-bytes": (SIGNATURE + b"\0", "97 bytes."),
        "97-bytes-leading-zero": (b"\0" + SIGNATURE, "97 bytes, a zero before r."),
        "98-bytes-padded-numbers": (b"\0" + SIGNATURE[:48] + b"\0" + SIGNATURE[48:], "98 bytes, r and s padded."),
        "64-bytes": (SIGNATURE[:64], "64 bytes, the size of ES256."),
        "132-bytes": (bytes(36) + SIGNATURE, "132 bytes, the size of ES512."),
        "empty": (b"", "no bytes."),
        "null": (None, "null."),
        "text": (Encoded(b"\x78" + encode(SIGNATURE)[1:]), "a text string."),
        "hex": (SIGNATURE.hex(), "hex in a text string."),
        "two-numbers": ((SIGNATURE[:48], SIGNATURE[48:]), "an array of r and s."),
        "cose-sign": (((PROTECTED, Encoded(b"\xa0"), SIGNATURE),), "a list of signers, as in COSE_Sign."),
        "chunked": (Encoded(b"\x5f" + encode(SIGNATURE) + b"\xff"), "a byte string in chunks."),
        "head-long": (Encoded(b"\x59\x00\x60" + SIGNATURE), "a byte string with a head longer than needed."),
        "undefined": (raw("f7"), "undefined."),
    }
    for slug, (signature, description) in table.items():
        yield rejected(slug, f"The signature is {description}", message(signature=signature), FORM)


def _ranges() -> Iterator[Case]:
    top = 2**384 - 1
    table = {
        "both-zero": (0, 0, "r and s are zero, which some verifiers take for anything's signature."),
        "r-zero": (0, S, "r is zero."),
        "s-zero": (R, 0, "s is zero."),
        "r-order": (ORDER, S, "r is the curve's order."),
        "s-order": (R, ORDER, "s is the curve's order."),
        "both-order": (ORDER, ORDER, "r and s are the curve's order."),
        "r-order-plus-one": (ORDER + 1, S, "r is one more than the curve's order."),
        "s-order-plus-one": (R, ORDER + 1, "s is one more than the curve's order."),
        "r-largest": (top, S, "r is all ones."),
        "s-largest": (R, top, "s is all ones."),
        "r-field-prime": (2**384 - 2**128 - 2**96 + 2**32 - 2, S, "r lies between the order and the field's prime."),
    }
    for slug, (r, s, description) in table.items():
        yield rejected(slug, description, numbers(r, s), RANGE)


def _other_numbers() -> Iterator[Case]:
    x = CHAIN.key.public_key().public_numbers().x
    table = {
        "ones": (1, 1, "r and s are one."),
        "s-one": (R, 1, "s is one."),
        "largest-in-range": (ORDER - 1, ORDER - 1, "r and s are the largest in range."),
        "swapped": (S, R, "r and s are swapped."),
        "r-negated": (ORDER - R, S, "r is subtracted from the order; only s may be."),
        "r-first-bit": (R ^ 1 << 380, S, "One of r's first bits differs."),
        "s-last-bit": (R, S ^ 1, "The last bit of s differs."),
        "key-as-r": (x, x, "r and s are the public key's coordinate."),
        "r-little-endian": (int.from_bytes(R.to_bytes(48), "little") % ORDER, S, "r is written backwards."),
    }
    for slug, (r, s, description) in table.items():
        yield rejected(slug, description, numbers(r, s), WRONG)


def _other_messages() -> Iterator[Case]:
    unprotected = encode(("Signature1", PROTECTED, Encoded(b"\xa0"), b"", PAYLOAD))
    definite = encode_payload(fields(), "definite")
    table = {
        "external-aad": (signature_structure(PROTECTED, PAYLOAD, external_aad=b"aad"), "with external data."),
        "context-signature": (
            signature_structure(PROTECTED, PAYLOAD, context="Signature"),
            "as a COSE_Sign signature.",
        ),
        "context-counter": (
            signature_structure(PROTECTED, PAYLOAD, context="CounterSignature"),
            "as a countersignature.",
        ),
        "context-mac": (signature_structure(PROTECTED, PAYLOAD, context="MAC0"), "as a MAC's input."),
        "five-elements": (unprotected, "with the unprotected header among what is signed."),
        "no-protected": (signature_structure(b"", PAYLOAD), "without the protected header."),
        "protected-unwrapped": (encode(("Signature1", Encoded(PROTECTED), b"", PAYLOAD)), "with the header as a map."),
        "bare-payload": (PAYLOAD, "over the payload alone."),
        "bare-digest": (sha384(_TBS).digest(), "over the digest of what should be signed."),
        "re-encoded": (signature_structure(PROTECTED, definite), "over the same payload in its other map style."),
        "indefinite-structure": (b"\x9f" + _TBS[1:] + b"\xff", "over the right structure in another encoding."),
        "array-of-message": (encode((PROTECTED, Encoded(b"\xa0"), PAYLOAD)), "over the message's own first elements."),
        "empty": (b"", "over nothing."),
    }
    for slug, (said, description) in table.items():
        evidence = message(signature=sign_raw(said, KEY))
        yield rejected(f"over-{slug}", f"The right key signed {description}", evidence, WRONG)
    algorithms: tuple[hashes.SHA256 | hashes.SHA512, ...] = (hashes.SHA256(), hashes.SHA512())
    for algorithm in algorithms:
        name = algorithm.name
        evidence = message(signature=sign_raw(_TBS, KEY, hash_algorithm=algorithm))
        yield rejected(f"over-{name}", f"The right key signed the right bytes with {name}.", evidence, WRONG)


def _other_signers() -> Iterator[Case]:
    other = OTHER_PKI.keys.private_key("somebody")
    for name, spec in zip(("root", "instance"), SHORT_SPECS, strict=False):
        signature = sign_raw(_TBS, ec_key(spec))
        yield rejected(
            f"by-{name}", f"The {name} certificate's key signed the document.", message(signature=signature), WRONG
        )
    evidence = message(signature=sign_raw(_TBS, other))
    yield rejected("by-attacker", "A key that no certificate holds signed the document.", evidence, WRONG)
    evidence = message(signature=sign_raw(_TBS, SeededKeys(seed=KEYS.seed).private_key("another leaf")))
    yield rejected("by-another-leaf", "Another leaf's key signed the document.", evidence, WRONG)
    evidence = message(signature=GOOD_OF_ANOTHER)
    yield rejected("of-another-document", "The signature is that of another document of this enclave.", evidence, WRONG)


GOOD_OF_ANOTHER = sign_raw(signature_structure(PROTECTED, encode_payload(fields(user_data=b"another"))), KEY)


def _altered() -> Iterator[Case]:
    """The good signature under something that changed after signing."""
    changed = {
        "nonce": fields(nonce=bytes(32)),
        "user-data": fields(user_data=b"added"),
        "public-key": fields(public_key=b"attacker's key"),
        "timestamp": fields(timestamp=fields().timestamp + 1),
        "module-id": fields(module_id="i-0123456789abcdef0-enc0000000000000000"),
        "pcr0": fields(pcrs={**fields().pcrs, 0: bytes(47) + b"\1"}),
        "pcr8": fields(pcrs={**fields().pcrs, 8: bytes(47) + b"\1"}),
    }
    for slug, said in changed.items():
        evidence = message(said=encode_payload(said))
        yield rejected(f"altered-{slug}", f"{slug} was changed after signing.", evidence, WRONG)
    evidence = message(said=encode_payload(fields(), "definite"))
    yield rejected("altered-map-style", "The payload was re-encoded after signing; it means the same.", evidence, WRONG)
    evidence = message(said=encode_payload((*pairs(), ("extra", None))))
    yield rejected("altered-field-added", "A field was added after signing.", evidence, WRONG)
    for name, at in {"first": 15, "last": len(PAYLOAD) - 3}.items():
        flipped = bytearray(PAYLOAD)
        flipped[at] ^= 1
        evidence = message(said=bytes(flipped))
        yield rejected(f"bit-{name}", f"One bit near the {name} byte of the payload differs.", evidence, WRONG)
