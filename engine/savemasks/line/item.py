"""One item through the line: read, parse, paint, colour, encode, write."""

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from ..encode.png import Part
from ..errors import AnnotationError, ImageError, ItemError, UnreadFormatError, WriteError
from ..parse.annotation import MAX_BYTES, too_large
from ..parse.retitle import retitle
from ..pictures.original import Original, check_size
from ..pictures.streamed import StreamedOriginal
from ..projects.items import Item
from ..projects.members import Member
from ..scratch import Scratch
from ..store.files import Written
from ..system.file_calls import READ_AT_ONCE
from .counting_classes import ClassCounter
from .drawings import Motif, drawing
from .from_archives import contents_of, copy_member, path_of_image, stamp_of
from .job import Files, Outcome, Stamp, needs_image, pack_stamps
from .opened import OpenedItem
from .sinks import Line, Sink
from .strips import Findings, masks_in_strips, write_strips
from .tables_of_objects import describe_objects, name_of_description, objects_in

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


def export_item(item: Item, line: Line) -> Outcome:
    """Make and write all outputs of an item for all sinks, or none of them.

    Whatever goes wrong is in the outcome, not raised: an item never ends a run. Raises `GivenUp`
    when the line's budget says so.
    """
    outcome = Outcome(item)
    written: list[dict[str, Written]] = [{} for _ in line.sinks]
    temporary = ExitStack()  # of files that are copied out of an archive
    try:
        opened = _open(item, line, outcome, temporary)
        if line.wants_strips(opened.shapes):
            _put_strips(item, opened, line, written, outcome, temporary)
        else:
            watch = _Stopwatch(outcome.seconds)
            for number, name, parts in _make(item, opened, line, outcome, watch):
                written[number][name] = line.sinks[number].store.write(name, parts)
                watch.lap("write")
        watch = _Stopwatch(outcome.seconds)
        for sink, files in zip(line.sinks, written, strict=True):
            _put_copies(item, opened, sink, files)
        watch.lap("write")
        outcome.written = _packed(outcome, line, written)
    except Exception as error:
        outcome.error = error
    finally:
        temporary.close()
        if not outcome.written:
            for sink, files in zip(line.sinks, written, strict=True):
                for name in files:
                    with suppress(WriteError):  # what went wrong first is reported
                        sink.store.remove(name)
    return outcome


def try_item(item: Item, line: Line, sample: int) -> Outcome:
    """Read and parse an item; make one in so many completely. Write nothing.

    The outcome of one that was made says which files it would become, and their sizes. Items that
    are made in strips are only read and parsed.
    """
    outcome = Outcome(item)
    temporary = ExitStack()
    try:
        opened = _open(item, line, outcome, temporary)
        outcome.files = sum(_count_files(item, opened, sink) for sink in line.sinks)
        is_sample = zlib.crc32(os.fsencode(item.name)) % sample == 0
        if is_sample and not line.wants_strips(opened.shapes):
            made: list[dict[str, Written]] = [{} for _ in line.sinks]
            watch = _Stopwatch(outcome.seconds)
            for number, name, parts in _make(item, opened, line, outcome, watch):
                made[number][name] = Written(sum(map(len, parts)), checksum=0)
            for sink, files in zip(line.sinks, made, strict=True):
                for name, source, data in _copies(item, opened, sink):
                    if isinstance(source, Member):
                        size = source.size
                    else:
                        size = len(data) if data is not None else os.stat(source or "").st_size
                    files[name] = Written(size, checksum=0)
            outcome.written = _packed(outcome, line, made)
    except Exception as error:
        outcome.error = error
    finally:
        temporary.close()
    return outcome


def _packed(outcome: Outcome, line: Line, written: list[dict[str, Written]]) -> list[Files]:
    """The files of every sink in few bytes."""
    item, stamps = outcome.item, outcome.inputs
    annotation = stamps.get(item.annotation) if item.annotation else None
    image = stamps.get(item.image) if item.image else None
    return [
        Files.of(
            sink.place(item),
            files,
            pack_stamps(annotation, image if needs_image(sink.settings) else None),
        )
        for sink, files in zip(line.sinks, written, strict=True)
    ]


