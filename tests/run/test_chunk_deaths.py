"""Processes that die while chunks are made: nothing is lost, and nothing counts twice."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from savemasks.line.job import PackRules
from savemasks.projects.parts import Part
from savemasks.results.lock import HIDDEN
from savemasks.results.overview import look_over
from support.chunked import NAME, Bench
from support.projects import Project
from support.resuming import done

pytestmark = pytest.mark.usefixtures("warm")

PACK = PackRules("webdataset", 4)
_LEAD = """
import sys
from pathlib import Path
from savemasks.projects.parts import Part
from savemasks.remote import Url
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from support.resuming import LAYER

if __name__ == "__main__":
    project, out, part = sys.argv[1:]
    options = RunOptions(workers=2, processes=True, part=Part.parse(part) if part else None)
    run(LAYER, [Path(project)], Url.parse(out), options)
"""


@pytest.fixture
def bench(project: Project, tmp_path: Path) -> Bench:
    return Bench.here(project, tmp_path)


@pytest.mark.parametrize("pack", [None, PACK])
def test_a_process_that_dies_costs_nothing(
    bench: Bench, deadly: dict[str, bool], pack: PackRules | None
) -> None:
    deadly["07.png"] = True
    assert done(bench.run(processes=True, pack=pack)) == (30, 0, 0, 0)
    bench.check(pack=pack)


@pytest.mark.slow
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


def lead(bench: Bench, part: str = "") -> "subprocess.Popen[bytes]":
    """A run in a process of its own."""
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-c", _LEAD, str(bench.project.folder), str(bench.url()), part],
        env={**os.environ, "PYTHONPATH": path},
    )


def kill_later(leader: "subprocess.Popen[bytes]", marks: Path, wait: float) -> None:
    """Kill a leader some time after its first mark."""
    while not (marks.is_dir() and any(marks.iterdir())):
        assert leader.poll() is None
        time.sleep(0.02)
    time.sleep(wait)
    leader.kill()


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.05, 0.4, 1.0])
def test_a_leader_that_is_killed_goes_on_where_it_was(bench: Bench, wait: float) -> None:
    bench.fill(300)
    hidden = bench.base / "there" / "out" / NAME / HIDDEN
    with lead(bench) as leader:
        kill_later(leader, hidden / "marks", wait)
    found = bench.run()
    assert found.images + found.skipped == 300
    assert found.skipped > 0
    bench.check()
    assert not [name for name in bench.files() if name.endswith(".part")]


@pytest.mark.slow
def test_three_parts_at_once_of_which_one_is_killed(bench: Bench) -> None:
    bench.fill(300)
    hidden = bench.base / "there" / "out" / NAME / HIDDEN
    with lead(bench, "1/3") as first, lead(bench, "2/3"), lead(bench, "3/3"):
        kill_later(first, hidden / "parts" / "1-of-3" / "marks", 0.1)
    assert bench.verify().missing == ["part 1/3 is not finished"]
    again = bench.run(part=Part(1, 3))
    assert 0 < again.skipped < 300
    bench.check()
    assert look_over(bench.url()).images == 300
