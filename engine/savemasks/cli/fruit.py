"""How the demo's fruit and tables look: textures and light, computed pixel by pixel.

Colours are float32 RGB from 0 to 1, channels first: ``(3, h, w)`` for a picture, ``(3, 1, 1)``
for a single one. All that is one number per pixel is float32 of shape ``(h, w)``.
"""

from collections.abc import Callable
from math import tau
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Float: TypeAlias = npt.NDArray[np.floating[Any]]
Random: TypeAlias = np.random.Generator

CURL, STRIP = 2.5, 0.16
"""How far a peel winds to either side, in radians, and half its width over the radius."""


class Frame(NamedTuple):
    """The surroundings of one fruit: for each pixel, where it lies on the fruit."""

    along: Float  # pixels from the middle, lengthwise
    across: Float  # pixels from the middle, crosswise
    turn: Float  # angle around the middle, -pi to pi
    depth: Float  # 1 on the outline, less inside
    radius: float


class Look(NamedTuple):
    """How a kind of fruit looks from above."""

    title: str
    skin: Callable[[Frame, Random], Float]
    width: float  # over the length
    tips: tuple[float, float] = (0, 0)  # by how much the two ends stick out, over the radius
    thick: float = 0.5  # how far it rises over the table, for the shadow


def _rgb(code: int) -> Float:
    return np.array([code >> 16, code >> 8 & 255, code & 255], np.float32)[:, None, None] / 255


def mix(low: Float, high: Float, share: Float) -> Float:
    """Interpolate from low to high, where share is 0 to 1."""
    return low + (high - low) * share


def ramp(start: float, end: float, field: Float) -> Float:
    """Rise smoothly from 0 at start to 1 at end; fall, if end is less than start."""
    share: Float = np.clip((field - start) / (end - start), 0, 1)
    return share * share * (3 - 2 * share)


def _noise(rng: Random, u: Float, v: Float) -> Float:
    """Smooth noise from 0 to 1 with a grain of 1 in u and v; it repeats every 64."""
    # One row and one column more than the period: neighbours need no wrapping.
    grid = np.pad(rng.random((64, 64), np.float32), (0, 1), mode="wrap").ravel()
    left, top = np.floor(u), np.floor(v)
    at = (top.astype(np.intp) & 63) * 65 + (left.astype(np.intp) & 63)
    right, down = ramp(0, 1, u - left), ramp(0, 1, v - top)
    upper, lower = (mix(grid[row], grid[row + 1], right) for row in (at, at + 65))
    return mix(upper, lower, down)


def _relief(height: Float, gloss: float, focus: float) -> tuple[Float, Float]:
    """Light a height map from the upper left: two fields, the diffuse light and the highlight."""
    down, right = np.gradient(height)
    length = np.sqrt(down * down + right * right + 1)
    diffuse = np.clip((0.45 * right + 0.5 * down + 0.74) / length, 0, 1)
    mirror = np.clip((0.24 * right + 0.27 * down + 0.93) / length, 0, 1)
    highlight: Float = gloss * mirror**focus
    return diffuse, highlight


def _dome(depth: Float) -> Float:
    """Give the height of a sphere; past the rim it goes on straight, as light needs a slope."""
    held = np.minimum(depth, 0.96)
    root = np.sqrt(1 - held * held)
    lifted: Float = root - (depth - held) * held / root
    return lifted


def wood(width: int, height: int, light: int, dark: int, rng: Random) -> Float:
    """Draw a table of wood ``(3, height, width)`` in two colours, given as 0xRRGGBB."""
    y, x = np.indices((height, width), np.float32)
    plank = np.floor(y / 118 + 0.35)
    aside = np.abs(y / 118 + 0.35 - plank - 0.5) * 118  # 59 on the seams
    u, v = x + plank * 977, y + plank * 41  # every plank is cut from another log
    swirl = 5 * _noise(rng, u / 170, v / 42) + 0.6 * _noise(rng, u / 60, v / 17)
    rings = 0.5 + 0.5 * np.sin(tau * (swirl + v / 30))
    fibre = 0.6 * _noise(rng, u / 26, v * 0.8) + 0.4 * _noise(rng, u / 7, v * 0.9)
    tone = _noise(rng, plank * 7.3, u / 900)
    board = mix(_rgb(light), _rgb(dark), 0.42 * rings + 0.4 * fibre + 0.45 * tone - 0.15)
    return board - board * (0.7 * ramp(57.2, 58.8, aside) + 0.12 * ramp(50, 59, aside))


def cloth(width: int, height: int, light: int, dark: int, rng: Random) -> Float:
    """Draw a table cloth ``(3, height, width)`` in two colours, given as 0xRRGGBB."""
    y, x = np.indices((height, width), np.float32)
    bend = 5 * _noise(rng, x / 150, y / 150)
    u, v = x + bend, y - bend + x * 0.12
    warp, weft = (ramp(-0.12, 0.12, np.sin(tau / 76 * side)) for side in (u, v))
    fold, _ = _relief(26 * _noise(rng, x / 210 + y / 400, y / 260), 0, 1)
    weave = 0.98 + 0.07 * np.sin(u * 2.1) * np.sin(v * 2.1)
    return mix(_rgb(light), _rgb(dark), 0.5 * (warp + weft)) * (weave * (0.3 + 0.94 * fold))


