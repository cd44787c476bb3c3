"""A small Supervisely project to try the tool on: kiwis and lemons, drawn by code.

Every fruit is an outline in polar coordinates around its middle. The same outline colours the
pixels, throws the shadow and becomes the annotation: pictures and annotations always agree.
Colours are float32 RGB from 0 to 1, channels first: ``(3, h, w)`` for a picture, ``(3, 1, 1)``
for a single one. All that is one number per pixel is float32 of shape ``(h, w)``.
"""

import base64
import zlib
from collections.abc import Callable
from functools import partial
from math import cos, pi, radians, sin, tau
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
import pyvips

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

_Float = npt.NDArray[np.floating[Any]]
_Bytes = npt.NDArray[np.uint8]
_Random = np.random.Generator

_CURL, _STRIP = 2.5, 0.16  # winding of a peel to either side, and half its width, over the radius


class _Fruit(NamedTuple):
    """One piece of fruit: what it is, where it lies and how it is annotated."""

    look: str  # a key of _LOOKS
    x: float
    y: float
    radius: float  # half the length, tips not counted
    angle: float  # degrees, clockwise
    mark: str = "polygon"  # rectangle, line, point; bitmap gray or alpha, in bytes or in bits
    hole: float = 0  # share of the radius that is punched out


class _Frame(NamedTuple):
    """The surroundings of one fruit: for each pixel, where it lies on the fruit."""

    along: _Float  # pixels from the middle, lengthwise
    across: _Float  # pixels from the middle, crosswise
    turn: _Float  # angle around the middle, -pi to pi
    depth: _Float  # 1 on the outline, less inside
    radius: float


class _Look(NamedTuple):
    """How a kind of fruit looks from above."""

    title: str
    skin: Callable[[_Frame, _Random], _Float]
    width: float  # over the length
    tips: tuple[float, float] = (0, 0)  # by how much the two ends stick out, over the radius
    thick: float = 0.5  # how far it rises over the table, for the shadow


def _rgb(code: int) -> _Float:
    return np.array([code >> 16, code >> 8 & 255, code & 255], np.float32)[:, None, None] / 255


def _mix(low: _Float, high: _Float, share: _Float) -> _Float:
    return low + (high - low) * share


def _ramp(start: float, end: float, field: _Float) -> _Float:
    """Rise smoothly from 0 at start to 1 at end; fall, if end is less than start."""
    share: _Float = np.clip((field - start) / (end - start), 0, 1)
    return share * share * (3 - 2 * share)


def _noise(rng: _Random, u: _Float, v: _Float) -> _Float:
    """Smooth noise from 0 to 1 with a grain of 1 in u and v; it repeats every 64."""
    # One row and one column more than the period: neighbours need no wrapping.
    grid = np.pad(rng.random((64, 64), np.float32), (0, 1), mode="wrap").ravel()
    left, top = np.floor(u), np.floor(v)
    at = (top.astype(np.intp) & 63) * 65 + (left.astype(np.intp) & 63)
    right, down = _ramp(0, 1, u - left), _ramp(0, 1, v - top)
    upper, lower = (_mix(grid[row], grid[row + 1], right) for row in (at, at + 65))
    return _mix(upper, lower, down)


def _relief(height: _Float, gloss: float, focus: float) -> tuple[_Float, _Float]:
    """Light a height map from the upper left: two fields, the diffuse light and the highlight."""
    down, right = np.gradient(height)
    length = np.sqrt(down * down + right * right + 1)
    diffuse = np.clip((0.45 * right + 0.5 * down + 0.74) / length, 0, 1)
    mirror = np.clip((0.24 * right + 0.27 * down + 0.93) / length, 0, 1)
    highlight: _Float = gloss * mirror**focus
    return diffuse, highlight


def _dome(depth: _Float) -> _Float:
    """Give the height of a sphere; past the rim it goes on straight, as light needs a slope."""
    held = np.minimum(depth, 0.96)
    root = np.sqrt(1 - held * held)
    lifted: _Float = root - (depth - held) * held / root
    return lifted


