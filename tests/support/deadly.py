"""Items that kill the process that works on them; to be sent to workers."""

import multiprocessing
import os
import signal
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from savemasks.projects.items import Item


@dataclass(frozen=True, slots=True)
class DeadlyItem(Item):
    """Kills its worker.

    Attributes
    ----------
    marker
        A file that is made by the first death; with `once` there is no second one.
    litter
        A folder in which it leaves an unfinished file, or None.
    by
        The signal, or 0 to exit with code 7.
    """

    marker: Path = Path()
    once: bool = False
    by: int = signal.SIGKILL
    litter: Path | None = None

    def __reduce__(self) -> tuple[type[Item], tuple[object, ...]]:
        """Go to the worker as what it is."""
        return DeadlyItem, tuple(getattr(self, field.name) for field in fields(self))

    def __getattribute__(self, name: str) -> Any:
        """Die when a worker asks where the annotation is."""
        get = object.__getattribute__
        if name == "annotation" and multiprocessing.parent_process():
            marker = get(self, "marker")
            if not (get(self, "once") and marker.exists()):
                marker.touch()
                if litter := get(self, "litter"):
                    litter.mkdir(parents=True, exist_ok=True)
                    (litter / f".savemasks-{os.getpid()}-0.part").touch()
                if get(self, "by"):
                    os.kill(os.getpid(), get(self, "by"))
                os._exit(7)
        return get(self, name)
