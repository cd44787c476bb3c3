"""`Painter` as other programs call it: what it takes, what it gives, and what it refuses."""

import base64
import copy
import pickle
import tracemalloc
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import savemasks
from conftest import Json, picture, pixels_of
from savemasks.color import color_human, color_machine
from savemasks.encode import encode_png
from savemasks.project import ClassTemplate

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


@pytest.mark.parametrize("wrong", [None, 7, ["x"], Path("a.json"), np.zeros(3)])
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


def test_shapes_and_painters_can_be_sent_to_other_processes() -> None:
    p = painter(BLACK, COLORS, paint_order="area", class_priority=["seed"], line_width=3)
    shapes = p.parse(annotation())
    sent_painter, sent_shapes = pickle.loads(pickle.dumps((p, shapes)))  # noqa: S301  (our own)
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


# ------------------------------------------------------------------ windows


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_window_equals_the_crop_of_the_whole(data: st.DataObject) -> None:
    x, y = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))
    width = data.draw(st.integers(1, WIDTH - x))
    height = data.draw(st.integers(1, HEIGHT - y))
    mapping = data.draw(st.sampled_from(MAPPINGS))
    order = data.draw(st.sampled_from(["list", "area"]))
    p = painter(mapping, paint_order=order, line_width=data.draw(st.integers(1, 9)))
    shapes = p.parse(annotation(data.draw(st.integers(0, 10**6))))
    window = (x, y, width, height)
    part = np.s_[y : y + height, x : x + width]
    assert np.array_equal(p.labels(shapes, window=window), p.labels(shapes)[part])
    assert np.array_equal(p.machine(shapes, window=window), p.machine(shapes)[part])
    numbers, classes = p.instances(shapes, window=window)
    assert np.array_equal(numbers, p.instances(shapes).numbers[part])
    assert classes == p.instances(shapes).classes


@pytest.mark.parametrize(
    "window",
    [(-1, 0, 5, 5), (0, -1, 5, 5), (33, 0, 5, 5), (0, 19, 5, 5), (0, 0, 38, 1), (99, 99, 1, 1)],
)
def test_windows_that_leave_the_canvas_are_refused(window: tuple[int, ...]) -> None:
    p, note = painter(), annotation()
    calls: tuple[Callable[..., object], ...] = (p.labels, p.machine, p.instances)
    for call in calls:
        with pytest.raises(ValueError, match="does not lie inside the canvas of 37 x 23"):
            call(note, window=window)


@pytest.mark.parametrize("window", [(0, 0, 0, 5), (0, 0, 5, -1)])
def test_empty_windows_are_refused(window: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="is empty: its sides must be at least 1"):
        painter().labels(annotation(), window=window)


@pytest.mark.parametrize("window", [(0, 0, 5), 7, (0, 0, 5.0, 5), "0055", (0, 0, 1, 1, 1)])
def test_a_window_is_four_whole_numbers(window: Any) -> None:
    with pytest.raises(TypeError, match=r"four whole numbers \(x, y, width, height\), not"):
        painter().labels(annotation(), window=window)


def test_a_window_may_be_of_numpy_numbers() -> None:
    window: Any = np.array([1, 2, 3, 4])
    assert painter().labels(annotation(), window=window).shape == (4, 3)


# ------------------------------------------------------------------ out


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


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_results_go_to_the_memory_of_the_caller(mapping: Json) -> None:
    for call, shape, dtype in calls(painter(mapping, MANY), annotation()):
        out = np.full(shape, 77, dtype)
        assert call(out=out) is out
        assert np.array_equal(out, call())
        # Memory that begins at an odd address is as good, if the dtype does not mind.
        if dtype.itemsize == 1:
            odd = np.full(out.size + 1, 77, np.uint8)[1:].reshape(shape)
            assert np.array_equal(call(out=odd), out)
        # Neighbours are not touched.
        many = np.full((3, *shape), 77, dtype)
        call(out=many[1])
        assert np.array_equal(many[1], out)
        assert (many[0] == 77).all()
        assert (many[2] == 77).all()


def test_memory_that_does_not_fit_is_refused() -> None:
    for call, shape, dtype in calls(painter(), annotation()):
        with pytest.raises(TypeError, match="out must be a NumPy array, not list"):
            call(out=[])
        with pytest.raises(TypeError, match=f"out must be an array of {dtype}, not of float64"):
            call(out=np.empty(shape, np.float64))
        with pytest.raises(TypeError, match="out must be an array of"):
            call(out=np.empty(shape, dtype.newbyteorder() if dtype.itemsize > 1 else np.int8))
        with pytest.raises(ValueError, match="out must have the shape"):
            call(out=np.empty((shape[0] + 1, *shape[1:]), dtype))
        with pytest.raises(ValueError, match="out must be C-contiguous, but its strides are"):
            call(out=np.empty(shape, dtype, order="F"))
        with pytest.raises(ValueError, match="out must be C-contiguous, but its strides are"):
            call(out=np.empty((shape[0] * 2, *shape[1:]), dtype)[::2])
        read_only = np.empty(shape, dtype)
        read_only.flags.writeable = False
        with pytest.raises(ValueError, match="out must be writeable"):
            call(out=read_only)
    numbers = np.empty(HEIGHT * WIDTH * 4 + 1, np.uint8)[1:].view(np.int32)
    with pytest.raises(ValueError, match="out must be aligned"):
        painter().instances(annotation(), out=numbers.reshape(HEIGHT, WIDTH))


def test_a_page_must_not_be_painted_over_its_original() -> None:
    page = np.zeros((HEIGHT, 2 * WIDTH + 1, 3), np.uint8)
    for image in (page[:, :WIDTH], page[:, WIDTH + 1 :]):
        with pytest.raises(ValueError, match="image and out must not share memory"):
            painter().human(annotation(), image, out=page)


@pytest.mark.parametrize("mapping", [GRAYS, COLORS, DEEP, BLACK, MANY, MANY_GRAYS])
@pytest.mark.parametrize("order", ["list", "area"])
def test_with_memory_of_the_caller_nothing_of_the_size_of_the_canvas_is_allocated(
    mapping: Json, order: str
) -> None:
    side = 1500
    p = painter(mapping, MANY, paint_order=order)
    note = {**annotation(), "size": {"height": side, "width": side}}
    image = np.zeros((side, side, 3), np.uint8)
    shapes = p.parse(note)
    machine = np.empty_like(p.machine(shapes))
    labels, wide = np.empty_like(p.labels(shapes)), np.empty((side, side), np.int32)
    page = np.empty((side, 2 * side + 1, 3), np.uint8)
    window = (100, 200, 1300, 1200)
    part = np.empty((1200, 1300), labels.dtype)
    everything: tuple[Callable[[], object], ...] = (
        lambda: p.labels(note, out=labels),
        lambda: p.labels(note, out=part, window=window),
        lambda: p.machine(note, out=machine),
        lambda: p.human(note, image, out=page),
        lambda: p.instances(note, out=wide),
    )
    for call in everything:
        call()
        assert peak(call) < side * side // 4


def peak(call: Callable[[], object]) -> int:
    """Bytes that a call has allocated at most."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_window_allocates_what_it_shows() -> None:
    note = {**annotation(), "size": {"height": 9000, "width": 9000}}
    p = painter()
    for call in (p.labels, p.machine, p.instances):
        assert peak(lambda call=call: call(note, window=(20, 10, 64, 32))) < 1 << 20  # type: ignore[misc]


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
