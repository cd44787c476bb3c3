"""One item through the line: read, parse, paint, colour, encode, write."""

import os
import zlib
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from .encode import encode_human, encode_machine, encode_png
from .errors import AnnotationError, ImageError, ItemError
from .images import Original
from .jobs import Outcome, Stamp, needs_image
from .kernels.jit import one_process_at_a_time
from .painter import Painter
from .project import Item
from .scratch import Scratch
from .settings import Settings
from .shapes import Shapes
from .store import Part, Store, Written


class _Stopwatch:
    """Adds up the time between calls under the station that used it."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds = seconds
        self._last = perf_counter()

    def lap(self, station: str) -> None:
        now = perf_counter()
        self._seconds[station] = self._seconds.get(station, 0.0) + now - self._last
        self._last = now


def warm_up(painter: Painter) -> None:
    """Compile, or load from the cache, every kernel that everyday items need."""
    painter.warm_up()
    if painter.human_palette:
        with one_process_at_a_time():
            Original(b"".join(encode_png(np.zeros((2, 2, 3), np.uint8)))).pixels()


def export_item(
    item: Item, settings: Settings, painter: Painter, store: Store, scratch: Scratch
) -> Outcome:
    """Make and write all outputs of an item, or none of them.

    Whatever goes wrong is in the outcome, not raised: an item never ends a run.
    """
    outcome = Outcome(item)
    try:
        files = _make(item, settings, painter, scratch, outcome)
        watch = _Stopwatch(outcome.seconds)
        _write(files, store, outcome)
        watch.lap("write")
    except Exception as error:
        outcome.error = error
    return outcome


def try_item(
    item: Item, settings: Settings, painter: Painter, sample: int, scratch: Scratch
) -> Outcome:
    """Read and parse an item; make one in so many completely. Write nothing.

    The outcome of one that was made has outputs, with their sizes.
    """
    outcome = Outcome(item)
    try:
        if zlib.crc32(os.fsencode(item.name)) % sample:
            _open(item, settings, painter, outcome, _Stopwatch(outcome.seconds))
        else:
            files = _make(item, settings, painter, scratch, outcome)
            for name, parts in files.masks.items():
                outcome.outputs[name] = Written(sum(map(len, parts)), 0)
            for name, (_, data) in files.copies.items():
                outcome.outputs[name] = Written(len(data), 0)
    except Exception as error:
        outcome.error = error
    return outcome


@dataclass(slots=True)
class _Files:
    """What is to be put, by name: masks in parts, and copies as (source, contents)."""

    masks: dict[str, list[Part]] = field(default_factory=dict)
    copies: dict[str, tuple[str, bytes]] = field(default_factory=dict)


def _make(
    item: Item, settings: Settings, painter: Painter, scratch: Scratch, outcome: Outcome
) -> _Files:
    """Everything up to writing."""
    watch = _Stopwatch(outcome.seconds)
    annotation, data, original, shapes = _open(item, settings, painter, outcome, watch)
    machine_labels, human_labels = painter.label_maps(shapes, scratch)
    watch.lap("paint")

    files = _Files()
    if machine_labels is not None and painter.machine_palette:
        files.masks[f"{item.dataset}/masks_machine/{item.mask_name}"] = encode_machine(
            machine_labels, painter.machine_palette, scratch
        )
        watch.lap("encode")
    if human_labels is not None and original is not None and painter.human_palette:
        try:
            image = original.pixels(scratch)
        except ImageError as error:
            error.file = item.image
            raise
        watch.lap("decode")
        files.masks[f"{item.dataset}/masks_human/{item.mask_name}"] = encode_human(
            image, human_labels, painter.human_palette, scratch
        )
        watch.lap("encode")
    if settings.images and item.image is not None and data is not None:
        files.copies[f"{item.dataset}/img/{item.name}"] = item.image, data
    if settings.annotations and item.annotation is not None:
        name = item.annotation.rpartition("/")[2]
        files.copies[f"{item.dataset}/ann/{name}"] = item.annotation, annotation
    return files


def _open(
    item: Item, settings: Settings, painter: Painter, outcome: Outcome, watch: _Stopwatch
) -> tuple[bytes, bytes | None, Original | None, Shapes]:
    """Annotation and image as they are, the image's header, and the annotation's shapes."""
    annotation = _read_annotation(item, outcome)
    data = _read_image(item, outcome) if needs_image(settings) else None
    watch.lap("read")
    try:
        # The header first: what does not fit the picture is not worth painting.
        original = None if data is None else Original(data)
        shapes = painter.parse(annotation, original.check_size if original else None)
    except ImageError as error:
        error.file = item.image
        raise
    except AnnotationError as error:
        error.file = item.annotation
        raise
    outcome.pixels = shapes.height * shapes.width
    outcome.geometries, outcome.unsupported = shapes.geometries, shapes.unsupported
    watch.lap("parse")
    return annotation, data, original, shapes


def _read_annotation(item: Item, outcome: Outcome) -> bytes:
    if item.annotation is None:
        expected = f"{item.dataset}/ann/{item.name}.json"
        raise AnnotationError(f"the annotation is missing: expected {expected}", file=item.image)
    return _read(item.annotation, AnnotationError, outcome)


def _read_image(item: Item, outcome: Outcome) -> bytes:
    if item.image is None:
        raise ImageError("the image of this annotation is missing", file=item.annotation)
    return _read(item.image, ImageError, outcome)


def _read(path: str, failure: type[ItemError], outcome: Outcome) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  (the hot path)
            status = os.fstat(file.fileno())
            outcome.inputs[path] = Stamp(status.st_size, status.st_mtime_ns)
            return file.read()
    except OSError as error:
        raise failure(f"cannot be read: {error.strerror}", file=path) from error


def _write(files: _Files, store: Store, outcome: Outcome) -> None:
    """Put all files; if one fails, take those before it away again."""
    written: dict[str, Written] = {}
    try:
        for name, parts in files.masks.items():
            written[name] = store.write(name, parts)
        for name, (source, data) in files.copies.items():
            written[name] = store.copy(name, source, data)
    except BaseException:
        for name in written:
            store.remove(name)
        raise
    outcome.outputs = written
