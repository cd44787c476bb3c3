"""Addresses on the command line: from bucket to bucket, and what is refused before anything is."""

import os
from collections.abc import Sequence
from pathlib import Path

import fsspec
import pytest

from savemasks.results.in_chunks.depot import Depot
from support.projects import Project, call, savemasks
from support.s3 import download, upload

pytestmark = pytest.mark.usefixtures("warm")
RUN = "run", "config.json"


def test_all_commands_on_a_bucket(six: Project, bucket: str) -> None:
    upload(six.folder, f"{bucket}/in/project")
    code, text = call(*RUN, f"{bucket}/in/project/", f"--out={bucket}/out")
    assert code == 1
    assert f"failed: {bucket}/in/project/ds/img/bad.png: cannot be decoded" in text
    assert "5 images exported, 1 failed, in " in text
    assert text.endswith(f" to {bucket}/out/experiment001\n")
    names = [name for name in download(f"{bucket}/out/experiment001") if name[0] != "."]
    assert len(names) == 5 * 4 + 4  # with meta.json, and three files about the classes
    code, text = call(*RUN, f"{bucket}/in/project", f"--out={bucket}/out")
    assert code == 1
    assert "5 images were finished before and left as they are\n0 images exported, 1 fai" in text
    code, text = call("report", f"{bucket}/out")
    assert code == 1
    assert text.endswith(f"5 images finished, 1 failed, in {bucket}/out/experiment001\n")
    upload_good_one(six, bucket)
    code, text = call("retry", f"{bucket}/out")
    assert code == 0, text
    assert text.endswith(f" to {bucket}/out/experiment001\n")
    code, text = call("verify", f"{bucket}/out/experiment001")
    assert code == 0, text
    assert text == "28 files of 6 images read, 0 damaged\n"
    fs = fsspec.filesystem("s3")
    fs.pipe(f"{bucket}/out/experiment001/ds/masks_machine/1.png", b"")
    code, text = call("verify", f"{bucket}/out")
    assert code == 1
    assert (
        f"damaged: {bucket}/out/experiment001/ds/masks_machine/1.png: has 0 bytes instead of"
        in text
    )


def test_galleries_of_what_is_made_in_chunks(six: Project) -> None:
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.put(str(six.folder), "memory://in/project", recursive=True)
    assert call(*RUN, "project", "--out=local", "--gallery")[0] == 1
    code, text = call(*RUN, "memory://in/project", "--out=out", "--gallery")
    assert code == 1
    assert text.endswith("out/experiment001/gallery/index.html\n")
    rows, expected = (
        Path(f"{out}/experiment001/gallery/data/rows-0.js") for out in ("out", "local")
    )
    assert rows.read_text() == expected.read_text().replace("project/", "memory://in/project/")
    assert call(*RUN, "project", "--out=memory://out")[0] == 1
    code, text = call("gallery", "memory://out", "--to", "pages")
    assert (code, text) == (0, "open pages/index.html\n")
    assert len(list(Path("pages/items/0").glob("*.jpg"))) == 2 * 5  # with copies of originals


def upload_good_one(project: Project, bucket: str) -> None:
    project.add("bad.png")
    upload(project.folder, f"{bucket}/in/project")


def test_check_reads_a_bucket(six: Project, bucket: str) -> None:
    upload(six.folder, f"{bucket}/project")
    local = call("check", "config.json", "project")[1].replace(str(six.folder), "project")
    code, text = call("check", "config.json", f"{bucket}/project")
    assert code == 1
    lines = [line.replace(f"{bucket}/project", "project") for line in text.splitlines()]
    assert lines[:-1] == local.splitlines()[:-1]
    assert lines[0].startswith("would fail: project/ds/img/bad.png: cannot be decoded")
    assert "6 items read, of which 1 would fail" in lines
    assert call(*RUN, f"{bucket}/project", "--out=out", "--dry-run")[0] == 1
    assert not Path("out").exists()


