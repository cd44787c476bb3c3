"""What every call but `labels` shows: beyond the canvas, padded, at other scales, in strided rows.

`labels` itself, which `test_views.py` compares with plain twins, is the twin of the others here.
"""

from math import floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import savemasks
from support.painters import (
    ALL_GRAYS,
    COLORS,
    DEEP,
    GRAYS,
    HEIGHT,
    MANY,
    MAPPINGS,
    WIDTH,
    annotation,
    painter,
    peak,
)

Options = dict[str, Any]
NOTHING = annotation(objects=0)
MAPPED = [*MAPPINGS, ALL_GRAYS]


def drawn(data: st.DataObject) -> Options:
    """A window that may leave the canvas, or not touch it; a size or a scale; a padding."""
    options: Options = {}
    if data.draw(st.booleans()):
        corner = data.draw(st.integers(-50, 50)), data.draw(st.integers(-50, 50))
        options["window"] = (*corner, data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70)))
    how = data.draw(st.sampled_from(["as it is", "size", "scale"]))
    if how == "size":
        options["size"] = data.draw(st.integers(1, 50)), data.draw(st.integers(1, 50))
    if how == "scale":
        options["scale"] = data.draw(st.sampled_from([0.3, 1, 1.7]))
    if data.draw(st.booleans()):
        options["pad"] = data.draw(st.sampled_from([2, (1, 0, 3, 2)]))
    return options


def outside(p: savemasks.Painter, options: Options) -> NDArray[np.bool_]:
    """Which pixels of a result lie beyond the canvas."""
    return np.not_equal(p.labels(NOTHING, **options, fill=1), 0)


# ------------------------------------------------------------------ pictures


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_machine_masks_show_what_labels_show(data: st.DataObject) -> None:
    p = painter(data.draw(st.sampled_from(MAPPED)), paint_order="area", line_width=2)
    note = annotation(data.draw(st.integers(0, 10**6)))
    options = drawn(data)
    palette = p.machine_palette
    assert palette is not None
    colors = palette.colors[:, 0] if palette.is_gray else palette.colors
    fills = [0, 1, 255] if palette.is_gray else [0, 255, (7, 8, 9)]
    fill: Any = data.draw(st.sampled_from(fills))
    expected = colors[p.labels(note, mask="machine", **options, fill=0)]
    expected[outside(p, options)] = fill
    found = p.machine(note, **options, fill=fill)
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)
    out = np.full_like(expected, 77)
    assert p.machine(note, **options, fill=fill, out=out) is out
    assert np.array_equal(out, expected)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_human_pages_show_the_original_and_what_lies_around_it(data: st.DataObject) -> None:
    p = painter(GRAYS, data.draw(st.sampled_from([COLORS, MANY])))
    note = annotation(data.draw(st.integers(0, 10**6)))
    image = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    options = drawn(data)
    fill: Any = data.draw(st.sampled_from([0, 200, (7, 8, 9)]))
    labels = p.labels(note, mask="human", **options, fill=0)
    beyond = outside(p, options)
    height, width = labels.shape
    left = np.empty((height, width, 3), np.uint8)
    left[:] = fill
    rows, columns = shown(options, labels.shape)
    for y, x in np.argwhere(~beyond).tolist():
        left[y, x] = image[rows[y], columns[x]]
    assert p.human_palette is not None
    mixed = (left.astype(int) + p.human_palette.colors[labels]) >> 1
    right = np.where(labels[:, :, np.newaxis] != 0, mixed, left)
    green = np.broadcast_to(np.array([0, 255, 0]), (height, 1, 3))
    expected = np.concatenate([left, green, right], axis=1)
    found = p.human(note, image, **options, fill=fill)
    assert found.dtype == np.uint8
    assert np.array_equal(found, expected)
    out = np.full(expected.shape, 77, np.uint8)
    assert p.human(note, image, **options, fill=fill, out=out) is out
    assert np.array_equal(out, expected)


