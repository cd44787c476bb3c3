"""Packed results that were damaged: every member is told of by name, and `retry` makes it anew."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from savemasks.errors import OutputError
from savemasks.results.verify import verify
from support.packing import NAME, Bench, shards
from support.projects import Project

pytestmark = pytest.mark.usefixtures("warm")


@pytest.fixture(params=["webdataset", "tar"])
def bench(project: Project, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    made = Bench(project, tmp_path, request.param)
    made.fill(12)
    made.run()
    return made


def damage_of(out: Path) -> list[str]:
    told: list[str] = []
    found = verify(out, on_damage=told.append)
    assert found.damaged == len(told)
    return told


def test_sound_shards_are_found_sound(bench: Bench, tmp_path: Path) -> None:
    before = shards(tmp_path / "out")
    found = verify(tmp_path / "out")
    assert (found.items, found.damaged, found.failed) == (12, 0, 0)
    assert found.files >= 4 * 12
    assert shards(tmp_path / "out") == before


def _turn(content: bytearray, at: int) -> None:
    content[at] ^= 1


def _places(content: bytes) -> dict[str, tuple[int, str]]:
    """Bytes to turn around in the first shard, and what is said of each."""
    header = content.index(b".machine.png" if b".machine.png" in content else b"masks_machine")
    header -= header % 512
    picture = content.index(b"\x89PNG", header)
    end = content.index(b"IEND", picture) + 8
    other = "has other contents than were written"
    around = "has another header, or is followed by something else, than was written"
    return {
        "name": (header, "has no header of a member"),
        "contents": (picture + 60, other),
        "padding": (end, around),
        "owner": (header + 330, "has no header of a member"),
    }


@pytest.mark.parametrize("what", ["name", "contents", "padding", "owner"])
def test_damage_is_told_by_member_and_made_anew(bench: Bench, tmp_path: Path, what: str) -> None:
    path = sorted((tmp_path / "out" / NAME).glob("*.tar"))[0]
    whole = path.read_bytes()
    content = bytearray(whole)
    at, message = _places(whole)[what]
    _turn(content, at)
    path.write_bytes(content)
    (told,) = damage_of(tmp_path / "out")
    shard, member, found = told.split(": ")
    assert (shard, found) == (str(path), message)
    if what in ("contents", "padding"):
        assert "machine" in member
    else:
        assert re.fullmatch(r"(one|two)/masks_machine/\d\d\.png", member)
    again = verify(tmp_path / "out")
    assert (again.failed, again.damaged) == (1, 0)
    summary = bench.retry()
    assert (summary.images, summary.failed) == (1, 0)
    assert path.read_bytes() == whole
    bench.check()
    assert damage_of(tmp_path / "out") == []


CUTS: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:3000]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + bytes(512)),
    "end": lambda path: path.write_bytes(path.read_bytes()[:-600]),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_shards_that_are_missing_or_cut_are_told_and_made_anew(
    bench: Bench, tmp_path: Path, cut: str, number: int
) -> None:
    path = sorted((tmp_path / "out" / NAME).glob("*.tar"))[number]
    CUTS[cut](path)
    told = damage_of(tmp_path / "out")
    end = "is not as long as it was written, or does not end as an archive does"
    assert told[0] == f"{path}: {'is missing' if cut == 'gone' else end}"
    assert all(text.startswith(f"{path}: ") for text in told)
    summary = bench.retry()
    assert summary.failed == 0
    assert any(str(path) in text for text in summary.warnings)
    bench.check()
    assert damage_of(tmp_path / "out") == []


@pytest.mark.parametrize(
    "make", [Path.mkdir, getattr(os, "mkfifo", Path.mkdir)], ids=["folder", "pipe"]
)
def test_what_is_no_file_is_told_and_never_moved(
    bench: Bench, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = sorted((tmp_path / "out" / NAME).glob("*.tar"))[1]
    path.unlink()
    make(path)
    assert damage_of(tmp_path / "out") == [f"{path}: is not a file"]
    for again in (bench.run, bench.retry):
        with pytest.raises(OutputError, match=rf"{path.name}: is not a file; move it away$"):
            again()
    assert path.exists()
    path.rename(tmp_path / "away")
    bench.run()
    bench.check()
    assert damage_of(tmp_path / "out") == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders here")
def test_a_pipe_beside_the_shards_does_not_hold_up(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "out" / NAME / "index.json"
    path.unlink()
    os.mkfifo(path)
    (told,) = damage_of(tmp_path / "out")
    assert told.startswith(f"{path}: has 0 bytes instead of ")


def test_files_beside_the_shards_are_verified(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "out" / NAME / "index.json"
    path.write_bytes(path.read_bytes() + b" ")
    (told,) = damage_of(tmp_path / "out")
    assert told.startswith(f"{path}: has more than")
    bench.run()
    assert damage_of(tmp_path / "out") == []
