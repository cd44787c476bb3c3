"""Legends of results: what is counted, also by runs that go on, and what they stand beside."""

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import savemasks
from savemasks.results.lock import HIDDEN
from savemasks.results.verify import verify
from savemasks.run.export import retry
from savemasks.store.files import Store
from support.other_masks import (
    CLASSES,
    FEW,
    THINGS,
    classes_map,
    config,
    export,
    gray_of,
    make_project,
    put,
    whole_objects,
)
from support.projects import Json, Project

pytestmark = pytest.mark.usefixtures("warm")
MACHINE: Json = {"masks_machine": True}
KINDS: dict[str, Json] = {
    "machine": MACHINE,
    "human": {"masks_human": True},
    "semantic": {"masks_semantic_rgb": True},
    "own": {"masks_classes": True},
    "map": {"masks_instances": "map"},
    "machine in strips": {**MACHINE, "strips_above_megapixels": 0},
    "own in strips": {"masks_instances": "objects", "strips_above_megapixels": 0},
    "machine as tiff": {**MACHINE, "format": "tiff"},
}


@pytest.fixture
def made(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def counts(out: Path) -> dict[str, tuple[int, int, int] | None]:
    """Objects, pixels and images by class as the legend has them."""
    classes = json.loads((out / "out/legend.json").read_bytes())["classes"]
    return {
        title: (entry["objects"], entry["pixels"], entry["images"]) if "objects" in entry else None
        for title, entry in classes.items()
    }


def naive(*items: list[Json]) -> dict[str, tuple[int, int, int]]:
    """The same, counted in what OpenCV paints."""
    found = {}
    for title in CLASSES:
        objects = [sum(e.title == title for e in whole_objects(things)) for things in items]
        pixels = sum(int((classes_map(things) == gray_of(title)).sum()) for things in items)
        found[title] = sum(objects), pixels, sum(count > 0 for count in objects)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_counted(made: Project, tmp_path: Path, kind: str) -> None:
    export(made, tmp_path, config(**KINDS[kind]))
    assert counts(tmp_path) == naive(THINGS, FEW)


def test_they_are_those_of_all_runs(made: Project, tmp_path: Path) -> None:
    export(made, tmp_path, config(**MACHINE))
    put(made, "c", THINGS[:3])
    put(made, "b", THINGS)
    assert export(made, tmp_path, config(**MACHINE)).images == 2
    assert counts(tmp_path) == naive(THINGS, THINGS, THINGS[:3])
    assert export(made, tmp_path, config(**MACHINE)).images == 0
    assert counts(tmp_path) == naive(THINGS, THINGS, THINGS[:3])


def test_items_that_are_damaged_or_fail_do_not_count(made: Project, tmp_path: Path) -> None:
    export(made, tmp_path, config(**MACHINE))
    (tmp_path / "out/ds/masks_machine/a.png").write_bytes(b"")
    assert verify(tmp_path / "out").damaged == 1
    broken = made.folder / "ds/ann/a.png.json"
    text = broken.read_bytes()
    broken.write_bytes(b"{")
    assert retry(tmp_path / "out").failed == 1
    assert counts(tmp_path) == naive(FEW)
    broken.write_bytes(text)
    assert retry(tmp_path / "out").images == 1
    assert counts(tmp_path) == naive(THINGS, FEW)


def test_other_settings_count_anew(made: Project, tmp_path: Path) -> None:
    """What is not made again yet was counted by other labels."""
    for name in "cdefghijklmno":
        put(made, name, FEW)
    export(made, tmp_path, config(**MACHINE))
    layer = config(**MACHINE, gt_machine_color={"plum": [7, 7, 7], "kiwi": [5, 5, 5]})
    stop = threading.Event()
    export(made, tmp_path, layer, restart=True, stop=stop, on_progress=lambda *_: stop.set())
    first = counts(tmp_path)
    assert first["plum"] is not None
    count = first["plum"][2]
    assert 0 < count < 15
    kiwis = sum(each.title == "kiwi" for each in whole_objects(THINGS))
    assert (first["kiwi"] or (0, 0, 0))[0] == kiwis
    assert first["plum"][0] == 3 + 2 * (count - 1)
    assert first["lemon"] == (0, 0, 0)
    assert export(made, tmp_path, layer).skipped == count
    assert (counts(tmp_path)["plum"] or (0, 0, 0))[2] == 15


def test_a_run_that_ends_early_counts_what_there_is(made: Project, tmp_path: Path) -> None:
    stop = threading.Event()
    layer = savemasks.SaveMasks.from_json(config(**MACHINE))
    for name in "cdefghijklmno":
        put(made, name, FEW)
    savemasks.export(
        made.folder, tmp_path, layer, workers=1, stop=stop, on_progress=lambda *_: stop.set()
    )
    count = len([*(tmp_path / "out/ds/masks_machine").iterdir()])
    assert 0 < count < 15
    assert counts(tmp_path) == naive(THINGS, *[FEW] * (count - 1))


# ---------------------------------------------------------------- older results


def test_a_result_of_an_older_version_is_gone_on_with_but_not_counted(
    made: Project, tmp_path: Path
) -> None:
    """Its journal has no table of counts, and nothing of later settings in its arguments."""
    colors = {title: [gray_of(title)] * 3 for title in CLASSES}
    layer = {**config(**MACHINE, gt_machine_color=colors, gt_human_color=None)}
    export(made, tmp_path, layer)
    path = tmp_path / "out" / HIDDEN / "journal.sqlite"
    with sqlite3.connect(path) as database:
        (text,) = database.execute("SELECT value FROM run WHERE key = 'arguments'").fetchone()
        stored = json.loads(text)["layer"]["settings"]
        database.execute("DROP TABLE counts")
        database.execute("DELETE FROM run WHERE key = 'legend'")
    database.close()
    assert {*stored} == {
        "masks_machine", "masks_human", "gt_machine_color", "gt_human_color", "images",
        "annotations", "paint_order", "line_width", "class_priority", "format", "pyramid",
        "strips_above_megapixels",
    }  # fmt: skip
    for name in ("legend.json", "legend.png", "obj_class_to_machine_color.json"):
        (tmp_path / "out" / name).unlink()
    assert verify(tmp_path / "out").damaged == 0
    put(made, "c", FEW)
    done = export(made, tmp_path, layer)
    assert (done.images, done.skipped) == (1, 2)
    assert counts(tmp_path) == dict.fromkeys(CLASSES)
    put(made, "a", FEW)
    put(made, "b", FEW)
    assert export(made, tmp_path, layer).images == 2
    assert counts(tmp_path) == naive(FEW, FEW, FEW)


# ---------------------------------------------------------------- files


def test_all_files_of_a_legend_are_there_and_verified(made: Project, tmp_path: Path) -> None:
    export(made, tmp_path, config(**MACHINE, masks_semantic_rgb=True))
    names = ["legend.json", "legend.png"]
    names += ["obj_class_to_machine_color.json", "obj_class_to_semantic_color.json"]
    found = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_file())
    assert found == [*names[:2], "meta.json", *names[2:]]
    with Image.open(tmp_path / "out/legend.png") as image:
        pixels = np.asarray(image)
    for color in CLASSES.values():
        assert (pixels == color).all(axis=2).sum() > 100
    for name in names:
        path = tmp_path / "out" / name
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        told: list[str] = []
        assert verify(tmp_path / "out", on_damage=told.append).damaged == 1
        assert told[0].startswith(f"{path}: ")
        path.write_bytes(content)


