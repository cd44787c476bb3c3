"""One project, exported in all ways in which masks are made."""

from pathlib import Path
from typing import Any

import pytest

from support import other_masks
from support.other_masks import WIDTH, Make, export, make_project
from support.projects import Json

WAYS: dict[str, tuple[int | None, Json]] = {
    "whole": (None, {}),
    "strips of a row": (1, {"strips_above_megapixels": 0}),
    "strips of 7 rows": (7, {"strips_above_megapixels": 0}),
    "one strip": (1000, {"strips_above_megapixels": 0}),
    "tiff": (16, {"format": "tiff"}),
}


@pytest.fixture(params=WAYS)
def make(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Export the project with some settings, in one of several ways -> folder of the data set."""
    rows, changes = WAYS[request.param]
    if rows:
        monkeypatch.setattr("savemasks.line.budget.STRIP_PIXELS", rows * WIDTH)
        monkeypatch.setattr("savemasks.line.strips.STRIP_PIXELS", rows * WIDTH)

    def call(**more: object) -> Path:
        export(make_project(tmp_path / "project"), tmp_path, other_masks.config(**changes, **more))
        return tmp_path / "out/ds"

    return call
