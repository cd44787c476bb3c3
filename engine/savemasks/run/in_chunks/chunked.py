"""Runs in chunks: with a project or a result that is not a folder of this machine, or a cluster.

Nothing is noted item by item: a chunk of items travels to a worker, and a mark says that it is
done. The same run again passes over what marks say, and goes on with the rest.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from ...errors import OutputError
from ...line.job import Job, Outcome
from ...projects.ignored import Ignored
from ...projects.locations import Location, location_of
from ...projects.parts import Part, stem_of
from ...remote import Url
from ...results.in_chunks.chunked_output import ChunkedOutput, read_all_done, read_begun
from ...results.in_chunks.depot import Depot, as_url
from ...results.in_chunks.marks import marks_folder
from ...results.report import ErrorLog, Failure, ReportWriter, Summary, error_entry
from ..ending import add_notes, log_end
from ..log import LOGGER
from ..options import Hooks, RunOptions
from ..packing import check_packing
from ..routes import Routing, check_outside, find_routes, routing_notes
from .chunk_end import end_result
from .chunking import Chunking, source_of
from .chunks import VERSION, Added, Chunk, ChunkResult, Work
from .local_chunks import LocalScheduler, Scheduler

_WORKERS_FOR_ONE_MORE = 8
"""So many workers that wait for a store at times leave a core for another one."""

if TYPE_CHECKING:
    from ...layers.graph import Graph
    from ...layers.reading import Sink
    from .dask_chunks import DaskScheduler


def run_in_chunks(
    graph: "Graph | Sink",
    projects: Sequence[Location],
    out: Location,
    options: RunOptions,
    hooks: Hooks | None = None,
    parts: Sequence[Part | None] = (None,),
    *,
    below: Sequence[Location] = (),
) -> Summary:
    """Do as `run`, part by part, in chunks."""
    if options.cluster is not None:
        _dask_scheduler()  # whose extra has what addresses need, too
    hooks, url = hooks or Hooks(), as_url(out)
    # Routes are found on the way to a folder; of an address, only what is below matters.
    folder = url.folder or Path(url.path)
    with closing(find_routes(graph, projects, folder, below, hooks.stop.is_set)) as routing:
        roots = [url / result.sink.dst for result in routing.results]
        check_outside(routing, roots)
        shown = [root.folder or root for root in roots]
        where = shown[0] if len(shown) == 1 else (url.folder or url)
        summary = Summary(out=where, results=tuple(shown), warnings=routing_notes(routing))
        with ReportWriter(options.report) as report:
            ignored = Ignored()
            for part in parts:
                own = replace(options, part=part)
                ignored = _run(routing, roots, own, hooks, summary, report)
                if summary.interrupted or summary.stopped or summary.journal_problem:
                    break
            add_notes(summary, ignored, routing)
            report.finish(summary)
    log_end(summary)
    return summary


def retry_in_chunks(root: Url, options: RunOptions, hooks: Hooks | None = None) -> Summary:
    """Make once more what failed, of all parts that have begun; raises `OutputError`."""
    depot = Depot(root)
    begun = read_begun(depot)
    assert begun is not None
    damaged: list[Part | None] = []
    read_all_done(depot, begun, damaged.append)
    others = [part for part in begun.all_parts if part not in damaged]
    # Damaged ones come first, so that no other one says that they are not finished.
    parts = damaged + [part for part in others if depot.names(marks_folder(part))]
    if not parts:
        raise OutputError(f"{depot}: nothing was made yet: there is nothing to retry")
    graph = begun.graph
    base = root.address.removesuffix(f"/{graph.sink().dst}")
    if base == root.address:
        raise OutputError(f"{depot}: was renamed; it must end in {graph.sink().dst}")
    projects = [*map(location_of, begun.projects)]
    options = replace(
        options,
        durable=bool(begun.options.get("durable")),
        restart=False,
        force=False,
        link=False,
        only_failed=True,
        pack=begun.pack,
    )
    return run_in_chunks(graph, projects, Url.parse(base), options, hooks, parts)


def _run(
    routing: Routing,
    roots: Sequence[Url],
    options: RunOptions,
    hooks: Hooks,
    summary: Summary,
    report: ReportWriter,
) -> Ignored:
    """Make a part, or the whole; complete the summary, and return the files that are no items."""
    check_chunked(routing, options)
    with ExitStack() as stack:
        started = perf_counter()
        outputs = []
        for result, root in zip(routing.results, roots, strict=True):
            arguments = result.arguments
            if options.pack:
                arguments = arguments | {"pack": asdict(options.pack)}
            output = ChunkedOutput(root, arguments, options.part, durable=options.durable)
            outputs.append(stack.enter_context(closing(output)))
        for output in outputs:
            output.check(restart=options.restart)
        scheduler = _scheduler_of(routing, _work(routing, roots, options), options, hooks)
        stack.callback(scheduler.close)
        for result, output in zip(routing.results, outputs, strict=True):
            output.begin(restart=options.restart)
            output.depot.put({"meta.json": result.meta})
        chunking = Chunking(
            routing,
            outputs,
            hooks.stop,
            part=options.part,
            pack=options.pack,
            stem=stem_of(roots[0].name, options.part),
            only_failed=options.only_failed,
        )
        leader = _Leader(scheduler, chunking, outputs, options, hooks, summary, report)
        with closing(leader):
            leader.lead(started)
            scheduler.close()
            if scheduler.has_lost:
                for output in outputs:
                    output.remove_unfinished()
            if leader.has_ended:
                for number, (output, added) in enumerate(zip(outputs, leader.added, strict=True)):
                    end_result(routing, number, output, chunking, added, options, summary)
            leader.put_errors()
        if not summary.journal_problem:
            for output in outputs:
                output.end()
    return chunking.ignored


def check_chunked(routing: Routing, options: RunOptions) -> None:
    """Refuse what cannot be; raises `OutputError`. Writes nothing."""
    where = "with --cluster, or with addresses instead of folders"
    if options.link:
        raise OutputError(f"there are no hard links {where}: leave out --link")
    if options.force:
        raise OutputError(f"--force does not go {where}: choose an empty --out")
    if options.pack:
        check_packing(routing, options)
        if options.pack.kind != "webdataset" or options.pack.size is not None:
            raise OutputError(
                f"{where}, archives are made by --pack webdataset and --pack-items alone"
            )


def _work(routing: Routing, roots: Sequence[Url], options: RunOptions) -> Work:
    workers = options.worker_count
    if options.cluster is None and any(url.folder is None for url in _addresses(routing, roots)):
        workers += max(1, workers // _WORKERS_FOR_ONE_MORE)
    job = Job(
        tuple(routing.flows),
        durable=options.durable,
        workers=workers,
        memory=options.memory,
        pack=options.pack,
        part=options.part,
    )
    several = len(roots) > 1
    return Work(
        job,
        tuple(roots),
        tuple(routing.sinks),
        tuple(f"{result.sink.dst}/" if several else "" for result in routing.results),
        options.part,
        has_report=options.report is not None,
        version=VERSION,
    )


def _addresses(routing: Routing, roots: Sequence[Url]) -> list[Url]:
    """Of all results, and of the data sets that are not on disk."""
    return [*roots, *filter(None, map(source_of, routing.datasets))]


def _scheduler_of(routing: Routing, work: Work, options: RunOptions, hooks: Hooks) -> Scheduler:
    """Who has chunks made; raises `OutputError` if there is no cluster."""
    # What is in the memory of this process, others do not see.
    is_here = any(url.protocol == "memory" for url in _addresses(routing, work.roots))
    if options.cluster is not None:
        if is_here:
            raise OutputError("--cluster: its workers do not see what is at memory://")
        return _dask_scheduler()(options.cluster, work, hooks.stop)
    processes = options.processes and not is_here
    return LocalScheduler(work, hooks.stop, hooks.on_compile, processes=processes)


def _dask_scheduler() -> "type[DaskScheduler]":
    """Load Dask, which comes with an extra; raises `OutputError` if it is not there."""
    from .dask_chunks import DaskScheduler

    return DaskScheduler


class _Leader:
    """Hands out chunks, and records what becomes of them.

    Attributes
    ----------
    added
        For every result, what chunks have added.
    has_ended
        Whether all was tried.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        chunking: Chunking,
        outputs: Sequence[ChunkedOutput],
        options: RunOptions,
        hooks: Hooks,
        summary: Summary,
        report: ReportWriter,
    ) -> None:
        self.added = [Added() for _ in outputs]
        self.has_ended = False
        self._scheduler, self._chunking, self._outputs = scheduler, chunking, outputs
        self._options, self._hooks, self._summary, self._report = options, hooks, summary, report
        self._done = self._failed = 0
        self._next = 0  # number of the chunk that is to be recorded
        self._waiting: dict[int, ChunkResult] = {}
        self._temporary = tempfile.TemporaryDirectory(prefix="savemasks-")
        self._errors = ErrorLog(Path(self._temporary.name, "errors.jsonl"))

    def lead(self, started: float) -> None:
        """Have all chunks made; `started` is in seconds."""
        summary, hooks = self._summary, self._hooks
        chunks = self._chunks()
        first = next(chunks, None)
        scheduler = self._scheduler
        try:
            if first is not None:
                scheduler.start()
                if scheduler.note and hooks.on_note:
                    hooks.on_note(scheduler.note)
            summary.startup_seconds += perf_counter() - started
            if hooks.on_start:
                hooks.on_start()
            started = perf_counter()
            if first is not None:
                self._make(scheduler, first, chunks)
        except OutputError as error:
            summary.journal_problem = str(error)
        for number in sorted(self._waiting):
            self._record(self._waiting.pop(number))
        summary.seconds += perf_counter() - started
        summary.skipped += self._chunking.skipped
        summary.interrupted = hooks.stop.is_set() and not summary.stopped
        self.has_ended = not (summary.interrupted or summary.stopped or summary.journal_problem)

    def _make(self, scheduler: Scheduler, first: Chunk, chunks: Iterator[Chunk]) -> None:
        def source() -> Iterator[Chunk]:
            yield first
            while not self._is_over:
                chunk = next(chunks, None)
                if chunk is None:
                    return
                yield chunk

        try:
            for result in scheduler.results(source()):
                self._take(result)
        except KeyboardInterrupt:
            self._hooks.stop.set()
        self._summary.stopped = self._is_over

    @property
    def _is_over(self) -> bool:
        """Whether as many items have failed as may."""
        limit = self._options.failure_limit
        return limit is not None and self._failed >= limit

    def _chunks(self) -> Iterator[Chunk]:
        """All chunks; what cannot be listed is recorded on the way."""
        for chunk in self._chunking.remaining():
            if isinstance(chunk, Outcome):
                self._record_unlisted(chunk)
            else:
                yield chunk

    def _record_unlisted(self, outcome: Outcome) -> None:
        """Record that a data set cannot be listed."""
        assert outcome.error is not None
        LOGGER.warning("%s", Failure.of(outcome.error, outcome.item))
        self._summary.add(outcome)
        self._report.add(outcome)
        self._errors.add_entry(error_entry(outcome, outcome.item.dataset))
        self._failed += 1

    def _take(self, result: ChunkResult) -> None:
        """Count what became of a chunk, and record chunks in their order."""
        sizer = self._chunking.sizer
        sizer.suit(self._scheduler.workers)
        sizer.learn(result.items, result.seconds)
        self._done += result.items
        self._failed += result.summary.failed
        self._waiting[result.number] = result
        while self._next in self._waiting:
            self._record(self._waiting.pop(self._next))
            self._next += 1
        if self._hooks.on_progress:
            total = self._chunking.listed - self._chunking.skipped
            self._hooks.on_progress(self._done, self._failed, max(total, self._done))

    def _record(self, result: ChunkResult) -> None:
        for failure in result.summary.failures:
            LOGGER.warning("%s", failure)
        self._summary.merge(result.summary)
        for entry in result.entries:
            self._report.add_entry(entry)
        for line in result.errors:
            self._errors.add_entry(line)
        for part in result.parts:
            self.added[part.result].add(part)

    def put_errors(self) -> None:
        """Put the error log beside the marks; a problem goes into the summary."""
        self._errors.close()
        problem = self._errors.problem
        try:
            for output in self._outputs:
                if self._summary.failed and problem is None:
                    self._summary.error_logs += (output.put_errors(self._errors.path),)
                else:
                    output.remove_errors()
        except OSError as error:
            problem = str(error)
        self._summary.journal_problem = self._summary.journal_problem or problem

    def close(self) -> None:
        """Remove what is temporary."""
        self._errors.close()
        self._temporary.cleanup()
