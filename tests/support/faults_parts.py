"""Kills parts of a run at random moments while they work at once on one result.

    python -m support.faults_parts [--kills 200] [--seed 0] [--pack tar|webdataset]

Parts that were killed are run again until all are finished. Then every file must be that of an
undivided run, or, if packed, of parts that nobody disturbed.
"""

import argparse
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

from savemasks.results.division import missing_parts
from savemasks.results.lock import HIDDEN
from savemasks.results.verify import verify

from .faults import build

_PARTS = 3
_KILLS_OF_A_PART = 2  # in one round
_BLINK = 0.4
_CODES = {0, 1}  # two images are bad
_COMMAND = "from savemasks.cli.commands import main; main()"


@dataclass
class Figures:
    """What a series of kills met: how many of them, and results that were completed."""

    kills: int = 0
    rounds: int = 0


def torture(folder: Path, kills: int, seed: int = 0, pack: str | None = None) -> Figures:
    """Kill parts until at least so many kills were made; `AssertionError` tells a difference."""
    build(folder)
    options = [f"--pack={pack}", "--pack-items=7"] if pack else []
    numbers = range(1, _PARTS + 1)
    texts = [f"--part={number}/{_PARTS}" for number in numbers]
    for part in texts if pack else [""]:
        assert _start(folder, "expected", *options, *filter(None, [part])).wait() in _CODES
    figures, chance = Figures(), random.Random(seed)
    while figures.kills < kills:
        shutil.rmtree(folder / "out", ignore_errors=True)
        left = dict.fromkeys(texts, _KILLS_OF_A_PART)
        while left:
            jobs = {part: _start(folder, "out", *options, part) for part in left}
            figures.kills += _kill_some(jobs, left, chance)
        (root,) = (folder / "out").iterdir()
        assert missing_parts(root) == []
        assert not verify(root).damaged
        assert _files(folder / "out") == _files(folder / "expected")
        figures.rounds += 1
    return figures


def _start(folder: Path, out: str, *options: str) -> "subprocess.Popen[bytes]":
    """Start a run in a process group of its own."""
    arguments = ["run", "config.json", "project", f"--out={out}", "--workers=2", "--quiet"]
    command = [sys.executable, "-c", _COMMAND, *arguments, *options]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL, process_group=0)


def _kill_some(
    jobs: "dict[str, subprocess.Popen[bytes]]", left: dict[str, int], chance: random.Random
) -> int:
    """Wait for the end of all jobs; kill some before, as often as `left` says.

    Those that come to their end are taken out of `left`. Returns the number of kills.
    """
    kills = 0
    while jobs:
        time.sleep(chance.uniform(0, _BLINK))
        part = chance.choice(sorted(jobs))
        job = jobs[part]
        if left.get(part) and job.poll() is None and chance.random() < 0.7:
            left[part] -= 1
            kills += 1
            if chance.random() < 0.5:
                os.killpg(job.pid, signal.SIGKILL)  # workers too
            else:
                job.kill()
        for each in [part for part, job in jobs.items() if job.poll() is not None]:
            code = jobs.pop(each).returncode
            assert code in _CODES | {-signal.SIGKILL}, f"{each} ended with {code}"
            if code in _CODES:
                left.pop(each)
    return kills


def _files(out: Path) -> dict[str, bytes]:
    paths = (path for path in out.rglob("*") if path.is_file() and HIDDEN not in path.parts)
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pack", choices=["tar", "webdataset"])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(torture(Path(folder), chosen.kills, chosen.seed, chosen.pack))


if __name__ == "__main__":
    main()
