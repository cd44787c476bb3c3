"""`Painter`: annotation → masks in memory.

It holds what is the same for all items of a run (classes, palettes, look-up tables), is immutable
and may be shared by threads.
"""

import base64
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from .color import human_page, machine_mask
from .encode import encode_human, encode_machine, encode_png
from .kernels.jit import one_process_at_a_time
from .order import paint_order
from .paint import paint_labels
from .palette import Palette, human_palette, machine_palette
from .parse import parse
from .project import ClassTemplate
from .scratch import Scratch
from .settings import SaveMasks
from .shapes import Shapes

Labels = NDArray[np.unsignedinteger[Any]]


class Painter:
    """Paints the masks of one `save_masks` layer.

    Attributes
    ----------
    classes
        Number of every class that one of the mappings paints.
    machine_palette, human_palette
        Labels and colours of the masks that the layer requests, else None.
    """

    def __init__(
        self, layer: SaveMasks, templates: Mapping[str, ClassTemplate] | None = None
    ) -> None:
        settings = layer.settings
        self._templates = templates or {}
        self._line_width = settings.line_width
        self._by_area = settings.paint_order == "area"
        machine = settings.gt_machine_color if settings.masks_machine else None
        human = settings.gt_human_color if settings.masks_human else None
        self._shared = bool(machine and human and machine.keys() == human.keys())
        if machine and human and self._shared:
            # One label map serves both, so both number their classes alike.
            human = {title: human[title] for title in machine}
        titles = dict.fromkeys([*(machine or ()), *(human or ())])
        self.classes: Mapping[str, int] = {title: i for i, title in enumerate(titles)}
        self._ranks = _class_ranks(self.classes, settings.class_priority)
        self.machine_palette = machine_palette(machine) if machine else None
        self.human_palette = human_palette(human) if human else None
        self._label_of_class = [
            palette.labels(self.classes) if palette else None
            for palette in (self.machine_palette, self.human_palette)
        ]

    def parse(self, annotation: bytes, on_size: Callable[[int, int], None] | None = None) -> Shapes:
        """Parse annotation JSON; raises `AnnotationError`.

        `on_size` is called with height and width before any object is looked into.
        """
        return parse(annotation, self.classes, self._templates, on_size)

    def warm_up(self) -> None:
        """Compile, or load from the cache, every kernel that this layer's everyday items need."""
        with one_process_at_a_time():
            shapes = self.parse(_warm_up_annotation(next(iter(self.classes))))
            machine_labels, human_labels = self.labels(shapes)
            if machine_labels is not None:
                encode_png(self.machine(machine_labels))
                encode_machine(machine_labels, _requested(self.machine_palette, "masks_machine"))
            if human_labels is not None:
                shape = (*human_labels.shape, 3)
                colorful = (np.arange(human_labels.size * 3) * 37 % 251).astype(np.uint8)
                palette = _requested(self.human_palette, "masks_human")
                for image in (colorful.reshape(shape), np.zeros(shape, np.uint8)):
                    encode_human(image, human_labels, palette)
                encode_png(self.human(human_labels, image))

    def labels(
        self, shapes: Shapes, scratch: Scratch | None = None
    ) -> tuple[Labels | None, Labels | None]:
        """Label maps (height, width) for the machine and the human mask, None if not requested.

        They are one array if both mappings list the same classes.
        """
        scratch = scratch or Scratch()
        maps: list[Labels | None] = [None, None]
        order = None
        if self._by_area or self._ranks is not None:
            order = paint_order(shapes, by_area=self._by_area, rank_of_class=self._ranks)
        for i, table in enumerate(self._label_of_class):
            if i == 1 and self._shared:
                maps[1] = maps[0]
            elif table is not None:
                out = scratch.take(f"labels {i}", (shapes.height, shapes.width), table.dtype)
                paint_labels(shapes, table, out, order=order, line_width=self._line_width)
                maps[i] = out
        return maps[0], maps[1]

    def machine(self, labels: Labels, scratch: Scratch | None = None) -> NDArray[Any]:
        """Machine mask of a label map: (height, width) if all colours are gray, else RGB."""
        palette = _requested(self.machine_palette, "masks_machine")
        return machine_mask(labels, palette, scratch or Scratch())

    def human(
        self, labels: Labels, image: NDArray[np.uint8], scratch: Scratch | None = None
    ) -> NDArray[np.uint8]:
        """Human picture (height, 2 * width + 1, 3) of a label map and its RGB original."""
        palette = _requested(self.human_palette, "masks_human")
        return human_page(image, labels, palette, scratch or Scratch())


def _class_ranks(classes: Mapping[str, int], priority: Sequence[str]) -> NDArray[np.int64] | None:
    """Rank by class number: position in the list of priorities from 1, 0 for all others."""
    if not priority:
        return None
    ranks = {title: rank for rank, title in enumerate(priority, start=1)}
    return np.array([ranks.get(title, 0) for title in classes], np.int64)


def _requested(palette: Palette | None, name: str) -> Palette:
    if palette is None:
        raise ValueError(f"the layer does not request {name}")
    return palette


def _warm_up_annotation(title: str) -> bytes:
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
