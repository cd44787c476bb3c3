"""Many items: workers, order, interruption and totals.

Threads suffice because kernels, ISA-L and libvips work without Python's lock. A bounded number of
items is under way, and outcomes are taken in the order of the items, so that reports do not depend
on the number of workers and memory does not depend on the number of items.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Literal

import pyvips

from .errors import FolderError, OutputError, WriteError, printable
from .export import Outcome, export_item, warm_up
from .painter import Painter
from .project import Dataset, Item, Project, merge_meta, plan_datasets
from .report import ReportWriter, Summary
from .scratch import Scratch
from .settings import SaveMasks
from .store import Store

OnError = Literal["skip", "stop"]
OnProgress = Callable[[int, int, int], None]
"""Called with the number of items done, of those that failed, and of all."""

_IN_FLIGHT_PER_WORKER = 4


def run(
    layer: SaveMasks,
    projects: Sequence[Path],
    out: Path,
    *,
    workers: int | None = None,
    on_error: OnError = "skip",
    link: bool = False,
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
        Threads, or None for one per available core.
    on_error
        "skip" goes on after an item that fails, "stop" ends the run; what is done stays.
    link
        Put hard links to images and annotations instead of copies, where the file system can.
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
    opened = [Project.open(folder) for folder in projects]
    datasets = plan_datasets(opened)
    root = out / layer.dst
    _check_output(root)
    summary = Summary(out=root, warnings=_warnings(layer, opened))
    with ReportWriter(report) as writer:
        started = perf_counter()
        painters = [Painter(layer, project.templates) for project in opened]
        warm_up(painters[0])
        pyvips.cache_set_max(0)  # every picture is read once
        pyvips.concurrency_set(1)  # the workers are the parallelism
        total = sum(dataset.count() for dataset in datasets)
        if total == 0:
            summary.warnings.append("the projects have no images: nothing was exported")
        store = Store(root, link=link)
        try:
            store.write("meta.json", [merge_meta(opened)])
        except WriteError as error:
            raise OutputError(str(error)) from error
        line = _Line(layer, painters, store, workers)
        summary.startup_seconds = perf_counter() - started
        if on_start:
            on_start()

        started = perf_counter()
        try:
            for outcome in line.process(_items(datasets)):
                summary.add(outcome)
                writer.add(outcome)
                if on_progress:
                    on_progress(summary.images + summary.failed, summary.failed, total)
                if outcome.error is not None and on_error == "stop":
                    summary.stopped = True
                    break
        except KeyboardInterrupt:
            summary.interrupted = True
        for outcome in line.finish():
            summary.add(outcome)
            writer.add(outcome)
        summary.seconds = perf_counter() - started
        writer.finish(summary)
    return summary


class _Line:
    """Worker threads and the items that are under way."""

    def __init__(
        self, layer: SaveMasks, painters: Sequence[Painter], store: Store, workers: int
    ) -> None:
        self._layer, self._painters, self._store = layer, painters, store
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="savemasks")
        self._limit = workers * _IN_FLIGHT_PER_WORKER
        self._under_way: deque[Future[Outcome]] = deque()
        self._own = threading.local()

    def process(self, items: Iterable[Item | Outcome]) -> Iterator[Outcome]:
        """Export items in parallel; yield their outcomes in order, with those that are known."""
        for item in items:
            if isinstance(item, Outcome):
                future: Future[Outcome] = Future()
                future.set_result(item)
            else:
                future = self._pool.submit(self._export, item)
            self._under_way.append(future)
            if len(self._under_way) >= self._limit:
                yield self._next()
        while self._under_way:
            yield self._next()

    def finish(self) -> list[Outcome]:
        """Drop the items that have not begun, wait for the others and return their outcomes."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        outcomes = [future.result() for future in self._under_way if not future.cancelled()]
        self._under_way.clear()
        return outcomes

    def _next(self) -> Outcome:
        outcome = self._under_way[0].result()
        self._under_way.popleft()
        return outcome

    def _export(self, item: Item) -> Outcome:
        scratch = getattr(self._own, "scratch", None)
        if scratch is None:
            scratch = self._own.scratch = Scratch()
        painter = self._painters[item.project]
        return export_item(item, self._layer.settings, painter, self._store, scratch)


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
