"""Packed results in parts: each part has shards of its own, and one index names all."""

import json
from pathlib import Path
from typing import Any

import pytest

from savemasks.api.packed import samples
from savemasks.errors import OutputError
from savemasks.line.job import PackKind
from savemasks.projects.parts import Part
from savemasks.results.division import missing_parts
from savemasks.results.verify import verify
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from support.packing import LAYER, NAME, Bench, members, shards

pytestmark = pytest.mark.usefixtures("warm")


def parts(bench: Bench, *numbers: int, count: int = 3, **options: Any) -> int:
    """Make parts one after the other; return how many images were made."""
    made = [bench.run(part=Part(number, count), **options).images for number in numbers]
    return sum(made)


def content(root: Path) -> dict[str, bytes]:
    """Members of all shards that the index names, in its order."""
    index = json.loads((root / "index.json").read_bytes())
    paths = [root / shard["name"] for shard in index["shards"]]
    assert sorted(root.glob("*.tar")) == sorted(paths)
    assert [shard["bytes"] for shard in index["shards"]] == [p.stat().st_size for p in paths]
    found = members(paths)
    assert index["samples"] == sum(shard["samples"] for shard in index["shards"])
    return found


@pytest.mark.parametrize(
    ("kind", "items", "names"),
    [
        ("tar", None, [f"{NAME}-{number}-of-3.tar" for number in (1, 2, 3)]),
        ("webdataset", 100, [f"{NAME}-{number}-of-3-00000.tar" for number in (1, 2, 3)]),
        ("webdataset", 4, None),
    ],
)
def test_all_shards_together_have_what_those_of_a_run_have(
    bench: Bench, tmp_path: Path, kind: PackKind, items: int | None, names: list[str] | None
) -> None:
    bench.kind, bench.items = kind, items
    root = tmp_path / "out" / NAME
    for number in (3, 1, 2):
        assert not (root / "index.json").exists()
        assert parts(bench, number)
    bench.run("whole")
    assert content(root) == content(tmp_path / "whole" / NAME)
    for name in ("meta.json", "legend.json", "legend.png"):
        assert (root / name).read_bytes() == (tmp_path / "whole" / NAME / name).read_bytes()
    if names:
        assert sorted(path.name for path in root.glob("*.tar")) == names
    found = verify(root)
    assert (found.items, found.damaged, found.missing) == (18, 0, [])


def test_shards_of_a_part_depend_on_its_items_alone(bench: Bench, tmp_path: Path) -> None:
    parts(bench, 1, 2, 3, workers=1)
    before = shards(tmp_path / "out")
    parts(bench, 3, 2, 1, workers=4, restart=True)
    assert shards(tmp_path / "out") == before


def test_samples_of_parts_are_read_by_their_index(bench: Bench, tmp_path: Path) -> None:
    parts(bench, 1, 2)
    with pytest.raises(OutputError, match=r"index\.json: cannot be read"):
        next(samples(tmp_path / "out" / NAME))
    parts(bench, 3)
    assert len({sample.key for sample in samples(tmp_path / "out" / NAME)}) == 18


def test_a_retried_item_goes_into_the_shards_of_its_part(bench: Bench, tmp_path: Path) -> None:
    root = tmp_path / "out" / NAME
    bad = "one/img/01.png"
    good = (bench.project.folder / bad).read_bytes()
    bench.project.put(bad, b"no picture")
    parts(bench, 1, 2, 3)
    inodes = {path.name: path.stat().st_ino for path in root.glob("*.tar")}
    assert len([*samples(root)]) == 17
    bench.project.put(bad, good)
    assert bench.retry().images == 1
    assert len([*samples(root)]) == 18
    (own,) = [n for n in (1, 2, 3) if Part(n, 3).takes("one", "01.png")]
    changed = {n for n, inode in inodes.items() if (root / n).stat().st_ino != inode}
    assert changed
    assert all(f"-{own}-of-3-" in name for name in changed)
    bench.run("fresh", part=Part(own, 3))
    for path in (tmp_path / "fresh" / NAME).glob("*.tar"):
        assert path.read_bytes() == (root / path.name).read_bytes()


def test_a_part_that_is_stopped_goes_on_in_its_shard(bench: Bench, tmp_path: Path) -> None:
    root = tmp_path / "out" / NAME
    parts(bench, 1, 3)
    assert bench.run_some(2, part=Part(2, 3)).interrupted
    assert missing_parts(root) == ["part 2/3 is not finished"]
    parts(bench, 2)
    bench.run("whole")
    assert content(root) == content(tmp_path / "whole" / NAME)


def test_a_damaged_shard_is_found_in_any_part(bench: Bench, tmp_path: Path) -> None:
    parts(bench, 1, 2, 3)
    root = tmp_path / "out" / NAME
    before = content(root)
    paths = sorted(root.glob("*.tar"))
    paths[0].unlink()
    paths[-1].write_bytes(paths[-1].read_bytes()[:-2000])
    assert verify(root).damaged
    assert bench.retry().failed == 0
    assert content(root) == before
    assert verify(root).damaged == 0


def test_a_divided_pack_may_become_a_tree(bench: Bench, tmp_path: Path) -> None:
    parts(bench, 1, 2)
    root = tmp_path / "out" / NAME
    with pytest.raises(OutputError, match=r"--pack was webdataset.* and is none"):
        run(LAYER, [bench.project.folder], tmp_path / "out", RunOptions(part=Part(1, 3)))
    for number in (1, 2, 3):
        options = RunOptions(part=Part(number, 3), restart=True)
        assert run(LAYER, [bench.project.folder], tmp_path / "out", options).failed == 0
    assert not [*root.glob("*.tar"), *root.glob("index.json")]
    assert (root / "one/masks_machine/01.png").exists()
    assert verify(root).damaged == 0
