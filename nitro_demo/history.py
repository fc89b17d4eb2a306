"""Genuine documents of the past, where a collection of them lies beside the checkout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nitro_demo.service import DemoError

if TYPE_CHECKING:
    from nitro_demo.show import Show

GENUINE = Path(__file__).resolve().parent.parent.parent / "shared" / "real-documents"
"""Documents that AWS signed; too foreign for this repository, so a clone may lack them."""
_POLICY_TEXT = 'name = "historical"\nnonce = "none"\n\n[[build]]\nname = "as it was"\npcrs = {{ {pcrs} }}\n'


def verify_genuine(show: Show, folder: Path) -> None:
    """Verify one genuine document as of its own time and as of now, through the command line and AWS's root.

    Raises:
        DemoError: it was not affirmed as of its time, or not refused as of now.
    """
    document = _newest()
    if document is None:
        return
    show.step("A genuine document, as of its own time, under AWS's own root")
    claims = _command("inspect", str(document))["document"]
    policy = folder / "historical.toml"
    pcrs = ", ".join(f'{index} = "{claims["pcrs"][index]}"' for index in ("0", "1", "2"))
    policy.write_text(_POLICY_TEXT.format(pcrs=pcrs))
    then = _command("verify", str(document), "--policy", str(policy), "--at", "document")
    today = _command("verify", str(document), "--policy", str(policy))
    reasons = [reason["code"] for reason in today["reasons"]]
    if (then["verdict"], then["historical"], reasons) != ("affirmed", True, ["path.expired"]):
        raise DemoError(f"{document.name}: then {then['verdict']}, today {today['verdict']} for {reasons}")
    show.history(document.name, _words(then))


def _words(then: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(then["claims"]["module_id"]),
        f"affirmed as of {then['evaluated_at']} under {then['anchor']['name']}",
        "rejected as of now: path.expired",
        "The policy was written from the document itself: this shows its origin, not trust in its build.",
    )


def _newest() -> Path | None:
    """Find the newest document of an enclave that is not in debug mode; names begin with the date."""
    return max(GENUINE.glob("*_enc_*.cbor"), default=None)


def _command(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "verifier.cli", *arguments, "--json"]
    output = subprocess.run(command, check=False, capture_output=True).stdout  # noqa: S603 - our own command
    try:
        answer: dict[str, Any] = json.loads(output)
    except ValueError as error:
        raise DemoError(f"nitro-verifier {arguments[0]} printed no JSON") from error
    return answer
