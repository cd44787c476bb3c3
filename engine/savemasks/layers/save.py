"""The `save` layer: pictures, annotations, and pages that show the classes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from .validation import (
    Config,
    Folder,
    Placeholders,
    SinkSettings,
    SinkValue,
    read_config,
)


class SaveSettings(SinkSettings):
    """The `settings` of a `save` layer.

    What a `save_masks` layer can choose besides is fixed here, under the same names.

    Attributes
    ----------
    visualize
        Whether to make pages that show the classes in the colours of meta.json; also written
        `visualise`.
    archive_name
        Names the result where the layer's `dst` does not.
    """

    visualize: StrictBool = False

    images: ClassVar[bool] = True
    annotations: ClassVar[bool] = True
    masks_machine: ClassVar[bool] = False
    masks_human: ClassVar[bool] = False
    has_own_masks: ClassVar[bool] = False
    masks_instances: ClassVar[Literal["objects", "map"] | None] = None
    masks_classes: ClassVar[bool] = False
    masks_semantic_rgb: ClassVar[bool] = False
    gt_machine_color: ClassVar[None] = None
    gt_human_color: ClassVar[None] = None
    machine_colors: ClassVar[Mapping[str, tuple[int, int, int]]] = MappingProxyType({})
    machine_palette: ClassVar[bool] = False
    machine_channels: ClassVar[Literal["auto", 1, 3]] = "auto"
    background: ClassVar[int] = 0
    human_opacity: ClassVar[float] = 0.5
    human_layout: ClassVar[Literal["side_by_side", "overlay"]] = "side_by_side"
    human_scale: ClassVar[float] = 1.0
    human_outlines: ClassVar[bool] = False
    human_format: ClassVar[Literal["png", "jpeg", "webp"]] = "png"
    human_quality: ClassVar[int | None] = None
    human_order: ClassVar[Literal["list", "area"]] = "list"
    mixes_objects: ClassVar[bool] = False
    classes: ClassVar[None] = None
    min_area: ClassVar[float] = 0
    cuboid_2d: ClassVar[Literal["edges", "faces"]] = "edges"
    like: ClassVar[None] = None
    paint_order: ClassVar[Literal["list", "area"]] = "list"
    line_width: ClassVar[int] = 1
    class_priority: ClassVar[tuple[str, ...]] = ()
    format: ClassVar[Literal["png", "tiff"]] = "png"
    pyramid: ClassVar[bool] = False
    strips_above_megapixels: ClassVar[float] = 64

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, settings: Any) -> Any:
        if not isinstance(settings, dict) or "visualise" not in settings:
            return settings
        if "visualize" in settings:
            raise PydanticCustomError("spelling", "give visualize or visualise, not both")
        return {("visualize" if k == "visualise" else k): v for k, v in settings.items()}


class Save(SinkValue):
    """One `save` layer, validated and immutable.

    Attributes
    ----------
    action
        "save", or its newer name, "export_archive".
    src
        Names of the inputs; placeholders such as "$0" stand for what other layers define, or for
        the projects that are given.
    dst
        Folder of the result, relative to the output folder. If it is missing, empty or a
        placeholder, the `archive_name` of the settings is.
    settings
        Whether to make pages that show the classes.
    """

    action: Literal["save", "export_archive"]
    src: Placeholders = ()
    dst: Folder
    settings: SaveSettings = Field(default_factory=SaveSettings)

    @classmethod
    def from_json(cls, config: Config) -> Self:
        """Validate a layer; takes and raises what `SaveMasks.from_json` does."""
        return read_config(config, cls.of_parsed)
