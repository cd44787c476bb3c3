"""Export many items: open projects and output, let workers do what remains, add up the totals."""

from collections.abc import Collection, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from time import perf_counter

from ..errors import OutputError
from ..layers.file_names import LEGEND_FILES
from ..layers.graph import Graph
from ..layers.reading import Sink
from ..layers.save import SaveSettings
from ..layers.save_masks import SaveMasks
from ..line.job import Files, Job, Outcome, needs_image
from ..projects.ignored import Ignored
from ..results.notes import missing_edges_notes, unknown_classes_note, unread_notes
from ..results.output import (
    Output,
    check_output,
    find_output,
    is_begun,
    locked_journal,
    read_arguments,
    read_options,
    read_pack,
)
from ..results.report import Failure, ReportWriter, Summary
from ..store.files import Store
from .legend_making import put_legends
from .log import LOGGER
from .options import DEFAULT_OPTIONS, Hooks, RunOptions
from .packing import Packing, check_packing, remove_packing, take_kept
from .pool import Pool, process_items, start_pool
from .remaining import Target
from .routes import Result, Routing, check_outside, find_routes, routing_notes
from .worklist import Worklist


def run(
    graph: Graph | Sink,
    projects: Sequence[Path],
    out: Path,
    options: RunOptions = DEFAULT_OPTIONS,
    hooks: Hooks | None = None,
    *,
    below: Sequence[Path] = (),
) -> Summary:
    """Export projects through the layers of a graph, each sink into `out / dst`.

    Items that an earlier run has finished there are skipped, unless their image or annotation has
    changed since.

    Parameters
    ----------
    graph
        What to make; a layer alone takes all projects.
    projects
        Folders of Supervisely projects.
    out
        Output folder; `out / dst` must not exist, be empty, or have been made with the same
        arguments, for every sink.
    options
        How to work.
    hooks
        The caller's stop event and callbacks.
    below
        Folders in which data layers find further projects.

    Raises
    ------
    ConfigError, ProjectError, OutputError
        Before anything is written.
    """
    hooks = hooks or Hooks()
    with closing(find_routes(graph, projects, out, below, hooks.stop.is_set)) as routing:
        return _run(routing, out, options, hooks)


def _run(routing: Routing, out: Path, options: RunOptions, hooks: Hooks) -> Summary:
    check_outside(routing)
    for result in routing.results:
        check_output(result.root, force=options.force)
    if options.pack:
        check_packing(routing, options)
    roots = tuple(result.root for result in routing.results)
    where = roots[0] if len(roots) == 1 else out
    summary = Summary(out=where, results=roots, warnings=routing_notes(routing))
    if options.link and any(project.is_archived for project in routing.projects):
        summary.warnings.append("--link: what lies in archives is copied, for it cannot be linked")
    with ReportWriter(options.report) as report, ExitStack() as stack:
        outputs = _opened(routing.results, options, stack)
        started = perf_counter()
        stores = [_store(result, options) for result in routing.results]
        for result, output, store in zip(routing.results, outputs, stores, strict=True):
            if isinstance(result.layer, SaveMasks):
                output.refuse_foreign(LEGEND_FILES)
            output.put_meta(result.meta, store)
            output.put_options(link=options.link, durable=options.durable)
        packing: Packing | None = None
        if options.pack:
            result, output = routing.results[0], outputs[0]
            packing = stack.enter_context(closing(Packing(output, result.meta, options)))
        elif options.restart:
            for output in outputs:
                remove_packing(output)
        targets = [
            Target(
                output.journal,
                result.sink.layer.settings,
                store,
                packing.packer if packing else None,
            )
            for result, output, store in zip(routing.results, outputs, stores, strict=True)
        ]
        worklist = Worklist(
            routing.datasets,
            [[targets[number] for number in numbers] for numbers in routing.sinks],
            hooks.stop,
            only_failed=options.only_failed,
        )
        total = worklist.total()
        if total == 0 and not options.only_failed:
            summary.warnings.append("the projects have no images: nothing was exported")
        LOGGER.info("export to %s begins: %d images and annotations", where, total)
        folders = [result.sink.dst for result in routing.results]
        receivers = _Receivers(folders, outputs, targets, routing.sinks, packing)
        recorder = _Recorder(summary, report, receivers, worklist, total, options, hooks)
        pool = _export_remaining(_job(routing, options), recorder, started, stack)
        if packing:
            if not (summary.interrupted or summary.stopped):
                packing.finish(stores[0])
            summary.warnings += packing.notes()
        known = frozenset[str]().union(*(result.known_classes for result in routing.results))
        put_legends(summary, routing, outputs, stores, pool)
        _add_notes(summary, worklist.ignored, known)
        report.finish(summary)
    _log_end(summary)
    return summary


