"""The benchmarks run to their end on tiny data; what they measure is not looked at."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks import data

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
ALL = {"read", "parse", "decode", "paint", "encode", "write", "color"}


def stations(folder: Path, *arguments: str) -> tuple[Any, str]:
    """Run `stations.py` -> its figures and what it printed."""
    figures = folder / "figures.json"
    command = [sys.executable, str(BENCHMARKS / "stations.py"), *arguments]
    command += ["--rounds=1", "--quick", f"--scratch={folder}", f"--json={figures}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return json.loads(figures.read_bytes()), done.stdout


@pytest.mark.usefixtures("warm")
def test_every_station_and_curve_is_measured(tmp_path: Path) -> None:
    size = data.Size(images=2, width=64, height=48, objects=10)
    data.write_photos(tmp_path / "photos", size)
    data.write_cells(tmp_path / "cells", size)
    projects = [str(tmp_path / name) for name in ("photos", "cells")]
    found, printed = stations(tmp_path, *projects, "--curves")
    assert [job["name"] for job in found["projects"]] == [
        "photos, both",
        "photos, machine",
        "cells, both",
        "cells, machine",
    ]
    for job in found["projects"]:
        expected = ALL if job["name"].endswith("both") else ALL - {"decode"}
        assert {*job["stations"]} == expected
        assert all(entry["bound_ms"] is not None for entry in job["stations"].values())
        assert job["images"] == 2
        assert f"**{job['name']}**" in printed
    assert [curve["name"] for curve in found["curves"]] == ["size", "objects", "vertices"]
    for curve in found["curves"]:
        for point in curve["points"]:
            assert [*point["ms"]] == ["parse", "paint", "encode machine", "encode human"]
        assert all("slope" in point for point in curve["points"][1:])


@pytest.mark.usefixtures("warm")
def test_starts_and_pairs_are_measured(tmp_path: Path) -> None:
    found, _ = stations(tmp_path, "--start", "--pair")
    assert found["projects"] == []
    assert [*found["start"]] == [
        "Python alone (`pass`)",
        "`import savemasks`",
        "`savemasks --help`",
        "first mask",
    ]
    assert [*found["pair"]] == ["both masks, in memory", "copying memory", "arithmetic"]
