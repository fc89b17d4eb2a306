"""Why a token, or a set of keys, is not to be relied on."""

from __future__ import annotations

from enum import StrEnum


class EarErrorCode(StrEnum):
    """One stable code for each way in which a token is refused; closed, so that callers can be exhaustive."""

    TOO_LARGE = "token.too-large"
    MALFORMED = "token.malformed"
    """Not one JWS in compact form, nor one tagged COSE_Sign1; a JSON name or map key that occurs twice."""
    HEADER_UNEXPECTED = "token.header-unexpected"
    """A header parameter besides alg, kid and typ: crit, jku, jwk, x5c and the like are refused, not passed over."""
    TYPE_UNEXPECTED = "token.type-unexpected"
    """typ is not that of an EAT."""
    KEY_ID_MISSING = "token.key-id-missing"
    KEY_UNKNOWN = "token.key-unknown"
    """No key has this kid. The one code after which it is worth fetching the JWKS again."""
    ALGORITHM_MISMATCH = "token.algorithm-mismatch"
    """alg is not the one algorithm of the key that kid names; "none" and HMAC never are."""
    SIGNATURE_INVALID = "token.signature-invalid"
    CLAIM_MISSING = "token.claim-missing"
    CLAIM_INVALID = "token.claim-invalid"
    """A claim of the wrong type or out of bounds, or two claims that contradict each other."""
    PROFILE_UNEXPECTED = "token.profile-unexpected"
    """eat_profile is another than draft-04's; tokens with the older dotted names are refused here."""
    ISSUER_MISMATCH = "token.issuer-mismatch"
    AUDIENCE_MISMATCH = "token.audience-mismatch"
    POLICY_MISMATCH = "token.policy-mismatch"
    """The verdict is by another policy than the Relying Party's; said by the client."""
    NONCE_MISMATCH = "token.nonce-mismatch"
    EXPIRED = "token.expired"
    NOT_YET_VALID = "token.not-yet-valid"
    """nbf or iat lies in the future."""
    TOO_OLD = "token.too-old"
    """Issued longer ago than the Relying Party's own ``max_age``."""
    HISTORICAL = "token.historical"
    """A verdict about the past, which nothing may be admitted by."""
    NOT_AFFIRMED = "token.not-affirmed"
    """A good token, and a verdict that is not affirmed; only ``require_affirmed`` says this."""
    KEYS_INVALID = "keys.invalid"
    """The JWKS cannot be used: malformed, too large, no usable key, one key twice, or a private key in it."""


class EarError(Exception):
    """A token or a set of keys is refused; nothing in it may be used."""

    def __init__(self, code: EarErrorCode, detail: str = "") -> None:
        """Refuse with ``code``; ``detail`` is for people, may change, and quotes nothing of an unverified token."""
        super().__init__(f"{code.value}: {detail}" if detail else code.value)
        self.code = code
        self.detail = detail
