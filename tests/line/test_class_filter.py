"""Which objects are painted at all: by class, and by area."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import savemasks
from savemasks.layers.save_masks import SaveMasks
from support.projects import Project, decode

Json = dict[str, Any]
GRAYS = {"kiwi": [10] * 3, "lemon": [20] * 3, "plum": [30] * 3}
SIZE = 12


def painter(**settings: Any) -> savemasks.Painter:
    usual = {"masks_machine": True, "masks_classes": True, "gt_machine_color": GRAYS}
    layer = {"action": "save_masks", "dst": "x", "settings": usual | settings}
    return savemasks.Painter(SaveMasks.from_json(layer))


def rectangle(title: str, x: int, y: int, width: int, height: int) -> Json:
    corners = [[x, y], [x + width - 1, y + height - 1]]
    points = {"exterior": corners, "interior": []}
    return {"classTitle": title, "geometryType": "rectangle", "points": points}


def polygon(title: str, *ring: list[int], hole: list[list[int]] | None = None) -> Json:
    points = {"exterior": [*ring], "interior": [hole] if hole else []}
    return {"classTitle": title, "geometryType": "polygon", "points": points}


def annotation(*objects: Json) -> bytes:
    return orjson.dumps({"size": {"height": SIZE, "width": SIZE}, "objects": objects})


THREE = (
    rectangle("kiwi", 0, 0, 12, 12),
    rectangle("lemon", 2, 2, 4, 4),
    rectangle("plum", 3, 3, 2, 2),
)


@pytest.mark.parametrize(
    ("classes", "left"),
    [
        ({"include": ["kiwi", "plum"]}, {"kiwi", "plum"}),
        ({"exclude": ["kiwi", "plum"]}, {"lemon"}),
        ({"exclude": ["fig"]}, {"kiwi", "lemon", "plum"}),
        ({"include": ["fig"]}, set()),
    ],
)
def test_classes_that_are_left_out_cover_nothing(classes: Json, left: set[str]) -> None:
    filtered, whole = painter(classes=classes), painter()
    wanted = annotation(*(each for each in THREE if each["classTitle"] in left))
    assert np.array_equal(filtered.machine(annotation(*THREE)), whole.machine(wanted))
    assert {*filtered.classes_of(annotation(*THREE))} == left
    # Their values stay those of the mapping.
    assert filtered.machine_palette == whole.machine_palette


@pytest.mark.parametrize("min_area", [0, 4, 4.5, 16, 17, 145])
def test_small_objects_are_left_out(min_area: float) -> None:
    areas = {"kiwi": 144, "lemon": 16, "plum": 4}
    wanted = [each for each in THREE if areas[each["classTitle"]] >= min_area]
    filtered, whole = painter(min_area=min_area), painter()
    assert np.array_equal(filtered.machine(annotation(*THREE)), whole.machine(annotation(*wanted)))
    # Also of shapes that somebody else has parsed.
    shapes = whole.parse(annotation(*THREE))
    assert np.array_equal(filtered.machine(shapes), whole.machine(annotation(*wanted)))


def test_lines_and_points_have_no_area_and_stay() -> None:
    line = {"exterior": [[0, 0], [5, 5]]}
    objects = (
        {"classTitle": "kiwi", "geometryType": "line", "points": line},
        {"classTitle": "plum", "geometryType": "point", "points": {"exterior": [[9, 1]]}},
        rectangle("lemon", 2, 7, 3, 3),
    )
    found = painter(min_area=100).machine(annotation(*objects))
    assert np.array_equal(found, painter().machine(annotation(*objects[:2])))


triangles = st.lists(
    st.lists(st.integers(-4, SIZE + 4), min_size=2, max_size=2), min_size=3, max_size=3
)


@given(
    rings=st.lists(st.tuples(st.sampled_from([*GRAYS]), triangles, triangles), max_size=6),
    min_area=st.integers(0, 60),
)
def test_what_is_left_is_painted_as_if_nothing_else_were_there(
    rings: list[tuple[str, list[list[int]], list[list[int]]]], min_area: int
) -> None:
    objects = [polygon(title, *ring, hole=hole) for title, ring, hole in rings]
    whole = painter(paint_order="area")
    areas = [_area(ring) - _area(hole) for _, ring, hole in rings]
    pairs = zip(objects, areas, strict=True)
    wanted = [each for each, area in pairs if not min_area or area >= min_area]
    found = painter(paint_order="area", min_area=min_area).machine(annotation(*objects))
    assert np.array_equal(found, whole.machine(annotation(*wanted)))


def _area(ring: list[list[int]]) -> float:
    points = np.array(ring)
    after = np.roll(points, -1, axis=0)
    return abs(float(points[:, 0] @ after[:, 1] - points[:, 1] @ after[:, 0])) / 2


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"classes": {}}, "settings.classes: must be"),
        ({"classes": {"include": ["a"], "exclude": ["b"]}}, "settings.classes: must be"),
        ({"classes": {"only": ["a"]}}, "settings.classes: must be"),
        ({"classes": {"include": "a"}}, "settings.classes.include: "),
        ({"classes": ["a"]}, "settings.classes: "),
        ({"min_area": -1}, "settings.min_area: -1 is below 0"),
        ({"min_area": "9"}, "settings.min_area: "),
    ],
)
def test_wrong_filters_are_told(settings: Json, problem: str) -> None:
    with pytest.raises(savemasks.ConfigError) as caught:
        painter(**settings)
    assert [found for found in caught.value.problems if found.startswith(problem)]


def test_copies_keep_a_background_that_is_not_painted(tmp_path: Path) -> None:
    project = Project(tmp_path / "fruit")
    project.add("a.png")
    masks = {"masks_machine": True, "gt_machine_color": {"bg": [9] * 3, "kiwi": [5] * 3}}
    graph = savemasks.Graph.from_json(
        [
            {"action": "data", "src": "fruit", "dst": "$0"},
            {"action": "background", "src": "$0", "dst": "$1", "settings": {"class": "bg"}},
            {
                "action": "save_masks",
                "src": "$1",
                "dst": "masks",
                "settings": masks | {"classes": {"exclude": ["bg"]}},
            },
        ]
    )
    savemasks.export(graph, [project.folder], tmp_path / "out", workers=1)
    found = tmp_path / "out/masks/ds"
    mode, pixels = decode((found / "masks_machine/a.png").read_bytes())
    assert mode == "L"
    assert {*pixels} == {0, 5}
    objects = orjson.loads((found / "ann/a.png.json").read_bytes())["objects"]
    assert [each["classTitle"] for each in objects] == ["bg", "kiwi"]
