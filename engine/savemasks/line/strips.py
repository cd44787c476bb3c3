"""One item whose picture is too large for memory: strip by strip through the line.

Threads take the strips in turn. They read one after the other, for pictures are decoded from top
to bottom; everything up to compressed bytes they do side by side; and what is written is in order
again. So memory is that of the strips under way, and the result does not depend on the number of
threads.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encode import png, tiff
from ..encode.choice import (
    Strip,
    deflate_human,
    deflate_machine,
    human_layout,
    machine_layout,
    store_pixels,
)
from ..encode.color import human_page, machine_mask
from ..encode.png import Deflated, Layout, PngStream
from ..encode.tiff import tiff_from_png
from ..errors import AnnotationError
from ..layers.save_masks import Settings
from ..pictures.streamed import StreamedOriginal
from ..scratch import Scratch
from ..shapes import Shapes
from ..store.files import Store, UnfinishedFile, Written
from .budget import Budget
from .job import GivenUp
from .plan import Plan

Labels = NDArray[np.unsignedinteger[Any]]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask that is to be made.

    Attributes
    ----------
    is_human
        Whether it is the human one.
    layout
        What it is as a picture.
    """

    is_human: bool
    layout: Layout


@dataclass(frozen=True, slots=True)
class _Made:
    """A strip of every mask, compressed, and the seconds that each station took for it."""

    pieces: list[Deflated]
    seconds: dict[str, float]


def masks_of(painter: Plan, height: int, width: int) -> list[Mask]:
    """The masks that are to be made of a canvas."""
    masks = []
    if painter.machine_palette:
        masks.append(Mask(False, machine_layout(height, width, painter.machine_palette)))
    if painter.human_palette:
        masks.append(Mask(True, human_layout(height, width)))
    return masks


def check_limits(masks: Sequence[Mask], settings: Settings) -> None:
    """Raise `AnnotationError` for masks that their format cannot hold."""
    for mask in masks:
        height, width = mask.layout[:2]
        name = "human" if mask.is_human else "machine"
        limit = tiff.MAX_SIDE if settings.format == "tiff" else png.MAX_SIDE
        if max(height, width) > limit:
            raise AnnotationError(
                f"its {name} mask would have {width} x {height} pixels, but the sides of a"
                f" {settings.format.upper()} may have {limit} at most"
            )
        if mask.layout.row_bytes > png.MOST_ROW_BYTES:
            raise AnnotationError(
                f"its {name} mask would be {width} pixels wide, which are"
                f" {mask.layout.row_bytes} bytes a row, but PNGs may have"
                f" {png.MOST_ROW_BYTES} at most"
            )


def write_strips(
    files: dict[str, Mask],
    shapes: Shapes,
    painter: Plan,
    source: StreamedOriginal | None,
    settings: Settings,
    store: Store,
    budget: Budget,
) -> tuple[dict[str, Written], dict[str, float]]:
    """Make and write the masks of one item, or none of them.

    Parameters
    ----------
    files
        The masks by the name of their file, relative to the store.
    shapes
        What to paint.
    painter
        Paints them.
    source
        The original, which human masks need.
    settings
        Of the layer.
    store
        Receives the files.
    budget
        How many strips may be under way, threads work on them, and whether to go on.

    Returns
    -------
    What the files hold, by name; and seconds per station, those of threads added up.

    Raises
    ------
    ImageError, WriteError, GivenUp
        Nothing is left of any file then.
    """
    seconds: dict[str, float] = {}
    line = _Line(list(files.values()), shapes, painter, source, settings, budget)
    limit = budget.strips_at_once(settings, shapes.width)
    try:
        with ExitStack() as stack:
            outs = [
                stack.enter_context(_opened(name, mask, settings, store))
                for name, mask in files.items()
            ]
            for made in _in_order(line.make, len(line.strips), budget.threads, limit):
                started = perf_counter()
                for (put, _), piece in zip(outs, made.pieces, strict=True):
                    put(piece)
                made.seconds["write"] = perf_counter() - started
                for station, spent in made.seconds.items():
                    seconds[station] = seconds.get(station, 0.0) + spent
    except BaseException:
        for name in files:  # the last one may have failed when the others had their names already
            store.remove(name)
        raise
    written = {name: file.written for name, (_, file) in zip(files, outs, strict=True)}
    return written, seconds


@contextmanager
def _opened(
    name: str, mask: Mask, settings: Settings, store: Store
) -> Iterator[tuple[Callable[[Deflated], None], UnfinishedFile]]:
    """Begin a file, and end it if all goes well; what is given takes its strips."""
    stream = PngStream(mask.layout)
    is_tiff = settings.format == "tiff"
    with (
        store.growing(name) as file,
        (
            tiff_from_png(file, mask.layout, pyramid=settings.pyramid, smooth=mask.is_human)
            if is_tiff
            else nullcontext(file)
        ) as out,
    ):
        out.write(stream.begin())
        yield lambda strip: out.write(stream.strip(strip)), file
        out.write(stream.end())


