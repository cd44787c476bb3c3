"""The table of classes, compared with layers that act on objects one after the other."""

import pickle
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from savemasks.errors import ConfigError
from savemasks.layers.class_table import (
    IDENTITY,
    Background,
    ClassStep,
    ClassTable,
    compose,
    unknown_titles,
)
from savemasks.layers.reading import MODELS
from support.layers import Json, data, rename, step

TITLES = ("a", "b", "c", "d")
"""What chains are about; the last one is not in meta.json."""
OWN = TITLES[:-1]


def steps_of(*layers: Json) -> list[ClassStep]:
    """What layers do, read as a graph reads them."""
    found = []
    for number, layer in enumerate(layers, start=1):
        read: Any = MODELS[layer["action"]].model_validate(layer)
        found.append(read.step(f"layer {number} ({layer['action']})"))
    return found


def table(*layers: Json, titles: tuple[str, ...] = OWN) -> ClassTable:
    return compose(steps_of(*layers), titles)


# ---------------------------------------------------------------- the naive twin


@dataclass(frozen=True)
class Thing:
    """An object with its class's colour."""

    origin: str | None
    title: str
    color: str | None = None


def applied(layer: Json, things: list[Thing], own: tuple[str, ...]) -> list[Thing]:
    """What a layer makes of a list of objects; the first one lies lowest."""
    settings = layer["settings"]
    match layer["action"]:
        case "data":
            return mapped(settings["classes_mapping"], things, own)
        case "rename" | "merge_classes":
            return mapped({"__other__": "__default__", **settings["classes_mapping"]}, things, own)
        case "drop_obj_by_class":
            return [thing for thing in things if thing.title not in settings["classes"]]
        case "color_class":
            colors = settings["classes_color_mapping"]
            return [replace(t, color=colors.get(t.title, t.color)) for t in things]
        case "background":
            return [Thing(None, settings["class"]), *things]
    raise AssertionError(layer)


def mapped(mapping: dict[str, str], things: list[Thing], own: tuple[str, ...]) -> list[Thing]:
    found = []
    for thing in things:
        new = mapping.get(thing.title)
        if new is None:
            new = mapping["__other__"] if thing.title in own else "__default__"
        if new == "__default__":
            found.append(thing)
        elif new != "__ignore__":
            found.append(replace(thing, title=new.removeprefix("__merge__")))
    return found


def test_the_twin_tells_tables_apart() -> None:
    things = [Thing(t, t) for t in TITLES]
    swapped = applied(rename(a="b", b="a"), things, OWN)
    assert [t.title for t in swapped] == ["b", "a", "c", "d"]
    assert [
        t.origin for t in applied(data(classes_mapping={"__other__": "__ignore__"}), things, OWN)
    ] == ["d"]


NEW = st.sampled_from([*TITLES, "__default__", "__ignore__", "__merge__a", "__merge__new"])
MAPPINGS = st.dictionaries(st.sampled_from(TITLES), NEW, max_size=4)
COLORS = st.sampled_from(["#ff0000", "#00ff00"])
DATA = st.builds(
    lambda mapping, others: data(classes_mapping=mapping | {"__other__": others}), MAPPINGS, NEW
)
LAYERS = st.one_of(
    st.builds(lambda m: step("rename", "$0", "$1", classes_mapping=m), MAPPINGS),
    st.builds(lambda m: step("merge_classes", "$0", "$1", classes_mapping=m), MAPPINGS),
    st.builds(
        lambda titles: step("drop_obj_by_class", "$0", "$1", classes=titles),
        st.lists(st.sampled_from(TITLES), max_size=2),
    ),
    st.builds(
        lambda m: step("color_class", "$0", "$1", classes_color_mapping=m),
        st.dictionaries(st.sampled_from([*TITLES, "new"]), COLORS, max_size=2),
    ),
    st.builds(
        lambda title: step("background", "$0", "$1", **{"class": title}),
        st.sampled_from([*TITLES, "new"]),
    ),
)


@given(st.one_of(st.none(), DATA), st.lists(LAYERS, max_size=6))
@example(None, [rename(a="b", b="a"), rename(b="c")])
def test_a_table_does_what_its_layers_do_one_after_the_other(
    first: Json | None, layers: list[Json]
) -> None:
    chain = [*([first] if first else []), *layers]
    things = [Thing(title, title) for title in TITLES]
    for layer in chain:
        things = applied(layer, things, OWN)
    found = table(*chain)
    left = {thing.origin: thing for thing in things if thing.origin is not None}
    assert [found.of(title) for title in TITLES] == [
        left[title].title if title in left else None for title in TITLES
    ]
    assert [found.colors.get(title) for title in left] == [t.color for t in left.values()]
    assert {*found.colors} <= {*left, "new"}
    backgrounds = [Background(t.title, t.color) for t in things if t.origin is None]
    assert found.backgrounds == tuple(backgrounds)
    is_same = [t.origin for t in things] == [t.title for t in things] == [*TITLES]
    assert found.is_identity == is_same


# ---------------------------------------------------------------- by hand


