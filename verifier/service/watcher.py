"""Looks after what can be reloaded, for as long as the service runs, and says what became of each change.

A new version is read and checked in a thread and put in force in the event loop, by exchanging one reference between
two requests. Whatever is wrong with it, what was in force stays. The log names files and digests and says nothing of
what is in them; ``nitro-verifier policy lint`` does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, assert_never

from verifier.service.logs import log_failure
from verifier.service.reload import Failed, Loaded, Unchanged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.service.reload import Reloadable, Watch
    from verifier.service.reload_status import Outcome
    from verifier.service.state import Service

LOOK_AGAIN_S = 0.1
MOST_LOOKS = 20
"""When told to look while files are being written."""

_OUTCOMES: dict[type, Outcome] = {Loaded: "loaded", Failed: "failed", Unchanged: "unchanged"}


class Watcher:
    """Looks at everything that ``service`` can exchange, every so often and whenever it is told to."""

    def __init__(self, service: Service, watches: Sequence[Watch[Any]]) -> None:
        """Watch for ``service``, which was made just now."""
        self._service = service
        self._watches = watches
        self._every = service.settings.reload_interval or None
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Look now, and read everything whether or not it seems to have changed."""
        self._asked.set()

    async def watch_forever(self) -> None:
        """Watch until cancelled."""
        while True:
            force = await self._wait()
            for watch in self._watches:
                await self._look(watch, force=force)

    async def _wait(self) -> bool:
        """Wait for the next look; tell whether it was asked for."""
        try:
            async with asyncio.timeout(self._every):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    async def _look(self, watch: Watch[Any], *, force: bool) -> None:
        try:
            outcome = await self._insist(watch) if force else await asyncio.to_thread(watch.look)
        except Exception as error:  # noqa: BLE001 - else nobody would watch any more, and nobody would know
            self._service.metrics.bugs.inc()
            log_failure(self._service.log, "bug", error, item=watch.item.name)
        else:
            self._act(watch.item, outcome, force=force)

    async def _insist(self, watch: Watch[Any]) -> Loaded[Any] | Failed | Unchanged:
        """Look until there is something to tell whoever asked."""
        for _ in range(MOST_LOOKS):
            outcome = await asyncio.to_thread(watch.look, force=True)
            if outcome is not None:
                return outcome
            await asyncio.sleep(LOOK_AGAIN_S)
        return Failed(problems=1, files={})  # somebody does not stop writing

    def _act(self, item: Reloadable[Any], outcome: Loaded[Any] | Failed | Unchanged | None, *, force: bool) -> None:
        status, log = self._service.reloads[item.name], self._service.log
        match outcome:
            case None:
                return
            case Loaded():
                difference = item.difference(item.live(), outcome.value)
                item.swap(outcome.value)
                status.live, status.since, status.last_reload = item.label(outcome.value), self._service.now(), "ok"
                for warning in outcome.warnings:
                    log.warning("configuration", detail=warning)
                log.info("reloaded", item=item.name, **difference)
            case Failed():
                status.last_reload = "failed"
                log.error(
                    "reload-failed", item=item.name, live=status.live, problems=outcome.problems, files=outcome.files
                )
            case Unchanged() if force or status.last_reload == "failed":  # asked for, or taken back
                status.last_reload = "ok"
                log.info("reload-unchanged", item=item.name, live=status.live)
            case Unchanged():
                return
            case _:
                assert_never(outcome)
        self._service.reload_metrics.count(item.name, _OUTCOMES[type(outcome)], status)
