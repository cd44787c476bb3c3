"""The `save_masks` layer: what to paint, in which colours, and where to.

The first station. It turns the layer's JSON into a validated, immutable `SaveMasks` and knows
nothing of projects or pixels. `SaveMasks.model_json_schema()` is the JSON Schema of a layer.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

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
from .class_filter import ClassFilter
from .contradictions import color_problems, other_problems
from .fields import BACKGROUND, CHANNELS, Auto, OrAuto
from .presets import Preset, given_by, with_preset
from .validation import (
    MAX_CLASSES,
    Color,
    Config,
    Folder,
    Placeholders,
    SinkSettings,
    SinkValue,
    read_config,
    three_channels,
)

MAX_GRAY = 65535
"""The lightest gray of a 16-bit machine mask."""

MAX_LINE_WIDTH = 255
"""The thickest line, in pixels."""

PAGE_ENDINGS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
"""How names of pages end by their format."""

MIN_SCALE = 0.01
"""The smallest page by the size of its original."""


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
Mapped = dict[str, tuple[int, int, int]]
"""A mapping of titles to colours after it was validated."""


class Settings(SinkSettings):
    """The `settings` of a layer.

    Attributes
    ----------
    masks_machine, masks_human
        Which masks to make.
    masks_instances
        "objects": a mask for each object, white on black. "map": one for all, in which every
        object has its number.
    masks_classes
        Whether to make a mask for each class, white on black.
    masks_semantic_rgb
        Whether to make masks in the colours of the human mask, on black.
    gt_machine_color, gt_human_color
        RGB by class title, 0..255. Machine colours may be grays up to 65,535, if all are grays.
        The order of the classes has no meaning. Or "auto": a class's position in meta.json, from
        1, as its gray; its colour in meta.json.
    machine_palette
        Whether machine masks are indexed PNGs, which viewers show in the classes' colours.
    machine_channels
        1 or 3 for gray or RGB machine masks, whatever their colours; "auto" goes by the colours.
    background
        Of machine masks, where nothing is painted.
    human_opacity
        How much of a page's mixture is the class's colour.
    human_layout
        "side_by_side", or "overlay": the painted copy alone.
    human_scale
        Of pages: their size by that of the original.
    human_outlines
        Whether objects have outlines of one pixel in pages, in the full colours of their classes.
    human_format, human_quality
        Of pages: "png", "jpeg" or "webp"; the quality of the latter two, from 1 to 100.
    classes
        {"include": titles} or {"exclude": titles}: the classes that are painted at all.
    min_area
        Objects of fewer pixels are not painted; lines, points and graphs have no area, and are.
    cuboid_2d
        What is painted of a 2D cuboid: its edges and corners, or the faces that are seen.
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
    like
        "export-as-masks": what that application makes. It gives other defaults to paint_order,
        line_width, cuboid_2d and colours; and pages have no green column, and show objects in the
        order of the list, each mixed over what lies below it.
    """

    visualize: ClassVar[bool] = False  # that is for `save` layers

    masks_machine: StrictBool = False
    masks_human: StrictBool = False
    masks_instances: Literal["objects", "map"] | None = None
    masks_classes: StrictBool = False
    masks_semantic_rgb: StrictBool = False
    gt_machine_color: Annotated[Mapped | Auto, OrAuto(MachineMapping)] | None = None
    gt_human_color: Annotated[Mapped | Auto, OrAuto(HumanMapping)] | None = None
    machine_palette: StrictBool = False
    machine_channels: Annotated[Literal["auto", 1, 3], *CHANNELS] = "auto"
    background: Annotated[int | tuple[int, int, int], *BACKGROUND] = 0
    human_opacity: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.5
    human_layout: Literal["side_by_side", "overlay"] = "side_by_side"
    human_scale: Annotated[float, Field(strict=True, ge=MIN_SCALE, le=1)] = 1.0
    human_outlines: StrictBool = False
    human_format: Literal["png", "jpeg", "webp"] = "png"
    human_quality: Annotated[int, Field(strict=True, ge=1, le=100)] | None = None
    classes: ClassFilter | None = None
    min_area: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 0
    cuboid_2d: Literal["edges", "faces"] = "edges"
    images: StrictBool = True
    annotations: StrictBool = True
    paint_order: Literal["list", "area"] = "list"
    line_width: Annotated[int, Field(strict=True, ge=1, le=MAX_LINE_WIDTH)] = 1
    class_priority: tuple[StrictStr, ...] = ()
    format: Literal["png", "tiff"] = "png"
    pyramid: StrictBool = False
    strips_above_megapixels: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 64
    like: Preset | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, settings: object) -> object:
        return with_preset(settings)

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
        yield from color_problems(self)
        if repeated := sorted(t for t, n in Counter(self.class_priority).items() if n > 1):
            yield f"class_priority names a class more than once: {printable(', '.join(repeated))}"
        if self.pyramid and self.format != "tiff":
            yield 'pyramid is for "format": "tiff" only'
        yield from other_problems(self)
        if not self.wants_masks:
            yield "nothing is requested: set masks_machine or masks_human to true"

    @property
    def wants_masks(self) -> bool:
        """Whether masks of any kind are requested."""
        return bool(
            self.masks_machine
            or self.masks_human
            or self.masks_instances
            or self.masks_classes
            or self.masks_semantic_rgb
        )

    @property
    def has_own_masks(self) -> bool:
        """Whether objects or classes have masks by themselves."""
        return bool(self.masks_classes or self.masks_instances)

    @property
    def machine_colors(self) -> Mapped:
        """`gt_machine_color`, empty if there is none; of settings whose colours are not "auto"."""
        return _mapped(self.gt_machine_color, "gt_machine_color")

    @property
    def human_colors(self) -> Mapped:
        """`gt_human_color`, empty if there is none; of settings whose colours are not "auto"."""
        return _mapped(self.gt_human_color, "gt_human_color")

    @property
    def mixes_objects(self) -> bool:
        """Whether pages show every object, mixed over those below it, and have no column."""
        return self.like is not None

    @property
    def human_order(self) -> Literal["list", "area"]:
        """The `paint_order` of pages."""
        return "list" if self.mixes_objects else self.paint_order

    def known(self) -> dict[str, Any]:
        """All settings that have a meaning, as JSON.

        Those that the first version did not have are left out where they ask for nothing: so what
        it began can be gone on with.
        """
        fields = type(self).model_fields
        later = {key for key in fields if key not in _FIRST_KEYS}
        found = self.model_dump(mode="json", include=set(fields))
        default = type(self).model_construct().model_dump(mode="json", include=later)
        default |= {k: v for k, v in given_by(self.like).items() if k in later}
        return {k: v for k, v in found.items() if k not in default or v != default[k]}


_FIRST_KEYS = frozenset(
    (
        "masks_machine", "masks_human", "gt_machine_color", "gt_human_color", "images",
        "annotations", "paint_order", "line_width", "class_priority", "format", "pyramid",
        "strips_above_megapixels",
    )
)  # fmt: skip


def _mapped(colors: Mapped | Auto | None, name: str) -> Mapped:
    if isinstance(colors, str):
        raise ValueError(f'{name} is "auto": it needs the classes of a meta.json')  # noqa: TRY004
    return colors or {}


class SaveMasks(SinkValue):
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
