"""What training code is given: targets, one-hot masks, batches, and names of classes."""

import pickle
import threading
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import savemasks
from savemasks.api.batches import call_on_threads
from support.painters import (
    ALL_GRAYS,
    COLORS,
    DEEP,
    GRAYS,
    HEIGHT,
    MANY,
    MANY_GRAYS,
    TITLES,
    WIDTH,
    annotation,
    painter,
)
from support.projects import Json

Arguments = dict[str, Any]


def drawn(data: st.DataObject) -> Arguments:
    """A window, a size, both or none."""
    options: Arguments = {}
    if data.draw(st.booleans()):
        x, y = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))
        width = data.draw(st.integers(1, WIDTH - x))
        options["window"] = (x, y, width, data.draw(st.integers(1, HEIGHT - y)))
    if data.draw(st.booleans()):
        options["size"] = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    return options


def alone(p: savemasks.Painter, note: Json, options: Arguments) -> list[tuple[int, Any]]:
    """The plain twin: label and mask of every object, painted by itself, if anything is seen."""
    found = []
    for item in note["objects"]:
        labels = p.labels({**note, "objects": [item]}, **options)
        if labels.any():
            found.append((int(labels.max()), labels != 0))
    return found


# ------------------------------------------------------------------ targets


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_object_has_a_mask_of_its_own(data: st.DataObject) -> None:
    mapping = data.draw(st.sampled_from([GRAYS, MANY, {}]))
    order = data.draw(st.sampled_from(["list", "area"]))
    p = painter(mapping, paint_order=order, line_width=data.draw(st.integers(1, 5)))
    note = annotation(data.draw(st.integers(0, 10**6)), data.draw(st.integers(0, 12)))
    options = drawn(data)
    twin = alone(p, note, options)
    shape = p.labels(note, **options).shape
    room = np.full((len(note["objects"]), *shape), 77, np.uint8)
    for out in (None, room):
        found = p.targets(note, **options, out=out)
        assert found["boxes"].dtype == np.float32
        assert found["boxes"].shape == (len(twin), 4)
        assert found["labels"].dtype == np.int64
        assert found["masks"].dtype == np.uint8
        assert found["masks"].shape == (len(twin), *shape)
        for number, (label, mask) in enumerate(twin):
            assert found["labels"][number] == label
            assert np.array_equal(found["masks"][number], mask)
            y, x = mask.nonzero()
            box = [x.min(), y.min(), x.max() + 1, y.max() + 1]
            assert found["boxes"][number].tolist() == box
    assert not twin or np.shares_memory(found["masks"], room)


def test_targets_are_what_opencv_paints() -> None:
    random = np.random.default_rng(5)
    rings = [random.integers(0, (WIDTH, HEIGHT), (9, 2)) for _ in range(30)]
    note = {
        "size": {"height": HEIGHT, "width": WIDTH},
        "objects": [
            {"classTitle": "lemon", "geometryType": "polygon",
             "points": {"exterior": ring.tolist(), "interior": []}}
            for ring in rings
        ],
    }  # fmt: skip
    found = painter().targets(note)
    for number, ring in enumerate(rings):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.fillPoly(mask, [ring.astype(np.int32)], 1)
        assert np.array_equal(found["masks"][number], mask)
        x, y, width, height = cv2.boundingRect(mask)
        assert found["boxes"][number].tolist() == [x, y, x + width, y + height]
    assert found["labels"].tolist() == [2] * 30


