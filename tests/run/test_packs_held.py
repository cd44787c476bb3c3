"""Samples in the memory of worker processes, which may die before these are in their shards."""

from collections.abc import Callable
from pathlib import Path

import pytest

from savemasks.line.job import Outcome
from savemasks.projects.items import Item
from savemasks.results.report import Summary
from savemasks.run import starting
from savemasks.run.held import HeldSamples, Holder
from savemasks.run.processes import ProcessPool
from savemasks.store import packs
from savemasks.store.packs import PackStore, Sample
from support.packing import Bench, hidden, shards
from support.resuming import touch
from support.spooling import serve_spooling

pytestmark = pytest.mark.usefixtures("warm")


class Killer:
    """Kills the process that holds a sample which is about to be placed, once.

    Which samples are held depends on how long items take, so it takes any, after so many others.
    `then` is told its item before another process makes that once more.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        after: int = 0,
        then: Callable[[Item], object] = lambda _: None,
    ) -> None:
        self.killed = ""
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
            self.pool = pool
            self.kill(outcome.number)
            then(item)

        monkeypatch.setattr(ProcessPool, "place", place_and_kill)

    def kill(self, number: int) -> None:
        """Kill the process that holds the sample of an item."""
        for worker in self.pool._workers:
            if number in worker.holder.held:
                worker.process.kill()
                worker.process.join()


def check_whole(bench: Bench, summary: Summary) -> None:
    """All items must be done, and the shards be those of an undisturbed run."""
    assert (summary.images, summary.failed, summary.problems) == (18, 0, [])
    bench.check()


def _touch_annotation(item: Item) -> None:
    touch(Path(item.annotation or ""))


@pytest.mark.parametrize("after", [0, 1, 4])
@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_dead_process_held_is_made_once_more_and_takes_its_place(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, after: int, workers: int
) -> None:
    killer = Killer(monkeypatch, after)
    summary = bench.run(processes=True, workers=workers)
    assert killer.killed
    check_whole(bench, summary)


def test_a_second_process_may_die_before_it_has_written_the_same_sample(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = Killer(monkeypatch)
    add = HeldSamples.add
    deaths: list[str] = []

    def add_and_kill(samples: HeldSamples, outcome: Outcome, holder: Holder | None) -> bool:
        is_new = add(samples, outcome, holder)
        if not is_new and not deaths:
            deaths.append(outcome.item.name)
            killer.kill(outcome.number)
        return is_new

    monkeypatch.setattr(HeldSamples, "add", add_and_kill)
    summary = bench.run(processes=True)
    assert deaths
    check_whole(bench, summary)


def test_what_takes_long_when_it_is_made_once_more_takes_its_place_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = Killer(
        monkeypatch, then=lambda _: monkeypatch.setattr(starting, "serve", serve_spooling)
    )
    summary = bench.run(processes=True, workers=1)
    assert killer.killed
    check_whole(bench, summary)


def test_what_has_got_another_time_only_takes_its_place_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = Killer(monkeypatch, then=_touch_annotation)
    summary = bench.run(processes=True)
    assert killer.killed
    check_whole(bench, summary)
    assert bench.run().images == 1  # what is known of it is from before that


def test_what_is_not_what_it_was_gets_no_place_and_a_later_run_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = Killer(monkeypatch, then=lambda item: bench.add(item.name, item.dataset))
    summary = bench.run(processes=True)
    (problem,) = summary.problems
    assert problem.endswith(
        f"cannot be written: {killer.killed}: its process died, and it is not what it was: run the"
        " same again"
    )
    bench.run(processes=True)
    bench.check()


def test_what_cannot_be_made_once_more_says_why(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_annotation(item: Item) -> None:
        Path(item.annotation or "").write_text("{")

    killer = Killer(monkeypatch, then=break_annotation)
    summary = bench.run(processes=True)
    (problem,) = summary.problems
    dataset, name = killer.killed.split("/")
    why = f"its process died, and it cannot be made once more: {bench.project.folder}"
    assert f"cannot be written: {killer.killed}: {why}/{dataset}/ann/{name}.json: " in problem
    assert problem.endswith(": run the same again")
    bench.add(name, dataset)
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
