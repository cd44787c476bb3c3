"""Processes that die while chunks are made: nothing is lost, and nothing counts twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from savemasks.line.job import PackRules
from support.chunked import Bench
from support.projects import Project
from support.resuming import done

pytestmark = pytest.mark.usefixtures("warm")

PACK = PackRules("webdataset", 4)
_LEAD = """
import sys
from pathlib import Path
from savemasks.remote import Url
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from support.resuming import LAYER

if __name__ == "__main__":
    project, out = sys.argv[1:]
    run(LAYER, [Path(project)], Url.parse(out), RunOptions(workers=2, processes=True))
"""


@pytest.fixture
def bench(project: Project, tmp_path: Path) -> Bench:
    made = Bench(project, f"file://{tmp_path}/there", tmp_path)
    made.fill()
    return made


@pytest.mark.parametrize("pack", [None, PACK])
def test_a_process_that_dies_costs_nothing(
    bench: Bench, deadly: dict[str, bool], pack: PackRules | None
) -> None:
    deadly["07.png"] = True
    assert done(bench.run(processes=True, pack=pack)) == (30, 0, 0, 0)
    bench.check(pack=pack)


@pytest.mark.parametrize("pack", [None, PACK])
def test_an_item_of_which_processes_die_fails_alone(
    bench: Bench, deadly: dict[str, bool], pack: PackRules | None
) -> None:
    deadly["07.png"] = False
    found = bench.run(processes=True, pack=pack)
    assert done(found) == (29, 1, 0, 0)
    (failure,) = found.failures
    assert (failure.kind, failure.name) == ("crash", "07.png")
    deadly.clear()
    assert bench.run(processes=True, pack=pack).failed == 0
    bench.check(pack=pack)


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.05, 0.4, 1.0])
def test_a_leader_that_is_killed_goes_on_where_it_was(bench: Bench, wait: float) -> None:
    bench.fill(300)
    path = os.pathsep.join(filter(None, sys.path))
    leader = subprocess.Popen(
        [sys.executable, "-c", _LEAD, str(bench.project.folder), str(bench.url())],
        env={**os.environ, "PYTHONPATH": path},
    )
    with leader:
        while not any("/marks/" in name for name in bench.hidden()):
            assert leader.poll() is None
            time.sleep(0.02)
        time.sleep(wait)
        leader.send_signal(signal.SIGKILL)
    found = bench.run()
    assert found.images + found.skipped == 300
    assert found.skipped > 0
    bench.check()
    assert not [name for name in bench.files() if name.endswith(".part")]
