"""One browser and one service for each file of tests: starting them costs more than asking them."""

from collections.abc import Iterator

import pytest

from tests.browser.chromium import PROGRAMS, Page, chromium, find_chromium
from tests.conftest import CHECKOUT
from tests.service.harness import HOST, POLICIES, Running, make_settings, pki, policy_text, running

ROOT_SHA256 = "99a9e21c98ac36120d16deeeb42433dc3a07928cba251eb437ff5928c61624c2"
VECTORS = CHECKOUT / "vectors"
OF_VECTORS = ("strict", "several-builds", "known-fields")
STRANGE = "<img/src=x/onerror=hacked=1>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A headless Chromium, or skip."""
    program = find_chromium()
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(PROGRAMS)} is installed")
    with chromium(program, tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with the usual policies, one with a build of a strange name, and those of some vectors."""
    folder = tmp_path_factory.mktemp("service")
    policies = {
        **POLICIES,
        **{name: of_vectors(name) for name in OF_VECTORS},
        "strange": policy_text(nonce="none").replace("v1", STRANGE),
    }
    anchors = [
        {"name": "vectors", "file": str(VECTORS / "pki" / "throwaway-root.pem"), "sha256": ROOT_SHA256},
        {"name": "throwaway", "file": str(folder / "root.der"), "sha256": pki().root_sha256.hex()},
    ]
    with running(make_settings(folder, policies=policies, anchors=anchors)) as started:
        yield started


def of_vectors(name: str) -> str:
    """A policy of the vectors; their nonces are the caller's, and this service would ask for its own."""
    return 'nonce = "caller"\n' + (VECTORS / "policies" / f"{name}.toml").read_text()


@pytest.fixture
def page(browser: Page, service: Running) -> Page:
    """The inspector, with its policies loaded."""
    browser.screen(width=1100)
    browser.open(f"http://{HOST}:{service.port}/")
    browser.wait_for("document.querySelector('#policy').options.length")
    return browser
