"""What happens to results in chunks when something has happened to what says what they are."""

from pathlib import Path

import pytest

from savemasks.line.job import PackRules
from savemasks.projects.parts import Part
from savemasks.remote import Url
from support.chunked import NAME, Bench
from support.projects import Project
from support.resuming import done

pytestmark = pytest.mark.usefixtures("warm")

PACK = PackRules("webdataset", 4)


@pytest.fixture(params=["file", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def bench(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Bench:
    """Results at addresses of all kinds."""
    address = f"{request.param}://{tmp_path}/there"
    if request.param == "s3":
        address = str(request.getfixturevalue("bucket"))
    made = Bench(project, address, tmp_path)
    made.fill(12)
    return made


def run(bench: Bench, parts: int, pack: PackRules | None = None) -> None:
    """Make everything, in parts unless there are none."""
    for number in range(1, parts + 1):
        bench.run(part=Part(number, parts), pack=pack)
    if not parts:
        bench.run(pack=pack)


def cut(url: Url, size: int) -> None:
    """Keep the beginning of a file."""
    url.write_bytes(url.read_bytes()[:size])


def remove(url: Url) -> None:
    """Remove a file."""
    url.fs.rm_file(url.path)


# ---------------------------------------------------------------- files at the root


@pytest.mark.parametrize(
    ("parts", "way_on", "damage"),
    [(0, "retry", "gone"), (0, "run", "cut"), (2, "retry", "changed"), (2, "run", "gone")],
)
def test_damaged_root_files_are_written_anew(
    bench: Bench, parts: int, way_on: str, damage: str
) -> None:
    run(bench, parts)
    legend = bench.url() / NAME / "legend.json"
    before = legend.read_bytes()
    if damage == "gone":
        remove(legend)
    elif damage == "cut":
        cut(legend, 20)
    else:
        legend.write_bytes(before[:-9] + b"x" + before[-8:])
    assert bench.verify().damaged == 1
    if way_on == "retry":
        assert done(bench.retry())[0] == 0
    else:
        run(bench, parts)
    assert legend.read_bytes() == before
    bench.check()


def test_an_index_that_is_gone_is_written_anew(bench: Bench) -> None:
    bench.run(pack=PACK)
    remove(bench.url() / NAME / "index.json")
    assert bench.verify().damaged == 1
    assert done(bench.retry())[0] == 0
    bench.check(pack=PACK)


def test_root_files_as_they_should_be_are_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run()
    monkeypatch.setattr("savemasks.run.in_chunks.chunk_end.put_root_files", None)
    assert done(bench.run()) == (0, 0, 12, 0)
    assert done(bench.retry())[0] == 0
