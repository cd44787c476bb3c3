"""Verify results that are made in chunks: every file that a mark names."""

import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ...errors import OutputError, printable
from ...line.job import Extent
from ...projects.parts import Part
from ...remote import LARGE, in_groups, read_all, retrying
from ...store.files import Written
from .. import verify_packs
from ..damage import content_damage, find_damage, is_mask
from .chunked_output import (
    ROOT_SUMS,
    RootSums,
    done_file,
    missing_parts,
    read_all_done,
    read_begun,
    read_root_sums,
    state_of,
)
from .depot import Depot
from .marks import UNREADABLE, Mark, MarkedItem, MarkName, marks_folder

_GROUP = 32  # files that are fetched together
_WAY_ON = "retry, or the same run, writes"

Damage = tuple[str, str]
"""The name of a file below the result, and what is wrong with it."""


class _Wanted(NamedTuple):
    """A file that must be there: its name below the result, and whose it is in its mark."""

    name: str
    written: Written
    is_mask: bool


class _Looked(NamedTuple):
    """A mark whose files are looked at; `name` is that of its file below the result."""

    name: str
    mark: Mark
    damage: Future[list[Damage]]

    @property
    def id(self) -> str:
        """What the mark's name begins with."""
        return _parsed(self.name).id


class MarksVerifier:
    """Reads the files of a result that is made in chunks.

    Attributes
    ----------
    items, files, failed, damaged
        How many there were.
    """

    def __init__(
        self, depot: Depot, workers: int, on_damage: Callable[[str], None] | None = None
    ) -> None:
        self.items = self.files = self.failed = self.damaged = 0
        self._depot, self._on_damage, self._workers = depot, on_damage, workers

    def verify(self) -> list[str]:
        """Read all; return what is missing of a result in parts, one line each.

        Items with damaged files, or of a damaged mark, are marked as failed, so that `retry` makes
        them anew. Raises `OutputError`.
        """
        depot = self._depot
        begun = read_begun(depot)
        assert begun is not None
        unreadable: list[Part | None] = []
        done = read_all_done(depot, begun, unreadable.append)
        self._tell([(done_file(p), f"{UNREADABLE}: {_WAY_ON} it anew") for p in unreadable])
        with ThreadPoolExecutor(self._workers) as pool:
            root = read_root_sums(depot)
            self._verify_root(root, is_due=not begun.parts and None not in done.values())
            for part in begun.all_parts:
                folder = marks_folder(part)
                self._verify_marks(folder, pool)
        missing = missing_parts(begun, done)
        is_known = begun.parts and not root.is_damaged
        if not missing and is_known and root.state != state_of(done.values()):
            return ["legend and index are not written: retry does it"]
        return missing

    def _verify_root(self, root: RootSums, *, is_due: bool) -> None:
        """Look at the files at the root; if `is_due`, it must be known what they should be."""
        if root.is_damaged or (is_due and not root.state):
            problem = UNREADABLE if root.is_damaged else "is missing"
            what = f"{problem}, so the files at the root cannot be verified"
            self._tell([(ROOT_SUMS, f"{what}: {_WAY_ON} all of them anew")])
        wanted = [_Wanted(n, w, n.endswith(".png")) for n, w in root.files.items()]
        self._tell(self._damage_of(wanted))
        self.files += len(wanted)

    def _verify_marks(self, folder: str, pool: ThreadPoolExecutor) -> None:
        depot = self._depot
        names = [name for name in depot.names(folder) if MarkName.parse(name)]
        paths = [f"{folder}/{name}" for name in names]
        in_progress: deque[_Looked] = deque()
        for name, content in depot.read_each(paths):
            try:
                mark = Mark.decoded(content, f"{depot}/{name}")
            except OutputError:
                self._take_unreadable(name)
                continue
            in_progress.append(_Looked(name, mark, pool.submit(self._verify_mark, mark)))
            if len(in_progress) > 2 * self._workers:
                self._take_first(in_progress)
        while in_progress:
            self._take_first(in_progress)

    def _take_first(self, in_progress: deque["_Looked"]) -> None:
        """Take the next mark.

        If a run was killed, there may be several with one id, of which one is right.
        """
        first = in_progress.popleft()
        while in_progress and in_progress[0].id == first.id:
            other = in_progress.popleft()
            first = min(first, other, key=lambda each: len(each.damage.result()))
        self._take(*first)

    def _take_unreadable(self, name: str) -> None:
        """Put another mark in the place of one that cannot be read: all of its items failed."""
        what = "so its images cannot be verified: retry, or the same run, makes them anew"
        self._tell([(name, f"{UNREADABLE}, {what}")])
        before = _parsed(name)
        self.failed += before.items
        self._replace(name, before.of_failure, Mark([]))

    def _verify_mark(self, mark: Mark) -> list[Damage]:
        """What is wrong with the files of a mark."""
        if mark.shard is not None:
            return self._shard_damage(mark)
        wanted = [
            _Wanted(name, written, is_mask(name[len(item.dataset) + 1 :]))
            for item in mark.items
            for name, written in item.files.items()
        ]
        return self._damage_of(wanted)

    def _take(self, name: str, mark: Mark, damage: Future[list[Damage]]) -> None:
        """Count the files of a mark; put it anew if some are damaged."""
        found = damage.result()
        self._tell(found)
        own = _parsed(name)
        self.failed += own.failed
        self.items += own.items - own.failed
        self.files += sum(len(item.files) for item in mark.items)
        if found:
            self._mark_damage(name, mark, dict(found))

    def _tell(self, found: Sequence[Damage]) -> None:
        for name, problem in found:
            self.damaged += 1
            if self._on_damage:
                self._on_damage(f"{self._depot}/{name}: {problem}")

    def _mark_damage(self, name: str, mark: Mark, problems: dict[str, str]) -> None:
        """Let items with damaged files count as failed; all of them, if their shard is damaged."""
        for item in mark.items:
            names = [mark.shard["name"]] if mark.shard else item.files
            bad = next((each for each in names if each in problems), None)
            if bad is not None and item.error is None:
                shown = printable(f"{self._depot}/{bad}")
                item.error = {
                    "kind": "damage",
                    "message": f"{shown}: {problems[bad]}",
                    "file": shown,
                    "object": None,
                }
                item.files, item.counts = {}, []
        self._replace(name, _parsed(name)._replace(failed=len(mark.failed)), mark)

    def _replace(self, name: str, by: MarkName, mark: Mark) -> None:
        """Put a mark, and remove the one that it replaces."""
        other = f"{name.rpartition('/')[0]}/{by}"
        try:
            self._depot.put({other: mark.encoded()})
            if other != name:
                self._depot.remove([name])
        except OutputError:  # it is read-only
            return

    # ------------------------------------------------------------ files

    def _damage_of(self, wanted: Sequence[_Wanted]) -> list[Damage]:
        """What is wrong with files."""
        if self._depot.folder is not None:
            found = [
                (
                    each.name,
                    find_damage(f"{self._depot}/{each.name}", each.written, is_mask=each.is_mask),
                )
                for each in wanted
            ]
        else:
            groups = in_groups(((each, each.written.size) for each in wanted), _GROUP)
            found = [pair for group in groups for pair in self._fetched_damage(group)]
        return [(name, problem) for name, problem in found if problem is not None]

    def _fetched_damage(self, group: Sequence[_Wanted]) -> Iterator[tuple[str, str | None]]:
        """What is wrong with some files that are fetched together."""
        small = [each.name for each in group if each.written.size < LARGE]
        try:
            contents = read_all(self._depot.url, small)
        except OSError as error:
            contents = dict.fromkeys(small, error)
        for each in group:
            content = contents.get(each.name)
            if content is None:
                with self._as_file(each.name) as found:
                    yield (
                        each.name,
                        found
                        if isinstance(found, str)
                        else find_damage(str(found), each.written, is_mask=each.is_mask),
                    )
            elif isinstance(content, OSError):
                yield each.name, _problem(content)
            else:
                yield each.name, content_damage(content, each.written, is_mask=each.is_mask)

    @contextmanager
    def _as_file(self, name: str) -> Iterator[Path | str]:
        """A file of the result as one of this machine, or why it cannot be read."""
        if self._depot.folder is not None:
            yield self._depot.folder / name
            return
        url = self._depot.url
        with tempfile.TemporaryDirectory(prefix="savemasks-") as folder:
            path = Path(folder, "file")
            try:
                retrying(url.fs.get_file, f"{url.path}/{name}", str(path))
            except OSError as error:
                yield _problem(error)
            else:
                yield path

    def _shard_damage(self, mark: Mark) -> list[Damage]:
        """What is wrong with a shard: said once."""
        assert mark.shard is not None
        name, size = mark.shard["name"], mark.shard["bytes"]
        with self._as_file(name) as path:
            if isinstance(path, str):
                return [(name, path)]
            try:
                if (length := path.stat().st_size) != size:
                    return [(name, f"has {length} bytes instead of {size}")]
            except OSError as error:
                return [(name, _problem(error))]
            for item in mark.items:
                if item.extent is None:
                    continue
                for damage in verify_packs.find_damage(_Sample(path, item.extent, item)):
                    return [(name, damage.removeprefix(f"{printable(path)}: "))]
        return []


class _Sample(NamedTuple):
    """A sample as `verify_packs` looks at it."""

    path: Path
    extent: Extent
    item: MarkedItem

    @property
    def dataset(self) -> str:
        """Of the item."""
        return self.item.dataset

    @property
    def files(self) -> list[tuple[str, Written]]:
        """Names below the data set's folder, and what the members hold."""
        begin = len(self.item.dataset) + 1
        return [(name[begin:], written) for name, written in self.item.files.items()]


def _parsed(name: str) -> MarkName:
    """What the name of a mark's file below the result says."""
    parsed = MarkName.parse(name.rpartition("/")[2])
    assert parsed is not None, "only those that are marks are read"
    return parsed


def _problem(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing"
    return f"cannot be read: {error.strerror or error}"
