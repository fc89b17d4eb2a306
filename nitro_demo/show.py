"""How the demonstration talks: steps, panels, and the service's answers for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.console import Group
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.text import Text

from verifier.cli.display import BAD, DIM, GOOD, HEAD, WARN, facts, output
from verifier.cli.escapes import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nitro_demo.service import Answer


_MEASUREMENT = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{84}\b")


class Show:
    """Prints to stdout, in colour where there is a terminal."""

    def __init__(self) -> None:
        """Take stdout as it is now."""
        self._console = output()
        self._steps = 0

    def step(self, title: str) -> None:
        """Begin a step; they are counted here, because not every machine has something for each."""
        self._steps += 1
        self._console.print()
        self._console.print(Rule(Text(f"{self._steps}. {title}", style=HEAD), align="left", style=DIM))

    def say(self, line: str) -> None:
        """Say one line."""
        self._console.print(Text(plain(line)))

    def policy(self, text: str) -> None:
        """Show a policy file, its measurements cut short."""
        shown = Syntax(_MEASUREMENT.sub(r"\1...", text.strip()), "toml", background_color="default", word_wrap=True)
        title = Text("the policy, measurements cut short")
        self._console.print(Panel(shown, title=title, title_align="left", border_style=DIM))

    def answer(self, title: str, answer: Answer) -> None:
        """Show a result as the service answered it."""
        affirmed = answer.body.get("verdict") == "affirmed"
        style = GOOD if affirmed else BAD
        head = Text.assemble((str(answer.body.get("verdict")), style), (f"  {title}  HTTP {answer.status}", DIM))
        body = facts(_affirmed(answer.body)) if affirmed else Text("\n").join(_reasons(answer.body))
        self._console.print(Panel(body, title=head, title_align="left", border_style=style.rpartition(" ")[2]))

    def history(self, title: str, lines: Iterable[str]) -> None:
        """Show a verdict about the past, so that nobody takes it for one about now."""
        head = Text.assemble(("historical", f"bold {WARN}"), (f"  {title}", DIM))
        body = Text("\n").join(Text(plain(line)) for line in lines)
        self._console.print(Panel(body, title=head, title_align="left", border_style=WARN))

    def failed(self, problem: str) -> None:
        """Say that a step did not go as it should."""
        self._console.print(Panel(Group(Text(problem)), title=Text("the demo failed", style=BAD), border_style="red"))

    def finished(self) -> None:
        """Say that every step went as it should."""
        self._console.print()
        self._console.print(Text("Every step went as it should.", style=GOOD))


def _affirmed(body: dict[str, object]) -> Iterator[tuple[str, Text | str]]:
    policy, freshness, anchor, claims = (_table(body, name) for name in ("policy", "freshness", "anchor", "claims"))
    yield "build", plain(f"{body.get('build')} of policy {policy.get('name')}")
    age = f"{freshness.get('mode')}, {freshness.get('age_ms')} ms old, single use: {freshness.get('single_use')}"
    yield "freshness", plain(age)
    yield "anchor", plain(f"{anchor.get('name')}  sha256 {anchor.get('sha256')}")
    yield "module_id", plain(str(claims.get("module_id")))
    yield "timestamp", plain(str(claims.get("timestamp")))


def _table(body: dict[str, object], name: str) -> dict[str, object]:
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def _reasons(body: dict[str, object]) -> Iterator[Text]:
    reasons = body.get("reasons")
    for reason in reasons if isinstance(reasons, list) else ():
        yield Text.assemble(
            (plain(str(reason["code"])), HEAD),
            "\n",
            plain(str(reason["detail"])),
            (f"\n-> {plain(str(reason['hint']))}", DIM),
        )
