"""The side of a worker process: items come through its pipe, outcomes go back.

A message to it is a list of items, with the samples before them that it is to place, or a function
to call, with its arguments. The leading process imports this module, so it loads nothing heavy.
"""

import gc
import os
import pickle
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from ..forks import SIGNALS_OF_PARENT, SeenFlag
from ..line.job import Job
from ..projects.items import Item
from ..results.lock import hold_worker_lock
from ..system import has_message, ignore_signals
from .held import Placement

GC_THRESHOLD = 100_000


def send(pipe: Connection, thing: object) -> None:
    """Do as `Connection.send` in half its time: plain data needs none of its reducers."""
    pipe.send_bytes(pickle.dumps(thing, pickle.HIGHEST_PROTOCOL))


def receive(pipe: Connection) -> Any:
    """Wait for what comes next."""
    return pickle.loads(pipe.recv_bytes())  # noqa: S301  (from our own process)


def serve(pipe: Connection, job: Job, halt: threading.Event | SeenFlag) -> None:
    """Work: export the items that come through the pipe until it is closed."""
    # The parent handles signals and sets `halt`. If it dies, the pipe is closed.
    ignore_signals(SIGNALS_OF_PARENT)

    def tell(done: int, total: int) -> None:
        with suppress(ConnectionError):  # the parent is gone, which is seen below
            send(pipe, (done, total))

    try:
        from ..scratch import Scratch  # only workers load NumPy and Numba
        from .worker import Worker

        for root in job.roots:
            hold_worker_lock(root, job.part)
        worker, scratch = Worker(job, halt.is_set, tell), Scratch()
    except Exception as error:
        send(pipe, error)
        return
    # Nearly all objects of this process are parsed JSON, which has no cycles to collect.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
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
                if placements := [task for task in message if isinstance(task, Placement)]:
                    send(pipe, [worker.place(each) for each in placements])
            item = items.popleft()
            outcome = None if halt.is_set() else worker.export(item, scratch)
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
