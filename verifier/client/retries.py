"""Asking again where that is safe, within one time for all tries."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from verifier.client.errors import VerifierUnavailableError
from verifier.client.limits import Limits, pause_after

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_Value = TypeVar("_Value")


async def persist(ask: Callable[[float], Awaitable[_Value]], limits: Limits, *, repeatable: bool) -> _Value:
    """Ask, and again after a pause when nothing came; ``ask`` is told how many seconds are left.

    A question that is not ``repeatable`` is asked again only when it was certainly not acted upon.

    Raises:
        VerifierUnavailableError: of the last try.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + limits.total_s
    tried = 0
    while True:
        tried += 1
        try:
            return await ask(end - clock())
        except VerifierUnavailableError as error:
            pause = pause_after(tried, limits, retry_after=error.retry_after)
            if tried == limits.tries or not (repeatable or error.unheard) or clock() + pause >= end:
                raise
        await asyncio.sleep(pause)
