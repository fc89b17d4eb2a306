"""Two enclaves for the whole run: one from a signed image with a parent's role and id, one from the same without."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e_enclave.image import Parts, boot_ramdisk, write_image
from tests.e2e_enclave.machine import Enclave, Identity
from tests.e2e_enclave.payload import application_ramdisk
from tests.support.eif_writer import signer

ROLE_ARN = "arn:aws:iam::123456789012:role/Webserver"
INSTANCE_ID = "i-0123456789abcdef0"
MISHAP = re.compile(r"Traceback|panic|Oops|BUG:|e2e: no |has ended")
MODULE_ID = f"{INSTANCE_ID}-enc0123456789abcdef"


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark below."""
    config.addinivalue_line("markers", "last: ends what other tests need, and so comes after them")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the random order as it is, but for the tests that are marked."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(scope="session")
def tools() -> Path:
    """What get-tools.sh has made. Without it there is nothing to test, and that is a failure."""
    given = os.environ.get("E2E_ENCLAVE_TOOLS")
    if not given:
        pytest.fail("these tests boot an enclave and need its tools: run `make e2e-enclave`", pytrace=False)
    return Path(given)


@pytest.fixture(scope="session")
def images(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The image files, signed and not; pytest would keep those of three runs."""
    folder = tmp_path_factory.mktemp("images")
    application = application_ramdisk(folder)
    parts = Parts(kernel=(tools / "vmlinuz").read_bytes(), boot=boot_ramdisk(tools), application=application)
    found = {"signed": folder / "signed.eif", "plain": folder / "plain.eif"}
    found["signed"].write_bytes(write_image(parts, signer=signer()))
    found["plain"].write_bytes(write_image(parts))
    yield found
    for image in found.values():
        image.unlink()


@pytest.fixture(scope="session")
def measured(images: dict[str, Path]) -> dict[str, dict[int, bytes]]:
    """What `nitro-verifier measure` says of each image, with the parent's role and id."""
    found = {}
    for name, image in images.items():
        command = [sys.executable, "-m", "verifier.cli", "measure", str(image), "--json"]
        command += ["--role-arn", ROLE_ARN, "--instance-id", INSTANCE_ID]
        output = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
        found[name] = {int(index): bytes.fromhex(value) for index, value in json.loads(output)["pcrs"].items()}
    return found


@pytest.fixture(scope="session")
def enclaves(tools: Path, images: dict[str, Path]) -> Iterator[dict[str, Enclave]]:
    """Both enclaves, booting at the same time; in the end, neither console shows that anything went wrong unseen."""
    identities = {
        "signed": Identity(module_id=MODULE_ID, parent_role=ROLE_ARN, parent_id=INSTANCE_ID),
        "plain": Identity(module_id=MODULE_ID),
    }
    with ExitStack() as stack:
        found = {name: stack.enter_context(Enclave(tools, images[name], identities[name])) for name in images}
        yield found
        for enclave in found.values():
            assert MISHAP.search(enclave.console) is None, enclave.console


@pytest.fixture(scope="session")
def enclave(enclaves: dict[str, Enclave]) -> Enclave:
    """The enclave from the signed image. Locks last until it ends, so each test has PCRs of its own."""
    return enclaves["signed"].wait_until_ready()


@pytest.fixture(scope="session")
def plain_enclave(enclaves: dict[str, Enclave]) -> Enclave:
    """The enclave from the unsigned image, of which nothing is said of the parent."""
    return enclaves["plain"].wait_until_ready()
