"""Races savemasks against what others would use, on one core, and checks that all make the same.

Usage::

    python benchmarks/race.py [PROJECT ...] [--config FILE] [--made photos|cells ...]
        [--masks both|machine|map|objects|classes|semantic ...] [--pack tar] [--sdk PYTHON]
        [--workers N] [--rounds N] [--copies N] [--scratch DIR] [--json FILE]

A project brings its settings in a `save_masks.json` unless `--config` names others; without
projects, `data.py` makes some. What is measured, and how to read it: README.md beside this file.
Exit code 1 if a contestant fails or the results differ.
"""

import argparse
import json
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks import data, tables
    from benchmarks.compare import differences, mask_bytes
    from benchmarks.contest import (
        RESULT,
        Contestant,
        ContestError,
        Job,
        Rival,
        Run,
        Savemasks,
        pinned,
    )
else:
    import data
    import tables
    from compare import differences, mask_bytes
    from contest import RESULT, ContestError, Job, Rival, Savemasks, pinned

_SHOWN = 20
_NONE: dict[str, object] = {"masks_machine": False, "masks_human": False}
_SETTINGS: dict[str, dict[str, object]] = {
    "both": {"masks_machine": True, "masks_human": True},
    "machine": {"masks_machine": True, "masks_human": False},
    "map": {**_NONE, "masks_instances": "map"},
    "objects": {**_NONE, "masks_instances": "objects"},
    "classes": {**_NONE, "masks_classes": True},
    "semantic": {**_NONE, "masks_semantic_rgb": True},
}


def main() -> None:
    """Run the program."""
    options = _options()
    results: dict[str, Any] = {"machine": tables.machine(), "rounds": options.rounds, "jobs": []}
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="race-") as folder:
        scratch = Path(folder)
        try:
            for job in _jobs(options, scratch):
                result = _race(job, _contestants(options), options, scratch)
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
    add("--masks", nargs="+", choices=_SETTINGS, default=["both", "machine"])
    add("--pack", choices=("tar",), help="we pack; the script writes its tree, and packs as well")
    add("--sdk", metavar="PYTHON", help="a Python that has the supervisely SDK, to race it too")
    add("--workers", type=int, default=1, help="also race that many workers against one")
    add("--rounds", type=int, default=5, help="after the warm-up [5]")
    add("--copies", type=int, default=1, help="of every data set, so that a run takes longer [1]")
    add("--scratch", type=Path, help="where results are written [the temporary folder]")
    add("--json", type=Path, metavar="FILE", help="where to write all figures")
    options = parser.parse_args()
    if not (options.projects or options.made):
        options.made = list(data.WRITERS)
    if options.workers > len(os.sched_getaffinity(0)):
        parser.error(f"--workers {options.workers}: there are not that many cores")
    return options


def _contestants(options: argparse.Namespace) -> list["Contestant"]:
    """Ourselves first, the others after."""
    found: list[Contestant] = [
        Savemasks(),
        Rival("OpenCV script", "opencv_script.py", other_script="opencv_masks.py"),
    ]
    if options.pack:
        found[0] = Savemasks(pack=options.pack)
        found.append(Rival("OpenCV script, tar", "opencv_tar.py"))
    if options.sdk:
        found.append(Rival("Supervisely SDK", "supervisely_sdk.py", options.sdk))
    if options.workers > 1:
        found.append(Savemasks(options.workers, options.pack))
    return found


def _jobs(options: argparse.Namespace, scratch: Path) -> list[Job]:
    """Every project with every choice of masks; projects are made and settings written."""
    projects = [project.resolve() for project in options.projects]
    for kind in options.made:
        write, size = data.WRITERS[kind]
        projects.append(scratch / f"made-{kind}")
        write(projects[-1], size)
    jobs: list[Job] = []
    for original in projects:
        project = _multiply(original, scratch, options.copies)
        layer = json.loads((options.config or original / "save_masks.json").read_bytes())
        if isinstance(layer, list):
            (layer,) = layer
        for masks in options.masks:
            settings = {**layer["settings"], **_SETTINGS[masks]}
            own = {**layer, "dst": RESULT, "settings": settings}
            config = scratch / f"{len(jobs)}.json"
            config.write_text(json.dumps(own))
            jobs.append(Job(f"{project.name}, {masks}", project, config, masks))
    return jobs


def _multiply(project: Path, scratch: Path, copies: int) -> Path:
    """A project with every data set that many times; itself if that is once."""
    if copies == 1:
        return project
    larger = scratch / f"{project.name} x {copies}"
    for source in sorted(path for path in project.rglob("*") if path.is_file()):
        dataset, *below = source.relative_to(project).parts
        for number in range(copies if below else 1):
            target = larger.joinpath(f"{dataset}-{number}" if below else dataset, *below)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return larger


def _race(
    job: Job, contestants: list["Contestant"], options: argparse.Namespace, scratch: Path
) -> dict[str, Any]:
    """Warm up and compare, then run all contestants in turns.

    Each round begins with another contestant, for what ran before leaves its mark on the machine.
    Results are on disk before the next run begins, and all are deleted at the very end: for minutes
    after many files were deleted, ext4 takes several times as long to make one.
    """
    entries = _warm_up(job, contestants, scratch)
    for number in range(options.rounds):
        first = number % len(contestants)
        for contestant in contestants[first:] + contestants[:first]:
            os.sync()
            run = _run(contestant, job, scratch / job.name / f"{number} {contestant.name}")
            entries[contestant.name]["seconds"].append(run.seconds)
            entries[contestant.name]["process_seconds"].append(round(run.process_seconds, 4))
    return tables.evaluate(job.name, entries)


def _warm_up(job: Job, contestants: list["Contestant"], scratch: Path) -> dict[str, dict[str, Any]]:
    """One run of everybody, whose results are kept until they have been compared."""
    runs = {c.name: _run(c, job, scratch / job.name / f"warm-up {c.name}") for c in contestants}
    for run in runs.values():
        _unpack(run.result)
    ours, *others = runs.items()
    for name, run in others:
        if found := differences(ours[1].result, run.result):
            shown = "\n".join(found[:_SHOWN])
            raise ContestError(
                f"{job.name}: {ours[0]} and {name} differ in {len(found)} files:\n{shown}"
            )
    entries: dict[str, dict[str, Any]] = {}
    for (name, run), contestant in zip(runs.items(), contestants, strict=True):
        entries[name] = {"images": run.images, "workers": contestant.workers, "seconds": []}
        entries[name] |= {"process_seconds": [], "bytes": mask_bytes(run.result)}
    return entries


def _unpack(result: Path) -> None:
    """Let a packed result be the tree that is in it, so that it can be compared."""
    for path in result.glob("*.tar"):
        with tarfile.open(path) as archive:
            archive.extractall(result, filter="data")
        path.unlink()
    (result / "index.json").unlink(missing_ok=True)


def _run(contestant: "Contestant", job: Job, out: Path) -> "Run":
    """One run on as many cores as it has workers: the last ones, which are asked less often."""
    cores = sorted(os.sched_getaffinity(0))[-contestant.workers :]
    with pinned(set(cores)):
        return contestant.run(job, out)


if __name__ == "__main__":
    main()
