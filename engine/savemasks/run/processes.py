"""Workers as processes, so that none waits for another's Python or dies of another's item.

Each process takes items from its pipe, in which some wait so that it is never idle, and sends back
an outcome for each as soon as there is one. Items that take a millisecond are submitted, and their
outcomes taken, several at a time: to wake a process costs as much as to record ten outcomes.

When a process dies, it was working on the first item that has no outcome. That item goes into
quarantine: it is tried once more while nothing else runs, and fails if its process dies again.
"""

import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from time import sleep
from typing import Any, TypeVar

from ..errors import CrashError, OutputError, SavemasksError
from ..forks import FreshProcess
from ..line.job import Job, OnCompile, Outcome
from ..projects.items import Item
from ..projects.parts import unfinished_mark
from ..store.files import remove_unfinished
from ..system.child_processes import exit_reason
from ..system.pipes import Pipes
from .held import HeldSamples, Holder
from .serving import receive, send
from .starting import Starter

T = TypeVar("T")

_QUEUE_LENGTH = 4  # items submitted to a process, with the one in progress: at least so many,
_LONGEST_QUEUE = 128  # at most so many,
_QUEUE_SECONDS = 0.16  # and as many as take so long
_QUEUE_LETTERS = 1 << 14  # of their paths at most: two full pipes would wait for each other
_POLL_SECONDS = 0.1  # how often the stop event is looked at
_WINDOW = 256  # items per process that may be submitted beyond the first without an outcome
_SMOOTHING = 0.1  # weight of an item in the mean of their seconds


@dataclass(slots=True, eq=False)
class _Worker:
    """A process, our end of its pipe, and the items submitted to it, in their order."""

    process: SpawnProcess | FreshProcess
    pipe: Connection
    items: deque[tuple[int, Item]] = field(default_factory=deque)
    letters: int = 0  # of the items' paths
    holder: Holder = field(default_factory=Holder)

    @property
    def is_busy(self) -> bool:
        """Whether something is to come from it."""
        return bool(self.items or self.holder.placing)

    def add(self, number: int, item: Item) -> Item:
        """Add an item that is about to be submitted, and return it."""
        self.items.append((number, item))
        self.letters += _letters(item)
        return item

    def take(self) -> tuple[int, Item]:
        """Take the item that it has worked on first."""
        numbered = self.items.popleft()
        self.letters -= _letters(numbered[1])
        return numbered


