"""What all rivals have in common: arguments, settings, and how the clock runs.

A rival is a program::

    RIVAL PROJECT OUT CONFIG [--masks machine|human|both|...] [--threads N]

that writes the files of the `save_masks` layer in CONFIG to OUT and prints one line of JSON with
`images`, `seconds` and `images_per_s`. Only the standard library is used here, so that a rival
runs in an environment that has nothing of ours.
"""

import argparse
import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TypeVar

Color = tuple[int, int, int]
Item = TypeVar("Item")

FOLDERS = ("img", "ann", "masks_machine", "masks_human")


@dataclass(frozen=True)
class Job:
    """What to make.

    Attributes
    ----------
    project, out, config
        Where it comes from, where it goes, and the file with its settings.
    machine, human
        RGB colour by class for each kind of mask; None if that kind is not wanted.
    threads
        Images that are worked on at the same time.
    """

    project: Path
    out: Path
    config: Path
    machine: dict[str, Color] | None
    human: dict[str, Color] | None
    threads: int

    def prepare(self, dataset: Path) -> None:
        """Make the folders of a data set, given relative to the project."""
        wanted = (True, True, self.machine is not None, self.human is not None)
        for folder, needed in zip(FOLDERS, wanted, strict=True):
            if needed:
                (self.out / dataset / folder).mkdir(parents=True, exist_ok=True)


def read_job(
    description: str | None, kinds: Sequence[str] = ("machine", "human", "both")
) -> tuple[Job, str]:
    """Read the command line and the layer it names -> the job, and which masks it asks for."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("project", type=Path, metavar="PROJECT")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("config", type=Path, metavar="CONFIG")
    parser.add_argument("--masks", choices=kinds, default=kinds[-1])
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    options = parser.parse_args()
    layer = json.loads(options.config.read_bytes())
    if isinstance(layer, list):
        (layer,) = layer
    settings = layer["settings"]
    colors: dict[str, dict[str, Color] | None] = {"machine": None, "human": None}
    for kind in colors:
        if options.masks in (kind, "both") or options.masks not in ("machine", "human"):
            mapping = settings[f"gt_{kind}_color"]
            colors[kind] = {title: (r, g, b) for title, (r, g, b) in mapping.items()}
    paths = options.project, options.out, options.config
    return Job(*paths, colors["machine"], colors["human"], options.threads), options.masks


def visible(colors: dict[str, Color]) -> dict[str, Color]:
    """Colours of the human mask, where black becomes (1, 1, 1) so that it counts as painted."""
    return {title: (1, 1, 1) if color == (0, 0, 0) else color for title, color in colors.items()}


def run(job: Job, items: Sequence[Item], export: Callable[[Item], None]) -> None:
    """Export all items, from the first read to the last file written, and print the result."""
    job.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(job.project / "meta.json", job.out / "meta.json")
    started = perf_counter()
    with ThreadPoolExecutor(job.threads) as pool:
        for _ in pool.map(export, items):
            pass
    report(len(items), perf_counter() - started)


def report(images: int, seconds: float) -> None:
    """Print the result."""
    result = {"images": images, "seconds": seconds, "images_per_s": images / seconds}
    print(json.dumps({key: round(value, 4) for key, value in result.items()}))
