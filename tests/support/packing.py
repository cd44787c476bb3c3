"""Packed results: many small items, what their shards are, and what must be in them."""

import tarfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import PackKind, PackRules
from savemasks.results.lock import HIDDEN
from savemasks.results.report import Summary
from savemasks.run.export import retry, run
from savemasks.run.options import Hooks, RunOptions
from support.projects import Project, annotation, layer, picture

LAYER = SaveMasks.from_json(layer())
NAME = "experiment001"


def shards(out: Path) -> dict[str, bytes]:
    """All that lies open in a packed result."""
    root = out / NAME if (out / NAME).exists() else out
    return {path.name: path.read_bytes() for path in sorted(root.iterdir()) if path.name != HIDDEN}


def hidden(out: Path) -> list[str]:
    """What lies in the hidden folder besides journal, lock and log."""
    return sorted(
        path.name
        for path in (out / NAME / HIDDEN).iterdir()
        if ".part" in path.name or path.name.startswith("spool-")
    )


def members(content: Path | list[Path]) -> dict[str, bytes]:
    """Names and contents of the members of shards; none may be there twice."""
    found: dict[str, bytes] = {}
    for path in content if isinstance(content, list) else [content]:
        with tarfile.open(path, errors="surrogateescape") as archive:
            for info in archive:
                file = archive.extractfile(info)
                assert file is not None
                assert info.name not in found
                found[info.name] = file.read()
    return found


@dataclass
class Bench:
    """A project of many items, and runs on it that pack.

    Attributes
    ----------
    project
        Its images are in two data sets.
    base
        Folder of the outputs.
    kind, items, size
        How the results are packed.
    """

    project: Project
    base: Path
    kind: PackKind = "webdataset"
    items: int | None = 4
    size: int | None = None
    count: int = field(default=0)

    def fill(self, count: int = 18) -> None:
        """Add items to two data sets."""
        for number in range(count):
            self.add(f"{number:02}.png", "one" if number % 3 else "two")

    def add(self, name: str, dataset: str = "one") -> None:
        """Add an item, or change it."""
        self.count += 1
        self.project.put(f"{dataset}/img/{name}", picture(self.count))
        self.project.put(f"{dataset}/ann/{name}.json", annotation(tags=[self.count]))

    def remove(self, name: str, dataset: str = "one") -> None:
        """Remove an item."""
        for part in (f"img/{name}", f"ann/{name}.json"):
            (self.project.folder / dataset / part).unlink()

    @property
    def rules(self) -> PackRules:
        """How to pack."""
        return PackRules(self.kind, self.items, self.size)

    def run(self, out: str = "out", hooks: Hooks | None = None, **options: Any) -> Summary:
        """Export, packed unless options say otherwise."""
        given: dict[str, Any] = {"workers": 2, "pack": self.rules} | options
        chosen = RunOptions(**given)
        return run(LAYER, [self.project.folder], self.base / out, chosen, hooks)

    def retry(self, out: str = "out") -> Summary:
        """Export what failed once more."""
        return retry(self.base / out, RunOptions(workers=2))

    def run_some(self, count: int, out: str = "out", **options: Any) -> Summary:
        """A run that is stopped after so many items that it makes."""
        stop = threading.Event()

        def on_progress(done: int, *_: int) -> None:
            if done >= count:
                stop.set()

        return self.run(out, Hooks(stop=stop, on_progress=on_progress), **options)

    def fresh(self) -> dict[str, bytes]:
        """The shards of an undisturbed run on what the project is now."""
        self.count += 1
        name = f"fresh{self.count}"
        self.run(name)
        assert not hidden(self.base / name)
        return shards(self.base / name)

    def check(self, out: str = "out") -> dict[str, bytes]:
        """An output must be as that of an undisturbed run; returns it."""
        found, expected = shards(self.base / out), self.fresh()
        assert [*found] == [*expected]
        assert [name for name in found if found[name] != expected[name]] == []
        assert not hidden(self.base / out)
        return found
