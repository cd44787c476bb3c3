"""Annotations, layers and projects as people and programs write them, from the file to the mask."""

import base64
import io
import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import savemasks
from savemasks.layers.save_masks import SaveMasks
from savemasks.run.check import check
from savemasks.run.options import RunOptions
from support.projects import (
    GRAY,
    HEIGHT,
    KIWI,
    WIDTH,
    Project,
    Runner,
    annotation,
    call,
    files,
    picture,
    same,
)
from support.projects import layer as layer_of

pytestmark = pytest.mark.usefixtures("warm")
MARK = b"\xef\xbb\xbf"


def alpha(mode: str, **options: Any) -> tuple[Any, np.ndarray[Any, Any]]:
    """An alpha mask over the whole picture as the Supervisely SDK writes it, and its pixels."""
    levels = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 255 // (HEIGHT * WIDTH - 1)
    pixels = levels.astype(np.uint8) if mode == "L" else (levels * 257).astype(np.uint16)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **options)
    data = base64.b64encode(zlib.compress(file.getvalue())).decode()
    bitmap = {"data": data, "origin": [0, 0]}
    return {"classTitle": "kiwi", "geometryType": "alpha_mask", "bitmap": bitmap}, levels >= 128


def whole(size: float) -> dict[str, float]:
    return {"height": HEIGHT * size, "width": WIDTH * size}


ODD = KIWI | {"description": "\ud83d", "score": math.nan}
READ = {
    "mark": MARK + annotation(KIWI),
    "NaN": annotation(KIWI, tags=[{"name": "score", "value": math.nan}]),
    "infinite": annotation(KIWI, meta={"a": math.inf, "b": -math.inf}),
    "half a character": annotation(ODD),
    "all of it": MARK + annotation(ODD, description="\udfff"),
    "wrapped": b'{"imageId": 1, "annotation": %b, "imageName": "x"}' % annotation(KIWI),
    "all of it, wrapped": MARK + b'{"annotation": %b, "x": NaN}' % annotation(ODD),
    "floats": annotation(KIWI, size=whole(1.0)),
    "odd geometry": annotation(KIWI, KIWI | {"geometryType": "\ud83d"}),
    "odd title": annotation(KIWI, KIWI | {"classTitle": "\ud83d"}),
}


def expect_kiwi(project: Project, name: str, note: bytes) -> None:
    """Have an item like those of `add`, but with an annotation of its own."""
    project.add(name)
    project.put(f"ds/ann/{name}.json", note)
    project.expected[f"ds/ann/{name}.json"] = note


@pytest.mark.parametrize("settings", [{}, {"strips_above_megapixels": 0}])
def test_odd_annotations_are_read_and_copied_as_they_are(
    project: Project, export: Runner, settings: dict[str, Any]
) -> None:
    for name, note in READ.items():
        expect_kiwi(project, f"{name}.png", note)
    done = export(project.folder, config=layer_of(**settings))
    assert (done.code, done.errors) == (0, {})
    same(done.tree, project.expected)
    survey = check(SaveMasks.from_json(layer_of()), [project.folder], RunOptions(workers=1))
    assert (survey.failed, survey.items) == (0, len(READ))


def test_odd_annotations_are_read_by_a_painter() -> None:
    painter = savemasks.Painter(SaveMasks.from_json(layer_of()))
    expected = painter.machine(annotation(KIWI))
    for note in READ.values():
        for form in (note, note.decode(), bytearray(note), json.loads(note.decode("utf-8-sig"))):
            assert (painter.machine(form) == expected).all()


ENCODED = {
    "UTF-16": (annotation(KIWI).decode().encode("utf-16"), "is UTF-16; save it as UTF-8"),
    "UTF-16 without mark": (
        annotation(KIWI).decode().encode("utf-16-be"), "is UTF-16; save it as UTF-8",
    ),
    "UTF-32": (annotation(KIWI).decode().encode("utf-32"), "is UTF-32; save it as UTF-8"),
    "latin-1": (
        b'{"description": "Caf\xe9"}', "is not UTF-8: byte 0xe9 at position 20; save it as UTF-8",
    ),
    "half a pixel": (annotation(size=whole(1.5) | {"width": 16.5}),
                     "size.width must be a positive whole number, but is 16.5"),
    "null": (annotation(KIWI | {"points": None}), "object 0: rectangle: points is null"),
    "bitmap": (annotation({"classTitle": "kiwi", "geometryType": "bitmap", "bitmap": None}),
               "object 0: bitmap: bitmap is null"),
}  # fmt: skip


