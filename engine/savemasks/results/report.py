"""Totals of a run in memory, and its items streamed to a JSON report and an error log."""

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from .. import jsontext
from ..errors import ItemError, OutputError, printable
from ..line.job import Outcome
from ..projects.items import Item
from .notes import count_findings

_MAX_FAILURES = 1000
_COUNTERS = (
    "stations",
    "geometries",
    "unsupported",
    "unknown_classes",
    "unread_formats",
    "missing_edges",
)


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that could not be exported; as text, the line that is printed.

    Attributes
    ----------
    dataset, name
        Where the item belongs; the name is None if a whole data set failed.
    kind
        "folder", "annotation", "image", "write", "crash" or, for a mistake of this package,
        "unexpected".
    message
        What is wrong and, where that helps, what would be right.
    file
        The file that is to blame.
    object
        Position of the guilty object in the annotation's list, or None.
    line
        File, object and message in one line.
    """

    dataset: str
    name: str | None
    kind: str
    message: str
    file: str | None
    object: int | None
    line: str = field(repr=False)

    def __str__(self) -> str:
        return self.line

    @classmethod
    def of(cls, error: Exception, item: Item) -> Self:
        """Describe an error of an item."""
        described = describe(error, item)
        line = described.pop("message")
        message = error.message if isinstance(error, ItemError) else line
        return cls(**_identify(item), **described, message=printable(message), line=line)


@dataclass(slots=True)
class Summary:
    """Totals of a run.

    Attributes
    ----------
    out
        The folder of the result; of several results, the output folder that holds them.
    results
        The folder of every result.
    images, failed
        Items exported, and items that could not be.
    seconds, startup_seconds
        Wall time from the first item read to the last file written, and the time before it, in
        which kernels are loaded.
    pixels
        Pixels of the exported items' canvases.
    stations
        Seconds per station, summed over all workers; encoding includes colouring.
    geometries, unsupported
        Objects by geometry, and those that this version does not paint.
    unknown_classes
        Objects of classes that neither the layer nor meta.json names, by title; of the first
        thousand titles.
    blank_images
        Images with such objects that have nothing to paint, so that their masks are all background.
    unread_formats
        Pictures that were copied though this installation cannot read them, by format.
    missing_edges
        Graphs that were painted as nodes alone, because meta.json has no edges of their class.
    failures
        The first thousand failed items; the text of each is "file: what is wrong".
    warnings
        Messages to the user that are not failures.
    skipped
        Items that an earlier run had finished.
    vanished
        Items that an earlier run had finished and whose files are gone from the project; their
        results stay.
    report_problem, journal_problem, legend_problem
        Why the report, the journal or a legend could not be written, or None.
    error_logs
        The file of every result that has a line of JSON for each item that fails.
    interrupted, stopped
        Whether Ctrl-C, or as many failures as are allowed, ended the run early.

    Examples
    --------
    >>> import savemasks
    >>> summary = savemasks.export(project, out, layer, workers=1)
    >>> summary.images, summary.failures
    (6, [])
    """

    out: Path | Any  # a `Url` if asked for: who wants folders need not look for addresses
    results: tuple[Path | Any, ...] = ()
    images: int = 0
    failed: int = 0
    seconds: float = 0.0
    startup_seconds: float = 0.0
    pixels: int = 0
    stations: Counter[str] = field(default_factory=Counter)
    geometries: Counter[str] = field(default_factory=Counter)
    unsupported: Counter[str] = field(default_factory=Counter)
    unknown_classes: Counter[str] = field(default_factory=Counter)
    blank_images: int = 0
    unread_formats: Counter[str] = field(default_factory=Counter)
    missing_edges: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    interrupted: bool = False
    stopped: bool = False
    skipped: int = 0
    vanished: int = 0
    report_problem: str | None = None
    journal_problem: str | None = None
    legend_problem: str | None = None
    error_logs: tuple[Path | Any, ...] = ()

    def add(self, outcome: Outcome) -> None:
        """Add the outcome of one item."""
        stations: dict[str, float] = self.stations  # type: ignore[assignment]  # a Counter of floats
        for station, seconds in outcome.seconds.items():
            stations[station] += seconds  # a Counter has 0 of what it does not have
        if outcome.error is not None:
            self.failed += 1
            if len(self.failures) < _MAX_FAILURES:
                self.failures.append(Failure.of(outcome.error, outcome.item))
            return
        self.images += 1
        self.pixels += outcome.pixels
        for geometry, number in outcome.geometries.items():
            self.geometries[geometry] += number
        count_findings(self, outcome)

    def merge(self, other: "Summary") -> None:
        """Add the totals of other items of the same run."""
        self.images += other.images
        self.failed += other.failed
        self.pixels += other.pixels
        self.blank_images += other.blank_images
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        self.failures += other.failures[: _MAX_FAILURES - len(self.failures)]

    @property
    def problems(self) -> list[str]:
        """What could not be written, each reason once: that of the journal may end more than it."""
        found = self.report_problem, self.journal_problem, self.legend_problem
        return [*dict.fromkeys(filter(None, found))]

    @property
    def images_per_s(self) -> float:
        """Exported items per second of wall time."""
        return self.images / self.seconds if self.seconds > 0 else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the totals as the report has them."""
        return {
            "images": self.images,
            "failed": self.failed,
            "skipped": self.skipped,
            "vanished": self.vanished,
            "seconds": round(self.seconds, 4),
            "startup_seconds": round(self.startup_seconds, 4),
            "images_per_s": round(self.images_per_s, 3),
            "megapixels": round(self.pixels / 1e6, 3),
            "stations": {k: round(v, 4) for k, v in self.stations.items()},
            "objects": dict(sorted(self.geometries.items())),
            "unsupported_objects": dict(sorted(self.unsupported.items())),
            "unknown_class_objects": {
                printable(title): n for title, n in sorted(self.unknown_classes.items())
            },
            "blank_images": self.blank_images,
            "unread_formats": dict(sorted(self.unread_formats.items())),
            "warnings": [printable(w) for w in self.warnings],
            "interrupted": self.interrupted,
            "stopped": self.stopped,
            "out": printable(self.out),
        }


