"""What the command line says of graphs: mistakes of its users, and notes."""

import json
from pathlib import Path
from typing import Any

import pytest

from savemasks.cli import commands as cli
from support.layers import data, rename, save, save_masks, step
from support.projects import Project, call

pytestmark = pytest.mark.usefixtures("warm")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two projects in `all`."""
    Project(tmp_path / "all" / "lemons", ("kiwi",)).add()
    Project(tmp_path / "all" / "plums", ("plum",)).add(bare=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "PROCESSES", False)
    return tmp_path


def check(layers: Any, *arguments: str) -> tuple[int, list[str]]:
    """Exit code of `check` and the lines that it prints, but the forecast."""
    Path("graph.json").write_text(json.dumps(layers))
    code, text = call("check", "graph.json", *arguments)
    lines = [line for line in text.splitlines() if not line.startswith("preparing: ")]
    return code, lines[: -2 if code == 0 else None]


@pytest.mark.usefixtures("here")
def test_a_class_is_missed_only_where_no_source_has_it() -> None:
    layers = [
        data("lemons", "$l"),
        data("plums", "$p"),
        step("background", ["$l", "$p"], "$b", **{"class": "bg"}),
        rename("$b", "$1", kiwi="fruit", plum="fruit", kivi="fruit"),
        save("$1"),
        save("$b", "other"),
    ]
    told = 'note: layer 4 (rename): no class "kivi" flows into it (did you mean "kiwi"?)'
    assert check(layers, "--projects", "all") == (0, [told])


@pytest.mark.usefixtures("here")
def test_a_class_that_got_another_title_is_not_said_to_be_in_no_project() -> None:
    layers = [data(), rename(), save_masks("$1")]
    assert check(layers, "all/lemons") == (0, [
        "note: layer 3 (save_masks): classes of the config that do not flow into it: kiwi",
        "note: layer 3 (save_masks): classes without a colour, which are not painted: fruit",
    ])  # fmt: skip


@pytest.mark.usefixtures("here")
def test_a_setting_with_a_wrong_name_is_told_of_every_layer() -> None:
    layers = [data(class_mapping={"kiwi": "fruit"}), save(visualzie=True)]
    told = "keys of the config that have no effect: settings"
    assert check(layers, "--projects", "all")[1] == [
        f'note: layer 1 (data): {told}.class_mapping (did you mean "classes_mapping"?)',
        f'note: layer 2 (save): {told}.visualzie (did you mean "visualize"?)',
    ]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("projects", [(), ("all/lemons",)])
def test_a_folder_of_projects_for_a_layer_alone_is_refused(projects: tuple[str, ...]) -> None:
    code, lines = check(save_masks(), *projects, "--projects", "all")
    told = "--projects is for data layers, and CONFIG has none: name each PROJECT by its folder."
    assert (code, lines[-1]) == (2, f"Error: {told}")


@pytest.mark.usefixtures("here")
def test_projects_in_the_wrong_place_are_told_how_to_do_it_right() -> None:
    for arguments, hint in [
        ((), "as a PROJECT, or the folder that it lies in with --projects"),
        (("all",), "all holds it: say --projects all, or all/lemons"),
        (("--projects", "all/lemons"), "all/lemons is the project: say it without --projects"),
    ]:
        code, (line,) = check([data(), save()], *arguments)
        assert code == 2
        assert line.startswith('error: layer 1 (data): project "lemons" is not there: ')
        assert line.endswith(hint)


def test_a_missing_annotation_is_expected_in_the_project_not_in_the_result(here: Path) -> None:
    for name in ("lemons", "plums"):
        Project(here / "all" / name).add("a.png", "ds/datasets/more")
    (here / "all/plums/ds/datasets/more/ann/a.png.json").unlink()
    layers = [data("lemons", "$l"), data("plums", "$p"), save(["$l", "$p"])]
    code, lines = check(layers, "--projects", "all")
    image = "all/plums/ds/datasets/more/img/a.png"
    told = "the annotation is missing: expected ds/datasets/more/ann/a.png.json"
    assert (code, lines[0]) == (1, f"would fail: {image}: {told}")