@pytest.mark.parametrize(
    ("layers", "titles"),
    [
        ([rename(a="b"), rename(b="c")], {"a": "c", "b": "c"}),
        ([rename(a="b", b="a")], {"a": "b", "b": "a"}),
        ([rename(a="x"), rename(x="a")], {"x": "a"}),
        ([step("merge_classes", "$0", "$1", classes_mapping={"a": "__merge__v", "b": "v"})],
         {"a": "v", "b": "v"}),
        ([data(classes_mapping={"a": "v", "b": "v", "__other__": "__ignore__"})],
         {"a": "v", "b": "v", "c": None}),
        ([data(classes_mapping="default")], {}),
        ([data(classes_mapping={"a": "__default__", "b": "__ignore__", "__other__": "x"})],
         {"b": None, "c": "x"}),
        ([step("drop_obj_by_class", "$0", "$1", classes="a"), rename(a="b")], {"a": None}),
        ([rename(only_in_annotations="a")], {"only_in_annotations": "a"}),
    ],
)  # fmt: skip
def test_chains_of_layers_become_one_table(
    layers: list[Json], titles: dict[str, str | None]
) -> None:
    found = table(*layers)
    assert dict(found.titles) == titles
    assert found.is_identity == (not titles)


def test_other_does_not_stand_for_classes_that_only_annotations_have() -> None:
    found = table(data(classes_mapping={"__other__": "__ignore__"}))
    assert found.of("a") is None
    assert found.of("nowhere") == "nowhere"


def test_a_background_is_lowest_and_later_layers_act_on_it() -> None:
    def background(title: str) -> Json:
        return step("background", "$0", "$1", **{"class": title})

    color = step("color_class", "$0", "$1", classes_color_mapping={"sky": [1, 2, 255]})
    found = table(background("bg"), rename(bg="sky"), color, background("bg"))
    assert found.backgrounds == (Background("bg", None), Background("sky", "#0102ff"))
    assert not found.is_identity
    dropped = table(background("bg"), step("drop_object_by_class", "$0", "$1", classes=["bg"]))
    assert dropped.backgrounds == ()


def test_a_class_without_entry_is_told_with_the_layer_and_the_nearest_entry() -> None:
    with pytest.raises(ConfigError) as caught:
        table(data(classes_mapping={"Kiwi": "fruit"}), titles=("kiwi", "lemon"))
    told = "layer 1 (data): settings.classes_mapping: the project's class"
    other = '; add one, or "__other__" for all that are not listed'
    assert caught.value.problems == (
        f'{told} "kiwi" has no entry (did you mean "Kiwi"?){other}',
        f'{told} "lemon" has no entry{other}',
    )
    assert table(data(classes_mapping={"a": "x", "b": "y", "c": "z"})).of("c") == "z"


def test_classes_that_do_not_flow_into_a_layer_are_told() -> None:
    steps = steps_of(
        data(classes_mapping={"Kiwi": "x", "__other__": "__default__"}),
        rename(kiwi="fruit"),
        step("background", "$0", "$1", **{"class": "bg"}),
        step("drop_obj_by_class", "$0", "$1", classes=["kiwi", "bg", "kiwi"]),
        step("color_class", "$0", "$1", classes_color_mapping={"bg": "#000000"}),
    )
    assert unknown_titles([(steps, ["kiwi", "lemon"])]) == [
        'layer 1 (data): no class "Kiwi" flows into it (did you mean "kiwi"?)',
        'layer 4 (drop_obj_by_class): no class "kiwi" flows into it',
        'layer 5 (color_class): no class "bg" flows into it',
    ]


def test_a_class_that_flows_into_a_layer_on_one_of_several_ways_is_there() -> None:
    first, second, both = steps_of(data(), data(), rename(kiwi="fruit", lemno="fruit"))
    ways = [((first, both), ["kiwi"]), ((second, both), ["lemon"])]
    told = 'layer 3 (rename): no class "lemno" flows into it (did you mean "lemon"?)'
    assert unknown_titles(ways) == [told]
    assert unknown_titles(ways[:1])[0].startswith('layer 3 (rename): no class "lemno" flows')


# ---------------------------------------------------------------- values


def test_tables_are_values_that_cannot_be_changed() -> None:
    first = table(rename(a="b", b="c"))
    second = ClassTable({"b": "c", "a": "b"}, {}, ())
    assert first == second
    assert hash(first) == hash(second)
    assert first != table(rename(a="b", b="a"))
    assert pickle.loads(pickle.dumps(first)) == first
    assert table() == IDENTITY == ClassTable({}, {}, ())
    assert IDENTITY.is_identity
    assert IDENTITY.of("kiwi") == "kiwi"
    with pytest.raises(TypeError):
        first.titles["a"] = "x"  # type: ignore[index]  # on purpose
    with pytest.raises(AttributeError):
        first.titles = {}  # type: ignore[misc]  # on purpose


def test_colours_alone_change_no_object() -> None:
    found = table(step("change_class_color", "$0", "$1", classes_color_mapping={"a": "#FF0010"}))
    assert found.is_identity
    assert found != IDENTITY
    assert dict(found.colors) == {"a": "#ff0010"}
