"""A run that can be made again."""

from pathlib import Path
from typing import Any

import pytest

from savemasks.layers.save_masks import SaveMasks
from savemasks.results.report import Summary
from savemasks.run.export import run
from savemasks.run.options import Hooks, RunOptions
from support.projects import Project
from support.resuming import LAYER, Again


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The output folder proper."""
    return tmp_path / "out/experiment001"


@pytest.fixture
def again(project: Project, tmp_path: Path) -> Again:
    """Run with the same arguments, except for those that are given."""

    def call(
        settings: object = None, *folders: Path, hooks: Hooks | None = None, **options: Any
    ) -> Summary:
        config = SaveMasks.from_json(settings) if isinstance(settings, dict) else LAYER
        where = folders or (project.folder,)
        return run(config, where, tmp_path / "out", RunOptions(workers=2, **options), hooks)

    return call
