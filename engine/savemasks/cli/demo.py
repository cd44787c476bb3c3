"""A small Supervisely project to try the tool on: kiwis and lemons, drawn by code.

Every fruit is an outline in polar coordinates around its middle. The same outline colours the
pixels, throws the shadow and becomes the annotation: pictures and annotations always agree.
"""

import base64
import zlib
from collections.abc import Callable
from functools import partial
from math import cos, pi, radians, sin
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
import pyvips

from ..errors import OutputError
from ..forks import by_libvips
from .fruit import CURL, LOOKS, STRIP, Float, Frame, Random, cloth, mix, ramp, wood

CONFIG: dict[str, object] = {
    "action": "save_masks",
    "src": ["$0"],
    "dst": "experiment001",
    "settings": {
        "masks_machine": True,
        "masks_human": True,
        "gt_machine_color": {"kiwi": [100, 100, 100], "lemon": [200, 200, 200]},
        "gt_human_color": {"kiwi": [255, 0, 0], "lemon": [27, 0, 255]},
    },
}
"""The ``save_masks`` layer that goes with the project."""

ALL: list[dict[str, object]] = [
    {"action": "data", "src": "lemons", "dst": "$0", "settings": {"classes_mapping": "default"}},
    {
        "action": "save_masks",
        "src": "$0",
        "dst": "like_the_application",
        "settings": {
            "like": "export-as-masks",
            "masks_machine": True,
            "masks_human": True,
            "masks_semantic_rgb": True,
            "masks_instances": "objects",
        },
    },
    {
        "action": "save_masks",
        "src": "$0",
        "dst": "other_masks",
        "settings": {
            "masks_machine": True,
            "machine_palette": True,
            "gt_machine_color": "auto",
            "background": 255,
            "masks_human": True,
            "gt_human_color": "auto",
            "human_layout": "overlay",
            "human_opacity": 0.25,
            "human_outlines": True,
            "human_format": "jpeg",
            "masks_instances": "map",
            "masks_classes": True,
        },
    },
]
"""A graph that makes masks of all kinds."""

_Bytes: TypeAlias = npt.NDArray[np.uint8]


class _Fruit(NamedTuple):
    """One piece of fruit: what it is, where it lies and how it is annotated."""

    look: str  # a key of LOOKS
    x: float
    y: float
    radius: float  # half the length, tips not counted
    angle: float  # degrees, clockwise
    mark: str = "polygon"  # rectangle, line, point; bitmap gray or alpha, in bytes or in bits
    hole: float = 0  # share of the radius that is punched out


def _outline(look: str, turn: Float, reach: Float) -> Float:
    """Give the distance from middle to outline, over the radius, as seen from points at reach."""
    if look == "peel":  # not its outline but the middle of the strip
        return 1 - 0.2 * turn
    _, _, width, tips, _ = LOOKS[look]
    oval = 1 / np.hypot(np.cos(turn), np.sin(turn) / width)
    front, back = np.array(tips, np.float32)
    tip = np.where(np.cos(turn) > 0, front, back) * np.exp(-((np.sin(turn) / 0.18) ** 2))
    # The tips grow out of the ends only: they must not raise a ridge across the whole fruit.
    return mix(oval, oval * (1 + tip), ramp(0.4, 0.95, reach))


def _place(fruit: _Fruit, x: Float, y: Float) -> Frame:
    """Express picture coordinates in the frame of a fruit."""
    c, s = cos(radians(fruit.angle)), sin(radians(fruit.angle))
    x, y = x - fruit.x, y - fruit.y
    along, across = x * c + y * s, y * c - x * s
    turn, reach = np.arctan2(across, along), np.hypot(along, across) / fruit.radius
    if fruit.look == "peel":  # runs along the winding; past its ends, the end is nearest
        held = np.clip(turn, -CURL, CURL)
        away = _outline(fruit.look, held, reach) - reach
        depth = 1 - STRIP + np.hypot(away, reach * (turn - held))
        along, across = held * fruit.radius, away * fruit.radius
    else:
        depth = reach / _outline(fruit.look, turn, reach)
    return Frame(along, across, turn, depth, fruit.radius)


def _points(fruit: _Fruit, scale: float = 1) -> list[list[int]]:
    """Walk the outline of a fruit, or the middle of a peel, in short steps: [[x, y], ...]."""
    end = CURL if fruit.look == "peel" else pi
    turn = np.linspace(-end, end, max(24, round(fruit.radius * scale)), endpoint=False)
    reach = _outline(fruit.look, turn, np.ones_like(turn)) * fruit.radius * scale
    turn += radians(fruit.angle)
    x, y = fruit.x + reach * np.cos(turn), fruit.y + reach * np.sin(turn)
    return [[round(a), round(b)] for a, b in zip(x, y, strict=True)]


