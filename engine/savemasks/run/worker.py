"""One worker: everything that the items of a run share, set up where the work is done."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pyvips

from ..errors import WriteError
from ..line.budget import Budget
from ..line.item import export_item, try_item
from ..line.job import Flow, GivenUp, Job, OnCompile, Outcome, PackRules
from ..line.keys import member_name
from ..line.plan import Plan, numbered_alike
from ..line.sinks import Line, Sink
from ..line.warmup import warm_up_all
from ..projects.items import Item, Places
from ..projects.parts import unfinished_mark
from ..results.lock import hidden_folder
from ..scratch import Scratch
from ..store.files import Store
from ..store.packs import PackStore, Sample

_QUICK_SECONDS = 0.05
"""A sample of an item that took longer is not held in memory, where it would be lost by a kill."""


class Worker:
    """Exports items of a job. May be shared by threads, each of which brings its own scratch."""

    def __init__(
        self, job: Job, halted: Callable[[], bool], on_compile: OnCompile | None = None
    ) -> None:
        """Load the kernels, or compile them; once `halted` says so, large items are given up."""
        self._sample, self._pack = job.sample, job.pack
        self._budget = Budget.of_worker(job.memory, job.workers, halted)
        self._packs: PackStore | None = None
        if job.pack:
            root = job.roots[0]
            self._packs = PackStore(root, hidden_folder(root, job.part))
        self._flows = [_sinks_of(flow, job, self._packs) for flow in job.flows]
        self._placed: dict[tuple[int, Places], tuple[Sink, ...]] = {}
        plans = {sink.settings: sink.plan for sinks in self._flows for sink in sinks}
        warm_up_all([(plan, settings) for settings, plan in plans.items()], on_compile)
        pyvips.cache_set_max(0)  # every picture is read once
        pyvips.concurrency_set(1)  # the workers are the parallelism

    def export(self, item: Item, scratch: Scratch) -> Outcome | None:
        """Export an item, or only try to; whatever goes wrong is in the outcome.

        None if it was given up.
        """
        line = Line(self._sinks(item), self._budget, scratch)
        if self._sample:
            return try_item(item, line, self._sample)
        if self._pack:
            return _export_sample(item, line, self._pack)
        try:
            return export_item(item, line)
        except GivenUp:
            return None

    def place(self, sample: Sample, shard: str, offset: int) -> str | None:
        """Write a sample where it belongs in a shard; return why that has failed, or None."""
        assert self._packs is not None
        return self._packs.place(sample, shard, offset)

    def close_shard(self, shard: str) -> None:
        """Close the file of a shard that is whole."""
        assert self._packs is not None
        self._packs.close_shard(shard)

    def close(self) -> None:
        """Close files; no thread may be at work."""
        if self._packs:
            self._packs.close()

    def _sinks(self, item: Item) -> tuple[Sink, ...]:
        """The sinks that an item flows into, each with the item's place in it."""
        sinks = self._flows[item.flow]
        if not item.places:
            return sinks
        key = item.flow, item.places
        if key not in self._placed:
            self._placed[key] = tuple(
                replace(sinks[number], dataset=dataset) for number, dataset in item.places
            )
        return self._placed[key]


def _export_sample(item: Item, line: Line, rules: PackRules) -> Outcome | None:
    """Export an item as a sample of the only result."""
    (sink,) = line.sinks
    store, place = sink.store, sink.place(item)
    assert isinstance(store, PackStore)
    stem = item.stem
    store.begin(lambda name: member_name(rules.kind, place, name, stem))
    try:
        outcome = export_item(item, line)
        if outcome.error is None:
            is_quick = sum(outcome.seconds.values()) < _QUICK_SECONDS
            outcome.sample = store.seal(is_whole=True, holds=is_quick)
            return outcome
    except GivenUp:
        store.seal(is_whole=False)
        return None
    except WriteError as error:
        outcome.error, outcome.written = error, []
    outcome.sample = store.seal(is_whole=False)
    return outcome


def _sinks_of(flow: Flow, job: Job, packs: PackStore | None) -> tuple[Sink, ...]:
    """The sinks of a flow; their plans number the classes alike."""

    def plans(numbered: Iterable[str]) -> list[Plan]:
        return [
            Plan.of(
                inlet.layer,
                flow.templates,
                table=inlet.table,
                classes=inlet.classes,
                numbered=numbered,
            )
            for inlet in flow.inlets
        ]

    found = plans(())
    if len(found) > 1:
        found = plans(numbered_alike(found))
    mark = unfinished_mark(job.part) + job.machine
    return tuple(
        Sink(
            inlet.layer.settings,
            plan,
            packs or Store(inlet.root, link=job.link, durable=job.durable, mark=mark),
            inlet.table,
        )
        for inlet, plan in zip(flow.inlets, found, strict=True)
    )
