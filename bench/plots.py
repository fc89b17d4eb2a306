"""Plots of ``bench/results.json``: small, on a light card of their own, so that they can be read on dark pages too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import LogLocator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.figure import Figure

INK, OURS, OTHERS, WORST = "#24292f", "#0969da", "#8c959f", "#cf222e"
_STYLE: dict[Any, Any] = {  # matplotlib types its keys one by one
    "figure.facecolor": "#ffffff",
    "axes.facecolor": "#ffffff",
    "axes.edgecolor": OTHERS,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "grid.color": "#eaeef2",
    "axes.axisbelow": True,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
DPI = 110
_ROUND = (1, 2, 5, 10, 20, 50, 100)
"""Where a logarithmic axis has its marks."""


def draw(results: dict[str, Any], folder: Path) -> None:
    """Write one PNG for each plot whose figures are there."""
    mpl.use("agg")
    folder.mkdir(exist_ok=True)
    for name, (needs, plot) in PLOTS.items():
        if needs in results:
            with mpl.rc_context(_STYLE):
                figure = plot(results[needs])
                # Without a date and a version in it the same figures give the same file.
                figure.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": None})
                plt.close(figure)


def peers(found: dict[str, Any]) -> Figure:
    """Compare what verifiers take for one document."""
    rows = {
        name: row["times V"]["middle"] for name, row in found["peers"].items() if not row["failure"] and name != "V"
    }
    labels = {"warm": "nitro-verifier, known enclave", "cold": "nitro-verifier, nothing known"}
    figure, axes = plt.subplots(figsize=(7.2, 2.8))
    names = list(reversed(rows))
    bars = axes.barh(
        [labels.get(name, name) for name in names],
        [rows[name] for name in names],
        color=[OURS if name in labels else OTHERS for name in names],
    )
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.set_xscale("log")
    axes.set_xticks(_ROUND)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_xlim(1, max(rows.values()) * 1.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("processor time of one genuine document, in P-384 verifications (V)")
    return figure


def latency(found: dict[str, Any]) -> Figure:
    """Show latency by percentile, for each load."""
    figure, axes = plt.subplots(figsize=(7.2, 3.2))
    colours = {0.25: OTHERS, 0.5: OURS, 0.9: WORST}
    for one in found["series"]:
        beyond = [1 / (1 - share) for share, _ in one["curve"] if one["answers"] * (1 - share) >= 1]
        times = [value for _, value in one["curve"]][: len(beyond)]
        label = f"{one['name']}, {one['share']:.0%} of saturation ({one['rate']:.0f}/s)"
        style = "--" if "single use" in one["name"] else "-"
        axes.plot(beyond, times, style, color=colours[one["share"]], label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks([1, 2, 10, 100, 1000], ["0", "50", "90", "99", "99.9"])
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("percentile")
    axes.set_ylabel("ms, from when a request was due")
    axes.legend(frameon=False)
    return figure


def soak(found: dict[str, Any]) -> Figure:
    """Show memory and latency over the minutes near saturation."""
    minutes = [one[0] / 60 for one in found["segments"]]
    figure, (above, below) = plt.subplots(2, sharex=True, figsize=(7.2, 3.6))
    above.plot(minutes, [one[3] for one in found["segments"]], color=OURS)
    above.set_ylabel("memory, MB")
    above.set_ylim(0, 1.25 * max(one[3] for one in found["segments"]))
    below.plot(minutes, [one[2] for one in found["segments"]], color=WORST, label="p99")
    below.plot(minutes, [one[1] for one in found["segments"]], color=OURS, label="p50")
    below.set_yscale("log")
    below.minorticks_off()
    below.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
    below.yaxis.set_major_formatter("{x:g}")
    below.set_ylabel("latency, ms")
    below.set_xlabel(f"minutes at {found['rate']:.0f} requests a second")
    below.legend(frameon=False, ncols=2)
    return figure


PLOTS: dict[str, tuple[str, Callable[[dict[str, Any]], Figure]]] = {
    "peers": ("peers", peers),
    "latency": ("latency", latency),
    "soak": ("soak", soak),
}