def _cover(at: Frame, hole: float, soft: float) -> Float:
    """Give the share of each pixel that lies on the fruit; the edge is soft pixels wide."""
    slope = np.clip(np.hypot(*np.gradient(at.depth)), 1e-6, 2 / at.radius) * soft
    cover: Float = np.clip(0.5 - (at.depth - 1) / slope, 0, 1)
    return cover * np.clip(0.5 + (at.depth - hole) / slope, 0, 1) if hole else cover


def _draw(picture: Float, grid: Float, fruit: _Fruit, rng: Random) -> _Bytes:
    """Paint a fruit and its shadow on a picture (3, h, w) -> its mask, 0 or 255, (h, w)."""
    look, size = LOOKS[fruit.look], 1.5 * fruit.radius + 8
    rows, columns = (slice(max(0, int(to - size)), int(to + size)) for to in (fruit.y, fruit.x))
    (y, x), view = grid[:, rows, columns], picture[:, rows, columns]
    rise = fruit.radius * look.thick
    under = _place(fruit, x - 0.2 * rise, y - 0.2 * rise)
    view *= 1 - 0.65 * ramp(0, 1, _cover(under, fruit.hole, 0.5 * rise + 3))
    at = _place(fruit, x, y)
    cover = _cover(at, fruit.hole, 1)
    view[:] = mix(view, look.skin(at, rng), cover)
    mask = np.zeros(picture.shape[1:], np.uint8)
    mask[rows, columns] = np.where(cover > 0.5, 255, 0)
    return mask


def _encode(pixels: _Bytes, form: str, **options: object) -> bytes:
    return by_libvips(_encode_here, pixels, form, **options)


def _encode_here(pixels: _Bytes, form: str, **options: object) -> bytes:
    image = pyvips.Image.new_from_array(pixels, interpretation="auto")
    return bytes(image.write_to_buffer(form, keep="none", **options))


