"""Verify results: whether all files are there, and as they were written."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import orjson
import pyvips
from isal import isal_zlib

from ..errors import printable
from ..forks import by_libvips, libvips_is_lost
from ..store.files import Written
from ..system import usable_cores
from .journal import Journal, Record
from .output import find_output, locked_journal, read_root_sums

_CHUNK = 1 << 20  # bytes that are read at once
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
    """

    items: int = 0
    files: int = 0
    failed: int = 0
    damaged: int = 0


def verify(
    out: Path,
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
        If there is no journal, or a run is at work.
    """
    root = find_output(out)
    workers = workers or usable_cores()
    if not libvips_is_lost():
        pyvips.cache_set_max(0)
        pyvips.concurrency_set(1)
    found = Verification()
    with locked_journal(root) as journal, ThreadPoolExecutor(workers) as pool:
        found.failed = journal.count(failed=True)
        _check_root(root, journal, found, on_damage)
        in_progress: deque[tuple[str, Record, str, Future[str | None]]] = deque()
        for dataset, record, name, written in _files(journal, found):
            path = f"{root}/{dataset}/{name}"
            is_mask = name.startswith(("masks_", "visualize/")) and not name.endswith(".json")
            future = pool.submit(_find_damage, path, written, is_mask=is_mask)
            in_progress.append((dataset, record, path, future))
            if len(in_progress) > _QUEUE_LENGTH * workers:
                _add_result(journal, found, on_damage, *in_progress.popleft())
        for waiting in in_progress:
            _add_result(journal, found, on_damage, *waiting)
    return found


def _files(journal: Journal, found: Verification) -> Iterator[tuple[str, Record, str, Written]]:
    """Yield all files that must be there: data set, item, name below the data set, sums."""
    for dataset in journal.datasets():
        for record in journal.records(dataset):
            if record.error is None:
                found.items += 1
                for name, written in record.files():
                    yield dataset, record, name, written


def _check_root(
    root: Path, journal: Journal, found: Verification, on_damage: Callable[[str], None] | None
) -> None:
    for name, written in read_root_sums(journal).items():
        found.files += 1
        if damage := _find_damage(f"{root}/{name}", written, is_mask=name.endswith(".png")):
            found.damaged += 1
            if on_damage:
                on_damage(f"{root}/{name}: {damage}")


def _add_result(
    journal: Journal,
    found: Verification,
    on_damage: Callable[[str], None] | None,
    dataset: str,
    record: Record,
    path: str,
    future: Future[str | None],
) -> None:
    """Count one file; if it is damaged, mark its item in the journal."""
    found.files += 1
    damage = future.result()
    if damage is None:
        return
    found.damaged += 1
    if on_damage:
        on_damage(f"{path}: {damage}")
    message = printable(f"{path}: {damage}")
    error = {"kind": "damage", "message": message, "file": printable(path), "object": None}
    journal.add_damage(dataset, record, orjson.dumps(error))


def _find_damage(path: str, written: Written, *, is_mask: bool) -> str | None:
    """Say what is wrong with a file, or None; one chunk is in memory at a time."""
    size = checksum = 0
    chunk = b""
    try:
        with open(path, "rb", buffering=0) as file:
            while size <= written.size and (read := file.read(_CHUNK)):
                chunk = read
                size += len(chunk)
                checksum = isal_zlib.crc32(chunk, checksum)
            if size != written.size:
                more = "more than " if size > written.size else ""
                return f"has {more}{min(size, written.size)} bytes instead of {written.size}"
            if checksum != written.checksum:
                return "has other contents than were written"
            if not is_mask:
                return None
            file.seek(0)
            large = path if libvips_is_lost() else file.fileno()
            return by_libvips(_decoding_problem, chunk if len(chunk) == size else large)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _decoding_problem(content: bytes | int | str) -> str | None:
    """Decode a picture in memory, or of a file by its descriptor or path, from top to bottom."""
    how = {"access": "sequential", "fail_on": "error"}
    try:
        if isinstance(content, bytes):
            image = pyvips.Image.new_from_buffer(content, "", **how)
        else:
            if isinstance(content, int):
                source = pyvips.Source.new_from_descriptor(content)
            else:
                source = pyvips.Source.new_from_file(os.fsencode(content))
            image = pyvips.Image.new_from_source(source, "", **how)
        image.avg()
    except pyvips.Error as error:
        return f"cannot be decoded: {error.message}"
    return None
