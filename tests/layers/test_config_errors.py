"""The layer's JSON: what is refused, and what is said about it."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from savemasks.errors import ConfigError
from savemasks.layers.save_masks import SaveMasks, Settings
from savemasks.layers.validation import MAX_CLASSES
from support.configs import COLOR, DST, SPECIFICATION, layer, problems, with_settings


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (layer(src=0), "src: 0 is not a list"),
        (layer(src=["$0", 1]), "src[1]: 1 is not a text"),
        (layer(dst=5), "dst: 5 is not a text"),
        (layer(settings=[]), "settings: [] is not an object"),
        (layer(settings="x"), 'settings: "x" is not an object'),
        (with_settings(masks_machine="yes"),
         'settings.masks_machine: "yes" is neither true nor false'),
        (with_settings(masks_machine=1), "settings.masks_machine: 1 is neither true nor false"),
        (with_settings(masks_human="true"),
         'settings.masks_human: "true" is neither true nor false'),
        (with_settings(images=0), "settings.images: 0 is neither true nor false"),
        (with_settings(annotations=[]), "settings.annotations: [] is neither true nor false"),
        (with_settings(gt_machine_color=[1]),
         "settings.gt_machine_color: [1] is not a mapping of classes to colours"),
        (with_settings(gt_human_color="red"),
         'settings.gt_human_color: "red" is not a mapping of classes to colours'),
        (with_settings(masks_machine=False, masks_human=False),
         "settings: nothing is requested: set masks_machine or masks_human to true"),
        (layer(settings={}),
         "settings: nothing is requested: set masks_machine or masks_human to true"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_path_and_what_would_be_right(
    config: dict[str, Any], problem: str
) -> None:
    assert problems(config) == [problem]


@pytest.mark.parametrize(
    ("action", "shown"),
    [("save", '"save"'), (5, "5"), ("Save_masks", '"Save_masks"'), ("x" * 999, f'"{"x" * 36}...')],
)
def test_another_action_is_refused_and_shown_in_40_characters(action: Any, shown: str) -> None:
    (told,) = problems(layer(action=action))
    assert told.startswith(f"action: {shown} is not supported; ")
    assert "save_masks" in told.removeprefix(f"action: {shown}")


@pytest.mark.parametrize("missing", ["action", "dst", "settings"])
def test_a_missing_key_is_named(missing: str) -> None:
    assert problems(layer(**{missing: None})) == [f"{missing}: is missing"]


@pytest.mark.parametrize(
    ("color", "problem"),
    [
        ([0, 300, 0], "[1]: 300 is above 255"),
        ([0, 0, 256], "[2]: 256 is above 255"),
        ([-1, 0, 0], "[0]: -1 is below 0"),
        ([1.5, 0, 0], "[0]: 1.5 is not a whole number"),
        ([1.0, 0, 0], "[0]: 1.0 is not a whole number"),
        ([True, 0, 0], "[0]: true is not a whole number"),
        (["255", 0, 0], '[0]: "255" is not a whole number'),
        ([None, 0, 0], "[0]: null is not a whole number"),
        ([0, [1], 0], "[1]: [1] is not a whole number"),
        ([1, 2], f": {COLOR}"),
        ([1, 2, 3, 4], f": {COLOR}"),
        ([], f": {COLOR}"),
        ("#ff0000", f": {COLOR}"),
        ("abc", f": {COLOR}"),
        ({"r": 1, "g": 2, "b": 3}, f": {COLOR}"),
        (255, f": {COLOR}"),
        (None, f": {COLOR}"),
    ],
)
@pytest.mark.parametrize("name", ["gt_machine_color", "gt_human_color"])
def test_a_wrong_colour_is_named_down_to_its_channel(name: str, color: Any, problem: str) -> None:
    config = with_settings(**{name: {"kiwi": color}})
    assert problems(config) == [f"settings.{name}.kiwi{problem}"]


@pytest.mark.parametrize(
    ("title", "path"),
    [
        ("kiwi", ".kiwi"),
        ("Käse-7_b", ".Käse-7_b"),
        ("sour kiwi", '["sour kiwi"]'),
        ("a.b", '["a.b"]'),
        ("a[0]", '["a[0]"]'),
        ("", '[""]'),
        ("7", ".7"),
        ("gray", ".gray"),
        ("color", ".color"),
        ('say "hi"', r'["say \"hi\""]'),
        ("two\nlines", r'["two\nlines"]'),
    ],
)
def test_odd_class_titles_are_quoted_in_paths_as_json_quotes_them(title: str, path: str) -> None:
    expected = f"settings.gt_machine_color{path}[1]: 300 is above 255"
    assert problems(with_settings(gt_machine_color={title: [0, 300, 0]})) == [expected]


def test_all_problems_are_told_at_once() -> None:
    config = with_settings(
        masks_machine="yes", gt_machine_color={"a": [0, 300, -1], "b": [1, 2]}
    ) | {"src": 0, "dst": "/x"}
    assert problems([config]) == [
        "[0].src: 0 is not a list",
        f"[0].dst: {DST}",
        '[0].settings.masks_machine: "yes" is neither true nor false',
        "[0].settings.gt_machine_color.a[1]: 300 is above 255",
        "[0].settings.gt_machine_color.a[2]: -1 is below 0",
        f"[0].settings.gt_machine_color.b: {COLOR}",
    ]
    assert problems({}) == ["action: is missing", "dst: is missing", "settings: is missing"]


@pytest.mark.parametrize("mapping", [None, {}])
@pytest.mark.parametrize("name", ["machine", "human"])
def test_a_requested_mask_without_colours_is_refused_with_an_example(
    name: str, mapping: dict[str, Any] | None
) -> None:
    fix = f'gt_{name}_color must map at least one class to a colour, as {{"kiwi": [255, 0, 0]}}'
    config = with_settings(**{f"gt_{name}_color": mapping})
    assert problems(config) == [f"settings: masks_{name} is true, so {fix}"]


def test_two_requested_masks_without_colours_are_both_told() -> None:
    machine, human = problems(with_settings(gt_machine_color=None, gt_human_color=None))
    assert machine.startswith("settings: masks_machine is true, so gt_machine_color must map")
    assert human.startswith("settings: masks_human is true, so gt_human_color must map")


def test_all_contradictions_are_told_at_once_and_with_what_is_wrong_elsewhere() -> None:
    config = with_settings(
        masks_machine=False,
        gt_machine_color={"a": [300, 300, 300], "two\nlines": [1, 2, 3]},
        gt_human_color={},
        class_priority=["b", "a", "b"],
        pyramid=True,
    )
    depth = "gt_machine_color has grays above 255, which make a 16-bit gray mask, so all its"
    assert problems([{**config, "dst": "/x"}]) == [
        f"[0].dst: {DST}",
        "[0].settings: masks_human is true, so gt_human_color must map at least one class to a"
        ' colour, as {"kiwi": [255, 0, 0]}',
        f"[0].settings: {depth} colours must be gray, but two\\nlines is [1, 2, 3]",
        "[0].settings: class_priority names a class more than once: b",
        '[0].settings: pyramid is for "format": "tiff" only',
    ]


@pytest.mark.parametrize(
    "dst", ["", ".", "./", "..", "../x", "a/../b", "a/..", "/", "/x/y", "//x", "a\\b", "a\0b"]
)
def test_dst_outside_the_output_folder_is_refused(dst: str) -> None:
    assert problems(layer(dst=dst)) == [f"dst: {DST}"]


def test_more_than_65535_classes_are_refused_with_their_number() -> None:
    mapping = {str(i): [1, 2, 3] for i in range(MAX_CLASSES + 1)}
    expected = "settings.gt_machine_color: 65536 classes; at most 65535 are supported"
    assert problems(with_settings(gt_machine_color=mapping)) == [expected]


@pytest.mark.parametrize("count", [0, 2, 3])
def test_a_list_must_hold_one_layer(count: int) -> None:
    assert problems([layer()] * count) == [f"a list must hold exactly one layer, not {count}"]


@pytest.mark.parametrize("config", [b"5", b'"x"', b"null", b"true", [5], [[]], b'["x"]'])
def test_what_is_no_object_is_no_layer(config: Any) -> None:
    assert problems(config) == ['a layer is a JSON object: {"action": "save_masks", ...}']


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b'{"action":\n [1,}', "line 2, column 5"),
        (b"", "line 1, column 1"),
        (b'{"action": "save_masks",}', "line 1, column 24"),
        (b'{"dst":\n\n NaN x}', "line 3, column 6"),
        (b'\xef\xbb\xbf{"dst":\n 5,}', "line 2, column 3"),
        (b"[" * 10_000, "line 1"),
    ],
)
def test_broken_json_is_told_with_line_and_column(text: bytes, place: str, tmp_path: Path) -> None:
    (told,) = problems(text)
    assert told.startswith(f"not valid JSON at {place}")
    path = tmp_path / "config.json"
    path.write_bytes(text)
    assert problems(path) == [f"{path}: {told}"]


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (layer(dst="/x", settings={}), 2),
        (with_settings(gt_machine_color={"a": [0, 300, 1], "b": [1, 2]}), 2),
        ([layer(), layer()], 1),
        ([layer(action=5)], 1),
        (5, 1),
    ],
)
def test_every_problem_of_a_file_names_the_file(config: Any, count: int, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(orjson.dumps(config))
    told = problems(path)
    assert len(told) == count
    assert told == [f"{path}: {problem}" for problem in problems(path.read_bytes())]


@pytest.mark.parametrize("wrong", [None, 7, 1.5, ("x",), object()])
def test_what_is_no_config_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(
        TypeError, match=r"a layer is JSON \(bytes or str\), a Path, a dict or a li"
    ):
        SaveMasks.from_json(wrong)


def test_a_text_that_is_a_path_is_told_what_a_path_has_to_be() -> None:
    hint = "; the path of a file must be a pathlib.Path"
    for text in ("config.json", "/etc/config.json", " x"):
        (told,) = problems(text)
        assert told.endswith(hint)
    for other in ("", "{", "[1,", b"config.json"):
        (told,) = problems(other)
        assert hint not in told


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "config.json"
    assert problems(missing) == [f"{missing}: cannot be read: No such file or directory"]
    assert problems(tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(orjson.loads(b"[" * 300 + b"]" * 300), id="nested 300 deep"),
        pytest.param(2**64, id="beyond 64 bits"),
        pytest.param("\ud800", id="no Unicode text"),
        pytest.param({1: 2}, id="keys that are no texts"),
        pytest.param({1, 2}, id="no JSON at all"),
    ],
)
def test_no_value_is_too_odd_to_be_reported(value: Any) -> None:
    (told,) = problems(with_settings(masks_machine=value))
    assert told.startswith("settings.masks_machine: ")
    assert told.endswith(" is neither true nor false")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"format": "gif"},
            "settings.format: \"gif\" is not supported; possible: 'png' or 'tiff'",
        ),
        ({"pyramid": True}, 'settings: pyramid is for "format": "tiff" only'),
        ({"pyramid": 1, "format": "tiff"}, "settings.pyramid: 1 is neither true nor false"),
        ({"strips_above_megapixels": -1}, "settings.strips_above_megapixels: -1 is below 0.0"),
    ],
)
def test_what_is_wrong_with_formats_and_thresholds_is_told(
    changes: dict[str, object], problem: str
) -> None:
    config = orjson.loads(SPECIFICATION)
    config["settings"] |= changes
    assert problems(config) == [problem]


NOTHING = "settings: nothing is requested: set masks_machine or masks_human to true"
UNMAPPED = (
    "settings: masks_human is true, so gt_human_color must map at least one class to a colour, as"
    ' {"kiwi": [255, 0, 0]}'
)
PYRAMID = 'settings: pyramid is for "format": "tiff" only'
WIDTH = "settings.line_width: 0 is below 1"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"line_width": 0}, [WIDTH, NOTHING]),
        ({"line_width": 0, "masks_human": True}, [WIDTH, UNMAPPED]),
        ({"line_width": 0, "masks_human": True, "pyramid": True}, [WIDTH, UNMAPPED, PYRAMID]),
        ({"masks_machine": 1}, ["settings.masks_machine: 1 is neither true nor false"]),
        (
            {"masks_machine": 1, "pyramid": True},
            ["settings.masks_machine: 1 is neither true nor false", PYRAMID],
        ),
        (
            {"masks_human": True, "gt_human_color": {"kiwi": 5}},
            [f"settings.gt_human_color.kiwi: {COLOR}"],
        ),
        (
            {"masks_human": True, "gt_human_color": {"kiwi": [1, 1, 1]}, "pyramid": 3},
            ["settings.pyramid: 3 is neither true nor false"],
        ),
        (
            {"masks_machine": True, "gt_machine_color": {"a": [300] * 3, "b": [1, 2, 3]},
             "line_width": 0},
            [WIDTH, "settings: gt_machine_color has grays above 255, which make a 16-bit gray mask,"
             ' so all its colours must be gray, but b is [1, 2, 3]'],
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dst", ["x", "/x"])
def test_contradictions_are_told_beside_keys_that_are_wrong_by_themselves(
    settings: dict[str, Any], expected: list[str], dst: str
) -> None:
    config = {"action": "save_masks", "dst": dst, "settings": settings}
    told = [f"dst: {DST}"] if dst == "/x" else []
    assert sorted(problems(config)) == sorted([*told, *expected])
    assert sorted(problems([config])) == sorted(f"[0].{each}" for each in [*told, *expected])
    with pytest.raises(ConfigError) as error:
        SaveMasks(**config)
    assert sorted(error.value.problems) == sorted([*told, *expected])
    with pytest.raises(ConfigError) as error:
        Settings(**settings)
    alone = [each.removeprefix("settings.").replace("settings: ", "layer: ") for each in expected]
    assert sorted(error.value.problems) == sorted(alone)
