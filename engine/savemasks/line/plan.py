"""`Plan`: what one layer asks of every annotation, worked out once.

Classes, palettes and look-up tables, the order of painting, and with them `Shapes` → label maps.
"""

import base64
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from ..encode.choice import encode_human, encode_machine, encode_png
from ..encode.color import human_page, machine_mask
from ..kernels.jit import one_process_at_a_time
from ..layers.palette import Palette, human_palette, machine_palette
from ..paint.bins import shapes_by_strip
from ..paint.labels import paint_labels
from ..paint.order import paint_order
from ..parse.annotation import Annotation, parse
from ..parse.pieces import LARGE
from ..projects.classes import ClassTemplate, Meta, read_templates
from ..scratch import Scratch
from ..shapes import Shapes

if TYPE_CHECKING:
    from ..layers.save_masks import SaveMasks

Labels = NDArray[np.unsignedinteger[Any]]
Mask = Literal["machine", "human"]


class Plan:
    """What is the same for all items of a run. Immutable; threads and processes may share it.

    Attributes
    ----------
    machine_palette, human_palette
        Classes and colours by label of the masks that the layer requests, else None.
    """

    __slots__ = (
        "__weakref__",
        "_by_area",
        "_classes",
        "_label_of_class",
        "_line_width",
        "_ranks",
        "_shared",
        "_templates",
        "human_palette",
        "machine_palette",
    )

    def __init__(
        self, layer: "SaveMasks", meta: Meta | Mapping[str, ClassTemplate] | None = None
    ) -> None:
        settings = layer.settings
        self._templates = read_templates(meta)
        self._line_width = settings.line_width
        self._by_area = settings.paint_order == "area"
        machine = settings.gt_machine_color if settings.masks_machine else None
        human = settings.gt_human_color if settings.masks_human else None
        self._shared = bool(machine and human and machine.keys() == human.keys())
        if machine and human and self._shared:
            # One label map serves both, so both number their classes alike.
            human = {title: human[title] for title in machine}
        titles = dict.fromkeys([*(machine or ()), *(human or ())])
        self._classes = {title: i for i, title in enumerate(titles)}
        self._ranks = _class_ranks(self._classes, settings.class_priority)
        self.machine_palette = machine_palette(machine) if machine else None
        self.human_palette = human_palette(human) if human else None
        self._label_of_class = tuple(
            palette.labels(self._classes) if palette else None
            for palette in (self.machine_palette, self.human_palette)
        )

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute that has no value yet: in `__init__`, and when it is unpickled."""
        if hasattr(self, name):
            raise AttributeError(f"{name} cannot be set: a {type(self).__name__} never changes")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name} cannot be deleted: a {type(self).__name__} never changes")

    @property
    def classes(self) -> Mapping[str, int]:
        """Number of every class that one of the mappings paints."""
        return MappingProxyType(self._classes)

    def parse(
        self, annotation: Annotation, on_size: Callable[[int, int], None] | None = None
    ) -> Shapes:
        """Parse an annotation once, to paint it often.

        Parameters
        ----------
        annotation
            JSON as bytes or str, or a dict.
        on_size
            Called with height and width; what it raises comes before anything that is wrong with
            an object.

        Returns
        -------
        Shapes
            Flat arrays, which can be pickled; for painters of the same classes only.

        Raises
        ------
        AnnotationError
            Naming the object if one is to blame.
        TypeError
            If it is neither text nor a dict.

        Examples
        --------
        >>> shapes = painter.parse(annotation)
        >>> shapes.height, shapes.width, len(shapes)
        (4, 6, 2)
        """
        return parse(annotation, self._classes, self._templates, on_size)

    def order(self, shapes: Shapes) -> NDArray[np.int64] | None:
        """Numbers of the shapes from the lowest to the topmost, None if that is as listed."""
        if not self._by_area and self._ranks is None:
            return None
        return paint_order(shapes, by_area=self._by_area, rank_of_class=self._ranks)

    def by_strip(self, shapes: Shapes, strips: range) -> Iterator[NDArray[np.int64]]:
        """For `label_maps`, the order of strip after strip; `strips` are their first rows."""
        order = self.order(shapes)
        return shapes_by_strip(shapes, strips, line_width=self._line_width, order=order)

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
        maps: list[Labels | None] = [None, None]
        for i, table in enumerate(self._label_of_class):
            if i == 1 and self._shared:
                maps[1] = maps[0]
            elif table is not None:
                out = scratch.take(f"labels {i}", (len(rows), shapes.width), table.dtype)
                self._paint(shapes, table, out, (0, rows.start), order)
                maps[i] = out
        return maps[0], maps[1]

    def warm_up(self) -> None:
        """Compile, or load from the cache, every kernel that this layer's everyday items need."""
        with one_process_at_a_time():
            # White space makes a large one of it.
            shapes = self.parse(everyday_annotation(next(iter(self._classes))).ljust(LARGE))
            machine_labels, human_labels = self.label_maps(shapes, Scratch())
            if machine_labels is not None:
                palette = requested(self.machine_palette, "machine")
                encode_png(machine_mask(machine_labels, palette, Scratch()))
                encode_machine(machine_labels, palette)
            if human_labels is not None:
                shape = (*human_labels.shape, 3)
                colorful = (np.arange(human_labels.size * 3) * 37 % 251).astype(np.uint8)
                palette = requested(self.human_palette, "human")
                for image in (colorful.reshape(shape), np.zeros(shape, np.uint8)):
                    encode_human(image, human_labels, palette)
                encode_png(human_page(image, human_labels, palette, Scratch()))

    def _labels_for(self, mask: Mask | None) -> Labels:
        """Label of every class for one of the masks."""
        machine, human = self._label_of_class
        if mask not in (None, "machine", "human"):
            raise ValueError(f'mask must be "machine" or "human", not {mask!r}')
        table = human if mask == "human" or (mask is None and machine is None) else machine
        if table is None:
            raise ValueError(f"the layer does not request masks_{mask}")
        return table

    def _paint(
        self,
        shapes: Shapes,
        table: NDArray[np.integer[Any]],
        out: NDArray[np.integer[Any]],
        corner: tuple[int, int],
        order: NDArray[np.int64] | None = None,
        key: NDArray[np.int32] | None = None,
    ) -> None:
        """Paint shapes, by default all, each in what a table has for its class, or for its key."""
        order = self.order(shapes) if order is None else order
        width = self._line_width
        paint_labels(shapes, table, out, key=key, order=order, line_width=width, corner=corner)


