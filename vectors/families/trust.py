"""Trust anchors: what a path begins with decides, and only an anchor's exact bytes are the anchor."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from issuer.nsm import IssuedChain, issue_chain, sign_certificate
from vectors.case import affirmed, rejected
from vectors.families.cache import certificate_twin
from vectors.pki import AWS_ROOT, NARROW_ROOT, unpem
from vectors.world import (
    CHAIN,
    ENCLAVE_ID,
    FULL,
    GOOD,
    GOOD_FULL,
    INSTANCE,
    ISSUED_AT,
    LEAF,
    OTHER_PKI,
    REGIONAL,
    ROOT,
    SHORT_SPECS,
    SPECS,
    ZONAL,
    attest,
    bundle,
    ec_key,
    exchange,
    respecify,
    rewrap,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectors.case import Case

UNTRUSTED, NAME, SIGNATURE = "path.root-untrusted", "path.name-mismatch", "path.signature-invalid"
DUPLICATE = "path.certificate-duplicate"

FORGED_SPECS = OTHER_PKI.chain_specs(enclave_id=ENCLAVE_ID, at=ISSUED_AT)
"""An attacker's whole hierarchy; the root has the genuine one's name."""
FORGED = issue_chain(FORGED_SPECS)
OWN_ROOT = replace(FORGED_SPECS[ROOT], subject=FORGED_SPECS[LEAF].subject)
"""An attacker's root under a name of its own."""


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _other_roots()
    yield from _not_first()
    yield from _genuine_root_first()
    yield from _forged_below()
    yield from _leaf_alone()
    yield from _several_anchors()


def _other_roots() -> Iterator[Case]:
    same_key = replace(SPECS[ROOT], serial=SPECS[ROOT].serial + 1)
    table = {
        "attackers-hierarchy": (FORGED, "A whole hierarchy under an attacker's root of the same name."),
        "attackers-root-own-name": (
            issue_chain((OWN_ROOT, *FORGED_SPECS[1:])),
            "A whole hierarchy under an attacker's root of another name.",
        ),
        "same-name-genuine-rest": (
            exchange(ROOT, FORGED.cabundle[ROOT]),
            "A root of the same name before genuine issuers.",
        ),
        "same-key-other-serial": (
            exchange(ROOT, sign_certificate(same_key)),
            "The root's own key in another certificate.",
        ),
        "bit-flipped": (rewrap(ROOT, lambda der: der[:-1] + bytes((der[-1] ^ 1,))), "One bit of the root differs."),
        "signature-twin": (rewrap(ROOT, certificate_twin), "The root with its signature's other twin."),
        "trailing-byte": (rewrap(ROOT, lambda der: der + b"\0"), "A byte follows the root."),
        "root-empty-sequence": (exchange(ROOT, b"\x30\x00"), "The root is an empty SEQUENCE."),
        "root-zeros": (exchange(ROOT, bytes(64)), "The root is zeros, as emulators write it."),
        "aws-root-before-throwaway": (
            exchange(ROOT, unpem(AWS_ROOT)),
            "AWS's genuine root before somebody else's issuers.",
        ),
        "cross-signed-root": (
            exchange(ROOT, sign_certificate(SPECS[ROOT], issuer=FORGED_SPECS[ROOT])),
            "The root's name and key in a certificate that another root signed.",
        ),
        "older-root": (
            exchange(ROOT, sign_certificate(NARROW_ROOT)),
            "A root of the same name and key that is no anchor.",
        ),
    }
    for slug, (chain, description) in table.items():
        yield rejected(slug, description, attest(chain), UNTRUSTED)
    aws = ("aws-nitro-root-g1",)
    yield rejected(
        "throwaway-against-aws",
        "A throwaway document, and AWS's root as the only anchor.",
        GOOD_FULL,
        UNTRUSTED,
        anchors=aws,
    )
    other = ("other-root",)
    yield rejected(
        "other-anchor", "A good document, and another root of the same name as anchor.", GOOD, UNTRUSTED, anchors=other
    )


def _not_first() -> Iterator[Case]:
    root, *issuers = FULL.cabundle
    table = {
        "missing": (bundle(*issuers), "The bundle begins below the root."),
        "reversed": (bundle(*reversed(FULL.cabundle)), "The bundle is in the opposite order."),
        "root-last": (bundle(*issuers, root), "The root stands last."),
        "attackers-root-first": (
            bundle(FORGED.cabundle[ROOT], *FULL.cabundle),
            "An attacker's root before the genuine one.",
        ),
        "leaf-first": (bundle(FULL.certificate, *FULL.cabundle), "The leaf stands first."),
        "leaf-only": (bundle(FULL.certificate), "The bundle is the leaf alone."),
        "issuer-only": (bundle(issuers[-1]), "The bundle is the leaf's issuer alone."),
    }
    for slug, (chain, description) in table.items():
        yield rejected(slug, description, attest(chain), UNTRUSTED)


