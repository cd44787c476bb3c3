"""A short series of `fuzz_input.py`."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from support.fuzz_input import case, feed


@given(st.integers(0, 2**32))
@settings(deadline=None)
def test_what_nobody_should_write_is_refused_or_painted(seed: int) -> None:
    assert feed(case(seed)) in {"refused", "parsed", "painted"}


def test_a_series_meets_all_ends() -> None:
    ends = Counter(feed(case(seed)) for seed in range(300))
    assert min(ends["refused"], ends["painted"]) > 30
