"""Runs that go on where others ended: what is skipped, made anew and refused."""

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from savemasks.errors import OutputError
from savemasks.run.options import Hooks
from support.projects import KIWI, Project, annotation, files, layer, picture, same, tree
from support.resuming import Again, done, journal, times, touch

pytestmark = pytest.mark.usefixtures("warm")


# ---------------------------------------------------------------- going on


def test_what_is_finished_is_not_touched_again(project: Project, again: Again, out: Path) -> None:
    for name in ("a.png", "b.jpg.png", "\udcff.png", "ä.png", "\uffff.png"):
        project.add(name)
        project.add(name, "ds/datasets/child")
    assert done(again()) == (10, 0, 0, 0)
    before = times(out)
    assert done(again()) == (0, 0, 10, 0)
    after = times(out)
    del before["meta.json"], after["meta.json"]
    assert after == before
    same(tree(out), project.expected)


@pytest.mark.parametrize(("kept", "times_listed"), [(3, [1, 1]), (2, [1, 2]), (0, [2, 2])])
def test_folders_are_listed_once_unless_there_are_too_many_names_to_keep(
    project: Project, again: Again, monkeypatch: pytest.MonkeyPatch, kept: int, times_listed: Any
) -> None:
    for name in ("one/a.png", "one/b.png", "two/a.png"):
        project.add(name.partition("/")[2], name.partition("/")[0])
    again()
    seen: list[str] = []
    genuine = os.scandir

    def scandir(path: Any = ".") -> Any:
        seen.append(str(path))
        return genuine(path)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr("savemasks.run.worklist._MAX_KEPT_NAMES", kept)
    assert done(again()) == (0, 0, 3, 0)
    for part in ("img", "ann"):
        listed = [seen.count(f"{project.folder}/{name}/{part}") for name in ("one", "two")]
        assert listed == times_listed


def test_a_run_that_stopped_is_completed(project: Project, again: Again, out: Path) -> None:
    for i in range(40):
        project.add(f"{i:02}.png")
    stop = threading.Event()
    hooks = Hooks(stop=stop, on_progress=lambda ready, *_: stop.set() if ready == 7 else None)
    first = again(hooks=hooks)
    assert first.interrupted
    assert 7 <= first.images < 40
    assert len(journal(out)) == first.images
    told: list[tuple[int, int, int]] = []
    second = again(hooks=Hooks(on_progress=lambda *numbers: told.append(numbers)))
    assert done(second) == (40 - first.images, 0, first.images, 0)
    assert told[-1] == (second.images, 0, second.images)
    same(tree(out), project.expected)


def test_failed_items_are_tried_again_and_leave_their_reason(
    project: Project, again: Again, out: Path
) -> None:
    project.add("a.png")
    project.add_bad(b"no picture", annotation(KIWI), "bad.png")
    assert done(again()) == (1, 1, 0, 0)
    error = orjson.loads(journal(out)["ds/bad.png"]["error"])
    assert (error["kind"], error["file"]) == ("image", str(project.folder / "ds/img/bad.png"))
    assert done(again()) == (0, 1, 1, 0)
    project.put("ds/img/bad.png", picture())
    assert done(again()) == (1, 0, 1, 0)
    assert journal(out)["ds/bad.png"]["error"] is None


@pytest.mark.parametrize("part", ["img/a.png", "ann/a.png.json"])
def test_an_item_whose_input_has_changed_is_made_anew(
    project: Project, again: Again, out: Path, part: str
) -> None:
    for name in ("a.png", "b.png"):
        project.add(name)
    again()
    before = times(out)
    touch(project.folder / "ds" / part)
    assert done(again()) == (1, 0, 1, 0)
    changed = {name for name, time in times(out).items() if time != before[name]}
    assert {name for name in changed if "/b.png" in name} == set()
    assert len(changed) == 5  # with meta.json


def test_an_image_that_is_not_read_may_change(project: Project, again: Again) -> None:
    machine_only = layer(masks_human=False, images=False)
    project.add("a.png")
    again(machine_only)
    touch(project.folder / "ds/img/a.png")
    assert done(again(machine_only)) == (0, 0, 1, 0)
    touch(project.folder / "ds/ann/a.png.json")
    assert done(again(machine_only)) == (1, 0, 0, 0)


def test_nothing_old_stays_of_an_item_that_fails_now(
    project: Project, again: Again, out: Path
) -> None:
    project.add("a.png")
    again()
    expected = tree(out)
    project.add_bad(None, b"{", "b.png")
    project.put("ds/img/b.png", picture())
    project.put("ds/ann/b.png.json", annotation(KIWI))
    again()
    assert len(tree(out)) == len(expected) + 4
    project.put("ds/ann/b.png.json", b"{")
    assert done(again()) == (0, 1, 1, 0)
    same(tree(out), expected)


