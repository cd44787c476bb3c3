"""Results read again, what failed tried again, and the errors as they happen."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from click.testing import CliRunner, Result

from savemasks.cli import commands as cli
from savemasks.errors import OutputError
from savemasks.layers.save_masks import SaveMasks
from savemasks.results.lock import HIDDEN, Lock
from savemasks.results.verify import Verification, verify
from savemasks.run.export import retry, run
from savemasks.run.options import Hooks, RunOptions
from support.projects import KIWI, Project, annotation, files, layer, names, picture, same, tree

LAYER = SaveMasks.from_json(layer())
LEGEND = ("legend.json", "legend.png", "obj_class_to_machine_color.json")
FILES = 4 * 3 + 1 + len(LEGEND)
"""What becomes of the items, meta.json, and the legend."""
pytestmark = pytest.mark.usefixtures("warm")


@pytest.fixture
def out(project: Project, tmp_path: Path) -> Path:
    """Results of three good items in two data sets."""
    for name in ("a.png", "b.png"):
        project.add(name)
    project.add("c.png", "ds/datasets/child")
    run(LAYER, [project.folder], tmp_path / "out")
    return tmp_path / "out/experiment001"


def damage(out: Path) -> tuple[Verification, list[str]]:
    told: list[str] = []
    return verify(out, on_damage=told.append), [t.removeprefix(f"{out}/") for t in told]


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(cli.main, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "PROCESSES", False)


# ---------------------------------------------------------------- verify


def test_sound_results_are_found_sound_and_left_alone(out: Path) -> None:
    before = files(out)
    assert damage(out) == (Verification(items=3, files=FILES), [])
    assert files(out) == before
    done = call("verify", out)
    assert (done.exit_code, done.output) == (0, f"{FILES} files of 3 images read, 0 damaged\n")
    assert call("verify", out.parent, "--quiet").output == ""  # the folder that it lies in will do


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def turn(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "gone": (Path.unlink, "is missing"),
    "cut": (cut, " bytes instead of "),
    "longer": (lengthen, "has more than "),
    "turned": (turn, "has other contents than were written"),
    "folder": (replace_by_folder, "cannot be read: Is a directory"),
}
PLACES = (
    "ds/img/a.png",
    "ds/ann/a.png.json",
    "ds/masks_human/b.png",
    "ds/datasets/child/masks_machine/c.png",
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_and_repaired_by_retry(
    project: Project, out: Path, kind: str, place: str
) -> None:
    make, message = DAMAGE[kind]
    make(out / place)
    done = call("verify", out)
    assert done.exit_code == 1
    line, last = done.output.splitlines()
    assert line.startswith(f"damaged: {out}/{place}: ")
    assert message in line
    assert last == f"{FILES} files of 3 images read, 1 damaged"
    if kind == "folder":
        (out / place).rmdir()
    assert call("retry", out).exit_code == 0
    same(tree(out), project.expected)
    assert damage(out) == (Verification(items=3, files=FILES), [])


def test_meta_json_is_verified_too(out: Path) -> None:
    for name in ("meta.json", *LEGEND):
        turn(out / name)
    wrong = [f"{name}: has other contents than were written" for name in ("meta.json", *LEGEND)]
    assert damage(out)[1] == wrong


def test_a_mask_that_was_written_wrongly_shows_when_it_is_decoded(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add()
    monkeypatch.setattr(
        "savemasks.line.products.encode_machine", lambda *_: [b"\x89PNG\r\n\x1a\nno"]
    )
    run(LAYER, [project.folder], tmp_path / "out")
    found, (message,) = damage(tmp_path / "out/experiment001")
    assert message.startswith("ds/masks_machine/good.png: cannot be decoded: ")
    assert found.damaged == 1


@pytest.mark.parametrize("place", PLACES[2:])
def test_files_of_many_pieces_are_verified_alike(
    out: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr("savemasks.results.damage._CHUNK", 11)
    assert damage(out) == (Verification(items=3, files=FILES), [])
    turn(out / place)
    assert damage(out)[1] == [f"{place}: has other contents than were written"]


@pytest.mark.parametrize("piece", [11, 1 << 20])
def test_a_mask_that_was_written_in_part_shows_when_it_is_decoded(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    project.add()
    monkeypatch.setattr("savemasks.line.products.encode_machine", lambda *_: [picture()[:-50]])
    run(LAYER, [project.folder], tmp_path / "out")
    monkeypatch.setattr("savemasks.results.damage._CHUNK", piece)
    _, (message,) = damage(tmp_path / "out/experiment001")
    assert message.startswith("ds/masks_machine/good.png: cannot be decoded: ")


VERIFY = """
import json, re, sys
from pathlib import Path
from savemasks.results.verify import verify
def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) << 10
peaks = []
for folder in sys.argv[1:]:
    found = verify(Path(folder), workers=2)
    assert (found.files, found.damaged) == (8, 0)
    peaks.append(peak())
