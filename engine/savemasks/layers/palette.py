"""Class titles and colours → label numbers and look-up tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """The classes of one colour mapping, numbered densely.

    Attributes
    ----------
    titles
        Class of label 1, 2, ...; label 0 is the background.
    colors
        (labels, 3) RGB by label, uint8 or, with colours above 255, uint16; the background is
        black. Read-only.

    Examples
    --------
    >>> palette = painter.human_palette
    >>> for label, title in enumerate(palette.titles, start=1):
    ...     print(label, title, palette.colors[label])
    1 kiwi [255   0   0]
    2 lemon [ 27   0 255]
    """

    titles: tuple[str, ...]
    colors: NDArray[np.unsignedinteger[Any]]

    def __post_init__(self) -> None:
        self.colors.flags.writeable = False

    def __reduce__(self) -> tuple[type["Palette"], tuple[object, ...]]:
        # NumPy forgets what is read-only: the copy has to be made as the original was.
        return type(self), (self.titles, self.colors)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Palette):
            return NotImplemented
        mine, others = self.colors, other.colors
        return (
            self.titles == other.titles
            and mine.dtype == others.dtype
            and np.array_equal(mine, others)
        )

    def __hash__(self) -> int:
        return hash((self.titles, self.colors.tobytes()))

    @property
    def is_gray(self) -> bool:
        """Whether red, green and blue agree in every colour."""
        return bool((self.colors == self.colors[:, :1]).all())

    @property
    def label_dtype(self) -> type[np.unsignedinteger[Any]]:
        """The smallest dtype that holds every label."""
        return np.uint8 if len(self.titles) < 256 else np.uint16

    def labels(self, titles: Iterable[str]) -> NDArray[np.unsignedinteger[Any]]:
        """Label of every title, 0 for classes that this mapping does not paint."""
        labels = {title: label for label, title in enumerate(self.titles, start=1)}
        return np.array([labels.get(title, 0) for title in titles], self.label_dtype)


class Grays(NamedTuple):
    """How to paint a gray mask at once, without a label map.

    Attributes
    ----------
    of_class
        (classes,) what to paint a class in, 0 to leave it out; of the colours' dtype.
    table
        (levels,) what then becomes of every level, or None if it stays: only a class that is black
        has to be painted in another one first, to cover what lies below it.
    """

    of_class: NDArray[np.unsignedinteger[Any]]
    table: NDArray[np.unsignedinteger[Any]] | None


def paintable_grays(palette: Palette, labels: NDArray[np.unsignedinteger[Any]]) -> Grays | None:
    """How to paint the mask of a palette at once; None for colours, or without a free level.

    `labels` has the label of every class number.
    """
    if not palette.is_gray:
        return None
    grays = np.ascontiguousarray(palette.colors[:, 0])
    of_class = grays[labels]
    if np.count_nonzero(grays) == len(palette.titles):
        return Grays(of_class, None)
    levels = np.iinfo(grays.dtype).max + 1
    free = np.setdiff1d(np.arange(1, levels), grays)
    if free.size == 0:
        return None
    of_class[(of_class == 0) & (labels > 0)] = free[0]
    table = np.arange(levels, dtype=grays.dtype)
    table[free[0]] = 0
    return Grays(of_class, table)


def machine_palette(mapping: Mapping[str, Color]) -> Palette:
    """Colours as they are; a class that is mapped to black still covers what lies below it."""
    return _palette(mapping)


def human_palette(mapping: Mapping[str, Color]) -> Palette:
    """Colours for mixing with the photograph; black becomes (1, 1, 1), as the layer has it."""
    return _palette({t: (1, 1, 1) if tuple(c) == (0, 0, 0) else c for t, c in mapping.items()})


def _palette(mapping: Mapping[str, Color]) -> Palette:
    colors = np.array([(0, 0, 0), *mapping.values()])
    return Palette(tuple(mapping), colors.astype(np.uint8 if colors.max() < 256 else np.uint16))
