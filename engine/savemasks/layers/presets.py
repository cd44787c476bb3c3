"""Presets of a `save_masks` layer: one name for the settings that make another program's masks."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from .fields import AUTO

Preset = Literal["export-as-masks"]

_FIXED: Final[Mapping[str, Mapping[str, Any]]] = {
    "export-as-masks": {"paint_order": "area", "line_width": 2, "cuboid_2d": "faces"}
}
_COLORS = (("masks_machine", "gt_machine_color"), ("masks_human", "gt_human_color"))


def given_by(preset: object) -> Mapping[str, Any]:
    """What a preset gives whatever else is set; nothing if there is no such preset."""
    return _FIXED.get(preset, {}) if isinstance(preset, str) else {}


def with_preset(settings: object) -> object:
    """A layer's settings as JSON; where keys are missing, with those of the preset they name."""
    if not isinstance(settings, dict) or not (fixed := given_by(settings.get("like"))):
        return settings
    colors = {key: AUTO for mask, key in _COLORS if settings.get(mask)}
    return {**fixed, **colors, **settings}
