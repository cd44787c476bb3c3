"""Workers for many items, of which few are in memory at a time; results come in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from math import inf
from multiprocessing import get_context
from time import perf_counter
from typing import TypeVar

from ..errors import CrashError
from ..forks import SIGNALS_OF_PARENT
from ..system.child_processes import ignore_signals, signals_wait

T = TypeVar("T")
R = TypeVar("R")

_QUEUE_LENGTH = 16  # items per thread that are in progress
_BATCH = 64  # items that a process is sent at a time: at most so many,
_BATCH_SECONDS = 0.1  # and as many as take so long
_BATCHES = 3  # per process that are in progress
_KEPT_MEMORY = 1 << 24


def results_in_order(
    function: Callable[[T], R], items: Iterable[T], workers: int
) -> Generator[tuple[T, R], None, None]:
    """Yield every item and what a function makes of it in a thread; close it to end early.

    Items are taken from `items` in the calling thread.
    """

    def call(batch: list[T]) -> tuple[list[R], float]:
        return [*map(function, batch)], inf

    yield from _results(ThreadPoolExecutor(workers), call, items, _QUEUE_LENGTH * workers)


def results_of_processes(
    function: Callable[[Sequence[T]], Sequence[R]], items: Iterable[T], workers: int
) -> Generator[tuple[T, R], None, None]:
    """As `results_in_order`, but a process is sent the function, with some items at a time.

    Raises `CrashError` if a process dies.
    """
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin_process)
    try:
        yield from _results(pool, partial(_timed, function), items, _BATCHES * workers)
    except BrokenProcessPool as error:
        raise CrashError("a worker process has died: the gallery is as it was before") from error


def _begin_process() -> None:
    ignore_signals(SIGNALS_OF_PARENT)
    # The C library gives freed memory back to the system, and asks for it anew at the next item,
    # unless it has seen that a block as large as this comes and goes.
    bytearray(_KEPT_MEMORY)


def _timed(
    function: Callable[[Sequence[T]], Sequence[R]], batch: Sequence[T]
) -> tuple[Sequence[R], float]:
    started = perf_counter()
    return function(batch), (perf_counter() - started) / len(batch)


def _results(
    pool: Executor,
    function: Callable[[list[T]], tuple[Sequence[R], float]],
    items: Iterable[T],
    most: int,
) -> Generator[tuple[T, R], None, None]:
    """Submit batches of items to a pool, of which `most` may wait.

    The function returns results, and the seconds of an item, by which the next batches are cut.
    """
    waiting: deque[tuple[list[T], Future[tuple[Sequence[R], float]]]] = deque()
    length = 1

    def first() -> Iterator[tuple[T, R]]:
        nonlocal length
        batch, future = waiting.popleft()
        results, seconds = future.result()
        length = max(1, min(2 * length, _BATCH, int(_BATCH_SECONDS / max(seconds, 1e-6))))
        return zip(batch, results, strict=True)

    source = iter(items)
    with pool:
        try:
            while batch := [*islice(source, length)]:
                with signals_wait(SIGNALS_OF_PARENT):  # for processes that start now
                    waiting.append((batch, pool.submit(function, batch)))
                if len(waiting) > most:
                    yield from first()
            while waiting:
                yield from first()
        finally:
            pool.shutdown(cancel_futures=True)
