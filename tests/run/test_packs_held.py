"""Samples in the memory of worker processes, which may die before these are in their shards."""

import pytest

from savemasks.line.job import Outcome
from savemasks.run.processes import ProcessPool
from savemasks.store import packs
from savemasks.store.packs import PackStore, Sample
from support.packing import Bench, hidden, shards

pytestmark = pytest.mark.usefixtures("warm")


class Killer:
    """Kills the process that holds a sample which is about to be placed, once.

    Which samples are held depends on how long items take, so it takes any, after so many others.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bench: Bench, after: int = 0) -> None:
        self.killed = ""
        self.change = False
        place = ProcessPool.place
        left = after

        def place_and_kill(pool: ProcessPool, outcome: Outcome) -> None:
            nonlocal left
            place(pool, outcome)
            left -= 1
            if left >= 0 or self.killed:
                return
            item = outcome.item
            self.killed = f"{item.dataset}/{item.name}"
            for worker in pool._workers:
                if outcome.number in worker.holder.held:
                    worker.process.kill()
                    worker.process.join()
            if self.change:
                bench.add(item.name, item.dataset)

        monkeypatch.setattr(ProcessPool, "place", place_and_kill)


@pytest.mark.parametrize("after", [0, 1, 4])
@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_dead_process_held_is_made_once_more_and_takes_its_place(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, after: int, workers: int
) -> None:
    killer = Killer(monkeypatch, bench, after)
    summary = bench.run(processes=True, workers=workers)
    assert killer.killed
    assert (summary.images, summary.failed, summary.problems) == (18, 0, [])
    bench.check()


def test_what_is_not_what_it_was_gets_no_place_and_a_later_run_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = Killer(monkeypatch, bench)
    killer.change = True
    summary = bench.run(processes=True)
    (problem,) = summary.problems
    assert problem.endswith(
        f"cannot be written: {killer.killed}: its process died, and it is not what it was: run the"
        " same again"
    )
    bench.run(processes=True)
    bench.check()


@pytest.mark.parametrize("most", [("_LARGEST_HELD", 0), ("_MOST_HELD", 2000)])
def test_where_samples_wait_for_their_place_does_not_matter(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, most: tuple[str, int]
) -> None:
    expected = bench.fresh()
    monkeypatch.setattr(packs, *most)
    bench.run()
    assert shards(bench.base / "out") == expected
    assert not hidden(bench.base / "out")


def test_a_sample_that_could_not_be_written_in_its_place_does_not_count_as_done(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = PackStore.place
    left = 5

    def place(store: PackStore, sample: Sample, shard: str, offset: int) -> str | None:
        nonlocal left
        left -= 1
        return "No space left on device" if left < 0 else written(store, sample, shard, offset)

    with monkeypatch.context() as patch:
        patch.setattr(PackStore, "place", place)
        summary = bench.run(workers=1)
    (problem,) = summary.problems
    assert problem.endswith("-00001.tar: cannot be written: No space left on device")
    assert summary.images == 5
    bench.run()
    bench.check()
