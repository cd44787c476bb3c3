"""What the caller of a run chooses, and where the caller is called back.

The command line, `savemasks.export`, `retry` and `check` share these two objects, so that an option
has one name, one type and one default. Importing this module loads nothing heavy.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..projects.parts import Part
from ..remote import Url
from ..system.hardware import usable_cores

if TYPE_CHECKING:
    from ..line.job import OnCompile, PackRules
    from .starting import Starter

OnError = Literal["skip", "stop"]
OnProgress = Callable[[int, int, int], None]
"""Called with the number of items done, of those that failed, and of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run works. What it makes is the layer's business.

    Attributes
    ----------
    workers
        Number of workers, or None for one per available core.
    processes
        Whether workers are processes, of which one may crash without harm to the others, instead
        of threads of this process. The caller's main module must then be importable, as for all of
        `multiprocessing`. In a forked child they are processes in any case, and it need not be.
    memory
        Bytes that all workers together may use for large pictures, or None for half of what the
        machine or its control group has.
    link
        Make hard links to images and annotations instead of copies, where the file system can.
    durable
        Call an item done only when the disk holds its files, so that even a loss of power loses
        nothing.
    restart
        Make everything anew, also with other arguments, and replace what is there.
    force
        Accept an output folder with foreign files, which are then never replaced.
    only_failed
        Do only what the journal knows to have failed; `retry` sets this.
    on_error
        "skip" goes on after an item that fails, "stop" ends the run; what is done stays.
    max_errors
        End the run when this number of items has failed, or None for no limit.
    report
        Where to write a JSON report, or None for no report.
    pack
        How to pack the result into archives, or None for a tree of files.
    part
        Which part of a run this is, whose other parts other jobs do, or None for the whole.
    cluster
        The address of a Dask scheduler whose workers do the work, "local" for one of this machine,
        or None for no cluster.
    """

    workers: int | None = None
    processes: bool = False
    memory: int | None = None
    link: bool = False
    durable: bool = False
    restart: bool = False
    force: bool = False
    only_failed: bool = False
    on_error: OnError = "skip"
    max_errors: int | None = None
    report: Path | None = None
    pack: "PackRules | None" = None
    part: Part | None = None
    cluster: str | None = None

    @property
    def worker_count(self) -> int:
        """Number of workers."""
        return self.workers or usable_cores()

    @property
    def failure_limit(self) -> int | None:
        """Number of failed items that ends the run, or None for no limit."""
        return 1 if self.on_error == "stop" else self.max_errors


DEFAULT_OPTIONS = RunOptions()


def goes_in_chunks(projects: Iterable[Path | Url], out: Path | Url, options: RunOptions) -> bool:
    """Whether a run goes in chunks, with marks instead of a journal."""
    return options.cluster is not None or any(isinstance(each, Url) for each in (*projects, out))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The caller's side of a run: how to end the run, and callbacks.

    Attributes
    ----------
    stop
        Once it is set, the items in progress are finished and the run ends. Ctrl-C does the same
        where nobody handles it otherwise.
    on_progress
        Called after every item, or None. What it raises ends the run.
    on_start
        Called when the kernels are ready and the first item is about to be read, or None.
    starter
        Has started the first process of the workers already, or None.
    on_compile
        Called with the numbers of parts done and in all while kernels are compiled, or None.
    on_note
        Called with what the user should know while the run goes on, as where a cluster is looked
        at, or None.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    on_progress: OnProgress | None = None
    on_start: Callable[[], None] | None = None
    on_compile: "OnCompile | None" = None
    starter: "Starter | None" = None
    on_note: Callable[[str], None] | None = None
