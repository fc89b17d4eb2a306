"""The document's fields: each present, of its type, within its limits; wrong-typed never counts as absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from issuer.nsm import Encoded, encode, encode_map
from vectors.case import affirmed, rejected
from vectors.families.payload import also, raw
from vectors.pki import pem
from vectors.world import AT, CHAIN, MODULE_ID, PCRS, ZERO, attest, drop, milliseconds, pairs, put, put_pcrs, seal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from issuer.nsm import CborValue
    from vectors.case import Case

MISSING, AMBIGUOUS = "document.field-missing", "document.pcrs-ambiguous"
MANDATORY = ("module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle")
OPTIONAL = ("public_key", "user_data", "nonce")


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _missing()
    yield from _module_ids()
    yield from _digests()
    yield from _timestamps()
    yield from _pcr_maps()
    yield from _pcr_indices()
    yield from _pcr_values()
    yield from _certificates()
    yield from _bundles()
    yield from _optionals()
    yield from _both_kinds()
    yield from _unknown_fields()


def _refused(field: str, reason: str, table: dict[str, tuple[CborValue, str]]) -> Iterator[Case]:
    for slug, (value, description) in table.items():
        yield rejected(slug, f"{field} is {description}", seal(put(field, value)), reason)


def _missing() -> Iterator[Case]:
    for name in MANDATORY:
        slug = name.replace("_", "-")
        yield rejected(slug, f"{name} is absent.", seal(drop(name)), MISSING)
    definite = seal(drop("pcrs"), "definite")
    yield rejected("pcrs-definite", "pcrs is absent from a definite map.", definite, MISSING)
    capital = tuple((str(key).upper(), value) for key, value in pairs())
    yield rejected("capitals", "All names are in capitals.", seal(capital), MISSING)
    spaced = tuple((f"{key!s} ", value) for key, value in pairs())
    yield rejected("names-with-blank", "All names end in a blank.", seal(spaced), MISSING)
    yield rejected("nested", "The document lies one level down.", seal((("document", dict(pairs())),)), MISSING)
    yield rejected("empty-map", "The payload is an empty map.", seal(b"\xa0"), MISSING)
    yield rejected("empty-map-indefinite", "The payload is an empty indefinite map.", seal(b"\xbf\xff"), MISSING)


def _module_ids() -> Iterator[Case]:
    table: dict[str, tuple[CborValue, str]] = {
        "empty": ("", "empty."),
        "257": ("i" * 257, "257 characters."),
        "newline": (MODULE_ID + "\n", "followed by a line end."),
        "escape": ("\x1b[2J" + MODULE_ID, "preceded by a terminal's escape sequence."),
        "nul": (MODULE_ID + "\0", "followed by NUL."),
        "delete": ("i-\x7f", "a text with DEL."),
        "c1": ("i-\x9b31m", "a text with a C1 control character."),
        "blank": ("i 1", "a text with a blank."),
        "non-ascii": ("i-é", "a text beyond ASCII."),
        "right-to-left": ("i-\u202e1", "a text that turns the writing direction."),
        "homoglyph": (MODULE_ID.replace("e", "\u0435"), "a text with Cyrillic letters."),
        "bytes": (MODULE_ID.encode(), "a byte string."),
        "null": (None, "null."),
        "integer": (1, "an integer."),
        "array": ((MODULE_ID,), "an array."),
    }
    yield from _refused("module_id", "document.module-id-invalid", table)


def _digests() -> Iterator[Case]:
    table: dict[str, tuple[CborValue, str]] = {
        "sha256": ("SHA256", "SHA256."),
        "sha512": ("SHA512", "SHA512."),
        "lower-case": ("sha384", "in small letters."),
        "hyphen": ("SHA-384", "SHA-384."),
        "blank": ("SHA384 ", "followed by a blank."),
        "nul": ("SHA384\0", "followed by NUL."),
        "bytes": (b"SHA384", "a byte string."),
        "empty": ("", "empty."),
        "null": (None, "null."),
        "array": (("SHA384",), "an array."),
        "integer": (-43, "the number of SHA-384 in COSE."),
    }
    yield from _refused("digest", "document.digest-unsupported", table)


def _timestamps() -> Iterator[Case]:
    now = milliseconds(AT)
    table: dict[str, tuple[CborValue, str]] = {
        "zero": (0, "0."),
        "one": (1, "1."),
        "seconds": (now // 1000, "in seconds."),
        "microseconds": (now * 1000, "in microseconds."),
        "nanoseconds": (now * 1_000_000, "in nanoseconds."),
        "negative": (-now, "negative."),
        "year-10000": (253_402_300_800_000, "in the year 10000."),
        "2-63": (2**63, "2^63."),
        "largest": (2**64 - 1, "2^64-1."),
        "just-too-early": (10**12 - 1, "the last millisecond that is taken for seconds."),
        "true": (Encoded(b"\xf5"), "true."),
        "float": (float(now), "a float."),
        "float-infinite": (raw("f97c00"), "infinite."),
        "nan": (raw("f97e00"), "not a number."),
        "text": (str(now), "a text."),
        "bytes": (now.to_bytes(8), "a byte string."),
        "null": (None, "null."),
        "undefined": (raw("f7"), "undefined."),
        "array": ((now,), "an array."),
        "simple": (raw("f863"), "a simple value."),
    }
    yield from _refused("timestamp", "document.timestamp-invalid", table)


PCRS_INVALID = "document.pcrs-invalid"


def _pcr_maps() -> Iterator[Case]:
    table: dict[str, tuple[CborValue, str]] = {
        "empty": (raw("a0"), "an empty map."),
        "empty-indefinite": (raw("bfff"), "an empty indefinite map."),
        "array": (tuple(PCRS.values()), "an array of the values."),
        "null": (None, "null."),
        "bytes": (encode(dict(PCRS.items())), "a byte string."),
        "array-of-pairs": (tuple(PCRS.items()), "an array of pairs."),
        "nested": ({"SHA384": dict(PCRS.items())}, "a map of banks."),
    }
    yield from _refused("pcrs", PCRS_INVALID, table)


def _pcr_indices() -> Iterator[Case]:
    added = {
        "32": ("1820", "32."),
        "255": ("18ff", "255."),
        "256": ("190100", "256, which is 0 in one byte."),
        "2-32": ("1b0000000100000000", "2^32, which is 0 in four bytes."),
        "2-64": ("1bffffffffffffffff", "2^64-1."),
        "minus-1": ("20", "-1, the last one in some languages."),
        "minus-32": ("381f", "-32."),
        "text": ("6130", 'the text "0".'),
        "text-16": ("623136", 'the text "16".'),
        "name": ("6450435230", 'the text "PCR0".'),
        "bytes": ("4100", "a byte string."),
        "null": ("f6", "null."),
        "nan": ("f97e00", "not a number."),
        "float": ("f94c00", "16.0."),
        "array": ("8100", "an array."),
        "simple": ("f0", "the simple value 16."),
        "undefined": ("f7", "undefined."),
    }
    for slug, (index, description) in added.items():
        pcrs = Encoded(encode_map([*PCRS.items(), (raw(index), ZERO)]))
        yield rejected(f"index-{slug}", f"One more PCR index is {description}", seal(put("pcrs", pcrs)), PCRS_INVALID)
    instead = {
        "false": ("f4", "false instead of 0."),
        "float-zero": ("f90000", "0.0 instead of 0."),
        "text-zero": ("6130", 'the text "0" instead of 0.'),
    }
    for slug, (index, description) in instead.items():
        pcrs = Encoded(encode_map([(raw(index), PCRS[0]), *list(PCRS.items())[1:]]))
        yield rejected(f"index-{slug}", f"A PCR index is {description}", seal(put("pcrs", pcrs)), PCRS_INVALID)
    many = {index: PCRS.get(index, ZERO) for index in range(33)}
    yield rejected("33", "There are 33 PCRs.", seal(put_pcrs(many)), PCRS_INVALID)


def _pcr_values() -> Iterator[Case]:
    table: dict[str, tuple[CborValue, str]] = {
        "47": (PCRS[0][:-1], "47 bytes."),
        "49": (PCRS[0] + b"\0", "49 bytes."),
        "32": (PCRS[0][:32], "32 bytes, as of SHA-256."),
        "64": (PCRS[0] + bytes(16), "64 bytes, as of SHA-512."),
        "empty": (b"", "no bytes."),
        "null": (None, "null."),
        "text": ("0" * 48, "a text of 48 characters."),
        "hex": (PCRS[0].hex(), "hex."),
        "integer": (0, "an integer."),
        "array": (tuple(PCRS[0]), "an array of 48 integers."),
        "undefined": (raw("f7"), "undefined."),
    }
    for slug, (value, description) in table.items():
        evidence = seal(put_pcrs({**PCRS, 0: value}))
        yield rejected(f"value-{slug}", f"PCR0 is {description}", evidence, PCRS_INVALID)
    evidence = seal(put_pcrs({**PCRS, 15: bytes(47)}))
    yield rejected("value-last", "A PCR that nobody asks about is 47 bytes.", evidence, PCRS_INVALID)


def _certificates() -> Iterator[Case]:
    table: dict[str, tuple[CborValue, str]] = {
        "empty": (b"", "no bytes."),
        "pem": (pem(CHAIN.certificate), "PEM in a text string."),
        "null": (None, "null."),
        "array": ((CHAIN.certificate,), "an array."),
        "integer": (0, "an integer."),
        "undefined": (raw("f7"), "undefined."),
    }
    yield from _refused("certificate", "document.certificate-invalid", table)


def _bundles() -> Iterator[Case]:
    root, *issuers = CHAIN.cabundle
    table: dict[str, tuple[CborValue, str]] = {
        "empty": ((), "an empty list."),
        "empty-indefinite": (raw("9fff"), "an empty indefinite list."),
        "null": (None, "null."),
        "nine": ((root, *issuers * 8), "nine certificates."),
        "bytes": (b"".join(CHAIN.cabundle), "all certificates in one byte string."),
        "map": (dict(enumerate(CHAIN.cabundle)), "a map."),
        "nested": ((CHAIN.cabundle,), "a list in a list."),
        "empty-certificate": ((*CHAIN.cabundle, b""), "a list with an empty certificate."),
        "null-certificate": ((*CHAIN.cabundle, None), "a list with null."),
        "text-certificate": ((pem(root), *issuers), "a list with PEM."),
        "certificate-of-1025": (
            (root, *issuers[:-1], issuers[-1] + bytes(1025 - len(issuers[-1]))),
            "a list with 1025 bytes.",
        ),
        "text": ("", "a text."),
        "undefined": (raw("f7"), "undefined."),
    }
    yield from _refused("cabundle", "document.cabundle-invalid", table)


def _optionals() -> Iterator[Case]:
    reason = "document.optional-field-invalid"
    for name in OPTIONAL:
        slug = name.replace("_", "-")
        table: dict[str, tuple[CborValue, str]] = {
            f"{slug}-1025": (bytes(1025), "1025 bytes."),
            f"{slug}-text": ("text", "a text."),
            f"{slug}-undefined": (raw("f7"), "undefined, which is not null."),
            f"{slug}-false": (raw("f4"), "false."),
            f"{slug}-zero": (0, "0."),
            f"{slug}-array": ((), "an empty array."),
            f"{slug}-map": (raw("a0"), "an empty map."),
            f"{slug}-empty-text": ("", "an empty text."),
        }
        yield from _refused(name, reason, table)
    hexed = attest().hex()[:64]
    yield rejected("nonce-hex", "nonce is hex in a text string.", seal(put("nonce", hexed)), reason)


def _both_kinds() -> Iterator[Case]:
    measured = Encoded(encode_map(PCRS.items()))
    both = seal(also(measured, "nitrotpm_pcrs"))
    yield rejected("beside-pcrs", "A document with both kinds of PCRs.", both, AMBIGUOUS)
    yield rejected("tpm-policy", "The same, by a policy for NitroTPMs.", both, AMBIGUOUS, policy="tpm")
    yield rejected("null", "nitrotpm_pcrs is there, and null.", seal(also(None, "nitrotpm_pcrs")), AMBIGUOUS)
    halves = ("pcrs", None), ("nitrotpm_pcrs", measured)
    yield rejected(
        "pcrs-null",
        "A NitroTPM document in which pcrs is there, and null.",
        seal((*drop("pcrs"), *halves)),
        AMBIGUOUS,
        policy="tpm",
    )


def _unknown_fields() -> Iterator[Case]:
    known = seal(also(None))
    yield rejected(
        "unknown-field",
        "A field that nobody knows, and a policy that wants none.",
        known,
        "document.field-unrecognised",
        policy="known-fields",
    )
    yield affirmed(
        "known-fields-only",
        "Nothing but known fields, and a policy that wants no others.",
        attest(),
        policy="known-fields",
    )
