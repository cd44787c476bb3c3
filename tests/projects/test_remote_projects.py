"""Projects at addresses: what a bucket has, and what is said of one that has none or is locked."""

import json
import traceback
from pathlib import Path

import pytest

from savemasks.errors import ProjectError
from savemasks.projects.locations import is_inside
from savemasks.projects.selection import find_project
from savemasks.projects.supervisely import Project
from savemasks.remote import Url, put_all
from support.s3 import used
from support.slow_s3 import requests, slow_s3

META = json.dumps({"classes": [{"title": "kiwi", "shape": "polygon"}]}).encode()
FILES = {
    "meta.json": META,
    "a/img/1.jpg": b"", "a/ann/1.jpg.json": b"",
    "a/datasets/inner/ann/2.jpg.json": b"",
    "b c/img/3.jpg": b"",
    "group/datasets/x/img/4.jpg": b"",
    "notes/readme.txt": b"",
    ".hidden/img/5.jpg": b"",
}  # fmt: skip
OUTPUTS = ["a", "a/datasets/inner", "b c", "group/datasets/x"]


@pytest.fixture(params=["memory", "file", "s3"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Url:
    if request.param == "s3":
        return Url.parse(request.getfixturevalue("bucket"))
    return Url.parse(f"{request.param}://{tmp_path}/base")


def test_data_sets_are_found_as_on_disk(base: Url, tmp_path: Path) -> None:
    put_all(base / "fruit", FILES)
    project = Project.open(base / "fruit")
    assert project.name == "fruit"
    assert project.classes == ["kiwi"]
    assert [dataset.output for dataset in project.datasets()] == OUTPUTS
    assert [str(d.folder) for d in project.datasets()] == [f"{base}/fruit/{n}" for n in OUTPUTS]
    for name, content in FILES.items():
        path = tmp_path / "disk/fruit" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert project.notes() == Project.open(tmp_path / "disk/fruit").notes()
    assert find_project("fruit", [base / "fruit"], []) == base / "fruit"
    assert find_project("fruit", [], [base]) == base / "fruit"
    with pytest.raises(ProjectError, match=r"below .* there are \"fruit\""):
        find_project("fruits", [], [base])


def test_a_bucket_may_be_a_project(bucket: str) -> None:
    put_all(Url(bucket), FILES)
    assert Project.open(Url(bucket)).name == bucket.removeprefix("s3://")
    assert len(Project.open(Url.parse(f"{bucket}/")).datasets()) == 4


def test_few_requests_open_a_project_of_many_data_sets(s3: str, bucket: str) -> None:
    put_all(Url(bucket), {"meta.json": META, **{f"{i}/img/1.jpg": b"" for i in range(20)}})
    with slow_s3(s3) as slow, used(slow):
        project = Project.open(Url(bucket))
        assert len(project.datasets()) == len(project.datasets()) == 20
        assert project.notes() == []
        assert sum(requests(slow).values()) < 2 * 20


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "nothing is there: no such bucket or folder"),
        (
            {"p1/meta.json": META},
            "is not a Supervisely project: it has no meta.json; projects lie in it: name {base}/p1",
        ),
        ({"meta.json": b"{"}, "/meta.json: not valid JSON"),
    ],
)
def test_what_is_no_project(base: Url, files: dict[str, bytes], said: str) -> None:
    base /= "folder"
    put_all(base, files)
    with pytest.raises(ProjectError) as caught:
        Project.open(base)
    assert str(caught.value).startswith(str(base))
    assert said.format(base=base) in str(caught.value)


def test_a_bucket_that_is_not_there_or_is_locked(s3: str, bucket: str) -> None:
    missing = Url("s3://nobody-has-this-bucket/project")
    with pytest.raises(ProjectError) as caught:
        Project.open(missing)
    assert str(caught.value) == (
        "s3://nobody-has-this-bucket/project: nothing is there: no such bucket or folder"
    )
    with slow_s3(s3, forbidden=["GET", "HEAD"]) as slow, used(slow):
        with pytest.raises(ProjectError) as caught:
            Project.open(Url(bucket))
        assert str(caught.value).startswith(f"{bucket}/meta.json: cannot be read: ")
        assert str(caught.value).endswith(": the credentials that fsspec finds do not allow it")


def test_no_message_has_credentials(s3: str) -> None:
    with used(s3), pytest.raises(ProjectError) as caught:
        Project.open(Url("s3://key:secret@bucket/project"))
    text = "".join(traceback.format_exception(caught.value))
    assert str(caught.value).startswith("s3://bucket/project/meta.json: cannot be read: ")
    assert "key:" not in text.replace('key:secret@bucket/project"))', "")
    assert "secret" not in text.replace('key:secret@bucket/project"))', "")


def test_no_server_is_at_the_address() -> None:
    with used("http://127.0.0.1:9"), pytest.raises(ProjectError, match="cannot be read"):
        Project.open(Url("s3://bucket/project"))


def test_an_archive_in_a_bucket_is_refused() -> None:
    with pytest.raises(ProjectError, match=r"archives are read from disks only"):
        Project.open(Url("memory://bucket/project.tar"))


def test_what_lies_inside_of_what(tmp_path: Path) -> None:
    assert is_inside(Url("s3://b/p/out"), Url("s3://b/p"))
    assert is_inside(Url("s3://b/p"), Url("s3://b/p"))
    assert not is_inside(Url("s3://b/p2"), Url("s3://b/p"))
    assert is_inside(Url(f"file://{tmp_path}/a"), tmp_path)
    assert is_inside(tmp_path / "a", Url(f"file://{tmp_path}"))
    assert not is_inside(Url("s3://b/p"), tmp_path)
