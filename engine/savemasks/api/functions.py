"""Small public functions beside `Painter`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encode.general import deflate_pixels
from ..encode.machine import deflate_runs
from ..encode.png import Layout, frame
from ..layers.palette import Palette
from ..scratch import own_scratch

_GRAYS = np.arange(256, dtype=np.uint8)
_BYTES = np.dtype(np.uint8)
_DTYPES = (_BYTES, np.dtype(np.uint16))
_MOST_COLORS = 256


Colors = Palette | NDArray[np.integer[Any]] | Sequence[Sequence[int]] | bytes


def encode_png(pixels: NDArray[Any], palette: Colors | None = None) -> bytes:
    r"""Encode pixels as PNG.

    Parameters
    ----------
    pixels
        (height, width) gray or (height, width, 3) RGB, uint8 or uint16. What is not C-contiguous
        is copied.
    palette
        Makes an indexed PNG of (height, width) uint8: the colour of every index, as an array
        (n, 3) of RGB or as its bytes, as `Painter.palette_for_pil` gives them. A `Palette` has
        those of its indexed masks, if the layer has `machine_palette`, for the pixels of
        `Painter.machine`; otherwise those of its labels, for the pixels of `Painter.labels`.

    Returns
    -------
    bytes
        The file; the same pixels always give the same bytes.

    Raises
    ------
    TypeError
        If `pixels` is no array of one of these dtypes, or `palette` no colours.
    ValueError
        If its shape is another one, or it is empty; if there are more than 256 colours, they are
        not of 0 to 255, or a pixel has no colour.

    Examples
    --------
    >>> import numpy as np, savemasks
    >>> savemasks.encode_png(np.zeros((2, 3), np.uint8))[:4]
    b'\x89PNG'
    >>> savemasks.encode_png(np.ones((2, 3), np.uint8), palette=[(0, 0, 0), (255, 0, 0)])[25]
    3
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
    layout = Layout.of(pixels)
    if palette is not None:
        layout = layout._replace(palette=_chunk_for(pixels, palette))
    scratch = own_scratch()
    deflated = None
    if pixels.ndim == 2 and pixels.dtype == _BYTES:
        # The pixels of a mask are as good as its labels.
        deflated = deflate_runs(pixels, _GRAYS, scratch)
    deflated = deflated or deflate_pixels(pixels, scratch)
    png = b"".join(frame(deflated.data, layout))
    scratch.forget_large()
    return png


def _chunk_for(pixels: NDArray[Any], palette: Colors) -> bytes:
    """The colours of an indexed PNG, checked for its pixels."""
    if pixels.ndim != 2 or pixels.dtype != _BYTES:
        raise ValueError(
            "pixels must have the shape (height, width) and be of uint8 for a palette, not"
            f" {pixels.shape} of {pixels.dtype}"
        )
    if isinstance(palette, bytes | bytearray | memoryview):
        colors: NDArray[Any] = np.frombuffer(palette, np.uint8)
        if colors.size % 3:
            raise ValueError(f"palette must have three bytes a colour, but has {colors.size}")
        colors = colors.reshape(-1, 3)
    elif isinstance(palette, Palette):
        colors = shown if (shown := palette.index_colors) is not None else palette.colors
    else:
        colors = np.asarray(palette)
    if colors.dtype.kind not in "ui":
        raise TypeError(f"palette must have whole numbers, not {colors.dtype}")
    if colors.ndim != 2 or colors.shape[1] != 3:
        raise ValueError(f"palette must have the shape (colours, 3), not {colors.shape}")
    if not 1 <= len(colors) <= _MOST_COLORS:
        raise ValueError(f"palette must have 1 to {_MOST_COLORS} colours, not {len(colors)}")
    if colors.min() < 0 or colors.max() > 255:
        raise ValueError("palette must have levels from 0 to 255")
    if (top := int(pixels.max())) >= len(colors):
        raise ValueError(f"pixels have the index {top}, but palette has {len(colors)} colours")
    return colors.astype(np.uint8).tobytes()


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
