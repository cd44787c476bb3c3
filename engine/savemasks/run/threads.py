"""Workers as threads of this process.

Threads suffice for embedding and for a few cores, because kernels, ISA-L and decoders work without
Python's lock. The number of items in progress is bounded, so memory does not depend on the number
of items. Outcomes are taken in the order of the items, so reports do not depend on the number of
workers.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ..line.job import Job, OnCompile, Outcome
from ..projects.items import Item
from ..scratch import Scratch
from .worker import Worker

T = TypeVar("T")

_IN_FLIGHT_PER_WORKER = 4
_POLL_SECONDS = 0.1  # how often the stop event is looked at


class ThreadPool:
    """A `Pool` of threads."""

    def __init__(
        self, job: Job, stop: threading.Event, on_compile: OnCompile | None = None
    ) -> None:
        self._stop, self._halt = stop, threading.Event()
        self._worker = Worker(job, self._halt.is_set, on_compile)
        self._executor = ThreadPoolExecutor(job.workers, thread_name_prefix="savemasks")
        self._limit = job.workers * _IN_FLIGHT_PER_WORKER
        self._in_flight: deque[Future[Outcome | None]] = deque()
        self._placed: deque[Outcome] = deque()
        self._local = threading.local()

    def map(self, items: Iterable[Item | Outcome]) -> Iterator[Outcome]:
        """Export items in parallel and yield their outcomes in order."""
        for item in items:
            if isinstance(item, Outcome):
                future: Future[Outcome | None] = Future()
                future.set_result(item)
            else:
                future = self._executor.submit(self._export, item)
            self._in_flight.append(future)
            while len(self._in_flight) >= self._limit:
                if self._stop.is_set():
                    return
                yield from self._next_outcome()
                yield from self._take_placed()
        while (self._in_flight or self._placed) and not self._stop.is_set():
            yield from self._take_placed()
            if self._in_flight:
                yield from self._next_outcome()

    def place(self, outcome: Outcome) -> None:
        """Write the sample of an outcome where it belongs."""
        sample, extent = outcome.sample, outcome.extent
        assert sample is not None
        assert extent is not None
        outcome.place_problem = self._worker.place(sample, outcome.shard, extent.offset)
        outcome.is_placed = True
        self._placed.append(outcome)

    def drain(self) -> list[Outcome]:
        """Cancel the items that have not begun, wait for the others, return their outcomes."""
        self.close()
        outcomes = [future.result() for future in self._in_flight if not future.cancelled()]
        self._in_flight.clear()
        return [*self._take_placed(), *filter(None, outcomes)]

    def call(self, function: Callable[..., T], *args: object) -> T:
        """Call a function: this process has loaded all stations."""
        return function(*args)

    def close(self) -> None:
        """Wait for the items in progress, and end the threads."""
        self._halt.set()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._worker.close()

    def _take_placed(self) -> Iterator[Outcome]:
        while self._placed:
            yield self._placed.popleft()

    def _next_outcome(self) -> list[Outcome]:
        """Return the next outcome, or nothing if it takes longer than the poll interval."""
        try:
            outcome = self._in_flight[0].result(_POLL_SECONDS)
        except TimeoutError:
            return []
        self._in_flight.popleft()
        return [outcome] if outcome else []

    def _export(self, item: Item) -> Outcome | None:
        scratch = getattr(self._local, "scratch", None)
        if scratch is None:
            scratch = self._local.scratch = Scratch()
        return self._worker.export(item, scratch)
