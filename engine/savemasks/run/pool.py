"""Pools of workers: threads or processes behind one interface."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from ..line.job import Job, OnCompile, Outcome
from ..projects.items import Item
from .processes import ProcessPool
from .starting import Starter

T = TypeVar("T")


class Pool(Protocol):
    """Workers of one kind, and the items that they were given."""

    def map(self, items: Iterable[Item | Outcome]) -> Iterator[Outcome]:
        """Export items in parallel and yield their outcomes in the order of the items.

        Outcomes among the items are yielded in their places. Ends early once the run's stop event
        is set; `drain` has the rest.
        """

    def place(self, outcome: Outcome) -> None:
        """Have the sample of an outcome, which is in a worker's memory, written where it belongs.

        The outcome says where that is. It is yielded once more when it is there.
        """

    def drain(self) -> list[Outcome]:
        """Cancel the items that have not begun, wait for the others, return their outcomes."""

    def call(self, function: Callable[..., T], *args: object) -> T:
        """Have a worker call a function of a module, after `drain`: it has loaded all stations.

        Raises what the function raises, and `CrashError` if the worker dies.
        """

    def close(self) -> None:
        """Release the workers, whatever they do."""


def start_pool(
    job: Job,
    stop: threading.Event,
    on_compile: OnCompile | None = None,
    starter: Starter | None = None,
) -> Pool:
    """Start `job.workers` workers, and return when they are ready.

    They are processes if there is a starter of processes. Raises `KeyboardInterrupt` if `stop` is
    set meanwhile.
    """
    if starter:
        return ProcessPool(job, stop, on_compile, starter)
    from .threads import ThreadPool  # loads all stations, which processes do

    return ThreadPool(job, stop, on_compile)


def process_items(
    pool: Pool,
    items: Iterable[Item | Outcome],
    stop: threading.Event,
    *,
    accept: Callable[[Outcome], bool],
    record: Callable[[Outcome], None],
) -> bool:
    """Process items until there are no more, or it is time to stop and none is in progress.

    Parameters
    ----------
    accept
        Takes an outcome and returns whether to go on.
    record
        Takes the outcomes of the items that were in progress when the end was decided.

    Returns
    -------
    Whether `accept` has ended it.
    """
    stopped = False
    try:
        for outcome in pool.map(items):
            if not accept(outcome):
                stopped = True
                break
    except KeyboardInterrupt:
        stop.set()
    for outcome in pool.drain():
        record(outcome)
    return stopped
