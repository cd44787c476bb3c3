"""What only some systems have, taken away: the other way must make the same bytes.

The tests run on Linux, which has it all; what is taken away is gone as on a system without it.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from savemasks import system
from savemasks.errors import OutputError
from savemasks.layers.save_masks import SaveMasks
from savemasks.results.report import Summary
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from support.projects import files, layer, names, same, savemasks
from support.taking import hold, taking

LAYER = SaveMasks.from_json(layer())
SYSTEM = Path(system.__file__).parent
LINUX = [
    "os.copy_file_range",
    "os.sendfile",
    "os.posix_fadvise",
    "os.writev",
    "os.O_PATH",
    "os.O_DIRECTORY",
    "os.sched_getaffinity",
    "os.sysconf",
    "os.getuid",
    "signal.pthread_sigmask",
    "select.poll",
    "fcntl",
]
"""Attributes, and a module, that are not everywhere."""
EACH = [pytest.param([name], id=name) for name in LINUX]
WAYS = [[], *EACH, pytest.param(LINUX, id="all")]


def test_no_other_file_uses_what_only_some_systems_have() -> None:
    modules = "fcntl|msvcrt|pwd|resource|select|selectors|termios"
    attributes = {name.rpartition(".")[2] for name in LINUX} | {
        *("O_[A-Z]+", "pread", "pwrite", "statvfs", "fork", "mkfifo", "sched_[a-z]+"),
        *("cpu_count", "process_cpu_count", "geteuid", "sigwait", "setitimer", "Signals"),
    }
    used = re.compile(
        rf"^\s*(?:import|from) (?:{modules})\b|\bdir_fd\b"
        rf"|\b(?:os|signal|multiprocessing)\.(?:{'|'.join(attributes)})\b",
        re.MULTILINE,
    )
    using = {path.parent for path in SYSTEM.parent.rglob("*.py") if used.search(path.read_text())}
    assert using == {SYSTEM}


def test_it_needs_the_standard_library_alone_and_little_of_it() -> None:
    modules = ", ".join(path.stem for path in SYSTEM.glob("[a-z]*.py"))
    program = (
        f"import json, sys\nbefore = {{*sys.modules}}\nfrom savemasks.system import {modules}\n"
        "print(json.dumps(sorted({*sys.modules} - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded - {"savemasks"} <= sys.stdlib_module_names
    assert not loaded & {"sqlite3", "multiprocessing", "fcntl", "ctypes"}


@pytest.fixture
def mendable(tmp_path: Path, demo_project: Path) -> tuple[Path, Path, bytes]:
    """A project in which one annotation is damaged, its path, and what it ought to hold."""
    project = tmp_path / "lemons"
    for name, content in files(demo_project).items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(content)
    note = min(project.rglob("ann/*.json"))
    genuine = note.read_bytes()
    note.write_bytes(b"{")
    return project, note, genuine


@pytest.fixture(scope="session")
def normal(
    tmp_path_factory: pytest.TempPathFactory,
    demo_project: Path,
    warm: None,
) -> dict[str, bytes]:
    """What Linux makes of the demo project, once the damaged annotation is mended."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        small_pieces(monkeypatch)
        out = tmp_path_factory.mktemp("normal")
        return files(run(LAYER, [demo_project], out, RunOptions(workers=2, memory=1)).out)


def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat small files as large ones: they are copied by their paths, and written in pieces."""
    monkeypatch.setattr("savemasks.line.item._MOST_AT_ONCE", 1000)
    monkeypatch.setattr("savemasks.store.files._PIECE", 1000)


def counts(summary: Summary) -> tuple[int, int, int]:
    return summary.images, summary.failed, summary.skipped


HOLD = """
import sys
from pathlib import Path
from savemasks.results.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("taken", WAYS)
def test_a_run_that_is_refused_mended_and_repeated_makes_the_same_bytes(
    taken: list[str],
    mendable: tuple[Path, Path, bytes],
    normal: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    take_away: Callable[..., None],
) -> None:
    project, note, genuine = mendable
    small_pieces(monkeypatch)
    take_away(*taken)

    def again(**options: object) -> Summary:
        return run(LAYER, [project], tmp_path / "out", RunOptions(memory=1, **options))  # type: ignore[arg-type]

    first = again(durable=True)
    assert counts(first) == (5, 1, 0)
    with hold(taking(taken) + HOLD, first.out) as other:
        with pytest.raises(OutputError, match=f"is at work here .process {other.pid}"):
            again()
        other.kill()
    note.write_bytes(genuine)
    assert counts(again()) == (1, 0, 5)
    assert counts(again()) == (0, 0, 6)
    same(files(first.out), normal)


@pytest.mark.parametrize("taken", [["fcntl"], LINUX], ids=["fcntl", "all"])
def test_worker_processes_of_the_command_line_make_the_same_bytes(
    taken: list[str],
    mendable: tuple[Path, Path, bytes],
    demo_project: Path,
    tmp_path: Path,
    warm: None,
) -> None:
    project, note, genuine = mendable
    expected = files(run(LAYER, [demo_project], tmp_path / "normal", RunOptions(workers=2)).out)
    (tmp_path / "config.json").write_text(json.dumps(layer()))
    begin, told = tmp_path / "begin", tmp_path / "told"
    begin.mkdir()
    told.mkdir()
    noted = f"open({str(told)!r} + f'/{{os.getpid()}}', 'w').close()\n"
    (begin / "sitecustomize.py").write_text(taking(taken) + noted)
    path = os.pathsep.join([str(begin), str(SYSTEM.parents[1])])
    command = ["run", "config.json", str(project), "--out=out", "--workers=2"]

    def again() -> tuple[int, str]:
        code, output, errors = savemasks(tmp_path, *command, PYTHONPATH=path)
        return code, output + errors

    code, output = again()
    assert "5 images exported, 1 failed" in output
    assert code == 1
    assert len(names(told)) >= 3  # the launcher, the command and its workers
    out = tmp_path / "out/experiment001"
    with hold(taking(taken) + HOLD, out) as other:
        code, output = again()
        assert code == 2
        assert f"another savemasks is at work here (process {other.pid})" in output
        other.kill()
    note.write_bytes(genuine)
    assert "1 images exported, 0 failed" in again()[1]
    code, output = again()
    assert code == 0
    assert "0 images exported, 0 failed" in output
    same(files(out), expected)
