"""What people expect of every command line: hints, help, colours, completion, a first config."""

import io
import json
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import savemasks
from savemasks.cli.commands import main
from savemasks.cli.progress import progress
from support import ROOT
from support.projects import SCRIPT, Project, call, files

RUN = ("run", "config.json", "project", "--out", "out")
RED = "\x1b[31m"


def test_the_version_is_that_of_the_package() -> None:
    assert call("--version") == (0, f"savemasks, version {savemasks.__version__}\n")


# ------------------------------------------------------------------ a first config


def test_init_writes_a_config_with_all_classes_that_run_takes(work: Path) -> None:
    code, text = call("init", "project")
    assert code == 0
    found = json.loads((work / "save_masks.json").read_text())
    settings = found["settings"]
    assert settings["gt_machine_color"] == {"kiwi": [1, 1, 1], "lemon": [2, 2, 2]}
    assert settings["gt_human_color"] == {"kiwi": [0, 255, 0], "lemon": [0, 255, 0]}
    command = text.splitlines()[-1].split()
    assert command[:2] == ["savemasks", "run"]
    assert call(*command[1:])[0] == 0
    assert (work / "results/masks/ds/masks_human/good.png").is_file()


def test_init_takes_the_classes_of_all_projects_and_colours_those_without(work: Path) -> None:
    Project(work / "more", classes=("kiwi", 'pear "\u00e9"'))
    meta = work / "more/meta.json"
    meta.write_text(meta.read_text().replace("#00ff00", "none"))
    assert call("init", "more", "project", "--to", "new.json")[0] == 0
    settings = json.loads((work / "new.json").read_text())["settings"]
    assert [*settings["gt_machine_color"]] == ["kiwi", 'pear "\u00e9"', "lemon"]
    assert settings["gt_human_color"]["kiwi"] == [230, 25, 75]
    assert settings["gt_human_color"]["lemon"] == [0, 255, 0]


def test_init_replaces_nothing(work: Path) -> None:
    before = files(work)
    code, text = call("init", "project", "--to", "config.json")
    assert code == 2
    assert text == "error: config.json: exists, and stays as it is; --to names another file\n"
    code, text = call("init", "nowhere/project")
    assert code == 2
    assert call("init")[0] == 2
    assert files(work) == before


def test_run_without_a_config_says_how_to_make_one(work: Path) -> None:
    code, text = call("run")
    assert code == 2
    assert "Missing argument 'CONFIG'" in text
    assert "savemasks init PROJECT" in text


# ------------------------------------------------------------------ check by another name


def test_a_dry_run_is_a_check(work: Path) -> None:
    before = files(work)
    code, text = call(*RUN, "--dry-run")
    assert code == 0
    assert "a run would take about" in text
    assert files(work) == before
    assert not (work / "out").exists()
    (work / "project/ds/ann/good.png.json").write_text("{")
    assert call(*RUN, "--dry-run", "-q")[0] == 1


# ------------------------------------------------------------------ help and hints


def test_all_commands_and_all_options_are_in_a_section() -> None:
    code, text = call("-h")
    assert code == 0
    listed = re.findall(r"^  ([a-z]+)  ", text, re.MULTILINE)
    assert sorted(listed) == sorted(main.commands)
    code, text = call("run", "-h")
    options = [each for each in main.commands["run"].params if isinstance(each, click.Option)]
    for option in options:
        assert len(re.findall(rf"^  (-\w, )?{option.opts[-1]}\b(?!-)", text, re.MULTILINE)) == 1
    others = text.partition("Other options:")[2]
    assert re.findall(r"--[a-z-]+", others) == ["--help"]


def test_mistyped_commands_and_options_get_a_hint() -> None:
    code, text = call("galery")
    assert code == 2
    assert "No such command 'galery' (did you mean \"gallery\"?)." in text
    code, text = call("run", "--worker", "2")
    assert code == 2
    assert "--workers" in text


