"""Projects whose objects overlap, and what all masks of them must be, by OpenCV and NumPy.

Every object is painted by itself; everything else is made of these.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
import pyvips
from numpy.typing import NDArray

import savemasks
from savemasks.layers.graph import Graph
from savemasks.results.report import Summary
from support.pixels import original
from support.projects import Json, Project
from support.strips import bitmap

Pixels: TypeAlias = NDArray[Any]
Make: TypeAlias = Callable[..., Path]
"""Exports the project with some settings -> folder of the data set."""

HEIGHT, WIDTH = 57, 83
CLASSES = {"kiwi": (200, 30, 30), "lemon": (250, 240, 9), "plum": (90, 0, 120), "fig": (1, 2, 3)}
BIT = (np.random.default_rng(1).random((20, 31)) < 0.6).astype(np.uint8) * 255


def polygon(title: str, *rings: Sequence[Sequence[int]], **more: object) -> Json:
    """A polygon and its holes."""
    points = {"exterior": rings[0], "interior": [*rings[1:]]}
    return {"classTitle": title, "geometryType": "polygon", "points": points, **more}


def rectangle(title: str, left: int, top: int, right: int, bottom: int) -> Json:
    points = {"exterior": [[left, top], [right, bottom]], "interior": []}
    return {"classTitle": title, "geometryType": "rectangle", "points": points}


THINGS: list[Json] = [
    polygon("kiwi", [[2, 3], [70, 5], [40, 50]], [[30, 10], [45, 12], [38, 30]], id=77),
    rectangle("lemon", 10, 8, 60, 30),
    polygon("kiwi", [[20, 20], [80, 22], [78, 54], [25, 50]], [[30, 28], [60, 30], [50, 40]]),
    {"classTitle": "plum", "geometryType": "line"}
    | {"points": {"exterior": [[0, 0], [82, 56], [5, 40]]}},
    rectangle("stranger", 1, 1, 70, 50),  # a class that nobody knows
    {"classTitle": "lemon", "geometryType": "bitmap", "id": "b"}
    | {"bitmap": {"origin": [44, 33], "data": bitmap(BIT)}},
    rectangle("kiwi", 66, 40, 80, 52),
    rectangle("plum", 67, 41, 70, 44),
    rectangle("plum", 67, 41, 71, 44),  # covers the one before
]
FEW: list[Json] = [rectangle("plum", 3, 4, 20, 30), rectangle("plum", 5, 6, 8, 8)]


class Whole(NamedTuple):
    """An object by itself."""

    number: int
    title: str
    mask: NDArray[np.bool_]


def whole_objects(things: Sequence[Json]) -> list[Whole]:
    """All objects of known classes, each whole, as OpenCV paints them."""
    found = []
    for number, thing in enumerate(things, start=1):
        if thing["classTitle"] in CLASSES:
            canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
            _PAINT[thing["geometryType"]](canvas, thing)
            found.append(Whole(number, thing["classTitle"], canvas != 0))
    return found


def _ring(points: object) -> NDArray[np.int32]:
    return np.array(points, np.int32).reshape(-1, 2)


def _polygon(canvas: Pixels, thing: Json) -> None:
    cv2.fillPoly(canvas, [_ring(thing["points"]["exterior"])], 1)
    cv2.fillPoly(canvas, [_ring(ring) for ring in thing["points"]["interior"]], 0)


def _rectangle(canvas: Pixels, thing: Json) -> None:
    first, second = thing["points"]["exterior"]
    cv2.rectangle(canvas, first, second, 1, cv2.FILLED)


def _line(canvas: Pixels, thing: Json) -> None:
    cv2.polylines(canvas, [_ring(thing["points"]["exterior"])], False, 1)


def _bitmap(canvas: Pixels, thing: Json) -> None:
    x, y = thing["bitmap"]["origin"]
    part = canvas[y : y + BIT.shape[0], x : x + BIT.shape[1]]
    part[:] = BIT[: part.shape[0], : part.shape[1]] != 0


_PAINT: Mapping[str, Callable[[Pixels, Json], None]] = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "line": _line,
    "bitmap": _bitmap,
}


def stacked(things: Sequence[Json], value: Callable[[Whole], Any], background: Any = 0) -> Pixels:
    """All objects one on the other, each in its value."""
    out = np.full((HEIGHT, WIDTH, *np.shape(background)), background, np.int64)
    for each in whole_objects(things):
        out[each.mask] = value(each)
    return out


def gray_of(title: str) -> int:
    """The gray that is a class's position in meta.json."""
    return [*CLASSES].index(title) + 1


