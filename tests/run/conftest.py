"""What several files of tests of runs begin with."""

import dataclasses
from pathlib import Path

import pytest

from savemasks.projects.items import Entry, Item, Listing
from support.deadly import DeadlyItem
from support.packing import Bench
from support.projects import Project


@pytest.fixture
def bench(project: Project, tmp_path: Path) -> Bench:
    """A project of many items in two data sets, to be packed."""
    made = Bench(project, tmp_path)
    made.fill()
    return made


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, bool]:
    """Names of items of which processes die: once if true, or always."""
    guilty: dict[str, bool] = {}
    usual = Listing.item

    def item(listing: Listing, entry: Entry) -> Item:
        made = usual(listing, entry)
        if entry.name not in guilty:
            return made
        fields = {f.name: getattr(made, f.name) for f in dataclasses.fields(made)}
        marker = tmp_path / f"died of {entry.name}"
        return DeadlyItem(**fields, marker=marker, once=guilty[entry.name])

    monkeypatch.setattr(Listing, "item", item)
    return guilty
