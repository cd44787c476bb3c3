"""One item through the line: read, parse, paint, colour, encode, write."""

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ..encode.choice import encode_human, encode_machine, encode_png
from ..encode.png import Part
from ..errors import AnnotationError, ImageError, ItemError, WriteError
from ..kernels.jit import one_process_at_a_time
from ..layers.save_masks import Settings
from ..parse.annotation import MAX_BYTES, too_large
from ..pictures.original import Original
from ..pictures.streamed import StreamedOriginal
from ..projects.supervisely import Item
from ..scratch import Scratch
from ..shapes import Shapes
from ..store.files import Store, Written
from ..system import READ_AT_ONCE
from .budget import Budget
from .job import Outcome, Stamp, mask_names_of, needs_image
from .plan import Plan
from .strips import check_limits, masks_of, write_strips

_MOST_AT_ONCE = 1 << 24  # bytes of an image file that is read before its size is known


class _Stopwatch:
    """Adds up the time between calls under the station that used it."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds = seconds
        self._last = perf_counter()

    def lap(self, station: str) -> None:
        now = perf_counter()
        self._seconds[station] = self._seconds.get(station, 0.0) + now - self._last
        self._last = now


def warm_up(plan: Plan) -> None:
    """Compile, or load from the cache, every kernel that everyday items need."""
    plan.warm_up()
    if plan.human_palette:
        with one_process_at_a_time():
            Original(b"".join(encode_png(np.zeros((2, 2, 3), np.uint8)))).pixels()


@dataclass(frozen=True, slots=True)
class _Opened:
    """An item whose annotation is parsed, and of whose picture only the header has been looked at.

    `data` is the picture's file, or None if that is too large or not needed.
    """

    annotation: bytes
    data: bytes | None
    original: Original | StreamedOriginal | None
    shapes: Shapes


def export_item(
    item: Item,
    settings: Settings,
    plan: Plan,
    store: Store,
    scratch: Scratch,
    budget: Budget | None = None,
) -> Outcome:
    """Make and write all outputs of an item, or none of them.

    Whatever goes wrong is in the outcome, not raised: an item never ends a run. Without a `budget`
    it may use what an only worker may. Raises `GivenUp` when that says so.
    """
    outcome = Outcome(item)
    budget = budget or Budget.of_worker(None, 1)
    written: dict[str, Written] = {}
    try:
        opened = _open(item, settings, plan, outcome)
        if budget.wants_strips(settings, opened.shapes.height, opened.shapes.width):
            written |= _put_strips(item, opened, settings, plan, store, budget, outcome)
            watch = _Stopwatch(outcome.seconds)
        else:
            masks = _make(item, opened, settings, plan, scratch, outcome)
            watch = _Stopwatch(outcome.seconds)
            for name, parts in masks.items():
                written[name] = store.write(name, parts)
        for name, source, data in _copies(item, opened, settings):
            written[name] = store.copy(name, source, data)
        watch.lap("write")
        outcome.outputs = written
    except Exception as error:
        outcome.error = error
    finally:
        if not outcome.outputs:
            for name in written:
                with suppress(WriteError):  # what went wrong first is told
                    store.remove(name)
    return outcome


def try_item(
    item: Item,
    settings: Settings,
    plan: Plan,
    sample: int,
    scratch: Scratch,
    budget: Budget | None = None,
) -> Outcome:
    """Read and parse an item; make one in so many completely. Write nothing.

    The outcome of one that was made has outputs, with their sizes. Those that are made in strips
    are not.
    """
    outcome = Outcome(item)
    budget = budget or Budget.of_worker(None, 1)
    try:
        opened = _open(item, settings, plan, outcome)
        is_large = budget.wants_strips(settings, opened.shapes.height, opened.shapes.width)
        if zlib.crc32(os.fsencode(item.name)) % sample == 0 and not is_large:
            masks = _make(item, opened, settings, plan, scratch, outcome)
            for name, parts in masks.items():
                outcome.outputs[name] = Written(sum(map(len, parts)), 0)
            for name, source, data in _copies(item, opened, settings):
                size = os.stat(source).st_size if data is None else len(data)  # noqa: PTH116
                outcome.outputs[name] = Written(size, 0)
    except Exception as error:
        outcome.error = error
    return outcome


def _open(item: Item, settings: Settings, plan: Plan, outcome: Outcome) -> _Opened:
    """Read and parse, and refuse what cannot be made before anything is decoded."""
    watch = _Stopwatch(outcome.seconds)
    annotation = _read_annotation(item, outcome)
    data = _read_image(item, outcome) if needs_image(settings) else None
    watch.lap("read")
    with _blaming(item):
        original = _read_header(item, data) if needs_image(settings) else None

        def check_size(height: int, width: int) -> None:
            # What does not fit the picture, or no format, is not worth painting.
            if original:
                original.check_size(height, width)
            check_limits(masks_of(plan, height, width), settings)

        shapes = plan.parse(annotation, check_size)
    outcome.pixels = shapes.height * shapes.width
    outcome.geometries, outcome.unsupported = shapes.geometries, shapes.unsupported
    watch.lap("parse")
    return _Opened(annotation, data, original, shapes)


def _make(
    item: Item, opened: _Opened, settings: Settings, plan: Plan, scratch: Scratch, outcome: Outcome
) -> dict[str, list[Part]]:
    """The masks of a picture that fits into memory, by their names."""
    watch = _Stopwatch(outcome.seconds)
    machine_name, human_name = mask_names_of(item, settings)
    machine_labels, human_labels = plan.label_maps(opened.shapes, scratch)
    watch.lap("paint")
    masks: dict[str, list[Part]] = {}
    if machine_labels is not None and plan.machine_palette:
        masks[machine_name] = encode_machine(machine_labels, plan.machine_palette, scratch)
        watch.lap("encode")
    if human_labels is not None and opened.original is not None and plan.human_palette:
        with _blaming(item):
            original = opened.original
            if isinstance(original, StreamedOriginal):
                image = np.empty((*original.size, 3), np.uint8)
                original.read(image)
            else:
                image = original.pixels(scratch)
        watch.lap("decode")
        masks[human_name] = encode_human(image, human_labels, plan.human_palette, scratch)
        watch.lap("encode")
    return masks


def _put_strips(
    item: Item,
    opened: _Opened,
    settings: Settings,
    plan: Plan,
    store: Store,
    budget: Budget,
    outcome: Outcome,
) -> dict[str, Written]:
    """Make and write the masks of a large picture; return what their files hold, by name."""
    machine_name, human_name = mask_names_of(item, settings)
    files = {
        human_name if mask.is_human else machine_name: mask
        for mask in masks_of(plan, opened.shapes.height, opened.shapes.width)
    }
    with _blaming(item):
        source = opened.original if plan.human_palette else None
        if isinstance(source, Original):
            source = StreamedOriginal(item.image or "")
            source.check_size(opened.shapes.height, opened.shapes.width)
        if source:
            source.check_memory(budget.memory)
        written, seconds = write_strips(files, opened.shapes, plan, source, settings, store, budget)
    for station, spent in seconds.items():
        outcome.seconds[station] = outcome.seconds.get(station, 0.0) + spent
    return written


def _copies(
    item: Item, opened: _Opened, settings: Settings
) -> Iterator[tuple[str, str, bytes | None]]:
    """Name, source and contents, if they are in memory, of the files that are to be copied."""
    if settings.images and item.image is not None:
        yield f"{item.dataset}/img/{item.name}", item.image, opened.data
    if settings.annotations and item.annotation is not None:
        name = item.annotation.rpartition("/")[2]
        yield f"{item.dataset}/ann/{name}", item.annotation, opened.annotation


@contextmanager
def _blaming(item: Item) -> Iterator[None]:
    """Name the file in errors that cannot know it."""
    try:
        yield
    except ImageError as error:
        error.file = item.image
        raise
    except AnnotationError as error:
        error.file = item.annotation
        raise


def _read_annotation(item: Item, outcome: Outcome) -> bytes:
    if item.annotation is None:
        expected = f"{item.dataset}/ann/{item.name}.json"
        raise AnnotationError(f"the annotation is missing: expected {expected}", file=item.image)
    with _opened(item.annotation, AnnotationError, outcome) as (file, size):
        if size > MAX_BYTES:
            raise AnnotationError(too_large(size), file=item.annotation)
        return _contents(file, size)


def _read_image(item: Item, outcome: Outcome) -> bytes | None:
    """The file of an image, or None if it is large."""
    if item.image is None:
        raise ImageError("the image of this annotation is missing", file=item.annotation)
    with _opened(item.image, ImageError, outcome) as (file, size):
        return None if size > _MOST_AT_ONCE else _contents(file, size)


def _read_header(item: Item, data: bytes | None) -> Original | StreamedOriginal:
    return StreamedOriginal(item.image or "") if data is None else Original(data)


@contextmanager
def _opened(path: str, failure: type[ItemError], outcome: Outcome) -> Iterator[tuple[int, int]]:
    """Yield a descriptor and the size of a file, whose stamp goes to the outcome."""
    try:
        # Without waiting for whoever might write to a pipe.
        file = os.open(path, READ_AT_ONCE)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise failure("is not a regular file", file=path)
            outcome.inputs[path] = Stamp(status.st_size, status.st_mtime_ns)
            yield file, status.st_size
        finally:
            os.close(file)
    except OSError as error:
        raise failure(f"cannot be read: {error.strerror}", file=path) from error


def _contents(file: int, size: int) -> bytes:
    """All bytes of a file; in one call if there are as many as were said."""
    data = os.read(file, size + 1)
    if len(data) == size:
        return data
    parts = [data]
    while parts[-1]:
        parts.append(os.read(file, _MOST_AT_ONCE))
    return b"".join(parts)
