"""How long items take at each station of the line, with the bound of each beside it."""

import shutil
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pyvips

from savemasks.export import export_item
from savemasks.painter import Painter
from savemasks.project import Item, Project, plan_datasets
from savemasks.scratch import Scratch
from savemasks.settings import SaveMasks
from savemasks.store import Store

if TYPE_CHECKING:
    from benchmarks import bounds
else:
    import bounds

STATIONS = ("read", "parse", "decode", "paint", "encode", "write")
COLOR = "color"

Seconds = dict[str, float]


class LineError(Exception):
    """An item that could not be exported, so that there is nothing to measure."""


class Line:
    """One project's items, exported one after the other by this thread."""

    def __init__(self, project: Path, layer: SaveMasks, most: int | None = None) -> None:
        opened = Project.open(project)
        self.items = list(islice(_items(opened), most))
        if not self.items:
            raise LineError(f"{project}: has no images")
        self.layer = layer
        self.painter = Painter(layer, opened.templates)
        self.painter.warm_up()
        pyvips.cache_set_max(0)
        pyvips.concurrency_set(1)
        self._scratch, self._other_scratch = Scratch(), Scratch()
        self.pixels = 0

    def round(self, folder: Path) -> tuple[Seconds, Seconds]:
        """Export all items into a folder -> seconds and bounds by station.

        An item's bounds are measured directly after it, so that both meet the same machine.
        """
        times: Seconds = defaultdict(float)
        least: Seconds = defaultdict(float)
        store = Store(folder / "out")
        again = folder / "again"
        again.mkdir(parents=True)
        self.pixels = 0
        for item in self.items:
            outputs = self._export(item, store, times)
            made = self._material(item, outputs, again)
            times[COLOR] += self._color(made)
            for station, work in bounds.of_item(made).items():
                least[station] += bounds.seconds(work)
        return times, least

    def _export(self, item: Item, store: Store, times: Seconds) -> list[bytes]:
        """Export an item -> the files that it became."""
        outcome = export_item(item, self.layer.settings, self.painter, store, self._scratch)
        if outcome.error is not None:
            raise LineError(str(outcome.error)) from outcome.error
        for station, seconds in outcome.seconds.items():
            times[station] += seconds
        self.pixels += outcome.pixels
        return [(store.root / name).read_bytes() for name in outcome.outputs]

    def _material(self, item: Item, outputs: list[bytes], folder: Path) -> bounds.Material:
        """The item once more, with everything that is made of it on the way."""
        annotation = Path(item.annotation or "").read_bytes()
        image = Path(item.image or "").read_bytes()
        shapes = self.painter.parse(annotation)
        machine, human = self.painter.labels(shapes, self._other_scratch)
        pixels = None
        if human is not None:
            found = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
            if found is None:
                raise LineError(f"{item.image}: OpenCV cannot decode it, so there is no bound")
            pixels = np.asarray(found, np.uint8)
        settings = self.layer.settings
        needed = item.image if settings.images or settings.masks_human else None
        paths = [path for path in (item.annotation, needed) if path]
        return bounds.Material(paths, annotation, image, machine, human, pixels, outputs, folder)

    def _color(self, made: bounds.Material) -> float:
        """Seconds for colouring into pixels, which the line itself does while it encodes."""
        started = perf_counter()
        if made.machine is not None:
            self.painter.machine(made.machine, self._other_scratch)
        if made.human is not None and made.pixels is not None:
            self.painter.human(made.human, made.pixels, self._other_scratch)
        return perf_counter() - started


def measure(name: str, line: Line, rounds: int, scratch: Path) -> dict[str, Any]:
    """Medians over rounds, after one to warm up, in milliseconds per image."""
    times: dict[str, list[float]] = defaultdict(list)
    least: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds + 1):
        folder = scratch / f"round-{number}"
        for lists, seconds in zip((times, least), line.round(folder), strict=True):
            for station, value in seconds.items():
                if number:
                    lists[station].append(1000 * value / len(line.items))
        shutil.rmtree(folder)
    stations = {s: _entry(times[s], least.get(s)) for s in _order(times)}
    total = sum(entry["ms"] for station, entry in stations.items() if station != COLOR)
    for station, entry in stations.items():
        entry["share"] = None if station == COLOR else round(entry["ms"] / total, 4)
    return {
        "name": name,
        "images": len(line.items),
        "megapixels": round(line.pixels / len(line.items) / 1e6, 3),
        "stations": stations,
        "total_ms": round(total, 4),
        "total_bound_ms": round(
            sum(e["bound_ms"] or 0 for s, e in stations.items() if s != COLOR), 4
        ),
    }


def _order(times: dict[str, list[float]]) -> list[str]:
    """Known stations as they follow each other, then any that are new, then colouring."""
    new = [station for station in times if station not in STATIONS and station != COLOR]
    return [station for station in (*STATIONS, *new, COLOR) if station in times]


def _entry(times: list[float], least: list[float] | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"ms": round(median(times), 4), "bound_ms": None, "times_bound": None}
    entry["range_ms"] = [round(min(times), 4), round(max(times), 4)]
    if least:
        entry["bound_ms"] = round(median(least), 4)
        entry["times_bound"] = round(median(times) / median(least), 2)
    return entry


def table(result: dict[str, Any]) -> str:
    """All stations of one project."""
    what = f"{result['images']} images of {result['megapixels']} megapixels"
    lines = [
        f"\n**{result['name']}** ({what})\n",
        "| station | ms per image | lowest to highest | bound, ms | times the bound | share |",
        "|---|---|---|---|---|---|",
    ]
    for station, entry in result["stations"].items():
        low, high = entry["range_ms"]
        bound = "" if entry["bound_ms"] is None else f"{entry['bound_ms']:.3f}"
        times = "" if entry["times_bound"] is None else f"{entry['times_bound']:.1f}"
        share = "(within encode)" if entry["share"] is None else f"{entry['share']:.0%}"
        lines.append(
            f"| {station} | {entry['ms']:.3f} | {low:.3f} to {high:.3f} | {bound} | {times}"
            f" | {share} |"
        )
    total, bound = result["total_ms"], result["total_bound_ms"]
    lines.append(f"| all | {total:.3f} | | {bound:.3f} | {total / bound:.1f} | 100% |")
    return "\n".join(lines)


def _items(project: Project) -> Iterator[Item]:
    for dataset in plan_datasets([project]):
        yield from dataset.items()
