"""Measures what the encoders that know masks and pages save against the general one.

Usage::

    python benchmarks/encoders.py PROJECT [--config FILE] [--images N] [--rounds N] [--json FILE]

Every item is painted and decoded once, in memory; then its masks are deflated both ways, turn by
turn on one core, each item's fastest round counts. The pixels of both ways are compared.
"""

import argparse
import io
import json
import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from savemasks.encode.choice import encode_human, encode_machine
from savemasks.encode.color import human_page, machine_mask
from savemasks.encode.general import encode_png
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.plan import Plan
from savemasks.line.warmup import warm_up
from savemasks.pictures.original import Original
from savemasks.projects.supervisely import Project, plan_datasets
from savemasks.scratch import Scratch

if TYPE_CHECKING:
    from benchmarks import tables
    from benchmarks.contest import pinned
else:
    import tables
    from contest import pinned

Encode = Callable[[], list[Any]]


class Task(NamedTuple):
    """One mask, and two ways to encode it."""

    kind: str
    chosen: Encode
    general: Encode


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("project", type=Path, metavar="PROJECT")
    add("--config", type=Path, help="settings [save_masks.json in the project]")
    add("--images", type=int, metavar="N", help="only the first ones")
    add("--rounds", type=int, default=5)
    add("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args()
    config = options.config or options.project / "save_masks.json"
    with pinned({max(os.sched_getaffinity(0))}):
        rows = measure(options.project, config, options.images, options.rounds)
    print(table(rows))
    if options.json:
        found = {"machine": tables.machine(), "encoders": rows}
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def measure(project: Path, config: Path, most: int | None, rounds: int) -> list[dict[str, Any]]:
    """Medians over the items, by kind of mask."""
    found: dict[str, list[tuple[float, float, int, int]]] = {}
    for task in islice(_tasks(project, config), most and 2 * most):
        chosen, general = ([b"".join(encode())] for encode in (task.chosen, task.general))
        if not np.array_equal(_decoded(chosen[0]), _decoded(general[0])):
            raise AssertionError(f"{task.kind}: the two ways make different pixels")
        times: tuple[list[float], list[float]] = ([], [])
        for number in range(rounds):
            ways = list(zip(times, (task.chosen, task.general), strict=True))
            for taken, encode in ways if number % 2 else reversed(ways):
                started = perf_counter()
                encode()
                taken.append(perf_counter() - started)
        sizes = len(chosen[0]), len(general[0])
        found.setdefault(task.kind, []).append((min(times[0]), min(times[1]), *sizes))
    return [
        {
            "mask": kind,
            "pictures": len(rows),
            "chosen_ms": 1000 * median(row[0] for row in rows),
            "general_ms": 1000 * median(row[1] for row in rows),
            "times": median(row[1] / row[0] for row in rows),
            "bytes": sum(row[2] for row in rows) / sum(row[3] for row in rows),
        }
        for kind, rows in found.items()
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    lines = [
        "| mask | pictures | chosen, ms | general, ms | faster | bytes |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['mask']} | {row['pictures']} | {row['chosen_ms']:.2f} | {row['general_ms']:.2f} |"
        f" {row['times']:.1f}x | {row['bytes']:.2f}x |"
        for row in rows
    ]
    return "\n".join(lines)


def _tasks(project: Path, config: Path) -> Iterator[Task]:
    """The masks of all items; each is void when the next one is asked for."""
    opened = Project.open(project)
    plan = Plan.of(SaveMasks.from_json(config), opened.templates)
    warm_up(plan)
    scratch = Scratch()
    for dataset in plan_datasets([opened]):
        for item in dataset.items():
            shapes = plan.parse(Path(item.annotation or "").read_bytes())
            labels, human_labels = plan.label_maps(shapes, scratch)
            if labels is not None:
                yield _machine(labels, plan, scratch)
            if human_labels is not None:
                image = Original(Path(item.image or "").read_bytes()).pixels()
                yield _human(image, human_labels, plan, scratch)


def _machine(labels: NDArray[Any], plan: Plan, scratch: Scratch) -> Task:
    palette = plan.palette_of("machine")
    return Task(
        "machine",
        lambda: encode_machine(labels, palette, scratch),
        lambda: encode_png(machine_mask(labels, palette, scratch), scratch),
    )


def _human(image: NDArray[np.uint8], labels: NDArray[Any], plan: Plan, scratch: Scratch) -> Task:
    palette = plan.palette_of("human")
    return Task(
        "human",
        lambda: encode_human(image, labels, palette, scratch),
        lambda: encode_png(human_page(image, labels, palette, scratch), scratch),
    )


def _decoded(png: bytes) -> NDArray[Any]:
    return np.asarray(Image.open(io.BytesIO(png)))


if __name__ == "__main__":
    main()
