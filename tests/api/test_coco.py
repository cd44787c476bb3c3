"""Run-length codes are COCO's: compared with pycocotools, and with what it once gave."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import savemasks

DISC = (
    "hZ1?V36J6L2M4M2M4M2N2N2N2O0O2N2O0O2N2O000O2O000O2O0000000000000000000000000001N1"
    "0001N10001N2N101N2N101N2N2N2N3L3N3L3N4J6JcY2"
)


def masks() -> list[NDArray[np.bool_]]:
    """Noise, blocks, and masks whose last column is set, of many sizes."""
    rng = np.random.default_rng(17)
    found = []
    for share in (0, 0.02, 0.3, 0.98, 1):
        for _ in range(20):
            small = rng.random(rng.integers(1, 30, 2)) < share
            found.append(small)
            across, down = rng.integers(1, 40, 2).tolist()
            found.append(np.repeat(np.repeat(small, down, axis=0), across, axis=1))
    for side in (1, 31, 32, 33, 1023, 1025, 40_000):  # counts of one, two, three, four digits
        long = np.zeros((side + 2, 2), np.bool_)
        long[1:-1, 0] = True
        found += [long, ~long, long.T]
    return found


GOLDEN: list[tuple[list[list[int]], str]] = [
    ([[0, 1, 1], [0, 1, 0]], "231"),
    ([[0, 0], [0, 0]], "4"),
    ([[1, 1], [1, 1]], "04"),
    ([[1, 0], [0, 1]], "0120"),
    ([[0, 1, 0, 1], [0, 1, 1, 1], [1, 1, 0, 0]], "241M010"),
]


@pytest.mark.parametrize(("rows", "counts"), GOLDEN)
def test_codes_are_what_pycocotools_gave(rows: list[list[int]], counts: str) -> None:
    mask = np.array(rows)
    code = savemasks.rle(mask)
    assert code == {"size": [*mask.shape], "counts": counts}
    assert json.loads(json.dumps(code)) == code
    assert np.array_equal(savemasks.rle_decode(code), mask != 0)


def test_long_and_falling_counts_are_what_pycocotools_gave() -> None:
    y, x = np.mgrid[:120, :90]
    disc = (x - 40) ** 2 + (y - 55) ** 2 < 900
    assert savemasks.rle(disc) == {"size": [120, 90], "counts": DISC}


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of pycocotools
def test_all_masks_are_as_pycocotools_has_them() -> None:
    coco = pytest.importorskip("pycocotools.mask")
    for mask in masks():
        expected = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        code = savemasks.rle(mask)
        assert code["counts"].encode() == expected["counts"]
        assert code["size"] == [*expected["size"]]
        assert np.array_equal(coco.decode(code), mask)
        assert coco.area(code) == mask.sum()


def test_every_mask_comes_back() -> None:
    for mask in masks():
        code = savemasks.rle(mask)
        found = savemasks.rle_decode(code)
        assert found.dtype == np.bool_
        assert found.flags.c_contiguous
        assert np.array_equal(found, mask)
        as_bytes: dict[str, Any] = {**code, "counts": code["counts"].encode()}
        assert np.array_equal(savemasks.rle_decode(as_bytes), mask)


@settings(deadline=None)
@given(st.data())
def test_a_part_has_the_code_of_the_whole(data: st.DataObject) -> None:
    """Also where a run goes on at the top of the next column, or the part has no pixel."""
    height, width = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    x, y = data.draw(st.integers(0, width)), data.draw(st.integers(0, height))
    rows, columns = data.draw(st.integers(0, height - y)), data.draw(st.integers(0, width - x))
    share = data.draw(st.sampled_from([0, 0.5, 1]))
    part = np.random.default_rng(data.draw(st.integers(0, 99))).random((rows, columns)) < share
    whole = np.zeros((height, width), np.bool_)
    whole[y : y + rows, x : x + columns] = part
    assert savemasks.rle(part, size=(height, width), corner=(x, y)) == savemasks.rle(whole)


def test_masks_are_bool_or_whole_numbers_of_any_layout() -> None:
    mask = masks()[41]
    expected = savemasks.rle(mask)
    for same in (mask.astype(np.uint8) * 255, mask.astype(np.int32) * -1, np.asfortranarray(mask)):
        assert savemasks.rle(same) == expected
    assert savemasks.rle(np.repeat(mask, 2, axis=1)[:, ::2]) == expected


def test_counts_may_be_a_list() -> None:
    """As COCO has them for crowds."""
    assert savemasks.rle_decode({"size": [2, 3], "counts": [2, 3, 1]}).tolist() == [
        [False, True, True],
        [False, True, False],
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[1]],), TypeError, "mask must be a NumPy array, not list"),
        ((np.zeros((2, 2)),), TypeError, "mask must be of bool or of integers, not of float64"),
        ((np.zeros((2, 2, 3), bool),), ValueError, r"shape \(height, width\), not \(2, 2, 3\)"),
    ],
)
def test_what_is_no_mask_is_refused(
    arguments: tuple[Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        savemasks.rle(*arguments)


@pytest.mark.parametrize("corner", [(-1, 0), (0, -1), (3, 0), (0, 2)])
def test_a_part_must_lie_in_its_picture(corner: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="does not lie in a picture of 4 x 3"):
        savemasks.rle(np.ones((2, 2), bool), size=(3, 4), corner=corner)
    with pytest.raises(TypeError, match="size must be two whole numbers"):
        savemasks.rle(np.ones((2, 2), bool), size=(3, 4, 1))


@pytest.mark.parametrize(
    "code",
    [
        {"size": [2, 3]},
        {"size": [2], "counts": "231"},
        {"size": [2, 3], "counts": "23"},
        {"size": [2, 3], "counts": "2311"},
        {"size": [2, 3], "counts": [9, -3]},
        {"size": [2, 3], "counts": [1 << 63, 1]},
        {"size": [2, 3], "counts": [(1 << 62), (1 << 62), (1 << 62), (1 << 62), 6]},
        {"size": [2, 3], "counts": "23 1"},
        {"size": [2, 3], "counts": "23Q"},
        {"size": [2, 3], "counts": "o" * 300},
        {"size": [2, 3], "counts": "23é"},
        {"size": [-2, -3], "counts": "231"},
        {"size": [2, 3], "counts": None},
        {"size": [2, 3], "counts": [1.5]},
    ],
)
def test_what_is_no_code_is_an_error(code: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"run-length|counts|code"):
        savemasks.rle_decode(code)
