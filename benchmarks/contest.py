"""Who runs in a race, and how one run is made: in a process of its own, pinned to its cores."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal

Masks = Literal["both", "machine", "map", "objects", "classes", "semantic"]

RIVALS = Path(__file__).parent / "rivals"
RESULT = "result"
PROGRAM = "from savemasks.cli.commands import main; main()"


class ContestError(Exception):
    """A run that did not do its job."""


@dataclass(frozen=True)
class Job:
    """What all contestants do.

    Attributes
    ----------
    name
        For the table.
    project, config
        The project, and the layer's settings for this job.
    masks
        What the settings ask for.
    """

    name: str
    project: Path
    config: Path
    masks: Masks


@dataclass(frozen=True)
class Run:
    """What one run took.

    Attributes
    ----------
    images
        How many were exported.
    seconds
        From the first item read to the last file written, as the contestant itself says.
    process_seconds
        From the start of the process to its end, with all loading.
    result
        Folder with the files made.
    """

    images: int
    seconds: float
    process_seconds: float
    result: Path


@dataclass(frozen=True)
class Savemasks:
    """Ourselves, as installed for the Python that runs the race."""

    workers: int = 1
    pack: str | None = None

    @property
    def name(self) -> str:
        """How the table calls it."""
        name = f"savemasks --pack {self.pack}" if self.pack else "savemasks"
        return name if self.workers == 1 else f"{name}, {self.workers} workers"

    def run(self, job: Job, out: Path) -> Run:
        """Do the job."""
        out.mkdir(parents=True)
        report = out / "report.json"
        command = [sys.executable, "-c", PROGRAM, "run", str(job.config), str(job.project)]
        command += ["--out", str(out), "--workers", str(self.workers), "--report", str(report)]
        command += [f"--pack={self.pack}"] if self.pack else []
        took, _ = _execute([*command, "--quiet"])
        totals = json.loads(report.read_bytes())
        if totals["failed"]:
            raise ContestError(f"{self.name}: {totals['failed']} items failed in {job.name}")
        return Run(totals["images"], totals["seconds"], took, out / RESULT)


@dataclass(frozen=True)
class Rival:
    """A program from `rivals`, with the Python that has what it needs."""

    name: str
    script: str
    python: str = sys.executable
    workers: int = 1
    other_script: str | None = None
    """The program for other masks than the usual two."""

    def run(self, job: Job, out: Path) -> Run:
        """Do the job."""
        is_usual = job.masks in ("both", "machine")
        script = self.script if is_usual else self.other_script
        if script is None:
            raise ContestError(f"{self.name} does not make masks of the kind {job.masks}")
        command = [self.python, str(RIVALS / script), str(job.project), str(out)]
        command += [str(job.config), "--masks", job.masks, "--threads", str(self.workers)]
        took, output = _execute(command)
        totals = json.loads(output.splitlines()[-1])
        return Run(totals["images"], totals["seconds"], took, out)


Contestant = Savemasks | Rival


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Let this process, and those it starts meanwhile, run on some cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _execute(command: list[str]) -> tuple[float, str]:
    """Run a command to its end -> the seconds it took and what it printed."""
    started = perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took = perf_counter() - started
    if done.returncode:
        raise ContestError(f"{' '.join(command)}\nended with {done.returncode}\n{done.stderr}")
    return took, done.stdout
