"""A data set in a bucket is listed once, batch by batch, and gives the same items as a whole."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import fsspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from savemasks.projects import remote_batches, remote_listing, remote_places
from savemasks.projects.items import Dataset, Entry, Listing
from savemasks.projects.remote_batches import heads_within
from savemasks.projects.remote_listing import Page
from savemasks.projects.remote_places import RemotePath
from savemasks.remote import Url, put_all
from support.s3 import new_bucket, used
from support.slow_s3 import requests, slow_s3

PIECES = ("a", "b", "c", "-", " ", "!", ".", ".", ".jpg", ".png", ".json", "~")
NAMES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join)
FILES = st.sets(NAMES.filter(lambda name: name.strip(".")), max_size=14)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders come in pages of two, and batches have at least two files."""

    def scan(folder: Url) -> Iterator[Page]:
        for page in remote_listing.scan(folder):
            for i in range(0, len(page.files), 2):
                yield Page(page.files[i : i + 2], [])
            yield Page([], page.folders)

    batches_at = remote_batches.batches_at

    def small(dataset: RemotePath, size: int | None = 2) -> Iterator[remote_batches.Batch]:
        return batches_at(dataset, size)

    monkeypatch.setattr(remote_places, "scan", scan)
    monkeypatch.setattr("savemasks.projects.items.batches_at", small)


def dataset_in_memory(images: Sequence[str], annotations: Sequence[str]) -> Dataset:
    url = Url("memory://listed/ds")
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    for part, names in (("img", images), ("ann", annotations)):
        put_all(url / part, dict.fromkeys(names, b""))
    return Dataset(RemotePath(url), "ds")


def dataset_on_disk(folder: str, images: Sequence[str], annotations: Sequence[str]) -> Dataset:
    for part, names in (("img", images), ("ann", annotations)):
        os.mkdir(f"{folder}/{part}")
        for name in names:
            Path(folder, part, name).touch()
    return Dataset(Path(folder), "ds")


def seen(listings: Sequence[Listing]) -> tuple[list[Entry], int, int]:
    """All entries, and how many files are none."""
    ignored = [listing.ignored for listing in listings]
    return (
        [entry for listing in listings for entry in listing],
        sum(each.images.count for each in ignored),
        sum(each.annotations.count for each in ignored),
    )


@settings(max_examples=200, deadline=None)
@given(images=FILES, annotations=FILES, jsons=FILES)
@example(images={"h-x.jpg", "h-y.jpg", "i.jpg"}, annotations=set(), jsons={"h"})
@example(images={"h", "h-x.jpg", "h-y.jpg", "h.jpg", "i.jpg"}, annotations=set(), jsons={"h"})
@example(images={"a.jpg", "a.png", "a.b.jpg", "b.jpg"}, annotations=set(), jsons={"a.b", "b.jpg"})
@pytest.mark.usefixtures("small_pages")
@pytest.mark.filterwarnings("ignore")
def test_batches_are_together_what_the_folder_has(
    images: set[str], annotations: set[str], jsons: set[str]
) -> None:
    # No file can have these names.
    images, annotations = images - {".", ".."}, annotations - {".", ".."}
    notes = {
        *annotations,
        *(f"{name}.json" for name in jsons | images if name > "b" or name in jsons),
    }
    with tempfile.TemporaryDirectory() as folder:
        expected = seen([dataset_on_disk(folder, [*images], [*notes]).listing()])
    dataset = dataset_in_memory([*images], [*notes])
    assert seen([dataset.listing()]) == expected
    assert seen([*dataset.batches()]) == expected


@pytest.mark.usefixtures("small_pages")
def test_there_are_many_batches_and_each_knows_its_files() -> None:
    names = [f"{i:03}.jpg" for i in range(100)]
    dataset = dataset_in_memory(names, [f"{name}.json" for name in names])
    listings = [*dataset.batches()]
    assert len(listings) > 20
    for listing in listings:
        images, annotations = listing.folders()
        for entry in listing:
            assert entry.annotation
            assert images.stat(entry.name).st_size == 0
            assert annotations.stat(entry.annotation).st_mtime_ns > 0
        assert len(listing.names) < 10
    with pytest.raises(FileNotFoundError):
        listings[0].folders()[0].stat(names[-1])


