"""The command line: usage, words, exit codes, the terminal."""

import json
import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from savemasks import __version__
from savemasks.cli import progress as progress_module
from support.projects import (
    SCRIPT,
    Project,
    Runner,
    annotation,
    call,
    files,
    layer,
    names,
    savemasks,
)

LAST_LINE = r"%d images exported, %d failed, in [\d.]+ s \([\d.]+/s, [\d.]+ megapixels/s\) to %s"


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


HEAVY = ("numba", "numpy", "pyvips")


def test_help_loads_nothing_heavy() -> None:
    heavy = (*HEAVY, "pydantic", "isal", "PIL")
    code = f"import sys, savemasks.cli.commands; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code]) == b"[]\n"


def test_the_leading_process_of_a_run_loads_nothing_heavy(tmp_path: Path) -> None:
    Project(tmp_path / "project").add()
    (tmp_path / "config.json").write_text(json.dumps(layer()))
    code = f"""
import sys
sys.argv = ["savemasks", "run", "config.json", "project", "--out=out", "--workers=1", "--quiet"]
from savemasks.cli.program import main
if __name__ == "__main__":
    before = {{*sys.modules}}
    assert "click" not in before
    try:
        main()
    except SystemExit as end:
        print(end.code, [m for m in {HEAVY} if m in sys.modules])
"""
    (tmp_path / "program.py").write_text(code)
    command = [sys.executable, "program.py"]
    assert subprocess.check_output(command, cwd=tmp_path) == b"0 []\n"
    assert (tmp_path / "out/experiment001/legend.json").exists()


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
    **{
        f"part {part}": ("run", "config.json", "project", "--out=out", f"--part={part}")
        for part in ("5/4", "0/4", "x", "1/0")
    },
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


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_configuration_behind_its_projects_is_told_how_to_do_it_right(
    work: Path, command: str
) -> None:
    before = files(work)
    out = ["--out=out"] if command == "run" else []
    (work / "other").mkdir()
    for arguments in (("project", "config.json"), ("project", "other", "config.json")):
        code, text = call(command, *arguments, *out)
        assert code == 2
        assert text.startswith("Usage: ")
        assert text.splitlines()[-1].endswith(
            "CONFIG and PROJECT are swapped: project is a folder, config.json a file."
            " Say them the other way round: config.json project"
        )
    code, text = call(command, "config.json", "config.json", *out)
    assert code == 2
    assert ".tgz or .zip. CONFIG, the layer's JSON file, comes once, before the projects." in text
    code, text = call(command, "project", "other", *out)
    assert (code, text) == (
        2,
        "error: project: cannot be read: Is a directory; CONFIG is the layer's JSON file, and comes"
        " before the projects\n",
    )
    assert files(work) == before


REFUSED = {
    "config missing": (("none.json", "project"), ["none.json: cannot be read: No such file"]),
    "config too long": (("x" * 300, "project"), ["x: cannot be read: File name too long"]),
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
    monkeypatch.setattr("savemasks.cli.console._COMPILE_HINT_AFTER", 600)  # the machine may be busy
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
    child = subprocess.Popen(command, stdout=terminal, stderr=terminal, env=os.environ)
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

    monkeypatch.setattr("savemasks.cli.console.threading.Timer", AtOnce)
    code, text = call("run", "config.json", "project", "--out=out", *flags)
    hint = "preparing: kernels may have to be compiled, which takes about half a minute ..."
    assert (code, hint in text.splitlines()) == (0, not flags)


def test_the_console_says_how_much_is_compiled(capsys: pytest.CaptureFixture[str]) -> None:
    from savemasks.cli.console import run_hooks

    with run_hooks(quiet=False) as hooks:
        assert hooks.on_compile
        hooks.on_compile(1, 3)
    assert capsys.readouterr().err == "compiling kernels, once on this machine: 1 of 3 parts\n"
    with run_hooks(quiet=True) as hooks:
        assert hooks.on_compile is None
