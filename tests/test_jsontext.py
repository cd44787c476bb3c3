"""JSON as people and programs write it, and in which encoding."""

import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savemasks.jsontext import EncodingError, Text, dump, load, path_hint

floats = st.floats().filter(lambda number: not 1e300 < abs(number) < math.inf)
texts = st.text(st.characters(exclude_categories=()))  # halves of surrogate pairs too
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), floats, texts),
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:
    """Whether values are equal, NaN too."""
    return repr(one) == repr(other)


@given(values, st.booleans())
def test_whatever_python_writes_is_read(value: Any, has_mark: bool) -> None:
    text = "\ufeff" * has_mark + json.dumps(value)
    expected = json.loads(json.dumps(value))
    for form in (text, text.encode(), bytearray(text.encode()), memoryview(text.encode())):
        assert same(load(form), expected)


@given(values)
def test_whatever_is_written_is_read_again(value: Any) -> None:
    value = json.loads(json.dumps(value).replace("NaN", "5").replace("Infinity", "6"))
    assert same(load(dump(value)), value)


def test_what_is_usual_is_written_as_by_orjson() -> None:
    value = {"b": [1, 2.5, "é"], "a": None}
    assert dump(value) == orjson.dumps(value)
    assert dump(2**70) == b"%d" % 2**70


objects = st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none()), min_size=1)


@given(
    objects,
    st.sampled_from(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]),
    st.sampled_from(["", "\ufeff"]),
    st.sampled_from([None, 1]),
)
def test_another_encoding_is_named(
    value: Any, encoding: str, mark: str, indent: int | None
) -> None:
    content = (mark + json.dumps(value, indent=indent)).encode(encoding)
    with pytest.raises(EncodingError) as caught:
        load(content)
    assert str(caught.value) == f"is {encoding[:6].upper()}; save it as UTF-8"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ('{"name": "Caf\u00e9"}'.encode("latin-1"), "byte 0xe9 at position 13"),
        ('{"name": "жук"}'.encode("cp1251"), "byte 0xe6 at position 10"),
        ('{"name": "西瓜"}'.encode("gbk"), "byte 0xce at position 10"),
        ('{"name": "\u00e9"}'.encode()[:-3], "byte 0xc3 at position 10"),
        (b"\xef\xbb\xbf" + b'{"a": "\x80"}', "byte 0x80 at position 10"),
        (b'{"a": NaN, "b": "\xed\xa0\xbd"}', "byte 0xed at position 17"),
        (b"\x89PNG\r\n\x1a\n", "byte 0x89 at position 0"),
    ],
)
def test_a_byte_that_is_no_utf8_is_told_with_its_place(content: bytes, place: str) -> None:
    with pytest.raises(EncodingError) as caught:
        load(content)
    assert str(caught.value) == f"is not UTF-8: {place}; save it as UTF-8"


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        (b"", 1, 1), (b"{", 1, 2), (b"\xef\xbb\xbf", 1, 1), (b"\xef\xbb\xbf{\n5", 2, 1),
        ("\ufeff\ufeff{}", 1, 1), (b"\0" * 99, 1, 1), (b'{\0"a": 5}', 1, 2),
        (b'[1,\n2,,NaN]', 2, 3), (b'[NaN,\n2,,3]', 2, 3), (b'["\\ud800"\n"x"]', 2, 1),
        (b"[NaN, 1e999]", 1, 2), (b"[-NaN]", 1, 3), (b"[nan]", 1, 2), (b"[1e999]", 1, 2),
        (b"[NaN," + b"[" * 100_000 + b"]" * 100_001, 1, 2), (b"[NaN, %s]" % (b"9" * 5000), 1, 2),
        ('["\ud800"]', 1, 1), ('["\ud800", NaN]', 1, 1),
    ],
)  # fmt: skip
def test_what_is_no_json_is_told_with_its_place(text: Text, line: int, column: int) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        load(text)
    assert (caught.value.lineno, caught.value.colno) == (line, column)


@given(st.text('[]{},:"\\ \nNaInfty-10.eudE8\ufeffé', max_size=25))
def test_nothing_is_read_that_is_no_json(text: str) -> None:
    try:
        found = load(text.encode())
    except json.JSONDecodeError:
        found = None
    try:
        expected = json.loads(text.removeprefix("\ufeff"))
    except (json.JSONDecodeError, RecursionError):
        expected = None
    assert same(found, expected) or "e" in text.lower()  # a number too large for a float


def test_a_path_is_told_from_json() -> None:
    assert path_hint("config.json") == "; the path of a file must be a pathlib.Path"
    for text in (b"config.json", "", " {", "\ufeff[", "\n"):
        assert path_hint(text) == ""
