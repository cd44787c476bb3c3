"""Draws the cost curves of `stations.py`, or the large pictures of `large.py`, as SVG.

Usage::

    python benchmarks/plot.py FIGURES.json FILE.svg

FIGURES.json is what `stations.py --curves --json` or `large.py --json` wrote.
"""

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

_COLORS = {
    "parse": "#2a78b5",
    "paint": "#d1495b",
    "encode machine": "#2e8b57",
    "encode human": "#8e5ea2",
}
_LARGE: dict[bool, dict[str, Any]] = {
    True: {"label": "both masks", "color": "#8e5ea2", "marker": "o", "markersize": 3.5},
    False: {"label": "machine mask", "color": "#2e8b57", "marker": "o", "markersize": 3.5},
}
_STYLE: dict[Any, Any] = {"svg.hashsalt": "savemasks", "svg.fonttype": "none", "font.size": 9}
_TITLES = {
    "size": "Size of the picture",
    "objects": "Objects on 2 megapixels",
    "vertices": "Vertices of ten polygons",
}


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("figures", type=Path, metavar="FIGURES.json")
    parser.add_argument("target", type=Path, metavar="FILE.svg")
    options = parser.parse_args()
    found = json.loads(options.figures.read_bytes())
    if "large" in found:
        draw_large(found["large"], options.target)
    else:
        draw(found["curves"], options.target)


def draw(curves: list[dict[str, Any]], target: Path) -> None:
    """Write a panel for each curve; the same figures give the same file."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, 3.9), layout="constrained", facecolor="white")
        panels = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
        for panel, curve in zip(panels, curves, strict=True):
            _draw_panel(panel, curve)
        every = [ms for curve in curves for point in curve["points"] for ms in point["ms"].values()]
        panels[0].set_ylim(min(every) / 2, 3 * max(every))
        panels[0].set_ylabel("milliseconds on one core")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
        figure.savefig(target, format="svg", metadata={"Date": None})


def draw_large(rows: list[dict[str, Any]], target: Path) -> None:
    """Write memory and rate against the size of the picture; those in memory are left out."""
    rows = [row for row in rows if "in memory" not in row["name"]]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 3.9), layout="constrained", facecolor="white")
        memory, rate = figure.subplots(1, 2)
        for both, workers in itertools.product((True, False), (1, 2)):
            chosen = [row for row in rows if (row["both"], row["workers"]) == (both, workers)]
            x = [row["megapixels"] for row in chosen]
            line = dict(_LARGE[both], linestyle="-" if workers == 1 else "--")
            line["label"] += f", {workers} worker{'s' * (workers - 1)}"
            memory.plot(x, [row["peak"] / 1e6 for row in chosen], **line)
            rate.plot(x, [row["rate"] for row in chosen], **line)
        memory.set(ylim=(0, 1.3 * max(row["peak"] for row in rows) / 1e6))
        memory.set_title("Peak memory in MB", fontsize=10)
        rate.set(yscale="log")
        rate.set_title("Megapixels a second", fontsize=10)
        rate.yaxis.set_major_formatter(_tick)
        for panel in (memory, rate):
            panel.set(xscale="log", xlabel="megapixels of the picture")
            panel.xaxis.set_major_formatter(_tick)
            _put_grid(panel)
        handles, labels = memory.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(target, format="svg", metadata={"Date": None})


def _put_grid(panel: Any) -> None:
    panel.grid(color="#e4e4e4", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.minorticks_off()


def _draw_panel(panel: Any, curve: dict[str, Any]) -> None:
    x = [point["x"] for point in curve["points"]]
    for station, color in _COLORS.items():
        y = [point["ms"][station] for point in curve["points"]]
        panel.plot(x, y, color=color, marker="o", markersize=3.5, linewidth=1.5, label=station)
    # Beside the costliest station, where it is costliest.
    top = 2 * max(curve["points"][-1]["ms"].values())
    straight = [top * at / x[-1] for at in x]
    panel.plot(x, straight, color="#888888", linestyle="--", linewidth=1, label="slope 1")
    panel.set(xscale="log", yscale="log", xlabel=curve["axis"])
    panel.set_title(_TITLES[curve["name"]], fontsize=10)
    _put_grid(panel)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter(_tick)


def _tick(value: float, _: int) -> str:
    return f"{value / 1e6:g}M" if value >= 1e6 else f"{value:,g}"


if __name__ == "__main__":
    main()