def _in_order(
    make: Callable[[int], _Made], count: int, threads: int, limit: int
) -> Iterator[_Made]:
    """Results for 0 to count, of which at most `limit` are begun and not yet taken."""
    if limit == 1:
        yield from map(make, range(count))
        return
    # Even a single thread works while this one waits for the disk.
    pool = ThreadPoolExecutor(min(threads, limit), thread_name_prefix="savemasks-strip")
    under_way: deque[Future[_Made]] = deque()
    try:
        for number in range(count):
            under_way.append(pool.submit(make, number))
            if len(under_way) == limit:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Line:
    """Makes strips by their number; threads may call it at the same time, but begin in order."""

    def __init__(
        self,
        masks: Sequence[Mask],
        shapes: Shapes,
        painter: Plan,
        source: StreamedOriginal | None,
        settings: Settings,
        budget: Budget,
    ) -> None:
        self.strips = range(0, shapes.height, budget.rows(shapes.width))
        self._masks, self._shapes, self._painter = masks, shapes, painter
        self._source, self._halted = source, budget.halted
        self._is_tiff = settings.format == "tiff"
        self._orders = painter.by_strip(shapes, self.strips)
        self._above: Pixels = np.zeros((0, shapes.width, 3), np.uint8)
        self._turn = threading.Condition()
        self._next = 0
        self._failed = len(self.strips)  # the first one that has, if any
        self._own = threading.local()

    def make(self, number: int) -> _Made:
        """Everything from reading to compressed bytes. If it fails, nobody waits for it."""
        try:
            return self._make(number)
        except BaseException:
            with self._turn:
                self._failed = min(self._failed, number)
                self._turn.notify_all()
            raise

    def _make(self, number: int) -> _Made:
        if self._halted():
            raise GivenUp
        scratch = getattr(self._own, "scratch", None)
        if scratch is None:
            scratch = self._own.scratch = Scratch()
        seconds: dict[str, float] = {}
        rows = self._rows(number)
        with self._in_turn(number):
            started = perf_counter()
            order = next(self._orders)
            image = self._read(rows, scratch) if self._source else None
            seconds["decode"] = perf_counter() - started
        started = perf_counter()
        labels = self._painter.label_maps(self._shapes, scratch, rows=rows, order=order)
        seconds["paint"] = perf_counter() - started
        started = perf_counter()
        pieces = []
        strip = Strip(1 if number else 0, is_part=True)
        for mask in self._masks:
            piece = self._deflate(mask, labels, image, scratch, strip)
            pieces.append(piece._replace(data=bytes(piece.data)))  # out of the scratch memory
        seconds["encode"] = perf_counter() - started
        return _Made(pieces, seconds)

    def _rows(self, number: int) -> range:
        """Rows of a strip, with the one above it."""
        top = self.strips[number]
        return range(max(0, top - 1), min(top + self.strips.step, self._shapes.height))

    @contextmanager
    def _in_turn(self, number: int) -> Iterator[None]:
        """Wait until all strips before have been here; if one has failed, fail as well."""
        with self._turn:
            self._turn.wait_for(lambda: self._next == number or number > self._failed)
            if number > self._failed:
                raise RuntimeError("a strip before this one has failed")
            yield
            self._next += 1
            self._turn.notify_all()

    def _read(self, rows: range, scratch: Scratch) -> Pixels:
        """Decode a strip below the last row of the one before."""
        assert self._source  # noqa: S101
        out: Pixels = scratch.take("strip original", (len(rows), self._shapes.width, 3))
        above = len(self._above)
        out[:above] = self._above
        self._source.read(out[above:])
        self._above = out[-1:].copy()
        return out

    def _deflate(
        self,
        mask: Mask,
        labels: tuple[Labels | None, Labels | None],
        image: Pixels | None,
        scratch: Scratch,
        strip: Strip,
    ) -> Deflated:
        machine, human = self._painter.machine_palette, self._painter.human_palette
        machine_labels, human_labels = labels
        if mask.is_human and human and human_labels is not None and image is not None:
            if self._is_tiff:
                return store_pixels(human_page(image, human_labels, human, scratch), strip)
            return deflate_human(image, human_labels, human, scratch, strip)
        assert machine  # noqa: S101
        assert machine_labels is not None  # noqa: S101
        if self._is_tiff:
            return store_pixels(machine_mask(machine_labels, machine, scratch), strip)
        return deflate_machine(machine_labels, machine, scratch, strip)