print(json.dumps(peaks))
"""


def test_a_large_mask_takes_little_memory(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add()
    noise = np.random.default_rng(0).integers(0, 256, (8000, 8000), np.uint8)
    png = pyvips.Image.new_from_array(noise).pngsave_buffer(compression=0)
    outs = [tmp_path / "small", tmp_path / "large"]
    run(LAYER, [project.folder], outs[0])
    monkeypatch.setattr("savemasks.line.products.encode_machine", lambda *_: [png])
    run(LAYER, [project.folder], outs[1])
    done = subprocess.run(
        [sys.executable, "-c", VERIFY, *outs], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    small, large = json.loads(done.stdout)
    assert large - small < 32 << 20 < len(png)


def test_failed_items_are_no_damage_but_mentioned(project: Project, tmp_path: Path) -> None:
    project.add()
    project.add_bad(b"", annotation(), "bad.png")
    run(LAYER, [project.folder], tmp_path / "out")
    done = call("verify", tmp_path / "out")
    assert done.exit_code == 0
    assert "note: 1 items failed and have no results" in done.output


def test_results_are_not_verified_while_a_run_is_at_work(out: Path) -> None:
    lock = Lock(out)
    with pytest.raises(OutputError, match="another savemasks is at work here"):
        verify(out)
    lock.close()


def test_results_on_a_medium_that_is_read_only_can_be_verified(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and genuine(path, mode))
    turn(out / PLACES[0])
    found, _ = damage(out)
    assert found.damaged == 1
    assert damage(out)[0].damaged == 1  # nothing was noted


@pytest.mark.parametrize("command", ["verify", "retry"])
def test_a_folder_without_journal_is_refused(out: Path, tmp_path: Path, command: str) -> None:
    done = call(command, tmp_path / "project")
    assert (done.exit_code, "no journal of savemasks is here" in done.output) == (2, True)
    shutil.copytree(out, out.parent / "second")
    done = call(command, out.parent)
    assert done.exit_code == 2
    assert f"holds several results: name one, as {out}" in done.output


def test_results_may_be_moved_and_still_be_verified(out: Path, tmp_path: Path) -> None:
    out.rename(tmp_path / "moved")
    assert damage(tmp_path / "moved") == (Verification(items=3, files=FILES), [])
    with pytest.raises(OutputError, match="was renamed; it must end in experiment001"):
        retry(tmp_path / "moved")


# ---------------------------------------------------------------- retry


def test_retry_does_what_failed_and_nothing_else(
    project: Project, out: Path, tmp_path: Path
) -> None:
    for name in ("bad.png", "worse.png"):
        project.add_bad(b"", annotation(), name)
    assert run(LAYER, [project.folder], tmp_path / "out").failed == 2
    project.add("new.png")
    before = {name: (out / name).stat().st_mtime_ns for name in files(out)}
    (project.folder / "ds/img/a.png").write_bytes(picture(99))
    project.put("ds/img/bad.png", picture(5))
    told: list[tuple[int, int, int]] = []
    summary = retry(out, hooks=Hooks(on_progress=lambda *numbers: told.append(numbers)))
    assert (summary.images, summary.failed) == (1, 1)
    assert told == [(1, 0, 2), (2, 1, 2)]
    new = set(files(out)) - set(before)
    assert {Path(name).name for name in new} == {"bad.png", "bad.png.json"}
    assert [(out / n).stat().st_mtime_ns for n in before if n != "meta.json"] == [
        time for n, time in before.items() if n != "meta.json"
    ]
    assert run(LAYER, [project.folder], tmp_path / "out").images == 2  # new.png, a.png
    assert call("retry", out).output.splitlines()[-1].startswith("0 images exported, 1 failed")


def test_retry_lists_a_folder_again(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("a.png")
    project.add("b.png", "closed")
    genuine = os.scandir

    def scandir(path: Any = ".") -> Any:
        if Path(path) == project.folder / "closed/img":
            raise PermissionError(13, "Permission denied", str(path))
        return genuine(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert run(LAYER, [project.folder], tmp_path / "out").failed == 1
    assert retry(tmp_path / "out").failed == 1
    monkeypatch.undo()
    assert retry(tmp_path / "out").images == 1
    same(tree(tmp_path / "out/experiment001"), project.expected)
    assert retry(tmp_path / "out").images == 0


def test_retry_that_is_interrupted_forgets_nothing(project: Project, tmp_path: Path) -> None:
    for i in range(12):
        project.add(f"{i:02}.png")
    run(LAYER, [project.folder], tmp_path / "out")
    out = tmp_path / "out/experiment001"
    for mask in (out / "ds/masks_machine").iterdir():
        mask.write_bytes(b"")
    damage(out)
    stop = threading.Event()
    hooks = Hooks(stop=stop, on_progress=lambda *_: stop.set())
    first = retry(out, RunOptions(workers=1), hooks)
    assert 1 <= first.images < 12
    assert not damage(out)[1]  # nothing is called done that is not there
    assert retry(out).images == 12 - first.images
    same(tree(out), project.expected)


def test_retry_of_a_folder_that_is_interrupted_forgets_nothing(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("a.png")
    for i in range(12):
        project.add(f"{i:02}.png", "closed")
    genuine = os.scandir

    def scandir(path: Any = ".") -> Any:
        if Path(path) == project.folder / "closed/img":
            raise PermissionError(13, "Permission denied", str(path))
        return genuine(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert run(LAYER, [project.folder], tmp_path / "out").failed == 1
    monkeypatch.undo()
    stop = threading.Event()
    out = tmp_path / "out/experiment001"
    hooks = Hooks(stop=stop, on_progress=lambda *_: stop.set())
    first = retry(out, RunOptions(workers=1), hooks)
    assert 1 <= first.images < 12
    assert retry(out).images == 12 - first.images
    same(tree(out), project.expected)
    assert retry(out).images == 0


def test_retry_links_if_the_run_did(project: Project, tmp_path: Path) -> None:
    project.add_bad(b"", annotation(KIWI), "a.png")
    run(LAYER, [project.folder], tmp_path / "out", RunOptions(link=True))
    image = project.put("ds/img/a.png", picture())
    assert retry(tmp_path / "out").images == 1
    assert (tmp_path / "out/experiment001/ds/img/a.png").samefile(image)


# ---------------------------------------------------------------- errors


def test_errors_are_written_as_they_happen(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "out/experiment001" / HIDDEN / "errors.jsonl"
    project.add("a.png")
    odd = {"classTitle": "kiwi", "geometryType": "point", "points": {"exterior": [["\x1b", 1]]}}
    project.add_bad(picture(), annotation(KIWI, odd), "b\x1b.png")
    project.add("c.png")
    seen = []

    def look(ready: int, *_: int) -> None:
        seen.append((ready, log.read_text().count("\n")))

    run(LAYER, [project.folder], tmp_path / "out", RunOptions(workers=1), Hooks(on_progress=look))
    assert seen == [(1, 0), (2, 1), (3, 1)]
    (line,) = log.read_text().splitlines()
    error = json.loads(line)
    message = error.pop("message")
    assert "object 1" in message
    assert message.isprintable()
    assert error == {
        "dataset": "ds",
        "name": "b\\x1b.png",
        "kind": "annotation",
        "file": f"{project.folder}/ds/ann/b\\x1b.png.json",
        "object": 1,
    }


def test_the_log_is_of_the_latest_run(project: Project, tmp_path: Path) -> None:
    project.add_bad(b"", annotation(KIWI), "a.png")
    run(LAYER, [project.folder], tmp_path / "out")
    log = tmp_path / "out/experiment001" / HIDDEN / "errors.jsonl"
    assert log.read_bytes()
    project.put("ds/img/a.png", picture())
    retry(tmp_path / "out")
    assert log.read_bytes() == b""


@pytest.mark.parametrize("workers", [1, 3])
def test_a_run_ends_at_so_many_errors(project: Project, tmp_path: Path, workers: int) -> None:
    for i in range(100):
        project.add_bad(b"", annotation(), f"{i:02}.png")
    (tmp_path / "config.json").write_text(json.dumps(layer()))
    command = ["run", tmp_path / "config.json", project.folder, f"--out={tmp_path / 'out'}"]
    done = call(*command, "--max-errors=5", f"--workers={workers}", "--quiet")
    assert done.exit_code == 1
    assert "stopped early: the same command goes on where this one was" in done.output
    failed = done.output.count("failed: ")
    assert 5 <= failed <= 5 + 4 * workers
    assert names(tmp_path / "out/experiment001") == [HIDDEN, *LEGEND[:2], "meta.json", *LEGEND[2:]]
