"""`Painter` as other programs call it: what it takes, what it gives, and what it refuses."""

import copy
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

import savemasks
from savemasks.encode.color import color_human, color_machine
from savemasks.encode.general import encode_png
from savemasks.projects.classes import ClassTemplate
from support.painters import (
    BLACK,
    COLORS,
    GRAYS,
    HEIGHT,
    MANY,
    MAPPINGS,
    WIDTH,
    annotation,
    painter,
)
from support.projects import Json, picture, pixels_of

# ------------------------------------------------------------------ what it takes


def test_text_dicts_and_shapes_give_the_same() -> None:
    p, parsed = painter(), annotation()
    before = copy.deepcopy(parsed)
    text = orjson.dumps(parsed)
    expected = p.labels(text)
    assert len(np.unique(expected)) == 5
    forms = (parsed, text.decode(), bytearray(text), memoryview(text), p.parse(text))
    for form in forms:
        assert np.array_equal(p.labels(form), expected)
        assert np.array_equal(p.machine(form), p.machine(text))
        assert np.array_equal(p.instances(form).numbers, p.instances(text).numbers)
    assert parsed == before


@pytest.mark.parametrize("wrong", [None, 7, ["x"], np.zeros(3)])
def test_what_is_no_annotation_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"an annotation is JSON \(bytes or str\), a dict or Shape"):
        painter().labels(wrong)


def test_a_wrong_object_is_named_whatever_the_form() -> None:
    parsed = annotation()
    parsed["objects"][6] = {"classTitle": "lemon", "geometryType": "polygon", "points": {}}
    for form in (parsed, orjson.dumps(parsed)):
        with pytest.raises(savemasks.AnnotationError, match="object 6: polygon without 'exterior'"):
            painter().machine(form)


@pytest.mark.parametrize("empty", [b"", " \n", bytearray(b" "), memoryview(b"")])
def test_an_empty_text_says_so(empty: Any) -> None:
    with pytest.raises(savemasks.AnnotationError, match="is empty"):
        painter().labels(empty)
    with pytest.raises(savemasks.AnnotationError, match=r"^the text is empty$"):
        painter().labels(empty)


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.json"
    path.write_bytes(b"")
    with pytest.raises(savemasks.AnnotationError) as told:
        painter().labels(path)
    assert str(told.value) == f"{path}: the file is empty"


def test_shapes_and_painters_can_be_sent_to_other_processes() -> None:
    p = painter(BLACK, COLORS, paint_order="area", class_priority=["seed"], line_width=3)
    shapes = p.parse(annotation())
    sent_painter, sent_shapes = pickle.loads(pickle.dumps((p, shapes)))
    assert sent_shapes.classes == p.classes
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for there, with_shapes in (
        (sent_painter, sent_shapes),
        (p, sent_shapes),
        (sent_painter, shapes),
    ):
        assert np.array_equal(there.machine(with_shapes), p.machine(shapes))
        assert np.array_equal(there.human(with_shapes, image), p.human(shapes, image))


def test_shapes_of_other_classes_are_refused() -> None:
    shapes = painter({"kiwi": [1, 1, 1]}, {}).parse(annotation())
    with pytest.raises(ValueError, match="parsed by a painter of other classes"):
        painter().labels(shapes)


@pytest.mark.parametrize("number", [-1, len(GRAYS), 1 << 20])
def test_shapes_with_numbers_that_are_no_classes_are_refused(number: int) -> None:
    p = painter()
    shapes = p.parse(annotation())
    shapes.class_id[-1] = number
    for paint in (p.labels, p.machine, p.instances):
        with pytest.raises(ValueError, match="numbers of classes that this painter has not"):
            paint(shapes)


