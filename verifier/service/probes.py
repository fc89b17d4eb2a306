"""What those who run the service ask: does it live, is it ready, what has it counted.

These routes answer whatever ``Accept`` says and however busy the service is: a probe that is refused restarts a service
that works.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from prometheus_client.exposition import choose_encoder

from verifier.service.answers import NO_STORE, Answer, json_answer
from verifier.service.messages import Liveness, Readiness, ReloadBody
from verifier.service.notation import write_time
from verifier.service.problems import RETRY_AFTER_S

if TYPE_CHECKING:
    from verifier.service.reload_status import Status
    from verifier.service.state import Service


class Probes:
    """The operator's routes of one service."""

    def __init__(self, service: Service) -> None:
        """Tell of ``service``."""
        self._service = service

    async def live(self, _: web.Request) -> Answer:
        """``GET /livez``: the process answers."""
        return json_answer(Liveness(live=True))

    async def ready(self, _: web.Request) -> Answer:
        """``GET /readyz``: 200 when requests should be sent here, else 503; which check failed is in the body."""
        checks = self._service.checks()
        ready = all(checks.values())
        body = Readiness(
            ready=ready,
            checks={name: "ok" if passed else "failed" for name, passed in checks.items()},
            reloads={name: _reload(status) for name, status in self._service.reloads.items()},
        )
        answer = json_answer(body, status=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)
        if not ready:
            answer.headers[hdrs.RETRY_AFTER] = str(RETRY_AFTER_S)
        return answer

    async def metrics(self, request: web.Request) -> Answer:
        """``GET /metrics``: Prometheus' text or OpenMetrics, as asked."""
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        headers: dict[str, str] = {hdrs.CONTENT_TYPE: content_type, hdrs.CACHE_CONTROL: NO_STORE}
        return Answer(body=encode(self._service.metrics.exposed), headers=headers)


def _reload(status: Status) -> ReloadBody:
    return ReloadBody(live=status.live, since=write_time(status.since), last_reload=status.last_reload)
