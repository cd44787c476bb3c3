"""Archives as they are made: names, forms, and where the project is in them."""

import io
import os
import pickle
import random
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from savemasks.errors import ProjectError
from savemasks.projects import member_index, zip_members
from savemasks.projects.archives import Archive
from savemasks.projects.supervisely import Project
from savemasks.projects.volumes import archive_stem
from support.archives import contents, pack, special, split, tar_of, zip_of

HIDDEN = "__MACOSX/meta.json"
META = ("meta.json", b'{"classes": []}')
LONG = "/".join(["folder" * 12] * 4)
NAMES = ("a", "b/c", "b/ä.png", "b/\udcff", f"{LONG}/x", "y" * 200, "b/" + "z" * 120, "empty")
FORMS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


def random_files(names: tuple[str, ...], seed: int = 0) -> list[tuple[str, bytes]]:
    draw = random.Random(seed)
    sizes = [0, 1, 511, 512, 513, 5000, 100_000]
    return [(name, draw.randbytes(draw.choice(sizes))) for name in names]


# ---------------------------------------------------------------- members


@pytest.mark.parametrize("form", FORMS)
def test_tar_archives_hold_what_tarfile_finds(tmp_path: Path, form: int) -> None:
    names = NAMES if form else tuple(n for n in NAMES if len(n) < 100)
    for seed in range(20):
        written = random_files(names, seed)
        path = tar_of(tmp_path / "a.tar", *written, form=form)
        assert contents(Archive.open(path)) == dict(written)


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_is_what_its_first_bytes_say(tmp_path: Path, form: int) -> None:
    written = random_files(("a", "b"))
    tar = tar_of(tmp_path / "tar.zip", *written, form=form)
    assert contents(Archive.open(tar)) == dict(written)
    zipped = zip_of(tmp_path / "zip.tar", *written)
    assert contents(Archive.open(zipped)) == dict(written)


@pytest.mark.parametrize("packed", [True, False])
def test_zip_archives_hold_what_zipfile_finds(tmp_path: Path, packed: bool) -> None:
    names = tuple(name for name in NAMES if name != "b/\udcff")
    for seed in range(20):
        written = random_files(names, seed)
        path = zip_of(tmp_path / "a.zip", *written, packed=packed)
        assert contents(Archive.open(path)) == dict(written)


@pytest.mark.parametrize("options", ["", "--format=v7", "--format=ustar", "--format=posix", "-S"])
def test_archives_of_the_program_tar_are_read(tmp_path: Path, options: str) -> None:
    folder = tmp_path / "in"
    for name, content in random_files(tuple(n for n in NAMES if len(n) < 90)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    command = ["tar", *options.split(), "-cf", str(tmp_path / "a.tar"), "-C", str(folder), "."]
    subprocess.run(command, check=True)
    found = contents(Archive.open(tmp_path / "a.tar"))
    assert found == dict(random_files(tuple(n for n in NAMES if len(n) < 90)))


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_sparse_members_are_refused_by_themselves(tmp_path: Path, form: str) -> None:
    with open(tmp_path / "a", "wb") as file:
        file.truncate(1 << 20)
        file.seek(1 << 19)
        file.write(b"x" * 5000)
    (tmp_path / "b").write_bytes(b"b")
    command = ["tar", "-S", f"--format={form}", "-cf", "a.tar", "a", "b"]
    subprocess.run(command, cwd=tmp_path, check=True)
    found = contents(Archive.open(tmp_path / "a.tar"))
    assert found["b"] == b"b"
    assert "sparse" in str(found["a"])


def test_sizes_and_times_of_tar_may_be_binary(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a")
    info.size, info.mtime = 3, 1 << 40  # more than the digits have room for
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(b"abc"))
    path = Archive.open(tmp_path / "a.tar").root() / "a"
    assert path.read_bytes() == b"abc"


def test_large_zip_archives_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 10)
    written = random_files(tuple(f"{number}/a" for number in range(30)))
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in written:
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(content)
    assert b"PK\6\6" in path.read_bytes()
    assert contents(Archive.open(path)) == dict(written)


