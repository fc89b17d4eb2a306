"""What must be affirmed: every form that genuine documents take or may take one day."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from issuer.nsm import Encoded, SoftwareNsm, ThrowawayPki, encode, encode_array, encode_map, encode_payload, sign1
from vectors.case import affirmed, rejected
from vectors.der import having, not_critical
from vectors.families.payload import also, raw
from vectors.policies import PCR16
from vectors.world import (
    AT,
    CHAIN,
    ENCLAVE_ID,
    GOOD,
    GOOD_FULL,
    ISSUED_AT,
    KEY,
    KEYS,
    NONCE,
    PCRS,
    PKI,
    ROLE_ARN,
    SHORT_SPECS,
    SIGNED_AT,
    ZERO,
    attest,
    drop,
    edit,
    fields,
    milliseconds,
    pairs,
    put,
    put_pcrs,
    seal,
    seconds,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from issuer.nsm import CborValue
    from vectors.case import Case

SIXTEEN = {**dict.fromkeys(range(16), ZERO), **PCRS}


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _whole()
    yield from _field_sizes()
    yield from _optionals()
    yield from _pcrs()
    yield from _orders_and_heads()
    yield from _unknown_fields()
    yield from _module_ids()
    yield from _chains()
    yield from _policies()


def _whole() -> Iterator[Case]:
    yield affirmed("good", "The good document.", GOOD)
    yield affirmed("good-full", "The good document under five certificates.", GOOD_FULL)
    yield affirmed("map.definite", "A definite root map, as until mid-2025.", attest(map_style="definite"))
    yield affirmed("tag-18", "The COSE_Sign1 tag, which is legal and which no module writes.", b"\xd2" + GOOD)
    nsm = SoftwareNsm(clock=lambda: ISSUED_AT, pki=PKI, build="v1", role_arn=ROLE_ARN, enclave_id=ENCLAVE_ID)
    genuine = nsm.attestation(nonce=NONCE)
    yield affirmed(
        "software-nsm", "What the software NSM answers: sixteen PCRs, five certificates.", genuine, policy="patient"
    )
    definite = SoftwareNsm(clock=lambda: ISSUED_AT, pki=PKI, build="v1", enclave_id=ENCLAVE_ID, map_style="definite")
    yield affirmed(
        "software-nsm-definite", "The same in the older map style.", definite.attestation(nonce=NONCE), policy="patient"
    )
    flipped = b"\xd2" + attest(map_style="definite")
    yield affirmed("tag-18-definite", "Tag 18 around a definite map.", flipped)


def _field_sizes() -> Iterator[Case]:
    long = KEYS.octets("long", 1024)
    yield affirmed("size.nonce-1024", "A nonce of 1024 bytes.", attest(nonce=long), nonce=long)
    yield affirmed(
        "size.nonce-513",
        "A nonce of 513 bytes, more than one text of AWS allows.",
        attest(nonce=long[:513]),
        nonce=long[:513],
    )
    yield affirmed("size.nonce-1", "A nonce of one byte.", attest(nonce=b"\0"), nonce=b"\0")
    yield affirmed("size.user-data-1024", "user_data of 1024 bytes.", attest(user_data=long))
    yield affirmed("size.public-key-1024", "public_key of 1024 bytes.", attest(public_key=long))
    every = attest(nonce=long, user_data=long, public_key=long)
    yield affirmed("size.all-1024", "All three of 1024 bytes.", every, nonce=long)
    yield affirmed("size.certificate-1024", "A certificate of 1024 bytes.", _leaf_of(1024))
    long = _leaf_of(1025)
    yield rejected("1025", "A certificate of 1025 bytes, rightly signed.", long, "document.certificate-invalid")


def _leaf_of(size: int) -> bytes:
    """Give a document whose leaf is filled up to so many bytes by an extension that nobody knows."""
    oid = bytes.fromhex("06032a0304")
    bare = edit(2, having(oid, *not_critical(bytes(200))), SHORT_SPECS)
    # Signatures differ by a byte or two in length, so the right filler is looked for and not computed.
    for fill in range(200 + size - len(bare.certificate) - 8, 200 + size):
        chain = edit(2, having(oid, *not_critical(bytes(fill))), SHORT_SPECS)
        if len(chain.certificate) == size:
            return attest(chain)
    raise ValueError(f"no filler makes a leaf of {size} bytes")


def _optionals() -> Iterator[Case]:
    names = ("public_key", "user_data")
    yield affirmed("optional.nulls", "public_key and user_data are null, nonce is there.", seal(pairs()))
    for name in names:
        slug = name.replace("_", "-")
        yield affirmed(f"optional.{slug}-empty", f"{name} is empty, which is not null.", seal(put(name, b"")))
        yield affirmed(f"optional.{slug}-absent", f"{name} is absent.", seal(drop(name)))
    none = seal(tuple(pair for pair in pairs() if pair[0] not in {*names, "nonce"}), "definite")
    yield affirmed("optional.all-absent", "All three are absent.", none, policy="no-nonce", nonce=None)
    yield affirmed(
        "optional.all-null-definite",
        "All three are null, in a definite map.",
        attest(nonce=None, map_style="definite"),
        policy="no-nonce",
        nonce=None,
    )
    yield affirmed(
        "optional.empty-nonce",
        "An empty nonce, and a policy that wants none.",
        attest(nonce=b""),
        policy="no-nonce",
        nonce=None,
    )
    both = attest(public_key=b"", user_data=b"", nonce=NONCE)
    yield affirmed("optional.both-empty", "public_key and user_data are empty.", both)


def _pcrs() -> Iterator[Case]:
    yield affirmed("pcrs.16", "Sixteen PCRs.", attest(pcrs=SIXTEEN))
    for count in (17, 24, 32):
        more = {**SIXTEEN, **dict.fromkeys(range(16, count), PCR16)}
        yield affirmed(f"pcrs.{count}", f"{count} PCRs, those beyond 15 locked by the enclave.", attest(pcrs=more))
    yield affirmed(
        "pcrs.32-zero",
        "32 PCRs, those beyond 15 locked while zero.",
        attest(pcrs={**SIXTEEN, **dict.fromkeys(range(16, 32), ZERO)}),
    )
    yield affirmed("pcrs.three", "PCR0, PCR1 and PCR2 alone.", attest(pcrs={index: PCRS[index] for index in range(3)}))
    yield affirmed(
        "pcrs.31-alone",
        "PCR31 beside PCR0 to PCR2.",
        attest(pcrs={**{index: PCRS[index] for index in range(3)}, 31: PCR16}),
    )
    yield affirmed("pcrs.no-role", "PCR3 is zero: the instance has no role.", attest(pcrs={**SIXTEEN, 3: ZERO}))
    backwards = dict(sorted(SIXTEEN.items(), reverse=True))
    yield affirmed("pcrs.backwards", "The PCRs from the last to the first.", seal(put_pcrs(backwards)))
    indefinite = Encoded(encode_map(PCRS.items(), indefinite=True))
    yield affirmed("pcrs.indefinite", "An indefinite map of PCRs.", seal(put("pcrs", indefinite)))
    long = Encoded(encode_map([(Encoded(b"\x18" + bytes((index,))), value) for index, value in PCRS.items()]))
    yield affirmed("pcrs.long-indices", "PCR indices in two bytes.", seal(put("pcrs", long)))
    longest = Encoded(encode_map([(Encoded(b"\x1b" + index.to_bytes(8)), value) for index, value in PCRS.items()]))
    yield affirmed("pcrs.longest-indices", "PCR indices in nine bytes.", seal(put("pcrs", longest)))


def _orders_and_heads() -> Iterator[Case]:
    yield affirmed("order.backwards", "The fields from the last to the first.", seal(pairs()[::-1]))
    yield affirmed(
        "order.sorted", "The fields sorted by name.", seal(tuple(sorted(pairs(), key=lambda pair: str(pair[0]))))
    )
    canonical = tuple(sorted(pairs(), key=lambda pair: encode(pair[0])))
    yield affirmed("order.deterministic", "The fields in the order of deterministic CBOR.", seal(canonical, "definite"))
    yield affirmed(
        "head.bundle-indefinite",
        "An indefinite list of certificates.",
        seal(put("cabundle", Encoded(encode_array(CHAIN.cabundle, indefinite=True)))),
    )
    every = (
        ("pcrs", Encoded(encode_map(PCRS.items(), indefinite=True))),
        ("cabundle", Encoded(encode_array(CHAIN.cabundle, indefinite=True))),
    )
    both = tuple(dict([*pairs(), *every]).items())
    yield affirmed("head.all-indefinite", "Everything that may be is indefinite.", seal(both))
    yield affirmed(
        "head.inner-indefinite-only", "A definite root map with indefinite ones inside.", seal(both, "definite")
    )
    yield affirmed(
        "head.map-long",
        "The root map's head is longer than needed.",
        sign1(b"\xb8\x09" + encode_payload(fields())[1:-1], KEY),
    )
    yield affirmed(
        "head.map-longest",
        "The root map's head has nine bytes.",
        sign1(b"\xbb" + (9).to_bytes(8) + encode_payload(fields())[1:-1], KEY),
    )
    yield affirmed(
        "head.nonce-long",
        "The nonce's head is longer than needed.",
        seal(put("nonce", Encoded(b"\x59" + len(NONCE).to_bytes(2) + NONCE))),
    )
    yield affirmed(
        "head.timestamp-short",
        "Any length of the timestamp's head would do: eight bytes are its shortest.",
        seal(put("timestamp", milliseconds(SIGNED_AT))),
    )
    yield affirmed(
        "head.text-long", "The digest's head is longer than needed.", seal(put("digest", raw("7806" + b"SHA384".hex())))
    )
    name = (Encoded(b"\x78\x05nonce"), NONCE)
    yield affirmed("head.key-long", "A field's name has a longer head than needed.", seal((*drop("nonce"), name)))


def _unknown_fields() -> Iterator[Case]:
    table: dict[str, CborValue] = {
        "null": None,
        "integer": 1,
        "negative": -1,
        "bytes": b"bytes",
        "text": "text",
        "float": 1.5,
        "true": raw("f5"),
        "undefined": raw("f7"),
        "nan": raw("f97e00"),
        "map": {"a": (1, 2), "b": {"c": None}},
        "array": (1, "a", b"b"),
        "empty-array": (),
        "simple": raw("f863"),
        "integer-keys": raw("a200010102"),
        "indefinite": raw("bf6161" + "9fff" + "ff"),
    }
    for slug, value in table.items():
        what = slug.replace("-", " ")
        yield affirmed(f"unknown.{slug}", f"A field that nobody knows, holding {what}.", seal(also(value)))
    yield affirmed("unknown.definite", "A tenth field in a definite map.", seal(also(1), "definite"))
    yield affirmed("unknown.first", "An unknown field before all others.", seal((("extra", 1), *pairs())))
    yield affirmed("unknown.empty-name", "A field whose name is empty.", seal(also(1, "")))
    yield affirmed("unknown.unicode-name", "A field whose name is beyond ASCII.", seal(also(1, "größe")))
    yield affirmed("unknown.capital", "A field that differs from nonce in its case.", seal(also(bytes(32), "NONCE")))
    five = (*pairs(), *((f"extra{at}", at) for at in range(5)))
    yield affirmed("unknown.five", "Five fields that nobody knows.", seal(five))


def _module_ids() -> Iterator[Case]:
    yield affirmed("module-id.256", "A module_id of 256 characters.", attest(module_id="i" * 256))
    yield affirmed("module-id.1", "A module_id of one character.", attest(module_id="i"))
    yield affirmed(
        "module-id.other-instance",
        "module_id names another instance than the certificate: nobody promises that they agree.",
        attest(module_id="i-0fedcba9876543210-enc0000000000000000"),
    )


def _chains() -> Iterator[Case]:
    for count in range(2, 7):
        pki = ThrowawayPki(seed=PKI.seed, intermediates=count)
        chain = pki.issue(enclave_id=ENCLAVE_ID, at=ISSUED_AT)
        yield affirmed(f"path.intermediates-{count}", f"{count} certificates between root and leaf.", attest(chain))
    for region in ("ap-southeast-4",):
        chain = ThrowawayPki(seed=PKI.seed, region=region).issue(enclave_id=ENCLAVE_ID, at=ISSUED_AT)
        yield affirmed(f"path.region-{region}", f"Issuers of {region}.", attest(chain))
    old = replace(PKI, instance_key_ids=False).issue(enclave_id=ENCLAVE_ID, at=ISSUED_AT)
    yield affirmed(
        "path.no-key-ids", "An instance certificate without key identifiers, as before July 2024.", attest(old)
    )
    fresh = PKI.issue(enclave_id=ENCLAVE_ID, at=AT - seconds(2))
    yield affirmed("leaf.just-issued", "A leaf issued two seconds ago.", attest(fresh))
    nearly = PKI.issue(enclave_id=ENCLAVE_ID, at=AT - seconds(10_700))
    yield affirmed("leaf.nearly-over", "A leaf with a minute and a half left.", attest(nearly))


def _policies() -> Iterator[Case]:
    yield affirmed("policy.spelt-out", "A policy that spells out every default.", GOOD, policy="spelt-out")
    yield affirmed(
        "clock.5s-slow", "A clock five seconds behind the module's.", attest(timestamp=milliseconds(AT) + 5000)
    )
    yield affirmed("clock.fraction", "A clock that reads fractions of a second.", GOOD, at=AT + seconds(0.123))
