"""Results that are made in parts: what all parts have in common, and how far each of them is.

The hidden folder of a divided result has a folder for each part, with lock, journal and errors of
its own, and a file that says how many parts there are and what all of them make. A part that begins
shares the lock of the result, and so do all others. Whoever needs the result as a whole takes that
lock alone.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import orjson

from ..errors import OutputError, WriteError
from ..projects.parts import Part, unfinished_mark
from ..store.files import Store
from ..system.file_calls import sync_folder
from ..system.file_locks import FileLock
from .differences import are_same, differences
from .journal import JOURNAL, Journal
from .lock import (
    HIDDEN,
    Lock,
    busy,
    hidden_folder,
    is_at_work,
    lock_part,
    open_lock,
    take,
    wait_for_workers,
    wait_until,
)

DIVISION = f"{HIDDEN}/parts.json"
"""The file that says what all parts have in common."""

_FINISHED = "finished"
_MAX_NAMES = 20
_JOIN_TIMEOUT = 60.0  # seconds in which whoever needs the result as a whole should be ready


@dataclass(frozen=True, slots=True)
class Division:
    """What all parts of a result have in common.

    Attributes
    ----------
    count
        How many there are.
    arguments
        Everything besides the items that the files depend on, as the journals have it.
    """

    count: int
    arguments: bytes

    @property
    def parts(self) -> list[Part]:
        """All of them."""
        return [Part(number, self.count) for number in range(1, self.count + 1)]


class State(Enum):
    """How far a part is."""

    MISSING = "has not begun"
    AT_WORK = "is being made"
    UNFINISHED = "is not finished"
    FINISHED = "is finished"


_PLURALS = {
    State.MISSING: "have not begun",
    State.AT_WORK: "are being made",
    State.UNFINISHED: "are not finished",
}


def read_division(root: Path) -> Division | None:
    """Return what the parts of a result have in common; None if it has none.

    Raises `OutputError` if that cannot be read.
    """
    path = root / DIVISION
    try:
        content = orjson.loads(path.read_bytes())
        return Division(content["parts"], orjson.dumps(content["arguments"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{path}: is not as savemasks wrote it") from error


def refuse_divided(root: Path) -> None:
    """Raise `OutputError` if a result is made in parts."""
    if division := read_division(root):
        raise OutputError(
            f"{root}: is made in {division.count} parts: say which one this is, as"
            f" --part 1/{division.count}, or choose another --out"
        )


def _refuse_undivided(root: Path) -> None:
    if (root / HIDDEN / JOURNAL).exists():
        raise OutputError(
            f"{root}: was begun without --part: leave it out here, or choose another --out"
        )


class PartLock:
    """The locks of a part: of its own, and the one of the result, which all parts share."""

    def __init__(self, root: Path, part: Part, arguments: bytes, *, restart: bool) -> None:
        """Acquire them, and note what all parts make if this is the first one.

        Raises `OutputError` if the result was begun otherwise, or another process works on it.
        """
        self._root, self._part = root, part
        self._arguments, self._restart = arguments, restart
        self._shared: FileLock | None = None
        self._own: FileLock | None = None
        try:
            self._share()
            self._make_folder()
            self._own = lock_part(root, part)
        except BaseException:
            self.close()
            raise

    def _share(self) -> None:
        """Share the lock of the result; raises `OutputError`."""
        if not wait_until(self._join, _JOIN_TIMEOUT):
            raise _in_the_way(self._root)

    def _make_folder(self) -> None:
        try:
            hidden_folder(self._root, self._part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self._root}: cannot be written: {error.strerror}") from error

    def _join(self) -> bool:
        """Share the lock of the result if it can be had now; return whether it was."""
        division = read_division(self._root)
        if division is None:
            _refuse_undivided(self._root)  # before it waits for it
        fits = division is not None and self._fits(division)
        file = open_lock(self._root / HIDDEN)
        try:
            if take(file, self._root, shared=fits) and read_division(self._root) == division:
                if fits:
                    self._shared = file
                    return True
                self._found()
            return False
        finally:
            if self._shared is None:
                file.close()

    def _fits(self, division: Division) -> bool:
        """Whether this part belongs to a result as it was begun; raises `OutputError` if not."""
        root, count = self._root, self._part.count
        if division.count != count:
            raise OutputError(
                f"{root}: was begun in {division.count} parts, not in {count}: give --part as"
                f" 1/{division.count}, or choose another --out"
            )
        if are_same(division.arguments, self._arguments):
            return True
        if self._restart:
            return False
        raise OutputError(
            f"{root}: was begun with other settings:"
            f" {differences(division.arguments, self._arguments)};"
            " --restart makes everything anew, another --out leaves this as it is"
        )

    def _found(self) -> None:
        """Note what all parts make; nobody else is at work."""
        root, count = self._root, self._part.count
        _refuse_undivided(root)
        wait_for_workers(root)
        is_first = not (root / DIVISION).exists()
        if is_first and any(entry.name != HIDDEN for entry in root.iterdir()):
            raise OutputError(f"{root}: is not an empty folder, as parts need it at first")
        for part in Division(count, b"").parts:
            remove_mark(root, part)  # what was finished was something else
        content = {"parts": count, "arguments": orjson.loads(self._arguments)}
        try:
            Store(root, durable=True, mark=unfinished_mark(self._part)).write(
                DIVISION, [orjson.dumps(content, option=orjson.OPT_INDENT_2)]
            )
        except WriteError as error:
            raise OutputError(str(error)) from error

    def close(self) -> None:
        """Release them."""
        for file in (self._own, self._shared):
            if file is not None:
                file.close()


def _in_the_way(root: Path) -> OutputError:
    """The error that says who keeps a part from beginning."""
    division = read_division(root)
    others = [part for part in division.parts if is_at_work(root, part)] if division else []
    if others:
        return OutputError(
            f"{root}: {being_made(others)} with other settings; wait for the end of that"
        )
    file = open_lock(root / HIDDEN)
    try:
        return busy(file, root)
    finally:
        file.close()


def lock_whole(root: Path, patience: float = 0.0) -> Lock:
    """Lock a result as a whole; raises `OutputError` if somebody works on it or on its parts."""
    try:
        return Lock(root, patience=patience)
    except OutputError as error:
        division = read_division(root)
        others = [part for part in division.parts if is_at_work(root, part)] if division else []
        if not others:
            raise
        raise OutputError(f"{root}: {being_made(others)}; wait for the end of that") from error


def being_made(parts: Sequence[Part]) -> str:
    """Say that parts are being made."""
    return f"{_named(parts)} {'is' if len(parts) == 1 else 'are'} being made"


def _named(parts: Sequence[Part]) -> str:
    """Parts by their numbers; of very many, the first ones and how many more there are."""
    names = ", ".join(map(str, parts[:_MAX_NAMES]))
    more = len(parts) - _MAX_NAMES
    return f"part{'s' if len(parts) > 1 else ''} {names}" + (f" and {more} more" * (more > 0))


@contextmanager
def locked_journals(root: Path, patience: float = 0.0) -> Iterator[list[Journal]]:
    """Lock a result as a whole and open its journals, one for each part that has begun.

    An undivided result has one. Raises `OutputError`, if somebody is at work after so many seconds.
    """
    lock = lock_whole(root, patience)
    journals: list[Journal] = []
    try:
        division = read_division(root)
        for part in division.parts if division else [None]:
            hidden = hidden_folder(root, part)
            if division is None or (hidden / JOURNAL).is_file():
                is_read_only = not os.access(hidden, os.W_OK)
                journals.append(Journal(root, part, read_only=is_read_only))
        yield journals
    finally:
        for journal in journals:
            journal.close()
        lock.close()


def state_of(root: Path, part: Part) -> State:
    """How far a part is; may be asked at any time."""
    hidden = hidden_folder(root, part)
    if not (hidden / JOURNAL).is_file():
        return State.MISSING
    if is_at_work(root, part):
        return State.AT_WORK
    return State.FINISHED if (hidden / _FINISHED).exists() else State.UNFINISHED


def missing_parts(root: Path) -> list[str]:
    """What is missing of a divided result, one line each."""
    division = read_division(root)
    if division is None:
        return []
    by_state: dict[State, list[Part]] = {}
    for part in division.parts:
        by_state.setdefault(state_of(root, part), []).append(part)
    return [
        f"{_named(parts)} {state.value if len(parts) == 1 else _PLURALS[state]}"
        for state, parts in by_state.items()
        if state is not State.FINISHED
    ]


def is_outdated(journals: Iterable[Journal]) -> bool:
    """Whether the files that say something of all parts are not as the parts are now."""
    return any(journal.part and journal.get("legend_due") != b"0" for journal in journals)


def put_mark(root: Path, part: Part, *, durable: bool) -> None:
    """Note that all of a part was tried; raises `OutputError`."""
    hidden = hidden_folder(root, part)
    try:
        (hidden / _FINISHED).touch()
        if durable:
            sync_folder(str(hidden))
    except OSError as error:
        raise OutputError(f"{hidden}: cannot be written: {error.strerror}") from error


def remove_mark(root: Path, part: Part) -> bool:
    """Note that a part is not finished; return whether it was. Raises `OutputError`."""
    path = hidden_folder(root, part) / _FINISHED
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OutputError(f"{path}: cannot be removed: {error.strerror}") from error
    return True
