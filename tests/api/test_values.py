"""What can be compared, hashed, shown, measured and pickled as programs expect of values."""

import copy
import pickle
import sys
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import savemasks
from savemasks.layers.save_masks import Settings
from support.painters import COLORS, DEEP, GRAYS, MANY, annotation, painter
from support.projects import Json


def layer(**settings: Any) -> savemasks.SaveMasks:
    wanted: Json = {"masks_machine": True, "gt_machine_color": GRAYS, **settings}
    config = {"action": "save_masks", "dst": "x", "settings": wanted, "comment": {"by": ["me"]}}
    return savemasks.SaveMasks.from_json(config)


# ------------------------------------------------------------------ == and hash


def test_shapes_are_equal_if_their_arrays_are() -> None:
    p = painter()
    shapes = p.parse(annotation())
    assert len(shapes) > 5
    for same in (p.parse(annotation()), copy.deepcopy(shapes), pickle.loads(pickle.dumps(shapes))):
        assert (shapes == same) is True
        assert (shapes != same) is False
        assert (shapes.masks == same.masks) is True
    other = copy.deepcopy(shapes)
    other.xy = other.xy + 1
    assert (shapes == other) is False
    assert (shapes == p.parse(annotation(1))) is False
    assert (p.parse(annotation(1, 3)).masks == shapes.masks) is False
    assert (shapes == 5) is False
    with pytest.raises(TypeError, match="unhashable"):
        hash(shapes)


def test_instances_are_equal_if_their_maps_are() -> None:
    p = painter()
    first, second = p.instances(annotation()), p.instances(annotation())
    assert (first == second) is True
    assert (first != second) is False
    assert (first == p.instances(annotation(1))) is False
    assert (first == (first.numbers, 5)) is False


@pytest.mark.parametrize("mapping", [GRAYS, COLORS, DEEP, MANY])
def test_palettes_are_equal_and_have_a_hash(mapping: Json) -> None:
    first, second = painter(mapping).machine_palette, painter(mapping).machine_palette
    assert first is not second
    assert (first == second) is True
    assert hash(first) == hash(second)
    assert {first: 1}[pickle.loads(pickle.dumps(second))] == 1
    other = painter({**mapping, "kiwi": [7, 7, 7]}).machine_palette
    assert (first == other) is False
    assert (first == painter({**mapping, "plum": [7, 7, 7]}).machine_palette) is False
    assert (first == "palette") is False


def test_layers_are_equal_and_have_a_hash() -> None:
    first, second = layer(), layer()
    assert first == second
    assert hash(first) == hash(second) == hash(pickle.loads(pickle.dumps(first)))
    assert hash(first.settings) == hash(second.settings)
    for other in (layer(line_width=2), layer(gt_machine_color=COLORS), layer(thickness=[1])):
        assert first != other
        assert first.settings != other.settings
    assert first != first.settings
    with_array = layer(extra=np.zeros(3))
    assert with_array == layer(extra=np.zeros(3))
    assert with_array != layer(extra=np.ones(3))
    hash(with_array)


def test_layers_whose_classes_are_numbered_otherwise_are_others() -> None:
    """A cache of painters would hand out one with other labels."""
    turned = layer(gt_machine_color=dict(reversed(GRAYS.items())))
    assert layer() != turned

    @lru_cache
    def cached(of: savemasks.SaveMasks) -> savemasks.Painter:
        return savemasks.Painter(of)

    assert cached(layer()) is cached(layer())
    assert cached(turned).classes != cached(layer()).classes


# ------------------------------------------------------------------ shown and measured


def test_painters_and_shapes_are_shown_in_a_line() -> None:
    assert (
        repr(painter()) == "<Painter of 4 classes: kiwi, lemon, peel, ...; masks: machine, human>"
    )
    few = painter({"a\nb": [1, 1, 1]}, {})
    assert repr(few) == r"<Painter of 1 class: a\nb; masks: machine>"
    shapes = painter().parse(annotation())
    text = f"<Shapes: {len(shapes)} of 12 objects on 37 x 23 pixels>"
    assert repr(shapes) == str(shapes) == text
    assert len(repr(painter(MANY).parse(annotation(0, 500)))) < 80


def test_the_size_of_shapes_counts_their_arrays() -> None:
    p = painter()
    shapes = p.parse(annotation(0, 2000))
    small = p.parse(annotation(0, 0))
    assert sys.getsizeof(shapes) > shapes.xy.nbytes + shapes.masks.bits.nbytes + shapes.area.nbytes
    assert sys.getsizeof(small) < 1500
    assert sys.getsizeof(shapes) < 2 * len(pickle.dumps(shapes))


# ------------------------------------------------------------------ classes


def test_classes_can_be_pickled_compared_and_not_changed() -> None:
    classes = painter().classes
    again = pickle.loads(pickle.dumps(classes))
    for same in (again, copy.copy(classes), copy.deepcopy(classes), painter().classes):
        assert same == classes == {"kiwi": 0, "lemon": 1, "peel": 2, "seed": 3}
        assert hash(same) == hash(classes)
        assert repr(same) == "{'kiwi': 0, 'lemon': 1, 'peel': 2, 'seed': 3}"
        assert [*same] == [*classes]
        assert same["lemon"] == 1
        assert same.get("plum") is None
        for change in ("same['kiwi'] = 7", "del same['kiwi']", "same.clear()", "same |= {}"):
            with pytest.raises((TypeError, AttributeError)):
                exec(change, {"same": same})  # noqa: S102
    assert classes != {"kiwi": 0}


# ------------------------------------------------------------------ made without JSON


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        ({}, ["action: is missing", "dst: is missing", "settings: is missing"]),
        ({"action": "save_masks", "dst": "/x", "settings": {"masks_machine": 5}},
         ["dst: must name a folder below --out, without '..' and not absolute",
          "settings.masks_machine: 5 is neither true nor false"]),
        ({"action": "save_masks", "dst": "x", "settings": 5}, ["settings: 5 is not an object"]),
    ],
)  # fmt: skip
def test_a_layer_made_of_wrong_arguments_is_a_config_error(
    arguments: Json, problems: list[str]
) -> None:
    with pytest.raises(savemasks.ConfigError) as told:
        savemasks.SaveMasks(**arguments)
    assert [*told.value.problems] == problems


def test_settings_made_of_wrong_arguments_are_a_config_error() -> None:
    with pytest.raises(savemasks.ConfigError) as told:
        Settings(masks_machine=True, gt_machine_color={"color": [0, 300, 0]})
    assert [*told.value.problems] == ["gt_machine_color.color[1]: 300 is above 255"]
    with pytest.raises(savemasks.ConfigError, match=r"^layer: nothing is requested"):
        Settings()


def test_a_layer_can_be_made_of_arguments() -> None:
    arguments: Json = {"action": "save_masks", "dst": "x", "comment": {"by": ["me"]}}
    assert savemasks.SaveMasks(**arguments, settings=layer().settings) == layer()
    colors = {title: np.array(color) for title, color in GRAYS.items()}
    settings: Json = {"masks_machine": True, "gt_machine_color": colors}
    assert savemasks.SaveMasks(**arguments, settings=settings) == layer()
    assert Settings(**settings) == layer().settings
