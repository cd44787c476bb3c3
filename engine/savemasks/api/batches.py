"""Many annotations at once, on threads."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ItemError
from ..line.drawings import Labels
from ..shapes import Shapes
from ..system.hardware import usable_cores
from .arguments import Annotation, Window, corner_and_shape
from .protocols import Painting
from .views import Size, check_result, scaled_shape


def labels_batch(
    self: Painting,
    annotations: Sequence[Annotation | Shapes],
    *,
    windows: Sequence[Window] | None = None,
    size: Size | None = None,
    fill: int | None = None,
    out: NDArray[Any] | Sequence[NDArray[Any]] | None = None,
    workers: int | None = None,
) -> Labels | list[Labels]:
    """Paint the label maps of many annotations on threads.

    Parameters
    ----------
    annotations
        What to paint.
    windows
        A window for every annotation.
    size, fill
        As for `labels`.
    out
        Where to write: an array (n, height, width), or an array for every annotation, which
        may be parts of a larger one.
    workers
        How many threads; by default one per available core.

    Returns
    -------
    (n, height, width) if all maps are of one size, else a list of maps; `out` if it is given.

    Raises
    ------
    AnnotationError
        Naming the annotation by its place in the list.
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> painter.labels_batch([annotation] * 8).shape
    (8, 4, 6)
    """
    given: object = annotations
    if not isinstance(given, Sequence) or isinstance(given, str | bytes | bytearray):
        name = type(given).__name__
        raise TypeError(f"annotations must be a list of annotations, not {name}")
    count = len(annotations)
    for name, given in (("windows", windows), ("out", out)):
        if given is not None and len(given) != count:
            raise ValueError(f"{name} must have {count} entries, as annotations, not {len(given)}")
    threads = usable_cores() if workers is None else index(workers)
    if threads < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    stack: list[Labels] = []

    def paint(number: int) -> Labels:
        annotation = annotations[number]
        shapes = annotation if isinstance(annotation, Shapes) else self.parse(annotation)
        window = None if windows is None else windows[number]
        place = None
        if out is not None:
            place = out[number]
        else:
            canvas = shapes.height, shapes.width
            _, part = corner_and_shape(window, *canvas, may_leave=fill is not None)
            shape = scaled_shape(part, size, None)
            check_result(self._plan, shape)
            if number == 0:
                stack.append(np.empty((count, *shape), self._plan.table_of(None).dtype))
            if stack[0].shape[1:] == shape:
                place = stack[0][number]
        return self.labels(shapes, window=window, size=size, fill=fill, out=place)

    made = call_on_threads(paint, count, threads)
    if out is not None:
        return out if isinstance(out, np.ndarray) else [*out]
    is_stack = all(labels.base is stack[0] for labels in made)
    return stack[0] if made and is_stack else made


def call_on_threads(call: Callable[[int], Labels], count: int, threads: int) -> list[Labels]:
    """Call for every number below `count`; for 0 before there are threads.

    This thread is one of them. If calls fail, the error is the one that a loop would have raised.
    """
    made: list[Any] = [None] * count
    failed: dict[int, Exception] = {}
    numbers = iter(range(count))
    lock = threading.Lock()

    def work(most: int = count) -> None:
        for _ in range(most):
            if failed:
                return
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:  # even if another has failed meanwhile, for this one may come before it
                made[number] = call(number)
            except Exception as error:
                failed[number] = error

    work(1)
    others = min(threads, count - 1) - 1
    if others < 1:
        work()
    else:
        with ThreadPoolExecutor(others) as pool:
            waiting = [pool.submit(work) for _ in range(others)]
            try:
                work()
            finally:
                numbers = iter(())  # if this thread was interrupted, nothing more begins
            for other in waiting:
                other.result()
    if failed:
        raise _first(failed)
    return made


def _first(failed: dict[int, Exception]) -> Exception:
    """The error of the first annotation: those before it were begun earlier, and ended well."""
    number = min(failed)
    error = failed[number]
    if isinstance(error, ItemError) and error.file is None:
        error.file = f"annotation {number}"
    else:
        error.add_note(f"This is about annotation {number}, counted from 0.")
    return error