@pytest.mark.usefixtures("small_pages")
def test_annotations_without_images_come_in_batches_too() -> None:
    dataset = dataset_in_memory([], [f"{i:03}.json" for i in range(100)])
    listings = [*dataset.batches()]
    assert len(listings) > 20
    assert [entry.name for each in listings for entry in each] == [f"{i:03}" for i in range(100)]


@pytest.mark.usefixtures("small_pages")
def test_names_with_one_beginning_are_in_one_batch() -> None:
    names = [f"clip.mp4_{i:03}.jpg" for i in range(20)]
    dataset = dataset_in_memory(["a.jpg", *names, "d.jpg", "e.jpg"], [])
    assert [len(listing.names) for listing in dataset.batches()] == [1, 20, 1, 1]


def test_heads_of_which_files_may_lie_on_both_sides() -> None:
    assert heads_within("IMG-2024 1") == ["IMG", "IMG-2024"]
    assert heads_within("-a") == []
    assert heads_within("IMG_2024") == []


@pytest.mark.parametrize("kind", ["memory", "file", "s3"])
def test_a_data_set_is_listed_wherever_it_is(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    base = request.getfixturevalue("bucket") if kind == "s3" else f"{kind}://{tmp_path}/b"
    url = Url.parse(f"{base}/ds")
    names = ["ä b.jpg", "a+b.jpg", "a#b%20.png", "é/c.jpg", ".DS_Store", "z.txt"]
    put_all(url / "img", dict.fromkeys(names, b"1234"))
    put_all(url / "ann", {"a+b.jpg.json": b"12", "ä b.json": b"", "readme.md": b""})
    dataset = Dataset(RemotePath(url), "ds")
    (listing,) = dataset.batches()
    assert [(e.name, e.annotation) for e in listing] == [
        ("a#b%20.png", None), ("a+b.jpg", "a+b.jpg.json"), ("ä b.jpg", "ä b.json"),
    ]  # fmt: skip
    assert listing.ignored.notes() == [
        "files in img/ that are no pictures and have no annotation: 1 (z.txt)",
        "files in ann/ that are no annotations: 1 (readme.md)",
        "pictures in folders below img/, where no item is looked for: 1 (é/c.jpg)",
    ]
    images, annotations = listing.folders()
    assert images.stat("ä b.jpg").st_size == 4
    before = annotations.stat("a+b.jpg.json").st_mtime_ns
    put_all(url / "ann", {"a+b.jpg.json": b"34"})
    (again,) = dataset.batches()
    assert again.folders()[1].stat("a+b.jpg.json").st_mtime_ns != before
    assert again.folders()[0].stat("ä b.jpg") == images.stat("ä b.jpg")
    item = listing.item(listing[1])
    assert item.image == f"{url}/img/a+b.jpg"
    assert item.annotation == f"{url}/ann/a+b.jpg.json"


def test_a_bucket_is_listed_once_page_by_page(s3: str) -> None:
    names = [f"{i:04}" for i in range(130)]
    with used(s3):
        url = Url.parse(new_bucket()) / "ds"
        put_all(url / "img", {f"{name}.jpg": b"" for name in names})
        put_all(url / "ann", {f"{name}.json": b"" for name in names[:50]})
    with slow_s3(s3, latency=0.01, errors=0.3, page=20) as slow, used(slow):
        (listing,) = Dataset(RemotePath(url), "ds").batches()
        assert len(listing.names) == 130
        assert sum(entry.annotation is not None for entry in listing) == 50
        counts = requests(slow)
    assert counts["LIST"] - counts.get("503", 0) == 7 + 3
    assert counts["503"]
    assert {*counts} <= {"LIST", "503"}


def test_a_store_without_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = dataset_in_memory(["a.jpg", "b.jpg"], [])
    scan = remote_listing.scan

    def turned(folder: Url) -> Iterator[Page]:
        for page in scan(folder):
            yield Page(page.files[::-1], page.folders)

    monkeypatch.setattr(remote_places, "scan", turned)
    with pytest.raises(OSError, match=r"lists a.jpg after b.jpg, in no order") as caught:
        list(dataset.batches())
    assert caught.value.filename == "memory://listed/ds/img"
