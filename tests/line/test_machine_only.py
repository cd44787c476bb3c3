"""Exports without human pictures: images are copied, and their headers are looked at."""

import base64
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import orjson
import pytest

from savemasks import kernels
from savemasks.api.painter import Painter
from savemasks.encode.general import encode_png
from savemasks.errors import ConfigError
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.plan import Plan
from savemasks.line.warmup import warm_up
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from support.projects import Project, annotation, picture

CONFIG = {
    "action": "save_masks",
    "src": ["$0"],
    "dst": "out",
    "settings": {"masks_machine": True, "gt_machine_color": {"kiwi": [100, 100, 100]}},
}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no picture", "cannot be decoded"),
        (b"", "the file is empty"),
        (picture()[:20], "cannot be decoded"),
    ],
)
def test_an_image_that_is_none_fails_without_human_pictures_too(
    tmp_path: Path, data: bytes, message: str
) -> None:
    project = Project(tmp_path / "project")
    project.add("good.png")
    project.add_bad(data, annotation(), "bad.png")
    summary = run(SaveMasks.from_json(CONFIG), [project.folder], tmp_path / "made")
    assert (summary.images, summary.failed) == (1, 1)
    assert message in str(summary.failures[0])
    assert not list(summary.out.rglob("*bad*"))


def test_a_size_that_is_not_the_images_is_told_before_anything_is_painted(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    huge = orjson.dumps({"size": {"height": 16384, "width": 16384}, "objects": []})
    project.add_bad(picture(), huge, "bad.png")
    layer = SaveMasks.from_json(CONFIG)
    warm_up(Plan.of(layer))
    tracemalloc.start()
    try:
        summary = run(layer, [project.folder], tmp_path / "made", RunOptions(workers=1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "but its annotation says 16384 x 16384" in str(summary.failures[0])
    assert peak < 64 << 20


def test_images_that_are_not_copied_are_not_looked_at(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.add_bad(b"no picture", annotation(), "a.png")
    settings = {**CONFIG["settings"], "images": False}  # type: ignore[dict-item]
    layer = SaveMasks.from_json({**CONFIG, "settings": settings})
    summary = run(layer, [project.folder], tmp_path / "made")
    assert (summary.images, summary.failed) == (1, 0)
    assert [p.name for p in summary.out.rglob("*.png") if p.name != "legend.png"] == ["a.png"]


def test_many_bitmaps_of_the_whole_frame_are_never_all_unpacked_at_once() -> None:
    side, count = 2000, 40
    mask = np.zeros((side, side), np.uint8)
    mask[100:1900, 50:1990] = 255
    data = base64.b64encode(zlib.compress(b"".join(encode_png(mask)))).decode()
    item = {
        "classTitle": "kiwi",
        "geometryType": "bitmap",
        "bitmap": {"origin": [0, 0], "data": data},
    }
    content = orjson.dumps({"size": {"height": side, "width": side}, "objects": [item] * count})
    painter = Painter(SaveMasks.from_json(CONFIG))
    warm_up(Plan.of(SaveMasks.from_json(CONFIG)))
    tracemalloc.start()
    try:
        shapes = painter.parse(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(shapes) == count
    # 40 masks are 20 MB packed and 160 MB as pixels.
    assert peak < 80_000_000
    labels = painter.labels(shapes)
    assert np.array_equal(labels, mask // 255)


def test_the_json_schema_takes_colours_in_one_way() -> None:
    schema = orjson.dumps(SaveMasks.model_json_schema())
    assert b"oneOf" not in schema
    assert b'"maximum":65535' in schema


def test_a_source_that_is_no_placeholder_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"^src\[1\]: must be a placeholder such as \"\$0\""):
        SaveMasks.from_json({**CONFIG, "src": ["$0", "lemons/ds0"]})


def test_a_lock_file_of_somebody_else_costs_only_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, user = tmp_path / "chosen", tmp_path / "user"
    (chosen / "savemasks-compile.lock").mkdir(parents=True)  # what cannot be opened to append
    monkeypatch.setenv("SAVEMASKS_CACHE_DIR", str(chosen))
    monkeypatch.setattr(kernels.cache, "_BESIDE", tmp_path / "none" / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(user))
    (tmp_path / "none").touch()
    kernels.cache.cache_folder.cache_clear()
    try:
        assert kernels.cache.cache_folder() == user / "savemasks"
    finally:
        kernels.cache.cache_folder.cache_clear()
