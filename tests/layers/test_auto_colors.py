"""Colours from the classes of a meta.json."""

from typing import Any

import pytest

from savemasks.errors import ConfigError
from savemasks.layers.auto_colors import (
    ClassColor,
    painted_titles,
    palette_colors,
    parse_color,
    resolve_colors,
    semantic_colors,
)
from savemasks.layers.save_masks import SaveMasks
from support.configs import layer, with_settings

CLASSES = [ClassColor("kiwi", "#00ff10"), ClassColor("lemon", "#FFEE00"), ClassColor("plum")]


def auto(**changes: Any) -> SaveMasks:
    given = {"gt_machine_color": "auto", "gt_human_color": "auto", **changes}
    return SaveMasks.from_json(with_settings(**given))


def test_grays_are_positions_and_colours_those_of_meta_json() -> None:
    found = resolve_colors(auto(), CLASSES[:2]).settings
    assert found.gt_machine_color == {"kiwi": (1, 1, 1), "lemon": (2, 2, 2)}
    assert found.gt_human_color == {"kiwi": (0, 255, 16), "lemon": (255, 238, 0)}
    assert [*found.machine_colors] == ["kiwi", "lemon"]


def test_colours_that_are_given_stay() -> None:
    read = SaveMasks.from_json(layer())
    assert resolve_colors(read, CLASSES) is read
    half = resolve_colors(auto(gt_human_color={"kiwi": [1, 2, 3]}), CLASSES).settings
    assert half.human_colors == {"kiwi": (1, 2, 3)}
    assert half.machine_colors["plum"] == (3, 3, 3)


def test_other_keys_of_the_layer_stay() -> None:
    settings = {"masks_machine": True, "gt_machine_color": "auto", "line_width": 3, "typo": 1}
    read = SaveMasks.from_json({**layer(), "comment": "x", "settings": settings})
    found = resolve_colors(read, CLASSES)
    assert found.unknown_keys() == ["comment", "settings.typo"]
    assert (found.dst, found.src, found.settings.line_width) == (read.dst, read.src, 3)


def test_more_than_255_classes_make_deep_grays() -> None:
    classes = [ClassColor(str(i)) for i in range(65535)]
    found = resolve_colors(auto(gt_human_color={"1": [1, 1, 1]}), classes).settings
    assert found.machine_colors["65534"] == (65535, 65535, 65535)
    with pytest.raises(ConfigError, match="65536 classes are more than the 65535 grays"):
        resolve_colors(auto(gt_human_color=None, masks_human=False), [*classes, ClassColor("x")])


def test_contradictions_show_once_the_colours_are_known() -> None:
    with pytest.raises(ConfigError, match=r"^settings: background is 2, which is also .* lemon"):
        resolve_colors(auto(background=2), CLASSES[:2])
    many = [ClassColor(str(i), "#000000") for i in range(256)]
    with pytest.raises(ConfigError, match=r"has the indices 0\.\.255 only, and 255 is 256"):
        resolve_colors(auto(machine_palette=True), many)
    with pytest.raises(ConfigError, match="must map at least one class"):
        resolve_colors(auto(), [])


def test_every_class_without_a_colour_is_named() -> None:
    classes = [*CLASSES, ClassColor("a\nb", "red"), ClassColor("kiwi", None)]
    with pytest.raises(ConfigError) as caught:
        resolve_colors(auto(), classes)
    assert caught.value.problems == (
        'settings.gt_human_color: needs the colour of plum as "#rrggbb" in meta.json, but it is'
        " missing",
        'settings.gt_human_color: needs the colour of a\\nb as "#rrggbb" in meta.json, but it is'
        ' "red"',
    )


@pytest.mark.parametrize(
    ("text", "color"),
    [("#0102ff", (1, 2, 255)), ("0102FF", (1, 2, 255)), (" #0102ff ", (1, 2, 255)),
     ("#fff", None), ("#0102fg", None), (None, None), ([1, 2, 3], None), ("", None)],
)  # fmt: skip
def test_a_colour_is_six_hexadecimal_digits(text: object, color: object) -> None:
    assert parse_color(text) == color


def test_semantic_masks_and_palettes_take_given_colours_first() -> None:
    given = SaveMasks.from_json(layer()).settings
    plain = SaveMasks.from_json(layer(settings={"masks_semantic_rgb": True})).settings
    assert semantic_colors(given, CLASSES) == given.human_colors
    assert semantic_colors(plain, CLASSES[:2]) == {"kiwi": (0, 255, 16), "lemon": (255, 238, 0)}
    with pytest.raises(ConfigError, match=r"^settings.masks_semantic_rgb: .* plum"):
        semantic_colors(plain, CLASSES)
    assert palette_colors(plain, CLASSES) == {"kiwi": (0, 255, 16), "lemon": (255, 238, 0)}
    assert palette_colors(given, CLASSES)["kiwi"] == (255, 0, 0)


def test_masks_one_by_one_are_of_the_classes_with_a_colour_or_of_all() -> None:
    given = SaveMasks.from_json(layer()).settings
    plain = SaveMasks.from_json(layer(settings={"masks_classes": True})).settings
    assert painted_titles(given, CLASSES) == ("kiwi", "lemon")
    assert painted_titles(plain, [*CLASSES, CLASSES[0]]) == ("kiwi", "lemon", "plum")
