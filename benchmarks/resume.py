"""How long it takes, and how much memory, to find what is left among many finished items.

    python benchmarks/resume.py [--items 1000000] [--datasets 1] [--folder DIR]

Files are empty and the journal is made up; what is measured is what a run does before its first
item: reading folders, looking at every file, and asking the journal.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from time import perf_counter, process_time

from savemasks.cli.demo import CONFIG
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import Files, Outcome, Stamp, output_names, pack_stamps
from savemasks.projects.items import Entry, Item
from savemasks.projects.supervisely import Project, plan_datasets
from savemasks.results.journal import Journal
from savemasks.results.lock import HIDDEN
from savemasks.run.remaining import Target
from savemasks.run.worklist import Worklist
from savemasks.store.files import Store, Written

_LEFT = 10
LAYER = SaveMasks.from_json(CONFIG)


def build(folder: Path, items: int, datasets: int) -> None:
    """Write a project of empty files, and the journal of a run that has finished all but a few."""
    project = folder / "project"
    for number in range(datasets):
        for part, end in (("img", ".jpeg"), ("ann", ".jpeg.json")):
            where = project / f"ds{number}" / part
            where.mkdir(parents=True)
            at = os.open(where, os.O_RDONLY)
            for i in range(items // datasets):
                os.close(os.open(f"IMG_{i:08}{end}", os.O_CREAT | os.O_WRONLY, dir_fd=at))
            os.close(at)
    (project / "meta.json").write_bytes(b'{"classes": []}')
    (folder / "out" / HIDDEN).mkdir(parents=True)
    journal = Journal(folder / "out")
    for dataset in plan_datasets([Project.open(project)]):
        listing = dataset.listing()
        for number, entry in enumerate(listing):
            if number >= _LEFT:
                outcome = _finished(listing.item(entry), entry)
                journal.add(outcome, dataset.output, outcome.written[0])
    journal.close()


def _finished(item: Item, entry: Entry) -> Outcome:
    stamps: list[Stamp | None] = []
    for path in (item.annotation, item.image):
        status = os.stat(path) if path else None
        stamps.append(Stamp(status.st_size, status.st_mtime_ns) if status else None)
    names = [f"{item.dataset}/{name}" for name in output_names(entry, LAYER.settings)]
    written = dict.fromkeys(names, Written(1234, 5678))
    return Outcome(item, written=[Files.of(item.dataset, written, pack_stamps(*stamps))])


def _most_memory() -> int:
    """KiB that this process has had at most; what `getrusage` says includes its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def measure(folder: Path) -> None:
    """Find what is left, and print the figures."""
    before = _most_memory()
    started, worked = perf_counter(), process_time()
    journal = Journal(folder / "out")
    datasets = plan_datasets([Project.open(folder / "project")])
    stop = threading.Event()
    target = Target(journal, LAYER.settings, Store(folder / "out"))
    worklist = Worklist(datasets, [[target]], stop)
    total = worklist.total()
    counted = perf_counter()
    remaining = sum(1 for _ in worklist.remaining())
    ended = perf_counter()
    journal.close()
    size = sum(path.stat().st_size for path in (folder / "out" / HIDDEN).iterdir())
    print(
        f"{total} items, {remaining} left: {ended - started:.1f} s"
        f" (of which counting {counted - started:.1f} s; {process_time() - worked:.1f} s of one"
        f" core), {(_most_memory() - before) / 1024:.0f} MiB more memory at most,"
        f" journal of {size / 1e6:.0f} MB"
    )


def main() -> None:
    """Build, and measure in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--datasets", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        build(folder, options.items, options.datasets)
        command = [sys.executable, __file__, "--measure", str(folder)]
        subprocess.run(command, check=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
