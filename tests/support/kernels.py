"""Compiles all kernels with two processes, before tests ask for them one by one.

`savemasks.warmup` takes more than a minute of one core if nothing is compiled yet. A second process
makes about the same calls from the last one to the first. What one has compiled the other finds on
disk, so they meet in the middle.
"""

import subprocess
import sys

import numpy as np

import savemasks
from support import TESTS
from support.painters import COLORS, HEIGHT, MANY, MAPPINGS, WIDTH, annotation, painter

_ORDERS = (
    "import savemasks; savemasks.warmup()",
    "from support import kernels; kernels.warm_up_from_the_end()",
)


def compile_kernels() -> None:
    """Return when the kernels are in the cache."""
    children = [subprocess.Popen([sys.executable, "-c", order], cwd=TESTS) for order in _ORDERS]
    if {child.wait() for child in children} != {0}:
        raise RuntimeError("the kernels cannot be compiled")


def warm_up_from_the_end() -> None:
    """Encode, then paint, then parse; many classes before few."""
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    for pixels in (image[:, :, 0].astype(np.uint16), image[:, :, 0], image):
        savemasks.encode_png(pixels)
    for mapping in reversed(MAPPINGS):
        p = painter(mapping, MANY if len(mapping) > 255 else COLORS)
        p.human(annotation(), image)
        savemasks.encode_png(p.machine(annotation()))
        p.instances(annotation())
