"""A page of documentation as a program: its ``console`` blocks run in one shell, their outputs compared or written.

``python -m tests.e2e.walkthrough docs/getting-started.md`` writes the outputs into the page anew.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from issuer.nsm import build_pcrs

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PORTS_ON_PAPER = ("8080", "8443")
TIMEOUT_S = 120

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MEASUREMENT = re.compile(r"@@([a-z0-9-]+)\.([0-9]+)@@")
# What differs from one run to the next, in the order in which it is replaced.
_VARIABLE = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z"), "TIME"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"(-enc|^|[^0-9a-f])[0-9a-f]{16,}"), r"\1HEX"),
    (re.compile(r'(?<="nonce":")[\w-]+'), "NONCE"),
    (re.compile(r'(?<="nonce": ")[\w-]+'), "NONCE"),
    (re.compile(r'"request_id": "[^"]*"'), '"request_id": "ID"'),
    (re.compile(r'(?<="age_ms": )-?\d+'), "AGE"),
    (re.compile(r"-?\d+\.\d s old|\d+ s old"), "AGE"),
    (re.compile(r"\d+ (years|days|h|min|s) left"), "LEFT"),
    (re.compile(r"[━●─]{16}"), "BAR"),
    (re.compile(r"( [0-9a-f]{2}){4,} .*"), " DUMP"),
    (re.compile(r"\b\d{4} bytes"), "SIZE"),
    (re.compile(r"^\d{4,6}$", re.MULTILINE), "PID"),
)


@dataclass(frozen=True)
class Step:
    """One command with the output that stands below it."""

    command: str
    output: str


def read_page(text: str) -> list[Step]:
    """Take commands (``$``, continued by ``>``) and outputs off a page."""
    return [step for block in _BLOCK.findall(text) for step in _read_block(block)]


def _read_block(block: str) -> list[Step]:
    steps = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        end = next((at for at, line in enumerate(lines[1:], 1) if not re.match(r">( |$)", line)), len(lines))
        command = [lines[0], *(line[2:] for line in lines[1:end])]
        steps.append(Step(command="\n".join(command), output="\n".join(lines[end:])))
    return steps


def write_block(steps: list[Step]) -> str:
    """Write steps as a console block's content."""
    parts = [f"$ {step.command.replace(chr(10), chr(10) + '> ')}\n{step.output}".rstrip() for step in steps]
    return "\n".join(part.replace("\n> \n", "\n>\n") for part in parts) + "\n"


def run_steps(steps: list[Step], folder: Path) -> list[str]:
    """Run all commands in one shell in ``folder`` and give what each printed."""
    ports = {paper: str(_free_port()) for paper in PORTS_ON_PAPER}
    results = folder / ".walkthrough"
    results.mkdir()
    (folder / "vectors").symlink_to(CHECKOUT / "vectors")
    script = "".join(
        f"{{ {_replaced(step.command, ports)}\n}} > {results}/{at} 2>&1\n" for at, step in enumerate(steps)
    )
    environ = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(CHECKOUT),
        "COLUMNS": "80",
        "HOME": str(folder),
        "NITRO_VERIFIER_PORT": ports["8080"],
        "CHECKOUT": str(CHECKOUT),
    }
    bash = shutil.which("bash") or "/bin/bash"
    shell = subprocess.Popen([bash, "-c", script], cwd=folder, env=environ, start_new_session=True)
    try:
        shell.wait(TIMEOUT_S)
    finally:
        _end_group(shell.pid)
    outputs = [(results / str(at)).read_text() for at in range(len(steps))]
    on_paper = {port: paper for paper, port in ports.items()}
    return [_tidy(_replaced(output, on_paper)) for output in outputs]


def normalise(output: str) -> str:
    """Replace what differs from one run to the next."""
    for pattern, name in _VARIABLE:
        output = pattern.sub(name, output)
    return output


def fill_measurements(text: str) -> str:
    """Replace ``@@build.index@@`` by that make-believe build's PCR."""
    return _MEASUREMENT.sub(lambda match: build_pcrs(match[1])[int(match[2])].hex(), text)


def _replaced(text: str, words: dict[str, str]) -> str:
    for old, new in words.items():
        text = text.replace(old, new)
    return text


def _tidy(output: str) -> str:
    return "\n".join(line.rstrip() for line in output.splitlines())


def _end_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # all of it may have ended by itself
        os.killpg(group, signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Write the outputs of a page anew."""
    page = Path(sys.argv[1])
    text = fill_measurements(page.read_text())
    steps = read_page(text)
    with tempfile.TemporaryDirectory() as folder:
        outputs = iter(run_steps(steps, Path(folder)))
    page.write_text(
        _BLOCK.sub(
            lambda match: (
                "```console\n"
                + write_block([Step(command=step.command, output=next(outputs)) for step in _read_block(match[1])])
                + "```"
            ),
            text,
        )
    )


if __name__ == "__main__":
    main()