def _bitmap(mask: _Bytes, payload: str) -> dict[str, object]:
    """Cut a mask (h, w) to its bounding box and pack it the way Supervisely does."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    pixels = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    alpha, bits = "alpha" in payload, "bits" in payload
    if alpha:  # white all over, clear where there is no fruit
        pixels = np.dstack([np.full((*pixels.shape, 3), 255, np.uint8), pixels])
    png = _encode(pixels, ".png", bitdepth=1 if bits else 8, palette=alpha and bits)
    data = base64.b64encode(zlib.compress(png)).decode()
    return {"origin": [int(columns[0]), int(rows[0])], "data": data}


def _annotate(fruit: _Fruit, mask: _Bytes) -> dict[str, object]:
    """Describe a fruit the way its mark asks for."""
    kind = fruit.mark.split()[0]
    label: dict[str, object] = {"classTitle": LOOKS[fruit.look].title, "geometryType": kind}
    label |= {"description": "", "tags": []}
    if kind == "bitmap":
        return label | {"bitmap": _bitmap(mask, fruit.mark)}
    exterior = _points(fruit)
    if kind == "rectangle":
        exterior = [[end(side) for side in zip(*exterior, strict=True)] for end in (min, max)]
    elif kind == "point":
        exterior = [[round(fruit.x), round(fruit.y)]]
    interior = [_points(fruit, fruit.hole)] if fruit.hole else []
    return label | {"points": {"exterior": exterior, "interior": interior}}


_Scene: TypeAlias = tuple[Callable[[Random], Float], *tuple[_Fruit, ...]]  # a table, fruits
_SCENES: dict[str, _Scene] = {
    "market/img/bare_table.jpg": (partial(wood, 320, 240, 0x8A6242, 0x46301F),),
    "market/img/fruit_table.jpg": (
        partial(wood, 640, 480, 0xE3B67C, 0x9A6534),
        _Fruit("lemon", 196, 176, 112, -28),
        _Fruit("kiwi", 352, 138, 80, 24, "bitmap gray"),
        _Fruit("cut lemon", 402, 292, 92, 10, "bitmap alpha"),
        _Fruit("cut kiwi", 268, 330, 78, 30),
        _Fruit("lemon", 606, 118, 98, 62),
        _Fruit("kiwi", 92, 398, 76, -50, "bitmap alpha bits"),
        _Fruit("peel", 552, 386, 52, 200, "line"),
        _Fruit("pip", 462, 424, 9, 40, "point"),
    ),
    "market/img/citron pressé.png": (
        partial(cloth, 480, 640, 0xF6F2E8, 0x5B84AE),
        _Fruit("lemon", 150, 150, 104, 38, "bitmap gray bits"),
        _Fruit("lemon", 312, 208, 100, -64),
        _Fruit("cut lemon", 176, 356, 96, 5),
        _Fruit("cut lemon", 322, 430, 96, 50, "bitmap gray"),
        _Fruit("kiwi", 96, 572, 84, 16),
        _Fruit("cut kiwi", 398, 592, 86, 20),
        _Fruit("peel", 396, 84, 46, 100, "line"),
        _Fruit("pip", 244, 566, 10, 70, "rectangle"),
    ),
    "market/datasets/closeups/img/rings.jpg": (
        partial(wood, 800, 600, 0x8A6242, 0x46301F),
        _Fruit("cut lemon", 230, 250, 176, 12),
        _Fruit("cut kiwi", 366, 186, 132, 0, hole=0.25),
        _Fruit("cut kiwi", 600, 436, 112, 80, "bitmap alpha"),
        _Fruit("cut lemon", 566, 402, 158, 70, hole=0.5),
        _Fruit("cut kiwi", 330, 448, 122, 45, "bitmap gray"),
        _Fruit("lemon", 60, 560, 150, -40),
        _Fruit("kiwi", 722, 112, 110, -30, "rectangle"),
    ),
    "market/datasets/closeups/img/halves.png": (
        partial(cloth, 480, 480, 0xF5F1E6, 0x7F9F79),
        _Fruit("kiwi", 330, 130, 112, -20, "bitmap alpha bits"),
        _Fruit("cut kiwi", 168, 178, 124, 10),
        _Fruit("cut lemon", 300, 330, 118, 33, hole=0.3),
        _Fruit("lemon", 70, 420, 106, 20, "bitmap gray bits"),
    ),
    "market/datasets/closeups/img/snack.png": (
        partial(wood, 320, 240, 0xE3B67C, 0x9A6534),
        _Fruit("cut lemon", 116, 120, 78, 15, "bitmap alpha bits"),
        _Fruit("cut kiwi", 184, 140, 68, 60, hole=0.25),
    ),
}


def _render(scene: _Scene, seed: int) -> tuple[_Bytes, list[dict[str, object]]]:
    """Draw a scene -> its pixels (h, w, 3) and its annotation objects."""
    table, *fruits = scene
    picture = table(np.random.default_rng(seed))
    _, height, width = picture.shape
    grid, objects = np.indices((height, width), np.float32), []
    for number, fruit in enumerate(fruits):
        mask = _draw(picture, grid, fruit, np.random.default_rng([seed, number]))
        objects.append(_annotate(fruit, mask))
    picture *= 1.06 - 0.2 * np.hypot(grid[0] / height, grid[1] / width)  # lit from the upper left
    pixels = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(1, 2, 0)), objects


def write_demo(folder: Path) -> tuple[Path, Path, Path]:
    """Write the demo project and its configurations into a folder that is empty or missing.

    Returns
    -------
    Paths of the project, of the layer `CONFIG` and of the graph `ALL`.

    Raises
    ------
    OutputError
        If the folder is not empty or cannot be written.
    """
    project = folder / "lemons"
    config, everything = folder / "save_masks.json", folder / "save_masks_all.json"
    try:
        is_empty = not folder.exists() or not any(folder.iterdir())
        if is_empty:
            write_project(project)
            config.write_bytes(orjson.dumps(CONFIG, option=orjson.OPT_INDENT_2))
            everything.write_bytes(orjson.dumps(ALL, option=orjson.OPT_INDENT_2))
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
    if not is_empty:
        raise OutputError(f"{folder}: is not empty; choose another folder")
    return project, config, everything


def write_project(folder: Path) -> None:
    """Write the demo project ``lemons``: the same bytes every time.

    Six pictures in two datasets, ``market`` and, nested in it, ``closeups``. Together they hold
    polygons with and without holes, bitmaps in four PNG flavours, rectangles, lines and points,
    fruit that overlaps and fruit that leaves the picture; and one table is bare.

    Parameters
    ----------
    folder
        The project folder, such as ``DIR/lemons``. Created if missing; files are overwritten.
    """
    colors = (("kiwi", "#73b32a"), ("lemon", "#f7c625"))
    classes = [{"title": title, "shape": "any", "color": color} for title, color in colors]
    meta = {"classes": classes, "tags": [], "projectType": "images"}
    files = {folder / "meta.json": orjson.dumps(meta)}
    for seed, (name, scene) in enumerate(_SCENES.items()):
        pixels, objects = _render(scene, seed)
        size = {"height": pixels.shape[0], "width": pixels.shape[1]}
        annotation = {"description": "", "tags": [], "size": size, "objects": objects}
        path = folder / name
        files[path] = _encode(pixels, ".jpg[Q=90]" if path.suffix == ".jpg" else ".png")
        files[path.parents[1] / "ann" / f"{path.name}.json"] = orjson.dumps(annotation)
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
