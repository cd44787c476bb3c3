"""Runs in chunks: byte for byte what a run on this machine makes, at whatever address."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from savemasks.errors import OutputError
from savemasks.line.job import PackRules
from savemasks.projects.parts import Part
from savemasks.results.overview import look_over
from savemasks.results.verify import verify
from savemasks.run.export import run
from savemasks.run.in_chunks import chunks
from savemasks.run.options import Hooks, RunOptions
from support.chunked import NAME, Bench
from support.projects import Project, same
from support.resuming import LAYER, done

pytestmark = pytest.mark.usefixtures("warm")

PACK = PackRules("webdataset", 4)


@pytest.fixture(params=["file", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where results are put."""
    if request.param == "s3":
        return str(request.getfixturevalue("bucket"))
    return f"{request.param}://{tmp_path}/there"


@pytest.fixture
def bench(project: Project, tmp_path: Path, address: str) -> Bench:
    made = Bench(project, address, tmp_path)
    made.fill()
    return made


@pytest.fixture
def here(project: Project, tmp_path: Path) -> Bench:
    """Results at an address of this machine, for what is the same at all of them."""
    return Bench.here(project, tmp_path)


# ---------------------------------------------------------------- all at once


@pytest.mark.parametrize("pack", [None, PACK])
def test_a_run_in_chunks_makes_what_a_local_run_makes(bench: Bench, pack: PackRules | None) -> None:
    assert done(bench.run(pack=pack)) == (30, 0, 0, 0)
    bench.check(pack=pack)


def test_what_is_done_is_passed_over(bench: Bench) -> None:
    bench.run()
    before = bench.hidden()
    assert done(bench.run()) == (0, 0, 30, 0)
    assert bench.hidden() == before


def test_shards_that_are_done_are_passed_over(bench: Bench) -> None:
    bench.run(pack=PACK)
    assert done(bench.run(pack=PACK)) == (0, 0, 30, 0)


def test_workers_may_be_processes(here: Bench) -> None:
    assert done(here.run(processes=True)) == (30, 0, 0, 0)
    here.check()


def test_names_that_are_no_utf_8(here: Bench) -> None:
    here.add(os.fsdecode(b"\xff.png"))
    here.add(os.fsdecode(b"\xfe.png"), os.fsdecode(b"\xfd"))
    assert done(here.run()) == (32, 0, 0, 0)
    assert done(here.run()) == (0, 0, 32, 0)
    here.check()


# ---------------------------------------------------------------- again and again


def test_a_run_that_was_stopped_goes_on(bench: Bench) -> None:
    first = bench.run_some(8)
    assert first.interrupted
    assert 8 <= first.images < 30
    found = look_over(bench.url())
    assert not found.is_whole
    assert found.lines()[-1] == "the run is not finished: the same command goes on"
    second = bench.run()
    assert (second.images, second.skipped) == (30 - first.images, first.images)
    assert look_over(bench.url()).is_whole
    bench.check()


def test_changed_items_are_made_again(bench: Bench) -> None:
    bench.run()
    bench.add("04.png")
    again = bench.run()
    assert again.failed == 0
    assert again.images < 30  # only those that were with it in a chunk
    bench.check()


def test_new_items_come_between_those_that_are_done(bench: Bench) -> None:
    bench.run()
    for name in ("00.jpg", "045.png", "99.png"):
        bench.add(name)
    assert bench.run().images >= 3
    bench.check()


def test_what_items_were_is_removed_when_they_fail(bench: Bench) -> None:
    bench.run()
    bench.spoil("04.png")
    assert bench.run().failed == 1
    bench.check()


def test_masks_that_get_another_name_are_not_left(bench: Bench) -> None:
    bench.run()
    bench.add("04.jpg")  # so that the masks are 04.png.png and 04.jpg.png
    bench.run()
    bench.check()


