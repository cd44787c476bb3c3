"""Who runs in a race, and how one run is made: in a process of its own, pinned to its cores."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
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
    copies
        How many times the project has each of its data sets.
    project, config
        The project, and the layer's settings for this job.
    masks
        What the settings ask for.
    """

    name: str
    copies: int
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
    """Ourselves, as installed for the Python that runs the race.

    Attributes
    ----------
    cores
        On how many it runs, with as many workers.
    pack
        The kind of archive that it writes; None for a tree.
    engine
        The folder with the package of another version, which is raced as the one before; None for
        what is installed.
    """

    cores: int = 1
    pack: str | None = None
    engine: Path | None = None

    @property
    def name(self) -> str:
        """How the table calls it."""
        name = "savemasks (before)" if self.engine else "savemasks"
        return with_cores(f"{name} --pack {self.pack}" if self.pack else name, self.cores)

    def run(self, job: Job, out: Path) -> Run:
        """Do the job."""
        out.mkdir(parents=True)
        report = out / "report.json"
        command = [sys.executable, "-c", PROGRAM, "run", str(job.config), str(job.project)]
        command += ["--out", str(out), "--workers", str(self.cores), "--report", str(report)]
        command += [f"--pack={self.pack}"] if self.pack else []
        took, _ = _execute([*command, "--quiet"], self.environment())
        totals = json.loads(report.read_bytes())
        if totals["failed"]:
            raise ContestError(f"{self.name}: {totals['failed']} items failed in {job.name}")
        return Run(totals["images"], totals["seconds"], took, out / RESULT)

    def environment(self) -> dict[str, str]:
        """Variables that let Python find the package."""
        if self.engine is None:
            return {**os.environ}
        paths = [str(self.engine), os.environ.get("PYTHONPATH", "")]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}

    def check(self) -> None:
        """Raise `ContestError` if Python finds the package elsewhere."""
        if self.engine is None:
            return
        program = "import savemasks; print(savemasks.__file__)"
        _, found = _execute([sys.executable, "-c", program], self.environment())
        if not Path(found.strip()).resolve().is_relative_to(self.engine.resolve()):
            raise ContestError(f"--before {self.engine}: Python takes {found.strip()} instead")


@dataclass(frozen=True)
class Rival:
    """A program from `rivals`, with the Python that has what it needs.

    Attributes
    ----------
    title, script
        How it is called, and the program.
    cores
        On how many it runs, with as many threads.
    packs
        The kind of archive that it writes; None for a tree.
    """

    title: str
    script: str
    cores: int = 1
    python: str = sys.executable
    packs: str | None = None

    @property
    def name(self) -> str:
        """How the table calls it."""
        return with_cores(self.title, self.cores)

    def run(self, job: Job, out: Path) -> Run:
        """Do the job."""
        command = [self.python, str(RIVALS / self.script), str(job.project), str(out)]
        command += [str(job.config), "--masks", job.masks, "--threads", str(self.cores)]
        took, output = _execute(command, {**os.environ})
        totals = json.loads(output.splitlines()[-1])
        return Run(totals["images"], totals["seconds"], took, out)


Contestant = Savemasks | Rival


def with_cores(name: str, cores: int) -> str:
    """A name that says on how many cores, if they are several."""
    return name if cores == 1 else f"{name}, {cores} cores"


def line_up(
    masks: Masks,
    cores: Sequence[int],
    pack: str | None,
    before: Path | None,
    rivals: dict[str, str],
) -> list[Contestant]:
    """All who can do a job, on each of these numbers of cores.

    Parameters
    ----------
    masks
        What the job asks for. Whoever cannot make it does not take part.
    cores
        Numbers of cores.
    pack
        A kind of archive that is raced beside the tree.
    before
        Folder with the package of an earlier version.
    rivals
        More of them, with the Python for each: "sdk", "datumaro".
    """
    is_usual = masks in ("both", "machine")
    found: list[Contestant] = []
    for count in cores:
        for kind in (None, pack) if pack else (None,):
            found.append(Savemasks(count, kind))
            found += [Savemasks(count, kind, before)] if before else []
        script = "opencv_script.py" if is_usual else "opencv_masks.py"
        found.append(Rival("OpenCV script", script, count))
        if pack:
            title = f"OpenCV script, {pack}"
            found.append(Rival(title, f"opencv_{pack}.py", count, packs=pack))
        if "sdk" in rivals and is_usual:
            script = "supervisely_sdk.py"
            found.append(Rival("Supervisely SDK", script, count, rivals["sdk"]))
        if "datumaro" in rivals and masks == "machine" and count == 1:
            found.append(Rival("Datumaro", "datumaro_masks.py", count, rivals["datumaro"]))
    return found


def pairs(contestants: list[Contestant]) -> list[tuple[Contestant, Contestant]]:
    """Who is held against whom: ourselves against others who have as many cores.

    A tree is held against trees, an archive against archives and the script's tree. On several
    cores we are also held against ourselves on one.
    """
    found: list[tuple[Contestant, Contestant]] = []
    ours = [one for one in contestants if isinstance(one, Savemasks) and not one.engine]
    for one in ours:
        for other in contestants:
            if isinstance(other, Savemasks):
                is_pair = other.pack == one.pack and (
                    other.cores == one.cores if other.engine else other.cores < one.cores
                )
            else:
                is_script = other.title == "OpenCV script" and other.packs is None
                is_pair = other.cores == one.cores and (is_script or other.packs == one.pack)
            found += [(one, other)] if is_pair else []
    return found


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Let this process, and those it starts meanwhile, run on some cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _execute(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    """Run a command to its end -> the seconds it took and what it printed."""
    started = perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    took = perf_counter() - started
    if done.returncode:
        raise ContestError(f"{' '.join(command)}\nended with {done.returncode}\n{done.stderr}")
    return took, done.stdout
