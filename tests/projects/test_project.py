"""Projects on disk → data sets and items."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from savemasks.errors import ProjectError, SavemasksError
from savemasks.projects.items import Dataset, Item
from savemasks.projects.pairing import mask_names
from savemasks.projects.supervisely import Project, merge_meta, plan_datasets


def write(folder: Path, *files: str | bytes, meta: Any = None) -> Path:
    """A project folder with empty files, and meta.json unless meta is False."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        path = os.path.join(os.fsencode(folder), os.fsencode(file))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not path.endswith(b"/"):
            Path(os.fsdecode(path)).touch()
    if meta is not False:
        content = meta if isinstance(meta, bytes) else json.dumps(meta or {"classes": []}).encode()
        (folder / "meta.json").write_bytes(content)
    return folder


def outputs(folder: Path) -> list[str]:
    return [dataset.output for dataset in Project.open(folder).datasets()]


def items(folder: Path) -> list[Item]:
    """The items of a project's only data set, counted and located."""
    (dataset,) = Project.open(folder).datasets()
    found = list(dataset.items())
    assert dataset.count() == len(found)
    for item in found:
        assert item.dataset == dataset.output
        for part, path in (("img", item.image), ("ann", item.annotation)):
            assert path is None or os.path.dirname(path) == str(dataset.folder / part)
            assert path is None or Path(path).exists()
    return found


def listed(folder: Path) -> list[tuple[str, str | None, str | None, str]]:
    """Name, image, annotation and mask of the items of a project's only data set."""
    return [
        (i.name, i.image and Path(i.image).name, i.annotation and Path(i.annotation).name,
         i.mask_name) for i in items(folder)
    ]  # fmt: skip


# ---------------------------------------------------------------- data sets


def test_data_sets_are_sorted_and_nest_to_any_depth(tmp_path: Path) -> None:
    write(
        tmp_path, "b/img/", "b/ann/", "a/img/", "B/img/", "a 2/img/", "ä/img/",
        "a/datasets/y/img/", "a/datasets/x/ann/", "a/datasets/x/datasets/deep/img/",
        "a/datasets/x/datasets/deep/datasets/deepest/img/",
    )  # fmt: skip
    assert outputs(tmp_path) == [
        "B", "a", "a/datasets/x", "a/datasets/x/datasets/deep",
        "a/datasets/x/datasets/deep/datasets/deepest", "a/datasets/y", "a 2", "b", "ä",
    ]  # fmt: skip
    for dataset in Project.open(tmp_path).datasets():
        assert dataset.folder == tmp_path / dataset.output


def test_folders_without_img_and_ann_are_no_data_sets_but_their_children_may_be(
    tmp_path: Path,
) -> None:
    write(
        tmp_path,
        "group/datasets/child/img/",
        "notes/x.txt",
        "img",
        "file",
        "wrong/img",
        "only/ann/",
    )
    assert outputs(tmp_path) == ["group/datasets/child", "only"]


def test_hidden_folders_are_no_data_sets_at_any_depth(tmp_path: Path) -> None:
    write(tmp_path, ".trash/img/a.jpg", "ds/img/", "ds/datasets/.git/img/", "ds/datasets/c/img/")
    assert outputs(tmp_path) == ["ds", "ds/datasets/c"]


def test_a_project_may_have_no_data_sets_and_a_data_set_no_items(tmp_path: Path) -> None:
    assert outputs(write(tmp_path / "none")) == []
    assert items(write(tmp_path / "bare", "ds/img/", "ds/ann/")) == []
    assert items(write(tmp_path / "half", "ds/ann/")) == []


def test_a_data_set_that_cannot_be_listed_is_one_failure(tmp_path: Path) -> None:
    (tmp_path / "img").touch()
    assert Dataset(tmp_path, "ds").count() == 1
    with pytest.raises(OSError, match="Not a directory"):
        list(Dataset(tmp_path, "ds").items())


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("ds/datasets/loop", ".."),
        ("ds/datasets/loop", "../.."),
        ("ds/datasets/loop", "."),
        ("loop", "."),
        ("ds/datasets/c/datasets", ".."),
        ("ds/datasets/c/datasets", "../.."),
        ("ds/datasets/c/datasets", "../../.."),
        ("loop", "loop"),
        ("ds/datasets/loop", "nowhere"),
    ],
)
def test_links_that_lead_back_end_and_hide_nothing(link: str, target: str, tmp_path: Path) -> None:
    write(tmp_path, "ds/img/a.jpg", "ds/datasets/c/img/b.jpg", "z/img/")
    (tmp_path / link).symlink_to(target)
    found = outputs(tmp_path)
    assert {"ds", "ds/datasets/c", "z"} <= {*found}
    assert len(found) == len({*found}) < 20


