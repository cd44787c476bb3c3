"""What a run that goes on found and left: totals, times of files, rows of the journal."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from savemasks.layers.save_masks import SaveMasks
from savemasks.results.lock import HIDDEN
from savemasks.results.report import Summary
from support.projects import files, layer

LAYER = SaveMasks.from_json(layer())
Again = Callable[..., Summary]


def done(summary: Summary) -> tuple[int, int, int, int]:
    return summary.images, summary.failed, summary.skipped, summary.vanished


def times(folder: Path) -> dict[str, int]:
    """When each file was made."""
    return {name: (folder / name).stat().st_mtime_ns for name in files(folder)}


def journal(out: Path) -> dict[str, dict[str, Any]]:
    """Rows of the journal by data set and name, as plain SQL shows them."""
    with sqlite3.connect(out / HIDDEN / "journal.sqlite") as database:
        database.row_factory = sqlite3.Row
        rows = database.execute("SELECT * FROM items JOIN datasets ON number = dataset").fetchall()
    database.close()
    return {f"{os.fsdecode(row['output'])}/{os.fsdecode(row['name'])}": dict(row) for row in rows}


def touch(path: Path) -> None:
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
