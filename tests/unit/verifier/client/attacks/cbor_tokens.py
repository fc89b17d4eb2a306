"""The same in CBOR, and what only CBOR and COSE make possible."""

from collections.abc import Iterator
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.verifier.client.attacks.envelopes import Attack
from tests.unit.verifier.client.attacks.forge import (
    ED25519,
    IAT,
    KID,
    P256,
    P384,
    STRANGER,
    Genuine,
    affirmed,
    affirmed_in_debug_mode,
    b64,
    claims,
    cwt,
    cwt_claims,
    key_of,
    protected,
    rejected_as_forged,
    rejected_for_its_build,
)
from verifier.client import EarErrorCode as Code

GOOD = cwt()
ALG, CRIT, CONTENT_TYPE, KID_LABEL, X5CHAIN, CWT_CLAIMS, TYP = 1, 2, 3, 4, 33, 15, 16
EXP, IAT_KEY, CTI, NONCE, STATUS, SUBMODS = 4, 6, 7, 10, 1000, 266


def algorithms_and_keys() -> Iterator[Attack]:
    """The token chooses how, and by which key, it is verified."""
    words: tuple[Any, ...] = (-35, -36, -8, -37, -257, 5, 4, 1, 0, False, "ES256", b"\x26")
    pairs = [*((word, Code.ALGORITHM_MISMATCH) for word in words), (None, Code.MALFORMED), (-7.0, Code.MALFORMED)]
    for alg, code in pairs:
        head = cbor2.dumps({ALG: alg, KID_LABEL: KID.encode(), TYP: "application/eat+cwt"})
        yield f"CWT alg {alg!r}", cwt(head=head), code
    yield "CWT without alg", cwt(head=protected(alg=...)), Code.ALGORITHM_MISMATCH
    yield "CWT without kid", cwt(head=protected(kid=...)), Code.KEY_ID_MISSING
    yield "CWT with kid as text", cwt(head=protected(kid=KID)), Code.KEY_ID_MISSING
    yield "CWT with an empty kid", cwt(head=protected(kid=b"")), Code.KEY_ID_MISSING
    yield "CWT with a stranger's kid", cwt(head=protected(kid=key_of(STRANGER).kid.encode())), Code.KEY_UNKNOWN
    yield "CWT with a path for a kid", cwt(head=protected(kid=b"../../dev/null")), Code.KEY_UNKNOWN
    yield "CWT with a kid that is no text", cwt(head=protected(kid=b"\xff\xfe")), Code.KEY_UNKNOWN
    yield "CWT by a stranger", cwt(private=STRANGER), Code.SIGNATURE_INVALID
    yield "CWT by our P-384 key", cwt(private=P384), Code.SIGNATURE_INVALID
    yield "CWT by our Ed25519 key", cwt(private=ED25519), Code.SIGNATURE_INVALID
    yield "CWT with the kid of P-384", cwt(head=protected(kid=key_of(P384).kid.encode())), Code.ALGORITHM_MISMATCH


def headers() -> Iterator[Attack]:
    """Headers in the wrong place, of other names, or more of them."""
    whole = {ALG: -7, KID_LABEL: KID.encode(), TYP: "application/eat+cwt"}
    for name, unprotected in {
        "alg": {ALG: -7},
        "kid": {KID_LABEL: KID.encode()},
        "a key": {-1: b"x"},
        "all": whole,
    }.items():
        yield f"unprotected: {name}", cwt(unprotected=unprotected), Code.HEADER_UNEXPECTED
    yield (
        "unprotected: alg, and not protected",
        cwt(head=protected(alg=...), unprotected={ALG: -7}),
        Code.HEADER_UNEXPECTED,
    )
    yield "unprotected: null", _message([protected(), None, _payload(), bytes(64)]), Code.MALFORMED
    for name, other in {"a list": [], "bytes": b"\xa0"}.items():
        yield f"unprotected: {name}", _message([protected(), other, _payload(), bytes(64)]), Code.HEADER_UNEXPECTED
    for label, value in {
        CRIT: [1],
        CONTENT_TYPE: 60,
        X5CHAIN: b"x",
        CWT_CLAIMS: {1: "x"},
        5: b"iv",
        35: "https://a.example",
    }.items():
        yield f"header {label}", cwt(head=cbor2.dumps(whole | {label: value}, canonical=True)), Code.HEADER_UNEXPECTED
    yield "header named alg", cwt(head=cbor2.dumps(whole | {"alg": -7}, canonical=True)), Code.HEADER_UNEXPECTED
    yield (
        "header named true",
        cwt(head=cbor2.dumps({True: -7, KID_LABEL: KID.encode()}, canonical=True)),
        Code.HEADER_UNEXPECTED,
    )
    yield "header that is a list", cwt(head=b"\x80"), Code.HEADER_UNEXPECTED
    for typ in ("application/eat+jwt", "eat+cwt", "application/EAT+CWT", 61, None):
        code = Code.MALFORMED if typ is None else Code.TYPE_UNEXPECTED
        yield f"CWT typ {typ!r}", cwt(head=protected(typ=typ)), code
    yield "CWT without typ", cwt(head=protected(typ=...)), Code.TYPE_UNEXPECTED
    for name, head in {
        "empty": b"",
        "broken": b"\xa1",
        "with something after it": protected() + b"\0",
        "alg twice": b"\xa4\x01\x26" + protected()[1:],
        "in another order": b"\xa3" + protected()[3:] + protected()[1:3],
        "with a long head": b"\xb8\x03" + protected()[1:],
        "with a long integer": protected().replace(b"\x01\x26", b"\x18\x01\x26", 1),
        "indefinite": b"\xbf" + protected()[1:] + b"\xff",
    }.items():
        yield f"protected header {name}", cwt(head=head), Code.MALFORMED


