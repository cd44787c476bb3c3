"""Kills runs from bucket to bucket at random moments, while their projects change.

    python -m support.faults_chunks [--kills 200] [--seed 0] [--kind 0|1|2|3]

Every round changes the project: items are added, changed, spoilt, mended and removed. Its runs are
killed, with their workers or without, until one comes to its end. Then every object must be the
file of a run in a folder that nobody disturbed, and `verify` finds nothing.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import fsspec

from savemasks.line.job import PackRules
from savemasks.projects.parts import Part
from savemasks.remote import Url
from savemasks.results.lock import HIDDEN
from savemasks.results.overview import look_over
from savemasks.run.export import run
from savemasks.run.in_chunks.chunks import Sizer
from savemasks.run.options import RunOptions

from .chunked import NAME, Bench
from .projects import Project, same
from .resuming import LAYER
from .s3 import download, new_bucket, s3_server, upload, used
from .slow_s3 import slow_s3

_ITEMS = 40
_ITEMS_OF_A_CHUNK = 3  # so that there are many
_CODES = {0, 1}  # some items are bad
_LATENCY, _ERRORS = 0.005, 0.01


@dataclass(frozen=True)
class Kind:
    """A way of working: in shards or not, in so many parts, by processes or threads."""

    pack: int = 0
    parts: int = 0
    processes: bool = False


KINDS = (Kind(), Kind(processes=True), Kind(pack=7), Kind(parts=2))


@dataclass
class Figures:
    """What a series of kills met: how many, rounds, and runs that found something to do."""

    kills: int = 0
    rounds: int = 0
    runs: int = 0


class _Fault:
    """A project in a bucket, and the same on disk."""

    def __init__(self, folder: Path, kind: Kind, chance: random.Random) -> None:
        self.bench = Bench(Project(folder / "project"), new_bucket(), folder)
        self.kind, self.chance = kind, chance
        self.names: dict[str, str] = {}  # of items, with their data sets
        self._expected = folder / "expected"
        self._undisturbed = folder / "undisturbed"
        self.parts = [f"{n}/{kind.parts}" for n in range(1, kind.parts + 1)] or [""]
        for number in range(_ITEMS):
            self._add(f"{number:02}.png")

    def _add(self, name: str) -> None:
        dataset = self.names.setdefault(name, self.chance.choice(["one", "two [1]"]))
        self.bench.add(name, dataset)

    def change(self) -> None:
        """Change the project, on disk and in the bucket."""
        for _ in range(self.chance.choice([1, 2, 5])):
            name = self.chance.choice([*self.names])
            match self.chance.choice(["change", "add", "namesake", "spoil", "remove"]):
                case "change":
                    self._add(name)
                case "add":
                    self._add(f"{name[:-4]}-{len(self.names)}.png")
                case "namesake":
                    self.names.setdefault(f"{name[:-4]}.jpg", self.names[name])
                    self._add(f"{name[:-4]}.jpg")
                case "spoil":
                    self.bench.spoil(name, self.names[name])
                case "remove" if len(self.names) > _ITEMS // 2:
                    self.bench.remove(name, self.names.pop(name))
                case _:
                    pass
        self.put_project()

    def put_project(self) -> None:
        """Let the bucket have the project as it is on disk."""
        source = f"{self.bench.address}/project"
        upload(self.bench.project.folder, source)
        fs, base = fsspec.core.url_to_fs(source)
        here = {p.relative_to(self.bench.project.folder) for p in self._project_files()}
        for name in download(source):
            if Path(name) not in here:
                fs.rm_file(f"{base}/{name}")

    def _project_files(self) -> list[Path]:
        return [path for path in self.bench.project.folder.rglob("*") if path.is_file()]

    def make_expected(self) -> dict[str, bytes]:
        """What an undisturbed run makes of the same projects, one after the other."""
        projects = [self.bench.project.folder]
        if self.kind.pack or self.kind.parts:
            out = Url(f"file://{self._undisturbed}")
            for part in self.parts:
                run(LAYER, projects, out, options_of(self.kind, part))
        else:
            run(LAYER, projects, self._expected, RunOptions(workers=2))
        folder = (self._undisturbed if self.kind.pack or self.kind.parts else self._expected) / NAME
        found = download(f"file://{folder}")
        return {name: data for name, data in found.items() if not name.startswith(HIDDEN)}

    def start(self, part: str) -> "subprocess.Popen[bytes]":
        """Start a run in a process group of its own."""
        address = self.bench.address
        arguments = json.dumps([address, part, self.kind.pack, self.kind.processes])
        return subprocess.Popen(
            [sys.executable, "-m", "support.faults_chunks", "--lead", arguments],
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[1],  # where `support` is
            process_group=0,
        )


def options_of(kind: Kind, part: str) -> RunOptions:
    """How a kind runs."""
    return RunOptions(
        workers=2,
        processes=kind.processes,
        part=Part.parse(part) if part else None,
        pack=PackRules("webdataset", kind.pack) if kind.pack else None,
    )


def torture(folder: Path, kills: int, seed: int, kind: Kind) -> Figures:
    """Kill runs until so many kills were made; `AssertionError` tells a difference."""
    chance, figures = random.Random(seed), Figures()
    fault = _Fault(folder, kind, chance)
    longest = 4.0
    while figures.kills < kills:
        if figures.rounds:
            fault.change()
        else:
            fault.put_project()
        for part in fault.parts:
            longest = _finish(fault, part, longest, figures, min(5, kills - figures.kills))
        same(fault.bench.files(), fault.make_expected())
        told: list[str] = []
        found = fault.bench.verify(tell=told.append)
        assert (told, found.missing) == ([], [])
        assert look_over(fault.bench.url()).images == found.items
        figures.rounds += 1
    return figures


def _finish(fault: _Fault, part: str, longest: float, figures: Figures, kills: int) -> float:
    """Run a part until it ends, killed some times -> the seconds that a run took."""
    left = kills
    while True:
        began = time.monotonic()
        job = fault.start(part)
        figures.runs += 1
        if left and fault.chance.random() < 0.8:
            left -= 1
            try:
                job.wait(fault.chance.uniform(0.3, 1.0) * longest)
            except subprocess.TimeoutExpired:
                figures.kills += 1
                if fault.chance.random() < 0.5:
                    os.killpg(job.pid, signal.SIGKILL)  # workers too
                else:
                    job.kill()
        _, errors = job.communicate()
        if job.returncode != -signal.SIGKILL:
            assert job.returncode in _CODES, errors.decode()
            assert "Traceback" not in errors.decode(), errors.decode()
            assert "No module" not in errors.decode(), errors.decode()
            return 0.5 * longest + 0.5 * (time.monotonic() - began)


def _lead(text: str) -> None:
    """Be a run that may be killed."""
    address, part, pack, processes = json.loads(text)
    Sizer._MOST = Sizer._FIRST = _ITEMS_OF_A_CHUNK
    project, out = Url.parse(f"{address}/project"), Url.parse(f"{address}/out")
    options = options_of(Kind(pack, 0, processes), part)
    sys.exit(int(run(LAYER, [project], out, options).failed > 0))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", type=int, choices=range(len(KINDS)), help="only this one")
    parser.add_argument("--lead", help="used by the program itself")
    chosen = parser.parse_args()
    if chosen.lead:
        _lead(chosen.lead)
        return
    for kind in KINDS if chosen.kind is None else [KINDS[chosen.kind]]:
        folder = Path(tempfile.mkdtemp())
        try:
            with (
                s3_server() as server,
                slow_s3(server, latency=_LATENCY, errors=_ERRORS) as slow,
                used(slow),
            ):
                print(kind, torture(folder, chosen.kills, chosen.seed, kind), flush=True)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
