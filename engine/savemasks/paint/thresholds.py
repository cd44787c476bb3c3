"""Objects that are too small to be painted."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..shapes import LINE, POINT, Shapes
from .order import object_areas


def large_enough(shapes: Shapes, min_area: float) -> Shapes:
    """The shapes of all objects of at least so many pixels; the same object if that is all of them.

    Areas are those by which objects are ordered. Objects of lines and points have none, and stay.
    """
    if not len(shapes):
        return shapes
    areas = object_areas(shapes)
    has_area = np.zeros(areas.size, np.bool_)
    has_area[shapes.object_index[(shapes.kind != LINE) & (shapes.kind != POINT)]] = True
    stays = (~has_area | (areas >= min_area))[shapes.object_index]
    return shapes if stays.all() else _selected(shapes, stays)


def _selected(shapes: Shapes, stays: NDArray[np.bool_]) -> Shapes:
    """Some of the shapes, in their order; bitmaps keep their places among the masks."""
    rings = np.diff(shapes.ring)
    rings_stay = np.repeat(stays, rings)
    points = np.diff(shapes.vertex)
    return replace(
        shapes,
        kind=shapes.kind[stays],
        class_id=shapes.class_id[stays],
        object_index=shapes.object_index[stays],
        area=shapes.area[stays],
        ring=_offsets(rings[stays]),
        vertex=_offsets(points[rings_stay]),
        xy=shapes.xy[np.repeat(rings_stay, points)],
        payload=shapes.payload[stays],
    )


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n + 1,) where each begins, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
