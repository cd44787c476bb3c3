"""Workers as threads of this process.

They suffice for embedding and for a few cores, because kernels, ISA-L and decoders work without
Python's lock. A bounded number of items is under way, and outcomes are taken in the order of the
items, so that reports do not depend on the number of workers and memory does not depend on the
number of items.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from ..line.job import Job, Outcome
from ..projects.items import Item
from ..scratch import Scratch
from .worker import Worker

_IN_FLIGHT_PER_WORKER = 4
_BLINK = 0.1  # seconds after which a request to stop is seen


class Threads:
    """Threads, and the items that are under way."""

    def __init__(self, job: Job, workers: int, stop: threading.Event) -> None:
        self._stop, self._halt = stop, threading.Event()
        self._worker = Worker(job, self._halt)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="savemasks")
        self._limit = workers * _IN_FLIGHT_PER_WORKER
        self._under_way: deque[Future[Outcome | None]] = deque()
        self._own = threading.local()

    def process(self, items: Iterable[Item | Outcome]) -> Iterator[Outcome]:
        """Export items in parallel; yield their outcomes in order, with those that are known.

        Ends early once `stop` is set.
        """
        for item in items:
            if isinstance(item, Outcome):
                future: Future[Outcome | None] = Future()
                future.set_result(item)
            else:
                future = self._pool.submit(self._export, item)
            self._under_way.append(future)
            while len(self._under_way) >= self._limit:
                if self._stop.is_set():
                    return
                yield from self._next()
        while self._under_way and not self._stop.is_set():
            yield from self._next()

    def finish(self) -> list[Outcome]:
        """Drop the items that have not begun, wait for the others and return their outcomes."""
        self.close()
        outcomes = [future.result() for future in self._under_way if not future.cancelled()]
        self._under_way.clear()
        return [outcome for outcome in outcomes if outcome]

    def close(self) -> None:
        """Let go of everything, finished or not."""
        self._halt.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _next(self) -> list[Outcome]:
        """The next outcome, if it comes soon."""
        try:
            outcome = self._under_way[0].result(_BLINK)
        except TimeoutError:
            return []
        self._under_way.popleft()
        return [outcome] if outcome else []

    def _export(self, item: Item) -> Outcome | None:
        scratch = getattr(self._own, "scratch", None)
        if scratch is None:
            scratch = self._own.scratch = Scratch()
        return self._worker.export(item, scratch)
