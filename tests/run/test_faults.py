"""Runs that are killed at any moment lose nothing; `faults.py` makes long series of it."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from savemasks.line.job import PackKind, PackRules
from support import faults_chunks, faults_parts
from support.faults import start, torture
from support.faults_packs import KINDS
from support.s3 import used


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
def test_runs_that_are_killed_and_resumed_end_as_if_nothing_had_been(tmp_path: Path) -> None:
    figures = torture(tmp_path, kills=6, seed=1)
    assert figures.kills.total() == 6
    assert figures.completed >= 1
    assert figures.new_rows > 0


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("kind", ["webdataset", "tar"])
def test_packed_runs_end_alike(tmp_path: Path, kind: PackKind) -> None:
    begin = partial(start, pack=PackRules(kind, items=30))
    figures = torture(tmp_path, kills=6, seed=2, begin=begin, is_packed=True)
    assert figures.kills.total() == 6
    assert figures.completed >= 1
    assert figures.new_rows > 0


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_a_kill_costs_packed_runs_the_items_in_hand_at_most(tmp_path: Path, kind: int) -> None:
    """In a process that has not used libvips, so that it can be forked."""
    command = [sys.executable, "-m", "support.faults_packs", "--kills=12", f"--kind={kind}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    assert done.returncode == 0, done.stderr
    assert "replacing=" in done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("pack", [None, "webdataset"])
def test_parts_that_are_killed_at_once_make_what_a_run_makes(
    tmp_path: Path, pack: str | None
) -> None:
    figures = faults_parts.torture(tmp_path, kills=6, seed=3, pack=pack)
    assert figures.kills >= 6
    assert figures.rounds >= 1


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("kind", faults_chunks.KINDS, ids=str)
def test_runs_from_bucket_to_bucket_end_alike(
    s3: str, tmp_path: Path, kind: faults_chunks.Kind
) -> None:
    with used(s3):
        figures = faults_chunks.torture(tmp_path, kills=3, seed=4, kind=kind)
    assert figures.kills >= 3
    assert figures.rounds >= 1


def _environment() -> dict[str, str]:
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
