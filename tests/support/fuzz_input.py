"""Feeds the parser of annotations and the decoders of their bitmaps with what nobody should write.

    python -m support.fuzz_input [--seconds 600] [--seed 0]

Sound annotations of all geometries are changed: values become others, keys vanish, bytes turn, and
payloads are cut, turned or packed anew around broken pictures. Each must be parsed and painted, or
be refused with an `AnnotationError`, with little time and memory.
"""

import argparse
import base64
import random
import resource
import zlib
from collections import Counter
from copy import deepcopy
from time import perf_counter
from typing import Any

import numpy as np
import orjson

from savemasks.encode.general import encode_png
from savemasks.errors import AnnotationError
from savemasks.paint.labels import paint_labels
from savemasks.parse.annotation import parse

_MOST_SIDE = 300
_EVIL: list[Any] = [
    *(None, True, "", "x", [], {}, [[]], [[1]], [[1, 2, 3]], -1, 0, 1, 0.5, -0.0, 255, 1e9, -1e9),
    *(1e9 + 1, 1e15, 1e19, 1e300, -1e300, 1.7976931348623157e308, 5e-324, 2**31, 2**53, 2**63),
    *(2**64 - 1, -(2**63), "NaN", "\0", "\x1b[2J", "é" * 50, [[1e308, -1e308]], [[2**63, 0]]),
]


def _payload(random_: random.Random) -> str:
    """A bitmap's data: a small PNG, perhaps broken, in zlib or not, perhaps broken."""
    mask = np.asarray(np.random.default_rng(random_.getrandbits(32)).random((9, 11)) < 0.5)
    png = b"".join(encode_png(mask.astype(np.uint8) * 255))
    if random_.random() < 0.1:
        png = _turn(png, random_)
    data = zlib.compress(png, random_.randrange(10)) if random_.random() < 0.95 else png
    if random_.random() < 0.1:
        data = _turn(data, random_)
    return base64.b64encode(data).decode()


def _turn(content: bytes, random_: random.Random) -> bytes:
    """Change some bytes, cut, or repeat."""
    changed = bytearray(content or b"\0")
    for _ in range(random_.choice((0, 1, 1, 2, 8))):
        changed[random_.randrange(len(changed))] = random_.getrandbits(8)
    if random_.random() < 0.2:
        del changed[random_.randrange(len(changed)) :]
    if random_.random() < 0.1:
        changed *= random_.randrange(1, 4)
    return bytes(changed)


def _annotation(random_: random.Random) -> dict[str, Any]:
    """A sound annotation with one object of every geometry."""

    def points(count: int) -> list[list[float]]:
        return [[random_.uniform(-50, 350), random_.randrange(-50, 350)] for _ in range(count)]

    def shape(geometry: str, **keys: Any) -> dict[str, Any]:
        return {"classTitle": "kiwi", "geometryType": geometry, **keys}

    ring = {"exterior": points(random_.randrange(1, 9)), "interior": [points(3)]}
    corners = [{"loc": point} for point in points(8)]
    objects = [
        shape("polygon", points=ring),
        shape("multipolygon", parts=[ring], points=[ring]),
        shape("rectangle", points={"exterior": points(2), "interior": []}),
        shape("oriented_bbox", points={"exterior": points(2), "interior": []}, angle=0.3),
        shape("line", points={"exterior": points(4), "interior": []}),
        shape("point", points={"exterior": points(1), "interior": []}),
        shape("bitmap", bitmap={"data": _payload(random_), "origin": [5, 5]}),
        shape("alpha_mask", bitmap={"data": _payload(random_), "origin": [5, 5]}),
        shape("graph", nodes={"a": {"loc": [1, 2]}, "b": {"loc": [7, 9]}}),
        shape("cuboid_2d", vertices={str(i): corner for i, corner in enumerate(corners)}),
        shape("cuboid", points=points(7), faces=[[0, 1, 2, 3], [0, 4, 5, 1], [1, 5, 6, 2]]),
    ]
    random_.shuffle(objects)
    return {"size": {"height": 200, "width": 300}, "objects": objects[: random_.randrange(1, 12)]}


def spoil(node: Any, random_: random.Random) -> None:
    """Change one value somewhere below."""
    while isinstance(node, dict | list) and node:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        key = random_.choice(keys)
        child = node[key]
        if not (isinstance(child, dict | list) and child and random_.random() < 0.8):
            if random_.random() < 0.15:
                del node[key]
            else:
                node[key] = deepcopy(random_.choice(_EVIL))
            return
        node = child


def case(seed: int) -> bytes:
    """An annotation that may be anything."""
    random_ = random.Random(seed)
    data = _annotation(random_)
    for _ in range(random_.choice((0, 0, 0, 1, 1, 2, 5))):
        spoil(data, random_)
    content = orjson.dumps(data)
    return _turn(content, random_) if random_.random() < 0.1 else content


def feed(content: bytes) -> str:
    """Parse and paint; say how it ended. Anything but an `AnnotationError` is raised."""
    try:
        shapes = parse(content, {"kiwi": 0})
    except AnnotationError:
        return "refused"
    if max(shapes.height, shapes.width) > _MOST_SIDE:
        return "parsed"
    out = np.zeros((shapes.height, shapes.width), np.uint8)
    paint_labels(shapes, np.ones(1, np.uint8), out)
    return "painted"


def main() -> None:
    """Feed for some time and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    feed(case(0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ends: Counter[str] = Counter()
    slowest, seed = (0.0, 0), options.seed
    begun = perf_counter()
    while perf_counter() - begun < options.seconds:
        started = perf_counter()
        try:
            ends[feed(case(seed))] += 1
        except BaseException:
            print(f"seed {seed}: {case(seed)!r}")
            raise
        slowest = max(slowest, (perf_counter() - started, seed))
        seed += 1
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{ends.total()} annotations: {dict(ends)}")
    print(f"slowest {slowest[0]:.2f} s (seed {slowest[1]}), {memory:.0f} MiB more memory at most")


if __name__ == "__main__":
    main()
