"""Annotations in pieces: whatever they are, the same comes of them as from reading them whole."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from savemasks.errors import AnnotationError
from savemasks.parse import annotation as parse_module
from savemasks.parse import pieces as pieces_module
from savemasks.parse.annotation import Annotation, parse
from savemasks.parse.builder import Rules
from savemasks.parse.pieces import LARGE, split
from savemasks.shapes import Shapes
from support import fuzz_input
from support.annotations import (
    BAD_OBJECTS,
    BROKEN,
    CLASSES,
    GOOD,
    SIZE,
    Json,
    annotation,
    vector,
    vectors,
)

Told = tuple[str, int | None]


@pytest.fixture(autouse=True, params=[1, 40, 200])
def piece(request: pytest.FixtureRequest) -> Iterator[None]:
    """Pieces of a few characters: each has one object, or few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces_module, "_PIECE", request.param)
        yield


def outcome(content: Annotation, large: int, on_size: Callable[..., None]) -> Shapes | Told:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse_module, "LARGE", large)
        try:
            return parse(content, CLASSES, on_size=on_size)
        except (AnnotationError, ArithmeticError) as error:
            return str(error), getattr(error, "object_index", None)


def check(content: Annotation, on_size: Callable[..., None] = lambda *_: None) -> Shapes | Told:
    """Read a text both ways; the results must not differ in anything."""
    cut, whole = (outcome(content, large, on_size) for large in (0, 1 << 40))
    if isinstance(cut, tuple) or isinstance(whole, tuple):
        assert cut == whole
        return cut
    for name in Shapes.__slots__:
        one, other = getattr(cut, name), getattr(whole, name)
        if name == "masks":
            same(one.start, other.start)
            same(one.shape, other.shape)
            same(one.bits, other.bits)
        elif isinstance(one, np.ndarray):
            same(one, other)
        elif isinstance(one, dict):
            assert list(one.items()) == list(other.items())
        else:
            assert one == other
    return cut


