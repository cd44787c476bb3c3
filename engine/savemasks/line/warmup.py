"""All kernels in all the dtypes that any layer can ask for."""

from collections.abc import Iterator

import numpy as np

from ..api.functions import encode_png
from ..api.painter import Painter
from ..kernels.jit import one_process_at_a_time
from ..layers.save_masks import SaveMasks
from .item import warm_up
from .plan import everyday_annotation

_SIZE = 8


def warm_up_everything() -> None:
    """Call every kernel with everything that it can be called with."""
    image = np.arange(_SIZE * _SIZE * 3, dtype=np.uint8).reshape(_SIZE, _SIZE, 3)
    for layer in _layers():
        painter = Painter(layer)
        warm_up(painter)
        with one_process_at_a_time():
            annotation = everyday_annotation(next(iter(painter.classes)))
            encode_png(painter.machine(annotation))
            painter.instances(annotation)
            painter.human(annotation, image)
    with one_process_at_a_time():
        for pixels in (image, image[:, :, 0], image.astype(np.uint16)):
            encode_png(pixels)


def _layers() -> Iterator[SaveMasks]:
    """Labels of 8 and of 16 bits, each with grays (one of them black), deep grays and colours."""
    for count in (2, 256):
        grays = {str(i): [i % 256] * 3 for i in range(count)}
        deep = {str(i): [i + 256] * 3 for i in range(count)} | {"0": [0, 0, 0]}
        colors = {str(i): [i % 256, 1, 2] for i in range(count)}
        for machine in (grays, deep, colors):
            yield SaveMasks.from_json(
                {
                    "action": "save_masks",
                    "dst": "x",
                    "settings": {
                        "masks_machine": True,
                        "masks_human": True,
                        "gt_machine_color": machine,
                        "gt_human_color": colors,
                        "paint_order": "area",
                    },
                }
            )
