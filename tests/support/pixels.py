"""Originals and labels of every kind that encoders tell apart."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# "gray ..." and the regular ones have equal channels, which are coded in another way.
ORIGINALS = [
    "noise",
    "zeros",
    "full",
    "slope",
    "photo",
    "checks",
    "rows",
    "gray noise",
    "gray photo",
]
PAINTED = ["nothing", "all", "noise", "blocks", "columns", "first", "last", "rows"]


def original(kind: str, height: int, width: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    rows, columns = np.arange(height)[:, None, None], np.arange(width)[:, None]
    shape = (height, width, 3)
    makers: dict[str, Callable[[], NDArray[Any]]] = {
        "noise": lambda: rng.integers(0, 256, (height, width, 3)),
        "zeros": lambda: np.zeros((height, width, 3)),
        "full": lambda: np.full((height, width, 3), 255),
        "slope": lambda: rows + 2 * columns + np.arange(3),
        "photo": lambda: 120 + rng.normal(0, 5, (height, width, 3)) + 60 * np.sin(columns / 9),
        "checks": lambda: 255 * ((rows // 3 + columns // 5) % 2) + np.zeros(shape),
        "rows": lambda: 50 * (rows % 5) + np.zeros(shape),
        "gray noise": lambda: np.repeat(rng.integers(0, 256, (height, width, 1)), 3, axis=2),
        "gray photo": lambda: (
            np.repeat(120 + rng.normal(0, 2, (height, width, 1)), 3, axis=2)
            + 60 * np.sin((columns + rows) / 9)
        ),
    }
    return makers[kind]().astype(np.int64).astype(np.uint8)


def painted(kind: str, height: int, width: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    labels = np.zeros((height, width), np.uint8)
    if kind == "all":
        labels[:] = 1
    elif kind == "noise":
        labels = rng.integers(0, 4, (height, width)).astype(np.uint8)
    elif kind == "blocks":
        labels[height // 4 : height // 2, width // 5 : width // 2] = 3
        labels[height // 3 :, 2 * width // 3 :] = 2
    elif kind == "columns":
        labels[:, :: max(1, width // 3)] = 1
    elif kind == "first":
        labels[0, 0] = 1
    elif kind == "last":
        labels[-1, -1] = 2
    elif kind == "rows":
        labels[::3] = 2
    return labels
