"""Galleries of results that are made in chunks: those of the same results with journals."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from savemasks.errors import OutputError
from savemasks.gallery.building import build_galleries
from savemasks.gallery.pictures_of_items import Has
from savemasks.layers.graph import Graph
from savemasks.line.job import PackRules
from savemasks.projects.parts import Part
from savemasks.remote import Url
from savemasks.results.marks import marks_folder
from savemasks.results.lock import lock_part
from savemasks.run import chunks
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from support.chunked import NAME, Bench
from support.galleries import COUNTS, HAS, NAME as ROW_NAME, PROBLEM, Gallery
from support.projects import Project, files

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
    for part in [Part(n, parts) for n in range(1, parts + 1)] or [None]:
        bench.run(part=part, pack=pack)
        local(bench, part=part, pack=pack)
    made = gallery(folder_of(bench))
    assert len(list(folder_of(bench).glob(".savemasks/**/marks/*"))) > 6
    assert made == gallery(bench.base / "local" / NAME)
    rows = Gallery(folder_of(bench) / "gallery").rows
    assert len(rows) == 30
    assert [row[ROW_NAME] for row in rows if row[HAS] & Has.FAILED] == ["01.png", "05.png"]
    assert "is no JSON" in rows[0][PROBLEM] or rows[0][PROBLEM]
