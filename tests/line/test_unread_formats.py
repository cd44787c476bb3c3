"""Pictures that cannot be decoded: copied if that is all that is wanted, else refused by name."""

from pathlib import Path

import numpy as np
import pytest

from savemasks.api.painter import Painter
from savemasks.errors import ImageError
from savemasks.layers.save_masks import SaveMasks
from savemasks.pictures import decode_pillow, formats
from savemasks.run.check import check
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from support.projects import KIWI, Project, annotation, layer, tree

JXL = b"\xff\x0a" + bytes(99)
HEIC = formats.SMALL_HEIC
NOTE = annotation(KIWI)
HEIC_NOTE = annotation(KIWI, size={"height": 64, "width": 64})
ONE = RunOptions(workers=1)


@pytest.fixture(autouse=True)
def no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_pillow, "_pillow_heif", lambda: None)


def layer_of(**settings: object) -> SaveMasks:
    return SaveMasks.from_json(layer(**settings))


@pytest.mark.parametrize("form", ["png", "tiff"])  # as a whole, and in strips
def test_human_masks_need_the_pixels(tmp_path: Path, form: str) -> None:
    project = Project(tmp_path / "project")
    project.add("good.png")
    project.add_bad(JXL, NOTE, "a.jxl")
    project.add_bad(HEIC, HEIC_NOTE, "b.heic")
    made = run(layer_of(format=form), [project.folder], tmp_path / "made", ONE)
    assert (made.images, made.failed) == (1, 2)
    for words in ("a.jxl: JPEG XL is not supported by", "b.heic: HEIC is not supported by"):
        assert any(words in str(failure) for failure in made.failures)
    survey = check(layer_of(format=form), [project.folder], ONE)
    assert (survey.items, survey.failed) == (3, 2)
    assert {*survey.failures} == {*made.failures}


@pytest.mark.parametrize("form", ["png", "tiff"])
def test_for_machine_masks_alone_it_is_copied(tmp_path: Path, form: str) -> None:
    project = Project(tmp_path / "project")
    project.add("good.png")
    project.add_bad(JXL, NOTE, "a.jxl")
    project.add_bad(HEIC, HEIC_NOTE, "b.heic")
    wanted = layer_of(masks_human=False, gt_human_color=None, format=form)
    made = run(wanted, [project.folder], tmp_path / "made", ONE)
    assert (made.images, made.failed) == (3, 0)
    assert (made.out / "ds/img/a.jxl").read_bytes() == JXL
    assert (made.out / "ds/img/b.heic").read_bytes() == HEIC
    if form == "png":
        masks = tree(made.out)
        assert masks["ds/masks_machine/a.png"] == project.expected["ds/masks_machine/good.png"]
    survey = check(wanted, [project.folder], ONE)
    assert (survey.items, survey.failed) == (3, 0)


def test_the_outcome_names_the_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path / "project")
    project.add("good.png")
    project.add_bad(JXL, NOTE, "a.jxl")
    project.add_bad(HEIC, HEIC_NOTE, "b.heic")
    found = []
    monkeypatch.setattr(
        "savemasks.run.check.Survey.add", lambda _, outcome: found.append(outcome.unread_format)
    )
    check(layer_of(masks_human=False, gt_human_color=None), [project.folder], ONE)
    assert sorted(found, key=str) == ["HEIC", "JPEG XL", None]


def test_a_size_in_a_header_that_can_be_read_is_compared(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.add("good.png")
    project.add_bad(HEIC, NOTE, "b.heic")
    wanted = layer_of(masks_human=False, gt_human_color=None)
    made = run(wanted, [project.folder], tmp_path / "made", ONE)
    assert (made.images, made.failed) == (1, 1)
    assert "is 64 x 64 pixels, but its annotation says 12 x 8" in str(made.failures[0])


def test_what_is_no_picture_is_not_copied(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.add("good.png")
    project.add_bad(b"<!DOCTYPE html>", NOTE, "a.jpg")
    project.add_bad(b"\0\0\0\x18ftypisom" + bytes(99), NOTE, "b.jpg")
    wanted = layer_of(masks_human=False, gt_human_color=None)
    made = run(wanted, [project.folder], tmp_path / "made", ONE)
    assert (made.images, made.failed) == (1, 2)


def test_painters_refuse_it_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(HEIC)
    painter = Painter(layer_of())
    for image in (HEIC, path):
        with pytest.raises(ImageError, match="HEIC is not supported by this installation"):
            painter.human(HEIC_NOTE, image)
    with pytest.raises(ImageError, match="JPEG XL is not supported by this installation"):
        painter.human(NOTE, JXL)


def test_painters_take_heic_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("pillow_heif")
    monkeypatch.setattr(decode_pillow, "_pillow_heif", lambda: library)
    page = Painter(layer_of()).human(HEIC_NOTE, HEIC)
    assert page.shape == (64, 129, 3)
    assert np.array_equal(page[:, :64], np.zeros((64, 64, 3), np.uint8))
