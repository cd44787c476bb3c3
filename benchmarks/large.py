"""Memory and speed of pictures larger than memory.

Usage::

    python benchmarks/large.py [--scratch DIR] [--megapixels N ...] [--wide SIDE ...] [--rounds N]
        [--json FILE] [--plot FILE.svg]

For each size a square RGB TIFF of noise on slopes is made, with polygons of 100 vertices that cover
about a quarter of it, and exported with both masks and with the machine mask alone, by one worker
and by two, each in a process of its own that is asked for its peak memory. Beside it stand, taken
turn by turn, 1080p pictures of the same kind in memory, with both masks by one worker. `--wide`
exports a machine mask without an original.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyvips
from numpy.typing import NDArray

CLASSES = {f"class{i}": [20 * i, 250 - 20 * i, 90] for i in range(1, 9)}
GRAYS = {name: [20 * i] * 3 for i, name in enumerate(CLASSES, start=1)}
VERTICES = 100
POLYGONS_PER_MEGAPIXEL = 20_000 / 1024**2 * 1e6 / 1024  # 20,000 on a gigapixel
IN_MEMORY = "1920 x 1080, in memory"
_CHILD = """
import json, re, sys
from pathlib import Path
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from savemasks.layers.save_masks import SaveMasks
config, project, out, workers = sys.argv[1:]
options = RunOptions(workers=int(workers))
summary = run(SaveMasks.from_json(Path(config)), [Path(project)], Path(out), options)
assert summary.images and not summary.failed, summary.failures
# That of this program alone: ru_maxrss begins with what the process was before it became one.
peak = int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) << 10
print(json.dumps({"seconds": summary.seconds, "peak": peak, "pixels": summary.pixels}))
"""
_HEAD = """
| picture | masks | workers | MP/s | against | | peak MB | files MB |
|---|---|---|---|---|---|---|---|"""


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--scratch", type=Path, metavar="DIR", help="where to put up to 7 GB a gigapixel")
    add("--megapixels", type=int, nargs="*", default=[16, 64, 256, 1074], metavar="N")
    add("--wide", type=int, nargs="*", default=[100_000], metavar="SIDE")
    add("--frames", type=int, default=16, metavar="N", help="1080p pictures to compare with [16]")
    add("--rounds", type=int, default=1, help="of which medians are taken [1]")
    add("--json", type=Path, metavar="FILE", help="where to write all figures")
    add("--plot", type=Path, metavar="FILE.svg", help="draw them (needs matplotlib)")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(dir=options.scratch, prefix="large-"))
    print(_HEAD)
    try:
        found = measure(
            scratch, options.megapixels, options.wide, frames=options.frames, rounds=options.rounds
        )
    finally:
        shutil.rmtree(scratch)
    if options.json:
        options.json.write_text(json.dumps({"large": found}, indent=1) + "\n")
    if options.plot:
        _draw(found, options.plot)


def _draw(found: list[dict[str, Any]], target: Path) -> None:
    if TYPE_CHECKING:
        from benchmarks import plot
    else:
        import plot  # matplotlib is only needed here
    plot.draw_large(found, target)


def measure(
    scratch: Path, megapixels: list[int], wide: list[int], *, frames: int, rounds: int
) -> list[dict[str, Any]]:
    """Measure and print everything."""
    found = []
    small, large = scratch / "frames", scratch / "large"
    for number in range(frames if megapixels else 0):
        add(small, f"{number}", 1920, 1080, 60, ".tif")
    for size in megapixels:
        side = round((size * 1e6) ** 0.5)
        add(large, "large", side, side, round(POLYGONS_PER_MEGAPIXEL * size), ".tif")
        name = f"{side:,} x {side:,}"
        jobs = [(small, IN_MEMORY, True, 1)]
        jobs += [(large, name, both, workers) for both in (True, False) for workers in (1, 2)]
        found += _turn_by_turn(jobs, scratch, rounds)
        shutil.rmtree(large)
    for side in wide:
        polygons = min(20_000, round(POLYGONS_PER_MEGAPIXEL * side**2 / 1e6))
        add(large, "wide", side, side, polygons, None)
        name = f"{side:,} x {side:,}, no original"
        jobs = [(large, name, False, workers) for workers in (1, 2)]
        found += _turn_by_turn(jobs, scratch, rounds)
        shutil.rmtree(large)
    return found


def _turn_by_turn(
    jobs: list[tuple[Path, str, bool, int]], scratch: Path, rounds: int
) -> list[dict[str, Any]]:
    """Do every job in every round -> the round of each that took the median time, printed."""
    done: list[list[dict[str, Any]]] = [[] for _ in jobs]
    for _ in range(rounds):
        for (project, name, both, workers), results in zip(jobs, done, strict=True):
            results.append(job(project, scratch, name, both=both, workers=workers))
    found = []
    for results in done:
        middle = statistics.median_low([result["seconds"] for result in results])
        found.append(next(result for result in results if result["seconds"] == middle))
        found[-1]["peak"] = max(result["peak"] for result in results)
        _print(found[-1], found)
    return found


def _print(row: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Print a row, and how its rate is to that of one worker, or of pictures in memory."""
    if row["workers"] > 1:
        others = [o for o in rows if o["name"] == row["name"] and o["both"] == row["both"]]
        against, ratio = "one worker", f"{row['rate'] / others[0]['rate']:.2f}x"
    elif row["both"] and row is not rows[0]:
        against, ratio = "in memory", f"{row['rate'] / rows[0]['rate']:.0%}"
    else:
        against = ratio = ""
    print(
        f"| {row['name']} | {'both' if row['both'] else 'machine'} | {row['workers']}"
        f" | {row['rate']:.1f} | {against} | {ratio}"
        f" | {row['peak'] / 1e6:.0f} | {row['bytes'] / 1e6:.1f} |",
        flush=True,
    )


