"""Starting worker processes: the first one before it is known what there is to do.

A process takes most of a second to load what it needs, in which the leading one reads the
configuration and the projects.

Processes are those of `multiprocessing`, where these may be used: not in a forked child, which may
be one of its daemons, and whose main module need not be ready to be imported once more.
"""

import multiprocessing
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from ..forks import SIGNALS_OF_PARENT, Flag, FreshProcess, libvips_is_lost
from ..system.child_processes import signals_wait
from .serving import serve

Started = tuple[SpawnProcess | FreshProcess, Connection]
"""A process, and our end of its pipe."""


class Starter:
    """Starts processes, which wait for a job; one that nobody takes is killed in the end."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self.halt = Flag()
        self._waiting: Started | None = None

    def begin(self) -> None:
        """Start the process that `start` returns first."""
        with signals_wait(SIGNALS_OF_PARENT):  # so that `close` knows of it whatever comes
            self._waiting = self._start()

    def start(self) -> Started:
        """Start a process, or take the one that was started before."""
        waiting, self._waiting = self._waiting, None
        return waiting or self._start()

    def close(self) -> None:
        """Kill the process that nobody took."""
        if self._waiting:
            process, pipe = self._waiting
            self._waiting = None
            process.kill()
            process.join()
            pipe.close()

    def _start(self) -> Started:
        if libvips_is_lost():
            halt = self.halt.reader.fileno()
            fresh = FreshProcess(_serve_with_inherited, halt, inherits=(halt,))
            return fresh, fresh.pipe
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=serve, args=(theirs, self.halt.reader), name="savemasks", daemon=True
        )
        try:
            # Signals wait until the process ignores them itself.
            with signals_wait(SIGNALS_OF_PARENT):
                process.start()
        except BaseException:  # one that has waited
            if process.pid is not None:
                process.kill()
                process.join()
            raise
        theirs.close()
        return process, ours


def _serve_with_inherited(pipe: Connection, halt: int) -> None:
    serve(pipe, Connection(halt, writable=False))


@contextmanager
def first_process(*, processes: bool) -> Iterator[Starter | None]:
    """Start the first process of a pool while nobody knows yet what there is to do.

    None if workers are threads. In a forked child they are processes in any case, for libvips does
    not work there.
    """
    if not (processes or libvips_is_lost()):
        yield None
        return
    with closing(Starter()) as starter:
        starter.begin()
        yield starter