def test_gone_items_are_counted_and_their_files_stay(bench: Bench) -> None:
    bench.run()
    before = bench.files()
    bench.remove("04.png")
    again = bench.run()
    assert again.vanished == 1
    assert "one/04.png" in "".join(again.warnings)
    same(
        {n: d for n, d in bench.files().items() if "/" in n},
        {n: d for n, d in before.items() if "/" in n},
    )
    assert bench.run().vanished == 0


def test_shards_follow_the_items(bench: Bench) -> None:
    bench.run(pack=PACK)
    for name in ("01.png", "02.png", "04.png", "05.png"):
        bench.remove(name)
    bench.add("20.png")
    bench.run(pack=PACK)
    bench.check(pack=PACK)


def test_shards_of_which_all_items_fail(here: Bench) -> None:
    for number in range(30):
        here.spoil(f"{number:02}.png", "one" if number % 3 else "one/datasets/two")
    assert here.run(pack=PACK).failed == 30
    here.check(pack=PACK)
    here.add("04.png")
    assert here.run(pack=PACK).images == 1


@pytest.mark.parametrize("pack", [None, PACK])
def test_failed_items_are_made_when_they_are_mended(bench: Bench, pack: PackRules | None) -> None:
    bench.spoil("04.png")
    bench.spoil("07.png")
    first = bench.run(pack=pack)
    assert done(first) == (28, 2, 0, 0)
    assert "one/ann/04.png.json" in str(first.failures[0])
    bench.add("04.png")
    second = bench.retry()
    assert second.failed == 1
    assert second.images == (1 if pack is None else second.images)
    bench.add("07.png")
    assert bench.run(pack=pack).failed == 0
    bench.check(pack=pack)


def test_restart_makes_all_anew(bench: Bench) -> None:
    bench.run()
    assert done(bench.run(restart=True)) == (30, 0, 0, 0)
    bench.check()


# ---------------------------------------------------------------- parts


@pytest.mark.parametrize("order", [[1, 2, 3], [3, 1, 2]])
def test_parts_make_what_a_run_makes(bench: Bench, order: list[int]) -> None:
    for number in order:
        bench.run(part=Part(number, 3))
    bench.check()
    assert look_over(bench.url()).is_whole


def test_parts_may_be_made_at_once(here: Bench) -> None:
    threads = [
        threading.Thread(target=here.run, kwargs={"part": Part(number, 3)}) for number in (1, 2, 3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    here.check()


def test_report_says_which_parts_are_missing(bench: Bench) -> None:
    bench.run(part=Part(2, 3))
    found = look_over(bench.url())
    assert not found.is_whole
    assert found.lines()[0] == "part 1/3 has not begun"
    assert found.lines()[1] == "part 2/3 is finished"
    assert bench.verify().missing == ["parts 1/3, 3/3 are not finished"]


def test_parts_have_shards_of_their_own(bench: Bench) -> None:
    for number in (1, 2):
        bench.run(part=Part(number, 2), pack=PACK)
    index = json.loads(bench.files()["index.json"])
    assert index["samples"] == 30
    assert {shard["name"].rpartition("-")[0] for shard in index["shards"]} == {
        f"{NAME}-1-of-2",
        f"{NAME}-2-of-2",
    }
    assert bench.verify().damaged == 0


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("pack", [None, PACK])
def test_verify_finds_damage_and_retry_mends_it(bench: Bench, pack: PackRules | None) -> None:
    bench.run(pack=pack)
    name = f"{NAME}-00001.tar" if pack else "one/masks_machine/04.png"
    url = bench.url() / NAME / name
    content = bytearray(url.read_bytes())
    content[len(content) // 2] ^= 1
    url.write_bytes(bytes(content))
    told: list[str] = []
    assert bench.verify(tell=told.append).damaged == 1
    assert name in told[0]
    assert bench.verify().failed == (4 if pack else 1)
    assert bench.retry().failed == 0
    bench.check(pack=pack)


def test_verify_finds_what_is_missing(bench: Bench) -> None:
    bench.run()
    url = bench.url() / NAME / "one/masks_machine/04.png"
    url.fs.rm_file(url.path)
    told: list[str] = []
    bench.verify(tell=told.append)
    assert told == [f"{told[0].rpartition(':')[0]}: is missing"]


# ---------------------------------------------------------------- what is refused, and told


def test_a_place_with_other_things_is_refused(bench: Bench) -> None:
    (bench.url() / NAME / "mine.txt").write_bytes(b"mine")
    with pytest.raises(OutputError, match="is not empty"):
        bench.run()
    assert [*bench.files()] == ["mine.txt"]


def test_other_settings_are_refused(bench: Bench) -> None:
    bench.run()
    with pytest.raises(OutputError, match="was begun with other settings: --pack was"):
        bench.run(pack=PACK)
    with pytest.raises(OutputError, match="was begun without --part"):
        bench.run(part=Part(1, 2))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"link": True}, "no hard links"),
        ({"force": True}, "--force does not go"),
        ({"pack": PackRules("tar")}, "--pack webdataset"),
        ({"pack": PackRules("webdataset", 4, 1000)}, "--pack webdataset"),
    ],
)
def test_what_chunks_cannot_do_is_refused(here: Bench, options: Any, problem: str) -> None:
    with pytest.raises(OutputError, match=problem):
        here.run(**options)
    assert not (here.base / "there").exists()