def test_objects_that_only_surround_a_window_are_left_out() -> None:
    """Their extent reaches into it, their pixels do not."""
    corner = [[0, 0], [30, 0], [0, 20]]
    dot = [[20, 15], [21, 15], [21, 16]]
    note = annotation(objects=0)
    note["objects"] = [
        {"classTitle": title, "geometryType": "polygon",
         "points": {"exterior": ring, "interior": []}}
        for title, ring in (("kiwi", corner), ("lemon", dot), ("kiwi", corner), ("peel", dot))
    ]  # fmt: skip
    p = painter()
    out = np.full((4, 5, 5), 77, np.uint8)
    found = p.targets(note, window=(19, 14, 5, 5), out=out)
    assert found["labels"].tolist() == [2, 3]
    assert found["boxes"].tolist() == [[1, 1, 3, 3]] * 2
    assert found["masks"].base is out or np.shares_memory(found["masks"], out)
    assert found["masks"].sum() == 6


def test_memory_for_masks_that_does_not_fit_is_refused() -> None:
    p, note = painter(), annotation(3)
    count = len(p.targets(note)["labels"])
    assert count > 1
    with pytest.raises(ValueError, match=f"out has room for 0 masks, but {count}"):
        p.targets(note, out=np.empty((0, HEIGHT, WIDTH), np.uint8))
    with pytest.raises(ValueError, match="out must have the shape"):
        p.targets(note, out=np.empty((20, HEIGHT, WIDTH + 1), np.uint8))
    with pytest.raises(ValueError, match="out must have the shape"):
        p.targets(note, out=np.empty((HEIGHT, WIDTH), np.uint8))
    with pytest.raises(TypeError, match="out must be an array of uint8, not of bool"):
        p.targets(note, out=np.empty((20, HEIGHT, WIDTH), np.bool_))
    with pytest.raises(ValueError, match="out must be C-contiguous"):
        p.targets(note, out=np.empty((20, HEIGHT, WIDTH * 2), np.uint8)[:, :, ::2])
    with pytest.raises(ValueError, match="does not lie inside"):
        p.targets(note, window=(-1, 0, 4, 4))
    with pytest.raises(ValueError, match="does not lie inside"):
        p.one_hot(note, window=(-1, 0, 4, 4))


# ------------------------------------------------------------------ one-hot


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_one_hot_masks_keep_what_is_covered(data: st.DataObject) -> None:
    p = painter(data.draw(st.sampled_from([GRAYS, COLORS, MANY_GRAYS])), line_width=2)
    note = annotation(data.draw(st.integers(0, 10**6)))
    options = drawn(data)
    labels = p.labels(note, **options)
    names = p.class_names
    expected = np.zeros((len(names) - 1, *labels.shape), np.bool_)
    for label, mask in alone(p, note, options):
        expected[label - 1] |= mask
    found = p.one_hot(note, **options)
    assert found.dtype == np.bool_
    assert np.array_equal(found, expected)
    out = np.full(expected.shape, True)
    assert p.one_hot(note, **options, out=out) is out
    assert np.array_equal(out, expected)
    assert np.array_equal(found.any(axis=0), labels != 0)


# ------------------------------------------------------------------ batches


@pytest.mark.parametrize("workers", [None, 1, 2, 5])
def test_a_batch_is_what_a_loop_paints(workers: int | None) -> None:
    p = painter(MANY, paint_order="area")
    notes: list[Any] = [annotation(seed) for seed in range(30)]
    expected = np.stack([p.labels(note) for note in notes])
    notes[::2] = [p.parse(note) for note in notes[::2]]
    found = p.labels_batch(notes, workers=workers)
    assert isinstance(found, np.ndarray)
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)
    out = np.empty_like(expected)
    assert p.labels_batch(notes, workers=workers, out=out) is out
    assert np.array_equal(out, expected)
    padded = np.zeros((30, HEIGHT + 9, WIDTH + 9), expected.dtype)
    places = [*padded[:, :HEIGHT, :WIDTH]]
    assert p.labels_batch(notes, workers=workers, out=places) == places
    assert np.array_equal(padded[:, :HEIGHT, :WIDTH], expected)
    windows = [(seed - 10, 3, 20, 30) for seed in range(30)]
    found = p.labels_batch(notes, windows=windows, size=(8, 8), fill=9, workers=workers)
    for labels, note, window in zip(found, notes, windows, strict=True):
        assert np.array_equal(labels, p.labels(note, window=window, size=(8, 8), fill=9))


