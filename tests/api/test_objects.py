"""Objects and classes by themselves, what they count, and where the new settings say which."""

import pickle
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import savemasks
from support.painters import GRAYS, HEIGHT, MANY, WIDTH, annotation, painter
from support.projects import Json

LAYER = {"action": "save_masks", "dst": "x"}


def polygon(title: str, *points: tuple[int, int]) -> Json:
    where = {"exterior": [*map(list, points)], "interior": []}
    return {"classTitle": title, "geometryType": "polygon", "points": where}


def note_of(*objects: Json, height: int = 40, width: int = 50) -> Json:
    return {"size": {"height": height, "width": width}, "objects": [*objects]}


def painter_of(meta: object = None, **options: Any) -> savemasks.Painter:
    layer = savemasks.SaveMasks.from_json({**LAYER, "settings": options})
    return savemasks.Painter(layer, meta)  # type: ignore[arg-type]


META = {
    "classes": [
        {"title": "kiwi", "shape": "polygon", "color": "#00FF00"},
        {"title": "lemon", "shape": "any", "color": "#ffff00"},
        {"title": "peel", "shape": "any", "color": "#102030"},
        {"title": "seed", "shape": "point", "color": "#000000"},
    ]
}


def alone(p: savemasks.Painter, note: Json, **options: Any) -> dict[int, NDArray[np.bool_]]:
    """The plain twin: the mask of every object, painted by itself, by its number."""
    found = {}
    for number, item in enumerate(note["objects"], start=1):
        labels = p.labels({**note, "objects": [item]}, **options)
        if labels.any():
            found[number] = labels != 0
    return found


def drawn(data: st.DataObject) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if data.draw(st.booleans()):
        x, y = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))
        width = data.draw(st.integers(1, WIDTH - x))
        options["window"] = (x, y, width, data.draw(st.integers(1, HEIGHT - y)))
    if data.draw(st.booleans()):
        options["size"] = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    return options


# ------------------------------------------------------------------ objects


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_object_is_whole_and_its_box_is_tight(data: st.DataObject) -> None:
    mapping = data.draw(st.sampled_from([GRAYS, MANY]))
    order = data.draw(st.sampled_from(["list", "area"]))
    p = painter(mapping, paint_order=order, line_width=data.draw(st.integers(1, 5)))
    note = annotation(data.draw(st.integers(0, 10**6)), data.draw(st.integers(0, 12)))
    options = drawn(data)
    twin = alone(p, note, **options)
    found = [*p.objects(note, **options)]
    assert [each.number for each in found] == [*twin]
    for each in found:
        mask = twin[each.number]
        assert each.box == cv2.boundingRect(mask.astype(np.uint8))
        assert each.title == note["objects"][each.number - 1]["classTitle"]
        assert each.mask.dtype == np.bool_
        assert each.mask.shape == (each.height, each.width)
        assert np.array_equal(each.mask, mask[each.part])
        assert each.area == mask.sum()
        box = each.x, each.y
        assert savemasks.rle(each.mask, size=mask.shape, corner=box) == savemasks.rle(mask)


def test_overlaps_survive_as_opencv_paints_them() -> None:
    under = ((5, 5), (30, 8), (25, 30), (3, 22))
    over = ((10, 10), (45, 12), (20, 35))
    note = note_of(polygon("kiwi", *under), polygon("lemon", *over), polygon("other", *over))
    found = [*painter().objects(note)]
    assert [(each.title, each.number) for each in found] == [("kiwi", 1), ("lemon", 2)]
    for each, points in zip(found, (under, over), strict=True):
        expected = np.zeros((40, 50), np.uint8)
        cv2.fillPoly(expected, [np.array(points, np.int32)], 1)
        assert each.box == cv2.boundingRect(expected)
        canvas = np.zeros((40, 50), np.bool_)
        canvas[each.part] = each.mask
        assert np.array_equal(canvas, expected != 0)


def test_objects_are_painted_when_their_turn_comes() -> None:
    """Errors come at once; thousands of objects are never in memory together."""
    p = painter()
    with pytest.raises(ValueError, match="window"):
        p.objects(annotation(), window=(0, 0, 900, 1))
    with pytest.raises(savemasks.AnnotationError):
        p.objects(b"{")
    with pytest.raises(ValueError, match='mask must be "machine" or "human"'):
        p.objects(annotation(), mask="both")  # type: ignore[arg-type]
    many = note_of(*[polygon("kiwi", (0, 0), (999, 0), (999, 999))] * 2000, height=1000, width=1000)
    first = next(p.objects(many))
    assert (first.number, first.box) == (1, (0, 0, 1000, 1000))