# ------------------------------------------------------------------ colours


@pytest.mark.parametrize(("environment", "is_colored"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals_that_want_them(
    work: Path, environment: dict[str, str], is_colored: bool
) -> None:
    (work / "project/ds/ann/good.png.json").write_text("{")
    runner = CliRunner(env={"NO_COLOR": None, **environment})
    as_on_a_terminal = runner.invoke(main, [*RUN], color=True)
    assert (RED in as_on_a_terminal.output) == is_colored
    elsewhere = runner.invoke(main, [*RUN])
    assert "\x1b" not in elsewhere.output
    assert "failed: " in elsewhere.output


# ------------------------------------------------------------------ more and less words


@pytest.fixture
def silent_log() -> Iterator[None]:
    logger = logging.getLogger("savemasks")
    level, handlers = logger.level, [*logger.handlers]
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


@pytest.mark.usefixtures("silent_log")
def test_verbose_tells_failures_as_they_come(work: Path) -> None:
    (work / "project/ds/ann/good.png.json").write_text("{")
    code, text = call(*RUN, "-v")
    assert code == 1
    lines = text.splitlines()
    assert lines[0].startswith("info: export to out/experiment001 begins")
    assert any(line.startswith("warning: project/ds/ann/good.png.json: not val") for line in lines)


def test_quiet_has_a_short_name(work: Path) -> None:
    assert call(*RUN, "-q") == (0, "")


@pytest.mark.parametrize("columns", [40, 100])
def test_a_bar_tells_errors_and_workers_also_in_40_columns(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    with progress(quiet=False, workers=3) as update:
        assert update
        update(1, 1, 1000)
    lines = terminal.getvalue().replace("\r", "\n").splitlines()
    assert all(len(line) <= columns for line in lines)
    assert "1/1000" in lines[-1]
    assert lines[-1].endswith("errors=1" if columns == 40 else "errors=1]")
    assert lines[-1].startswith("3 workers: ") == (columns == 100)


# ------------------------------------------------------------------ completion

LINES = re.findall(
    r"`((?:eval|_SAVEMASKS).*?savemasks.*?)` \|$",
    (ROOT / "docs/command-line.md").read_text(),
    re.MULTILINE,
)


def completed(shell: str, **words: str) -> list[str]:
    """What the command tells a shell that asks for completions."""
    environment = os.environ | {"_SAVEMASKS_COMPLETE": f"{shell}_complete", **words}
    done = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_shells_complete_commands_and_options() -> None:
    words = {"COMP_WORDS": "savemasks ga", "COMP_CWORD": "1"}
    assert completed("bash", **words) == ["plain,gallery"]
    assert completed("zsh", **words)[:2] == ["plain", "gallery"]
    assert completed("fish", **(words | {"COMP_CWORD": "ga"}))[0].startswith("plain,gallery")
    words = {"COMP_WORDS": "savemasks run --pack", "COMP_CWORD": "2"}
    assert completed("bash", **words) == ["plain,--pack", "plain,--pack-items", "plain,--pack-size"]


def test_the_lines_of_the_manual_work() -> None:
    assert len(LINES) == 3
    for shell, line in zip(("bash", "zsh", "fish"), LINES, strict=True):
        assert f"_SAVEMASKS_COMPLETE={shell}_source" in line
        environment = os.environ | {"_SAVEMASKS_COMPLETE": f"{shell}_source"}
        done = subprocess.run(
            [SCRIPT], env=environment, capture_output=True, text=True, check=False
        )
        assert "savemasks" in done.stdout, done.stderr
        if shutil.which(shell) and shell != "fish":
            path = os.pathsep.join([str(Path(SCRIPT).parent), os.environ["PATH"]])
            init = "autoload -Uz compinit && compinit -u; " if shell == "zsh" else ""
            done = subprocess.run(
                [shell, "-c", f"{init}{line}"],
                env=os.environ | {"PATH": path},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
