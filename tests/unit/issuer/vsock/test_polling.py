import asyncio

from issuer.vsock.polling import _wake


def test_a_wait_that_was_given_up_is_not_woken() -> None:
    """A socket that becomes ready in the moment of a cancellation would stop the event loop with an error."""

    async def run() -> bool:
        ready = asyncio.get_running_loop().create_future()
        ready.cancel()
        _wake(ready)
        return ready.cancelled()

    assert asyncio.run(run())
