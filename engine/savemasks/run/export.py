"""Export many items: open projects and output, let workers do what remains, add up the totals."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path
from time import perf_counter

from ..errors import OutputError
from ..layers.file_names import LEGEND_FILES
from ..layers.graph import Graph
from ..layers.reading import Sink
from ..layers.save_masks import SaveMasks
from ..line.job import Job
from ..projects.ignored import Ignored
from ..projects.locations import Location
from ..projects.parts import Part, unfinished_mark
from ..remote import Url
from ..results.differences import are_same
from ..results.division import Division, locked_journals, read_division
from ..results.in_chunks.chunked_output import find_chunked
from ..results.journal import Journal
from ..results.notes import vanished_note
from ..results.output import (
    Output,
    check_output,
    find_output,
    is_begun,
    read_arguments,
    read_options,
    read_pack,
)
from ..results.report import ReportWriter, Summary
from ..store.files import Store
from .ending import add_notes, log_end
from .finishing import finish_parts
from .in_chunks.chunked import retry_in_chunks, run_in_chunks
from .legend_making import put_legends
from .log import LOGGER
from .options import DEFAULT_OPTIONS, Hooks, RunOptions, goes_in_chunks
from .packing import INDEX, Packing, check_packing, remove_packing, take_kept
from .pool import Pool, process_items, start_pool
from .recording import Receivers, Recorder
from .remaining import Target
from .routes import Result, Routing, check_outside, find_routes, routing_notes
from .starting import Starter, first_process
from .worklist import Worklist


def run(
    graph: Graph | Sink,
    projects: Sequence[Location],
    out: Location,
    options: RunOptions = DEFAULT_OPTIONS,
    hooks: Hooks | None = None,
    *,
    below: Sequence[Location] = (),
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
        Output folder, or its address; `out / dst` must not exist, be empty, or have been made with
        the same arguments, for every sink.
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
    if goes_in_chunks((*projects, *below), out, options):
        return run_in_chunks(graph, projects, out, options, hooks, [options.part], below=below)
    assert isinstance(out, Path)
    return _run_parts(graph, projects, out, options, hooks, [options.part], below=below)


def _run_parts(
    graph: Graph | Sink,
    projects: Sequence[Location],
    out: Path,
    options: RunOptions,
    hooks: Hooks | None,
    parts: Sequence[Part | None],
    *,
    below: Sequence[Location] = (),
) -> Summary:
    """Run one part after the other; None is the whole, undivided."""
    hooks = hooks or Hooks()
    begin = partial(first_process, processes=options.processes)
    with ExitStack() as stack:
        starter = hooks.starter or stack.enter_context(begin())
        found = find_routes(graph, projects, out, below, hooks.stop.is_set)
        routing = stack.enter_context(closing(found))
        _check(routing, options)
        roots = tuple(result.root for result in routing.results)
        where = roots[0] if len(roots) == 1 else out
        summary = Summary(out=where, results=roots, warnings=routing_notes(routing))
        if options.link and any(project.is_archived for project in routing.projects):
            copied = "--link: what lies in archives is copied, for it cannot be linked"
            summary.warnings.append(copied)
        with ReportWriter(options.report) as report:
            ignored = Ignored()
            for number, part in enumerate(parts):
                if number:
                    starter = stack.enter_context(begin())
                own = replace(options, part=part)
                ignored = _run(routing, own, hooks, summary, report, starter)
                if summary.interrupted or summary.stopped:
                    break
            if any(parts):
                finish_parts(summary, routing, options)
            add_notes(summary, ignored, routing)
            report.finish(summary)
    log_end(summary)
    return summary


def _check(routing: Routing, options: RunOptions) -> None:
    """Refuse what cannot be; raises `OutputError`. Writes nothing."""
    check_outside(routing, [result.root for result in routing.results])
    if options.part and options.force:
        raise OutputError("--force does not go with --part: parts begin with an empty folder")
    for result in routing.results:
        check_output(result.root, force=options.force)
    if options.pack:
        check_packing(routing, options)


def _run(
    routing: Routing,
    options: RunOptions,
    hooks: Hooks,
    summary: Summary,
    report: ReportWriter,
    starter: Starter | None,
) -> Ignored:
    """Run a part, or the whole; complete the summary, and return the files that are no items."""
    with ExitStack() as stack:
        outputs = _opened(routing.results, options, stack)
        summary.error_logs += tuple(output.errors.path for output in outputs)
        started = perf_counter()
        stores = [_store(result, options) for result in routing.results]
        _begin(routing.results, outputs, stores, options)
        packing: Packing | None = None
        if options.pack:
            result, output = routing.results[0], outputs[0]
            packing = stack.enter_context(closing(Packing(output, result.meta, options)))
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
            part=options.part,
        )
        total = worklist.total()
        worklist.note_begin()
        _tell_begin(summary, total, options, outputs[0].journal)
        folders = [result.sink.dst for result in routing.results]
        counted = [isinstance(result.layer, SaveMasks) for result in routing.results]
        receivers = Receivers(folders, outputs, counted, routing.sinks, packing)
        before = summary.images + summary.failed, summary.vanished
        total += before[0]
        recorder = Recorder(summary, report, receivers, worklist, total, options, hooks)
        start = partial(start_pool, _job(routing, options), hooks.stop, hooks.on_compile, starter)
        pool = _export_remaining(start, recorder, started, stack)
        has_ended = not (summary.interrupted or summary.stopped)
        if has_ended:
            worklist.note_end()
        if packing:
            if has_ended:
                packing.finish(stores[0])
            summary.warnings += packing.notes()
        if options.part is None:
            put_legends(summary, routing, outputs, stores, pool)
        elif has_ended:
            has_changed = before != (summary.images + summary.failed, summary.vanished)
            for output in outputs:
                output.end(only_failed=options.only_failed, has_changed=has_changed)
    return worklist.ignored


def _begin(
    results: Sequence[Result],
    outputs: Sequence[Output],
    stores: Sequence[Store],
    options: RunOptions,
) -> None:
    """Write what results begin with, and remove what belongs to them no longer."""
    for result, output, store in zip(results, outputs, stores, strict=True):
        if isinstance(result.layer, SaveMasks):
            output.files.refuse_foreign(LEGEND_FILES)
        if options.pack:
            output.files.refuse_foreign([INDEX])
        output.files.put_meta(result.meta, store)
        output.put_options(link=options.link, durable=options.durable)
        if options.restart and not options.pack:
            remove_packing(output)


def _tell_begin(summary: Summary, total: int, options: RunOptions, journal: Journal) -> None:
    """Log that it begins, and note that there is nothing to do, or more than is done."""
    if options.only_failed and options.part is None and journal.has_untried:
        summary.warnings.append(
            "the run is not finished: its own command goes on; retry makes only what has failed"
        )
    if total == 0 and not options.only_failed:
        whole = "the projects have no images: nothing was exported"
        share = f"no image is in part {options.part}: nothing was exported"
        summary.warnings.append(share if options.part else whole)
    what = f", part {options.part}" if options.part else ""
    LOGGER.info("export to %s%s begins: %d images and annotations", summary.out, what, total)


def _opened(results: Sequence[Result], options: RunOptions, stack: ExitStack) -> list[Output]:
    """Open all results before any of them is touched: one that is refused changes none.

    Those that are there already come first, so that none is created if one of them is refused.
    """
    outputs: dict[Path, Output] = {}
    for result in sorted(results, key=lambda result: not is_begun(result.root)):
        output = Output(
            result.root,
            result.arguments | ({"pack": asdict(options.pack)} if options.pack else {}),
            options.part,
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
    return Store(
        result.root,
        link=options.link,
        durable=options.durable,
        mark=unfinished_mark(options.part),
    )


def retry(
    out: Path | Url, options: RunOptions = DEFAULT_OPTIONS, hooks: Hooks | None = None
) -> Summary:
    """Export the failed items of the journal in an output folder once more.

    Of a divided result, those of all parts that have begun, one part after the other.

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
    if (url := find_chunked(out)) is not None:
        return retry_in_chunks(url, options, hooks)
    if options.cluster is not None:
        raise OutputError(f"{out}: was made without --cluster: leave it out")
    assert isinstance(out, Path)
    root = find_output(out)
    with locked_journals(root) as journals:
        division = read_division(root)
        # A part that was begun with other arguments has to begin anew.
        same = [j for j in journals if not division or _is_part_of(division, j)]
        if not same:
            raise OutputError(f"{root}: no part has begun: there is nothing to retry")
        graph, projects = read_arguments(same[0])
        pack = read_pack(same[0])
        link, durable = read_options(same[0])
        parts = [journal.part for journal in same]
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
    return _run_parts(graph, projects, base, options, hooks, parts)


