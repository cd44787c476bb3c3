"""Sizes on the command line."""

import pytest

from savemasks.cli.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1000", 1000),
        ("800M", 800 << 20),
        ("1.5G", 3 << 29),
        ("2 GiB", 2 << 30),
        ("7kb", 7 << 10),
        ("1T", 1 << 40),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "0", "-1G", "1.G", "many", "1GG", "1e9", "0.0M", "0.5", "9" * 400]
)
def test_what_is_no_size_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size; write 800M"):
        parse_size(text)
