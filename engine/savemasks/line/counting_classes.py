"""How much of every class is in the masks of an item, for legends."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels.paint.seen import count_labels, count_objects
from ..layers.palettes import Palettes
from ..shapes import Shapes
from .class_totals import ROW
from .drawings import HUMAN, MACHINE, OWN, SEMANTIC, Labels, Motif
from .plan import Plan

if TYPE_CHECKING:
    from .sinks import Sink


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
        pixels = self._strips[0] if len(self._strips) == 1 else np.sum(self._strips, axis=0)
        objects = np.zeros(self._counted.labels, np.int64)
        count_objects(shapes.object_index, shapes.class_id, self._counted.table, objects)
        rows = enumerate(zip(objects.tolist(), pixels.tolist(), strict=True))
        return b"".join([ROW.pack(label, *row) for label, row in rows if label and any(row)])


def counted_titles(palettes: Palettes) -> tuple[str, ...]:
    """Title of label 1, 2, ... of the label map whose classes are counted."""
    for palette in (palettes.machine, palettes.human, palettes.semantic):
        if palette is not None:
            return palette.titles
    return palettes.own or ()