def test_vanished_inputs_are_reported_and_their_outputs_left(
    project: Project, again: Again, out: Path
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        project.add(name)
        project.add(name, "lost")
    project.add_bad(b"", annotation(), "bad.png")
    again()
    before = tree(out)
    for name in ("ds/img/b.png", "ds/ann/b.png.json", "ds/img/bad.png", "ds/ann/bad.png.json"):
        (project.folder / name).unlink()
    shutil.rmtree(project.folder / "lost")
    for _ in range(2):
        summary = again()
        assert done(summary) == (0, 0, 2, 4)
        assert summary.warnings[-1] == (
            "4 finished items are no longer in the projects, what became of them stays:"
            " ds/b.png, lost/a.png, lost/b.png, ..."
        )
    same(tree(out), before)


def test_items_that_come_later_are_exported_and_masks_get_their_new_names(
    project: Project, again: Again, out: Path
) -> None:
    project.add("a.jpg", mask="a.png")
    again()
    del project.expected["ds/masks_machine/a.png"], project.expected["ds/masks_human/a.png"]
    # Now `a.jpg` must make room for another image that has no extension.
    for name in [n for n in project.expected if n.startswith("ds")]:
        del project.expected[name]
    project.add("a.jpg", mask="a.jpg.png")
    project.add("a")
    assert done(again()) == (2, 0, 0, 0)
    same(tree(out), project.expected)


def test_an_annotation_that_serves_two_images_stays_when_one_of_them_fails(
    project: Project, again: Again, out: Path
) -> None:
    for name in ("a.bmp", "a.png"):
        project.add(name, mask=f"{name}.png", ann="a.json")
    shared = project.put("ds/ann/a.json", annotation(KIWI))
    assert done(again()) == (2, 0, 0, 0)
    project.put("ds/img/a.bmp", b"broken now")
    assert done(again()) == (0, 1, 1, 0)
    assert (out / "ds/ann/a.json").read_bytes() == shared.read_bytes()
    assert not (out / "ds/img/a.bmp").exists()
    assert (out / "ds/img/a.png").exists()


def test_a_mask_that_went_to_another_image_is_not_the_vanished_ones(
    project: Project, again: Again, out: Path
) -> None:
    project.add("a.jpg", mask="a.png")
    again()
    for name in ("img/a.jpg", "ann/a.jpg.json"):
        (project.folder / "ds" / name).unlink()
    project.add("a.tif", mask="a.png")
    assert done(again()) == (1, 0, 0, 1)
    assert list(journal(out)) == ["ds/a.tif"]
    assert done(again()) == (0, 0, 1, 0)


def test_a_data_set_that_could_not_be_listed_is_completed_later(
    project: Project, again: Again, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("a.png")
    project.add("b.png", "closed")
    again()
    genuine = os.scandir

    def scandir(path: Any = ".") -> Any:
        if Path(path) == project.folder / "closed/img":
            raise PermissionError(13, "Permission denied", str(path))
        return genuine(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert done(again()) == (0, 1, 1, 0)
    monkeypatch.undo()
    assert done(again()) == (0, 0, 2, 0)
    assert "closed/" not in journal(out)


# ---------------------------------------------------------------- other settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"line_width": 3}, "settings.line_width was 1 and is 3"),
        ({"images": False}, "settings.images was true and is false"),
        ({"masks_human": False}, "settings.masks_human was true and is false"),
        ({"gt_machine_color": {"kiwi": [1, 1, 1]}}, "settings.gt_machine_color was {"),
    ],
)
def test_other_settings_are_refused_unless_everything_is_made_anew(
    project: Project, again: Again, out: Path, settings: dict[str, Any], message: str
) -> None:
    project.add("a.png")
    again()
    before = files(out)
    with pytest.raises(OutputError) as caught:
        again(layer(**settings))
    assert message in str(caught.value)
    assert "--restart makes everything anew" in str(caught.value)
    assert files(out) == before
    assert done(again(layer(**settings), restart=True)) == (1, 0, 0, 0)
    shutil.copytree(out, out.parent / "restarted")
    shutil.rmtree(out)
    again(layer(**settings))
    same(tree(out.parent / "restarted"), tree(out))


def test_settings_that_mean_the_same_are_the_same(project: Project, again: Again) -> None:
    project.add()
    again()
    config = layer(annotations=True, unknown=7)
    colors = config["settings"]["gt_human_color"]
    config["settings"]["gt_human_color"] = dict(reversed(colors.items()))
    assert done(again(config)) == (0, 0, 1, 0)


def test_other_projects_and_other_classes_are_refused(
    project: Project, again: Again, tmp_path: Path
) -> None:
    project.add()
    again()
    other = Project(tmp_path / "other")
    other.add()
    with pytest.raises(OutputError, match=f"the projects were {project.folder}"):
        again(None, project.folder, other.folder)
    project.put("meta.json", b'{"classes": [{"title": "kiwi", "shape": "point"}]}')
    with pytest.raises(OutputError, match=r"classes in meta\.json have changed"):
        again()
    assert done(again(restart=True)) == (1, 0, 0, 0)


def test_the_way_to_a_project_does_not_matter(
    project: Project, again: Again, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add()
    again()
    monkeypatch.chdir(tmp_path)
    assert done(again(None, Path("project"))) == (0, 0, 1, 0)
    (tmp_path / "link").symlink_to("project")
    assert done(again(None, Path("link"))) == (0, 0, 1, 0)


def test_a_restart_that_is_interrupted_goes_on(project: Project, again: Again, out: Path) -> None:
    for i in range(30):
        project.add(f"{i:02}.png")
    again()
    stop = threading.Event()
    thick = layer(line_width=9)
    hooks = Hooks(stop=stop, on_progress=lambda ready, *_: stop.set() if ready == 5 else None)
    first = again(thick, hooks=hooks, restart=True)
    second = again(thick)
    assert second.skipped == first.images < 30
    assert second.images == 30 - first.images
    same(tree(out), project.expected)
