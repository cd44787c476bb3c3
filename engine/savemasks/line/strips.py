"""One item whose picture is too large for memory: strip by strip through the line.

Threads take the strips in turn. They read one after the other, for pictures are decoded from top
to bottom; everything up to compressed bytes they do side by side; and what is written is in order
again. So memory is that of the strips under way, and the result does not depend on the number of
threads.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from time import perf_counter
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..encode.choice import deflate_human, deflate_machine
from ..encode.color import human_page, machine_mask
from ..encode.general import store_pixels
from ..encode.numbers import deflate_numbers, store_numbers
from ..encode.pages import PageStream, page_from_png
from ..encode.png import Deflated, PngStream, Strip
from ..encode.tiff import tiff_from_png
from ..paint.numbering import Seen
from ..pictures.streamed import StreamedOriginal
from ..projects.items import Item
from ..scratch import Buffer, Scratch
from ..shapes import Shapes
from ..store.files import UnfinishedFile, Written
from .budget import STRIP_PIXELS
from .counting_classes import ClassCounter
from .drawings import SEEN, Drawing, Motif, drawing
from .job import GivenUp
from .opened import OpenedItem
from .plan import Plan
from .products import Mask
from .sinks import Line
from .tables_of_objects import describe_objects, objects_in

Pixels = NDArray[np.uint8]

_ORIGINAL = Buffer("strip of an original")


class _Rows(NamedTuple):
    """Rows of a mask, or of a page that is not made yet: its strips depend on those above."""

    image: Pixels | None
    labels: NDArray[Any]
    numbers: NDArray[Any] | None
    mixed: Pixels | None

    def without(self, first: int) -> "_Rows":
        """Copies of the rows from this one on."""

        def rest(part: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if part is None else part[first:].copy()

        labels = self.labels[first:].copy()
        return _Rows(rest(self.image), labels, rest(self.numbers), rest(self.mixed))


@dataclass(frozen=True, slots=True)
class _Made:
    """A strip of every mask, mostly compressed, and the seconds that each station took for it."""

    pieces: list[Deflated | _Rows]
    seconds: dict[str, float]


class Findings:
    """What is seen in the maps of an item while its masks are made, whatever the order of strips.

    Threads may add at the same time.
    """

    def __init__(self, line: Line, opened: OpenedItem) -> None:
        self._opened = opened
        self._counters = {sink: ClassCounter(sink) for sink in line.sinks}
        self._seen: dict[Mask, Seen] = {}
        self._lock = threading.Lock()

    def add(self, masks: Sequence[Mask], labels: NDArray[Any], top: int) -> None:
        """Add rows of the map that these masks show."""
        sink = masks[0].sink
        if masks[0].drawn == self._counters[sink].motif:
            self._counters[sink].add(labels)
        for mask in masks:
            if mask.palette is None:
                with self._lock:
                    shapes = self._opened.shapes_of(sink)
                    if mask not in self._seen:
                        self._seen[mask] = objects_in(sink.plan, shapes)
                    self._seen[mask].add(labels, top)

    def descriptions(self, masks: Iterable[Mask]) -> Iterator[tuple[Mask, bytes]]:
        """The maps of objects among some masks, and the tables beside them."""
        for mask in filter(self._seen.__contains__, masks):
            seen = self._seen[mask]
            shapes = self._opened.shapes_of(mask.sink)
            yield mask, describe_objects(seen, mask.sink.plan, shapes, self._opened.ids)

    def counts(self) -> list[bytes]:
        """Objects and pixels by class, for every sink."""
        found = []
        for sink, counter in self._counters.items():
            shapes = self._opened.shapes_of(sink)
            if counter.motif and counter.is_pending:
                self._count(counter, drawing(sink.plan, counter.motif, shapes))
            found.append(counter.packed(shapes))
        return found

    def _count(self, counter: ClassCounter, drawn: Drawing) -> None:
        """Count a map that no mask shows."""
        height, width = drawn.shapes.height, drawn.shapes.width
        tops = range(0, height, max(1, STRIP_PIXELS // width))
        scratch = Scratch()
        for top, order in zip(tops, drawn.order_by_strip(tops), strict=True):
            rows = range(top, min(top + tops.step, height))
            counter.add(drawn.paint(scratch, rows, order))


def masks_in_strips(
    item: Item, opened: OpenedItem, line: Line
) -> tuple[list[Mask], Iterator[list[Mask]]]:
    """The masks of an item that are made together, and those that are made one by one."""
    shapes = opened.shapes
    together = line.masks(item, shapes.height, shapes.width)
    own = chain.from_iterable(sink.own_masks(item, opened.shapes_of(sink)) for sink in line.sinks)
    return together, ([mask] for mask in own)


def write_strips(
    masks: Sequence[Mask],
    opened: OpenedItem,
    source: StreamedOriginal | None,
    line: Line,
    findings: Findings,
) -> tuple[list[Written], dict[str, float]]:
    """Make and write masks of one item, or none of them.

    Parameters
    ----------
    masks
        What to make, for which sinks; maybe nothing.
    opened
        The item.
    source
        The original, which pages need.
    line
        Its budget says how many strips may be under way, how many threads work on them, and
        whether to go on.
    findings
        Receives what is seen in the maps.

    Returns
    -------
    What each file holds; and seconds per station, those of threads added up.

    Raises
    ------
    AnnotationError, ImageError, WriteError, GivenUp
        Nothing is left of any file then.
    """
    seconds: dict[str, float] = {}
    if not masks:
        return [], seconds
    for mask in masks:
        mask.check_limits()
    strips = _Strips(masks, opened, source, line, findings)
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(_begun(mask, opened.shapes)) for mask in masks]
            at_once = line.strips_at_once(opened.shapes.width)
            for made in _in_order(strips.make, len(strips), *at_once):
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
def _begun(
    mask: Mask, shapes: Shapes
) -> Iterator[tuple[Callable[[Deflated | _Rows], None], UnfinishedFile]]:
    """Begin a file, and end it if all goes well; the first thing yielded takes its strips."""
    store, size = mask.sink.store, (shapes.height, shapes.width)
    with store.growing(mask.name) as file, _written_as(mask, file) as out:
        if mask.is_streamed_page:
            assert mask.style is not None
            assert mask.palette is not None
            page = PageStream(*size, mask.palette, mask.style)
            out.write(page.begin())
            yield lambda rows: out.write(page.strip(*cast("tuple[Any, Any]", rows))), file
            out.write(page.end())
            return
        stream = PngStream(mask.layout)
        out.write(stream.begin())
        yield lambda strip: out.write(stream.strip(cast("Deflated", strip))), file
        out.write(stream.end())


def _written_as(mask: Mask, file: UnfinishedFile) -> AbstractContextManager[Any]:
    """What takes the parts of a PNG and writes the file of a mask."""
    if mask.is_tiff:
        return tiff_from_png(
            file.path,
            mask.layout,
            file.failure,
            pyramid=mask.sink.settings.pyramid,
            smooth=mask.style is not None,
        )
    if mask.style is not None and mask.style.format != "png":
        return page_from_png(file.path, mask.style, file.failure)
    return nullcontext(file)


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
        self,
        masks: Sequence[Mask],
        opened: OpenedItem,
        source: StreamedOriginal | None,
        line: Line,
        findings: Findings,
    ) -> None:
        self._size = height, width = opened.shapes.height, opened.shapes.width
        self._tops = range(0, height, line.budget.rows(width))
        self._masks, self._findings = masks, findings
        self._source, self._halted = source, line.budget.halted
        self._maps = _maps_of(masks, opened)
        self._orders = [shown.drawing.order_by_strip(self._tops) for shown in self._maps]
        self._above: Pixels = np.zeros((0, width, 3), np.uint8)
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
        pieces: dict[Mask, Deflated | _Rows] = {}
        for shown, order in zip(self._maps, orders, strict=True):
            started = perf_counter()
            labels = shown.drawing.paint(scratch, rows, order)
            numbers = None
            if shown.numbers is not None:
                numbers = shown.numbers.paint(scratch, rows, order)
            painted = perf_counter()
            self._findings.add(shown.masks, labels[strip.first :], rows.start + strip.first)
            for mask in shown.masks:
                mixed = mask.mixed(image, shown.drawing.shapes, scratch, rows.start, order)
                pieces[mask] = _piece(mask, _Rows(image, labels, numbers, mixed), scratch, strip)
            seconds["paint"] = seconds.get("paint", 0.0) + painted - started
            seconds["encode"] = seconds.get("encode", 0.0) + perf_counter() - painted
        return _Made([pieces[mask] for mask in self._masks], seconds)

    def _rows(self, number: int) -> range:
        """Rows of a strip, with the one above it."""
        top = self._tops[number]
        return range(max(0, top - 1), min(top + self._tops.step, self._size[0]))

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
        out: Pixels = scratch.take(_ORIGINAL, (len(rows), self._size[1], 3))
        above = len(self._above)
        out[:above] = self._above
        self._source.read(out[above:])
        self._above = out[-1:].copy()
        return out


@dataclass(frozen=True, slots=True, eq=False)
class _Map:
    """A label map, the masks that show it, and the numbers of its objects if one has outlines."""

    drawing: Drawing
    masks: list[Mask]
    numbers: Drawing | None


def _maps_of(masks: Sequence[Mask], opened: OpenedItem) -> list[_Map]:
    """The label maps that some masks need."""
    showing: dict[tuple[Plan, Motif], list[Mask]] = {}
    for mask in masks:
        showing.setdefault((mask.sink.plan, mask.drawn), []).append(mask)
    maps = []
    for (plan, motif), found in showing.items():
        shapes = opened.shapes_of(found[0].sink)
        has_outlines = any(mask.style is not None and mask.style.outlines for mask in found)
        numbers = drawing(plan, SEEN, shapes) if has_outlines else None
        maps.append(_Map(drawing(plan, motif, shapes), found, numbers))
    return maps


def _piece(mask: Mask, rows: _Rows, scratch: Scratch, strip: Strip) -> Deflated | _Rows:
    """A strip of one mask, out of the scratch memory."""
    if mask.is_streamed_page:
        return rows.without(strip.first)
    piece = _deflate(mask, rows.labels, rows.image, scratch, strip)
    return piece._replace(data=bytes(piece.data))


def _deflate(
    mask: Mask, labels: NDArray[Any], image: Pixels | None, scratch: Scratch, strip: Strip
) -> Deflated:
    palette = mask.palette
    if palette is None:
        is_tiff = mask.is_tiff
        return store_numbers(labels, strip) if is_tiff else deflate_numbers(labels, scratch, strip)
    if mask.style is not None:
        assert image is not None
        if mask.is_tiff:
            return store_pixels(human_page(image, labels, palette, scratch), strip)
        return deflate_human(image, labels, palette, scratch, strip)
    if mask.is_tiff:
        return store_pixels(machine_mask(labels, palette, scratch), strip)
    return deflate_machine(labels, palette, scratch, strip)
