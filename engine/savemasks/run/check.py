"""Survey what a run would find, without writing anything."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from ..layers.graph import Graph
from ..layers.reading import Sink
from ..line.job import Job, Outcome
from ..projects.ignored import Ignored
from ..projects.items import Dataset, Item
from ..projects.locations import Location
from ..results.notes import (
    count_findings,
    missing_edges_notes,
    unknown_classes_note,
    unread_notes,
    unsupported_text,
)
from ..results.report import Failure
from .fetching import Fetching, Wanted
from .options import DEFAULT_OPTIONS, Hooks, RunOptions
from .pool import process_items, start_pool
from .routes import Routing, find_routes, routing_notes
from .starting import Starter, first_process
from .worklist import listing_failure

_SAMPLES = 256
_MAX_FAILURES = 1000


@dataclass(slots=True)
class Survey:
    """What a run would find.

    Attributes
    ----------
    warnings
        Differences between the configuration and the projects' classes.
    items, failed
        Items that were read, and those among them that a run could not export.
    failures
        The first thousand of them; the text of each is "file: what is wrong".
    images_without_annotation, annotations_without_image
        Items of which one file is missing.
    unsupported
        Objects that this version does not paint, by geometry.
    unknown_classes
        Objects of classes that neither the configuration nor meta.json names, by title; of the
        first thousand titles.
    known_classes
        Classes that one of them names.
    blank_images
        Images with such objects that have nothing to paint, so that their masks are all background.
    unread_formats
        Pictures that a run would copy though this installation cannot read them, by format.
    ignored
        Files that are no items.
    sampled, sample_seconds, sample_bytes
        Items that were made but not written, the seconds that they took on one core, and the size
        of their files.
    files
        Files that a run would write, without those at the roots of results.
    has_own_masks
        Whether their number depends on what is in annotations: on objects and their classes.
    workers
        Number of workers of a run.
    interrupted
        Whether the survey has ended early.
    """

    warnings: list[str]
    workers: int
    items: int = 0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)
    images_without_annotation: int = 0
    annotations_without_image: int = 0
    unsupported: Counter[str] = field(default_factory=Counter)
    unknown_classes: Counter[str] = field(default_factory=Counter)
    missing_edges: Counter[str] = field(default_factory=Counter)
    known_classes: frozenset[str] = frozenset()
    blank_images: int = 0
    unread_formats: Counter[str] = field(default_factory=Counter)
    ignored: Ignored = field(default_factory=Ignored)
    sampled: int = 0
    sample_seconds: float = 0.0
    sample_bytes: int = 0
    files: int = 0
    has_own_masks: bool = False
    interrupted: bool = False

    def add(self, outcome: Outcome) -> None:
        """Count one item."""
        item = outcome.item
        self.items += 1
        self.files += outcome.files
        count_findings(self, outcome)
        if item.name:
            self.images_without_annotation += item.annotation is None
            self.annotations_without_image += item.image is None
        if outcome.error is not None:
            self.failed += 1
            if len(self.failures) < _MAX_FAILURES:
                self.failures.append(Failure.of(outcome.error, item))
        elif outcome.written and outcome.written[0].sums:
            self.sampled += 1
            self.sample_seconds += sum(outcome.seconds.values())
            for files in outcome.written:
                self.sample_bytes += sum(written.size for _, written in files.each())

    @property
    def seconds(self) -> float:
        """Estimate of the seconds that a run takes if the disk is fast enough."""
        good = self.items - self.failed
        return self.sample_seconds / max(self.sampled, 1) * good / self.workers

    @property
    def bytes(self) -> int:
        """Estimate of the size of all results, in bytes."""
        return self.sample_bytes * (self.items - self.failed) // max(self.sampled, 1)

    def notes(self) -> list[str]:
        """Return what the user should know, one line each."""
        notes = list(self.warnings)
        if self.images_without_annotation:
            notes.append(f"images without annotation: {self.images_without_annotation}")
        if self.annotations_without_image:
            notes.append(f"annotations without image: {self.annotations_without_image}")
        if self.unsupported:
            notes.append(unsupported_text(self.unsupported, ascii))
        if self.unknown_classes:
            known = self.known_classes
            notes.append(unknown_classes_note(self.unknown_classes, known, self.blank_images))
        notes += missing_edges_notes(self.missing_edges)
        return notes + unread_notes(self.unread_formats) + self.ignored.notes()

    def forecast(self) -> str:
        """Return one line about time and size, and the number of files if that is not obvious."""
        if not self.sampled:
            return "nothing can be exported"
        minutes, seconds = divmod(round(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        files = f" in {self.files} files" if self.has_own_masks else ""
        return (
            f"a run would take about {hours}:{minutes:02}:{seconds:02} with {self.workers} workers,"
            f" and {self.bytes / 1e6:.1f} MB{files} (from {self.sampled} items that were tried)"
        )


def check(
    graph: Graph | Sink,
    projects: Sequence[Location],
    options: RunOptions = DEFAULT_OPTIONS,
    hooks: Hooks | None = None,
    *,
    below: Sequence[Location] = (),
) -> Survey:
    """Read and parse all items, make some of them completely, and write nothing.

    The arguments are those of `run`; of the options, `workers`, `processes` and `memory` have an
    effect. Raises `ProjectError`.
    """
    hooks = hooks or Hooks()
    out = Path(os.devnull)
    with ExitStack() as stack:
        begun = first_process(processes=options.processes)
        starter = hooks.starter or stack.enter_context(begun)
        found = find_routes(graph, projects, out, below, hooks.stop.is_set)
        return _check(stack.enter_context(closing(found)), options, hooks, starter)


def _check(routing: Routing, options: RunOptions, hooks: Hooks, starter: Starter | None) -> Survey:
    survey = Survey(
        routing_notes(routing),
        options.worker_count,
        known_classes=frozenset[str]().union(*(r.known_classes for r in routing.results)),
        has_own_masks=any(result.sink.layer.settings.has_own_masks for result in routing.results),
    )
    total = sum(dataset.count() for dataset in routing.datasets)
    job = Job(
        tuple(routing.flows),
        workers=survey.workers,
        memory=options.memory,
        sample=max(1, total // _SAMPLES),
    )

    fetching = Fetching(routing)

    def record(outcome: Outcome) -> None:
        fetching.settle(outcome)
        survey.add(outcome)

    def accept(outcome: Outcome) -> bool:
        record(outcome)
        if hooks.on_progress:
            hooks.on_progress(survey.items, survey.failed, total)
        return True

    with (
        closing(fetching),
        closing(start_pool(job, hooks.stop, hooks.on_compile, starter)) as pool,
    ):
        if hooks.on_start:
            hooks.on_start()
        process_items(
            pool,
            fetching.ahead(_items(routing.datasets, survey.ignored, fetching)),
            hooks.stop,
            accept=accept,
            record=record,
        )
    survey.interrupted = hooks.stop.is_set()
    return survey


def _items(
    datasets: Sequence[Dataset], ignored: Ignored, fetching: Fetching
) -> Iterator[Item | Wanted | Outcome]:
    for dataset in datasets:
        try:
            for listing in dataset.batches():
                ignored.merge(listing.ignored, dataset.output)
                yield from (fetching.wanted(listing, entry) for entry in listing)
        except OSError as error:
            yield listing_failure(error, dataset)
