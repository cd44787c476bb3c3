"""The command line: usage, words, exit codes, the terminal, Ctrl-C, and the demo."""

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from time import sleep

import pytest
from click.testing import CliRunner

from conftest import (
    Project,
    Runner,
    annotation,
    decode,
    files,
    layer,
    names,
    same,
    savemasks,
)
from savemasks import __version__
from savemasks import progress as progress_module
from savemasks.cli import main
from savemasks.settings import SaveMasks

SCRIPT = str(Path(sysconfig.get_path("scripts"), "savemasks"))
LAST_LINE = r"%d images exported, %d failed, in [\d.]+ s \([\d.]+/s, [\d.]+ megapixels/s\) to %s"


def call(*arguments: object) -> tuple[int, str]:
    """Exit code and all that is printed; an exception that is not meant for the user is raised."""
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm: None) -> Path:  # noqa: ARG001
    """The current folder: a project with one item, a good configuration, and a file."""
    Project(tmp_path / "project").add()
    (tmp_path / "config.json").write_text(json.dumps(layer()))
    (tmp_path / "file").write_bytes(b"mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---------------------------------------------------------------- help and usage


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command_and_option(flag: str) -> None:
    code, text = call(flag)
    assert code == 0
    assert re.findall(r"^  (run|demo) ", text, re.M) == ["demo", "run"]
    code, text = call("run", flag)
    assert code == 0
    assert "CONFIG PROJECT..." in text
    for option in ("--out", "--workers", "--on-error [skip|stop]", "--report", "--quiet"):
        assert option in text
    code, text = call("demo", flag)
    assert (code, "[DIR]" in text) == (0, True)


def test_version_is_the_packages() -> None:
    assert call("--version") == (0, f"savemasks, version {__version__}\n")


def test_help_loads_nothing_heavy() -> None:
    heavy = ("numba", "numpy", "pyvips", "pydantic", "isal", "PIL")
    code = f"import sys, savemasks.cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code]) == b"[]\n"  # noqa: S603


USAGE = {
    "no command": ("walk",),
    "no arguments": ("run",),
    "no project": ("run", "config.json", "--out=out"),
    "no out": ("run", "config.json", "project"),
    "project a file": ("run", "config.json", "file", "--out=out"),
    "out a file": ("run", "config.json", "project", "--out=file"),
    "no workers": ("run", "config.json", "project", "--out=out", "--workers=0"),
    "many workers": ("run", "config.json", "project", "--out=out", "--workers=many"),
    "on error": ("run", "config.json", "project", "--out=out", "--on-error=cry"),
    "report a folder": ("run", "config.json", "project", "--out=out", "--report=project"),
    "unknown option": ("run", "config.json", "project", "--out=out", "--fast"),
    "demo in a file": ("demo", "file"),
    "two demos": ("demo", "a", "b"),
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_wrong_usage_exits_with_2_and_writes_nothing(work: Path, arguments: tuple[str]) -> None:
    before = files(work)
    code, text = call(*arguments)
    assert code == 2
    assert text.startswith("Usage: ")
    assert "Error: " in text
    assert (files(work), names(work)) == (before, ["config.json", "file", "project"])


REFUSED = {
    "config missing": (("none.json", "project"), ["none.json: cannot be read: No such file"]),
    "config a folder": (("project", "project"), ["project: cannot be read: Is a directory"]),
    "config no json": (("file", "project"), ["file: not valid JSON at line 1, column 1"]),
    "project missing": (("config.json", "none"), ["none: no such folder"]),
    "one of two": (("config.json", "project", "none"), ["none: no such folder"]),
    "no project": (("config.json", "."), [".: is not a Supervisely project: it has no meta.json"]),
    "report": (
        ("config.json", "project", "--report=none/r.json"),
        ["none/r.json: cannot be written: No such file"],
    ),
    "out in a file": (("config.json", "project", "--out=file/x"), ["cannot be written: Not a dir"]),
}


@pytest.mark.parametrize(("arguments", "lines"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_exits_with_2_and_writes_nothing(
    work: Path, arguments: tuple[str, ...], lines: list[str]
) -> None:
    before = files(work)
    code, text = call("run", "--out=out", *arguments)
    assert code == 2
    shown = text.splitlines()
    assert len(shown) == len(lines)
    for line, expected in zip(shown, lines, strict=True):
        assert line.startswith("error: ")
        assert expected in line
    assert (files(work), names(work)) == (before, ["config.json", "file", "project"])


def test_several_errors_of_a_configuration_are_printed_at_once_each_on_a_line(work: Path) -> None:
    config = layer(
        masks_human=1,
        gt_machine_color={"kiwi": [100, 300, 100], "two words": [1, 2], "lemon": [-1, 0, 1.5]},
    )
    config["dst"] = "../out"
    (work / "config.json").write_text(json.dumps(config))
    before = files(work)
    code, text = call("run", "config.json", "project", "--out=out")
    assert code == 2
    for line in text.splitlines():
        places = r"(dst|settings\.\S+|settings\.gt_machine_color\[.*\])"
        assert re.match(rf"error: config\.json: {places}: .", line)
    wrong = "error: config.json: settings.gt_machine_color.kiwi[1]: 300 is above 255"
    assert wrong in text.splitlines()
    assert len(text.splitlines()) == 6
    assert (files(work), names(work)) == (before, ["config.json", "file", "project"])


# ---------------------------------------------------------------- what is printed


@pytest.mark.usefixtures("work")
def test_a_run_prints_one_plain_line_when_piped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("savemasks.console._COMPILE_HINT_AFTER", 600)  # the machine may be busy
    code, text = call("run", "config.json", "project", "--out=out")
    assert code == 0
    assert re.fullmatch(LAST_LINE % (1, 0, "out/experiment001") + "\n", text)


def test_quiet_prints_nothing_unless_something_fails(project: Project, export: Runner) -> None:
    project.add()
    config = layer(gt_human_color={"unknown": [1, 1, 1]})  # would be a note
    done = export(project.folder, config=config, options=("--quiet",))
    assert (done.code, done.output) == (0, "")
    with progress_module.progress(quiet=True) as update:
        assert update is None
    project.add_bad(b"", annotation())
    done = export(project.folder, config=config, options=("--quiet",))
    message = f"{project.folder}/ds/img/bad.png: the file is empty"
    assert (done.code, done.output) == (1, f"failed: {message}\n")


def test_failures_go_to_standard_error_and_the_summary_to_standard_output(work: Path) -> None:
    Project(work / "project").add_bad(b"", annotation())
    code, output, errors = savemasks(work, "run", "config.json", "project", "--out=out")
    assert code == 1
    assert re.fullmatch(LAST_LINE % (1, 1, "out/experiment001") + "\n", output)
    assert "failed: project/ds/img/bad.png: the file is empty" in errors.splitlines()
    assert not re.search(r"[\r\x1b]", output + errors)


def test_an_output_folder_that_is_not_utf_8_is_shown_readably(work: Path) -> None:
    out = os.fsdecode(b"caf\xe9")
    code, output, errors = savemasks(work, "run", "config.json", "project", f"--out={out}")
    assert (code, "Traceback" in errors) == (0, False)
    assert output.endswith(" to caf\\xe9/experiment001\n")
    assert (work / out / "experiment001/ds/masks_machine/good.png").is_file()


def test_a_long_run_prints_a_plain_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress_module, "monotonic", lambda: now[0])
    with progress_module.progress(quiet=False) as update:
        assert update
        for done, now[0] in enumerate([101.0, 105.0, 112.0, 113.0, 114.0, 140.0], start=1):
            update(done, done // 3, 10)
    lines = capsys.readouterr().err.splitlines()
    pattern = r"\d+/10 images, [\d.]+/s, \d errors, about \d\d:\d\d left"
    assert all(re.fullmatch(pattern, line) for line in lines)
    assert [line.split(",")[0] for line in lines] == ["3/10 images", "6/10 images"]
    assert ["1 errors" in lines[0], "2 errors" in lines[1]] == [True, True]


def test_a_terminal_gets_a_bar_with_rate_time_left_and_errors(work: Path) -> None:
    project = Project(work / "project")
    project.add("b.png")
    project.add_bad(b"", annotation())
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    command = [SCRIPT, "run", "config.json", "project", "--out=out"]
    child = subprocess.Popen(command, stdout=terminal, stderr=terminal, env=os.environ)  # noqa: S603
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(master, 1 << 16)
        except OSError:  # what Linux says when the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(master)
    assert child.wait() == 1
    text = shown.decode()
    assert re.search(r"\r.*3/3 \[\d\d:\d\d<\d\d:\d\d, .*img/s, errors=1\]", text)
    assert re.search(LAST_LINE % (2, 1, "out/experiment001"), text)


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("flags", [[], ["--quiet"]])
def test_compiling_that_takes_long_is_announced(
    monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    class AtOnce(Thread):
        """A timer whose time is over before kernels are compiled."""

        def __init__(self, _: float, function: Callable[[], None]) -> None:
            super().__init__(target=function)

        def start(self) -> None:
            super().start()
            self.join()

        def cancel(self) -> None:
            pass

    monkeypatch.setattr("savemasks.console.threading.Timer", AtOnce)
    code, text = call("run", "config.json", "project", "--out=out", *flags)
    hint = "preparing: kernels may have to be compiled, which takes about half a minute ..."
    assert (code, hint in text.splitlines()) == (0, not flags)


# ---------------------------------------------------------------- Ctrl-C


@pytest.fixture
def long_run(
    demo_project: Path,
    tmp_path: Path,
    warm: None,  # noqa: ARG001
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
        child = subprocess.Popen(  # noqa: S603
            command, cwd=tmp_path, stderr=subprocess.PIPE, process_group=0
        )
    finally:
        signal.signal(signal.SIGINT, previous)
    while child.poll() is None and len(files(tmp_path / "out/experiment001/ds/ann")) < 5:
        sleep(0.01)
    with child:
        yield child
        child.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("to_all", [False, True])
def test_ctrl_c_exits_with_130_and_leaves_what_was_finished_whole(
    long_run: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals, to_all: bool
) -> None:
    if to_all:  # as a terminal does
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
        child = subprocess.Popen(  # noqa: S603
            command, cwd=work, stderr=subprocess.PIPE, process_group=0
        )
    finally:
        signal.signal(signal.SIGINT, previous)
    with child:
        while child.poll() is None and len(_processes_of(child.pid)) < 3:
            sleep(0.001)
        os.killpg(child.pid, signal.SIGINT)
        _, errors = child.communicate()
    assert (child.returncode, errors) == (130, b"interrupted before anything was exported\n")
    assert _processes_of(child.pid) == []


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


def test_a_second_ctrl_c_stops_at_once_and_leaves_no_half_file_under_its_name(
    long_run: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    first, *others = _processes_of(long_run.pid)
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
    assert _processes_of(first) == []
    for name, content in files(tmp_path / "out").items():
        if "/masks_" in name and ".savemasks-" not in name:
            decode(content)


def test_workers_end_when_the_command_is_killed(long_run: subprocess.Popen[bytes]) -> None:
    assert len(_processes_of(long_run.pid)) > 1
    long_run.kill()
    for _ in range(200):
        if not _processes_of(long_run.pid):
            break
        sleep(0.1)
    assert _processes_of(long_run.pid) == []


def test_ctrl_c_before_the_first_item_exits_with_130_and_writes_nothing(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SaveMasks, "from_json", interrupt)
    code, text = call("run", "config.json", "project", "--out=out")
    assert (code, text) == (130, "interrupted before anything was exported\n")
    assert names(work) == ["config.json", "file", "project"]


# ---------------------------------------------------------------- the demo

SPECIFICATION = """
{"action": "save_masks", "src": ["$0"], "dst": "experiment001",
 "settings": {"masks_machine": true, "masks_human": true,
  "gt_machine_color": {"kiwi": [100, 100, 100], "lemon": [200, 200, 200]},
  "gt_human_color": {"kiwi": [255, 0, 0], "lemon": [27, 0, 255]}}}
"""


def test_the_demo_writes_project_and_config_exports_them_and_says_where_to_look(
    demo_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my demo"
    folder.mkdir()
    code, text = call("demo", "my demo")
    assert code == 0
    assert json.loads((folder / "save_masks.json").read_text()) == json.loads(SPECIFICATION)
    same(files(folder / "lemons"), files(demo_project))
    made = files(folder / "experiment001")
    masks = {name for name in made if "/masks_" in name}
    assert len(masks) == 12
    for name in made.keys() - masks:
        assert made[name] == (folder / "lemons" / name).read_bytes()
    places = re.search(r"look at (.+) and (\w+);", text)
    assert places
    shown = Path(places[1])
    assert {path.suffix for kind in (shown, shown.with_name(places[2])) for path in kind.iterdir()}
    # The command that it shows does the same when it is pasted.
    (line,) = (line for line in text.splitlines() if line.startswith("  savemasks run "))
    (folder / "experiment001").rename(folder / "before")
    code, _ = call(*shlex.split(line)[1:])
    assert code == 0
    same(files(folder / "experiment001"), files(folder / "before"))


@pytest.fixture
def quick_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of the fruit, which take a second to draw, a project with one item."""
    monkeypatch.setattr("savemasks.demo.write_project", lambda folder: Project(folder).add())


@pytest.mark.usefixtures("quick_demo")
def test_a_second_demo_takes_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [call("demo")[0], call("demo")[0]] == [0, 0]
    assert names(tmp_path) == ["savemasks-demo", "savemasks-demo-2"]
    same(files(tmp_path / "savemasks-demo"), files(tmp_path / "savemasks-demo-2"))


@pytest.mark.usefixtures("quick_demo")
@pytest.mark.parametrize(
    ("folder", "message"), [("project", "is not empty"), ("file/demo", "cannot be written")]
)
def test_a_demo_folder_that_cannot_be_used_is_refused(
    work: Path, folder: str, message: str
) -> None:
    before = files(work)
    code, text = call("demo", folder)
    assert code == 2
    assert text.startswith(f"error: {folder}")
    assert message in text
    assert files(work) == before
