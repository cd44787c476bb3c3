"""Galleries of results that are made in chunks: those of the same results with journals."""

import os
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from savemasks.errors import OutputError
from savemasks.gallery.building import build_galleries
from savemasks.gallery.pictures_of_items import Has
from savemasks.layers.graph import Graph
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import PackRules
from savemasks.projects.parts import Part
from savemasks.results.in_chunks.marks import marks_folder
from savemasks.results.lock import HIDDEN, lock_part
from savemasks.run.export import run
from savemasks.run.in_chunks import chunks
from savemasks.run.options import RunOptions
from support.chunked import NAME, Bench
from support.galleries import HAS, PROBLEM, Gallery
from support.galleries import NAME as ROW_NAME
from support.layers import data, save_masks, step
from support.projects import Project, files, layer, mount, same
from support.s3 import download

pytestmark = pytest.mark.usefixtures("warm")

PACK = PackRules("webdataset", 4)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk has four items, so there are many marks."""
    monkeypatch.setattr(chunks.Sizer, "_FIRST", 4)
    monkeypatch.setattr(chunks.Sizer, "_MOST", 4)


@pytest.fixture
def bench(project: Project, tmp_path: Path) -> Bench:
    """A project, and results in chunks in folders of this machine."""
    made = Bench(project, f"file://{tmp_path}/there", tmp_path)
    made.fill()
    return made


def folder_of(bench: Bench, out: str = "out") -> Path:
    """Where a result in chunks is."""
    folder = (bench.url(out) / NAME).folder
    assert folder is not None
    return folder


def gallery(root: Path, to: Path | None = None) -> dict[str, bytes]:
    """Build the gallery of a result -> its files."""
    (page,) = build_galleries(root, to, workers=2)
    return files(page.parent)


def local(bench: Bench, out: str = "local", **options: Any) -> Path:
    """What a run that is not in chunks makes of the same project -> its folder."""
    folder = bench.base / out
    run(bench.layer, [bench.project.folder], folder, RunOptions(workers=2, **options))
    return folder / NAME


@pytest.mark.parametrize("pack", [None, PACK])
@pytest.mark.parametrize("parts", [0, 3])
def test_marks_give_the_gallery_that_a_journal_gives(
    bench: Bench, pack: PackRules | None, parts: int
) -> None:
    bench.spoil("01.png")
    bench.spoil("05.png")
    for number in range(1, (parts or 1) + 1):
        part = Part(number, parts) if parts else None
        bench.run(part=part, pack=pack)
        local(bench, part=part, pack=pack)
    made = gallery(folder_of(bench))
    assert len(list(folder_of(bench).glob(".savemasks/**/marks/*"))) > 6
    assert made == gallery(bench.base / "local" / NAME)
    rows = Gallery(folder_of(bench) / "gallery").rows
    assert len(rows) == 30
    assert [row[ROW_NAME] for row in rows if row[HAS] & Has.FAILED] == ["01.png", "05.png"]
    page = (folder_of(bench) / "gallery/index.html").read_text()
    assert "not finished" not in page


def test_an_unfinished_result_shows_what_is_there(bench: Bench) -> None:
    bench.run_some(9)
    made = gallery(folder_of(bench))
    rows = Gallery(folder_of(bench) / "gallery").rows
    assert 9 <= len(rows) < 30
    page = made["index.html"].decode()
    assert "This result is not finished: its last run was ended early." in page
    whole = Gallery.of(local(bench))
    assert all(row[1:] in [each[1:] for each in whole.rows] for row in rows)


def test_missing_parts_are_named(bench: Bench) -> None:
    bench.run(part=Part(2, 3))
    page = gallery(folder_of(bench))["index.html"].decode()
    assert "This result is not finished: parts 1/3, 3/3 are not finished." in page


@pytest.mark.parametrize("pack", [None, PACK])
def test_of_marks_that_are_outdated_the_newest_counts(bench: Bench, pack: PackRules | None) -> None:
    bench.run(pack=pack)
    root = folder_of(bench)
    marks = root / marks_folder(None)
    before = {path: path.read_bytes() for path in marks.iterdir()}
    bench.spoil("01.png")
    bench.add("02.png")
    bench.add("00a.png")
    bench.run(pack=pack)
    now = gallery(root)
    for path, content in before.items():  # as if the run had died before it removed them
        if not path.exists():
            path.write_bytes(content)
            os.utime(path, (1, 1))
    assert len([*marks.iterdir()]) > len(before)
    same(gallery(root), now)


def test_parts_of_an_earlier_run_with_other_settings_are_due(bench: Bench) -> None:
    for number in (1, 2):
        bench.run(part=Part(number, 2))
    colors = {"lemon": [9, 9, 9], "kiwi": [50, 50, 50]}
    bench.layer = SaveMasks.from_json(layer(gt_machine_color=colors))
    bench.run(part=Part(1, 2), restart=True)
    rows = Gallery.of(folder_of(bench)).rows
    outdated = [row for row in rows if row[HAS] & Has.FAILED]
    assert {row[PROBLEM] for row in outdated} == {"was made by an earlier run with other settings"}
    assert 0 < len(outdated) < len(rows) == 30


def test_names_come_in_the_order_of_their_bytes(bench: Bench) -> None:
    for name in ("\U0001f34b.png", "\uffee.png", os.fsdecode(b"\xff.png"), "é.png"):
        bench.add(name)
    bench.run()
    assert gallery(folder_of(bench)) == gallery(local(bench))


@pytest.mark.parametrize("order", [0, 1])
def test_a_data_set_may_flow_in_twice(bench: Bench, order: int) -> None:
    colors = {"fruit": [7, 7, 7], "kiwi": [100, 0, 0]}
    bench.spoil("01.png")
    ways = [
        data("project", "$0"),
        step("rename", "$0", "$1", classes_mapping={"kiwi": "fruit"}),
        save_masks(["$0", "$1"][:: -1 if order else 1], NAME, gt_machine_color=colors),
    ]
    bench.layer = Graph.from_json(ways)
    options = RunOptions(workers=2)
    below = [bench.project.folder.parent]
    run(bench.layer, [], bench.url(), options, below=below)
    run(bench.layer, [], bench.base / "local", options, below=below)
    assert gallery(folder_of(bench)) == gallery(bench.base / "local" / NAME)
    assert len(Gallery(folder_of(bench) / "gallery").rows) == 60


def test_a_copy_that_is_read_only_needs_no_lock(bench: Bench, tmp_path: Path) -> None:
    bench.run()
    root = folder_of(bench)
    expected = gallery(root)
    (root / HIDDEN / "lock").unlink()
    if not mount("--bind", root, root):
        pytest.skip("needs the right to mount")
    try:
        assert mount("-o", "remount,bind,ro", root)
        assert len(gallery(root, tmp_path / "to")) == len(expected)
    finally:
        subprocess.run(["umount", root], check=True)


def test_a_part_that_is_being_made_is_named(bench: Bench) -> None:
    for number in (1, 2):
        bench.run(part=Part(number, 2))
    with (
        closing(lock_part(folder_of(bench), Part(2, 2))),
        pytest.raises(OutputError, match=r"part 2/2 is being made; wait for the end of that"),
    ):
        build_galleries(bench.base / "there/out")


@pytest.mark.parametrize("pack", [None, PACK])
@pytest.mark.parametrize("kind", ["memory", pytest.param("s3", marks=pytest.mark.slow)])
def test_a_result_at_an_address_or_a_copy_of_it(
    bench: Bench,
    tmp_path: Path,
    kind: str,
    pack: PackRules | None,
    request: pytest.FixtureRequest,
) -> None:
    bench.address = f"memory://{tmp_path}/there"
    if kind == "s3":
        bench.address = str(request.getfixturevalue("bucket"))
    bench.spoil("05.png")
    bench.run(pack=pack)
    root = local(bench, pack=pack)
    copy = tmp_path / "copy" / NAME
    for name, content in download(str(bench.url() / NAME)).items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(content)
    assert gallery(copy) == gallery(root)
    (page,) = build_galleries(bench.url(), tmp_path / "to", workers=2)
    there, here = Gallery(page.parent), Gallery(root / "gallery")
    preview = Has.PREVIEW | Has.LINK
    assert [r[:HAS] for r in there.rows] == [r[:HAS] for r in here.rows]
    assert [r[HAS] & ~preview for r in there.rows] == [r[HAS] & ~preview for r in here.rows]
    assert sum(r[HAS] & preview == Has.PREVIEW for r in there.rows) == 29
    for number in range(30):
        name = f"items/0/{number}.jpg"
        assert files(there.folder).get(name) == files(here.folder).get(name)
    with pytest.raises(OutputError, match="--to DIR says where"):
        build_galleries(bench.url())