def _count_files(item: Item, opened: OpenedItem, sink: Sink) -> int:
    """How many files an item becomes in a sink."""
    shapes, settings = opened.shapes_of(sink), sink.settings
    masks = chain(sink.masks(item, shapes.height, shapes.width), sink.own_masks(item, shapes))
    # A map of objects has a table beside it.
    count = sum(1 if mask.palette is not None else 2 for mask in masks)
    count += settings.images and item.image is not None
    return count + (settings.annotations and item.annotation is not None)


def _open(item: Item, line: Line, outcome: Outcome, temporary: ExitStack) -> OpenedItem:
    """Read and parse, and refuse what cannot be made before anything is decoded.

    A large picture in an archive becomes a file, until `temporary` is closed.
    """
    watch = _Stopwatch(outcome.seconds)
    annotation = _read_annotation(item, outcome)
    data = _read_image(item, outcome) if line.needs_image else None
    watch.lap("read")
    ids: dict[int, int | str] | None = {} if any(s.has_map for s in line.sinks) else None
    with _blaming(item):
        original, size = None, None
        if line.needs_image:
            original, size = _read_header(item, data, line, outcome, temporary)

        def check(height: int, width: int) -> None:
            # What does not fit the picture, or no format, is not worth painting.
            if size:
                check_size(size, height, width)
            for mask in line.masks(item, height, width):
                mask.check_limits()

        shapes = line.plan.parse(annotation, check, ids)
        by_rules = {line.plan.rules: shapes}
        for sink in line.sinks:
            if sink.plan.rules not in by_rules:  # 2D cuboids or areas count in another way
                by_rules[sink.plan.rules] = sink.plan.parse(annotation)
    outcome.pixels = shapes.height * shapes.width
    outcome.geometries, outcome.unsupported = shapes.geometries, shapes.unsupported
    outcome.unknown_classes = shapes.unknown_classes
    outcome.is_blank = bool(line.plan.classes) and len(shapes) == 0
    outcome.missing_edges = shapes.missing_edges
    watch.lap("parse")
    return OpenedItem(annotation, data, original, shapes, by_rules, ids or {})


def _make(
    item: Item,
    opened: OpenedItem,
    line: Line,
    outcome: Outcome,
    watch: _Stopwatch,
) -> Iterator[tuple[int, str, list[Part]]]:
    """The masks of a picture that fits into memory, one by one: number of the sink, name, file.

    They may lie in scratch memory, and are void when the next one's turn comes. The original is
    decoded once, for the first page.
    """
    scratch = line.scratch
    image: NDArray[np.uint8] | None = None
    for number, sink in enumerate(line.sinks):
        shapes = opened.shapes_of(sink)
        counter = ClassCounter(sink)
        drawn: Motif | None = None
        masks = sink.masks(item, shapes.height, shapes.width)
        for mask in chain(masks, sink.own_masks(item, shapes)):
            if mask.drawn != drawn:
                drawn = mask.drawn
                labels = drawing(sink.plan, drawn, shapes).paint(scratch)
                watch.lap("paint")
                if drawn == counter.motif:
                    counter.add(labels)
                    watch.lap("count")
            if mask.style is not None and image is None:
                assert opened.original is not None
                image = _decode(item, opened.original, scratch)
                watch.lap("decode")
            parts = mask.encode(labels, image, shapes, scratch)
            watch.lap("encode")
            yield number, mask.name, parts
            if mask.palette is None:
                seen = objects_in(sink.plan, shapes)
                seen.add(labels)
                described = describe_objects(seen, sink.plan, shapes, opened.ids)
                watch.lap("count")
                yield number, name_of_description(mask.name), [described]
        if counter.motif and counter.is_pending:
            counter.add(drawing(sink.plan, counter.motif, shapes).paint(scratch))
            watch.lap("count")
        outcome.counts.append(counter.packed(shapes))


def _decode(
    item: Item, original: Original | StreamedOriginal, scratch: Scratch
) -> NDArray[np.uint8]:
    with _blaming(item):
        if isinstance(original, Original):
            return original.pixels(scratch)
        image = np.empty((*original.size, 3), np.uint8)
        original.read(image)
        return image


