"""Pictures in strips that cannot be made: nothing is left of them, and the reason is told."""

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from savemasks.errors import AnnotationError, ImageError, WriteError
from savemasks.line import strips as strips_module
from savemasks.line.budget import Budget
from savemasks.line.job import Outcome
from savemasks.pictures.streamed import StreamedOriginal
from support.pixels import original
from support.projects import mount, names
from support.strips import GIB, Bench, all_files, encoded, layer, photo


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return photo(tmp_path)


def failing(bench: Bench, form: str, threads: int = 1) -> tuple[Outcome, Path]:
    config = layer(strips_above_megapixels=0, format=form)
    done, out = bench.export(config, Budget(GIB, threads, 7))
    assert done.outputs() == {}
    assert all_files(out.parent) == []
    return done, out


@pytest.mark.parametrize("form", ["png", "tiff"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_picture_that_is_cut_off_leaves_nothing(bench: Bench, form: str, threads: int) -> None:
    path = bench.folder / "a.png"
    path.write_bytes(path.read_bytes()[:-9000])
    done, _ = failing(bench, form, threads)
    assert isinstance(done.error, ImageError)
    assert str(done.error).startswith(f"{path}: cannot be decoded: ")


@pytest.mark.parametrize("form", ["png", "tiff"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_full_disk_leaves_nothing(
    bench: Bench, form: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(28, os.strerror(28))
    genuine = strips_module._Strips._make

    def writev(*_: object) -> int:
        raise full

    def make(line: Any, number: int) -> Any:
        if number == 9:
            raise full
        return genuine(line, number)

    if form == "png":
        monkeypatch.setattr(os, "writev", writev)
        done, out = failing(bench, form, threads)
        assert isinstance(done.error, WriteError)
        assert str(done.error).startswith(f"{out}/masks_")
        assert "No space left on device" in str(done.error)
        monkeypatch.undo()
    monkeypatch.setattr(strips_module._Strips, "_make", make)
    done, _ = failing(bench, form, threads)
    assert done.error is full


@pytest.mark.parametrize("form", ["png", "tiff"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_disk_that_becomes_full_leaves_nothing(tmp_path: Path, form: str, threads: int) -> None:
    image = encoded(original("noise", 700, 600, np.random.default_rng(0)), "png")
    made = Bench(tmp_path, image, 700, 600, [], "a.png")
    made.place = tmp_path / "small"
    made.place.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=1m", "none", made.place):
        pytest.skip("file systems cannot be mounted here")
    try:
        done, out = failing(made, form, threads)
        assert isinstance(done.error, WriteError)
        file = out / ("masks_human/a" + (".png" if form == "png" else ".tif"))
        assert str(done.error) == f"{file}: cannot be written: No space left on device"
        assert all_files(made.place) == []
    finally:
        subprocess.run(["umount", str(made.place)], check=True)


def test_a_tiff_that_cannot_be_written_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("savemasks.encode.tiff._tile_side", lambda _: 7)  # which libvips refuses
    done, out = failing(bench, "tiff")
    assert isinstance(done.error, WriteError)
    assert str(done.error).startswith(f"{out}/masks_")


def test_if_the_second_mask_cannot_get_its_name_the_first_loses_its_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = os.replace

    def replace(source: str, target: str) -> None:
        if "machine" in target:
            raise OSError(28, os.strerror(28))
        genuine(source, target)

    monkeypatch.setattr(os, "replace", replace)
    done, _ = failing(bench, "png")
    assert isinstance(done.error, WriteError)


@pytest.mark.parametrize(
    ("size", "form", "message"),
    [
        ((1, 1 << 31), "png", "its machine mask would have 2147483648 x 1 pixels"),
        ((1 << 31, 1), "png", "its machine mask would have 1 x 2147483648 pixels"),
        ((3, 400_000_000), "png", "its human mask would be 800000001 pixels wide"),
        ((3, 10_000_001), "tiff", "its machine mask would have 10000001 x 3 pixels"),
        ((1 << 21, 1 << 20), "png", "is more than the"),
    ],
)
def test_what_a_format_cannot_hold_is_told_before_anything_is_done(
    tmp_path: Path, size: tuple[int, int], form: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StreamedOriginal, "__init__", lambda self, _: setattr(self, "size", size))
    monkeypatch.setattr("savemasks.line.item._MOST_AT_ONCE", 0)
    made = Bench(tmp_path, b"x", *size, [], "a.png")
    done, out = made.export(layer(format=form), Budget(GIB))
    assert isinstance(done.error, AnnotationError)
    assert done.error.file == made.item.annotation
    assert message in str(done.error)
    assert names(out.parent) == []