def test_links_to_other_folders_and_files_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "ds/img/a.jpg", "ds/ann/a.jpg.json", meta=False)
    project = write(tmp_path / "project", "two/img/")
    (project / "one").symlink_to(tmp_path / "elsewhere" / "ds")
    (project / "two/img/b.jpg").symlink_to(tmp_path / "elsewhere/ds/img/a.jpg")
    one, two = Project.open(project).datasets()
    assert [i.name for i in (*one.items(), *two.items())] == ["a.jpg", "b.jpg"]


def test_images_meet_annotations_of_the_newer_and_of_the_older_name(tmp_path: Path) -> None:
    write(
        tmp_path, "ds/img/new.jpeg", "ds/ann/new.jpeg.json", "ds/img/old.jpeg", "ds/ann/old.json",
        "ds/img/both.png", "ds/ann/both.png.json", "ds/img/bare", "ds/ann/bare.json",
        "ds/img/a.b.c.png", "ds/ann/a.b.c.json",
    )  # fmt: skip
    assert listed(tmp_path) == [
        ("a.b.c.png", "a.b.c.png", "a.b.c.json", "a.b.c.png"),
        ("bare", "bare", "bare.json", "bare.png"),
        ("both.png", "both.png", "both.png.json", "both.png"),
        ("new.jpeg", "new.jpeg", "new.jpeg.json", "new.png"),
        ("old.jpeg", "old.jpeg", "old.json", "old.png"),
    ]


def test_the_newer_name_wins_over_the_older_one(tmp_path: Path) -> None:
    write(tmp_path, "ds/img/a.jpg", "ds/ann/a.jpg.json", "ds/ann/a.json")
    assert ("a.jpg", "a.jpg", "a.jpg.json") in [line[:3] for line in listed(tmp_path)]


def test_an_image_without_annotation_and_an_annotation_without_image_are_items(
    tmp_path: Path,
) -> None:
    write(tmp_path, "ds/img/b.jpg", "ds/ann/a.jpg.json", "ds/ann/c.json", "ds/ann/notes.txt")
    assert listed(tmp_path) == [
        ("a.jpg", None, "a.jpg.json", "a.png"),
        ("b.jpg", "b.jpg", None, "b.png"),
        ("c", None, "c.json", "c.png"),
    ]


@pytest.mark.parametrize("part", ["img", "ann"])
def test_one_of_the_two_folders_may_be_absent(part: str, tmp_path: Path) -> None:
    write(tmp_path, f"ds/{part}/a.{'jpg' if part == 'img' else 'json'}")
    expected = ("a.jpg", "a.jpg", None) if part == "img" else ("a", None, "a.json")
    assert listed(tmp_path) == [(*expected, "a.png")]


def test_items_come_sorted_by_name(tmp_path: Path) -> None:
    names = ["b.jpg", "a.jpg", "B.jpg", "10.jpg", "9.jpg", "ä.jpg", "a b.jpg", "a.png"]
    write(tmp_path, *(f"ds/img/{n}" for n in names), "ds/ann/aa.jpg.json")
    assert [i.name for i in items(tmp_path)] == sorted([*names, "aa.jpg"])


def test_hidden_files_and_folders_are_no_items(tmp_path: Path) -> None:
    write(
        tmp_path, "ds/img/a.jpg", "ds/ann/a.jpg.json", "ds/img/.DS_Store", "ds/img/._a.jpg",
        "ds/img/sub/b.jpg", "ds/ann/sub.json/c.json", "ds/ann/._a.jpg.json", "ds/ann/.x.json",
        "ds/ann/.json",
    )  # fmt: skip
    assert listed(tmp_path) == [("a.jpg", "a.jpg", "a.jpg.json", "a.png")]