def _opened(results: Sequence[Result], options: RunOptions, stack: ExitStack) -> list[Output]:
    """Open all results before any of them is touched: one that is refused changes none.

    Those that are there already come first, so that none is created if one of them is refused.
    """
    outputs: dict[Path, Output] = {}
    for result in sorted(results, key=lambda result: not is_begun(result.root)):
        output = Output(
            result.root,
            result.arguments | ({"pack": asdict(options.pack)} if options.pack else {}),
            restart=options.restart,
            force=options.force,
            durable=options.durable,
        )
        outputs[result.root] = stack.enter_context(closing(output))
    opened = [outputs[result.root] for result in results]
    for output in opened:
        output.begin()
    return opened


def _store(result: Result, options: RunOptions) -> Store:
    return Store(result.root, link=options.link, durable=options.durable)


def _log_end(summary: Summary) -> None:
    for warning in summary.warnings:
        LOGGER.warning("%s", warning)
    for problem in summary.problems:
        LOGGER.error("%s", problem)
    LOGGER.info(
        "export to %s %s: %d exported, %d failed, %d finished before, in %.2f s",
        summary.out,
        "was ended early" if summary.interrupted or summary.stopped else "ends",
        summary.images,
        summary.failed,
        summary.skipped,
        summary.seconds,
    )


def retry(out: Path, options: RunOptions = DEFAULT_OPTIONS, hooks: Hooks | None = None) -> Summary:
    """Export the failed items of the journal in an output folder once more.

    Parameters
    ----------
    out
        The folder with the results, or the one that it lies in.
    options
        How to work; `link` and `durable` are as they were in the run, `restart` and `force` have
        no effect.
    hooks
        The caller's stop event and callbacks.

    Raises
    ------
    ProjectError, OutputError
        Before anything is written.
    """
    root = find_output(out)
    with locked_journal(root) as journal:
        graph, projects = read_arguments(journal)
        pack = read_pack(journal)
        link, durable = read_options(journal)
    # The layer's dst tells where the output lay in its parent, which may have been moved since.
    base, dst = root, graph.sink().dst
    for _ in Path(dst).parts:
        base = base.parent
    if base / dst != root:
        raise OutputError(f"{root}: was renamed; it must end in {dst}")
    options = replace(
        options,
        link=link,
        durable=durable,
        restart=False,
        force=False,
        only_failed=True,
        pack=pack,
    )
    return run(graph, projects, base, options, hooks)


def _job(routing: Routing, options: RunOptions) -> Job:
    return Job(
        tuple(routing.flows),
        link=options.link,
        durable=options.durable,
        workers=options.worker_count,
        memory=options.memory,
        pack=options.pack,
    )


@dataclass(frozen=True, slots=True)
class _Receivers:
    """The results of a run, of which each gets its part of every outcome."""

    folders: Sequence[str]
    outputs: Sequence[Output]
    targets: Sequence[Target]
    sinks: Sequence[Sequence[int]]
    packing: Packing | None = None

    def add(self, outcome: Outcome) -> None:
        """Add an outcome to all results that its item flows into."""
        item = outcome.item
        for number, (inlet, dataset) in enumerate(item.reached):
            result = self.sinks[item.flow][inlet]
            written = outcome.written[number] if outcome.written else Files()
            settings = self.targets[result].settings
            counts = (
                None if isinstance(settings, SaveSettings) else outcome.counts[number : number + 1]
            )
            self.outputs[result].add(
                outcome,
                dataset,
                written,
                has_image=needs_image(settings),
                counts=counts[0] if counts else None,
            )

    def folders_of(self, outcome: Outcome) -> list[str]:
        """What the names of an outcome's files, place by place, have to be preceded by.

        Where several results lie side by side, it is the folder of each.
        """
        places = outcome.item.reached
        if len(self.outputs) == 1:
            return [""] * len(places)
        results = [self.sinks[outcome.item.flow][inlet] for inlet, _ in places]
        return [f"{self.folders[result]}/" for result in results]

    def commit(self) -> None:
        """Write the rows that wait in the journals."""
        for output in self.outputs:
            output.journal.commit()

    @property
    def is_stuck(self) -> bool:
        """Whether so many rows wait that the run should end."""
        return any(output.journal.is_stuck for output in self.outputs)

    @property
    def problem(self) -> str | None:
        """Why a journal or an error log cannot be written, or None."""
        problems = [output.journal.problem or output.errors.problem for output in self.outputs]
        if self.packing:
            problems.append(self.packing.problem)
        return next(filter(None, problems), None)


