"""The layer's JSON: what is accepted, and what it becomes."""

import copy
import pickle
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from savemasks.errors import ConfigError, SavemasksError
from savemasks.layers.save_masks import SaveMasks
from savemasks.layers.validation import MAX_CLASSES
from support.configs import SPECIFICATION, layer, with_settings

# ---------------------------------------------------------------- accepted


def test_the_specifications_layer_is_read_as_it_stands() -> None:
    read = SaveMasks.from_json(SPECIFICATION)
    assert (read.action, read.src, read.dst) == ("save_masks", ("$0",), "experiment001")
    assert read.settings.masks_machine is True
    assert read.settings.masks_human is True
    machine = {"kiwi": (100, 100, 100), "lemon": (200, 200, 200)}
    assert read.settings.gt_machine_color == machine
    assert read.settings.gt_human_color == {"kiwi": (255, 0, 0), "lemon": (27, 0, 255)}
    assert read.unknown_keys() == []


def test_bytes_text_file_object_and_a_list_of_one_are_the_same_layer(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(SPECIFICATION)
    expected = SaveMasks.from_json(SPECIFICATION)
    for config in (
        SPECIFICATION.decode(),
        tmp_path / "config.json",
        layer(),
        [layer()],
        b"[" + SPECIFICATION + b"]",
    ):
        assert SaveMasks.from_json(config) == expected


def test_the_callers_dictionary_is_left_alone_and_not_held() -> None:
    config = layer()
    before = copy.deepcopy(config)
    read = SaveMasks.from_json(config)
    assert config == before
    config["settings"]["gt_machine_color"]["kiwi"][0] = 1
    config["settings"]["gt_machine_color"]["plum"] = [1, 2, 3]
    config["src"].append("$1")
    assert read == SaveMasks.from_json(before)


def test_images_and_annotations_are_exported_unless_switched_off() -> None:
    plain = SaveMasks.from_json(layer()).settings
    assert (plain.images, plain.annotations) == (True, True)
    off = SaveMasks.from_json(with_settings(images=False, annotations=False)).settings
    assert (off.images, off.annotations) == (False, False)


@pytest.mark.parametrize("name", ["machine", "human"])
def test_one_kind_of_mask_needs_only_its_own_colours(name: str) -> None:
    empty: dict[str, Any] = {"gt_machine_color": {}, "gt_human_color": {}}
    settings = {**empty, f"masks_{name}": True, f"gt_{name}_color": {"kiwi": [1, 2, 3]}}
    read = SaveMasks.from_json(layer(settings=settings)).settings
    assert (read.masks_machine, read.masks_human) == (name == "machine", name == "human")


def test_src_may_be_absent_or_name_several_projects() -> None:
    assert SaveMasks.from_json(layer(src=None)).src == ()
    assert SaveMasks.from_json(layer(src=["$0", "$sample_1"])).src == (
        "$0",
        "$sample_1",
    )


@given(
    st.dictionaries(
        st.text(), st.lists(st.integers(0, 255), min_size=3, max_size=3), min_size=1, max_size=5
    )
)
def test_every_class_title_and_every_colour_of_8_bits_comes_through(
    mapping: dict[str, list[int]],
) -> None:
    read = SaveMasks.from_json(orjson.dumps(with_settings(gt_machine_color=mapping)))
    assert read.settings.gt_machine_color == {k: tuple(v) for k, v in mapping.items()}


@pytest.mark.parametrize(
    ("dst", "folder"),
    [
        ("a", "a"), ("a/b", "a/b"), ("a//b/./c/", "a/b/c"), ("...", "..."), ("a/..b", "a/..b"),
        ("..a", "..a"), ("жук лимон", "жук лимон"), ("~", "~"), ("$out", "$out"),
    ],
)  # fmt: skip
def test_dst_is_a_relative_folder_written_the_short_way(dst: str, folder: str) -> None:
    assert SaveMasks.from_json(layer(dst=dst)).dst == folder


def test_65535_classes_are_accepted() -> None:
    read = SaveMasks.from_json(
        with_settings(gt_machine_color={str(i): [1, 2, 3] for i in range(MAX_CLASSES)})
    )
    assert len(read.settings.gt_machine_color or ()) == MAX_CLASSES == 65535


def test_unknown_keys_are_reported_and_have_no_effect() -> None:
    config = with_settings(masks_humam=True, thickness=2) | {"comment": "x", "id": 1}
    read = SaveMasks.from_json(config)
    assert read.unknown_keys() == ["comment", "id", "settings.masks_humam", "settings.thickness"]
    assert read.settings.gt_machine_color == {"kiwi": (100, 100, 100), "lemon": (200, 200, 200)}


def test_the_json_schema_names_all_keys() -> None:
    schema = SaveMasks.model_json_schema()
    assert set(schema["required"]) == {"action", "dst", "settings"}
    known = {"masks_machine", "masks_human", "gt_machine_color", "gt_human_color"}
    assert set(schema["$defs"]["Settings"]["properties"]) >= known | {"images", "annotations"}


# ---------------------------------------------------------------- immutable, picklable


@pytest.mark.parametrize("name", ["dst", "settings", "src", "extra"])
def test_a_layer_cannot_be_changed(name: str) -> None:
    read = SaveMasks.from_json(SPECIFICATION)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(read, name, "x")
    with pytest.raises(ValidationError, match="frozen"):
        read.settings.masks_machine = False  # type: ignore[misc]  # on purpose
    assert read == SaveMasks.from_json(SPECIFICATION)


def test_a_layer_and_its_errors_survive_pickling() -> None:
    read = SaveMasks.from_json(layer(comment="x"))
    again = pickle.loads(pickle.dumps(read))
    assert again == read
    assert again.unknown_keys() == ["comment"]
    error = ConfigError(["dst: is missing", "action: is missing"])
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.problems, str(again)) == (ConfigError, error.problems, str(error))


def test_a_config_error_is_a_value_error_of_this_package() -> None:
    assert issubclass(ConfigError, SavemasksError)
    assert issubclass(ConfigError, ValueError)


# ---------------------------------------------------------------- large pictures


def test_pictures_above_64_megapixels_are_made_in_strips_and_masks_are_png() -> None:
    found = SaveMasks.from_json(SPECIFICATION).settings
    assert (found.format, found.pyramid, found.strips_above_megapixels) == ("png", False, 64)
