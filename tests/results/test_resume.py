"""Runs that go on where others ended: what is skipped, made anew, refused and left alone."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from savemasks.errors import OutputError
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import Stamp, output_names
from savemasks.projects.supervisely import Project as OpenedProject
from savemasks.results.journal import Journal, pack_stamps
from savemasks.results.lock import HIDDEN, Lock
from savemasks.results.report import Summary
from savemasks.run.export import run
from savemasks.run.options import Hooks, RunOptions
from support.projects import KIWI, Project, annotation, files, layer, names, picture, same, tree

LAYER = SaveMasks.from_json(layer())
pytestmark = pytest.mark.usefixtures("warm")
Again = Callable[..., Summary]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The output folder proper."""
    return tmp_path / "out/experiment001"


@pytest.fixture
def again(project: Project, tmp_path: Path) -> Again:
    """Run with the same arguments, except for those that are given."""

    def call(
        settings: object = None, *folders: Path, hooks: Hooks | None = None, **options: Any
    ) -> Summary:
        config = SaveMasks.from_json(settings) if isinstance(settings, dict) else LAYER
        where = folders or (project.folder,)
        return run(config, where, tmp_path / "out", RunOptions(workers=2, **options), hooks)

    return call


def done(summary: Summary) -> tuple[int, int, int, int]:
    return summary.images, summary.failed, summary.skipped, summary.vanished


def times(folder: Path) -> dict[str, int]:
    """When each file was made."""
    return {name: (folder / name).stat().st_mtime_ns for name in files(folder)}


def journal(out: Path) -> dict[str, dict[str, Any]]:
    """Rows of the journal by data set and name, as plain SQL shows them."""
    with sqlite3.connect(out / HIDDEN / "journal.sqlite") as database:
        database.row_factory = sqlite3.Row
        rows = database.execute("SELECT * FROM items JOIN datasets ON number = dataset").fetchall()
    database.close()
    return {f"{os.fsdecode(row['output'])}/{os.fsdecode(row['name'])}": dict(row) for row in rows}


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


def touch(path: Path) -> None:
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


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


# ---------------------------------------------------------------- folders of others


def test_force_adds_what_is_not_there_and_replaces_nothing(
    project: Project, again: Again, out: Path, tmp_path: Path
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        project.add(name)
    project.add("a.png", "linked")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("ds/masks_human/b.png", "ds/other/x"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"mine")
    (out / "linked").symlink_to(elsewhere)
    with pytest.raises(OutputError, match="or --force to add what does not exist there"):
        again()
    for force in (True, False):  # once it is ours, nobody needs force any more
        summary = again(force=force)
        assert done(summary) == (2 if force else 0, 2, 0 if force else 2, 0)
        assert summary.failures == [
            f"{out}/ds/masks_human/b.png: exists and was not made by savemasks; move it away",
            f"{out}/linked/masks_machine/a.png: exists and was not made by savemasks; move it away",
        ]
        assert (out / "ds/masks_human/b.png").read_bytes() == b"mine"
        assert names(elsewhere) == []
    assert names(out / "ds/img") == ["a.png", "c.png"]


def test_a_meta_json_of_others_is_not_replaced(project: Project, again: Again, out: Path) -> None:
    project.add()
    out.mkdir(parents=True)
    (out / "meta.json").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"meta\.json: exists and is not ours"):
        again(force=True)
    assert files(out) == {"meta.json": b"mine"}


def test_a_journal_that_is_damaged_is_refused(project: Project, again: Again, out: Path) -> None:
    project.add()
    again()
    (out / HIDDEN / "journal.sqlite").write_bytes(b"no database at all" * 1000)
    with pytest.raises(OutputError, match=r"journal\.sqlite: cannot be used as a journal: file is"):
        again()


# ---------------------------------------------------------------- one at a time


HOLD = """
import sys
from pathlib import Path
from savemasks.results.lock import Lock, hold_worker_lock
root = Path(sys.argv[1])
lock = Lock(root) if sys.argv[2] == "run" else hold_worker_lock(root)
print("held", flush=True)
sys.stdin.read()
"""


def holder(root: Path, what: str) -> "subprocess.Popen[bytes]":
    (root / HIDDEN).mkdir(parents=True, exist_ok=True)
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root), what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout
    assert child.stdout.readline() == b"held\n"
    return child


def test_a_second_run_is_refused_while_one_is_at_work_but_not_after_it_was_killed(
    project: Project, again: Again, out: Path
) -> None:
    project.add()
    with holder(out, "run") as other:
        with pytest.raises(
            OutputError, match=rf"another savemasks is at work here .process {other.pid}"
        ):
            again()
        other.kill()
    assert done(again()) == (1, 0, 0, 0)


