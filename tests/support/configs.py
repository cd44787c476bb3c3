"""Configurations for the tests of settings: the specification's layer, and changes to it."""

from typing import Any

import orjson
import pytest

from savemasks.errors import ConfigError
from savemasks.layers.save_masks import SaveMasks

SPECIFICATION = b"""
 {
  "action": "save_masks",
  "src": [
    "$0"
  ],
  "dst": "experiment001",
  "settings": {
    "masks_machine": true,
    "masks_human": true,
    "gt_machine_color": {
      "kiwi": [
        100,
        100,
        100
      ],
      "lemon": [
        200,
        200,
        200
      ]
    },
    "gt_human_color": {
      "kiwi": [
        255,
        0,
        0
      ],
      "lemon": [
        27,
        0,
        255
      ]
    }
  }
}
"""

DST = "must name a folder below --out, without '..' and not absolute"
COLOR = "must be a list of three integers 0..255, as [255, 0, 0]"


def layer(**changes: Any) -> dict[str, Any]:
    """The specification's layer with other top-level keys; None removes one."""
    changed = orjson.loads(SPECIFICATION) | changes
    return {key: value for key, value in changed.items() if value is not None}


def with_settings(**changes: Any) -> dict[str, Any]:
    """The specification's layer with other settings; None removes one."""
    settings = layer()["settings"] | changes
    return layer(settings={key: value for key, value in settings.items() if value is not None})


def problems(config: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        SaveMasks.from_json(config)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return list(caught.value.problems)
