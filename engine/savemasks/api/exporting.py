"""`export`: whole projects, for programs that call the engine."""

import os
import threading
from collections.abc import Iterable, Sequence
from operator import index
from pathlib import Path
from typing import Any, cast, get_args, overload

from ..errors import OutputError, ProjectError
from ..layers.graph import Graph
from ..layers.save import Save
from ..layers.save_masks import SaveMasks
from ..line.job import PackKind, PackRules
from ..projects.locations import Location, as_path, location_of
from ..projects.parts import Part
from ..remote import Url
from ..results.report import Summary
from ..run.export import run
from ..run.options import Hooks, OnError, OnProgress, RunOptions
from .arguments import check_layer

Folder = str | os.PathLike[str]


@overload
def export(
    projects: Folder | Sequence[Folder],
    out: Folder,
    layer: SaveMasks | Save,
    *,
    workers: int | None = None,
    on_error: OnError = "skip",
    link: bool = False,
    restart: bool = False,
    report: Folder | None = None,
    pack: PackKind | None = None,
    pack_items: int | None = None,
    pack_size: int | None = None,
    part: tuple[int, int] | None = None,
    cluster: str | None = None,
    on_progress: OnProgress | None = None,
    stop: threading.Event | None = None,
) -> Summary: ...


@overload
def export(
    graph: Graph,
    projects: Folder | Sequence[Folder],
    out: Folder,
    *,
    workers: int | None = None,
    on_error: OnError = "skip",
    link: bool = False,
    restart: bool = False,
    report: Folder | None = None,
    pack: PackKind | None = None,
    pack_items: int | None = None,
    pack_size: int | None = None,
    part: tuple[int, int] | None = None,
    cluster: str | None = None,
    on_progress: OnProgress | None = None,
    stop: threading.Event | None = None,
) -> Summary: ...


def export(*arguments: Any, **options: Any) -> Summary:
    """Export whole projects, as `savemasks run` does, by threads of this process.

    `export(projects, out, layer)` takes all data sets of some projects through one layer.
    `export(graph, projects, out)` takes those that the graph's data layers name through all of its
    layers; each sink gets a folder of its own below `out`.

    The same call again goes on where an earlier one ended: items that are finished are left as they
    are, unless their image or annotation has changed. What happens is logged under the name
    "savemasks", failed items as warnings.

    Parameters
    ----------
    projects
        One Supervisely project, or several: folders, archives, or addresses that fsspec knows, as
        "s3://bucket/project". The data layers of a graph find theirs by the names of these.
    out
        Output folder, or its address, outside of the projects; `out / layer.dst` must not exist, be
        empty, or be of an earlier export of these projects with the same settings.
    layer, graph
        What to make.
    workers
        How many items to work on at once; by default one per available core.
    on_error
        "skip" goes on after an item that fails, "stop" ends the run; what is done stays.
    link
        Put hard links to images and annotations instead of copies, where the file system can.
    restart
        Make everything anew, also with other settings; what is there is replaced.
    report
        Where to write a JSON report, or None.
    pack
        "webdataset" writes archives of samples, in which the files of an image lie side by side
        under one key, for `samples` and training loops; "tar" the tree of files in archives. By
        default, there are no archives.
    pack_items
        The most images of an archive; by default 1000 of samples, unless `pack_size` is given.
    pack_size
        The most bytes of an archive, unless a single image has more.
    part
        Which part of the items to export, as (2, 3) for the second of three; other jobs may export
        the others, at once, to the same `out`. By default, all.
    cluster
        The address of a Dask scheduler, such as "tcp://scheduler:8786", whose workers do the work;
        "local" starts workers on this machine. By default, there is no cluster.
    on_progress
        Called in this thread after every item with how many are done, how many of these failed,
        and of how many. What it raises ends the export.
    stop
        Once another thread sets it, what is under way is finished and the export returns; its
        summary says `interrupted`.

    Returns
    -------
    Summary
        Totals, failures and warnings.

    Raises
    ------
    ConfigError, ProjectError, OutputError
        Before anything is written.
    TypeError, ValueError
        If an argument is of the wrong kind, there is no project, or a number is less than 1.
    KeyboardInterrupt
        On Ctrl-C, after what was under way; what is finished is whole.

    Examples
    --------
    >>> import savemasks
    >>> summary = savemasks.export(project, out, layer, workers=1)
    >>> summary.images, summary.failed
    (6, 0)
    """
    is_graph = "graph" in options or (bool(arguments) and isinstance(arguments[0], Graph))
    return (_export_graph if is_graph else _export_layer)(*arguments, **options)


def _export_layer(
    projects: Folder | Sequence[Folder],
    out: Folder,
    layer: SaveMasks | Save,
    **options: Any,
) -> Summary:
    if isinstance(layer, Graph):
        raise TypeError("a graph comes first: export(graph, projects, out)")
    check_layer(layer)
    return _export_graph(Graph.of_layer(layer), projects, out, **options)


