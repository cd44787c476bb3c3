"""Everything that savemasks raises on purpose.

    SavemasksError
    ├── ConfigError (ValueError)       the layer's JSON: every problem with its path and its fix
    ├── ProjectError (OSError)         a project that cannot be used at all
    ├── OutputError (OSError)          an output folder that must not be written to
    ├── RemoteError (OSError)          an address that cannot be used at all
    └── ItemError                      one image or its annotation; the run goes on
        ├── FolderError (OSError)          a data set's folder cannot be listed
        ├── AnnotationError (ValueError)   what its JSON says cannot be painted
        ├── ImageError (ValueError)        its picture is missing, broken or of another size
        ├── WriteError (OSError)           its results could not be stored
        └── CrashError                     the process that worked on it died

The first four end a run before anything is written. An `ItemError` costs its item only.
"""

import difflib
import json
import os
import reprlib
import unicodedata
from collections.abc import Iterable, Sequence

_SHOWN = 40


class _Short(reprlib.Repr):
    """`reprlib`, but for whole numbers that have more digits than Python writes."""

    def repr_int(self, x: int, level: int) -> str:
        try:
            return super().repr_int(x, level)
        except ValueError:
            return f"a whole number of about {x.bit_length() * 30103 // 100_000} digits"


_SHORT = _Short()


def shown(value: object) -> str:
    """A value out of somebody's JSON, short enough for a message."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = _SHORT.repr(value)  # of what is nested deeply, only the outer lists
    text = printable(text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def printable(text: object) -> str:
    r"""Text that any terminal and JSON take: bytes that are no UTF-8 as \xNN, controls escaped."""
    if (plain := str(text)).isprintable():
        return plain
    try:
        clean = os.fsencode(plain).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a character, out of somebody's JSON
        clean = plain.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in clean)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for a name that nobody knows: ' (did you mean "kiwi"?)', or nothing if none is near.

    Names that differ only by case, blanks or Unicode's form are nearest.
    """
    by_key: dict[str, str] = {}
    for title in known:
        by_key.setdefault(_key(title), title)
    near = difflib.get_close_matches(_key(name), by_key, n=1)
    if not near:
        return ""
    found = by_key[near[0]]
    is_same = unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", found)
    how = ", in another form of Unicode" if is_same else ""  # they look alike
    return f' (did you mean "{printable(found)}"{how}?)'


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()


class SavemasksError(Exception):
    """Base of all errors of this package."""


class ConfigError(SavemasksError, ValueError):
    """The configuration cannot be used.

    Attributes
    ----------
    problems
        One line each: the JSON path, what is wrong there and what would be right.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


class ProjectError(SavemasksError, OSError):
    """A project's folder or archive is missing, unreadable or not a project."""


class OutputError(SavemasksError, OSError):
    """The output folder must not, or cannot, be written to."""


class RemoteError(SavemasksError, OSError):
    """An address cannot be used at all, whatever is there; the text says why and what to do."""


class ItemError(SavemasksError):
    """One item could not be exported.

    Attributes
    ----------
    kind
        A word for reports: "folder", "annotation", "image", "write" or "crash".
    message
        What is wrong and, where that helps, what would be right.
    file
        The file that is to blame, or None while that is not known.
    object_index
        Position of the guilty object in the annotation's list, or None.
    """

    kind = "item"

    def __init__(
        self, message: str, *, file: str | None = None, object_index: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.object_index = object_index

    def __str__(self) -> str:
        where = [self.file] if self.file else []
        if self.object_index is not None:
            where.append(f"object {self.object_index}")
        return ": ".join([*where, self.message])

    def __reduce__(self) -> tuple[object, ...]:
        state = {"file": self.file, "object_index": self.object_index}
        return type(self), (self.message,), state


class FolderError(ItemError, OSError):
    """A data set's folder cannot be listed, so all of its items are missing."""

    kind = "folder"


class AnnotationError(ItemError, ValueError):
    """An annotation is missing, is no JSON, or says something that cannot be painted."""

    kind = "annotation"


class ImageError(ItemError, ValueError):
    """A picture is missing, cannot be decoded, or does not fit its annotation."""

    kind = "image"


class UnreadFormatError(ImageError):
    """A picture has a format that this installation cannot decode.

    Attributes
    ----------
    picture_format
        Its name.
    size
        Height and width if its header can be read nevertheless, else None.
    """

    def __init__(
        self,
        message: str,
        *,
        picture_format: str = "",
        size: tuple[int, int] | None = None,
        file: str | None = None,
    ) -> None:
        super().__init__(message, file=file)
        self.picture_format = picture_format
        self.size = size

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message,), self.__dict__.copy()


class WriteError(ItemError, OSError):
    """A result could not be stored; what had been written of its item was removed."""

    kind = "write"


class CrashError(ItemError):
    """The process that worked on an item died, also when it worked on nothing else.

    Or the helper process of a forked child did, or could not be started.
    """

    kind = "crash"
