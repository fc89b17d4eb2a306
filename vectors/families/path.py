"""The path as a whole: order, names, roles, lengths and windows, level by level."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from issuer.nsm import CertificateSpec, ExtensionSpec, IssuedChain, ThrowawayPki, issue_chain
from vectors.case import affirmed, rejected
from vectors.der import BASIC_CONSTRAINTS, KEY_USAGE, critical, having, lacking, not_critical, sequence, tlv
from vectors.pki import EXACT_ROOT, NARROW_ROOT
from vectors.world import (
    BELOW_ROOT,
    ENCLAVE_ID,
    FULL,
    INSTANCE,
    ISSUED_AT,
    ISSUERS,
    KEYS,
    LEAF,
    REGIONAL,
    SHORT_SPECS,
    SPECS,
    ZONAL,
    attest,
    bundle,
    ec_key,
    edit,
    respecify,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vectors.case import Case
    from vectors.der import Edit

NAME, DUPLICATE = "path.name-mismatch", "path.certificate-duplicate"
NOT_A_CA, LEAF_IS_CA, LENGTH = "path.not-a-ca", "path.leaf-is-ca", "path.length-exceeded"
USAGE, UNSUPPORTED, MISSING = "path.key-usage-invalid", "path.extension-unsupported", "path.extension-missing"

_CA = bytes.fromhex("30030101ff")
_CERT_SIGN, _BOTH, _DATA = bytes.fromhex("03020204"), bytes.fromhex("03020284"), bytes.fromhex("03020780")


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _order()
    yield from _duplicates()
    yield from _names()
    yield from _roles()
    yield from _leaf_roles()
    yield from _lengths()
    yield from _usages()
    yield from _critical_extensions()
    yield from _missing_extensions()


def _order() -> Iterator[Case]:
    root, regional, zonal, instance = FULL.cabundle
    stranger = ThrowawayPki(seed=KEYS.seed, region="eu-west-1").issue(enclave_id=ENCLAVE_ID, at=ISSUED_AT)
    table = {
        "regional-missing": (bundle(root, zonal, instance), "The regional certificate is left out."),
        "zonal-missing": (bundle(root, regional, instance), "The zonal certificate is left out."),
        "instance-missing": (bundle(root, regional, zonal), "The instance certificate is left out."),
        "all-missing": (bundle(root), "Every issuer below the root is left out."),
        "swapped": (bundle(root, zonal, regional, instance), "Regional and zonal certificates are swapped."),
        "issuers-reversed": (
            bundle(root, instance, zonal, regional),
            "The issuers below the root are in the opposite order.",
        ),
        "extra-stranger": (
            bundle(root, regional, zonal, instance, stranger.cabundle[REGIONAL]),
            "Another region's certificate at the end.",
        ),
        "extra-between": (
            bundle(root, stranger.cabundle[REGIONAL], regional, zonal, instance),
            "Another region's certificate in between.",
        ),
        "other-region": (bundle(root, *stranger.cabundle[REGIONAL:]), "Another region's whole bundle."),
        "other-regions-leaf": (bundle(*FULL.cabundle, leaf=stranger.certificate), "Another region's leaf."),
    }
    for slug, (chain, description) in table.items():
        yield rejected(slug, description, attest(chain), NAME)


def _duplicates() -> Iterator[Case]:
    root, regional, zonal, instance = FULL.cabundle
    table = {
        "root": (bundle(root, root, regional, zonal, instance), "The root twice."),
        "zonal": (bundle(root, regional, zonal, zonal, instance), "The zonal certificate twice in a row."),
        "apart": (bundle(root, regional, zonal, instance, regional), "The regional certificate again at the end."),
        "leaf-in-bundle": (bundle(*FULL.cabundle, FULL.certificate), "The leaf is in the bundle as well."),
        "issuer-as-leaf": (
            replace(bundle(*FULL.cabundle, leaf=instance), key=ec_key(SPECS[INSTANCE])),
            "The issuer is the leaf as well.",
        ),
        "only-root": (bundle(root, root), "The root twice and nothing else."),
    }
    for slug, (chain, description) in table.items():
        yield rejected(slug, description, attest(chain), DUPLICATE)


def _renamed(
    name: x509.Name, value: Callable[[x509.NameAttribute[str | bytes]], x509.NameAttribute[str | bytes]]
) -> x509.Name:
    return x509.Name([value(attribute) for attribute in name])


def _common_name(change: Callable[[str], str]) -> Callable[[x509.Name], x509.Name]:
    def rename(attribute: x509.NameAttribute[str | bytes]) -> x509.NameAttribute[str | bytes]:
        if attribute.oid != NameOID.COMMON_NAME:
            return attribute
        return x509.NameAttribute(attribute.oid, change(str(attribute.value)))

    return lambda name: _renamed(name, rename)


def _names() -> Iterator[Case]:
    """The issuer's key signed, but the name in the certificate is not the issuer's, byte for byte."""
    for name, level in BELOW_ROOT.items():
        chain = respecify(level, issuer=_common_name(lambda _: "no issuer at all")(SPECS[level - 1].subject))
        yield rejected(
            f"other-{name}",
            f"The {name} certificate names another issuer than the one that signed it.",
            attest(chain),
            NAME,
        )
    printable, utf8 = x509.name._ASN1Type.PrintableString, NameOID.COMMON_NAME  # noqa: SLF001 - the only way to choose
    table: dict[str, tuple[str, Callable[[x509.Name], x509.Name]]] = {
        "case": ("in capitals", _common_name(str.upper)),
        "blank": ("with a blank at its end", _common_name(lambda text: text + " ")),
        "nul": ("cut off by a NUL", _common_name(lambda text: text + "\0.example")),
        "string-type": (
            "as PrintableString instead of UTF8String",
            lambda name: _renamed(
                name, lambda at: x509.NameAttribute(utf8, at.value, printable) if at.oid == utf8 else at
            ),
        ),
        "reordered": ("with its attributes in another order", lambda name: x509.Name(list(name)[::-1])),
        "one-set": (
            "with all attributes in one set",
            lambda name: x509.Name([x509.RelativeDistinguishedName(list(name))]),
        ),
        "shorter": ("without its first attribute", lambda name: x509.Name(list(name)[1:])),
        "common-name-only": ("reduced to its common name", lambda name: x509.Name(list(name)[-1:])),
    }
    issuer = SHORT_SPECS[1]
    for slug, (how, change) in table.items():
        chain = respecify(2, SHORT_SPECS, issuer=change(issuer.subject))
        yield rejected(slug, f"The leaf has its issuer's name {how}.", attest(chain), NAME)
    with_nul = _common_name(lambda text: text + "\0.example")(issuer.subject)
    zero = respecify(1, SHORT_SPECS, subject=with_nul)
    yield affirmed("path.nul-in-name", "A name with NUL, the same in issuer and leaf: names are bytes.", attest(zero))


def _without_lengths() -> tuple[CertificateSpec, ...]:
    """Give the good chain without path lengths, so that only the roles decide."""
    free = ExtensionSpec(value=x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return tuple(
        replace(spec, extensions=(free, *spec.extensions[1:])) if REGIONAL <= at <= INSTANCE else spec
        for at, spec in enumerate(SPECS)
    )


def _below_leaf(specs: tuple[CertificateSpec, ...]) -> IssuedChain:
    """Let the leaf issue another leaf, as whoever controls an enclave could try."""
    forged = replace(specs[LEAF], key=KEYS.private_key("forged leaf"), serial=7, subject=SPECS[INSTANCE].subject)
    return issue_chain((*specs, forged))


def _constraints(value: bytes, *, is_critical: bool = True) -> Edit:
    wrap = critical if is_critical else not_critical
    return having(BASIC_CONSTRAINTS, *wrap(value))


def _roles() -> Iterator[Case]:
    yield rejected("leaf-as-ca", "The leaf issued another leaf.", attest(_below_leaf(_without_lengths())), NOT_A_CA)
    yield rejected(
        "leaf-as-ca", "The leaf issued another leaf, against path lengths.", attest(_below_leaf(SPECS)), LENGTH
    )
    for name, level in ISSUERS.items():
        chain = edit(level, _constraints(sequence()))
        yield rejected(f"{name}", f"The {name} certificate is not a CA.", attest(chain), NOT_A_CA)
        chain = edit(level, _constraints(_CA, is_critical=False))
        yield rejected(
            f"{name}-not-critical",
            f"The {name} certificate is a CA, but basicConstraints is not critical.",
            attest(chain),
            NOT_A_CA,
        )


def _as_leaf(level: int) -> bytes:
    chain = replace(FULL, cabundle=FULL.cabundle[:level], certificate=FULL.cabundle[level], key=ec_key(SPECS[level]))
    return attest(chain)


def _leaf_roles() -> Iterator[Case]:
    for name, level in ISSUERS.items():
        yield rejected(
            f"{name}-signed", f"The {name} certificate's key signed the document.", _as_leaf(level), LEAF_IS_CA
        )
    table = {
        "ca": _constraints(_CA),
        "ca-with-length": _constraints(bytes.fromhex("30060101ff020100")),
        "ca-not-critical": _constraints(_CA, is_critical=False),
        "ca-and-cert-sign": lambda parts: _constraints(_CA)(parts).with_extension(KEY_USAGE, *critical(_BOTH)),
    }
    for slug, change in table.items():
        chain = edit(2, change, SHORT_SPECS)
        yield rejected(slug, f"The leaf says that it is a CA ({slug}).", attest(chain), LEAF_IS_CA)


def _with_length(level: int, length: int) -> IssuedChain:
    limited = ExtensionSpec(value=x509.BasicConstraints(ca=True, path_length=length), critical=True)
    return respecify(level, extensions=(limited, *SPECS[level].extensions[1:]))


def _lengths() -> Iterator[Case]:
    for name, level, length in (("regional", REGIONAL, 1), ("regional", REGIONAL, 0), ("zonal", ZONAL, 0)):
        chain = _with_length(level, length)
        yield rejected(
            f"{name}-{length}", f"The {name} certificate allows {length} issuers below it.", attest(chain), LENGTH
        )
    second = replace(SPECS[INSTANCE], key=KEYS.private_key("second instance"), serial=8)
    chain = issue_chain((*SPECS[:LEAF], second, SPECS[LEAF]))
    yield rejected("instance-below-instance", "An instance certificate issued another issuer.", attest(chain), LENGTH)
    self_issued = issue_chain(
        (*SPECS[:INSTANCE], replace(SPECS[ZONAL], key=KEYS.private_key("rollover"), serial=9), *SPECS[INSTANCE:])
    )
    yield rejected(
        "self-issued-counts",
        "A zonal certificate issued itself a successor: it counts, which RFC 5280 would not ask.",
        attest(self_issued),
        LENGTH,
    )
    narrow = issue_chain((NARROW_ROOT, *SPECS[1:]))
    yield rejected(
        "root", "The root itself allows two issuers, three follow.", attest(narrow), LENGTH, anchors=("narrow-root",)
    )
    exact = issue_chain((EXACT_ROOT, *SPECS[1:]))
    yield affirmed(
        "path.root-with-length", "The root allows three issuers, three follow.", attest(exact), anchors=("exact-root",)
    )
    yield affirmed("path.no-lengths", "No issuer has a path length.", attest(issue_chain(_without_lengths())))
    yield affirmed("path.roomy-length", "An issuer allows more than follow.", attest(_with_length(ZONAL, 9)))
    yield affirmed(
        "path.huge-length",
        "An issuer allows 2^64 issuers.",
        attest(edit(1, _constraints(sequence(bytes.fromhex("0101ff"), tlv(2, (2**64).to_bytes(9)))), SHORT_SPECS)),
    )


def _usages() -> Iterator[Case]:
    for name, level in ISSUERS.items():
        chain = edit(level, having(KEY_USAGE, *critical(_DATA)))
        yield rejected(name, f"The {name} certificate may sign data only.", attest(chain), USAGE)
    table = {
        "leaf-cert-sign-too": (_BOTH, "The leaf may sign data and certificates."),
        "leaf-cert-sign-only": (_CERT_SIGN, "The leaf may sign certificates only."),
        "leaf-agreement": (bytes.fromhex("03020308"), "The leaf may only agree on keys."),
        "leaf-non-repudiation": (bytes.fromhex("03020640"), "The leaf is for non-repudiation only."),
        "leaf-crl-sign": (bytes.fromhex("03020102"), "The leaf may sign revocation lists only."),
        "leaf-decipher-only": (bytes.fromhex("0303070080"), "The leaf may only decipher."),
    }
    for slug, (usage, description) in table.items():
        chain = edit(2, having(KEY_USAGE, *not_critical(usage)), SHORT_SPECS)
        yield rejected(slug, description, attest(chain), USAGE)
    crl_only = edit(1, having(KEY_USAGE, *critical(bytes.fromhex("03020102"))), SHORT_SPECS)
    yield rejected("issuer-crl-sign", "The issuer may sign revocation lists only.", attest(crl_only), USAGE)
    loose = edit(1, having(KEY_USAGE, *not_critical(_CERT_SIGN)), SHORT_SPECS)
    yield affirmed("path.issuer-usage-not-critical", "The issuer's keyUsage is not critical.", attest(loose))


def _critical_extensions() -> Iterator[Case]:
    def oid(text: str) -> bytes:
        return tlv(6, bytes.fromhex(text))

    for name, level in BELOW_ROOT.items():
        chain = edit(level, having(oid("2a0304"), *critical(b"\x05\0")))
        yield rejected(
            name, f"The {name} certificate has a critical extension that nobody knows.", attest(chain), UNSUPPORTED
        )
    table = {
        "name-constraints": ("551d1e", 1),
        "policy-constraints": ("551d24", 1),
        "inhibit-any-policy": ("551d36", 1),
        "certificate-policies": ("551d20", 1),
        "policy-mappings": ("551d21", 1),
        "subject-key-id": ("551d0e", 1),
        "crl-distribution-points": ("551d1f", 1),
        "authority-key-id": ("551d23", 2),
        "extended-key-usage": ("551d25", 2),
        "subject-alternative-name": ("551d11", 2),
        "issuer-alternative-name": ("551d12", 2),
        "ocsp-no-check": ("2b0601050507300105", 2),
    }
    for slug, (identifier, level) in table.items():
        chain = edit(level, having(oid(identifier), *critical(b"\x05\0")), SHORT_SPECS)
        yield rejected(
            slug, f"A critical extension that is not processed: {slug.replace('-', ' ')}.", attest(chain), UNSUPPORTED
        )
    name_constraints = edit(1, having(oid("551d1e"), *not_critical(b"\x30\0")), SHORT_SPECS)
    yield affirmed(
        "path.name-constraints-not-critical",
        "Name constraints that are not critical are passed over.",
        attest(name_constraints),
    )


def _missing_extensions() -> Iterator[Case]:
    for name, level in BELOW_ROOT.items():
        for what, identifier in (("constraints", BASIC_CONSTRAINTS), ("usage", KEY_USAGE)):
            chain = edit(level, lacking(identifier))
            yield rejected(f"{name}-{what}", f"The {name} certificate has no {what}.", attest(chain), MISSING)
    none = edit(2, lambda parts: replace(parts, extensions=()), SHORT_SPECS)
    yield rejected("leaf-empty-list", "The leaf has an empty list of extensions.", attest(none), MISSING)
    absent = edit(2, lambda parts: replace(parts, wrapped=b""), SHORT_SPECS)
    yield rejected("leaf-no-list", "The leaf has no list of extensions at all.", attest(absent), MISSING)
