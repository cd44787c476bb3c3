"""What happens to results in chunks when something has happened to what says what they are."""

from pathlib import Path

import pytest

from savemasks.errors import OutputError
from savemasks.line.job import PackRules
from savemasks.projects.parts import Part
from savemasks.remote import Url
from savemasks.results.overview import look_over
from savemasks.run.in_chunks import chunks
from support.chunked import NAME, Bench
from support.projects import Project
from support.resuming import done

pytestmark = pytest.mark.usefixtures("warm")

PACK = PackRules("webdataset", 4)
UNREADABLE = "is not as savemasks wrote it"


@pytest.fixture(params=["file", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def bench(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Bench:
    """Results at addresses of all kinds."""
    address = f"{request.param}://{tmp_path}/there"
    if request.param == "s3":
        address = str(request.getfixturevalue("bucket"))
    made = Bench(project, address, tmp_path)
    made.fill(12)
    return made


@pytest.fixture
def here(project: Project, tmp_path: Path) -> Bench:
    """Results at an address of this machine, for what is the same at all of them."""
    return Bench.here(project, tmp_path)


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


def marks(bench: Bench) -> list[str]:
    """Names of all marks."""
    return [name for name in bench.hidden() if "/marks/" in name]


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


# ---------------------------------------------------------------- what the hidden files say


@pytest.mark.parametrize(
    ("size", "pack", "way_on"),
    [(50, None, "retry"), (0, None, "run"), (50, PACK, "retry"), (50, None, "restart")],
)
def test_an_unreadable_end_is_written_anew(
    bench: Bench, size: int, pack: PackRules | None, way_on: str
) -> None:
    bench.run(pack=pack)
    file = bench.url() / NAME / ".savemasks/done.json"
    before = file.read_bytes()
    cut(file, size)
    told: list[str] = []
    found = bench.verify(tell=told.append)
    assert (found.damaged, found.missing) == (1, [])
    assert told[0].endswith(f"done.json: {UNREADABLE}: retry, or the same run, writes it anew")
    assert not look_over(bench.url()).is_whole
    if way_on == "retry":
        assert done(bench.retry())[0] == 0
    else:
        bench.run(pack=pack, restart=way_on == "restart")
    assert file.read_bytes() == before
    assert look_over(bench.url()).is_whole
    bench.check(pack=pack)


def test_what_is_json_but_no_end_is_unreadable(here: Bench) -> None:
    here.add("1.png")
    here.run()
    for content in (b"[]", b"{}", b'{"fingerprint":"","totals":[],"shards":[]}'):
        (here.url() / NAME / ".savemasks/done.json").write_bytes(content)
        (here.url() / NAME / ".savemasks/root.json").write_bytes(content)
        assert here.verify().damaged == 2
        here.retry()
        here.check()


def test_a_part_whose_end_is_unreadable_is_not_finished(bench: Bench) -> None:
    run(bench, 3)
    cut(bench.url() / NAME / ".savemasks/parts/2-of-3/done.json", 50)
    told: list[str] = []
    found = bench.verify(tell=told.append)
    assert (found.damaged, found.missing) == (1, ["part 2/3 is not finished"])
    assert f"parts/2-of-3/done.json: {UNREADABLE}: retry" in told[0]
    assert look_over(bench.url()).lines()[1] == "part 2/3 is not finished"
    assert not bench.retry().warnings
    assert look_over(bench.url()).is_whole
    bench.check()


def test_a_part_without_items_whose_end_is_unreadable(here: Bench) -> None:
    here.add("1.png")  # so that one part of two has nothing
    run(here, 2)
    for number in (1, 2):
        cut(here.url() / NAME / f".savemasks/parts/{number}-of-2/done.json", 5)
    assert here.verify().damaged == 2
    here.retry()
    assert look_over(here.url()).is_whole
    here.check()


@pytest.mark.parametrize(
    ("parts", "size", "way_on"), [(0, 50, "retry"), (0, 0, "run"), (2, 50, "retry"), (2, 50, "run")]
)
def test_unreadable_checksums_are_written_anew(
    bench: Bench, parts: int, size: int, way_on: str
) -> None:
    run(bench, parts)
    sums = bench.url() / NAME / ".savemasks/root.json"
    before = sums.read_bytes()
    cut(sums, size)
    remove(bench.url() / NAME / "legend.json")
    told: list[str] = []
    found = bench.verify(tell=told.append)
    assert (found.damaged, found.missing) == (1, [])
    assert f"root.json: {UNREADABLE}, so the files at the root cannot be verified" in told[0]
    if way_on == "retry":
        bench.retry()
    else:
        run(bench, parts)
    assert sums.read_bytes() == before
    bench.check()


def test_missing_checksums_are_told(bench: Bench) -> None:
    bench.run()
    remove(bench.url() / NAME / ".savemasks/root.json")
    remove(bench.url() / NAME / "legend.json")
    told: list[str] = []
    assert bench.verify(tell=told.append).damaged == 1
    assert "root.json: is missing, so the files at the root cannot be verified: retry" in told[0]
    bench.retry()
    bench.check()


def test_checksums_are_not_missed_before_the_end(here: Bench) -> None:
    here.fill()
    here.run_some(8)
    assert here.verify().damaged == 0
    here.run(out="parts", part=Part(1, 2))
    assert here.verify("parts").damaged == 0


def test_an_unreadable_beginning_is_named_with_what_to_do(here: Bench) -> None:
    here.add("1.png")
    here.run()
    cut(here.url() / NAME / ".savemasks/result.json", 50)
    for command in (here.run, here.retry, here.verify):
        with pytest.raises(OutputError, match=r"result.json: is not as .* at another --out"):
            command()


# ---------------------------------------------------------------- marks


@pytest.mark.parametrize(
    ("pack", "parts", "way_on"),
    [(None, 0, "retry"), (None, 2, "run"), (PACK, 0, "run"), (PACK, 2, "retry")],
)
def test_images_of_damaged_marks_are_made_anew(
    bench: Bench, pack: PackRules | None, parts: int, way_on: str
) -> None:
    run(bench, parts, pack)
    before = marks(bench)
    name = before[0]
    lost = int(name.split("/marks/")[1].split("-")[1])
    cut(bench.url() / NAME / name, 100)
    told: list[str] = []
    found = bench.verify(tell=told.append)
    assert (found.damaged, found.failed, found.items) == (1, lost, 12 - lost)
    assert f"{name}: {UNREADABLE}, so its images cannot be verified: retry, or" in told[0]
    again = bench.verify()
    assert (again.damaged, again.failed, again.items) == (0, lost, 12 - lost)
    report = look_over(bench.url())
    assert (report.failed, report.images) == (lost, 12 - lost)
    assert report.messages[0].endswith("was damaged, so retry makes its images anew")
    if way_on == "retry":
        assert done(bench.retry())[:2] == (lost, 0)
    else:
        run(bench, parts, pack)
    assert marks(bench) == before
    assert look_over(bench.url()).is_whole
    if not (parts and pack):  # whose shards are others than those of an undivided run
        bench.check(pack=pack)
    assert bench.verify().damaged == 0


def test_only_images_of_the_damaged_mark_are_made_anew(
    here: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks.Sizer, "_MOST", 2)
    monkeypatch.setattr(chunks.Sizer, "_FIRST", 2)
    here.fill()
    here.run()
    (here.url() / NAME / marks(here)[3]).write_bytes(b"")
    monkeypatch.undo()
    here.verify()
    assert done(here.retry())[:2] == (2, 0)
    here.check()


def test_a_damaged_mark_with_failures_is_named_with_what_to_do(here: Bench) -> None:
    here.fill()
    here.spoil("04.png")
    here.run()
    name = next(name for name in marks(here) if name.split("-")[-2] == "1")
    cut(here.url() / NAME / name, 100)
    here.add("04.png")
    for command in (here.run, here.retry, lambda: look_over(here.url())):
        with pytest.raises(OutputError, match="as savemasks wrote it: savemasks verify notes that"):
            command()
    here.verify()
    assert here.run().failed == 0
    here.check()


def test_a_damaged_mark_that_is_to_be_added_up(here: Bench) -> None:
    here.fill()
    here.run()
    cut(here.url() / NAME / marks(here)[0], 100)
    here.add("99.png")
    summary = here.run()
    assert "savemasks verify notes that" in str(summary.legend_problem)
    here.verify()
    assert here.run().failed == 0
    here.check()
    assert look_over(here.url()).is_whole


def test_a_good_mark_counts_beside_a_damaged_one_of_the_same_images(here: Bench) -> None:
    here.fill()
    here.run()
    folder, _, good = marks(here)[0].rpartition("/")
    id_, count, *_ = good.split("-")
    (here.url() / NAME / folder / f"{id_}-{count}-1-00").write_bytes(b"")
    assert here.verify().damaged == 1
    assert done(here.retry())[:2] == (0, 0)
    assert marks(here)[0] == f"{folder}/{good}"
    here.check()
