"""The forwarder as a process of its own, under load: the measures of bench/forwarder.py, smaller.

The vsock's place is taken by a Unix socket; docs/vsock.md says what that does not prove.
"""

from collections.abc import Iterator

import pytest

from bench.forwarder import QUICK_IDLE_S, Bench, carry, crowd, forwarder, stuck


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """One forwarder for all of these, as one serves for months."""
    with forwarder() as running:
        yield running


def test_32_mebibytes_each_way_arrive_unchanged_in_little_memory(bench: Bench) -> None:
    """TLS would break off, or worse, what is not encrypted would arrive changed."""
    carry(bench, 32, back_too=True)
    assert bench.peak_kib() < 100 * 1024
    assert bench.settled(bench.idle_descriptors) == bench.idle_descriptors


def test_200_connections_at_once_each_get_their_own_bytes_and_leave_nothing_open(bench: Bench) -> None:
    """One enclave's answer would go to another, or the forwarder would stop after a thousand."""
    crowd(bench, 200)
    assert bench.settled(bench.idle_descriptors) == bench.idle_descriptors


def test_peers_that_stop_reading_hold_up_nobody_and_are_given_up() -> None:
    """One stuck client would stop KMS for all, for ever."""
    with forwarder(idle=QUICK_IDLE_S) as bench:
        seconds, held = stuck(bench, 20, 32)
        assert held > 20 * 64 * 1024
        assert seconds < 60
        assert bench.settled(bench.idle_descriptors) == bench.idle_descriptors
