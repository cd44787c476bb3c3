"""Which object lies on top: list order, areas, priorities."""

from typing import Any

import numpy as np
import orjson
import pytest

from savemasks.api.painter import Painter
from savemasks.layers.save_masks import SaveMasks

CLASSES = {"low": (1, 1, 1), "middle": (2, 2, 2), "high": (3, 3, 3)}


def paint(objects: list[dict[str, Any]], **settings: Any) -> Any:
    """The label map of 30 x 20 pixels; labels are the positions in CLASSES, from 1."""
    layer = {
        "action": "save_masks",
        "dst": "x",
        "settings": {"masks_machine": True, "gt_machine_color": CLASSES, **settings},
    }
    painter = Painter(SaveMasks.from_json(layer))
    annotation = {"size": {"height": 20, "width": 30}, "objects": objects}
    return painter.labels(orjson.dumps(annotation))


def shape(title: str, geometry: str, *points: tuple[float, float], **keys: Any) -> dict[str, Any]:
    contour = {"exterior": points, "interior": []}
    return {"classTitle": title, "geometryType": geometry, "points": contour, **keys}


def square(title: str, side: int) -> dict[str, Any]:
    return shape(title, "rectangle", (0, 0), (side - 1, side - 1))


def test_by_default_later_objects_cover_earlier_ones() -> None:
    labels = paint([square("low", 3), square("middle", 9), square("high", 6)])
    assert (labels[1, 1], labels[7, 7]) == (3, 2)


def test_by_area_large_objects_lie_below_small_ones() -> None:
    labels = paint([square("low", 3), square("middle", 9), square("high", 6)], paint_order="area")
    assert (labels[1, 1], labels[5, 5], labels[7, 7]) == (1, 3, 2)


def test_objects_of_equal_area_keep_the_order_of_the_list() -> None:
    labels = paint([square("high", 5), square("low", 5), square("middle", 5)], paint_order="area")
    assert labels[2, 2] == 2


def test_a_polygons_area_is_less_its_holes() -> None:
    ring = [(0, 0), (12, 0), (12, 12), (0, 12)]
    hole = [(1, 1), (11, 1), (11, 11), (1, 11)]
    hollow = {
        "classTitle": "low",
        "geometryType": "polygon",
        "points": {"exterior": ring, "interior": [hole]},
    }
    # 144 - 100 = 44 pixels are less than a square's 49.
    assert paint([hollow, square("high", 7)], paint_order="area")[0, 0] == 1


def test_the_area_of_several_parts_is_their_sum() -> None:
    part = {"exterior": [(0, 0), (5, 0), (5, 5), (0, 5)]}
    parts = {"classTitle": "low", "geometryType": "multipolygon", "parts": [part, part]}
    # 2 * 25 are more than a square's 49.
    assert paint([square("high", 7), parts], paint_order="area")[0, 0] == 3


def test_the_area_of_a_solid_is_what_its_faces_cover() -> None:
    corners = [(0, 0), (5, 0), (5, 5), (0, 5)]
    solid = {
        "classTitle": "low",
        "geometryType": "cuboid",
        "points": corners,
        "faces": [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]],
    }
    # 36 pixels, however often: less than a square's 49.
    assert paint([solid, square("high", 7)], paint_order="area")[0, 0] == 1


def test_an_oriented_box_counts_as_wide_as_it_was_before_turning() -> None:
    box = {
        "classTitle": "low",
        "geometryType": "oriented_bbox",
        "points": [(0, 0), (7, 5)],
        "angle": 0.0,
    }
    assert paint([square("high", 7), box], paint_order="area")[0, 0] == 1
    assert (
        paint([square("high", 6), {**box, "points": [(0, 0), (5, 6)]}], paint_order="area")[0, 0]
        == 3
    )


def test_lines_and_points_lie_above_everything_that_has_an_area() -> None:
    objects = [
        shape("low", "line", (0, 3), (9, 3)),
        shape("middle", "point", (5, 5)),
        square("high", 9),
    ]
    labels = paint(objects, paint_order="area")
    assert (labels[3, 4], labels[5, 5], labels[4, 4]) == (1, 2, 3)


@pytest.mark.parametrize("paint_order", ["list", "area"])
def test_classes_of_priority_lie_above_all_others_the_last_topmost(paint_order: str) -> None:
    objects = [square("high", 3), square("middle", 6), square("low", 9), square("high", 2)]
    labels = paint(objects, class_priority=["middle", "high"], paint_order=paint_order)
    assert (labels[1, 1], labels[2, 2], labels[5, 5], labels[8, 8]) == (3, 3, 2, 1)


@pytest.mark.parametrize(("width", "radius"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 2), (7, 4)])
def test_points_become_discs_of_half_the_width_rounded_to_even(width: int, radius: int) -> None:
    row = paint([shape("low", "point", (15, 10))], line_width=width)[10]
    assert np.flatnonzero(row).tolist() == list(range(15 - radius, 15 + radius + 1))


def test_a_disabled_node_takes_its_edges_with_it_and_edges_come_from_the_class() -> None:
    from savemasks.projects.classes import ClassTemplate

    layer = {
        "action": "save_masks",
        "dst": "x",
        "settings": {"masks_machine": True, "gt_machine_color": {"body": [9, 9, 9]}},
    }
    edges = (("a", "b"), ("b", "c"), ("c", "nobody"))
    painter = Painter(SaveMasks.from_json(layer), {"body": ClassTemplate("graph", edges)})
    nodes = {"a": {"loc": [1, 1]}, "b": {"loc": [8, 1]}, "c": {"loc": [8, 8], "disabled": True}}
    annotation = {
        "size": {"height": 10, "width": 10},
        "objects": [{"classTitle": "body", "nodes": nodes}],
    }
    labels = painter.labels(orjson.dumps(annotation))
    expected = np.zeros((10, 10), np.uint8)
    expected[1, 1:9] = 1
    assert np.array_equal(labels, expected)
