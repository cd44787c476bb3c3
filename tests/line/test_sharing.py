"""What has to be compiled is compiled by several processes, each kernel once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import savemasks
from savemasks.layers.save_masks import SaveMasks
from savemasks.line import sharing
from savemasks.line.plan import Plan
from savemasks.line.warmup import _may_have_bitmaps
from support.projects import layer

STEPS = """
import os, time
from functools import partial
from savemasks.kernels.parse.tiny import one, two


def call(kernel, folder, slow):
    kernel(1)
    with open(f"{folder}/{kernel.__name__}-{os.getpid()}", "w"):
        pass
    time.sleep(slow)


def steps(folder):
    # While this process takes its time over the first one, others are at work.
    return [partial(call, one, folder, 15), partial(call, two, folder, 0), list]
"""
KERNELS = """
from ..jit import kernel


@kernel
def one(x):
    return x + 1


@kernel
def two(x):
    return x + 2
"""
PROGRAM = """
import json, sys
import steps
from savemasks.kernels.parse.tiny import one, two
from savemasks.line import sharing

sharing.usable_cores = lambda: int(sys.argv[2])
told = []
sharing.share(steps.steps, (sys.argv[1],), lambda *numbers: told.append(numbers))
hits = [sum(kernel.stats.cache_hits.values()) for kernel in (one, two)]
print(json.dumps([told, hits]))
"""


def share(folder: Path, cores: int) -> tuple[list[list[int]], list[int]]:
    """What `share` tells, and which of two kernels came from the cache."""
    package = folder / "savemasks"
    if not package.exists():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(savemasks.__file__).parent, package, ignore=ignored)
        (package / "kernels/parse/tiny.py").write_text(KERNELS)
        (folder / "steps.py").write_text(STEPS)
        (folder / "calls").mkdir()
    places = {"PYTHONPATH": str(folder), "SAVEMASKS_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder / "calls"), str(cores)],
        env=os.environ | places, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    told, hits = json.loads(done.stdout)
    return told, hits


@pytest.mark.slow
def test_a_helper_compiles_what_comes_later(tmp_path: Path) -> None:
    told, hits = share(tmp_path, 2)
    assert hits == [0, 1]
    assert told[0] == [0, 3]
    assert told[-1] == [3, 3]
    assert len([*(tmp_path / "calls").glob("two-*")]) == 2
    # With everything in the cache nobody is started or told.
    assert share(tmp_path, 2) == ([], [1, 1])
    assert len([*(tmp_path / "calls").glob("two-*")]) == 3


@pytest.mark.slow
def test_on_one_core_there_are_no_helpers(tmp_path: Path) -> None:
    assert share(tmp_path, 1)[1] == [0, 0]
    assert len([*(tmp_path / "calls").iterdir()]) == 2


def test_a_forked_child_starts_no_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "libvips_is_lost", lambda: True)
    assert [*sharing._start(2, list, ())] == []


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({"kiwi": "polygon"}, False),
        ({"kiwi": "bitmap"}, True),
        ({"kiwi": "any"}, True),
        ({"kiwi": "polygon", "lemon": "bitmap"}, False),  # lemons are not painted
        ({"lemon": "polygon"}, True),  # nothing is known of kiwis
        ({}, True),
    ],
)
def test_bitmaps_are_prepared_only_if_painted_classes_may_have_some(
    shapes: dict[str, str], *, expected: bool
) -> None:
    classes = [{"title": t, "shape": s, "color": "#112233"} for t, s in shapes.items()]
    colors = {"kiwi": [1, 2, 3]}
    found = SaveMasks.from_json(layer(gt_machine_color=colors, gt_human_color=colors))
    assert _may_have_bitmaps(Plan.of(found, {"classes": classes})) is expected
