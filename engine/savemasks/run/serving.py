"""The side of a worker process: items come through its pipe, outcomes go back.

A message to it is a list of items, with the samples before them that it is to place, or a function
to call, with its arguments. The leading process imports this module before anything else, so that
the first process starts at once: it loads nothing heavy.
"""

import os
import pickle
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from ..forks import SIGNALS_OF_PARENT
from ..system.child_processes import ignore_signals
from ..system.pipes import has_message
from .collecting import collect_rarely, uncollected

if TYPE_CHECKING:
    from ..line.job import Job


def send(pipe: Connection, thing: object) -> None:
    """Do as `Connection.send` in half its time: plain data needs none of its reducers."""
    pipe.send_bytes(pickle.dumps(thing, pickle.HIGHEST_PROTOCOL))


def receive(pipe: Connection) -> Any:
    """Wait for what comes next."""
    return pickle.loads(pipe.recv_bytes())  # noqa: S301  (from our own process)


def serve(pipe: Connection, halt: Connection) -> None:
    """Work: export the items that come through the pipe, behind the job, until it is closed."""
    # The parent handles signals and sets the flag of which `halt` is the reader. If it dies, both
    # pipes are closed.
    ignore_signals(SIGNALS_OF_PARENT)
    halted = partial(has_message, halt)

    def tell(done: int, total: int) -> None:
        with suppress(ConnectionError):  # the parent is gone, which is seen below
            send(pipe, (done, total))

    try:
        # Only workers load NumPy and Numba.
        with uncollected():
            from ..projects.items import Item
            from ..results.lock import hold_worker_lock
            from ..scratch import Scratch
            from ..store.packs import Sample
            from .worker import Worker

        job: Job = receive(pipe)
        for root in job.roots:
            hold_worker_lock(root, job.part)
        worker, scratch = Worker(job, halted, tell), Scratch()
    except EOFError:  # the parent has no job for it
        os._exit(0)
    except Exception as error:
        send(pipe, error)
        return
    collect_rarely()
    try:
        send(pipe, None)
        items: deque[Item] = deque()
        while True:
            # Between two items it looks for samples that it is to place.
            while not items or (job.pack and has_message(pipe)):
                message = receive(pipe)
                if isinstance(message, tuple):
                    send(pipe, _called(*message))
                    continue
                items.extend(task for task in message if isinstance(task, Item))
                if placements := [task for task in message if isinstance(task, tuple)]:
                    send(pipe, [worker.place(Sample._make(s), *where) for s, *where in placements])
            item = items.popleft()
            outcome = None if halted() else worker.export(item, scratch)
            send(pipe, outcome and outcome.packed())
    except (EOFError, ConnectionError):
        # The parent is gone. A regular exit could wait for threads of libraries.
        os._exit(0)


def _called(function: Callable[..., object], args: tuple[object, ...]) -> tuple[object, object]:
    """Call a function; return its error or None, and its result."""
    try:
        return None, function(*args)
    except Exception as error:
        return error, None
