"""Packed results: the bytes of all shards depend on the items alone, whatever happens to runs."""

import json
import os
import random
import tarfile
from pathlib import Path
from typing import Any

import pytest

from savemasks.errors import OutputError
from savemasks.line.job import PackKind
from savemasks.results.journal import Journal
from savemasks.results.lock import HIDDEN
from savemasks.results.verify import verify
from savemasks.run.options import RunOptions
from support.packing import NAME, Bench, hidden, members, shards
from support.projects import Project, annotation, picture

pytestmark = pytest.mark.usefixtures("warm")

KINDS: list[tuple[PackKind, int | None, int | None]] = [
    ("webdataset", 4, None),
    ("webdataset", None, 20_000),
    ("tar", None, None),
    ("tar", 5, 30_000),
]


@pytest.fixture(params=KINDS, ids=lambda kind: "-".join(map(str, kind)))
def any_bench(bench: Bench, request: pytest.FixtureRequest) -> Bench:
    bench.kind, bench.items, bench.size = request.param
    return bench


def test_shards_have_the_files_of_a_tree(any_bench: Bench, tmp_path: Path) -> None:
    bench = any_bench
    bench.run()
    bench.run("tree", pack=None)
    root, tree = tmp_path / "out" / NAME, tmp_path / "tree" / NAME
    index = json.loads((root / "index.json").read_bytes())
    assert index["kind"] == bench.kind
    assert index["samples"] == 18 == sum(shard["samples"] for shard in index["shards"])
    paths = [root / shard["name"] for shard in index["shards"]]
    assert [shard["bytes"] for shard in index["shards"]] == [p.stat().st_size for p in paths]
    assert sorted(root.glob("*.tar")) == paths
    if bench.items:
        assert max(shard["samples"] for shard in index["shards"]) == bench.items
    if bench.size:
        assert max(shard["bytes"] for shard in index["shards"]) <= bench.size
    found = members(paths)
    expected = {str(p.relative_to(tree)): p.read_bytes() for p in tree.glob("**/*/*.*")}
    expected = {name: content for name, content in expected.items() if "savemasks" not in name}
    if bench.kind == "tar":
        meta = (tree / "meta.json").read_bytes()
        assert found == expected | {"meta.json": meta}
    else:
        assert sorted(found.values()) == sorted(expected.values())
        stem = "one/01"
        names = [f"{stem}.{part}" for part in ("machine.png", "human.png", "png", "json")]
        assert [name for name in found if name.startswith(stem)] == names
    assert (root / "meta.json").read_bytes() == (tree / "meta.json").read_bytes()
    assert (root / "legend.json").exists()


def test_members_are_nobodys_and_of_no_time(bench: Bench, tmp_path: Path) -> None:
    bench.run()
    with tarfile.open(tmp_path / "out" / NAME / f"{NAME}-00000.tar") as archive:
        for info in archive:
            assert (info.mtime, info.uid, info.gid, info.uname, info.gname) == (0, 0, 0, "", "")
            assert info.mode == 0o644
            assert info.isreg()


@pytest.mark.parametrize("options", [{"workers": 1}, {"workers": 5}, {"durable": True}])
def test_workers_do_not_matter(any_bench: Bench, options: Any) -> None:
    any_bench.run(**options)
    any_bench.check()


def test_processes_do_not_matter(bench: Bench) -> None:
    bench.run(processes=True)
    bench.check()


def test_a_second_run_writes_nothing(any_bench: Bench, tmp_path: Path) -> None:
    any_bench.run()
    paths = sorted((tmp_path / "out" / NAME).glob("*.tar"))
    before = [path.stat().st_ino for path in paths]
    summary = any_bench.run(restart=False)
    assert (summary.images, summary.skipped) == (0, 18)
    assert [path.stat().st_ino for path in paths] == before
    any_bench.check()


@pytest.mark.parametrize("count", [1, 3, 4, 5, 11, 17])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_run_that_is_stopped_goes_on(any_bench: Bench, count: int, workers: int) -> None:
    summary = any_bench.run_some(count, workers=workers)
    assert summary.interrupted
    assert summary.images < 18 or count + 4 * workers > 18  # so many may be in hand
    summary = any_bench.run()
    assert summary.images <= 18 - count
    any_bench.check()


def test_what_changes_is_made_anew_and_the_rest_is_copied(any_bench: Bench) -> None:
    """Any series of changes and of runs that end early comes to what one run comes to."""
    bench = any_bench
    random_ = random.Random(3)
    present = [f"{number:02}.png" for number in range(18) if number % 3]
    bench.run()
    for step in range(12):
        for _ in range(random_.choice([0, 1, 3])):
            what = random_.choice(["add", "change", "remove", "break", "heal"])
            name = random_.choice(present)
            if what == "add":
                present.append(f"{random_.randrange(20):02}x{step}.png")
                bench.add(present[-1])
            elif what in ("change", "heal"):
                bench.add(name)
            elif what == "break":
                bench.project.put(f"one/ann/{name}.json", b"{")
            else:
                present.remove(name)
                bench.remove(name)
        if random_.random() < 0.5:
            bench.run_some(random_.randrange(1, 4), workers=1)
        if random_.random() < 0.5:
            bench.retry()
        if random_.random() < 0.7:
            bench.run()
            bench.check()
            verification = verify(bench.base / "out")
            assert (verification.damaged, verification.items) == (0, samples_in(bench))


