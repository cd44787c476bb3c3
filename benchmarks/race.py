"""Races savemasks against what others would use, and checks that all make the same.

Usage::

    python benchmarks/race.py [PROJECT ...] [--config FILE] [--made photos|cells ...]
        [--masks both|machine|map|objects|classes|semantic ...] [--on disk|tmpfs ...]
        [--cores one|all|both] [--pack tar|webdataset] [--rival sdk|datumaro[=PYTHON] ...]
        [--before FOLDER] [--rounds N] [--seconds S] [--copies N] [--scratch DIR] [--json FILE]

A project brings its settings in a `save_masks.json` unless `--config` names others; without
projects, `data.py` makes some. What is measured, and how to read it: README.md beside this file.
Exit code 1 if a contestant fails or the results differ.
"""

import argparse
import json
import math
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks import data, tables
    from benchmarks.compare import differences, mask_bytes, unpack
    from benchmarks.contest import (
        Contestant,
        ContestError,
        Job,
        Run,
        Savemasks,
        line_up,
        pairs,
        pinned,
    )
    from benchmarks.jobs import SETTINGS, jobs, multiply
    from benchmarks.places import place, require_room, size_of
else:
    import data
    import tables
    from compare import differences, mask_bytes, unpack
    from contest import ContestError, Savemasks, line_up, pairs, pinned
    from jobs import SETTINGS, jobs, multiply
    from places import place, require_room, size_of

_SHOWN = 20
_RIVALS = ("sdk", "datumaro")
_SLACK = 1.2
"""How much longer than asked a run is made, since times vary."""


def main() -> None:
    """Run the program."""
    options = _options()
    results: dict[str, Any] = {"machine": tables.machine(), "rounds": options.rounds, "jobs": []}
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="race-") as folder:
        scratch = Path(folder)
        try:
            for job in jobs(options, scratch):
                for result in _race_everywhere(job, options, scratch):
                    results["jobs"].append(result)
                    print(tables.job_table(result), flush=True)
        except ContestError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)
    print(tables.summary(results["jobs"]))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("projects", nargs="*", type=Path, metavar="PROJECT", help="folders of projects")
    add("--config", type=Path, help="settings for all projects [save_masks.json in each]")
    add("--made", nargs="+", choices=data.WRITERS, default=[], help="projects to make")
    add("--masks", nargs="+", choices=SETTINGS, default=["both", "machine"])
    add("--on", nargs="+", choices=("disk", "tmpfs"), default=["disk"], help="where to [disk]")
    add("--cores", choices=("one", "all", "both"), default="one", help="for every contestant")
    add("--pack", choices=("tar", "webdataset"), help="race archives too, beside the trees")
    add(
        "--rival", nargs="+", default=[], type=_rival, metavar="NAME[=PYTHON]", help="sdk, datumaro"
    )
    add("--before", type=_engine, metavar="FOLDER", help="a checkout of another version of us")
    add("--rounds", type=int, default=5, help="after the warm-up [5]")
    add("--seconds", type=float, default=2.0, help="that a run of the fastest takes [2]")
    add("--copies", type=int, help="of every data set [as many as --seconds needs]")
    add("--scratch", type=Path, help="a folder on a disk [the temporary folder]")
    add("--json", type=Path, metavar="FILE", help="where to write all figures")
    options = parser.parse_args()
    if not (options.projects or options.made):
        options.made = list(data.WRITERS)
    if options.pack and not {*options.masks} <= {"both", "machine"}:
        parser.error("--pack: only --masks both and machine are raced in archives")
    if options.rounds < 1 or (options.copies is not None and options.copies < 1):
        parser.error("--rounds and --copies are 1 or more")
    return options


def _rival(text: str) -> tuple[str, str]:
    """A rival's name, and the Python that runs it."""
    name, _, python = text.partition("=")
    if name not in _RIVALS:
        raise argparse.ArgumentTypeError(f"{name}: choose from {', '.join(_RIVALS)}")
    return name, python or sys.executable


def _engine(text: str) -> Path:
    """The folder in a checkout in which the package lies."""
    for folder in (Path(text, "engine"), Path(text)):
        if (folder / "savemasks" / "__init__.py").exists():
            return folder.resolve()
    raise argparse.ArgumentTypeError(f"{text}: there is no package savemasks")


@dataclass(frozen=True)
class Race:
    """Who races, and where.

    Attributes
    ----------
    contestants
        Ourselves first.
    scratch, results
        Folders for projects and for results.
    copies
        Of every data set; None for as many as it takes.
    seconds
        That the fastest takes at least.
    rounds
        After the warm-up.
    """

    contestants: list["Contestant"]
    scratch: Path
    results: Path
    copies: int | None
    seconds: float
    rounds: int


