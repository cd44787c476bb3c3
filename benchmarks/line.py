"""How long items take at each station of the line, with the bound of each beside it."""

import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pyvips

from savemasks.encode.color import human_page, machine_mask
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.budget import Budget
from savemasks.line.item import export_item
from savemasks.line.plan import Plan
from savemasks.line.sinks import Line as Stations
from savemasks.line.sinks import Sink
from savemasks.line.warmup import warm_up
from savemasks.projects.items import Item
from savemasks.projects.supervisely import Project, plan_datasets
from savemasks.scratch import Scratch
from savemasks.store.files import Store

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
        self.plan = Plan.of(layer, opened.templates)
        warm_up(self.plan)
        pyvips.cache_set_max(0)
        pyvips.concurrency_set(1)
        self._scratch, self._other_scratch = Scratch(), Scratch()
        self.pixels = 0

    def round(self, folder: Path) -> Iterator[tuple[Seconds, Seconds]]:
        """Export all items into a folder -> for each, seconds and bounds by station.

        An item's bounds are measured directly after it, so that both meet the same machine.
        """
        store = Store(folder / "out")
        sink = Sink(self.layer.settings, self.plan, store)
        line = Stations((sink,), Budget.of_worker(None, 1), self._scratch)
        again = folder / "again"
        again.mkdir(parents=True)
        self.pixels = 0
        for item in self.items:
            outcome = export_item(item, line)
            if outcome.error is not None:
                raise LineError(str(outcome.error)) from outcome.error
            self.pixels += outcome.pixels
            outputs = [(store.root / name).read_bytes() for name in outcome.outputs()]
            made = self._material(item, outputs, again)
            least = {s: bounds.seconds(work) for s, work in bounds.of_item(made).items()}
            yield {**outcome.seconds, COLOR: self._color(made)}, least

    def _material(self, item: Item, outputs: list[bytes], folder: Path) -> bounds.Material:
        """The item once more, with everything that is made of it on the way."""
        annotation = Path(item.annotation or "").read_bytes()
        image = Path(item.image or "").read_bytes()
        shapes = self.plan.parse(annotation)
        machine, human = self.plan.label_maps(shapes, self._other_scratch)
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
        machine, human = self.plan.machine_palette, self.plan.human_palette
        if made.machine is not None and machine is not None:
            machine_mask(made.machine, machine, self._other_scratch)
        if made.human is not None and made.pixels is not None and human is not None:
            human_page(made.pixels, made.human, human, self._other_scratch)
        return perf_counter() - started


def measure(name: str, line: Line, rounds: int, scratch: Path) -> dict[str, Any]:
    """Milliseconds per image by station, over rounds after one to warm up.

    `ms` is the median of the rounds. `lowest_ms` and `bound_ms` take every item's fastest round,
    so that they can be held against each other even on a machine that has other things to do.
    """
    measured = []
    for number in range(rounds + 1):
        folder = scratch / f"round-{number}"
        measured.append(list(line.round(folder)))
        shutil.rmtree(folder)
    counted = measured[1:]
    usual, lowest = _over_rounds([[seconds for seconds, _ in items] for items in counted])
    _, bound_ms = _over_rounds([[bound for _, bound in items] for items in counted])
    total = sum(ms for station, ms in usual.items() if station != COLOR)
    return {
        "name": name,
        "images": len(line.items),
        "megapixels": round(line.pixels / len(line.items) / 1e6, 3),
        "stations": {
            station: {
                "ms": round(usual[station], 4),
                "lowest_ms": round(lowest[station], 4),
                "bound_ms": round(bound_ms[station], 4) if station in bound_ms else None,
                "share": None if station == COLOR else round(usual[station] / total, 4),
            }
            for station in _order(usual)
        },
    }


def _over_rounds(rounds: list[list[Seconds]]) -> tuple[Seconds, Seconds]:
    """Milliseconds per image by station: the median round, and the fastest round of each item."""
    usual, lowest = {}, {}
    for station in dict.fromkeys(station for items in rounds for item in items for station in item):
        times = 1000 * np.array([[item.get(station, 0.0) for item in items] for items in rounds])
        usual[station] = float(np.median(np.mean(times, axis=1)))
        lowest[station] = float(np.mean(np.min(times, axis=0)))
    return usual, lowest


def _order(stations: Iterable[str]) -> list[str]:
    """Known stations as they follow each other, then any that are new, then colouring."""
    new = [station for station in stations if station not in STATIONS and station != COLOR]
    return [station for station in (*STATIONS, *new, COLOR) if station in stations]


def table(result: dict[str, Any]) -> str:
    """All stations of one project."""
    what = f"{result['images']} images of {result['megapixels']} megapixels"
    lines = [
        f"\n**{result['name']}** ({what})\n",
        "| station | ms per image | lowest | bound | times the bound | share |",
        "|---|---|---|---|---|---|",
    ]
    stations = result["stations"]
    counted = [entry for station, entry in stations.items() if station != COLOR]
    whole = {
        key: sum(entry[key] or 0 for entry in counted)
        for key in ("ms", "lowest_ms", "bound_ms", "share")
    }
    for station, entry in [*stations.items(), ("all", whole)]:
        bound, times = entry["bound_ms"], ""
        if bound:
            times, bound = f"{entry['lowest_ms'] / bound:.1f}", f"{bound:.3f}"
        share = "(within encode)" if entry["share"] is None else f"{entry['share']:.0%}"
        lines.append(
            f"| {station} | {entry['ms']:.3f} | {entry['lowest_ms']:.3f} | {bound or ''} | {times}"
            f" | {share} |"
        )
    return "\n".join(lines)


def _items(project: Project) -> Iterator[Item]:
    for dataset in plan_datasets([project]):
        yield from dataset.items()
