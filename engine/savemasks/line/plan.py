"""`Plan`: what one layer asks of every annotation, worked out once.

Classes, palettes and look-up tables, the order of painting, and with them annotation → `Shapes` →
label maps. A plan knows nothing of pictures and files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..layers.palette import Palette, human_palette, machine_palette
from ..paint.bins import shapes_by_strip
from ..paint.labels import paint_labels
from ..paint.order import paint_order
from ..parse.annotation import Annotation, parse
from ..parse.builder import LENIENT, Rules
from ..projects.classes import ClassTemplate, Meta, read_templates
from ..scratch import Buffer, Scratch
from ..shapes import Shapes

if TYPE_CHECKING:
    from ..layers.save_masks import SaveMasks

Labels = NDArray[np.unsignedinteger[Any]]
Mask = Literal["machine", "human"]

_MACHINE_LABELS = Buffer("labels of the machine mask")
_HUMAN_LABELS = Buffer("labels of the human mask")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is the same for all items of a run. Immutable; threads and processes may share it.

    Attributes
    ----------
    classes
        Number of every class that one of the mappings paints.
    templates
        What the project's meta.json says of its classes.
    machine_palette, human_palette
        Classes and colours by label of the masks that the layer requests, else None.
    machine_table, human_table
        (classes,) label by class number, else None; 0 for classes that the mask does not paint.
    is_shared
        Whether both mappings list the same classes, so that one label map serves both masks.
    line_width
        Thickness of lines in pixels.
    by_area
        Whether larger objects lie below smaller ones.
    ranks
        (classes,) rank by class number: objects of a higher rank lie above all of a lower one.
        None if no class has priority.
    rules
        What of an annotation is refused, besides what cannot be painted.
    """

    classes: Mapping[str, int]
    templates: Mapping[str, ClassTemplate]
    machine_palette: Palette | None
    human_palette: Palette | None
    machine_table: Labels | None
    human_table: Labels | None
    is_shared: bool
    line_width: int
    by_area: bool
    ranks: NDArray[np.int64] | None
    rules: Rules = LENIENT

    @classmethod
    def of(
        cls,
        layer: "SaveMasks",
        meta: Meta | Mapping[str, ClassTemplate] | None = None,
        rules: Rules = LENIENT,
    ) -> "Plan":
        """Work out what a layer asks; raises `ProjectError` if `meta` cannot be used."""
        settings = layer.settings
        templates = read_templates(meta)
        machine = settings.gt_machine_color if settings.masks_machine else None
        human = settings.gt_human_color if settings.masks_human else None
        is_shared = bool(machine and human and machine.keys() == human.keys())
        if machine and human and is_shared:
            # One label map serves both, so both number their classes alike.
            human = {title: human[title] for title in machine}
        titles = dict.fromkeys([*(machine or ()), *(human or ())])
        classes = {title: i for i, title in enumerate(titles)}
        machine_colors = machine_palette(machine) if machine else None
        human_colors = human_palette(human) if human else None
        return cls(
            classes=classes,
            templates=templates,
            machine_palette=machine_colors,
            human_palette=human_colors,
            machine_table=machine_colors.labels(classes) if machine_colors else None,
            human_table=human_colors.labels(classes) if human_colors else None,
            is_shared=is_shared,
            line_width=settings.line_width,
            by_area=settings.paint_order == "area",
            ranks=_class_ranks(classes, settings.class_priority),
            rules=rules,
        )

    def parse(
        self, annotation: Annotation, on_size: Callable[[int, int], None] | None = None
    ) -> Shapes:
        """Parse an annotation; arguments and errors are those of `parse.annotation.parse`."""
        return parse(annotation, self.classes, self.templates, on_size, self.rules)

    def order(self, shapes: Shapes) -> NDArray[np.int64] | None:
        """Numbers of the shapes from the lowest to the topmost, None if that is as listed."""
        if not self.by_area and self.ranks is None:
            return None
        return paint_order(shapes, by_area=self.by_area, rank_of_class=self.ranks)

    def order_by_strip(self, shapes: Shapes, strips: range) -> Iterator[NDArray[np.int64]]:
        """For `label_maps`, the order of strip after strip; `strips` are their first rows."""
        order = self.order(shapes)
        return shapes_by_strip(shapes, strips, line_width=self.line_width, order=order)

    def label_maps(
        self,
        shapes: Shapes,
        scratch: Scratch,
        *,
        rows: range | None = None,
        order: NDArray[np.int64] | None = None,
    ) -> tuple[Labels | None, Labels | None]:
        """Label maps of the machine and the human mask in memory of `scratch`, None if not wanted.

        They are one array if both mappings list the same classes. With `rows`, they are these rows
        of the maps, and `order` must have all shapes that touch them.
        """
        rows = range(shapes.height) if rows is None else rows
        order = self.order(shapes) if order is None else order

        def painted(table: Labels | None, buffer: Buffer) -> Labels | None:
            if table is None:
                return None
            out = scratch.take(buffer, (len(rows), shapes.width), table.dtype)
            self.paint(shapes, table, out, (0, rows.start), order=order)
            return out

        machine = painted(self.machine_table, _MACHINE_LABELS)
        human = machine if self.is_shared else painted(self.human_table, _HUMAN_LABELS)
        return machine, human

    def table_of(self, mask: Mask | None) -> Labels:
        """Label by class number of one of the masks; of the first one requested if it is None.

        Raises `ValueError` if the layer does not request it, or there is no such mask.
        """
        if mask not in (None, "machine", "human"):
            raise ValueError(f'mask must be "machine" or "human", not {mask!r}')
        use_human = mask == "human" or (mask is None and self.machine_table is None)
        table = self.human_table if use_human else self.machine_table
        if table is None:
            raise ValueError(f"the layer does not request masks_{mask}")
        return table

    def palette_of(self, mask: Mask) -> Palette:
        """Palette of one of the masks; raises `ValueError` if the layer does not request it."""
        palette = self.machine_palette if mask == "machine" else self.human_palette
        if palette is None:
            raise ValueError(f"the layer does not request masks_{mask}")
        return palette

    def paint(
        self,
        shapes: Shapes,
        table: NDArray[np.integer[Any]],
        out: NDArray[np.integer[Any]],
        corner: tuple[int, int],
        *,
        order: NDArray[np.int64] | None = None,
        key: NDArray[np.int32] | None = None,
    ) -> None:
        """Paint shapes, by default all, each in what a table has for its class, or for its key."""
        order = self.order(shapes) if order is None else order
        width = self.line_width
        paint_labels(shapes, table, out, key=key, order=order, line_width=width, corner=corner)


def _class_ranks(classes: Mapping[str, int], priority: Sequence[str]) -> NDArray[np.int64] | None:
    """Rank by class number: position in the list of priorities from 1, 0 for all others."""
    if not priority:
        return None
    ranks = {title: rank for rank, title in enumerate(priority, start=1)}
    return np.array([ranks.get(title, 0) for title in classes], np.int64)