def _whole_kiwi(at: Frame, rng: Random) -> Float:
    hairs = _noise(rng, at.along / 5 + at.across / 9, at.across / 1.3)
    blotch = _noise(rng, at.along / 19, at.across / 13)
    light, shine = _relief(0.8 * at.radius * _dome(at.depth) + hairs, 0.16, 9)
    skin = mix(_rgb(0x7F5A2A), _rgb(0xBC9353), 0.55 * hairs + 0.5 * blotch)
    scar = np.hypot(at.along / at.radius - 0.86, at.across / at.radius)
    skin = mix(skin, _rgb(0x3B2812), 0.8 * ramp(0.12, 0.05, scar))
    return skin * (0.36 + 0.8 * light) + shine * _rgb(0xFFE8C0)


def _whole_lemon(at: Frame, rng: Random) -> Float:
    u, v = (30 / at.radius * way for way in (at.along, at.across))
    # Two grids at an angle: a single one would show its rows and columns.
    pores = _noise(rng, u, v) * _noise(rng, 0.8 * u + 0.6 * v, 0.8 * v - 0.6 * u)
    light, shine = _relief(at.radius * (0.78 * _dome(at.depth) - 0.009 * pores), 0.4, 24)
    skin = mix(_rgb(0xE9A400), _rgb(0xFFE23F), 0.1 + 0.9 * light - 0.25 * pores)
    skin = mix(skin, _rgb(0xA9B23A), 0.55 * ramp(0.88, 1.15, np.abs(at.along) / at.radius))
    return skin * (0.52 + 0.5 * light) + shine * _rgb(0xFFF8D8)


def _cut_kiwi(at: Frame, rng: Random) -> Float:
    spoke = (at.turn / tau + 0.5) * 64  # one turn is one period of the noise: no seam
    streaks = 0.6 * _noise(rng, spoke, at.depth * 2) + 0.4 * _noise(rng, spoke * 3, at.depth * 5)
    core = at.depth + 0.05 * _noise(rng, spoke / 4, at.depth)
    flesh = mix(_rgb(0xB9D052), _rgb(0x66991A), ramp(0.25, 0.92, at.depth))
    flesh = mix(flesh, _rgb(0xD6E27E), 0.75 * ramp(0.5, 0.95, streaks) * ramp(1, 0.4, core))
    flesh = mix(flesh, _rgb(0xF1F0C4), ramp(0.31, 0.2, core))
    for row, count in ((0.4, 20), (0.5, 25)):
        cell = (at.turn / tau + 0.5) * count
        seed = np.floor(cell)
        out = at.depth - row - 0.07 * rng.random(count, np.float32)[seed.astype(np.intp) % count]
        aside = (cell - seed - 0.5) * (tau * row / count)
        gap = np.hypot(aside / (0.022 + 0.14 * out), out / 0.052)
        flesh = mix(flesh, _rgb(0x1D150D), ramp(1.1, 0.8, gap))
        flesh = flesh + 0.5 * ramp(0.011, 0.004, np.hypot(aside + 0.006, out - 0.01))
    _, shine = _relief(3 * streaks * ramp(0.1, 0.4, at.depth) - 9 * at.depth**2, 0.3, 40)
    flesh = flesh + shine * ramp(0.95, 0.9, at.depth)
    return mix(flesh, _rgb(0x6B4A22), ramp(0.945, 0.965, at.depth))


def _cut_lemon(at: Frame, rng: Random) -> Float:
    turn = at.turn + 0.1 * np.sin(2 * at.turn) + 0.06 * np.sin(5 * at.turn)
    cell = (turn / tau + 0.5) * 9
    walls = at.depth * np.sin((0.5 - np.abs(cell % 1 - 0.5)) * (tau / 9)) - 0.016
    # A soft minimum of the distances to the walls, the pith and the core rounds the corners.
    sides = np.logaddexp(-30 * walls, 30 * (at.depth - 0.86))
    inside = np.logaddexp(sides, 30 * (0.07 - at.depth)) / -30
    drops = np.abs(2 * _noise(rng, cell * 5, at.depth * 4) - 1)  # sacs with thin walls
    drops = 0.65 * drops + 0.35 * _noise(rng, cell * 13, at.depth * 9)
    pulp = mix(_rgb(0xFFF2A8), _rgb(0xF3C925), ramp(0, 0.7, drops))
    pulp = mix(pulp, _rgb(0xE6B010), 0.45 * ramp(0.07, 0, inside))
    _, shine = _relief(0.05 * at.radius * drops, 0.22, 40)
    flesh = mix(_rgb(0xFAF2CE), pulp + shine, ramp(-0.004, 0.018, inside))
    return mix(flesh, _rgb(0xF5BE0B), ramp(0.925, 0.95, at.depth))


def _peel(at: Frame, rng: Random) -> Float:
    height = 3.5 * _dome((at.depth - 1) / STRIP + 1) + _noise(rng, at.along / 3, at.across / 3)
    light, shine = _relief(height, 0.4, 30)
    pith = ramp(0.3, 0.5, at.across / at.radius / STRIP)
    return mix(_rgb(0xF9C818), _rgb(0xFBF2CC), pith) * (0.5 + 0.58 * light) + shine


def _pip(at: Frame, _rng: Random) -> Float:
    light, shine = _relief(0.6 * at.radius * _dome(at.depth), 0.3, 30)
    return _rgb(0xFCE9AE) * (0.6 + 0.5 * light) + shine


LOOKS = {
    "kiwi": Look("kiwi", _whole_kiwi, 0.8),
    "cut kiwi": Look("kiwi", _cut_kiwi, 0.93, thick=0.22),
    "lemon": Look("lemon", _whole_lemon, 0.76, tips=(0.28, 0.16)),
    "cut lemon": Look("lemon", _cut_lemon, 0.97, thick=0.2),
    "peel": Look("lemon", _peel, 1, thick=0.2),
    "pip": Look("lemon", _pip, 0.6, tips=(0.3, 0), thick=0.4),
}
"""The kinds of fruit, by name."""
