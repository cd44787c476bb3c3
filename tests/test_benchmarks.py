"""The benchmarks run to their end on tiny data; what they measure is not looked at."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support import ROOT
from support.projects import names

pytestmark = pytest.mark.slow
BENCHMARKS = ROOT / "benchmarks"
SIZE = ("--images=2", "--width=64", "--height=48", "--objects=10")
ALL = {"count", "read", "parse", "decode", "paint", "encode", "write", "color"}


@pytest.mark.usefixtures("warm")
def test_everything_is_measured(tmp_path: Path) -> None:
    for kind in ("photos", "cells"):
        make(tmp_path, kind)
    found, printed = stations(tmp_path, "photos", "cells", "--curves", "--start", "--pair")
    for job in found["projects"]:
        assert job["images"] == 2
        assert {*job["stations"]} == (ALL if "both" in job["name"] else ALL - {"decode"})
        assert all(entry["bound_ms"] is not None for entry in job["stations"].values())
    for curve in found["curves"]:
        for point in curve["points"]:
            assert [*point["ms"]] == ["parse", "paint", "encode machine", "encode human"]
        assert all("slope" in point for point in curve["points"][1:])
    assert [*found["pair"]] == ["both masks, in memory", "copying memory", "arithmetic"]
    titles = [line.strip("*").partition("*")[0] for line in printed.splitlines() if "**" in line]
    assert [title for title in titles if "|" not in title] == [
        "photos, both",
        "photos, machine",
        "cells, both",
        "cells, machine",
        "Cost against size",
        "Cost against objects",
        "Cost against vertices",
        "Start",
        "Two processes against one",
    ]
    assert [job["name"] for job in found["projects"]] == titles[:4]
    assert "first mask" in found["start"]


def test_a_race_is_run_to_its_end(tmp_path: Path) -> None:
    make(tmp_path, "cells")
    done = program(tmp_path, "race.py", "cells", "--rounds=1", "--json=race.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(all results are pixel-equal)") == 2
    assert json.loads((tmp_path / "race.json").read_bytes())


def test_a_gallery_is_measured(tmp_path: Path) -> None:
    make(tmp_path, "photos")
    done = program(tmp_path, "gallery.py", "photos", "--images=9", "--no-page", "--folder=.")
    assert done.returncode == 0, done.stderr
    words = ["9", "run", "gallery", "memory", "index", "thumbnails", "first"]
    assert [line.split()[0] for line in done.stdout.splitlines()] == words


def test_other_masks_race_too(tmp_path: Path) -> None:
    make(tmp_path, "photos")
    kinds = ("map", "objects", "classes", "semantic")
    done = program(tmp_path, "race.py", "photos", "--rounds=1", "--masks", *kinds)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(all results are pixel-equal)") == len(kinds)


def test_archives_race_too(tmp_path: Path) -> None:
    make(tmp_path, "photos")
    done = program(tmp_path, "race.py", "photos", "--rounds=1", "--pack=tar", "--copies=2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(all results are pixel-equal)") == 2
    for name in ("savemasks --pack tar", "OpenCV script", "OpenCV script, tar"):
        assert f"| {name} |" in done.stdout


def test_latency_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "latency.py"), "--rounds=1", "--seconds=0"]
    done = subprocess.run(
        [*command, "--json=figures.json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "figures.json").read_bytes())
    parts = ["against_opencv", "above_the_kernels", "by_threads", "training", "batches"]
    assert [*found] == parts
    assert [*found["training"]] == ["targets", "one_hot", "window"]
    assert [row["form"] for row in found["batches"]] == ["JSON", "Shapes"]
    assert [row["threads"] for row in found["by_threads"]] == [1, 2, 4, 8]
    titles = [line for line in done.stdout.splitlines() if line.startswith("**")]
    assert len(titles) == 5


def test_encoders_are_measured_and_compared(tmp_path: Path) -> None:
    make(tmp_path, "cells")
    done = program(tmp_path, "encoders.py", "cells", "--rounds=1", "--json=figures.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "figures.json").read_bytes())["encoders"]
    assert [row["mask"] for row in found] == ["machine", "human"]
    assert all(row["times"] > 0 < row["bytes"] for row in found)
    assert done.stdout.count("\n| ") == 2


def test_large_pictures_are_measured(tmp_path: Path) -> None:
    sizes = ("--megapixels", "1", "--wide", "300", "--frames=1")
    done = program(tmp_path, "large.py", *sizes, "--scratch=.", "--json=figures.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "figures.json").read_bytes())["large"]
    kinds = [(True, 1), (True, 1), (True, 2), (False, 1), (False, 2)]
    assert [(row["both"], row["workers"]) for row in found] == kinds + kinds[3:]
    assert [round(row["megapixels"], 2) for row in found[1::5]] == [1, 0.09]
    assert all(row["peak"] > 0 < row["bytes"] for row in found)
    assert done.stdout.count("| one worker |") == 3
    assert done.stdout.count("| in memory |") == 1
    assert names(tmp_path) == ["figures.json"]


def test_an_item_that_cannot_be_exported_ends_it_with_its_reason(tmp_path: Path) -> None:
    make(tmp_path, "cells")
    image = tmp_path / "cells" / "ds0" / "img" / "00001.png"
    image.write_bytes(b"no picture")
    done = run(tmp_path, "cells")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {image}: ")


def stations(folder: Path, *arguments: str) -> tuple[Any, str]:
    """Run `stations.py` -> its figures and what it printed."""
    done = run(folder, *arguments, "--json=figures.json")
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "figures.json").read_bytes()), done.stdout


def make(folder: Path, kind: str) -> None:
    """Make a project of that name."""
    done = program(folder, "data.py", kind, kind, *SIZE)
    assert done.returncode == 0, done.stderr


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `stations.py` as quickly as it can."""
    return program(folder, "stations.py", *arguments, "--rounds=1", "--quick", "--scratch=.")


def program(folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a benchmark's program in a folder."""
    command = [sys.executable, str(BENCHMARKS / name), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
