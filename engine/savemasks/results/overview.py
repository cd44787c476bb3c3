"""What the journals say of a result, added up over its parts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import printable
from ..projects.parts import Part
from ..remote import Url
from .division import State, locked_journals, read_division, state_of
from .in_chunks.chunked_output import find_chunked, read_all_done, read_begun
from .in_chunks.depot import Depot
from .in_chunks.marks import Mark, MarkName, marks_folder
from .journal import Journal
from .lock import hidden_name
from .output import find_output

MAX_MESSAGES = 20
"""How many messages of failures there are in an overview."""

_WHOLE_DATASET = b""  # the name under which a data set is that could not be listed


@dataclass(slots=True)
class Overview:
    """What a result has.

    Attributes
    ----------
    out
        Its folder.
    states
        How far each part is; empty if there are none.
    images, failed
        Items that are finished, and those that have failed; None while somebody is at work.
    messages
        Why the first of them have failed.
    has_ended
        Whether all was tried, as far as it is known without parts.
    """

    out: Path | Url
    states: dict[Part, State] = field(default_factory=dict)
    images: int | None = None
    failed: int | None = None
    messages: list[str] = field(default_factory=list)
    has_ended: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether every part is finished, and nothing has failed."""
        is_finished = all(each is State.FINISHED for each in self.states.values())
        return self.failed == 0 and is_finished and self.has_ended

    def lines(self) -> list[str]:
        """What to tell the user."""
        lines = [f"part {part} {state.value}" for part, state in self.states.items()]
        if self.images is not None:
            found = f"{self.images} images finished, {self.failed} failed"
            lines.append(f"{found}, in {printable(self.out)}")
        if not self.has_ended:
            lines.append(f"the run {State.UNFINISHED.value}: the same command goes on")
        return lines


def look_over(out: Path | Url) -> Overview:
    """Sum up a result; of a divided one also while parts are made, then without numbers of items.

    Parameters
    ----------
    out
        The folder with the results, or the one that it lies in; or an address.

    Raises
    ------
    OutputError
        If there is no journal, or an undivided run is at work.
    """
    if (url := find_chunked(out)) is not None:
        return _look_over_marks(Depot(url))
    assert isinstance(out, Path)
    root = find_output(out)
    found = Overview(root)
    if division := read_division(root):
        found.states = {part: state_of(root, part) for part in division.parts}
        if State.AT_WORK in found.states.values():
            return found
    with locked_journals(root) as journals:
        if not found.states:
            found.has_ended = all(journal.has_ended for journal in journals)
        found.failed = count_failed(journals)
        rows = sum(journal.count() for journal in journals)
        failed_rows = sum(journal.count(failed=True) for journal in journals)
        found.images = rows - failed_rows
        found.messages = _messages(journals)
    return found


def _look_over_marks(depot: Depot) -> Overview:
    """Sum up a result that is made in chunks, as far as it is."""
    begun = read_begun(depot)
    assert begun is not None
    found, images, failed = Overview(depot.folder or depot.url), 0, 0
    messages: dict[str, None] = {}
    for part, done in read_all_done(depot, begun).items():
        folder = marks_folder(part)
        names = [*filter(None, map(MarkName.parse, depot.names(folder)))]
        failed += sum(name.failed for name in names)
        images += sum(name.items - name.failed for name in names)
        if part is None:
            found.has_ended = done is not None
        else:
            is_begun = bool(names) or depot.find(f"{hidden_name(part)}/open") is not None
            unfinished = State.UNFINISHED if is_begun else State.MISSING
            found.states[part] = State.FINISHED if done else unfinished
        for name, content in depot.read_each(f"{folder}/{n}" for n in names if n.failed):
            mark = Mark.decoded(content, f"{depot}/{name}")
            errors = (item.error for item in mark.items)
            messages |= {error["message"]: None for error in errors if error}
            if not mark.items:
                lost = f"{depot}/{name}: was damaged, so retry makes its images anew"
                messages[printable(lost)] = None
            if len(messages) >= MAX_MESSAGES:
                break
    found.images, found.failed = images, failed
    found.messages = [*messages][:MAX_MESSAGES]
    return found


def count_failed(journals: Sequence[Journal]) -> int:
    """Number of items that failed; a data set that no part could list is one."""
    failed = sum(journal.count(failed=True) for journal in journals)
    unlisted = [
        dataset
        for journal in journals
        for dataset in journal.datasets()
        if journal.find(dataset, _WHOLE_DATASET)
    ]
    return failed - len(unlisted) + len(set(unlisted))


def _messages(journals: Sequence[Journal]) -> list[str]:
    messages = dict.fromkeys(
        message for journal in journals for message in journal.errors(MAX_MESSAGES)
    )
    return [*messages][:MAX_MESSAGES]
