"""Label maps → pixels, through look-up tables."""

import numpy as np

from ..jit import Array, kernel


@kernel
def gray(labels: Array, table: Array, out: Array) -> None:
    """Gray level of every pixel: out[y, x] = table[labels[y, x]]."""
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            out[y, x] = table[labels[y, x]]


@kernel
def rgb(labels: Array, table: Array, out: Array) -> None:
    """Colour of every pixel: out[y, x, :] = table[labels[y, x], :]."""
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            for channel in range(3):
                out[y, x, channel] = table[label, channel]


@kernel
def human(image: Array, labels: Array, table: Array, out: Array) -> None:
    """Original, one green column, and the original mixed half and half with the classes.

    `image` and `out` are rows of bytes: (height, 3 * width) and (height, 6 * width + 3).
    """
    height, width = labels.shape
    right = 3 * width + 3
    for y in range(height):
        source = image[y]
        target = out[y]
        for i in range(3 * width):
            target[np.uint64(i)] = source[np.uint64(i)]
        target[right - 3] = 0
        target[right - 2] = 255
        target[right - 1] = 0
        for i in range(3 * width):
            target[np.uint64(right + i)] = source[np.uint64(i)]
        for x in range(width):
            label = labels[y, x]
            if label:
                for channel in range(3):
                    i = 3 * x + channel
                    target[right + i] = (int(source[i]) + int(table[label, channel])) >> 1
