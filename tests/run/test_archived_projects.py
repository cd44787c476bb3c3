"""Projects in archives give what the unpacked ones give."""

import gc
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

import savemasks
from savemasks.layers.save_masks import SaveMasks
from savemasks.projects import unpacking
from savemasks.results.report import Summary
from support.archives import KINDS, edited, pack
from support.graphs import make, two_sinks, write_project, write_projects
from support.projects import SCRIPT, Project, call, layer, picture
from support.resuming import done, journal

pytestmark = pytest.mark.usefixtures("warm")

LAYER = SaveMasks.from_json(layer())
NAMES = ("ds/a.png", "ds/b.png", "market/ä.png", f"market/datasets/deep/{'long' * 22}.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An unpacked project: four items, one of which fails, and files that are no items."""
    project = write_project(tmp_path / "in" / "lemons", NAMES)
    project.add_bad(b"no picture", b"{}", dataset="ds")
    project.put("ds/img/Thumbs.db", b"x")
    project.put("ds/img/more/x.png", picture())
    project.put("__MACOSX/ds/img/._a.png", b"x")
    (project.folder / "empty" / "img").mkdir(parents=True)
    return project.folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place for temporary files."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return place


def everything(out: Path) -> dict[str, bytes]:
    """All files of a result but the journal's."""
    paths = (path for path in out.rglob("*") if path.is_file() and ".savemasks" not in path.parts)
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def export(project: Path, out: Path, **options: object) -> Summary:
    return savemasks.export(project, out, LAYER, workers=2, **options)  # type: ignore[call-overload, no-any-return]


def in_folder(errors: list[str], project: Path) -> list[str]:
    return [error.partition(f"{project}/")[2].removeprefix("lemons/") for error in errors]


# ---------------------------------------------------------------- the same result


@pytest.mark.parametrize("inside", ["", "lemons/", "./"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_gives_the_bytes_of_the_unpacked_project(
    folder: Path, tmp_path: Path, temporary: Path, kind: str, inside: str
) -> None:
    expected = export(folder, tmp_path / "unpacked")
    archive = pack(folder, tmp_path / f"lemons.{kind}", kind, inside)
    found = export(archive, tmp_path / "out")
    assert everything(tmp_path / "out") == everything(tmp_path / "unpacked")
    assert done(found) == done(expected) == (4, 1, 0, 0)
    failures = [in_folder([*map(str, s.failures)], p) for s, p in
                ((expected, folder), (found, archive))]  # fmt: skip
    assert failures[0] == failures[1]
    notes = [note for note in found.warnings if "is compressed as a whole" in note]
    assert len(notes) == (kind in {"tar.gz", "tgz"})
    assert [note for note in found.warnings if note not in notes] == expected.warnings
    assert [*temporary.iterdir()] == []


def test_processes_read_archives(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(layer()))
    for path in (folder, *(pack(folder, tmp_path / f"lemons.{k}") for k in ("tar.gz", "zip"))):
        out = tmp_path / f"out{path.suffix}"
        code, text = call("run", tmp_path / "config.json", path, f"--out={out}", "--workers=2")
        assert code == 1, text
        assert everything(out) == everything(tmp_path / "out")


def test_layers_name_archives_by_their_stems(tmp_path: Path) -> None:
    lemons, limes = write_projects(tmp_path / "in")
    make(two_sinks(), [lemons, limes], tmp_path / "unpacked")
    expected = everything(tmp_path / "unpacked")
    packed = tmp_path / "packed"
    packed.mkdir()
    archive = pack(lemons, packed / "lemons.tar.000")
    pack(limes, packed / "limes.zip")
    make(two_sinks(), [archive], tmp_path / "given")
    make(two_sinks(), [], tmp_path / "below", below=[packed])
    assert everything(tmp_path / "given") == everything(tmp_path / "below") == expected


def test_data_sets_of_one_name_are_named_after_the_archive(tmp_path: Path) -> None:
    folders = write_projects(tmp_path / "in")
    savemasks.export(folders, tmp_path / "unpacked", LAYER)
    archives = [pack(each, tmp_path / f"{each.name}.tar") for each in folders]
    savemasks.export(archives, tmp_path / "out", LAYER)
    assert everything(tmp_path / "out") == everything(tmp_path / "unpacked")


def test_links_become_copies_with_one_note(folder: Path, tmp_path: Path) -> None:
    expected = export(folder, tmp_path / "unpacked")
    for each in ("tar", "zip"):
        archive = pack(folder, tmp_path / f"lemons.{each}")
        found = export(archive, tmp_path / each, link=True)
        assert everything(tmp_path / each) == everything(tmp_path / "unpacked")
        assert [n for n in found.warnings if n not in expected.warnings] == [
            "--link: what lies in archives is copied, for it cannot be linked"
        ]


@pytest.mark.parametrize("kind", ["tar", "zip", "tar.000"])
@pytest.mark.parametrize("is_read", [True, False])
def test_large_pictures_are_read_in_strips(
    tmp_path: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    is_read: bool,
) -> None:
    """Pictures are large in two ways: as files, which are not read, and as pixels."""
    if not is_read:
        monkeypatch.setattr("savemasks.line.item._MOST_AT_ONCE", 10)
        monkeypatch.setattr("savemasks.projects.archives._LARGE", 10)
    project = Project(tmp_path / "lemons")
    project.add("a.png")
    project.add("b.png")
    config = SaveMasks.from_json(layer(strips_above_megapixels=0.00001))
    savemasks.export(project.folder, tmp_path / "unpacked", config)
    archive = pack(project.folder, tmp_path / f"lemons.{kind}")
    found = savemasks.export(archive, tmp_path / "out", config)
    assert everything(tmp_path / "out") == everything(tmp_path / "unpacked")
    assert done(found) == (2, 0, 0, 0)
    assert ["are copied to a temporary file" in n for n in found.warnings] == [True] * (not is_read)
    assert [*temporary.iterdir()] == []


def test_members_that_cannot_be_read_cost_their_items(tmp_path: Path) -> None:
    project = Project(tmp_path / "lemons")
    project.add("a.png")
    project.add("b.png")
    project.add("c.png")
    (tmp_path / "lemons/ds/img/b.png").unlink()
    (tmp_path / "lemons/ds/img/b.png").symlink_to("a.png")
    archive = pack(project.folder, tmp_path / "lemons.tar")
    found = export(archive, tmp_path / "out")
    assert [str(f) for f in found.failures] == [
        f"{archive}/ds/img/b.png: is a link in the archive, and links there are not followed;"
        " pack the file itself"
    ]
    assert done(found) == (2, 1, 0, 0)
    (tmp_path / "lemons/ds/img/b.png").unlink()
    packed = pack(project.folder, tmp_path / "lemons.zip")
    with zipfile.ZipFile(packed) as opened:
        at = opened.getinfo("ds/ann/c.png.json").header_offset + 60
    edited(packed, lambda content: content[:at] + b"?" + content[at + 1 :])
    found = export(packed, tmp_path / "zip")
    missing = f"{packed}/ds/ann/b.png.json: the image of this annotation is missing"
    assert str(found.failures[0]) == missing
    assert f"{packed}/ds/ann/c.png.json: is damaged in the archive" in str(found.failures[1])


def test_open_project_reads_archives(folder: Path, tmp_path: Path, temporary: Path) -> None:
    expected = savemasks.open_project(folder)
    for kind in ("tar", "tar.gz", "zip"):
        archive = pack(folder, tmp_path / f"lemons.{kind}")
        items = savemasks.open_project(archive)
        assert items.meta == expected.meta
        assert items.datasets == expected.datasets
        for copy in (items, pickle.loads(pickle.dumps(items))):
            for item, other in zip(copy, expected, strict=True):
                assert (item.name, item.dataset) == (other.name, other.dataset)
                if other.annotation_path:
                    assert item.annotation() == other.annotation()
                assert item.image_bytes() == other.image_bytes()
        assert len([*temporary.iterdir()]) == (kind == "tar.gz")
        del items, copy, item
    gc.collect()
    assert [*temporary.iterdir()] == []
    with pytest.raises(savemasks.ImageError, match="has no image"):
        replace(expected[0], image=None).image_bytes()


# ---------------------------------------------------------------- going on


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip", "tar.000"])
def test_a_run_goes_on_while_the_archive_is_the_same(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    archive, out = pack(folder, tmp_path / f"lemons.{kind}"), tmp_path / "out"
    assert done(export(archive, out)) == (4, 1, 0, 0)
    assert done(export(archive, out)) == (0, 1, 4, 0)
    again = savemasks.export(archive, out, LAYER, workers=1)
    assert done(again) == (0, 1, 4, 0)
    status = archive.stat()
    os.utime(archive, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000))
    assert done(export(archive, out)) == (4, 1, 0, 0)


def test_a_changed_archive_is_noticed(folder: Path, tmp_path: Path) -> None:
    archive, out = pack(folder, tmp_path / "lemons.zip"), tmp_path / "out"
    export(archive, out)
    (folder / "ds/ann/b.png.json").unlink()
    (folder / "ds/img/b.png").unlink()
    (folder / "ds/img/bad.png").write_bytes(picture())
    shutil.copy(folder / "ds/ann/a.png.json", folder / "ds/ann/bad.png.json")
    pack(folder, archive)
    assert done(export(archive, out)) == (4, 0, 0, 1)
    assert all(row["error"] is None for row in journal(out / "experiment001").values())


def test_an_archive_that_changes_during_a_run_fails_its_items(folder: Path, tmp_path: Path) -> None:
    archive = pack(folder, tmp_path / "lemons.tar")

    def change(done: int, failed: int, total: int) -> None:
        if done == 1:
            edited(archive, lambda content: content + bytes(512))

    found = savemasks.export(archive, tmp_path / "out", LAYER, workers=1, on_progress=change)
    late = [str(f) for f in found.failures if "has changed since its members were listed" in str(f)]
    assert late
    assert done(export(archive, tmp_path / "out"))[1] == 1


def test_retry_verify_and_check_take_archives(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(layer()))
    archive, out = pack(folder, tmp_path / "lemons.tar.gz"), tmp_path / "out"
    config = str(tmp_path / "config.json")
    code, text = call("check", config, archive)
    assert code == 1
    assert "5 items read, of which 1 would fail" in text
    assert call("run", config, archive, f"--out={out}", "--workers=1")[0] == 1
    expected = everything(out)
    damaged = out / "experiment001/ds/masks_machine/a.png"
    edited(damaged, lambda content: content[:-1])
    (out / "experiment001/ds/img/b.png").unlink()
    code, text = call("verify", out)
    assert code == 1
    assert "2 damaged" in text
    code, text = call("retry", out, "--workers=1")
    assert "2 images exported, 1 failed" in text
    assert everything(out) == expected
    assert call("verify", out)[0] == 0


# ---------------------------------------------------------------- the end


def test_a_second_error_leaves_nothing_unpacked(
    folder: Path, tmp_path: Path, temporary: Path
) -> None:
    archive = pack(folder, tmp_path / "lemons.tgz")
    with pytest.raises(savemasks.ProjectError, match="no such folder"):
        savemasks.export([archive, tmp_path / "missing"], tmp_path / "out", LAYER)
    (tmp_path / "out/experiment001").mkdir(parents=True)
    (tmp_path / "out/experiment001/x").touch()
    with pytest.raises(savemasks.OutputError):
        savemasks.export(archive, tmp_path / "out", LAYER)
    assert [*temporary.iterdir()] == []


def test_ctrl_c_ends_unpacking_and_leaves_nothing(
    folder: Path, tmp_path: Path, temporary: Path
) -> None:
    archive = pack(folder, tmp_path / "lemons.tar.gz")
    from savemasks.projects.supervisely import Project as Opened

    calls = iter([False, True, True])
    with pytest.raises(KeyboardInterrupt):
        Opened.open(archive, lambda: next(calls))
    assert [*temporary.iterdir()] == []
    assert next(calls)  # one more was left, so the end came at the second call


_OPEN = """
import sys, time
from pathlib import Path
from savemasks.projects.supervisely import Project
project = Project.open(Path(sys.argv[1]))
print("opened", flush=True)
time.sleep(600)
"""


def test_what_a_killed_process_has_unpacked_is_removed_by_the_next_one(
    folder: Path, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack(folder, tmp_path / "lemons.tgz")
    (temporary / "savemasks-others").mkdir()
    (temporary / "savemasks-others/savemasks.lock").touch()
    (temporary / "savemasks-others/mine").touch()

    def opened() -> tuple[subprocess.Popen[bytes], set[Path]]:
        before = {*temporary.iterdir()}
        process = subprocess.Popen([sys.executable, "-c", _OPEN, archive], stdout=subprocess.PIPE)
        assert process.stdout
        assert process.stdout.readline() == b"opened\n"
        return process, {*temporary.iterdir()} - before

    def end(process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.communicate()

    killed, left = opened()
    end(killed)
    alive, used = opened()  # what is left is too new yet
    try:
        assert len(left) == len(used) == 1
        monkeypatch.setattr(unpacking, "_NEW_SECONDS", 0.0)
        export(archive, tmp_path / "out")
        assert {*temporary.iterdir()} == {temporary / "savemasks-others", *used}
    finally:
        end(alive)


def test_a_stop_event_ends_the_reading_of_archives(
    folder: Path, tmp_path: Path, temporary: Path
) -> None:
    stop = threading.Event()
    stop.set()
    for kind in ("tar", "tar.gz", "zip"):
        archive = pack(folder, tmp_path / f"lemons.{kind}")
        found = export(archive, tmp_path / "out", stop=stop)
        assert found.interrupted
        assert not (tmp_path / "out").exists()
    assert [*temporary.iterdir()] == []


@pytest.mark.slow
@pytest.mark.parametrize("signals", [1, 2])
def test_signals_leave_nothing_unpacked(tmp_path: Path, temporary: Path, signals: int) -> None:
    names = [f"ds/{number:05}.png" for number in range(3000)]
    folder = write_project(tmp_path / "lemons", names).folder
    archive = pack(folder, tmp_path / "lemons.tar.gz")
    (tmp_path / "config.json").write_text(json.dumps(layer()))
    command = [SCRIPT, "run", "config.json", str(archive), "--out", "out", "--workers", "2"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    while process.poll() is None and not [*tmp_path.glob("out/*/ds/masks_human/*.png")]:
        time.sleep(0.01)
    assert [*temporary.iterdir()] != []
    for _ in range(signals):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.02)
    assert process.wait(60) == 130
    assert [*temporary.iterdir()] == []
