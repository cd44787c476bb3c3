"""Eight bytes at once: the same as one by one."""

from typing import Any

import numpy as np
import pytest

from savemasks.kernels.eights import first_byte, gather, load, reaching, same_run

DTYPES = [np.uint8, np.uint16, np.int32]


@pytest.mark.parametrize("dtype", DTYPES)
def test_pixels_are_loaded_as_they_lie_in_memory(dtype: type[Any]) -> None:
    row = np.random.default_rng(0).integers(0, 1 << 30, 40).astype(dtype)
    pixels = 8 // row.itemsize
    for at in range(row.size - pixels + 1):
        expected = int.from_bytes(row[at : at + pixels].tobytes(), "little")
        assert int(load(row, at)) == expected


def test_bytes_that_lie_apart_are_gathered() -> None:
    row = np.random.default_rng(1).integers(0, 256, 40).astype(np.uint8)
    assert int(gather(row, 3, 4)).to_bytes(8, "little") == row[3:35:4].tobytes()


def test_the_first_byte_that_is_not_0_is_found() -> None:
    for place in range(8):
        for low in (1, 2, 127, 128, 255):
            for rest in (0, (1 << 64) - 1):
                word = (low | rest << 8) << 8 * place & ((1 << 64) - 1)
                assert first_byte(np.uint64(word)) == place


@pytest.mark.parametrize("threshold", [1, 2, 100, 127, 128, 129, 254, 255])
def test_bytes_that_reach_a_threshold_become_bits(threshold: int) -> None:
    rng = np.random.default_rng(threshold)
    edges = [0, 1, 126, 127, 128, 129, 254, 255, threshold - 1, threshold]
    for _ in range(300):
        row = np.where(rng.random(8) < 0.7, rng.choice(edges, 8), rng.integers(0, 256, 8))
        expected = np.packbits(row >= threshold)[0]
        word = np.uint64(load(row.astype(np.uint8), 0))
        assert reaching(word, np.uint64(threshold)) == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_pixels_are_counted_up_to_the_first_that_differs(dtype: type[Any]) -> None:
    row = np.random.default_rng(2).integers(0, 1 << 30, 200).astype(dtype)
    for size in (1, 7, 8, 63, 64, 65, 129, 200):
        for place in range(size + 1):
            above = row[:size].copy()
            # Also by its highest bit alone.
            above[place:] ^= dtype(1) << dtype(8 * row.itemsize - 2)
            for first in (0, place // 2, place):
                if first < size:
                    assert same_run(row[:size], above, first) == place - first
