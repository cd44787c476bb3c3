"""Label maps → pixels, through look-up tables."""

import numpy as np

from .jit import Array, kernel


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
    """Original, one green column, and the original mixed half and half with the classes."""
    height, width = labels.shape
    for y in range(height):
        line = out[y]
        line[:width] = image[y]
        line[width, 0] = 0
        line[width, 1] = 255
        line[width, 2] = 0
        right = line[width + 1 :]
        right[:] = image[y]
        for x in range(width):
            label = labels[y, x]
            if label:
                for channel in range(3):
                    value = int(right[x, channel]) + int(table[label, channel])
                    right[x, channel] = value >> 1
