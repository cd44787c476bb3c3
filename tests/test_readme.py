"""What the documents show works: their Python is run, and what they name is there."""

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
from click.testing import CliRunner

import savemasks
from savemasks.cli import commands as cli
from savemasks.layers.save_masks import Settings
from support import ROOT
from support.documents import DOCS, README, blocks
from support.painters import annotation
from support.projects import KIWI, pixels_of
from support.projects import annotation as note_of

BENCHMARKS = (ROOT / "benchmarks" / "README.md").read_text()
MANUAL = "\n".join([README, *DOCS.values()])
"""What users read; the benchmarks have options of their own."""
PAGES = sorted(
    path
    for folder in (ROOT, ROOT / "docs", ROOT / "benchmarks", ROOT / "tests")
    for path in folder.glob("*.md")
)
PACKAGE = ROOT / "engine" / "savemasks"
OPTION = re.compile(r"--[a-z][a-z-]+")
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")


def name_of(page: Path) -> str:
    """A page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


def section(title: str, page: str) -> str:
    """A section of a page."""
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def anchors(page: str) -> set[str]:
    """The headings of a page, as links name them."""
    titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def first_cells(text: str) -> Iterator[str]:
    """What stands in code spans in the first column of the tables."""
    for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        yield from re.findall(r"`([^`]+)`", row)


def layer_of_the_readme(page: str = README) -> bytes:
    """The layer that the README, or another page, shows, indented."""
    shown = re.search(r"^    \{\n(?:    .*\n)+?    \}\n", page, re.MULTILINE)
    assert shown
    return shown[0].encode()


# ------------------------------------------------------------------ Python


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("page", [README, DOCS["python"]], ids=["README", "python"])
def test_the_python_of_the_documents_runs(
    page: str, demo_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    for block in blocks(page, "python"):
        exec(block, known)  # noqa: S102  (our own)
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
    if page != README:
        assert np.array_equal(known["kiwi"], known["machine"] == 100)
        assert np.array_equal(known["batch"][0], known["labels"])
        assert np.array_equal(known["part"], known["labels"][2:6, 5:10])
        assert known["part"].shape == (4, 5)
        assert known["reason"] in page
        assert known["typo"] in page
        check_graphs(known, page)
        assert known["built"][2, 8] == 1 + known["painter"].machine_palette.titles.index("kiwi")
        check_training(known)
        check_objects(known)


def check_objects(known: dict[str, Any]) -> None:
    """What the page says of objects and colours."""
    kiwi = known["kiwi"]
    assert np.array_equal(known["canvas"], kiwi)
    assert np.array_equal(known["class_masks"]["kiwi"], kiwi)
    assert [savemasks.rle_decode(code).sum() for code in known["codes"]] == [kiwi.sum()]
    assert known["counted"].classes == {"kiwi": (1, kiwi.sum())}
    assert known["meaning"]["classes"]["kiwi"]["machine"] == 100
    assert known["colored"].shape == (*kiwi.shape, 3)
    assert known["indexed"][25] == 3


def check_graphs(known: dict[str, Any], page: str) -> None:
    """What the page says of graphs."""
    assert known["graph"].warnings == ()
    assert (known["both"].images, known["both"].failed, known["both"].warnings) == (6, 0, [])
    assert f"both.results  # {known['both'].results}\n" in page
    is_kiwi = known["machine"] == 100
    assert np.array_equal(known["fruit"].machine(known["annotation"]) == 7, is_kiwi)


def check_training(known: dict[str, Any]) -> None:
    """What the page says of results that only it has."""
    labels, painter = known["labels"], known["painter"]
    assert np.array_equal(known["corner"][1:, 2:], labels[:3, :4])
    assert (known["corner"][0] == 255).all()
    assert np.array_equal(known["framed"][2:-4, 1:-3], labels)
    assert known["small"].shape == known["crop"].shape == (8, 8)
    assert known["half"].shape == tuple(round(side / 2) for side in labels.shape)
    for name in ("class_names", "id2label", "label2id"):
        assert f"painter.{name}  # {getattr(painter, name)!r}\n" in DOCS["python"]
    assert np.array_equal(known["kiwis"], labels == 1)
    assert known["targets"]["masks"].shape == (1, *labels.shape)
    assert known["maps"].shape == (8, 64, 64)
    assert len(known["dataset"]) == 6
    assert known["pixels"].shape == (64, 64, 3)
    assert known["target"].shape == (64, 64)
    note = known["annotation"]
    png = asyncio.run(known["answer"](note))
    assert png == savemasks.encode_png(labels)
    assert asyncio.run(known["answer_or_refuse"](note)) == (200, png)
    assert asyncio.run(known["answer_or_refuse"](b"{"))[0] == 422
    known["under_way"] = known["MOST_AT_ONCE"]
    assert asyncio.run(known["answer_or_refuse"](note))[0] == 503


def test_no_page_has_python_that_does_not_run() -> None:
    shown = {name_of(page) for page in PAGES if blocks(page.read_text(), "python")}
    assert shown == {"README.md", "docs/python.md", "docs/tutorial.md"}


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


def test_every_public_name_of_the_manual_is_one() -> None:
    named = {*re.findall(r"\bsavemasks\.([A-Za-z_]\w*)", MANUAL)} - {"json", "schema"}
    assert named <= {*savemasks.__all__, "__all__"}
    assert {"Painter", "SaveMasks", "encode_png", "export", "warmup"} <= named
    for name in re.findall(r"\bpainter\.(\w+)", MANUAL):
        assert hasattr(savemasks.Painter, name), name


# ------------------------------------------------------------------ commands, settings, files


def options_of(command: str) -> set[str]:
    """The options that a command has."""
    return {name for option in cli.main.commands[command].params
            if isinstance(option, click.Option) for name in option.opts
            if name.startswith("--")}  # fmt: skip


def test_the_options_of_the_manual_are_those_of_the_command() -> None:
    known = options_of("run")
    page = DOCS["command-line"]
    described = {cell.split()[0] for cell in first_cells(page) if cell.startswith("--")}
    assert described | {"--out"} == known
    # Those of gunicorn, of Dask's worker and of Docker, too.
    others = {"--preload", "--version", "--nworkers", "--nthreads", "--memory-limit"}
    others |= {"--rm", "--user", "--entrypoint", "--build-arg"}
    others = others.union(*map(options_of, cli.main.commands))
    assert {*OPTION.findall(MANUAL)} <= known | others
    assert options_of("cache") == {"--where", "--clear"}
    said = re.search(r"`retry` takes all of these but (.+?):", page, re.DOTALL)
    assert said
    assert known - {*OPTION.findall(said[1])} - {"--out"} == options_of("retry")
    assert options_of("verify") == {"--workers", "--quiet"}
    assert options_of("check") == {"--workers", "--quiet", "--projects"}


def test_the_commands_of_the_manual_take_what_is_shown() -> None:
    shown = re.findall(r"(?:    |`|/)savemasks ([a-z]+)((?: [A-Z.]+)*)", MANUAL)
    assert {name for name, _ in shown} == {*cli.main.commands}
    for name, arguments in shown:
        taken = [p for p in cli.main.commands[name].params if isinstance(p, click.Argument)]
        assert len(arguments.split()) <= len(taken)
        if arguments:
            assert [(p.metavar or (p.name or "").upper()) for p in taken] == arguments.split()


def test_the_manual_describes_all_exit_codes() -> None:
    table = section("Exit codes", DOCS["command-line"])
    assert re.findall(r"^\| (\d+) \|", table, re.MULTILINE) == ["0", "1", "2", "130"]


@pytest.mark.usefixtures("warm")
def test_the_export_that_the_readme_shows_works(
    demo_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "PROCESSES", False)
    (tmp_path / "lemons").symlink_to(demo_project)
    config, *arguments = re.findall(r"^    savemasks run (.+)$", README, re.MULTILINE)[0].split()
    (tmp_path / config).write_bytes(layer_of_the_readme())
    done = CliRunner().invoke(cli.main, ["run", config, *arguments])
    assert done.exit_code == 0, done.output
    for folder in re.findall(r"`(results/\S+)/<dataset>/masks_machine`", README):
        assert len([*(tmp_path / folder).rglob("masks_machine/*.png")]) == 6
        assert len([*(tmp_path / folder).rglob("masks_human/*.png")]) == 6
        break
    else:
        pytest.fail("the README does not say where the masks are")


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("page", [README, DOCS["graphs"]], ids=["README", "graphs"])
def test_the_graphs_that_are_shown_work(
    page: str, demo_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "PROCESSES", False)
    (tmp_path / "lemons").symlink_to(demo_project)
    (shown,) = re.findall(r"^    \[\n(?:    .*\n)+?    \]\n", page, re.MULTILINE)
    Path("graph.json").write_text(shown)
    command = re.findall(r"^    savemasks run (graph.+)$", DOCS["graphs"], re.MULTILINE)[0]
    done = CliRunner().invoke(cli.main, ["run", *command.split()])
    assert done.exit_code == 0, done.output
    assert "note: " not in done.output
    for layer in json.loads(shown):
        if not layer["dst"][0].startswith("$"):
            made = {path.parent.name for path in Path("results", layer["dst"]).rglob("*.*")}
            pages = "masks_machine" if layer["action"] == "save_masks" else "visualize"
            assert {"ann", "img", pages} <= made


def test_the_settings_of_the_manual_are_those_of_the_layer() -> None:
    keys = {cell for cell in first_cells(DOCS["settings"]) if re.fullmatch(r"\w+", cell)}
    assert {*Settings.model_fields} | {"src", "dst"} == keys
    assert {*first_cells(section("Export a project", README))} <= keys
    for page in (README, DOCS["settings"]):
        layer = savemasks.SaveMasks.from_json(layer_of_the_readme(page))
        assert layer.unknown_keys() == []
        assert {*json.loads(layer_of_the_readme(page))["settings"]} <= keys


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_files_that_are_named_are_there(page: Path) -> None:
    text = page.read_text()
    places = [ROOT, ROOT / "benchmarks", PACKAGE]
    named = re.findall(r"`([\w/]+\.py)\b", text) + re.findall(r"python ([\w/]+\.py)", text)
    assert named or page.name != "README.md"
    for name in named:
        assert any((place / name).exists() for place in places), name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for name, anchor in LINK.findall(page.read_text()):
        target = page.parent / name if name else page
        assert target.exists(), name
        assert not anchor or anchor in anchors(target.read_text()), f"{name}#{anchor}"


def test_every_page_of_the_manual_is_linked_and_short_enough() -> None:
    linked = {name for name, _ in LINK.findall(README)}
    assert {f"docs/{name}.md" for name in DOCS} <= linked
    assert {".readme/demo.jpg", "benchmarks/README.md", "ARCHITECTURE.md"} <= linked
    assert len(README.splitlines()) <= 150


def test_the_architecture_names_every_folder_of_the_package() -> None:
    shown = section("Folders and modules", (ROOT / "ARCHITECTURE.md").read_text())
    folders = {path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")}
    named = {*re.findall(r"^    ([a-z][\w/]*)/ ", shown, re.MULTILINE)}
    assert folders - {"."} == named


def test_the_extras_that_are_installed_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {*re.findall(r"'\.\[(\w+)\]'", MANUAL + BENCHMARKS)}
    named |= {*re.findall(r"the extra `(\w+)`", MANUAL + BENCHMARKS)}
    assert "test" in named
    assert named <= {*extras["optional-dependencies"]}


# ------------------------------------------------------------------ benchmarks


@pytest.mark.slow
def test_the_benchmarks_take_the_options_that_are_shown() -> None:
    helps: dict[str, str] = {}

    def options(program: str) -> set[str]:
        if program not in helps:
            helps[program] = subprocess.run(
                [sys.executable, *program.split(), "--help"],
                cwd=ROOT, capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
        return {*OPTION.findall(helps[program])}

    for line in "".join(blocks(BENCHMARKS, "sh")).splitlines():
        if program := re.match(r"python (\S+( photos| cells)?)", line):
            if program[1] == "benchmarks/plot.py" and find_spec("matplotlib") is None:
                continue  # it needs the extra `bench`
            command = line.partition("#")[0]
            assert {*OPTION.findall(command)} <= options(program[1]), line
    assert helps
    spoken = {*re.findall(r"`(--[a-z-]+)", BENCHMARKS)}
    assert spoken <= set().union(*map(options, helps))
