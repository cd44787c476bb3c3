"""The commands with graphs: processes, signals, two runs at once."""

import json
import os
import signal
import subprocess
from pathlib import Path
from time import sleep

import pytest

from savemasks.cli import commands
from savemasks.results.lock import HIDDEN, Lock
from support.graphs import COLORS, each_alone, make, two_sinks, write_project, write_projects
from support.layers import data, save, save_masks
from support.projects import SCRIPT, call, files, same, savemasks
from support.resuming import journal

pytestmark = pytest.mark.usefixtures("warm")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two projects in `in` and a graph of two sinks.

    What runs in this process has threads.
    """
    monkeypatch.setattr(commands, "PROCESSES", False)
    write_projects(tmp_path / "in")
    (tmp_path / "config.json").write_text(json.dumps(two_sinks()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_processes_make_what_threads_make(work: Path) -> None:
    expected = each_alone(two_sinks(), [work / "in/lemons"], work / "alone")
    (work / "in/lemons/ds/ann/b.png.json").write_bytes(b"{")
    command = ("run", "config.json", "--projects=in", "--out=out", "--workers=2")
    code, _, errors = savemasks(work, *command)
    assert code == 1
    assert [line.partition(": not")[0] for line in errors.splitlines() if "failed" in line] == [
        "failed: in/lemons/ds/ann/b.png.json"
    ]
    found = files(work / "out")
    same(found, {n: c for n, c in expected.items() if not ("/ds/" in n and "/b.png" in n)})


def test_the_summary_names_the_folder_of_all_results(work: Path) -> None:
    code, text = call("run", "config.json", "in/lemons", "--out=out", "--workers=1")
    assert code == 0
    assert "4 images exported, 0 failed" in text
    assert text.splitlines()[-1].endswith(" to out")
    code, text = call("run", "config.json", "in/lemons", "--out=out", "--workers=1")
    assert (code, "4 images were finished before" in text) == (0, True)
    code, text = call("verify", "out/masks")
    assert (code, text) == (0, "20 files of 4 images read, 0 damaged\n")
    code, text = call("verify", "out")
    assert code == 2
    assert text.startswith("error: out: holds several results: name one, as out/copy")
    code, text = call("retry", "out/copy", "--workers=1")
    assert (code, "0 images exported, 0 failed" in text) == (0, True)


def test_a_second_run_into_one_of_the_results_is_refused(work: Path) -> None:
    (work / "out/copy" / HIDDEN).mkdir(parents=True)
    lock = Lock(work / "out/copy")
    try:
        code, text = call("run", "config.json", "in/lemons", "--out=out", "--workers=1")
    finally:
        lock.close()
    assert code == 2
    assert f"error: out/copy: another savemasks is at work here (process {os.getpid()})" in text
    assert not (work / "out/masks/meta.json").exists()
    assert call("run", "config.json", "in/lemons", "--out=out", "--workers=1")[0] == 0


@pytest.fixture
def many(work: Path) -> Path:
    """The same with a project of 400 items."""
    write_project(work / "many", (f"ds/{number:03}.png" for number in range(400)))
    config = [
        data("many", "$0"),
        save_masks("$0", "masks", masks_human=True, gt_machine_color=COLORS, gt_human_color=COLORS),
        save("$0", "copy", visualize=True),
    ]
    (work / "config.json").write_text(json.dumps(config))
    return work


def begun(folder: Path) -> "subprocess.Popen[bytes]":
    """A run that has written something into both results."""
    command = [SCRIPT, "run", "config.json", "many", "--out=out", "--workers=2", "--quiet"]
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        child = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, process_group=0)
    finally:
        signal.signal(signal.SIGINT, previous)
    while child.poll() is None and len(files(folder / "out/copy/ds/ann")) < 5:
        sleep(0.01)
    return child


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_ends_on_the_way_is_completed(many: Path, how: signal.Signals) -> None:
    with begun(many) as child:
        os.killpg(child.pid, how)
        _, errors = child.communicate()
    assert b"Traceback" not in errors
    assert child.returncode == (130 if how == signal.SIGINT else -how)
    if how == signal.SIGINT:
        assert journal(many / "out/masks").keys() == journal(many / "out/copy").keys()
    done = {name: len(journal(many / "out" / name)) for name in ("masks", "copy")}
    assert 0 <= min(done.values()) <= max(done.values()) < 400
    code, text = call("run", "config.json", "many", "--out=out", "--workers=2")
    assert code == 0
    assert f"{400 - min(done.values())} images exported, 0 failed" in text
    config = json.loads((many / "config.json").read_bytes())
    make(config, [many / "many"], many / "quiet")
    same(files(many / "out"), files(many / "quiet"))
    assert not [*(many / "out").rglob(".savemasks-*")]
