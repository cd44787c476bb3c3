"""Graphs: what is accepted, which routes lead to which sink, what a result remembers of them."""

import json
import pickle
import re
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import orjson
import pytest

from savemasks.errors import ConfigError
from savemasks.layers.graph import Graph, Route, SinkLayer, Source
from savemasks.layers.reading import MODELS
from savemasks.layers.save import Save
from savemasks.layers.save_masks import SaveMasks
from support import ROOT
from support.configs import SPECIFICATION, layer
from support.layers import EVERY_LAYER, MASKS, Json, data, rename, save, save_masks

OLDER_AND_NEWER = [
    ("data", "images_project"),
    ("rename", "rename_classes"),
    ("drop_obj_by_class", "drop_object_by_class"),
    ("color_class", "change_class_color"),
    ("save_masks", "export_archive_with_masks"),
    ("save", "export_archive"),
]


def newer(layers: list[Json]) -> list[Json]:
    names = dict(OLDER_AND_NEWER)
    return [each | {"action": names.get(each["action"], each["action"])} for each in layers]


# ---------------------------------------------------------------- a layer alone


@pytest.mark.parametrize("config", [SPECIFICATION, layer(), [layer()]])
def test_a_layer_alone_takes_the_projects_of_the_command_line(config: Any) -> None:
    graph = Graph.from_json(config)
    read = SaveMasks.from_json(SPECIFICATION)
    assert graph.sinks == (SinkLayer(1, read, (Route(None, ()),)),)
    assert graph.sources == ()
    assert graph.warnings == ()
    assert graph == Graph.of_layer(read)
    assert graph.sink() is graph.sinks[0]
    assert graph.sinks[0].routes[0].table(["kiwi"]).is_identity


def test_save_may_stand_alone() -> None:
    graph = Graph.from_json({"action": "save", "src": "$0", "dst": "copy"})
    assert graph.sink().layer == Save(action="save", src=["$0"], dst="copy")
    assert Graph.from_json(graph.subgraph_json(graph.sink())) == graph