def test_a_legend_that_cannot_be_written_is_told_and_all_else_is_whole(
    made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = Store.write

    def write(store: Store, name: str, parts: Any) -> Any:
        if name == "legend.json":
            raise savemasks.errors.WriteError("cannot be written: no room", file=name)
        return genuine(store, name, parts)

    monkeypatch.setattr(Store, "write", write)
    layer = savemasks.SaveMasks.from_json(config(**MACHINE))
    done = savemasks.export(made.folder, tmp_path, layer, workers=1)
    assert (done.images, done.failed) == (2, 0)
    assert done.problems == ["legend.json: cannot be written: no room"]
    monkeypatch.undo()
    assert export(made, tmp_path, config(**MACHINE)).skipped == 2
    assert counts(tmp_path) == naive(THINGS, FEW)


def test_a_run_that_changes_nothing_leaves_a_legend_as_it_is(made: Project, tmp_path: Path) -> None:
    layer = config(**MACHINE)
    export(made, tmp_path, layer)
    legend, content = tmp_path / "out/legend.json", (tmp_path / "out/legend.json").read_bytes()
    before = legend.stat().st_mtime_ns, (tmp_path / "out/legend.png").stat().st_mtime_ns
    export(made, tmp_path, layer)
    assert (legend.stat().st_mtime_ns, (tmp_path / "out/legend.png").stat().st_mtime_ns) == before
    legend.write_bytes(content[:-2])  # but not if it is damaged
    export(made, tmp_path, layer)
    assert legend.read_bytes() == content


def test_a_run_that_ends_by_an_exception_leaves_the_legend_to_the_next_one(
    made: Project, tmp_path: Path
) -> None:
    def fail(*_: int) -> None:
        raise RuntimeError("the caller's")

    put(made, "c.png", FEW)
    layer = savemasks.SaveMasks.from_json(config(**MACHINE))
    export(made, tmp_path, config(**MACHINE))
    put(made, "d.png", FEW)
    with pytest.raises(RuntimeError, match="the caller's"):
        savemasks.export(made.folder, tmp_path, layer, workers=1, on_progress=fail)
    assert counts(tmp_path) == naive(THINGS, FEW, FEW)
    assert export(made, tmp_path, config(**MACHINE)).images == 0
    assert counts(tmp_path) == naive(THINGS, FEW, FEW, FEW)


def test_a_colour_that_changes_in_the_project_changes_in_the_legend(
    made: Project, tmp_path: Path
) -> None:
    layer = config(**MACHINE, gt_machine_color={"kiwi": [9, 9, 9]}, gt_human_color=None)
    export(made, tmp_path, layer)
    meta = json.loads((made.folder / "meta.json").read_bytes())
    meta["classes"][0]["color"] = "#010203"
    (made.folder / "meta.json").write_text(json.dumps(meta))
    assert export(made, tmp_path, layer).images == 0
    classes = json.loads((tmp_path / "out/legend.json").read_bytes())["classes"]
    assert classes[meta["classes"][0]["title"]]["color"] == "#010203"


def test_every_sink_of_a_graph_has_its_own(made: Project, tmp_path: Path) -> None:
    data: Json = {"action": "data", "src": ["project/*"], "dst": "$0"}
    data["settings"] = {"classes_mapping": {"kiwi": "fruit", "lemon": "fruit", "plum": "plum",
                                            "fig": "__ignore__"}}  # fmt: skip
    sinks = [
        {**config(**kind), "src": ["$0"], "dst": name}
        for name, kind in (("first/out", MACHINE), ("second/out", {"masks_classes": True}))
    ]
    export(made, tmp_path, [data, *sinks])
    known = naive(THINGS, FEW)
    for name in ("first", "second"):
        found = counts(tmp_path / name)
        assert found["plum"] == known["plum"]
        assert found["fruit"] == (
            known["kiwi"][0] + known["lemon"][0],
            known["kiwi"][1] + known["lemon"][1],
            1,
        )
        assert "fig" not in found
