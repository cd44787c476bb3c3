"""Memory and speed of pictures larger than memory.

Usage::

    python benchmarks/large.py [--scratch FOLDER] [--megapixels N ...] [--wide SIDE] [--json FILE]

For each size a square RGB TIFF of noise on slopes is made, with polygons of 100 vertices that cover
about a quarter of it, and exported with both masks by one worker and by two, each in a process of
its own that is asked for its peak memory. Beside it stands the rate of 1080p pictures of the same
kind, in memory, by one worker. `--wide` exports a machine mask alone, without an original.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyvips
from numpy.typing import NDArray

CLASSES = {f"class{i}": [20 * i, 250 - 20 * i, 90] for i in range(1, 9)}
GRAYS = {name: [20 * i] * 3 for i, name in enumerate(CLASSES, start=1)}
VERTICES = 100
POLYGONS_PER_MEGAPIXEL = 20_000 / 1024**2 * 1e6 / 1024  # 20,000 on a gigapixel
_CHILD = """
import json, os, resource, sys
from pathlib import Path
from savemasks.run import run
from savemasks.settings import SaveMasks
config, project, out, workers = sys.argv[1:]
summary = run(SaveMasks.from_json(Path(config)), [Path(project)], Path(out), workers=int(workers))
assert summary.images and not summary.failed, summary.failures
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": summary.seconds, "peak": peak, "pixels": summary.pixels}))
"""


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scratch", type=Path, help="where to put up to 15 GB a gigapixel")
    parser.add_argument("--megapixels", type=int, nargs="*", default=[64, 256, 1074])
    parser.add_argument("--wide", type=int, nargs="*", default=[100_000], metavar="SIDE")
    parser.add_argument("--frames", type=int, default=16, help="1080p pictures to compare with")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(dir=options.scratch, prefix="large-"))
    try:
        figures = measure(scratch, options.megapixels, options.wide, options.frames)
    finally:
        shutil.rmtree(scratch)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


def measure(scratch: Path, megapixels: list[int], wide: list[int], frames: int) -> dict[str, Any]:
    """Measure and print everything."""
    print("| picture | masks | workers | MP/s | peak MB | files MB |")
    print("|---|---|---|---|---|---|")
    project = scratch / "frames"
    for number in range(frames):
        add(project, f"{number}", 1920, 1080, 60, ".tif")
    found = [job(project, scratch, "1920 x 1080, in memory", both=True, workers=1)]
    shutil.rmtree(project)
    for size in megapixels:
        project = scratch / "large"
        side = round((size * 1e6) ** 0.5)
        add(project, "large", side, side, round(POLYGONS_PER_MEGAPIXEL * size), ".tif")
        found += [
            job(project, scratch, f"{side:,} x {side:,}", both=both, workers=workers)
            for both in (True, False)
            for workers in (1, 2)
        ]
        shutil.rmtree(project)
    for side in wide:
        project = scratch / "wide"
        add(project, "wide", side, side, 20_000, None)
        found += [
            job(project, scratch, f"{side:,} x {side:,}, no original", both=False, workers=workers)
            for workers in (1, 2)
        ]
        shutil.rmtree(project)
    return {"large": found}


def job(project: Path, scratch: Path, name: str, *, both: bool, workers: int) -> dict[str, Any]:
    """Export a project in a process of its own -> its figures, which are printed as well."""
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
    done = subprocess.run(  # noqa: S603  (our own program)
        [sys.executable, "-c", _CHILD, str(config), str(project), str(out), str(workers)],
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    found: dict[str, Any] = json.loads(done.stdout)
    size = sum(path.stat().st_size for path in out.rglob("*.png"))
    shutil.rmtree(out)
    found |= {"name": name, "both": both, "workers": workers, "bytes": size}
    found["rate"] = found["pixels"] / 1e6 / found["seconds"]
    print(
        f"| {name} | {'both' if both else 'machine'} | {workers} | {found['rate']:.1f}"
        f" | {found['peak'] / 1e6:.0f} | {size / 1e6:.1f} |",
        flush=True,
    )
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
        original(width, height).tiffsave(
            str(project / "ds/img" / (name + suffix)), tile=True, bigtiff=True
        )
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
