"""What the READMEs show works: their Python is run, and what they name is there."""

import asyncio
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import savemasks
from savemasks.cli import commands as cli
from savemasks.layers.save_masks import Settings
from support import ROOT
from support.painters import annotation
from support.projects import KIWI, pixels_of
from support.projects import annotation as note_of

README = (ROOT / "README.md").read_text()
BENCHMARKS = (ROOT / "benchmarks" / "README.md").read_text()
OPTION = re.compile(r"--[a-z][a-z-]+")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    """A section of the README."""
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> Iterator[str]:
    """What stands in code spans in the first column of the tables."""
    for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        yield from re.findall(r"`([^`]+)`", row)


def layer_of_the_readme() -> bytes:
    """The layer that the README shows, indented."""
    shown = re.search(r"^    \{\n(?:    .*\n)+?    \}\n", README, re.MULTILINE)
    assert shown
    return shown[0].encode()


# ------------------------------------------------------------------ Python


@pytest.mark.usefixtures("warm")
def test_the_python_of_the_readme_runs(
    demo_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lemons").symlink_to(demo_project)
    note, image = note_of(KIWI), pixels_of(1)
    known: dict[str, Any] = {
        "config": layer_of_the_readme(),
        "meta": demo_project / "meta.json",
        "annotation": note,
        "image": image,
    }
    first, *others = blocks(README, "python")
    exec(first, known)  # noqa: S102  (our own)
    # What its comments say.
    height, width = image.shape[:2]
    assert known["shapes"].height == height
    assert known["labels"].shape == known["machine"].shape == (height, width)
    assert known["labels"].dtype == np.uint8
    assert known["human"].shape == (height, 2 * width + 1, 3)
    assert known["numbers"].dtype == np.int32
    assert known["classes"] == {1: "kiwi"}
    assert known["png"][:4] == b"\x89PNG"
    assert (known["summary"].images, known["summary"].failed) == (6, 0)
    assert [*(tmp_path / "masks").rglob("masks_human/*.png")]
    for block in others:
        exec(block, known)  # noqa: S102
    assert asyncio.run(known["answer"](note)) == known["png"]


@pytest.mark.usefixtures("warm")
def test_what_the_readme_says_of_labels_and_crops_is_so() -> None:
    painter = savemasks.Painter(savemasks.SaveMasks.from_json(layer_of_the_readme()))
    labels = painter.labels(annotation())
    palette = painter.machine_palette
    assert palette is not None
    for i, gray in enumerate((100, 200), start=1):
        assert palette.titles[i - 1] == {100: "kiwi", 200: "lemon"}[gray]
        assert palette.colors[i].tolist() == [gray] * 3
        assert np.array_equal(labels == i, painter.machine(annotation()) == gray)
    part = painter.labels(annotation(), window=(3, 4, 10, 11))
    assert np.array_equal(part, labels[4:15, 3:13])


def test_every_public_name_of_the_readme_is_one() -> None:
    named = {*re.findall(r"\bsavemasks\.([A-Za-z_]\w*)", README)} - {"json"}
    assert named <= {*savemasks.__all__, "__all__"}
    assert {"Painter", "SaveMasks", "encode_png", "export", "warmup"} <= named
    for name in re.findall(r"\bpainter\.(\w+)", README):
        assert hasattr(savemasks.Painter, name), name


# ------------------------------------------------------------------ commands, settings, files


def test_the_options_of_the_readme_are_those_of_the_command() -> None:
    run = cli.main.commands["run"]
    known = {name for option in run.params if isinstance(option, click.Option)
             for name in option.opts}  # fmt: skip
    described = {cell.split()[0] for cell in first_cells(README) if cell.startswith("--")}
    assert described | {"--out"} == known
    assert {*OPTION.findall(README)} <= known


def test_the_commands_of_the_readme_take_what_is_shown() -> None:
    shown = re.findall(r"(?:    |`|/)savemasks ([a-z]+)((?: [A-Z.]+)*)", README)
    assert {name for name, _ in shown} == {*cli.main.commands}
    for name, arguments in shown:
        taken = [p for p in cli.main.commands[name].params if isinstance(p, click.Argument)]
        assert len(arguments.split()) <= len(taken)
        if arguments:
            assert [(p.metavar or (p.name or "").upper()) for p in taken] == arguments.split()


def test_the_settings_of_the_readme_are_those_of_the_layer() -> None:
    keys = {*first_cells(section("Export a project"))} & {*re.findall(r"`(\w+)`", README)}
    assert {*Settings.model_fields} | {"src", "dst"} == keys
    layer = savemasks.SaveMasks.from_json(layer_of_the_readme())
    assert layer.unknown_keys() == []
    assert {*json.loads(layer_of_the_readme())["settings"]} <= keys


@pytest.mark.parametrize("text", [README, BENCHMARKS], ids=["README", "benchmarks"])
def test_the_files_that_are_named_are_there(text: str) -> None:
    places = [ROOT, ROOT / "benchmarks", ROOT / "engine" / "savemasks"]
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    named = re.findall(r"`([\w/]+\.py)\b", text) + re.findall(r"python ([\w/]+\.py)", text)
    assert named
    for name in (*links, *named):
        assert any((place / name).exists() for place in places), name


def test_the_extras_that_are_installed_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {*re.findall(r"'\.\[(\w+)\]'", README + BENCHMARKS)}
    named |= {*re.findall(r"the extra `(\w+)`", README + BENCHMARKS)}
    assert "test" in named
    assert named <= {*extras["optional-dependencies"]}


# ------------------------------------------------------------------ benchmarks


@pytest.mark.slow
def test_the_benchmarks_take_the_options_that_are_shown() -> None:
    helps: dict[str, str] = {}

    def options(program: str) -> set[str]:
        if program not in helps:
            helps[program] = subprocess.run(  # noqa: S603  (our own)
                [sys.executable, program, "--help"],
                cwd=ROOT, capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
        return {*OPTION.findall(helps[program])}

    for line in "".join(blocks(BENCHMARKS, "sh")).splitlines():
        if program := re.match(r"python (\S+)", line):
            if program[1] == "benchmarks/plot.py" and find_spec("matplotlib") is None:
                continue  # it needs the extra `bench`
            command = line.partition("#")[0]
            assert {*OPTION.findall(command)} <= options(program[1]), line
    assert helps
    spoken = {*re.findall(r"`(--[a-z-]+)", BENCHMARKS)}
    assert spoken <= set().union(*map(options, helps))
