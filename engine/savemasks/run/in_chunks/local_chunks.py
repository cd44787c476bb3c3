"""Chunks made by this machine: by processes, or by threads of this process.

When a process dies, all chunks that were under way are lost, and nobody knows which of them is to
blame. Each is made again while nothing else runs. If a process dies of it again, its items are
tried one by one, and those of which a process dies fail.
"""

import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Event, Thread, local
from typing import TYPE_CHECKING, Protocol

from ...errors import OutputError
from ...forks import SIGNALS_OF_PARENT
from ...line.job import OnCompile
from ...results.lock import hold_worker_lock
from ...system.child_processes import ignore_signals, signals_wait
from ..collecting import collect_rarely, uncollected
from .chunks import Chunk, ChunkResult, Work

if TYPE_CHECKING:
    from .chunk_work import ChunkWorker

_IN_FLIGHT = 3  # chunks for each worker, with the one that it makes
_POLL_SECONDS = 0.1  # how often the stop event is looked at


class Scheduler(Protocol):
    """Has chunks made by workers."""

    note: str
    """What to tell the user of it, or ""."""

    workers: int
    """How many chunks are made at a time."""

    has_lost: bool
    """Whether workers died, which may have left unfinished files."""

    def start(self) -> None:
        """Have workers load their kernels; return when one of them is ready."""

    def results(self, chunks: Iterator[Chunk]) -> Iterator[ChunkResult]:
        """Yield what becomes of chunks, as they are completed.

        Once the run's stop event is set, no more are begun. Raises `OutputError` if results have
        no place.
        """

    def close(self) -> None:
        """Release the workers; what is under way is lost."""


class LocalScheduler:
    """A `Scheduler` of this machine."""

    note = ""

    def __init__(
        self,
        work: Work,
        stop: Event,
        on_compile: OnCompile | None = None,
        *,
        processes: bool,
    ) -> None:
        """Prepare; nothing is started yet."""
        self._work, self._stop, self.workers = work, stop, work.job.workers
        self._temporary = tempfile.TemporaryDirectory(prefix="savemasks-")
        self._folder = Path(self._temporary.name)
        self.has_lost = False
        self._processes, self._on_compile = processes, on_compile
        self._in_flight: dict[Future[ChunkResult], Chunk] = {}
        self._alone: deque[Chunk] = deque()  # each of these is made while nothing else is
        self._make: Callable[[Chunk], ChunkResult] = _make
        self._executor = self._new_executor()

    def start(self) -> None:
        """Load the kernels, or have a process do it."""
        if self._processes:
            self._await_ready()
            return
        from .chunk_work import ChunkWorker  # loads all stations, which processes do

        worker = ChunkWorker(self._work, self._folder, self._on_compile)
        self._make = partial(_make_by, worker)

    def results(self, chunks: Iterator[Chunk]) -> Iterator[ChunkResult]:
        """Yield what becomes of chunks, as they are completed."""
        is_exhausted = False
        while True:
            while not is_exhausted and not self._stop.is_set() and self._has_room:
                chunk = next(chunks, None)
                is_exhausted = chunk is None
                if chunk is not None:
                    self._submit(chunk)
            if self._alone and not self._in_flight and not self._stop.is_set():
                yield self._make_alone(self._alone.popleft())
            elif not self._in_flight and (is_exhausted or self._stop.is_set()):
                return
            if self._stop.is_set():
                self._cancel()
            yield from self._completed()

    @property
    def _has_room(self) -> bool:
        return not self._alone and len(self._in_flight) < _IN_FLIGHT * self.workers

    def _submit(self, chunk: Chunk) -> None:
        with signals_wait(SIGNALS_OF_PARENT):  # a process that starts ignores them later
            try:
                self._in_flight[self._executor.submit(self._make, chunk)] = chunk
            except BrokenProcessPool:
                self._alone.append(chunk)
                self._restart()

    def _cancel(self) -> None:
        for future in [future for future in self._in_flight if future.cancel()]:
            del self._in_flight[future]

    def _completed(self) -> Iterator[ChunkResult]:
        """What is completed within the poll interval."""
        if not self._in_flight:
            return
        done, _ = wait(self._in_flight, _POLL_SECONDS, FIRST_COMPLETED)
        is_broken = False
        for future in done:
            chunk = self._in_flight.pop(future)
            try:
                yield future.result()
            except BrokenProcessPool:
                is_broken = True
                self._alone.append(chunk)
        if is_broken:
            self._restart()

    def _restart(self) -> None:
        """Start other processes in place of those of which one died."""
        self.has_lost = True
        self._alone.extend(self._in_flight.values())
        self._in_flight.clear()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._executor = self._new_executor()

    def _make_alone(self, chunk: Chunk) -> ChunkResult:
        result = self._try_alone(chunk)
        if result is not None:
            return result
        guilty = [n for n in range(len(chunk.items)) if self._try_alone(chunk.probe(n)) is None]
        again = replace(chunk, dead=frozenset(guilty or range(len(chunk.items))))
        result = self._try_alone(again)
        if result is None:
            raise OutputError("worker processes die, whatever they do")
        return result

    def _try_alone(self, chunk: Chunk) -> ChunkResult | None:
        """Make a chunk; None if the process dies of it."""
        self._submit(chunk)
        (future,) = self._in_flight
        del self._in_flight[future]
        try:
            return future.result()
        except BrokenProcessPool:
            self._restart()
            return None

    def _new_executor(self) -> Executor:
        if not self._processes:
            return ThreadPoolExecutor(self.workers, "savemasks")
        context = get_context("spawn")
        return ProcessPoolExecutor(
            self.workers, context, _begin_process, (self._work, self._folder)
        )

    def _await_ready(self) -> None:
        """Wait until a process has its kernels: the first one finds them, or compiles them."""
        with signals_wait(SIGNALS_OF_PARENT):
            future = self._executor.submit(_are_ready)
        while not future.done():
            wait([future], _POLL_SECONDS)
            if self._stop.is_set():
                raise KeyboardInterrupt
        try:
            future.result()
        except BrokenProcessPool as error:
            raise OutputError("a worker process died at its start") from error

    def close(self) -> None:
        """End the workers."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._temporary.cleanup()


_of_process: dict[str, "ChunkWorker"] = {}
_of_thread = local()


def _begin_process(work: Work, folder: Path) -> None:
    """Load the kernels; the parent handles signals."""
    ignore_signals(SIGNALS_OF_PARENT)
    own = tempfile.mkdtemp(dir=folder)
    Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    with uncollected():
        from .chunk_work import ChunkWorker

    for root in work.roots:
        if root.folder is not None:
            hold_worker_lock(root.folder, work.part)
    _of_process["worker"] = ChunkWorker(work, Path(own))
    collect_rarely()


def _end_with_parent(folder: Path) -> None:
    """End this process when its parent has ended, which the executor would not notice."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _are_ready() -> bool:
    return bool(_of_process)


def _make(chunk: Chunk) -> ChunkResult:
    return _make_by(_of_process["worker"], chunk)


def _make_by(worker: "ChunkWorker", chunk: Chunk) -> ChunkResult:
    from ...scratch import Scratch

    scratch = getattr(_of_thread, "scratch", None)
    if scratch is None:
        scratch = _of_thread.scratch = Scratch()
    return worker.run(chunk, scratch)
