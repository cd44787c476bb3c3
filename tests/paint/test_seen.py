"""What is counted of a label map."""

import numpy as np
import pytest

from savemasks.kernels.paint.seen import count_labels, count_objects


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("longest", [5, 200])  # runs: most blocks have many labels, or one or two
@pytest.mark.parametrize("labels", [2, 5, 6, 200])
@pytest.mark.parametrize("size", [(1, 1), (3, 127), (2, 128), (5, 700)])
def test_pixels_of_every_label_but_0_are_added(
    size: tuple[int, int], labels: int, longest: int, dtype: type[np.uint8] | type[np.uint16]
) -> None:
    rng = np.random.default_rng(labels)
    runs = rng.integers(0, labels, size).astype(dtype)
    pixels = np.repeat(runs, rng.integers(longest // 2, longest), axis=1)
    pixels[0, 0] = labels - 1
    counts = np.full(labels, 7, np.int64)
    count_labels(pixels, counts)
    expected = np.bincount(pixels.ravel(), minlength=labels)
    assert counts[0] == 7
    assert (counts[1:] == 7 + expected[1:]).all()


def test_all_pixels_of_a_large_map_are_counted() -> None:
    counts = np.zeros(2, np.int64)
    count_labels(np.ones((3, 100_000), np.uint8), counts)
    assert counts.tolist() == [0, 300_000]


def test_every_object_counts_once_however_many_shapes_it_has() -> None:
    object_index = np.array([0, 0, 1, 3, 3, 3, 4], np.int32)
    class_id = np.array([1, 1, 0, 2, 2, 2, 1], np.int32)
    counts = np.zeros(4, np.int64)
    count_objects(object_index, class_id, np.array([3, 1, 0], np.uint8), counts)
    assert counts.tolist() == [1, 2, 0, 1]
