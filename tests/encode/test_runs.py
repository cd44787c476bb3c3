"""Machine masks encoded from labels: every decoder sees what colouring gives."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from savemasks.encode import choice, machine
from savemasks.encode.choice import encode_machine
from savemasks.encode.color import color_machine
from savemasks.layers.palette import Palette, machine_palette
from savemasks.scratch import Scratch
from support.pngs import assert_decodes_to, chunks_of

# Two classes of one gray, and one that is black like the background.
GRAYS = machine_palette({n: (g, g, g) for n, g in zip("abcd", (100, 200, 100, 0), strict=True)})


def check(labels: NDArray[Any], palette: Palette = GRAYS, scratch: Scratch | None = None) -> bytes:
    expected = np.empty(labels.shape if palette.is_gray else (*labels.shape, 3), np.uint8)
    color_machine(labels, palette, expected)
    png = b"".join(encode_machine(labels, palette, scratch))
    chunks_of(png)
    assert_decodes_to(png, expected)
    return png


@pytest.fixture
def runs_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing to the general encoder."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the general encoder was asked")

    monkeypatch.setattr(machine, "_PIXELS_PER_TOKEN", 0.25)
    monkeypatch.setattr(choice, "deflate_pixels", refuse)


def boxes(rng: np.random.Generator, height: int, width: int, count: int) -> NDArray[np.uint8]:
    labels = np.zeros((height, width), np.uint8)
    for _ in range(count):
        y, x = rng.integers(0, height), rng.integers(0, width)
        rows, columns = rng.integers(1, 12, 2)
        labels[y : y + rows, x : x + columns] = rng.integers(0, 5)
    return labels


@settings(max_examples=400, deadline=None)
@given(st.integers(1, 40), st.integers(1, 80), st.integers(0, 40), st.integers(0, 10**6))
def test_masks_of_boxes_come_back(height: int, width: int, count: int, seed: int) -> None:
    check(boxes(np.random.default_rng(seed), height, width, count))


@pytest.mark.usefixtures("runs_only")
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.9])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (9, 3), (3, 31), (5, 32), (40, 95)])
def test_noise_comes_back_too(size: tuple[int, int], share: float) -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        labels = np.where(rng.random(size) < share, rng.integers(0, 5, size), 0).astype(np.uint8)
        check(labels)
        check(np.repeat(labels, 3, axis=0))


@pytest.mark.parametrize("width", [32_766, 32_767, 32_768, 40_000])
def test_rows_around_the_reach_of_deflate_come_back(width: int) -> None:
    check(boxes(np.random.default_rng(width), 5, width, 300))


def test_empty_masks_are_small() -> None:
    assert len(check(np.zeros((1080, 1920), np.uint8))) < 4000


def test_noise_is_left_to_the_general_encoder() -> None:
    labels = np.random.default_rng(0).integers(0, 5, (200, 300)).astype(np.uint8)
    check(labels)
    assert machine.encode_runs(labels, GRAYS.colors[:, 0].copy(), Scratch()) is None


def test_colours_are_encoded_in_three_channels() -> None:
    labels = boxes(np.random.default_rng(1), 50, 60, 20)
    check(labels, machine_palette({n: (1, 2, i) for i, n in enumerate("abcd")}))


def test_labels_of_16_bits_are_encoded_alike() -> None:
    palette = machine_palette({str(i): (i % 256,) * 3 for i in range(300)})
    labels = boxes(np.random.default_rng(1), 50, 60, 20).astype(np.uint16) * 70
    check(labels, palette)


def test_the_same_mask_gives_the_same_bytes_whatever_the_scratch_held() -> None:
    rng = np.random.default_rng(3)
    scratch = Scratch()
    labels = boxes(rng, 50, 70, 12)
    first = check(labels, scratch=scratch)
    check(boxes(rng, 90, 120, 30), scratch=scratch)
    assert check(labels, scratch=scratch) == first == check(labels)
