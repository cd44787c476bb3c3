"""What workers are given, and what they hand back. All of it may go from process to process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .project import ClassTemplate, Item
from .settings import SaveMasks


@dataclass(frozen=True, slots=True)
class Job:
    """What all items of a run have in common.

    Attributes
    ----------
    layer
        What to make.
    templates
        What each project says of its classes.
    root
        Where results are put.
    link
        Whether copies are hard links.
    """

    layer: SaveMasks
    templates: tuple[Mapping[str, ClassTemplate], ...]
    root: Path
    link: bool


@dataclass(slots=True)
class Outcome:
    """What became of one item.

    Attributes
    ----------
    item
        The item.
    outputs
        Files written, relative to the store; empty if it failed.
    error
        Why it failed, or None.
    pixels
        Pixels of its canvas.
    geometries, unsupported
        Objects by geometry, and those among them that could not be painted.
    seconds
        Time spent per station.
    """

    item: Item
    outputs: list[str] = field(default_factory=list)
    error: Exception | None = None
    pixels: int = 0
    geometries: dict[str, int] = field(default_factory=dict)
    unsupported: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