def _source(item: Item) -> str | None:
    return item.image or item.annotation


def explain(error: Exception, source: str | None) -> str:
    """Return one line that names the file and says what is wrong with it."""
    if isinstance(error, ItemError):
        return printable(error)
    return printable(f"{source}: unexpected {type(error).__name__}: {error}")


def describe(error: Exception, item: Item) -> dict[str, Any]:
    """Return an error as reports and journals have it."""
    return {
        "kind": getattr(error, "kind", "unexpected"),
        "message": explain(error, _source(item)),
        "file": printable(getattr(error, "file", None) or _source(item)),
        "object": getattr(error, "object_index", None),
    }


def _identify(item: Item) -> dict[str, Any]:
    name = printable(item.name) if item.name else None
    return {"dataset": printable(item.dataset), "name": name}


def report_entry(outcome: Outcome, folders: Sequence[str] = ("",)) -> bytes:
    """What a report says of an item; `folders` precede the names of its files, place by place."""
    entry = _identify(outcome.item)
    if outcome.error is None:
        places = range(len(outcome.written))
        entry["outputs"] = [
            printable(folder + name)
            for place, folder in zip(places, folders, strict=False)
            for name in outcome.outputs(place)
        ]
    else:
        entry["error"] = describe(outcome.error, outcome.item)
    return orjson.dumps(entry)


def error_entry(outcome: Outcome, dataset: str) -> bytes:
    """What an error log says of an item that failed; `dataset` is where it belongs in a result."""
    assert outcome.error is not None
    place = {"dataset": printable(dataset)}
    entry = _identify(outcome.item) | place | describe(outcome.error, outcome.item)
    return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)


class ErrorLog:
    """A file with a line of JSON for every item that fails, as soon as it fails.

    If it cannot be written, `problem` says why, and the run goes on.
    """

    def __init__(self, path: Path) -> None:
        self.problem: str | None = None
        self.path = path
        self._file: FileIO | None = None
        try:
            self._file = FileIO(path, "wb")
        except OSError as error:
            self._fail(error)

    def add(self, outcome: Outcome, dataset: str) -> None:
        """Write a line for an item that failed; `dataset` is where it belongs in this result."""
        self.add_entry(error_entry(outcome, dataset))

    def add_entry(self, line: bytes) -> None:
        """Write a line that `error_entry` has made."""
        if self._file is None or self.problem:
            return
        try:
            while line:  # a full disk takes a part, and refuses the next
                line = line[self._file.write(line) :]
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _fail(self, error: OSError) -> None:
        self.problem = f"{printable(self.path)}: cannot be written: {error.strerror}"


class ReportWriter:
    """Writes the report item by item, so that memory does not grow with the run.

    The file gets its name when it is complete; if `path` is None, nothing is written. If writing
    fails on the way, `problem` says why, and the run goes on.
    """

    def __init__(self, path: Path | None) -> None:
        self.problem: str | None = None
        self._path = path
        self._unfinished: Path | None = None
        self._file: FileIO | None = None
        self._separator = b""
        if path is None:
            return
        try:
            if path.exists() and not path.is_file():
                # A pipe or a terminal: nothing to replace.
                self._file = FileIO(path, "wb")
            else:
                self._unfinished = path.with_name(f".savemasks-{secrets.token_hex(8)}.part")
                self._file = FileIO(self._unfinished, "xb")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
        self._write(b'{"items":[')

    @property
    def is_open(self) -> bool:
        """Whether there is a report to write to."""
        return self._file is not None

    def add(self, outcome: Outcome, folders: Sequence[str] = ("",)) -> None:
        """Write one item; `folders` precede the names of its files, place by place."""
        self.add_entry(report_entry(outcome, folders))

    def add_entry(self, entry: bytes) -> None:
        """Write what `report_entry` says of one item."""
        self._write(self._separator + b"\n" + entry)
        self._separator = b","

    def finish(self, summary: Summary) -> None:
        """Write the totals and give the report its name; a failure goes into the summary."""
        # A geometry's name may hold half a character.
        self._write(b"\n]," + jsontext.dump(summary.as_json())[1:] + b"\n")
        if self._file is not None:
            try:
                self._file.close()
                if self._unfinished and self._path and not self.problem:
                    self._unfinished.replace(self._path)
            except OSError as error:
                self._fail(error)
        if self.problem:
            summary.report_problem = self.problem

    def _write(self, data: bytes) -> None:
        if self._file is not None and self.problem is None:
            try:
                rest = memoryview(data)
                while rest:  # a full disk takes a part, and refuses the next
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        """Note why the report cannot be written; the run goes on."""
        self.problem = f"{printable(self._path)}: cannot be written: {error.strerror}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
        if self._unfinished is not None:
            self._unfinished.unlink(missing_ok=True)