def test_lists_longer_than_what_is_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_members, "_WINDOW", 200_000)
    written = [(f"{'n' * 200}{number:06}", b"%d" % number) for number in range(3000)]
    assert contents(Archive.open(zip_of(tmp_path / "a.zip", *written))) == dict(written)


def test_zip_archives_may_begin_and_end_with_something_else(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", *random_files(("a", "b")))
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"PK but no end"
    content = path.read_bytes()
    path.write_bytes(b"PK\3\4 a program" + content)
    assert contents(Archive.open(path)) == dict(random_files(("a", "b")))


def test_names_in_zip_archives_are_those_that_unpacking_gives(tmp_path: Path) -> None:
    old = zipfile.ZipInfo("x" * 9)
    utf8 = zipfile.ZipInfo("img\\kočka.jpg")
    old.create_system = utf8.create_system = 0
    path = zip_of(tmp_path / "a.zip", (old, b"1"), ("img/ä", b"2"), (utf8, b"3"))
    content = path.read_bytes().replace(b"x" * 9, b"img\\\x84.jpg")
    path.write_bytes(content)
    expected = {"img/ä.jpg": b"1", "img/ä": b"2", "img/kočka.jpg": b"3"}
    assert contents(Archive.open(path)) == expected


def test_members_are_found_in_any_order(tmp_path: Path) -> None:
    names = [f"{number:03}" for number in range(200)]
    random.Random(1).shuffle(names)
    path = tar_of(tmp_path / "a.tar", *((f"d/{name}", name.encode()) for name in names))
    folder = Archive.open(path).root()
    assert folder.files() == sorted(names)
    for name in names:
        assert (folder / name).read_bytes() == name.encode()
        assert not (folder / f"{name}0").is_there()


def test_an_archive_can_be_pickled(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", *random_files(("a", "b/c")))
    archive = Archive.open(path)
    assert contents(pickle.loads(pickle.dumps(archive))) == contents(archive)


def test_members_of_split_archives_may_lie_in_several_parts(tmp_path: Path) -> None:
    written = random_files(tuple("abcdefgh"))
    for parts in (1, 2, 7, 200):
        path = zip_of(tmp_path / "a.zip.000", *written)
        split(path, parts)
        archive = Archive.open(path)
        assert len(archive.volumes.files) == parts
        assert contents(archive) == dict(written)
        if parts == 200:
            members = [(archive.root() / name).member() for name, _ in written]
            assert all(m and len(m.volumes.files) * 1000 < m.packed + 300_000 for m in members)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_an_index_takes_little_memory(tmp_path: Path, kind: str) -> None:
    import tracemalloc

    count = 20_000
    names = (f"lemons/ds/img/picture_{number:08}.jpg" for number in range(count))
    make: Callable[..., Path] = tar_of if kind == "tar" else zip_of
    path = make(tmp_path / f"a.{kind}", *((name, b"x") for name in names))
    tracemalloc.start()
    try:
        archive = Archive.open(path)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert archive.index.count == count
    assert kept < 110 * count
    assert most < 250 * count + (4 << 20)


# ---------------------------------------------------------------- projects in them


@pytest.mark.parametrize(
    ("name", "stem"),
    [("lemons.tar", "lemons"), ("a.b.tar.gz", "a.b"), ("x.TGZ", "x"), ("x.zip.012", "x"),
     ("x.tar.000", "x"), ("x.tar.gz.001", "x"), ("x.7z", None), (".tar", None), ("x.000", None)],
)  # fmt: skip
def test_the_name_of_a_project_is_the_archive_s_without_its_ending(
    name: str, stem: str | None
) -> None:
    assert archive_stem(Path(name)) == stem


def test_a_project_may_be_one_folder_down(tmp_path: Path) -> None:
    for inside in ("", "lemons/", "./other/"):
        names = (f"{inside}meta.json", f"{inside}ds/img/a.jpg", f"{inside}ds/datasets/e/ann/")
        path = zip_of(tmp_path / "x.zip", *((name, META[1]) for name in (*names, HIDDEN)))
        project = Project.open(path)
        assert project.name == "x"
        assert [each.output for each in project.datasets()] == ["ds", "ds/datasets/e"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "has no meta.json$"),
        (["a/meta.json", "b/meta.json"], "holds several projects: a, b; unpack it$"),
        (["a/b/meta.json"], "has no meta.json; projects lie in it: name .*/x.tar/a/b$"),
        (["img/a.jpg", "ann/a.json"], "; img/ and ann/ lie in it, as in a data set's folder$"),
        (["ds/img/a.jpg"], "img/ lies in it, as in a data set's folder$"),
        (["ds/img/a", "e/ann/b"], "has no meta.json, though data sets lie in it: ds, e$"),
        (["Meta.JSON"], "; is Meta.JSON meant\\?$"),
    ],
)
def test_what_is_no_project_is_described(tmp_path: Path, files: list[str], message: str) -> None:
    path = tar_of(tmp_path / "x.tar", *((name, b"{}") for name in files))
    with pytest.raises(ProjectError, match=message):
        Project.open(path)