def test_names_that_are_not_utf_8_come_through(tmp_path: Path) -> None:
    write(tmp_path, b"d\xff/img/\xe9.jpg", b"d\xff/ann/\xe9.jpg.json", b"d\xff/img/\xc3\xa9.jpg")
    found = items(tmp_path)
    assert [os.fsencode(i.name) for i in found] == [b"\xc3\xa9.jpg", b"\xe9.jpg"]
    assert os.fsencode(found[1].mask_name) == b"\xe9.png"
    assert found[1].annotation is not None
    assert os.fsencode(found[1].annotation).endswith(b"/d\xff/ann/\xe9.jpg.json")
    assert os.fsencode(outputs(tmp_path)[0]) == b"d\xff"


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ([], []),
        (["a.jpg"], ["a.png"]),
        (["a"], ["a.png"]),
        (["a.tar.gz"], ["a.tar.png"]),
        (["a.png", "b.PNG"], ["a.png", "b.png"]),
        (["a.jpg", "a.png"], ["a.jpg.png", "a.png.png"]),
        (["a.jpg", "a.png", "b.png"], ["a.jpg.png", "a.png.png", "b.png"]),
        (["a", "a.jpg"], ["a.png", "a.jpg.png"]),
        (["a.jpg", "a.jpg.png", "a.png"], ["a.jpg.png", "a.jpg.png.png", "a.png.png"]),
        (["a.jpg", "a.jpg.png"], ["a.png", "a.jpg.png"]),
        (["a.jpg", "a.jpg.png", "a.jpg.png.tif", "a.png"],
         ["a.jpg.png", "a.jpg.png.png", "a.jpg.png.tif.png", "a.png.png"]),
        (["A.jpg", "a.jpg"], ["A.png", "a.png"]),
    ],
)  # fmt: skip
def test_masks_are_called_after_their_images_and_on_a_collision_after_the_whole_name(
    images: list[str], masks: list[str]
) -> None:
    assert mask_names(images) == masks


tangled = st.lists(
    st.lists(st.sampled_from(["a", "b", ".jpg", ".png", "."]), min_size=1, max_size=6).map("".join),
    unique=True,
)


@given(tangled)
def test_no_two_images_get_the_same_mask_name_in_whatever_order_they_come(
    images: list[str],
) -> None:
    names = mask_names(images)
    assert len({*names}) == len(images)
    by_image = dict(zip(images, names, strict=True))
    for image, name in by_image.items():
        assert name in {os.path.splitext(image)[0] + ".png", image + ".png"}
    turned = images[::-1]
    assert mask_names(turned) == [by_image[image] for image in turned]


def test_colliding_names_are_resolved_in_each_data_set_by_itself(tmp_path: Path) -> None:
    write(tmp_path, "one/img/a.jpg", "one/img/a.png", "two/img/a.jpg", "two/img/b.png")
    one, two = Project.open(tmp_path).datasets()
    assert [i.mask_name for i in one.items()] == ["a.jpg.png", "a.png.png"]
    assert [i.mask_name for i in two.items()] == ["a.png", "b.png"]


# ---------------------------------------------------------------- meta.json


def test_a_project_knows_its_classes_and_keeps_the_bytes_of_meta_json(tmp_path: Path) -> None:
    content = (
        b'{ "classes": [{"title": "kiwi", "shape": "polygon"}, {"title": "\xd0\xb6"}], "x": 1}\n'
    )
    project = Project.open(write(tmp_path, meta=content))
    assert project.classes == ["kiwi", "ж"]
    assert project.meta_bytes == merge_meta([project]) == content
    assert project.folder == tmp_path
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(project, "folder", tmp_path)  # noqa: B010


CLASSES = '"classes" must be a list of objects with a "title"'


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (b"", "not valid JSON: "), (b"{", "not valid JSON: "), (b'{"classes": [NaN]}', CLASSES),
        (b'{"classes": [NaN],}', "not valid JSON: "), (b"[" * 10_000, "not valid JSON: "),
        (b'"\xff"', "is not UTF-8: byte 0xff at position 1; save it as UTF-8"),
        (b"\xff\xfe{\0}\0", "is UTF-16; save it as UTF-8"), (b"[]", CLASSES),
        (b"null", CLASSES), (b"{}", CLASSES), (b'{"classes": null}', CLASSES),
        (b'{"classes": {"title": "x"}}', CLASSES), (b'{"classes": ["kiwi"]}', CLASSES),
        (b'{"classes": [{"title": "a"}, {"name": "b"}]}', CLASSES),
        (b'{"classes": [{"title": 5}]}', CLASSES), (b'{"classes": [null]}', CLASSES),
    ],
)  # fmt: skip
def test_a_wrong_meta_json_is_refused_with_its_path(
    meta: bytes, message: str, tmp_path: Path
) -> None:
    write(tmp_path, meta=meta)
    with pytest.raises(ProjectError) as caught:
        Project.open(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'meta.json'}: {message}")
    assert isinstance(caught.value, SavemasksError)
    assert isinstance(caught.value, OSError)


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    def told(folder: Path) -> str:
        with pytest.raises(ProjectError) as caught:
            Project.open(folder)
        return str(caught.value)

    missing, file = tmp_path / "missing", tmp_path / "file"
    file.touch()
    (tmp_path / "odd" / "meta.json").mkdir(parents=True)
    assert told(missing) == f"{missing}: no such folder"
    assert told(tmp_path) == (f"{tmp_path}: is not a Supervisely project: it has no meta.json")
    hint = "a project is a folder, or a .tar, .tar.gz, .tgz or .zip"
    assert told(file) == f"{file}/meta.json: cannot be read: Not a directory; {hint}"
    assert told(tmp_path / "odd") == f"{tmp_path}/odd/meta.json: cannot be read: Is a directory"


