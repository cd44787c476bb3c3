"""Workers as processes, so that none waits for another's Python or dies of another's item.

Each process takes items one after the other from its pipe, in which a few wait so that it is never
idle, and sends back an outcome for each. When a process dies, it was working on the first item that
has no outcome. That item goes into quarantine: it is tried once more while nothing else runs, and
fails if its process dies again.

Processes are those of `multiprocessing`, where these may be used: not in a forked child, which may
be one of its daemons, and whose main module need not be ready to be imported once more.
"""

import gc
import multiprocessing
import os
import pickle
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from ..errors import CrashError, OutputError, SavemasksError
from ..forks import SIGNALS_OF_PARENT, Flag, FreshProcess, SeenFlag, libvips_is_lost
from ..line.job import Job, OnCompile, Outcome
from ..projects.items import Item
from ..results.lock import hold_worker_lock
from ..store.files import remove_unfinished
from ..system import Pipes, exit_reason, ignore_signals, signals_wait

_QUEUE_LENGTH = 4  # items submitted to a process, with the one in progress
_POLL_SECONDS = 0.1  # how often the stop event is looked at
_WINDOW = 64  # items per process that may be submitted beyond the first without an outcome
_GC_THRESHOLD = 100_000


@dataclass(slots=True, eq=False)
class _Worker:
    """A process, our end of its pipe, and the items submitted to it, in their order."""

    process: SpawnProcess | FreshProcess
    pipe: Connection
    items: deque[tuple[int, Item]] = field(default_factory=deque)


class ProcessPool:
    """A `Pool` of processes."""

    def __init__(
        self, job: Job, stop: threading.Event, on_compile: OnCompile | None = None
    ) -> None:
        """Start them; returns when all are ready. `on_compile` is told what they compile."""
        self._job, self._stop, self._on_compile = job, stop, on_compile
        self._context = multiprocessing.get_context("spawn")
        self._halt = Flag() if libvips_is_lost() else self._context.Event()
        self._done: dict[int, Outcome] = {}
        self._next = 0  # number of the next item whose outcome is to be yielded
        self._submitted = 0  # number of items taken from the source
        self._resubmit: deque[tuple[int, Item]] = deque()  # their process died before their turn
        self._quarantine: deque[tuple[int, Item]] = deque()  # their process died at their turn
        self._workers: list[_Worker] = []
        self._pipes = Pipes()  # each with its process
        try:
            # The first one finds the kernels on disk, or compiles them for all.
            for _ in range(job.workers):
                self._workers.append(self._start())
            for worker in self._workers:
                self._await_ready(worker)
        except BaseException:
            self.close()
            raise

    def map(self, items: Iterable[Item | Outcome]) -> Iterator[Outcome]:
        """Export items in parallel and yield their outcomes in order."""
        source = iter(items)
        while not self._stop.is_set():
            more = self._submit_items(source)
            yield from self._completed()
            if not more and not self._has_unfinished():
                return
            if any(worker.items for worker in self._workers):
                self._receive_outcomes()

    def drain(self) -> list[Outcome]:
        """Cancel the items that have not begun, wait for the others, return their outcomes."""
        self._halt.set()
        self._resubmit.clear()
        while any(worker.items for worker in self._workers):
            self._receive_outcomes()
        return [self._done[number] for number in sorted(self._done)]

    def close(self) -> None:
        """Kill all processes, whatever they do."""
        self._pipes.close()
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()

    def _start(self) -> _Worker:
        if isinstance(self._halt, Flag):
            halt = self._halt.seen
            fresh = FreshProcess(_serve, self._job, halt, inherits=(halt.descriptor,))
            return _Worker(fresh, fresh.pipe)
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._job, self._halt), name="savemasks", daemon=True
        )
        # Signals wait until the process ignores them itself.
        with signals_wait(SIGNALS_OF_PARENT):
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _await_ready(self, worker: _Worker) -> None:
        """Wait until a process has loaded its kernels."""
        while True:
            while not worker.pipe.poll(_POLL_SECONDS):
                if self._stop.is_set():
                    raise KeyboardInterrupt
            try:
                failure = _receive(worker.pipe)
            except EOFError:
                reason = _exit_reason(worker.process)
                failure = OutputError(f"a worker process {reason} at its start")
            if not isinstance(failure, tuple):
                break
            if self._on_compile:
                self._on_compile(*failure)
        if failure is not None:
            raise failure
        # From now on it sends outcomes.
        self._pipes.add(worker.pipe, worker)

    def _has_unfinished(self) -> bool:
        waiting = self._quarantine or self._resubmit or self._done
        return bool(waiting) or any(worker.items for worker in self._workers)

    def _submit_items(self, source: Iterator[Item | Outcome]) -> bool:
        """Fill the queues of the processes; return whether the source may have more items."""
        if self._quarantine:
            # One alone, so that nothing else can be the cause. The others finish first.
            if not any(worker.items for worker in self._workers):
                self._submit(self._workers[0], *self._quarantine[0])
            return True
        for length in range(_QUEUE_LENGTH):
            for worker in self._workers:
                if len(worker.items) > length:
                    continue
                if self._resubmit:
                    self._submit(worker, *self._resubmit.popleft())
                elif self._is_far_ahead():
                    return True
                elif not self._submit_next(worker, source):
                    return False
        return True

    def _submit_next(self, worker: _Worker, source: Iterator[Item | Outcome]) -> bool:
        """Submit the next item of the source; return False if there is none."""
        while (item := next(source, None)) is not None:
            number = self._submitted
            self._submitted += 1
            if not isinstance(item, Outcome):
                self._submit(worker, number, item)
                return True
            self._done[number] = item
            if self._is_far_ahead():
                return True
        return False

    def _is_far_ahead(self) -> bool:
        """Whether as many items are begun beyond the first without an outcome as may be."""
        return self._submitted >= self._next + _WINDOW * len(self._workers)

    def _submit(self, worker: _Worker, number: int, item: Item) -> None:
        worker.items.append((number, item))
        with suppress(OSError):  # a dead process is replaced by `_receive_outcomes`
            _send(worker.pipe, item)

    def _completed(self) -> Iterator[Outcome]:
        while self._next in self._done:
            outcome = self._done.pop(self._next)
            self._next += 1
            yield outcome

    def _receive_outcomes(self) -> None:
        """Take the outcomes that have arrived; wait up to the poll interval for one."""
        for worker in self._pipes.ready(_POLL_SECONDS):
            try:
                outcome = _receive(worker.pipe)
            except (EOFError, OSError):  # also in the middle of an outcome
                self._replace_dead(worker)
                continue
            number, _ = worker.items.popleft()
            if outcome is not None:
                self._done[number] = outcome
            if self._quarantine and self._quarantine[0][0] == number:
                self._quarantine.popleft()

    def _replace_dead(self, worker: _Worker) -> None:
        """Start a process in place of one that died, and see to its items."""
        self._pipes.remove(worker.pipe)
        worker.pipe.close()
        worker.process.join()
        if worker.items:
            failed = worker.items.popleft()
            for folder in self._job.folders_of(failed[1]):
                stem = failed[1].stem
                remove_unfinished(folder, worker.process.pid or 0, stem)
            self._isolate_or_fail(failed, _exit_reason(worker.process))
        if not self._halt.is_set():
            self._resubmit.extend(worker.items)
            self._start_replacement(worker)
        worker.items.clear()

    def _isolate_or_fail(self, failed: tuple[int, Item], how: str) -> None:
        """Put an item whose process died into quarantine; if it comes from there, it has failed."""
        if self._quarantine and self._quarantine[0] == failed:
            self._quarantine.popleft()
            number, item = failed
            error = CrashError(
                f"the process that worked on it {how}, twice; the item was alone the second time",
                file=item.image or item.annotation,
            )
            self._done[number] = Outcome(item, error=error)
        elif not self._halt.is_set():
            self._quarantine.append(failed)

    def _start_replacement(self, worker: _Worker) -> None:
        """Start another process in place of a dead one; go on without it if there are others."""
        fresh = self._start()
        place = self._workers.index(worker)
        self._workers[place] = fresh
        try:
            self._await_ready(fresh)
        except SavemasksError:
            if len(self._workers) == 1:
                raise
            del self._workers[place]
            fresh.pipe.close()


