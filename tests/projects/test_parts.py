"""Parts of a run: how they are named, and which items they take."""

import pytest

from savemasks.projects.parts import Part


@pytest.mark.parametrize("text", ["1/1", "2/3", "100/100"])
def test_a_part_is_read_as_it_is_shown(text: str) -> None:
    assert str(Part.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("5/4", "of 4 parts, the number must be from 1 to 4: 5"),
        ("0/4", "of 4 parts, the number must be from 1 to 4: 0"),
        ("1/0", "there must be at least one part, not 0"),
        *(
            (text, "must be a number, .* as 2/3")
            for text in ("x", "1", "1/", "/2", "-1/2", "1/2/3")
        ),
        *((text, "must be a number, .* as 2/3") for text in ("1.0/2", "\u00b2/3", "1 /2", "")),
    ],
)
def test_what_is_no_part_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Part.parse(text)


def test_names_of_parts_are_sorted_as_the_parts_are() -> None:
    names = [Part(number, 12).name for number in range(1, 13)]
    assert names == sorted(names)
    assert names[1] == "02-of-12"


@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_item_is_in_one_part(count: int) -> None:
    parts = [Part(number, count) for number in range(1, count + 1)]
    sizes = [0] * count
    for number in range(1000):
        (own,) = [part for part in parts if part.takes("ds", f"{number}.jpg")]
        sizes[own.number - 1] += 1
    assert min(sizes) > 1000 // count * 0.7


def test_the_share_of_a_part_stays() -> None:
    """Jobs of other machines and versions have to agree: these numbers must never change."""
    names = [f"{number}.jpg" for number in range(8)] + ["\u00e4.jpg", "\udcff.jpg"]
    taken = [name for name in names if Part(1, 3).takes("ds", name)]
    assert taken == ["1.jpg", "\u00e4.jpg"]
