"""The `save_masks` layer: what to paint, in which colours, and where to.

The first station. It turns the layer's JSON into a validated, immutable `SaveMasks` and knows
nothing of projects or pixels. `SaveMasks.model_json_schema()` is the JSON Schema of a layer.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StrictBool,
    StrictStr,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ..errors import printable
from .validation import (
    MAX_CLASSES,
    Color,
    Config,
    Folder,
    LayerValue,
    Placeholders,
    SinkSettings,
    read_config,
    three_channels,
    with_archive_name,
)

MAX_GRAY = 65535
"""The lightest gray of a 16-bit machine mask."""

MAX_LINE_WIDTH = 255
"""The thickest line, in pixels."""


def _is_gray(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 3 and value[0] == value[1] == value[2]


Gray16 = Annotated[int, Field(strict=True, ge=0, le=MAX_GRAY)]
DeepGray = Annotated[tuple[Gray16, Gray16, Gray16], BeforeValidator(three_channels)]
MachineColor = Annotated[
    Annotated[Color, Tag("color")] | Annotated[DeepGray, Tag("gray")],
    Discriminator(lambda value: "gray" if _is_gray(value) else "color"),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 0, "maximum": MAX_GRAY},
            "minItems": 3,
            "maxItems": 3,
            "description": "RGB, 0..255; or a gray up to 65535, if all colours are grays",
        }
    ),
]
MachineMapping = Annotated[dict[StrictStr, MachineColor], Field(max_length=MAX_CLASSES)]
HumanMapping = Annotated[dict[StrictStr, Color], Field(max_length=MAX_CLASSES)]


class Settings(SinkSettings):
    """The `settings` of a layer.

    Attributes
    ----------
    masks_machine, masks_human
        Which masks to make.
    gt_machine_color, gt_human_color
        RGB by class title, 0..255. Machine colours may be grays up to 65,535, if all are grays.
        The order of the classes has no meaning.
    images, annotations
        Whether to copy images and annotations.
    paint_order
        "list": as in the annotation, later objects on top. "area": the largest lowest.
    line_width
        Thickness of lines and graph edges in pixels; points are discs of radius
        round(line_width / 2), halves to even.
    class_priority
        Classes that lie above all others, the last one topmost; `paint_order` decides the rest.
    format
        Of the masks: "png", or "tiff" in tiles, for viewers of very large pictures.
    pyramid
        With "tiff", whether to add the same picture in halves, quarters and so on.
    strips_above_megapixels
        Pictures with more million pixels are never in memory as a whole, but in strips of rows.
    archive_name
        Names the result where the layer's `dst` does not.
    """

    masks_machine: StrictBool = False
    masks_human: StrictBool = False
    gt_machine_color: MachineMapping | None = None
    gt_human_color: HumanMapping | None = None
    images: StrictBool = True
    annotations: StrictBool = True
    paint_order: Literal["list", "area"] = "list"
    line_width: Annotated[int, Field(strict=True, ge=1, le=MAX_LINE_WIDTH)] = 1
    class_priority: tuple[StrictStr, ...] = ()
    format: Literal["png", "tiff"] = "png"
    pyramid: StrictBool = False
    strips_above_megapixels: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 64

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if problems := [*self._contradictions()]:
            context = {"text": "; ".join(problems), "problems": problems}
            raise PydanticCustomError("inconsistent", "{text}", context)
        return self

    def _contradictions(self) -> Iterator[str]:
        """What is wrong with keys that are right by themselves, a line each."""
        wanted = (
            (self.masks_machine, "machine", self.gt_machine_color),
            (self.masks_human, "human", self.gt_human_color),
        )
        for requested, name, mapping in wanted:
            if requested and not mapping:
                yield (
                    f"masks_{name} is true, so gt_{name}_color must map at least one class to a"
                    ' colour, as {"kiwi": [255, 0, 0]}'
                )
        grays = self.gt_machine_color or {}
        if any(max(color) > 255 for color in grays.values()):
            colorful = [title for title, color in grays.items() if len(set(color)) > 1]
            for title in colorful[:1]:
                yield (
                    "gt_machine_color has grays above 255, which make a 16-bit gray mask, so all"
                    f" its colours must be gray, but {printable(title)} is {list(grays[title])}"
                )
        if repeated := sorted(t for t, n in Counter(self.class_priority).items() if n > 1):
            yield f"class_priority names a class more than once: {printable(', '.join(repeated))}"
        if self.pyramid and self.format != "tiff":
            yield 'pyramid is for "format": "tiff" only'
        if not (self.masks_machine or self.masks_human):
            yield "nothing is requested: set masks_machine or masks_human to true"


class SaveMasks(LayerValue):
    """One `save_masks` layer, validated and immutable.

    Attributes
    ----------
    action
        "save_masks", or its newer name, "export_archive_with_masks".
    src
        Names of the inputs; placeholders such as "$0" stand for what other layers define, or for
        the projects that are given.
    dst
        Folder of the result, relative to the output folder. If it is missing, empty or a
        placeholder, the `archive_name` of the settings is.
    settings
        What to make, and the colours.
    """

    action: Literal["save_masks", "export_archive_with_masks"]
    src: Placeholders = ()
    dst: Folder
    settings: Settings

    @model_validator(mode="before")
    @classmethod
    def _named(cls, layer: object) -> object:
        return with_archive_name(layer)

    @classmethod
    def from_json(cls, config: Config) -> Self:
        """Validate a layer.

        Parameters
        ----------
        config
            The JSON as text or bytes, the path of a file with it, or what it parses to: one layer,
            or a list that holds exactly one. A `str` is always JSON, a `pathlib.Path` always a
            path. Colours may be arrays, and numbers NumPy's.

        Raises
        ------
        ConfigError
            With every problem found, each with its file, if there is one, and its JSON path.
        TypeError
            If `config` is none of these.

        Examples
        --------
        >>> layer = SaveMasks.from_json({
        ...     "action": "save_masks",
        ...     "dst": "masks",
        ...     "settings": {"masks_machine": True, "gt_machine_color": {"kiwi": [1, 1, 1]}},
        ... })
        >>> layer.settings.line_width
        1
        >>> SaveMasks.from_json('{"action": "save_masks", "dst": "masks"}')
        Traceback (most recent call last):
        savemasks.errors.ConfigError: settings: is missing
        """
        return read_config(config, cls.of_parsed)