def test_maps_of_different_sizes_are_a_list() -> None:
    p = painter()
    notes = [annotation(seed) for seed in range(6)]
    notes[4]["size"] = {"height": 9, "width": 8}
    found = p.labels_batch(notes)
    assert isinstance(found, list)
    for labels, note in zip(found, notes, strict=True):
        assert np.array_equal(labels, p.labels(note))
    assert p.labels_batch(notes, size=(5, 6)).shape == (6, 5, 6)  # type: ignore[union-attr]
    assert p.labels_batch([]) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_wrong_annotation_of_a_batch_is_named(workers: int) -> None:
    p = painter()
    notes: list[Any] = [annotation(seed) for seed in range(40)]
    notes[7] = {"size": {"height": 5}}
    notes[9] = b"{"
    before = threading.active_count()
    for _ in range(10):
        with pytest.raises(savemasks.AnnotationError, match=r"annotation 7: size\.width must be"):
            p.labels_batch(notes, workers=workers)
    with pytest.raises(TypeError, match="an annotation is JSON") as caught:
        p.labels_batch([notes[0], 5], workers=workers)  # type: ignore[list-item]
    assert caught.value.__notes__ == ["This is about annotation 1, counted from 0."]
    assert threading.active_count() == before


def test_the_error_is_that_of_a_loop_even_if_a_later_one_came_first() -> None:
    later = threading.Event()

    def call(number: int) -> Any:
        if number == 1:
            assert later.wait(60)
        if number == 2:
            later.set()
        if number:
            raise ValueError(number)

    with pytest.raises(ValueError, match="1") as caught:
        call_on_threads(call, 9, 2)
    assert caught.value.args == (1,)


def test_wrong_arguments_of_a_batch_are_refused() -> None:
    p, notes = painter(), [annotation()] * 3
    with pytest.raises(ValueError, match="windows must have 3 entries, as annotations, not 1"):
        p.labels_batch(notes, windows=[(0, 0, 1, 1)])
    with pytest.raises(ValueError, match="out must have 3 entries, as annotations, not 2"):
        p.labels_batch(notes, out=np.empty((2, HEIGHT, WIDTH), np.uint8))
    with pytest.raises(ValueError, match="workers must be at least 1, not 0"):
        p.labels_batch(notes, workers=0)
    with pytest.raises(ValueError, match="out must have the shape"):
        p.labels_batch(notes, out=np.empty((3, HEIGHT, WIDTH + 1), np.uint8))


# ------------------------------------------------------------------ names and numbers


def test_classes_are_enough_for_label_maps() -> None:
    p = savemasks.Painter.from_classes(TITLES)
    layer = painter({title: [i] * 3 for i, title in enumerate(TITLES, start=1)})
    for seed in range(5):
        note = annotation(seed)
        labels = p.labels(note)
        assert np.array_equal(labels, layer.machine(note))
        assert np.array_equal(p.machine(note), labels)
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        page = p.human(note, image)[:, WIDTH + 1 :]
        colors = np.frombuffer(p.palette_for_pil(), np.uint8).reshape(256, 3)
        assert np.array_equal(page, colors[labels] >> 1)
    assert p.class_names == ["background", *TITLES]
    assert p.id2label == {0: "background", 1: "kiwi", 2: "lemon", 3: "peel", 4: "seed", 5: "other"}
    assert p.label2id == {name: label for label, name in p.id2label.items()}


