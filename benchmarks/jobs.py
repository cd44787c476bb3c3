"""What is raced: projects, as large as a race needs them, with settings for each kind of mask."""

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks import data
    from benchmarks.contest import RESULT, Job, Masks
    from benchmarks.places import require_room, size_of
else:
    import data
    from contest import RESULT, Job, Masks
    from places import require_room, size_of

_NONE: dict[str, object] = {"masks_machine": False, "masks_human": False}
SETTINGS: dict[Masks, dict[str, object]] = {
    "both": {"masks_machine": True, "masks_human": True},
    "machine": {"masks_machine": True, "masks_human": False},
    "map": {**_NONE, "masks_instances": "map"},
    "objects": {**_NONE, "masks_instances": "objects"},
    "classes": {**_NONE, "masks_classes": True},
    "semantic": {**_NONE, "masks_semantic_rgb": True},
}


def jobs(options: argparse.Namespace, scratch: Path) -> list[Job]:
    """Every project, once, with every choice of masks; projects are made and settings written."""
    projects = [project.resolve() for project in options.projects]
    for kind in options.made:
        write, size = data.WRITERS[kind]
        projects.append(scratch / f"made-{kind}")
        write(projects[-1], size)
    found: list[Job] = []
    for project in projects:
        layer = json.loads((options.config or project / "save_masks.json").read_bytes())
        if isinstance(layer, list):
            (layer,) = layer
        for masks in options.masks:
            settings = {**layer["settings"], **SETTINGS[masks]}
            own = {**layer, "dst": RESULT, "settings": settings}
            config = scratch / f"{len(found)}.json"
            config.write_text(json.dumps(own))
            found.append(Job(f"{project.name}, {masks}", 1, project, config, masks))
    return found


def multiply(job: Job, copies: int, scratch: Path) -> Job:
    """The same job with every data set of the project that many times."""
    if copies == 1:
        return job
    name = f"{job.project.name} x {copies}"
    project = scratch / name
    if not project.exists():
        require_room(scratch, copies * size_of(job.project), f"{copies} copies of {job.project}")
        copy_project(job.project, project, copies)
    config = job.config.with_stem(f"{job.config.stem} x {copies}")
    shutil.copyfile(job.config, config)
    return Job(f"{name}, {job.masks}", copies, project, config, job.masks)


def copy_project(project: Path, larger: Path, copies: int) -> None:
    """Write a project that has every data set so many times."""
    for source in sorted(path for path in project.rglob("*") if path.is_file()):
        dataset, *below = source.relative_to(project).parts
        for number in range(copies if below else 1):
            target = larger.joinpath(f"{dataset}-{number}" if below else dataset, *below)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
