"""Whether memory, open files and the rate of a run stay as they are over many items.

    python benchmarks/flat.py [--items 100000] [--workers 2] [--folder DIR]
                              [--pack tar|webdataset]

The items are tiny, so that what is done once per item counts most.
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path
from time import perf_counter

import orjson

from savemasks.cli.demo import CONFIG, write_project
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import PackRules
from savemasks.run.export import run
from savemasks.run.options import Hooks, RunOptions

_PARTS = 10
_SIDE = 8


def build(folder: Path, items: int) -> None:
    """Write a project of tiny items in ten data sets."""
    import pyvips

    write_project(folder / "demo")
    picture = pyvips.Image.black(_SIDE, _SIDE, bands=3).pngsave_buffer()
    corners = {"exterior": [[1, 1], [5, 6]], "interior": []}
    shape = {"classTitle": "kiwi", "geometryType": "rectangle", "points": corners}
    size = {"height": _SIDE, "width": _SIDE}
    note = orjson.dumps({"size": size, "objects": [shape]})
    for number in range(10):
        for part, content, end in (("img", picture, ".png"), ("ann", note, ".png.json")):
            where = folder / f"project/ds{number}" / part
            where.mkdir(parents=True)
            for i in range(items // 10):
                (where / f"{i:06}{end}").write_bytes(content)
    shutil.copy(folder / "demo/meta.json", folder / "project")


def _group() -> list[int]:
    """Numbers of our process and its children."""
    own = os.getpid()
    children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    return [own, *map(int, children)]


def _state() -> str:
    """Memory and open files of all processes now."""
    memory, files = [], 0
    for process in _group():
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        memory += [int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS")]
        files += len(list(Path(f"/proc/{process}/fd").iterdir()))
    return f"memory {' + '.join(map(str, memory))} MiB, {files} open files"


def main() -> None:
    """Build, run, and print a line for every tenth of the items."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--pack", choices=("tar", "webdataset"), help="into archives of 1000")
    options = parser.parse_args()
    pack = PackRules(options.pack, items=1000) if options.pack else None
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    last = perf_counter()

    def tell(done: int, _: int, total: int) -> None:
        nonlocal last
        step = max(total // _PARTS, 1)
        if done % step == 0:
            now = perf_counter()
            print(f"{done} items: {step / (now - last):.0f}/s, {_state()}", flush=True)
            last = now

    try:
        build(folder, options.items)
        last = perf_counter()
        layer = SaveMasks.from_json(CONFIG)
        summary = run(
            layer,
            [folder / "project"],
            folder / "out",
            RunOptions(workers=options.workers, processes=True, pack=pack),
            Hooks(on_progress=tell),
        )
        print(f"{summary.images} images in {summary.seconds:.1f} s")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
