"""JSON as people and programs write it: text ↔ Python's objects.

orjson reads what is usual. Only what it refuses is looked at again: editors on Windows begin files
with a byte order mark, and Python and JavaScript write NaN, Infinity and halves of surrogate pairs.
Another encoding than UTF-8 is refused by its name.
"""

import codecs
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import orjson

Text = bytes | bytearray | memoryview | str

# What the standard library reads and orjson does not. Halves of surrogate pairs are escaped.
_UNUSUAL = re.compile(r"NaN|Infinity|\\u[dD][89a-fA-F]")
_PLAIN = {str, int, float, bool}
_PLAIN_CHARS = {*"?bhilqBHILQefd"}  # of the dtypes whose `tolist` has Python's own numbers
_SAMPLE = 64  # bytes that show the encoding


class EncodingError(ValueError):
    """A text in another encoding than UTF-8; the message names it and says what to do."""


def load(text: Text) -> Any:
    """Parse a text.

    Raises
    ------
    EncodingError
        If it is not UTF-8.
    json.JSONDecodeError
        If it is no JSON, with the place.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return _load_unusual(_decoded(text, error), error)


def dump(value: object) -> bytes:
    """Write JSON that `load` can read again, whatever is in the texts."""
    try:
        return orjson.dumps(value)
    except TypeError:  # half a surrogate pair, or a number of more than 64 bits
        return json.dumps(value).encode()


def path_hint(text: Text) -> str:
    """A hint for a text that is no JSON, because it is the path of a file; nothing otherwise."""
    is_path = isinstance(text, str) and text.removeprefix("\ufeff").strip()[:1] not in {
        "",
        "{",
        "[",
    }
    return "; the path of a file must be a pathlib.Path" if is_path else ""


def _decoded(text: Text, error: json.JSONDecodeError) -> str:
    """The characters of a text that orjson refused with this error."""
    if isinstance(text, str):
        try:
            text.encode()
        except UnicodeEncodeError:  # not even text
            raise error from None
        return text
    content = bytes(text)
    if encoding := _other_encoding(content):
        raise EncodingError(f"is {encoding}; save it as UTF-8")
    try:
        return content.decode()
    except UnicodeDecodeError as wrong:
        byte = f"byte {content[wrong.start]:#04x} at position {wrong.start}"
        raise EncodingError(f"is not UTF-8: {byte}; save it as UTF-8") from None


def _other_encoding(content: bytes) -> str | None:
    """Name of an encoding that has a byte order mark or zeros between the characters."""
    encoding = json.detect_encoding(content)
    if encoding.startswith("utf-8"):
        return None
    sample = content[:_SAMPLE]
    has_mark = sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
    # Zeros alone may also be those of a damaged file.
    begins = sample.decode(encoding, "replace").lstrip()[:1] in {"{", "["}
    if has_mark or (begins and sample.count(0) >= len(sample) // 4):
        return encoding[:6].upper()
    return None


def _load_unusual(text: str, error: json.JSONDecodeError) -> Any:
    """Parse what orjson refused with this error, or raise the error that is further behind."""
    if text.startswith("\ufeff"):
        text = text[1:]
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError as later:
            error = later
    if not _UNUSUAL.search(text):
        raise error
    try:
        return json.loads(text, parse_float=_finite)
    except json.JSONDecodeError as later:
        raise (later if later.pos > error.pos else error) from None
    except (ValueError, RecursionError):  # a number that is too large, or too deep nesting
        raise error from None


def _finite(digits: str) -> float:
    """A number; one too large for a float is refused, as by orjson."""
    number = float(digits)
    if math.isinf(number):
        raise ValueError(digits)
    return number


def plain(value: Any, of_array: Callable[[Any], Any] = lambda array: array) -> Any:
    """What a program has built, as JSON would have it; what JSON cannot hold stays as it is.

    Mappings become dicts, arrays and other sequences lists, NumPy's and other numbers those of
    Python. `of_array` is given every array, and anything else that has `tolist`, before.
    """
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, Real | Decimal):
        return int(value) if isinstance(value, Integral) else float(value)
    if isinstance(value, Mapping):
        return {key: plain(each, of_array) for key, each in value.items()}
    if callable(getattr(value, "tolist", None)):
        listed = of_array(value).tolist()
        char = getattr(getattr(value, "dtype", None), "char", "")
        return listed if char in _PLAIN_CHARS else plain(listed, of_array)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [plain(each, of_array) for each in value]
    return value
