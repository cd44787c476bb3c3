"""Painters and annotations for the tests of `Painter`: every kind of mapping, mixed objects."""

import base64
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import savemasks
from savemasks.encode.general import encode_png
from support.projects import Json

TITLES = ("kiwi", "lemon", "peel", "seed", "other")
GRAYS = {"kiwi": [10] * 3, "lemon": [20] * 3, "peel": [30] * 3, "seed": [40] * 3}
COLORS = {"kiwi": [1, 2, 3], "lemon": [250, 0, 9], "peel": [0, 0, 0], "seed": [4, 4, 4]}
DEEP = {"kiwi": [300] * 3, "lemon": [65_535] * 3, "peel": [0] * 3, "seed": [40] * 3}
BLACK = {**GRAYS, "lemon": [0, 0, 0]}
MANY = {**{str(i): [i % 256, 0, 1] for i in range(300)}, **COLORS}
MANY_GRAYS = {**{str(i): [i % 250] * 3 for i in range(300)}, **BLACK}
ALL_GRAYS = {**{str(i): [i] * 3 for i in range(256)}, **BLACK}
MAPPINGS = (GRAYS, COLORS, DEEP, BLACK, MANY, MANY_GRAYS, ALL_GRAYS)
HEIGHT, WIDTH = 23, 37


def painter(mapping: Json = GRAYS, human: Json = COLORS, **options: Any) -> savemasks.Painter:
    wanted = {"masks_machine": bool(mapping), "masks_human": bool(human)}
    colors = {"gt_machine_color": mapping or None, "gt_human_color": human or None}
    layer = {"action": "save_masks", "dst": "x", "settings": {**wanted, **colors, **options}}
    return savemasks.Painter(savemasks.SaveMasks.from_json(layer))


def mask_data(height: int, width: int) -> str:
    bits = np.random.default_rng(height).integers(0, 2, (height, width), np.uint8) * 255
    return base64.b64encode(zlib.compress(b"".join(encode_png(bits)))).decode()


def item(rng: np.random.Generator, title: str) -> Json:
    """An object of any geometry, partly outside of the canvas."""
    geometry = str(rng.choice(["polygon", "rectangle", "line", "point", "bitmap"]))
    corner = rng.uniform(-8, [WIDTH + 8, HEIGHT + 8])
    if geometry == "bitmap":
        data = mask_data(int(rng.integers(1, 20)), 17)
        where: Json = {"bitmap": {"origin": corner.astype(int).tolist(), "data": data}}
    else:
        count = {"polygon": 7, "rectangle": 2, "line": 4, "point": 1}[geometry]
        points = (corner + rng.uniform(-12, 12, (count, 2))).tolist()
        hole = [(corner + rng.uniform(-5, 5, (3, 2))).tolist()] if geometry == "polygon" else []
        where = {"points": {"exterior": points, "interior": hole}}
    return {"classTitle": title, "geometryType": geometry, **where}


def annotation(seed: int = 0, objects: int = 12) -> Json:
    rng = np.random.default_rng(seed)
    found = [item(rng, TITLES[i % len(TITLES)]) for i in range(objects)]
    return {"size": {"height": HEIGHT, "width": WIDTH}, "objects": found}


Call = Callable[..., NDArray[Any]]


def calls(p: savemasks.Painter, note: Any) -> list[tuple[Call, tuple[int, ...], np.dtype[Any]]]:
    """Every call that takes `out`, with the shape and dtype of its result."""
    image = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)

    def instances(out: NDArray[Any] | None = None) -> NDArray[Any]:
        return p.instances(note, out=out).numbers

    made: list[Call] = [
        lambda out=None: p.labels(note, out=out),
        lambda out=None: p.labels(note, mask="human", out=out),
        lambda out=None: p.machine(note, out=out),
        lambda out=None: p.human(note, image, out=out),
        instances,
    ]
    return [(call, call().shape, call().dtype) for call in made]


def peak(call: Callable[[], object]) -> int:
    """Bytes that a call has allocated at most."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