def _race_everywhere(
    job: "Job", options: argparse.Namespace, scratch: Path
) -> list[dict[str, Any]]:
    """One job in every place."""
    available = len(os.sched_getaffinity(0))
    counts = {"one": {1}, "all": {available}, "both": {1, available}}[options.cores]
    rivals = dict(options.rival)
    contestants = line_up(job.masks, sorted(counts), options.pack, options.before, rivals)
    for contestant in contestants:
        if isinstance(contestant, Savemasks):
            contestant.check()
    found = []
    for kind in options.on:
        folder = place(kind, scratch)
        with tempfile.TemporaryDirectory(dir=folder, prefix="race-") as inside:
            sizes = options.copies, options.seconds, options.rounds
            result = _race(Race(contestants, scratch, Path(inside), *sizes), job)
            found.append({"on": kind, **result})
    return found


def _race(race: Race, original: "Job") -> dict[str, Any]:
    """Warm up and compare, on as many copies as it takes, then run all contestants in turns."""
    job, entries = original, _warm_up(race, original)
    while (larger := _enlarged(race, original, job, entries)).copies != job.copies:
        job, entries = larger, _warm_up(race, larger)
    for entry in entries.values():
        entry["seconds"], entry["process_seconds"] = [], []
    for number in range(race.rounds):
        for contestant in turns(race.contestants, number):
            run = _run(race, contestant, job)
            entries[contestant.name]["seconds"].append(run.seconds)
            entries[contestant.name]["process_seconds"].append(round(run.process_seconds, 4))
    names = [(one.name, other.name) for one, other in pairs(race.contestants)]
    return {"copies": job.copies, **tables.evaluate(job.name, entries, names)}


def turns(contestants: list["Contestant"], number: int) -> list["Contestant"]:
    """In which order they run in a round.

    Every second round goes backwards, so that nobody always runs behind the same; of two, each
    begins every other time. Of more, each pair of rounds begins elsewhere.
    """
    begin = number // 2 * 2 % len(contestants)
    order = contestants[begin:] + contestants[:begin]
    return order if number % 2 == 0 else order[::-1]


def _enlarged(race: Race, original: "Job", job: "Job", entries: dict[str, dict[str, Any]]) -> "Job":
    """A job that is large enough, or the same one if it is.

    `entries` are those of a warm-up on it. Starting takes a part of a short run, so that a guess
    from one is too low; therefore each is tried with the fastest contestant.
    """
    room = max(entry["room"] for entry in entries.values()) / job.copies
    if race.copies:
        return _multiplied(race, original, race.copies, room)
    fastest = min(race.contestants, key=lambda one: entries[one.name]["seconds"][0])
    seconds = entries[fastest.name]["seconds"][0]
    while seconds < race.seconds:
        guess = math.ceil(job.copies * _SLACK * race.seconds / seconds)
        job = _multiplied(race, original, max(job.copies + 1, guess), room)
        seconds = _run(race, fastest, job).seconds
    return job


def _multiplied(race: Race, original: "Job", copies: int, room: float) -> "Job":
    """So many copies, if there is room for their results."""
    what = f"two results of {original.name} ({copies} copies)"
    require_room(race.results, round(2 * copies * room), what)
    return multiply(original, copies, race.scratch)


def _warm_up(race: Race, job: "Job") -> dict[str, dict[str, Any]]:
    """One run of everybody -> an entry for each; all results are compared with the first one."""
    ours, *others = race.contestants
    kept = race.results / "kept"
    reference = _run(race, ours, job, kept.name)
    entries = {ours.name: _entry(ours, reference)}
    for other in others:
        run = _run(race, other, job)
        entries[other.name] = _entry(other, run)
        if found := differences(reference.result, run.result):
            shown = "\n".join(found[:_SHOWN])
            names = f"{ours.name} and {other.name}"
            raise ContestError(f"{job.name}: {names} differ in {len(found)} files:\n{shown}")
    shutil.rmtree(kept)
    return entries


def _entry(contestant: "Contestant", run: "Run") -> dict[str, Any]:
    """What is known after the first run, whose result is unpacked."""
    room = size_of(run.result)
    unpack(run.result)
    return {
        "cores": contestant.cores,
        "images": run.images,
        "seconds": [run.seconds],
        "bytes": mask_bytes(run.result),
        "room": room,
    }


def _run(race: Race, contestant: "Contestant", job: "Job", folder: str = "out") -> "Run":
    """One run on its cores (the last ones, which are asked less often).

    Before it, the result of the run before is deleted and all is written to the disk, so that
    everybody finds the same: memory that is free again, and nothing left to write.
    """
    out = race.results / folder
    if out.exists():
        shutil.rmtree(out)
    os.sync()
    cores = sorted(os.sched_getaffinity(0))[-contestant.cores :]
    with pinned(set(cores)):
        return contestant.run(job, out)


if __name__ == "__main__":
    main()
