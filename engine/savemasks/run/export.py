"""Many items: what is left of them, workers, order, interruption and totals."""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import orjson

from ..errors import OutputError, printable
from ..layers.save_masks import SaveMasks
from ..line.job import Job, Outcome
from ..projects.supervisely import Project, merge_meta, plan_datasets
from ..results.output import (
    Output,
    arguments_of,
    check_output,
    find_output,
    locked_journal,
    read_arguments,
)
from ..results.report import ReportWriter, Summary
from ..store.files import Store
from ..system import usable_cores
from .pool import hire, work
from .worklist import Agenda

_MOST_NAMES = 100  # in one warning

OnError = Literal["skip", "stop"]
OnProgress = Callable[[int, int, int], None]
"""Called with the number of items done, of those that failed, and of all."""


def run(
    layer: SaveMasks,
    projects: Sequence[Path],
    out: Path,
    *,
    workers: int | None = None,
    on_error: OnError = "skip",
    processes: bool = False,
    memory: int | None = None,
    link: bool = False,
    restart: bool = False,
    force: bool = False,
    durable: bool = False,
    only_failed: bool = False,
    max_errors: int | None = None,
    stop: threading.Event | None = None,
    report: Path | None = None,
    on_progress: OnProgress | None = None,
    on_start: Callable[[], None] | None = None,
) -> Summary:
    """Export projects through a `save_masks` layer into `out / layer.dst`.

    What an earlier run has finished there is not done again, unless its image or annotation has
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
    workers
        How many, or None for one per available core.
    processes
        Whether workers are processes, which survive each other, instead of threads of this one.
        Programs that call this must then be importable, as for all of `multiprocessing`.
    on_error
        "skip" goes on after an item that fails, "stop" ends the run; what is done stays.
    memory
        Bytes for large pictures, of all workers together, or None for half of what there is.
    link
        Put hard links to images and annotations instead of copies, where the file system can.
    restart
        Make everything anew, also with other arguments, and replace what is there.
    force
        Take an output folder with files of somebody else, which are then never replaced.
    durable
        Call an item done only when the disk holds its files, so that even a loss of power loses
        nothing.
    only_failed
        Do only what the journal knows to have failed.
    max_errors
        End the run when so many items have failed, or None.
    stop
        Once it is set, the items in hand are finished and the run ends. Ctrl-C does the same
        where nobody handles it otherwise.
    report
        Where to write a JSON report, or None.
    on_progress
        Called after every item.
    on_start
        Called when the kernels are ready and the first item is about to be read.

    Raises
    ------
    ProjectError, OutputError
        Before anything is written.
    """
    workers = workers or usable_cores()
    stop = stop or threading.Event()
    most_errors = 1 if on_error == "stop" else max_errors
    opened = [Project.open(folder) for folder in projects]
    datasets = plan_datasets(opened)
    root = out / layer.dst
    check_output(root, force=force)
    summary = Summary(out=root, warnings=config_warnings(layer, opened))
    arguments = arguments_of(layer, opened)
    with (
        ReportWriter(report) as writer,
        closing(Output(root, arguments, restart=restart, force=force, durable=durable)) as output,
    ):
        started = perf_counter()
        store = Store(root, link=link, durable=durable)
        output.put_meta(merge_meta(opened), store)
        output.journal.put(options=orjson.dumps({"link": link, "durable": durable}))
        agenda = Agenda(
            datasets, output.journal, layer.settings, store, stop, only_failed=only_failed
        )
        total = agenda.total()
        if total == 0 and not only_failed:
            summary.warnings.append("the projects have no images: nothing was exported")
        left = agenda.left()
        first = next(left, None)  # before the workers, who cost a second, for there may be none
        templates = tuple(project.templates for project in opened)
        job = Job(layer, templates, root, link, durable, workers, memory)
        crew = None if first is None else hire(job, workers, stop, processes=processes)
        with closing(crew) if crew else nullcontext():
            summary.startup_seconds = perf_counter() - started
            if on_start:
                on_start()

            def record(outcome: Outcome) -> None:
                summary.add(outcome)
                writer.add(outcome)
                output.add(outcome)

            def told(outcome: Outcome) -> bool:
                """Record an outcome; whether the run may go on."""
                record(outcome)
                if on_progress:
                    done = summary.images + summary.failed
                    on_progress(done, summary.failed, total - agenda.skipped)
                too_many = most_errors is not None and summary.failed >= most_errors
                return not too_many and not output.journal.is_stuck

            started = perf_counter()
            if crew and first:
                items = chain([first], left)
                summary.stopped = work(crew, items, stop, told=told, record=record)
            output.journal.commit()
            summary.seconds = perf_counter() - started
        summary.interrupted = stop.is_set()
        _conclude(summary, agenda, output)
        writer.finish(summary)
    return summary


def _conclude(summary: Summary, agenda: Agenda, output: Output) -> None:
    """Add to the summary what the agenda found, and what could not be written of the journal."""
    summary.skipped, summary.vanished = agenda.skipped, agenda.vanished
    if agenda.vanished:
        names = ", ".join(agenda.vanished_names)
        names += ", ..." if agenda.vanished > len(agenda.vanished_names) else ""
        summary.warnings.append(
            f"{agenda.vanished} finished items are no longer in the projects, what became of them"
            f" stays: {names}"
        )
    summary.journal_problem = output.journal.problem or output.errors.problem


def retry(out: Path, **options: Any) -> Summary:
    """Export once more what failed, by the journal in an output folder.

    Parameters
    ----------
    out
        The folder with the results, or the one that it lies in.
    options
        Those of `run`, except for `restart` and `force`; `link` and `durable` are as they were.

    Raises
    ------
    ProjectError, OutputError
        Before anything is written.
    """
    root = find_output(out)
    with locked_journal(root) as journal:
        layer, projects = read_arguments(journal)
        kept = orjson.loads(journal.get("options") or b"{}")
    # The layer's dst says where the output lay in its parent, which may have been moved since.
    base = root
    for _ in Path(layer.dst).parts:
        base = base.parent
    if base / layer.dst != root:
        raise OutputError(f"{root}: was renamed; it must end in {layer.dst}")
    return run(layer, projects, base, only_failed=True, **kept | options)


def config_warnings(layer: SaveMasks, projects: Sequence[Project]) -> list[str]:
    """What in the configuration does not meet the projects' classes."""
    settings = layer.settings
    mapped = {
        *((settings.gt_machine_color or {}) if settings.masks_machine else ()),
        *((settings.gt_human_color or {}) if settings.masks_human else ()),
    }
    existing = {title for project in projects for title in project.classes}
    warnings = []
    if absent := sorted(mapped - existing):
        warnings.append(f"classes of the config that no project has: {_listed(absent)}")
    if bare := sorted(existing - mapped):
        warnings.append(f"classes without a colour, which are not painted: {_listed(bare)}")
    if strange := sorted(set(settings.class_priority) - mapped):
        warnings.append(f"classes in class_priority that have no colour: {_listed(strange)}")
    if unknown := layer.unknown_keys():
        warnings.append(f"keys of the config that have no effect: {_listed(unknown)}")
    return [printable(warning) for warning in warnings]


def _listed(names: Sequence[str]) -> str:
    """Join names; of very many only the first."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
