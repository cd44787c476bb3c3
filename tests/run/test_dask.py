"""Runs on a Dask cluster: a scheduler and worker processes of this machine."""

import importlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from savemasks.errors import OutputError
from savemasks.line.job import PackRules
from savemasks.remote import Url
from savemasks.run.export import run
from savemasks.run.in_chunks import chunks
from savemasks.run.options import Hooks, RunOptions
from support.chunked import Bench
from support.projects import Project
from support.resuming import LAYER, done
from support.s3 import new_bucket, upload, used
from support.slow_s3 import requests, slow_s3

psutil = pytest.importorskip("psutil")
pytest.importorskip("distributed")
pytestmark = [pytest.mark.usefixtures("warm"), pytest.mark.slow]

dask_chunks = importlib.import_module("savemasks.run.in_chunks.dask_chunks")
PACK = PackRules("webdataset", 4)


@pytest.fixture
def bench(project: Project, tmp_path: Path) -> Bench:
    return Bench.here(project, tmp_path)


class Cluster:
    """A scheduler and two workers, each with a nanny that starts it anew when it dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.scheduler = self._start("scheduler", "--port=0", "--no-dashboard")
        assert self.scheduler.stderr
        self.address = ""
        for line in self.scheduler.stderr:
            if "Scheduler at:" in line:
                self.address = line.split()[-1]
                break
        threading.Thread(target=self.scheduler.stderr.read, daemon=True).start()
        self.workers = [
            self._start(
                "worker",
                self.address,
                "--nthreads=1",
                "--no-dashboard",
                f"--local-directory={folder}/{number}",
            )
            for number in range(2)
        ]
        for worker in self.workers:
            assert worker.stderr
            for line in worker.stderr:
                if "Registered to:" in line:
                    break
            threading.Thread(target=worker.stderr.read, daemon=True).start()

    def _start(self, *arguments: str) -> "subprocess.Popen[str]":
        path = os.pathsep.join(filter(None, sys.path))
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )

    def close(self) -> None:
        """End all processes."""
        for process in (*self.workers, self.scheduler):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            finally:
                process.wait()
                if process.stderr:
                    process.stderr.close()


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    made = Cluster(folder)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("pack", [None, PACK])
def test_a_cluster_makes_what_a_local_run_makes(
    bench: Bench, tmp_path: Path, pack: PackRules | None
) -> None:
    notes: list[str] = []
    with cluster(tmp_path) as there:
        found = bench.run(hooks=Hooks(on_note=notes.append), cluster=there.address, pack=pack)
        assert done(found) == (30, 0, 0, 0)
        assert f"2 workers of {there.address}: http://" in notes[0]
        assert done(bench.run(cluster=there.address, pack=pack)) == (0, 0, 30, 0)
    bench.check(pack=pack)


def test_a_cluster_of_this_machine_is_started(bench: Bench) -> None:
    assert done(bench.run(cluster="local")) == (30, 0, 0, 0)
    bench.check()


@pytest.fixture
def single(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk has one item."""
    monkeypatch.setattr(chunks.Sizer, "_FIRST", 1)
    monkeypatch.setattr(chunks.Sizer, "_MOST", 1)


