"""Which members an archive has: sorted arrays folder by folder, about 80 bytes a member.

There is no object for a member until somebody asks for it. An archive may have millions.
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from ..errors import ProjectError, printable

MAX_MEMBERS = 1 << 24
MAX_FOLDERS = 1 << 17
_MAX_NAME, _MAX_DEPTH = 4096, 256

Halted = Callable[[], bool]
"""Whether the user has asked for the end."""


def never() -> bool:
    """Nobody asks for the end."""
    return False


STORED, DEFLATED, LINK, DEVICE, SPARSE, ENCRYPTED, METHOD, TWICE, IMPOSSIBLE = range(9)
"""How a member can be read, or from `LINK` on, why not."""

PROBLEMS = {
    LINK: "is a link in the archive, and links there are not followed; pack the file itself",
    DEVICE: "is neither a file nor a folder in the archive",
    SPARSE: "is a sparse file in the archive; pack it without holes (tar without -S)",
    ENCRYPTED: "is encrypted in the archive; make the archive anew without a password",
    METHOD: "is compressed in the archive by a method other than deflate; make the archive anew",
    TWICE: "is in the archive more than once; make the archive anew",
    IMPOSSIBLE: "cannot be as large as the archive says; the archive is damaged or malicious",
}

_ODD = re.compile(r"\.?/\.?/|/\.\.?$|\.\./|^\.\.?$|^\./")


class Found(NamedTuple):
    """A member as it is listed.

    Attributes
    ----------
    offset
        Where its data begin, or, in a zip archive, its local header.
    size, packed
        Bytes of the file, and of what is in the archive.
    value
        CRC-32 of the file in a zip archive, else the time of its last change in seconds.
    kind
        `STORED` to `IMPOSSIBLE`.
    """

    offset: int
    size: int
    packed: int
    value: int
    kind: int


class IndexFolder:
    """The files in one folder of an archive, sorted by name, and the names of its folders."""

    __slots__ = ("_kinds", "_names", "_next", "_numbers", "_starts", "folders")

    def __init__(self) -> None:
        self.folders: set[str] = set()
        self._names = bytearray()
        self._starts = array("q", [0])
        self._numbers = tuple(array("q") for _ in range(4))
        self._kinds = bytearray()
        self._next = 0

    def add(self, name: str, member: Found) -> None:
        """Add a file."""
        self._names += name.encode("utf-8", "surrogateescape") + b"\0"
        self._starts.append(len(self._names))
        for column, number in zip(self._numbers, member, strict=False):
            column.append(number)
        self._kinds.append(member.kind)

    def sort(self) -> None:
        """Sort the files when all are there; of those of one name, one stays, as `TWICE`."""
        names = self.names()
        if all(before < name for before, name in pairwise(names)):
            return
        order = sorted(range(len(names)), key=names.__getitem__)
        twice = {names[i] for i, after in pairwise(order) if names[i] == names[after]}
        kept = [*{names[i]: i for i in order}.values()] if twice else order
        self._names = bytearray()
        starts = array("q", [0])
        for i in kept:
            self._names += names[i].encode("utf-8", "surrogateescape") + b"\0"
            starts.append(len(self._names))
        self._starts = starts
        self._numbers = tuple(array("q", map(each.__getitem__, kept)) for each in self._numbers)
        self._kinds = bytearray(TWICE if names[i] in twice else self._kinds[i] for i in kept)

    def names(self) -> list[str]:
        """Names of the files."""
        return self._names.decode("utf-8", "surrogateescape").split("\0")[:-1]

    def find(self, name: str) -> Found | None:
        """What the archive says of a file, or None if it is not there."""
        at = self._next  # they are mostly asked for in their order
        if at >= len(self._kinds) or self._name(at) != name:
            at = bisect_left(range(len(self._kinds)), name, key=self._name)
            if at == len(self._kinds) or self._name(at) != name:
                return None
        self._next = at + 1
        offset, size, packed, value = (column[at] for column in self._numbers)
        return Found(offset, size, packed, value, self._kinds[at])

    def largest(self) -> int:
        """Bytes of the largest file."""
        return max(self._numbers[1], default=0)

    def _name(self, at: int) -> str:
        name = self._names[self._starts[at] : self._starts[at + 1] - 1]
        return name.decode("utf-8", "surrogateescape")


class MemberIndex:
    """All members of an archive; the name of a folder is that of its members before "/"."""

    def __init__(self, archive: object) -> None:
        """Begin an index; `archive` is its name in errors."""
        self._archive = str(archive)
        self._folders = {"": IndexFolder()}
        self.count = 0

    def add(self, name: str, member: Found) -> None:
        """Add a file; raises `ProjectError` if its name is not to be used."""
        folder, _, file = self._checked(name).rpartition("/")
        if not file:
            raise self.failure(f"a file in it has the name {_quoted(name)}")
        self._folder(folder).add(file, member)
        self._count_one()

    def add_folder(self, name: str) -> None:
        """Add a folder, which may be there already; raises `ProjectError`."""
        self._folder(self._checked(name.rstrip("/")))
        self._count_one()

    def finish(self) -> None:
        """Sort all, when all members are there."""
        for folder in self._folders.values():
            folder.sort()

    def find(self, folder: str) -> IndexFolder | None:
        """A folder, or None if it is not there."""
        return self._folders.get(folder)

    def named(self, last: str) -> Iterator[IndexFolder]:
        """All folders with this last name."""
        for name, folder in self._folders.items():
            if name.rpartition("/")[2] == last:
                yield folder

    def failure(self, problem: str) -> ProjectError:
        """The error that says why the archive cannot be used."""
        return ProjectError(f"{self._archive}: {problem}")

    def _folder(self, name: str) -> IndexFolder:
        folder = self._folders.get(name)
        if folder is not None:
            return folder
        folder = self._folders[name] = IndexFolder()
        while name:  # enter it in the one that it lies in, which may be new as well
            if len(self._folders) > MAX_FOLDERS:
                raise self.failure(f"has more than {MAX_FOLDERS} folders, which no project has")
            name, _, own = name.rpartition("/")
            is_new = name not in self._folders
            self._folders.setdefault(name, IndexFolder()).folders.add(own)
            if not is_new:
                break
        return folder

    def _count_one(self) -> None:
        self.count += 1
        if self.count > MAX_MEMBERS:
            raise self.failure(f"has more than {MAX_MEMBERS} members; split the project")

    def _checked(self, name: str) -> str:
        """A name without what means nothing in it, as "./"."""
        if name[:1] == "/" or name[1:3] in {":/", ":\\"}:
            raise self.failure(
                f"the name of a member is absolute: {_quoted(name)}; make the archive anew"
            )
        if len(name) > _MAX_NAME or name.count("/") > _MAX_DEPTH:
            problem = f"the name of a member is longer or deeper than any file's: {_quoted(name)}"
            raise self.failure(f"{problem}; make the archive anew")
        if not _ODD.search(name):
            return name
        parts = [part for part in name.split("/") if part not in {"", "."}]
        if ".." in parts:
            raise self.failure(f'".." is in the name of a member: {_quoted(name)}; make it anew')
        return "/".join(parts)


def _quoted(name: str) -> str:
    shown = printable(name)
    return f'"{shown if len(shown) < 200 else shown[:200] + "..."}"'
