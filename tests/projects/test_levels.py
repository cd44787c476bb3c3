"""Folders at another level, or of another name, than those of a project: what is said of them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import savemasks
from savemasks.errors import ProjectError
from savemasks.layers.save_masks import SaveMasks
from savemasks.projects.supervisely import Project as OpenedProject
from savemasks.run.check import check
from support.projects import Project, call, layer, picture

META = b'{"classes": []}'
ITEM = ("img/a.jpg", "ann/a.jpg.json")
LAYER = SaveMasks.from_json(layer())


def fill(folder: Path, *files: str) -> Path:
    """A folder with files; meta.json has no classes."""
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(META if path.name == "meta.json" else picture())
    return folder


def refused(folder: Path) -> list[str]:
    """What the Python interface says, below the folder's name; `check` says the same."""
    with pytest.raises(ProjectError) as caught:
        savemasks.export(folder, folder.parent / "out", LAYER)
    with pytest.raises(ProjectError) as also:
        check(LAYER, [folder])
    assert str(also.value) == str(caught.value)
    assert not (folder.parent / "out").exists()
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{folder}: ") for line in lines)
    return [line.removeprefix(f"{folder}: ") for line in lines]


def test_img_and_ann_in_the_project_itself(tmp_path: Path) -> None:
    folder = fill(tmp_path / "p", "meta.json", *ITEM)
    assert refused(folder) == [
        "img/ and ann/ lie directly in the project; they belong into a data set's folder"
    ]
    fill(tmp_path / "q", "meta.json", "img/a.jpg", "readme.txt")
    assert refused(tmp_path / "q") == [
        "img/ lies directly in the project; it belongs into a data set's folder"
    ]


@pytest.mark.parametrize("command", ["run", "check"])
def test_the_command_line_exits_with_2(command: str, tmp_path: Path) -> None:
    folder = fill(tmp_path / "p", "meta.json", *ITEM)
    config = tmp_path / "config.json"
    config.write_text('{"action": "save_masks", "dst": "x", "settings": {"masks_machine": true,'
                      ' "gt_machine_color": {"kiwi": [1, 1, 1]}}}')  # fmt: skip
    out = [f"--out={tmp_path / 'out'}"] if command == "run" else []
    code, text = call(command, config, folder, *out)
    assert (code, text.splitlines()) == (
        2,
        [f"error: {folder}: img/ and ann/ lie directly in the project;"
         " they belong into a data set's folder"],
    )  # fmt: skip
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            ["images/a.jpg", "annotations/a.json"],
            "images/ and annotations/ lie directly in the project;"
            " it must hold folders of data sets, and these img/ and ann/",
        ),
        (
            ["ds/images/a.jpg", "ds/labels/a.txt"],
            "ds: it has images/ and labels/ instead of img/ and ann/",
        ),
        (["ds/Img/a.jpg", "ds/Ann/a.json"], "ds: it has Img/ and Ann/ instead of img/ and ann/"),
        (
            ["ds/a.jpg", "ds/b.txt"],
            "ds: pictures lie directly in it, as a.jpg; they belong into its img/",
        ),
        (
            ["a.JPG", "notes.txt"],
            "pictures lie directly in the project, as a.JPG;"
            " they belong into img/ of a data set's folder",
        ),
        (
            ["train/ds/img/a.jpg", "train/ds2/ann/b.json"],
            "train: data sets lie in it: ds, ds2; they belong into train/datasets",
        ),
        (
            ["datasets/ds/img/a.jpg"],
            "datasets: data sets lie in it: ds; they belong directly into the project",
        ),
        (["p/inner/meta.json", "p/inner/ds/img/a.jpg"], "p: a project lies in it: inner"),
        (
            ["group/datasets/ds/images/a.jpg"],
            "group/datasets/ds: it has images/ instead of img/ and ann/",
        ),
    ],
)
def test_other_levels_of_a_project(files: list[str], said: str, tmp_path: Path) -> None:
    folder = fill(tmp_path / "project", "meta.json", *files)
    assert refused(folder) == [said]


