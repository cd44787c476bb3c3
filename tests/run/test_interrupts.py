"""Ctrl-C and other signals: the command ends in good order, or at once."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest

from savemasks.layers.graph import Graph
from support.projects import (
    SCRIPT,
    Project,
    call,
    decode,
    files,
    layer,
    names,
)


@pytest.fixture
def long_run(
    demo_project: Path,
    tmp_path: Path,
    warm: None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A run of 500 items of which at least five are done; it reports to report.json."""
    project = Project(tmp_path / "project")
    for part, suffix in (("img", ""), ("ann", ".json")):
        folder = project.folder / "ds" / part
        folder.mkdir(parents=True)
        for i in range(500):
            source = demo_project / f"market/{part}/fruit_table.jpg{suffix}"
            (folder / f"{i:03}.jpg{suffix}").hardlink_to(source)
    (tmp_path / "config.json").write_text(json.dumps(layer()))
    command = [SCRIPT, "run", "config.json", "project", "--out=out", "--report=report.json"]
    # A shell may have started this process, and so its children, with the signal ignored.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        child = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, process_group=0)
    finally:
        signal.signal(signal.SIGINT, previous)
    while child.poll() is None and len(files(tmp_path / "out/experiment001/ds/ann")) < 5:
        sleep(0.01)
    with child:
        yield child
        child.kill()


@pytest.mark.parametrize(
    ("number", "to_all"),
    [
        (signal.SIGINT, True),  # as a terminal does
        (signal.SIGTERM, False),
        pytest.param(signal.SIGINT, False, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, True, marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_exits_with_130_and_leaves_what_was_finished_whole(
    long_run: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals, to_all: bool
) -> None:
    if to_all:
        os.killpg(long_run.pid, number)
    else:
        long_run.send_signal(number)
    _, errors = long_run.communicate()
    assert long_run.returncode == 130
    assert "interrupted: what was finished is whole" in errors.decode().splitlines()
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert (report["interrupted"], report["failed"]) == (True, 0)
    assert 5 <= report["images"] == len(report["items"]) < 500
    root = tmp_path / "out/experiment001"
    written = files(root)
    outputs = [name for item in report["items"] for name in item["outputs"]]
    assert sorted(written) == sorted(["meta.json", *outputs])
    for kind in ("masks_machine", "masks_human"):  # every one decodes, and they are all alike
        masks = [decode(content) for name, content in written.items() if kind in name]
        assert (len(masks), len({*masks})) == (report["images"], 1)
    assert names(tmp_path) == ["config.json", "out", "project", "report.json"]


@pytest.mark.usefixtures("warm")
def test_ctrl_c_while_workers_start_leaves_no_traceback(work: Path) -> None:
    command = [SCRIPT, "run", "config.json", "project", "--out=out", "--workers=3"]
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        child = subprocess.Popen(command, cwd=work, stderr=subprocess.PIPE, process_group=0)
    finally:
        signal.signal(signal.SIGINT, previous)
    with child:
        while child.poll() is None and len(_processes_of(child.pid)) < 3:
            sleep(0.001)
        os.killpg(child.pid, signal.SIGINT)
        _, errors = child.communicate()
    assert (child.returncode, errors) == (130, b"interrupted before anything was exported\n")
    _assert_all_end(child.pid)


def _processes_of(group: int) -> list[int]:
    """Processes of a group that are not only waiting to be buried."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(process_group) == group and state not in "ZX":
            found.append(int(stat.parent.name))
    return found


def _assert_all_end(group: int) -> None:
    """Wait for the end of a group; multiprocessing's own process goes when all others have gone."""
    for _ in range(600):
        if not _processes_of(group):
            return
        sleep(0.1)
    raise AssertionError(f"still there after a minute: {_processes_of(group)}")


def test_a_second_ctrl_c_stops_at_once_and_leaves_no_half_file_under_its_name(
    long_run: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    first = long_run.pid
    others = {*_processes_of(first)} - {first}
    assert others
    for process in others:  # so that the first one cannot be answered
        os.kill(process, signal.SIGSTOP)
    long_run.send_signal(signal.SIGINT)
    sleep(0.5)
    assert long_run.poll() is None
    long_run.send_signal(signal.SIGINT)
    _, errors = long_run.communicate(timeout=20)
    assert long_run.returncode == 130
    assert "stopped at once" in errors.decode()
    _assert_all_end(first)
    for name, content in files(tmp_path / "out").items():
        if "/masks_" in name and ".savemasks-" not in name:
            decode(content)


def test_workers_end_when_the_command_is_killed(long_run: subprocess.Popen[bytes]) -> None:
    assert len(_processes_of(long_run.pid)) > 1
    long_run.kill()
    _assert_all_end(long_run.pid)


def test_ctrl_c_before_the_first_item_exits_with_130_and_writes_nothing(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Graph, "from_json", interrupt)
    code, text = call("run", "config.json", "project", "--out=out")
    assert (code, text) == (130, "interrupted before anything was exported\n")
    assert names(work) == ["config.json", "file", "project"]
