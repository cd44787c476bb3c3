"""What a bucket's latency and a scheduler cost: the use of cores, with and without prefetching.

Usage::

    python benchmarks/cluster.py PROJECT [--latency MS] [--copies N] [--masks both|machine]

A project brings its settings in a `save_masks.json`. It is copied into a store that answers every
request after so many milliseconds, and is exported from there and to there by one worker on one
core. Then the same project is exported from disk to disk by one worker of a Dask cluster of this
machine, to see what the leading process and the scheduler take. What the figures mean: README.md
beside this file.
"""

import argparse
import asyncio
import json
import os
import resource
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import fsspec
from fsspec.asyn import AsyncFileSystem

from savemasks.layers.save_masks import SaveMasks
from savemasks.remote import Url
from savemasks.results.report import Summary
from savemasks.run import chunk_work, chunked
from savemasks.run.options import Hooks, RunOptions

if TYPE_CHECKING:
    from benchmarks.jobs import copy_project
else:
    from jobs import copy_project


class LateStore(AsyncFileSystem):  # type: ignore[misc]  # fsspec is not typed
    """A folder in memory as an object store that answers late, and takes nearly no time of a core.

    `requests` counts what was asked.
    """

    protocol = "late"
    cachable = True
    latency = 0.05
    requests = 0

    async def _wait(self) -> None:
        LateStore.requests += 1
        await asyncio.sleep(self.latency)

    async def _cat_file(self, path: str, *_: Any, **__: Any) -> bytes:
        await self._wait()
        return Path(path).read_bytes()

    async def _pipe_file(self, path: str, value: bytes, *_: Any, **__: Any) -> None:
        await self._wait()
        _put(path, value)

    async def _put_file(self, lpath: str, rpath: str, *_: Any, **__: Any) -> None:
        await self._wait()
        _put(rpath, Path(lpath).read_bytes())

    async def _get_file(self, rpath: str, lpath: str, *_: Any, **__: Any) -> None:
        await self._wait()
        Path(lpath).write_bytes(Path(rpath).read_bytes())

    async def _rm_file(self, path: str, *_: Any, **__: Any) -> None:
        await self._wait()
        os.unlink(path)

    async def _info(self, path: str, *_: Any, **__: Any) -> dict[str, Any]:
        await self._wait()
        return _described(path)

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:  # noqa: FBT001, FBT002
        await self._wait()
        found = [_described(entry.path) for entry in os.scandir(path)]
        return found if detail else [each["name"] for each in found]


def _described(path: str) -> dict[str, Any]:
    status = os.stat(path)
    kind = "directory" if os.path.isdir(path) else "file"
    return {"name": path, "size": status.st_size, "type": kind, "mtime": status.st_mtime_ns}


def _put(path: str, value: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_bytes(value)


class _AtOnce(ThreadPoolExecutor):
    """Does at once what it is given, so that nothing is fetched or put beside the work."""

    def submit(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        future = super().submit(function, *args, **options)
        future.result()
        return future


@contextmanager
def _without_prefetching() -> Iterator[None]:
    usual = chunk_work.ThreadPoolExecutor
    chunk_work.ThreadPoolExecutor = _AtOnce  # type: ignore[misc]
    try:
        yield
    finally:
        chunk_work.ThreadPoolExecutor = usual  # type: ignore[misc]


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("project", type=Path, metavar="PROJECT")
    parser.add_argument("--latency", type=float, default=50, help="milliseconds of a request [50]")
    parser.add_argument("--copies", type=int, default=20, help="of every data set [20]")
    parser.add_argument("--masks", choices=("both", "machine"), default="both")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    content = json.loads((options.project / "save_masks.json").read_bytes())
    content["settings"] |= {"masks_machine": True, "masks_human": options.masks == "both"}
    layer = SaveMasks.from_json(content)
    fsspec.register_implementation("late", LateStore)
    LateStore.latency = options.latency / 1000
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="cluster-", dir="/dev/shm") as folder:  # noqa: S108
        project = Path(folder, "project")
        copy_project(options.project, project, options.copies)
        print("| prefetching | images | seconds | use of the core | requests an image |")
        print("|---|---|---|---|---|")
        for number in range(options.rounds):
            _late(layer, project, Path(folder, f"with-{number}"), "yes")
            with _without_prefetching():
                _late(layer, project, Path(folder, f"without-{number}"), "no")
        _scheduled(layer, project, Path(folder, "cluster"))


def _late(layer: SaveMasks, project: Path, out: Path, name: str) -> None:
    """Export from and to the late store; print how busy the core was."""
    begun: list[tuple[float, float]] = []
    LateStore.requests = 0

    def on_start() -> None:
        begun.append((perf_counter(), process_time()))

    summary = _export(layer, f"late://{project}", f"late://{out}", Hooks(on_start=on_start))
    wall, busy = perf_counter() - begun[0][0], process_time() - begun[0][1]
    requests = LateStore.requests / summary.images
    print(f"| {name} | {summary.images} | {wall:.2f} | {100 * busy / wall:.0f} % | {requests:.1f} |")


def _scheduled(layer: SaveMasks, project: Path, out: Path) -> None:
    """Export by a cluster; print what leading and scheduling take of an image's work."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    used: list[float] = []

    def note() -> None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        used.append(usage.ru_utime + usage.ru_stime)

    summary = _export(layer, str(project), str(out), Hooks(on_start=note), cluster="local")
    note()
    leading = (used[1] - used[0]) / summary.images
    work = sum(summary.stations.values()) / summary.images
    print(
        f"\nscheduler and leading process: {1e6 * leading:.0f} microseconds an image, of"
        f" {1e3 * work:.2f} ms of work: {100 * leading / work:.1f} %"
    )


def _export(
    layer: SaveMasks, project: str, out: str, hooks: Hooks, cluster: str | None = None
) -> Summary:
    options = RunOptions(workers=1, cluster=cluster)
    places = [Url.parse(text) if "://" in text else Path(text) for text in (project, out)]
    return chunked.run_in_chunks(layer, places[:1], places[1], options, hooks)


if __name__ == "__main__":
    main()