class ProcessPool:
    """A `Pool` of processes."""

    def __init__(
        self,
        job: Job,
        stop: threading.Event,
        on_compile: OnCompile | None = None,
        starter: Starter | None = None,
    ) -> None:
        """Start them; returns when all are ready.

        `on_compile` is told what they compile; `starter` may have started the first one.
        """
        self._job, self._stop, self._on_compile = job, stop, on_compile
        self._starter = starter or Starter()
        self._halt = self._starter.halt
        self._done: dict[int, Outcome] = {}
        self._next = 0  # number of the next item whose outcome is to be yielded
        self._submitted = 0  # number of items taken from the source
        self._is_exhausted = False  # the source
        self._seconds = _QUEUE_SECONDS  # that an item takes, about
        self._resubmit: deque[tuple[int, Item]] = deque()  # their process died before their turn
        self._quarantine: deque[tuple[int, Item]] = deque()  # their process died at their turn
        self._samples = HeldSamples()
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
            yield from self._completed()
            yield from self._samples.placed()
            self._submit_all(source)
            if self._are_busy():
                self._let_gather()
                self._receive()
            elif self._is_exhausted and not self._has_unfinished():
                return

    def place(self, outcome: Outcome) -> None:
        """Have the process that holds the sample of an outcome write it where it belongs."""
        self._samples.place(outcome)

    def drain(self) -> list[Outcome]:
        """Cancel the items that have not begun, wait for the others, return their outcomes."""
        self._halt.set()
        self._resubmit.clear()
        self._samples.give_up()
        for worker in self._workers:
            self._submit(worker, [])
        while self._are_busy():
            self._receive()
        return [*self._samples.placed(), *(self._done[number] for number in sorted(self._done))]

    def call(self, function: Callable[..., T], *args: object) -> T:
        """Have a process call a function of a module, after `drain`.

        Raises what the function raises, and `CrashError` if the process dies.
        """
        worker = self._workers[0]
        try:
            send(worker.pipe, (function, args))
            error, result = receive(worker.pipe)
        except (EOFError, OSError) as failure:
            raise CrashError(f"a worker process {_exit_reason(worker.process)}") from failure
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def close(self) -> None:
        """Kill all processes, whatever they do."""
        self._pipes.close()
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()

    def _start(self) -> _Worker:
        """Start a process, or take one that was started, and tell it what the job is."""
        worker = _Worker(*self._starter.start())
        with suppress(OSError):  # a dead process is seen by `_await_ready`
            send(worker.pipe, self._job)
        return worker

    def _await_ready(self, worker: _Worker) -> None:
        """Wait until a process has loaded its kernels."""
        while True:
            while not worker.pipe.poll(_POLL_SECONDS):
                if self._stop.is_set():
                    raise KeyboardInterrupt
            try:
                failure = receive(worker.pipe)
            except (EOFError, ConnectionError):  # the latter if it has not read what the job is
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

    def _are_busy(self) -> bool:
        return any(worker.is_busy for worker in self._workers)

    def _has_unfinished(self) -> bool:
        return bool(self._quarantine or self._resubmit or self._done or self._samples)

    def _submit_all(self, source: Iterator[Item | Outcome]) -> None:
        """Submit what is to be placed, and items that fill the queues of the processes."""
        batches: list[list[Item]] = [[] for _ in self._workers]
        if not self._quarantine:
            self._fill(batches, source)
        elif not any(worker.items for worker in self._workers):
            # One alone, so that nothing else can be the cause. The others finish first.
            batches[0].append(self._workers[0].add(*self._quarantine[0]))
        for worker, batch in zip(self._workers, batches, strict=True):
            self._submit(worker, batch)

    def _fill(self, batches: list[list[Item]], source: Iterator[Item | Outcome]) -> None:
        """Take the next items: first one for each process that has none, then for the others."""
        for waiting in range(self._queue_length()):
            for worker, batch in zip(self._workers, batches, strict=True):
                if len(worker.items) != waiting or worker.letters > _QUEUE_LETTERS:
                    continue
                numbered = self._next_item(source)
                if numbered is None:
                    return
                batch.append(worker.add(*numbered))

    def _queue_length(self) -> int:
        """How many items may be submitted to a process."""
        quick = int(_QUEUE_SECONDS / max(self._seconds, 1e-9))
        return max(_QUEUE_LENGTH, min(quick, _LONGEST_QUEUE))

    def _next_item(self, source: Iterator[Item | Outcome]) -> tuple[int, Item] | None:
        """The next item and its number, unless there is none, or none may be submitted now."""
        if self._resubmit:
            return self._resubmit.popleft()
        while not self._is_far_ahead() and not self._is_exhausted:
            item = next(source, None)
            if item is None:
                self._is_exhausted = True
                break
            number = self._submitted
            self._submitted += 1
            if not isinstance(item, Outcome):
                return number, item
            self._done[number] = item
        return None

    def _is_far_ahead(self) -> bool:
        """Whether as many items are begun beyond the first without an outcome as may be."""
        return self._submitted >= self._next + _WINDOW * len(self._workers)

    def _submit(self, worker: _Worker, batch: list[Item]) -> None:
        """Submit what is to be placed by a process, and items."""
        if message := [*worker.holder.next_placements(), *batch]:
            with suppress(OSError):  # a dead process is replaced by `_receive`
                send(worker.pipe, message)

    def _completed(self) -> Iterator[Outcome]:
        while self._next in self._done:
            outcome = self._done.pop(self._next)
            self._next += 1
            yield outcome

    def _let_gather(self) -> None:
        """Let some outcomes of quick items gather, while every process has enough to do."""
        length = self._queue_length()
        if length > _QUEUE_LENGTH and all(
            len(worker.items) > length // 2 for worker in self._workers
        ):
            sleep(length * self._seconds / 2.5)

    def _receive(self) -> None:
        """Take what has arrived; wait up to the poll interval for something."""
        for worker in self._pipes.ready(_POLL_SECONDS):
            try:
                messages = self._pipes.read(worker.pipe)
            except (EOFError, OSError):  # also in the middle of an outcome
                self._replace_dead(worker)
                continue
            for message in messages:
                answer = pickle.loads(message)  # noqa: S301  (from our own process)
                if isinstance(answer, list):
                    self._samples.take_answers(worker.holder, answer)
                else:
                    self._take(worker, answer)

    def _take(self, worker: _Worker, packed: tuple[Any, ...] | None) -> None:
        """Take the outcome of a process's first item; None if that was given up."""
        number, item = worker.take()
        if packed is not None:
            outcome = Outcome.unpacked(item, packed)
            self._seconds += _SMOOTHING * (sum(outcome.seconds.values()) - self._seconds)
            self._complete(number, outcome, worker.holder)
        if self._quarantine and self._quarantine[0][0] == number:
            self._quarantine.popleft()

    def _complete(self, number: int, outcome: Outcome, holder: Holder | None) -> None:
        outcome.number = number
        if self._samples.add(outcome, holder):
            self._done[number] = outcome

    def _replace_dead(self, worker: _Worker) -> None:
        """Start a process in place of one that died, and see to its items."""
        self._pipes.remove(worker.pipe)
        worker.pipe.close()
        worker.process.join()
        if worker.items:
            failed = worker.take()
            for folder in self._job.folders_of(failed[1]):
                stem = failed[1].stem
                mark = unfinished_mark(self._job.part)
                remove_unfinished(folder, worker.process.pid or 0, stem, mark)
            self._isolate_or_fail(failed, _exit_reason(worker.process))
        lost = self._samples.lose(worker.holder)
        for number, _ in lost:
            self._done.pop(number, None)
        if not self._halt.is_set():
            self._resubmit.extend([*lost, *worker.items])
            self._start_replacement(worker)
        worker.items.clear()
        worker.holder.placing.clear()

    def _isolate_or_fail(self, failed: tuple[int, Item], how: str) -> None:
        """Put an item whose process died into quarantine; if it comes from there, it has failed."""
        if self._quarantine and self._quarantine[0] == failed:
            self._quarantine.popleft()
            number, item = failed
            error = CrashError(
                f"the process that worked on it {how}, twice; the item was alone the second time",
                file=item.image or item.annotation,
            )
            self._complete(number, Outcome(item, error=error), None)
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


def _letters(item: Item) -> int:
    return len(item.image or "") + len(item.annotation or "")


def _exit_reason(process: SpawnProcess | FreshProcess) -> str:
    process.join()
    return exit_reason(process.exitcode or 0)
