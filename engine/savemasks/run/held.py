"""Samples in the memory of worker processes, until these have written them into shards.

A process holds the sample of a small item, and gets to know where it belongs when all items before
it are made. If the process dies before, the item is made once more, and takes the same place.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import printable
from ..line.job import Outcome
from ..projects.items import Item
from ..store.packs import Sample


class Placement(NamedTuple):
    """Asks a process to write a sample into a shard.

    Attributes
    ----------
    number
        Of the item.
    sample
        The sample.
    shard, offset
        Path of the shard's file, and where the sample begins in it.
    """

    number: int
    sample: Sample
    shard: str
    offset: int

    def packed(self) -> tuple[object, ...]:
        """Itself as plain data, which goes through a pipe in a third of the time."""
        return self.number, tuple(self.sample), self.shard, self.offset

    @classmethod
    def unpacked(cls, packed: tuple[Any, ...]) -> "Placement":
        """What `packed` made plain data of."""
        number, sample, shard, offset = packed
        return cls(number, Sample._make(sample), shard, offset)


class _Held(NamedTuple):
    """An outcome whose sample is in memory, and the shard where it belongs, once that is known."""

    outcome: Outcome
    shard: str = ""

    def placement(self) -> Placement:
        outcome = self.outcome
        assert outcome.sample is not None
        assert outcome.extent is not None
        return Placement(outcome.number, outcome.sample, self.shard, outcome.extent.offset)


@dataclass(slots=True)
class Holder:
    """What one process holds, by number, and what it is asked to write, in this order."""

    held: dict[int, _Held] = field(default_factory=dict)
    to_place: list[Placement] = field(default_factory=list)
    placing: deque[int] = field(default_factory=deque)

    def next_placements(self) -> list[Placement]:
        """What the process is to be asked now."""
        placements, self.to_place = self.to_place, []
        self.placing.extend(placement.number for placement in placements)
        return placements


class HeldSamples:
    """The samples that all processes hold."""

    def __init__(self) -> None:
        self._placed: deque[Outcome] = deque()
        self._holders: dict[int, Holder] = {}
        self._again: dict[int, _Held] = {}  # they have a place, and their process has died

    def __bool__(self) -> bool:
        """Whether there are any, or outcomes that `placed` yields."""
        return bool(self._holders or self._again or self._placed)

    def add(self, outcome: Outcome, holder: Holder | None) -> bool:
        """Take an outcome; return whether it is to be yielded, as one that is made again is not.

        `holder` is that of the process that has made it, None if no process could.
        """
        number, sample = outcome.number, outcome.sample
        lost = self._again.pop(number, None)
        if lost is None:
            if holder and sample and sample.is_held:
                self._hold(_Held(outcome), holder)
            return True
        first = lost.outcome
        if holder and sample and outcome.written == first.written:
            first.sample = sample
            self._hold(lost, holder)
            holder.to_place.append(lost.placement())
        else:
            shown = printable(f"{first.item.dataset}/{first.item.name}")
            self._end(
                first, f"{shown}: its process died, and it is not what it was: run the same again"
            )
        return False

    def place(self, outcome: Outcome, shard: str) -> None:
        """Have a sample written where it belongs."""
        holder = self._holders[outcome.number]
        held = holder.held[outcome.number] = _Held(outcome, shard)
        holder.to_place.append(held.placement())

    def take_answers(self, holder: Holder, problems: list[str | None]) -> None:
        """Take why samples that a process was asked to write are not there, or None."""
        for problem in problems:
            number = holder.placing.popleft()
            del self._holders[number]
            self._end(holder.held.pop(number).outcome, problem)

    def placed(self) -> Iterator[Outcome]:
        """Yield the outcomes whose samples are in their places by now, or will never be."""
        while self._placed:
            yield self._placed.popleft()

    def lose(self, holder: Holder) -> list[tuple[int, Item]]:
        """Give up what a process held that died; return the items that are to be made once more."""
        lost, holder.held = holder.held, {}
        for number, held in lost.items():
            del self._holders[number]
            if held.outcome.extent is not None:
                self._again[number] = held
        return [(number, held.outcome.item) for number, held in lost.items()]

    def give_up(self) -> None:
        """Make nothing again."""
        self._again.clear()

    def _hold(self, held: _Held, holder: Holder) -> None:
        number = held.outcome.number
        holder.held[number] = held
        self._holders[number] = holder

    def _end(self, outcome: Outcome, problem: str | None) -> None:
        outcome.is_placed, outcome.place_problem = True, problem
        self._placed.append(outcome)
