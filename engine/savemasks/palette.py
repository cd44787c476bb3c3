"""Class titles and colours → label numbers and look-up tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Palette:
    """The classes of one colour mapping, numbered densely.

    Attributes
    ----------
    titles
        Class of label 1, 2, ...; label 0 is the background.
    colors
        (labels, 3) RGB by label, uint8 or, with colours above 255, uint16; the background is
        black.
    """

    titles: tuple[str, ...]
    colors: NDArray[np.unsignedinteger[Any]]

    @property
    def is_gray(self) -> bool:
        """Whether red, green and blue agree in every colour."""
        return bool((self.colors == self.colors[:, :1]).all())

    @property
    def label_dtype(self) -> type[np.unsignedinteger[Any]]:
        """The smallest dtype that holds every label."""
        return np.uint8 if len(self.titles) < 256 else np.uint16

    def labels(self, classes: Mapping[str, int]) -> NDArray[np.unsignedinteger[Any]]:
        """Label by class number, 0 for classes that this mapping does not paint."""
        table = np.zeros(len(classes), self.label_dtype)
        for label, title in enumerate(self.titles, start=1):
            table[classes[title]] = label
        return table


def machine_palette(mapping: Mapping[str, Color]) -> Palette:
    """Colours as they are; a class that is mapped to black still covers what lies below it."""
    return _palette(mapping)


def human_palette(mapping: Mapping[str, Color]) -> Palette:
    """Colours for mixing with the photograph; black becomes (1, 1, 1), as the layer has it."""
    return _palette({t: (1, 1, 1) if tuple(c) == (0, 0, 0) else c for t, c in mapping.items()})


def _palette(mapping: Mapping[str, Color]) -> Palette:
    colors = np.array([(0, 0, 0), *mapping.values()])
    return Palette(tuple(mapping), colors.astype(np.uint8 if colors.max() < 256 else np.uint16))
