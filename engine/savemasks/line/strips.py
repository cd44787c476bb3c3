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

from ..encode.choice import deflate_human, deflate_machine
from ..encode.color import human_page, machine_mask
from ..encode.general import store_pixels
from ..encode.png import Deflated, PngStream, Strip
from ..encode.tiff import tiff_from_png
from ..pictures.streamed import StreamedOriginal
from ..scratch import Buffer, Scratch
from ..shapes import Shapes
from ..store.files import UnfinishedFile, Written
from .job import GivenUp
from .plan import Drawing, Kind, Plan
from .sinks import Line, Mask

Labels = NDArray[np.unsignedinteger[Any]]
Pixels = NDArray[np.uint8]

_ORIGINAL = Buffer("strip of an original")


@dataclass(frozen=True, slots=True)
class _Made:
    """A strip of every mask, compressed, and the seconds that each station took for it."""

    pieces: list[Deflated]
    seconds: dict[str, float]


def write_strips(
    masks: Sequence[Mask], shapes: Shapes, source: StreamedOriginal | None, line: Line
) -> tuple[list[Written], dict[str, float]]:
    """Make and write the masks of one item, or none of them.

    Parameters
    ----------
    masks
        What to make, for which sinks.
    shapes
        What to paint.
    source
        The original, which human masks need.
    line
        Its budget says how many strips may be under way, how many threads work on them, and
        whether to go on.

    Returns
    -------
    What each file holds; and seconds per station, those of threads added up.

    Raises
    ------
    ImageError, WriteError, GivenUp
        Nothing is left of any file then.
    """
    seconds: dict[str, float] = {}
    strips = _Strips(masks, shapes, source, line)
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(_opened(mask)) for mask in masks]
            for made in _in_order(strips.make, len(strips), *line.strips_at_once(shapes.width)):
                started = perf_counter()
                for (put, _), piece in zip(files, made.pieces, strict=True):
                    put(piece)
                made.seconds["write"] = perf_counter() - started
                for station, spent in made.seconds.items():
                    seconds[station] = seconds.get(station, 0.0) + spent
    except BaseException:
        for mask in masks:  # the last one may have failed when the others had their names already
            mask.sink.store.remove(mask.name)
        raise
    return [file.written for _, file in files], seconds


@contextmanager
def _opened(mask: Mask) -> Iterator[tuple[Callable[[Deflated], None], UnfinishedFile]]:
    """Begin a file, and end it if all goes well; the first thing yielded takes its strips."""
    stream = PngStream(mask.layout)
    with (
        mask.sink.store.growing(mask.name) as file,
        (
            tiff_from_png(
                file.path,
                mask.layout,
                file.failure,
                pyramid=mask.sink.settings.pyramid,
                smooth=mask.is_page,
            )
            if mask.is_tiff
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


class _Strips:
    """Makes strips by their number; threads may call it at the same time, but begin in order."""

    def __init__(
        self, masks: Sequence[Mask], shapes: Shapes, source: StreamedOriginal | None, line: Line
    ) -> None:
        self._tops = range(0, shapes.height, line.budget.rows(shapes.width))
        self._masks, self._shapes = masks, shapes
        self._source, self._halted = source, line.budget.halted
        self._maps = _maps_of(masks, shapes)
        self._orders = [drawing.order_by_strip(self._tops) for drawing, _ in self._maps]
        self._above: Pixels = np.zeros((0, shapes.width, 3), np.uint8)
        self._turn = threading.Condition()
        self._next = 0
        self._failed = len(self._tops)  # the first one that has, if any
        self._own = threading.local()

    def __len__(self) -> int:
        return len(self._tops)

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
            orders = [next(order) for order in self._orders]
            image = self._read(rows, scratch) if self._source else None
            seconds["decode"] = perf_counter() - started
        strip = Strip(1 if number else 0, is_part=True)
        pieces: dict[Mask, Deflated] = {}
        for (drawing, masks), order in zip(self._maps, orders, strict=True):
            started = perf_counter()
            labels = drawing.paint(scratch, rows, order)
            painted = perf_counter()
            for mask in masks:
                piece = _deflate(mask, labels, image, scratch, strip)
                pieces[mask] = piece._replace(data=bytes(piece.data))  # out of the scratch memory
            seconds["paint"] = seconds.get("paint", 0.0) + painted - started
            seconds["encode"] = seconds.get("encode", 0.0) + perf_counter() - painted
        return _Made([pieces[mask] for mask in self._masks], seconds)

    def _rows(self, number: int) -> range:
        """Rows of a strip, with the one above it."""
        top = self._tops[number]
        return range(max(0, top - 1), min(top + self._tops.step, self._shapes.height))

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
        assert self._source
        out: Pixels = scratch.take(_ORIGINAL, (len(rows), self._shapes.width, 3))
        above = len(self._above)
        out[:above] = self._above
        self._source.read(out[above:])
        self._above = out[-1:].copy()
        return out


def _maps_of(masks: Sequence[Mask], shapes: Shapes) -> list[tuple[Drawing, list[Mask]]]:
    """The label maps that some masks need, each with the masks that show it."""
    maps: dict[tuple[Plan, Kind], tuple[Drawing, list[Mask]]] = {}
    for mask in masks:
        plan, drawn = mask.sink.plan, mask.drawn
        if (plan, drawn) not in maps:
            maps[plan, drawn] = plan.drawing(drawn, shapes), []
        maps[plan, drawn][1].append(mask)
    return [*maps.values()]


def _deflate(
    mask: Mask, labels: Labels, image: Pixels | None, scratch: Scratch, strip: Strip
) -> Deflated:
    """A strip of one mask."""
    palette = mask.palette
    if mask.is_page:
        assert image is not None
        if mask.is_tiff:
            return store_pixels(human_page(image, labels, palette, scratch), strip)
        return deflate_human(image, labels, palette, scratch, strip)
    if mask.is_tiff:
        return store_pixels(machine_mask(labels, palette, scratch), strip)
    return deflate_machine(labels, palette, scratch, strip)
