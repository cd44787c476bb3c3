"""Pages as reviewers want them: mixed, scaled, outlined, and as PNG, JPEG or WebP.

The page of the default style has an encoder of its own, `human`; this is the general way, which
makes pixels first. It works on rows in order, so that a picture may come whole or in strips, and
the page is the same either way.

A page is made in these steps:

1. mix      a painted pixel is floor(original * (1 - opacity) + colour * opacity), at an opacity of
            one half (original + colour) >> 1; any other pixel is the original
2. scale    the originals and the mixed pixels, each by itself, by averaging areas
3. outline  pixels of the scaled page whose object is another one than that of the pixel above,
            below, to the left or to the right, in the full colour of their class: lines of one
            pixel, inside of the objects, around holes and between objects that touch
4. stack    side by side with one green column in between, which is not scaled; or the copy alone
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..layers.palette import Palette
from ..scratch import Scratch
from .general import deflate_pixels, encode_png, store_pixels
from .png import MAX_SIDE, Layout, Part, PngStream, Strip
from .scale import AreaScaler, scaled_side

if TYPE_CHECKING:
    import pyvips

    from ..layers.save_masks import Settings
    from .tiff import Failure, PictureWriter

Pixels = NDArray[np.uint8]

GREEN = (0, 255, 0)
MAX_SIDES = {"png": MAX_SIDE, "jpeg": 65_500, "webp": 16_383}
"""The longest side of a page by its format."""

_QUALITY = 85
_ONE = 1 << 16  # opacities are fractions of it
_ROWS = 256  # that are mixed at once


@dataclass(frozen=True, slots=True)
class PageStyle:
    """How pages look.

    Attributes
    ----------
    opacity
        How much of the mixture is the class's colour, from 0 to 1.
    is_overlay
        Whether the page is the painted copy alone.
    scale
        Size of the page by that of the original.
    outlines
        Whether objects have outlines.
    has_column
        Whether a green column lies between the original and its copy.
    format, quality
        "png", "jpeg" or "webp"; the quality of the latter two from 1 to 100, None for 85.
    """

    opacity: float = 0.5
    is_overlay: bool = False
    scale: float = 1.0
    outlines: bool = False
    has_column: bool = True
    format: Literal["png", "jpeg", "webp"] = "png"
    quality: int | None = None

    @classmethod
    def of(cls, settings: "Settings") -> "PageStyle":
        """The style that settings ask for."""
        return cls(
            opacity=settings.human_opacity,
            is_overlay=settings.human_layout == "overlay",
            scale=settings.human_scale,
            outlines=settings.human_outlines,
            format=settings.human_format,
            quality=settings.human_quality,
        )

    @property
    def is_plain(self) -> bool:
        """Whether it is the default, for which `choice.encode_human` is the faster way."""
        return self == PLAIN

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the page of an original."""
        rows, columns = scaled_side(height, self.scale), scaled_side(width, self.scale)
        return rows, columns if self.is_overlay else 2 * columns + self.has_column


PLAIN = PageStyle()


class PageMaker:
    """Makes a page of rows that come in order."""

    def __init__(self, height: int, width: int, palette: Palette, style: PageStyle) -> None:
        self._palette, self._style = palette, style
        self._left = None if style.is_overlay else AreaScaler(height, width, style.scale)
        self._right = AreaScaler(height, width, style.scale)
        self._outliner = Outliner(height, width, palette, style.scale) if style.outlines else None
        self._waiting: list[Pixels] = []

    def add(
        self,
        image: Pixels,
        labels: NDArray[np.unsignedinteger[Any]],
        numbers: NDArray[Any] | None = None,
        mixed: Pixels | None = None,
    ) -> Pixels:
        """Add the next rows of an original; return the rows of the page that are done, maybe none.

        Parameters
        ----------
        image
            (rows, width, 3) uint8 RGB.
        labels
            (rows, width) of the palette.
        numbers
            (rows, width) the object of every pixel, for outlines; 0 for none.
        mixed
            (rows, width, 3) the painted copy, if it is made elsewhere.
        """
        if mixed is None:
            mixed = mix(image, labels, self._palette, self._style.opacity)
        right = self._right.add(mixed)
        if self._outliner:
            assert numbers is not None
            self._outliner.add(labels, numbers)
        if self._left is None:
            done = right
        else:
            left = self._left.add(image)
            done = _beside(left, right, has_column=self._style.has_column)
        return self._outlined(done)

    def _outlined(self, rows: Pixels) -> Pixels:
        """Rows whose outlines are known; others wait for the row below them."""
        if self._outliner is None:
            return rows
        if rows.size:
            self._waiting.append(rows)
        count = self._outliner.ready
        pending = np.concatenate(self._waiting) if self._waiting else rows
        count = min(count, len(pending))
        done = pending[:count].copy()
        self._waiting = [pending[count:]] if count < len(pending) else []
        self._outliner.draw(done)
        return done