def _wood(width: int, height: int, light: int, dark: int, rng: _Random) -> _Float:
    y, x = np.indices((height, width), np.float32)
    plank = np.floor(y / 118 + 0.35)
    aside = np.abs(y / 118 + 0.35 - plank - 0.5) * 118  # 59 on the seams
    u, v = x + plank * 977, y + plank * 41  # every plank is cut from another log
    swirl = 5 * _noise(rng, u / 170, v / 42) + 0.6 * _noise(rng, u / 60, v / 17)
    rings = 0.5 + 0.5 * np.sin(tau * (swirl + v / 30))
    fibre = 0.6 * _noise(rng, u / 26, v * 0.8) + 0.4 * _noise(rng, u / 7, v * 0.9)
    tone = _noise(rng, plank * 7.3, u / 900)
    board = _mix(_rgb(light), _rgb(dark), 0.42 * rings + 0.4 * fibre + 0.45 * tone - 0.15)
    return board - board * (0.7 * _ramp(57.2, 58.8, aside) + 0.12 * _ramp(50, 59, aside))


def _cloth(width: int, height: int, light: int, dark: int, rng: _Random) -> _Float:
    y, x = np.indices((height, width), np.float32)
    bend = 5 * _noise(rng, x / 150, y / 150)
    u, v = x + bend, y - bend + x * 0.12
    warp, weft = (_ramp(-0.12, 0.12, np.sin(tau / 76 * side)) for side in (u, v))
    fold, _ = _relief(26 * _noise(rng, x / 210 + y / 400, y / 260), 0, 1)
    weave = 0.98 + 0.07 * np.sin(u * 2.1) * np.sin(v * 2.1)
    return _mix(_rgb(light), _rgb(dark), 0.5 * (warp + weft)) * (weave * (0.3 + 0.94 * fold))


def _whole_kiwi(at: _Frame, rng: _Random) -> _Float:
    hairs = _noise(rng, at.along / 5 + at.across / 9, at.across / 1.3)
    blotch = _noise(rng, at.along / 19, at.across / 13)
    light, shine = _relief(0.8 * at.radius * _dome(at.depth) + hairs, 0.16, 9)
    skin = _mix(_rgb(0x7F5A2A), _rgb(0xBC9353), 0.55 * hairs + 0.5 * blotch)
    scar = np.hypot(at.along / at.radius - 0.86, at.across / at.radius)
    skin = _mix(skin, _rgb(0x3B2812), 0.8 * _ramp(0.12, 0.05, scar))
    return skin * (0.36 + 0.8 * light) + shine * _rgb(0xFFE8C0)


def _whole_lemon(at: _Frame, rng: _Random) -> _Float:
    u, v = (30 / at.radius * way for way in (at.along, at.across))
    # Two grids at an angle: a single one would show its rows and columns.
    pores = _noise(rng, u, v) * _noise(rng, 0.8 * u + 0.6 * v, 0.8 * v - 0.6 * u)
    light, shine = _relief(at.radius * (0.78 * _dome(at.depth) - 0.009 * pores), 0.4, 24)
    skin = _mix(_rgb(0xE9A400), _rgb(0xFFE23F), 0.1 + 0.9 * light - 0.25 * pores)
    skin = _mix(skin, _rgb(0xA9B23A), 0.55 * _ramp(0.88, 1.15, np.abs(at.along) / at.radius))
    return skin * (0.52 + 0.5 * light) + shine * _rgb(0xFFF8D8)


def _cut_kiwi(at: _Frame, rng: _Random) -> _Float:
    spoke = (at.turn / tau + 0.5) * 64  # one turn is one period of the noise: no seam
    streaks = 0.6 * _noise(rng, spoke, at.depth * 2) + 0.4 * _noise(rng, spoke * 3, at.depth * 5)
    core = at.depth + 0.05 * _noise(rng, spoke / 4, at.depth)
    flesh = _mix(_rgb(0xB9D052), _rgb(0x66991A), _ramp(0.25, 0.92, at.depth))
    flesh = _mix(flesh, _rgb(0xD6E27E), 0.75 * _ramp(0.5, 0.95, streaks) * _ramp(1, 0.4, core))
    flesh = _mix(flesh, _rgb(0xF1F0C4), _ramp(0.31, 0.2, core))
    for row, count in ((0.4, 20), (0.5, 25)):
        cell = (at.turn / tau + 0.5) * count
        seed = np.floor(cell)
        out = at.depth - row - 0.07 * rng.random(count, np.float32)[seed.astype(np.intp) % count]
        aside = (cell - seed - 0.5) * (tau * row / count)
        gap = np.hypot(aside / (0.022 + 0.14 * out), out / 0.052)
        flesh = _mix(flesh, _rgb(0x1D150D), _ramp(1.1, 0.8, gap))
        flesh = flesh + 0.5 * _ramp(0.011, 0.004, np.hypot(aside + 0.006, out - 0.01))
    _, shine = _relief(3 * streaks * _ramp(0.1, 0.4, at.depth) - 9 * at.depth**2, 0.3, 40)
    flesh = flesh + shine * _ramp(0.95, 0.9, at.depth)
    return _mix(flesh, _rgb(0x6B4A22), _ramp(0.945, 0.965, at.depth))


