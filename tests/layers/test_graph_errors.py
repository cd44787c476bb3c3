"""Graphs: what is refused, and what is said about it."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from savemasks.errors import ConfigError
from savemasks.layers.graph import Graph
from savemasks.layers.joining import MAX_PATHS
from support.configs import layer
from support.configs import problems as problems_of_layer
from support.layers import EVERY_LAYER, data, rename, save, save_masks, step

ACTIONS = (
    "data, images_project, rename, rename_classes, merge_classes, drop_obj_by_class,"
    " drop_object_by_class, color_class, change_class_color, background, save_masks,"
    " export_archive_with_masks, save, export_archive"
)
NOT_OURS = "savemasks exports and does not transform"
NO_SINK = "no layer writes; these do: save_masks, export_archive_with_masks, save, export_archive"


def problems(config: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Graph.from_json(config)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    "config",
    [
        layer(dst="/x", settings={}),
        [layer(settings={"masks_machine": 1})],
        {},
        [{}],
        {"action": 5},
        layer(src=["lemons"]),
        [5],
        b"5",
        b"{",
    ],
)
def test_of_a_layer_alone_is_told_what_is_told_without_graphs(config: Any) -> None:
    assert problems(config) == problems_of_layer(config)


def test_what_is_no_config_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="a layer is JSON"):
        Graph.from_json(5)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("config", [{"action": "tag"}, [{"action": "tag"}]])
def test_another_action_is_told_with_what_savemasks_takes(config: Any) -> None:
    assert problems(config) == [f"layer 1 (tag): {NOT_OURS}; it takes {ACTIONS}"]


def test_another_action_among_layers_is_the_only_problem() -> None:
    config = [
        data("project/*", "$sample"),
        step("tag", "$sample", "$tagged", tag="x"),
        step("background", "$tagged", "$bg", **{"class": "bg"}),
        save_masks("$bg"),
    ]
    assert problems(config) == [f"layer 2 (tag): {NOT_OURS}; it takes {ACTIONS}"]
    config[1]["action"] = "Rename"
    hint = ' (did you mean "rename"?)'
    assert problems(config) == [f"layer 2 (Rename): {NOT_OURS}{hint}; it takes {ACTIONS}"]


def test_odd_actions_are_told() -> None:
    long, control = "x" * 99, "a\nb"
    config = [5, {}, {"action": 5}, {"action": long}, {"action": control}]
    assert problems(config) == [
        'layer 1: a layer is a JSON object: {"action": "save_masks", ...}',
        "layer 2: action is missing",
        "layer 3: action: 5 is not a text",
        f"layer 4 ({'x' * 40}): {NOT_OURS}; it takes {ACTIONS}",
        rf"layer 5 (a\nb): {NOT_OURS}; it takes {ACTIONS}",
    ]


COLOR = 'must be a colour, as "#ff0000" or [255, 0, 0]'
TITLES = 'must map classes to titles, as {"car": "vehicle"}'


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (step("rename", "$0", "$1"), "settings: is missing"),
        (step("rename", "$0", "$1", x=1), "settings.classes_mapping: is missing"),
        (step("rename", "$0", "$1", classes_mapping=5), f"settings.classes_mapping: {TITLES}"),
        (step("rename", "$0", "$1", classes_mapping="default"),
         f"settings.classes_mapping: {TITLES}"),
        (rename(kiwi=""), "settings.classes_mapping.kiwi: must be a title"),
        (rename(kiwi="__merge__"), "settings.classes_mapping.kiwi: must be a title"),
        (step("rename", "$0", "$1", classes_mapping={"kiwi": 5}),
         "settings.classes_mapping.kiwi: 5 is not a text"),
        (rename(__other__="__ignore__"),
         'settings.classes_mapping: "__other__" is for data layers; classes that are not'
         " listed stay here"),
        (step("drop_obj_by_class", "$0", "$1", classes=[5]),
         "settings.classes[0]: 5 is not a text"),
        (step("drop_obj_by_class", "$0", "$1", classes={}), "settings.classes: {} is not a list"),
        (step("color_class", "$0", "$1", classes_color_mapping=[]),
         'settings.classes_color_mapping: must map classes to colours, as {"car": "#ff0000"}'),
        (step("color_class", "$0", "$1", classes_color_mapping={"a": "red"}),
         f"settings.classes_color_mapping.a: {COLOR}"),
        (step("color_class", "$0", "$1", classes_color_mapping={"a": "#f00"}),
         f"settings.classes_color_mapping.a: {COLOR}"),
        (step("color_class", "$0", "$1", classes_color_mapping={"a": [1, 2]}),
         f"settings.classes_color_mapping.a: {COLOR}"),
        (step("color_class", "$0", "$1", classes_color_mapping={"a": [0, 256, 1.5]}),
         "settings.classes_color_mapping.a[1]: 256 is above 255"),
        (step("background", "$0", "$1", x=1), "settings.class: is missing"),
        (step("background", "$0", "$1", **{"class": ""}), "settings.class: is empty"),
        (step("background", "$0", "$1", **{"class": 5}), "settings.class: 5 is not a text"),
        (step("background", "$0", [], **{"class": "bg"}), "dst: is empty"),
        (step("background", "$0", 5, **{"class": "bg"}), "dst: 5 is not a list"),
        (step("background", "$0", ["$1", "x"], **{"class": "bg"}),
         'dst[1]: must be a placeholder such as "$1", which joins this layer to another'),
        (step("background", "lemons", "$1", **{"class": "bg"}),
         'src[0]: must be a placeholder such as "$1", which joins this layer to another'),
    ],
)  # fmt: skip
def test_wrong_settings_are_told_with_their_layer(wrong: Any, problem: str) -> None:
    told = problems([data(), wrong, save(["$0", "$1"])])
    assert f"layer 2 ({wrong['action']}): {problem}" in told


DATA_SET = (
    'must be the name of a project and, behind a "/", of a data set in it; the command line says'
    " where projects lie"
)
STAR = '"*" stands for all data sets at the end only, as in "lemons/*"'


@pytest.mark.parametrize(
    ("src", "problem"),
    [
        ("$0", 'src[0]: must be a project, as "lemons" or "lemons/market", and no placeholder'),
        ("", f"src[0]: {DATA_SET}"),
        ("lemons/", f"src[0]: {DATA_SET}"),
        ("/lemons", f"src[0]: {DATA_SET}"),
        ("lemons/../x", f"src[0]: {DATA_SET}"),
        ("lemons\\x", f"src[0]: {DATA_SET}"),
        (["lemons", "*"], f"src[1]: {STAR}"),
        ("lemons/*/x", f"src[0]: {STAR}"),
        ("lemons/mark*", f"src[0]: {STAR}"),
        ([], "src: is empty"),
        (5, "src: 5 is not a list"),
        (["lemons/*", "melons", "lemons"],
         "src: names lemons and melons; give each project a data layer of its own"),
    ],
)  # fmt: skip
def test_wrong_projects_are_told(src: Any, problem: str) -> None:
    assert problems([data(src), save()]) == [f"layer 1 (data): {problem}"]


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ("all", 'must be "default" or map classes to titles, as {"kiwi": "fruit", "__other__":'
                ' "__ignore__"}'),
        ([], 'must be "default" or map classes to titles, as {"kiwi": "fruit", "__other__":'
             ' "__ignore__"}'),
    ],
)  # fmt: skip
def test_wrong_mappings_of_data_layers_are_told(mapping: Any, problem: str) -> None:
    (told,) = problems([data(classes_mapping=mapping), save()])
    assert told == f"layer 1 (data): settings.classes_mapping: {problem}"


def test_wrong_settings_of_sinks_are_told() -> None:
    config = [data(), save(visualize=1), save_masks(archive_name=5, masks_machine="yes"),
              save("$0", ["a", "b"], visualize=True, visualise=True), save("$0", 5)]  # fmt: skip
    assert problems(config) == [
        "layer 2 (save): settings.visualize: 1 is neither true nor false",
        "layer 3 (save_masks): settings.archive_name: 5 is not a text",
        'layer 3 (save_masks): settings.masks_machine: "yes" is neither true nor false',
        "layer 4 (save): dst: must be one name, not 2",
        "layer 4 (save): settings: give visualize or visualise, not both",
        "layer 5 (save): dst: 5 is not a text",
    ]


def test_contradictions_are_told_beside_keys_that_are_wrong_by_themselves() -> None:
    assert problems([data(), save_masks(line_width=0, pyramid=True)]) == [
        "layer 2 (save_masks): settings.line_width: 0 is below 1",
        'layer 2 (save_masks): settings: pyramid is for "format": "tiff" only',
    ]


# ---------------------------------------------------------------- joints


def test_placeholders_that_nobody_defines_or_takes_are_told() -> None:
    config = [data("lemons", "$data"), rename("$Data", "$new"), save(["$data", "$next"])]
    assert problems(config) == [
        'layer 2 (rename): src: no layer defines "$Data" (did you mean "$data"?)',
        'layer 2 (rename): dst: no layer takes "$new"',
        'layer 3 (save): src: no layer defines "$next" (did you mean "$new"?)',
    ]


def test_layers_without_any_data_layer_are_told_what_names_the_project() -> None:
    assert problems([rename(), save("$1")]) == [
        'layer 1 (rename): src: no layer defines "$0"; where there are several layers, a data layer'
        " names the project"
    ]


def test_a_placeholder_that_two_layers_define_is_told() -> None:
    config = [data(), data("melons", "$0"), save()]
    assert problems(config) == ['layer 2 (data): dst: "$0" is defined by layer 1 (data) already']


def test_all_cycles_are_told() -> None:
    config = [
        data(),
        rename(["$0", "$3"], "$1"),
        save("$2"),
        rename("$1", ["$2", "$3"]),
        step("merge_classes", "$m", "$m", classes_mapping={}),
        save("$m", "other"),
    ]
    back = "its own results flow back into it"
    assert problems(config) == [
        f"layer 2 (rename): {back}: layer 2 (rename) → layer 4 (rename) → layer 2 (rename)",
        f"layer 5 (merge_classes): {back}: layer 5 (merge_classes) → layer 5 (merge_classes)",
    ]


def test_sinks_without_source_are_told() -> None:
    nothing = "src: names no layer, so nothing flows into this one"
    config = [data(), save(), save_masks([]), step("save", None, "x")]
    del config[3]["src"]
    assert problems(config) == [f"layer 3 (save_masks): {nothing}", f"layer 4 (save): {nothing}"]
    assert problems([data(), save("lemons")]) == [
        'layer 2 (save): src[0]: must be a placeholder such as "$0"; projects are named on the'
        " command line, or by data layers",
        f"layer 2 (save): {nothing}",
    ]


@pytest.mark.parametrize("config", [[], [data()], [data(), rename()], data()])
def test_a_graph_without_sink_is_told(config: Any) -> None:
    assert problems(config)[-1] == NO_SINK


def test_results_in_one_folder_or_inside_of_each_other_are_told() -> None:
    config = [
        data(),
        save("$0", "a/b"),
        save_masks("$0", "a//b/"),
        save("$0", "a"),
        save("$0", "ab"),
    ]
    assert problems(config) == [
        'layer 3 (save_masks): dst: "a/b" is the dst of layer 2 (save) already',
        'layer 4 (save): dst: "a" and "a/b" of layer 2 (save) are one inside of the other',
        'layer 4 (save): dst: "a" and "a/b" of layer 3 (save_masks) are one inside of the other',
    ]


def test_a_sink_that_writes_to_a_placeholder_is_told() -> None:
    assert problems([data(), save("$0", "$1")]) == [
        'layer 2 (save): dst: "$1" is a placeholder, and this layer writes; name a folder below'
        " --out"
    ]


def test_more_ways_than_anybody_means_are_told() -> None:
    config = [data("lemons", "$0")]
    for i in range(40):
        config += [rename(f"${i}", f"$a{i}"), rename([f"${i}", f"$a{i}"], f"${i + 1}")]
    (told,) = problems([*config, save("$40")])
    assert told.endswith(f": more than {MAX_PATHS} ways lead here from data layers")


def test_all_problems_of_a_graph_are_told_at_once_in_the_order_of_layers(tmp_path: Path) -> None:
    config = [
        save("$8", "a"),
        rename(["$2"], "$1", kiwi=""),
        step("merge_classes", "$1", ["$2", "$9"], classes_mapping=5),
        step("flip", "$1", "$3"),
        data(["lemons", "melons"], "$4"),
        save_masks("$4", "a/b", gt_machine_color={}),
    ]
    told = problems(config)
    assert [each.partition(": ")[0] for each in told] == [
        "layer 1 (save)",
        *["layer 2 (rename)"] * 2,
        *["layer 3 (merge_classes)"] * 2,
        "layer 4 (flip)",
        "layer 5 (data)",
        "layer 6 (save_masks)",
    ]
    path = tmp_path / "config.json"
    path.write_bytes(orjson.dumps(config))
    assert problems(path) == [f"{path}: {each}" for each in told]


ODD: list[Any] = [
    *(None, True, 0, 1.5, float("nan"), 2**70, "", "$", "$0", "x", "\ud800", "a\0b", "{n}"),
    *([], [None], [[]], ["$0", "$0"], {}, {"": ""}, {"x": None}, {1: 2}, {"kiwi": "{title}"}),
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container inside of a config, with each of its keys."""
    for key in [*value] if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def test_whatever_is_odd_in_a_config_is_taken_or_refused_in_our_words() -> None:
    taken: list[int] = []
    told: set[str] = set()
    for container, key in [*places(config := copy.deepcopy(EVERY_LAYER))]:
        before = container[key]
        for odd in ODD:
            container[key] = odd
            try:
                taken.append(hash(Graph.from_json(config)))
            except ConfigError as error:
                told |= {*error.problems}
        container[key] = before
    assert len(taken) > 50
    assert len(told) > 100
    assert [each for each in told if "Input should" in each or not each.startswith("layer ")] == []
