"""What errors and hints share."""

import pytest

from savemasks.errors import did_you_mean, shown

KNOWN = ["kiwi", "lemon", "caf\u00e9"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Kiwi", "kiwi"),
        (" kiwi ", "kiwi"),
        ("kiwis", "kiwi"),
        ("LEMON", "lemon"),
        ("Cafe\u0301", "caf\u00e9"),
    ],
)
def test_the_nearest_known_name_is_offered(name: str, hint: str) -> None:
    assert did_you_mean(name, KNOWN) == f' (did you mean "{hint}"?)'


def test_names_that_look_alike_are_told_apart() -> None:
    hint = ' (did you mean "caf\u00e9", in another form of Unicode?)'
    assert did_you_mean("cafe\u0301", KNOWN) == hint


def test_nothing_is_offered_if_nothing_is_near() -> None:
    assert did_you_mean("bicycle", KNOWN) == ""
    assert did_you_mean("kiwi", []) == ""


def test_any_value_is_shown_shortly() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert shown([1 + 2j]) == "[(1+2j)]"
    assert len(shown(deep)) <= 40
    assert "[" in shown(deep)