def _send(pipe: Connection, thing: object) -> None:
    """Do as `Connection.send` in half its time: plain data needs none of its reducers."""
    pipe.send_bytes(pickle.dumps(thing, pickle.HIGHEST_PROTOCOL))


def _receive(pipe: Connection) -> Any:
    return pickle.loads(pipe.recv_bytes())  # noqa: S301  (from our own process)


def _exit_reason(process: SpawnProcess | FreshProcess) -> str:
    process.join()
    return exit_reason(process.exitcode or 0)


def _serve(pipe: Connection, job: Job, halt: threading.Event | SeenFlag) -> None:
    """Work: export the items that come through the pipe until it is closed."""
    # The parent handles signals and sets `halt`. If it dies, the pipe is closed.
    ignore_signals(SIGNALS_OF_PARENT)

    def tell(done: int, total: int) -> None:
        with suppress(ConnectionError):  # the parent is gone, which is seen below
            _send(pipe, (done, total))

    try:
        from ..scratch import Scratch  # only workers load NumPy and Numba
        from .worker import Worker

        for root in job.roots:
            hold_worker_lock(root)
        worker, scratch = Worker(job, halt.is_set, tell), Scratch()
    except Exception as error:
        _send(pipe, error)
        return
    # Nearly all objects of this process are parsed JSON, which has no cycles to collect.
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    try:
        _send(pipe, None)
        while True:
            item = _receive(pipe)
            _send(pipe, None if halt.is_set() else worker.export(item, scratch))
    except (EOFError, ConnectionError):
        # The parent is gone. A regular exit could wait for threads of libraries.
        os._exit(0)
