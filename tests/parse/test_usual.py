"""Annotations by one kernel: the same comes of them as from orjson, or nothing."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savemasks.errors import AnnotationError
from savemasks.kernels.parse.grammar import GEOMETRIES, sizes_of
from savemasks.kernels.parse.lookup_names import UNKNOWN, find, name_table
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.plan import Plan
from savemasks.parse import usual
from savemasks.parse.annotation import Annotation, parse
from savemasks.parse.builder import Rules
from savemasks.parse.usual import class_names
from savemasks.projects.classes import ClassTemplate, read_templates
from savemasks.shapes import Shapes
from support import fuzz_input
from support.annotations import (
    BAD_OBJECTS,
    BROKEN,
    CLASSES,
    DATA,
    GOOD,
    Json,
    annotation,
    bitmap,
    thing,
    vector,
    vectors,
)

Told = tuple[str, int | None]
OTHERS: dict[str, ClassTemplate] = dict(
    read_templates({"classes": [{"title": "other", "shape": "any", "color": "#000000"}]})
)
NAMES = class_names(CLASSES, OTHERS)
RING = [[1, 2], [13.5, 2], [5, -6.25]]
USUAL: list[Json] = [
    vector("polygon", RING, [[[2, 2], [3, 3], [2, 3]], [], [[1, 1]]]),
    bitmap([1, 2]), vector("rectangle", [[0, 0], [1, 1]]), vector("line", RING, title="plum"),
    vector("polyline", RING[:1], [[[1, 2]]]), vector("point", RING),
    thing("alpha_mask", bitmap={"origin": [-3, 4.5], "data": DATA, "more": [{}]}),
    vector("polygon", RING, title="other"), bitmap([0, 0], title="other"),
    {**bitmap([5, 5]), "points": {"exterior": [], "interior": []}},
    {**vector("polygon", RING), "bitmap": None, "shape": "bitmap"},
]  # fmt: skip


def outcome(
    content: Annotation, on_size: Callable[..., None] | None, **options: Any
) -> Shapes | Told:
    try:
        return parse(content, CLASSES, OTHERS, on_size=on_size, **options)
    except (AnnotationError, ArithmeticError) as error:
        return str(error), getattr(error, "object_index", None)


def check(
    content: Annotation, on_size: Callable[..., None] | None = None, rules: Rules | None = None
) -> Shapes | Told:
    """Read a text both ways; the results must not differ in anything."""
    options = {"rules": rules or Rules()}
    fast = outcome(content, on_size, names=NAMES, **options)
    slow = outcome(content, on_size, **options)
    assert fast == slow
    if isinstance(fast, Shapes) and isinstance(slow, Shapes):
        for name in ("geometries", "unsupported", "unknown_classes"):
            assert list(getattr(fast, name).items()) == list(getattr(slow, name).items())
        for one, other in zip(fast._arrays(), slow._arrays(), strict=True):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            assert one.flags.c_contiguous  # the only type that painting is compiled for
    return fast


def is_usual(content: bytes) -> bool:
    """Whether a text goes the fast way."""
    return usual.read(content, NAMES, CLASSES, lambda *_: None, None) is not None


keys = st.one_of(st.text("abé "), st.sampled_from(["origin", "tags", "size", "exterior", "shape"]))
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.sampled_from(["", "x", 'a"b\\', "é\n", "\x7f", "a longer text, of many characters"]),
        st.sampled_from([True, False, None, 0, -1, 1.5, 1607525954, 1e9, [], {}]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def objects(draw: st.DrawFn) -> Json:
    """An object that is as usual, with other keys beside its own, in any order."""
    item = draw(st.one_of(st.sampled_from(USUAL), vectors))
    more = draw(st.dictionaries(keys, values, max_size=3))
    return dict(draw(st.permutations(list({**more, **item}.items()))))


@settings(max_examples=400, deadline=None)
@given(
    st.lists(objects(), max_size=5),
    st.dictionaries(keys.filter(lambda key: key != "size"), values, max_size=2),
    st.sampled_from([None, 0, 1, 4, "\t", "\r\n"]),
    st.booleans(),
)
def test_an_annotation_comes_out_as_from_orjson(
    items: list[Json], more: Json, indent: Any, is_ascii: bool
) -> None:
    text = json.dumps(
        {"size": {"height": 10, "width": 20, "depth": [1]}, **more, "objects": items},
        indent=indent, ensure_ascii=is_ascii,
    )  # fmt: skip
    check(text.encode())
    check(text)


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("item", USUAL)
def test_usual_objects_go_the_fast_way(item: Json, indent: int | None) -> None:
    text = json.dumps(json.loads(annotation(item, tags=[{"a": 1.5}], id=7)), indent=indent).encode()
    assert is_usual(text)
    found = check(text)
    assert isinstance(found, Shapes)
    assert len(found) == (item["classTitle"] != "other")


def test_plans_read_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"masks_machine": True, "gt_machine_color": {"kiwi": [1, 1, 1], "ö": [2, 2, 2]}}
    plan = Plan.of(SaveMasks.from_json({"action": "save_masks", "dst": "x", "settings": options}))
    text = json.dumps(json.loads(annotation(vector("line", RING, title="ö"))), ensure_ascii=False)
    monkeypatch.setattr("savemasks.jsontext.load", None)
    assert plan.parse(text.encode()).class_id.tolist() == [plan.classes["ö"]]


# ---------------------------------------------------------------- what is wrong, or rare

SAMPLE = json.dumps(
    {
        "size": {"height": 10, "width": 20},
        "objects": [
            {"classTitle": "kiwi", "geometryType": "polygon", "tags": [], "id": -10,
             "points": {"exterior": [[1, 2.5], [3, 4]], "interior": [[[1, 1]]]}},
            {"bitmap": {"origin": [1, 2], "data": DATA[:6]}, "geometryType": "bitmap",
             "classTitle": "other", "a": "\u00e9\\", "t": [True, None, {"b": 0.1}]},
        ],
    },
    separators=(",", ":"),
).encode()  # fmt: skip


def test_a_text_that_is_changed_anywhere_is_read_alike() -> None:
    assert is_usual(SAMPLE)
    alphabet = b'{}[],:"\\ \n09-.eEtun\x00\x1f\xc3a'
    for at in range(len(SAMPLE)):
        check(SAMPLE[:at])
        check(SAMPLE[:at] + SAMPLE[at + 1 :])
        for char in alphabet:
            check(SAMPLE[:at] + bytes([char]) + SAMPLE[at + 1 :])
            check(SAMPLE[:at] + bytes([char]) + SAMPLE[at:])


@pytest.mark.parametrize("key", [key.encode() for key in (
    "size", "objects", "height", "width", "classTitle", "geometryType", "points", "exterior",
    "interior", "bitmap", "origin", "data",
)])  # fmt: skip
@pytest.mark.parametrize("value", ["null", "5", '"kiwi"', "[]", "{}", "[[9,9]]", "[[[8,8]]]"])
def test_a_key_that_comes_twice_counts_as_for_orjson(key: bytes, value: str) -> None:
    other = b'"%s":%s' % (key, value.encode())
    for escaped in (other, other.replace(key, b"\\u%04x" % key[0] + key[1:])):
        before, after = SAMPLE.replace(b'"%s":' % key, b'%s,"%s":' % (escaped, key)), SAMPLE
        begin = after.index(b'"%s":' % key)
        depth, end = 0, begin
        while depth or after[end : end + 1] not in b",}]":
            depth += (after[end] in b"[{") - (after[end] in b"]}")
            end += 1
        check(before)
        check(after[:end] + b"," + escaped + after[end:])


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_annotation_is_refused_in_the_same_words(content: bytes, message: str) -> None:
    found = check(content)
    assert isinstance(found, tuple)
    assert message in found[0]


@pytest.mark.parametrize(("item", "message"), BAD_OBJECTS)
def test_a_bad_object_is_refused_in_the_same_words(item: Any, message: str) -> None:
    for content in (annotation(item), annotation(*GOOD, item), annotation(*USUAL, item)):
        found = check(content)
        assert isinstance(found, tuple)
        assert message in found[0]


@pytest.mark.parametrize("start", range(0, 1500, 500))
def test_what_nobody_should_write_is_read_alike(start: int) -> None:
    for seed in range(start, start + 500):
        check(fuzz_input.case(seed))


def test_sizes_are_refused_in_the_same_words() -> None:
    found = check(annotation(*USUAL), rules=Rules(max_pixels=199))
    assert isinstance(found, tuple)
    assert "max_pixels" in found[0]

    def refuse(*_: int) -> None:
        raise ArithmeticError("not this size")

    assert check(annotation(*USUAL), refuse) == ("not this size", None)
    assert check(annotation(*USUAL, bitmap([1, 2], "AAAA")), refuse) == ("not this size", None)
    found = check(annotation(*USUAL, bitmap([1, 2], DATA), bitmap([1, 2], "AAAA")))
    assert isinstance(found, tuple)
    assert found[1] == len(USUAL) + 1


@settings(max_examples=1500, deadline=None)
@given(
    st.sampled_from(["", "-"]),
    st.one_of(st.integers(0, 12), st.integers(0, 10**9)),
    st.sampled_from(["0", "9"]),
    st.integers(0, 22),
    st.text("0189", max_size=4),
)
def test_decimals_are_floored_as_floats(
    sign: str, whole: int, digit: str, count: int, more: str
) -> None:
    fraction = digit * count + more
    number = f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"
    text = SAMPLE.replace(b"2.5", number.encode())
    check(text)
    if len(str(whole)) + len(fraction) < 15:
        assert is_usual(text) == (abs(math.floor(float(number))) <= 10**9)


def test_every_form_of_a_text_is_read_alike() -> None:
    good = annotation(*USUAL)
    for content in (good, bytearray(good), memoryview(good), good.decode(), memoryview(good)[::2]):
        check(content)
    check(good.decode().replace("kiwi", "\ud800", 1))


# ---------------------------------------------------------------- parts


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=20), st.integers(0, 2**31), max_size=40), st.text())
def test_names_are_found(names: dict[str, int], other: str) -> None:
    table = name_table(names)
    for name in (*names, other):
        for behind in (b"", b'"behind it'):
            letters = name.encode("utf-8", "surrogatepass")
            text = np.frombuffer(b'"' + letters + behind, np.uint8)
            assert find(text, 1, 1 + len(letters), table) == names.get(name, UNKNOWN)


def test_a_text_that_is_all_objects_or_all_points_has_room() -> None:
    for geometry in GEOMETRIES:
        items = [{"classTitle": "", "geometryType": geometry, "points": {"exterior": [[0, 0]]}}]
        text = json.dumps({"objects": items * 50}, separators=(",", ":"))
        vertex, numbers, points = sizes_of(len(text))
        assert vertex >= 8 * 50
        assert numbers - vertex > 50
        assert points >= 50
    titles = {"": 0}
    item = '{"classTitle":"","geometryType":"line","points":{"exterior":[[0,0]]}}'
    text = '{"size":{"height":1,"width":1},"objects":[' + ",".join([item] * 999) + "]}"
    assert len(parse(text.encode(), titles, names=class_names(titles, ()))) == 999
    hole = ",".join(["[[0,0]]"] * 5000)
    text = text.replace('"line"', '"polygon"', 1).replace(
        "[[0,0]]}", f'[[0,0]],"interior":[{hole}]}}', 1
    )
    found = parse(text.encode(), titles, names=class_names(titles, ()))
    assert found == parse(text.encode(), titles)
    assert len(found.xy) == 5999
