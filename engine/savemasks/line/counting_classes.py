"""How much of every class is in the masks of an item, for legends."""

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels.paint.seen import count_labels
from ..layers.palettes import Palettes
from ..shapes import Shapes
from .drawings import HUMAN, MACHINE, OWN, SEMANTIC, Labels, Motif
from .plan import Plan

if TYPE_CHECKING:
    from .sinks import Sink

_ROW = np.dtype([("label", "<u4"), ("objects", "<u4"), ("pixels", "<u8")])
_BATCH = 1000  # items whose counts are added up at once


class _Counted(NamedTuple):
    """The label map whose classes are counted, its table, and how many labels it may have."""

    motif: Motif
    table: Labels
    labels: int


def _counted(plan: Plan) -> _Counted | None:
    """What is counted of a plan, if it paints anything."""
    for motif, table, palette in (
        (MACHINE, plan.machine_table, plan.machine_palette),
        (HUMAN, plan.human_table, plan.human_palette),
        (SEMANTIC, plan.semantic_table, plan.semantic_palette),
    ):
        if table is not None and palette is not None:
            return _Counted(motif, table, len(palette.titles) + 1)
    if plan.own_table is not None and plan.own_stems is not None:
        return _Counted(OWN, plan.own_table, len(plan.own_stems) + 1)
    return None


class ClassCounter:
    """Counts what is in the masks of one sink; a map may come in strips, also by several threads.

    Attributes
    ----------
    motif
        The label map that it wants, or None.
    """

    def __init__(self, sink: "Sink") -> None:
        has_legend = not sink.settings.visualize
        self._counted = _counted(sink.plan) if has_legend else None
        self.motif = self._counted and self._counted.motif
        self._strips: list[NDArray[np.int64]] = []

    @property
    def is_pending(self) -> bool:
        """Whether it has not seen its map."""
        return self.motif is not None and not self._strips

    def add(self, labels: NDArray[np.unsignedinteger[Any]]) -> None:
        """Count the pixels of rows of the label map."""
        assert self._counted is not None
        counts = np.zeros(self._counted.labels, np.int64)
        count_labels(labels, counts)
        self._strips.append(counts)

    def packed(self, shapes: Shapes) -> bytes:
        """Objects and pixels by label."""
        if self._counted is None:
            return b""
        pixels = np.sum(self._strips, axis=0)
        is_first = np.diff(shapes.object_index, prepend=-1) != 0
        found = self._counted.table[shapes.class_id[is_first]]
        objects = np.bincount(found, minlength=self._counted.labels)
        labels = np.flatnonzero((pixels > 0) | (objects > 0))
        labels = labels[labels > 0]
        rows = np.zeros(labels.size, _ROW)
        rows["label"], rows["objects"], rows["pixels"] = labels, objects[labels], pixels[labels]
        return rows.tobytes()


def counted_titles(palettes: Palettes) -> tuple[str, ...]:
    """Title of label 1, 2, ... of the label map whose classes are counted."""
    for palette in (palettes.machine, palettes.human, palettes.semantic):
        if palette is not None:
            return palette.titles
    return palettes.own or ()


def unpacked(counts: bytes) -> list[tuple[int, int, int]]:
    """Label, objects and pixels of every class that was counted in an item."""
    found: list[tuple[int, int, int]] = np.frombuffer(counts, _ROW).tolist()
    return found


def total_counts(counts: Iterable[bytes], classes: int) -> NDArray[np.int64]:
    """Sums over items, (3, classes): objects, pixels, and items that have any, by label less 1."""
    totals = np.zeros((3, classes + 1), np.int64)
    found = iter(counts)
    while batch := [*islice(found, _BATCH)]:
        rows = np.frombuffer(b"".join(batch), _ROW)
        for total, values in zip(totals, (rows["objects"], rows["pixels"], 1), strict=True):
            np.add.at(total, rows["label"], np.asarray(values).astype(np.int64))
    return totals[:, 1:]
