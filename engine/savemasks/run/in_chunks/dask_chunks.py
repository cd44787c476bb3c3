"""Chunks made by the workers of a Dask cluster.

Every worker loads its kernels when the run begins, or when it joins the cluster, before it takes
work: machine code is kept by the kind of processor, so workers of different kinds share none. The
scheduler sees a task for each chunk, of which few wait at a time.

What travels is pickled: chunks, with addresses as they were given, and what became of them. Keys
and representations, which a scheduler shows and logs, have no addresses.
"""

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, local
from typing import TYPE_CHECKING

from ...errors import OutputError, printable
from ..log import LOGGER
from .chunks import VERSION, Chunk, ChunkResult, Work

try:
    from distributed import Client, LocalCluster, WorkerPlugin, get_worker, wait
    from distributed.comm import get_address_host_port
    from distributed.scheduler import KilledWorker
except ImportError as _error:
    raise OutputError("--cluster needs Dask: pip install 'savemasks[cluster]'") from _error

if TYPE_CHECKING:
    from distributed import Future, Worker

    from .chunk_work import ChunkWorker

_IN_FLIGHT = 2  # chunks for each thread of a worker, with the one that it makes
_POLL_SECONDS = 0.2  # how often the stop event is looked at
_PATIENCE = 30.0  # seconds in which a scheduler answers, and the first worker comes
_MEMORY_SHARE = 0.5  # of a worker's memory, for large pictures