def test_init_reads_a_project_in_a_bucket(six: Project, bucket: str) -> None:
    upload(six.folder, f"{bucket}/project")
    code, text = call("init", f"{bucket}/project", "--to", "new.json")
    assert code == 0
    assert f"savemasks run new.json {bucket}/project --out results" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("project", "--out=odd://a/b"), "odd:// is no protocol that fsspec knows"),
        (("odd://a/b", "--out=out"), "odd:// is no protocol that fsspec knows"),
        (("project", "--out=gs://a/b"), "pip install 'savemasks[gcs]'"),
        (("gs://a/b", "--out=out"), "pip install 'savemasks[gcs]'"),
        (("project", "--out=memory://out", "--link"), "--link"),
        (("project", "--out=memory://out", "--gallery"), "--gallery does not go with"),
        (("project", "--out=memory://out", "--force"), "--force does not go with"),
        (("project", "--out=memory://out", "--pack=tar"), "--pack webdataset"),
        (("project", "--out=memory://out", "--pack=webdataset", "--pack-size=1G"), "--pack-items"),
        (("project", "--out=memory://out", "--part=5/4"), "the number must be from 1 to 4: 5"),
        (("memory://none/project", "--out=out"), "nothing is there: no such bucket or folder"),
        (("memory://none/project.tar", "--out=out"), "archives are read from disks only"),
    ],
)
def test_what_is_refused(six: Project, arguments: tuple[str, ...], said: str) -> None:
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    code, text = call(*RUN, *arguments)
    assert code == 2, text
    assert said in text
    assert not Path("out").exists()
    assert not fs.store


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("stats", "memory://a"), "stats reads folders and archives, no addresses"),
        (("gallery", "memory://a"), "memory://a: a gallery is put on this machine: --to DIR says"),
        (("gallery", "memory://a", "--to=b"), "memory://a: no result of savemasks is here"),
        (("verify", "memory://a"), "memory://a: no result of savemasks is here"),
        (("retry", "memory://a"), "memory://a: no result of savemasks is here"),
        (("report", "memory://a"), "memory://a: no result of savemasks is here"),
    ],
)
def test_commands_that_need_a_disk_or_a_result(
    six: Project, arguments: tuple[str, ...], said: str
) -> None:
    code, text = call(*arguments)
    assert code == 2
    assert said in text


def without(packages: Sequence[str], folder: Path) -> dict[str, str]:
    """The environment of a command that does not find some packages."""
    for name in packages:
        (folder / f"{name}.py").parent.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text("raise ImportError")
    known = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join([str(folder), known])}


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a command that finds no packages of extras."""
    return without(["fsspec", "distributed"], tmp_path / "bare")


def test_what_is_not_installed_is_told(work: Path, bare: dict[str, str]) -> None:
    """Without the packages of extras: on a machine, a cluster is a matter of addresses, too."""
    command = ["run", "config.json", "project", "--out=out"]
    code, _, said = savemasks(work, *command, "--cluster=local", **bare)
    assert (code, said) == (2, "error: --cluster needs Dask: pip install 'savemasks[cluster]'\n")
    code, _, said = savemasks(work, *command[:-1], "--out=s3://bucket/out", **bare)
    assert code == 2
    assert "s3://bucket/out: an address needs fsspec: pip install 'savemasks[s3]'" in said
    assert not (work / "out").exists()


@pytest.mark.parametrize("missing", ["fsspec", "tenacity"])
def test_a_result_in_chunks_cannot_be_read_without_fsspec(work: Path, missing: str) -> None:
    bare = without([missing], work / "bare")
    call(*RUN, "project", f"--out=file://{work}/out")
    for command in ("report", "verify", "retry", "gallery"):
        code, _, said = savemasks(work, command, "out", **bare)
        assert (code, "Traceback" in said) == (2, False), said
        assert said.endswith(f"an address needs {missing}: pip install 'savemasks[remote]'\n")


def test_other_packages_may_bring_fsspec_alone(work: Path) -> None:
    """Whoever has no tenacity is told so at once, also where fsspec is."""
    bare = without(["tenacity"], work / "bare")
    for out, cluster, extra in (
        ("s3://bucket/out", (), "s3"),
        (f"file://{work}/out", (), "remote"),
        ("out", ("--cluster=local",), "remote"),
    ):
        code, _, said = savemasks(work, *RUN, "project", f"--out={out}", *cluster, **bare)
        assert (code, "Traceback" in said) == (2, False), said
        assert said.endswith(f"an address needs tenacity: pip install 'savemasks[{extra}]'\n")
    assert not (work / "out").exists()


def test_a_log_that_could_not_be_put_is_not_named(
    six: Project, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for number in range(24):
        six.add_bad(b"no picture", b"{", f"bad{number:02}.png")
    with monkeypatch.context() as full:
        full.setattr(Depot, "put_file", refuse)
        code, text = call(*RUN, "project", f"--out=file://{work}/out")
    assert code == 1
    assert "\n... and 5 more\n" in text
    assert "No space left on device" in text
    code, text = call(*RUN, "project", f"--out=file://{work}/out")
    assert f"\n... and 5 more; see {work}/out/experiment001/.savemasks/errors.jsonl\n" in text


def test_a_bucket_that_is_not_there(six: Project, bucket: str) -> None:
    code, text = call(*RUN, "project", "--out=s3://nobody-has-this-one/out")
    assert code == 2
    assert text.startswith("error: s3://nobody-has-this-one/out/experiment001")
    assert "NoSuchBucket" in text or "does not exist" in text
