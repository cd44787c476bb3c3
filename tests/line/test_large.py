"""A picture of 300 megapixels in a process of its own, whose memory is watched."""

import base64
import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import orjson
import pytest
import pyvips

from savemasks.cli.demo import CONFIG
from savemasks.encode.color import human_page, machine_mask
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.plan import Plan
from savemasks.scratch import Scratch
from support.projects import layer

SIDE = 17_400
_RUN = """
import json, re
from pathlib import Path
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from savemasks.layers.save_masks import SaveMasks
layer = SaveMasks.from_json(Path("config.json"))
summary = run(layer, [Path("project")], Path("out"), RunOptions(workers=2))
# That of this program alone: ru_maxrss begins with what the process was before it became one.
peak = int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) << 10
print(json.dumps([[*map(str, summary.failures)], summary.images, peak]))
"""
MOST = 600 << 20  # bytes; the labels alone, or a tenth of what a whole page takes, are beyond it


def bitmap_bytes(folder: Path, width: int, height: int) -> str:
    """A payload whose mask covers the whole picture."""
    path = folder / "mask.png"
    mask = pyvips.Image.black(width, height).linear(1, 255).cast("uchar")
    mask.pngsave(str(path), bitdepth=1)
    return base64.b64encode(zlib.compress(path.read_bytes())).decode()


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
def test_memory_is_bounded_whatever_the_size(tmp_path: Path) -> None:
    # The first one is there to compile the kernels, which takes memory of its own.
    for side, height in ((SIDE, 300), (SIDE, SIDE)):
        folder = tmp_path / str(height)
        image, note = make(folder, side, height)
        done = subprocess.run(
            [sys.executable, "-c", _RUN], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        failures, images, peak = json.loads(done.stdout)
        assert (failures, images) == ([], 1)
    assert peak < MOST, f"{peak / 1e6:.0f} MB"
    out = folder / "out" / "experiment001" / "ds"
    assert (out / "img/a.tif").stat().st_size == image.stat().st_size
    compare(out, Plan.of(SaveMasks.from_json(CONFIG)), note)


def make(folder: Path, width: int, height: int) -> tuple[Path, bytes]:
    """Write a project of one large picture; return the picture and its annotation."""
    (folder / "project/ds/img").mkdir(parents=True)
    (folder / "project/ds/ann").mkdir()
    image = folder / "project/ds/img/a.tif"
    pyvips.Image.black(width, height, bands=3).copy(interpretation="srgb").tiffsave(
        str(image), compression="deflate", tile=True
    )
    ring = [[100, 100], [width + 90, 5000], [9000, height - 100]]
    things = [
        {"classTitle": "lemon", "geometryType": "bitmap"}
        | {"bitmap": {"origin": [0, height // 2], "data": bitmap_bytes(folder, width, height)}},
        {"classTitle": "kiwi", "geometryType": "polygon", "points": {"exterior": ring}},
    ]
    note = orjson.dumps({"size": {"height": height, "width": width}, "objects": things})
    (folder / "project/ds/ann/a.tif.json").write_bytes(note)
    (folder / "project/meta.json").write_text('{"classes": [{"title": "kiwi"}]}')
    (folder / "config.json").write_text(json.dumps(layer(strips_above_megapixels=1)))
    return image, note


def compare(folder: Path, plan: Plan, note: bytes) -> None:
    """Look at a few rows, from top to bottom, of masks that are not to be read as a whole."""
    shapes = plan.parse(note)
    scratch = Scratch()
    assert plan.machine_palette
    assert plan.human_palette
    machine, human = (
        pyvips.Image.new_from_file(str(folder / name), access="sequential", fail_on="error")
        for name in ("masks_machine/a.png", "masks_human/a.png")
    )
    assert (machine.width, machine.height) == (SIDE, SIDE)
    assert (human.width, human.height) == (2 * SIDE + 1, SIDE)
    readers = pyvips.Region.new(machine), pyvips.Region.new(human)
    for y in (0, 5001, SIDE // 2 - 1, SIDE // 2, SIDE - 1):
        labels, _ = plan.label_maps(shapes, scratch, rows=range(y, y + 1))
        assert labels is not None
        original = np.zeros((1, SIDE, 3), np.uint8)
        page = human_page(original, labels, plan.human_palette, scratch)
        mask = machine_mask(labels, plan.machine_palette, scratch)
        found = [
            bytes(reader.fetch(0, y, width, 1))
            for reader, width in zip(readers, (SIDE, 2 * SIDE + 1), strict=True)
        ]
        assert found == [mask.tobytes(), page.tobytes()]
