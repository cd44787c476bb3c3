"""Class titles and colours → label numbers and look-up tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
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
        (labels, 3) RGB by label, uint8 or, with colours above 255, uint16; that of the background
        is the first. Read-only.
    has_three_channels
        Whether masks are RGB even if all colours are gray.
    index_colors
        (indices, 3) uint8 RGB by gray, for masks that are indexed PNGs; otherwise None. Read-only.
    grays
        (labels,) gray by label, if masks have one channel; otherwise None. Read-only.

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
    has_three_channels: bool = False
    index_colors: NDArray[np.uint8] | None = None
    grays: NDArray[np.unsignedinteger[Any]] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.colors.flags.writeable = False
        grays = None
        if not self.has_three_channels and (self.colors == self.colors[:, :1]).all():
            grays = self.colors[:, 0].copy()
            grays.flags.writeable = False
        object.__setattr__(self, "grays", grays)
        if self.index_colors is not None:
            self.index_colors.flags.writeable = False

    def __reduce__(self) -> tuple[type["Palette"], tuple[object, ...]]:
        # NumPy forgets what is read-only: the copy has to be made as the original was.
        return type(self), (self.titles, self.colors, self.has_three_channels, self.index_colors)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Palette):
            return NotImplemented
        mine, others = self.colors, other.colors
        return (
            self.titles == other.titles
            and mine.dtype == others.dtype
            and np.array_equal(mine, others)
            and self.has_three_channels == other.has_three_channels
            and self.chunk == other.chunk
        )

    def __hash__(self) -> int:
        return hash((self.titles, self.colors.tobytes(), self.has_three_channels, self.chunk))

    @property
    def is_gray(self) -> bool:
        """Whether masks have one channel: red, green and blue agree in every colour.

        If they have three channels all the same, it is false.
        """
        return self.grays is not None

    @property
    def chunk(self) -> bytes:
        """The colours of an indexed PNG as the bytes of its PLTE chunk; none for other PNGs."""
        return b"" if self.index_colors is None else self.index_colors.tobytes()

    @property
    def label_dtype(self) -> type[np.unsignedinteger[Any]]:
        """The smallest dtype that holds every label."""
        return np.uint8 if len(self.titles) < 256 else np.uint16

    def labels(self, titles: Iterable[str | None]) -> NDArray[np.unsignedinteger[Any]]:
        """Label of every title, 0 for classes that this mapping does not paint."""
        labels: dict[str | None, int] = {
            title: label for label, title in enumerate(self.titles, start=1)
        }
        return np.array([labels.get(title, 0) for title in titles], self.label_dtype)


class Grays(NamedTuple):
    """How to paint a gray mask at once, without a label map.

    Attributes
    ----------
    of_class
        (classes,) what to paint a class in, 0 to leave it out; of the colours' dtype.
    table
        (levels,) what then becomes of every level, or None if it stays: a class that is black has
        to be painted in another one first, to cover what lies below it, and the background may be
        another one than 0.
    """

    of_class: NDArray[np.unsignedinteger[Any]]
    table: NDArray[np.unsignedinteger[Any]] | None


def paintable_grays(palette: Palette, labels: NDArray[np.unsignedinteger[Any]]) -> Grays | None:
    """How to paint the mask of a palette at once; None for colours, or without a free level.

    `labels` has the label of every class number.
    """
    grays = palette.grays
    if grays is None:
        return None
    of_class = grays[labels]
    levels = np.iinfo(grays.dtype).max + 1
    table = np.arange(levels, dtype=grays.dtype)
    if grays[0]:
        of_class[labels == 0] = 0
        table[0] = grays[0]
    if not (grays[1:] == 0).any():
        return Grays(of_class, table if grays[0] else None)
    free = np.setdiff1d(np.arange(1, levels), grays[1:])
    if free.size == 0:
        return None
    of_class[(of_class == 0) & (labels > 0)] = free[0]
    table[free[0]] = 0
    return Grays(of_class, table)


def machine_palette(
    mapping: Mapping[str, Color],
    *,
    background: int | Color = 0,
    has_three_channels: bool = False,
    shown_in: Mapping[str, Color] | None = None,
) -> Palette:
    """Colours as they are; a class that is mapped to black still covers what lies below it.

    Parameters
    ----------
    mapping
        RGB by title; all gray and 255 at most if masks are to be indexed.
    background
        Where nothing is painted.
    has_three_channels
        Whether masks are RGB even if all colours are gray.
    shown_in
        If masks are to be indexed PNGs, the colours to see them in; classes that it lacks are seen
        in their grays, and the background and what is no class in black.
    """
    palette = _palette(mapping, background)
    if has_three_channels:
        return replace(palette, has_three_channels=True)
    if shown_in is None:
        return palette
    colors = np.zeros((int(palette.colors.max()) + 1, 3), np.uint8)
    for title, color in reversed([*mapping.items()]):  # of one gray, the first class is seen
        colors[color[0]] = shown_in.get(title, color)
    return replace(palette, index_colors=colors)


def semantic_palette(mapping: Mapping[str, Color], *, is_indexed: bool) -> Palette:
    """Colours as they are, on black; indexed, if at all, where there are at most 256 of them.

    An indexed palette has the index of a colour as its gray: 0 is black.
    """
    palette = _palette(mapping)
    if not is_indexed:
        return replace(palette, has_three_channels=True)
    seen = {color: i for i, color in enumerate(dict.fromkeys([(0, 0, 0), *mapping.values()]))}
    if len(seen) > _MOST_INDICES:
        return replace(palette, has_three_channels=True)
    indices = np.array([seen[tuple(color)] for color in palette.colors.tolist()], np.uint8)
    return Palette(
        palette.titles,
        np.repeat(indices[:, None], 3, axis=1),
        index_colors=np.array([*seen], np.uint8),
    )


_MOST_INDICES = 256


def human_palette(mapping: Mapping[str, Color], *, keeps_black: bool = False) -> Palette:
    """Colours for mixing with the photograph; black becomes (1, 1, 1), as the layer has it."""
    if keeps_black:
        return _palette(mapping)
    return _palette({t: (1, 1, 1) if tuple(c) == (0, 0, 0) else c for t, c in mapping.items()})


def numbered_palette(titles: Iterable[str]) -> Palette:
    """Labels 1, 2, ... of classes whose colours do not matter."""
    return _palette(dict.fromkeys(titles, (0, 0, 0)))


def _palette(mapping: Mapping[str, Color], background: int | Color = 0) -> Palette:
    first = (background,) * 3 if isinstance(background, int) else background
    colors = np.array([first, *mapping.values()])
    return Palette(tuple(mapping), colors.astype(np.uint8 if colors.max() < 256 else np.uint16))


WHITE = _palette({"": (255, 255, 255)})
"""Of masks of one object or one class, whose label is 1."""
