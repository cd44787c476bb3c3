"""Workers as processes of their own, so that none waits for another's Python, or dies of its item.

Each process takes items one after the other from its pipe, in which a few are waiting so that it
is never idle, and sends back an outcome for each. When a process dies, the item in its hands is the
first that has no outcome: it is tried once more while nothing else runs, and then given up.
"""

import gc
import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from ..errors import CrashError, OutputError, SavemasksError
from ..line.job import Job, Outcome
from ..projects.supervisely import Item
from ..results.lock import hold_as_worker
from ..store.files import remove_unfinished
from ..system import Pipes, ignore_signals, signal_name, signals_wait

_AHEAD = 4  # items given to a process, with the one in its hands
_BLINK = 0.1  # seconds after which a request to stop is seen
# How far the outcomes may run ahead of the first that is missing, per process.
_WINDOW = 64
_FEW_COLLECTIONS = 100_000
_NOT_FOR_WORKERS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True, eq=False)
class _Process:
    """A process, our end of its pipe, and the items it was given, in its order."""

    process: SpawnProcess
    pipe: Connection
    items: deque[tuple[int, Item]] = field(default_factory=deque)


class Processes:
    """Processes, and the items that are under way."""

    def __init__(self, job: Job, workers: int, stop: threading.Event) -> None:
        """Start them; returns when all are ready."""
        self._job, self._stop = job, stop
        self._context = multiprocessing.get_context("spawn")
        self._halt = self._context.Event()
        self._done: dict[int, Outcome] = {}
        self._next = 0  # number of the first item whose outcome was not yielded
        self._given = 0  # number of the first item that nobody was given
        self._again: deque[tuple[int, Item]] = deque()  # their process died before their turn
        self._suspects: deque[tuple[int, Item]] = deque()  # their process died of them, perhaps
        self._crew: list[_Process] = []
        self._pipes = Pipes()  # of the crew
        try:
            # The first one finds the kernels on disk, or compiles them for all.
            for _ in range(workers):
                self._crew.append(self._start())
            for member in self._crew:
                self._await_ready(member)
        except BaseException:
            self.close()
            raise

    def process(self, items: Iterable[Item | Outcome]) -> Iterator[Outcome]:
        """Export items in parallel; yield their outcomes in order, with those that are known.

        Ends early once `stop` is set.
        """
        source = iter(items)
        while not self._stop.is_set():
            more = self._hand_out(source)
            yield from self._in_order()
            if not more and not self._is_busy():
                return
            self._collect()

    def finish(self) -> list[Outcome]:
        """Drop the items that have not begun, wait for the others and return their outcomes."""
        self._halt.set()
        self._again.clear()
        while any(member.items for member in self._crew):
            self._collect()
        return [self._done[number] for number in sorted(self._done)]

    def close(self) -> None:
        """End all processes at once, whatever they do."""
        self._pipes.close()
        for member in self._crew:
            member.process.kill()
        for member in self._crew:
            member.process.join()
            member.pipe.close()

    def _start(self) -> _Process:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._job, self._halt), name="savemasks", daemon=True
        )
        # Until it can say that signals are not for it, they wait.
        with signals_wait(_NOT_FOR_WORKERS):
            process.start()
        theirs.close()
        return _Process(process, ours)

    def _await_ready(self, member: _Process) -> None:
        """Wait until a process has loaded its kernels."""
        while not member.pipe.poll(_BLINK):
            if self._stop.is_set():
                raise KeyboardInterrupt
        try:
            failure = _receive(member.pipe)
        except EOFError:
            failure = OutputError(f"a worker process {_how_it_ended(member.process)} at its start")
        if failure is not None:
            raise failure
        # What comes now are outcomes.
        self._pipes.add(member.pipe, member)

    def _is_busy(self) -> bool:
        waiting = self._suspects or self._again or self._done
        return bool(waiting) or any(member.items for member in self._crew)

    def _hand_out(self, source: Iterator[Item | Outcome]) -> bool:
        """Give items to those that have few; say whether the source may have more of them."""
        if self._suspects:
            # Alone, so that nothing else can be to blame. Until then nobody gets anything.
            if not any(member.items for member in self._crew):
                self._give(self._crew[0], *self._suspects[0])
            return True
        for place in range(_AHEAD):
            for member in self._crew:
                if len(member.items) > place:
                    continue
                if self._again:
                    self._give(member, *self._again.popleft())
                elif self._given >= self._next + _WINDOW * len(self._crew):
                    return True
                elif not self._give_next(member, source):
                    return False
        return True

    def _give_next(self, member: _Process, source: Iterator[Item | Outcome]) -> bool:
        """Give the next item of the source; False if there is none."""
        for item in source:
            number = self._given
            self._given += 1
            if isinstance(item, Outcome):
                self._done[number] = item
                continue
            self._give(member, number, item)
            return True
        return False

    def _give(self, member: _Process, number: int, item: Item) -> None:
        member.items.append((number, item))
        with suppress(OSError):  # if it is dead, `_collect` will see
            _send(member.pipe, item)

    def _in_order(self) -> Iterator[Outcome]:
        while self._next in self._done:
            outcome = self._done.pop(self._next)
            self._next += 1
            yield outcome

    def _collect(self) -> None:
        """Take the outcomes that have come; wait a moment for one."""
        for member in self._pipes.ready(_BLINK):
            try:
                outcome = _receive(member.pipe)
            except (EOFError, OSError):  # also in the middle of a message
                self._replace(member)
                continue
            number, _ = member.items.popleft()
            if outcome is not None:
                self._done[number] = outcome
            if self._suspects and self._suspects[0][0] == number:
                self._suspects.popleft()

    def _replace(self, member: _Process) -> None:
        """Put another process in the place of one that died, and look after its items."""
        self._pipes.remove(member.pipe)
        member.pipe.close()
        member.process.join()
        if member.items:
            culprit = member.items.popleft()
            remove_unfinished(self._job.root / culprit[1].dataset, member.process.pid or 0)
            self._accuse(culprit, _how_it_ended(member.process))
        if not self._halt.is_set():
            self._again.extend(member.items)
            self._fill_place(member)
        member.items.clear()

    def _accuse(self, culprit: tuple[int, Item], how: str) -> None:
        """Give up an item of which a process has died, if that was the second time."""
        if self._suspects and self._suspects[0] == culprit:
            self._suspects.popleft()
            number, item = culprit
            error = CrashError(
                f"the process that worked on it {how}, twice; the item was alone the second time",
                file=item.image or item.annotation,
            )
            self._done[number] = Outcome(item, error=error)
        elif not self._halt.is_set():
            self._suspects.append(culprit)

    def _fill_place(self, member: _Process) -> None:
        """Start another process in the place of one; without, if there are others and it fails."""
        fresh = self._start()
        place = self._crew.index(member)
        self._crew[place] = fresh
        try:
            self._await_ready(fresh)
        except SavemasksError:
            if len(self._crew) == 1:
                raise
            del self._crew[place]
            fresh.pipe.close()


