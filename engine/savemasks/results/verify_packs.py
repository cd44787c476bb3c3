"""Verify packed results: every member of every shard."""

import mmap
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from isal import isal_zlib

from ..errors import printable
from ..forks import by_libvips, libvips_is_lost
from ..line.job import Extent
from ..store.files import Written
from ..store.pack_members import header, padding
from .damage import decoding_problem, is_mask
from .journal import Journal
from .lock import Folders
from .places import Shard, State
from .record import Record
from .shards import NO_FILE, damage_of, path_of

_CHUNK = 1 << 20  # bytes that are read at once


class Sampled(NamedTuple):
    """An item whose sample is to be verified.

    Attributes
    ----------
    dataset, record
        The item.
    path
        Of its shard; None if that is missing, or none has a sample of the item.
    extent
        Where its sample lies there.
    """

    dataset: str
    record: Record
    path: Path | None
    extent: Extent | None

    @property
    def files(self) -> list[tuple[str, Written]]:
        """Names below the data set's folder, and what the members hold."""
        return [*self.record.files()]


class Sample(Protocol):
    """What `find_damage` has to know of a sample; `Sampled` explains it."""

    @property
    def dataset(self) -> str: ...  # noqa: D102

    @property
    def path(self) -> Path | None: ...  # noqa: D102

    @property
    def extent(self) -> Extent | None: ...  # noqa: D102

    @property
    def files(self) -> list[tuple[str, Written]]: ...  # noqa: D102


def find_shards(journal: Journal, on_damage: Callable[[str], None]) -> dict[int, Path | None]:
    """Files of the shards by number, None for one that is missing or no file; damage is told."""
    found: dict[int, Path | None] = {}
    for shard in journal.places.shards():
        if shard.state is State.GONE:
            continue
        path = _path_now(journal.folders, shard)
        damage = damage_of(path, shard)
        if damage == "is missing" and _may_be_missing(journal, shard):
            continue
        if damage:
            on_damage(f"{path}: {damage}")
        found[shard.number] = None if damage in {"is missing", NO_FILE} else path
    return found


def _may_be_missing(journal: Journal, shard: Shard) -> bool:
    """Whether a run was killed as it began a shard, or removed one."""
    is_open = shard.state in {State.GROWS, State.REPLACED}
    return is_open and journal.places.is_empty(shard.number)


def _path_now(folders: Folders, shard: Shard) -> Path:
    """Where a shard is; a killed run may not have moved it yet to where it belongs."""
    path = path_of(folders, shard)
    is_moving = shard.state in {State.PENDING, State.REPLACED}
    return folders.root / shard.name if is_moving and not path.exists() else path


def samples(journal: Journal, shards: dict[int, Path | None]) -> Iterator[Sampled]:
    """All items whose sample must be there."""
    generation = int(journal.get("generation") or 0)
    for dataset in journal.datasets():
        for record in journal.records(dataset):
            # A run that makes everything anew has removed all samples of earlier ones.
            if record.error is None and record.generation == generation:
                extent = journal.places.extent(dataset, record.name)
                path = shards.get(extent.shard) if extent else None
                yield Sampled(dataset, record, path, extent)


def find_damage(sample: Sample) -> list[str]:
    """Say what is wrong with members of a sample, as "shard: member: what", each once.

    A member without a header is called by what it holds, as in a tree.
    """
    if sample.path is None or sample.extent is None:
        return []  # the shard as a whole was told
    expected = sample.files
    member = "/".join([sample.dataset, *(name for name, _ in expected[:1])])
    found: list[str] = []
    try:
        with _opened(sample.path) as (file, content):
            file.seek(sample.extent.offset)
            with closing(_reader(file)) as archive:
                for name, written in expected:
                    member = f"{sample.dataset}/{name}"
                    info = archive.next()
                    if info is None:
                        raise tarfile.ReadError("end of file")
                    member = printable(info.name)
                    begin = _begin_of(info, sample.extent)
                    if damage := _member_damage(content, info, begin, written, name):
                        found.append(f"{printable(sample.path)}: {member}: {damage}")
    except (tarfile.TarError, ValueError):
        found.append(f"{printable(sample.path)}: {printable(member)}: has no header of a member")
    except OSError as error:
        found.append(f"{printable(sample.path)}: cannot be read: {error.strerror}")
    return found


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], memoryview]]:
    """A shard as a file, and as bytes that are read when they are looked at."""
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise tarfile.ReadError("empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            view = memoryview(mapped)
            try:
                yield file, view
            finally:
                view.release()


def _reader(file: IO[bytes]) -> tarfile.TarFile:
    return tarfile.open(fileobj=file, mode="r:", errors="surrogateescape")


def _begin_of(info: tarfile.TarInfo, extent: Extent) -> int:
    """Where a member begins, with the records before its header."""
    begin = info.offset
    if not extent.offset <= begin <= extent.offset + extent.length:
        raise tarfile.ReadError("outside")
    return begin


def _member_damage(
    content: memoryview, info: tarfile.TarInfo, begin: int, written: Written, name: str
) -> str | None:
    """Say what is wrong with one member, or None."""
    data, end = info.offset_data, info.offset_data + info.size
    if info.size != written.size:
        return f"has {info.size} bytes instead of {written.size}"
    if len(content) < end:
        return f"has {max(0, len(content) - data)} bytes instead of {written.size}"
    rest = padding(info.size)
    around = bytes(content[begin:data]), bytes(content[end : end + len(rest)])
    if around != (header(info.name, info.size), rest):
        return "has another header, or is followed by something else, than was written"
    with content[data:end] as own:
        if _checksum(own) != written.checksum:
            return "has other contents than were written"
        if is_mask(name):
            return by_libvips(decoding_problem, bytes(own) if libvips_is_lost() else own)
    return None


def _checksum(content: memoryview) -> int:
    checksum = 0
    for at in range(0, len(content), _CHUNK):
        checksum = isal_zlib.crc32(content[at : at + _CHUNK], checksum)
    return checksum