@pytest.mark.usefixtures("single")
def test_a_worker_that_is_killed_costs_nothing(bench: Bench, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(done: int, *_: int) -> None:
        if done >= 5 and not killed:
            for process in psutil.Process(there.workers[0].pid).children():
                if "spawn_main" in " ".join(process.cmdline()):
                    process.kill()
                    killed.append(process.pid)

    with cluster(tmp_path) as there:
        found = bench.run(cluster=there.address, hooks=Hooks(on_progress=kill))
    assert killed
    assert done(found) == (30, 0, 0, 0)
    bench.check()


def test_an_item_of_which_workers_die_fails_alone(
    bench: Bench, tmp_path: Path, deadly: dict[str, bool]
) -> None:
    deadly["07.png"] = False
    with cluster(tmp_path) as there:
        found = bench.run(cluster=there.address)
        assert done(found) == (29, 1, 0, 0)
        assert (found.failures[0].kind, found.failures[0].name) == ("crash", "07.png")
        deadly.clear()
        assert done(bench.run(cluster=there.address)) == (1, 0, 29, 0)
    bench.check()


@pytest.mark.usefixtures("single")
def test_a_run_whose_scheduler_is_lost_goes_on_with_another(bench: Bench, tmp_path: Path) -> None:
    def kill(done: int, *_: int) -> None:
        if done >= 5:
            there.scheduler.kill()

    with cluster(tmp_path / "first") as there:
        found = bench.run(cluster=there.address, hooks=Hooks(on_progress=kill))
    assert 5 <= found.images < 30
    assert "scheduler was lost" in found.problems[0]
    with cluster(tmp_path / "second") as there:
        again = bench.run(cluster=there.address)
    assert again.images + again.skipped == 30
    assert again.skipped >= found.images
    bench.check()


@pytest.mark.usefixtures("single")
def test_a_run_on_a_cluster_can_be_ended(bench: Bench, tmp_path: Path) -> None:
    with cluster(tmp_path) as there:
        first = bench.run_some(5, cluster=there.address)
        assert first.interrupted
        assert 5 <= first.images < 30
        second = bench.run(cluster=there.address)
    assert (second.images, second.skipped) == (30 - first.images, first.images)
    bench.check()


def test_no_scheduler_at_the_address(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_chunks, "_PATIENCE", 1.0)
    with pytest.raises(OutputError, match="no Dask scheduler answers there"):
        bench.run(cluster="tcp://127.0.0.1:1")
    assert not (bench.base / "there").exists()


@pytest.mark.parametrize("address", ["", "nonsense", "tcp://", "http://127.0.0.1:1"])
def test_what_is_no_address_of_a_scheduler(bench: Bench, address: str) -> None:
    with pytest.raises(OutputError, match="is no address of a Dask scheduler"):
        bench.run(cluster=address)
    assert not (bench.base / "there").exists()


def test_workers_of_another_version_are_refused(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_chunks, "VERSION", "9.9")
    problem = r"has savemasks 0.1.0, and here is 9\.9"
    with cluster(tmp_path) as there, pytest.raises(OutputError, match=problem):
        bench.run(cluster=there.address)
    assert not (bench.base / "there").exists()


def test_a_worker_of_another_version_that_comes_later_is_named(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(scheduler: Any) -> None:
        other = replace(scheduler._work, version="9.9")
        # It raises what those say that are there already.
        with pytest.raises(OutputError, match=r"but 9\.9 leads"):
            scheduler._client.register_plugin(dask_chunks.Chunks(other), name=scheduler._plugin)

    monkeypatch.setattr(dask_chunks.DaskScheduler, "start", start)
    with cluster(tmp_path) as there:
        summary = bench.run(cluster=there.address)
    (problem,) = summary.problems
    assert problem.startswith("a worker of the cluster cannot take part: tcp://")
    assert problem.endswith(f": savemasks is {chunks.VERSION} here, but 9.9 leads")


@pytest.mark.parametrize("pack", [None, PACK])
def test_a_bucket_that_is_slow_and_refuses_requests(
    bench: Bench, tmp_path: Path, s3: str, pack: PackRules | None
) -> None:
    with used(s3):
        bucket = new_bucket()
        upload(bench.project.folder, f"{bucket}/project")
    there_too = Bench(bench.project, bucket, tmp_path)
    with slow_s3(s3, latency=0.2, errors=0.05) as slow, used(slow), cluster(tmp_path) as there:
        options = RunOptions(cluster=there.address, pack=pack)
        found = run(LAYER, [Url.parse(f"{bucket}/project")], there_too.url(), options)
        assert done(found) == (30, 0, 0, 0)
        assert requests(slow)["503"]
    with used(s3):
        there_too.check(pack=pack)
