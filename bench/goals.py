"""What was wanted of speed, and whether ``bench/results.json`` says that it is so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALM = 0.05
"""Of the machine; where others had more, a goal that was missed says so."""
_ANSWERS = "answers, two / one"

Results = dict[str, Any]


def _times(found: Results, beginning: str, mode: str) -> float:
    (row,) = (row for name, row in found["peers"]["peers"].items() if name.startswith(beginning))
    return float(row[f"times {mode}"]["middle"])


def _half(found: Results) -> dict[str, float]:
    half: dict[str, float] = next(one for one in found["latency"]["series"] if one["share"] == 0.5)  # noqa: PLR2004 - half
    return half


def _guarded(found: Results, body: str) -> float:
    return float(found["http"][f"{body}, single use"]["in V"])


def _worst(found: Results, step: str) -> float:
    return max(float(ratio) for ratio in found[step]["worst"].values())


def _surely_grown(found: Results) -> float:
    """Give the least that memory grew in the second half, in MB, by its slope's 95 % interval."""
    one = found["soak"]["slope"]
    return float((one["MB per hour"] - one["half width"]) * found["soak"]["seconds"] / 2 / 3600)


def _slower(found: Results) -> float:
    return float(found["soak"]["p99"]["surely grown"])


def _dearer(found: Results) -> float:
    one = found["soak"]["cost"]
    return float(one["last third"] / one["first third"])


def _was_calm(found: Results, step: str) -> bool:
    """Tell whether the machine was the service's, as far as that can be seen."""
    return bool(found[step]["run"]["others"] <= CALM and found[step].get("judged", True))


def _growth(found: Results) -> float:
    return max(float(one["middle"]) for one in found["scaling"]["ratios"].values())


GOALS: tuple[tuple[str, str, Callable[[Results], float], str, float], ...] = (
    ("V / known enclave, library", "verify", lambda found: found["verify"]["aws-lc"]["warm"]["ratio"], ">=", 0.88),
    ("2 V / new leaf, library", "verify", lambda found: found["verify"]["aws-lc"]["new leaf"]["ratio"], ">=", 0.82),
    ("5 V / cold, library", "verify", lambda found: found["verify"]["aws-lc"]["cold"]["ratio"], ">=", 0.70),
    ("naive verifier / ours, cold", "peers", lambda found: _times(found, "naive", "cold"), ">=", 5.0),
    ("naive verifier / ours, known enclave", "peers", lambda found: _times(found, "naive", "warm"), ">=", 30.0),
    ("evervault / ours, cold", "peers", lambda found: _times(found, "evervault", "cold"), ">=", 2.8),
    ("evervault / ours, known enclave", "peers", lambda found: _times(found, "evervault", "warm"), ">=", 16.0),
    ("epsilon / ours, cold", "peers", lambda found: _times(found, "epsilon", "cold"), ">=", 2.6),
    ("epsilon / ours, known enclave", "peers", lambda found: _times(found, "epsilon", "warm"), ">=", 15.0),
    ("service, binary body, in V", "http", lambda found: found["http"]["binary"]["in V"], "<=", 1.70),
    ("service, JSON body, in V", "http", lambda found: found["http"]["JSON"]["in V"], "<=", 1.95),
    ("service, binary body, nonce counted once, in V", "http", lambda found: _guarded(found, "binary"), "<=", 1.70),
    ("service, JSON body, nonce counted once, in V", "http", lambda found: _guarded(found, "JSON"), "<=", 1.95),
    ("p50 at half of saturation, ms", "latency", lambda found: _half(found)["p50"], "<=", 1.0),
    ("answers of two workers / of one", "throughput", lambda found: found["throughput"][_ANSWERS]["middle"], ">=", 1.6),
    ("memory of a worker, MB", "workers", lambda found: found["workers"]["RSS MB"], "<=", 75.0),
    ("start to ready, s", "workers", lambda found: found["workers"]["start to ready s"], "<=", 0.5),
    ("memory grown in half the time near saturation, MB", "soak", _surely_grown, "<=", 1.0),
    ("p99 near saturation, in the end / at first, at least", "soak", _slower, "<=", 1.5),
    ("an answer near saturation, last third / first third", "soak", _dearer, "<=", 1.05),
    ("worst input, in honest cold documents", "hostile", lambda found: _worst(found, "hostile"), "<=", 3.0),
    ("worst request, in honest cold ones", "hostile-http", lambda found: _worst(found, "hostile-http"), "<=", 3.0),
    ("most that a request grows with what is held", "scaling", _growth, "<=", 1.15),
)


def goals(found: Results) -> Iterator[list[str]]:
    """Give each goal's name, what was wanted and measured, and whether that is enough."""
    for name, step, figure, relation, wanted in GOALS:
        if step not in found:
            yield [name, f"{relation} {wanted:g}", "", "not measured"]
            continue
        value = figure(found)
        enough = value >= wanted if relation == ">=" else value <= wanted
        missed = "**no**" if _was_calm(found, step) else "no, on a busy machine"
        yield [name, f"{relation} {wanted:g}", f"{value:.2f}", "yes" if enough else missed]
