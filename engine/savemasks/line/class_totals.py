"""Sums of what was counted of every class, for legends; loads nothing heavy."""

import struct
from collections.abc import Iterable, Mapping

ROW = struct.Struct("<IIQ")
"""What `ClassCounter` counts of a label: the label, objects, pixels."""

Totals = Mapping[int, tuple[int, int, int]]
"""By label: objects, pixels, and items that have any."""


def unpacked(counts: bytes) -> list[tuple[int, int, int]]:
    """Label, objects and pixels of every class that was counted in an item."""
    return [*ROW.iter_unpack(counts)]


def total_counts(counts: Iterable[bytes]) -> Totals:
    """Sums over the rows of many items."""
    totals: dict[int, list[int]] = {}
    for packed in counts:
        for label, objects, pixels in ROW.iter_unpack(packed):
            total = totals.setdefault(label, [0, 0, 0])
            total[0] += objects
            total[1] += pixels
            total[2] += 1
    return {label: (objects, pixels, items) for label, (objects, pixels, items) in totals.items()}