def signatures() -> Iterator[Attack]:
    """Not this key's, over something else, or written in another way."""
    signed = cbor2.loads(GOOD).value[3]
    der = P256.sign(cbor2.dumps(["Signature1", protected(), b"", _payload()]), ec.ECDSA(hashes.SHA256()))
    for name, tail in {
        "none": b"",
        "short": signed[:-1],
        "long": signed + b"\0",
        "zeros": bytes(64),
        "DER": der,
        "one bit off": signed[:-1] + bytes([signed[-1] ^ 1]),
    }.items():
        yield f"CWT signature: {name}", cwt(tail=tail), Code.SIGNATURE_INVALID
    for context in ("Signature", "CounterSignature", "MAC0", ""):
        yield f"CWT signed as {context!r}", cwt(context=context), Code.SIGNATURE_INVALID
    yield "CWT signed with external data", cwt(aad=b"x"), Code.SIGNATURE_INVALID
    yield "CWT with edited claims", _message([protected(), {}, _payload(aud="x"), signed]), Code.SIGNATURE_INVALID


def forms() -> Iterator[Attack]:
    """Another tag, another structure, or the same written differently."""
    body = GOOD[1:]
    first, second = cbor2.dumps(protected()), cbor2.dumps(_payload())
    signed = cbor2.dumps(cbor2.loads(GOOD).value[3])
    for name, token in {
        "no tag": body,
        "COSE_Mac0": b"\xd1" + body,
        "COSE_Encrypt0": b"\xd0" + body,
        "COSE_Sign": b"\xd8\x62" + body,
        "COSE_Mac": b"\xd8\x61" + body,
        "tag 18 twice": b"\xd2" + GOOD,
        "tag 18 with a long head": b"\xd8\x12" + body,
        "tag 61 twice": b"\xd8\x3d\xd8\x3d" + GOOD,
        "tag 61 alone": b"\xd8\x3d" + body,
        "tag 61 with a longer head": b"\xd9\x00\x3d" + GOOD,
        "tag 61 within 18": b"\xd2\xd8\x3d" + body,
        "self-described": b"\xd9\xd9\xf7" + GOOD,
        "something after it": GOOD + b"\0",
        "two tokens": GOOD + GOOD,
        "cut": GOOD[:-1],
        "the tag alone": b"\xd2",
        "indefinite": b"\xd2\x9f" + body[1:] + b"\xff",
        "a long head": b"\xd2\x98\x04" + body[1:],
        "three parts": b"\xd2\x83" + first + b"\xa0" + second,
        "five parts": b"\xd2\x85" + body[1:] + b"\x40",
        "a map": b"\xd2\xa2" + body[1:],
        "payload in chunks": b"\xd2\x84" + first + b"\xa0\x5f" + second + b"\xff" + signed,
        "payload detached": b"\xd2\x84" + first + b"\xa0\xf6" + signed,
        "payload as text": b"\xd2\x84" + first + b"\xa0\x61x" + signed,
        "payload unwrapped": b"\xd2\x84" + first + b"\xa0" + _payload() + signed,
        "header unwrapped": b"\xd2\x84" + protected() + b"\xa0" + second + signed,
        "unprotected map in two pieces": b"\xd2\x84" + first + b"\xbf\xff" + second + signed,
        "bottomless": b"\xd2" + b"\x81" * 10_000,
        "endless": b"\xd2\x9b" + b"\xff" * 8,
        "base64": b64(GOOD).encode(),
        "hex": GOOD.hex().encode(),
    }.items():
        yield f"CWT form: {name}", token, Code.MALFORMED
    yield "CWT in base64, as text", b64(GOOD), Code.MALFORMED
    yield "CWT as text", GOOD.decode("latin-1"), Code.MALFORMED
    yield "CWT oversize", cwt(_payload(pad=b"x" * 40_000)), Code.TOO_LARGE