@pytest.mark.parametrize("highest", [7, 255, 256, 65_535])
def test_labels_may_be_chosen(highest: int) -> None:
    chosen = {"kiwi": highest, "lemon": 3, "peel": highest, "seed": np.int64(1)}
    p = savemasks.Painter.from_classes(chosen)  # type: ignore[arg-type]
    p = pickle.loads(pickle.dumps(p))
    dense = painter({title: [i] * 3 for i, title in enumerate(chosen, start=1)})
    table = np.array([0, *chosen.values()])
    note = annotation()
    labels = p.labels(note)
    assert labels.dtype == (np.uint8 if highest < 256 else np.uint16)
    assert np.array_equal(labels, table[dense.labels(note)])
    assert np.array_equal(p.machine(note), labels)
    assert np.array_equal(p.labels(note, mask="human"), labels)
    assert p.label2id == {"background": 0, **chosen}
    assert p.id2label == {0: "background", 1: "seed", 3: "lemon", highest: "kiwi"}
    assert p.class_names[:5] == ["background", "seed", "N/A", "lemon", "N/A"]
    assert len(p.class_names) == highest + 1
    assert {*p.targets(note)["labels"].tolist()} <= {1, 3, highest}
    numbers, classes = p.instances(note)
    assert np.array_equal(numbers, dense.instances(note).numbers)
    assert classes == dense.instances(note).classes
    one_hot = p.one_hot(note)
    assert len(one_hot) == 3
    assert np.array_equal(one_hot.any(axis=0), labels != 0)
    assert not (one_hot[0] & (labels == 3) & ~one_hot[1]).any()
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    page = p.human(note, image)[:, WIDTH + 1 :]
    assert p.human_palette is not None
    assert np.array_equal(page, p.human_palette.colors[labels] >> 1)


@pytest.mark.parametrize(
    ("classes", "error", "message"),
    [
        ([], ValueError, "there must be at least one class"),
        ({}, ValueError, "there must be at least one class"),
        ("kiwi", TypeError, "classes must be a list of titles or a dict of labels, not str"),
        ({"kiwi", "lemon"}, TypeError, "a dict of labels, not set"),
        (["kiwi", "kiwi"], ValueError, "a class is named more than once"),
        (["kiwi", 5], TypeError, "the title of a class must be a text, not 5"),
        ({"kiwi": 0}, ValueError, "must be from 1 to 65535, not 0; 0 is the background"),
        ({"kiwi": 65_536}, ValueError, "must be from 1 to 65535, not 65536"),
        ({"kiwi": 1.0}, TypeError, "the label of 'kiwi' must be a whole number, not 1.0"),
        ({"kiwi": True}, TypeError, "the label of 'kiwi' must be a whole number, not True"),
    ],
)
def test_wrong_classes_are_refused(classes: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        savemasks.Painter.from_classes(classes)


@pytest.mark.parametrize("mapping", [GRAYS, COLORS, ALL_GRAYS, {}])
def test_names_are_those_of_the_labels(mapping: Json) -> None:
    p = painter(mapping)
    palette = p.machine_palette or p.human_palette
    assert palette is not None
    assert p.class_names == ["background", *palette.titles]
    assert p.id2label == dict(enumerate(p.class_names))
    assert p.label2id == {name: label for label, name in enumerate(p.class_names)}


def test_a_palette_for_pil_shows_the_colours() -> None:
    note = annotation()
    p = painter(GRAYS, COLORS)
    shows = ((p, COLORS), (painter(GRAYS, {}), GRAYS), (painter(DEEP, COLORS), COLORS))
    for shown, colors in shows:
        labels = shown.labels(note)
        picture = Image.frombytes("P", (WIDTH, HEIGHT), labels.tobytes())
        picture.putpalette(shown.palette_for_pil())
        expected = np.array([[0, 0, 0], *(colors[title] for title in shown.class_names[1:])])
        if colors is COLORS:
            expected[3] = 1  # black, as the human mask has it
        assert np.array_equal(np.asarray(picture.convert("RGB")), expected[labels])
    assert len(p.palette_for_pil()) == 768
    for wide in (painter(MANY, {}), painter(DEEP, {})):
        with pytest.raises(ValueError, match="256 labels and 8-bit colours at most"):
            wide.palette_for_pil()
