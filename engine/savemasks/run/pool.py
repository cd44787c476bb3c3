"""Workers of either kind, and how they are let go."""

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias, Union

from ..line.job import Job, Outcome
from ..projects.items import Item
from .processes import Processes

if TYPE_CHECKING:
    from .threads import Threads

Crew: TypeAlias = Union["Threads", Processes]


def hire(job: Job, workers: int, stop: threading.Event, *, processes: bool) -> Crew:
    """Get workers ready: processes, or threads of this one."""
    if processes:
        return Processes(job, workers, stop)
    from .threads import Threads  # noqa: PLC0415  (with all that a worker needs)

    return Threads(job, workers, stop)


def work(
    crew: Crew,
    items: Iterable[Item | Outcome],
    stop: threading.Event,
    *,
    told: Callable[[Outcome], bool],
    record: Callable[[Outcome], None],
) -> bool:
    """Have items worked on until there are no more, or it is time to stop and none is in hand.

    Parameters
    ----------
    told
        Takes an outcome; false ends the work.
    record
        Takes the outcomes of the items that were in hand then.

    Returns
    -------
    Whether `told` has ended the work.
    """
    stopped = False
    try:
        for outcome in crew.process(items):
            if not told(outcome):
                stopped = True
                break
    except KeyboardInterrupt:
        stop.set()
    for outcome in crew.finish():
        record(outcome)
    return stopped
