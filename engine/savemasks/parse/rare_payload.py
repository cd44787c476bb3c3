"""PNGs of `bitmap.data` that only libvips decodes.

It loads little, for the helper of a forked child uses it. The caller has checked headers and
checksums, so what else is wrong is not said.
"""

from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray


def read_samples(png: bytes, *, levels_are_alpha: bool) -> NDArray[np.unsignedinteger[Any]] | None:
    """Samples (height, width, bands) that tell what belongs to the mask.

    They are the alpha of a PNG that has it, unless its levels are. None if it cannot be decoded.
    """
    try:
        image = pyvips.Image.new_from_buffer(png, "", fail_on="error")
        if levels_are_alpha:
            image = image[0]
        elif image.hasalpha():
            image = image[image.bands - 1]
        samples: NDArray[np.unsignedinteger[Any]] = image.numpy()
    except pyvips.Error:
        return None
    return samples.reshape(image.height, image.width, image.bands)
