"""What a gallery costs: its time against that of the run, its memory, its files, its first page.

Usage::

    python benchmarks/gallery.py [PROJECT] [--images 10000] [--workers N] [--link] [--no-page]
                                 [--folder DIR]

Without a PROJECT, 16 photographs are made. Their files are linked under other names until there
are enough images. Then both masks are made of all, and the gallery; also of a quarter of them, to
compare the memory, and to tell what an image takes of a core, without the start of the programs,
beside whatever else the machine does. The first page needs the extra `browser`, and Chromium with
its driver.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks import data
else:
    import data

PROGRAM = (sys.executable, "-c", "from savemasks.cli.commands import main; main()")


class Cost(NamedTuple):
    """What a command took: seconds by the clock, and of cores, MiB of its largest process."""

    seconds: float
    busy: float
    memory: float


def multiply(project: Path, target: Path, images: int) -> None:
    """Write a project of links to the files of another one's first data set."""
    (source,) = {path.parents[1] for path in project.glob("*/img/*")}
    originals = sorted((source / "img").iterdir())
    for part in ("img", "ann"):
        (target / "ds0" / part).mkdir(parents=True)
    os.link(project / "meta.json", target / "meta.json")
    for number in range(images):
        original = originals[number % len(originals)]
        name = f"{number:06}{original.suffix}"
        os.link(original, target / "ds0/img" / name)
        os.link(source / f"ann/{original.name}.json", target / f"ds0/ann/{name}.json")


def measure(*arguments: object) -> Cost:
    """Run a command of savemasks to its end."""
    started = perf_counter()
    process = subprocess.Popen(  # what the system counts of it is asked for by its number
        [*PROGRAM, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"savemasks {' '.join(map(str, arguments))}: exit code {process.returncode}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def first_page(gallery: Path) -> float | None:
    """Seconds until a browser has the first page and the thumbnails on it; None without one."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from support.browser import NoBrowserError, browser

    try:
        with browser() as page:
            page.driver.get("about:blank")
            started = perf_counter()
            page.driver.get((gallery / "index.html").absolute().as_uri())
            page.wait(lambda: page.js("document.querySelectorAll('#grid img').length"))
            seen = "[...document.querySelectorAll('#grid img')].filter((i) => i.complete).length"
            page.wait(lambda: page.js(f"{seen} >= Math.min(12, view.length)"))
            return perf_counter() - started
    except NoBrowserError:
        return None


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("project", nargs="?", type=Path, metavar="PROJECT", help="with a save_masks.json")
    add("--images", type=int, default=10_000, help="how many [10000]")
    add("--workers", type=int, default=os.cpu_count(), help="of both [one per core]")
    add("--link", action="store_true", help="link originals in the result instead of copying")
    add("--no-page", action="store_true", help="open no browser")
    add("--folder", type=Path, help="where to work [the temporary folder]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="gallery-") as name:
        folder = Path(name)
        project = folder / "originals"  # links need them on this file system
        if options.project:
            shutil.copytree(options.project, project)
        else:
            data.write_photos(project)
        config = project / "save_masks.json"
        report(options, folder, project, config)


def report(options: argparse.Namespace, folder: Path, project: Path, config: Path) -> None:
    """Measure, and print a table."""
    workers = f"--workers={options.workers}"
    link = ["--link"] if options.link else []
    costs: dict[int, tuple[Cost, Cost]] = {}
    quarter = max(1, options.images // 4)
    for images in sorted({quarter, options.images}):
        multiply(project, folder / f"project{images}", images)
        out = folder / f"out{images}"
        run = measure("run", config, folder / f"project{images}", "--out", out, workers, *link)
        costs[images] = run, measure("gallery", out, workers)
    (few_run, few), (run, all_) = costs[quarter], costs[options.images]
    (gallery,) = out.glob("*/gallery")
    index = sum(path.stat().st_size for path in (gallery / "data").iterdir())
    thumbnails = [path.stat().st_size for path in gallery.glob("items/*/*.jpg")]
    page = None if options.no_page else first_page(gallery)
    print(f"{options.images} images, {options.workers} workers")
    print(f"run           {run.seconds:8.1f} s")
    print(f"gallery       {all_.seconds:8.1f} s   {all_.seconds / run.seconds:.1%} of the run")
    if images := options.images - quarter:  # two runs differ by so many, and no start
        of_run = max(1e-9, run.busy - few_run.busy) / images
        own = (all_.busy - few.busy) / images
        print(
            f"an image      {1e3 * of_run:8.2f} ms of a core, in the gallery {1e3 * own:.2f} ms:"
            f" {own / of_run:.1%}"
        )
    print(f"memory        {all_.memory:8.0f} MiB, {few.memory:.0f} with a quarter of the images")
    print(f"index         {index / 1e6:8.2f} MB")
    print(f"thumbnails    {sum(thumbnails) / len(thumbnails) / 1e3:8.1f} KB each")
    print(f"first page    {page:8.2f} s" if page is not None else "first page    not opened")


if __name__ == "__main__":
    main()
