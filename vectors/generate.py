"""Write the vectors, or check that they are what this code would write.

python -m vectors.generate            write everything
python -m vectors.generate --check    change nothing; name every file that differs and exit 1
python -m vectors.generate --list     print the id of every case
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from vectors.case import Case, PolicyCase, TextCase, dump
from vectors.families import all_cases
from vectors.pki import ANCHORS, fingerprint
from vectors.policies import POLICIES
from vectors.world import GOOD, GOOD_FULL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


HERE = Path(__file__).resolve().parent
GENERATED = ("cases", "evidence", "pki", "policies")
"""Folders that hold nothing but what is generated. `recorded` is input, `families` is code."""

_ID = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)+")
_FOLDERS = {Case: "cases", PolicyCase: "cases/policies", TextCase: "cases/base64"}


def build_files() -> dict[str, bytes]:
    """Make the content of every generated file, by its path within this folder."""
    cases = list(all_cases())
    _check_ids(case.id for case in cases)
    evidence = name_evidence(case for case in cases if isinstance(case, Case))
    fingerprints = {name: fingerprint(pem) for name, pem in ANCHORS.items()}
    files = {name: data for data, name in evidence.items() if not name.startswith("recorded/")}
    files |= {f"pki/{name}.pem": pem.encode() for name, pem in ANCHORS.items()}
    files |= {f"policies/{name}.toml": text.encode() for name, text in POLICIES.items()}
    for case in cases:
        path = f"{_FOLDERS[type(case)]}/{case.id}.json"
        if isinstance(case, Case):
            files[path] = dump(case.render(evidence, fingerprints))
        else:
            files[path] = dump(case.render())
        if isinstance(case, PolicyCase):
            files[str(case.render()["policy"])] = case.text.encode()
    return files


def name_evidence(cases: Iterable[Case]) -> dict[bytes, str]:
    """Name every document once: by what it is, by where it was recorded, or by the first case that uses it."""
    names = {GOOD: "evidence/good.cbor", GOOD_FULL: "evidence/good-full.cbor"}
    names |= {path.read_bytes(): f"recorded/{path.name}" for path in sorted((HERE / "recorded").glob("*.bin"))}
    for case in cases:
        names.setdefault(case.evidence, f"evidence/{case.id}.cbor")
        for at, step in enumerate(case.before, 1):
            names.setdefault(step.evidence, f"evidence/{case.id}.before-{at}.cbor")
    return names


def differences(files: dict[str, bytes]) -> list[str]:
    """Say which files on disk are missing, surplus or different."""
    found = {str(path.relative_to(HERE)) for path in _on_disk()}
    messages = [f"missing: {name}" for name in files.keys() - found]
    messages += [f"surplus: {name}" for name in found - files.keys()]
    messages += [f"differs: {name}" for name in files.keys() & found if (HERE / name).read_bytes() != files[name]]
    return sorted(messages)


def write(files: dict[str, bytes]) -> None:
    """Make the folders hold exactly these files."""
    for path in _on_disk():
        if str(path.relative_to(HERE)) not in files:
            path.unlink()
    for name, data in files.items():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m vectors.generate", description="Write the conformance vectors.")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="change nothing, fail if anything would change")
    action.add_argument("--list", action="store_true", help="print the ids")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(case.id for case in all_cases()))
        return 0
    files = build_files()
    if not options.check:
        write(files)
        print(f"{len(files)} files, {sum(map(len, files.values()))} bytes, sha256 {_digest(files)}")
        return 0
    messages = differences(files)
    print("\n".join(messages) or f"{len(files)} files are as generated")
    return 1 if messages else 0


def _check_ids(ids: Iterable[str]) -> None:
    counts = Counter(ids)
    wrong = [f"{id_} (twice)" for id_, count in counts.items() if count > 1]
    wrong += [f"{id_} (characters)" for id_ in counts if not _ID.fullmatch(id_)]
    if wrong:
        raise ValueError(f"case ids: {', '.join(wrong)}")


def _on_disk() -> list[Path]:
    return [path for folder in GENERATED for path in sorted((HERE / folder).rglob("*")) if path.is_file()]


def _digest(files: dict[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return whole.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
