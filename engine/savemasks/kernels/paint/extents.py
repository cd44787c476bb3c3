"""Which rows a shape may paint."""

from ...shapes import BITMAP, LINE, POINT
from ..jit import Array, kernel


@kernel
def measure_rows(
    kind: Array,
    ring: Array,
    vertex: Array,
    xy: Array,
    payload: Array,
    bits_shape: Array,
    line_width: int,
    point_radius: int,
    first: Array,
    last: Array,
) -> None:
    """Bound the rows of every shape: first[i] to last[i], both included, (n,) int64.

    The other arrays are those of `shapes.Shapes`. Rows may lie outside the canvas.
    """
    for i in range(kind.size):
        top = xy[vertex[ring[i]], 1]
        bottom = top
        for j in range(vertex[ring[i]], vertex[ring[i] + 1]):  # holes lie inside or paint nothing
            top = min(top, xy[j, 1])
            bottom = max(bottom, xy[j, 1])
        reach = 0
        if kind[i] == LINE and line_width > 1:
            reach = line_width + 2
        elif kind[i] == POINT:
            reach = point_radius
        first[i] = top - reach
        last[i] = bottom + reach
        if kind[i] == BITMAP:
            last[i] = top + bits_shape[payload[i], 0] - 1
