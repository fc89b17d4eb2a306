"""One of several processes that serve: the service of a single process, at sockets that it inherits."""

from __future__ import annotations

import asyncio
import mmap
import os
import signal
import sys
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import uvloop
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from verifier.service.logs import bridge_library_logs, log_failure
from verifier.service.server import serve
from verifier.service.state import make_service

if TYPE_CHECKING:
    from verifier.service.listeners import Listener
    from verifier.service.pooled_metrics import Member
    from verifier.service.state import Service

HELD_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
"""Held back from the fork to the moment when a worker can act on them: it would lose them."""
BEAT_EVERY_S = 1.0
RETRY_AFTER_S = 1.0
"""A worker that cannot start takes this long to say so: it will be replaced at once."""


class ServiceWorker(Worker):  # type: ignore[misc]  # gunicorn has no types
    """A worker of gunicorn's that is all ours: nothing of its HTTP is used."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - gunicorn's signature
        """Be made in the parent, before the fork."""
        super().__init__(*arguments)
        self.place: int = self.app.place
        self.is_leaving = False
        self._ready = mmap.mmap(-1, 1)  # shared with the parent

    @property
    def is_ready(self) -> bool:
        """Whether it accepts connections."""
        return self._ready[0] == 1

    def init_process(self) -> None:
        """Serve until told to end."""
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        try:
            self._serve()
        except Exception as error:  # noqa: BLE001 - the edge of a process: the arbiter would print what was raised
            log_failure(self.app.log.bind(pid=os.getpid()), "worker-failed", error)
            if not self.is_ready and self.age <= self.cfg.workers:
                sys.exit(Arbiter.WORKER_BOOT_ERROR)  # which ends the arbiter: nothing would be better later
            time.sleep(RETRY_AFTER_S)
            sys.exit(1)

    def _serve(self) -> None:
        with (
            closing(make_service(self.app.settings, now=self.app.now)) as service,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            service.log = service.log.bind(pid=os.getpid())
            bridge_library_logs(service.log)
            runner.run(self._run(service))

    async def _run(self, service: Service) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in HELD_SIGNALS:
            loop.add_signal_handler(number, stop.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_SIGNALS)
        member = self.app.metrics.expose(service.metrics)
        beating = asyncio.create_task(self._beat(member, stop))
        try:
            await serve(service, self._listeners(), stop=stop, on_ready=partial(self._say_ready, service))
        finally:
            beating.cancel()
            member.show()  # what was counted since the last beat

    def _listeners(self) -> list[Listener]:
        """Keep the sockets to accept from: each has a worker, also where there are fewer or more of those."""
        shares = min(1 + max(each.queue or 0 for each in self.app.listeners), self.cfg.workers)
        mine = []
        for each in self.app.listeners:
            if each.queue is None or each.queue % shares == self.place % shares:
                mine.append(each)
            else:
                each.socket.close()  # or connections would queue there after its own worker has ended
        return mine

    async def _beat(self, member: Member, stop: asyncio.Event) -> None:
        """Tell the parent that we live, and end when it does not."""
        while True:
            self.notify()
            member.show()
            if os.getppid() != self.ppid:
                stop.set()
            await asyncio.sleep(BEAT_EVERY_S)

    def _say_ready(self, service: Service) -> None:
        self._ready[0] = 1
        service.log.info("serving")