def samples_in(bench: Bench) -> int:
    index = json.loads((bench.base / "out" / NAME / "index.json").read_bytes())
    return int(index["samples"])


def test_an_item_that_comes_first_moves_all_others(bench: Bench, tmp_path: Path) -> None:
    bench.run()
    bench.add("00.png")
    summary = bench.run()
    assert (summary.images, summary.skipped) == (1, 18)
    bench.check()
    bench.remove("00.png")
    summary = bench.run()
    assert (summary.images, summary.skipped, summary.vanished) == (0, 18, 1)
    assert "no longer in the projects, nor in the result: one/00.png" in summary.warnings[0]
    bench.check()
    assert len([*(tmp_path / "out" / NAME).glob("*.tar")]) == 5


def test_an_image_that_failed_is_where_it_belongs_after_a_retry(any_bench: Bench) -> None:
    note = any_bench.project.folder / "one/ann/04.png.json"
    content = note.read_bytes()
    note.write_bytes(b"{")
    assert any_bench.run().failed == 1
    any_bench.check()
    note.write_bytes(content)
    summary = any_bench.retry()
    assert (summary.images, summary.failed) == (1, 0)
    any_bench.check()


def test_a_run_after_an_interrupted_retry(bench: Bench) -> None:
    bench.run_some(5, workers=1)
    bench.retry()
    assert samples_in(bench) < 18
    bench.run()
    bench.check()


def test_a_retry_of_a_run_that_ended_before_it_began_is_refused_by_name(
    bench: Bench, tmp_path: Path
) -> None:
    root = tmp_path / "killed" / NAME
    (root / HIDDEN).mkdir(parents=True)
    Journal(root, None, durable=False).close()
    with pytest.raises(OutputError, match=f"/{NAME}: the journal is empty: .*; run it again$"):
        bench.retry("killed")


def test_restart_makes_all_anew(any_bench: Bench, tmp_path: Path) -> None:
    any_bench.run()
    any_bench.run_some(7, restart=True, workers=1)
    assert verify(tmp_path / "out").damaged <= 1  # the index is that of the last whole result
    summary = any_bench.run()
    assert 0 < summary.skipped < 18
    any_bench.check()
    assert any_bench.run(restart=True).images == 18
    any_bench.check()


def test_another_way_to_pack_is_refused_by_name_or_made_by_restart(
    bench: Bench, tmp_path: Path
) -> None:
    bench.run()
    first = shards(tmp_path / "out")
    others: list[tuple[PackKind, int | None, int | None, str]] = [
        ("tar", None, None, "--pack was webdataset, at most 4 samples each and is tar"),
        ("webdataset", 5, None, "and is webdataset, at most 5 samples each"),
        ("webdataset", 4, 9000, "and is webdataset, at most 4 samples and 9000 bytes each"),
    ]
    for bench.kind, bench.items, bench.size, message in others:
        with pytest.raises(OutputError, match=message):
            bench.run()
    with pytest.raises(OutputError, match=r"--pack was webdataset, .* and is none"):
        bench.run(pack=None)
    assert shards(tmp_path / "out") == first
    bench.run(restart=True)
    bench.check()
    bench.run(restart=True, pack=None)
    found = {path.name for path in (tmp_path / "out" / NAME).iterdir()}
    assert (
        found
        == {
            ".savemasks",
            "one",
            "two",
            "meta.json",
            "legend.json",
            "legend.png",
            "obj_class_to_machine_color.json",
        }
        & found
    )
    assert {"one", "two"} <= found
    bench.run(restart=True)
    assert not [path for path in (tmp_path / "out" / NAME / "one").rglob("*") if path.is_file()]


def test_a_sample_larger_than_a_shard_may_be_gets_one_of_its_own(bench: Bench) -> None:
    bench.items, bench.size = None, 30_000
    large = picture(1) + os.urandom(70_000)
    bench.project.put("one/img/05.png", large)
    summary = bench.run()
    (note,) = [text for text in summary.warnings if "--pack-size" in text]
    assert note.startswith("1 archives are larger than --pack-size, as one image alone is: exper")
    index = json.loads((bench.base / "out" / NAME / "index.json").read_bytes())
    sizes = [(shard["samples"], shard["bytes"] > 30_000) for shard in index["shards"]]
    assert [size for size in sizes if size[1]] == [(1, True)]
    bench.check()


