"""Settings that are right by themselves, but not together: what is wrong, a line each."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..errors import printable
from .fields import AUTO

if TYPE_CHECKING:
    from .save_masks import Settings

Colors = Mapping[str, tuple[int, int, int]]


def color_problems(settings: "Settings") -> Iterator[str]:
    """Contradictions of the machine mask's colours; none while they are "auto"."""
    found = settings.gt_machine_color
    if found is None or isinstance(found, str):
        return
    deep = any(max(color) > 255 for color in found.values())
    colorful = [title for title, color in found.items() if len(set(color)) > 1]
    reasons = (
        (deep, "gt_machine_color has grays above 255, which make a 16-bit gray mask"),
        (settings.machine_channels == 1, "machine_channels is 1"),
        (settings.machine_palette, "machine_palette is true, and takes grays as indices"),
    )
    for is_reason, text in reasons:
        if is_reason and colorful:
            first = colorful[0]
            yield (
                f"{text}, so all its colours must be gray, but {printable(first)} is"
                f" {list(found[first])}"
            )
    if settings.machine_palette and deep:
        title, color = next((t, c) for t, c in found.items() if max(c) > 255)
        yield (
            "machine_palette is true, but an indexed PNG has the indices 0..255 only, and"
            f" {printable(title)} is {color[0]}"
        )
    yield from _background_problems(settings, found, is_gray=not colorful)


def _background_problems(settings: "Settings", colors: Colors, *, is_gray: bool) -> Iterator[str]:
    background = triple(settings.background)
    if not any(background):
        return
    is_rgb = settings.machine_channels == 3 or (not is_gray and settings.machine_channels == AUTO)
    if len(set(background)) > 1 and not is_rgb:
        yield (
            f"background is {list(background)}, but the machine mask is gray: write one number, or"
            ' set "machine_channels" to 3'
        )
    for title, color in colors.items():
        if color == background:
            yield (
                f"background is {shown_background(settings.background)}, which is also the colour"
                f" of {printable(title)} in gt_machine_color: choose another one"
            )
            break


def other_problems(settings: "Settings") -> Iterator[str]:
    """Contradictions that have nothing to do with colours."""
    if settings.machine_palette and settings.machine_channels == 3:
        yield "machine_palette is true, but an indexed PNG has one channel, not machine_channels 3"
    if settings.machine_palette and settings.format != "png":
        yield f'machine_palette is for PNG only, but "format" is "{settings.format}"'
    if settings.human_quality is not None and settings.human_format == "png":
        yield 'human_quality is for "human_format": "jpeg" or "webp" only; a PNG loses nothing'
    if settings.human_format != "png" and settings.format != "png":
        yield (
            f'"human_format" is "{settings.human_format}" and "format" is "{settings.format}":'
            " set one of them"
        )


def triple(background: int | tuple[int, int, int]) -> tuple[int, int, int]:
    """A background as RGB."""
    return (background,) * 3 if isinstance(background, int) else background


def shown_background(background: int | tuple[int, int, int]) -> str:
    """A background as it is written in JSON."""
    return str(background if isinstance(background, int) else list(background))
