"""Many items: workers, order, interruption and totals."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from .errors import FolderError, OutputError, WriteError, printable
from .jobs import Job, Outcome
from .processes import Processes
from .project import Dataset, Item, Project, merge_meta, plan_datasets
from .report import ReportWriter, Summary
from .settings import SaveMasks
from .store import Store

if TYPE_CHECKING:
    from .threads import Threads

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
    link: bool = False,
    stop: threading.Event | None = None,
    report: Path | None = None,
    on_progress: OnProgress | None = None,
    on_start: Callable[[], None] | None = None,
) -> Summary:
    """Export projects through a `save_masks` layer into `out / layer.dst`.

    Parameters
    ----------
    layer
        What to make.
    projects
        Folders of Supervisely projects.
    out
        Output folder; `out / layer.dst` must not exist or be empty.
    workers
        How many, or None for one per available core.
    processes
        Whether workers are processes, which survive each other, instead of threads of this one.
        Programs that call this must then be importable, as for all of `multiprocessing`.
    on_error
        "skip" goes on after an item that fails, "stop" ends the run; what is done stays.
    link
        Put hard links to images and annotations instead of copies, where the file system can.
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
    workers = workers or len(os.sched_getaffinity(0))
    stop = stop or threading.Event()
    opened = [Project.open(folder) for folder in projects]
    datasets = plan_datasets(opened)
    root = out / layer.dst
    _check_output(root)
    summary = Summary(out=root, warnings=_warnings(layer, opened))
    with ReportWriter(report) as writer:
        started = perf_counter()
        total = sum(dataset.count() for dataset in datasets)
        if total == 0:
            summary.warnings.append("the projects have no images: nothing was exported")
        store = Store(root, link=link)
        try:
            store.write("meta.json", [merge_meta(opened)])
        except WriteError as error:
            raise OutputError(str(error)) from error
        job = Job(layer, tuple(project.templates for project in opened), root, link)
        crew = _hire(job, workers, stop, processes=processes)
        summary.startup_seconds = perf_counter() - started
        if on_start:
            on_start()

        started = perf_counter()
        try:
            try:
                for outcome in crew.process(_items(datasets)):
                    summary.add(outcome)
                    writer.add(outcome)
                    if on_progress:
                        on_progress(summary.images + summary.failed, summary.failed, total)
                    if outcome.error is not None and on_error == "stop":
                        summary.stopped = True
                        break
            except KeyboardInterrupt:
                stop.set()
            summary.interrupted = stop.is_set()
            for outcome in crew.finish():
                summary.add(outcome)
                writer.add(outcome)
        finally:
            crew.close()
        summary.seconds = perf_counter() - started
        writer.finish(summary)
    return summary


def _hire(
    job: Job, workers: int, stop: threading.Event, *, processes: bool
) -> "Threads | Processes":
    if processes:
        return Processes(job, workers, stop)
    from .threads import Threads  # noqa: PLC0415  (with all that a worker needs)

    return Threads(job, workers, stop)


def _items(datasets: Sequence[Dataset]) -> Iterator[Item | Outcome]:
    """List data sets one after the other; one that cannot be listed is a failure in its place."""
    for dataset in datasets:
        try:
            yield from dataset.items()
        except OSError as error:
            folder = str(error.filename)
            item = Item(folder, name="", image=None, annotation=None, mask_name="")
            problem = f"the folder cannot be read: {error.strerror}"
            yield Outcome(item, error=FolderError(problem, file=folder))


def _check_output(root: Path) -> None:
    """Refuse to mix results with anything that is there already."""
    try:
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise OutputError(
                f"{root}: is not an empty folder; choose another --out, or remove it first"
            )
    except PermissionError as error:
        raise OutputError(f"{root}: cannot be read: {error.strerror}") from error


def _warnings(layer: SaveMasks, projects: Sequence[Project]) -> list[str]:
    """What in the configuration does not meet the projects' classes."""
    settings = layer.settings
    mapped = {
        *((settings.gt_machine_color or {}) if settings.masks_machine else ()),
        *((settings.gt_human_color or {}) if settings.masks_human else ()),
    }
    existing = {title for project in projects for title in project.classes}
    warnings = []
    if absent := sorted(mapped - existing):
        warnings.append(f"classes of the config that no project has: {', '.join(absent)}")
    if bare := sorted(existing - mapped):
        warnings.append(f"classes without a colour, which are not painted: {', '.join(bare)}")
    if strange := sorted(set(settings.class_priority) - mapped):
        warnings.append(f"classes in class_priority that have no colour: {', '.join(strange)}")
    if unknown := layer.unknown_keys():
        warnings.append(f"keys of the config that have no effect: {', '.join(unknown)}")
    return [printable(warning) for warning in warnings]
