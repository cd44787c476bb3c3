"""What several tests of commands begin with."""

from pathlib import Path

import pytest

from savemasks.cli import commands
from support.projects import Project, annotation


@pytest.fixture
def six(work: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The current folder has a project of six items, of which one fails."""
    monkeypatch.setattr(commands, "PROCESSES", False)
    for number in range(4):
        project.add(f"{number}.png")
    project.add_bad(b"no picture", annotation())
    return project
