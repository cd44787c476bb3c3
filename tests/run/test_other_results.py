"""Results with masks of objects and classes: gone on with, verified, repaired, kept in place."""

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import savemasks
from savemasks.cli import commands as cli
from savemasks.layers.file_names import LEGEND_FILES
from savemasks.line.products import Mask
from savemasks.results.verify import verify
from savemasks.run.check import check
from savemasks.run.export import retry
from savemasks.store.files import Store
from support.other_masks import (
    FEW,
    THINGS,
    config,
    export,
    make_project,
    note,
    put,
    read,
    rectangle,
)
from support.projects import Json, Project, files, same
from support.resuming import times

pytestmark = pytest.mark.usefixtures("warm")
OWN: Json = {"masks_instances": "objects", "masks_classes": True}
MAP: Json = {"masks_instances": "map"}


@pytest.fixture
def made(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def call(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli.main, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "PROCESSES", False)


# ---------------------------------------------------------------- going on


def test_what_is_finished_is_left_as_it_is(made: Project, tmp_path: Path) -> None:
    for name, settings in {"own": OWN, "map": MAP, "both": {**MAP, "masks_classes": True}}.items():
        out = tmp_path / name
        assert export(made, out, config(**settings)).images == 2
        before = {k: v for k, v in times(out / "out").items() if k != "meta.json"}
        done = export(made, out, config(**settings))
        assert (done.images, done.skipped) == (0, 2)
        assert {k: v for k, v in times(out / "out").items() if k != "meta.json"} == before


def test_files_of_objects_that_vanish_are_removed(made: Project, tmp_path: Path) -> None:
    out = tmp_path / "out/ds"
    export(made, tmp_path, config(**OWN))
    assert len([*(out / "masks_instances/a").iterdir()]) == 8
    put(made, "a", FEW)
    assert export(made, tmp_path, config(**OWN)).images == 1
    found = sorted(str(path.relative_to(out)) for path in out.rglob("a/*"))
    expected = ["classes/a/plum.png", "instances/a/plum.png", "instances/a/plum_01.png"]
    assert found == [f"masks_{name}" for name in expected]
    put(made, "a", [])
    assert export(made, tmp_path, config(**OWN)).images == 1
    assert [*out.rglob("a")] == []
    assert [path.name for path in out.rglob("b")] == ["b", "b"]
    put(made, "a", THINGS)  # and they come back
    assert export(made, tmp_path, config(**OWN)).images == 1
    assert len([*(out / "masks_instances/a").iterdir()]) == 8
    assert verify(tmp_path / "out").damaged == 0


def test_other_settings_leave_nothing_of_the_older_ones(made: Project, tmp_path: Path) -> None:
    everything = config(**OWN, masks_machine=True, masks_semantic_rgb=True)
    export(made, tmp_path / "same", config(**MAP))
    export(made, tmp_path, everything)
    export(made, tmp_path, config(**MAP), restart=True)
    same(files(tmp_path / "out"), files(tmp_path / "same/out"))
    names = {name for name in LEGEND_FILES if (tmp_path / "out" / name).exists()}
    assert names == {"legend.json", "legend.png"}
    assert not (tmp_path / "out/ds/masks_classes/a").exists()


def test_an_item_whose_names_change_leaves_the_other_ones_files(
    made: Project, tmp_path: Path
) -> None:
    """`a.png` gives up the stem when `a.jpg` joins it, and gets it back."""
    layer = config(**OWN, masks_machine=True)
    export(made, tmp_path, layer)
    picture = (made.folder / "ds/img/b.png").read_bytes()
    for name, things in (("a.jpg", FEW), ("a.png.bmp", FEW)):
        made.put(f"ds/img/{name}", picture)
        made.put(f"ds/ann/{name}.json", note(things))
    export(made, tmp_path, layer)
    export(made, tmp_path / "anew", layer)
    same(files(tmp_path / "out"), files(tmp_path / "anew/out"))
    for name in ("a.jpg", "a.png.bmp"):
        os.unlink(made.folder / "ds/img" / name)
        os.unlink(made.folder / "ds/ann" / f"{name}.json")
    export(made, tmp_path, layer)
    assert verify(tmp_path / "out").damaged == 0
    assert (tmp_path / "out/ds/masks_classes/a/kiwi.png").exists()


# ---------------------------------------------------------------- verify, retry


def test_one_damaged_file_of_an_object_is_found_and_made_anew(
    made: Project, tmp_path: Path
) -> None:
    for settings, damaged in ((OWN, "a/kiwi_01.png"), (MAP, "a.json"), (MAP, "a.png")):
        out = tmp_path / f"out{len(str(settings))}{damaged[-4:]}"
        export(made, out, config(**settings))
        before = files(out / "out")
        path = out / "out/ds/masks_instances" / damaged
        path.write_bytes(path.read_bytes()[:-1])
        told: list[str] = []
        found = verify(out / "out", on_damage=told.append)
        legends = sum((out / "out" / name).exists() for name in LEGEND_FILES)
        assert (found.items, found.files) == (2, len(before) + legends)
        assert [message.partition(": ")[0] for message in told] == [str(path)]
        assert retry(out / "out").images == 1
        assert files(out / "out") == before
        assert verify(out / "out").damaged == 0


def test_an_item_that_fails_leaves_no_mask_of_its_objects(
    made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = Store.write
    calls: list[str] = []

    def write(store: Store, name: str, parts: Any) -> Any:
        if "masks_instances/a/" in name:
            calls.append(name)
            if len(calls) == 5:
                raise savemasks.errors.WriteError("is full", file=name)
        return genuine(store, name, parts)

    monkeypatch.setattr(Store, "write", write)
    layer = savemasks.SaveMasks.from_json(config(**OWN))
    done = savemasks.export(made.folder, tmp_path, layer, workers=1)
    assert (done.images, done.failed) == (1, 1)
    assert [path for path in (tmp_path / "out").rglob("a/*") if path.is_file()] == []
    assert retry(tmp_path / "out").images == 1
    assert len([*(tmp_path / "out/ds/masks_instances/a").iterdir()]) == 8


# ---------------------------------------------------------------- foreign files


@pytest.mark.parametrize(
    ("settings", "place", "is_refused"),
    [
        (OWN, "masks_instances/a/mine.txt", True),
        (OWN, "masks_classes/a/deeper/mine.txt", True),
        (OWN, "masks_instances/a", True),
        (OWN, "masks_instances/a.png", False),
        (OWN, "masks_instances/ab/mine.txt", False),
        (MAP, "masks_instances/a.json", True),
        (MAP, "masks_instances/a.png.png", False),
        (MAP, "masks_classes/a/mine.txt", False),
    ],
)
def test_foreign_files_stay_and_are_told(
    made: Project, tmp_path: Path, settings: Json, place: str, is_refused: bool
) -> None:
    mine = tmp_path / "out/ds" / place
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(**settings)))
    code, text = call("run", path, made.folder, f"--out={tmp_path}", "--force")
    assert mine.read_bytes() == b"mine"
    assert code == is_refused
    assert (f"{mine}: exists and was not made by savemasks; move it away" in text) == is_refused
    assert (tmp_path / "out/ds/masks_instances").exists()
    mine.unlink()
    assert call("run", path, made.folder, f"--out={tmp_path}")[0] == 0
    assert verify(tmp_path / "out").items == 2


