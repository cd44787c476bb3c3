"""The first worker process, which starts before it is known what there is to do."""

import multiprocessing
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import synchronize
from pathlib import Path
from typing import NoReturn

import pytest

from savemasks.cli import commands, program
from savemasks.cli.demo import CONFIG
from savemasks.errors import OutputError
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import Flow, Inlet, Job
from savemasks.run import starting
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from savemasks.run.processes import ProcessPool
from savemasks.run.starting import Starter, first_process
from support.projects import Project, call


@pytest.fixture
def starters(monkeypatch: pytest.MonkeyPatch) -> list[Starter]:
    """All that have begun a process."""
    found: list[Starter] = []
    begin = Starter.begin

    def note(starter: Starter) -> None:
        begin(starter)
        found.append(starter)

    monkeypatch.setattr(Starter, "begin", note)
    return found


def test_a_pool_takes_the_process_that_has_begun(tmp_path: Path) -> None:
    flow = Flow({}, (Inlet(SaveMasks.from_json(CONFIG), tmp_path),))
    with first_process(processes=True) as starter:
        assert starter is not None
        assert starter._waiting is not None
        begun = starter._waiting[0].pid
        pool = ProcessPool(Job((flow,), workers=2), threading.Event(), None, starter)
        pids = [worker.process.pid for worker in pool._workers]
        pool.close()
    assert pids[0] == begun
    assert len({*pids}) == 2


def test_a_run_makes_no_semaphores(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a killed run would stay in shared memory."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise AssertionError

    project.add("a.png")
    monkeypatch.setattr(synchronize.SemLock, "__init__", fail)
    options = RunOptions(workers=1, processes=True)
    summary = run(SaveMasks.from_json(CONFIG), [project.folder], tmp_path / "out", options)
    assert summary.images == 1


def test_a_process_that_nobody_takes_is_killed() -> None:
    with first_process(processes=True) as starter:
        assert starter is not None
        assert starter._waiting is not None
        process, pipe = starter._waiting
        assert process.exitcode is None
    assert process.exitcode == -9
    assert pipe.closed


def test_a_first_process_that_died_is_told(tmp_path: Path) -> None:
    """Before it has read its job, too, when the pipe is reset and not only closed."""
    flow = Flow({}, (Inlet(SaveMasks.from_json(CONFIG), tmp_path),))
    with first_process(processes=True) as starter:
        assert starter is not None
        assert starter._waiting is not None
        process, pipe = starter._waiting
        pipe.send_bytes(b"x")  # is not read
        process.kill()
        process.join()
        with pytest.raises(OutputError, match="at its start"):
            ProcessPool(Job((flow,), workers=1), threading.Event(), None, starter)


def test_threads_need_no_process(starters: list[Starter]) -> None:
    with first_process(processes=False) as starter:
        assert starter is None
    assert not starters


@pytest.mark.parametrize("content", ["{", '{"action": "save_masks"}'])
def test_a_wrong_configuration_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starters: list[Starter], content: str
) -> None:
    monkeypatch.setattr(commands, "PROCESSES", True)
    (tmp_path / "config.json").write_text(content)
    code, _ = call("run", tmp_path / "config.json", tmp_path, f"--out={tmp_path}/out")
    assert code == 2
    assert len(starters) == 1
    assert starters[0]._waiting is None
    assert not (tmp_path / "out").exists()


def test_a_signal_that_has_waited_for_the_start_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextmanager
    def interrupted(_: object) -> Iterator[None]:
        yield
        raise KeyboardInterrupt

    before = multiprocessing.active_children()
    monkeypatch.setattr(starting, "signals_wait", interrupted)
    with pytest.raises(KeyboardInterrupt), first_process(processes=True):
        pass
    assert multiprocessing.active_children() == before


def test_an_interruption_while_the_program_is_loaded_is_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupting:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "savemasks.cli.commands":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "savemasks.cli.commands")
    monkeypatch.setattr(sys, "meta_path", [Interrupting, *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "")
