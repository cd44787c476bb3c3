"""Export many items: open projects and output, let workers do what remains, add up the totals."""

from collections.abc import Collection, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from time import perf_counter

from ..errors import OutputError, printable
from ..layers.save_masks import SaveMasks
from ..line.job import Job, Outcome
from ..projects.ignored import Ignored
from ..projects.supervisely import Project, merge_meta, plan_datasets
from ..results.notes import missing_edges_notes, unknown_classes_note, unread_notes
from ..results.output import (
    Output,
    arguments_of,
    check_output,
    find_output,
    locked_journal,
    read_arguments,
    read_options,
)
from ..results.report import Failure, ReportWriter, Summary
from ..store.files import Store
from .log import LOGGER
from .options import DEFAULT_OPTIONS, Hooks, RunOptions
from .pool import process_items, start_pool
from .worklist import Worklist

_MAX_NAMES = 100  # in one warning


def run(
    layer: SaveMasks,
    projects: Sequence[Path],
    out: Path,
    options: RunOptions = DEFAULT_OPTIONS,
    hooks: Hooks | None = None,
) -> Summary:
    """Export projects through a `save_masks` layer into `out / layer.dst`.

    Items that an earlier run has finished there are skipped, unless their image or annotation has
    changed since.

    Parameters
    ----------
    layer
        What to make.
    projects
        Folders of Supervisely projects.
    out
        Output folder; `out / layer.dst` must not exist, be empty, or have been made with the same
        arguments.
    options
        How to work.
    hooks
        The caller's stop event and callbacks.

    Raises
    ------
    ProjectError, OutputError
        Before anything is written.
    """
    hooks = hooks or Hooks()
    opened = [Project.open(folder) for folder in projects]
    datasets = plan_datasets(opened)
    root = out / layer.dst
    _check_outside(root, opened)
    check_output(root, force=options.force)
    warnings = config_warnings(layer, opened)
    warnings += [note for project in opened for note in project.notes()]
    summary = Summary(out=root, warnings=warnings)
    with (
        ReportWriter(options.report) as report,
        closing(
            Output(
                root,
                arguments_of(layer, opened),
                restart=options.restart,
                force=options.force,
                durable=options.durable,
            )
        ) as output,
    ):
        started = perf_counter()
        store = Store(root, link=options.link, durable=options.durable)
        output.put_meta(merge_meta(opened), store)
        output.put_options(link=options.link, durable=options.durable)
        worklist = Worklist(
            datasets,
            output.journal,
            layer.settings,
            store,
            hooks.stop,
            only_failed=options.only_failed,
        )
        total = worklist.total()
        if total == 0 and not options.only_failed:
            summary.warnings.append("the projects have no images: nothing was exported")
        LOGGER.info("export to %s begins: %d images and annotations", root, total)
        recorder = _Recorder(summary, report, output, worklist, total, options, hooks)
        _export_remaining(_job(layer, opened, root, options), recorder, started)
        _add_notes(summary, worklist.ignored, known_classes(layer, opened))
        report.finish(summary)
    _log_end(summary)
    return summary


def _check_outside(root: Path, projects: Sequence[Project]) -> None:
    """Refuse an output folder inside of a project, where results would be taken for its items."""
    place = root.resolve()
    for project in projects:
        if place.is_relative_to(project.folder.resolve()):
            raise OutputError(
                f"{root}: is inside of the project {project.folder}, whose part the results would"
                " become; choose a folder outside of it"
            )


def _log_end(summary: Summary) -> None:
    for warning in summary.warnings:
        LOGGER.warning("%s", warning)
    for problem in filter(None, (summary.report_problem, summary.journal_problem)):
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
        layer, projects = read_arguments(journal)
        link, durable = read_options(journal)
    # The layer's dst tells where the output lay in its parent, which may have been moved since.
    base = root
    for _ in Path(layer.dst).parts:
        base = base.parent
    if base / layer.dst != root:
        raise OutputError(f"{root}: was renamed; it must end in {layer.dst}")
    options = replace(
        options, link=link, durable=durable, restart=False, force=False, only_failed=True
    )
    return run(layer, projects, base, options, hooks)


def _job(layer: SaveMasks, projects: Sequence[Project], root: Path, options: RunOptions) -> Job:
    return Job(
        layer,
        tuple(project.templates for project in projects),
        root,
        link=options.link,
        durable=options.durable,
        workers=options.worker_count,
        memory=options.memory,
    )


