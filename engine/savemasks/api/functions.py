"""Small public functions beside `Painter`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encode.general import encode_png as encode_pixels
from ..encode.machine import encode_runs
from ..scratch import own_scratch

_GRAYS = np.arange(256, dtype=np.uint8)
_BYTES = np.dtype(np.uint8)
_DTYPES = (_BYTES, np.dtype(np.uint16))


def encode_png(pixels: NDArray[Any]) -> bytes:
    r"""Encode pixels as PNG.

    Parameters
    ----------
    pixels
        (height, width) gray or (height, width, 3) RGB, uint8 or uint16. What is not C-contiguous
        is copied.

    Returns
    -------
    bytes
        The file; the same pixels always give the same bytes.

    Raises
    ------
    TypeError
        If `pixels` is no array of one of these dtypes.
    ValueError
        If its shape is another one, or it is empty.

    Examples
    --------
    >>> import numpy as np, savemasks
    >>> savemasks.encode_png(np.zeros((2, 3), np.uint8))[:4]
    b'\x89PNG'
    """
    if not isinstance(pixels, np.ndarray):
        raise TypeError(f"pixels must be a NumPy array, not {type(pixels).__name__}")
    if pixels.dtype not in _DTYPES:
        raise TypeError(f"pixels must be of uint8 or uint16, not of {pixels.dtype}")
    if pixels.ndim not in {2, 3} or pixels.shape[2:] not in {(), (3,)}:
        raise ValueError(
            f"pixels must have the shape (height, width) or (height, width, 3), not {pixels.shape}"
        )
    if pixels.size == 0:
        raise ValueError(f"pixels of the shape {pixels.shape} are no picture: it is empty")
    pixels = np.ascontiguousarray(pixels).view(np.ndarray)
    pixels.setflags(write=False)  # a view of ours: one compiled kernel serves all callers
    scratch = own_scratch()
    parts = None
    if pixels.ndim == 2 and pixels.dtype == _BYTES:
        # The pixels of a mask are as good as its labels.
        parts = encode_runs(pixels, _GRAYS, scratch)
    png = b"".join(parts or encode_pixels(pixels, scratch))
    scratch.forget_large()
    return png


def warmup() -> None:
    """Compile every kernel, or load it from the cache, so that no later call has to.

    The first time on a machine takes a minute or two, after that about a second. To be called
    when a service starts, before it answers.

    Examples
    --------
    >>> import savemasks
    >>> savemasks.warmup()
    """
    from ..line.warmup import warm_up_everything  # needs all stations

    warm_up_everything()
