"""Measures every station of the line, and how far it is from what it cannot avoid.

Usage::

    python benchmarks/stations.py [PROJECT ...] [--config FILE] [--made photos|cells ...]
        [--masks both|machine ...] [--images N] [--curves] [--plot FILE.svg] [--start] [--cold]
        [--pair] [--rounds N] [--quick] [--scratch DIR] [--json FILE]

Projects are exported item after item in this process on one core, their settings are found as
`race.py` finds them. `--curves`, `--start` and `--pair` ask other questions; without any of them
and without projects, `data.py` makes some. What the bounds are and are not is said in `bounds.py`,
how to read the figures in README.md beside this file. Exit code 1 if an item cannot be exported.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savemasks.layers.save_masks import SaveMasks

if TYPE_CHECKING:
    from benchmarks import curves, data, line, pair, start, tables
    from benchmarks.contest import pinned
else:
    import curves
    import data
    import line
    import pair
    import start
    import tables
    from contest import pinned

_QUICK_SIZE = data.Size(images=1, width=64, height=48, objects=4)


def main() -> None:
    """Run the program."""
    options = _options()
    cores = sorted(os.sched_getaffinity(0))
    results: dict[str, Any] = {"machine": tables.machine(), "rounds": options.rounds}
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="stations-") as folder:
        with pinned({cores[-1]}):  # the last one is asked less often
            try:
                _measure(options, Path(folder), results)
            except line.LineError as error:
                print(f"error: {error}", file=sys.stderr)
                sys.exit(1)
        if options.pair:
            size, repeats = (_QUICK_SIZE, 1) if options.quick else (data.PHOTOS, 10)
            results["pair"] = pair.measure((cores[0], cores[-1]), options.rounds, size, repeats)
            print(pair.table(results["pair"]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    if options.plot:
        _draw(results["curves"], options.plot)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("projects", nargs="*", type=Path, metavar="PROJECT", help="folders of projects")
    add("--config", type=Path, help="settings for all projects [save_masks.json in each]")
    add("--made", nargs="+", choices=data.WRITERS, default=[], help="projects to make")
    add("--masks", nargs="+", choices=("both", "machine"), default=["both", "machine"])
    add("--images", type=int, metavar="N", help="only the first ones of every project")
    add("--curves", action="store_true", help="cost against size, objects and vertices")
    add("--plot", type=Path, metavar="FILE.svg", help="draw the curves (needs matplotlib)")
    add("--start", action="store_true", help="what fresh processes take")
    add("--cold", action="store_true", help="also with nothing compiled, which takes minutes")
    add("--pair", action="store_true", help="two processes on two cores against one")
    add("--rounds", type=int, default=5, help="after the warm-up [5]")
    add("--quick", action="store_true", help="tiny curves and pairs, to see that all works")
    add("--scratch", type=Path, help="where results are written [the temporary folder]")
    add("--json", type=Path, metavar="FILE", help="where to write all figures")
    options = parser.parse_args()
    options.curves |= options.plot is not None
    options.start |= options.cold
    if not (options.projects or options.made or options.curves or options.start or options.pair):
        options.made = list(data.WRITERS)
    if options.pair and len(os.sched_getaffinity(0)) < 2:
        parser.error("--pair: there is only one core")
    return options


def _measure(options: argparse.Namespace, scratch: Path, results: dict[str, Any]) -> None:
    """Everything that takes one core."""
    results["projects"] = []
    for name, project, layer in _jobs(options, scratch):
        items = line.Line(project, layer, options.images)
        results["projects"].append(line.measure(name, items, options.rounds, scratch))
        print(line.table(results["projects"][-1]), flush=True)
    if options.curves:
        ranges = curves.QUICK if options.quick else curves.FULL
        results["curves"] = curves.measure(ranges, options.rounds)
        for curve in results["curves"]:
            print(curves.table(curve), flush=True)
    if options.start:
        results["start"] = start.measure(options.rounds, scratch, cold=options.cold)
        print(start.table(results["start"]), flush=True)


def _jobs(options: argparse.Namespace, scratch: Path) -> Iterator[tuple[str, Path, SaveMasks]]:
    """Every project with every choice of masks: name, folder and settings."""
    projects = [project.resolve() for project in options.projects]
    for kind in options.made:
        write, size = data.WRITERS[kind]
        projects.append(scratch / f"made-{kind}")
        write(projects[-1], size)
    for project in projects:
        layer = json.loads((options.config or project / "save_masks.json").read_bytes())
        if isinstance(layer, list):
            (layer,) = layer
        for masks in options.masks:
            wanted = {"masks_machine": True, "masks_human": masks == "both"}
            own = {**layer, "settings": {**layer["settings"], **wanted}}
            yield f"{project.name}, {masks}", project, SaveMasks.from_json(own)


def _draw(measured: list[dict[str, Any]], target: Path) -> None:
    if TYPE_CHECKING:
        from benchmarks import plot
    else:
        import plot  # matplotlib is only needed here
    plot.draw(measured, target)


if __name__ == "__main__":
    main()