def job(project: Path, scratch: Path, name: str, *, both: bool, workers: int) -> dict[str, Any]:
    """Export a project in a process of its own -> its figures."""
    settings: dict[str, Any] = {"masks_machine": True, "gt_machine_color": GRAYS}
    settings |= {"images": False, "annotations": False}
    if both:
        settings |= {"masks_human": True, "gt_human_color": CLASSES}
    layer = {"action": "save_masks", "dst": "out", "settings": settings}
    config = scratch / "config.json"
    config.write_bytes(orjson.dumps(layer))
    out = scratch / "made"
    # One worker has one core, so that nothing helps it.
    cores = sorted(os.sched_getaffinity(0))[-workers:]
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(config), str(project), str(out), str(workers)],
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    found: dict[str, Any] = json.loads(done.stdout)
    size = sum(path.stat().st_size for path in out.rglob("*.png"))
    shutil.rmtree(out)
    found |= {"name": name, "both": both, "workers": workers, "bytes": size}
    found["megapixels"] = found["pixels"] / 1e6
    found["rate"] = found["megapixels"] / found["seconds"]
    return found


def add(
    project: Path, name: str, width: int, height: int, polygons: int, suffix: str | None
) -> None:
    """Add an item to a project; without a suffix it has no original."""
    rng = np.random.default_rng(len(name) + width)
    (project / "ds/ann").mkdir(parents=True, exist_ok=True)
    classes = [{"title": title, "shape": "any", "color": "#00ff00"} for title in CLASSES]
    (project / "meta.json").write_bytes(orjson.dumps({"classes": classes, "tags": []}))
    if suffix:
        (project / "ds/img").mkdir(parents=True, exist_ok=True)
        path = project / "ds/img" / (name + suffix)
        original(width, height).tiffsave(str(path), tile=True, bigtiff=True)
        with path.open("rb") as file:
            os.fsync(file)  # or the disk would do so while something is measured
    objects = [polygon(rng, width, height, polygons) for _ in range(polygons)]
    note = {"size": {"height": height, "width": width}, "objects": objects}
    (project / "ds/ann" / f"{name}{suffix or '.png'}.json").write_bytes(orjson.dumps(note))


def original(width: int, height: int) -> pyvips.Image:
    """Three slopes with the noise of a camera; made while it is read."""
    noise = pyvips.Image.gaussnoise(width, height, sigma=3, mean=0, seed=1)
    place = pyvips.Image.xyz(width, height)
    slopes = [place[0] / 40, place[1] / 30, (place[0] + place[1]) / 50]
    bands = [((slope + noise) % 256).cast("uchar") for slope in slopes]
    return bands[0].bandjoin(bands[1:]).copy(interpretation="srgb")


def polygon(rng: np.random.Generator, width: int, height: int, count: int) -> dict[str, Any]:
    """One wavy polygon; all together they have about a quarter of the picture's area."""
    radius = (width * height / 4 / count / np.pi) ** 0.5 * rng.uniform(0.5, 1.4)
    turn = np.linspace(0, 2 * np.pi, VERTICES, endpoint=False)
    reach = radius * (1 + 0.2 * np.sin(3 * turn + rng.uniform(0, 6)))
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    ring: NDArray[np.int64] = np.stack(
        [x + reach * np.cos(turn), y + reach * np.sin(turn)], axis=1
    ).astype(np.int64)
    title = list(CLASSES)[int(rng.integers(len(CLASSES)))]
    points = {"exterior": ring.tolist(), "interior": []}
    return {"classTitle": title, "geometryType": "polygon", "points": points}


if __name__ == "__main__":
    main()
