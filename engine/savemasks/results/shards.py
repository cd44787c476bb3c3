"""The files of shards: where they lie, and what a killed run has left of them."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import OutputError, printable
from ..store.pack_members import END
from ..store.packs import clear_spools
from ..system.file_calls import READ_AT_ONCE, read_at
from .journal import Journal
from .lock import Folders
from .places import Places, Shard, State

PART = ".part"
ENDS_BADLY = "is not as long as it was written, or does not end as an archive does"
NO_FILE = "is not a file"


@dataclass(slots=True)
class Settled:
    """The shards that are there.

    Attributes
    ----------
    shards
        Those that have a file, in the order in which they were begun.
    readable
        How many bytes the file of each has, by number.
    intact
        The numbers of those that are whole.
    notes
        What is missing, one line each.
    """

    shards: list[Shard] = field(default_factory=list)
    readable: dict[int, int] = field(default_factory=dict)
    intact: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def path_of(folders: Folders, shard: Shard) -> Path:
    """Where the file of a shard is: in the folder of the result, or in the hidden one."""
    if shard.state in {State.GROWS, State.PENDING, State.REPLACED}:
        return folders.hidden / f"{shard.name}.{shard.number}{PART}"
    return folders.root / shard.name


def whole_shards(places: Places) -> list[dict[str, Any]]:
    """Name, samples and bytes of the shards that are in their places, in their order."""
    shards = [shard for shard in places.shards() if shard.state is State.WHOLE]
    return [described(shard) for shard in sorted(shards, key=lambda s: (len(s.name), s.name))]


def described(shard: Shard) -> dict[str, Any]:
    """A shard as the index of a result has it."""
    return {"name": shard.name, "samples": shard.samples, "bytes": shard.size + len(END)}


def settle(journal: Journal) -> Settled:
    """Complete what a killed run has left undone, and look at the shards that there are.

    Shards that were about to get their place get it, those that were about to go do, and those
    whose file is missing are forgotten, with their samples. Raises `OutputError`.
    """
    folders = journal.folders
    try:
        return _settled(folders, journal.places)
    except OutputError:
        raise
    except OSError as error:
        where = printable(error.filename or folders.root)
        raise OutputError(f"{where}: cannot be used: {error.strerror}") from error


def _settled(folders: Folders, places: Places) -> Settled:
    found = Settled()
    shards = places.shards()
    for shard in shards:  # first of all, so that what they replace is out of the way
        if shard.state is State.PENDING:
            put_in_place(folders, shard, shards)
            shard.state = State.WHOLE
            places.change(put=[shard])
    unlink_shards(folders, places, [shard for shard in shards if shard.state is State.GONE])
    for shard in shards:
        if shard.state is State.GONE:
            continue
        damage = damage_of(path_of(folders, shard), shard)
        if damage == NO_FILE:  # somebody has put it there, so it is not ours to move
            raise OutputError(f"{printable(path_of(folders, shard))}: {NO_FILE}; move it away")
        if damage == "is missing":
            if shard.state is State.WHOLE:
                shown = printable(folders.root / shard.name)
                found.notes.append(f"{shown}: is missing: what was in it is made anew")
            places.change(drop=[shard])
            continue
        found.shards.append(shard)
        found.readable[shard.number] = path_of(folders, shard).stat().st_size
        if shard.state is State.WHOLE and damage is None:
            found.intact.add(shard.number)
        elif damage is not None:
            shown = printable(folders.root / shard.name)
            found.notes.append(f"{shown}: {damage}: it is made anew")
    _remove_leftovers(folders.hidden, {path_of(folders, shard).name for shard in found.shards})
    return found


def put_in_place(folders: Folders, shard: Shard, others: Iterable[Shard]) -> None:
    """Give a shard that is whole its name, if it has not got it yet; may raise `OSError`.

    If samples are still copied from the one that has the name, that one gets another name first.
    """
    part = path_of(folders, shard)
    if not part.exists():
        return
    had_it = {State.REPLACED, State.GONE}
    before = [other for other in others if other.name == shard.name and other.state in had_it]
    there = max(before, key=lambda other: other.number, default=None)
    if there is not None and there.state is State.REPLACED and not path_of(folders, there).exists():
        _set_aside(folders.root / shard.name, path_of(folders, there))
    part.replace(folders.root / shard.name)


def _set_aside(path: Path, new: Path) -> None:
    """Give a file another name; it keeps the old one too, if the file system can."""
    try:
        new.hardlink_to(path)
    except FileNotFoundError:
        return  # what was in it is made anew
    except OSError:
        path.rename(new)


def damage_of(path: Path, shard: Shard) -> str | None:
    """What is wrong with the file of a shard, which is at `path`, as a whole, or None."""
    try:
        file = os.open(path, READ_AT_ONCE)
    except FileNotFoundError:
        return "is missing"
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            return NO_FILE
        if shard.state is not State.WHOLE:
            return None
        size = status.st_size
        if size != shard.size + len(END) or read_at(file, len(END), shard.size) != END:
            return ENDS_BADLY
        return None
    finally:
        os.close(file)


def unlink_shards(folders: Folders, places: Places, gone: Iterable[Shard]) -> None:
    """Remove the files of shards, and forget them; raises `OutputError`."""
    gone = [*gone]
    if not gone:
        return
    kept = {
        path_of(folders, shard)
        for shard in places.shards()
        if shard.number not in {shard.number for shard in gone}
    }
    for shard in gone:
        files = {path_of(folders, shard)}
        if shard.state is State.GONE:
            files.add(path_of(folders, Shard(shard.number, shard.name)))
        else:  # should this end here, the next run goes on with it
            places.change(put=[Shard(shard.number, shard.name, State.GONE)])
        for file in files - kept:
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(
                    f"{printable(file)}: cannot be removed: {error.strerror}"
                ) from error
    places.change(drop=gone)


def _remove_leftovers(hidden: Path, known: set[str]) -> None:
    """Remove what belongs to nobody: spools, and shards that a run had only begun to begin."""
    clear_spools(hidden)
    for path in hidden.glob(f"*.tar.*{PART}"):
        if path.name not in known:
            path.unlink(missing_ok=True)