@dataclass(frozen=True, slots=True)
class _Recorder:
    """Hands outcomes on to all that record them: totals, report, journals, the caller's hook."""

    summary: Summary
    report: ReportWriter
    receivers: _Receivers
    worklist: Worklist
    total: int
    options: RunOptions
    hooks: Hooks

    def record(self, outcome: Outcome) -> None:
        """Record an outcome."""
        if outcome.error is not None:
            LOGGER.warning("%s", Failure.of(outcome.error, outcome.item))
        self.summary.add(outcome)
        self.report.add(outcome, self.receivers.folders_of(outcome))
        self.receivers.add(outcome)

    def accept(self, outcome: Outcome, pool: Pool | None = None) -> bool:
        """Record an outcome, tell the caller, and return whether the run may go on.

        Of a packed result, those are recorded whose samples are in their places by now.
        """
        if packing := self.receivers.packing:
            if not packing.take(outcome, pool):
                return False
            packing.ready(self._record_and_tell)
            if packing.problem:
                return False
        else:
            self._record_and_tell(outcome)
        limit = self.options.failure_limit
        return (limit is None or self.summary.failed < limit) and not self.receivers.is_stuck

    def accept_late(self, outcome: Outcome) -> None:
        """Record an outcome of an item that was in progress when the end was decided.

        Of a packed result, samples that had no place are not in their order any more.
        """
        packing = self.receivers.packing
        if packing is None:
            self.record(outcome)
        elif outcome.is_placed and packing.take(outcome, None):
            packing.ready(self.record)

    def _record_and_tell(self, outcome: Outcome) -> None:
        self.record(outcome)
        if self.hooks.on_progress:
            failed = self.summary.failed
            done = self.summary.images + failed
            self.hooks.on_progress(done, failed, self.total - self.worklist.skipped)


def _export_remaining(
    job: Job, recorder: _Recorder, started: float, stack: ExitStack
) -> Pool | None:
    """Export all items that are not finished, and complete the summary; `started` is in seconds.

    Returns
    -------
    The workers, which have nothing to do and are closed with the stack; None if none was needed.
    """
    summary, hooks, receivers = recorder.summary, recorder.hooks, recorder.receivers
    items = recorder.worklist.remaining()
    # Workers take a second to start: look first whether there is anything to do.
    first, summary.stopped = take_kept(items, recorder.accept)
    processes = recorder.options.processes
    pool = (
        None
        if first is None
        else start_pool(job, hooks.stop, hooks.on_compile, processes=processes)
    )
    if pool:
        stack.enter_context(closing(pool))
    summary.startup_seconds = perf_counter() - started
    if hooks.on_start:
        hooks.on_start()
    started = perf_counter()
    if pool and first:
        summary.stopped = process_items(
            pool,
            chain([first], items),
            hooks.stop,
            accept=lambda outcome: recorder.accept(outcome, pool),
            record=recorder.accept_late,
        )
    receivers.commit()
    summary.seconds = perf_counter() - started
    summary.interrupted = hooks.stop.is_set()
    _add_worklist(summary, recorder.worklist, is_packed=receivers.packing is not None)
    summary.journal_problem = receivers.problem
    return pool


def _add_worklist(summary: Summary, worklist: Worklist, *, is_packed: bool) -> None:
    """Add to the summary what the worklist has found: skipped and vanished items."""
    summary.skipped, summary.vanished = worklist.skipped, worklist.vanished
    if worklist.vanished:
        names = ", ".join(worklist.vanished_names)
        names += ", ..." if worklist.vanished > len(worklist.vanished_names) else ""
        fate = "nor in the result" if is_packed else "what became of them stays"
        summary.warnings.append(
            f"{worklist.vanished} finished items are no longer in the projects, {fate}: {names}"
        )


def _add_notes(summary: Summary, ignored: Ignored, known: Collection[str]) -> None:
    """Add to the summary what is known of objects, pictures and other files at the end."""
    if summary.unknown_classes:
        note = unknown_classes_note(summary.unknown_classes, known, summary.blank_images)
        summary.warnings.append(note)
    summary.warnings += missing_edges_notes(summary.missing_edges)
    summary.warnings += unread_notes(summary.unread_formats)
    summary.warnings += ignored.notes()