def test_what_lies_at_another_level_is_noted(tmp_path: Path) -> None:
    names = ("ds/img/a.jpg", "b.jpg/img", "other/images/b.jpg", "other/labels/b.json")
    project = Project.open(tar_of(tmp_path / "x.tar", META, *((name, b"") for name in names)))
    assert project.notes() == ["x.tar: other: it has images/ and labels/ instead of img/ and ann/"]


def test_a_damaged_meta_names_the_member(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "x.tar", ("p/meta.json", b"{"))
    with pytest.raises(ProjectError, match=r"x\.tar/p/meta\.json: not valid JSON"):
        Project.open(path)
    path = tar_of(tmp_path / "x.tar", special("meta.json", tarfile.SYMTYPE, "/etc/passwd"))
    with pytest.raises(ProjectError, match=r"x\.tar/meta\.json: is a link in the archive"):
        Project.open(path)


def test_archives_that_cannot_be_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tar")
    for name, message in (
        ("pipe.tar", "cannot be read: Not a directory"),
        ("none.tar", "none.tar: no such file"),
    ):
        with pytest.raises(ProjectError, match=message):
            Project.open(tmp_path / name)
    (tmp_path / "folder.tar").mkdir()
    (tmp_path / "folder.tar/meta.json").write_bytes(META[1])
    assert Project.open(tmp_path / "folder.tar").name == "folder.tar"


def test_limits_of_what_an_archive_may_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_index, "MAX_MEMBERS", 10)
    monkeypatch.setattr(member_index, "MAX_FOLDERS", 5)
    makers: list[tuple[Callable[..., Path], str]] = [(tar_of, "tar"), (zip_of, "zip")]
    for make, end in makers:
        files = [(f"{number}", b"") for number in range(11)]
        with pytest.raises(ProjectError, match="has more than 10 members"):
            Archive.open(make(tmp_path / f"a.{end}", *files))
        Archive.open(make(tmp_path / f"a.{end}", *files[:10]))
        with pytest.raises(ProjectError, match="has more than 5 folders"):
            Archive.open(make(tmp_path / f"a.{end}", ("1/2/3/4/5/6", b"")))


def test_pack_in_the_tests_makes_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a").write_bytes(b"x")
    assert b"mtime=" in pack(tmp_path / "in", tmp_path / "a.pax.tar").read_bytes()
    assert b"mtime=" not in pack(tmp_path / "in", tmp_path / "a.gnu.tar").read_bytes()
