"""What an item may have of the memory that there is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..encode.pages import PageStyle
from ..layers.save import SaveSettings
from ..layers.save_masks import Settings
from ..system.hardware import available_memory

_DEFAULT_SHARE = 0.5

# Bytes per pixel of an item in memory: labels, a mask, its filtered rows and what becomes of them.
_GRAY_BYTES = 4
_RGB_BYTES = 12
# The original as a file and as pixels, two maps of labels, a page and its filtered rows.
_PAGE_BYTES = 28
# The mixed copy, numbers of objects for outlines, sums of rows, and a page that is made twice.
_STYLED_BYTES = 36
STRIP_PIXELS = 1 << 21
"""Pixels of a strip. It depends on nothing, so that the same picture always gives the same file."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Budget:
    """What one item may use.

    Attributes
    ----------
    memory
        Bytes for its pixels and all that is made of them.
    threads
        How many may work on the strips of a large one at a time.
    strip_rows
        Rows of a strip; by default as many as have `STRIP_PIXELS`.
    halted
        Whether there is no more time, for a large one is given up between two strips then.
    """

    memory: int
    threads: int = 1
    strip_rows: int | None = None
    halted: Callable[[], bool] = _never

    @classmethod
    def of_worker(
        cls, memory: int | None, workers: int, halted: Callable[[], bool] = _never
    ) -> "Budget":
        """The share of one of so many workers in `memory`, by default half of the machine's."""
        if memory is None:
            memory = int(available_memory() * _DEFAULT_SHARE)
        return cls(memory // workers, workers, halted=halted)

    def wants_strips(
        self, sinks: Sequence[Settings | SaveSettings], height: int, width: int
    ) -> bool:
        """Whether a picture is to be made in strips for all sinks: if any sink wants that."""
        pixels = height * width
        return (
            any(
                settings.format != "png" or pixels > settings.strips_above_megapixels * 1e6
                for settings in sinks
            )
            or pixels * bytes_per_pixel(sinks) > self.memory
        )

    def rows(self, width: int) -> int:
        """Rows of a strip of a picture."""
        return self.strip_rows or max(1, STRIP_PIXELS // width)

    def strips_at_once(self, sinks: Sequence[Settings | SaveSettings], width: int) -> int:
        """How many strips may be under way: enough for all threads, if there is memory."""
        strip = (self.rows(width) + 1) * width * bytes_per_pixel(sinks)
        return max(1, min(self.threads + 1, self.memory // strip))


def bytes_per_pixel(sinks: Sequence[Settings | SaveSettings]) -> int:
    """Memory that making the masks takes, at most, for each pixel of the canvas.

    Whole pictures are made for one sink after the other, but strips for all of them.
    """
    return sum(map(_bytes_per_pixel, sinks))


def _bytes_per_pixel(settings: Settings | SaveSettings) -> int:
    if settings.masks_human or settings.visualize:
        is_usual = PageStyle.of(settings).is_plain
        return _PAGE_BYTES if is_usual else _PAGE_BYTES + _STYLED_BYTES
    grays = settings.machine_colors.values()
    is_gray = (
        all(max(c) < 256 and len(set(c)) == 1 for c in grays) and settings.machine_channels != 3
    )
    is_wide = settings.masks_semantic_rgb or settings.masks_instances == "map"
    return _GRAY_BYTES if is_gray and not is_wide else _RGB_BYTES
