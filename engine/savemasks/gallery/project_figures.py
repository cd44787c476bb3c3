"""Figures of projects: annotations are read and painted, and nothing is written."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from ..errors import AnnotationError, FolderError, ItemError, printable
from ..layers.graph import Graph
from ..layers.palettes import palettes_of
from ..layers.reading import Sink as SinkOfGraph
from ..layers.save_masks import SaveMasks
from ..line.class_totals import unpacked
from ..line.counting_classes import ClassCounter, counted_titles
from ..line.drawings import drawing
from ..line.job import Inlet
from ..line.plan import Plan
from ..line.sinks import Sink
from ..line.visible_areas import STRIP_PIXELS, visible_areas
from ..line.warmup import warm_up
from ..projects.classes import ClassTemplate
from ..projects.items import Dataset, Item, Places
from ..projects.members import MemberError, read_member
from ..run.options import Hooks
from ..run.routes import Routing, find_routes
from ..scratch import own_scratch
from ..shapes import Shapes
from ..store.files import Store
from ..system.hardware import usable_cores
from .figures import Figures
from .in_order import results_in_order

ALL_CLASSES = SaveMasks.from_json(
    {
        "action": "save_masks",
        "dst": "stats",
        "settings": {"masks_machine": True, "gt_machine_color": "auto"},
    }
)
"""What is counted without a configuration: every class of meta.json."""

_MAX_FAILURES = 1000


@dataclass(slots=True)
class Survey:
    """What was found.

    Attributes
    ----------
    results
        Figures of every layer that writes, by its `dst`.
    failures
        Why images could not be counted, a line each; of the first thousand.
    failed
        How many there are.
    """

    results: dict[str, Figures]
    failures: list[str]
    failed: int = 0


class _Counted(NamedTuple):
    """What was counted in an image: of every class and object, and its canvas."""

    counts: list[tuple[int, int, int]]
    sizes: list[int]
    canvas: int


class _Counter:
    """Counts what a layer paints of annotations. May be shared by threads."""

    def __init__(self, inlet: Inlet, templates: dict[str, ClassTemplate]) -> None:
        self._plan = plan = Plan.of(
            inlet.layer, templates, table=inlet.table, classes=inlet.classes
        )
        # Nothing is stored.
        self._sink = Sink(inlet.layer.settings, plan, Store(Path(os.devnull)))
        warm_up(plan, inlet.layer.settings)

    def count(self, annotation: bytes) -> _Counted:
        """Count an annotation; raises `AnnotationError`."""
        plan = self._plan
        shapes = plan.parse(annotation)
        canvas = shapes.height * shapes.width
        counter = ClassCounter(self._sink)
        if counter.motif is None:
            return _Counted([], [], canvas)
        scratch = own_scratch()
        map_ = drawing(plan, counter.motif, shapes)
        strips = range(0, shapes.height, max(1, STRIP_PIXELS // shapes.width))
        for top, order in zip(strips, map_.order_by_strip(strips), strict=True):
            rows = range(top, min(top + strips.step, shapes.height))
            counter.add(map_.paint(scratch, rows, order))
        counts = unpacked(counter.packed(shapes))
        sizes = self._sizes(shapes) if counts else []
        scratch.forget_large()
        return _Counted([(label - 1, n, pixels) for label, n, pixels in counts], sizes, canvas)

    def _sizes(self, shapes: Shapes) -> list[int]:
        plan = self._plan
        tables = plan.machine_table, plan.human_table, plan.semantic_table, plan.own_table
        table = next(table for table in tables if table is not None)
        areas = visible_areas(plan, shapes, table, own_scratch())
        numbers = {*(shapes.object_index[table[shapes.class_id] > 0] + 1).tolist()}
        return [areas[number] for number in numbers]


def project_figures(
    projects: Sequence[Path],
    graph: Graph | SinkOfGraph = ALL_CLASSES,
    *,
    below: Sequence[Path] = (),
    workers: int | None = None,
    hooks: Hooks | None = None,
) -> Survey:
    """Count what the layers of a graph paint of projects.

    Parameters
    ----------
    projects
        Folders or archives of projects.
    graph
        What is painted; by default every class.
    below
        Folders in which data layers find further projects.
    workers
        Number of threads, or None for one per available core.
    hooks
        The caller's stop event and callbacks.

    Raises
    ------
    ConfigError, ProjectError
        As a run does.
    """
    hooks = hooks or Hooks()
    out = Path(os.devnull)
    with closing(find_routes(graph, projects, out, below, hooks.stop.is_set)) as routing:
        return _survey(routing, workers or usable_cores(), hooks)


def _survey(routing: Routing, workers: int, hooks: Hooks) -> Survey:
    counters = [
        [_Counter(inlet, dict(flow.templates)) for inlet in flow.inlets] for flow in routing.flows
    ]
    results = []
    for result in routing.results:
        titles = counted_titles(palettes_of(result.layer, result.classes))
        results.append(Figures([printable(title) for title in titles]))
    survey = Survey(
        {r.sink.dst: figures for r, figures in zip(routing.results, results, strict=True)}, []
    )
    total = sum(dataset.count() for dataset in routing.datasets)
    if hooks.on_start:
        hooks.on_start()
    items = chain.from_iterable(map(_items, routing.datasets))
    with closing(results_in_order(partial(_count, counters), items, workers)) as work:
        for done, (item, found) in enumerate(work, start=1):
            if hooks.stop.is_set():
                break
            numbers = [routing.sinks[item.flow][inlet] for inlet, _ in item.reached]
            if isinstance(found, ItemError):
                survey.failed += 1
                if len(survey.failures) < _MAX_FAILURES:
                    survey.failures.append(printable(found))
                for number in {*numbers}:
                    results[number].failed += 1
            else:
                for number, counted in zip(numbers, found, strict=True):
                    _add(results[number], counted)
            if hooks.on_progress:
                hooks.on_progress(done, survey.failed, total)
    return survey


def _add(figures: Figures, counted: _Counted) -> None:
    figures.add(counted.counts, counted.canvas)
    for size in counted.sizes:
        figures.add_sizes(size)


@dataclass(frozen=True, slots=True)
class _Unlisted:
    """A data set whose folder cannot be listed."""

    dataset: Dataset
    error: FolderError

    @property
    def flow(self) -> int:
        return self.dataset.flow

    @property
    def reached(self) -> Places:
        return self.dataset.reached


def _items(dataset: Dataset) -> Iterator[Item | _Unlisted]:
    try:
        yield from dataset.items()
    except OSError as error:
        reason = f"cannot be listed: {error.strerror}"
        yield _Unlisted(dataset, FolderError(reason, file=str(dataset.folder)))


def _count(
    counters: Sequence[Sequence[_Counter]], item: Item | _Unlisted
) -> list[_Counted] | ItemError:
    """What is counted of an item, for every inlet that it reaches."""
    if isinstance(item, _Unlisted):
        return item.error
    try:
        annotation = _annotation(item)
        return [counters[item.flow][inlet].count(annotation) for inlet, _ in item.reached]
    except ItemError as error:
        error.file = error.file or item.annotation
        return error


def _annotation(item: Item) -> bytes:
    """The text of an item's annotation; raises `AnnotationError`."""
    if item.annotation is None:
        raise AnnotationError("has no annotation", file=item.image)
    try:
        if item.members and item.members.annotation:
            return read_member(item.members.annotation)
        return Path(item.annotation).read_bytes()
    except MemberError as error:
        raise AnnotationError(str(error), file=item.annotation) from error
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise AnnotationError(reason, file=item.annotation) from error