def test_a_project_that_went_away_is_a_project_error(tmp_path: Path) -> None:
    project = Project.open(write(tmp_path / "gone"))
    (tmp_path / "gone/meta.json").unlink()
    (tmp_path / "gone").rmdir()
    with pytest.raises(ProjectError, match="gone: cannot be read: No such file or directory"):
        project.datasets()


# ---------------------------------------------------------------- several projects


def test_data_sets_of_one_name_get_the_names_of_their_projects(tmp_path: Path) -> None:
    one = write(tmp_path / "one", "ds/img/", "ds/datasets/c/img/", "own/img/")
    two = write(tmp_path / "two", "ds/img/", "other/img/")
    planned = plan_datasets([*map(Project.open, (one, two))])
    assert [(d.folder, d.output) for d in planned] == [
        (one / "ds", "one__ds"),
        (one / "ds/datasets/c", "one__ds/datasets/c"),
        (one / "own", "own"),
        (two / "ds", "two__ds"),
        (two / "other", "other"),
    ]


def test_projects_of_one_name_are_numbered(tmp_path: Path) -> None:
    folders = [
        write(tmp_path / str(i) / "lemons", "ds/img/", "ds/datasets/c/img/") for i in range(3)
    ]
    assert [d.output for d in plan_datasets([*map(Project.open, folders)])] == [
        "lemons__ds", "lemons__ds/datasets/c", "lemons__ds-2", "lemons__ds-2/datasets/c",
        "lemons__ds-3", "lemons__ds-3/datasets/c",
    ]  # fmt: skip


def test_a_new_name_avoids_the_names_that_data_sets_already_have(tmp_path: Path) -> None:
    one = write(tmp_path / "one", "ds/img/", "two__ds/img/")
    two = write(tmp_path / "two", "ds/img/", "one__ds/img/")
    found = [d.output for d in plan_datasets([*map(Project.open, (one, two))])]
    assert found == ["one__ds-2", "two__ds", "two__ds-2", "one__ds"]


def test_one_project_keeps_all_its_names_also_through_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = write(tmp_path / "one", "a/img/", "b/img/", "b/datasets/a/img/")
    assert [d.output for d in plan_datasets([Project.open(one)])] == ["a", "b", "b/datasets/a"]
    monkeypatch.chdir(one)
    found = {d.output for d in plan_datasets([*map(Project.open, (Path(), Path("../one")))])}
    assert {"one__a", "one__a-2", "one__b", "one__b-2"} <= found


def merged(tmp_path: Path, *metas: Any) -> Any:
    folders = [write(tmp_path / str(i), meta=meta) for i, meta in enumerate(metas)]
    return json.loads(merge_meta([*map(Project.open, folders)]))


def test_merging_keeps_the_first_of_a_name_and_calls_differing_shapes_any(tmp_path: Path) -> None:
    one = {
        "classes": [{"title": "a", "shape": "polygon"}, {"title": "b", "shape": "any"}],
        "tags": [{"name": "t", "value_type": "none"}],
        "projectType": "images",
    }
    two = {
        "classes": [{"title": "c", "shape": "point"}, {"title": "a", "shape": "bitmap"}],
        "tags": [{"name": "u"}, {"name": "t", "value_type": "any_number"}],
        "projectType": "videos",
    }
    three = {"classes": [{"title": "a", "shape": "polygon"}, {"title": "c", "shape": "point"}]}
    assert merged(tmp_path, one, two, three) == {
        "classes": [
            {"title": "a", "shape": "any"},
            {"title": "b", "shape": "any"},
            {"title": "c", "shape": "point"},
        ],
        "tags": [{"name": "t", "value_type": "none"}, {"name": "u"}],
        "projectType": "images",
    }


def test_merging_changes_no_project(tmp_path: Path) -> None:
    metas = [{"classes": [{"title": "a", "shape": s}]} for s in ("polygon", "bitmap")]
    projects = [Project.open(write(tmp_path / str(i), meta=m)) for i, m in enumerate(metas)]
    merge_meta(projects)
    assert [project.meta for project in projects] == metas


@pytest.mark.parametrize(
    "tags", [None, [], {}, 5, "x", [None], ["old"], [{"title": "no name"}], [{"name": ["a"]}]]
)
def test_odd_tags_do_not_end_a_merge(tags: Any, tmp_path: Path) -> None:
    meta = {"classes": [{"title": "a"}], "tags": tags}
    assert merged(tmp_path, meta, {"classes": []})["classes"] == [{"title": "a"}]
