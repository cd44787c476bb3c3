"""Galleries of results: every item becomes a row, a thumbnail and a label map."""

import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import OutputError, printable
from ..projects.locations import Location
from ..remote import Url
from ..run.options import Hooks
from ..system.hardware import usable_cores
from .contents import Contents, Entry, find_result_at, find_results
from .figures import Figures
from .in_order import results_in_order, results_of_processes
from .item_sources import opened_source
from .pictures_of_items import Has, Made, Maker
from .plots import plots_of
from .site import Site, is_gallery, texts, url_of

GALLERY = "gallery"
"""Folder of a gallery in its result."""

_Item = tuple[int, Entry]
"""A number and the item that has it."""

MANY = 200
"""Number of items for which it pays to start processes, which takes a second."""


_THREADS_PER_CORE = 4
"""Threads that wait for an object store most of the time."""


class _Workers(NamedTuple):
    """How many workers there are, and of which kind."""

    number: int
    are_processes: bool

    def make(
        self, maker: Maker, items: Iterator[_Item]
    ) -> Generator[tuple[_Item, Made], None, None]:
        """Yield items and what was made of them, in order."""
        if self.are_processes:
            return results_of_processes(maker.make_all, items, self.number)
        return results_in_order(lambda item: maker.make(*item), items, self.number)


def build_galleries(
    out: Location,
    to: Path | None = None,
    *,
    workers: int | None = None,
    processes: bool = False,
    hooks: Hooks | None = None,
) -> list[Path]:
    """Build the gallery of every result in a folder.

    Parameters
    ----------
    out
        The folder of a result, or one that results lie in; or the address of one.
    to
        Where to put galleries: that of a single result itself, those of several in folders below.
        By default each goes into the folder `gallery` of its result, which has to be on this
        machine then.
    workers
        Number of workers, or None for one per available core.
    processes
        Whether they are processes where there are many items; else they are threads. The caller's
        main module must then be importable, as for all of `multiprocessing`.
    hooks
        The caller's stop event and callbacks. If it stops, what was there stays as it was.

    Returns
    -------
    The pages to open.

    Raises
    ------
    OutputError
        If there is no result, a run is at work in it, or the gallery cannot be written.
    CrashError
        If a process dies.
    """
    hooks = hooks or Hooks()
    workers = workers or usable_cores()
    pages = []
    for root, target in _targets(out, to):
        with opened_source(root) as source:
            try:
                contents = Contents.open(root, source)
            except OutputError as error:
                raise OutputError(f"{printable(root)}: {error}") from error
            _check(target, contents)
            if _build(contents, target, _workers_for(contents, workers, processes), hooks):
                pages.append(target / "index.html")
    return pages


def _targets(out: Location, to: Path | None) -> list[tuple[Location, Path]]:
    """Results, and where the gallery of each goes; raises `OutputError`."""
    if isinstance(out, Url):
        out = out.folder or out
    if isinstance(out, Url):
        if to is None:
            raise OutputError(f"{out}: a gallery is put on this machine: --to DIR says where")
        return [(find_result_at(out), to)]
    roots = find_results(out)
    if to is None:
        return [(root, root / GALLERY) for root in roots]
    if len(roots) == 1:
        return [(roots[0], to)]
    return [(root, to / root.relative_to(out)) for root in roots]


def _workers_for(contents: Contents, number: int, processes: bool) -> _Workers:
    if isinstance(contents.root, Url):
        return _Workers(_THREADS_PER_CORE * number, are_processes=False)
    many = number > 1 and contents.source.count() >= MANY
    return _Workers(number, processes and many)


def _check(target: Path, contents: Contents) -> None:
    """Raise `OutputError` if a gallery must not be written there."""
    shown = printable(target)
    try:
        if target.exists() and not (target.is_dir() and not any(target.iterdir())):
            if not is_gallery(target):
                raise OutputError(
                    f"{shown}: is there and no gallery of savemasks; --to DIR takes another folder"
                )
            if any(dataset.split("/")[0] == GALLERY for dataset in contents.source.datasets):
                raise OutputError(f"{shown}: is also a data set; --to DIR takes another folder")
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{shown}: cannot be read: {error.strerror}") from error