class DaskScheduler:
    """A `Scheduler` that has the workers of a cluster make chunks.

    Attributes
    ----------
    note
        Where the dashboard is.
    workers
        How many chunks are made at a time.
    has_lost
        Whether a worker is gone.
    """

    def __init__(self, address: str, work: Work, stop: Event) -> None:
        """Connect to a cluster that has workers. Nothing is loaded yet.

        Parameters
        ----------
        address
            Of the scheduler, or "local" for a cluster of this machine.
        work
            What all chunks have in common.
        stop
            Ends the run.

        Raises
        ------
        OutputError
            If there is no scheduler or no worker, or workers have another version.
        """
        self._stop, self._shown = stop, printable(address)
        self._cluster: LocalCluster | None = None
        self._run = uuid.uuid4().hex[:8]
        self._in_flight: dict[Future, Chunk] = {}
        self._tries = 0
        self._seen: set[str] = set()  # addresses of workers
        self.has_lost = False
        self._work, self.workers = work, 1
        self._client = self._connected(address, work)
        try:
            self._await_worker()
            self._check_versions()
        except BaseException:
            self.close()
            raise
        self.note = f"{self._threads()} workers of {self._shown}: {self._client.dashboard_link}"

    def _connected(self, address: str, work: Work) -> "Client":
        if address == "local":
            self._cluster = LocalCluster(
                n_workers=work.job.workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",  # ":0" would answer other machines
            )
            return Client(self._cluster, set_as_default=False)
        try:
            get_address_host_port(address)  # for a `Client` that fails so waits at its end
        except ValueError as error:
            raise OutputError(
                f"--cluster {self._shown}: is no address of a Dask scheduler ({error}); it looks"
                " like tcp://host:8786"
            ) from error
        try:
            return Client(address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise OutputError(
                f"--cluster {self._shown}: no Dask scheduler answers there ({error}); start one"
                " with `dask scheduler`, or say --cluster local"
            ) from error

    def start(self) -> None:
        """Have all workers load their kernels, also those that come later."""
        self._client.register_plugin(Chunks(self._work), name=self._plugin)

    def _await_worker(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise OutputError(
                f"--cluster {self._shown}: has no workers: start some, with `dask worker`"
            ) from error

    def _check_versions(self) -> None:
        """Raise `OutputError` if workers have another version of this package, or none."""
        found = self._client.run(_version, on_error="return")
        wrong = {address: said for address, said in found.items() if said != VERSION}
        if not wrong:
            return
        address, said = next(iter(wrong.items()))
        there = f"has savemasks {said}" if isinstance(said, str) else f"has no savemasks ({said})"
        raise OutputError(
            f"--cluster {self._shown}: {len(wrong)} of {len(found)} workers differ:"
            f" {address} {there}, and here is {VERSION}; install the same everywhere"
        )

    @property
    def _plugin(self) -> str:
        return f"savemasks-{self._run}"

    def _threads(self) -> int:
        """How many chunks are made at a time."""
        threads: dict[str, int] = self._client.nthreads()
        self.has_lost |= not self._seen <= threads.keys()
        self._seen |= threads.keys()
        self.workers = max(1, sum(threads.values()))
        return self.workers

    # ------------------------------------------------------------ chunks

    def results(self, chunks: Iterator[Chunk]) -> Iterator[ChunkResult]:
        """Yield what becomes of chunks, as they are completed."""
        try:
            yield from self._results(chunks)
        except OutputError:
            raise
        except (OSError, CancelledError, asyncio.CancelledError) as error:
            raise OutputError(
                f"--cluster {self._shown}: the scheduler was lost ({type(error).__name__}): what is"
                " done is kept; run the same again to go on"
            ) from error

    def _results(self, chunks: Iterator[Chunk]) -> Iterator[ChunkResult]:
        is_exhausted = False
        room = _IN_FLIGHT * self._threads()
        while True:
            while not (is_exhausted or self._stop.is_set()) and len(self._in_flight) < room:
                chunk = next(chunks, None)
                is_exhausted = chunk is None
                if chunk is not None:
                    self._submit(chunk)
            if not self._in_flight and (is_exhausted or self._stop.is_set()):
                return
            if self._in_flight:
                yield from self._completed()
            if self._client.status != "running":
                raise OSError("closed")
            room = _IN_FLIGHT * self._threads()  # workers come and go

    def _submit(self, chunk: Chunk) -> "Future":
        self._tries += 1
        key = f"savemasks-{self._run}-{chunk.number}-{self._tries}"
        future = self._client.submit(_make, self._plugin, chunk, key=key, pure=False)
        self._in_flight[future] = chunk
        return future

    def _completed(self) -> Iterator[ChunkResult]:
        """What is completed within the poll interval."""
        with suppress(TimeoutError), self._client.as_current():
            wait(list(self._in_flight), timeout=_POLL_SECONDS, return_when="FIRST_COMPLETED")
        for future in [future for future in self._in_flight if future.done()]:
            chunk = self._in_flight.pop(future)
            error = None if future.status == "finished" else _error_of(future)
            if error is None:
                yield future.result()
            elif isinstance(error, KilledWorker):
                LOGGER.warning("workers died of %r: its items are tried one by one", chunk)
                self._examine(chunk)
            else:
                raise error
            future.release()

    def _examine(self, chunk: Chunk) -> None:
        """Find the items of a chunk of which workers die, and have it made without these."""
        if chunk.dead:
            raise OutputError(f"--cluster {self._shown}: workers die, whatever they do")
        guilty = [number for number in range(len(chunk.items)) if self._dies(chunk.probe(number))]
        self._submit(replace(chunk, dead=frozenset(guilty)))

    def _dies(self, probe: Chunk) -> bool:
        future = self._submit(probe)
        del self._in_flight[future]
        with self._client.as_current():
            wait([future])
        error = None if future.status == "finished" else _error_of(future)
        future.release()
        if error is not None and not isinstance(error, KilledWorker):
            raise error
        return error is not None

    def close(self) -> None:
        """Leave the cluster; one of this machine ends."""
        with suppress(Exception):  # a scheduler that is lost cannot be told
            if self._client.status == "running":
                self._client.unregister_worker_plugin(self._plugin)
        with suppress(Exception):
            self._client.close(timeout=2)
        if self._cluster is not None:
            self._cluster.close()


class Chunks(WorkerPlugin):  # type: ignore[misc]  # distributed is not typed
    """What a worker of the cluster has of a run: its `ChunkWorker`."""

    def __init__(self, work: Work) -> None:
        self._work, self.workers = work, 1
        self._of_thread = local()
        self._folder: str | None = None
        self._problem = "it has not begun"
        self.worker: ChunkWorker | None = None

    def __reduce__(self) -> tuple[type["Chunks"], tuple[Work]]:
        return Chunks, (self._work,)

    async def setup(self, worker: "Worker") -> None:
        """Load the kernels, or compile them, before this worker takes work.

        One that cannot, and has joined during the run, stays in the cluster and gets work.
        """
        try:
            await asyncio.to_thread(self._begin, worker)
        except Exception as error:
            self._problem = f"{worker.address}: {error}"
            raise

    def _begin(self, worker: "Worker") -> None:
        from .chunk_work import ChunkWorker

        if self._work.version != VERSION:
            raise OutputError(f"savemasks is {VERSION} here, but {self._work.version} leads")
        threads = worker.state.nthreads
        memory = self._work.job.memory
        if limit := worker.memory_manager.memory_limit:
            memory = min(memory or limit, int(limit * _MEMORY_SHARE))
        job = replace(self._work.job, workers=threads, memory=memory)
        self._folder = tempfile.mkdtemp(prefix="savemasks-", dir=worker.local_directory)
        self.worker = ChunkWorker(replace(self._work, job=job), Path(self._folder))

    def teardown(self, worker: "Worker") -> None:  # noqa: ARG002  (called by name)
        """Remove files on their way, for a worker outlives the run; and release memory."""
        self.worker = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def make(self, chunk: Chunk) -> ChunkResult:
        """Make a chunk in this thread; raises `OutputError` if this worker could not begin."""
        from ...scratch import Scratch

        if self.worker is None:
            raise OutputError(f"a worker of the cluster cannot take part: {self._problem}")
        scratch = getattr(self._of_thread, "scratch", None)
        if scratch is None:
            scratch = self._of_thread.scratch = Scratch()
        return self.worker.run(chunk, scratch)


def _make(plugin: str, chunk: Chunk) -> ChunkResult:
    chunks: Chunks = get_worker().plugins[plugin]
    return chunks.make(chunk)


def _version() -> str:
    return VERSION


def _error_of(future: "Future") -> BaseException:
    """Why a chunk was not made."""
    if future.status != "error":
        return CancelledError()  # the scheduler is gone
    error = future.exception()
    if isinstance(error, OutputError | KilledWorker):
        return error
    return OutputError(f"a chunk failed: {type(error).__name__}: {error}")