def classes_map(things: Sequence[Json]) -> Pixels:
    """Position of the class of every pixel in meta.json, from 1."""
    return stacked(things, lambda each: gray_of(each.title))


def mixed(image: Pixels, things: Sequence[Json], opacity: float = 0.5) -> Pixels:
    """The painted copy of an original."""
    share = round(opacity * (1 << 16))
    colors = stacked(things, lambda each: CLASSES[each.title], (0, 0, 0))
    found = (image.astype(np.int64) * ((1 << 16) - share) + colors * share) >> 16
    return np.where(classes_map(things)[..., None] > 0, found, image)


IMAGE = original("photo", HEIGHT, WIDTH, np.random.default_rng(3))


def settings(**changes: object) -> Json:
    """Automatic colours, and nothing that is copied."""
    base = {"gt_machine_color": "auto", "gt_human_color": "auto", "images": False}
    merged = base | {"annotations": False} | changes
    return {key: value for key, value in merged.items() if value is not None}


def config(**changes: object) -> Json:
    """A layer alone, of some settings."""
    return {"action": "save_masks", "src": [], "dst": "out", "settings": settings(**changes)}


def note(things: Sequence[Json]) -> bytes:
    """The text of an annotation."""
    size = {"height": HEIGHT, "width": WIDTH}
    return json.dumps({"size": size, "objects": [*things], "tags": []}).encode()


def make_project(folder: Path, titles: Sequence[str] = (*CLASSES,)) -> Project:
    """A project of two items: `a.png` with THINGS, `b.png` with FEW."""
    project = Project(folder)
    classes = [
        {"title": title, "shape": "any", "color": "#{:02x}{:02x}{:02x}".format(*color)}
        for title, color in zip(titles, [*CLASSES.values(), (7, 7, 7), (8, 8, 8)], strict=False)
    ]
    project.put("meta.json", json.dumps({"classes": classes, "tags": []}).encode())
    for name, things in (("a", THINGS), ("b", FEW)):
        put(project, name, things)
    return project


def put(project: Project, name: str, things: Sequence[Json]) -> None:
    """Add an item, or change its annotation."""
    picture = pyvips.Image.new_from_array(IMAGE).pngsave_buffer()
    project.put(f"ds/img/{name}.png", picture)
    project.put(f"ds/ann/{name}.png.json", note(things))


def export(project: Project, out: Path, layer: Json | list[Json], **options: Any) -> Summary:
    """Export by threads of this process; nothing may fail."""
    if isinstance(layer, list):
        done = savemasks.export(Graph.from_json(layer), [project.folder], out, workers=2, **options)
    else:
        one = savemasks.SaveMasks.from_json(layer)
        done = savemasks.export(project.folder, out, one, workers=2, **options)
    assert (done.failed, done.problems) == (0, []), done.failures
    return done


def read(path: Path) -> Pixels:
    """Pixels of a mask or page as they are meant."""
    image = pyvips.Image.new_from_file(str(path), fail_on="warning")
    found: Pixels = image.numpy()
    return found


def only(folder: Path) -> Path:
    """The file of the first item in a folder."""
    (path,) = (path for path in folder.glob("a.*") if path.suffix != ".json")
    return path


def same(found: Pixels, expected: Pixels) -> None:
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)