def test_two_iterators_do_not_disturb_each_other() -> None:
    p, note = painter(), annotation(3)
    pairs = [*zip(p.objects(note), p.objects(annotation(4)), strict=False)]
    assert [mine for mine, _ in pairs] == [*p.objects(note)][: len(pairs)]


def test_objects_are_compared_by_what_they_hold_and_pickled() -> None:
    first, second, *_ = painter().objects(annotation(1))
    assert pickle.loads(pickle.dumps(first)) == first
    assert first != second
    assert first != first._replace(mask=~first.mask)
    assert first.box == first[2:6]


def test_a_mask_has_its_own_classes() -> None:
    p = painter({"kiwi": [1] * 3}, {"lemon": [1, 2, 3]})
    note = annotation(2)
    assert {each.title for each in p.objects(note)} == {"kiwi"}
    assert {each.title for each in p.objects(note, mask="human")} == {"lemon"}
    assert [*p.classes_of(note, mask="human")] == ["lemon"]
    assert [*p.statistics(note, mask="human").classes] == ["lemon"]


@pytest.mark.parametrize("wanted", [{"masks_classes": True}, {"masks_instances": "map"}])
def test_a_layer_that_asks_for_them_says_whose_they_are(wanted: Json) -> None:
    """All classes that have a colour in either mapping, or else those of meta.json."""
    note = annotation(2)
    mapped = painter({"kiwi": [1] * 3}, {"lemon": [1, 2, 3]}, **wanted)
    assert {each.title for each in mapped.objects(note)} == {"kiwi", "lemon"}
    assert {*mapped.instances(note).classes.values()} == {"kiwi", "lemon"}
    alone = painter_of(META, **wanted)
    assert {each.title for each in alone.objects(note)} == {"kiwi", "lemon", "peel", "seed"}
    assert [*alone.classes_of(note)] == ["kiwi", "lemon", "peel", "seed"]
    numbers = alone.instances(note).numbers
    visible = np.bincount(numbers.ravel(), minlength=13)
    assert [each.visible for each in alone.statistics(note).objects] == [
        visible[each.number] for each in alone.statistics(note).objects
    ]
    with pytest.raises(ValueError, match="does not request masks_machine or masks_human"):
        alone.labels(note)


# ------------------------------------------------------------------ classes


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_class_is_the_union_of_its_objects(data: st.DataObject) -> None:
    p = painter(line_width=data.draw(st.integers(1, 5)))
    note = annotation(data.draw(st.integers(0, 10**6)), data.draw(st.integers(0, 12)))
    options = drawn(data)
    expected: dict[str, NDArray[np.bool_]] = {}
    for number, mask in alone(p, note, **options).items():
        title = note["objects"][number - 1]["classTitle"]
        expected[title] = expected[title] | mask if title in expected else mask
    found = p.classes_of(note, **options)
    assert [*found] == sorted(expected, key=[*GRAYS].index)
    for title, mask in found.items():
        assert mask.dtype == np.bool_
        assert np.array_equal(mask, expected[title])


def test_all_masks_of_classes_together_have_a_limit() -> None:
    layer = savemasks.SaveMasks.from_json(
        {**LAYER, "settings": {"masks_machine": True, "gt_machine_color": GRAYS}}
    )
    note = note_of(
        polygon("kiwi", (1, 1), (9, 9), (1, 9)), polygon("lemon", (1, 1), (9, 9), (1, 9))
    )
    assert len(savemasks.Painter(layer, max_pixels=4000).classes_of(note)) == 2
    with pytest.raises(savemasks.AnnotationError, match="2 masks of 50 x 40 pixels"):
        savemasks.Painter(layer, max_pixels=3999).classes_of(note)


# ------------------------------------------------------------------ statistics


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 12), st.sampled_from(["list", "area"]))
def test_statistics_are_those_of_the_maps(seed: int, count: int, order: str) -> None:
    p = painter(paint_order=order, line_width=1 + seed % 5, class_priority=["kiwi"])
    note = annotation(seed, count)
    found = p.statistics(note)
    numbers, classes = p.instances(note)
    assert {each.number: each.title for each in found.objects} == classes
    own = {each.number: each for each in p.objects(note)}
    for each in found.objects:
        assert each.visible == (numbers == each.number).sum()
        whole = own.get(each.number)
        assert (each.area, each.box) == ((whole.area, whole.box) if whole else (0, None))
    labels = p.labels(note)
    titles = p.class_names
    assert [*found.classes] == [t for t in titles if t in classes.values()]
    for title, one in found.classes.items():
        assert one.objects == [*classes.values()].count(title)
        assert one.pixels == (labels == titles.index(title)).sum()


def test_statistics_are_the_same_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    p, note = painter(line_width=3), annotation(5)
    expected = p.statistics(note)
    for pixels in (1, 3 * WIDTH, 7 * WIDTH + 1):
        monkeypatch.setattr("savemasks.line.visible_areas.STRIP_PIXELS", pixels)
        assert p.statistics(note) == expected


