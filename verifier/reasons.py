"""Why evidence was refused, and why a configuration was.

``Reason`` is the one closed enum of stable ``stage.fact`` codes. A code is public: it is a JSON value, a
metric label, a log field, a vector's expectation and a heading in ``docs/reasons.md``. Codes are never
reworded or reused. Each carries a hint, the short answer to "what do I do now?"; the long one is in the docs.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """One stable code for each way of not being affirmed."""

    hint: str

    def __new__(cls, code: str, hint: str) -> Self:
        """Make a member that is its code and carries its hint."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.hint = hint
        return member

    @property
    def stage(self) -> str:
        """The step of the flow that refused: the part of the code before the dot."""
        return self.value.partition(".")[0]

    EVIDENCE_EMPTY = (
        "evidence.empty",
        "Send the document that the Nitro Secure Module returned, as raw bytes or as base64 in JSON.",
    )
    EVIDENCE_TOO_LARGE = (
        "evidence.too-large",
        "No genuine document comes near this size: check that only the document is sent.",
    )

    ENVELOPE_MALFORMED = (
        "envelope.malformed",
        "Not a COSE_Sign1 message: look for undecoded hex or base64, a length prefix, or a cut-off body.",
    )
    ENVELOPE_TRAILING_BYTES = (
        "envelope.trailing-bytes",
        "Something follows the document: send its bytes alone, without a line end or anything else.",
    )
    ENVELOPE_TAG_UNEXPECTED = (
        "envelope.tag-unexpected",
        "Send the document untagged, as the module returned it, or with the COSE_Sign1 tag 18 once.",
    )
    ENVELOPE_STRUCTURE_INVALID = (
        "envelope.structure-invalid",
        "A COSE_Sign1 has exactly four elements; send the module's answer unchanged.",
    )
    ENVELOPE_PROTECTED_INVALID = (
        "envelope.protected-invalid",
        "The protected header was re-encoded or altered on the way; send the module's answer unchanged.",
    )
    ENVELOPE_ALGORITHM_MISSING = (
        "envelope.algorithm-missing",
        "The signed header names no algorithm. Emulators that do not sign produce this.",
    )
    ENVELOPE_ALGORITHM_UNSUPPORTED = (
        "envelope.algorithm-unsupported",
        "Nitro documents are signed with ES384 only. Emulators such as QEMU's do not sign at all.",
    )
    ENVELOPE_HEADER_UNEXPECTED = (
        "envelope.header-unexpected",
        "Nitro documents carry no header but the algorithm; this came from another signer.",
    )
    ENVELOPE_UNPROTECTED_NOT_EMPTY = (
        "envelope.unprotected-not-empty",
        "Something was added to the unsigned header on the way; send the module's answer unchanged.",
    )
    ENVELOPE_PAYLOAD_INVALID = (
        "envelope.payload-invalid",
        "The payload must be inside the message as one byte string; detached payloads are not accepted.",
    )
    ENVELOPE_SIGNATURE_INVALID = (
        "envelope.signature-invalid",
        "An ES384 signature is 96 raw bytes; a DER-encoded or shortened one was sent.",
    )

    DOCUMENT_MALFORMED = (
        "document.malformed",
        "The signed payload is not the CBOR of an attestation document.",
    )
    DOCUMENT_TRAILING_BYTES = (
        "document.trailing-bytes",
        "Bytes follow the payload's map: no genuine module writes that.",
    )
    DOCUMENT_DUPLICATE_KEY = (
        "document.duplicate-key",
        "A key occurs twice in the payload, so readers could disagree: no genuine module writes that.",
    )
    DOCUMENT_KEY_INVALID = (
        "document.key-invalid",
        "The payload must be a map with text keys.",
    )
    DOCUMENT_FIELD_MISSING = (
        "document.field-missing",
        "A mandatory field is absent: the signer is not a Nitro Secure Module.",
    )
    DOCUMENT_MODULE_ID_INVALID = (
        "document.module-id-invalid",
        "module_id must be 1 to 256 printable ASCII characters.",
    )
    DOCUMENT_DIGEST_UNSUPPORTED = (
        "document.digest-unsupported",
        "PCRs must be SHA384: no other digest is known for Nitro Enclaves.",
    )
    DOCUMENT_TIMESTAMP_INVALID = (
        "document.timestamp-invalid",
        "timestamp must be milliseconds since 1970; simulators often write seconds.",
    )
    DOCUMENT_PCRS_INVALID = (
        "document.pcrs-invalid",
        "pcrs must be a map of 1 to 32 indices (0 to 31) to 48-byte values.",
    )
    DOCUMENT_CERTIFICATE_INVALID = (
        "document.certificate-invalid",
        "certificate must be 1 to 1024 bytes.",
    )
    DOCUMENT_CABUNDLE_INVALID = (
        "document.cabundle-invalid",
        "cabundle must be a list of 1 to 8 byte strings of 1 to 1024 bytes, root first.",
    )
    DOCUMENT_OPTIONAL_FIELD_INVALID = (
        "document.optional-field-invalid",
        "nonce, user_data and public_key must each be null or at most 1024 bytes.",
    )
    DOCUMENT_PCRS_AMBIGUOUS = (
        "document.pcrs-ambiguous",
        "The document has the PCRs of an enclave and those of a NitroTPM: no genuine module writes both.",
    )
    DOCUMENT_NITRO_TPM = (
        "document.nitro-tpm",
        "This is a NitroTPM document of an EC2 instance, not of an enclave: an enclave policy cannot accept it.",
    )
    DOCUMENT_ENCLAVE = (
        "document.enclave",
        "This is an enclave's document, not a NitroTPM's: a policy for nitro-tpm evidence cannot accept it.",
    )
    DOCUMENT_FIELD_UNRECOGNISED = (
        "document.field-unrecognised",
        "The document has a field this version does not know and the policy refuses such: upgrade, or allow them.",
    )

    PATH_ROOT_UNTRUSTED = (
        "path.root-untrusted",
        "cabundle must begin with a configured trust anchor. Software NSMs and other AWS partitions need theirs added.",
    )
    PATH_CERTIFICATE_MALFORMED = (
        "path.certificate-malformed",
        "A certificate is not the strict DER of an X.509 v3 certificate.",
    )
    PATH_CERTIFICATE_DUPLICATE = (
        "path.certificate-duplicate",
        "The same certificate occurs twice: send cabundle and certificate unchanged.",
    )
    PATH_ALGORITHM_UNSUPPORTED = (
        "path.algorithm-unsupported",
        "Every certificate must be signed with ecdsa-with-SHA384.",
    )
    PATH_KEY_UNSUPPORTED = (
        "path.key-unsupported",
        "Every certificate must hold a P-384 key, as named curve and uncompressed point.",
    )
    PATH_NAME_MISMATCH = (
        "path.name-mismatch",
        "Each certificate must name the one before it as issuer: check the order, root first, nothing left out.",
    )
    PATH_NOT_A_CA = (
        "path.not-a-ca",
        "A certificate that is not a certification authority issued another one.",
    )
    PATH_LEAF_IS_CA = (
        "path.leaf-is-ca",
        "The document was signed by a certification authority's key, which no module does.",
    )
    PATH_LENGTH_EXCEEDED = (
        "path.length-exceeded",
        "An issuer's path length constraint forbids this many certificates below it.",
    )
    PATH_KEY_USAGE_INVALID = (
        "path.key-usage-invalid",
        "keyUsage must allow keyCertSign for issuers, and digitalSignature without keyCertSign for the leaf.",
    )
    PATH_EXTENSION_UNSUPPORTED = (
        "path.extension-unsupported",
        "A certificate has a critical extension that this verifier does not process.",
    )
    PATH_EXTENSION_MISSING = (
        "path.extension-missing",
        "Every certificate must have basicConstraints and keyUsage, as AWS's all do.",
    )
    PATH_EXPIRED = (
        "path.expired",
        "The document's certificates (they live three hours at most) are no longer valid: make a new document.",
    )
    PATH_NOT_YET_VALID = (
        "path.not-yet-valid",
        "A certificate is not valid yet: check this verifier's clock (time synchronisation).",
    )
    PATH_SIGNATURE_INVALID = (
        "path.signature-invalid",
        "A certificate was not signed by the one before it: forged, altered, or out of order.",
    )

    SIGNATURE_OUT_OF_RANGE = (
        "signature.out-of-range",
        "The signature's numbers are outside 1 to n-1, which no signer produces: this is an attack or damage.",
    )
    SIGNATURE_INVALID = (
        "signature.invalid",
        "The document was altered after signing, or signed by another key.",
    )

    FRESHNESS_TOO_OLD = (
        "freshness.too-old",
        "The document is older than the policy's max_age: make a new one for each verification.",
    )
    FRESHNESS_IN_FUTURE = (
        "freshness.in-future",
        "The module's time is ahead of this verifier's by more than clock_skew: check this verifier's clock.",
    )
    FRESHNESS_OUTSIDE_CERTIFICATE = (
        "freshness.outside-certificate",
        "The document's timestamp lies outside its own certificate's validity, which no module produces.",
    )
    FRESHNESS_NONCE_NOT_SUPPLIED = (
        "freshness.nonce-not-supplied",
        "The policy wants a nonce and the Relying Party gave none: pass the one that the enclave was challenged with.",
    )
    FRESHNESS_NONCE_MISSING = (
        "freshness.nonce-missing",
        "The document carries no nonce: pass the verifier's nonce to the module's Attestation request.",
    )
    FRESHNESS_NONCE_MISMATCH = (
        "freshness.nonce-mismatch",
        "Replayed, or mixed up with another request's: send the document that was made over this nonce.",
    )
    FRESHNESS_NONCE_UNKNOWN = (
        "freshness.nonce-unknown",
        "This verifier did not issue that nonce for this policy, or its key is gone: fetch one from POST /v1/nonces.",
    )
    FRESHNESS_NONCE_EXPIRED = (
        "freshness.nonce-expired",
        "The nonce's time to live is over: fetch a new one and attest again.",
    )
    FRESHNESS_NONCE_REPLAYED = (
        "freshness.nonce-replayed",
        "An affirmed verification used this nonce up: fetch a new one and attest again.",
    )
    FRESHNESS_NONCE_IN_FUTURE = (
        "freshness.nonce-in-future",
        "The nonce was issued by a replica whose clock is ahead of this one's by more than clock_skew.",
    )
    FRESHNESS_DOCUMENT_PREDATES_NONCE = (
        "freshness.document-predates-nonce",
        "The module signed the document before the nonce was issued: check this verifier's clock.",
    )

    MEASUREMENT_NO_POLICY = (
        "measurement.no-policy",
        "Nothing says which builds are trusted: name a policy.",
    )
    MEASUREMENT_DEBUG_MODE = (
        "measurement.debug-mode",
        "The enclave runs with --debug-mode, so its parent can read its console: restart it without.",
    )
    MEASUREMENT_UNMEASURED = (
        "measurement.unmeasured",
        "PCR0, PCR1 or PCR2 is zero or absent, so the document does not say what runs.",
    )
    MEASUREMENT_BUILD_DENIED = (
        "measurement.build-denied",
        "The policy revokes this build: deploy a newer one.",
    )
    MEASUREMENT_PCR_MISMATCH = (
        "measurement.pcr-mismatch",
        "The image was rebuilt: add its measurements to the policy, or redeploy the build the policy names.",
    )
    MEASUREMENT_PCR_ABSENT = (
        "measurement.pcr-absent",
        "The policy names a PCR that the document does not carry: lock it in the enclave, or drop it from the policy.",
    )
    MEASUREMENT_BUILD_EXPIRED = (
        "measurement.build-expired",
        "The build matches, but its not_after in the policy has passed: deploy a newer build or extend the window.",
    )
    MEASUREMENT_BUILD_NOT_YET_VALID = (
        "measurement.build-not-yet-valid",
        "The build matches, but its not_before in the policy lies ahead.",
    )
    MEASUREMENT_ROLE_MISMATCH = (
        "measurement.role-mismatch",
        "PCR3 is of another IAM role: check the instance's role ARN (not the instance profile's).",
    )
    MEASUREMENT_INSTANCE_MISMATCH = (
        "measurement.instance-mismatch",
        "PCR4 is of another EC2 instance than the policy names.",
    )
    MEASUREMENT_SIGNER_MISMATCH = (
        "measurement.signer-mismatch",
        "PCR8 is of another signing certificate, or the image is not signed.",
    )

    BINDING_PUBLIC_KEY_ABSENT = (
        "binding.public-key-absent",
        "The policy wants a public key in the document: pass public_key to the module's Attestation request.",
    )
    BINDING_PUBLIC_KEY_UNACCEPTABLE = (
        "binding.public-key-unacceptable",
        "The document's public key is not of a kind or size the policy accepts; keys are read as DER SPKI.",
    )
    BINDING_USER_DATA_ABSENT = (
        "binding.user-data-absent",
        "The policy wants user_data in the document: pass it to the module's Attestation request.",
    )
    BINDING_USER_DATA_MISMATCH = (
        "binding.user-data-mismatch",
        "The document's user_data is none of those the policy names.",
    )


class Rejection(Exception):  # noqa: N818 - a verdict on evidence, not an error of ours
    """Evidence is not good: raised by a stage, turned into a ``Rejected`` value by the pipeline."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        """Refuse for ``reason``; ``detail`` is for people and never quotes unauthenticated evidence."""
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        """Say it in one line, for those who quote it in an error of their own."""
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class ConfigurationError(Exception):
    """Our own configuration is not good: every problem found is named, not only the first."""

    def __init__(self, *problems: str) -> None:
        """Carry one sentence for each problem."""
        super().__init__("; ".join(problems))
        self.problems = problems
