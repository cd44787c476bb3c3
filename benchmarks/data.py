"""Makes projects to measure on: the same arguments and seed give the same pixels and objects.

Usage::

    python benchmarks/data.py photos FOLDER [--images N] [--width W] [--height H]
                                            [--objects N] [--vertices N] [--seed N]
    python benchmarks/data.py cells  FOLDER [the same; --vertices has no effect]

`photos` are JPEGs as a camera makes them, with polygons (a fifth with holes), bitmaps of all
kinds, rectangles, lines and points. `cells` are small PNGs as a microscope makes them, with
hundreds of nuclei as bitmaps. Each project comes with a `save_masks.json`. Objects lie inside
their pictures, for only there do all rivals agree on what to paint.
"""

import argparse
import base64
import io
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Ring = NDArray[np.int32]
Object = dict[str, Any]
Random = np.random.Generator

PAYLOADS = ("palette", "rgba", "gray", "bits")
KINDS = (*["polygon"] * 4, "polygon with holes", *["bitmap"] * 2, "rectangle", "line", "point")
CLASSES = ("car", "truck", "bus", "person", "bicycle", "sign", "lane", "tree")
JPEG_QUALITY = 95


@dataclass(frozen=True)
class Size:
    """How much of everything: pictures, their sides, and per picture the objects.

    `vertices` is for the outline of a polygon or a line; a hole has a third.
    """

    images: int
    width: int
    height: int
    objects: int
    vertices: int = 30


PHOTOS = Size(images=16, width=1920, height=1080, objects=60)
CELLS = Size(images=40, width=696, height=520, objects=200)


# ------------------------------------------------------------------ objects


def outline(rng: Random, size: Size, at: Floats, radius: float, vertices: int) -> Ring:
    """A closed wavy ring around a point, cut at the picture's edges."""
    turn = np.linspace(0, math.tau, vertices, endpoint=False)
    reach = np.ones(vertices)
    for waves, depth in ((2, 0.25), (3, 0.15), (7, 0.08)):
        reach += depth * np.sin(waves * turn + rng.uniform(0, math.tau))
    x, y = at[0] + radius * reach * np.cos(turn), at[1] + radius * reach * np.sin(turn)
    inside = np.clip(x, 0, size.width - 1), np.clip(y, 0, size.height - 1)
    return np.stack(inside, axis=1).round().astype(np.int32)


def bitmap(ring: Ring, payload: str) -> Object:
    """What is inside a ring as the value of an object's `bitmap` key."""
    corner = ring.min(axis=0)
    width, height = (ring.max(axis=0) - corner + 1).tolist()
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [ring - corner], 255)
    data = base64.b64encode(zlib.compress(_png(mask, payload))).decode()
    return {"origin": corner.tolist(), "data": data}


