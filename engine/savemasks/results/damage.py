"""What may be wrong with a file that was written: its size, its contents, its picture."""

import os

import pyvips
from isal import isal_zlib

from ..forks import by_libvips, libvips_is_lost
from ..store.files import Written
from ..system.file_calls import READ_AT_ONCE

_CHUNK = 1 << 20  # bytes that are read at once


def is_mask(name: str) -> bool:
    """Whether a file, named below its data set's folder, is one that must decode."""
    return name.startswith(("masks_", "visualize/")) and not name.endswith(".json")


def find_damage(path: str, written: Written, *, is_mask: bool) -> str | None:
    """Say what is wrong with a file, or None; one chunk is in memory at a time."""
    size = checksum = 0
    chunk = b""
    try:
        with open(path, "rb", buffering=0, opener=_at_once) as file:
            while size <= written.size and (read := file.read(_CHUNK)):
                chunk = read
                size += len(chunk)
                checksum = isal_zlib.crc32(chunk, checksum)
            if size != written.size:
                more = "more than " if size > written.size else ""
                return f"has {more}{min(size, written.size)} bytes instead of {written.size}"
            if checksum != written.checksum:
                return "has other contents than were written"
            if not is_mask:
                return None
            file.seek(0)
            large = path if libvips_is_lost() else file.fileno()
            return by_libvips(decoding_problem, chunk if len(chunk) == size else large)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _at_once(path: str, _: int) -> int:
    """Open a file; should it be a pipe, without waiting for who writes to it."""
    return os.open(path, READ_AT_ONCE)


def content_damage(content: bytes, written: Written, *, is_mask: bool) -> str | None:
    """Say what is wrong with a file that was read whole, or None."""
    if len(content) != written.size:
        return f"has {len(content)} bytes instead of {written.size}"
    if isal_zlib.crc32(content) != written.checksum:
        return "has other contents than were written"
    return by_libvips(decoding_problem, content) if is_mask else None


def decoding_problem(content: bytes | memoryview | int | str) -> str | None:
    """Decode a picture in memory, or of a file by its descriptor or path, from top to bottom."""
    how = {"access": "sequential", "fail_on": "error"}
    try:
        if isinstance(content, bytes):
            image = pyvips.Image.new_from_buffer(content, "", **how)
        else:
            if isinstance(content, memoryview):
                source = pyvips.Source.new_from_memory(content)
            elif isinstance(content, int):
                source = pyvips.Source.new_from_descriptor(content)
            else:
                source = pyvips.Source.new_from_file(os.fsencode(content))
            image = pyvips.Image.new_from_source(source, "", **how)
        image.avg()
    except pyvips.Error as error:
        return f"cannot be decoded: {error.message}"
    return None
