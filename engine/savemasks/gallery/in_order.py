"""Workers for many items, of which few are in memory at a time; results come in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

from ..errors import CrashError
from ..forks import SIGNALS_OF_PARENT
from ..system import ignore_signals, signals_wait

T = TypeVar("T")
R = TypeVar("R")

_QUEUE_LENGTH = 16  # items per thread that are in progress
_BATCH = 16  # items that a process is sent at a time
_BATCHES = 3  # per process that are in progress


def results_in_order(
    function: Callable[[T], R], items: Iterable[T], workers: int
) -> Generator[tuple[T, R], None, None]:
    """Yield every item and what a function makes of it in a thread; close it to end early.

    Items are taken from `items` in the calling thread.
    """
    pool = ThreadPoolExecutor(workers)
    yield from _results(
        pool, lambda batch: [*map(function, batch)], items, (1, _QUEUE_LENGTH * workers)
    )


def results_of_processes(
    function: Callable[[Sequence[T]], Sequence[R]], items: Iterable[T], workers: int
) -> Generator[tuple[T, R], None, None]:
    """As `results_in_order`, but a process is sent the function, with some items at a time.

    Raises `CrashError` if a process dies.
    """
    pool = ProcessPoolExecutor(workers, get_context("spawn"), ignore_signals, (SIGNALS_OF_PARENT,))
    try:
        yield from _results(pool, function, items, (_BATCH, _BATCHES * workers))
    except BrokenProcessPool as error:
        raise CrashError("a worker process has died: the gallery is as it was before") from error


def _results(
    pool: Executor,
    function: Callable[[Sequence[T]], Sequence[R]],
    items: Iterable[T],
    limits: tuple[int, int],
) -> Generator[tuple[T, R], None, None]:
    """Submit batches of items to a pool; `limits` are their length and how many may wait."""
    length, most = limits
    waiting: deque[tuple[list[T], Future[Sequence[R]]]] = deque()

    def first() -> Iterator[tuple[T, R]]:
        batch, future = waiting.popleft()
        return zip(batch, future.result(), strict=True)

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
