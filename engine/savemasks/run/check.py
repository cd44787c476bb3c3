"""What a run would meet, found out without writing anything."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ..layers.save_masks import SaveMasks
from ..line.job import Job, Outcome
from ..projects.supervisely import Dataset, Item, Project, plan_datasets
from ..results.report import explain
from ..system import usable_cores
from .export import OnProgress, config_warnings
from .pool import hire, work
from .worklist import folder_failure

_SAMPLES = 256
_KEPT_FAILURES = 1000


@dataclass(slots=True)
class Survey:
    """What a run would meet.

    Attributes
    ----------
    warnings
        What in the configuration does not meet the projects' classes.
    items, failed
        Items that were read, and those among them that a run could not export.
    failures
        "file: what is wrong" of the first thousand of them.
    lonely_images, lonely_annotations
        Images without annotation, and annotations without image.
    unsupported
        Objects that this version does not paint, by geometry.
    sampled, sample_seconds, sample_bytes
        Items that went all the way except for being written, the time they took on one core, and
        the size of their files.
    workers
        How many a run would have.
    interrupted
        Whether the survey was ended early.
    """

    warnings: list[str]
    workers: int
    items: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    lonely_images: int = 0
    lonely_annotations: int = 0
    unsupported: Counter[str] = field(default_factory=Counter)
    sampled: int = 0
    sample_seconds: float = 0.0
    sample_bytes: int = 0
    interrupted: bool = False

    def add(self, outcome: Outcome) -> None:
        """Count one item."""
        item = outcome.item
        self.items += 1
        self.unsupported.update(outcome.unsupported)
        if item.name:
            self.lonely_images += item.annotation is None
            self.lonely_annotations += item.image is None
        if outcome.error is not None:
            self.failed += 1
            if len(self.failures) < _KEPT_FAILURES:
                self.failures.append(explain(outcome.error, item.image or item.annotation))
        elif outcome.outputs:
            self.sampled += 1
            self.sample_seconds += sum(outcome.seconds.values())
            self.sample_bytes += sum(written.size for written in outcome.outputs.values())

    @property
    def seconds(self) -> float:
        """Estimate of the time that a run takes, without waiting for the disk."""
        good = self.items - self.failed
        return self.sample_seconds / max(self.sampled, 1) * good / self.workers

    @property
    def bytes(self) -> int:
        """Estimate of the size of all results."""
        return self.sample_bytes * (self.items - self.failed) // max(self.sampled, 1)

    def notes(self) -> list[str]:
        """What the user should know, a line each."""
        notes = list(self.warnings)
        if self.lonely_images:
            notes.append(f"images without annotation: {self.lonely_images}")
        if self.lonely_annotations:
            notes.append(f"annotations without image: {self.lonely_annotations}")
        if self.unsupported:
            counts = ", ".join(f"{n} x {name!a}" for name, n in sorted(self.unsupported.items()))
            notes.append(f"objects that this version does not paint: {counts}")
        return notes

    def forecast(self) -> str:
        """One line about time and size."""
        if not self.sampled:
            return "nothing can be exported"
        minutes, seconds = divmod(round(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return (
            f"a run would take about {hours}:{minutes:02}:{seconds:02} with {self.workers} workers,"
            f" and {self.bytes / 1e6:.1f} MB (from {self.sampled} items that were tried)"
        )


def check(
    layer: SaveMasks,
    projects: Sequence[Path],
    *,
    workers: int | None = None,
    processes: bool = False,
    stop: threading.Event | None = None,
    on_progress: OnProgress | None = None,
    on_start: Callable[[], None] | None = None,
) -> Survey:
    """Read and parse all items, take some of them all the way, and write nothing.

    The arguments are those of `run.run`. Raises `ProjectError`.
    """
    workers = workers or usable_cores()
    stop = stop or threading.Event()
    opened = [Project.open(folder) for folder in projects]
    datasets = plan_datasets(opened)
    survey = Survey(config_warnings(layer, opened), workers)
    total = sum(dataset.count() for dataset in datasets)
    templates = tuple(project.templates for project in opened)
    nowhere = Path(os.devnull)
    job = Job(layer, templates, nowhere, workers=workers, sample=max(1, total // _SAMPLES))

    def told(outcome: Outcome) -> bool:
        survey.add(outcome)
        if on_progress:
            on_progress(survey.items, survey.failed, total)
        return True

    with closing(hire(job, workers, stop, processes=processes)) as crew:
        if on_start:
            on_start()
        work(crew, _items(datasets), stop, told=told, record=survey.add)
    survey.interrupted = stop.is_set()
    return survey


def _items(datasets: Sequence[Dataset]) -> Iterator[Item | Outcome]:
    for dataset in datasets:
        try:
            yield from dataset.items()
        except OSError as error:
            yield folder_failure(error)
