"""`Member`: a file of a project that lies in an archive, and how it is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from isal import isal_zlib

from ..system.file_calls import temporary_file, write_all
from .member_index import DEFLATED, PROBLEMS
from .volumes import ChangedError, OpenVolumes, Volumes

InflateError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub says Exception
_PIECE = 1 << 20  # bytes that are read or inflated at once
_LOCAL_HEADER, _LOCAL_SIGNATURE = 30, b"PK\3\4"
_GUESS = 128  # bytes of the name and the extra field in front of the data


class MemberError(Exception):
    """A member cannot be read; the text says why, as the end of a sentence about its name."""


class Member(NamedTuple):
    """A file in an archive; small, and can be pickled.

    Attributes
    ----------
    volumes
        The archive.
    offset
        Where its data begin, or, in a zip archive, its local header.
    size, packed
        Bytes of the file, and of what is in the archive.
    crc
        CRC-32 of the file in a zip archive; tar archives have none.
    kind
        As in `member_index`.
    mark
        A number that is another one if the member or the archive has changed.
    """

    volumes: Volumes
    offset: int
    size: int
    packed: int
    crc: int | None
    kind: int
    mark: int

    @property
    def st_size(self) -> int:
        """Its size, as `os.stat_result` has it."""
        return self.size

    @property
    def st_mtime_ns(self) -> int:
        """What stands for the time of its last change."""
        return self.mark


class Members(NamedTuple):
    """The files of an item that lie in an archive."""

    image: Member | None
    annotation: Member | None


def read_member(member: Member) -> bytes:
    """Read a file of an archive, which must fit into memory; raises `MemberError`."""
    pieces = [*read_in_pieces(member)]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def read_in_pieces(member: Member) -> Iterator[bytes]:
    """Read a file of an archive piece by piece; raises `MemberError`, also at the end."""
    if problem := PROBLEMS.get(member.kind):
        raise MemberError(problem)
    size = checksum = 0
    try:
        with member.volumes.opened() as volumes:
            at, first = _begin(volumes, member)
            packed = _packed(volumes, at, member.packed, first)
            pieces = _inflated(packed, member.size) if member.kind == DEFLATED else packed
            for piece in pieces:
                size += len(piece)
                if member.crc is not None:
                    checksum = isal_zlib.crc32(piece, checksum)
                yield piece
    except ChangedError as error:
        raise MemberError(f"cannot be read: {error}") from error
    except OSError as error:
        raise MemberError(f"cannot be read: {error.strerror}") from error
    except InflateError as error:
        raise MemberError("is damaged in the archive: it cannot be inflated") from error
    if size != member.size:
        raise MemberError(
            f"is damaged in the archive: it has {size} bytes instead of {member.size}"
        )
    if member.crc not in {None, checksum}:
        raise MemberError("is damaged in the archive: its CRC-32 is another one")


@contextmanager
def member_as_file(member: Member) -> Iterator[str]:
    """Copy a member into a temporary file, for those who need a path; raises `MemberError`."""
    with temporary_file() as (file, path):
        for piece in read_in_pieces(member):
            write_all(file, [memoryview(piece)])
        yield path


@contextmanager
def bytes_as_file(content: bytes) -> Iterator[str]:
    """The same for the contents of a file."""
    with temporary_file() as (file, path):
        write_all(file, [memoryview(content)])
        yield path


def _begin(volumes: OpenVolumes, member: Member) -> tuple[int, bytes]:
    """Where the data of a member begin, and the first of them if they have been read already."""
    if member.crc is None:
        return member.offset, b""
    data = volumes.read(member.offset, _LOCAL_HEADER + _GUESS + min(member.packed, _PIECE))
    if not data.startswith(_LOCAL_SIGNATURE) or len(data) < _LOCAL_HEADER:
        raise MemberError("is damaged in the archive: its header is not where it should be")
    begin = _LOCAL_HEADER + sum(data[26:30:2]) + 256 * sum(data[27:30:2])
    return member.offset + begin, data[begin : begin + member.packed]


def _packed(volumes: OpenVolumes, at: int, size: int, first: bytes) -> Iterator[bytes]:
    """What the archive holds of a member, of which the first bytes are known."""
    done = len(first)
    if first:
        yield first
    while done < size:
        data = volumes.read(at + done, min(size - done, _PIECE))
        if not data:
            return  # its size tells
        done += len(data)
        yield data


def _inflated(packed: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Inflate; never much more than a member says that it is."""
    inflate = isal_zlib.decompressobj(wbits=-15)
    left = size + 1
    for data in packed:
        waiting = data
        while (waiting or not inflate.eof) and left > 0:
            piece = inflate.decompress(waiting, min(left, _PIECE))
            waiting = inflate.unconsumed_tail
            left -= len(piece)
            if piece:
                yield piece
            elif not waiting:
                break
        if inflate.eof or left <= 0:
            return
