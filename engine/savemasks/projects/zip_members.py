"""The members of a zip archive, as its central directory lists them.

`zipfile` keeps an object of 600 bytes for each. Here one after the other goes into an index.
"""

import stat
from collections.abc import Iterator
from struct import Struct

from .member_index import (
    DEFLATED,
    DEVICE,
    ENCRYPTED,
    IMPOSSIBLE,
    LINK,
    METHOD,
    STORED,
    Found,
    Halted,
    MemberIndex,
)
from .volumes import OpenVolumes

_WINDOW = 1 << 20  # bytes that are read at once; more than an entry may take
_ENTRY = Struct("<4s6H3I5H2I")
_END, _END64, _LOCATOR64 = Struct("<4s4H2IH"), Struct("<4sQ2H2I4Q"), Struct("<4sIQI")
_ENTRY_SIGNATURE, _END_SIGNATURE = b"PK\1\2", b"PK\5\6"
_END64_SIGNATURE, _LOCATOR64_SIGNATURE = b"PK\6\6", b"PK\6\7"
_MAX_COMMENT = 1 << 16
_UTF8, _IS_ENCRYPTED, _UNIX = 0x800, 0x2041, 3
_MOST_DEFLATED = 1032  # bytes that deflate can make of one
_LOCAL_HEADER = 30


def index_zip(volumes: OpenVolumes, size: int, index: MemberIndex, halted: Halted) -> None:
    """Add all members of a zip archive to an index.

    Raises
    ------
    ProjectError
        If it is damaged, cut off, or has names that are not to be used.
    KeyboardInterrupt
        If `halted` says so.
    """
    first, end, count, shift = _find_directory(volumes, size, index)
    total = 0
    for name, flags, system, attributes, method, member in _entries(volumes, first, end, index):
        if halted():
            raise KeyboardInterrupt
        member = member._replace(  # noqa: PLW2901
            kind=_kind(flags, attributes >> 16 if system == _UNIX else 0, method, member),
            offset=member.offset + shift,
        )
        if name.endswith("/"):
            index.add_folder(name)
        else:
            index.add(name, member)
        total += member.packed + _LOCAL_HEADER
        if member.offset + _LOCAL_HEADER + member.packed > first or total > first:
            raise index.failure(
                "its members overlap each other or its end: it is damaged or malicious"
            )
    if index.count & 0xFFFF != count & 0xFFFF:  # some writers count no further
        raise index.failure(f"lists {index.count} of {count} members: it is damaged")


def _find_directory(
    volumes: OpenVolumes, size: int, index: MemberIndex
) -> tuple[int, int, int, int]:
    """Where the central directory is: begin, end; number of members; what to add to offsets."""
    begin = max(0, size - _END.size - _MAX_COMMENT)
    tail = volumes.read(begin, size - begin)
    at = tail.rfind(_END_SIGNATURE)
    if at < 0 or at + _END.size > len(tail):
        raise index.failure("is cut off, for its list of members is missing: fetch it again")
    _, disk, _, _, count, length, offset, _ = _END.unpack_from(tail, at)
    end = begin + at
    locator = volumes.read(max(0, end - _LOCATOR64.size), _LOCATOR64.size)
    if locator.startswith(_LOCATOR64_SIGNATURE) and len(locator) == _LOCATOR64.size:
        end64 = end - _LOCATOR64.size - _END64.size
        head = volumes.read(max(0, end64), _END64.size)
        if not head.startswith(_END64_SIGNATURE) or len(head) < _END64.size:
            raise index.failure("its list of members is damaged: fetch it again")
        *_, disk, _, _, count, length, offset = _END64.unpack(head)
        end = end64
    elif disk not in {0, 0xFFFF} or 0xFFFF_FFFF in {length, offset}:
        raise index.failure("is one of several disks; join them (zip -s 0)")
    first = end - length
    if first < offset:
        raise index.failure("is cut off, or its list of members is damaged: fetch it again")
    return first, end, count, first - offset


def _entries(
    volumes: OpenVolumes, at: int, end: int, index: MemberIndex
) -> Iterator[tuple[str, int, int, int, int, Found]]:
    """Yield name, flags, system, attributes, method, and what is where, of all members."""
    window, begin = b"", at
    while at < end:
        if at + _ENTRY.size + 3 * _MAX_COMMENT > begin + len(window) < end:
            window, begin = volumes.read(at, min(_WINDOW, end - at)), at
        damage = index.failure(f"its list of members is damaged after {index.count}")
        if end - at < _ENTRY.size:
            raise damage
        signature, made, _, flags, method, _, _, crc, packed, size, *rest = _ENTRY.unpack_from(
            window, at - begin
        )
        name_size, extra_size, comment_size, _, _, attributes, offset = rest
        here = at - begin + _ENTRY.size
        at += _ENTRY.size + name_size + extra_size + comment_size
        if signature != _ENTRY_SIGNATURE or at > end:
            raise damage
        name = window[here : here + name_size]
        extra = window[here + name_size : here + name_size + extra_size]
        if 0xFFFF_FFFF in {size, packed, offset}:
            size, packed, offset = _wide(extra, [size, packed, offset])
        system = made >> 8
        member = Found(offset, size, packed, crc, STORED)
        yield _name(name, flags, system), flags, system, attributes, method, member


def _wide(extra: bytes, numbers: list[int]) -> Iterator[int]:
    """Sizes and offset of a large member, from its zip64 field."""
    at = 0
    wide: Iterator[int] = iter(())
    while at + 4 <= len(extra):
        kind, length = Struct("<2H").unpack_from(extra, at)
        if kind == 1:
            field = extra[at + 4 : at + 4 + length // 8 * 8]
            wide = iter(Struct(f"<{len(field) // 8}Q").unpack(field))
        at += 4 + length
    for number in numbers:
        yield number if number != 0xFFFF_FFFF else min(next(wide, number), 1 << 62)


def _name(raw: bytes, flags: int, system: int) -> str:
    """A member's name as unpacking makes it."""
    raw = raw.split(b"\0", 1)[0]
    encoding = "utf-8" if flags & _UTF8 or system == _UNIX else "cp437"
    name = raw.decode(encoding, "surrogateescape")
    return name if "/" in name or system == _UNIX else name.replace("\\", "/")


def _kind(flags: int, mode: int, method: int, member: Found) -> int:
    """How a member can be read, or why not."""
    kind = {0: STORED, 8: DEFLATED}.get(method, METHOD)
    if stat.S_ISLNK(mode):
        kind = LINK
    elif stat.S_IFMT(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = DEVICE
    elif flags & _IS_ENCRYPTED:
        kind = ENCRYPTED
    elif (kind == STORED and member.size != member.packed) or (
        kind == DEFLATED and member.size > _MOST_DEFLATED * member.packed + _MOST_DEFLATED
    ):
        kind = IMPOSSIBLE
    return kind