def _put_strips(
    item: Item,
    opened: OpenedItem,
    line: Line,
    written: list[dict[str, Written]],
    outcome: Outcome,
    temporary: ExitStack,
) -> None:
    """Make and write the masks of a large picture; add what their files hold, for every sink.

    Masks of objects and classes by themselves, of which there may be any number, are made one
    after the other.
    """
    with _blaming(item):
        source = opened.original if line.needs_pixels else None
        if isinstance(source, Original):
            source = StreamedOriginal(path_of_image(item, temporary, opened.data))
            source.check_size(opened.shapes.height, opened.shapes.width)
        if source:
            source.check_memory(line.budget.memory)
        found = Findings(line, opened)
        together, singly = masks_in_strips(item, opened, line)
        for masks in chain([together], singly):
            made, spent = write_strips(masks, opened, source, line, found)
            source = None  # it can be read once, and is for pages only
            for mask, file in zip(masks, made, strict=True):
                written[line.sinks.index(mask.sink)][mask.name] = file
            for station, time in spent.items():
                outcome.seconds[station] = outcome.seconds.get(station, 0.0) + time
            for mask, text in found.descriptions(masks):
                name = name_of_description(mask.name)
                written[line.sinks.index(mask.sink)][name] = mask.sink.store.write(name, [text])
    outcome.counts = found.counts()


def _put_copies(item: Item, opened: OpenedItem, sink: Sink, files: dict[str, Written]) -> None:
    for name, source, data in _copies(item, opened, sink):
        if source is None:
            files[name] = sink.store.write(name, [data or b""])
        elif isinstance(source, Member):
            files[name] = copy_member(item, sink.store, name, source)
        else:
            files[name] = sink.store.copy(name, source, data)


def _copies(
    item: Item, opened: OpenedItem, sink: Sink
) -> Iterator[tuple[str, str | Member | None, bytes | None]]:
    """The files that are to be copied: name, source, contents if they are in memory.

    Without source, the contents are new: an annotation whose classes have changed on the way. So
    they are if they come from an archive and are in memory.
    """
    place = sink.place(item)
    if sink.settings.images and item.image is not None:
        source: str | Member | None = item.image
        if item.members:
            source = item.members.image if opened.data is None else None
        yield f"{place}/img/{item.name}", source, opened.data
    if sink.settings.annotations and item.annotation is not None:
        name = f"{place}/ann/{item.annotation.rpartition('/')[2]}"
        annotation = opened.annotation
        if not sink.table.is_identity:
            # Also backgrounds that the sink does not paint, for `meta.json` has their classes.
            backgrounds = [background.title for background in sink.table.backgrounds]
            annotation = retitle(annotation, sink.table.titles, backgrounds)
        is_copy = annotation is opened.annotation and item.members is None
        yield name, item.annotation if is_copy else None, annotation


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
        # The data set as the project has it: `item.dataset` may have got another name.
        folders = (item.image or item.name).split("/")[:-2]
        dataset = "/".join(folders[-len(item.dataset.split("/")) :])
        expected = f"{dataset}/ann/{item.name}.json"
        raise AnnotationError(f"the annotation is missing: expected {expected}", file=item.image)
    if item.members and (member := item.members.annotation):
        if member.size > MAX_BYTES:
            raise AnnotationError(too_large(member.size), file=item.annotation)
        return contents_of(member, item.annotation, AnnotationError, outcome)
    with _opened(item.annotation, AnnotationError, outcome) as (file, size):
        if size > MAX_BYTES:
            raise AnnotationError(too_large(size), file=item.annotation)
        return _contents(file, size)


def _read_image(item: Item, outcome: Outcome) -> bytes | None:
    """The file of an image, or None if it is large."""
    if item.image is None:
        raise ImageError("the image of this annotation is missing", file=item.annotation)
    if item.members and (member := item.members.image):
        outcome.inputs[item.image] = stamp_of(member)
        if member.size > _MOST_AT_ONCE:
            return None
        return contents_of(member, item.image, ImageError, outcome)
    with _opened(item.image, ImageError, outcome) as (file, size):
        return None if size > _MOST_AT_ONCE else _contents(file, size)


def _read_header(
    item: Item, data: bytes | None, line: Line, outcome: Outcome, temporary: ExitStack
) -> tuple[Original | StreamedOriginal | None, tuple[int, int] | None]:
    """The picture and its size, as far as they can be read; what is only copied need not be."""
    try:
        if data is None:
            original: Original | StreamedOriginal = StreamedOriginal(path_of_image(item, temporary))
        else:
            original = Original(data)
    except UnreadFormatError as error:
        if line.needs_pixels:
            raise
        outcome.unread_format = error.picture_format
        return None, error.size
    return original, original.size


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