def _genuine_root_first() -> Iterator[Case]:
    """The genuine root at [0] convinces verifiers that look there and nowhere else."""
    root = FULL.cabundle[ROOT]
    own = sign_certificate(OWN_ROOT)
    below_own = issue_chain((OWN_ROOT, *FORGED_SPECS[1:]))
    mixed = replace(below_own, cabundle=(root, own, *below_own.cabundle[1:]))
    yield rejected(
        "then-attackers-root",
        "The genuine root, then an attacker's self-signed root and all below it.",
        attest(mixed),
        NAME,
    )
    same_name = replace(FORGED, cabundle=(root, *FORGED.cabundle))
    yield rejected(
        "then-same-name-root",
        "The genuine root, then an attacker's root of the same name.",
        attest(same_name),
        SIGNATURE,
    )
    replaced = exchange(ROOT, root, FORGED)
    yield rejected(
        "issuers-by-name", "The genuine root over an attacker's issuers: every name fits.", attest(replaced), SIGNATURE
    )
    leaf = sign_certificate(replace(SPECS[LEAF], key=OWN_ROOT.key, issuer=SPECS[LEAF].subject, issuer_key=OWN_ROOT.key))
    chain = replace(exchange(LEAF, leaf), key=ec_key(OWN_ROOT))
    yield rejected("self-signed-leaf", "A genuine bundle and a self-signed leaf.", attest(chain), NAME)
    loop = _loop()
    yield rejected("loop", "Two issuers that name each other.", attest(loop), NAME)
    crossed = sign_certificate(FORGED_SPECS[ROOT], issuer=replace(SPECS[ROOT], key=FORGED_SPECS[ROOT].key))
    chain = replace(FORGED, cabundle=(root, crossed, *FORGED.cabundle[1:]))
    yield rejected(
        "self-cross-signed", "An attacker's root that claims to be issued by the genuine one.", attest(chain), SIGNATURE
    )


def _loop() -> IssuedChain:
    one, two = FORGED_SPECS[REGIONAL], FORGED_SPECS[ZONAL]
    first = sign_certificate(replace(one, issuer=two.subject, issuer_key=two.key))
    second = sign_certificate(replace(two, issuer=one.subject, issuer_key=one.key))
    return replace(FORGED, cabundle=(FULL.cabundle[ROOT], first, second, *FORGED.cabundle[3:]))


def _forged_below() -> Iterator[Case]:
    """Everything is genuine down to one level, and an attacker's from there on; every name fits."""
    for name, level in {"regional": REGIONAL, "zonal": ZONAL, "instance": INSTANCE, "leaf": LEAF}.items():
        specs = (*SPECS[:level], *(replace(SPECS[at], key=FORGED_SPECS[at].key) for at in range(level, 5)))
        first = replace(specs[level], issuer_key=specs[level].key)
        chain = issue_chain((*specs[:level], first, *specs[level + 1 :]))
        yield rejected(
            f"forged-{name}", f"Forged from the {name} certificate down, which signed itself.", attest(chain), SIGNATURE
        )
        if level > REGIONAL:
            chain = respecify(level, issuer_key=SPECS[ROOT].key)
            yield rejected(
                f"by-root-{name}",
                f"The root signed the {name} certificate, which names another issuer.",
                attest(chain),
                SIGNATURE,
            )


def _leaf_alone() -> Iterator[Case]:
    root = CHAIN.cabundle[ROOT]
    key = ec_key(OWN_ROOT)
    specs = SHORT_SPECS
    leaf = specs[-1]
    itself = replace(leaf, key=key, issuer=leaf.subject, issuer_key=key)
    claims = replace(leaf, key=key, issuer=specs[ROOT].subject, issuer_key=key)
    for slug, spec, reason in (("names-itself", itself, NAME), ("names-the-root", claims, SIGNATURE)):
        chain = replace(CHAIN, cabundle=(root,), certificate=sign_certificate(spec), key=key)
        yield rejected(
            f"leaf-{slug}", "The bundle is the genuine root alone; the leaf signed itself.", attest(chain), reason
        )
    chain = replace(CHAIN, cabundle=(root,))
    yield rejected(
        "leaf-not-of-root", "The bundle is the root alone; the leaf's issuer is left out.", attest(chain), NAME
    )
    chain = replace(CHAIN, cabundle=(root,), certificate=root, key=ec_key(specs[ROOT]))
    yield rejected(
        "root-as-leaf", "The root itself signed the document and stands in both places.", attest(chain), DUPLICATE
    )
    direct = issue_chain((specs[ROOT], leaf))
    yield affirmed("path.no-intermediate", "The root issued the leaf itself.", attest(direct))


def _several_anchors() -> Iterator[Case]:
    both = ("other-root", "throwaway-root")
    yield affirmed(
        "anchors.first-of-two", "Two anchors; the document is under the first.", attest(FORGED), anchors=both
    )
    yield affirmed(
        "anchors.second-of-two", "Two anchors of one name; the document is under the second.", GOOD, anchors=both
    )
    yield affirmed(
        "anchors.beside-aws",
        "A throwaway root configured beside AWS's.",
        GOOD,
        anchors=("aws-nitro-root-g1", "throwaway-root"),
    )
    roots = (FULL.cabundle[ROOT], FORGED.cabundle[ROOT])
    first = replace(FORGED, cabundle=(*roots, *FORGED.cabundle[1:]))
    yield rejected(
        "two-roots",
        "Both anchors in one bundle, the document under the second.",
        attest(first),
        SIGNATURE,
        anchors=both,
    )
    second = bundle(*roots, *FULL.cabundle[1:])
    yield rejected(
        "two-roots-first",
        "Both anchors in one bundle, the document under the first.",
        attest(second),
        SIGNATURE,
        anchors=both,
    )
    mixed = exchange(ROOT, roots[1])
    yield rejected(
        "under-the-other-anchor",
        "The other anchor's root over genuine issuers.",
        attest(mixed),
        SIGNATURE,
        anchors=both,
    )
    crossed = sign_certificate(FORGED_SPECS[ROOT], issuer=SPECS[ROOT])
    chain = replace(FORGED, cabundle=(roots[0], crossed, *FORGED.cabundle[1:]))
    yield affirmed(
        "anchors.cross-signed", "Another root that the anchor really signed, and all below it.", attest(chain)
    )