def _build(contents: Contents, target: Path, workers: _Workers, hooks: Hooks) -> bool:
    """Build beside the target, then replace it; returns whether it came to its end."""
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        try:
            if not _fill(contents, Site(part), target, workers, hooks):
                return False
            _replace(target, part)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{printable(target)}: cannot be written: {error.strerror}; --to DIR names a folder"
            " that can"
        ) from error
    return True


def _replace(target: Path, part: Path) -> None:
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    part.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _fill(contents: Contents, site: Site, target: Path, workers: _Workers, hooks: Hooks) -> bool:
    maker = Maker(contents, site.folder)
    classes = contents.classes
    figures = Figures(texts([each.title for each in classes]))
    total = contents.source.count()
    found = 0
    tried = 0  # by the last run, or by earlier ones with the same settings
    if hooks.on_start:
        hooks.on_start()
    with closing(workers.make(maker, _numbered(contents, site))) as work:
        for (number, entry), made in work:
            if hooks.stop.is_set():
                return False
            if made.has & Has.FAILED:
                figures.failed += 1
            elif made.counts is not None:
                _count(figures, made)
            found = number + 1
            tried += not entry.is_due
            site.add_row(_row(entry, made))
            if hooks.on_progress:
                hooks.on_progress(found, figures.failed, max(total, found))
    site.finish(
        _index(contents, maker, figures, target, found), _page(contents, figures, found, tried)
    )
    return True


def _numbered(contents: Contents, site: Site) -> Iterator[_Item]:
    for number, entry in enumerate(contents.entries()):
        site.begin_items(number)
        yield number, entry


def _count(figures: Figures, made: Made) -> None:
    counts = made.counts or []
    figures.add(counts, made.height * made.width)
    for _, objects, pixels in counts:
        if objects:
            figures.add_sizes(pixels // objects, objects)


def _row(entry: Entry, made: Made) -> list[Any]:
    """What the page has to know: data set, name, size, counts, bits, and if needed more."""
    name = printable(entry.name)
    counts = [number for row in made.counts or () for number in row]
    row: list[Any] = [entry.dataset, name, made.width, made.height, counts, int(made.has)]
    file = entry.files.find("img")
    is_known = not made.has & Has.LINK or file == f"img/{name}"  # then the page knows the URL
    if made.problem is not None or not is_known:
        row.append(made.problem or "")
    if not is_known:
        row.append(url_of(file or ""))
    return row


def _index(
    contents: Contents, maker: Maker, figures: Figures, target: Path, total: int
) -> dict[str, Any]:
    root = contents.root
    base = str(root) if isinstance(root, Url) else os.path.relpath(root, target)
    table = maker.source.table
    return {
        "items": total,
        "datasets": [
            {"name": printable(dataset), "url": url_of(f"{base}/{dataset}")}
            for dataset in contents.source.datasets
        ],
        "classes": [
            [each.title, own.color, each.objects, each.images, each.pixels]
            for each, own in zip(figures.classes, contents.classes, strict=True)
        ],
        "values": [[value, classes] for value, classes in sorted(table.items())],
        "canvas": figures.canvas,
    }


def _page(contents: Contents, figures: Figures, total: int, tried: int) -> dict[str, Any]:
    colors = [each.color for each in contents.classes]
    bars, matrix = plots_of(figures, colors)
    return {
        "name": printable(contents.root.name),
        "total": total,
        "figures": figures,
        "bars": bars,
        "matrix": matrix,
        "is_whole": contents.source.is_whole,
        "missing_parts": contents.source.missing_parts,
        "wanted": contents.source.wanted,
        "missing": max(0, (contents.source.wanted or 0) - tried),
        "is_packed": contents.source.is_packed,
        "has_classes": bool(contents.classes),
    }
