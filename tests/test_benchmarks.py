"""The benchmarks run to their end on tiny data; what they measure is not looked at."""

import importlib
import itertools
import json
import os
import subprocess
import sys
import tarfile
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
    options = ("--masks=machine", "--cores=both", "--rounds=2", "--copies=2", "--json=race.json")
    done = program(tmp_path, "race.py", "cells", *options, "--before", str(ROOT))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(all results are pixel-equal)") == 1
    (job,) = json.loads((tmp_path / "race.json").read_bytes())["jobs"]
    assert (job["on"], job["copies"], job["name"]) == ("disk", 2, "cells x 2, machine")
    for entry in job["contestants"].values():
        assert entry["images"] == 4
        assert len(entry["seconds"]) == len(entry["process_seconds"]) == 2
    several = f", {len(os.sched_getaffinity(0))} cores"
    found = [(pair["ours"], pair["other"]) for pair in job["pairs"]]
    alone = [("savemasks", "savemasks (before)"), ("savemasks", "OpenCV script")]
    if several != ", 1 cores":
        mine = f"savemasks{several}"
        alone += [(mine, "savemasks"), (mine, f"savemasks (before){several}")]
        alone += [(mine, f"OpenCV script{several}")]
    assert found == alone
    for pair in job["pairs"]:
        assert 0 < pair["lowest"] <= pair["median"] <= pair["highest"]
        assert [pair["lowest"], pair["highest"]] == sorted(pair["rounds"])


def test_a_race_takes_as_many_copies_as_it_needs(tmp_path: Path) -> None:
    make(tmp_path, "cells")
    options = ("--masks=machine", "--rounds=1", "--seconds=0.05", "--json=race.json")
    done = program(tmp_path, "race.py", "cells", *options)
    assert done.returncode == 0, done.stderr
    (job,) = json.loads((tmp_path / "race.json").read_bytes())["jobs"]
    assert job["copies"] > 1
    assert all(entry["images"] == 2 * job["copies"] for entry in job["contestants"].values())


def test_results_without_room_are_not_begun(tmp_path: Path) -> None:
    make(tmp_path, "cells")
    done = program(tmp_path, "race.py", "cells", "--masks=machine", "--copies=1000000000")
    assert done.returncode == 1
    assert done.stderr.startswith("error: two results of cells, machine (1000000000 copies) take ")
    assert names(tmp_path) == ["cells"]


def test_another_version_must_be_the_one_that_is_found(tmp_path: Path) -> None:
    make(tmp_path, "cells")
    done = program(tmp_path, "race.py", "cells", f"--before={tmp_path}")
    assert done.returncode == 2
    assert f"{tmp_path}: there is no package savemasks" in done.stderr


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_nobody_always_runs_behind_the_same(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    turns = importlib.import_module("race").turns
    rounds = [turns([*range(count)], number) for number in range(2 * count)]
    assert all(sorted(order) == [*range(count)] for order in rounds)
    for one, other in itertools.combinations(range(count), 2):
        assert sum(order.index(one) < order.index(other) for order in rounds) == count
    if count == 2:
        assert [order[0] for order in rounds] == [0, 1, 0, 1]


def test_samples_are_compared_as_the_tree_that_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    with tarfile.open(tmp_path / "result-00000.tar", "w") as archive:
        for name in ("a/b%2Ec.jpg", "a/b%2Ec.json", "a/b%2Ec.machine.png", "a/b%2Ec.human.png"):
            archive.addfile(tarfile.TarInfo(name))
    importlib.import_module("compare").unpack(tmp_path)
    places = ("ann/b.c.jpg.json", "img/b.c.jpg", "masks_human/b.c.png", "masks_machine/b.c.png")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(files) == [tmp_path / "a" / place for place in places]


def test_a_gallery_is_measured(tmp_path: Path) -> None:
    make(tmp_path, "photos")
    done = program(tmp_path, "gallery.py", "photos", "--images=9", "--no-page", "--folder=.")
    assert done.returncode == 0, done.stderr
    words = ["9", "run", "gallery", "an", "memory", "index", "thumbnails", "first"]
    assert [line.split()[0] for line in done.stdout.splitlines()] == words


@pytest.mark.usefixtures("warm")
def test_a_cluster_is_measured(tmp_path: Path) -> None:
    make(tmp_path, "photos")
    done = program(tmp_path, "cluster.py", "photos", "--copies=2", "--latency=0.01", "--tasks=20")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(("| on", "| a "))]
    assert [line.split(" | ")[1] for line in lines] == ["4"] * 5
    assert "ms a chunk" in done.stdout


def test_other_masks_race_too(tmp_path: Path) -> None:
    make(tmp_path, "photos")
    kinds = ("map", "objects", "classes", "semantic")
    once = ("--rounds=1", "--copies=1")
    done = program(tmp_path, "race.py", "photos", *once, "--masks", *kinds)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(all results are pixel-equal)") == len(kinds)


@pytest.mark.parametrize("kind", ["tar", "webdataset"])
def test_archives_race_too(kind: str, tmp_path: Path) -> None:
    make(tmp_path, "photos")
    done = program(tmp_path, "race.py", "photos", "--rounds=1", f"--pack={kind}", "--copies=1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(all results are pixel-equal)") == 2
    packed = f"savemasks --pack {kind}"
    for pair in (
        "savemasks | OpenCV script",
        f"{packed} | OpenCV script",
        f"{packed} | OpenCV script, {kind}",
    ):
        assert done.stdout.count(f"| {pair} |") == 2


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
