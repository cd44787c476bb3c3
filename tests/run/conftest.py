"""What several files of tests of runs begin with."""

from pathlib import Path

import pytest

from support.packing import Bench
from support.projects import Project


@pytest.fixture
def bench(project: Project, tmp_path: Path) -> Bench:
    """A project of many items in two data sets, to be packed."""
    made = Bench(project, tmp_path)
    made.fill()
    return made