def same(one: Any, other: Any) -> None:
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def is_cut(content: bytes) -> bool:
    """Whether a text is read in pieces to its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse_module, "LARGE", 0)
        reading = parse_module._Reading(CLASSES, {}, None, Rules())
        return reading.pieces(content) is not None


# ---------------------------------------------------------------- sound annotations

texts = st.one_of(
    st.text(),
    st.sampled_from(['"objects":[', "\\", '\\"objects\\":[{}', "]}", "[[[", "{", '"', ",", "é\0"]),
)
keys = st.one_of(texts.filter(lambda key: key not in {"objects", "size"}), st.just("objects "))
values = st.recursive(
    st.one_of(texts, st.integers(-9, 9), st.none()),
    lambda inner: st.lists(inner) | st.dictionaries(texts | st.just("objects"), inner),
    max_leaves=5,
)
objects = st.one_of(
    vectors,
    st.sampled_from(GOOD),
    st.builds(lambda item, extra: {**extra, **item}, vectors, st.dictionaries(keys, values)),
)


@st.composite
def annotations(draw: st.DrawFn) -> bytes:
    """Sound JSON: keys in any order, white space, escapes, keys and texts that look like others."""
    entries = [*draw(st.dictionaries(keys, values, max_size=3)).items(), ("size", SIZE)]
    entries.append(("objects", draw(st.lists(objects, max_size=8))))
    text = json.dumps(
        dict(draw(st.permutations(entries))),
        indent=draw(st.sampled_from([None, 1, "\t"])),
        separators=draw(st.sampled_from([(",", ":"), (" ,", " :"), ("\n, ", "\r: ")])),
        ensure_ascii=draw(st.booleans()),
    )
    return draw(st.sampled_from(["", " \n"])).encode() + text.encode("utf-8", "replace") + b"\n"


@settings(max_examples=80, deadline=None)
@given(annotations())
def test_a_sound_annotation_is_read_in_pieces(content: bytes) -> None:
    whole = check(content)
    if isinstance(whole, Shapes) and b"\\" not in content:
        assert is_cut(content)


@settings(max_examples=60, deadline=None)
@given(annotations(), st.dictionaries(keys, values, max_size=2), st.integers(0, 2))
def test_a_wrapped_annotation_is_read_in_pieces(content: bytes, others: Json, place: int) -> None:
    pairs = [json.dumps({key: value})[1:-1].encode() for key, value in others.items()]
    pairs.insert(place, b'"annotation" : %b' % content)
    wrapped = b"{%b}" % b",".join(pairs)
    whole = check(wrapped)
    assert type(whole) is type(check(content))
    if isinstance(whole, Shapes) and b"\\" not in wrapped and "annotation" not in others:
        assert is_cut(wrapped)


LARGE_ONES = st.sampled_from([b"NaN", b"-Infinity", b'"\\ud83d"', b'{"value":Infinity}'])


@settings(max_examples=40, deadline=None)
@given(st.lists(vectors, min_size=1, max_size=6), LARGE_ONES, LARGE_ONES, st.booleans())
def test_what_python_and_windows_write_is_read_in_pieces(
    objects: list[Json], first: bytes, other: bytes, has_mark: bool
) -> None:
    content = annotation(*objects, tags="1st").replace(b'"1st"', first)
    content = content.replace(b'"classTitle"', b'"description":%b,"classTitle"' % other, 1)
    if has_mark:
        content = b"\xef\xbb\xbf" + content
    found = check(content)
    if isinstance(check(annotation(*objects)), Shapes):
        assert isinstance(found, Shapes)
        assert is_cut(content)


@settings(max_examples=20, deadline=None)
@given(annotations())
def test_every_form_of_a_text_is_read_alike(content: bytes) -> None:
    forms = (content, bytearray(content), memoryview(content), memoryview(bytearray(content)))
    told = [str(check(form)) for form in (*forms, content.decode())]
    assert len(set(told)) == 1


def test_a_text_that_is_no_text_and_memory_with_gaps_are_refused_as_before() -> None:
    good = annotation(*GOOD)
    for content in (good.decode().replace("kiwi", "\ud800", 1), memoryview(good * 2)[::2]):
        assert isinstance(check(content), tuple)
    wide = good.ljust(-(-len(good) // 4) * 4)
    assert isinstance(check(memoryview(wide).cast("i")), Shapes)


def test_colons_without_end_do_not_take_time_without_end() -> None:
    text = b'{"' + b"a" * 1_000_000 + b'"' + b":" * 1_000_000 + b"}"
    with pytest.raises(AnnotationError, match="not valid JSON"):
        parse(text, CLASSES)


def test_the_size_is_told_once_and_before_a_bad_object_but_after_bad_json() -> None:
    calls: list[tuple[int, int]] = []
    check(annotation(*GOOD), lambda *size: calls.append(size))
    assert calls == [(10, 20)] * 2

    def refuse(*_: int) -> None:
        raise ArithmeticError("not this size")

    good = annotation(*GOOD)
    assert check(good, refuse) == ("not this size", None)
    for bad in (5, {}, GOOD[2] | {"bitmap": {"origin": [1, 2], "data": "AAAA"}}):
        assert check(annotation(*GOOD, bad), refuse) == ("not this size", None)
    assert "not valid JSON" in str(check(good[:-3] + b",]}", refuse))


# ---------------------------------------------------------------- others


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_annotation_is_refused_in_the_same_words(content: bytes, message: str) -> None:
    assert message in str(check(content))


def test_the_one_bad_object_is_named_in_the_same_words() -> None:
    for bad, message in BAD_OBJECTS:
        for index in (0, 3, len(GOOD)):
            told = check(annotation(*GOOD[:index], bad, *GOOD[index:]))
            assert isinstance(told, tuple)
            assert (told[1], message in told[0]) == (index, True)


def test_of_several_errors_the_same_comes_first() -> None:
    far = vector("line", [[2e9, 0]])
    wrong = vector("line", [["x", 0]])
    damaged = GOOD[2] | {"bitmap": {"origin": [1, 2], "data": "AAAA"}}
    without: Json = {"classTitle": "kiwi"}
    bad = (far, wrong, damaged, without, 5)
    for one in bad:
        for other in bad:
            assert isinstance(check(annotation(*GOOD, one, *GOOD, other)), tuple)


GLUED = b'{"size":{"height":10,"width":20},"objects":[%b]}'
ITEM = orjson.dumps(GOOD[0])
OTHER = orjson.dumps(GOOD[5])
WRAPPED = b'"annotation":{"size":{"height":10,"width":20},"objects":[%b]}' % ITEM
ADVERSARIAL = [
    *(GLUED % inner for inner in (
        b"", b" ", b",", ITEM + b",", b"," + ITEM, ITEM + b",," + ITEM, ITEM + b", ," + ITEM,
        ITEM + ITEM, ITEM + b" " + ITEM, ITEM + b",\x01" + ITEM, ITEM + b",\xff" + ITEM,
        ITEM + b"],[" + ITEM, ITEM + b"},{" + ITEM, ITEM + b"]," + ITEM, ITEM + b",]" + ITEM,
        ITEM + b'],"objects":[' + OTHER, ITEM + b'],"a":[' + ITEM, ITEM + b'],"size":5,"a":[1',
        ITEM + b'],"\\u006fbjects":[' + OTHER, ITEM + b'],"\\u006fbjects":[',
        ITEM + b'],"a\\"objects":[' + ITEM,
        ITEM + b',{"a":"' + ITEM, ITEM + b',{"a":"\\"}', ITEM + b',{"a":"\n"},' + ITEM,
        ITEM + b",[" + ITEM, ITEM + b"," + ITEM + b"]", b"[" + ITEM, b"/*" + ITEM + b"*/",
        ITEM + b",NaN", ITEM + b",1e999", b"[" * 1021 + b"]" * 1021, b"[" * 1022 + b"]" * 1022,
        b"[" * 1023 + b"]" * 1023, b"[" * 1024 + b"]" * 1024, b'{"a":' * 1022 + b"1" + b"}" * 1022,
        b'{"classTitle":"a","a":' + b"[" * 1020 + b"]" * 1020 + b"}",
        b'{"classTitle":"a","a":' + b"[" * 1021 + b"]" * 1021 + b"}",
        b'{"classTitle":"a","a":' + b"[" * 1022 + b"]" * 1022 + b"}",
        b"\xef\xbb\xbf" + ITEM, ITEM + b",\xef\xbb\xbf" + ITEM, ITEM + b",\0" + ITEM,
    )),
    b'{"objects":[' + ITEM + b']',
    b'{"objects":[' + ITEM + b'],',
    b'{"objects":[' + ITEM + b']}',
    b'{"objects":[' + ITEM,
    b'{"objects":',
    b'{"objects',
    b'{"objects\\',
    b'"objects":[' + ITEM + b'],"size":{"height":10,"width":20}',
    b'["objects":[' + ITEM + b'],"size":{"height":10,"width":20}]',
    b'[{"objects":[' + ITEM + b'],"size":{"height":10,"width":20}}]',
    b'{"a":"b":"objects":[' + ITEM + b'],"size":{"height":10,"width":20}}',
    b'{"objects"x:[' + ITEM + b'],"size":{"height":10,"width":20}}',
    b'{"objects",:[' + ITEM + b'],"size":{"height":10,"width":20}}',
    b'{"size":{"height":10,"width":20},"objects":[' + ITEM + b'],}',
    b'{"size":{"height":10,"width":20},"objects":[' + ITEM + b']:[]}',
    b'{"size":{"height":10,"width":20},"objects":[' + ITEM + b'][]}',
    b'{"size":{"height":10,"width":20},"objects":[]' + b'[' + ITEM + b']}',
    b'{"size":{"height":10,"width":20},"objects":\x0b[' + ITEM + b']}',
    b'{"size":{"height":10,"width":20},"objects"\n:\t[\r' + ITEM + b'\n] }',
    b'{"size":{"height":10,"width":20},"objects":[],"objects":[' + ITEM + b']}',
    b'{"size":{"height":10,"width":20},"objects":[' + ITEM + b'],"objects":[]}',
    b'{"size":{"height":10,"width":20},"objects":[' + ITEM + b'],"objects":5}',
    b'{"size":{"height":10,"width":20},"objects":[' + ITEM + b'],"objects":[' + OTHER + b"]}",
    b'{"size":{"height":10,"width":20},"\\u006fbjects":5,"objects":[' + ITEM + b']}',
    b'{"size":{"height":10,"width":20},"objects":[' + ITEM + b'],"\\u006fbjects":5}',
    b'{"size":{"height":10,"width":20},"\\u006fbjects":[' + ITEM + b']}',
    b'{"x":{"objects":[5]},"size":{"height":10,"width":20},"objects":[' + ITEM + b'],"y":[[5]]}',
    b'{"x":"\\"","size":{"height":10,"width":20},"objects":[' + ITEM + b'],"y":"\\\\"}',
    b'{"size":{"height":10,"width":20},"objects":["objects",{"objects":[]}]}',
    *(b'{%b}' % inner for inner in (
        WRAPPED, b'"objects":[' + OTHER + b"]," + WRAPPED, WRAPPED + b',"objects":[' + OTHER + b"]",
        WRAPPED + b',"size":{"height":5,"width":5}', WRAPPED + b',"objects":null',
        WRAPPED + b"," + WRAPPED.replace(ITEM, OTHER), WRAPPED + b',"annotation":5',
        WRAPPED + b',"annotation":{"size":{"height":5,"width":5}}', WRAPPED + b',"size":null',
        WRAPPED + b',"annotation":{"objects":[' + OTHER + b"]}", b'"a":{' + WRAPPED + b"}",
        WRAPPED + b',"b":{"objects":[' + OTHER + b"]}", WRAPPED + b',"\\u0061nnotation":5',
        WRAPPED.replace(b'"objects"', b'"\\u006fbjects"'), b'"annotation":[' + WRAPPED + b"]",
        WRAPPED[:-1] + b',"objects":[' + OTHER + b"]}", WRAPPED[:-1] + b',"objects":5}',
        b'"annotation":{"annotation":{' + WRAPPED[14:] + b"}", b'"annotation":"",' + WRAPPED,
        b'"annotation":{"size":{"height":1,"width":1}},"x":{"objects":[' + ITEM + b"]}",
    )),
]  # fmt: skip


@pytest.mark.parametrize("content", ADVERSARIAL)
def test_what_only_looks_like_an_annotation_is_read_alike(content: bytes) -> None:
    check(content)
    for tail in (b"", b"x", b"}", b"]", b",", b"\0", b"{}"):
        check(content + tail)


SIGNS = [*b'[]{},:"\\ \n\t\x01\xff\xc3\xa9019.-eEtn/']


@settings(max_examples=120, deadline=None)
@given(
    annotations(),
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(SIGNS), st.integers(0, 2)),
        min_size=1,
        max_size=4,
    ),
)
def test_a_damaged_annotation_is_read_alike(
    content: bytes, edits: list[tuple[float, int, int]]
) -> None:
    damaged = bytearray(content)
    for place, sign, removed in edits:
        at = int(place * len(damaged))
        damaged[at : at + removed] = bytes([sign])
    check(bytes(damaged))


@settings(max_examples=120, deadline=None)
@given(st.lists(st.sampled_from([
    b"[", b"]", b"{", b"}", b",", b":", b'"objects"', b'"size"', b'"', b"\\", b" ", b"1", b"\xff",
    b'{"height":10,"width":20}', b'"size":{"height":10,"width":20},', b'"objects":[', ITEM, b"[]",
]), max_size=14))  # fmt: skip
@example([b"{", b'"size":{"height":10,"width":20},', b'"objects":[', ITEM, b",", ITEM, b"]", b"}"])
def test_any_words_of_json_are_read_alike(words: list[bytes]) -> None:
    check(b"".join(words))
    check(b'{"size":{"height":10,"width":20},"objects":[' + b"".join(words))
    check(b'{"size":{"height":10,"width":20},"objects":[' + b"".join(words) + b"]}")


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_what_nobody_should_write_is_read_alike(first: int) -> None:
    for seed in range(first, first + 100):
        check(fuzz_input.case(seed))


def test_pieces_end_at_commas_between_objects() -> None:
    content = annotation(*GOOD * 20)
    pieces = split(content)
    assert pieces is not None
    assert [item for piece in pieces for item in piece] == json.loads(content)["objects"]
    assert json.loads(pieces.head) == {"size": SIZE, "objects": []}
    least = pieces_module._PIECE
    lengths = [len(text) for text in pieces.texts]
    assert all(length >= least for length in lengths[:-1])
    assert all(length < least + 2 + len(max(map(json.dumps, GOOD), key=len)) for length in lengths)


def test_a_large_annotation_takes_few_times_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces_module, "_PIECE", 1 << 16)
    polygon = vector("polygon", [[1000 + i, 9000 + i] for i in range(100)])
    content = annotation(*[polygon] * 1000)
    assert len(content) > LARGE
    parse(content, CLASSES)  # loads kernels
    tracemalloc.start()
    try:
        shapes = parse(content, CLASSES)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(shapes.xy) == 100_000
    assert peak < 4 * len(content)  # as a whole, 20 times
