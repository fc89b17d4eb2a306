"""Check what the documents say against the tree: links, indexes, make targets, reason codes.

Run as ``python tests/check_docs.py``; it prints every mistake and exits 1 if there is one.
"""

import re
import subprocess
import sys
from pathlib import Path

from verifier.reasons import Reason

CHECKOUT = Path(__file__).resolve().parent.parent
REASONS_PAGE = "docs/reasons.md"

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *#*$", re.MULTILINE)
_MAKE = re.compile(r"(?:^|`)make ((?:[a-z][a-z0-9-]*)(?: [a-z][a-z0-9-]*)*)", re.MULTILINE)
_TARGET = re.compile(r"^([a-z][a-z0-9-]*):", re.MULTILINE)
_MACHINE = re.compile(r"/(?:root|home/[a-z]+|Users/[A-Za-z]+)/|file://")


def pages() -> list[Path]:
    """Every Markdown page that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    return [CHECKOUT / name for name in sorted(set(listed.splitlines())) if (CHECKOUT / name).exists()]


def anchors(text: str) -> set[str]:
    """The fragments that a page's headings can be linked by, as forges make them."""
    headings = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(_FENCE.sub("", text)))
    return {heading.replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Relative links to files or headings that are not there."""
    broken = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, fragment = link.partition("#")
        target = (page.parent / name) if name else page
        if not target.exists():
            broken.append(f"link to {link}: no such file")
        elif fragment and target.suffix == ".md" and fragment not in anchors(target.read_text()):
            broken.append(f"link to {link}: no such heading")
    return broken


def unknown_targets(page: Path, targets: set[str]) -> list[str]:
    """Commands that the Makefile does not have."""
    named = {name for names in _MAKE.findall(page.read_text()) for name in names.split()[:1]}
    return [f"make {name}: no such target" for name in sorted(named - targets)]


def machine_paths(page: Path) -> list[str]:
    """Paths that exist on the author's machine only."""
    return [f"names a path of one machine: {found}" for found in sorted(set(_MACHINE.findall(page.read_text())))]


def missing_reasons() -> list[str]:
    """Reasons without a heading of their own in the page that explains them, and headings without a reason."""
    page = CHECKOUT / REASONS_PAGE
    if not page.exists():
        return ["does not exist"]
    codes = {reason.value for reason in Reason}
    headings = {heading.strip("`") for heading in _HEADING.findall(page.read_text())}
    explained = {heading for heading in headings if re.fullmatch(r"[a-z]+\.[a-z0-9-]+", heading)}
    return [f"{code} is not explained" for code in sorted(codes - explained)] + [
        f"{code} is no reason" for code in sorted(explained - codes)
    ]


def unlisted_pages() -> list[str]:
    """Pages that no index leads to: the README has those of docs/, and the decisions have one of their own."""
    mistakes = []
    for index, folder in (("README.md", "docs"), ("docs/adr/README.md", "docs/adr")):
        linked = {(CHECKOUT / index).parent / link for link in _LINK.findall((CHECKOUT / index).read_text())}
        missing = sorted(page.name for page in (CHECKOUT / folder).glob("*.md") if page not in linked)
        mistakes += [f"{index}: no link to {folder}/{name}" for name in missing if name != "README.md"]
    return mistakes


def main() -> int:
    """Print every mistake; 1 if there is one."""
    targets = set(_TARGET.findall((CHECKOUT / "Makefile").read_text()))
    mistakes = [*(f"{REASONS_PAGE}: {mistake}" for mistake in missing_reasons()), *unlisted_pages()]
    for page in pages():
        found = broken_links(page) + unknown_targets(page, targets) + machine_paths(page)
        mistakes += [f"{page.relative_to(CHECKOUT)}: {mistake}" for mistake in found]
    sys.stdout.writelines(f"{mistake}\n" for mistake in mistakes)
    print(f"{len(pages())} pages checked, {len(mistakes)} mistakes")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
