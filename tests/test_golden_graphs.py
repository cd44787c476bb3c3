"""Whole graphs against what the reference SDK made of them; see golden/make_graphs.py."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import savemasks
from support import TESTS

GOLDEN = TESTS / "golden"
PROJECT = GOLDEN / "project_graphs"
NAMES = sorted(path.stem for path in GOLDEN.glob("graph_*.json"))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, warm: None) -> Any:
    """Make the results of a graph, once each; returns the folder of them."""
    made: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            graph = savemasks.Graph.from_json(GOLDEN / f"{name}.json")
            summary = savemasks.export(graph, projects=[PROJECT], out=made[name])
            assert summary.failed == 0
        return made[name]

    return of


def sinks(name: str) -> list[str]:
    return sorted(path.name for path in (GOLDEN / f"expected_{name}").iterdir())


SINKS = [(name, dst) for name in NAMES for dst in sinks(name)]


def load(path: Path) -> Any:
    return json.loads(path.read_bytes())


def test_there_are_graphs_of_one_sink_and_of_several() -> None:
    assert len(NAMES) >= 4
    assert len(SINKS) > len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_sink_has_a_folder_of_its_own(name: str, results: Any) -> None:
    assert sorted(path.name for path in results(name).iterdir()) == sinks(name)


@pytest.mark.parametrize(("name", "dst"), SINKS)
def test_every_picture_equals_the_references(name: str, dst: str, results: Any) -> None:
    made, expected = results(name) / dst, GOLDEN / f"expected_{name}" / dst
    pictures = sorted(path.relative_to(expected) for path in expected.rglob("*.png"))
    ours = [*made.rglob("masks_*/*.png"), *made.rglob("visualize/*.png")]
    assert sorted(path.relative_to(made) for path in ours) == pictures
    assert len(pictures) >= 3
    for path in pictures:
        mine, theirs = cv2.imread(str(made / path)), cv2.imread(str(expected / path))
        assert mine is not None
        assert theirs is not None
        assert np.array_equal(mine, theirs), path


@pytest.mark.parametrize(("name", "dst"), SINKS)
def test_classes_and_objects_are_the_references(name: str, dst: str, results: Any) -> None:
    made, expected = results(name) / dst, GOLDEN / f"expected_{name}" / dst
    classes = load(made / "meta.json")["classes"]
    shown = [[each["title"], each["shape"], each["color"]] for each in classes]
    assert shown == load(expected / "classes.json")
    objects = load(expected / "objects.json")
    images = [path.relative_to(made).as_posix() for path in made.rglob("img/*")]
    assert sorted(images) == sorted(objects)
    for image, theirs in objects.items():
        annotation = load(made / f"{image.replace('/img/', '/ann/')}.json")
        ours = [[each["classTitle"], each["geometryType"]] for each in annotation["objects"]]
        assert ours == theirs, image
        assert (made / image).read_bytes() == (PROJECT / image).read_bytes()


def test_annotations_and_classes_of_which_nothing_is_mapped_are_copied(results: Any) -> None:
    made = results("graph_as_it_is") / "all"
    paths = [PROJECT / "meta.json", *PROJECT.rglob("ann/*.json")]
    assert len(paths) == 6
    for path in paths:
        assert (made / path.relative_to(PROJECT)).read_bytes() == path.read_bytes()
