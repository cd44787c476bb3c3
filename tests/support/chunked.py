"""Runs in chunks on one project, at any kind of address, and what a local run makes of it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from savemasks.remote import Url
from savemasks.results.lock import HIDDEN
from savemasks.results.report import Summary
from savemasks.results.verify import Verification, verify
from savemasks.run.export import retry, run
from savemasks.run.options import Hooks, RunOptions
from support.projects import Project, annotation, picture, same
from support.resuming import LAYER
from support.s3 import download

NAME = "experiment001"


@dataclass
class Bench:
    """A project, and runs on it.

    Attributes
    ----------
    project
        What is exported; all is in two data sets.
    address
        Below it, results are made in chunks.
    base
        Folder of results that are made without.
    layer
        What is made.
    """

    project: Project
    address: str
    base: Path
    layer: Any = field(default_factory=lambda: LAYER)
    count: int = 0

    @classmethod
    def here(cls, project: Project, folder: Path) -> "Bench":
        """One with items, whose results are put at an address of this machine."""
        made = cls(project, f"file://{folder}/there", folder)
        made.fill()
        return made

    def fill(self, count: int = 30) -> None:
        """Add items to two data sets."""
        for number in range(count):
            self.add(f"{number:02}.png", "one" if number % 3 else "one/datasets/two")

    def add(self, name: str, dataset: str = "one") -> None:
        """Add an item, or change it."""
        self.count += 1
        self.project.put(f"{dataset}/img/{name}", picture(self.count))
        self.project.put(f"{dataset}/ann/{name}.json", annotation(tags=[self.count]))

    def spoil(self, name: str, dataset: str = "one") -> None:
        """Let an item fail."""
        self.project.put(f"{dataset}/ann/{name}.json", b"{")

    def remove(self, name: str, dataset: str = "one") -> None:
        """Remove an item."""
        for part in (f"img/{name}", f"ann/{name}.json"):
            (self.project.folder / dataset / part).unlink()

    def url(self, out: str = "out") -> Url:
        """The address of an output."""
        return Url.parse(f"{self.address}/{out}")

    def run(self, out: str = "out", hooks: Hooks | None = None, **options: Any) -> Summary:
        """Export in chunks."""
        chosen = RunOptions(**{"workers": 2} | options)
        return run(self.layer, [self.project.folder], self.url(out), chosen, hooks)

    def run_some(self, count: int, out: str = "out", **options: Any) -> Summary:
        """A run that is stopped when so many items are made."""
        stop = threading.Event()

        def on_progress(done: int, *_: int) -> None:
            if done >= count:
                stop.set()

        return self.run(out, Hooks(stop=stop, on_progress=on_progress), **{"workers": 1} | options)

    def retry(self, out: str = "out") -> Summary:
        """Export what failed once more."""
        return retry(self.url(out), RunOptions(workers=2))

    def verify(self, out: str = "out", tell: Callable[[str], None] | None = None) -> Verification:
        """Read all files again."""
        return verify(self.url(out), workers=2, on_damage=tell)

    def files(self, out: str = "out") -> dict[str, bytes]:
        """Every file of a result, those at its root too; the hidden folder is left out."""
        found = download(str(self.url(out) / NAME))
        return {name: data for name, data in found.items() if not name.startswith(HIDDEN)}

    def hidden(self, out: str = "out") -> list[str]:
        """Names of what is in the hidden folder."""
        found = download(str(self.url(out) / NAME))
        return sorted(name for name in found if name.startswith(HIDDEN))

    def local(self, **options: Any) -> dict[str, bytes]:
        """What a run makes that is not in chunks, of what the project is now."""
        self.count += 1
        folder = self.base / f"local{self.count}"
        run(self.layer, [self.project.folder], folder, RunOptions(**{"workers": 2} | options))
        return {
            path.relative_to(folder / NAME).as_posix(): path.read_bytes()
            for path in (folder / NAME).rglob("*")
            if path.is_file() and HIDDEN not in path.parts
        }

    def check(self, out: str = "out", **options: Any) -> None:
        """A result must be as a local run makes it, and verify finds no damage."""
        same(self.files(out), self.local(**options))
        told: list[str] = []
        assert self.verify(out, told.append).damaged == 0, told
