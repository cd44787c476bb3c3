"""What the pictures should be: OpenCV on a canvas with room around it, and plain numpy twins."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from savemasks import shapes as s

Points = Sequence[tuple[int, int]]
Shape = tuple[int, list[Points]]
"""A kind and its rings."""


def as_shapes(shapes: Sequence[Shape], height: int, width: int) -> s.Shapes:
    """Flat arrays of vector shapes; shape i is of class i."""
    rings = [ring for _, shape_rings in shapes for ring in shape_rings]
    n = len(shapes)
    return s.Shapes(
        height=height,
        width=width,
        kind=np.array([kind for kind, _ in shapes], np.uint8),
        class_id=np.arange(n, dtype=np.int32),
        object_index=np.arange(n, dtype=np.int32),
        area=np.full(n, np.nan),
        ring=np.cumsum([0, *(len(r) for _, r in shapes)], dtype=np.int64),
        vertex=np.cumsum([0, *map(len, rings)], dtype=np.int64),
        xy=np.array([p for ring in rings for p in ring], np.int32).reshape(-1, 2),
        payload=np.full(n, -1, np.int32),
        masks=s.Masks(np.zeros(1, np.int64), np.zeros((0, 2), np.int64), np.zeros(0, np.uint8)),
        geometries={},
        unsupported={},
    )


def paint_by_opencv(
    shapes: Sequence[Shape],
    labels: Sequence[int],
    size: tuple[int, int],
    margin: int,
    line_width: int = 1,
) -> NDArray[np.uint8]:
    """Paint on a canvas of height and width with a margin on all sides, then cut that off.

    The margin has to hold all that is painted, for OpenCV rounds otherwise what leaves its canvas.
    """
    height, width = size
    canvas = np.zeros((height + 2 * margin, width + 2 * margin), np.uint8)
    for (kind, rings), label in zip(shapes, labels, strict=True):
        if label:
            moved = [np.array(ring, np.int32).reshape(-1, 2) + margin for ring in rings]
            _draw(canvas, kind, moved, label, line_width)
    return canvas[margin : margin + height, margin : margin + width]


def _draw(
    canvas: NDArray[np.uint8], kind: int, rings: list[NDArray[np.int32]], label: int, width: int
) -> None:
    if kind == s.POLYGON and len(rings) > 1:
        own = np.zeros_like(canvas)
        cv2.fillPoly(own, rings[:1], 1)
        cv2.fillPoly(own, rings[1:], 0)
        canvas[own != 0] = label
    elif kind == s.POLYGON:
        cv2.fillPoly(canvas, rings, label)
    elif kind == s.RECTANGLE:
        first, second = rings[0].tolist()
        cv2.rectangle(canvas, first, second, label, cv2.FILLED)
    elif kind == s.LINE:
        cv2.polylines(canvas, rings, False, label, width)
    else:
        cv2.circle(canvas, rings[0][0].tolist(), round(width / 2), label, cv2.FILLED)