def _class_ranks(classes: Mapping[str, int], priority: Sequence[str]) -> NDArray[np.int64] | None:
    """Rank by class number: position in the list of priorities from 1, 0 for all others."""
    if not priority:
        return None
    ranks = {title: rank for rank, title in enumerate(priority, start=1)}
    return np.array([ranks.get(title, 0) for title in classes], np.int64)


def requested(palette: Palette | None, name: str) -> Palette:
    """The palette, or a `ValueError` that names the mask which the layer does not request."""
    if palette is None:
        raise ValueError(f"the layer does not request masks_{name}")
    return palette


def everyday_annotation(title: str) -> bytes:
    """Annotation with one object of every shape."""
    mask = encode_png(np.full((2, 2), 255, np.uint8))
    data = base64.b64encode(zlib.compress(b"".join(mask))).decode()
    triangle = {"exterior": [[0, 0], [7, 0], [3, 7]], "interior": [[[3, 2], [4, 2], [3, 3]]]}
    pair = {"exterior": [[1, 1], [5, 6]]}
    objects: list[dict[str, object]] = [
        {"geometryType": "polygon", "points": triangle},
        {"geometryType": "rectangle", "points": pair},
        {"geometryType": "line", "points": pair},
        {"geometryType": "point", "points": pair},
        {"geometryType": "bitmap", "bitmap": {"origin": [2, 2], "data": data}},
        # Folded, it goes the way of large ones.
        {"geometryType": "bitmap", "bitmap": {"origin": [2, 2], "data": data + "\n"}},
    ]
    size = {"height": 8, "width": 8}
    return orjson.dumps({"size": size, "objects": [{"classTitle": title, **o} for o in objects]})
