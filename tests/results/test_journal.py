"""The journal: what was read and written, item by item, and when it says so."""

import os
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest

from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import Stamp, output_names, pack_stamps
from savemasks.projects.supervisely import Project as OpenedProject
from savemasks.results.journal import Journal
from savemasks.results.lock import HIDDEN
from savemasks.run.options import Hooks
from support.projects import Project, files, layer
from support.resuming import Again, journal

pytestmark = pytest.mark.usefixtures("warm")


def test_the_journal_says_what_was_read_and_written(
    project: Project, again: Again, out: Path
) -> None:
    project.add("a.png")
    again()
    row = journal(out)["ds/a.png"]
    stamps = []
    for part in ("ann/a.png.json", "img/a.png"):
        status = (project.folder / "ds" / part).stat()
        stamps.append(Stamp(status.st_size, status.st_mtime_ns))
    assert row["inputs"] == pack_stamps(*stamps)
    with_journal = Journal(out)
    try:
        record = with_journal.find("ds", b"a.png")
        assert record
        written = dict(record.files())
    finally:
        with_journal.close()
    contents = {name: (out / "ds" / name).read_bytes() for name in written}
    assert {n: (len(c), zlib.crc32(c)) for n, c in contents.items()} == written
    assert len(written) == 4


@pytest.mark.parametrize(
    "settings",
    [{}, {"masks_human": False, "images": False}, {"masks_machine": False, "annotations": False}],
)
def test_the_plan_knows_the_names_that_the_export_uses(
    project: Project, again: Again, out: Path, settings: dict[str, Any]
) -> None:
    project.add("a.jpg", ann="a.json")
    project.add("b.png")
    config = layer(**settings)
    again(config)
    (dataset,) = OpenedProject.open(project.folder).datasets()
    planned = [
        f"ds/{name}"
        for entry in dataset.listing()
        for name in output_names(entry, SaveMasks.from_json(config).settings)
    ]
    assert sorted([*planned, "meta.json"]) == sorted(files(out))


def test_an_item_is_in_the_journal_only_when_its_files_are_there(
    project: Project, again: Again, out: Path
) -> None:
    for i in range(20):
        project.add(f"{i}.png")

    def look(*_: int) -> None:
        for key, row in journal_through_a_copy(out).items():
            dataset = key.rpartition("/")[0]
            for name in row["outputs"].split(b"\0"):
                assert (out / dataset / os.fsdecode(name)).exists()

    again(hooks=Hooks(on_progress=look))


def journal_through_a_copy(out: Path) -> dict[str, dict[str, Any]]:
    """What a crash at this moment would leave of the journal."""
    copy = out.parent / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(out / HIDDEN, copy / HIDDEN)
    return journal(copy)


def test_durable_waits_for_files_folders_and_journal(
    project: Project, again: Again, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("a.png", "ds/datasets/child")
    synced: list[str] = []
    genuine = os.fsync

    def fsync(file: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{file}").readlink()))
        genuine(file)

    monkeypatch.setattr(os, "fsync", fsync)
    again()
    assert synced == []
    again(durable=True, restart=True)
    files_synced = [name for name in synced if name.endswith(".part")]
    item = [name for name in files_synced if name.startswith(f"{out}/ds/")]
    assert len(item) == 4
    assert len(files_synced) == 4 + 1 + 3  # with meta.json and the legend
    assert synced.index(item[-1]) < synced.index(str(out / "ds/datasets/child/img"))
    assert synced.index(files_synced[-1]) < len(synced) - synced[::-1].index(str(out)) - 1
    folders = {"", "/ds", "/ds/datasets", "/ds/datasets/child"}
    for part in ("img", "ann", "masks_human", "masks_machine"):
        folders.add(f"/ds/datasets/child/{part}")
    assert {f"{out}{folder}" for folder in folders} | {str(out.parent)} <= set(synced)