def shown(options: Options, shape: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Rows and columns of the canvas that those of a result show."""
    x, y, width, height = options.get("window", (0, 0, WIDTH, HEIGHT))
    pad = options.get("pad", 0)
    left, top, right, bottom = pad if isinstance(pad, tuple) else (pad,) * 4
    rows, columns = shape[0] - top - bottom, shape[1] - left - right
    return (
        [y + floor((i - top + 0.5) * height / rows) for i in range(shape[0])],
        [x + floor((i - left + 0.5) * width / columns) for i in range(shape[1])],
    )


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_instances_are_labels_of_a_class_for_every_object(data: st.DataObject) -> None:
    note = annotation(data.draw(st.integers(0, 10**6)))
    titles = [f"object {number}" for number in range(len(note["objects"]))]
    renamed = [item | {"classTitle": t} for item, t in zip(note["objects"], titles, strict=True)]
    p = savemasks.Painter.from_classes(titles)
    note["objects"] = renamed
    options = drawn(data)
    fill: Any = data.draw(st.sampled_from([0, 255, -1]))
    expected = p.labels(note, **options, fill=0).astype(np.int32)
    expected[outside(p, options)] = fill
    found = p.instances(note, **options, fill=fill).numbers
    assert found.dtype == np.int32
    assert np.array_equal(found, expected)
    wide = np.full((expected.shape[0], expected.shape[1] + 3), 77, np.int32)
    p.instances(note, **options, fill=fill, out=wide[:, :-3])
    assert np.array_equal(wide[:, :-3], expected)
    assert (wide[:, -3:] == 77).all()


# ------------------------------------------------------------------ training


def rooms(count: int, shape: tuple[int, ...], dtype: Any) -> list[NDArray[Any]]:
    """Memory for masks: in one piece, and as a part of a padded batch."""
    whole = np.ones((count, *shape), dtype)
    padded = np.ones((count + 1, shape[0] + 2, shape[1] + 3), dtype)
    return [whole, padded[1:, 1:-1, 2:-1]]


def untouched(room: NDArray[Any]) -> bool:
    """Whether the batch around such memory is as it was."""
    batch = room.base
    if batch is None:
        return True
    return bool(batch[0].all() and batch[:, [0, -1]].all() and batch[:, :, [0, 1, -1]].all())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_targets_show_what_labels_show(data: st.DataObject) -> None:
    p = painter(data.draw(st.sampled_from([GRAYS, MANY, {}])), line_width=3)
    note = annotation(data.draw(st.integers(0, 10**6)), data.draw(st.integers(0, 12)))
    options = drawn(data)
    fill: Any = data.draw(st.sampled_from([0, 1, 255]))
    masks, boxes, labels = [], [], []
    for item in note["objects"]:
        alone = p.labels({**note, "objects": [item]}, **options, fill=0)
        if alone.any():
            y, x = alone.nonzero()
            boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
            labels.append(alone.max())
            masks.append(np.where(outside(p, options), fill, alone != 0))
    shape = p.labels(note, **options, fill=0).shape
    for out in (None, *rooms(len(note["objects"]), shape, np.uint8)):
        found = p.targets(note, **options, fill=fill, out=out)
        assert found["masks"].dtype == np.uint8
        assert found["masks"].shape == (len(masks), *shape)
        assert np.array_equal(found["masks"], np.array(masks).reshape(found["masks"].shape))
        assert found["boxes"].tolist() == boxes
        assert found["labels"].tolist() == labels
        if out is not None and masks:
            assert np.shares_memory(found["masks"], out)
            assert untouched(out)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_one_hot_masks_show_what_labels_show(data: st.DataObject) -> None:
    p = painter(data.draw(st.sampled_from([GRAYS, COLORS])), line_width=2)
    note = annotation(data.draw(st.integers(0, 10**6)))
    options = drawn(data)
    fill: Any = data.draw(st.sampled_from([0, 1, True]))
    shape = p.labels(note, **options, fill=0).shape
    expected = np.zeros((len(p.class_names) - 1, *shape), np.bool_)
    for item in note["objects"]:
        alone = p.labels({**note, "objects": [item]}, **options, fill=0)
        if alone.any():
            expected[alone.max() - 1] |= alone != 0
    expected[:, outside(p, options)] = fill
    assert np.array_equal(p.one_hot(note, **options, fill=fill), expected)
    for out in rooms(len(expected), shape, np.bool_):
        assert p.one_hot(note, **options, fill=fill, out=out) is out
        assert np.array_equal(out, expected)
        assert untouched(out)


def test_a_window_beside_the_canvas_needs_no_room_for_objects_at_its_edge() -> None:
    note = annotation(objects=0)
    ring = [[-9, -9], [9, -9], [9, 9], [-9, 9]]
    note["objects"] = [
        {"classTitle": "kiwi", "geometryType": "polygon", "points": {"exterior": ring}}
    ]
    none = np.empty((0, 5, 5), np.uint8)
    for corner in ((-5, -5), (-5, 0), (0, -5)):
        found = painter().targets(note, window=(*corner, 5, 5), fill=1, out=none)
        assert found["masks"].shape == (0, 5, 5)


def test_strided_masks_are_painted_without_others_of_their_size() -> None:
    side = 1200
    note = {**annotation(4), "size": {"height": side, "width": side}}
    p = painter()
    masks = np.zeros((len(note["objects"]), side, side + 8), np.uint8)[:, :, 8:]
    classes = np.zeros((len(p.class_names) - 1, side, side + 8), np.bool_)[:, :, 8:]
    for call in (lambda: p.targets(note, out=masks), lambda: p.one_hot(note, out=classes)):
        call()
        assert peak(call) < side * side // 2


# ------------------------------------------------------------------ what does not fit


@pytest.mark.parametrize("call", ["machine", "instances", "targets", "one_hot"])
def test_a_window_leaves_the_canvas_only_with_a_fill(call: str) -> None:
    paint = getattr(painter(), call)
    for options in ({}, {"pad": 2}, {"size": (3, 3)}, {"scale": 2}):
        with pytest.raises(ValueError, match="does not lie inside the canvas of 37 x 23"):
            paint(annotation(), window=(-1, 0, 5, 5), **options)
    with pytest.raises(TypeError, match="fill must be a whole number, not 'x'"):
        paint(annotation(), fill="x")
    with pytest.raises(TypeError, match=r"fill must be a whole number, not \(1, 2, 3\)"):
        paint(annotation(), fill=(1, 2, 3))
    with pytest.raises(ValueError, match="give size or scale, not both"):
        paint(annotation(), size=(3, 3), scale=2)


@pytest.mark.parametrize(
    ("mapping", "call", "fill", "message"),
    [
        (GRAYS, "machine", 256, "fill must be from 0 to 255, as pixels of uint8, not 256"),
        (DEEP, "machine", 65_536, "from 0 to 65535, as pixels of uint16, not 65536"),
        (COLORS, "machine", (0, 0, 256), r"from 0 to 255, as pixels of uint8, not \(0, 0, 256\)"),
        (GRAYS, "targets", 256, "from 0 to 255, as pixels of uint8, not 256"),
        (GRAYS, "one_hot", 2, "from 0 to 1, as pixels of bool, not 2"),
        (GRAYS, "instances", 1 << 31, "from -2147483648 to 2147483647, as labels of int32, not"),
    ],
)
def test_a_fill_must_fit_what_is_made(mapping: Any, call: str, fill: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(painter(mapping), call)(annotation(), fill=fill)


@pytest.mark.parametrize("fill", [(1, 2), (1, 2, 3, 4), (1, 2, 0.5), "red"])
def test_a_fill_of_colours_has_three_levels(fill: Any) -> None:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with pytest.raises(TypeError, match="fill must be a whole number or a colour of three, not"):
        painter(COLORS).machine(annotation(), fill=fill)
    with pytest.raises(TypeError, match="fill must be a whole number or a colour of three, not"):
        painter().human(annotation(), image, pad=1, fill=fill)
