"""The routes that do the work: appraise a document, explain one, issue a nonce. They translate and decide nothing."""

from __future__ import annotations

from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec
from aiohttp import hdrs

from verifier.ear.signing import signable
from verifier.explanation import explain
from verifier.history import time_of_verification
from verifier.pipeline import Undecided
from verifier.result import Affirmed, Verdict
from verifier.service.answers import NO_STORE, Answer, json_answer, token_answer
from verifier.service.bodies import OCTETS, read_nonce_request, read_verify_request
from verifier.service.edge import REQUEST_ID
from verifier.service.explanations import MEDIA_TYPE as EXPLANATION
from verifier.service.explanations import explanation_body
from verifier.service.forms import check_form, choose_form, sign
from verifier.service.messages import NonceBody
from verifier.service.negotiation import JSON, choose_media_type
from verifier.service.notation import write_bytes, write_time
from verifier.service.requests import WholeRequest
from verifier.service.state import milliseconds, moment
from verifier.service.uses import Use
from verifier.service.wire import result_body

if TYPE_CHECKING:
    from verifier.nonces import IssuedNonce
    from verifier.policy.shadows import ShadowOutcome
    from verifier.result import AttestationResult
    from verifier.service.requests import Request
    from verifier.service.state import Service

VERDICT_HEADER = "Attestation-Verdict"
HISTORICAL = "historical-"
"""Before the header's word, so that who compares it with "affirmed" never takes history for now."""


class Handlers:
    """The working routes of one service."""

    def __init__(self, service: Service) -> None:
        """Serve with ``service``."""
        self._service = service

    async def verify(self, request: Request) -> Answer:
        """``POST /v1/verify``: 200 only when affirmed."""
        service = self._service
        form, signer = choose_form(request, service.signer)
        document, wanted = await read_verify_request(request, service.intake)
        check_form(wanted, signed=signer is not None)
        policy = service.find_policy(wanted.policy)
        at, historical = service.time_of(document, wanted.at)
        started, request_id = perf_counter(), request[REQUEST_ID]
        result = service.verifier.appraise_up_to_use(
            document,
            policy,
            service.shadows.get(policy.name, ()),
            wanted.nonce,
            at,
            historical,
            service.metrics.stage_timer(),
        )
        if isinstance(result, Undecided):
            # Requests of the short way that came together are written together; one of the long way is by itself.
            is_first = await Use(result) if isinstance(request, WholeRequest) else service.uses.ask(result)
            result = result.decide(is_first_use=is_first)
        if signer is not None:
            result = signable(result)
        service.metrics.count_result(result, policy.name)
        self._log(result, request_id, perf_counter() - started)
        verdict = result.verdict
        status = HTTPStatus.OK if verdict is Verdict.AFFIRMED else wanted.reject_status
        if signer is None:
            answer = json_answer(result_body(result, request_id=request_id), status=status)
        else:
            answer = token_answer(sign(result, form, signer=signer, to=wanted.to), form, status=status)
        answer.headers[VERDICT_HEADER] = HISTORICAL + verdict if historical else verdict
        return answer

    async def explain(self, request: Request) -> Answer:
        """``POST /v1/explain``: 200 with every check and no verdict, whatever the document; no nonce is used up."""
        service = self._service
        media_type = choose_media_type(request, EXPLANATION, JSON)
        document, wanted = await read_verify_request(request, service.intake)
        check_form(wanted, signed=False)
        policy = service.find_policy(wanted.policy)
        now, request_id = service.now(), request[REQUEST_ID]
        explained = explain(
            service.verifier,
            document,
            policy=policy,
            nonce=wanted.nonce,
            at=now if wanted.at is None else time_of_verification(document, wanted.at, otherwise=now),
            historical=wanted.at is not None,
        )
        service.metrics.count_explanation(policy.name)
        failed, digest = [name.value for name in explained.failed], explained.evidence_sha256
        service.log.info(
            "explanation", request_id=request_id, failed=failed, policy=policy.name, evidence_sha256=digest
        )
        answer = json_answer(explanation_body(explained, request_id=request_id))
        answer.headers[hdrs.CONTENT_TYPE] = media_type
        return answer

    def _log(self, result: AttestationResult, request_id: str, seconds: float) -> None:
        """Write the one line of an appraisal; nothing in it was chosen by the client but a digest of what it sent."""
        claims = result.claims if isinstance(result, Affirmed) else result.unaffirmed_claims
        facts: dict[str, object] = {
            "request_id": request_id,
            "verdict": result.verdict,
            "historical": result.historical,
            "reasons": () if isinstance(result, Affirmed) else result.reasons,
            "policy": None if result.policy is None else result.policy.name,
            "evidence_sha256": result.evidence_sha256,
            "module_id": None if claims is None else claims.module_id,
            "duration_us": int(seconds * 1e6),
        }
        if result.shadows:
            facts["shadow"] = _brief(result.shadows)
        self._service.log.put("info", "appraisal", facts)

    async def issue_nonce(self, request: Request) -> Answer:
        """``POST /v1/nonces``: 201 with a nonce."""
        service = self._service
        media_type = choose_media_type(request, JSON, OCTETS)
        wanted = await read_nonce_request(request, service.intake)
        policy = "" if wanted.policy is msgspec.UNSET else service.find_policy(wanted.policy).name
        ttl = service.settings.nonce_ttl if wanted.ttl is msgspec.UNSET else wanted.ttl
        nonce = service.nonces.issue(at=milliseconds(service.now()), ttl=ttl, policy=policy)
        service.metrics.count_nonce_issued()
        if media_type == OCTETS:
            return Answer(
                body=nonce.value,
                status=HTTPStatus.CREATED,
                content_type=OCTETS,
                headers={hdrs.CACHE_CONTROL: NO_STORE},
            )
        return json_answer(_nonce_body(nonce), status=HTTPStatus.CREATED)


def _brief(shadows: tuple[ShadowOutcome, ...]) -> list[dict[str, str | None]]:
    return [{"policy": outcome.policy, "outcome": outcome.change.value, "build": outcome.build} for outcome in shadows]


def _nonce_body(nonce: IssuedNonce) -> NonceBody:
    return NonceBody(
        nonce=write_bytes(nonce.value),
        issued_at=write_time(moment(nonce.issued_at)),
        expires_at=write_time(moment(nonce.expires_at)),
    )