def test_meta_may_be_text_a_dict_a_path_or_templates(tmp_path: Path) -> None:
    edges = {"e": {"src": "a", "dst": "b"}}
    config = {"edges": list(edges.values())}
    meta = {"classes": [{"title": "kiwi", "shape": "graph", "geometry_config": config}]}
    text = orjson.dumps(meta)
    path = tmp_path / "meta.json"
    path.write_bytes(text)
    layer = savemasks.SaveMasks.from_json(
        {
            "action": "save_masks",
            "dst": "x",
            "settings": {"masks_machine": True, "gt_machine_color": {"kiwi": [7, 7, 7]}},
        }
    )
    nodes = {"a": {"loc": [1, 0]}, "b": {"loc": [3, 0]}}
    note = {
        "size": {"height": 1, "width": 5},
        "objects": [{"classTitle": "kiwi", "nodes": nodes, "points": {"exterior": [[4, 0]]}}],
    }
    templates = {"kiwi": ClassTemplate("graph", (("a", "b"),))}
    for form in (text, text.decode(), meta, path, templates):
        assert savemasks.Painter(layer, form).machine(note).tolist() == [[0, 7, 7, 7, 0]]
    assert savemasks.Painter(layer).machine(note).tolist() == [[0, 7, 0, 7, 0]]
    damaged: list[Any] = [b"{", {"classes": 1}, {"x": 1}, [], 7]
    for wrong in damaged:
        with pytest.raises(savemasks.ProjectError, match=r"^meta: "):
            savemasks.Painter(layer, wrong)
    with pytest.raises(savemasks.ProjectError, match=r"^meta: .* must be a pathlib\.Path$"):
        savemasks.Painter(layer, str(path))
    with pytest.raises(savemasks.ProjectError, match=r"absent\.json: cannot be read"):
        savemasks.Painter(layer, tmp_path / "absent.json")


# ------------------------------------------------------------------ what it gives


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("order", ["list", "area"])
def test_masks_are_the_colours_of_the_labels(mapping: Json, order: str) -> None:
    p = painter(mapping, MANY, paint_order=order)
    assert p.machine_palette is not None
    assert p.human_palette is not None
    for seed in range(5):
        shapes = p.parse(annotation(seed))
        labels = p.labels(shapes)
        shape = (HEIGHT, WIDTH) if p.machine_palette.is_gray else (HEIGHT, WIDTH, 3)
        expected = np.empty(shape, p.machine_palette.colors.dtype)
        color_machine(labels, p.machine_palette, expected)
        assert np.array_equal(p.machine(shapes), expected)
        image = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        page = np.empty((HEIGHT, 2 * WIDTH + 1, 3), np.uint8)
        color_human(image, p.labels(shapes, mask="human"), p.human_palette, page)
        assert np.array_equal(p.human(shapes, image), page)


def test_labels_are_numbered_as_the_palette_of_their_mask() -> None:
    p = painter({"kiwi": [5] * 3, "lemon": [6] * 3}, {"lemon": [1, 2, 3], "seed": [4, 5, 6]})
    for mask, palette in (("machine", p.machine_palette), ("human", p.human_palette)):
        assert palette is not None
        labels = p.labels(annotation(3), mask=mask)  # type: ignore[arg-type]
        numbers, classes = p.instances(annotation(3), mask=mask)  # type: ignore[arg-type]
        assert {*classes.values()} == {*palette.titles}
        label_of = np.array([0, *(palette.titles.index(classes.get(i, "")) + 1
                                  if i in classes else 0 for i in range(1, 13))])  # fmt: skip
        assert np.array_equal(label_of[numbers], labels)
    assert np.array_equal(p.labels(annotation(3)), p.labels(annotation(3), mask="machine"))
    only_human = painter({}, COLORS)
    assert np.array_equal(
        only_human.labels(annotation()), only_human.labels(annotation(), mask="human")
    )


def test_instances_are_numbered_as_listed_even_where_some_are_not_painted() -> None:
    def bar(title: str, x: int) -> Json:
        points = {"exterior": [[x, 0], [x + 2, 0]], "interior": []}
        return {"classTitle": title, "geometryType": "rectangle", "points": points}

    objects = [bar("other", 0), bar("kiwi", 1), bar("lemon", 5), bar("kiwi", 5), bar("seed", 6)]
    note = {"size": {"height": 1, "width": 9}, "objects": objects}
    numbers, classes = painter().instances(note)
    assert numbers.dtype == np.int32
    assert numbers.tolist() == [[0, 2, 2, 2, 0, 4, 5, 5, 5]]
    assert classes == {2: "kiwi", 3: "lemon", 4: "kiwi", 5: "seed"}
    empty, none = painter().instances({**note, "objects": []})
    assert not empty.any()
    assert none == {}


