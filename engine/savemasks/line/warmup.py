"""All kernels compiled, or loaded from the cache, before the first item: all of it is here.

`warm_up` calls what one layer's everyday items need, before a worker takes its first one;
`warm_up_everything` what any layer can need, for services.
"""

import base64
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import orjson

from ..encode.choice import encode_human, encode_machine
from ..encode.color import color_human, color_machine, human_page, machine_mask
from ..encode.general import encode_png
from ..encode.machine import encode_runs
from ..encode.numbers import encode_numbers
from ..kernels.cache import one_process_at_a_time
from ..kernels.encode import lookup, mask_tokens
from ..kernels.encode.page import WINDOW
from ..kernels.paint.extents import tighten_boxes
from ..layers.palette import paintable_grays
from ..layers.save import SaveSettings
from ..layers.save_masks import SaveMasks, Settings
from ..paint.labels import extents_of, paint_masks
from ..paint.numbering import Seen
from ..parse.pieces import LARGE
from ..pictures.original import Original
from ..projects.items import Item
from ..scratch import Scratch
from ..shapes import LINE, POINT, POLYGON, RECTANGLE, Shapes
from ..store.files import Store
from .counting_classes import ClassCounter
from .drawings import drawing
from .job import OnCompile
from .plan import Plan
from .sharing import Step, share
from .sinks import Sink

_SIZE = 8
# Shapes of classes in meta.json whose objects have no bitmaps.
_WITHOUT_BITMAPS = frozenset({"polygon", "rectangle", "line", "point", "graph", "cuboid"})


def warm_up(
    plan: Plan,
    settings: Settings | SaveSettings | None = None,
    on_compile: OnCompile | None = None,
) -> None:
    """Prepare everything that everyday items need, but no more.

    With the settings of the plan's layer, that is what a run makes of them, too. If something has
    to be compiled, `on_compile` is told how many parts of the work are done, and of how many.
    """
    warm_up_all([(plan, settings)], on_compile)


def warm_up_all(
    wanted: Sequence[tuple[Plan, Settings | SaveSettings | None]],
    on_compile: OnCompile | None = None,
) -> None:
    """Do as `warm_up` for several plans, whose kernels are compiled side by side."""
    with one_process_at_a_time():
        share(_steps_of_all, (wanted,), on_compile)


def _steps_of_all(wanted: Sequence[tuple[Plan, Settings | SaveSettings | None]]) -> list[Step]:
    return [step for plan, settings in wanted for step in _steps(plan, settings)]


def _steps(plan: Plan, settings: Settings | SaveSettings | None) -> list[Step]:
    """What needs kernels, in parts that do not depend on each other; the longest ones apart."""
    steps: list[Step] = []
    if _may_have_bitmaps(plan):
        steps.append(partial(_parse, plan))
    steps.append(partial(_read, plan))
    if plan.machine_table is not None:
        palette = plan.palette_of("machine")
        if palette.is_gray and palette.colors.dtype == np.uint8:
            steps.append(_write_runs)
        steps.append(partial(_encode_machine, plan))
    if plan.human_table is not None:
        steps += [partial(_encode_page, plan, is_gray=False), _decode_original]
        steps.append(partial(_encode_page, plan, is_gray=True))
    steps.append(partial(_paint, plan))
    if settings is not None:
        steps.append(partial(_make_masks, plan, settings))
    return steps


def _may_have_bitmaps(plan: Plan) -> bool:
    """Whether a class that is painted may have bitmaps, by its shape in meta.json.

    If there are some all the same, their kernels are compiled when the first one comes.
    """
    templates = [plan.templates.get(title) for title in plan.classes]
    return not all(template and template.shape in _WITHOUT_BITMAPS for template in templates)


def _parse(plan: Plan) -> None:
    plan.parse(_everyday_annotation(plan))


def _read(plan: Plan) -> None:
    """Read what has no bitmaps; white space makes a large annotation of it."""
    plan.parse(_everyday_annotation(plan, bitmaps=False).ljust(LARGE))


def _paint(plan: Plan) -> None:
    """Paint what has no bitmaps, made by hand: so it need not wait for what reads it."""
    kinds = [POLYGON, RECTANGLE, LINE, POINT] if plan.classes else []
    triangle, hole, pair = [[0, 0], [7, 0], [3, 7]], [[3, 2], [4, 2], [3, 3]], [[1, 1], [5, 6]]
    shapes = Shapes.from_arrays(
        (_SIZE, _SIZE),
        kinds,
        [plan.classes.get(_painted_class(plan), 0)] * len(kinds),
        triangle + hole + 2 * pair + pair[:1] if kinds else [],
        vertex=[0, 3, 6, 8, 10, 11] if kinds else [0],
        ring=[0, 2, 3, 4, 5] if kinds else [0],
        classes=plan.classes,
    )
    plan.label_maps(shapes, Scratch())


def _write_runs() -> None:
    """What is the second half of encoding machine masks."""
    mask_tokens.write(
        np.zeros(mask_tokens.CODE_WORDS, np.int64), 0, 1, 2, 1, False, np.zeros(8000, np.uint8)
    )


