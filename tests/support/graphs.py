"""Two small projects, graphs over them, and what each sink of a graph makes alone."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from savemasks.layers.graph import Graph
from savemasks.results.report import Summary
from savemasks.run.export import run
from savemasks.run.options import Hooks, RunOptions
from support.layers import data, save, save_masks, step
from support.projects import HEIGHT, WIDTH, Json, Project, annotation, files, picture

COLORS: Json = {"fruit": [9, 9, 9], "kiwi": [100, 0, 0], "lemon": [0, 200, 0], "bg": [1, 2, 3]}


def figure(title: str, left: int, top: int, right: int, bottom: int, **keys: object) -> Json:
    """A rectangle of a class; its last pixels are those at right and bottom."""
    points = {"exterior": [[left, top], [right, bottom]], "interior": []}
    return {"id": 7, "classTitle": title, "geometryType": "rectangle", "points": points} | keys


def write_project(folder: Path, names: Iterable[str], first: int = 0) -> Project:
    """Write a project whose items are named "dataset/file"; the pixels of no two are alike."""
    project = Project(folder)
    for seed, name in enumerate(names, start=first):
        dataset, _, file = name.rpartition("/")
        left = seed % 4
        objects = [
            figure("kiwi", left, 0, left + 5, 5, tags=[{"name": "ripe"}]),
            figure("lemon", 4, 2, 11, 6),
            figure("stone", 6, 4, 7, 5),
            {"classTitle": "kiwi", "geometryType": "point",
             "points": {"exterior": [[WIDTH - 1, HEIGHT - 1]], "interior": []}},
        ]  # fmt: skip
        project.put(f"{dataset}/img/{file}", picture(seed))
        project.put(f"{dataset}/ann/{file}.json", annotation(*objects, description="ä"))
    return project


def write_projects(folder: Path) -> list[Path]:
    """Write two projects of which one data set has the same name; return their folders."""
    lemons = ("ds/a.png", "ds/b.png", "market/a.png", "market/datasets/deep/c.png")
    write_project(folder / "lemons", lemons)
    write_project(folder / "limes", ("ds/a.png", "other/z.png"), first=20)
    return [folder / "lemons", folder / "limes"]


def two_sinks() -> list[Json]:
    """Kiwis and lemons become fruit on a background in `masks`, and stay as they are in `copy`."""
    return [
        data("lemons", "$0"),
        step("rename", "$0", "$1", classes_mapping={"kiwi": "fruit", "lemon": "fruit"}),
        step("background", "$1", "$2", **{"class": "bg"}),
        save_masks("$2", "masks", masks_human=True, gt_machine_color=COLORS, gt_human_color=COLORS),
        save("$0", "copy", visualize=True),
    ]


def make(
    config: object,
    projects: Sequence[Path],
    out: Path,
    hooks: Hooks | None = None,
    *,
    below: Sequence[Path] = (),
    **options: Any,
) -> Summary:
    """Run a graph with two threads, or as the options say."""
    graph = config if isinstance(config, Graph) else Graph.from_json(json.dumps(config))
    return run(graph, projects, out, RunOptions(**{"workers": 2, **options}), hooks, below=below)


def each_alone(config: object, projects: Sequence[Path], out: Path) -> dict[str, bytes]:
    """The files that the sinks of a graph make in a run each."""
    graph = Graph.from_json(json.dumps(config))
    for sink in graph.sinks:
        make(graph.subgraph_json(sink), projects, out)
    return files(out)


def titles(content: bytes) -> list[str]:
    """The titles of an annotation's objects."""
    return [each["classTitle"] for each in json.loads(content)["objects"]]


def classes(content: bytes) -> dict[str, tuple[str, str]]:
    """Shape and colour of the classes in a meta.json by title."""
    found = json.loads(content)["classes"]
    return {each["title"]: (each["shape"], each["color"]) for each in found}


def below(found: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    """The files in a folder, by their names there."""
    start = f"{folder}/"
    return {name[len(start) :]: each for name, each in found.items() if name.startswith(start)}