def test_objects_of_several_shapes_are_one_instance() -> None:
    part = {"exterior": [[0, 0], [1, 0], [1, 1]], "interior": []}
    far = {"exterior": [[4, 0], [5, 0], [5, 1]], "interior": []}
    parts = {"classTitle": "kiwi", "geometryType": "multipolygon", "parts": [part, far]}
    numbers, classes = painter().instances({"size": {"height": 2, "width": 6}, "objects": [parts]})
    assert numbers[0].tolist() == [1, 1, 0, 0, 1, 1]
    assert classes == {1: "kiwi"}


def test_a_picture_may_be_pixels_the_contents_of_a_file_or_its_path(tmp_path: Path) -> None:
    height, width = pixels_of(3).shape[:2]
    note = {**annotation(), "size": {"height": height, "width": width}}
    path = tmp_path / "a.png"
    path.write_bytes(picture(3))
    expected = painter().human(note, pixels_of(3))
    read_only = pixels_of(3)
    read_only.flags.writeable = False
    turned = np.ascontiguousarray(pixels_of(3).transpose(1, 0, 2)).transpose(1, 0, 2)
    content = picture(3)
    for image in (
        content,
        bytearray(content),
        memoryview(content),
        path,
        str(path),
        read_only,
        turned,
    ):
        assert np.array_equal(painter().human(note, image), expected)


