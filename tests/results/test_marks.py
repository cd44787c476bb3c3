"""Marks: what their names tell, and that all that is in them comes back."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from savemasks.errors import OutputError
from savemasks.line.job import Extent, Stamp
from savemasks.results.in_chunks.marks import (
    Fingerprint,
    Mark,
    MarkedItem,
    MarkIndex,
    MarkName,
    add_rows,
    digest_of,
    item_key,
    mark_id,
)
from savemasks.store.files import Written

NAMES = st.binary(min_size=1, max_size=20).map(os.fsdecode)
SEED = b"seed"


@given(
    st.builds(
        MarkedItem,
        name=NAMES,
        dataset=NAMES,
        files=st.dictionaries(
            NAMES, st.builds(Written, st.integers(0, 1 << 40), st.integers(0, (1 << 32) - 1))
        ),
        counts=st.lists(st.integers(0, 1 << 40), min_size=3, max_size=3),
        error=st.none() | st.just({"message": "wrong"}),
        extent=st.none() | st.just(Extent(0, 512, 1024)),
    )
)
def test_what_is_in_a_mark_comes_back(item: MarkedItem) -> None:
    mark = Mark([item, item], {"name": "x-00000.tar"}, [1])
    assert Mark.decoded(mark.encoded(), "x") == mark


def test_what_is_no_mark_is_an_error() -> None:
    with pytest.raises(OutputError, match="there: is not as savemasks wrote it"):
        Mark.decoded(b"{}", "there")


def test_a_name_tells_what_is_in_it() -> None:
    keys = [bytes([number]) for number in range(3)]
    items = [MarkedItem("a", "ds"), MarkedItem("b", "ds", error={}), MarkedItem("c", "ds")]
    name = Mark(items).named(mark_id(SEED, "ds", "a"), keys)
    assert MarkName.parse(str(name)) == name
    assert name[1:3] == (3, 1)
    # What has failed may change.
    assert name.digest == digest_of([keys[0], b"mended", keys[2]], [1])
    assert name.digest != digest_of([keys[0], keys[1], b"changed"], [1])


@pytest.mark.parametrize("name", ["", "open", "a-b-c-d", "a-1-2", "a-1-0-b-c"])
def test_other_names_are_not_of_marks(name: str) -> None:
    assert MarkName.parse(name) is None


def test_keys_change_with_names_and_stamps() -> None:
    stamp = Stamp(1, 2)
    keys = {
        item_key(("a", None), (stamp, None)),
        item_key(("a", None), (None, stamp)),
        item_key(("a", None), (Stamp(1, 3), None)),
        item_key((None, "a"), (stamp, None)),
    }
    assert len(keys) == 4
    assert mark_id(SEED, "a", "b") != mark_id(b"other", "a", "b")


def test_an_index_gives_what_was_not_taken() -> None:
    names = ["a-2-1-x", "a-2-0-y", "b-3-0-z", "done.json"]
    index = MarkIndex(names)
    assert len(index) == 2
    assert [str(name) for name in index.find("a")] == ["a-2-0-y", "a-2-1-x"]  # fewest failed first
    assert index.with_failures() == ["a-2-1-x"]
    assert sorted(index.pop("a")) == ["a-2-0-y", "a-2-1-x"]
    assert "a" not in index
    assert index.rest() == ["b-3-0-z"]


def test_the_order_of_marks_does_not_matter() -> None:
    one, other, less = Fingerprint(SEED), Fingerprint(SEED), Fingerprint(SEED)
    for name in ("a", "b"):
        one.add(name)
    for name in ("b", "a"):
        other.add(name)
    less.add("a")
    assert str(one) == str(other) != str(less)


def test_rows_are_added_up_by_label() -> None:
    totals: dict[int, list[int]] = {}
    add_rows(totals, [(1, 2, 30), (2, 1, 5), (1, 1, 1)])
    assert totals == {1: [3, 31, 2], 2: [1, 5, 1]}