def test_two_foreign_files_of_an_item_are_both_heeded(made: Project, tmp_path: Path) -> None:
    folder = tmp_path / "out/ds/masks_instances/a"
    folder.mkdir(parents=True)
    for name in ("1", "2"):
        (folder / name).write_bytes(b"mine")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(**OWN)))
    command = ["run", path, made.folder, f"--out={tmp_path}", "--force"]
    for name in ("1", "2"):
        code, text = call(*command)
        assert (code, f"{folder}/{name}: exists" in text) == (1, True)
        (folder / name).unlink()
    assert call(*command)[0] == 0


@pytest.mark.parametrize("place", ["masks_instances", "masks_instances/a"])
def test_nothing_is_written_through_foreign_links(
    made: Project, tmp_path: Path, place: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "out/ds" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(**OWN)))
    code, text = call("run", path, made.folder, f"--out={tmp_path}", "--force")
    assert (code, f"{link}: exists" in text or place == "masks_instances") == (1, True)
    assert [*elsewhere.iterdir()] == []


def test_a_foreign_legend_is_refused_before_anything_is_made(made: Project, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/legend.json").write_bytes(b"mine")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(**OWN)))
    code, text = call("run", path, made.folder, f"--out={tmp_path}", "--force")
    assert (code, "legend.json: exists and is not ours; move it away" in text) == (2, True)
    assert not (tmp_path / "out/ds").exists()
    assert (tmp_path / "out/legend.json").read_bytes() == b"mine"


# ---------------------------------------------------------------- check


@pytest.mark.parametrize(
    "settings",
    [OWN, MAP, {**OWN, "images": True, "annotations": True}, {**OWN, "format": "tiff"}],
    ids=str,
)
def test_a_check_tells_how_many_files_there_will_be(
    made: Project, tmp_path: Path, settings: Json
) -> None:
    layer = savemasks.SaveMasks.from_json(config(**settings))
    survey = check(layer, [made.folder])
    export(made, tmp_path, config(**settings))
    expected = len([name for name in files(tmp_path / "out") if name != "meta.json"])
    assert survey.files == expected
    if "format" not in settings:
        assert f" MB in {expected} files (from 2 items that were tried)" in survey.forecast()


def test_a_check_of_usual_masks_says_what_it_always_has(made: Project) -> None:
    layer = savemasks.SaveMasks.from_json(config(masks_machine=True))
    assert " files" not in check(layer, [made.folder]).forecast()


# ---------------------------------------------------------------- names

TITLES = ("../x", "a/b", "a\0b", "x" * 300, "con", "Kiwi", "kiwi", "..", "kiwi_01", "/abs")


@pytest.mark.parametrize("settings", [OWN, {**OWN, "strips_above_megapixels": 0}], ids=str)
def test_no_title_leads_out_of_its_folder(tmp_path: Path, settings: Json) -> None:
    project = make_project(tmp_path / "in/project", TITLES[:6])
    colors = dict.fromkeys(TITLES)
    grays = {title: [i, i, i] for i, title in enumerate(colors, start=1)}
    things = [rectangle(title, i, i, i + 9, i + 9) for i, title in enumerate([*TITLES, "kiwi"])]
    for name in "ab":
        put(project, name, things)
    before = files(tmp_path)
    layer = config(**settings, masks_machine=True, gt_machine_color=grays, gt_human_color=None)
    export(project, tmp_path / "results", layer)
    out = tmp_path / "results/out"
    after = files(tmp_path)
    assert {name: after[name] for name in before} == before
    assert all(name.startswith("results/out/") for name in after.keys() - before.keys())
    for folder, count in (("masks_classes", len(TITLES)), ("masks_instances", len(things))):
        found = [*(out / "ds" / folder / "a").iterdir()]
        assert all(path.is_file() for path in found)
        assert len({path.name.casefold() for path in found}) == len(found) == count
        assert {p.relative_to(out / "ds" / folder).parts[0] for p in found} == {"a"}
        assert len([*(out / "ds" / folder).iterdir()]) == 2
    legend = json.loads((out / "legend.json").read_bytes())["classes"]
    for i, title in enumerate(TITLES):
        mask = read(out / f"ds/masks_classes/a/{legend[title]['file']}.png")
        assert (mask[i : i + 10, i : i + 10] == 255).all()


# ---------------------------------------------------------------- memory, command line


def test_many_objects_take_no_memory_by_their_masks(
    made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is said of their files is kept."""
    size = 200_000
    layer = savemasks.SaveMasks.from_json(config(masks_instances="objects"))
    monkeypatch.setattr(Mask, "encode", lambda *_: [b"x" * size])
    peaks: list[int] = []
    for count in (10, 10, 400):  # the first one loads all that is needed
        put(made, "a", [rectangle("kiwi", i % 40, 1, 41, 30) for i in range(count)])
        out = tmp_path / str(len(peaks))
        tracemalloc.start()
        try:
            done = savemasks.export(made.folder, out, layer, workers=1)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert (done.images, done.failed) == (2, 0)
        assert len([*(out / "out/ds/masks_instances/a").iterdir()]) == count
    assert peaks[2] - peaks[1] < 5 * size


def test_all_of_them_by_the_command_line_and_processes(
    made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "PROCESSES", True)
    layer = config(
        **OWN, masks_machine=True, masks_human=True, masks_semantic_rgb=True,
        machine_palette=True, human_format="webp", human_outlines=True, human_scale=0.5,
    )  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(json.dumps(layer))
    code, text = call("run", path, made.folder, f"--out={tmp_path}", "--workers=2")
    assert code == 0, text
    export(made, tmp_path / "threads", layer)
    found, expected = files(tmp_path / "out"), files(tmp_path / "threads/out")
    same(found, expected)
    for name in LEGEND_FILES:
        assert (tmp_path / "out" / name).read_bytes() == (
            tmp_path / "threads/out" / name
        ).read_bytes()
    assert call("verify", tmp_path / "out")[0] == 0
    code, text = call("check", path, made.folder)
    assert (code, f" in {len(found) - 1} files " in text) == (0, True)