def _cut_lemon(at: _Frame, rng: _Random) -> _Float:
    turn = at.turn + 0.1 * np.sin(2 * at.turn) + 0.06 * np.sin(5 * at.turn)
    cell = (turn / tau + 0.5) * 9
    walls = at.depth * np.sin((0.5 - np.abs(cell % 1 - 0.5)) * (tau / 9)) - 0.016
    # A soft minimum of the distances to the walls, the pith and the core rounds the corners.
    sides = np.logaddexp(-30 * walls, 30 * (at.depth - 0.86))
    inside = np.logaddexp(sides, 30 * (0.07 - at.depth)) / -30
    drops = np.abs(2 * _noise(rng, cell * 5, at.depth * 4) - 1)  # sacs with thin walls
    drops = 0.65 * drops + 0.35 * _noise(rng, cell * 13, at.depth * 9)
    pulp = _mix(_rgb(0xFFF2A8), _rgb(0xF3C925), _ramp(0, 0.7, drops))
    pulp = _mix(pulp, _rgb(0xE6B010), 0.45 * _ramp(0.07, 0, inside))
    _, shine = _relief(0.05 * at.radius * drops, 0.22, 40)
    flesh = _mix(_rgb(0xFAF2CE), pulp + shine, _ramp(-0.004, 0.018, inside))
    return _mix(flesh, _rgb(0xF5BE0B), _ramp(0.925, 0.95, at.depth))


def _peel(at: _Frame, rng: _Random) -> _Float:
    height = 3.5 * _dome((at.depth - 1) / _STRIP + 1) + _noise(rng, at.along / 3, at.across / 3)
    light, shine = _relief(height, 0.4, 30)
    pith = _ramp(0.3, 0.5, at.across / at.radius / _STRIP)
    return _mix(_rgb(0xF9C818), _rgb(0xFBF2CC), pith) * (0.5 + 0.58 * light) + shine


def _pip(at: _Frame, _rng: _Random) -> _Float:
    light, shine = _relief(0.6 * at.radius * _dome(at.depth), 0.3, 30)
    return _rgb(0xFCE9AE) * (0.6 + 0.5 * light) + shine


_LOOKS = {
    "kiwi": _Look("kiwi", _whole_kiwi, 0.8),
    "cut kiwi": _Look("kiwi", _cut_kiwi, 0.93, thick=0.22),
    "lemon": _Look("lemon", _whole_lemon, 0.76, tips=(0.28, 0.16)),
    "cut lemon": _Look("lemon", _cut_lemon, 0.97, thick=0.2),
    "peel": _Look("lemon", _peel, 1, thick=0.2),
    "pip": _Look("lemon", _pip, 0.6, tips=(0.3, 0), thick=0.4),
}


def _outline(look: str, turn: _Float, reach: _Float) -> _Float:
    """Give the distance from middle to outline, over the radius, as seen from points at reach."""
    if look == "peel":  # not its outline but the middle of the strip
        return 1 - 0.2 * turn
    _, _, width, tips, _ = _LOOKS[look]
    oval = 1 / np.hypot(np.cos(turn), np.sin(turn) / width)
    front, back = np.array(tips, np.float32)
    tip = np.where(np.cos(turn) > 0, front, back) * np.exp(-((np.sin(turn) / 0.18) ** 2))
    # The tips grow out of the ends only: they must not raise a ridge across the whole fruit.
    return _mix(oval, oval * (1 + tip), _ramp(0.4, 0.95, reach))


def _place(fruit: _Fruit, x: _Float, y: _Float) -> _Frame:
    """Express picture coordinates in the frame of a fruit."""
    c, s = cos(radians(fruit.angle)), sin(radians(fruit.angle))
    x, y = x - fruit.x, y - fruit.y
    along, across = x * c + y * s, y * c - x * s
    turn, reach = np.arctan2(across, along), np.hypot(along, across) / fruit.radius
    if fruit.look == "peel":  # runs along the winding; past its ends, the end is nearest
        held = np.clip(turn, -_CURL, _CURL)
        away = _outline(fruit.look, held, reach) - reach
        depth = 1 - _STRIP + np.hypot(away, reach * (turn - held))
        along, across = held * fruit.radius, away * fruit.radius
    else:
        depth = reach / _outline(fruit.look, turn, reach)
    return _Frame(along, across, turn, depth, fruit.radius)


