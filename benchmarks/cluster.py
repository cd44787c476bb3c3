"""How busy workers are when every request takes its time, and what scheduling costs.

Usage::

    python benchmarks/cluster.py PROJECT [--copies N] [--workers N] [--latency SECONDS]

A project brings its settings in a `save_masks.json`. It is put into a bucket on a server of this
machine, in front of which another one makes every request slower; the server takes a core for
itself. A store that only waits shows what latency alone does. What the figures mean: README.md
beside this file.
"""

import argparse
import importlib
import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from time import process_time
from typing import TYPE_CHECKING, Any, Self
from unittest.mock import patch

import fsspec

from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import Flow, Inlet, Job
from savemasks.remote import Url
from savemasks.results.report import Summary
from savemasks.run.export import run
from savemasks.run.in_chunks import chunk_work
from savemasks.run.in_chunks.chunks import VERSION, Chunk, Work
from savemasks.run.options import RunOptions

if TYPE_CHECKING:
    from benchmarks.jobs import copy_project
    from benchmarks.late_store import LateStore

    from support.s3 import new_bucket, s3_server, upload, used
    from support.slow_s3 import requests, slow_s3
else:
    from jobs import copy_project
    from late_store import LateStore

    tests = str(Path(__file__).parents[1] / "tests")
    sys.path.append(tests)
    os.environ["PYTHONPATH"] = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
    from support.s3 import new_bucket, s3_server, upload, used
    from support.slow_s3 import requests, slow_s3

_AHEAD, _BEFORE = "fetched while others are made", "fetched before they are made"
_PLACES = {"late": "a store that answers late", "s3": "a bucket"}
_TASKS = 3000
_SECONDS = 3.0  # that a chunk takes


class _Inline:
    """An executor that does what it is given at once, so that nothing is fetched ahead."""

    def __init__(self, _: int) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Call a function."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("project", type=Path, metavar="PROJECT")
    parser.add_argument("--copies", type=int, default=4, help="of every data set [4]")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--latency", type=float, default=0.05, help="of a request [0.05]")
    parser.add_argument("--tasks", type=int, default=_TASKS, help="that are scheduled [3000]")
    options = parser.parse_args()
    layer = SaveMasks.from_json(options.project / "save_masks.json")
    print("| files | items | seconds | of a core's time | requests an item |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        project = Path(folder, "project")
        copy_project(options.project, project, options.copies)
        with s3_server() as server, slow_s3(server, latency=options.latency) as slow, used(slow):
            bucket = Url(new_bucket())
            upload(project, f"{bucket}/project")
            # The servers keep the other cores.
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.workers])
            fsspec.register_implementation("late", LateStore)
            LateStore.latency = options.latency
            bases = {"file": Url(f"file://{folder}"), "late": Url(f"late://{folder}"), "s3": bucket}
            ways = [("file", _AHEAD), *itertools.product(_PLACES, (_AHEAD, _BEFORE))]
            for kind, way in ways:
                before = sum(requests(slow).values()) + LateStore.requests
                found, busy = _run(layer, bases[kind], f"{kind} {way}", options.workers)
                asked = sum(requests(slow).values()) + LateStore.requests - before
                took = f"{found.seconds:.1f} | {busy:.0%} | {asked / found.images:.1f}"
                name = f"{_PLACES[kind]}, {way}" if kind in _PLACES else "on disk"
                print(f"| {name} | {found.images} | {took} |", flush=True)
    _print_scheduling(layer, options.tasks)


def _run(layer: SaveMasks, base: Url, name: str, workers: int) -> tuple[Summary, float]:
    """Export a project to where it is, by threads of this process -> and how busy they were."""
    used_before = process_time()
    stack = ExitStack()
    if name.endswith(_BEFORE):
        stack.enter_context(patch.object(chunk_work, "ThreadPoolExecutor", _Inline))
    with stack:
        out = base / f"out {name}"
        found = run(layer, [base / "project"], out, RunOptions(workers=workers))
    return found, (process_time() - used_before) / (found.seconds + found.startup_seconds) / workers


def _print_scheduling(layer: SaveMasks, count: int) -> None:
    """Have a cluster schedule chunks without items."""
    dask = importlib.import_module("savemasks.run.in_chunks.dask_chunks")
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        flow = Flow({}, (Inlet(layer, Path()),))
        roots = (Url(f"file://{folder}"),)
        work = Work(Job((flow,)), roots, ((0,),), ("",), None, has_report=False, version=VERSION)
        with _closing(dask.DaskScheduler("local", work, Event())) as scheduler:
            scheduler.start()
            began = process_time()  # of the scheduler too, which is a thread of this process
            done = sum(1 for _ in scheduler.results(_empty_chunks(count)))
            seconds = (process_time() - began) / done
    share = seconds / _SECONDS
    print(f"scheduling: {seconds * 1e3:.2f} ms a chunk, {share:.2%} of one that takes {_SECONDS} s")


def _empty_chunks(count: int) -> Iterator[Chunk]:
    for number in range(count):
        yield Chunk(number, (), (), (), (), (), (), is_probe=True)


@contextmanager
def _closing(scheduler: Any) -> Iterator[Any]:
    try:
        yield scheduler
    finally:
        scheduler.close()


if __name__ == "__main__":
    main()