@pytest.mark.parametrize(
    ("files", "below", "said"),
    [
        (["one/meta.json", "two/meta.json"], "", "; projects lie in it: name {}/one, {}/two"),
        (["one/meta.json", "one/ds/img/a.jpg"], "", "; projects lie in it: name {}/one"),
        (["meta.json", "ds/img/a.jpg", "ds/ann/a.json"], "ds",
         "; img/ and ann/ lie in it, as in a data set's folder: name the project {}"),
        (["meta.json", "ds/datasets/child/img/a.jpg"], "ds/datasets/child",
         "; img/ lies in it, as in a data set's folder: name the project {}"),
        (["meta.json", "ds/img/a.jpg"], "ds/img",
         "; pictures lie directly in it, as a.jpg: name the project {}"),
        (["img/a.jpg", "ann/a.json"], "", "; img/ and ann/ lie in it, as in a data set's folder"),
        (["ds/img/a.jpg", "ds2/ann/a.json"], "", ", though data sets lie in it: ds, ds2"),
        (["ds/img/a.jpg", "Meta.json"], "",
         ", though data sets lie in it: ds; is Meta.json meant?"),
        (["meta.json.txt"], "", "; is meta.json.txt meant?"),
        (["images/a.jpg", "labels/a.txt"], "",
         "; images/ and labels/ lie in it, as in a data set's folder"),
        (["a.jpg"], "", "; pictures lie directly in it, as a.jpg"),
        (["readme.txt"], "", ""),
    ],
)  # fmt: skip
def test_a_folder_without_meta_json(
    files: list[str], below: str, said: str, tmp_path: Path
) -> None:
    folder = fill(tmp_path / "here", *files)
    told = refused(folder / below)
    problem = "is not a Supervisely project: it has no meta.json"
    assert told == [problem + said.replace("{}", str(folder))]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "lemons.tar.XZ",
            "it is an archive, which must be unpacked first, or packed as a .tar, .tar.gz, .tgz or"
            " .zip",
        ),
        (
            "lemons.tar.aa",
            "parts of an archive are read if they are numbered, .000, .001 and so on",
        ),
    ],
)
def test_an_archive_of_another_kind_says_what_to_do(tmp_path: Path, name: str, said: str) -> None:
    path = tmp_path / name
    path.touch()
    with pytest.raises(ProjectError) as caught:
        OpenedProject.open(path)
    assert str(caught.value).endswith(f"Not a directory; {said}")


def notes(project: Project) -> list[str]:
    return OpenedProject.open(project.folder).notes()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["ds2/a.jpg"], "ds2: pictures lie directly in it, as a.jpg; they belong into its img/"),
        (["ds/a.jpg"], "ds: pictures lie directly in it, as a.jpg; they belong into its img/"),
        (["ds2/img/a.jpg", "ds2/annotations/a.json"], "ds2: it has annotations/ instead of ann/"),
        (["ds2/ann/a.json", "ds2/images/a.jpg"], "ds2: it has images/ instead of img/"),
        (["img/a.jpg"], "img/ lies directly in the project; it belongs into a data set's folder"),
        (["ds/datasets/c/a.jpg"],
         "ds/datasets/c: pictures lie directly in it, as a.jpg; they belong into its img/"),
        (["ds/child/img/a.jpg"], "ds: data sets lie in it: child; they belong into ds/datasets"),
        (["ds/img/img/a.txt"], None),
    ],
)  # fmt: skip
def test_beside_good_data_sets_it_is_a_note(
    project: Project, files: list[str], said: str | None
) -> None:
    project.add()
    fill(project.folder, *files)
    assert notes(project) == ([f"project: {said}"] if said else [])


@pytest.mark.parametrize(
    "files",
    [
        ["preview.png", "README.md"],
        ["__MACOSX/ds/img/._a.jpg", "__MACOSX/img/._a.jpg", "@eaDir/ds/x.jpg", ".git/a.jpg"],
        ["ds/meta/a.json", "ds/seg/x.txt", "scripts/run.py"],
        ["images/img/good.png", "labels/img/x.png"],
    ],
)
def test_what_is_no_data_set_by_intent_is_not_mentioned(project: Project, files: list[str]) -> None:
    project.add()
    fill(project.folder, *files)
    assert notes(project) == []


def test_of_very_many_odd_folders_a_few_are_named(project: Project) -> None:
    project.add()
    fill(project.folder, *(f"o{i}/a.jpg" for i in range(30)))
    told = notes(project)
    assert len(told) == 6
    assert told[-1] == "project: 25 more folders are not as in a Supervisely project"


def test_folders_that_cannot_be_read_have_nothing_to_tell(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add()
    genuine: Callable[..., object] = os.scandir

    def scandir(path: object = ".") -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return genuine(path)

    fill(project.folder, "closed/a.jpg")
    monkeypatch.setattr(os, "scandir", scandir)
    assert notes(project) == []
