"""Names of files of classes and objects."""

import unicodedata
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from savemasks.layers.file_names import file_stems, object_stems

titles = st.one_of(
    st.text(),
    st.text("aA.é/\\\0 _01", max_size=5),
    st.sampled_from(
        ["CON", "con.txt", "..", ".", "", "kiwi", "Kiwi", "\ud800", "ß", "ss", "x" * 400]
    ),
)


def sly_free_name(used: list[str], wanted: str) -> str:
    """The rule of the application: a number with two digits, the first that is free."""
    name, number = wanted, 1
    while name in used:
        name, number = f"{wanted}_{number:02d}", number + 1
    return name


def test_good_titles_are_their_own_names() -> None:
    good = ["kiwi", "жук лимон", "Straße", "v1.5", "a-b_c", "コンテナ", "kiwi_01", "N°1"]
    assert file_stems(good) == {title: title for title in good}


@pytest.mark.parametrize(
    ("title", "begin"),
    [
        ("../x", "_._x-"), ("a/b", "a_b-"), ("a\\b", "a_b-"), ("a\0b", "a_b-"), ("..", "_-"),
        (".", "_-"), ("", "_-"), (".git", "_git-"), ("a. ", "a-"), ("NUL", "_NUL-"),
        ("com1.x", "_com1.x-"), ("é" * 300, "é" * 55 + "-"), ("x" * 300, "x" * 110 + "-"),
        ("\ud83d", "_-"), (" a", "a-"), ("a:b*?", "a_b__-"),
    ],
)  # fmt: skip
def test_other_titles_keep_what_is_left_of_them(title: str, begin: str) -> None:
    (stem,) = file_stems([title]).values()
    assert stem.startswith(begin)
    assert len(stem) == len(begin) + 12


def test_titles_that_differ_by_case_or_form_only_are_told_apart() -> None:
    composed, decomposed = "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9")
    stems = file_stems(["kiwi", "Kiwi", composed, decomposed, "lemon"])
    assert stems["lemon"] == "lemon"
    keys = {unicodedata.normalize("NFC", stem).casefold() for stem in stems.values()}
    assert len(keys) == 5
    for order in permutations(stems):
        assert file_stems(order) == stems


@given(st.lists(titles, unique=True, max_size=8))
def test_names_are_safe_and_never_alike(given_titles: list[str]) -> None:
    stems = file_stems(given_titles)
    keys = {unicodedata.normalize("NFC", stem).casefold() for stem in stems.values()}
    assert len(keys) == len(given_titles)
    for stem in stems.values():
        assert stem
        assert stem[0] not in ". "
        assert stem[-1] not in ". "
        assert not set(stem) & set('/\\\0:*?"<>|')
        assert len(f"{stem}_000000.png".encode()) <= 143


@given(st.lists(st.sampled_from(["kiwi", "kiwi_01", "lemon", "kiwi_02", "lemon_01_01"])))
def test_objects_are_numbered_as_the_application_does(each: list[str]) -> None:
    expected: list[str] = []
    for title in each:
        expected.append(sly_free_name(expected, title))
    assert [*object_stems(each, file_stems(each))] == expected


def test_a_hundred_objects_have_names_and_case_is_no_difference() -> None:
    stems = file_stems(["kiwi", "KIWI_01"])
    found = [*object_stems(["kiwi", "KIWI_01", *["kiwi"] * 100], stems)]
    assert found[:4] == ["kiwi", "KIWI_01", "kiwi_02", "kiwi_03"]
    assert found[-1] == "kiwi_101"
    assert len({name.casefold() for name in found}) == 102


def test_nobody_can_take_the_name_of_another_class() -> None:
    (taken,) = file_stems(["a/b"]).values()
    stems = file_stems(["a/b", taken])
    assert stems["a/b"] == taken
    assert stems[taken] not in (taken, taken.upper())