def test_a_file_text_and_parsed_json_are_one_graph(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(orjson.dumps(EVERY_LAYER))
    expected = Graph.from_json(EVERY_LAYER)
    for config in (path, path.read_bytes(), path.read_text()):
        assert Graph.from_json(config) == expected


# ---------------------------------------------------------------- layers


@pytest.mark.parametrize("layers", [EVERY_LAYER, newer(EVERY_LAYER)], ids=["older", "newer"])
def test_every_layer_is_read_under_both_names(layers: list[Json]) -> None:
    graph = Graph.from_json(layers)
    assert [sink.dst for sink in graph.sinks] == ["masks", "copy"]
    name = f"layer 1 ({layers[0]['action']})"
    assert graph.sources == (Source(1, name, "lemons", ("*",)),)
    assert graph.warnings == ()
    (route,) = graph.sink("masks").routes
    table = route.table(["kiwi", "plum", "leaf"])
    assert dict(table.titles) == {"kiwi": "fruit", "plum": None, "leaf": None}
    assert table.colors["kiwi"] == "#ff0000"
    assert [background.title for background in table.backgrounds] == ["bg"]
    assert graph.sink("copy").routes == graph.sink("masks").routes


def test_layers_may_stand_in_any_order() -> None:
    config = [save("$2"), rename("$1", "$2"), data("lemons", "$1")]
    graph = Graph.from_json(config)
    (route,) = graph.sink().routes
    assert route.source == Source(3, "layer 3 (data)", "lemons", ("*",))
    assert [each.layer for each in route.steps] == ["layer 3 (data)", "layer 2 (rename)"]


@pytest.mark.parametrize(
    ("src", "entries"),
    [
        ("lemons", ("*",)),
        ("lemons/*", ("*",)),
        (["lemons/market"], ("market",)),
        (["lemons/market", "lemons/garden/shade"], ("market", "garden/shade")),
        (["lemons/market/*", "lemons/market/*"], ("market/*",)),
        (["lemons", "lemons/*"], ("*",)),
        ("lemons/two words", ("two words",)),
    ],
)
def test_data_layers_name_a_project_and_its_data_sets(src: Any, entries: tuple[str, ...]) -> None:
    graph = Graph.from_json([data(src), save()])
    assert graph.sources == (Source(1, "layer 1 (data)", "lemons", entries),)


@pytest.mark.parametrize("dst", [None, "", [], "$out", ["$out"]])
@pytest.mark.parametrize("make", [save, save_masks])
def test_the_name_of_the_archive_stands_for_a_dst_that_is_none(make: Any, dst: Any) -> None:
    config = {**make("$0", dst, archive_name="results"), "$schema": "savemasks.schema.json"}
    if dst is None:
        del config["dst"]
    read = Graph.from_json(config).sink().layer
    assert read.dst == "results"
    assert read.unknown_keys() == []
    assert read == Graph.from_json(make("$0", "results")).sink().layer


def test_a_dst_that_names_a_folder_counts_more_than_the_archive() -> None:
    assert SaveMasks.from_json(save_masks("$0", ["a/b"], archive_name="c")).dst == "a/b"
    assert SaveMasks.from_json(save_masks("$0", "a", archive_name="")).dst == "a"


def test_save_has_what_is_read_of_the_settings_of_save_masks() -> None:
    """A setting that is added to `save_masks` needs a value in `SaveSettings` too."""
    fixed = Save(action="save", dst="copy").settings
    given = SaveMasks.from_json(save_masks()).settings
    for name in set(type(given).model_fields) - {"masks_machine", "gt_machine_color"}:
        assert getattr(fixed, name) == type(given).model_fields[name].default, name
    assert (fixed.masks_machine, fixed.gt_machine_color) == (False, None)


def test_both_spellings_of_visualize_are_taken() -> None:
    for name in ("visualize", "visualise"):
        read = Save.from_json(save(**{name: True}))
        assert read.settings.visualize
        assert read.unknown_keys() == []
    assert not Save.from_json(save()).settings.visualize


def test_unknown_keys_name_their_layer() -> None:
    config = [
        data() | {"$schema": "x", "id": 1},
        save(visualize=False, thickness=2, masks_human=True),
    ]
    assert Graph.from_json(config).unknown_keys() == [
        "layer 1 (data): id",
        "layer 2 (save): settings.thickness",
        "layer 2 (save): settings.masks_human",
    ]
    assert Graph.from_json(save_masks(x=1)).unknown_keys() == ["settings.x"]
    read = Graph.from_json(config).sink().layer
    assert isinstance(read, Save)
    assert read.settings.masks_human is False


# ---------------------------------------------------------------- routes


def test_routes_are_ordered_by_their_sources_and_then_by_their_layers() -> None:
    config = [
        save(["$c", "$d", "$b"]),
        data("melons", "$m"),
        rename("$m", "$d", kiwi="2"),
        data("lemons", "$l"),
        rename(["$l", "$m"], "$b", kiwi="1"),
        rename("$l", "$c", kiwi="3"),
    ]
    for src in (["$c", "$d", "$b"], ["$b", "$c", "$d"]):
        config[0] = save(src)
        routes = Graph.from_json(config).sink().routes
        found = [(r.source and r.source.project, r.table(["kiwi"]).of("kiwi")) for r in routes]
        assert found == [("melons", "2"), ("melons", "1"), ("lemons", "1"), ("lemons", "3")]


def test_the_source_counts_before_the_layers_behind_it() -> None:
    late = [rename("$m", "$a"), rename("$l", "$b"), data("lemons", "$l"), data("melons", "$m")]
    routes = Graph.from_json([*late, save(["$a", "$b"])]).sink().routes
    assert [r.source and r.source.project for r in routes] == ["lemons", "melons"]


def test_items_flow_once_from_layer_to_layer_whatever_the_number_of_names() -> None:
    config = [data("lemons", ["$0", "$1"]), save(["$0", "$1", "$0"])]
    assert len(Graph.from_json(config).sink().routes) == 1


def test_sinks_take_what_flows_at_their_place() -> None:
    graph = Graph.from_json([data(), rename(), save_masks("$1"), save("$0")])
    mapped, plain = graph.sinks
    assert mapped.routes[0].source is plain.routes[0].source
    assert mapped.routes[0].table(["kiwi"]).of("kiwi") == "fruit"
    assert plain.routes[0].table(["kiwi"]).is_identity


def test_a_long_chain_is_no_problem() -> None:
    chain = [rename(f"${i}", f"${i + 1}", kiwi=str(i), **{str(i - 1): str(i)}) for i in range(1200)]
    graph = Graph.from_json([data(), *chain, save("$1200")])
    assert graph.sink().routes[0].table(["kiwi"]).of("kiwi") == "1199"


# ---------------------------------------------------------------- warnings


def test_a_source_without_a_sink_is_a_warning() -> None:
    graph = Graph.from_json([data(), data("melons", ["$m", "$n"]), save(["$0", "$n"])])
    told = "layer 2 (data): dst: no layer takes"
    assert graph.warnings == (f'{told} "$m", so nothing of it is written',)
    assert len(graph.sources) == 2


def test_keys_that_layers_between_do_not_know_are_a_warning() -> None:
    wrong = data(class_mapping={"kiwi": "fruit"}) | {"id": 5}
    told = "layer 1 (data): keys of the config that have no effect: id, settings.class_mapping"
    told += ' (did you mean "classes_mapping"?)'
    assert Graph.from_json([wrong, save() | {"id": 6}]).warnings == (told,)


def test_a_mapping_of_tags_is_a_warning() -> None:
    for mapping, count in (("default", 0), ({"a": "b"}, 1)):
        graph = Graph.from_json([data(tags_mapping=mapping), save()])
        told = "layer 1 (data): settings.tags_mapping: has no effect: tags stay as they are"
        assert graph.warnings == (told,) * count


# ---------------------------------------------------------------- sinks by name


def test_a_sink_is_found_by_its_dst() -> None:
    graph = Graph.from_json([data(), save("$0", "a/b"), save("$0", "c")])
    assert graph.sink("a//b/") is graph.sinks[0]
    assert graph.sink("c") is graph.sinks[1]
    with pytest.raises(ConfigError, match=r"several results; name one of a/b, c$"):
        graph.sink()
    with pytest.raises(ConfigError, match=r'^no layer has the dst "C" \(did you mean "c"\?\); the'):
        graph.sink("C")


# ---------------------------------------------------------------- values


def test_graphs_are_values_that_cannot_be_changed() -> None:
    graph, again = Graph.from_json(EVERY_LAYER), Graph.from_json(EVERY_LAYER)
    assert graph == again
    assert hash(graph) == hash(again)
    assert pickle.loads(pickle.dumps(graph)) == graph
    assert graph != Graph.from_json(EVERY_LAYER[:-1])
    assert graph != Graph.from_json(newer(EVERY_LAYER))
    assert graph != 5
    with pytest.raises(FrozenInstanceError):
        graph.sinks = ()  # type: ignore[misc]  # on purpose


def test_what_has_no_effect_does_not_count() -> None:
    plain = Graph.from_json([data(), save()])
    for config in (
        [data() | {"comment": "x"}, save(thickness=5)],
        [data("lemons", ["$0", "$unused"]), save(visualise=False)],
        [data(classes_mapping={"__other__": "__default__"}), save("$0", ["copy"])],
    ):
        assert Graph.from_json(config) == plain


@pytest.mark.parametrize("layers", [EVERY_LAYER, newer(EVERY_LAYER)], ids=["older", "newer"])
def test_a_sink_remembers_the_layers_that_it_depends_on(layers: list[Json]) -> None:
    graph = Graph.from_json([*layers, data("x", "$x"), save(["$x", "$1"], "other")])
    for sink, actions in zip(graph.sinks, ([*range(7)], [*range(6), 7], [0, 1]), strict=True):
        stored = json.loads(json.dumps(graph.subgraph_json(sink)))
        again = Graph.from_json(stored)
        names = [layers[i]["action"] for i in actions]
        assert [each["action"] for each in stored][: len(names)] == names
        assert again.subgraph_json(again.sink()) == stored
        assert again.sink().layer == sink.layer
        assert [r.steps for r in again.sink().routes] == [r.steps for r in sink.routes]
        assert again.warnings == ()


def test_what_a_layer_alone_remembers_is_the_layer_itself() -> None:
    graph = Graph.from_json(save_masks(unknown=1) | {"comment": "x"})
    (stored,) = graph.subgraph_json(graph.sink())
    assert [*stored] == ["action", "src", "dst", "settings"]
    assert (stored["src"], stored["dst"]) == (["$0"], "masks")
    assert stored["settings"] | MASKS == stored["settings"]
    assert not {"unknown", "archive_name"} & {*stored["settings"]}


# ---------------------------------------------------------------- the manual


def test_the_graph_of_the_manual_is_one() -> None:
    page = (ROOT / "docs" / "graphs.md").read_text()
    shown = re.search(r"^    \[\n(?:    .*\n)+?    \]\n", page, re.MULTILINE)
    assert shown
    graph = Graph.from_json(shown[0])
    assert [sink.dst for sink in graph.sinks] == ["masks", "copy"]
    assert graph.warnings == ()
    assert graph.unknown_keys() == []


def test_the_manual_lists_all_layers_with_their_settings() -> None:
    page = (ROOT / "docs" / "graphs.md").read_text()
    rows = re.findall(r"^\| (`\w.*?) \| .+? \| (.+?) \|$", page, re.MULTILINE)
    listed = {action: cell for names, cell in rows for action in re.findall(r"`(\w+)`", names)}
    assert listed.keys() == MODELS.keys()
    for action, model in MODELS.items():
        settings: Any = model.model_fields["settings"].annotation
        for name, field in settings.model_fields.items():
            if model is not SaveMasks and name != "archive_name":
                assert f"`{field.alias or name}`" in listed[action]
