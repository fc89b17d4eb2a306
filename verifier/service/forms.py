"""The forms of a result at the edge: JSON always, and signed where there is who signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.ear.legacy import LEGACY_PROFILE
from verifier.ear.schema import PROFILE
from verifier.ear.signing import NOBODY, Profile, sign_cwt, sign_jwt
from verifier.service.negotiation import JSON, choose_media_type
from verifier.service.problems import ProblemError, ProblemType

if TYPE_CHECKING:
    from verifier.ear.signing import Addressee
    from verifier.result import AttestationResult
    from verifier.service.bodies import Wishes
    from verifier.service.requests import Request
    from verifier.service.signing import Signer

JWT = f'application/eat+jwt; eat_profile="{PROFILE}"'
CWT = f'application/eat+cwt; eat_profile="{PROFILE}"'
LEGACY_JWT = f'application/eat+jwt; eat_profile="{LEGACY_PROFILE}"'
SIGNED = (JWT, CWT, LEGACY_JWT)
"""The forms that are signed; ours first where the client does not care."""


def choose_form(request: Request, signer: Signer | None) -> tuple[str, Signer | None]:
    """Choose the form of a result by the request's Accept; a form that is signed comes with who signs it.

    Raises:
        ProblemError: nothing acceptable is made, here or at all.
    """
    if signer is not None:
        form = choose_media_type(request, JSON, *SIGNED)
        return form, None if form == JSON else signer
    try:
        return choose_media_type(request, JSON), None
    except ProblemError:
        choose_media_type(request, *SIGNED)
        raise ProblemError(
            ProblemType.SIGNING_NOT_CONFIGURED, f"this service has no signing key; offered here: {JSON}"
        ) from None


def check_form(wanted: Wishes, *, signed: bool) -> None:
    """Refuse wishes that the chosen form cannot fulfil, before anything is appraised and any nonce used up.

    Raises:
        ProblemError: a signed result as of another time, or an unsigned one for somebody.
    """
    if signed and wanted.at is not None:
        raise ProblemError(
            ProblemType.NOT_ACCEPTABLE, f"at: a verdict as of another time is never signed; offered here: {JSON}"
        )
    if not signed and wanted.to is not NOBODY:
        raise ProblemError(
            ProblemType.MALFORMED_REQUEST,
            "result_audience and result_nonce are of signed results: ask for one with Accept: application/eat+jwt",
        )


def sign(result: AttestationResult, form: str, *, signer: Signer, to: Addressee) -> bytes:
    """Sign a result in one of the forms ``SIGNED``."""
    issuer, key = signer.issuer, signer.keys.current
    if form == CWT:
        return sign_cwt(result, issuer=issuer, key=key, to=to)
    profile = Profile.LEGACY if form == LEGACY_JWT else Profile.EAR
    return sign_jwt(result, issuer=issuer, key=key, to=to, profile=profile).encode("ascii")
