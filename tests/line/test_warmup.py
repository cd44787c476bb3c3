"""After the warm-up, items of everyday sizes need no kernel that was not called."""

import json
import subprocess
import sys

import pytest

from support import TESTS
from support.projects import Json

pytestmark = pytest.mark.usefixtures("warm")

PROGRAM = """
import importlib, json, pkgutil, sys, tempfile
from pathlib import Path
import savemasks, savemasks.run.worker
from savemasks import kernels
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.plan import Plan
from savemasks.line.warmup import warm_up, warm_up_everything
from savemasks.projects.supervisely import Project
from support import other_masks as o

def compiled():
    found = {}
    for module in pkgutil.walk_packages(kernels.__path__, kernels.__name__ + "."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if hasattr(value, "signatures") and not isinstance(value, type):
                found[f"{module.name}.{name}"] = len(value.signatures)
    return found

layers = [SaveMasks.from_json(layer) for layer in json.loads(sys.argv[1])]
folder = Path(tempfile.mkdtemp())
project = o.make_project(folder / "project")
many = [o.rectangle("kiwi", i % 80, i % 50, i % 80 + 2, i % 50 + 2) for i in range(300)]
o.put(project, "c", many)
meta = json.loads((project.folder / "meta.json").read_bytes())
if sys.argv[2] == "all":
    warm_up_everything()
else:
    for layer in layers:
        warm_up(Plan.of(layer, meta), layer.settings)
before = compiled()
savemasks.run.worker.warm_up_all = lambda *_: None
for i, layer in enumerate(layers):
    done = savemasks.export(project.folder, folder / str(i), layer, workers=1)
    assert (done.images, done.failed) == (3, 0), done.failures
after = compiled()
print(json.dumps([name for name in after if after[name] != before.get(name)]))
"""

OWN: Json = {"masks_instances": "objects", "masks_classes": True}
MAP: Json = {"masks_instances": "map"}
PAGES: Json = {"masks_human": True, "human_outlines": True, "human_scale": 0.5}
STRIPS: Json = {"strips_above_megapixels": 0}
COLORS: Json = {"masks_semantic_rgb": True, "masks_machine": True, "machine_palette": True}


@pytest.mark.parametrize(
    ("layers", "how"),
    [
        ([OWN], "own"),
        ([MAP], "own"),
        ([MAP | STRIPS], "own"),
        ([PAGES], "own"),
        ([COLORS], "own"),
        ([OWN, MAP, PAGES, COLORS, MAP | STRIPS, COLORS | STRIPS, OWN | STRIPS], "all"),
    ],
    ids=str,
)
def test_nothing_is_compiled_after_the_warm_up(layers: list[Json], how: str) -> None:
    from support.other_masks import config

    text = json.dumps([config(**layer) for layer in layers])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, text, how],
        cwd=TESTS, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
