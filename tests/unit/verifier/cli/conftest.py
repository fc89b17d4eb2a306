"""A command line to call in this process, and an enclave with a policy and a root for it to judge."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from issuer.nsm import ThrowawayPki, build_pcrs
from tests.unit.verifier.cli.world import BUILD, NONCE, SEED, USER_DATA, Invoke, Outcome, World
from verifier.cli.entry import run


@pytest.fixture
def invoke() -> Invoke:
    """Run the command with these arguments; what it reads from stdin, and its environment, are given by name."""

    def call(*args: str | Path, stdin: bytes = b"", **env: str) -> Outcome:
        surroundings = {"COLUMNS": "100", "NO_COLOR": "1", **env}
        with CliRunner().isolation(input=stdin, env=surroundings) as (out, err, _):
            code = run([os.fspath(arg) for arg in args])
            sys.stdout.flush()
            sys.stderr.flush()
            return Outcome(code=code, stdout=out.getvalue(), stderr=err.getvalue().decode())

    return call


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Files as an operator has them."""
    pki = ThrowawayPki(seed=SEED)
    pcrs = ", ".join(f'{index} = "{value.hex()}"' for index, value in build_pcrs(BUILD).items())
    world = World(
        folder=tmp_path,
        pki=pki,
        document=tmp_path / "document.cbor",
        policy=tmp_path / "payments.toml",
        root=tmp_path / "Throwaway Root.pem",
    )
    world.policy.write_text(f'[[build]]\nname = "{BUILD}"\npcrs = {{ {pcrs} }}\n')
    world.root.write_text(pki.root_pem)
    world.document.write_bytes(world.nsm().attestation(nonce=NONCE, user_data=USER_DATA))
    return world


@pytest.fixture
def genuine_documents(require_shared: Callable[[str], Path]) -> list[Path]:
    """Documents of enclaves, signed by AWS."""
    return [path for path in require_shared("real-documents").glob("*.cbor") if "_tpm_" not in path.name]
