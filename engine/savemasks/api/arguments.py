"""What callers hand in, checked before a kernel sees it; pictures are in `images`."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from ..errors import AnnotationError, ConfigError, printable
from ..jsontext import Text
from ..layers.class_table import ClassTable
from ..layers.save_masks import SaveMasks
from ..parse.annotation import EMPTY_FILE, check_pixels
from ..parse.builder import LENIENT, Rules
from ..shapes import COORDINATE_LIMIT, Shapes

Annotation = Text | Mapping[str, Any] | os.PathLike[str]
"""An annotation: its JSON, what that parses to, also built of arrays and tuples, or its path."""
Window = Sequence[SupportsIndex] | NDArray[np.integer[Any]]
"""x and y of the left top pixel, width and height."""

_USUAL = (bytes, str, dict)
_NAMED = 3  # classes in a `repr`


class Classes(Mapping[str, int]):
    """Number of every class. Read-only, and unlike `MappingProxyType` picklable and hashable."""

    __slots__ = ("_numbers",)

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = dict(numbers)

    def __getitem__(self, title: str) -> int:
        return self._numbers[title]

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __hash__(self) -> int:
        return hash(frozenset(self._numbers.items()))

    def __repr__(self) -> str:
        return repr(self._numbers)


def brief_list(titles: Mapping[str, int]) -> str:
    """How many classes, and the first of them, for a `repr`."""
    names = ", ".join(map(printable, [*titles][:_NAMED]))
    noun = "class" if len(titles) == 1 else "classes"
    return f"{len(titles)} {noun}: {names}" + (", ..." if len(titles) > _NAMED else "")


def rules_of(max_pixels: int | None, *, strict: bool) -> Rules:
    """What is refused besides; raises `TypeError` or `ValueError` for what is no limit."""
    if max_pixels is None and not strict:
        return LENIENT
    if max_pixels is not None:
        if isinstance(max_pixels, bool) or not isinstance(max_pixels, SupportsIndex):
            raise TypeError(f"max_pixels must be a number of pixels or None, not {max_pixels!r}")
        max_pixels = index(max_pixels)
        if max_pixels < 1:
            raise ValueError(f"max_pixels must be at least 1, not {max_pixels}")
    return Rules(max_pixels, bool(strict))


def parse_given(
    annotation: Annotation, parse: Callable[[Text | Mapping[str, Any]], Shapes]
) -> Shapes:
    """Parse an annotation, which may be the path of a file; its errors then name that."""
    # What is usual comes first: asking for a PathLike takes longer.
    if isinstance(annotation, _USUAL) or not isinstance(annotation, os.PathLike):
        try:
            return parse(annotation)
        except AnnotationError as error:
            if error.message == EMPTY_FILE:
                error.message = "the text is empty"
            raise
    path = Path(os.fsdecode(annotation))
    try:
        return parse(path.read_bytes())
    except AnnotationError as error:
        error.file = str(path)
        raise
    except (OSError, ValueError) as error:  # the latter for names that no file can have
        reason = getattr(error, "strerror", None) or error
        raise AnnotationError(f"cannot be read: {reason}", file=str(path)) from error


def check_shapes(shapes: Shapes, classes: Mapping[str, int], rules: Rules) -> None:
    """Refuse shapes that a painter of other classes has parsed, or larger ones than it takes."""
    if shapes.classes is not classes and shapes.classes != classes:
        raise ValueError("the shapes were parsed by a painter of other classes than this one's")
    # Without a sign, what is below zero is above everything.
    if shapes.class_id.view(np.uint32).max(initial=0) >= max(1, len(classes)):
        raise ValueError("the shapes have numbers of classes that this painter has not")
    check_pixels(shapes.height, shapes.width, rules.max_pixels)


def check_layer(layer: object) -> None:
    """Refuse, with a `TypeError`, JSON that has not become a layer."""
    if not hasattr(layer, "settings"):
        name = type(layer).__name__
        raise TypeError(f"layer must be a SaveMasks, as SaveMasks.from_json makes it, not {name}")


def check_names_classes(layer: SaveMasks) -> None:
    """Refuse, with a `ValueError`, a layer that takes its classes from a meta.json."""
    settings = layer.settings
    mappings = (settings.gt_machine_color, settings.gt_human_color)
    if any(isinstance(mapping, str) for mapping in mappings) or not any(mappings):
        raise ValueError(
            "the layer takes its classes from a meta.json, but there is none: give meta"
        )


def array_for(
    out: NDArray[Any] | None,
    shape: tuple[int, ...],
    dtype: type[np.generic] | np.dtype[Any],
    *,
    any_rows: int = 0,
) -> NDArray[Any]:
    """A new array, or the caller's if a result of this shape and dtype can be written to it.

    There may be memory of others between what the first `any_rows` axes number: 1 for rows, 2 for
    rows and masks.

    Raises
    ------
    TypeError
        If `out` is no array, or one of another dtype or byte order.
    ValueError
        If its shape is another one, it is not C-contiguous, or it cannot be written to.
    """
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, not {type(out).__name__}")
    if out.dtype != dtype:
        raise TypeError(f"out must be an array of {np.dtype(dtype)}, not of {out.dtype}")
    if out.shape != shape:
        raise ValueError(f"out must have the shape {shape}, not {out.shape}")
    flags = out.flags
    has_rows = any_rows and out.size and out[(0,) * any_rows].flags.c_contiguous
    if not (flags.c_contiguous or has_rows):
        raise ValueError(f"out must be C-contiguous, but its strides are {out.strides}")
    if not flags.aligned:
        raise ValueError("out must be aligned to its dtype in memory")
    if not flags.writeable:
        raise ValueError("out must be writeable, but it is read-only")
    return out.view(np.ndarray)


def corner_and_shape(
    window: Window | None, height: int, width: int, *, may_leave: bool = False
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Corner (x, y) and shape (height, width) of a window (x, y, width, height) of a canvas.

    Raises
    ------
    TypeError
        If the window is not four whole numbers.
    ValueError
        If it is empty, or does not lie inside the canvas unless it `may_leave` it.
    """
    if window is None:
        return (0, 0), (height, width)
    try:
        has_order = not isinstance(window, Set | Mapping)
        x, y, columns, rows = map(index, window if has_order else ())
    except (TypeError, ValueError):
        raise TypeError(
            f"window must be four whole numbers (x, y, width, height), not {window!r}"
        ) from None
    if columns < 1 or rows < 1:
        raise ValueError(f"window {columns} x {rows} is empty: its sides must be at least 1")
    leaves = x < 0 or y < 0 or x + columns > width or y + rows > height
    if may_leave and max(columns, rows) > COORDINATE_LIMIT:
        raise ValueError(f"window {columns} x {rows} is too large")
    if leaves and not may_leave:
        raise ValueError(
            f"window {columns} x {rows} at ({x}, {y}) does not lie inside the canvas of"
            f" {width} x {height}"
        )
    return (x, y), (rows, columns)


