"""A result that is made in chunks: what it was begun with, and what is written at its end.

It has no journal, for an object store can only put whole objects: `result.json` in the hidden
folder says what is made, marks say what is done, and for every part, or for the whole if there are
none, `done.json` says what all of its marks come to. Whoever finds the `done.json` of all parts
writes the legend and the index.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import orjson
from isal import isal_zlib

from ...errors import OutputError, printable
from ...layers.graph import Graph
from ...line.job import PackRules
from ...projects.parts import Part, unfinished_mark
from ...remote import Url, is_url
from ...store.files import Written
from ..differences import are_same, differences, encoded
from ..lock import HIDDEN, Lock, hidden_name, lock_part
from ..output import CHUNKED, is_begun, remove_unfinished
from .depot import Depot, as_url
from .marks import UNREADABLE, WRONG, Fingerprint, MarkIndex, marks_folder

ROOT_SUMS = f"{HIDDEN}/root.json"
"""What is known of the files at the root of a result."""


@dataclass(slots=True)
class Done:
    """What the marks of a part, or of an undivided result, come to.

    Attributes
    ----------
    fingerprint
        Of all marks.
    totals
        By label, objects, pixels, and items that have any.
    shards
        As the index has them, in their order.
    """

    fingerprint: str = ""
    totals: dict[int, list[int]] = field(default_factory=dict)
    shards: list[dict[str, Any]] = field(default_factory=list)

    def encoded(self) -> bytes:
        """What is stored."""
        totals = {str(label): numbers for label, numbers in self.totals.items()}
        return orjson.dumps(asdict(self) | {"totals": totals})

    @classmethod
    def decoded(cls, content: bytes) -> Self | None:
        """Read what was stored; None if that is something else."""
        try:
            found = orjson.loads(content)
            totals = {int(label): numbers for label, numbers in found["totals"].items()}
            return cls(found["fingerprint"], totals, found["shards"])
        except WRONG:
            return None


@dataclass(frozen=True, slots=True)
class Begun:
    """What a result was begun with.

    Attributes
    ----------
    arguments
        Everything besides the items that its files depend on.
    parts
        How many there are, 0 if it is undivided.
    options
        `durable`, for `retry`.
    """

    arguments: dict[str, Any]
    parts: int
    options: dict[str, Any]

    @property
    def all_parts(self) -> list[Part | None]:
        """All parts, or None alone."""
        return [Part(n, self.parts) for n in range(1, self.parts + 1)] if self.parts else [None]

    @property
    def graph(self) -> Graph:
        """What is made."""
        return Graph.from_json(self.arguments.get("graph") or self.arguments["layer"])

    @property
    def projects(self) -> list[str]:
        """Folders and addresses of the projects."""
        return [os.fsdecode(bytes.fromhex(name)) for name in self.arguments["projects"]]

    @property
    def pack(self) -> PackRules | None:
        """How it is packed, or None."""
        pack = self.arguments.get("pack")
        return None if pack is None else PackRules(**pack)


def read_begun(depot: Depot) -> Begun | None:
    """What a result was begun with; None if it is none that is made in chunks."""
    content = depot.find(CHUNKED)
    if content is None:
        return None
    try:
        found = orjson.loads(content)
        return Begun(found["arguments"], found["parts"], found["options"])
    except WRONG as error:
        raise OutputError(
            f"{depot}/{CHUNKED}: {UNREADABLE}: make the result anew, at another --out, or here when"
            f" all of {depot} is removed"
        ) from error


def seed_of(arguments: Mapping[str, Any]) -> bytes:
    """What ids of marks depend on besides their items: another one if something else is made."""
    return blake2b(orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


class ChunkedOutput:
    """A result that is made in chunks. What is there stays as it is until `begin`.

    Attributes
    ----------
    depot
        Where it is.
    seed
        Another one if something else is made.
    index, done
        The marks that were there, and what they came to, once it is begun. If that could not be
        read, it is `Done()`, so that it is added up again.
    """

    index: MarkIndex
    done: Done | None

    def __init__(
        self, root: Url, arguments: Mapping[str, Any], part: Part | None, *, durable: bool
    ) -> None:
        """Nothing is read or written yet."""
        self.depot = Depot(root, durable=durable, mark=unfinished_mark(part))
        self._arguments = orjson.loads(encoded(arguments))
        self.seed = seed_of(self._arguments)
        self._part, self._durable = part, durable
        self._locks = ExitStack()
        self._before: Begun | None = None

    def check(self, *, restart: bool) -> None:
        """Raise `OutputError` if what is there does not go with what is to be made."""
        depot, folder = self.depot, self.depot.folder
        if folder and is_begun(folder):
            raise OutputError(
                f"{depot}: was made without --cluster, from a folder: choose another --out"
            )
        self._before = before = read_begun(depot)
        if before is None:
            if not depot.is_empty():
                raise OutputError(
                    f"{depot}: is not empty, and not a result that savemasks made; choose another"
                    " --out"
                )
            return
        self._check_parts(before)
        stored, wanted = orjson.dumps(before.arguments), orjson.dumps(self._arguments)
        if not are_same(stored, wanted) and not restart:
            raise OutputError(
                f"{depot}: was begun with other settings: {differences(stored, wanted)};"
                " --restart makes everything anew, another --out leaves this as it is"
            )

    def _check_parts(self, before: Begun) -> None:
        count = self._part.count if self._part else 0
        if before.parts == count:
            return
        if not before.parts:
            raise OutputError(
                f"{self.depot}: was begun without --part: leave it out here, or choose another"
                " --out"
            )
        hint = f"say which one this is, as --part 1/{before.parts}, or choose another --out"
        raise OutputError(f"{self.depot}: is made in {before.parts} parts: {hint}")

    def begin(self, *, restart: bool) -> None:
        """Lock it if it is on this machine, and note what is made; raises `OutputError`."""
        depot, part = self.depot, self._part
        self._lock()
        self.check(restart=restart)  # somebody else may have been quicker
        own = marks_folder(part)
        names = depot.names(own)
        if restart:
            depot.remove(f"{own}/{name}" for name in names)
            names = []
        content = {
            "arguments": self._arguments,
            "parts": part.count if part else 0,
            "options": {"durable": self._durable},
        }
        if self._before is None or seed_of(self._before.arguments) != self.seed:
            depot.put({CHUNKED: orjson.dumps(content, option=orjson.OPT_INDENT_2)})
        open_ = f"{hidden_name(part)}/open"
        if depot.find(open_) is not None:
            self.remove_unfinished()
        depot.put({open_: b""})
        self.index, self.done = MarkIndex(names), _read_done(depot, part)
        depot.remove([done_file(part)])

    def _lock(self) -> None:
        """Lock a folder of this machine; an object store has no locks."""
        folder = self.depot.folder
        if folder is None:
            return
        hidden = folder / hidden_name(self._part)
        try:
            hidden.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
        lock = Lock(folder) if self._part is None else lock_part(folder, self._part)
        self._locks.callback(lock.close)

    # ------------------------------------------------------------ the end

    def put_done(self, done: Done) -> None:
        """Note what all marks come to."""
        self.depot.put({done_file(self._part): done.encoded()})

    def put_errors(self, path: Path) -> Path | Url:
        """Put the error log -> where it is."""
        name = f"{hidden_name(self._part)}/errors.jsonl"
        self.depot.put_file(name, str(path))
        return (self.depot.folder or self.depot.url) / name

    def remove_errors(self) -> None:
        """Remove the error log of an earlier run."""
        self.depot.remove([f"{hidden_name(self._part)}/errors.jsonl"])

    def remove_unfinished(self) -> None:
        """Remove what workers that died had not finished, from a folder of this machine."""
        if self.depot.folder:
            remove_unfinished(self.depot.folder, unfinished_mark(self._part))

    def end(self) -> None:
        """Note that nothing is under way."""
        self.depot.remove([f"{hidden_name(self._part)}/open"])

    def close(self) -> None:
        """Release the locks."""
        self._locks.close()


def read_all_done(
    depot: Depot, begun: Begun, on_damage: Callable[[Part | None], None] | None = None
) -> dict[Part | None, Done | None]:
    """What every part came to, None for those that have not ended.

    If that cannot be read, a part counts as one that has not, and `on_damage` is told.
    """
    found = {part: _read_done(depot, part) for part in begun.all_parts}
    for part, done in found.items():
        if done == Done():
            found[part] = None
            if on_damage:
                on_damage(part)
    return found


def _read_done(depot: Depot, part: Part | None) -> Done | None:
    """What a part came to; `Done()`, which no part comes to, if that cannot be read."""
    content = depot.find(done_file(part))
    return None if content is None else Done.decoded(content) or Done()


def done_file(part: Part | None) -> str:
    """Where a part, or an undivided result, notes what it came to."""
    return f"{hidden_name(part)}/done.json"


def missing_parts(begun: Begun, done: Mapping[Part | None, Done | None]) -> list[str]:
    """What is missing of a result that is made in parts, one line each."""
    if not begun.parts:
        return []
    names = [str(part) for part, each in done.items() if each is None]
    if not names:
        return []
    plural = "s" if len(names) > 1 else ""
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    verb = "are" if plural else "is"
    return [f"part{plural} {', '.join(names[:20])}{more} {verb} not finished"]


def state_of(done: Iterable[Done | None]) -> str:
    """What tells whether legend and index are of these parts."""
    state = Fingerprint()
    for number, each in enumerate(done):
        state.add(f"{number} {each and each.fingerprint}")
    return str(state)


@dataclass(frozen=True, slots=True)
class RootSums:
    """What is known of the files at the root of a result.

    Attributes
    ----------
    files
        Size and checksum of each, by their names.
    state
        Of all parts, when legend and index were written.
    is_damaged
        Whether it cannot be read; then the rest is empty, as if nothing were known.
    """

    files: dict[str, Written] = field(default_factory=dict)
    state: str = ""
    is_damaged: bool = False


def read_root_sums(depot: Depot) -> RootSums:
    """What is known of the files at the root."""
    content = depot.find(ROOT_SUMS)
    if content is None:
        return RootSums()
    try:
        found = orjson.loads(content)
        return RootSums({n: Written(*each) for n, each in found["files"].items()}, found["state"])
    except WRONG:
        return RootSums(is_damaged=True)


def has_root_files(depot: Depot, sums: RootSums) -> bool:
    """Whether the files at the root, which are few and small, are there as they were written."""
    found = dict(depot.read_each(sums.files))
    there = {name: Written(len(data), isal_zlib.crc32(data)) for name, data in found.items()}
    return there == sums.files


def put_root_files(depot: Depot, files: Iterable[tuple[str, bytes]], state: str) -> None:
    """Put files at the root; those that are no longer made are removed."""
    contents = dict(files)
    before = read_root_sums(depot)
    sums = {name: [len(data), isal_zlib.crc32(data)] for name, data in contents.items()}
    depot.put(contents)
    depot.put({ROOT_SUMS: orjson.dumps({"files": sums, "state": state})})
    depot.remove(sorted(before.files.keys() - sums.keys()))


def is_chunked(place: Path | Url) -> bool:
    """Whether a folder or address has a result that is made in chunks."""
    if isinstance(place, Path):
        return (place / CHUNKED).is_file()
    return Depot(place).find(CHUNKED) is not None


def find_chunked(out: Path | Url | str) -> Url | None:
    """The address of a result that is made in chunks: `out`, or the only one directly below it.

    None if `out` is a folder that has none. Raises `OutputError` if an address has none.
    """
    if isinstance(out, str):
        out = Url.parse(out) if is_url(out) else Path(out)
    if isinstance(out, Path):
        found = [out] if is_chunked(out) else [p.parent.parent for p in out.glob(f"*/{CHUNKED}")]
        return as_url(found[0]) if len(found) == 1 else None
    if is_chunked(out):
        return out
    below = [out / name for name in Depot(out).names("") if name != HIDDEN]
    results = [each for each in below if is_chunked(each)]
    if len(results) == 1:
        return results[0]
    if results:
        raise OutputError(f"{out}: holds several results: name one, as {results[0]}")
    raise OutputError(f"{printable(out)}: no result of savemasks is here")
