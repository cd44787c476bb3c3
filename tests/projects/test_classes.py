"""What becomes of meta.json when classes are renamed, merged, dropped, coloured or added."""

import copy
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from savemasks.projects.classes import (
    BACKGROUND_COLOR,
    class_templates,
    mapped_meta,
    merge_conflicts,
    merge_metas,
    shape_conflicts,
)

Json = dict[str, Any]


def entry(title: str, shape: str = "polygon", **more: Any) -> Json:
    return {"id": 7, "title": title, "shape": shape, "color": "#010203", **more}


def meta(*classes: Json) -> Json:
    return {"projectType": "images", "classes": [*classes], "tags": [{"name": "t"}], "x": None}


def test_an_entry_keeps_its_place_its_keys_and_their_order() -> None:
    old = meta(entry("a", hotkey="A", geometry_config={"nodes": {}}), entry("b"), entry("c"))
    before = copy.deepcopy(old)
    new = mapped_meta(old, {"a": "é", "b": "b"}, {"c": "#ffffff"}, [])
    text = json.dumps(before).replace('"title": "a"', '"title": "\\u00e9"')
    last = text.rindex("#010203")
    assert json.dumps(new) == text[:last] + "#ffffff" + text[last + 7 :]
    assert old == before


def test_classes_that_nothing_is_said_of_stay_and_others_go() -> None:
    old = meta(entry("a"), entry("b"))
    assert mapped_meta(old, {"ghost": "a"}, {"ghost": "#000000"}, []) == old
    assert mapped_meta(old, {"a": None}, {}, [])["classes"] == [entry("b")]
    assert mapped_meta(old, {"a": "b", "b": "a"}, {}, [])["classes"] == [entry("b"), entry("a")]


def test_the_first_entry_of_a_merge_stays() -> None:
    old = meta(entry("a"), entry("b", "bitmap", id=1), entry("c"), entry("d", "rectangle"))
    new = mapped_meta(old, {"b": "d", "c": "a"}, {"c": "#aaaaaa", "b": "#bbbbbb"}, [])
    assert new["classes"] == [entry("a"), entry("d", "any", id=1, color="#bbbbbb")]


@pytest.mark.parametrize(
    ("shapes", "kept", "is_noted"),
    [
        (("polygon", "polygon"), "polygon", False),
        (("polygon", "bitmap"), "any", True),
        (("polygon", "polygon", "any"), "any", True),
        (("any", "bitmap"), "any", False),
    ],
)
def test_a_class_of_different_shapes_is_any_and_noted(
    shapes: tuple[str, ...], kept: str, is_noted: bool
) -> None:
    old = meta(entry("z", "point"), *(entry(str(i), shape) for i, shape in enumerate(shapes)))
    titles = {str(i): "v\n" for i in range(len(shapes))}
    assert mapped_meta(old, titles, {}, [])["classes"][1]["shape"] == kept
    note = 'classes of different shapes become "v\\n": its shape is "any" in meta.json'
    assert shape_conflicts(old, titles, []) == [note] * is_noted


def test_a_background_is_added_unless_it_is_there() -> None:
    old = meta(entry("a", "rectangle"), entry("b"))
    new = [("c", None), ("d", "#112233"), ("c", None)]
    assert mapped_meta(old, {}, {}, new)["classes"][2:] == [
        {"title": "c", "shape": "rectangle", "color": BACKGROUND_COLOR},
        {"title": "d", "shape": "rectangle", "color": "#112233"},
    ]
    assert shape_conflicts(old, {}, new) == []
    there = [("a", None), ("b", "#112233")]
    changed = [entry("a", "rectangle"), entry("b", "any", color="#112233")]
    assert mapped_meta(old, {}, {}, there)["classes"] == changed
    assert len(shape_conflicts(old, {}, there)) == 1


def test_a_background_may_have_the_new_title_of_a_class() -> None:
    old = meta(entry("a", "rectangle"), entry("b", "rectangle"))
    new = mapped_meta(old, {"a": "floor", "b": None}, {}, [("floor", None), ("b", None)])
    b = {"title": "b", "shape": "rectangle", "color": BACKGROUND_COLOR}
    assert new["classes"] == [entry("floor", "rectangle"), b]


titles = st.sampled_from("abcd")
shapes = st.sampled_from(["polygon", "bitmap", "any"])
classes = st.lists(st.builds(entry, titles, shapes), max_size=5, unique_by=lambda e: e["title"])
tables = st.dictionaries(titles, st.none() | titles)


@given(classes, tables, st.dictionaries(titles, st.sampled_from(["#000000", "#ffffff"])))
def test_titles_are_those_of_the_table_in_the_order_of_meta(
    entries: list[Json], table: dict[str, str | None], colors: dict[str, str]
) -> None:
    new = mapped_meta(meta(*entries), table, colors, [])["classes"]
    wanted: dict[str, list[Json]] = {}
    for old in entries:
        title = table.get(old["title"], old["title"])
        if title is not None:
            wanted.setdefault(title, []).append(old)
    assert [each["title"] for each in new] == list(wanted)
    for each, olds in zip(new, wanted.values(), strict=True):
        kinds = {old["shape"] for old in olds}
        assert each["shape"] == (kinds.pop() if len(kinds) == 1 else "any")
        assert each["color"] == colors.get(olds[0]["title"], "#010203")
    assert set(class_templates({"classes": new})) == set(wanted)


@given(st.lists(classes, min_size=1, max_size=3))
def test_merging_projects_is_merging_their_classes(many: list[list[Json]]) -> None:
    together = meta(*itertools.chain(*many))
    metas = [meta(*entries) for entries in many]
    before = copy.deepcopy(metas)
    assert merge_metas(metas) == mapped_meta(together, {}, {}, [])
    assert merge_conflicts(metas) == shape_conflicts(together, {}, [])
    assert metas == before