def sink_of(
    graph: object, dst: str | None, source: str | None, titles: Iterable[str]
) -> tuple[SaveMasks, ClassTable]:
    """A sink of a graph, and what becomes of a source's classes on the way to it."""
    from ..layers.graph import Graph  # most painters never need it, and it takes a while to load

    if not isinstance(graph, Graph):
        name = type(graph).__name__
        raise TypeError(f"graph must be a Graph, as Graph.from_json makes it, not {name}")
    sink = graph.sink(dst)
    if not isinstance(sink.layer, SaveMasks):
        raise ConfigError([f"{sink.name}: a painter is for save_masks layers"])
    routes = [r for r in sink.routes if source is None or (r.source and r.source.project == source)]
    tables = {route.table(titles) for route in routes}
    if len(tables) == 1:
        return sink.layer, tables.pop()
    names = {route.source.project: None for route in sink.routes if route.source}
    if source is None:
        raise ValueError(
            "source must name a project, for its classes become other ones than those of others:"
            f" {', '.join(names)}"
        )
    if not routes:
        raise ValueError(
            f"no items of {source!r} flow into {sink.dst}; those of these do: {', '.join(names)}"
        )
    raise ValueError(
        f"{source!r} flows into {sink.dst} on several ways, on which its classes become different"
        " ones"
    )
