"""examples/relying-party/README.md: its commands run, against the service and an enclave."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from tests.service.harness import HOST, make_settings, running

ATTEST = f'attest() {{ "{sys.executable}" -m tests.service.attest "$1"; }}'
STOP = "trap 'kill %1' EXIT"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_its_commands_run(checkout: Path, tmp_path: Path) -> None:
    """Whoever copies one would get an error."""
    page = (checkout / "examples" / "relying-party" / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    script = "\n".join(["set -euo pipefail", ATTEST, STOP, *blocks])
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": f"{checkout}:{checkout / 'examples' / 'relying-party'}",
        "no_proxy": HOST,
    }
    settings = make_settings(tmp_path, issuer="https://verifier.example", ephemeral_signing_key=True)
    with running(settings) as service:
        result = subprocess.run(
            ["bash", "-c", script.replace(":8080", f":{service.port}").replace("8090", str(free_port()))],  # noqa: S607 - the shell that the page is written for
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert result.returncode == 0, result.stdout + result.stderr
    # The example's server shares the output, and says what it has to say when it ends.
    assert '{"hello": "v1", "policy": "payments"}' in result.stdout
