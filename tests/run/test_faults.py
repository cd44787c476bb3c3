"""Runs that are killed at any moment lose nothing; `faults.py` makes long series of it."""

from pathlib import Path

import pytest

from support.faults import torture


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
def test_runs_that_are_killed_and_resumed_end_as_if_nothing_had_been(tmp_path: Path) -> None:
    figures = torture(tmp_path, kills=6, seed=1)
    assert figures.kills.total() == 6
    assert figures.completed >= 1
    assert figures.new_rows > 0
