"""Packed results at the limits: no room on the disk, small rests, large pictures, other masks."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from savemasks.cli.demo import CONFIG
from savemasks.errors import OutputError
from savemasks.layers.save_masks import SaveMasks
from savemasks.results.lock import HIDDEN, Lock
from savemasks.results.verify import verify
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from support.packing import NAME, Bench, members, shards
from support.projects import layer, picture, savemasks

pytestmark = pytest.mark.usefixtures("warm")


LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"


@pytest.mark.parametrize("kind", ["webdataset", "tar"])
def test_where_there_is_no_room_whole_shards_stay_and_a_later_run_goes_on(
    bench: Bench, tmp_path: Path, kind: Any
) -> None:
    """Spools and shards have room for three images."""
    bench.kind, bench.items = kind, 4
    for number in range(18):
        if number != 2:
            name = f"{'one' if number % 3 else 'two'}/img/{number:02}.png"
            bench.project.put(name, picture(number) + os.urandom(120_000))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    command = ["run", "config.json", "project", "--out=out", "--workers=2", "--quiet"]
    command += [f"--pack={kind}", "--pack-items=4"]
    code, _, errors = savemasks(tmp_path, *command, setup=LIMIT.format(400_000))
    assert code == 1, errors
    assert "Traceback" not in errors
    (told,) = {line for line in errors.splitlines() if "File too large" in line}
    assert re.search(rf"error: out/{NAME}/\S+: cannot be written: File too large", told)
    expected = bench.fresh()
    found = shards(tmp_path / "out")
    assert all(found[name] == expected[name] for name in found if name.endswith(".tar"))
    code, _, errors = savemasks(tmp_path, *command)
    assert (code, errors) == (0, "")
    bench.check()


def test_two_runs_at_once(bench: Bench, tmp_path: Path) -> None:
    bench.run_some(3)
    before = sorted((tmp_path / "out" / NAME / HIDDEN).iterdir())
    lock = Lock(tmp_path / "out" / NAME)
    try:
        with pytest.raises(OutputError, match="another savemasks is at work here"):
            bench.run()
    finally:
        lock.close()
    assert sorted((tmp_path / "out" / NAME / HIDDEN).iterdir()) == before
    bench.run()
    bench.check()


SETTINGS: dict[str, dict[str, Any]] = {
    "strips": {"strips_above_megapixels": 0},
    "tiff": {"format": "tiff"},
    "map": {"masks_instances": "map", "masks_classes": True},
    "objects": {"masks_instances": "objects", "masks_classes": True},
    "map in strips": {
        "masks_instances": "map",
        "masks_classes": True,
        "strips_above_megapixels": 0,
    },
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_all_kinds_of_files_are_packed(bench: Bench, tmp_path: Path, settings: Any) -> None:
    chosen = SaveMasks.from_json(layer(**settings))
    for out, kind in (("tree", None), ("a", "tar"), ("b", "tar"), ("c", "webdataset")):
        bench.kind = kind or "tar"  # type: ignore[assignment]
        options = RunOptions(workers=1 if out == "a" else 3, pack=bench.rules if kind else None)
        summary = run(chosen, [bench.project.folder], tmp_path / out, options)
        assert summary.failed == 0
    root = tmp_path / "tree" / NAME
    tree = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    tree = {name: content for name, content in tree.items() if name.startswith(("one", "two"))}
    found = members(sorted((tmp_path / "a" / NAME).glob("*.tar")))
    del found["meta.json"]
    assert found == tree
    assert shards(tmp_path / "a") == shards(tmp_path / "b")
    keyed = members(sorted((tmp_path / "c" / NAME).glob("*.tar")))
    assert sorted(keyed.values()) == sorted(tree.values())
    names = {name.partition("/")[2].partition(".")[2] for name in keyed}
    assert {"png", "json"} < names
    for out in ("a", "c"):
        assert verify(tmp_path / out).damaged == 0


def test_members_are_in_the_same_order_in_strips(bench: Bench, tmp_path: Path) -> None:
    """How an item is made depends on memory, too, and must not be seen."""
    both = {"masks_instances": "map", "masks_classes": True}
    names = []
    for number, settings in enumerate((both, both | {"strips_above_megapixels": 0})):
        chosen = SaveMasks.from_json(layer(**settings))
        options = RunOptions(workers=2, pack=bench.rules)
        run(chosen, [bench.project.folder], tmp_path / str(number), options)
        names.append([*members(sorted((tmp_path / str(number) / NAME).glob("*.tar")))])
    assert names[0] == names[1]


def test_hard_links_into_archives_are_refused(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="there are no hard links into archives"):
        bench.run(link=True)
    assert not (tmp_path / "out").exists()


def test_many_kept_samples_go_through_few_at_a_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there already is not gathered in memory before something new is made."""
    from savemasks.run import processes

    monkeypatch.setattr(processes, "_WINDOW", 2)
    waiting = []
    completed = processes.ProcessPool._completed

    def noting(pool: processes.ProcessPool) -> Any:
        waiting.append(len(pool._done))
        return completed(pool)

    monkeypatch.setattr(processes.ProcessPool, "_completed", noting)
    bench.run()
    for name, dataset in (("01.png", "one"), ("17.png", "one")):
        bench.add(name, dataset)
    bench.run(processes=True, workers=1)
    assert 0 < max(waiting) <= 2
    bench.check()
