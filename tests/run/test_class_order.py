"""The classes of a configuration in an order of their own: runs, retries and parts keep it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from savemasks import OutputError, export
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import PackRules
from savemasks.projects.parts import Part
from savemasks.remote import Url
from savemasks.results.journal import Journal
from savemasks.run.export import retry, run
from savemasks.run.options import RunOptions
from support.projects import Project, annotation

pytestmark = pytest.mark.usefixtures("warm")

TITLES = ["b", "c", "a"]
NAMES = [f"{number}.png" for number in range(4)]
WAYS: dict[str, dict[str, Any]] = {
    "tree": {},
    "webdataset": {"pack": PackRules.of("webdataset")},
    "tar": {"pack": PackRules.of("tar")},
    "part": {"part": Part(1, 1)},
    "address": {},
}


def config(titles: list[str]) -> dict[str, Any]:
    colors = {title: [10 * TITLES.index(title) + 10] * 3 for title in titles}
    settings: dict[str, Any] = {
        "masks_machine": True,
        "masks_human": True,
        "masks_semantic_rgb": True,
    }
    settings |= {"gt_machine_color": colors, "gt_human_color": colors}
    return {"action": "save_masks", "src": ["$0"], "dst": "m", "settings": settings}


def layer(titles: list[str]) -> SaveMasks:
    return SaveMasks.from_json(config(titles))


def rectangle(title: str, x: int) -> dict[str, Any]:
    corners = {"exterior": [[x, 0], [x + 1, x // 2]], "interior": []}
    return {"classTitle": title, "geometryType": "rectangle", "points": corners}


NOTE = annotation(*(rectangle(title, 3 * i) for i, title in enumerate(TITLES)))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project", classes=tuple(sorted(TITLES)))
    for name in NAMES:
        made.add(name)
        made.put(f"ds/ann/{name}.json", NOTE)
    return made


def place(tmp_path: Path, name: str, way: str) -> Path | Url:
    return Url.parse(f"file://{tmp_path}/{name}") if way == "address" else tmp_path / name


def contents(folder: Path) -> Mapping[str, bytes]:
    """All files but those of the hidden folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".savemasks" not in path.parts
    }


@pytest.mark.parametrize("way", WAYS)
def test_what_is_retried_is_as_if_it_had_not_failed(
    project: Project, tmp_path: Path, way: str
) -> None:
    options = RunOptions(workers=1, **WAYS[way])
    run(layer(TITLES), [project.folder], place(tmp_path, "whole", way), options)
    project.put(f"ds/ann/{NAMES[1]}.json", b"{")
    out = place(tmp_path, "retried", way)
    assert run(layer(TITLES), [project.folder], out, options).failed == 1
    project.put(f"ds/ann/{NAMES[1]}.json", NOTE)
    assert retry(out if isinstance(out, Url) else out / "m").images == 1
    expected = contents(tmp_path / "whole")
    assert len(expected) > 4
    assert contents(tmp_path / "retried") == expected


@pytest.mark.parametrize("way", WAYS)
def test_another_order_is_another_configuration(project: Project, tmp_path: Path, way: str) -> None:
    options = RunOptions(workers=1, **WAYS[way])
    out = place(tmp_path, "out", way)
    run(layer(TITLES), [project.folder], out, options)
    before = contents(tmp_path)
    with pytest.raises(OutputError, match="settings: the classes were in another order, and"):
        run(layer(sorted(TITLES)), [project.folder], out, options)
    assert contents(tmp_path) == before


def test_parts_number_classes_alike(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(layer(TITLES), [project.folder], out, RunOptions(workers=1, part=Part(1, 2)))
    other = RunOptions(workers=1, part=Part(2, 2))
    with pytest.raises(OutputError, match="the classes were in another order"):
        run(layer(sorted(TITLES)), [project.folder], out, other)
    run(layer(TITLES), [project.folder], out, other)
    run(layer(TITLES), [project.folder], tmp_path / "whole", RunOptions(workers=1))
    assert contents(out) == contents(tmp_path / "whole")


def test_the_order_of_keys_is_nothing(project: Project, tmp_path: Path) -> None:
    usual = config(TITLES)
    settings = dict(reversed(usual["settings"].items()))
    turned = dict(reversed((usual | {"settings": settings}).items()))
    export(project.folder, tmp_path / "out", layer(TITLES))
    assert export(project.folder, tmp_path / "out", SaveMasks.from_json(turned)).skipped == 4


def test_results_of_older_versions_go_on(project: Project, tmp_path: Path) -> None:
    """Their journals have the classes sorted."""
    options = RunOptions(workers=1)
    run(layer(TITLES), [project.folder], tmp_path / "out", options)
    journal = Journal(tmp_path / "out/m")
    stored = orjson.loads(journal.get("arguments") or b"")
    del stored["order"]
    journal.put(arguments=orjson.dumps(stored, option=orjson.OPT_SORT_KEYS))
    journal.close()
    project.add("new.png")
    project.put("ds/ann/new.png.json", NOTE)
    assert run(layer(TITLES), [project.folder], tmp_path / "out", options).images == 1
    run(layer(TITLES), [project.folder], tmp_path / "whole", options)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
