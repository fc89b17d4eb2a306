"""What all tests share: the material beside the checkout, and how hard Hypothesis looks.

`../shared` holds what is too large or too foreign for this repository, such as genuine AWS documents. A clone without
it, or a machine without what a test needs, skips such tests and says so; with ``NITRO_REQUIRE_ALL=1``, as in CI, every
test that is skipped has failed, so that a check can not be lost unnoticed.
"""

import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

CHECKOUT = Path(__file__).resolve().parent.parent
REQUIRE_ALL = os.environ.get("NITRO_REQUIRE_ALL") == "1"

# A shell that starts the tests in the background has them ignore SIGINT, and so would each command that they interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

RequireShared = Callable[[str], Path]

# No profile has a deadline: on a shared machine it measures the neighbours. `dev` explores anew each time; `ci` derives
# its examples from the test, since a gate should judge the change and not the dice; `thorough` is for a long night.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=200, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=20_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Take a skipped test for a failed one where all must run."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"NITRO_REQUIRE_ALL=1, and this test was to be skipped: {report.longrepr}"
    return report


def _shared(name: str) -> Path:
    path = CHECKOUT.parent / "shared" / name
    if not path.exists():
        pytest.skip(f"../shared/{name} is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of this repository."""
    return CHECKOUT


@pytest.fixture(scope="session")
def require_shared() -> RequireShared:
    """Find a part of ``../shared`` by name, or skip."""
    return _shared


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder ``../shared`` itself, or skip as `require_shared` does."""
    return _shared(".")
