"""Samples in the memory of worker processes, until these have written them into shards.

A process holds the sample of a small item, and gets to know where it belongs when all items before
it are made. If the process dies before, the item is made once more, and takes the same place.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from ..errors import printable
from ..line.job import Outcome
from ..projects.items import Item

Placement: TypeAlias = tuple[tuple[str, int, int], str, int]
"""Asks a process to write a sample into a shard: the sample, the path of the shard's file, and
where the sample begins in it. As plain data it goes through a pipe in a third of the time."""


@dataclass(slots=True)
class Holder:
    """What one process holds, by number, and what it is to write and is asked to, in this order."""

    held: dict[int, Outcome] = field(default_factory=dict)
    to_place: list[Outcome] = field(default_factory=list)
    placing: deque[Outcome] = field(default_factory=deque)

    def next_placements(self) -> list[Placement]:
        """What the process is to be asked now."""
        outcomes, self.to_place = self.to_place, []
        self.placing += outcomes
        return [*map(_placement, outcomes)]


class HeldSamples:
    """The samples that all processes hold."""

    def __init__(self) -> None:
        self._placed: deque[Outcome] = deque()
        self._holders: dict[int, Holder] = {}
        self._again: dict[int, Outcome] = {}  # they have a place, and their process has died

    def __bool__(self) -> bool:
        """Whether there are any, or outcomes that `placed` yields."""
        return bool(self._holders or self._again or self._placed)

    def add(self, outcome: Outcome, holder: Holder | None) -> bool:
        """Take an outcome; return whether it is to be yielded, as one that is made again is not.

        `holder` is that of the process that has made it, None if no process could.
        """
        sample = outcome.sample
        first = self._again.pop(outcome.number, None) if self._again else None
        if first is None:
            if holder and sample and sample.is_held:
                self._hold(outcome, holder)
            return True
        if holder and sample and _files(outcome) == _files(first):
            first.sample = sample  # its process writes it, even if it is in a spool now
            self._hold(first, holder)
            holder.to_place.append(first)
        else:
            self._end(first, _why_lost(outcome))
        return False

    def place(self, outcome: Outcome) -> None:
        """Have a sample written where it belongs."""
        self._holders[outcome.number].to_place.append(outcome)

    def take_answers(self, holder: Holder, problems: list[str | None]) -> None:
        """Take why samples that a process was asked to write are not there, or None."""
        for problem in problems:
            outcome = holder.placing.popleft()
            del self._holders[outcome.number], holder.held[outcome.number]
            self._end(outcome, problem)

    def placed(self) -> Iterator[Outcome]:
        """Yield the outcomes whose samples are in their places by now, or will never be."""
        while self._placed:
            yield self._placed.popleft()

    def lose(self, holder: Holder) -> list[tuple[int, Item]]:
        """Give up what a process held that died; return the items that are to be made once more."""
        lost, holder.held = holder.held, {}
        for number, outcome in lost.items():
            del self._holders[number]
            if outcome.extent is not None:
                self._again[number] = outcome
        return [(number, outcome.item) for number, outcome in lost.items()]

    def give_up(self) -> None:
        """Make nothing again."""
        self._again.clear()

    def _hold(self, outcome: Outcome, holder: Holder) -> None:
        holder.held[outcome.number] = outcome
        self._holders[outcome.number] = holder

    def _end(self, outcome: Outcome, problem: str | None) -> None:
        outcome.is_placed, outcome.place_problem = True, problem
        self._placed.append(outcome)


def _files(outcome: Outcome) -> list[tuple[bytes, bytes]]:
    """What a sample depends on, in contrast to stamps: names of files, and what they hold."""
    return [(files.names, files.sums) for files in outcome.written]


def _why_lost(again: Outcome) -> str:
    """Why an item whose sample was lost could not be made as it was."""
    item, error = again.item, again.error
    why = "is not what it was" if error is None else f"cannot be made once more: {error}"
    return printable(
        f"{item.dataset}/{item.name}: its process died, and it {why}: run the same again"
    )


def _placement(outcome: Outcome) -> Placement:
    sample, extent = outcome.sample, outcome.extent
    assert sample is not None
    assert extent is not None
    return sample[:], outcome.shard, extent.offset
