"""The members of a tar archive.

`tarfile` takes about 40 microseconds for a member, which is too much for a million of them. So the
headers that nearly all members have are read here, and all others by `tarfile`.
"""

import tarfile
from struct import Struct
from zlib import adler32

from .member_index import DEVICE, LINK, SPARSE, STORED, Found, Halted, MemberIndex
from .volumes import OpenVolumes, SeekableFile

_BLOCK = 512
_WINDOW = 1 << 14  # bytes that are read at once
_END = bytes(_BLOCK)
_MAX_EXTENSION = 1 << 20  # bytes of an extended header
_MAX_EXTENSIONS = 8  # of one member
_FIELDS = Struct("100s24x12s12s8sc100s8s")
# What an extended header may say that changes where or what the member is.
_CHANGES = (b"path=", b"size=", b"sparse", b"hdrcharset=")
_FILES, _FOLDERS, _LINKS, _DEVICES, _LABEL = b"0\0007", b"5D", b"12", b"346", b"V"
_ADLER = 65521


def index_tar(volumes: OpenVolumes, size: int, index: MemberIndex, halted: Halted) -> None:
    """Add all members of a tar archive to an index.

    Raises
    ------
    ProjectError
        If it is damaged, cut off, or has names that are not to be used.
    KeyboardInterrupt
        If `halted` says so.
    """
    _Scan(volumes, size, index).run(halted)


class _Scan:
    """One way through an archive."""

    def __init__(self, volumes: OpenVolumes, size: int, index: MemberIndex) -> None:
        self._volumes, self._size, self._index = volumes, size, index
        self._window, self._begin = b"", 0
        self._file = SeekableFile(volumes.read, size)
        self._tar: tarfile.TarFile | None = None

    def run(self, halted: Halted) -> None:
        at = begun = 0  # where the headers of the next member go on, and where they have begun
        extensions, is_plain = 0, True
        while (header := self._read(at, _BLOCK)) != _END:
            if halted():
                raise KeyboardInterrupt
            name, size_text, mtime, sum_text, kind, _, magic = _FIELDS.unpack_from(header)
            size = self._number(size_text, at)
            if self._number(sum_text, at) % _ADLER != _sum_of(header, sum_text):
                raise self._damage(at)
            data = at + _BLOCK
            after = data + -(-size // _BLOCK) * _BLOCK
            if kind in b"xgXLKS":
                extensions += 1
                if extensions > _MAX_EXTENSIONS or (kind != b"S" and size > _MAX_EXTENSION):
                    raise self._damage(at)
                if kind != b"S":
                    is_plain = is_plain and kind in b"xgX" and not self._changes(kind, data, size)
                    at = after
                    continue
                is_plain = False
            if not is_plain:
                at = self._add_by_tarfile(begun)
            else:
                if magic[:6] == b"ustar\0" and header[345]:
                    name = header[345:500].split(b"\0", 1)[0] + b"/" + name.split(b"\0", 1)[0]
                at = self._add(name, kind, Found(data, size, size, self._number(mtime, at), STORED))
            begun, extensions, is_plain = at, 0, True

    def _add(self, raw: bytes, kind: bytes, member: Found) -> int:
        """Add a member of an ordinary header; return where the next one's begins."""
        name = raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
        if kind in _FOLDERS or (kind in _FILES and name.endswith("/")):
            self._index.add_folder(name)
        elif kind in _FILES:
            self._check_end(member)
            self._index.add(name, member)
        elif kind not in _LABEL:
            self._index.add(name, member._replace(kind=LINK if kind in _LINKS else DEVICE))
        if kind in _LINKS + _DEVICES + b"5":  # which have no data, whatever size they say
            return member.offset
        return member.offset + -(-member.size // _BLOCK) * _BLOCK

    def _add_by_tarfile(self, at: int) -> int:
        """Add the member whose headers begin at a place; return where the next one's begin."""
        try:
            if self._tar is None:
                self._tar = tarfile.TarFile(fileobj=self._file, mode="r", errorlevel=2)
            tar = self._tar
            self._file.seek(at)
            tar.firstmember = None  # type: ignore[attr-defined]
            tar.members.clear()  # type: ignore[attr-defined]
            tar.offset = at
            found = tar.next()
        except (tarfile.TarError, EOFError, ValueError, RecursionError) as error:
            raise self._damage(at) from error
        if found is None:
            raise self._damage(at)
        member = Found(found.offset_data, found.size, found.size, int(found.mtime), STORED)
        if found.isdir():
            self._index.add_folder(found.name)
        elif found.issym() or found.islnk():
            self._index.add(found.name, member._replace(kind=LINK))
        elif found.issparse():
            self._index.add(found.name, member._replace(kind=SPARSE))
        elif found.isreg():
            self._check_end(member)
            self._index.add(found.name, member)
        else:
            self._index.add(found.name, member._replace(kind=DEVICE))
        return tar.offset

    def _changes(self, kind: bytes, at: int, size: int) -> bool:
        text = self._read(at, size)
        changes = any(each in text for each in _CHANGES)
        if changes and kind == b"g":
            raise self._index.failure("has a header that names all members; make it anew with tar")
        return changes

    def _number(self, text: bytes, at: int) -> int:
        if text[0] & 0x80:  # too large for digits
            number = int.from_bytes(text, "big") - (1 << (8 * len(text) - 1))
            return min(number, 1 << 62)
        try:
            return int(text.split(b"\0", 1)[0].strip() or b"0", 8)
        except ValueError:
            raise self._damage(at) from None

    def _read(self, at: int, size: int) -> bytes:
        """Bytes that must be there."""
        begin = at - self._begin
        if begin < 0 or begin + size > len(self._window):
            self._window, self._begin, begin = self._volumes.read(at, max(size, _WINDOW)), at, 0
            if len(self._window) < size:
                raise self._cut()
        return self._window[begin : begin + size]

    def _check_end(self, member: Found) -> None:
        if member.offset + member.size > self._size:
            raise self._cut()

    def _cut(self) -> Exception:
        there = f"after {self._index.count} members, at byte {self._size}"
        if self._index.count == 0 and self._size < _BLOCK:
            return self._index.failure("is empty or no tar archive")
        return self._index.failure(f"is cut off {there}; a part of it is missing: fetch it again")

    def _damage(self, at: int) -> Exception:
        if at == 0:
            return self._index.failure(
                "is no tar archive, nor one of gzip or zip: unpack it, or pack it as one"
            )
        there = f"at byte {at}, after {self._index.count} members"
        return self._index.failure(f"is damaged {there}; fetch it again")


def _sum_of(header: bytes, own: bytes) -> int:
    """The sum of a header's bytes without its own sum, which counts as blanks, modulo `_ADLER`.

    The lower half of Adler-32 is that of all bytes, and one more.
    """
    return ((adler32(header) & 0xFFFF) - 1 - sum(own) + len(own) * ord(" ")) % _ADLER
