"""Shapes that are stroked where others are filled, for pages that show objects to people.

Bitmaps and polygons stay filled. Rectangles, boxes that are turned, multipolygons and the faces of
solids become closed lines. Lines, graphs and points are strokes already.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..shapes import BITMAP, FACE, LINE, POINT, POLYGON, RECTANGLE, Masks, Shapes
from .labels import paint_labels

_CORNERS = 5  # of a rectangle's line: it ends where it begins


def outline_width(height: int, width: int) -> int:
    """Thickness of the lines on a canvas, in pixels."""
    return max(1, (max(height, width) + 1) // 300)


def outlined(shapes: Shapes, frame: int | None = None) -> Shapes:
    """Shapes to be painted with lines of `outline_width`; the same object if nothing changes.

    `frame` is the class number of a background, of which only a frame around the canvas is seen,
    below all shapes; None if there is no background.

    What a polygon or a point was made of is not known any more. So where an annotation has polygons
    too, a multipolygon of a single part stays filled; where it has points too, a graph of a single
    node is a point, which is a little larger.
    """
    return _with_discs(_with_lines(shapes if frame is None else _with_frame(shapes, frame)))


def _with_frame(shapes: Shapes, class_id: int) -> Shapes:
    """Put a rectangle of the whole canvas before all shapes, of an object before all others."""
    corners = [[0, 0], [shapes.width - 1, shapes.height - 1]]
    return replace(
        shapes,
        kind=np.append(np.uint8(RECTANGLE), shapes.kind),
        class_id=np.append(np.int32(class_id), shapes.class_id),
        object_index=np.append(np.int32(-1), shapes.object_index),
        area=np.append(np.nan, shapes.area),
        ring=np.append(0, shapes.ring + 1),
        vertex=np.append(0, shapes.vertex + 2),
        xy=np.concatenate([np.array(corners, np.int32), shapes.xy]),
        payload=np.append(np.int32(-1), shapes.payload),
    )


def _with_lines(shapes: Shapes) -> Shapes:
    """Turn what is not filled into closed lines, one of every ring."""
    is_box = shapes.kind == RECTANGLE
    closed = is_box | (shapes.kind == FACE) | _is_turned(shapes) | _is_multipolygon(shapes)
    if not closed.any():
        return shapes
    rings = np.diff(shapes.ring)
    repeats = np.where(closed, rings, 1)  # shapes that every shape becomes
    new_rings = np.repeat(np.where(closed, 1, rings), repeats)
    vertex, xy = _closed_rings(shapes, np.repeat(closed, rings), np.repeat(is_box, rings))
    return replace(
        shapes,
        kind=np.repeat(np.where(closed, LINE, shapes.kind).astype(np.uint8), repeats),
        class_id=np.repeat(shapes.class_id, repeats),
        object_index=np.repeat(shapes.object_index, repeats),
        area=np.repeat(shapes.area, repeats),
        ring=np.concatenate([[0], np.cumsum(new_rings)]),
        vertex=vertex,
        xy=xy,
        payload=np.repeat(shapes.payload, repeats),
    )


def _closed_rings(
    shapes: Shapes, closed: NDArray[np.bool_], is_box: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Offsets and vertices of all rings, of which some become lines that end where they begin."""
    old = np.diff(shapes.vertex)
    new = np.where(is_box, _CORNERS, old + closed)
    vertex = np.concatenate([[0], np.cumsum(new)])
    place = np.arange(vertex[-1]) - np.repeat(vertex[:-1], new)
    xy = shapes.xy[np.repeat(shapes.vertex[:-1], new) + place % np.repeat(old, new)]
    corners = shapes.vertex[:-1][is_box]
    first, second = shapes.xy[corners], shapes.xy[corners + 1]
    (left, top), (right, bottom) = np.minimum(first, second).T, np.maximum(first, second).T
    around = [(left, bottom), (left, top), (right, top), (right, bottom), (left, bottom)]
    for number, (x, y) in enumerate(around):
        at = vertex[:-1][is_box] + number
        xy[at, 0], xy[at, 1] = x, y
    return vertex, xy


def _is_turned(shapes: Shapes) -> NDArray[np.bool_]:
    """Which shapes are boxes that are turned: of polygons, only these are given an area."""
    turned: NDArray[np.bool_] = (shapes.kind == POLYGON) & ~np.isnan(shapes.area)
    return turned


def _is_multipolygon(shapes: Shapes) -> NDArray[np.bool_]:
    """Which shapes are parts of multipolygons."""
    geometries = shapes.geometries
    has_others = "polygon" in geometries or "multipolygon" not in geometries
    parts: NDArray[np.bool_] = (shapes.kind == POLYGON) & ~(_is_alone(shapes) & has_others)
    return parts


def _is_alone(shapes: Shapes) -> NDArray[np.bool_]:
    """Which shapes are all that their object consists of."""
    # The numbers of objects never fall.
    is_first: NDArray[np.bool_] = np.diff(shapes.object_index, prepend=-1) != 0
    is_last: NDArray[np.bool_] = np.diff(shapes.object_index, append=-1) != 0
    return is_first & is_last


def _with_discs(shapes: Shapes) -> Shapes:
    """Turn points, but not the nodes of graphs, into discs that are larger than line ends."""
    width = outline_width(shapes.height, shapes.width)
    radius = round((width + 1) / 2)  # halves to even
    geometries = shapes.geometries
    points = (shapes.kind == POINT) & _is_alone(shapes)
    if radius == round(width / 2) or (geometries and "point" not in geometries) or not points.any():
        return shapes
    disc = _disc(radius)
    masks = shapes.masks
    number = len(masks.shape)
    xy = shapes.xy.copy()
    xy[shapes.vertex[shapes.ring[:-1][points]]] -= radius
    return replace(
        shapes,
        kind=np.where(points, BITMAP, shapes.kind).astype(np.uint8),
        xy=xy,
        payload=np.where(points, number, shapes.payload).astype(np.int32),
        masks=Masks(
            np.append(masks.start, masks.start[-1] + disc.size),
            np.append(masks.shape, [[2 * radius + 1] * 2], axis=0),
            np.append(masks.bits, disc),
        ),
    )


def _disc(radius: int) -> NDArray[np.uint8]:
    """The bits of a disc, in rows of 2 * radius + 1 pixels."""
    side = 2 * radius + 1
    point = Shapes.from_arrays(
        (side, side), [POINT], [0], [[radius, radius]], vertex=[0, 1], classes={"point": 0}
    )
    pixels = np.empty((side, side), np.uint8)
    paint_labels(point, np.ones(1, np.uint8), pixels, line_width=2 * radius)
    return np.packbits(pixels, axis=1).ravel()
