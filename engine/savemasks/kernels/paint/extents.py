"""Which pixels a shape may paint, and which ones were painted."""

from ...shapes import BITMAP, LINE, POINT
from ..jit import Array, kernel


@kernel
def measure_extents(
    kind: Array,
    ring: Array,
    vertex: Array,
    xy: Array,
    payload: Array,
    bits_shape: Array,
    line_width: int,
    point_radius: int,
    extents: Array,
) -> None:
    """Bound what every shape paints: left, top, right and bottom, all included, (n, 4) int64.

    The other arrays are those of `shapes.Shapes`. Extents may leave the canvas.
    """
    for i in range(kind.size):
        first = vertex[ring[i]]
        left = xy[first, 0]
        top = xy[first, 1]
        right = left
        bottom = top
        for j in range(first, vertex[ring[i] + 1]):  # holes lie inside or paint nothing
            left = min(left, xy[j, 0])
            right = max(right, xy[j, 0])
            top = min(top, xy[j, 1])
            bottom = max(bottom, xy[j, 1])
        reach = 0
        if kind[i] == LINE and line_width > 1:
            reach = line_width + 2
        elif kind[i] == POINT:
            reach = point_radius
        extents[i, 0] = left - reach
        extents[i, 1] = top - reach
        extents[i, 2] = right + reach
        extents[i, 3] = bottom + reach
        if kind[i] == BITMAP:
            extents[i, 2] = left + bits_shape[payload[i], 1] - 1
            extents[i, 3] = top + bits_shape[payload[i], 0] - 1


@kernel
def tighten_boxes(masks: Array, boxes: Array) -> None:
    """Shrink boxes to the pixels of their masks that are not 0.

    Parameters
    ----------
    masks
        (n, height, width) uint8.
    boxes
        (n, 4) int64: left, top, right and bottom of what holds all such pixels; left and top are
        included, right and bottom are not. Without such a pixel all four become 0.
    """
    for i in range(boxes.shape[0]):
        left, top, right, bottom = boxes[i]
        x_first = right
        x_last = left - 1
        y_first = bottom
        y_last = top - 1
        for y in range(top, bottom):
            row = masks[i, y]
            # Beyond what earlier rows have shown, there is nothing to be learnt.
            x = left
            while x < right and row[x] == 0:
                x += 1
            if x == right:
                continue
            x_first = min(x_first, x)
            y_first = min(y_first, y)
            y_last = y
            x = right - 1
            while x > x_last and row[x] == 0:
                x -= 1
            x_last = max(x_last, x)
        if y_last < y_first:
            x_first = y_first = 0
            x_last = y_last = -1
        boxes[i, 0] = x_first
        boxes[i, 1] = y_first
        boxes[i, 2] = x_last + 1
        boxes[i, 3] = y_last + 1
