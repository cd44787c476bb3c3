"""Projects in archives: `.tar`, `.tar.gz` and `.zip`, read in place, member by member.

An `ArchivePath` stands for a folder or file in an archive where elsewhere a `Path` does.
"""

import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from .ignored import is_hidden
from .member_index import LINK, PROBLEMS, Halted, MemberIndex, never
from .members import Member, MemberError, Members, read_member
from .tar_members import index_tar
from .unpacking import remove_unpacked, unpack
from .volumes import Volumes, archive_stem, is_named_zip
from .zip_members import index_zip

_GZIP, _ZIPS, _TAR = b"\x1f\x8b", (b"PK\3\4", b"PK\5\6"), b"ustar"
_TAR_AT = 257  # where a tar's first header says that it is one
_LARGE = 1 << 24  # bytes of a picture that is read from a file of its own, by line/item.py
_MAX_NAMES = 3
_HEADER = 1 << 18  # bytes
_MAX_META = 1 << 28  # bytes


@dataclass(eq=False, slots=True, weakref_slot=True)
class Archive:
    """An archive whose members are listed; can be pickled, and the copy reads the same files.

    Attributes
    ----------
    path
        Where it is.
    volumes
        Where its members are read: its own files, or what it was unpacked to.
    identity
        A number that is another one if the archive has changed.
    index
        Its members.
    is_zip
        Whether it is a zip archive, and else tar.
    unpacked
        The temporary folder, of an archive that was compressed as a whole, and its size in bytes.
    """

    path: Path
    volumes: Volumes
    identity: int
    index: MemberIndex
    is_zip: bool
    unpacked: tuple[str, int] | None = None
    _remove: Any = None

    @classmethod
    def open(cls, path: Path, halted: Halted = never) -> "Archive":
        """List what an archive holds; unpack it if it is compressed as a whole.

        Raises
        ------
        ProjectError
            If it is none, is damaged, or has names that are not to be used.
        KeyboardInterrupt
            If `halted` says so.
        """
        volumes = Volumes.of(path)
        identity, index = volumes.identity, MemberIndex(path)
        unpacked, remove = None, None
        try:
            with volumes.opened() as file:
                head = file.read(0, _TAR_AT + len(_TAR))
                if head.startswith(_GZIP):
                    tar, size = unpack(file, volumes.size, index.failure, halted)
                    unpacked = str(tar.parent), size
                    volumes = Volumes.of(tar)
            is_tar = unpacked or head.endswith(_TAR)
            is_zip = head.startswith(_ZIPS) or (not is_tar and is_named_zip(path))
            archive = cls(path, volumes, identity, index, is_zip, unpacked)
            if unpacked:
                archive._remove = remove = weakref.finalize(archive, remove_unpacked, unpacked[0])
            with volumes.opened() as file:
                (index_zip if is_zip else index_tar)(file, volumes.size, index, halted)
            index.finish()
        except BaseException as error:
            if remove:
                remove()
            if isinstance(error, OSError) and not isinstance(error, ProjectError):
                reason = error.strerror or error
                raise ProjectError(f"{path}: cannot be read: {reason}") from error
            raise
        return archive

    def __reduce__(self) -> tuple[Any, ...]:
        kept = self.path, self.volumes, self.identity, self.index, self.is_zip, self.unpacked
        return type(self), kept

    @property
    def name(self) -> str:
        """The name of the project in it."""
        return archive_stem(self.path) or self.path.name

    def root(self) -> "ArchivePath":
        """The project's folder: the whole, or the only folder in it that is a project.

        Raises
        ------
        ProjectError
            If it holds several projects.
        """
        top = ArchivePath(self, "")
        if (top / "meta.json").is_there():
            return top
        seen = [each for each in top.folders() if not is_hidden(each.name)]
        found = [folder for folder in seen if (folder / "meta.json").is_there()]
        if len(found) > 1:
            names = ", ".join(folder.name for folder in found[:_MAX_NAMES])
            more = ", ..." if len(found) > _MAX_NAMES else ""
            raise ProjectError(f"{self.path}: holds several projects: {names}{more}; unpack it")
        return found[0] if found else seen[0] if len(seen) == 1 else top

    def notes(self) -> list[str]:
        """What the user should know, one line each."""
        said = []
        if self.unpacked:
            folder, size = self.unpacked
            said.append(
                f"{self.path.name}: is compressed as a whole: it was unpacked to {folder}"
                f" ({size / 1e6:.1f} MB), which is removed at the end"
            )
        if max((folder.largest() for folder in self.index.named("img")), default=0) > _LARGE:
            said.append(
                f"{self.path.name}: pictures of more than {_LARGE >> 20} MiB are copied to a"
                " temporary file one by one, while they are read"
            )
        return said

    def close(self) -> None:
        """Remove what was unpacked."""
        if self._remove:
            self._remove()