@pytest.mark.parametrize(("note", "message"), ENCODED.values(), ids=ENCODED)
def test_what_is_refused_is_named_and_costs_one_item(
    project: Project, export: Runner, note: bytes, message: str
) -> None:
    project.add()
    project.add_bad(picture(), note)
    done = export(project.folder)
    path = project.folder / "ds/ann/bad.png.json"
    assert (done.code, list(done.errors)) == (1, ["bad.png"])
    assert done.errors["bad.png"]["message"] == f"{path}: {message}"
    same(done.tree, project.expected)
    survey = check(SaveMasks.from_json(layer_of()), [project.folder], RunOptions(workers=1))
    assert [*map(str, survey.failures)] == [f"{path}: {message}"]


@pytest.mark.parametrize("mode", ["L", "I;16"])
@pytest.mark.parametrize("options", [{}, {"transparency": 0}, {"transparency": 255}])
@pytest.mark.parametrize("strips", [{}, {"strips_above_megapixels": 0}])
def test_an_alpha_mask_is_painted_where_it_is_half_opaque(
    project: Project, export: Runner, mode: str, options: Any, strips: Any
) -> None:
    item, inside = alpha(mode, **options)
    project.add()
    project.add_bad(picture(), annotation(item), "alpha.png")
    done = export(project.folder, config=layer_of(**strips))
    assert done.code == 0
    machine = np.where(inside, GRAY, 0).astype(np.uint8)
    assert done.tree["ds/masks_machine/alpha.png"] == ("L", machine.tobytes())
    painter = savemasks.Painter(SaveMasks.from_json(layer_of()))
    assert (painter.machine(annotation(item)) == machine).all()


def test_layers_and_projects_may_begin_with_a_byte_order_mark(
    project: Project, tmp_path: Path
) -> None:
    project.add()
    meta = MARK + (project.folder / "meta.json").read_bytes()
    project.put("meta.json", meta)
    config = tmp_path / "config.json"
    config.write_bytes(MARK + json.dumps(layer_of() | {"comment": math.nan}).encode())
    for command in (
        ["check", config, project.folder],
        ["run", config, project.folder, "--out", tmp_path / "out"],
    ):
        code, output = call(*command)
        assert code == 0, output
    assert files(tmp_path / "out")["experiment001/meta.json"] == meta


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-le", "latin-1"])
def test_layers_and_projects_in_other_encodings_are_refused(
    project: Project, tmp_path: Path, encoding: str
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(layer_of()))
    found = f"is {encoding[:6].upper()}" if encoding != "latin-1" else "is not UTF-8: byte 0xe9"
    meta = project.folder / "meta.json"
    for path in (meta, config):
        text = path.read_text().replace("kiwi", "kiwi\u00e9")
        path.write_bytes(text.encode(encoding).replace(b"\\u00e9", b"\xe9"))
        for command in (["check"], ["run", "--out", tmp_path / "out"]):
            code, output = call(command[0], config, project.folder, *command[1:])
            assert code == 2
            assert f"{path}: {found}" in output
            assert "; save it as UTF-8" in output
        assert not (tmp_path / "out").exists()


def test_odd_projects_are_merged(project: Project, tmp_path: Path) -> None:
    """Of several projects one meta.json is made, whatever their texts hold."""
    project.add()
    config = tmp_path / "config.json"
    config.write_text(json.dumps(layer_of()))
    meta = {"classes": [{"title": "kiwi", "shape": "\ud83d"}], "tags": [{"name": "\ud83d"}]}
    other = Project(tmp_path / "other")
    other.put("meta.json", json.dumps(meta | {"score": math.nan}).encode())
    other.add("b.png")
    out = tmp_path / "out"
    for _ in range(2):  # the second run continues the first
        code, output = call("run", config, other.folder, project.folder, "--out", out)
        assert code == 0, output
    merged = json.loads(files(out)["experiment001/meta.json"])
    assert merged["tags"] == meta["tags"]