def test_pictures_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    p, note = painter(), annotation()
    for small in (np.zeros((3, 4, 3), np.uint8), b"".join(encode_png(np.zeros((3, 4, 3), "u1")))):
        with pytest.raises(
            savemasks.ImageError, match="is 4 x 3 pixels, but its annotation says 37"
        ):
            p.human(note, small)
    with pytest.raises(savemasks.ImageError, match=r"absent\.png: cannot be read"):
        p.human(note, tmp_path / "absent.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(savemasks.ImageError, match=r"bad\.png: cannot be decoded"):
        p.human(note, tmp_path / "bad.png")
    with pytest.raises(TypeError, match="image must be an array of uint8, not of float64"):
        p.human(note, np.zeros((HEIGHT, WIDTH, 3)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"shape \(height, width, 3\), not \(23, 37\)"):
        p.human(note, np.zeros((HEIGHT, WIDTH), np.uint8))
    with pytest.raises(TypeError, match="image must be an array, the contents of a file or its pa"):
        p.human(note, 7)  # type: ignore[arg-type]


def test_names_that_no_file_can_have_are_pictures_that_cannot_be_read() -> None:
    with pytest.raises(savemasks.ImageError, match="cannot be read: embedded null byte"):
        painter().human(annotation(), "a\0b.png")
    with pytest.raises(savemasks.ImageError, match="an empty text is no path of an image"):
        painter().human(annotation(), "")


@pytest.mark.parametrize("wrong", [{}, "layer.json", b"{}", None])
def test_a_layer_that_is_none_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(
        TypeError, match=r"layer must be a SaveMasks, as SaveMasks\.from_json makes"
    ):
        savemasks.Painter(wrong)


def test_masks_that_are_not_requested_are_a_value_error() -> None:
    note, image = annotation(), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with pytest.raises(ValueError, match="does not request masks_human"):
        painter(GRAYS, {}).human(note, image)
    with pytest.raises(ValueError, match="does not request masks_human"):
        painter(GRAYS, {}).labels(note, mask="human")
    with pytest.raises(ValueError, match="does not request masks_machine"):
        painter({}, COLORS).machine(note)
    with pytest.raises(ValueError, match="does not request masks_machine"):
        painter({}, COLORS).instances(note, mask="machine")
    with pytest.raises(ValueError, match='mask must be "machine" or "human", not \'gray\''):
        painter().labels(note, mask="gray")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"mask must be .*, not \['machine'\]"):
        painter().instances(note, mask=["machine"])  # type: ignore[arg-type]


# ------------------------------------------------------------------ never changes


def test_a_painter_cannot_be_changed() -> None:
    p = painter(BLACK, COLORS, paint_order="area", class_priority=["seed"])
    before = p.machine(annotation())
    slots = [name for kind in type(p).__mro__ for name in getattr(kind, "__slots__", ())]
    assert not hasattr(p, "__dict__")
    for name in (*slots, "classes"):
        if name == "__weakref__":
            continue
        value = getattr(p, name)
        with pytest.raises(AttributeError, match=f"{name} cannot be set: a Painter never changes"):
            setattr(p, name, None)
        with pytest.raises(AttributeError, match=f"{name} cannot be deleted"):
            delattr(p, name)
        assert getattr(p, name) is value or name == "classes"
    with pytest.raises(AttributeError):
        p.anything = 1
    with pytest.raises(TypeError, match="does not support item assignment"):
        p.classes["kiwi"] = 7  # type: ignore[index]
    assert np.array_equal(p.machine(annotation()), before)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_palettes_are_read_only_also_in_copies(mapping: Json) -> None:
    p = painter(mapping, COLORS)
    for same in (p, copy.copy(p), copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert same.classes == p.classes
        for palette, original in (
            (same.machine_palette, p.machine_palette),
            (same.human_palette, p.human_palette),
        ):
            assert palette is not None
            assert original is not None
            assert palette.titles == original.titles
            assert np.array_equal(palette.colors, original.colors)
            with pytest.raises(ValueError, match="read-only"):
                palette.colors[1] = 0
            with pytest.raises(AttributeError, match="cannot assign"):
                palette.titles = ()  # type: ignore[misc]
        assert np.array_equal(same.machine(annotation()), p.machine(annotation()))
        with pytest.raises(AttributeError, match="never changes"):
            same._plan = p._plan
        with pytest.raises(AttributeError, match="cannot assign to field 'line_width'"):
            same._plan.line_width = 9  # type: ignore[misc]


def test_what_the_caller_does_to_the_settings_later_has_no_effect() -> None:
    layer = savemasks.SaveMasks.from_json(
        {
            "action": "save_masks",
            "dst": "x",
            "settings": {"masks_machine": True, "gt_machine_color": {"kiwi": [9, 9, 9]}},
        }
    )
    templates = {"kiwi": ClassTemplate("rectangle", ())}
    p = savemasks.Painter(layer, templates)
    corners = {"exterior": [[1, 1], [3, 0]]}
    note = {
        "size": {"height": 2, "width": 5},
        "objects": [{"classTitle": title, "points": corners} for title in ("kiwi", "lemon")],
    }
    before = p.machine(note)
    layer.settings.machine_colors["kiwi"] = (1, 1, 1)
    layer.settings.machine_colors["lemon"] = (2, 2, 2)
    templates.clear()
    assert np.array_equal(p.machine(note), before)
    assert before.tolist() == [[0, 9, 9, 9, 0]] * 2


def test_painters_can_be_kept_in_weak_tables() -> None:
    p = painter()
    assert weakref.ref(p)() is p
    assert {p: 1}[p] == 1


# ------------------------------------------------------------------ threads


def test_one_painter_may_be_used_by_many_threads() -> None:
    p = painter(BLACK, MANY, paint_order="area")
    image = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)

    def everything(seed: int) -> list[bytes]:
        note = orjson.dumps(annotation(seed))
        machine, human = p.machine(note), p.human(note, image)
        numbers, classes = p.instances(note)
        found = [p.labels(note).tobytes(), machine.tobytes(), human.tobytes(), numbers.tobytes()]
        pngs = [savemasks.encode_png(machine), savemasks.encode_png(human)]
        return [*found, *pngs, repr(classes).encode()]

    seeds = [*range(40)] * 3
    expected = [everything(seed) for seed in seeds]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(everything, seeds)) == expected