@dataclass(frozen=True, slots=True)
class _Recorder:
    """Hands outcomes on to all that record them: totals, report, journal, the caller's hook."""

    summary: Summary
    report: ReportWriter
    output: Output
    worklist: Worklist
    total: int
    options: RunOptions
    hooks: Hooks

    def record(self, outcome: Outcome) -> None:
        """Record an outcome."""
        if outcome.error is not None:
            LOGGER.warning("%s", Failure.of(outcome.error, outcome.item))
        self.summary.add(outcome)
        self.report.add(outcome)
        self.output.add(outcome)

    def accept(self, outcome: Outcome) -> bool:
        """Record an outcome, tell the caller, and return whether the run may go on."""
        self.record(outcome)
        failed = self.summary.failed
        if self.hooks.on_progress:
            done = self.summary.images + failed
            self.hooks.on_progress(done, failed, self.total - self.worklist.skipped)
        limit = self.options.failure_limit
        return (limit is None or failed < limit) and not self.output.journal.is_stuck


def _export_remaining(job: Job, recorder: _Recorder, started: float) -> None:
    """Export all items that are not finished, and complete the summary; `started` is in seconds."""
    summary, hooks, journal = recorder.summary, recorder.hooks, recorder.output.journal
    items = recorder.worklist.remaining()
    # Workers take a second to start: look first whether there is anything to do.
    first = next(items, None)
    processes = recorder.options.processes
    pool = None if first is None else start_pool(job, hooks.stop, processes=processes)
    with closing(pool) if pool else nullcontext():
        summary.startup_seconds = perf_counter() - started
        if hooks.on_start:
            hooks.on_start()
        started = perf_counter()
        if pool and first:
            summary.stopped = process_items(
                pool,
                chain([first], items),
                hooks.stop,
                accept=recorder.accept,
                record=recorder.record,
            )
        journal.commit()
        summary.seconds = perf_counter() - started
    summary.interrupted = hooks.stop.is_set()
    _add_worklist(summary, recorder.worklist)
    summary.journal_problem = journal.problem or recorder.output.errors.problem


def _add_worklist(summary: Summary, worklist: Worklist) -> None:
    """Add to the summary what the worklist has found: skipped and vanished items."""
    summary.skipped, summary.vanished = worklist.skipped, worklist.vanished
    if worklist.vanished:
        names = ", ".join(worklist.vanished_names)
        names += ", ..." if worklist.vanished > len(worklist.vanished_names) else ""
        summary.warnings.append(
            f"{worklist.vanished} finished items are no longer in the projects, what became of them"
            f" stays: {names}"
        )


def _add_notes(summary: Summary, ignored: Ignored, known: Collection[str]) -> None:
    """Add to the summary what is known of objects, pictures and other files at the end."""
    if summary.unknown_classes:
        note = unknown_classes_note(summary.unknown_classes, known, summary.blank_images)
        summary.warnings.append(note)
    summary.warnings += missing_edges_notes(summary.missing_edges)
    summary.warnings += unread_notes(summary.unread_formats)
    summary.warnings += ignored.notes()


def known_classes(layer: SaveMasks, projects: Sequence[Project]) -> frozenset[str]:
    """Return the titles that the configuration or a project's meta.json names."""
    settings = layer.settings
    mapped = {**(settings.gt_machine_color or {}), **(settings.gt_human_color or {})}
    return frozenset(mapped).union(*(project.classes for project in projects))


def config_warnings(layer: SaveMasks, projects: Sequence[Project]) -> list[str]:
    """Return a warning for each way in which configuration and classes differ."""
    settings = layer.settings
    mapped = {
        *((settings.gt_machine_color or {}) if settings.masks_machine else ()),
        *((settings.gt_human_color or {}) if settings.masks_human else ()),
    }
    existing = {title for project in projects for title in project.classes}
    warnings = []
    if absent := sorted(mapped - existing):
        warnings.append(f"classes of the config that no project has: {_join_names(absent)}")
    if plain := sorted(existing - mapped):
        warnings.append(f"classes without a colour, which are not painted: {_join_names(plain)}")
    if unmapped := sorted(set(settings.class_priority) - mapped):
        warnings.append(f"classes in class_priority that have no colour: {_join_names(unmapped)}")
    if unknown := layer.unknown_keys():
        warnings.append(f"keys of the config that have no effect: {_join_names(unknown)}")
    return [printable(warning) for warning in warnings]


def _join_names(names: Sequence[str]) -> str:
    """Join names; of very many, the first ones and how many more there are."""
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
