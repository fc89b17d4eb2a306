"""Keys and policies change under load, and no client can tell: the short version of ``bench/reload.py``."""

from pathlib import Path

import pytest

from bench.reload import BROKEN, KEY_ROTATIONS, RELOADS, run


@pytest.mark.parametrize("workers", [1, 2])
def test_three_rotations_and_twenty_reloads_fail_no_request(tmp_path: Path, workers: int) -> None:
    """Each would cost somebody an error, or a verdict by half of a policy."""
    seen, figures = run(tmp_path, seconds=3, workers=workers)

    assert seen.wrong == []
    assert set(seen.statuses) == {200, 201}
    assert figures["reloads"] == {
        "policies": {"loaded": (RELOADS - len(BROKEN)) * workers, "failed": len(BROKEN) * workers, "unchanged": 0},
        "nonce-keys": {"loaded": KEY_ROTATIONS * workers, "failed": 0, "unchanged": 0},
        "signing-keys": {"loaded": KEY_ROTATIONS * workers, "failed": 0, "unchanged": 0},
    }
    assert seen.tokens > 0
    assert len(seen.digests) > 2
