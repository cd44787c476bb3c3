"""What a run did: totals in memory, items streamed to a JSON report."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from .errors import ItemError, OutputError
from .export import Outcome

_KEPT_FAILURES = 1000


@dataclass(slots=True)
class Summary:
    """Totals of a run.

    Attributes
    ----------
    images, failed
        Items exported, and items that could not be.
    seconds, startup_seconds
        Wall time from the first item read to the last file written; and that before it, for
        loading the kernels.
    pixels
        Pixels of the exported items' canvases.
    stations
        Seconds per station, added up over all workers.
    geometries, unsupported
        Objects by geometry, and those that this version does not paint.
    failures
        "file: what is wrong" of the first thousand failed items.
    warnings
        What the user should know although nothing failed.
    interrupted, stopped
        Whether Ctrl-C, or the first failure under `on_error="stop"`, ended the run early.
    """

    out: Path
    images: int = 0
    failed: int = 0
    seconds: float = 0.0
    startup_seconds: float = 0.0
    pixels: int = 0
    stations: Counter[str] = field(default_factory=Counter)
    geometries: Counter[str] = field(default_factory=Counter)
    unsupported: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    interrupted: bool = False
    stopped: bool = False

    def add(self, outcome: Outcome) -> None:
        """Count one item."""
        for station, seconds in outcome.seconds.items():
            self.stations[station] += seconds  # type: ignore[assignment]  # a Counter of floats
        if outcome.error is not None:
            self.add_failure(explain(outcome.error, outcome.item.image))
            return
        self.images += 1
        self.pixels += outcome.pixels
        self.geometries.update(outcome.geometries)
        self.unsupported.update(outcome.unsupported)

    def add_failure(self, text: str) -> None:
        """Count one failure."""
        self.failed += 1
        if len(self.failures) < _KEPT_FAILURES:
            self.failures.append(text)

    @property
    def images_per_s(self) -> float:
        """Exported items per second of wall time."""
        return self.images / self.seconds if self.seconds > 0 else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the totals as the report has them."""
        return {
            "images": self.images,
            "failed": self.failed,
            "seconds": round(self.seconds, 4),
            "startup_seconds": round(self.startup_seconds, 4),
            "images_per_s": round(self.images_per_s, 3),
            "megapixels": round(self.pixels / 1e6, 3),
            "stations": {k: round(v, 4) for k, v in self.stations.items()},
            "objects": dict(sorted(self.geometries.items())),
            "unsupported_objects": dict(sorted(self.unsupported.items())),
            "warnings": [printable(w) for w in self.warnings],
            "interrupted": self.interrupted,
            "stopped": self.stopped,
            "out": printable(self.out),
        }


def explain(error: Exception, source: str | None) -> str:
    """One line that names the file and says what is wrong with it."""
    if isinstance(error, ItemError):
        return printable(error)
    return printable(f"{source}: unexpected {type(error).__name__}: {error}")


def printable(text: object) -> str:
    r"""Text that any terminal and JSON take: bytes that are no UTF-8 as \xNN, controls escaped."""
    clean = os.fsencode(str(text)).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in clean)


class ReportWriter:
    """Writes the report item by item, so that memory does not grow with the run.

    It appears under its name when it is complete; with `path` None nothing is written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._separator = b""
        if path is None:
            return
        self._unfinished = path.with_name(f".savemasks-{os.getpid()}-report.part")
        try:
            self._file = self._unfinished.open("xb")
            self._file.write(b'{"items":[')
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error

    def add(self, outcome: Outcome) -> None:
        """Write one item."""
        item, error = outcome.item, outcome.error
        entry: dict[str, Any] = {"dataset": printable(item.dataset), "name": printable(item.name)}
        if error is None:
            entry["outputs"] = [printable(name) for name in outcome.outputs]
        else:
            entry["error"] = {
                "kind": getattr(error, "kind", "unexpected"),
                "message": explain(error, item.image),
                "file": printable(getattr(error, "file", None) or item.image),
                "object": getattr(error, "object_index", None),
            }
        self._add(entry)

    def add_failure(self, name: str, message: str) -> None:
        """Write a failure that belongs to no item, as a folder that cannot be listed."""
        error = {"kind": "project", "message": message, "file": name, "object": None}
        self._add({"dataset": name, "name": None, "error": error})

    def _add(self, entry: dict[str, Any]) -> None:
        if self._path is not None:
            self._file.write(self._separator + b"\n" + orjson.dumps(entry))
            self._separator = b","

    def finish(self, summary: Summary) -> None:
        """Add the totals and put the report in its place."""
        if self._path is not None:
            self._file.write(b"\n]," + orjson.dumps(summary.as_json())[1:] + b"\n")
            self._file.close()
            self._unfinished.replace(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._path is not None:
            self._file.close()
            self._unfinished.unlink(missing_ok=True)