def compose_page(
    image: Pixels,
    labels: NDArray[np.unsignedinteger[Any]],
    palette: Palette,
    style: PageStyle,
    *,
    numbers: NDArray[Any] | None = None,
    mixed: Pixels | None = None,
) -> Pixels:
    """The page of a whole picture; parameters are those of `PageMaker.add`."""
    height, width = labels.shape
    return PageMaker(height, width, palette, style).add(image, labels, numbers, mixed)


def encode_page(page: Pixels, style: PageStyle, scratch: Scratch | None = None) -> list[Part]:
    """The file of a page. The same pixels give the same bytes."""
    if style.format == "png":
        return encode_png(page, scratch)
    import pyvips  # pages in memory do without libvips

    page = np.ascontiguousarray(page)
    height, width, bands = page.shape
    picture = pyvips.Image.new_from_memory(page.data, width, height, bands, "uchar")
    saver, options = _saver(style)
    content: bytes = getattr(picture.copy(interpretation="srgb"), f"{saver}_buffer")(**options)
    return [content]


def _saver(style: PageStyle) -> tuple[str, dict[str, Any]]:
    """Name of libvips's operation, and its options."""
    quality = style.quality or _QUALITY
    if style.format == "jpeg":
        return "jpegsave", {"Q": quality, "optimize_coding": True, "keep": "none"}
    return "webpsave", {"Q": quality, "keep": "none"}


class PageStream:
    """The file of a page, made strip by strip.

    It is a PNG; of another format, a PNG for `page_from_png`, that is not compressed.
    """

    def __init__(self, height: int, width: int, palette: Palette, style: PageStyle) -> None:
        self._maker = PageMaker(height, width, palette, style)
        self._png = PngStream(Layout(*style.size(height, width), 3, 8))
        self._is_stored = style.format != "png"
        self._above: Pixels | None = None
        self._scratch = Scratch()

    def begin(self) -> list[Part]:
        """What goes before the strips."""
        return self._png.begin()

    def strip(
        self,
        image: Pixels,
        labels: NDArray[np.unsignedinteger[Any]],
        numbers: NDArray[Any] | None = None,
        mixed: Pixels | None = None,
    ) -> list[Part]:
        """The parts of the next rows of the original; parameters are those of `PageMaker.add`."""
        rows = self._maker.add(image, labels, numbers, mixed)
        if not len(rows):
            return []
        strip = Strip(0 if self._above is None else 1, is_part=True)
        if self._above is not None:
            rows = np.concatenate([self._above, rows])
        self._above = rows[-1:].copy()
        if self._is_stored:
            piece = store_pixels(rows, strip)
        else:
            piece = deflate_pixels(np.ascontiguousarray(rows), self._scratch, strip)
        return self._png.strip(piece)

    def end(self) -> list[Part]:
        """What goes behind them."""
        return self._png.end()


@contextmanager
def page_from_png(path: str, style: PageStyle, failure: "Failure") -> Iterator["PictureWriter"]:
    """Write the parts of a `PageStream` as a JPEG or WebP; arguments are as of `tiff_from_png`."""
    from .tiff import picture_from_png

    saver, options = _saver(style)

    def save(picture: "pyvips.Image", to: bytes) -> None:
        getattr(picture, saver)(to, **options)

    with picture_from_png(path, failure, save) as writer:
        yield writer


