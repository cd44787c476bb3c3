"""Points by way of their text: as floor of every number, or left to the slow way."""

import json
import math

import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from savemasks.kernels.parse.points import read_points
from savemasks.shapes import COORDINATE_LIMIT

EDGE = float(COORDINATE_LIMIT)
NUMBERS = st.one_of(
    st.integers(-COORDINATE_LIMIT, COORDINATE_LIMIT),
    st.floats(-EDGE, EDGE),
    st.floats(-5, 5),
    st.integers(-(10**6), 10**6).map(lambda n: math.nextafter(n, math.inf)),
    st.integers(-(10**6), 10**6).map(lambda n: math.nextafter(n, -math.inf)),
)


def read(text: bytes, count: int) -> list[list[int]] | None:
    out = np.full((count, 2), 77, np.int32)
    return out.tolist() if read_points(np.frombuffer(text, np.uint8), out) else None


@settings(max_examples=2000, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=5))
@example([(-0.0, 0.0)])
@example([(-EDGE, EDGE), (EDGE - 0.5, 0.5 - EDGE)])
@example([(0.1 + 0.2, 1 - 2**-53)])
def test_numbers_are_floored(points: list[tuple[float, float]]) -> None:
    text = orjson.dumps(points)
    expected = [[math.floor(x), math.floor(y)] for x, y in points]
    found = read(text, len(points))
    assert found == expected or (found is None and b"e" in text)


@pytest.mark.parametrize(
    "text",
    [
        "", "[", "[[", "[[1", "[[1,", "[[1,2", "[[1,2]", "[[1,2],", "[[1,2]]]", "[[1,2]],", "[1,2]",
        "[[1,2],[3,4]]", "[[1,2,3]]", "[[1]]", "[[]]", "[]", "[[,]]", "[[-,1]]", "[[1,-]]",
        "[[.5,1]]", "[[1e3,1]]", "[[1,1E3]]", "[[1.5e3,1]]", "[[true,1]]", "[[null,1]]",
        '[["1",2]]', "[{1,2}]", "{[1,2]}", "[[1;2]]", "[[ 1,2]]", "[[--1,2]]", "[[1,+2]]",
        "[[1000000001,0]]", "[[0,-1000000001]]", "[[0,-1000000000.5]]",
        "[[99999999999999999999,0]]",
        "[[1_0,2]]", "[[NaN,1]]", "[[1,Infinity]]",
    ],
)  # fmt: skip
def test_everything_else_is_left_to_the_slow_way(text: str) -> None:
    assert read(text.encode(), 1) is None


@given(st.binary(max_size=12), st.integers(0, 3))
def test_any_bytes_are_read_or_refused(text: bytes, count: int) -> None:
    found = read(text, count)
    if found is not None:
        assert [[math.floor(v) for v in point] for point in json.loads(text)] == found
