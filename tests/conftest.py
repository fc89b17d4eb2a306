"""What all tests share: the material beside the checkout, and how hard Hypothesis looks.

`../shared` holds what is too large or too foreign for this repository, such as genuine AWS documents. A clone without
it skips the tests that need it and says so; with ``NITRO_REQUIRE_ALL=1``, as in CI, absence is a failure, so that a
check can not be lost unnoticed.
"""

import os
import signal
from collections.abc import Callable
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


def _shared(name: str) -> Path:
    path = CHECKOUT.parent / "shared" / name
    if path.exists():
        return path
    message = f"../shared/{name} is not beside this checkout"
    if REQUIRE_ALL:
        pytest.fail(f"{message}, and NITRO_REQUIRE_ALL=1 says that it must be", pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of this repository."""
    return CHECKOUT


@pytest.fixture(scope="session")
def require_shared() -> RequireShared:
    """Find a part of ``../shared`` by name, or skip; under ``NITRO_REQUIRE_ALL=1``, or fail."""
    return _shared


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder ``../shared`` itself, or skip or fail as `require_shared` does."""
    return _shared(".")
