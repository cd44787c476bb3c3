"""`open_project`: the items of a project, one by one."""

import json
import pickle
from pathlib import Path

import pytest

import savemasks
from savemasks.cli.demo import CONFIG
from support.projects import Project


def test_items_are_those_on_disk(demo_project: Path) -> None:
    items = savemasks.open_project(demo_project)
    images = {p for p in demo_project.rglob("img/*") if p.is_file()}
    assert {item.image for item in items} == images
    assert len(items) == len(images) == 6
    assert items.meta == json.loads((demo_project / "meta.json").read_bytes())
    assert items.datasets == ("market", "market/datasets/closeups")
    painter = savemasks.Painter(savemasks.SaveMasks.from_json(CONFIG), items.meta)
    for item in items:
        assert item.image is not None
        assert item.name == item.image.name
        folder = item.image.parent.parent
        assert item.dataset == folder.relative_to(demo_project).as_posix()
        assert item.annotation_path == folder / "ann" / f"{item.name}.json"
        assert item.annotation() == item.annotation_path.read_bytes()
        page = painter.human(item.annotation(), item.image)
        assert page.shape[0] == painter.labels(item.annotation()).shape[0]


def test_items_can_be_indexed_and_sent_to_other_processes(demo_project: Path) -> None:
    items = savemasks.open_project(str(demo_project))
    listed = [*items]
    assert [items[i] for i in range(6)] == [items[i - 6] for i in range(6)] == listed
    assert items[1:5:2] == listed[1:5:2]
    assert listed[3] in items
    assert [*reversed(items)] == listed[::-1]
    for wrong in (6, -7):
        with pytest.raises(IndexError, match="there are 6 items, but none of number"):
            items[wrong]
    copy = pickle.loads(pickle.dumps(items))
    assert [*copy] == listed
    assert copy.meta == items.meta
    assert len(pickle.dumps(listed[0])) < 1000
    assert repr(items) == "<6 items of 2 data sets>"


def test_files_are_read_when_they_are_asked_for(project: Project) -> None:
    project.add("a.png")
    project.add("b.png")
    items = savemasks.open_project(project.folder)
    first = items[0]
    assert first.annotation_path is not None
    first.annotation_path.write_bytes(b"changed")
    assert first.annotation() == b"changed"
    first.annotation_path.unlink()
    with pytest.raises(savemasks.AnnotationError, match=r"a\.png\.json: cannot be read: No such"):
        first.annotation()


def test_images_and_annotations_may_be_alone(project: Project) -> None:
    project.add("a.png")
    folder = project.folder / "ds"
    (folder / "img" / "lonely.png").write_bytes(b"")
    (folder / "ann" / "widow.png.json").write_bytes(b"{}")
    a, lonely, widow = savemasks.open_project(project.folder)
    assert (a.name, lonely.name, widow.name) == ("a.png", "lonely.png", "widow.png")
    assert lonely.annotation_path is None
    with pytest.raises(savemasks.AnnotationError, match=r"lonely\.png: has no annotation"):
        lonely.annotation()
    assert widow.image is None
    assert widow.annotation() == b"{}"


def test_what_is_no_project_says_so(tmp_path: Path) -> None:
    with pytest.raises(savemasks.ProjectError, match="it has no meta"):
        savemasks.open_project(tmp_path)
    with pytest.raises(savemasks.ProjectError, match=r"^path: an empty text is no path$"):
        savemasks.open_project("")
    with pytest.raises(TypeError, match="path must be a str or a path, not int"):
        savemasks.open_project(5)  # type: ignore[arg-type]


def test_an_empty_project_has_no_items(project: Project) -> None:
    items = savemasks.open_project(project.folder)
    assert len(items) == 0
    assert [*items] == []


def test_a_data_set_that_cannot_be_listed_says_so(project: Project) -> None:
    project.put("ds/ann/a.png.json", b"{}")
    project.put("ds/img", b"no folder")
    with pytest.raises(savemasks.FolderError, match="ds: cannot be listed: Not a directory"):
        savemasks.open_project(project.folder)