def mix(
    image: Pixels, labels: NDArray[np.unsignedinteger[Any]], palette: Palette, opacity: float
) -> Pixels:
    """The painted copy of an original: colours mixed in where there is a label."""
    share = round(opacity * _ONE)
    colors = palette.colors.astype(np.uint32) * np.uint32(share)
    out = image.copy()
    for top in range(0, len(labels), _ROWS):
        part = labels[top : top + _ROWS]
        painted = part != 0
        rows = out[top : top + _ROWS]
        mixed = rows[painted].astype(np.uint32) * np.uint32(_ONE - share) + colors[part[painted]]
        rows[painted] = (mixed >> np.uint32(16)).astype(np.uint8)
    return out


def mix_over(
    copy: Pixels, mask: NDArray[Any], color: Sequence[int], corner: tuple[int, int] = (0, 0)
) -> None:
    """Mix a colour half and half into a painted copy, where a mask is not 0.

    Object after object, overlaps are mixed more than once. `mask` is that of a part of the copy
    whose left top pixel is `corner` (x, y).
    """
    x, y = corner
    part = copy[y : y + mask.shape[0], x : x + mask.shape[1]]
    is_set = mask != 0
    found = part[is_set].astype(np.uint16) + np.array(color, np.uint16)
    part[is_set] = (found >> np.uint16(1)).astype(np.uint8)


def _beside(left: Pixels, right: Pixels, *, has_column: bool) -> Pixels:
    if not has_column:
        return np.concatenate([left, right], axis=1)
    column = np.broadcast_to(np.array(GREEN, np.uint8), (len(left), 1, 3))
    return np.concatenate([left, column, right], axis=1)


class Outliner:
    """Outlines of the objects on a scaled page, from labels and numbers of objects in order.

    A pixel of the page has the object that the middle of its area has.
    """

    def __init__(self, height: int, width: int, palette: Palette, scale: float) -> None:
        self._colors = palette.colors.astype(np.uint8)
        self._y = _middles(height, scale)
        self._x = _middles(width, scale)
        self._top = 0  # rows of the original that have been seen
        self._drawn = 0  # rows of the page that are done
        blank = np.zeros((1, len(self._x)), np.int64)
        self._numbers, self._labels = blank, blank  # from the row above the next one on

    @property
    def ready(self) -> int:
        """How many more rows can be drawn: all but the last that is known, until it is the last."""
        known = len(self._numbers) - 1
        return known if self._drawn + known == len(self._y) else max(0, known - 1)

    def add(self, labels: NDArray[Any], numbers: NDArray[Any]) -> None:
        """Add the next rows of the original."""
        end = self._top + len(labels)
        rows = self._y[(self._y >= self._top) & (self._y < end)] - self._top
        picked = np.ix_(rows, self._x)
        self._numbers = np.concatenate([self._numbers, numbers[picked].astype(np.int64)])
        self._labels = np.concatenate([self._labels, labels[picked].astype(np.int64)])
        self._top = end

    def draw(self, rows: Pixels) -> None:
        """Draw outlines in the next rows of the page, at their right ends."""
        count = len(rows)
        if not count:
            return
        around = np.pad(self._numbers[: count + 2], ((0, 1), (1, 1)))
        own = around[1 : count + 1, 1:-1]
        different = np.zeros(own.shape, np.bool_)
        for other in (
            around[:count, 1:-1],
            around[2 : count + 2, 1:-1],
            around[1 : count + 1, :-2],
            around[1 : count + 1, 2:],
        ):
            different |= own != other
        labels = self._labels[1 : count + 1]
        different &= (own != 0) & (labels != 0)
        target = rows[:, rows.shape[1] - own.shape[1] :]
        target[different] = self._colors[labels[different]]
        self._numbers, self._labels = self._numbers[count:], self._labels[count:]
        self._drawn += count


def _middles(side: int, scale: float) -> NDArray[np.int64]:
    """The pixel in the middle of the area of every pixel that is left of a side."""
    count = scaled_side(side, scale)
    return ((2 * np.arange(count) + 1) * side) // (2 * count)
