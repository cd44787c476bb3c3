"""More classes than a byte can number, and grays above 255: nothing ever wraps."""

import base64
import io
import zlib
from typing import Any

import cv2
import numpy as np
import orjson
import pytest
import pyvips
from PIL import Image

from savemasks.api.painter import Painter
from savemasks.encode.general import encode_png
from savemasks.errors import ConfigError
from savemasks.layers.save_masks import SaveMasks


def layer(colors: dict[str, Any], **settings: Any) -> SaveMasks:
    chosen = {"masks_machine": True, "gt_machine_color": colors, **settings}
    return SaveMasks.from_json({"action": "save_masks", "dst": "x", "settings": chosen})


def strip(classes: int) -> bytes:
    """One pixel of each class, side by side."""
    objects = [
        {"classTitle": str(i), "geometryType": "point", "points": {"exterior": [[i, 0]]}}
        for i in range(classes)
    ]
    return orjson.dumps({"size": {"height": 1, "width": classes}, "objects": objects})


@pytest.mark.parametrize("classes", [255, 256, 65_535])
def test_every_class_keeps_its_own_gray(classes: int) -> None:
    painter = Painter(layer({str(i): [i + 1] * 3 for i in range(classes)}))
    labels = painter.labels(strip(classes))
    assert labels.dtype == (np.uint8 if classes < 256 else np.uint16)
    mask = painter.machine(strip(classes))
    assert mask.dtype == labels.dtype
    assert mask[0].tolist() == list(range(1, classes + 1))
    png = b"".join(encode_png(mask))
    assert Image.open(io.BytesIO(png)).mode == ("L" if classes < 256 else "I;16")
    read = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert read is not None
    assert np.array_equal(read, mask)
    assert np.array_equal(pyvips.Image.new_from_buffer(png, "").numpy(), mask)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), mask)


def test_300_classes_in_colours_need_no_deep_grays() -> None:
    painter = Painter(layer({str(i): [i % 256, i // 256, 7] for i in range(300)}))
    assert painter.machine(strip(300))[0].tolist() == [[i % 256, i // 256, 7] for i in range(300)]


@pytest.mark.parametrize(
    ("colors", "message"),
    [
        ({"a": [65536] * 3}, "settings.gt_machine_color.a[0]: 65536 is above 65535"),
        ({"a": [300, 300, 301]}, "settings.gt_machine_color.a[0]: 300 is above 255"),
        ({"a": [300] * 3, "b": [1, 2, 3]}, "all its colours must be gray, but b is [1, 2, 3]"),
        ({"a": [-1] * 3}, "settings.gt_machine_color.a[0]: -1 is below 0"),
        ({"a": [300.0] * 3}, "settings.gt_machine_color.a[0]: 300.0 is not a whole number"),
    ],
)
def test_what_a_mask_cannot_hold_is_a_config_error(colors: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        layer(colors)
    assert message in str(caught.value)


def test_human_colours_end_at_255() -> None:
    human = {"masks_human": True, "gt_human_color": {"a": [300] * 3}}
    with pytest.raises(ConfigError, match=r"settings\.gt_human_color\.a\[0\]: 300 is above 255"):
        layer({"a": [1, 1, 1]}, **human)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"line_width": 0}, "settings.line_width: 0 is below 1"),
        ({"line_width": 256}, "settings.line_width: 256 is above 255"),
        ({"line_width": 1.5}, "settings.line_width: 1.5 is not a whole number"),
        ({"paint_order": "size"}, 'settings.paint_order: "size" is not supported; possible: \'li'),
        ({"class_priority": "a"}, 'settings.class_priority: "a" is not a list'),
        ({"class_priority": [1]}, "settings.class_priority[0]: 1 is not a text"),
        ({"class_priority": ["a", "a"]}, "class_priority names a class more than once: a"),
    ],
)
def test_wrong_ways_to_paint_are_config_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        layer({"a": [1, 1, 1]}, **settings)
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", ["L", "LA", "RGBA", "I;16"])
def test_an_alpha_mask_belongs_to_its_class_from_128_on(kind: str) -> None:
    levels = np.array([[0, 1, 127, 128, 200, 255]], np.uint8)
    if kind == "I;16":
        image = Image.fromarray(levels.astype(np.uint16) * 256 + 255)
    elif kind == "L":
        image = Image.fromarray(levels)
    else:
        image = Image.new(kind, (6, 1))
        image.putalpha(Image.fromarray(levels))
    file = io.BytesIO()
    image.save(file, "PNG")
    data = base64.b64encode(zlib.compress(file.getvalue())).decode()
    mask = {
        "classTitle": "a",
        "geometryType": "alpha_mask",
        "bitmap": {"origin": [1, 0], "data": data},
    }
    painter = Painter(layer({"a": [5, 5, 5]}))
    annotation = {"size": {"height": 1, "width": 8}, "objects": [mask]}
    labels = painter.labels(orjson.dumps(annotation))
    assert labels[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 0]
