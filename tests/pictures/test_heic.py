"""HEIC, which phones make: decoded if the extra is installed, and refused by name if not."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from savemasks.errors import ImageError, UnreadFormatError
from savemasks.pictures.original import Original
from savemasks.pictures.streamed import StreamedOriginal
from support.decoding import photo
from support.pictures import expect_pixels, in_strips

pillow_heif = pytest.importorskip("pillow_heif")

SAMPLES = photo(48, 66)
KINDS: dict[str, NDArray[np.unsignedinteger]] = {
    "RGB": SAMPLES,
    "RGBA": np.dstack([SAMPLES, SAMPLES[:, :, 1]]),
    "L": SAMPLES[:, :, 0],
    "RGB;16": SAMPLES.astype(np.uint16) * 257,  # becomes 10 bits
}


def heic(samples: NDArray[np.unsignedinteger], mode: str = "RGB", orientation: int = 1) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    size = samples.shape[1::-1]
    image = pillow_heif.from_bytes(mode, size, np.ascontiguousarray(samples).tobytes())
    if orientation > 1:
        image = pillow_heif.from_pillow(Image.fromarray(samples))
    image.save(file, quality=90, **({"exif": exif.tobytes()} if orientation > 1 else {}))
    return file.getvalue()


def by_pillow(data: bytes) -> NDArray[np.uint8]:
    with pillow_heif.HeifImageFile(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture
def no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)


@pytest.mark.parametrize("mode", KINDS)
def test_heic_becomes_the_pixels_of_pillow(mode: str, tmp_path: Path) -> None:
    data = heic(KINDS[mode], mode)
    expect_pixels(data, by_pillow(data), tmp_path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_once(orientation: int, tmp_path: Path) -> None:
    data = heic(SAMPLES, orientation=orientation)
    turned = {
        1: SAMPLES,
        2: SAMPLES[:, ::-1],
        3: SAMPLES[::-1, ::-1],
        4: SAMPLES[::-1],
        5: SAMPLES.transpose(1, 0, 2),
        6: SAMPLES.transpose(1, 0, 2)[:, ::-1],
        7: SAMPLES.transpose(1, 0, 2)[::-1, ::-1],
        8: SAMPLES.transpose(1, 0, 2)[::-1],
    }[orientation]
    made = Original(data).pixels()
    assert made.shape == turned.shape
    assert np.abs(made.astype(int) - turned).mean() < 5
    expect_pixels(data, by_pillow(data), tmp_path)


def test_heic_is_held_whole_only_if_memory_allows(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="decoded only as a whole"):
        in_strips(heic(SAMPLES), tmp_path, memory=10_000)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.97])
def test_damaged_heic_is_refused(part: float, tmp_path: Path) -> None:
    data = heic(SAMPLES)
    cut = data[: int(len(data) * part)]
    with pytest.raises(ImageError, match="cannot be decoded"):
        Original(cut).pixels()
    with pytest.raises(ImageError, match="cannot be decoded"):
        in_strips(cut, tmp_path)


@pytest.mark.usefixtures("no_extra")
def test_without_the_extra_the_message_names_it(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(heic(SAMPLES, orientation=6))
    for opened in (lambda: Original(path.read_bytes()), lambda: StreamedOriginal(str(path))):
        with pytest.raises(UnreadFormatError) as caught:
            opened()
        assert str(caught.value).startswith("HEIC is not supported by this installation; pip")
        assert "'savemasks[heic]'" in str(caught.value)
        assert caught.value.size == (66, 48)
