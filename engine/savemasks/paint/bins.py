"""Shapes by strips: which of them each strip of rows has to paint.

A shape takes time only in the strips that it touches. The state between two strips is a list of the
shapes that have begun and not ended, so memory does not grow with their heights.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..shapes import Shapes
from .labels import extents_of


def shapes_by_strip(
    shapes: Shapes, strips: range, *, line_width: int = 1, order: NDArray[np.int64] | None = None
) -> Iterator[NDArray[np.int64]]:
    """List the shapes of strip after strip.

    Parameters
    ----------
    shapes
        Those of the whole canvas.
    strips
        First rows of the strips; each also looks at the row above it.
    line_width
        Thickness of lines in pixels; thicker lines reach further.
    order
        Numbers of the shapes from the lowest to the topmost; by default all as listed.

    Yields
    ------
    Numbers (k,) int64 of the shapes that may paint in a strip or the row above it, from the lowest
    to the topmost.
    """
    _, first, _, last = extents_of(shapes, line_width).T
    order = np.arange(len(shapes)) if order is None else order
    first, last = first[order], last[order]
    # Positions in the painting order: sorting a list of them restores that order.
    begins = np.argsort(first, kind="stable")
    stops = np.searchsorted(first[begins], np.array(strips) + strips.step)
    active = np.zeros(0, np.int64)
    done = 0
    for top, stop in zip(strips, stops.tolist(), strict=True):
        active = np.concatenate([active[last[active] >= top - 1], begins[done:stop]])
        active = np.sort(active[last[active] >= top - 1])
        done = stop
        yield order[active]