def _png(mask: Pixels, payload: str) -> bytes:
    """A mask of 0 and 255 in one of the forms that are found in annotations."""
    picture, options = Image.fromarray(mask), {}
    if payload == "palette":  # what Supervisely itself writes: 1 bit, the background transparent
        picture = Image.fromarray(mask // 255)
        picture.putpalette([0, 0, 0, 255, 255, 255])
        options = {"transparency": 0, "bits": 1}
    elif payload == "rgba":
        picture = Image.fromarray(np.dstack([np.full((*mask.shape, 3), 255, np.uint8), mask]))
    elif payload == "bits":
        picture = picture.convert("1", dither=Image.Dither.NONE)
    file = io.BytesIO()
    picture.save(file, "png", **options)
    return file.getvalue()


def mixed_object(rng: Random, size: Size, number: int) -> Object:
    """One object of a photograph; its number decides the kind, chance the rest."""
    kind = KINDS[number % len(KINDS)]
    at = rng.uniform((0, 0), (size.width, size.height)).astype(np.float32)
    radius = float(size.height * np.exp(rng.uniform(math.log(0.015), math.log(0.12))))
    ring = outline(rng, size, at, radius, size.vertices)
    label: Object = {"classTitle": CLASSES[int(rng.integers(len(CLASSES)))], "tags": []}
    label["geometryType"] = kind.split()[0]
    if kind == "bitmap":
        return label | {"bitmap": bitmap(ring, PAYLOADS[int(rng.integers(len(PAYLOADS)))])}
    exterior, interior = ring, []
    if kind == "polygon with holes":
        interior = [outline(rng, size, at, radius / 3, max(3, size.vertices // 3))]
    elif kind == "rectangle":
        exterior = np.stack([ring.min(axis=0), ring.max(axis=0)])
    elif kind == "point":
        exterior = ring[:1]
    holes = [hole.tolist() for hole in interior]
    return label | {"points": {"exterior": exterior.tolist(), "interior": holes}}


# ------------------------------------------------------------------ pictures


def noise(rng: Random, height: int, width: int, step: int) -> Floats:
    """Smooth noise in three channels, about one bump per `step` pixels."""
    rows, columns = height // step + 2, width // step + 2
    grid = rng.standard_normal((rows, columns, 3), np.float32)
    grid = 0.7 * grid[..., :1] + 0.3 * grid  # light varies more than hue
    if step == 1:
        return grid[:height, :width]
    large = cv2.resize(grid, (columns * step, rows * step), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large[:height, :width], np.float32)


def photograph(rng: Random, size: Size) -> Pixels:
    """A picture (BGR) with a real one's share of smooth parts, texture, edges and grain."""
    height, width = size.height, size.width
    picture = np.full((height, width, 3), 110, np.float32)
    for _ in range(30):
        at = rng.uniform((0, 0), (width, height)).astype(np.float32)
        ring = outline(rng, size, at, height * rng.uniform(0.03, 0.2), 24)
        cv2.fillPoly(picture, [ring], (110 + rng.normal(0, 35, 3)).tolist())
    for step, strength in ((512, 30.0), (128, 15.0), (32, 7.0)):
        picture += strength * noise(rng, height, width, step)
    texture = 4 * noise(rng, height, width, 8) + 4 * noise(rng, height, width, 3)
    texture += 4 * cv2.GaussianBlur(noise(rng, height, width, 1), (0, 0), 0.6)
    picture += texture * np.exp(0.7 * noise(rng, height, width, 256)[..., :1])  # sky and gravel
    return np.clip(picture, 0, 255).astype(np.uint8)


def nuclei(rng: Random, size: Size) -> tuple[Pixels, list[Object]]:
    """A dark gray picture (BGR) with bright blobs, and the blobs as objects."""
    columns = math.ceil(math.sqrt(size.objects * size.width / size.height))
    rows = math.ceil(size.objects / columns)
    step = np.array([size.width / columns, size.height / rows])
    light = np.zeros((size.height, size.width), np.float32)
    objects = []
    for place in rng.permutation(rows * columns)[: size.objects]:
        at = (np.array(divmod(int(place), columns))[::-1] + rng.uniform(0.35, 0.65, 2)) * step
        radius = step.min() * rng.uniform(0.15, 0.38)
        ring = outline(rng, size, at.astype(np.float32), radius, 40)
        cv2.fillPoly(light, [ring], rng.uniform(30, 120))
        objects.append(
            {"classTitle": "nucleus", "geometryType": "bitmap", "tags": []}
            | {"bitmap": bitmap(ring, "palette")}
        )
    light = np.asarray(cv2.GaussianBlur(light, (0, 0), 1.5), np.float32) + 12
    light += 3 * noise(rng, size.height, size.width, 64)[..., 0]
    light *= 1 + 0.014 * noise(rng, size.height, size.width, 1)[..., 0]
    gray = np.clip(light, 0, 255).astype(np.uint8)
    return np.dstack([gray] * 3), objects


# ------------------------------------------------------------------ projects


def write_photos(folder: Path, size: Size = PHOTOS, seed: int = 0) -> None:
    """Write a project of photographs with mixed objects."""

    def make(rng: Random) -> tuple[bytes, list[Object]]:
        objects = [mixed_object(rng, size, number) for number in range(size.objects)]
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        jpeg = cv2.imencode(".jpg", photograph(rng, size), options)[1].tobytes()
        return jpeg, [objects[i] for i in rng.permutation(size.objects)]

    _write(folder, size, seed, CLASSES, ".jpg", make)


def write_cells(folder: Path, size: Size = CELLS, seed: int = 0) -> None:
    """Write a project of microscope pictures with nuclei."""

    def make(rng: Random) -> tuple[bytes, list[Object]]:
        picture, objects = nuclei(rng, size)
        png = io.BytesIO()
        Image.fromarray(picture).save(png, "png")
        return png.getvalue(), objects

    _write(folder, size, seed, ("nucleus",), ".png", make)


def save_masks(classes: tuple[str, ...] = CLASSES) -> dict[str, Any]:
    """Settings that paint all classes in both masks."""
    gray = {title: [i + 1] * 3 for i, title in enumerate(classes)}
    hues = [np.array([i * 180 / len(classes), 230, 230], np.uint8) for i in range(len(classes))]
    bright = [cv2.cvtColor(hue[None, None], cv2.COLOR_HSV2RGB)[0, 0].tolist() for hue in hues]
    settings = {"masks_machine": True, "masks_human": True, "gt_machine_color": gray}
    settings["gt_human_color"] = dict(zip(classes, bright, strict=True))
    return {"action": "save_masks", "src": ["$0"], "dst": "out", "settings": settings}


def annotation(size: Size, objects: list[Object]) -> bytes:
    """The file of an item's annotation."""
    canvas = {"height": size.height, "width": size.width}
    return orjson.dumps({"description": "", "tags": [], "size": canvas, "objects": objects})


def _write(
    folder: Path,
    size: Size,
    seed: int,
    classes: tuple[str, ...],
    suffix: str,
    make: Callable[[Random], tuple[bytes, list[Object]]],
) -> None:
    """Write a project whose items `make` makes, and its settings."""
    layer = save_masks(classes)
    entries = [{"title": title, "shape": "any", "color": "#c81e78"} for title in classes]
    for part in ("img", "ann"):
        (folder / "ds0" / part).mkdir(parents=True, exist_ok=True)
    (folder / "save_masks.json").write_bytes(orjson.dumps(layer, option=orjson.OPT_INDENT_2))
    meta = {"classes": entries, "tags": [], "projectType": "images"}
    (folder / "meta.json").write_bytes(orjson.dumps(meta))
    for number in range(size.images):
        picture, objects = make(np.random.default_rng([seed, number]))
        name = f"{number:05}{suffix}"
        (folder / "ds0" / "img" / name).write_bytes(picture)
        (folder / "ds0" / "ann" / f"{name}.json").write_bytes(annotation(size, objects))


WRITERS = {"photos": (write_photos, PHOTOS), "cells": (write_cells, CELLS)}


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="kind", required=True)
    for kind, (_, usual) in WRITERS.items():
        command = commands.add_parser(kind, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        command.add_argument("folder", type=Path, metavar="FOLDER")
        for field in fields(Size):
            default = getattr(usual, field.name)
            command.add_argument(f"--{field.name}", type=int, default=default, help="how many")
        command.add_argument("--seed", type=int, default=0, help="of chance")
    options = parser.parse_args()
    size = Size(**{field.name: getattr(options, field.name) for field in fields(Size)})
    WRITERS[options.kind][0](options.folder, size, options.seed)


if __name__ == "__main__":
    main()
