"""The public interface: its names, what importing costs and does, its examples and its types."""

import asyncio
import doctest
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import savemasks
import savemasks.kernels
from savemasks.cli.demo import CONFIG
from support import ROOT, TESTS, typed_example

NAMES = [
    "Annotation",
    "AnnotationError",
    "ConfigError",
    "Failure",
    "FolderError",
    "Graph",
    "Image",
    "ImageError",
    "Instances",
    "ItemError",
    "Mask",
    "ObjectMask",
    "OutputError",
    "PackedSample",
    "Painter",
    "Palette",
    "ProjectError",
    "ProjectItem",
    "ProjectItems",
    "RunLengthCode",
    "Save",
    "SaveMasks",
    "SavemasksError",
    "Shapes",
    "Statistics",
    "Summary",
    "Targets",
    "Window",
    "WriteError",
    "__version__",
    "encode_png",
    "export",
    "open_project",
    "rle",
    "rle_decode",
    "samples",
    "warmup",
]
ANNOTATION = {
    "size": {"height": 4, "width": 6},
    "objects": [
        {
            "classTitle": title,
            "geometryType": "rectangle",
            "points": {"exterior": [[left, top], [right, bottom]], "interior": []},
        }
        for title, left, top, right, bottom in (("kiwi", 1, 1, 3, 2), ("lemon", 3, 2, 4, 3))
    ],
}


def run(program: str) -> Any:
    """What a fresh Python prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# ------------------------------------------------------------------ names


def test_the_public_names_are_these() -> None:
    """A name that is added belongs here and into CHANGELOG.md; one that goes needs a new major."""
    assert savemasks.__all__ == NAMES
    assert {*NAMES} <= {*dir(savemasks)}


def test_every_public_name_can_be_used_and_is_described() -> None:
    for name in NAMES:
        value = getattr(savemasks, name)
        if name not in {"__version__", "Mask"}:  # a Literal can have no docstring
            assert inspect.getdoc(value), name
    assert run("import json\nfrom savemasks import *\nprint(json.dumps(sorted(globals())))") == (
        sorted([*NAMES, "__annotations__", "__builtins__", "__doc__", "__loader__", "__name__",
                "__package__", "__spec__", "json"])
    )  # fmt: skip


def test_the_painters_public_names_are_these() -> None:
    shown = [name for name in dir(savemasks.Painter) if not name.startswith("_")]
    calls = {"human", "instances", "labels", "machine", "parse"}
    training = {"class_names", "from_classes", "id2label", "label2id", "labels_batch", "one_hot"}
    training |= {"from_graph", "palette_for_pil", "targets"}
    calls |= {"classes_of", "legend", "objects", "semantic", "statistics"}
    assert {*shown} == calls | training | {"classes", "human_palette", "machine_palette"}


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'savemasks' has no attribute 'nothing'"):
        savemasks.nothing  # noqa: B018


def test_functions_keep_their_names_when_all_modules_are_loaded() -> None:
    """A module of the same name would take their place in the package when it is imported."""
    modules = {path.stem for path in (ROOT / "engine" / "savemasks").glob("*.py")}
    assert not modules & {*NAMES}


def test_the_version_is_semantic_and_in_the_changelog() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", savemasks.__version__)
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert f"## {savemasks.__version__}" in changelog or "## Unreleased" in changelog


# ------------------------------------------------------------------ importing


def test_importing_brings_nothing_heavy_along() -> None:
    loaded = run(
        "import json, sys, numpy\nbefore = {*sys.modules}\nimport savemasks\n"
        "print(json.dumps(sorted({*sys.modules} - before)))"
    )
    assert loaded == ["savemasks"]


@pytest.mark.parametrize(
    ("use", "absent"),
    [
        ("savemasks.AnnotationError", {"numba", "pyvips", "pydantic", "orjson"}),
        ("savemasks.SaveMasks", {"numba", "pyvips"}),
        ("savemasks.Shapes", {"numba", "pyvips", "pydantic"}),
        ("savemasks.Painter", {"pyvips", "click", "tqdm"}),
        ("savemasks.encode_png", {"pyvips", "pydantic", "click"}),
    ],
)
def test_what_a_name_does_not_need_is_not_loaded(use: str, absent: set[str]) -> None:
    loaded = run(f"import json, sys, savemasks\n{use}\nprint(json.dumps([*sys.modules]))")
    assert not absent & {*loaded}


def test_importing_changes_nothing_in_the_program() -> None:
    program = """
import json, logging, os, signal, sys, threading, warnings
import numpy

