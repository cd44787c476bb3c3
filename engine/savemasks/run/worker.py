"""One worker: everything that the items of a run share, set up where the work is done."""

import threading

import pyvips

from ..line.budget import Budget
from ..line.item import export_item, try_item, warm_up
from ..line.job import GivenUp, Job, Outcome
from ..line.plan import Plan
from ..projects.items import Item
from ..scratch import Scratch
from ..store.files import Store


class Worker:
    """Exports items of a job. May be shared by threads, each of which brings its own scratch."""

    def __init__(self, job: Job, halt: threading.Event) -> None:
        """Load the kernels, or compile them; once `halt` is set, large items are given up."""
        self._settings = job.layer.settings
        self._sample = job.sample
        self._plans = [Plan(job.layer, templates) for templates in job.templates]
        self._budget = Budget.of_worker(job.memory, job.workers, halt.is_set)
        self._store = Store(job.root, link=job.link, durable=job.durable)
        warm_up(self._plans[0])
        pyvips.cache_set_max(0)  # every picture is read once
        pyvips.concurrency_set(1)  # the workers are the parallelism

    def export(self, item: Item, scratch: Scratch) -> Outcome | None:
        """Export an item, or only try to; whatever goes wrong is in the outcome.

        None if it was given up.
        """
        plan, settings, budget = self._plans[item.project], self._settings, self._budget
        if self._sample:
            return try_item(item, settings, plan, self._sample, scratch, budget)
        try:
            return export_item(item, settings, plan, self._store, scratch, budget)
        except GivenUp:
            return None