def test_the_two_kinds_of_results_do_not_mix(here: Bench) -> None:
    folder = here.base / "there" / "out"
    projects, options = [here.project.folder], RunOptions(workers=1)
    here.run()
    with pytest.raises(OutputError, match="was made with --cluster, or at an address"):
        run(LAYER, projects, folder, options)
    run(LAYER, projects, here.base / "there" / "usual", options)
    with pytest.raises(OutputError, match="was made without --cluster"):
        here.run("usual")


def test_commands_take_the_folder_of_a_result(here: Bench) -> None:
    here.run()
    folder = here.base / "there" / "out"
    assert verify(folder / NAME).files == verify(folder).files == here.verify().files > 100
    assert look_over(folder).images == 30


def test_a_report_names_files_as_a_local_run_does(here: Bench) -> None:
    here.spoil("04.png")
    reports = []
    for out in (here.url(), here.base / "local"):
        report = here.base / "report.json"
        run(LAYER, [here.project.folder], out, RunOptions(workers=2, report=report))
        reports.append(json.loads(report.read_bytes()))
    assert reports[0]["items"] == reports[1]["items"]
    assert {**reports[0], **reports[1]}.keys() == reports[0].keys()


def test_progress_counts_every_item_once(bench: Bench) -> None:
    bench.spoil("04.png")
    seen: list[tuple[int, ...]] = []
    bench.run(hooks=Hooks(on_progress=lambda *numbers: seen.append(numbers)))
    assert seen[-1] == (30, 1, 30)
    assert seen == sorted(seen)


def test_enough_failures_end_a_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks.Sizer, "_MOST", 1)
    monkeypatch.setattr(chunks.Sizer, "_FIRST", 1)
    for number in range(30):
        bench.spoil(f"{number:02}.png", "one" if number % 3 else "one/datasets/two")
    found = bench.run(max_errors=3, workers=1)
    assert found.stopped
    assert not found.interrupted
    assert 3 <= found.failed < 10
    assert bench.run().failed == 30


def test_errors_are_put_beside_the_marks(bench: Bench) -> None:
    bench.spoil("04.png")
    bench.run()
    (line,) = (bench.url() / NAME / ".savemasks/errors.jsonl").read_bytes().splitlines()
    assert json.loads(line)["name"] == "04.png"
    assert look_over(bench.url()).messages == [json.loads(line)["message"]]


def test_chunks_take_some_seconds_and_more_with_many_workers() -> None:
    sizer = chunks.Sizer()
    assert sizer.items == 8
    for _ in range(30):
        sizer.learn(10, 0.3)
    assert 95 < sizer.items < 105
    sizer.suit(1000)
    assert 950 < sizer.items < 1050
    sizer.learn(1, 1000.0)
    assert sizer.items < 5