def contents() -> Iterator[Attack]:
    """Well signed, and good for nobody here."""
    yield "CWT: rejected", Genuine().cwt(rejected_for_its_build()), Code.NOT_AFFIRMED
    yield "CWT: forged", Genuine().cwt(rejected_as_forged()), Code.NOT_AFFIRMED
    yield "CWT: debug mode", Genuine().cwt(affirmed_in_debug_mode()), Code.NOT_AFFIRMED
    yield "CWT: another issuer", Genuine(issuer="https://other.example").cwt(affirmed()), Code.ISSUER_MISMATCH
    yield "CWT: another audience", Genuine(audience="billing-rp").cwt(affirmed()), Code.AUDIENCE_MISMATCH
    yield "CWT: another nonce", Genuine(nonce=b"of another time").cwt(affirmed()), Code.NONCE_MISMATCH
    yield "CWT: no nonce", Genuine(nonce=None).cwt(affirmed()), Code.NONCE_MISMATCH
    changes: dict[str, tuple[dict[Any, Any], Code]] = {
        "expired": ({EXP: IAT - 30, IAT_KEY: IAT - 600}, Code.EXPIRED),
        "in the future": ({IAT_KEY: IAT + 31}, Code.NOT_YET_VALID),
        "expires as a float": ({EXP: IAT + 300.0}, Code.CLAIM_INVALID),
        "expires as text": ({EXP: str(IAT + 300)}, Code.CLAIM_INVALID),
        "expires as true": ({EXP: True}, Code.CLAIM_INVALID),
        "status in words": ({STATUS: "affirming"}, Code.CLAIM_INVALID),
        "status contraindicated": ({STATUS: 96}, Code.CLAIM_INVALID),
        "status none": ({STATUS: 0}, Code.CLAIM_INVALID),
        "status of no tier": ({STATUS: 3}, Code.CLAIM_INVALID),
        "nonce in a list": ({NONCE: [cwt_claims()[NONCE]]}, Code.CLAIM_INVALID),
        "nonce as text": ({NONCE: b64(cwt_claims()[NONCE])}, Code.CLAIM_INVALID),
        "no appraisal": ({SUBMODS: {}}, Code.CLAIM_INVALID),
        "appraisal by number": ({SUBMODS: {0: cwt_claims()[SUBMODS]["aws-nitro-enclave"]}}, Code.CLAIM_INVALID),
    }
    for name, (change, code) in changes.items():
        yield f"CWT: {name}", cwt(cbor2.dumps(cwt_claims() | change)), code
    for key, name in {EXP: "exp", IAT_KEY: "iat", CTI: "cti", STATUS: "status", SUBMODS: "submods"}.items():
        without = {label: value for label, value in cwt_claims().items() if label != key}
        yield f"CWT: no {name}", cwt(without), Code.CLAIM_MISSING
    yield "CWT: JSON's names", cwt(claims()), Code.PROFILE_UNEXPECTED
    yield "CWT: a list", cwt([]), Code.PROFILE_UNEXPECTED
    whole = cbor2.dumps(cwt_claims())
    assert whole[0] >> 5 == 5, "a map with a short head"
    assert whole[0] & 31 < 23, "with room for one more"
    longer = bytes([whole[0] + 1]) + whole[1:]
    yield "CWT: exp twice", cwt(longer + cbor2.dumps(EXP) + cbor2.dumps(IAT + 10**6)), Code.MALFORMED
    yield "CWT: true beside 1", cwt(longer + cbor2.dumps(True) + cbor2.dumps("x")), Code.MALFORMED  # noqa: FBT003 - CBOR's true
    yield "CWT: false for a name", cwt(longer + cbor2.dumps(False) + cbor2.dumps("x")), Code.CLAIM_INVALID  # noqa: FBT003 - CBOR's false
    yield "CWT: something after the claims", cwt(whole + b"\0"), Code.MALFORMED
    yield "CWT: cut claims", cwt(whole[:-1]), Code.MALFORMED
    yield (
        "CWT: a tag in the claims",
        cwt(cbor2.dumps(cwt_claims() | {EXP: cbor2.CBORTag(1, IAT + 300)})),
        Code.MALFORMED,
    )
    yield "CWT: bignum", cwt(cbor2.dumps(cwt_claims() | {EXP: 1 << 70})), Code.MALFORMED
    yield "CWT: bottomless claims", cwt(b"\x81" * 10_000), Code.MALFORMED


def _payload(**more: Any) -> bytes:  # noqa: ANN401 - any CBOR
    return cbor2.dumps(cwt_claims() | more, canonical=True)


def _message(parts: list[Any]) -> bytes:
    return b"\xd2" + cbor2.dumps(parts, canonical=True)


ATTACKS = [*algorithms_and_keys(), *headers(), *signatures(), *forms(), *contents()]
