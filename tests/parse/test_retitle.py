"""Annotations with other titles: nothing else of them changes, whatever they look like."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from savemasks.errors import AnnotationError
from savemasks.parse.annotation import parse
from savemasks.parse.retitle import Titles, retitle
from savemasks.shapes import RECTANGLE
from support.annotations import SIZE, Json, annotation, thing, vector

GONE: Titles = {"kiwi": None}
FRUIT: Titles = {"kiwi": "fruit", "lemon": "fruit", "plum": None}


def expected(data: Any, titles: Titles, backgrounds: list[str]) -> Any:
    """What must come of an annotation, by way of its parsed JSON."""
    inner = data["annotation"] if "size" not in data else data
    corners = [[0, 0], [SIZE["width"] - 1, SIZE["height"] - 1]]
    lowest = [vector("rectangle", corners, [], title) for title in backgrounds]
    kept = []
    for item in inner.get("objects", []):
        item["classTitle"] = titles.get(item["classTitle"], item["classTitle"])
        kept += [] if item["classTitle"] is None else [item]
    inner["objects"] = [*({**one, "description": "", "tags": []} for one in lowest), *kept]
    return data


def check(content: bytes, titles: Titles, backgrounds: list[str]) -> bytes:
    """Change an annotation, and compare with what must come of it: values, order, numbers."""
    made = retitle(content, titles, backgrounds)
    want = expected(json.loads(content), titles, backgrounds)
    got = json.loads(made)
    for each in (want, got):  # the order of a background's own keys does not matter
        inner = each["annotation"] if "size" not in each else each
        count = len(backgrounds)
        inner["objects"][:count] = [sorted(one.items()) for one in inner["objects"][:count]]
    assert repr(got) == repr(want)  # NaN equals NaN there, and 1.0 is not 1
    return made


# ---------------------------------------------------------------- the text stays as written


def test_only_the_titles_change_in_the_text() -> None:
    content = b"""\xef\xbb\xbf{ "tags":[ ], "size": {"width":20,"height":1.0e1}, "n": NaN,
  "objects" : [
    {"id":1180591620717411303424, "classTitle" : "kiwi", "x": 1.50, "y": "\\ud83d"},
    {"x": [{"a": 1}, -0.0],"classTitle":"K\\u00e4se","classTitle2":"kiwi"},
    {"classTitle"\t:\r"lemon", "x": "classTitle", "z": "\\"classTitle\\": \\"kiwi\\""}
  ], "description": "kiwi" }\n"""
    made = retitle(content, {"kiwi": 'fruit "é"', "Käse": "cheese"}, [])
    changed = content.replace(b' : "kiwi"', ' : "fruit \\"é\\""'.encode())
    assert made == changed.replace(b'"K\\u00e4se"', b'"cheese"')


def test_dropped_objects_are_cut_out_of_the_text() -> None:
    a, b, c = (b'{"classTitle": "%b", "n": 1.0}' % t for t in (b"kiwi", b"lemon", b"kiwi"))
    whole = b'{"size": {"height": 10, "width": 20}, "objects": [%b], "tags": []}'
    assert retitle(whole % b", ".join((a, b, c)), GONE, []) == whole % (b" " + b)
    assert retitle(whole % b", ".join((a, c)), GONE, []) == whole % b""


def test_a_background_is_the_first_object_and_covers_the_canvas() -> None:
    for objects in ([thing("polygon")], []):
        made = retitle(annotation(*objects), {}, ["floor", "wall"])
        listed = [item["classTitle"] for item in json.loads(made)["objects"]]
        assert listed == ["floor", "wall", *["kiwi"] * len(objects)]
    shapes = parse(retitle(annotation(), {}, ["floor"]), {"floor": 0})
    assert shapes.kind.tolist() == [RECTANGLE]
    assert shapes.xy.tolist() == [[0, 0], [SIZE["width"] - 1, SIZE["height"] - 1]]


@pytest.mark.parametrize(
    "content",
    [
        annotation(thing("polygon"), thing("polygon", "lemon")),
        annotation(),
        json.dumps({"size": SIZE}).encode(),
        b"\xef\xbb\xbf" + annotation(thing("polygon")),
        json.dumps({"annotation": json.loads(annotation(thing("polygon")))}).encode(),
        annotation(thing("polygon")).replace(b'"objects"', b'"object\\u0073"'),
        annotation(thing("polygon")).replace(b'"classTitle"', b'"class\\u0054itle"'),
    ],
)
def test_what_stays_as_it_is_is_the_very_object(content: bytes) -> None:
    assert retitle(content, {}, []) is content
    assert retitle(content, {"plum": None, "kiwi": "kiwi"}, []) is content


# ---------------------------------------------------------------- whatever it looks like

names = st.sampled_from(["kiwi", "lemon", "plum", "Käse", "\ud83d", '"classTitle": "kiwi"', ""])
keys = st.sampled_from(["classTitle", "objects", "annotation", "é", "\ud83d", '"', "x\\"]) | names
numbers = st.sampled_from([2**70, -(2**64), 1.0, 5e-324, -0.0, float("nan"), float("inf")])
values = st.recursive(
    st.one_of(names, numbers, st.integers(), st.none()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=5,
)
objects = st.builds(
    lambda extra, title, keys: {key: (extra | {"classTitle": title})[key] for key in keys(extra)},
    st.dictionaries(keys.filter(lambda key: key != "classTitle"), values, max_size=3),
    names,
    st.sampled_from([lambda extra: ["classTitle", *extra], lambda extra: [*extra, "classTitle"]]),
)
tables = st.dictionaries(names, st.none() | names, max_size=4)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Sound annotations: keys in any order, in wrappers, with escapes, marks and white space."""
    own = {"objects", "size", "annotation"}
    extra = draw(st.dictionaries(keys.filter(lambda key: key not in own), values, max_size=2))
    entries = [*extra.items(), ("size", SIZE), ("objects", draw(st.lists(objects, max_size=4)))]
    data: Json = dict(draw(st.permutations(entries)))
    if draw(st.booleans()):
        data = {"objects": [], "annotation": data, "z": draw(values)}
    text = json.dumps(
        data,
        indent=draw(st.sampled_from([None, 1])),
        separators=draw(st.sampled_from([(",", ":"), (" ,", " :\n")])),
        ensure_ascii=draw(st.booleans()),
    )
    for letter in draw(st.sampled_from(["", "o", "T", "z"])):
        text = text.replace(f'{letter}"', f'\\u{ord(letter):04x}"')
        text = text.replace(f"{letter}itle", f"\\u{ord(letter):04x}itle")
    content = text.encode("utf-8", "backslashreplace")
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + content + b"\n"


@settings(max_examples=300, deadline=None)
@given(texts(), tables, st.lists(names, max_size=2))
@example(annotation(thing("polygon", classTitle2={"classTitle": "kiwi"})), {"kiwi": "b"}, [])
@example(b'{"size":{"height":10,"width":20}}', {}, ["floor"])
def test_nothing_but_titles_changes(content: bytes, titles: Titles, backgrounds: list[str]) -> None:
    check(content, titles, backgrounds)


def test_a_title_that_is_written_twice_counts_as_it_is_read() -> None:
    item = b'{"classTitle": "lemon", "n": 1, "classTitle": "kiwi"}'
    content = b'{"size": {"height": 10, "width": 20}, "objects": [%b]}' % item
    assert json.loads(check(content, FRUIT, []))["objects"] == [{"classTitle": "fruit", "n": 1}]


def test_deep_nesting_is_an_error_of_the_annotation() -> None:
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    item = b'{"classTitle": "kiwi", "class\\u0054itle": "kiwi", "x": %b}' % deep
    content = b'{"size": {"height": 10, "width": 20}, "objects": [%b]}' % item
    with pytest.raises(AnnotationError, match="nested too deep"):
        retitle(content, FRUIT, [])
