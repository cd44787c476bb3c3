"""How the cost of each station grows with the picture, the objects and the vertices.

Three curves on data made from a seed; each changes one quantity and leaves the others:

size        pictures of 4:3 with 60 mixed objects, whose sizes grow with the picture
objects     mixed objects on one picture; those of a point are the first ones of the next
vertices    up to ten wavy polygons on one picture that share the vertices; when there are more
            vertices than pixels on the outlines, several fall on one pixel

An image is read from and written to memory only. The local slope is that of the curve between two
points on logarithmic axes: 1 is linear, 0 a constant cost, above 1 is worse than linear.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from savemasks.encode.choice import encode_human, encode_machine
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.plan import Plan
from savemasks.line.warmup import warm_up
from savemasks.scratch import Scratch

if TYPE_CHECKING:
    from benchmarks import data
else:
    import data

STATIONS = ("parse", "paint", "encode machine", "encode human")

Pixels = data.Pixels

_OBJECTS = 60
_POLYGONS = 10
_MOST = 20
_ENOUGH_SECONDS = 0.05


@dataclass(frozen=True)
class Ranges:
    """Where to measure: megapixels, numbers of objects, numbers of vertices.

    `canvas` is the size in pixels (width, height) of the picture for objects and vertices.
    """

    megapixels: tuple[float, ...] = (0.3, 1, 3, 10, 30, 100)
    objects: tuple[int, ...] = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
    vertices: tuple[int, ...] = (10, 100, 1000, 10_000, 100_000, 1_000_000)
    canvas: tuple[int, int] = (1920, 1080)


FULL = Ranges()
QUICK = Ranges((0.001, 0.002), (1, 3), (10, 100), (64, 48))

Point = tuple[float, bytes, Pixels]
"""Where on the axis, the annotation, and the picture in RGB."""


@dataclass(frozen=True)
class Curve:
    """What one curve is of, and how its points are made."""

    name: str
    axis: str
    points: Callable[[Ranges, int], Iterator[Point]]


def _by_size(ranges: Ranges, seed: int) -> Iterator[Point]:
    for megapixels in ranges.megapixels:
        height = round(math.sqrt(megapixels * 1e6 * 3 / 4))
        size = data.Size(1, height * 4 // 3, height, _OBJECTS)
        objects = _mixed(size, seed)
        yield size.width * height / 1e6, data.annotation(size, objects), _picture(size, seed)


def _by_objects(ranges: Ranges, seed: int) -> Iterator[Point]:
    size = data.Size(1, *ranges.canvas, max(ranges.objects))
    picture, objects = _picture(size, seed), _mixed(size, seed)
    for count in ranges.objects:
        yield count, data.annotation(size, objects[:count]), picture


def _by_vertices(ranges: Ranges, seed: int) -> Iterator[Point]:
    size = data.Size(1, *ranges.canvas, _POLYGONS)
    picture = _picture(size, seed)
    for vertices in ranges.vertices:
        rng = np.random.default_rng([seed, 1])
        polygons = min(_POLYGONS, vertices // 10)
        objects = [_polygon(rng, size, vertices // polygons) for _ in range(polygons)]
        yield vertices, data.annotation(size, objects), picture


CURVES = (
    Curve("size", "megapixels", _by_size),
    Curve("objects", "objects", _by_objects),
    Curve("vertices", "vertices", _by_vertices),
)


def _mixed(size: data.Size, seed: int) -> list[data.Object]:
    rng = np.random.default_rng([seed, 0])
    return [data.mixed_object(rng, size, number) for number in range(size.objects)]


def _polygon(rng: data.Random, size: data.Size, vertices: int) -> data.Object:
    at = rng.uniform((0.2, 0.2), (0.8, 0.8)) * (size.width, size.height)
    ring = data.outline(rng, size, at.astype(np.float32), size.height / 5, vertices)
    points = {"exterior": ring.tolist(), "interior": []}
    return {"classTitle": data.CLASSES[0], "geometryType": "polygon", "points": points}


def _picture(size: data.Size, seed: int) -> Pixels:
    """A photograph, repeated as often as it takes, but nowhere within the reach of deflate.

    Beside itself it stands a hundred rows lower.
    """
    tile = data.Size(1, min(size.width, 1920), min(size.height, 1440), 0)
    photograph = data.photograph(np.random.default_rng([seed, 2]), tile)
    down, across = -(-size.height // tile.height), -(-size.width // tile.width)
    columns = [np.roll(photograph, 100 * i, axis=0) for i in range(across)]
    whole = np.tile(np.concatenate(columns, axis=1), (down, 1, 1))
    return np.ascontiguousarray(whole[: size.height, : size.width])


def measure(ranges: Ranges, rounds: int, seed: int = 0) -> list[dict[str, Any]]:
    """All curves: per point the lowest milliseconds, and the slope from the point before.

    Every round goes over the whole curve, so that a slow spell of the machine bends none; it is
    the lowest times that make a smooth one.
    """
    plan = Plan.of(SaveMasks.from_json(data.save_masks()))
    warm_up(plan)
    curves = []
    for curve in CURVES:
        points = list(curve.points(ranges, seed))
        lowest = [dict.fromkeys(STATIONS, math.inf) for _ in points]
        for _ in range(rounds):
            for (_, annotation, picture), best in zip(points, lowest, strict=True):
                for station, seconds in _point(plan, annotation, picture).items():
                    best[station] = min(best[station], round(1000 * seconds, 5))
        found: list[dict[str, Any]] = [
            {"x": x, "ms": best} for (x, _, _), best in zip(points, lowest, strict=True)
        ]
        for before, point in pairwise(found):
            point["slope"] = {s: round(_slope(before, point, s), 3) for s in STATIONS}
        curves.append({"name": curve.name, "axis": curve.axis, "points": found})
    return curves


def _slope(one: dict[str, Any], other: dict[str, Any], station: str) -> float:
    rise = math.log(other["ms"][station] / one["ms"][station])
    return rise / math.log(other["x"] / one["x"])


def _point(plan: Plan, annotation: bytes, picture: Pixels) -> dict[str, float]:
    """Lowest seconds per station."""
    machine, human = plan.machine_palette, plan.human_palette
    assert machine is not None
    assert human is not None
    scratch = Scratch()
    shapes = plan.parse(annotation)
    labels, _ = plan.label_maps(shapes, scratch)
    assert labels is not None
    return {
        "parse": _seconds(lambda: plan.parse(annotation)),
        "paint": _seconds(lambda: plan.label_maps(shapes, scratch)),
        "encode machine": _seconds(lambda: encode_machine(labels, machine, scratch)),
        "encode human": _seconds(lambda: encode_human(picture, labels, human, scratch)),
    }


def _seconds(work: Callable[[], object]) -> float:
    """Lowest of some runs, the more the shorter they are, after one to warm up."""
    work()
    times: list[float] = []
    while not times or (sum(times) < _ENOUGH_SECONDS and len(times) < _MOST):
        started = perf_counter()
        work()
        times.append(perf_counter() - started)
    return min(times)


def table(curve: dict[str, Any]) -> str:
    """One curve; the slope from the point before is in brackets."""
    lines = [
        f"\n**Cost against {curve['name']}**, ms (local slope)\n",
        f"| {curve['axis']} | {' | '.join(STATIONS)} |",
        "|---|" + "---|" * len(STATIONS),
    ]
    for point in curve["points"]:
        cells = [f"{point['x']:,.4g}" if point["x"] < 1000 else f"{point['x']:,.0f}"]
        for station in STATIONS:
            slope = f" ({point['slope'][station]:.2f})" if "slope" in point else ""
            cells.append(f"{point['ms'][station]:.3g}{slope}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
