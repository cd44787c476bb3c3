"""Settings of the other masks and of pages: what is accepted, refused, and written down."""

import pickle
from typing import Any

import orjson
import pytest

from savemasks.layers.save_masks import SaveMasks, Settings
from support.configs import layer, problems, with_settings

DEFAULTS = {
    "masks_instances": None, "masks_classes": False, "masks_semantic_rgb": False,
    "machine_palette": False, "machine_channels": "auto", "background": 0, "human_opacity": 0.5,
    "human_layout": "side_by_side", "human_scale": 1.0, "human_outlines": False,
    "human_format": "png", "human_quality": None, "cuboid_2d": "edges",
}  # fmt: skip
ANOTHER = {
    "masks_instances": "map", "masks_classes": True, "masks_semantic_rgb": True,
    "machine_palette": True, "machine_channels": 1, "background": 255, "human_opacity": 0.25,
    "human_layout": "overlay", "human_scale": 0.5, "human_outlines": True,
    "human_format": "jpeg", "human_quality": 80, "cuboid_2d": "faces",
}  # fmt: skip


def settings(**changes: Any) -> Settings:
    return SaveMasks.from_json(orjson.dumps(with_settings(**changes))).settings


def test_without_them_settings_are_as_they_were() -> None:
    found = settings()
    assert {key: getattr(found, key) for key in DEFAULTS} == DEFAULTS
    assert not found.known().keys() & DEFAULTS.keys()
    written = layer()["settings"]
    first = {"images": True, "annotations": True, "paint_order": "list", "line_width": 1,
             "class_priority": [], "format": "png", "pyramid": False,
             "strips_above_megapixels": 64}  # fmt: skip
    assert found.known() == {**written, **first}


def test_what_is_written_down_can_be_read_again() -> None:
    found = settings(**ANOTHER, gt_human_color="auto", comment="x")
    known = found.known()
    assert {key: known[key] for key in ANOTHER} == ANOTHER
    assert known["gt_human_color"] == "auto"
    assert "comment" not in known
    assert settings(background=[1, 1, 1]).known()["background"] == [1, 1, 1]
    again = SaveMasks.from_json(orjson.dumps(layer(settings=known))).settings
    assert again.known() == known
    assert again == settings(**ANOTHER, gt_human_color="auto")
    assert pickle.loads(pickle.dumps(again)) == again


@pytest.mark.parametrize("name", ["masks_instances", "masks_classes", "masks_semantic_rgb"])
def test_each_of_the_other_masks_may_be_the_only_one(name: str) -> None:
    value = "objects" if name == "masks_instances" else True
    found = SaveMasks.from_json(layer(settings={name: value})).settings
    assert found.wants_masks
    assert getattr(found, name) == value


def test_auto_stands_for_colours_that_are_not_known_yet() -> None:
    found = settings(gt_machine_color="auto", gt_human_color="auto")
    assert (found.gt_machine_color, found.gt_human_color) == ("auto", "auto")
    with pytest.raises(ValueError, match=r'gt_machine_color is "auto"'):
        _ = found.machine_colors
    assert settings(gt_human_color="auto").machine_colors["kiwi"] == (100, 100, 100)
    assert settings(masks_human=False, gt_human_color=None).human_colors == {}


def test_a_background_is_a_number_or_three() -> None:
    assert settings(background=255).background == 255
    assert settings(background=[9, 9, 9]).background == (9, 9, 9)
    colors = {"kiwi": [1, 2, 3]}
    found = settings(background=[1, 2, 4], gt_machine_color=colors)
    assert found.background == (1, 2, 4)
    assert settings(background=[1, 2, 4], machine_channels=3).machine_channels == 3


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"masks_instances": "all"},
         "settings.masks_instances: \"all\" is not supported; possible: 'objects' or 'map'"),
        ({"machine_channels": 2}, 'settings.machine_channels: must be "auto", 1 or 3'),
        ({"machine_channels": True}, 'settings.machine_channels: must be "auto", 1 or 3'),
        ({"human_scale": 0}, "settings.human_scale: 0 is below 0.01"),
        ({"human_scale": 1.5}, "settings.human_scale: 1.5 is above 1.0"),
        ({"human_opacity": -1}, "settings.human_opacity: -1 is below 0.0"),
        ({"human_quality": 0, "human_format": "webp"}, "settings.human_quality: 0 is below 1"),
        *(({"background": wrong},
           "settings.background: must be a whole number 0..255, or three of them, as"
           " [255, 255, 255]") for wrong in (256, -1, True, 1.5, "255", [1, 2], [1, 2, 256])),
        ({"gt_machine_color": "Auto"},
         'settings.gt_machine_color: "Auto" is not a mapping of classes to colours'),
        ({"gt_human_color": {"kiwi": [0, 0, 256]}},
         "settings.gt_human_color.kiwi[2]: 256 is above 255"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_path(changes: dict[str, Any], problem: str) -> None:
    assert problems(with_settings(**changes)) == [problem]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"machine_channels": 1, "gt_machine_color": {"kiwi": [1, 1, 1], "plum": [1, 2, 3]}},
         "machine_channels is 1, so all its colours must be gray, but plum is [1, 2, 3]"),
        ({"machine_palette": True, "gt_machine_color": {"plum": [1, 2, 3]}},
         "machine_palette is true, and takes grays as indices, so all its colours must be gray,"
         " but plum is [1, 2, 3]"),
        ({"machine_palette": True, "gt_machine_color": {"plum": [300, 300, 300]}},
         "machine_palette is true, but an indexed PNG has the indices 0..255 only, and plum is"
         " 300"),
        ({"machine_palette": True, "machine_channels": 3},
         "machine_palette is true, but an indexed PNG has one channel, not machine_channels 3"),
        ({"machine_palette": True, "format": "tiff"},
         'machine_palette is for PNG only, but "format" is "tiff"'),
        ({"background": [1, 2, 3]},
         "background is [1, 2, 3], but the machine mask is gray: write one number, or set"
         ' "machine_channels" to 3'),
        ({"background": 200},
         "background is 200, which is also the colour of lemon in gt_machine_color: choose another"
         " one"),
        ({"background": [100, 100, 100]},
         "background is [100, 100, 100], which is also the colour of kiwi in gt_machine_color:"
         " choose another one"),
        ({"human_quality": 80},
         'human_quality is for "human_format": "jpeg" or "webp" only; a PNG loses nothing'),
        ({"human_format": "webp", "format": "tiff"},
         '"human_format" is "webp" and "format" is "tiff": set one of them'),
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other_are_refused(
    changes: dict[str, Any], problem: str
) -> None:
    assert problems(with_settings(**changes)) == [f"settings: {problem}"]


def test_a_class_may_be_black_on_the_usual_background() -> None:
    colors = {"kiwi": [0, 0, 0], "lemon": [1, 1, 1]}
    assert settings(gt_machine_color=colors, background=0).background == 0


def test_the_json_schema_has_them_with_both_kinds_of_colours() -> None:
    properties = SaveMasks.model_json_schema()["$defs"]["Settings"]["properties"]
    assert properties.keys() >= DEFAULTS.keys()
    assert {"const": "auto", "type": "string"} in properties["gt_human_color"]["anyOf"]
    assert properties["machine_channels"]["enum"] == ["auto", 1, 3]