def test_foreign_files_are_never_replaced(bench: Bench, tmp_path: Path) -> None:
    root = tmp_path / "out" / NAME
    (root / "one/img").mkdir(parents=True)
    (root / "one/img/01.png").write_bytes(b"mine")
    (root / f"{NAME}-00001.tar").write_bytes(b"mine")
    with pytest.raises(OutputError, match="not an empty folder"):
        bench.run()
    summary = bench.run(force=True)
    assert summary.stopped
    problem = f"{root}/{NAME}-00001.tar: exists and was not made by savemasks; move it away"
    assert summary.journal_problem == problem
    assert (root / f"{NAME}-00001.tar").read_bytes() == b"mine"
    (root / f"{NAME}-00001.tar").unlink()
    bench.add("01.png")
    assert bench.run().skipped == 3  # of the first shard, the only whole one
    assert (root / "one/img/01.png").read_bytes() == b"mine"
    (root / "one/img/01.png").unlink()
    (root / "one/img").rmdir()
    (root / "one").rmdir()
    bench.check()


def test_a_foreign_index_is_refused_before_anything_is_made(bench: Bench, tmp_path: Path) -> None:
    root = tmp_path / "out" / NAME
    root.mkdir(parents=True)
    (root / "index.json").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"index\.json: exists and is not ours; move it away"):
        bench.run(force=True)
    assert shards(tmp_path / "out") == {"index.json": b"mine"}
    (root / "index.json").unlink()
    bench.run(force=True)
    bench.check()


def test_a_project_without_images(project: Project, tmp_path: Path) -> None:
    for bench in (Bench(project, tmp_path), Bench(project, tmp_path, "tar", None)):
        summary = bench.run(bench.kind)
        assert summary.warnings == ["the projects have no images: nothing was exported"]
        names = ["meta.json"] if bench.kind == "tar" else []
        (path,) = (tmp_path / bench.kind / NAME).glob("*.tar")
        assert [*members(path)] == names


def test_several_projects(bench: Bench, tmp_path: Path) -> None:
    from savemasks.run.export import run
    from support.packing import LAYER

    other = Project(tmp_path / "other")
    other.add("01.png", "one")
    options = RunOptions(workers=2, pack=bench.rules)
    for out in ("a", "b"):
        run(LAYER, [bench.project.folder, other.folder], tmp_path / out, options)
    assert shards(tmp_path / "a") == shards(tmp_path / "b")
    found = members(sorted((tmp_path / "a" / NAME).glob("*.tar")))
    assert len({name.partition(".")[0] for name in found}) == 19


def test_what_meta_json_says_besides_is_in_the_archive(bench: Bench) -> None:
    """It stands before all samples, so all of them move."""
    bench.kind, bench.items = "tar", None
    bench.run()
    path = bench.project.folder / "meta.json"
    for tags in ([{"name": "t" * 600}], [{"name": "u" * 600}], []):
        path.write_bytes(json.dumps(json.loads(path.read_bytes()) | {"tags": tags}).encode())
        assert bench.run().images == 0
        bench.check()


def test_a_missing_shard_is_made_anew_by_a_run(any_bench: Bench, tmp_path: Path) -> None:
    any_bench.run()
    last = sorted((tmp_path / "out" / NAME).glob("*.tar"))[-1]
    content = last.read_bytes()
    last.unlink()
    summary = any_bench.run()
    assert summary.warnings[-1] == f"{last}: is missing: what was in it is made anew"
    assert last.read_bytes() == content
    for damaged in (content[:-1], content + b"\0", content[:-1024] + b"\1" * 1024, content[:2000]):
        last.write_bytes(damaged)
        summary = any_bench.run()
        assert str(last) in summary.warnings[-1]
        assert summary.images <= (18 if last.name == f"{NAME}.tar" else 5)
        any_bench.check()


def test_nothing_hidden_stays(bench: Bench, tmp_path: Path) -> None:
    bench.run_some(6)
    assert [name for name in hidden(tmp_path / "out") if name.startswith("spool")] == []
    bench.run()
    assert hidden(tmp_path / "out") == []


def test_names_that_are_long_or_not_ascii(project: Project, tmp_path: Path) -> None:
    bench = Bench(project, tmp_path)
    names = ["ü.b.png", "x" * 120 + ".png", os.fsdecode(b"\xff\xfe.png"), "a%2Eb.png", "a.b.png"]
    names.append("dot.")
    for name in names:
        bench.add(name, "__ds.1")
    for bench.kind in ("webdataset", "tar"):
        out = bench.kind
        bench.run(out)
        bench.check(out)
        found = members(sorted((tmp_path / out / NAME).glob("*.tar")))
        assert verify(tmp_path / out).damaged == 0
        if bench.kind == "tar":
            assert {f"__ds.1/img/{name}" for name in names} <= {*found}
        else:
            keys = {name.partition(".")[0] for name in found}
            stems = ["ü%2Eb", "x" * 120, "\udcff\udcfe", "a%252Eb", "a%2Eb", "dot"]
            assert "%5F_ds%2E1/dot.image" in found
            assert keys == {f"%5F_ds%2E1/{stem}" for stem in stems}


def test_broken_images_and_annotations_are_left_out(bench: Bench) -> None:
    bench.project.put("one/img/02.png", b"no picture")
    bench.project.put("one/ann/07.png.json", annotation(size={"height": 1, "width": 1}))
    bench.project.put("one/ann/08.png.json", b"[]")
    assert bench.run().failed == 3
    found = bench.check()
    assert json.loads(found["index.json"])["samples"] == 15
