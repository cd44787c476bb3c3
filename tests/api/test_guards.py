"""What a painter refuses on request: sizes, unknown classes and geometries, missing edges."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import savemasks
from savemasks.cli.demo import CONFIG
from savemasks.run.check import check
from support.painters import GRAYS, HEIGHT, WIDTH, annotation, item, painter, peak
from support.projects import Json, Project

LAYER = savemasks.SaveMasks.from_json(
    {
        "action": "save_masks",
        "dst": "x",
        "settings": {"masks_machine": True, "gt_machine_color": GRAYS},
    }
)
MEGABYTE = 1 << 20
LARGE = b'{"size": {"height": 30000, "width": 30000}, "objects": []}'
LIMIT = 1_000_000


def limited(most: Any = LIMIT) -> savemasks.Painter:
    return savemasks.Painter(LAYER, max_pixels=most)


def bitmap(height: int, width: int) -> Json:
    png = savemasks.encode_png(np.zeros((height, width), np.uint8))
    data = base64.b64encode(zlib.compress(png)).decode()
    where = {"origin": [0, 0], "data": data}
    return {"classTitle": "kiwi", "geometryType": "bitmap", "bitmap": where}


def note(*objects: Json, height: int = 1000, width: int = 1000) -> Json:
    return {"size": {"height": height, "width": width}, "objects": [*objects]}


# ------------------------------------------------------------------ sizes


@pytest.mark.parametrize("call", ["parse", "labels", "machine", "instances"])
@pytest.mark.parametrize("form", [LARGE, LARGE.decode(), json.loads(LARGE)])
def test_a_canvas_of_gigabytes_is_refused_before_anything_is_made(call: str, form: Any) -> None:
    p = limited()

    def refused() -> None:
        with pytest.raises(
            savemasks.AnnotationError,
            match=r"^size 30000 x 30000 is more than the max_pixels of 1000000 that are allowed$",
        ):
            getattr(p, call)(form)

    refused()
    assert peak(refused) < MEGABYTE


def test_a_large_annotation_is_refused_without_its_objects() -> None:
    filler = b'{"classTitle": "kiwi", "points": {"exterior": [[1, 2], [3, 4]]}}'
    text = LARGE.replace(b"[]", b"[" + b",".join([filler] * 40_000) + b"]")
    assert len(text) > 2 * MEGABYTE
    p = limited()

    def refused() -> None:
        with pytest.raises(savemasks.AnnotationError, match="size 30000 x 30000"):
            p.parse(text)

    refused()  # the first call loads kernels
    assert peak(refused) < 2 * MEGABYTE


def test_what_is_not_larger_is_painted_as_without_a_limit() -> None:
    exact = limited(HEIGHT * WIDTH)
    assert np.array_equal(exact.labels(annotation()), painter().labels(annotation()))
    with pytest.raises(savemasks.AnnotationError, match=f"size {WIDTH} x {HEIGHT} is more"):
        limited(HEIGHT * WIDTH - 1).labels(annotation())


def test_a_large_bitmap_is_refused_by_its_size_alone() -> None:
    small = note(bitmap(1001, 1000), height=900)
    assert len(json.dumps(small)) < 3000
    assert len(painter().parse(small)) == 1  # a bitmap may be larger than its canvas
    with pytest.raises(
        savemasks.AnnotationError,
        match=r"^object 0: bitmap\.data: promises 1000 x 1001 pixels, more than the max_pixels of",
    ):
        limited().parse(small)
    bomb = note(bitmap(14_000, 14_000), height=10_000, width=10_000)

    def refused() -> None:
        with pytest.raises(savemasks.AnnotationError, match=r"object 0: .*max_pixels of 100000000"):
            limited(100_000_000).parse(bomb)

    refused()
    assert peak(refused) < 2 * MEGABYTE


def test_bitmaps_together_have_no_more_than_eight_times_the_limit() -> None:
    one = bitmap(1000, 1000)
    assert len(limited().parse(note(*[one] * 8))) == 8
    with pytest.raises(
        savemasks.AnnotationError,
        match=r"^object 8: .*more than 8000000 pixels together \(8 times the max_pixels of 1000",
    ):
        limited().parse(note(*[one] * 9))


def test_shapes_of_another_painter_are_limited_too() -> None:
    shapes = painter(human={}).parse(annotation())
    assert limited(HEIGHT * WIDTH).labels(shapes).any()
    with pytest.raises(savemasks.AnnotationError, match="max_pixels of 5"):
        limited(5).labels(shapes)


WIDE = [
    {"size": (1001, 1000)},
    {"size": (1 << 29, 1 << 29)},
    {"scale": 50},
    {"pad": 1000},
    {"pad": (0, 1 << 40, 0, 0)},
    {"window": (-5, -5, 1001, 1000), "fill": 0},
    {"window": (0, 0, 1 << 29, 1 << 29), "fill": 1},
]


@pytest.mark.parametrize("call", ["labels", "machine", "instances", "targets", "one_hot", "human"])
@pytest.mark.parametrize("options", WIDE)
def test_a_large_result_is_refused_before_anything_is_made(call: str, options: Json) -> None:
    p, built = limited(), annotation()
    image = ()
    if call == "human":
        p = savemasks.Painter.from_classes(["kiwi"], max_pixels=LIMIT)
        image = (np.zeros((HEIGHT, WIDTH, 3), np.uint8),)  # type: ignore[assignment]

    def refused() -> None:
        with pytest.raises(
            savemasks.AnnotationError,
            match=r"^a result of \d+ x \d+ pixels is more than the max_pixels of 1000000 that are",
        ):
            getattr(p, call)(built, *image, **options)

    refused()
    assert peak(refused) < MEGABYTE // 2


def test_a_result_as_large_as_the_limit_is_painted() -> None:
    p = limited(50 * 60)
    assert p.labels(annotation(), size=(50, 60)).shape == (50, 60)
    assert p.labels(annotation(), size=(40, 58), pad=(1, 4, 1, 6)).shape == (50, 60)
    assert p.machine(annotation(), window=(-9, -9, 60, 50), fill=0).shape == (50, 60)
    for options in ({"size": (51, 60)}, {"size": (40, 58), "pad": (1, 4, 1, 7)}):
        with pytest.raises(savemasks.AnnotationError, match="a result of 6"):
            p.labels(annotation(), **options)


def test_all_masks_of_a_result_count_together() -> None:
    dot = item(np.random.default_rng(0), "kiwi") | {"geometryType": "polygon", "points": {
        "exterior": [[1, 1], [900, 1], [900, 900]], "interior": []}}  # fmt: skip
    many = note(*[dot] * 101, height=1000, width=1000)
    p = limited(100 * LIMIT)
    with pytest.raises(
        savemasks.AnnotationError,
        match=r"^a result of 101 masks of 1000 x 1000 pixels is more than the max_pixels of ",
    ):
        p.targets(many)

    def refused() -> None:
        with pytest.raises(savemasks.AnnotationError, match="a result of 101 masks of"):
            p.targets(many)
        with pytest.raises(savemasks.AnnotationError, match="a result of 4 masks of"):
            p.one_hot(many, size=(5001, 5000))

    assert peak(refused) < 2 * MEGABYTE
    assert len(p.targets(many, size=(100, 100))["masks"]) == 101
    assert len(limited(4 * 100 * 100).one_hot(note(dot, height=100, width=100))) == 4
    with pytest.raises(savemasks.AnnotationError, match="4 masks of 100 x 100 pixels is more"):
        limited(4 * 100 * 100 - 1).one_hot(note(dot, height=100, width=100))


def test_bitmaps_that_a_scale_makes_large_count_together() -> None:
    small = note(*[bitmap(10, 10)] * 9, height=10, width=10)

    def refused() -> None:
        with pytest.raises(
            savemasks.AnnotationError,
            match=r"^object 8: at this scale the bitmaps have more than 8000000 pixels together",
        ):
            limited().labels(small, size=(1000, 1000))

    refused()
    assert (
        limited().labels(note(*[bitmap(10, 10)] * 8, height=10, width=10), size=(1000, 1000)).size
    )


def test_a_batch_of_large_results_is_refused_before_its_memory_is_made() -> None:
    p, notes = limited(), [annotation()] * 1000

    def refused() -> None:
        with pytest.raises(savemasks.AnnotationError, match="annotation 0: a result of 2000 x"):
            p.labels_batch(notes, size=(1000, 2000))

    refused()
    assert peak(refused) < MEGABYTE


@pytest.mark.parametrize(
    ("most", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_what_is_no_limit_is_refused(most: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        limited(most)


# ------------------------------------------------------------------ typos


def unknown() -> list[tuple[Json, str]]:
    good = item(np.random.default_rng(0), "kiwi")
    return [
        (good | {"classTitle": "kiwy"},
         'neither the layer nor meta.json has the class "kiwy" (did you mean "kiwi"?)'),
        (good | {"classTitle": "Lemon "}, '"Lemon " (did you mean "lemon"?)'),
        (good | {"geometryType": "polygn"},
         'this version does not paint the geometry "polygn" (did you mean "polygon"?)'),
        ({"classTitle": "kiwi", "nodes": {"a": {"loc": [1, 1]}, "b": {"loc": [3, 3]}}},
         'graph: its edges are missing: the class "kiwi" has none in meta.json'),
    ]  # fmt: skip


@pytest.mark.parametrize(("wrong", "message"), unknown())
@pytest.mark.parametrize("is_large", [False, True])
def test_a_strict_painter_names_what_it_would_leave_out(
    wrong: Json, message: str, is_large: bool
) -> None:
    built = annotation()
    built["objects"][4] = wrong
    text = json.dumps(built | {"objects": built["objects"] * (400 if is_large else 1)})
    assert (len(text) > MEGABYTE) == is_large
    with pytest.raises(savemasks.AnnotationError) as told:
        savemasks.Painter(LAYER, {"classes": [{"title": "other"}]}, strict=True).parse(text)
    assert message in str(told.value)
    assert told.value.object_index == 4


def test_a_painter_that_is_not_strict_counts_them() -> None:
    shapes = painter().parse(note(*(wrong for wrong, _ in unknown())))
    assert shapes.unknown_classes == {"kiwy": 1, "Lemon ": 1}
    assert shapes.unsupported == {"polygn": 1}
    assert shapes.missing_edges == {"kiwi": 1}


def test_a_strict_painter_paints_what_is_known() -> None:
    strict = savemasks.Painter(LAYER, {"classes": [{"title": "other"}]}, strict=True)
    assert np.array_equal(strict.labels(annotation()), painter().labels(annotation()))


@pytest.mark.parametrize(
    ("template", "is_missing"),
    [
        ({"shape": "graph"}, False),  # key points that are not joined
        ({"shape": "any"}, True),
        ({"shape": "any", "geometry_config": {"edges": [{"src": "a", "dst": "b"}]}}, False),
    ],
)
def test_edges_are_missing_where_nothing_is_said_of_them(template: Json, is_missing: bool) -> None:
    graph = {"classTitle": "kiwi", "geometryType": "graph", "nodes": {"a": {"loc": [1, 1]}}}
    p = savemasks.Painter(LAYER, {"classes": [{"title": "kiwi", **template}]})
    assert p.parse(note(graph)).missing_edges == ({"kiwi": 1} if is_missing else {})
    lemon = graph | {"classTitle": "other"}  # which is not painted
    assert p.parse(note(lemon)).missing_edges == {}


@pytest.mark.usefixtures("warm")
def test_runs_and_checks_tell_of_missing_edges(project: Project, tmp_path: Path) -> None:
    project.add("a.png")
    path = project.folder / "ds/ann/a.png.json"
    content = json.loads(path.read_bytes())
    graph = {"classTitle": "kiwi", "geometryType": "graph", "nodes": {"a": {"loc": [1, 1]}}}
    path.write_text(json.dumps(content | {"objects": [graph]}))
    layer = savemasks.SaveMasks.from_json(CONFIG)
    told = 'graphs of classes without edges in meta.json, painted as nodes alone: 1 x "kiwi"'
    assert told in savemasks.export(project.folder, tmp_path / "out", layer).warnings
    assert told in check(layer, [project.folder]).notes()


@pytest.mark.parametrize("depth", [300, 950])
def test_deep_nesting_is_an_error_of_the_annotation(depth: int) -> None:
    nested: Any = []
    for _ in range(depth):
        nested = [nested]
    note = {
        "size": {"height": 4, "width": 4},
        "objects": [
            {"classTitle": "kiwi", "geometryType": "polygon", "points": {"exterior": nested}}
        ],
    }
    painter = savemasks.Painter.from_classes(["kiwi"])
    for given in (note, deep_text(depth)):
        with pytest.raises(savemasks.AnnotationError, match=r"pairs of numbers|nested too deep"):
            painter.labels(given)


def deep_text(depth: int) -> str:
    return (
        '{"size":{"height":4,"width":4},"objects":[{"classTitle":"kiwi","geometryType":"polygon",'
        '"points":{"exterior":' + "[" * depth + "]" * depth + "}}]}"
    )


def test_a_dict_that_holds_itself_is_an_error_of_the_annotation() -> None:
    ring: Any = [[1, 2]]
    ring.append(ring)
    note = {
        "size": {"height": 4, "width": 4},
        "objects": [
            {"classTitle": "kiwi", "geometryType": "polygon", "points": {"exterior": ring}}
        ],
    }
    with pytest.raises(savemasks.AnnotationError, match=r"pairs of numbers|nested too deep"):
        savemasks.Painter.from_classes(["kiwi"]).labels(note)


@pytest.mark.parametrize("annotations", [{"size": {}}, "[]", b"[]", None])
def test_a_batch_is_a_list(annotations: Any) -> None:
    with pytest.raises(TypeError, match="annotations must be a list of annotations, not"):
        savemasks.Painter.from_classes(["kiwi"]).labels_batch(annotations)


@pytest.mark.parametrize("limit", ["x", 1.5])
def test_a_limit_that_is_no_number_of_pixels_is_named(limit: Any) -> None:
    with pytest.raises(TypeError, match="max_pixels must be a number of pixels or None, not"):
        savemasks.Painter.from_classes(["kiwi"], max_pixels=limit)


def test_a_project_whose_name_no_folder_has_is_refused() -> None:
    with pytest.raises(savemasks.ProjectError, match="no folder has such a name"):
        savemasks.open_project("a\0b")
