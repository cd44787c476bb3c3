"""Compares the painter with OpenCV for as long as one likes.

Usage: ``python -m support.fuzz --cases 1000000 [--kind KIND ...] [--seed SEED]``

Prints the kind and the seed of every case that differs; ``--cases 1 --kind KIND --seed SEED``
repeats it. Exit code 1 if there was one. OpenCV paints on a canvas with a margin around it, because
it rounds otherwise what leaves its canvas.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from time import perf_counter

import numpy as np

from savemasks.paint.labels import paint_labels
from savemasks.shapes import LINE, POINT, POLYGON, RECTANGLE
from support.oracle import Shape, as_shapes, paint_by_opencv

MARGIN = 90
THICK_MARGIN = MARGIN + 140

Case = tuple[list[Shape], int]
"""Shapes and the width of lines."""


def ring(rng: np.random.Generator, least: int, most: int) -> list[tuple[int, int]]:
    """Points on the canvas, around it, on a coarse grid, or in a corner of it."""
    count = int(rng.integers(least, most + 1))
    style = rng.integers(4)
    if style == 0:
        points = rng.integers(-MARGIN, MARGIN, (count, 2))
    elif style == 1:
        points = rng.integers(0, 40, (count, 2))
    elif style == 2:
        points = 6 * rng.integers(-2, 8, (count, 2))
    else:
        points = rng.integers(-3, 6, (count, 2))
    return [(x, y) for x, y in points.tolist()]


def polygon(rng: np.random.Generator) -> Case:
    return [(POLYGON, [ring(rng, 1, 10)])], 1


def holes(rng: np.random.Generator) -> Case:
    inner = [ring(rng, 1, 7) for _ in range(rng.integers(1, 4))]
    return [(POLYGON, [ring(rng, 2, 9), *inner])], 1


def crossings(rng: np.random.Generator) -> Case:
    return [(POLYGON, [ring(rng, 60, 200)])], 1


def thin_line(rng: np.random.Generator) -> Case:
    return [(LINE, [ring(rng, 1, 4)])], 1


def thick_line(rng: np.random.Generator) -> Case:
    most = 256 if rng.random() < 0.3 else 16
    return [(LINE, [ring(rng, 1, 4)])], int(rng.integers(2, most))


def disc(rng: np.random.Generator) -> Case:
    return [(POINT, [ring(rng, 1, 1)])], int(rng.integers(1, 256))


def rectangle(rng: np.random.Generator) -> Case:
    return [(RECTANGLE, [ring(rng, 2, 2)])], 1


def mixture(rng: np.random.Generator) -> Case:
    makers = (polygon, holes, thin_line, rectangle)
    return [makers[rng.integers(4)](rng)[0][0] for _ in range(rng.integers(2, 6))], 1


KINDS: dict[str, Callable[[np.random.Generator], Case]] = {
    maker.__name__: maker
    for maker in (polygon, holes, crossings, thin_line, thick_line, disc, rectangle, mixture)
}


def differs(kind: str, seed: int) -> bool:
    """Make one case from its seed and paint it both ways."""
    rng = np.random.default_rng([*kind.encode(), seed])
    size = int(rng.integers(1, 48)), int(rng.integers(1, 48))
    shapes, line_width = KINDS[kind](rng)
    labels = np.arange(1, len(shapes) + 1, dtype=np.uint8)
    out = np.empty(size, np.uint8)
    paint_labels(as_shapes(shapes, *size), labels, out, line_width=line_width)
    margin = MARGIN if line_width == 1 else THICK_MARGIN
    expected = paint_by_opencv(shapes, labels.tolist(), size, margin, line_width)
    return not np.array_equal(out, expected)


def run(kinds: Iterable[str], cases: int, first_seed: int) -> int:
    """Try all kinds; return how many cases differ."""
    total = 0
    for kind in kinds:
        started = perf_counter()
        different = 0
        for seed in range(first_seed, first_seed + cases):
            if differs(kind, seed):
                different += 1
                print(f"DIFFERS: --cases 1 --kind {kind} --seed {seed}", flush=True)
        seconds = perf_counter() - started
        print(f"{kind}: {cases} cases, {different} differing, {seconds:.0f} s", flush=True)
        total += different
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000, help="per kind")
    parser.add_argument("--kind", choices=KINDS, action="append", help="default: all")
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    options = parser.parse_args()
    sys.exit(run(options.kind or KINDS, options.cases, options.seed) > 0)


if __name__ == "__main__":
    main()