@dataclass(frozen=True, slots=True)
class ArchivePath:
    """The place of a folder or file in an archive.

    Attributes
    ----------
    archive
        The archive.
    inner
        The name in it, without "/" at the end; empty for the whole.
    """

    archive: Archive
    inner: str

    def __str__(self) -> str:
        return f"{self.archive.path}/{self.inner}".rstrip("/")

    def __truediv__(self, name: str) -> "ArchivePath":
        return ArchivePath(self.archive, f"{self.inner}/{name}" if self.inner else name)

    @property
    def name(self) -> str:
        """The last part of the name."""
        return self.inner.rpartition("/")[2]

    def is_dir(self) -> bool:
        """Whether it is a folder; raises `ProjectError` if a link is in its place."""
        folder = self.archive.index.find(self.inner)
        parent, _, name = self.inner.rpartition("/")
        if folder is None and MemberFolder(ArchivePath(self.archive, parent)).is_link(name):
            raise ProjectError(f"{self}: {PROBLEMS[LINK]}")
        return folder is not None

    def is_there(self) -> bool:
        """Whether it is a file, or something that cannot be read."""
        return self.member() is not None

    def member(self) -> Member | None:
        """The file, or None if there is none."""
        parent, _, name = self.inner.rpartition("/")
        return MemberFolder(ArchivePath(self.archive, parent)).find(name)

    def read_bytes(self) -> bytes:
        """The contents of a file; raises `ProjectError`."""
        member = self.member()
        if member is None:
            raise ProjectError(f"{self}: is not there")
        if member.size > _MAX_META:
            raise ProjectError(f"{self}: has {member.size} bytes, which are too many")
        try:
            return read_member(member)
        except MemberError as error:
            raise ProjectError(f"{self}: {error}") from error

    def folders(self) -> Iterator["ArchivePath"]:
        """The folders in it, by name."""
        folder = self.archive.index.find(self.inner)
        return (self / name for name in sorted(folder.folders if folder else ()))

    def below(self, folders: Iterable[str]) -> Iterator[str]:
        """Names of the files in some folders of it, to any depth, without hidden ones."""
        for name in folders:
            inner = self / name
            for found in chain(inner.files(), inner.below(each.name for each in inner.folders())):
                if not is_hidden(name) and not is_hidden(found):
                    yield f"{name}/{found}"

    def links(self) -> list[str]:
        """Names of the links in it, without hidden ones."""
        folder = MemberFolder(self)
        return [name for name in self.files() if not is_hidden(name) and folder.is_link(name)]

    def files(self) -> list[str]:
        """Names of the files in it."""
        folder = self.archive.index.find(self.inner)
        return folder.names() if folder else []


class MemberFolder:
    """A folder in an archive, whose files are looked at as those of a `Folder`."""

    def __init__(self, place: ArchivePath) -> None:
        archive = place.archive
        self._folder = archive.index.find(place.inner)
        self._volumes, self._identity, self._is_zip = (
            archive.volumes, archive.identity, archive.is_zip,
        )  # fmt: skip

    def find(self, name: str) -> Member | None:
        """A file, or None if it is not there."""
        found = self._folder.find(name) if self._folder else None
        if found is None:
            return None
        # With a local header, which has a name and a field of up to 64 KiB each.
        volumes, offset = self._volumes.around(found.offset, found.packed + _HEADER)
        return Member(
            volumes,
            offset,
            found.size,
            found.packed,
            found.value if self._is_zip else None,
            found.kind,
            self._identity ^ found.value,
        )

    def is_link(self, name: str) -> bool:
        """Whether a link has this name."""
        found = self._folder.find(name) if self._folder else None
        return found is not None and found.kind == LINK

    def stat(self, name: str) -> Member:
        """As `find`; raises `OSError` if it is not there."""
        member = self.find(name)
        if member is None:
            raise FileNotFoundError(name)
        return member

    def close(self) -> None:
        """Nothing is open."""


def members_of(place: ArchivePath, image: str | None, annotation: str | None) -> Members:
    """The files of an item of the data set in a folder, by their names."""
    images, annotations = MemberFolder(place / "img"), MemberFolder(place / "ann")
    return Members(
        None if image is None else images.find(image),
        None if annotation is None else annotations.find(annotation),
    )
