"""What most tests of the core begin with: one seeded PKI, one document that is right, and the policy that affirms it.

Everything follows from a seed, so a failure repeats; every part can be replaced by name, so a test shows what it is
about and nothing else.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any

from issuer.nsm import (
    AttestationFields,
    CertificateSpec,
    IssuedChain,
    MapStyle,
    ThrowawayPki,
    build_pcrs,
    encode_payload,
    instance_pcr,
    issue_chain,
    measured,
    role_pcr,
    sign1,
)
from verifier import (
    Affirmed,
    AttestationResult,
    NonceService,
    Policy,
    Reason,
    Rejected,
    TrustAnchor,
    Verifier,
    load_anchor,
)
from verifier.policy.model import Build, NonceMode

AT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
"""Five seconds after the document was signed."""
SIGNED_AT = AT - timedelta(seconds=5)
AT_MS = int(AT.timestamp()) * 1000
SIGNED_AT_MS = AT_MS - 5000

ENCLAVE_ID = bytes.fromhex("019ca8ed3c001234")
ROLE_ARN = "arn:aws:iam::123456789012:role/payments"
NONCE = b"a nonce of the Relying Party"
PCRS = MappingProxyType(
    dict.fromkeys(range(16), bytes(48))
    | build_pcrs("payments v1")
    | {3: role_pcr(ROLE_ARN), 4: instance_pcr("i-0123456789abcdef0"), 8: measured(b"the signing certificate")}
)


@cache
def throwaway_pki() -> ThrowawayPki:
    """The PKI that signs here."""
    return ThrowawayPki(seed=b"tests of the core")


@cache
def specs() -> tuple[CertificateSpec, ...]:
    """The five certificates as values, root first."""
    return throwaway_pki().chain_specs(enclave_id=ENCLAVE_ID, at=SIGNED_AT)


@cache
def chain() -> IssuedChain:
    """The five certificates, signed."""
    return issue_chain(specs())


@cache
def anchor() -> TrustAnchor:
    """The throwaway root as a trust anchor."""
    pki = throwaway_pki()
    return load_anchor(pki.root_der, name="throwaway", sha256=pki.root_sha256.hex())


def fields(**changes: Any) -> AttestationFields:  # noqa: ANN401 - the fields of a document, whatever they are
    """What the right document says, with changes."""
    right = AttestationFields(
        module_id=throwaway_pki().module_id(ENCLAVE_ID),
        timestamp=SIGNED_AT_MS,
        pcrs=PCRS,
        certificate=chain().certificate,
        cabundle=chain().cabundle,
        nonce=NONCE,
    )
    return replace(right, **changes)


def document(*, style: MapStyle = "indefinite", tagged: bool = False, **changes: Any) -> bytes:  # noqa: ANN401
    """Sign a document; without changes, the one that `policy` affirms at `AT`."""
    return sign1(encode_payload(fields(**changes), style), chain().key, tagged=tagged)


def document_under(mutated: IssuedChain, **changes: Any) -> bytes:  # noqa: ANN401 - as above
    """Sign a document with another chain and its key."""
    signed = fields(certificate=mutated.certificate, cabundle=mutated.cabundle, **changes)
    return sign1(encode_payload(signed), mutated.key)


def build(**changes: Any) -> Build:  # noqa: ANN401 - as above
    """The build that the right document runs."""
    return replace(Build(name="v1", pcrs={index: PCRS[index] for index in (0, 1, 2)}), **changes)


def policy(**changes: Any) -> Policy:  # noqa: ANN401 - as above
    """The policy that affirms the right document; the Relying Party brings the nonce."""
    return Policy(**({"name": "payments", "builds": (build(),), "nonce": NonceMode.CALLER} | changes))


def verifier(*, nonces: NonceService | None = None) -> Verifier:
    """A verifier that trusts the throwaway root alone."""
    return Verifier(anchors=(anchor(),), nonces=nonces)


def appraise(
    evidence: bytes, by: Policy | None = None, *, nonce: bytes | None = NONCE, at: datetime = AT
) -> AttestationResult:
    """Appraise with a new verifier."""
    return verifier().appraise(evidence, policy=by or policy(), nonce=nonce, at=at)


def reasons(result: AttestationResult) -> tuple[Reason, ...]:
    """Why a result is not affirmed; nothing when it is."""
    match result:
        case Affirmed():
            return ()
        case Rejected():
            return result.reasons
