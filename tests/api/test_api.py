"""`savemasks.encode_png` and `savemasks.export`."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import savemasks
from savemasks.api import functions
from savemasks.cli.demo import CONFIG
from savemasks.encode import general, machine
from savemasks.scratch import Buffer, own_scratch
from support.projects import Project, files, same

LAYER = savemasks.SaveMasks.from_json(CONFIG)


# ------------------------------------------------------------------ encode_png


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        arrays.arrays(
            st.sampled_from([np.uint8, np.uint16]),
            st.one_of(
                st.tuples(st.integers(1, 40), st.integers(1, 40)),
                st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)),
            ),
        )
    ),
    st.booleans(),
)
def test_what_is_encoded_comes_back(pixels: Any, turned: bool) -> None:
    if turned:
        pixels = pixels.swapaxes(0, 1)[::-1]
    png = savemasks.encode_png(pixels)
    found = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    assert found.dtype == pixels.dtype
    assert np.array_equal(found[..., ::-1] if found.ndim == 3 else found, pixels)
    assert savemasks.encode_png(pixels.copy()) == png


def test_masks_are_encoded_as_runs_and_noise_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.zeros((50, 60), np.uint8)
    mask[10:30, 20:50] = 255
    noise = np.random.default_rng(0).integers(0, 256, (50, 60), np.uint8)
    expected = [savemasks.encode_png(mask), savemasks.encode_png(noise)]
    asked = []

    def deflate_pixels(pixels: Any, *rest: Any) -> Any:
        asked.append(pixels)
        return general.deflate_pixels(pixels, *rest)

    monkeypatch.setattr(functions, "deflate_pixels", deflate_pixels)
    assert [savemasks.encode_png(mask), savemasks.encode_png(noise)] == expected
    assert len(asked) == 1
    assert np.array_equal(asked[0], noise)
    for png, pixels in zip(expected, (mask, noise), strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), pixels)


def test_a_thread_keeps_no_more_than_a_little_memory() -> None:
    savemasks.encode_png(np.zeros((300, 300), np.uint8))
    kept = own_scratch()._memory
    assert machine._TOKENS in kept
    savemasks.encode_png(np.zeros((6000, 6000), np.uint8))
    assert machine._TOKENS not in kept
    assert max(buffer.size for buffer in kept.values()) <= 16 << 20


def test_memory_that_was_interrupted_while_it_was_taken_is_given_back() -> None:
    scratch = own_scratch()
    half = Buffer("half")
    scratch.take(half, (1 << 25,))
    del scratch._taken[half]
    savemasks.encode_png(np.zeros((3, 3), np.uint8))
    assert half not in scratch._memory


def test_the_pixels_of_the_caller_stay_writeable() -> None:
    pixels = np.zeros((3, 3), np.uint8)
    savemasks.encode_png(pixels)
    assert pixels.flags.writeable


@pytest.mark.parametrize(
    ("pixels", "error", "message"),
    [
        ([[1]], TypeError, "pixels must be a NumPy array, not list"),
        (np.zeros((2, 2)), TypeError, "pixels must be of uint8 or uint16, not of float64"),
        (np.zeros((2, 2), bool), TypeError, "must be of uint8 or uint16, not of bool"),
        (np.zeros((2, 2), ">u2"), TypeError, "must be of uint8 or uint16, not of >u2"),
        (np.zeros(5, np.uint8), ValueError, r"\(height, width, 3\), not \(5,\)"),
        (np.zeros((2, 2, 4), np.uint8), ValueError, r"\(height, width, 3\), not \(2, 2, 4\)"),
        (np.zeros((2, 2, 3, 1), np.uint8), ValueError, "pixels must have the shape"),
        (np.zeros((0, 2), np.uint8), ValueError, "are no picture: it is empty"),
        (np.zeros((2, 0, 3), np.uint8), ValueError, "are no picture: it is empty"),
    ],
)
def test_what_is_no_picture_is_refused(pixels: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        savemasks.encode_png(pixels)


# ------------------------------------------------------------------ export


@pytest.fixture
def good(project: Project) -> Project:
    for name in ("a.png", "b.png", "c.png"):
        project.add(name)
    return project


@pytest.mark.usefixtures("warm")
def test_a_project_is_exported_with_its_progress(good: Project, tmp_path: Path) -> None:
    seen: list[tuple[int, int, int]] = []
    report = savemasks.export(
        str(good.folder),
        out=tmp_path / "out",
        layer=LAYER,
        workers=2,
        report=tmp_path / "report.json",
        on_progress=lambda *counts: seen.append(counts),
    )
    assert isinstance(report, savemasks.Summary)
    assert (report.images, report.failed) == (3, 0)
    assert report.out == tmp_path / "out" / LAYER.dst
    assert seen == [(1, 0, 3), (2, 0, 3), (3, 0, 3)]
    assert (tmp_path / "report.json").exists()
    made = {k: v for k, v in files(report.out).items() if "/masks_" not in k}
    same(made, good.without("masks_machine", "masks_human"))
    assert len(list(report.out.rglob("masks_*/*.png"))) == 6


@pytest.mark.usefixtures("warm")
def test_projects_may_be_several(good: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other")
    other.add("d.png", dataset="ds2")
    report = savemasks.export([good.folder, str(other.folder)], tmp_path / "out", LAYER)
    assert (report.images, report.failed) == (4, 0)


@pytest.mark.usefixtures("warm")
def test_an_item_that_fails_does_not_end_it_unless_asked(good: Project, tmp_path: Path) -> None:
    good.add_bad(b"no picture", b"{}", "0.png")
    report = savemasks.export(good.folder, tmp_path / "out", LAYER, workers=1)
    assert (report.images, report.failed) == (3, 1)
    assert "0.png" in str(report.failures[0])
    report = savemasks.export(good.folder, tmp_path / "out2", LAYER, workers=1, on_error="stop")
    assert report.stopped
    assert report.failed == 1


def test_wrong_arguments_are_named_before_anything_is_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="at least one project"):
        savemasks.export([], out, LAYER)
    with pytest.raises(ValueError, match="workers must be at least 1, not 0"):
        savemasks.export(tmp_path, out, LAYER, workers=0)
    with pytest.raises(ValueError, match='on_error must be "skip" or "stop", not \'go\''):
        savemasks.export(tmp_path, out, LAYER, on_error="go")  # type: ignore[call-overload]
    wrong: Any = savemasks.export
    with pytest.raises(TypeError, match="layer must be a SaveMasks, as SaveMasks"):
        wrong(tmp_path, out, CONFIG)
    with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
        wrong(tmp_path, out, LAYER, workers=1.5)
    with pytest.raises(TypeError, match="on_progress must be callable, not int"):
        wrong(tmp_path, out, LAYER, on_progress=7)
    with pytest.raises(TypeError, match="a str or a Path: 'int' object is not iterable"):
        wrong(7, out, LAYER)
    with pytest.raises(savemasks.ProjectError, match=r"no meta\.json"):
        savemasks.export(tmp_path, out, LAYER)
    assert not out.exists()


@pytest.mark.usefixtures("warm")
def test_the_same_export_goes_on_and_another_one_needs_a_restart(
    good: Project, tmp_path: Path
) -> None:
    def fail(done: int, _failed: int, _total: int) -> None:
        if done == 2:
            raise RuntimeError("of the caller")

    out = tmp_path / "out"
    with pytest.raises(RuntimeError, match="of the caller"):
        savemasks.export(good.folder, out, LAYER, workers=1, on_progress=fail)
    assert not [path for path in out.rglob("*") if path.name.endswith(".part")]
    report = savemasks.export(good.folder, out, LAYER, workers=1)
    assert report.images + report.skipped == 3
    assert report.skipped >= 1
    made = files(report.out)
    assert savemasks.export(good.folder, out, LAYER).skipped == 3
    thick = {**CONFIG, "settings": {**CONFIG["settings"], "line_width": 3}}  # type: ignore[dict-item]
    other = savemasks.SaveMasks.from_json(thick)
    with pytest.raises(savemasks.OutputError, match=r"line_width was 1 and is 3; --restart makes"):
        savemasks.export(good.folder, out, other)
    report = savemasks.export(good.folder, out, other, restart=True)
    assert (report.images, report.skipped) == (3, 0)
    same(files(report.out), made)  # there are no lines


@pytest.mark.usefixtures("warm")
def test_ctrl_c_ends_it_as_such(good: Project, tmp_path: Path) -> None:
    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        savemasks.export(good.folder, tmp_path / "out", LAYER, on_progress=interrupt)
    found = [p.name for p in (tmp_path / "out").rglob("*")]
    assert not any(name.endswith(".part") for name in found)
