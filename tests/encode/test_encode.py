"""Every PNG is read back by three independent decoders, and its chunks are checked by hand."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from savemasks.encode.general import encode_png
from savemasks.scratch import Scratch
from support.pngs import assert_decodes_to, chunks_of

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(
    lambda s: st.sampled_from([s, (*s, 3)])
)


@settings(max_examples=150, deadline=None)
@given(arrays.arrays(np.uint8, shapes))
def test_any_picture_comes_back_from_every_decoder(pixels: NDArray[np.uint8]) -> None:
    assert_decodes_to(b"".join(encode_png(pixels)), pixels)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1, 3), (700, 900, 3), (800, 600)])
@pytest.mark.parametrize("content", ["zeros", "full", "noise", "stripes", "slopes"])
def test_pictures_of_all_sizes_and_contents_come_back(shape: tuple[int, ...], content: str) -> None:
    rows, columns = np.indices(shape[:2])
    flat = {
        "zeros": np.zeros(shape[:2], np.int64),
        "full": np.full(shape[:2], 255),
        "noise": np.random.default_rng(0).integers(0, 256, shape[:2]),
        "stripes": 200 * (columns // 7 % 2),
        "slopes": rows + 3 * columns,
    }[content].astype(np.uint8)
    pixels = np.repeat(flat[:, :, None], 3, axis=2) if len(shape) == 3 else flat
    assert_decodes_to(b"".join(encode_png(np.ascontiguousarray(pixels))), pixels)


def test_chunks_and_checksums_are_right() -> None:
    png = b"".join(encode_png(np.zeros((3, 5, 3), np.uint8)))
    (ihdr, header), (idat, stream), (iend, nothing) = chunks_of(png)
    assert (ihdr, idat, iend, nothing) == (b"IHDR", b"IDAT", b"IEND", b"")
    assert struct.unpack(">IIBBBBB", header) == (5, 3, 8, 2, 0, 0, 0)
    assert len(zlib.decompress(stream)) == 3 * (1 + 15)


def test_a_stream_that_is_too_long_for_one_chunk_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("savemasks.encode.png._MAX_CHUNK", 1000)
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70)).astype(np.uint8)
    png = b"".join(encode_png(pixels))
    sizes = [len(data) for name, data in chunks_of(png) if name == b"IDAT"]
    assert len(sizes) == 4
    assert max(sizes) == 1000
    assert_decodes_to(png, pixels)


def test_small_pictures_give_the_same_bytes_at_any_place_in_memory() -> None:
    rng = np.random.default_rng(0)
    pictures = [
        np.tile(rng.integers(0, 9, (1, 25), np.uint8), (24, 1))
        ^ rng.integers(0, 2, (24, 25), np.uint8)
        for _ in range(300)
    ]
    first = [encode_png(picture) for picture in pictures]
    for _ in range(3):
        held = [bytearray(rng.integers(1, 5000)) for _ in range(200)]
        assert [encode_png(picture.copy()) for picture in pictures] == first
        del held


def test_the_same_pixels_give_the_same_bytes_whatever_the_scratch_held() -> None:
    scratch = Scratch()
    small = np.arange(12, dtype=np.uint8).reshape(3, 4)
    first = encode_png(small, scratch)
    encode_png(np.full((90, 80, 3), 200, np.uint8), scratch)
    assert encode_png(small, scratch) == first == encode_png(small)
