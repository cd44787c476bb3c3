"""What the leading process of a run takes of a core for every item.

Usage::

    python benchmarks/leader.py PROJECT [--copies N] [--workers N] [--rounds N]

A project brings its settings in a `save_masks.json`; machine masks are made, as a tree and as
archives, in turns. What the figures mean: README.md beside this file.
"""

import argparse
import json
import resource
import shutil
import statistics
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import PackRules
from savemasks.run.collecting import collect_rarely, usual_collection_after
from savemasks.run.export import run
from savemasks.run.options import Hooks, RunOptions

if TYPE_CHECKING:
    from benchmarks.jobs import copy_project
else:
    from jobs import copy_project

_KINDS = {
    "a tree": None,
    "--pack tar": PackRules.of("tar"),
    "--pack webdataset": PackRules.of("webdataset"),
}


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("project", type=Path, metavar="PROJECT")
    parser.add_argument("--copies", type=int, default=20, help="of every data set [20]")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    layer = json.loads((options.project / "save_masks.json").read_bytes())
    layer["settings"] |= {"masks_machine": True, "masks_human": False}
    chosen = SaveMasks.from_json(layer)
    found: dict[str, list[float]] = {name: [] for name in _KINDS}
    with tempfile.TemporaryDirectory(prefix="leader-") as folder:
        project, out = Path(folder, "project"), Path(folder, "out")
        copy_project(options.project, project, options.copies)
        for _ in range(options.rounds):
            for name, pack in _KINDS.items():
                how = RunOptions(workers=options.workers, processes=True, pack=pack)
                found[name].append(_of_one_run(chosen, project, out, how))
                shutil.rmtree(out)
    print("| result | microseconds of the leading process an item | lowest to highest |")
    print("|---|---|---|")
    for name, each in found.items():
        print(f"| {name} | {statistics.median(each):.0f} | {min(each):.0f} to {max(each):.0f} |")


def _of_one_run(layer: SaveMasks, project: Path, out: Path, options: RunOptions) -> float:
    """Microseconds from the first item begun to the last one recorded."""
    seconds: list[float] = []

    def note() -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds.append(used.ru_utime + used.ru_stime)

    def on_start() -> None:
        collect_rarely()  # as the command line does
        note()

    def on_progress(done: int, _: int, total: int) -> None:
        if done == total:
            note()

    began = perf_counter()
    with usual_collection_after():
        hooks = Hooks(on_start=on_start, on_progress=on_progress)
        summary = run(layer, [project], out, options, hooks)
    rate = summary.images / summary.seconds
    print(f"{summary.images} items, {rate:.0f} a second, in {perf_counter() - began:.1f} s")
    return (seconds[1] - seconds[0]) / summary.images * 1e6


if __name__ == "__main__":
    main()
