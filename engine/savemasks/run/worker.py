"""One worker: everything that the items of a run share, set up where the work is done."""

from collections.abc import Callable

import pyvips

from ..line.budget import Budget
from ..line.item import export_item, try_item
from ..line.job import GivenUp, Job, Outcome
from ..line.plan import Plan
from ..line.sinks import Line, Sink
from ..line.warmup import warm_up
from ..projects.items import Item
from ..scratch import Scratch
from ..store.files import Store


class Worker:
    """Exports items of a job. May be shared by threads, each of which brings its own scratch."""

    def __init__(self, job: Job, halted: Callable[[], bool]) -> None:
        """Load the kernels, or compile them; once `halted` says so, large items are given up."""
        self._sample = job.sample
        self._budget = Budget.of_worker(job.memory, job.workers, halted)
        store = Store(job.root, link=job.link, durable=job.durable)
        # By project, for each says what it wants of its own classes.
        plans = [Plan.of(job.layer, templates) for templates in job.templates]
        self._sinks = [(Sink(job.layer.settings, plan, store),) for plan in plans]
        warm_up(plans[0])
        pyvips.cache_set_max(0)  # every picture is read once
        pyvips.concurrency_set(1)  # the workers are the parallelism

    def export(self, item: Item, scratch: Scratch) -> Outcome | None:
        """Export an item, or only try to; whatever goes wrong is in the outcome.

        None if it was given up.
        """
        line = Line(self._sinks[item.project], self._budget, scratch)
        if self._sample:
            return try_item(item, line, self._sample)
        try:
            return export_item(item, line)
        except GivenUp:
            return None
