"""Colours of masks and styles of pages through `savemasks.export`, whole and in strips."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from savemasks.errors import ConfigError
from support import other_masks
from support.other_masks import (
    CLASSES,
    HEIGHT,
    IMAGE,
    THINGS,
    WIDTH,
    Make,
    classes_map,
    export,
    gray_of,
    make_project,
    mixed,
    only,
    read,
    same,
    stacked,
)
from support.pngs import DECODERS
from support.projects import Json, Project

pytestmark = pytest.mark.usefixtures("warm")

# ---------------------------------------------------------------- colours


def test_semantic_masks_have_the_colours_of_meta_json_in_the_order_of_the_list(
    make: Make,
) -> None:
    path = only(make(masks_semantic_rgb=True, paint_order="area") / "masks_semantic_rgb")
    same(read(path), stacked(THINGS, lambda each: CLASSES[each.title], (0, 0, 0)))
    with Image.open(path) as image:
        assert image.mode == ("P" if path.suffix == ".png" else "RGB")


def test_an_indexed_mask_has_grays_as_indices_and_is_seen_in_colours(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    export(project, tmp_path, other_masks.config(masks_machine=True, machine_palette=True))
    content = (tmp_path / "out/ds/masks_machine/a.png").read_bytes()
    with Image.open(tmp_path / "out/ds/masks_machine/a.png") as image:
        assert image.mode == "P"
        same(np.asarray(image), classes_map(THINGS))
    seen = stacked(THINGS, lambda each: CLASSES[each.title], (0, 0, 0))
    for decode in DECODERS[1:]:
        same(decode(content), seen)


@pytest.mark.parametrize("channels", ["auto", 1, 3])
@pytest.mark.parametrize("background", [0, 255])
def test_machine_masks_have_as_many_channels_as_asked_for(
    make: Make, channels: object, background: int
) -> None:
    folder = make(masks_machine=True, machine_channels=channels, background=background)
    expected = stacked(THINGS, lambda each: gray_of(each.title), background)
    if channels == 3:
        expected = np.repeat(expected[..., None], 3, axis=2)
    same(read(only(folder / "masks_machine")), expected)


def test_a_background_may_be_a_colour_and_channels_must_fit_colours(
    make: Make, tmp_path: Path
) -> None:
    colors = {title: [*color] for title, color in CLASSES.items()}
    wanted = {"masks_machine": True, "gt_machine_color": colors, "background": [9, 250, 3]}
    found = read(only(make(**wanted) / "masks_machine"))
    same(found, stacked(THINGS, lambda each: CLASSES[each.title], (9, 250, 3)))
    with pytest.raises(ConfigError, match="machine_channels"):
        export(Project(tmp_path / "p"), tmp_path, other_masks.config(**wanted, machine_channels=1))


def test_automatic_colours_are_told(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    export(project, tmp_path, other_masks.config(masks_machine=True, masks_semantic_rgb=True))
    grays, colors = (
        json.loads((tmp_path / f"out/obj_class_to_{kind}_color.json").read_bytes())
        for kind in ("machine", "semantic")
    )
    assert grays == {title: [gray_of(title)] * 3 for title in CLASSES}
    assert colors == {title: [*color] for title, color in CLASSES.items()}


# ---------------------------------------------------------------- pages

STYLES: dict[str, Json] = {
    "plain": {},
    "weak": {"human_opacity": 0.2},
    "opaque overlay": {"human_opacity": 1.0, "human_layout": "overlay"},
}


@pytest.mark.parametrize("style", STYLES)
def test_pages_are_mixed_and_laid_out_as_asked_for(make: Make, style: str) -> None:
    wanted = STYLES[style]
    page = read(only(make(masks_human=True, **wanted) / "masks_human"))
    copy = mixed(IMAGE, THINGS, wanted.get("human_opacity", 0.5))
    if wanted.get("human_layout") != "overlay":
        green = np.full((HEIGHT, 1, 3), (0, 255, 0))
        copy = np.concatenate([IMAGE, green, copy], axis=1)
    same(page, copy)


def test_pages_are_scaled_by_averaging_areas(make: Make) -> None:
    page = read(only(make(masks_human=True, human_scale=0.3) / "masks_human")).astype(np.int64)
    size = round(WIDTH * 0.3), round(HEIGHT * 0.3)
    sides = (IMAGE, mixed(IMAGE, THINGS).astype(np.uint8))
    left, right = (cv2.resize(side, size, interpolation=cv2.INTER_AREA) for side in sides)
    green = np.full((size[1], 1, 3), (0, 255, 0))
    expected = np.concatenate([left, green, right], axis=1).astype(np.int64)
    assert page.shape == expected.shape
    assert np.abs(page - expected).max() <= 1  # of its rounding


def test_outlines_of_objects_are_in_full_colours(make: Make) -> None:
    wanted = {"human_layout": "overlay", "human_outlines": True}
    page = read(only(make(masks_human=True, **wanted) / "masks_human"))
    numbers = np.pad(stacked(THINGS, lambda each: each.number), 1)
    middle, edge = numbers[1:-1, 1:-1], np.zeros((HEIGHT, WIDTH), bool)
    for y, x in ((0, 1), (2, 1), (1, 0), (1, 2)):
        edge |= middle != numbers[y : y + HEIGHT, x : x + WIDTH]
    full = stacked(THINGS, lambda each: CLASSES[each.title], (0, 0, 0))
    same(page, np.where((edge & (middle > 0))[..., None], full, mixed(IMAGE, THINGS)))


@pytest.mark.parametrize(("form", "mime"), [("jpeg", "JPEG"), ("webp", "WEBP")])
@pytest.mark.parametrize("megapixels", [0, 64])
def test_pages_may_be_of_other_formats(
    tmp_path: Path, form: str, mime: str, megapixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("savemasks.line.budget.STRIP_PIXELS", 9 * WIDTH)
    wanted = {"human_format": form, "human_quality": 100, "strips_above_megapixels": megapixels}
    project = make_project(tmp_path / "project")
    export(project, tmp_path, other_masks.config(masks_human=True, masks_machine=True, **wanted))
    path = only(tmp_path / "out/ds/masks_human")
    assert path.suffix == {"jpeg": ".jpg", "webp": ".webp"}[form]
    with Image.open(path) as image:
        assert image.format == mime
        page = np.asarray(image.convert("RGB")).astype(np.int64)
    green = np.full((HEIGHT, 1, 3), (0, 255, 0))
    expected = np.concatenate([IMAGE, green, mixed(IMAGE, THINGS)], axis=1)
    assert page.shape == expected.shape
    assert np.abs(page - expected).mean() < 12
    same(read(only(tmp_path / "out/ds/masks_machine")), classes_map(THINGS))
