"""Figures of a data set: how much there is of every class, how large, and what meets what."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

_MOST_CLASSES = 64  # of one image, of which pairs are counted
_MOST_PAIRS = 1000


class ClassFigures(NamedTuple):
    """What is known of a class."""

    title: str
    objects: int
    images: int
    pixels: int
    share: float


class Pair(NamedTuple):
    """Two classes, and the number of images that have both."""

    first: str
    second: str
    images: int


class Sizes(NamedTuple):
    """How many objects have `least` to twice as many pixels, excluded; 0 pixels alone."""

    least: int
    objects: int


class Figures:
    """Sums over images.

    Attributes
    ----------
    images, failed
        Images that were counted, and those that could not be.
    without_objects, empty
        Images that have no object of these classes, and those whose mask is all background.
    canvas
        Pixels of all images.
    """

    def __init__(self, titles: Sequence[str]) -> None:
        """Count classes, which have the numbers 0, 1, ..."""
        self.images = self.failed = self.without_objects = self.empty = self.canvas = 0
        self._titles = titles
        self._objects = [0] * len(titles)
        self._images = [0] * len(titles)
        self._pixels = [0] * len(titles)
        self._sizes: Counter[int] = Counter()
        self._pairs: Counter[tuple[int, int]] = Counter()

    def add(self, counts: Iterable[tuple[int, int, int]], canvas: int) -> None:
        """Count an image: class number, objects and pixels of each class, and its size."""
        objects_here = pixels_here = 0
        present = []
        for number, objects, pixels in counts:
            self._objects[number] += objects
            self._pixels[number] += pixels
            self._images[number] += 1
            objects_here += objects
            pixels_here += pixels
            present.append(number)
        self.images += 1
        self.canvas += canvas
        self.without_objects += not objects_here
        self.empty += not pixels_here
        if len(present) <= _MOST_CLASSES:
            self._pairs.update(combinations(sorted(present), 2))

    def add_sizes(self, pixels: int, objects: int = 1) -> None:
        """Count objects of a size."""
        self._sizes[pixels.bit_length()] += objects

    @property
    def classes(self) -> list[ClassFigures]:
        """All classes, in their order."""
        rows = zip(self._titles, self._objects, self._images, self._pixels, strict=True)
        return [ClassFigures(*row, share=row[3] / max(1, self.canvas)) for row in rows]

    @property
    def pairs(self) -> list[Pair]:
        """Classes that meet in an image, the most frequent first."""
        found = sorted(self._pairs.items(), key=lambda pair: (-pair[1], pair[0]))
        titles = self._titles
        return [Pair(titles[a], titles[b], n) for (a, b), n in found[:_MOST_PAIRS]]

    @property
    def sizes(self) -> list[Sizes]:
        """How many objects are how large, from the smallest to the largest."""
        if not self._sizes:
            return []
        bits = range(min(self._sizes), max(self._sizes) + 1)
        return [Sizes(1 << each >> 1, self._sizes[each]) for each in bits]

    def as_json(self) -> dict[str, Any]:
        """All of it, as `savemasks stats --json` prints it."""
        return {
            "images": self.images,
            "failed": self.failed,
            "images_without_objects": self.without_objects,
            "empty_masks": self.empty,
            "pixels": self.canvas,
            "classes": {
                each.title: {
                    "objects": each.objects,
                    "images": each.images,
                    "pixels": each.pixels,
                    "share": round(each.share, 6),
                }
                for each in self.classes
            },
            "object_sizes": [{"pixels": s.least, "objects": s.objects} for s in self.sizes],
            "together": [{"classes": p[:2], "images": p.images} for p in self.pairs],
        }
