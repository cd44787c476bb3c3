"""What becomes of outcomes: they go into journals, report, totals, and to the caller."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..line.job import Files, Outcome
from ..results.output import Output
from ..results.report import Failure, ReportWriter, Summary
from .log import LOGGER
from .options import Hooks, RunOptions
from .packing import Packing
from .pool import Pool
from .worklist import Worklist


@dataclass(frozen=True, slots=True)
class Receivers:
    """The results of a run, of which each gets its part of every outcome.

    Attributes
    ----------
    folders
        Their folders below the output folder.
    outputs
        Where they are.
    counted
        Whether classes are counted in the masks of each.
    sinks
        By the number of a flow, the results that its inlets lead to.
    packing
        The shards of the only one, if it is packed.
    """

    folders: Sequence[str]
    outputs: Sequence[Output]
    counted: Sequence[bool]
    sinks: Sequence[Sequence[int]]
    packing: Packing | None = None

    def add(self, outcome: Outcome) -> None:
        """Add an outcome to all results that its item flows into."""
        item, counts = outcome.item, outcome.counts
        results = self.sinks[item.flow]
        for number, (inlet, dataset) in enumerate(item.reached):
            result = results[inlet]
            written = outcome.written[number] if outcome.written else Files()
            has_counts = self.counted[result] and number < len(counts)
            own = counts[number] if has_counts else None
            self.outputs[result].add(outcome, dataset, written, own)

    def folders_of(self, outcome: Outcome) -> list[str]:
        """What the names of an outcome's files, place by place, have to be preceded by.

        Where several results lie side by side, it is the folder of each.
        """
        places = outcome.item.reached
        if len(self.outputs) == 1:
            return [""] * len(places)
        results = [self.sinks[outcome.item.flow][inlet] for inlet, _ in places]
        return [f"{self.folders[result]}/" for result in results]

    def commit(self) -> None:
        """Write the rows that wait in the journals."""
        for output in self.outputs:
            output.journal.commit()

    @property
    def is_stuck(self) -> bool:
        """Whether so many rows wait that the run should end."""
        for output in self.outputs:  # noqa: SIM110  (after every item; `any` takes thrice as long)
            if output.journal.is_stuck:
                return True
        return False

    @property
    def problem(self) -> str | None:
        """Why a journal or an error log cannot be written, or None."""
        problems = [output.journal.problem or output.errors.problem for output in self.outputs]
        if self.packing:
            problems.append(self.packing.problem)
        return next(filter(None, problems), None)


@dataclass(frozen=True, slots=True)
class Recorder:
    """Hands outcomes on to all that record them: totals, report, journals, the caller's hook."""

    summary: Summary
    report: ReportWriter
    receivers: Receivers
    worklist: Worklist
    total: int
    options: RunOptions
    hooks: Hooks

    def record(self, outcome: Outcome) -> None:
        """Record an outcome."""
        if outcome.error is not None:
            LOGGER.warning("%s", Failure.of(outcome.error, outcome.item))
        self.summary.add(outcome)
        if self.report.is_open:
            self.report.add(outcome, self.receivers.folders_of(outcome))
        self.receivers.add(outcome)

    def accept(self, outcome: Outcome, pool: Pool | None = None) -> bool:
        """Record an outcome, tell the caller, and return whether the run may go on.

        Of a packed result, those are recorded whose samples are in their places by now.
        """
        if packing := self.receivers.packing:
            if not packing.take(outcome, pool):
                return False
            if not outcome.is_placed:
                return True
            packing.ready(self._record_and_tell)
            if packing.problem:
                return False
        else:
            self._record_and_tell(outcome)
        limit = self.options.failure_limit
        return (limit is None or self.summary.failed < limit) and not self.receivers.is_stuck

    def accept_late(self, outcome: Outcome) -> None:
        """Record an outcome of an item that was in progress when the end was decided.

        Of a packed result, samples that had no place are not in their order any more.
        """
        packing = self.receivers.packing
        if packing is None:
            self.record(outcome)
        elif outcome.is_placed and packing.take(outcome, None):
            packing.ready(self.record)

    def _record_and_tell(self, outcome: Outcome) -> None:
        self.record(outcome)
        if self.hooks.on_progress:
            failed = self.summary.failed
            done = self.summary.images + failed
            self.hooks.on_progress(done, failed, self.total - self.worklist.skipped)