def _points(fruit: _Fruit, scale: float = 1) -> list[list[int]]:
    """Walk the outline of a fruit, or the middle of a peel, in short steps: [[x, y], ...]."""
    end = _CURL if fruit.look == "peel" else pi
    turn = np.linspace(-end, end, max(24, round(fruit.radius * scale)), endpoint=False)
    reach = _outline(fruit.look, turn, np.ones_like(turn)) * fruit.radius * scale
    turn += radians(fruit.angle)
    x, y = fruit.x + reach * np.cos(turn), fruit.y + reach * np.sin(turn)
    return [[round(a), round(b)] for a, b in zip(x, y, strict=True)]


def _cover(at: _Frame, hole: float, soft: float) -> _Float:
    """Give the share of each pixel that lies on the fruit; the edge is soft pixels wide."""
    slope = np.clip(np.hypot(*np.gradient(at.depth)), 1e-6, 2 / at.radius) * soft
    cover: _Float = np.clip(0.5 - (at.depth - 1) / slope, 0, 1)
    return cover * np.clip(0.5 + (at.depth - hole) / slope, 0, 1) if hole else cover


def _draw(picture: _Float, grid: _Float, fruit: _Fruit, rng: _Random) -> _Bytes:
    """Paint a fruit and its shadow on a picture (3, h, w) -> its mask, 0 or 255, (h, w)."""
    look, size = _LOOKS[fruit.look], 1.5 * fruit.radius + 8
    rows, columns = (slice(max(0, int(to - size)), int(to + size)) for to in (fruit.y, fruit.x))
    (y, x), view = grid[:, rows, columns], picture[:, rows, columns]
    rise = fruit.radius * look.thick
    under = _place(fruit, x - 0.2 * rise, y - 0.2 * rise)
    view *= 1 - 0.65 * _ramp(0, 1, _cover(under, fruit.hole, 0.5 * rise + 3))
    at = _place(fruit, x, y)
    cover = _cover(at, fruit.hole, 1)
    view[:] = _mix(view, look.skin(at, rng), cover)
    mask = np.zeros(picture.shape[1:], np.uint8)
    mask[rows, columns] = np.where(cover > 0.5, 255, 0)
    return mask


def _encode(pixels: _Bytes, form: str, **options: object) -> bytes:
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
    label: dict[str, object] = {"classTitle": _LOOKS[fruit.look].title, "geometryType": kind}
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


_Scene: TypeAlias = tuple[Callable[[_Random], _Float], *tuple[_Fruit, ...]]  # a table, fruits
_SCENES: dict[str, _Scene] = {
    "market/img/bare_table.jpg": (partial(_wood, 320, 240, 0x8A6242, 0x46301F),),
    "market/img/fruit_table.jpg": (
        partial(_wood, 640, 480, 0xE3B67C, 0x9A6534),
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
        partial(_cloth, 480, 640, 0xF6F2E8, 0x5B84AE),
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
        partial(_wood, 800, 600, 0x8A6242, 0x46301F),
        _Fruit("cut lemon", 230, 250, 176, 12),
        _Fruit("cut kiwi", 366, 186, 132, 0, hole=0.25),
        _Fruit("cut kiwi", 600, 436, 112, 80, "bitmap alpha"),
        _Fruit("cut lemon", 566, 402, 158, 70, hole=0.5),
        _Fruit("cut kiwi", 330, 448, 122, 45, "bitmap gray"),
        _Fruit("lemon", 60, 560, 150, -40),
        _Fruit("kiwi", 722, 112, 110, -30, "rectangle"),
    ),
    "market/datasets/closeups/img/halves.png": (
        partial(_cloth, 480, 480, 0xF5F1E6, 0x7F9F79),
        _Fruit("kiwi", 330, 130, 112, -20, "bitmap alpha bits"),
        _Fruit("cut kiwi", 168, 178, 124, 10),
        _Fruit("cut lemon", 300, 330, 118, 33, hole=0.3),
        _Fruit("lemon", 70, 420, 106, 20, "bitmap gray bits"),
    ),
    "market/datasets/closeups/img/snack.png": (
        partial(_wood, 320, 240, 0xE3B67C, 0x9A6534),
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
