"""Projects and data sets by the names that a data layer has for them."""

import json
import os
import unicodedata
from pathlib import Path

import pytest

from savemasks.errors import ProjectError
from savemasks.projects.selection import find_project, select
from savemasks.projects.supervisely import Project


def folders(root: Path, *names: str) -> list[Path]:
    paths = [root / name for name in names]
    for path in paths:
        path.mkdir(parents=True)
    return paths


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of four data sets and a folder that only holds others."""
    root = tmp_path / "lemons"
    names = ("market", "market/datasets/closeups", "market/datasets/closeups/datasets/dark")
    folders(root, *(f"{name}/img" for name in (*names, "markets", "shelf/datasets/top", "Käse")))
    (root / "meta.json").write_text(json.dumps({"classes": []}))
    return Project.open(root)


def chosen(project: Project, *entries: str) -> list[str]:
    return [dataset.output for dataset in select(project, entries)]


# ---------------------------------------------------------------- projects


def test_a_project_is_found_by_its_folder_among_those_given_first(tmp_path: Path) -> None:
    lemons, plums, other = folders(tmp_path, "a/lemons", "a/plums", "b/lemons")
    below = [tmp_path / "b", tmp_path / "a"]
    assert find_project("lemons", [plums, lemons], below) == lemons
    assert find_project("lemons", [plums], [tmp_path / "b"]) == other
    assert find_project("plums", [], below) == plums


def test_a_project_may_be_given_by_any_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lemons,) = folders(tmp_path, "lemons")
    link = tmp_path / "citrus"
    link.symlink_to(lemons)
    monkeypatch.chdir(lemons)
    for path in (Path(), Path("../lemons"), Path("../lemons/../lemons/."), link):
        assert find_project("lemons", [path], []) == path
    assert find_project("citrus", [link], []) == link
    assert find_project("lemons", [link, lemons, lemons], []) == link  # one and the same


def test_the_name_of_a_link_counts_before_that_of_its_target(tmp_path: Path) -> None:
    plums, other = folders(tmp_path, "a/plums", "b/plums")
    link = tmp_path / "a/lemons"
    link.symlink_to(other)
    for given in ([link, plums], [plums, link]):
        assert find_project("plums", given, []) == plums
        assert find_project("lemons", given, []) == link
    assert find_project("plums", [link], []) == link


def test_a_name_may_have_another_form_of_unicode(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "Käse")
    (cheese,) = folders(tmp_path, name)
    assert find_project("Käse", [cheese], []) == cheese
    assert find_project("Käse", [], [tmp_path]) == cheese


def test_a_name_of_several_folders_is_refused_with_their_paths(tmp_path: Path) -> None:
    given = folders(tmp_path, "a/lemons", "b/lemons")
    message = rf'^project "lemons": several folders have the name: {given[0]}, {given[1]}$'
    with pytest.raises(ProjectError, match=message):
        find_project("lemons", given, [])
    with pytest.raises(ProjectError, match=message):
        find_project("lemons", [], [path.parent for path in given])


def test_a_project_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    given = folders(tmp_path, "lemons", "plums")
    folders(tmp_path, "all/kiwis", "all/.hidden")
    (tmp_path / "all" / "lemon").touch()
    below = [tmp_path / "all"]
    known = 'the projects given are "lemons", "plums"'
    hint = r'project "lemon" is not there \(did you mean "lemons"\?\): '
    with pytest.raises(ProjectError, match=f"^{hint}{known}$"):
        find_project("lemon", given, [])
    with pytest.raises(ProjectError, match=rf'{known}; below {below[0]} there are "kiwis"$'):
        find_project("lemon", given, below)
    with pytest.raises(ProjectError, match=r'"x\\n" is not there: no project was given, and no'):
        find_project("x\n", [], [])
    with pytest.raises(ProjectError, match=r"lies in with --projects$"):
        find_project("lemons", [], [])
    with pytest.raises(ProjectError, match=rf"below {given[0]} there are none$"):
        find_project("..", [], given[:1])
    with pytest.raises(ProjectError, match=r"no-such: cannot be read: No such file or directory$"):
        find_project("lemons", [], [tmp_path / "no-such"])


def test_a_folder_one_level_too_high_or_too_low_is_told(tmp_path: Path) -> None:
    (lemons,) = folders(tmp_path, "all/lemons")
    above = lemons.parent
    told = f"; {above} holds it: say --projects {above}, or {lemons}$"
    with pytest.raises(ProjectError, match=told):
        find_project("lemons", [above], [])
    with pytest.raises(
        ProjectError, match=f"; {lemons} is the project: say it without --projects$"
    ):
        find_project("lemons", [], [lemons])


# ---------------------------------------------------------------- data sets


def test_a_star_is_all_data_sets(project: Project) -> None:
    assert select(project, ["*"]) == select(project, ["*", "market"]) == project.datasets()
    assert len(project.datasets()) == 6


def test_an_entry_is_one_data_set_or_with_all_that_lie_in_it(project: Project) -> None:
    closeups = "market/datasets/closeups"
    dark = f"{closeups}/datasets/dark"
    assert chosen(project, "market") == ["market"]
    assert chosen(project, "market/closeups") == [closeups]
    assert chosen(project, "market/*") == ["market", closeups, dark]
    assert chosen(project, "market/closeups/*") == [closeups, dark]
    assert chosen(project, "shelf/*") == ["shelf/datasets/top"]
    assert chosen(project, unicodedata.normalize("NFD", "Käse")) == ["Käse"]
    assert chosen(project) == []


def test_each_data_set_comes_once_in_the_project_s_order(project: Project) -> None:
    entries = ("markets", "market/closeups/dark", "market/closeups/*", "market", "markets")
    outputs = [dataset.output for dataset in project.datasets()]
    assert chosen(project, *entries) == [name for name in outputs if name.startswith("market")]


def test_data_sets_that_are_not_there_are_told_with_those_that_are(project: Project) -> None:
    known = 'the data sets are "Käse", "market", "market/closeups", "market/closeups/dark",'
    with pytest.raises(ProjectError) as caught:
        select(project, ["marke", "market", "closeups/*", "shelf"])
    lines = str(caught.value).split("\n")
    near = {"marke": "market", "closeups/*": "market/closeups", "shelf": "shelf/top"}
    for line, (name, hint) in zip(lines, near.items(), strict=True):
        said = f'data set "{name}" is not there (did you mean "{hint}"?)'
        said = f'{said}: {known} "markets", "shelf/top"'
        assert line == f"{project.folder}: {said}"


def test_a_project_without_data_sets_has_all_of_none(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text(json.dumps({"classes": []}))
    empty = Project.open(tmp_path)
    assert select(empty, ["*"]) == []
    message = rf'^{os.fspath(tmp_path)}: data set "market" is not there: it has none$'
    with pytest.raises(ProjectError, match=message):
        select(empty, ["market"])
