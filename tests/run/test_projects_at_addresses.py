"""Runs on projects at addresses: byte for byte what a run on the same folders makes."""

from pathlib import Path
from typing import Any

import pytest

import savemasks
from savemasks.errors import OutputError, ProjectError
from savemasks.layers.graph import Graph
from savemasks.line.job import PackRules
from savemasks.projects import remote_batches
from savemasks.projects.parts import Part
from savemasks.remote import Url, put_all
from savemasks.results.lock import HIDDEN
from savemasks.results.report import Summary
from savemasks.results.verify import verify
from savemasks.run.check import check
from savemasks.run.export import run
from savemasks.run.in_chunks import staging
from savemasks.run.options import RunOptions
from support.archives import pack as pack_archive
from support.graphs import two_sinks, write_projects
from support.projects import Project, annotation, picture, same
from support.resuming import LAYER, done
from support.s3 import download, new_bucket, upload, used
from support.slow_s3 import requests, slow_s3

pytestmark = pytest.mark.usefixtures("warm")

PACK = PackRules("webdataset", 4)
FINISHED = 11


@pytest.fixture(params=["memory", "file", "s3"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Url:
    """Where projects and results are put."""
    if request.param == "s3":
        return Url.parse(request.getfixturevalue("bucket"))
    return Url.parse(f"{request.param}://{tmp_path}/base")


@pytest.fixture
def fruit(project: Project) -> Project:
    """A project of items in two data sets, with names as people give them."""
    for number in range(FINISHED - 2):
        project.add(f"IMG-{number}.png", "a" if number % 2 else "b c/datasets/d")
    project.add("é+#%20.png", "a")
    project.add("old.png", "a", ann="old.json")
    return project


def export(project: Path | Url, out: Path | Url, **options: Any) -> Summary:
    return run(LAYER, [project], out, RunOptions(**{"workers": 2} | options))


def made(out: Url | Path) -> dict[str, bytes]:
    """All files of a result besides the hidden ones."""
    found = download(str(out if isinstance(out, Url) else f"file://{out}"))
    return {name: data for name, data in found.items() if f"/{HIDDEN}/" not in f"/{name}"}


@pytest.mark.parametrize("pack", [None, PACK])
def test_from_bucket_to_bucket(
    base: Url, fruit: Project, tmp_path: Path, pack: PackRules | None
) -> None:
    upload(fruit.folder, f"{base}/project")
    assert done(export(fruit.folder, tmp_path / "local", pack=pack)) == (FINISHED, 0, 0, 0)
    assert done(export(base / "project", base / "out", pack=pack)) == (FINISHED, 0, 0, 0)
    same(made(base / "out"), made(tmp_path / "local"))
    assert done(export(base / "project", base / "out", pack=pack)) == (0, 0, FINISHED, 0)
    assert verify(base / "out").damaged == 0


def test_from_bucket_to_folder_and_from_folder_to_bucket(
    bucket: str, fruit: Project, tmp_path: Path
) -> None:
    url = Url(bucket)
    upload(fruit.folder, f"{url}/project")
    export(fruit.folder, tmp_path / "local")
    export(url / "project", tmp_path / "fetched")
    export(fruit.folder, url / "out")
    export(pack_archive(fruit.folder, tmp_path / "project.tar"), url / "unpacked")
    for found in (tmp_path / "fetched", url / "out", url / "unpacked"):
        same(made(found), made(tmp_path / "local"))


@pytest.mark.parametrize("pack", [None, PACK])
def test_many_batches_and_large_files(
    base: Url, fruit: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    pack: PackRules | None,
) -> None:  # fmt: skip
    batches_at = remote_batches.batches_at
    monkeypatch.setattr("savemasks.projects.items.batches_at", lambda at: batches_at(at, 2))
    monkeypatch.setattr(staging, "LARGE", 100)  # bytes
    upload(fruit.folder, f"{base}/project")
    export(fruit.folder, tmp_path / "local", pack=pack)
    export(base / "project", base / "out", pack=pack)
    same(made(base / "out"), made(tmp_path / "local"))


def test_a_slow_bucket_that_refuses_requests(s3: str, fruit: Project, tmp_path: Path) -> None:
    export(fruit.folder, tmp_path / "local")
    with used(s3):
        base = Url(new_bucket())
        upload(fruit.folder, f"{base}/project")
    with slow_s3(s3, latency=0.02, errors=0.1, page=3) as slow, used(slow):
        assert done(export(base / "project", base / "out")) == (FINISHED, 0, 0, 0)
        same(made(base / "out"), made(tmp_path / "local"))
        assert requests(slow)["503"]
        assert requests(slow)["ITEMS"] >= 2 * FINISHED
    with slow_s3(s3) as slow, used(slow):
        assert done(export(base / "project", base / "out")) == (0, 0, FINISHED, 0)
        counts = requests(slow)
    assert "ITEMS" not in counts
    assert counts["GET"] < 2 * FINISHED  # those of the root
    assert counts["LIST"] < 30


def test_what_has_changed_in_a_bucket_is_made_again(
    base: Url, fruit: Project, tmp_path: Path
) -> None:
    upload(fruit.folder, f"{base}/project")
    export(base / "project", base / "out")
    for folder in (Url(f"file://{fruit.folder}"), base / "project"):
        put_all(folder / "a/img", {"IMG-1.png": picture(77), "new.png": picture(78)})
        put_all(folder / "a/ann", {"new.png.json": annotation()})
    again = export(base / "project", base / "out")
    assert again.failed == 0
    assert 2 <= again.images <= FINISHED
    export(fruit.folder, tmp_path / "local")
    same(made(base / "out"), made(tmp_path / "local"))


def test_names_that_look_like_patterns_or_addresses(
    base: Url, fruit: Project, tmp_path: Path
) -> None:
    spoiled = ("x[1].png", "x?.png", "*.png", "x::y.png", "100%.png", "x#y.png")
    for dataset in ("a", "d::s", "d [1]", "d 1"):
        for name in ("x1.png", *spoiled):
            fruit.add(name, dataset)
    upload(fruit.folder, f"{base}/project")
    assert done(export(base / "project", base / "out")) == (FINISHED + 28, 0, 0, 0)
    for number, name in enumerate(spoiled):
        fruit.put(f"{('a', 'd::s', 'd [1]')[number % 3]}/ann/{name}.json", b"{")
    upload(fruit.folder, f"{base}/project")
    assert export(base / "project", base / "out").failed == len(spoiled)
    export(fruit.folder, tmp_path / "local")
    same(made(base / "out"), made(tmp_path / "local"))
    assert verify(base / "out").damaged == 0


def test_a_failure_names_the_address(base: Url, fruit: Project) -> None:
    fruit.put("a/ann/IMG-1.png.json", b"{")
    fruit.put("a/img/IMG-3.png", b"no picture")
    fruit.put("a/img/IMG-5.png", b"")
    upload(fruit.folder, f"{base}/project")
    summary = export(base / "project", base / "out", report=None)
    told = [str(failure) for failure in summary.failures]
    assert summary.failed == 3
    for text, file in zip(
        told, ("ann/IMG-1.png.json", "img/IMG-3.png", "img/IMG-5.png"), strict=True
    ):
        assert text.startswith(f"{base}/project/a/{file}: ")
    assert told[2].endswith(": the file is empty") or "empty" in told[2]


def test_three_parts_of_a_bucket(base: Url, fruit: Project, tmp_path: Path) -> None:
    upload(fruit.folder, f"{base}/project")
    export(fruit.folder, tmp_path / "local")
    summaries = [export(base / "project", base / "out", part=Part(n, 3)) for n in (3, 1, 2)]
    assert sum(summary.images for summary in summaries) == FINISHED
    same(made(base / "out"), made(tmp_path / "local"))


def test_a_graph_finds_projects_below_an_address(base: Url, tmp_path: Path) -> None:
    folders = write_projects(tmp_path / "projects")
    for folder in folders:
        upload(folder, f"{base}/all/{folder.name}")
    graph = Graph.from_json(two_sinks())
    run(graph, folders, tmp_path / "local", RunOptions(workers=2))
    run(graph, (), base / "out", RunOptions(workers=2), below=[base / "all"])
    same(made(base / "out"), made(tmp_path / "local"))
    urls = [base / "all" / folder.name for folder in folders]
    assert run(graph, urls, base / "out", RunOptions(workers=2)).images == 0


def test_arguments_have_no_credentials(fruit: Project, tmp_path: Path) -> None:
    address = f"memory://user:{'wordpass'[::-1]}@host/project"
    upload(fruit.folder, address)
    out = tmp_path / "out"
    summary = savemasks.export(address, f"file://{out}", LAYER, report=tmp_path / "report.json")
    assert summary.images == FINISHED
    written = b"".join(path.read_bytes() for path in out.rglob("*.json"))
    assert b"ssapdrow" not in written + (tmp_path / "report.json").read_bytes()
    assert "ssapdrow" not in repr(summary)


@pytest.mark.parametrize("processes", [False, True])
def test_a_check_of_a_bucket(bucket: str, fruit: Project, processes: bool) -> None:
    fruit.put("a/ann/IMG-1.png.json", b"{")
    fruit.put("a/img/IMG-3.png", b"")
    upload(fruit.folder, f"{bucket}/project")
    options = RunOptions(workers=2, processes=processes)
    there = check(LAYER, [Url(bucket) / "project"], options)
    here = check(LAYER, [fruit.folder], options)
    assert (there.items, there.failed) == (here.items, here.failed) == (FINISHED, 2)
    assert (there.files, there.sampled) == (here.files, here.sampled)
    told = {str(each).replace(f"{bucket}/", f"{fruit.folder.parent}/") for each in there.failures}
    assert told == {str(each) for each in here.failures}


# ---------------------------------------------------------------- what is refused


def test_a_bucket_that_cannot_be_written(s3: str, bucket: str, fruit: Project) -> None:
    with pytest.raises(OutputError, match=r"^s3://nobody-has-it/out/experiment001.*: cannot be"):
        export(fruit.folder, Url("s3://nobody-has-it/out"))
    denied = pytest.raises(OutputError, match=r"cannot be written: .*credentials .* do not allow")
    with slow_s3(s3, forbidden=["PUT"]) as slow, used(slow), denied:
        export(fruit.folder, Url(bucket) / "out")
    assert download(bucket) == {}


def test_results_inside_of_a_project_are_refused(base: Url, fruit: Project) -> None:
    upload(fruit.folder, f"{base}/project")
    with pytest.raises(OutputError, match="is inside of the project"):
        export(base / "project", base / "project/out")
    assert not any("experiment001" in name for name in download(str(base)))


def test_what_reads_no_addresses_says_so(bucket: str) -> None:
    with pytest.raises(ProjectError, match="open_project reads folders and archives, no addresses"):
        savemasks.open_project(f"{bucket}/project")


def test_what_was_exported_to_an_address_is_a_project(fruit: Project, tmp_path: Path) -> None:
    summary = savemasks.export(fruit.folder, f"file://{tmp_path}/out", LAYER)
    names = [item.name for item in savemasks.open_project(summary.out)]
    assert names == [item.name for item in savemasks.open_project(str(summary.out))]
    assert names == [item.name for item in savemasks.open_project(tmp_path / "out" / LAYER.dst)]


@pytest.mark.parametrize(
    ("argument", "error", "said"),
    [
        ("projects", ProjectError, r"gs:// needs another package: pip install 'savemasks\[gcs\]'"),
        ("out", OutputError, r"gs:// needs another package: pip install 'savemasks\[gcs\]'"),
    ],
)
def test_an_address_of_no_use(
    argument: str, error: type[Exception], said: str, fruit: Project, tmp_path: Path
) -> None:
    given = {"projects": str(fruit.folder), "out": str(tmp_path / "out"), argument: "gs://bucket/x"}
    with pytest.raises(error, match=said):
        savemasks.export(given["projects"], given["out"], LAYER)
    assert not (tmp_path / "out").exists()