def _send(pipe: Connection, thing: object) -> None:
    """As `Connection.send`, in half its time, for what needs none of its own picklers."""
    pipe.send_bytes(pickle.dumps(thing, pickle.HIGHEST_PROTOCOL))


def _receive(pipe: Connection) -> Any:
    return pickle.loads(pipe.recv_bytes())  # noqa: S301  (from a process of ours)


def _how_it_ended(process: SpawnProcess) -> str:
    process.join()
    code = process.exitcode or 0
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal_name(-code)
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _serve(pipe: Connection, job: Job, halt: threading.Event) -> None:
    """Be a worker: export what comes through the pipe until it is closed."""
    # Whoever started us is told to stop, and tells us. If it dies, the pipe ends.
    ignore_signals(_NOT_FOR_WORKERS)
    try:
        from ..scratch import Scratch  # noqa: PLC0415  (NumPy and Numba are for workers only)
        from .worker import Worker  # noqa: PLC0415

        hold_as_worker(job.root)
        worker, scratch = Worker(job, halt), Scratch()
    except Exception as error:
        _send(pipe, error)
        return
    # Parsed JSON has no cycles, and by far the most objects of this process are parsed JSON.
    gc.freeze()
    gc.set_threshold(_FEW_COLLECTIONS)
    try:
        _send(pipe, None)
        while True:
            item = _receive(pipe)
            _send(pipe, None if halt.is_set() else worker.export(item, scratch))
    except (EOFError, ConnectionError):
        # Nobody is there any more. The interpreter's own end could wait for threads of libraries.
        os._exit(0)