def state():
    return [
        dict(os.environ), threading.active_count(), repr(warnings.filters), repr(sys.excepthook),
        [repr(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
        repr(logging.root.handlers), logging.root.level, logging.root.disabled,
        sorted(logging.root.manager.loggerDict), os.getcwd(), numpy.geterr(), sys.path,
        len(os.listdir("/proc/self/task")), sys.getswitchinterval(), sys.getrecursionlimit(),
    ]

before = state()
import savemasks
print(json.dumps(before == state()))
"""
    assert run(program) is True


def test_using_the_painter_sets_up_no_logging_threads_or_handlers() -> None:
    program = f"""
import json, logging, os, signal, threading
import numpy, savemasks

def state():
    return [
        dict(os.environ), threading.active_count(), repr(logging.root.handlers),
        [repr(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
    ]

before = state()
painter = savemasks.Painter(savemasks.SaveMasks.from_json({CONFIG!r}))
savemasks.encode_png(painter.machine({ANNOTATION!r}))
print(json.dumps(before == state()))
"""
    assert run(program) is True


# ------------------------------------------------------------------ warming up


def test_only_reading_annotations_keeps_pythons_lock() -> None:
    keeping = set()
    for module in pkgutil.walk_packages(savemasks.kernels.__path__, "savemasks.kernels."):
        kernels = importlib.import_module(module.name)
        for name, kernel in vars(kernels).items():
            if hasattr(kernel, "targetoptions") and not kernel.targetoptions["nogil"]:
                keeping.add(name)
    assert keeping == {"read_points", "read_usual"}


@pytest.mark.slow
def test_after_warming_up_no_call_compiles() -> None:
    """All dtypes, forms and readings of arrays; a fresh process, so that nothing is known."""
    program = """
import importlib, json, pkgutil
import numpy as np
import savemasks
import savemasks.kernels
savemasks.warmup()

def compiled():
    found = {}
    for entry in pkgutil.walk_packages(savemasks.kernels.__path__, "savemasks.kernels."):
        module = importlib.import_module(entry.name)
        for name, value in vars(module).items():
            if hasattr(value, "signatures") and not isinstance(value, type):
                found[entry.name + "." + name] = [str(s) for s in value.signatures]
    return found

before = compiled()
import pickle
from support import painters as t

random = np.random.default_rng(0)
for mapping in t.MAPPINGS:
    for human in (t.COLORS, t.MANY):
        for options in ({}, {"paint_order": "area", "line_width": 3, "class_priority": ["kiwi"]}):
            p = t.painter(mapping, human, masks_semantic_rgb=True, **options)
            styled = t.painter(mapping, human, human_outlines=True, human_scale=0.5)
            three = t.painter(mapping, human, machine_channels=3)
            for seed, count in enumerate((0, 1, 2, 12)):
                note = t.annotation(seed, count)
                size = note["size"]["height"], note["size"]["width"]
                for form in (note, p.parse(note), pickle.loads(pickle.dumps(p.parse(note)))):
                    for call, shape, dtype in t.calls(p, form):
                        call(out=np.empty(shape, dtype))
                    p.labels(form, window=(3, 4, 5, 6))
                    p.labels(form, window=(0, 0, 1, 1), mask="human")
                    p.labels(form, window=(3, 4, 5, 6), out=np.empty((6, 5), p.labels(form).dtype))
                    p.machine(form, window=(3, 4, 1, 6))
                    p.instances(form, window=(0, 3, 37, 1))
                    [*p.objects(form)], [*p.objects(form, window=(3, 4, 5, 6), size=(7, 8))]
                    p.classes_of(form), p.statistics(form), p.semantic(form)
                    p.semantic(form, window=(3, 4, 5, 6), pad=1)
                    some = p.labels(form, window=(-3, 4, 50, 6), fill=1, pad=2, size=(9, 8))
                    apart = np.empty((size[0] + 1, size[1] + 1), some.dtype)
                    p.labels(form, out=apart[1:, 1:])
                    p.instances(form, out=apart.astype(np.int32)[1:, 1:])
                    masks = p.targets(form)["masks"]
                    p.targets(form, window=(3, 4, 5, 6), size=(4, 5))
                    p.targets(form, out=masks)
                    p.one_hot(form, out=p.one_hot(form))
                    p.labels_batch([form] * 3, workers=2)
                image = random.integers(0, 256, (*size, 3), np.uint8)
                images = [image, image[::-1], savemasks.encode_png(image)]
                image = image.copy()
                image.flags.writeable = False
                for picture in (*images, image):
                    p.human(note, picture)
                    p.human(note, picture, window=(2, 3, 4, 5))
                    p.human(note, picture, window=(0, 3, 37, 1))
                    styled.human(note, picture)
                made = [p.machine(note), p.human(note, image), p.labels(note), image[:, :, 0]]
                for pixels in (*made, made[0][:1], made[0][::2, ::2], made[1].astype(np.uint16)):
                    savemasks.encode_png(pixels)
                three.machine(note)
                savemasks.encode_png(image[:, :, 0], np.zeros((256, 3), np.uint8))
                savemasks.rle_decode(savemasks.rle(made[2]))
# Pictures and bitmaps of every kind, as bytes.
import io
from pathlib import Path
from PIL import Image
golden = Path("golden")
for config, folder in (("save_masks", "project"), ("save_masks_more_area", "project_more")):
    layer = savemasks.SaveMasks.from_json(golden / (config + ".json"))
    both = savemasks.Painter(layer, golden / folder / "meta.json")
    for path in sorted((golden / folder).rglob("ann/*.json")):
        note = path.read_bytes()
        savemasks.encode_png(both.machine(note))
        both.instances(note)
        if both.human_palette:
            both.human(note, path.parent.parent / "img" / path.stem)
for mode in ("L", "RGB", "RGBA", "LA", "P", "1", "I;16", "CMYK"):
    for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
        file = io.BytesIO()
        picture = Image.fromarray(image)
        try:
            gray = picture.convert("L")
            picture = gray.convert(mode) if mode == "I;16" else picture.convert(mode)
            picture.save(file, kind, quality=90)
        except (OSError, ValueError):
            continue  # there is none of this kind
        p.human(t.annotation(), file.getvalue())
after = compiled()
print(json.dumps([{k: v for k, v in after.items() if v != before[k]}, len(before)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=TESTS, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    changed, kernels = json.loads(done.stdout)
    assert changed == {}
    assert kernels > 20


# ------------------------------------------------------------------ examples and types


@pytest.mark.parametrize(
    "module",
    [
        *("api.exporting", "api.functions", "api.instances", "api.painter"),
        *("layers.graph", "layers.palette", "layers.save_masks"),
        *("api.batches", "api.names", "api.listing", "api.packed", "api.training"),
        *("results.report", "shapes"),
        *("api.coco", "api.descriptions", "api.masks", "api.object_masks", "api.statistics"),
    ],
)
def test_the_examples_of_the_docstrings_are_true(
    module: str, demo_project: Path, tmp_path: Path
) -> None:
    layer = savemasks.SaveMasks.from_json(
        {
            "action": "save_masks",
            "dst": "masks",
            "settings": {
                "masks_machine": True,
                "masks_human": True,
                "masks_semantic_rgb": True,
                "gt_machine_color": {"kiwi": [100, 100, 100], "lemon": [200, 200, 200]},
                "gt_human_color": {"kiwi": [255, 0, 0], "lemon": [27, 0, 255]},
            },
        }
    )
    known = {
        "annotation": json.dumps(ANNOTATION).encode(),
        "layer": layer,
        "np": np,
        "out": tmp_path / "out",
        "painter": savemasks.Painter(layer),
        "project": demo_project,
        "savemasks": savemasks,
    }
    loaded = importlib.import_module(f"savemasks.{module}")
    done = doctest.testmod(loaded, extraglobs=known, raise_on_error=False)
    assert done.failed == 0
    assert done.attempted > 0


def test_every_public_function_has_an_example() -> None:
    painter = savemasks.Painter
    methods: tuple[object, ...]
    methods = (painter.parse, painter.labels, painter.machine, painter.human, painter.instances)
    more = (painter.from_classes, painter.targets, painter.one_hot, painter.labels_batch)
    calls = (painter.objects, painter.classes_of, painter.statistics, painter.legend)
    others = (
        *calls,
        painter.palette_for_pil,
        painter.semantic,
        savemasks.ObjectMask,
        savemasks.rle,
        savemasks.rle_decode,
        savemasks.Shapes.from_arrays,
        savemasks.SaveMasks.from_json,
        savemasks.Graph.from_json,
    )
    functions = (savemasks.encode_png, savemasks.export, savemasks.warmup, savemasks.open_project)
    classes = (painter, savemasks.Instances, savemasks.Palette, savemasks.Shapes, savemasks.Summary)
    items = (savemasks.ProjectItem, savemasks.ProjectItems, savemasks.Graph.from_json)
    described: object
    for described in (*methods, *more, *others, *functions, *classes, *items, savemasks.samples):
        assert ">>>" in (inspect.getdoc(described) or ""), described


def test_the_example_of_the_types_runs(tmp_path: Path, demo_project: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG))
    layer = savemasks.SaveMasks.from_json(config)
    note = json.dumps(ANNOTATION).encode()
    image = np.zeros((4, 6, 3), np.uint8)
    painter = savemasks.Painter(layer)
    machine, human = typed_example.paint(config, note, image)
    assert machine == savemasks.encode_png(painter.machine(note))
    assert human == savemasks.encode_png(painter.human(note, image))
    assert asyncio.run(typed_example.answer(painter, note)) == machine
    assert typed_example.careful(painter, note) == ""
    (tmp_path / "note.json").write_bytes(note)
    assert len(typed_example.inputs(painter, tmp_path / "note.json")) == 2 + 4 * 3 + 2
    assert typed_example.careful(painter, b"{") != ""
    assert typed_example.train(str(demo_project), ["kiwi", "lemon"]) == 6
    assert typed_example.whole_project(str(demo_project), tmp_path / "out", layer) == 6


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(savemasks.__file__).parent / "py.typed").exists()