def _encode_machine(plan: Plan) -> None:
    palette = plan.palette_of("machine")
    labels = np.zeros((_SIZE, _SIZE), palette.label_dtype)
    encode_machine(labels, palette)
    encode_png(machine_mask(labels, palette, Scratch()))


def _encode_page(plan: Plan, *, is_gray: bool) -> None:
    palette = plan.palette_of("human")
    labels = np.zeros((_SIZE, _SIZE), palette.label_dtype)
    image = np.zeros((_SIZE, _SIZE, 3), np.uint8)
    if not is_gray:
        image += (np.arange(image.size) * 37 % 251).astype(np.uint8).reshape(image.shape)
    encode_human(image, labels, palette)
    encode_png(human_page(image, labels, palette, Scratch()))


def _decode_original() -> None:
    Original(b"".join(encode_png(np.zeros((2, 2, 3), np.uint8)))).pixels()


def _make_masks(plan: Plan, settings: Settings | SaveSettings) -> None:
    """Make all masks of a sink, and count in them, without writing any."""
    sink, scratch = Sink(settings, plan, Store(Path())), Scratch()
    shapes = plan.parse(_everyday_annotation(plan, bitmaps=False))
    image = np.zeros((_SIZE, _SIZE, 3), np.uint8)
    counter = ClassCounter(sink)
    item = Item("", "a.png", None, None, "a.png")
    for mask in chain(sink.masks(item, _SIZE, _SIZE), sink.own_masks(item, shapes)):
        labels = drawing(plan, mask.drawn, shapes).paint(scratch)
        mask.encode(labels, image, shapes, scratch)
        if mask.palette is not None and mask.style is None:
            machine_mask(labels, mask.palette, scratch)  # of masks that are noise
        if mask.palette is None or (mask.style and mask.style.outlines):
            _number(plan, shapes)
    if counter.motif:
        counter.add(drawing(plan, counter.motif, shapes).paint(scratch))
        counter.packed(shapes)
    if sink.settings.format != "png" or not sink.settings.strips_above_megapixels:
        extents_of(shapes, plan.line_width)


def _number(plan: Plan, shapes: Shapes) -> None:
    """Make and measure maps of objects, of which there may be more than 255."""
    numbers = np.arange(shapes.object_index[-1] + 2, dtype=np.int32)
    for dtype in (np.uint8, np.uint16):
        numbered = np.empty((_SIZE, _SIZE), dtype)
        key = shapes.object_index
        plan.paint(shapes, numbers.astype(dtype), numbered, (0, 0), key=key)
        encode_numbers(numbered)
        Seen(len(numbers)).add(numbered)


def warm_up_everything() -> None:
    """Call every kernel with everything that it can be called with."""
    with one_process_at_a_time():
        share(_all_steps, ())


def _all_steps() -> list[Step]:
    steps: list[Step] = []
    for layer in _layers():
        plan = Plan.of(layer)
        steps += [*_steps(plan, layer.settings), partial(_paint_in_memory, plan)]
    return [*steps, _encode_pixels]


def _encode_pixels() -> None:
    colorful = np.zeros((_SIZE, _SIZE, 3), np.uint8)
    for pixels in (colorful, colorful[:, :, 0].copy(), colorful.astype(np.uint16)):
        encode_png(pixels)
    pixels = np.zeros((_SIZE, _SIZE), np.uint8)
    pixels.setflags(write=False)
    encode_runs(pixels, np.arange(256, dtype=np.uint8), Scratch())
    for dtype in (np.uint8, np.uint16):
        encode_runs(np.zeros((1, WINDOW), dtype), np.zeros(256, np.uint8), Scratch())


def _paint_in_memory(plan: Plan) -> None:
    """What programs paint that have no files: masks and pages as pixels, maps of instances."""
    shapes = plan.parse(_everyday_annotation(plan))
    shape = shapes.height, shapes.width
    corner = (0, 0)
    instances = np.empty(shape, np.int32)
    numbers = np.arange(1, len(shapes) + 1, dtype=np.int32)
    plan.paint(shapes, numbers, instances, corner, key=shapes.object_index)
    Seen(len(numbers)).add(instances)

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
                        "masks_instances": "map",
                        "masks_classes": True,
                        "masks_semantic_rgb": True,
                        "gt_machine_color": machine,
                        "gt_human_color": colors,
                        "paint_order": "area",
                    },
                }
            )


def _painted_class(plan: Plan) -> str:
    """A class that the plan paints; if it has masks by classes, one that has some."""
    if plan.own_table is not None and plan.own_table.any():
        return [*plan.classes][int(np.flatnonzero(plan.own_table)[0])]
    return next(iter(plan.classes), "")


def _everyday_annotation(plan: Plan, *, bitmaps: bool = True) -> bytes:
    """Annotation with one object of every shape, all of a class that the plan paints."""
    title = _painted_class(plan)
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
    if not bitmaps:
        objects = [o for o in objects if o["geometryType"] != "bitmap"]
    size = {"height": _SIZE, "width": _SIZE}
    return orjson.dumps({"size": size, "objects": [{"classTitle": title, **o} for o in objects]})
