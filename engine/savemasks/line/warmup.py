"""All kernels compiled, or loaded from the cache, before the first item: all of it is here.

`warm_up` calls what one layer's everyday items need, before a worker takes its first one;
`warm_up_everything` what any layer can need, for services.
"""

import base64
import zlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import orjson

from ..encode.choice import encode_human, encode_machine
from ..encode.color import color_human, color_machine, human_page, machine_mask
from ..encode.general import encode_png
from ..encode.machine import encode_runs
from ..kernels.cache import one_process_at_a_time
from ..kernels.encode import lookup
from ..kernels.paint.extents import tighten_boxes
from ..layers.palette import paintable_grays
from ..layers.save_masks import SaveMasks
from ..paint.labels import extents_of, paint_masks
from ..paint.numbering import Seen
from ..parse.pieces import LARGE
from ..pictures.original import Original
from ..scratch import Scratch
from ..shapes import Shapes
from .plan import Plan

_SIZE = 8


def warm_up(plan: Plan) -> None:
    """Prepare everything that everyday items need, but no more."""
    with one_process_at_a_time():
        # White space makes a large one of it.
        shapes = plan.parse(_everyday_annotation(plan).ljust(LARGE))
        machine_labels, human_labels = plan.label_maps(shapes, Scratch())
        if machine_labels is not None:
            palette = plan.palette_of("machine")
            encode_png(machine_mask(machine_labels, palette, Scratch()))
            encode_machine(machine_labels, palette)
        if human_labels is not None:
            shape = (*human_labels.shape, 3)
            colorful = (np.arange(human_labels.size * 3) * 37 % 251).astype(np.uint8)
            palette = plan.palette_of("human")
            for image in (colorful.reshape(shape), np.zeros(shape, np.uint8)):
                encode_human(image, human_labels, palette)
            encode_png(human_page(image, human_labels, palette, Scratch()))
            Original(b"".join(encode_png(np.zeros((2, 2, 3), np.uint8)))).pixels()


def warm_up_everything() -> None:
    """Call every kernel with everything that it can be called with."""
    for layer in _layers():
        plan = Plan.of(layer)
        warm_up(plan)
        with one_process_at_a_time():
            shapes = plan.parse(_everyday_annotation(plan))
            _paint_in_memory(plan, shapes)
    with one_process_at_a_time():
        colorful = np.zeros((_SIZE, _SIZE, 3), np.uint8)
        for pixels in (colorful, colorful[:, :, 0].copy(), colorful.astype(np.uint16)):
            encode_png(pixels)
        pixels = np.zeros((_SIZE, _SIZE), np.uint8)
        pixels.setflags(write=False)
        encode_runs(pixels, np.arange(256, dtype=np.uint8), Scratch())


def _paint_in_memory(plan: Plan, shapes: Shapes) -> None:
    """What programs paint that have no files: masks and pages as pixels, maps of instances."""
    shape = shapes.height, shapes.width
    corner = (0, 0)
    instances = np.empty(shape, np.int32)
    numbers = np.arange(1, len(shapes) + 1, dtype=np.int32)
    plan.paint(shapes, numbers, instances, corner, key=shapes.object_index)

    order = np.arange(len(shapes))
    masks = np.zeros((len(shapes), *shape), np.uint8)
    ones = np.ones(len(plan.classes), np.uint8)
    paint_masks(shapes, ones, masks, order=order, layer=order)
    boxes = extents_of(shapes, plan.line_width) % _SIZE
    tighten_boxes(masks, boxes)

    palette = plan.palette_of("machine")
    labels = np.empty(shape, palette.label_dtype)
    plan.paint(shapes, plan.table_of("machine"), labels, corner)
    out = np.empty(shape if palette.is_gray else (*shape, 3), palette.colors.dtype)
    color_machine(labels, palette, out)
    three = replace(palette, has_three_channels=True)
    color_machine(labels, three, np.empty((*shape, 3), palette.colors.dtype))
    seen = Seen(len(shapes))
    for numbers_dtype in (np.uint8, np.uint16, np.int32):
        seen.add(instances.astype(numbers_dtype))
    if grays := paintable_grays(palette, plan.table_of("machine")):
        plan.paint(shapes, grays.of_class, out, corner)
        if grays.table is not None:
            lookup.gray(out, grays.table, out)
    readable = out.copy()
    readable.setflags(write=False)
    encode_png(readable)

    palette = plan.palette_of("human")
    labels = np.empty(shape, palette.label_dtype)
    plan.paint(shapes, plan.table_of("human"), labels, corner)
    page = np.empty((shape[0], 2 * shape[1] + 1, 3), np.uint8)
    color_human(np.zeros((*shape, 3), np.uint8), labels, palette, page)


def _layers() -> Iterator[SaveMasks]:
    """Labels of 8 and of 16 bits, each with grays (one of them black), deep grays and colours."""
    for count in (2, 256):
        grays = {str(i): [i % 256] * 3 for i in range(count)}
        deep = {str(i): [i + 256] * 3 for i in range(count)} | {"0": [0, 0, 0]}
        colors = {str(i): [i % 256, 1, 2] for i in range(count)}
        for machine in (grays, deep, colors):
            yield SaveMasks.from_json(
                {
                    "action": "save_masks",
                    "dst": "x",
                    "settings": {
                        "masks_machine": True,
                        "masks_human": True,
                        "gt_machine_color": machine,
                        "gt_human_color": colors,
                        "paint_order": "area",
                    },
                }
            )


def _everyday_annotation(plan: Plan) -> bytes:
    """Annotation with one object of every shape, all of the plan's first class."""
    title = next(iter(plan.classes), "")
    mask = encode_png(np.full((2, 2), 255, np.uint8))
    data = base64.b64encode(zlib.compress(b"".join(mask))).decode()
    triangle = {"exterior": [[0, 0], [7, 0], [3, 7]], "interior": [[[3, 2], [4, 2], [3, 3]]]}
    pair = {"exterior": [[1, 1], [5, 6]]}
    objects: list[dict[str, object]] = [
        {"geometryType": "polygon", "points": triangle},
        {"geometryType": "rectangle", "points": pair},
        {"geometryType": "line", "points": pair},
        {"geometryType": "point", "points": pair},
        {"geometryType": "bitmap", "bitmap": {"origin": [2, 2], "data": data}},
        # Folded, it goes the way of large ones.
        {"geometryType": "bitmap", "bitmap": {"origin": [2, 2], "data": data + "\n"}},
    ]
    size = {"height": _SIZE, "width": _SIZE}
    return orjson.dumps({"size": size, "objects": [{"classTitle": title, **o} for o in objects]})
