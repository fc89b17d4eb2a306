"""Attacks on what is around the claims of a JWT: algorithm, key, header, signature, and the form itself."""

import json
from collections.abc import Iterator

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from tests.unit.verifier.client.attacks.forge import (
    DER,
    ED25519,
    JWKS,
    KEYS,
    KID,
    ORDER,
    P256,
    P384,
    PEM,
    POINT,
    STRANGER,
    b64,
    claims,
    header,
    hmac_jwt,
    jwt,
    key_of,
    parts_of_signature,
    signature,
    with_signature,
)
from verifier.client import EarErrorCode as Code

Attack = tuple[str, str | bytes, Code]
GOOD = jwt()
HEAD, BODY, TAIL = GOOD.split(".")


def algorithms() -> Iterator[Attack]:
    """The token chooses how it is verified: none at all, with a secret that is public, or by another key's rules."""
    for word in ("none", "None", "NONE", "nOnE", " none", "none\0", "", None, 0, False, ["ES256"], {"ES256": 1}):
        yield f"alg {word!r}, unsigned", jwt(head=header(alg=word), tail=b""), Code.ALGORITHM_MISMATCH
        yield f"alg {word!r}, well signed", jwt(head=header(alg=word)), Code.ALGORITHM_MISMATCH
    yield "no alg", jwt(head=header(alg=...)), Code.ALGORITHM_MISMATCH
    yield "alg none, no kid", jwt(head=header(alg="none", kid=...), tail=b""), Code.KEY_ID_MISSING
    secrets = {
        "PEM": PEM,
        "PEM without its last line end": PEM.rstrip(),
        "DER": DER,
        "point": POINT,
        "x": POINT[1:33],
        "JWK": json.dumps(KEYS[0].public_jwk()).encode(),
        "JWKS": JWKS,
        "kid": KID.encode(),
        "nothing": b"",
    }
    for name, secret in secrets.items():
        yield f"HS256 with the {name} as secret", hmac_jwt(secret), Code.ALGORITHM_MISMATCH
    for alg in ("HS384", "HS512"):
        yield f"{alg} with the PEM as secret", hmac_jwt(PEM, alg), Code.ALGORITHM_MISMATCH
    yield "RS256 by a key of the sender's", _rsa("RS256"), Code.ALGORITHM_MISMATCH
    yield "PS256 by a key of the sender's", _rsa("PS256"), Code.ALGORITHM_MISMATCH
    for other in ("ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "es256", "ES256 ", "ECDSA", -7):
        yield f"alg {other!r} with a P-256 key", jwt(head=header(alg=other)), Code.ALGORITHM_MISMATCH


def keys() -> Iterator[Attack]:
    """The token chooses the key: none, another one, or one that the sender brings along."""
    ed, big = key_of(ED25519).kid, key_of(P384).kid
    for kid in (None, "", 0, [KID], {"kid": KID}):
        yield f"kid {kid!r}", jwt(head=header(kid=kid)), Code.KEY_ID_MISSING
    yield "no kid", jwt(head=header(kid=...)), Code.KEY_ID_MISSING
    unknown = {
        "another key's thumbprint": key_of(STRANGER).kid,
        "a path": "../../../../dev/null",
        "a file": "file:///etc/passwd",
        "an address": "https://attacker.example/jwks.json",
        "SQL": "' UNION SELECT 'secret' --",
        "a shell": "| echo secret",
        "with a line end": KID + "\n",
        "with a NUL": KID + "\0",
        "half": KID[:20],
        "in capitals": KID.upper(),
        "an index": "0",
        "a wildcard": "*",
        "thousands": "k" * 5000,
    }
    for name, kid in unknown.items():
        yield f"kid: {name}", jwt(head=header(kid=kid), private=STRANGER), Code.KEY_UNKNOWN
    yield "signed by a stranger under our kid", jwt(private=STRANGER), Code.SIGNATURE_INVALID
    yield "signed by our P-384 key under P-256's kid", jwt(private=P384), Code.SIGNATURE_INVALID
    yield "signed by our Ed25519 key under P-256's kid", jwt(private=ED25519), Code.SIGNATURE_INVALID
    yield "ES384, and the kid of P-256", jwt(head=header(alg="ES384"), private=P384), Code.ALGORITHM_MISMATCH
    yield "ES256, and the kid of P-384", jwt(head=header(kid=big)), Code.ALGORITHM_MISMATCH
    yield "ES256, and the kid of Ed25519", jwt(head=header(kid=ed)), Code.ALGORITHM_MISMATCH
    yield "the kid of Ed25519, signed by P-256", jwt(head=header(kid=ed, alg="EdDSA")), Code.SIGNATURE_INVALID
    yield "Ed25519 and 64 zeros", jwt(head=header(kid=ed, alg="EdDSA"), tail=bytes(64)), Code.SIGNATURE_INVALID


def headers() -> Iterator[Attack]:
    """The header says more than it may; each is well signed, once by our key and once by the key it brings along."""
    brought = key_of(STRANGER).public_jwk()
    more = {
        "jwk": brought,
        "jku": "https://attacker.example/jwks.json",
        "x5u": "https://attacker.example/chain.pem",
        "x5c": [b64(DER)],
        "x5t": b64(bytes(20)),
        "x5t#S256": b64(bytes(32)),
        "crit": ["exp"],
        "b64": False,
        "cty": "JWT",
        "zip": "DEF",
        "enc": "A256GCM",
        "epk": brought,
        "p2c": 1_000_000_000,
        "iss": "https://verifier.example",
        "exp": 1,
        "Alg": "none",
        "": "x",
    }
    for name, value in more.items():
        yield f"header {name!r}", jwt(head=header(**{name: value})), Code.HEADER_UNEXPECTED
    for name in ("jwk", "jku", "x5u", "x5c"):
        yield (
            f"signed by the key in {name}",
            jwt(head=header(**{name: more[name]}), private=STRANGER),
            Code.HEADER_UNEXPECTED,
        )
    yield "crit of nothing", jwt(head=header(crit=[])), Code.HEADER_UNEXPECTED
    yield "crit with b64", jwt(head=header(crit=["b64"], b64=False)), Code.HEADER_UNEXPECTED
    for typ in (
        "JWT",
        "jwt",
        "EAT+JWT",
        "application/eat+jwt",
        "eat+cwt",
        "at+jwt",
        "eat+jwt ",
        "",
        None,
        1,
        ["eat+jwt"],
    ):
        yield f"typ {typ!r}", jwt(head=header(typ=typ)), Code.TYPE_UNEXPECTED
    yield "no typ", jwt(head=header(typ=...)), Code.TYPE_UNEXPECTED
    twice = json.dumps(header())[:-1].encode()
    yield "alg twice", jwt(head=b'{"alg": "none", ' + twice[1:] + b"}"), Code.MALFORMED
    yield "kid twice", jwt(head=twice + b', "kid": "x"}'), Code.MALFORMED
    yield "alg twice, once escaped", jwt(head=twice + b', "\\u0061lg": "none"}'), Code.MALFORMED
    for name, head in {"a list": b"[]", "text": b'"x"', "nothing": b"", "not UTF-8": b'{"alg":"\xff"}'}.items():
        yield f"header is {name}", jwt(head=head), Code.MALFORMED
    yield "header with a byte order mark", jwt(head=b"\xef\xbb\xbf" + json.dumps(header()).encode()), Code.MALFORMED
    yield "header with something after it", jwt(head=json.dumps(header()).encode() + b"{}"), Code.MALFORMED
    yield "header with NaN", jwt(head=twice + b', "x": NaN}'), Code.MALFORMED
    yield "bottomless header", jwt(head=b'{"alg":' + b"[" * 15_000), Code.MALFORMED


def signatures() -> Iterator[Attack]:
    """The signature is not this key's, or is written in another way."""
    r, s = parts_of_signature(GOOD)
    raw = r.to_bytes(32) + s.to_bytes(32)
    der = P256.sign(f"{HEAD}.{BODY}".encode(), ec.ECDSA(hashes.SHA256()))
    wrong = {
        "none": b"",
        "half": raw[:32],
        "one byte short": raw[:-1],
        "one byte long": raw + b"\0",
        "zeros": bytes(64),
        "ones": b"\xff" * 64,
        "DER": der,
        "s before r": raw[32:] + raw[:32],
        "one bit off": raw[:-1] + bytes([raw[-1] ^ 1]),
        "over the claims alone": signature(BODY.encode()),
        "over the decoded parts": signature(json.dumps(header()).encode() + b"." + json.dumps(claims()).encode()),
        "padded as for P-384": raw[:32].rjust(48, b"\0") + raw[32:].rjust(48, b"\0"),
    }
    for name, tail in wrong.items():
        yield f"signature: {name}", jwt(tail=tail), Code.SIGNATURE_INVALID
    edges = {"r 0": (0, s), "s 0": (r, 0), "r 0, s 1": (0, 1), "r n": (ORDER, s), "s n": (r, ORDER), "r 1, s 1": (1, 1)}
    for name, (first, second) in edges.items():
        yield f"signature: {name}", with_signature(GOOD, first, second), Code.SIGNATURE_INVALID
    other = b64(json.dumps(claims(aud="other")).encode())
    yield "edited claims", f"{HEAD}.{other}.{TAIL}", Code.SIGNATURE_INVALID
    reordered = b64(json.dumps(dict(reversed(header().items()))).encode())
    yield "edited header", f"{reordered}.{BODY}.{TAIL}", Code.SIGNATURE_INVALID
    yield "another token's signature", f"{HEAD}.{BODY}.{jwt(claims(aud='other')).split('.')[2]}", Code.SIGNATURE_INVALID


def forms() -> Iterator[Attack]:
    """Something else than three parts of base64url, each in its one spelling."""
    flattened = {"protected": HEAD, "payload": BODY, "signature": TAIL}
    general = {"payload": BODY, "signatures": [{"protected": HEAD, "signature": TAIL}]}
    unsigned = f"{b64(json.dumps(header(alg='none')).encode())}.{BODY}."
    texts = {
        "nothing": "",
        "one point": ".",
        "two points": "..",
        "three points": "...",
        "no signature": f"{HEAD}.{BODY}",
        "claims alone": BODY,
        "a fourth part": f"{GOOD}.{TAIL}",
        "five parts, as a JWE": f"{HEAD}.{TAIL}.{TAIL}.{BODY}.{TAIL}",
        "a point before": f".{GOOD}",
        "a point after": f"{GOOD}.",
        "JWS JSON, flattened": json.dumps(flattened),
        "JWS JSON, general": json.dumps(general),
        "Bearer": f"Bearer {GOOD}",
        "quoted": f'"{GOOD}"',
        "a blank before": f" {GOOD}",
        "a line end after": f"{GOOD}\n",
        "a carriage return inside": f"{HEAD}.\r\n{BODY}.{TAIL}",
        "a NUL after": f"{GOOD}\0",
        "two tokens": f"{GOOD},{GOOD}",
        "padded header": f"{HEAD}==.{BODY}.{TAIL}",
        "padded signature": f"{GOOD}==",
        "the other base64": f"{HEAD}.{BODY}.{TAIL[:-4]}+/+/",
        "stray bits": GOOD[:-1] + _next(GOOD[-1]),
        "an impossible length": f"{HEAD}.{BODY}.{TAIL}AAA",
        "letters that look alike": GOOD.replace("A", "\N{GREEK CAPITAL LETTER ALPHA}"),
        "a lone surrogate": f"{GOOD}\ud800",
        "percent-encoded": GOOD.replace(".", "%2E"),
    }
    yield "form: detached", f"{HEAD}..{TAIL}", Code.SIGNATURE_INVALID
    for name, text in texts.items():
        yield f"form: {name}", text, Code.MALFORMED
    payloads = {
        "a token": GOOD.encode(),
        "an unsigned token": unsigned.encode(),
        "a list": b"[]",
        "text": json.dumps(GOOD).encode(),
        "null": b"null",
        "nothing": b"",
        "not UTF-8": b'{"iss":"\xff"}',
        "UTF-16": json.dumps(claims()).encode("utf-16"),
        "two values": b"{}{}",
        "NaN": b'{"exp":NaN}',
        "Infinity": b'{"exp":Infinity}',
        "bottomless": b'{"a":' * 4000,
    }
    for name, payload in payloads.items():
        yield f"claims are {name}", jwt(payload), Code.MALFORMED
    twice = json.dumps(claims())[:-1].encode()
    yield "exp twice", jwt(twice + b', "exp": 99999999999}'), Code.MALFORMED
    yield "exp twice, once escaped", jwt(twice + b', "\\u0065xp": 99999999999}'), Code.MALFORMED
    inner = json.dumps(claims()).replace('"verdict": "affirmed"', '"verdict": "rejected", "verdict": "affirmed"')
    yield "verdict twice", jwt(inner.encode()), Code.MALFORMED
    yield "oversize", jwt(claims(pad="x" * 40_000)), Code.TOO_LARGE
    yield "oversize, and nothing like a token", "x" * 40_000, Code.TOO_LARGE


def _rsa(alg: str) -> str:
    private = rsa.generate_private_key(65537, 2048)
    signed = f"{b64(json.dumps(header(alg=alg)).encode())}.{BODY}"
    scheme = padding.PKCS1v15() if alg == "RS256" else padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return f"{signed}.{b64(private.sign(signed.encode(), scheme, hashes.SHA256()))}"


def _next(letter: str) -> str:
    """The letter of base64url that differs in its last bit alone, which the last of 86 does not use."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(letter) ^ 1]


ATTACKS = [*algorithms(), *keys(), *headers(), *signatures(), *forms()]
