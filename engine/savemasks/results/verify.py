"""Verify results: whether all files are there, and as they were written."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import orjson
import pyvips

from ..errors import printable
from ..forks import libvips_is_lost
from ..remote import Url
from ..store.files import Written
from ..system.hardware import usable_cores
from . import verify_packs
from .damage import find_damage, is_mask
from .division import is_outdated, locked_journals, missing_parts
from .in_chunks.chunked_output import find_chunked
from .in_chunks.depot import Depot
from .in_chunks.verify_marks import MarksVerifier
from .journal import Journal
from .output import find_output, read_pack
from .overview import count_failed
from .record import Record
from .root_files import read_root_sums

_QUEUE_LENGTH = 16  # files per thread that are in progress


@dataclass(slots=True)
class Verification:
    """What a verification has found.

    Attributes
    ----------
    items, files
        Items and files that were read.
    failed
        Items that have no results because they failed.
    damaged
        Files that are missing, or not as they were written.
    missing
        What is missing of a result that is made in parts, one line each.
    """

    items: int = 0
    files: int = 0
    failed: int = 0
    damaged: int = 0
    missing: list[str] = field(default_factory=list)


def verify(
    out: Path | Url,
    *,
    workers: int | None = None,
    on_damage: Callable[[str], None] | None = None,
) -> Verification:
    """Compare results with their journal.

    Every file must have the size and the CRC-32 of what was written, and masks must decode. Items
    with a damaged file are marked in the journal as failed, so that `retry` makes them anew, unless
    the folder is read-only.

    Parameters
    ----------
    out
        The folder with the results, or the one that it lies in.
    workers
        Number of threads, or None for one per available core.
    on_damage
        Called with "file: what is wrong" for every damaged one.

    Raises
    ------
    OutputError
        If there is no journal, or a run, or a part of one, is at work.
    """
    url = find_chunked(out)
    workers = workers or usable_cores()
    if not libvips_is_lost():
        pyvips.cache_set_max(0)
        pyvips.concurrency_set(1)
    if url is not None:
        marks = MarksVerifier(Depot(url), workers, on_damage)
        missing = marks.verify()
        return Verification(marks.items, marks.files, marks.failed, marks.damaged, missing)
    assert isinstance(out, Path)
    root = find_output(out)
    found = Verification()
    with locked_journals(root) as journals, ThreadPoolExecutor(workers) as pool:
        found.failed = count_failed(journals)
        found.missing = missing_parts(root)
        if not found.missing and is_outdated(journals):
            found.missing = ["legend and index are not written: retry does it"]
        _check_root(root, journals, found, on_damage)
        for journal in journals:
            tasks = _samples if read_pack(journal) else _files
            in_progress: deque[_Task] = deque()
            for task in tasks(journal, pool, found, on_damage):
                in_progress.append(task)
                if len(in_progress) > _QUEUE_LENGTH * workers:
                    _add_result(journal, found, on_damage, in_progress.popleft())
            for waiting in in_progress:
                _add_result(journal, found, on_damage, waiting)
    return found


class _Task(NamedTuple):
    """An item of which one or more files are looked at; its damage, each as "file: what"."""

    dataset: str
    record: Record
    shown: str
    files: int
    damage: Future[list[str]]


def _files(
    journal: Journal,
    pool: ThreadPoolExecutor,
    found: Verification,
    _: Callable[[str], None] | None,
) -> Iterator[_Task]:
    """Look at all files that must be there."""
    for dataset in journal.datasets():
        for record in journal.records(dataset):
            if record.error is None:
                found.items += 1
                for name, written in record.files():
                    path = f"{journal.folders.root}/{dataset}/{name}"
                    damage = pool.submit(_damage, path, written, is_mask=is_mask(name))
                    yield _Task(dataset, record, path, 1, damage)


def _damage(path: str, written: Written, *, is_mask: bool) -> list[str]:
    damage = find_damage(path, written, is_mask=is_mask)
    return [] if damage is None else [f"{path}: {damage}"]


def _samples(
    journal: Journal,
    pool: ThreadPoolExecutor,
    found: Verification,
    on_damage: Callable[[str], None] | None,
) -> Iterator[_Task]:
    """Look at all samples that must be there."""

    def tell(damage: str) -> None:
        found.damaged += 1
        if on_damage:
            on_damage(damage)

    for sample in verify_packs.samples(journal, verify_packs.find_shards(journal, tell)):
        found.items += 1
        shown = str(sample.path or journal.folders.root)
        damage = pool.submit(verify_packs.find_damage, sample)
        yield _Task(sample.dataset, sample.record, shown, len([*sample.record.files()]), damage)


def _check_root(
    root: Path,
    journals: list[Journal],
    found: Verification,
    on_damage: Callable[[str], None] | None,
) -> None:
    for name, written in read_root_sums(journals).items():
        found.files += 1
        if damage := find_damage(f"{root}/{name}", written, is_mask=name.endswith(".png")):
            found.damaged += 1
            if on_damage:
                on_damage(f"{root}/{name}: {damage}")


def _add_result(
    journal: Journal,
    found: Verification,
    on_damage: Callable[[str], None] | None,
    task: _Task,
) -> None:
    """Count files of an item; if one is damaged, mark the item in the journal."""
    found.files += task.files
    for damage in task.damage.result():
        found.damaged += 1
        if on_damage:
            on_damage(damage)
        shown = printable(task.shown)
        error = {"kind": "damage", "message": printable(damage), "file": shown, "object": None}
        journal.add_damage(task.dataset, task.record, orjson.dumps(error))
