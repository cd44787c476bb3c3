"""What a legend says, and in which form."""

import io
import json
from typing import Any

import orjson

from savemasks.layers.auto_colors import ClassColor, resolve_colors
from savemasks.layers.legend import (
    Counts,
    colors_json,
    legend,
    legend_json,
    settings_digest,
)
from savemasks.layers.save_masks import SaveMasks, Settings
from support.configs import layer, with_settings

CLASSES = [ClassColor("plum", "#0A0b0C"), ClassColor("kiwi", "#00ff00"), ClassColor("odd", None)]


def settings(**changes: Any) -> Settings:
    return SaveMasks.from_json(with_settings(**changes)).settings


def test_a_legend_of_both_masks_lists_what_each_class_has() -> None:
    found = legend(settings(), CLASSES, shapes={"kiwi": "polygon", "odd": None})
    assert found["background"] == {"machine": 0}
    assert [*found["classes"]] == ["plum", "kiwi", "odd", "lemon"]
    assert found["classes"] == {
        "plum": {"color": "#0a0b0c"},
        "kiwi": {"machine": 100, "human": [255, 0, 0], "color": "#00ff00", "shape": "polygon"},
        "odd": {},
        "lemon": {"machine": 200, "human": [27, 0, 255]},
    }


def test_counts_are_told_when_there_are_any() -> None:
    counts = {"kiwi": Counts(3, 400, 2)}
    found = legend(settings(), CLASSES, counts=counts)["classes"]
    assert found["kiwi"].items() >= {"objects": 3, "pixels": 400, "images": 2}.items()
    assert found["odd"] == {"objects": 0, "pixels": 0, "images": 0}


def test_values_are_triples_where_masks_are_rgb() -> None:
    mixed = settings(gt_machine_color={"kiwi": [1, 1, 1], "lemon": [1, 2, 3]}, background=9)
    found = legend(mixed, [])
    assert found["background"] == {"machine": [9, 9, 9]}
    assert found["classes"]["kiwi"]["machine"] == [1, 1, 1]
    three = legend(settings(machine_channels=3, background=[1, 2, 3]), [])
    assert three["background"] == {"machine": [1, 2, 3]}
    assert three["classes"]["lemon"]["machine"] == [200, 200, 200]


def test_black_is_told_as_it_is_painted() -> None:
    black = {"kiwi": [0, 0, 0]}
    found = legend(settings(gt_machine_color=black, gt_human_color=black), [])["classes"]["kiwi"]
    assert (found["machine"], found["human"]) == (0, [1, 1, 1])


def test_semantic_colours_and_names_of_files_are_told() -> None:
    wanted = {"masks_semantic_rgb": True, "masks_instances": "objects"}
    read = SaveMasks.from_json(layer(settings=wanted)).settings
    classes = [*CLASSES[:2], ClassColor("../x", "#010203")]
    found = legend(read, classes)
    assert found["background"] == {"rgb": [0, 0, 0]}
    assert found["classes"]["plum"] == {"rgb": [10, 11, 12], "color": "#0a0b0c", "file": "plum"}
    assert found["classes"]["../x"]["file"].startswith("_._x-")
    given = legend(settings(masks_semantic_rgb=True), classes)["classes"]
    assert given["lemon"]["rgb"] == [27, 0, 255]
    assert "rgb" not in given["plum"]


def test_colours_that_were_auto_are_told_as_any() -> None:
    auto = SaveMasks.from_json(with_settings(gt_machine_color="auto", gt_human_color="auto"))
    found = legend(resolve_colors(auto, CLASSES[:2]).settings, CLASSES[:2])["classes"]
    assert found["kiwi"] == {"machine": 2, "human": [0, 255, 0], "color": "#00ff00"}


def test_the_digest_changes_with_settings_and_not_with_their_order() -> None:
    first = settings_digest(settings())
    assert first == settings_digest(settings(comment="x", background=0))
    assert first != settings_digest(settings(background=1))
    given = with_settings()["settings"]
    turned = layer(settings=dict(reversed(given.items())))
    assert first == settings_digest(SaveMasks.from_json(turned).settings)


def test_any_title_can_be_written() -> None:
    content = legend(settings(), [ClassColor('a"\n\ud83dé', "#000000")])
    assert json.loads(legend_json(content)) == content
    plain = legend(settings(), CLASSES)
    assert orjson.loads(legend_json(plain)) == plain
    assert legend_json(plain).startswith(b'{\n  "settings": "')


def test_the_applications_files_have_its_form() -> None:
    colors = {"kiwi": (1, 1, 1), "Käse": (2, 2, 2)}
    text = io.StringIO()
    json.dump({title: [*color] for title, color in colors.items()}, text, indent=2)
    assert colors_json(colors) == text.getvalue().encode()
    assert json.loads(colors_json(colors)) == {"kiwi": [1, 1, 1], "Käse": [2, 2, 2]}