def _is_part_of(division: Division, journal: Journal) -> bool:
    """Whether a part was begun as the result is now."""
    arguments = journal.get("arguments")
    return arguments is not None and are_same(arguments, division.arguments)


def _job(routing: Routing, options: RunOptions) -> Job:
    return Job(
        tuple(routing.flows),
        link=options.link,
        durable=options.durable,
        workers=options.worker_count,
        memory=options.memory,
        pack=options.pack,
        part=options.part,
    )


def _export_remaining(
    start: Callable[[], Pool], recorder: Recorder, started: float, stack: ExitStack
) -> Pool | None:
    """Export all items that are not finished, and complete the summary; `started` is in seconds.

    Returns
    -------
    The workers, which have nothing to do and are closed with the stack; None if none was needed.
    """
    summary, hooks, receivers = recorder.summary, recorder.hooks, recorder.receivers
    items = recorder.worklist.remaining()
    # One worker is starting already; the others are only started if there is anything to do.
    first, summary.stopped = take_kept(items, recorder.accept)
    pool = None if first is None else start()
    if pool:
        stack.enter_context(closing(pool))
    summary.startup_seconds += perf_counter() - started
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
    summary.seconds += perf_counter() - started
    summary.interrupted = hooks.stop.is_set()
    _add_worklist(summary, recorder.worklist, is_packed=receivers.packing is not None)
    summary.journal_problem = summary.journal_problem or receivers.problem
    return pool


def _add_worklist(summary: Summary, worklist: Worklist, *, is_packed: bool) -> None:
    """Add to the summary what the worklist has found: skipped and vanished items."""
    summary.skipped += worklist.skipped
    summary.vanished += worklist.vanished
    if worklist.vanished:
        names = worklist.vanished_names
        note = vanished_note(worklist.vanished, names, is_packed=is_packed)
        summary.warnings.append(note)