def test_a_run_waits_for_the_workers_of_one_that_was_killed(
    project: Project, again: Again, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add()
    with holder(out, "worker") as other:
        monkeypatch.setattr("savemasks.results.lock._WORKERS_TIMEOUT", 0.3)
        with pytest.raises(OutputError, match="workers of a run that was killed are still at work"):
            again()
        monkeypatch.undo()
        timer = threading.Timer(0.5, other.kill)
        timer.start()
        assert done(again()) == (1, 0, 0, 0)
        timer.join()


def test_a_run_lets_go_of_its_lock(project: Project, again: Again, out: Path) -> None:
    project.add()
    again()
    Lock(out).close()


# ---------------------------------------------------------------- leftovers


def test_what_a_killed_run_left_half_written_is_removed(
    project: Project, again: Again, out: Path
) -> None:
    project.add()
    again()
    with sqlite3.connect(out / HIDDEN / "journal.sqlite") as database:
        database.execute("UPDATE run SET value = x'31' WHERE key = 'open'")
    database.close()
    left = [out / ".savemasks-1-2.part", out / "ds/img/.savemasks-1-3.part"]
    kept = [out / "ds/img/.savemasks-x", out / "ds/x.part"]
    for path in left + kept:
        path.write_bytes(b"half")
    again()
    assert [path.exists() for path in left + kept] == [False, False, True, True]


# ---------------------------------------------------------------- the journal


def test_the_journal_says_what_was_read_and_written(
    project: Project, again: Again, out: Path
) -> None:
    project.add("a.png")
    again()
    row = journal(out)["ds/a.png"]
    stamps = []
    for part in ("ann/a.png.json", "img/a.png"):
        status = (project.folder / "ds" / part).stat()
        stamps.append(Stamp(status.st_size, status.st_mtime_ns))
    assert row["inputs"] == pack_stamps(*stamps)
    with_journal = Journal(out)
    try:
        record = with_journal.find("ds", b"a.png")
        assert record
        written = dict(record.files())
    finally:
        with_journal.close()
    contents = {name: (out / "ds" / name).read_bytes() for name in written}
    assert {n: (len(c), zlib.crc32(c)) for n, c in contents.items()} == written
    assert len(written) == 4


@pytest.mark.parametrize(
    "settings",
    [{}, {"masks_human": False, "images": False}, {"masks_machine": False, "annotations": False}],
)
def test_the_plan_knows_the_names_that_the_export_uses(
    project: Project, again: Again, out: Path, settings: dict[str, Any]
) -> None:
    project.add("a.jpg", ann="a.json")
    project.add("b.png")
    config = layer(**settings)
    again(config)
    (dataset,) = OpenedProject.open(project.folder).datasets()
    planned = [
        f"ds/{name}"
        for entry in dataset.listing()
        for name in output_names(entry, SaveMasks.from_json(config).settings)
    ]
    assert sorted([*planned, "meta.json"]) == sorted(files(out))


def test_an_item_is_in_the_journal_only_when_its_files_are_there(
    project: Project, again: Again, out: Path
) -> None:
    for i in range(20):
        project.add(f"{i}.png")

    def look(*_: int) -> None:
        for key, row in journal_through_a_copy(out).items():
            dataset = key.rpartition("/")[0]
            for name in row["outputs"].split(b"\0"):
                assert (out / dataset / os.fsdecode(name)).exists()

    again(hooks=Hooks(on_progress=look))


def journal_through_a_copy(out: Path) -> dict[str, dict[str, Any]]:
    """What a crash at this moment would leave of the journal."""
    copy = out.parent / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(out / HIDDEN, copy / HIDDEN)
    return journal(copy)


def test_durable_waits_for_files_folders_and_journal(
    project: Project, again: Again, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("a.png", "ds/datasets/child")
    synced: list[str] = []
    genuine = os.fsync

    def fsync(file: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{file}").readlink()))
        genuine(file)

    monkeypatch.setattr(os, "fsync", fsync)
    again()
    assert synced == []
    again(durable=True, restart=True)
    files_synced = [name for name in synced if name.endswith(".part")]
    assert len(files_synced) == 5
    assert synced.index(files_synced[-1]) < synced.index(str(out / "ds/datasets/child/img"))
    folders = {"", "/ds", "/ds/datasets", "/ds/datasets/child"}
    for part in ("img", "ann", "masks_human", "masks_machine"):
        folders.add(f"/ds/datasets/child/{part}")
    assert {f"{out}{folder}" for folder in folders} | {str(out.parent)} <= set(synced)