def test_objects_that_are_covered_or_outside_are_counted() -> None:
    small, large = ((9, 9), (12, 9), (12, 12)), ((1, 1), (30, 1), (30, 30), (1, 30))
    away = ((900, 900), (910, 900), (910, 910))
    note = note_of(polygon("kiwi", *small), polygon("kiwi", *away), polygon("lemon", *large))
    covered, outside, above = painter().statistics(note).objects
    assert (covered.visible, covered.area, covered.box) == (0, 10, (9, 9, 4, 4))
    assert (outside.visible, outside.area, outside.box) == (0, 0, None)
    assert (above.visible, above.area) == (900, 900)
    classes = painter().statistics(note).classes
    assert classes == {"kiwi": (2, 0), "lemon": (1, 900)}
    assert [each.title for each in painter().objects(note)] == ["kiwi", "lemon"]


# ------------------------------------------------------------------ graphs and shared labels

FRUIT = [
    {
        "action": "data", "src": "lemons", "dst": "$0",
        "settings": {"classes_mapping":
            {"kiwi": "fruit", "lemon": "fruit", "peel": "peel", "seed": "seed"}},
    },
]  # fmt: skip


def fruit(**options: Any) -> savemasks.Painter:
    sink = {"action": "save_masks", "src": "$0", "dst": "masks", "settings": options}
    return savemasks.Painter.from_graph(savemasks.Graph.from_json([*FRUIT, sink]), meta=META)


def test_classes_that_become_one_are_one() -> None:
    p = fruit(masks_machine=True, gt_machine_color={"fruit": [9] * 3})
    note = annotation(2)
    both = painter(human={}).classes_of(note)
    found = p.classes_of(note)
    assert [*found] == ["fruit"]
    assert np.array_equal(found["fruit"], both["kiwi"] | both["lemon"])
    assert {each.title for each in p.objects(note)} == {"fruit"}
    assert [*p.statistics(note).classes] == ["fruit"]


def test_classes_that_share_a_label_stay_apart() -> None:
    p = savemasks.Painter.from_classes({"kiwi": 7, "lemon": 7})
    found = p.classes_of(annotation(2))
    assert [*found] == ["kiwi", "lemon"]
    expected = painter().classes_of(annotation(2))
    assert all(np.array_equal(found[title], expected[title]) for title in found)
    assert {*p.statistics(annotation(2)).classes} == {"kiwi", "lemon"}


# ------------------------------------------------------------------ legends


def test_a_legend_says_what_the_masks_have() -> None:
    p = painter_of(
        META, masks_machine=True, masks_human=True, masks_semantic_rgb=True, masks_classes=True,
        gt_machine_color="auto", gt_human_color="auto", background=255,
    )  # fmt: skip
    found = p.legend()
    assert found["background"] == {"machine": 255, "rgb": [0, 0, 0]}
    assert found["classes"]["kiwi"] == {
        "machine": 1, "human": [0, 255, 0], "rgb": [0, 255, 0], "color": "#00ff00",
        "shape": "polygon", "file": "kiwi",
    }  # fmt: skip
    assert found["classes"]["seed"]["human"] == [1, 1, 1]
    note = annotation(2)
    for each in p.objects(note):
        only = {**note, "objects": [note["objects"][each.number - 1]]}
        assert p.machine(only)[each.part][each.mask][0] == found["classes"][each.title]["machine"]
        color = p.semantic(only)[each.part][each.mask][0]
        assert color.tolist() == found["classes"][each.title]["rgb"]
    assert pickle.loads(pickle.dumps(p)).legend() == found
    found["classes"].clear()
    assert p.legend()["classes"]  # a new one every time


def test_a_legend_of_a_graph_has_the_classes_of_its_sink() -> None:
    found = fruit(masks_machine=True, gt_machine_color="auto").legend()["classes"]
    assert {title: one["machine"] for title, one in found.items()} == {
        "fruit": 1, "peel": 2, "seed": 3,
    }  # fmt: skip
    assert found["fruit"] == {"machine": 1, "color": "#00ff00", "shape": "any"}


def test_a_legend_of_classes_alone_has_their_labels() -> None:
    found = savemasks.Painter.from_classes({"kiwi": 7, "lemon": 300}).legend()
    assert found["background"] == {"machine": 0}
    assert found["classes"]["lemon"]["machine"] == 300
    assert found["classes"]["kiwi"]["human"] == [128, 128, 128]


def test_a_painter_says_which_masks_its_layer_requests() -> None:
    p = painter_of(META, masks_semantic_rgb=True, masks_instances="objects")
    assert repr(p).endswith("masks: instances, semantic_rgb>")