def _export_graph(
    graph: Graph,
    projects: Folder | Sequence[Folder],
    out: Folder,
    *,
    workers: int | None = None,
    on_error: OnError = "skip",
    link: bool = False,
    restart: bool = False,
    report: Folder | None = None,
    pack: PackKind | None = None,
    pack_items: int | None = None,
    pack_size: int | None = None,
    part: tuple[int, int] | None = None,
    cluster: str | None = None,
    on_progress: OnProgress | None = None,
    stop: threading.Event | None = None,
) -> Summary:
    folders = _folders(projects)
    if isinstance(workers, bool):
        raise TypeError(f"workers must be a number of threads or None, not {workers}")
    if workers is not None and index(workers) < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    if on_progress is not None and not callable(on_progress):
        raise TypeError(f"on_progress must be callable, not {type(on_progress).__name__}")
    if on_error not in {"skip", "stop"}:
        raise ValueError(f'on_error must be "skip" or "stop", not {on_error!r}')
    if cluster is not None and not isinstance(cluster, str):
        raise TypeError(f"cluster must be an address or None, not {type(cluster).__name__}")
    if cluster == "":
        raise ValueError("cluster must be an address or None, not an empty text")
    if stop is not None and not callable(getattr(stop, "is_set", None)):
        raise TypeError(f"stop must be a threading.Event, not {type(stop).__name__}")
    interrupt = _Interrupt(stop)
    options = RunOptions(
        workers=workers,
        on_error=on_error,
        link=link,
        restart=restart,
        report=None if report is None else _report(report),
        pack=_rules(pack, pack_items, pack_size),
        part=None if part is None else _part(part),
        cluster=cluster,
    )
    where = _location(out, "out", OutputError)
    try:
        summary = run(
            graph, folders, where, options, Hooks(stop=interrupt, on_progress=on_progress)
        )
    except KeyboardInterrupt:
        if stop is None or not stop.is_set():
            raise
        summary = Summary(out=where, interrupted=True)  # when archives were read
    if interrupt.is_by_ctrl_c:
        raise KeyboardInterrupt
    return summary


def _rules(kind: object, items: int | None, size: int | None) -> PackRules | None:
    for name, limit in (("pack_items", items), ("pack_size", size)):
        if limit is None:
            continue
        if kind is None:
            raise ValueError(f"{name} is for pack, which is None")
        if isinstance(limit, bool):
            raise TypeError(f"{name} must be a number or None, not {limit}")
        if index(limit) < 1:
            raise ValueError(f"{name} must be at least 1, not {limit}")
    if kind is None:
        return None
    if kind not in get_args(PackKind):
        raise ValueError(f'pack must be "tar", "webdataset" or None, not {kind!r}')
    # They may be numbers of NumPy, which JSON does not know.
    plain = (limit if limit is None else index(limit) for limit in (items, size))
    return PackRules.of(cast("PackKind", kind), *plain)


def _part(part: object) -> Part:
    problem = f"part must be two numbers, as (2, 3) for the second of three, or None: {part!r}"
    if isinstance(part, str | bytes) or not isinstance(part, Sequence):
        raise TypeError(problem)
    if len(part) != 2 or any(isinstance(each, bool) for each in part):
        raise ValueError(problem)
    return Part.of(index(part[0]), index(part[1]))


# What Python says of wrong arguments names the public function.
for _function in (_export_layer, _export_graph):
    _function.__name__ = _function.__qualname__ = "export"


class _Interrupt(threading.Event):
    """Set by Ctrl-C, or by the event of the caller, which is only looked at."""

    def __init__(self, callers: threading.Event | None) -> None:
        super().__init__()
        self._callers = callers

    @property
    def is_by_ctrl_c(self) -> bool:
        return super().is_set()

    def is_set(self) -> bool:
        return super().is_set() or (self._callers is not None and self._callers.is_set())


def _folders(projects: object) -> list[Location]:
    if isinstance(projects, str | bytes | os.PathLike | Url):
        return [_location(projects, "projects", ProjectError)]
    if not isinstance(projects, Iterable):
        name = type(projects).__name__
        raise TypeError(
            "projects must be a folder or several, each a str or a Path:"
            f" {name!r} object is not iterable"
        )
    folders = [_location(folder, "projects", ProjectError) for folder in projects]
    if not folders:
        raise ValueError("there must be at least one project to export")
    return folders


def _location(
    place: object, name: str, error_type: type[ProjectError] | type[OutputError]
) -> Location:
    """Path or address of a caller; `name` is that of the argument."""
    if isinstance(place, str | os.PathLike | Url):
        return location_of(place, name, error_type)
    hint = ", as os.fsdecode makes it" if isinstance(place, bytes) else ""
    raise TypeError(f"{name} must be a str or a Path{hint}, not {type(place).__name__}")


def _report(report: object) -> Path:
    """Path of the report."""
    path = as_path(_location(report, "report", OutputError))
    if isinstance(path, Url):
        raise OutputError(f"{path}: is an address; a report is a file of this machine")
    return path
