"""Runs on a Dask cluster: a scheduler and worker processes of this machine."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from savemasks.line.job import PackRules
from support.chunked import Bench
from support.projects import Project
from support.resuming import done

pytestmark = [pytest.mark.usefixtures("warm"), pytest.mark.slow]

PACK = PackRules("webdataset", 4)


@pytest.fixture
def bench(project: Project, tmp_path: Path) -> Bench:
    made = Bench(project, f"file://{tmp_path}/there", tmp_path)
    made.fill()
    return made


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
    with cluster(tmp_path) as there:
        found = bench.run(cluster=there.address, pack=pack)
        assert done(found) == (30, 0, 0, 0)
        assert there.address in found.warnings[-1]
        assert done(bench.run(cluster=there.address, pack=pack)) == (0, 0, 30, 0)
    bench.check(pack=pack)


def test_a_cluster_of_this_machine_is_started(bench: Bench) -> None:
    assert done(bench.run(cluster="local")) == (30, 0, 0, 0)
    bench.check()
