"""Which files are items, whom an annotation belongs to, and whose masks keep the whole name."""

import os
import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savemasks.projects.items import Dataset, Listing
from savemasks.projects.pairing import mask_names

NFC, NFD = "Zitrone_\u00e4\u0439.jpg", "Zitrone_a\u0308\u0438\u0306.jpg"
MIXED = "Zitrone_a\u0308\u0439.jpg"


def listing(folder: Path, *files: str) -> Listing:
    """The listing of a data set of empty files."""
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Dataset(folder, "ds").listing()


def items(found: Listing) -> list[tuple[str, str | None, str]]:
    """Name, annotation and mask of each item."""
    return [(entry.name, entry.annotation, entry.mask_name) for entry in found]


# ---------------------------------------------------------------- files that are no items

LITTER = (
    "Thumbs.db", "desktop.ini", "a.txt", "a.xml", "a.json", "a.CR2", "a.nef", "a.jpg~",
    "a.jpg.bak", "a.jpg.part", "a.jpg.crdownload", "a", "classes.txt", "a.jpg.json", "a.mp4",
    "a.jpg.xmp", "a.psd", "Icon\r", "~$a.docx",
)  # fmt: skip


@pytest.mark.parametrize("annotation", ["a.jpg.json", "a.json"])
@pytest.mark.parametrize("name", LITTER)
def test_what_is_no_item_renames_nothing(name: str, annotation: str, tmp_path: Path) -> None:
    if name + ".json" == annotation:
        return  # it has an annotation, so it is one
    found = listing(tmp_path, "img/a.jpg", f"ann/{annotation}", f"img/{name}")
    assert items(found) == [("a.jpg", annotation, "a.png")]
    assert (found.ignored.images.count, found.ignored.images.first) == (1, [name])


@pytest.mark.parametrize("ending", ["JPG", "jpeg", "HEIC", "avif", "jp2", "nrrd", "TIF", "webp"])
def test_a_picture_without_annotation_is_an_item(ending: str, tmp_path: Path) -> None:
    found = listing(tmp_path, f"img/a.{ending}", "img/a.txt")
    assert items(found) == [(f"a.{ending}", None, "a.png")]


@pytest.mark.parametrize(("name", "annotation"), [("a.raw", "a.raw.json"), ("a.raw", "a.json")])
def test_a_file_with_an_annotation_is_an_item_whatever_its_ending(
    name: str, annotation: str, tmp_path: Path
) -> None:
    found = listing(tmp_path, f"img/{name}", f"ann/{annotation}")
    assert items(found) == [(name, annotation, "a.png")]
    assert not found.ignored.images.count


def test_a_backup_does_not_take_the_annotation_of_an_image_that_is_gone(tmp_path: Path) -> None:
    found = listing(tmp_path, "img/a.jpg.bak", "ann/a.jpg.json")
    assert items(found) == [("a.jpg", "a.jpg.json", "a.png")]
    assert not next(iter(found)).has_image
    assert found.ignored.images.first == ["a.jpg.bak"]


def test_a_text_file_takes_no_annotation_that_a_picture_could_have(tmp_path: Path) -> None:
    files = ["img/a.jpg", "img/a.txt", "img/a-b.txt", "ann/a.jpg.json", "ann/a.json"]
    found = listing(tmp_path, *files, "ann/a-b.json")
    assert items(found) == [
        ("a", "a.json", "a.json.png"),
        ("a-b.txt", "a-b.json", "a-b.png"),
        ("a.jpg", "a.jpg.json", "a.png"),
    ]
    assert found.ignored.images.first == ["a.txt"]


def test_other_files_of_ann_are_counted(tmp_path: Path) -> None:
    litter = ["a.jpg.JSON", "a.jpg.json.bak", "a.jpg.json~", "a.xml", "notes.txt"]
    found = listing(tmp_path, "img/a.jpg", "ann/a.jpg.json", *(f"ann/{name}" for name in litter))
    assert items(found) == [("a.jpg", "a.jpg.json", "a.png")]
    assert (found.ignored.annotations.count, found.ignored.annotations.first) == (5, litter[:3])


def test_pictures_in_folders_below_img_are_counted(tmp_path: Path) -> None:
    found = listing(
        tmp_path, "img/a.jpg", "ann/a.jpg.json", "img/train/b.JPG", "img/train/deep/c.png",
        "img/train/c.txt", "img/@eaDir/a.jpg/SYNO_THUMB.jpg", "img/.cache/d.jpg", "img/e.jpg/x.txt",
        "img/train/._b.jpg", "img/train/.thumbs/b.jpg",
    )  # fmt: skip
    assert items(found) == [("a.jpg", "a.jpg.json", "a.png")]
    assert found.ignored.below.first == ["train/b.JPG", "train/deep/c.png"]
    assert found.ignored.notes() == [
        "pictures in folders below img/, where no item is looked for: 2"
        " (train/b.JPG, train/deep/c.png)"
    ]


def test_a_linked_folder_below_img_is_looked_into_once(tmp_path: Path) -> None:
    found = listing(tmp_path / "ds", "img/a.jpg", "../else/b.jpg", "../else/deep/c.jpg")
    (tmp_path / "ds/img/loop").symlink_to("..")
    (tmp_path / "ds/img/train").symlink_to(tmp_path / "else")
    found = listing(tmp_path / "ds")
    assert found.ignored.below.first == ["train/b.jpg"]


# ---------------------------------------------------------------- annotations without image


def test_an_annotation_without_image_renames_no_mask(tmp_path: Path) -> None:
    found = listing(tmp_path, "img/a.png", "ann/a.jpg.json", "ann/a.png.json", "ann/a.tif.json")
    assert items(found) == [
        ("a.jpg", "a.jpg.json", "a.jpg.png"),
        ("a.png", "a.png.json", "a.png"),
        ("a.tif", "a.tif.json", "a.tif.png"),
    ]


def test_an_annotation_without_image_has_a_mask_of_its_own_whatever_is_taken(
    tmp_path: Path,
) -> None:
    images = ("a.png", "a.jpg.png", "a.jpg.json.tif")
    files = [file for name in images for file in (f"img/{name}", f"ann/{name}.json")]
    found = listing(tmp_path, *files, "ann/a.jpg.json")
    masks = {name: mask for name, _, mask in items(found)}
    assert {name: masks[name] for name in images} == {
        "a.png": "a.png",
        "a.jpg.png": "a.jpg.png",
        "a.jpg.json.tif": "a.jpg.json.png",
    }
    assert masks["a.jpg"] == "a.jpg.json.json.png"


def test_annotations_alone_are_named_as_ever(tmp_path: Path) -> None:
    found = listing(tmp_path, "ann/a.jpg.json", "ann/a.png.json", "ann/b.jpg.json")
    assert [mask for *_, mask in items(found)] == ["a.jpg.png", "a.png.png", "b.png"]


NAMES = st.lists(
    st.sampled_from(["a", "a\u0301", "\u00e1", ".jpg", ".png", ".json", ".txt", "."]),
    min_size=1,
    max_size=5,
).map("".join)


@given(st.sets(NAMES, max_size=6), st.sets(NAMES, max_size=6))
@settings(max_examples=150)
def test_every_file_is_named_once_and_every_mask_has_one_owner(
    tmp_path_factory: pytest.TempPathFactory, images: set[str], annotations: set[str]
) -> None:
    images = {name for name in images if name.strip(".") and name[0] != "."}
    annotations = {f"{name}.json" for name in annotations if name[0] != "."}
    folder = tmp_path_factory.mktemp("any")
    files = [f"img/{name}" for name in images] + [f"ann/{name}" for name in annotations]
    found = listing(folder, *files)
    entries = list(found)
    assert [e.name for e in entries] == sorted(found.names)
    kept = {e.name for e in entries if e.has_image}
    assert len(kept) + found.ignored.images.count == len(images)
    assert kept >= {name for name in images if name + ".json" in annotations}
    assert {e.annotation for e in entries if e.annotation} == annotations
    assert len({e.mask_name for e in entries}) == len(entries)
    masks = {e.name: e.mask_name for e in entries}
    assert [masks[name] for name in sorted(kept)] == mask_names(sorted(kept))


# ---------------------------------------------------------------- forms of Unicode


@pytest.mark.parametrize("ending", [".jpg.json", ".json"])
@pytest.mark.parametrize("image", [NFC, NFD, MIXED])
@pytest.mark.parametrize("annotation", [NFC, NFD, MIXED])
def test_names_that_differ_only_in_their_form_belong_together(
    image: str, annotation: str, ending: str, tmp_path: Path
) -> None:
    name = annotation.removesuffix(".jpg") + ending
    found = listing(tmp_path, f"img/{image}", f"ann/{name}", "img/b.jpg", "ann/b.jpg.json")
    stem = image.removesuffix(".jpg")
    assert items(found) == [(image, name, f"{stem}.png"), ("b.jpg", "b.jpg.json", "b.png")]


def test_if_both_forms_exist_each_keeps_its_own(tmp_path: Path) -> None:
    both = [NFC, NFD]
    files = [f"img/{n}" for n in both] + [f"ann/{n}.json" for n in both]
    found = listing(tmp_path, *files)
    assert {name: note for name, note, _ in items(found)} == {n: f"{n}.json" for n in both}
    os.unlink(tmp_path / f"ann/{NFC}.json")
    found = listing(tmp_path)
    assert {name: note for name, note, _ in items(found)} == {NFC: None, NFD: f"{NFD}.json"}


def test_one_annotation_is_not_shared_by_names_of_two_forms(tmp_path: Path) -> None:
    found = listing(tmp_path, f"img/{NFC}", f"img/{NFD}", f"ann/{MIXED}.json")
    assert sorted(note or "" for _, note, _ in items(found)) == ["", f"{MIXED}.json"]


def test_letters_that_only_look_alike_are_others(tmp_path: Path) -> None:
    found = listing(tmp_path, "img/\u00e5.jpg", "ann/a.jpg.json", "ann/\u1e01.jpg.json")
    assert [note for name, note, _ in items(found) if name == "\u00e5.jpg"] == [None]
    assert unicodedata.normalize("NFC", "\ufb01") == "\ufb01"  # a ligature stays one


def test_only_names_that_are_alone_are_compared_by_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    genuine = unicodedata.normalize

    def normalize(form: Literal["NFC"], text: str) -> str:
        seen.append(text)
        return genuine(form, text)

    monkeypatch.setattr(unicodedata, "normalize", normalize)
    listing(
        tmp_path, "img/\u0439.jpg", "ann/\u0439.jpg.json", "img/b.jpg", "ann/c.jpg.json",
        "img/d.jpg",
    )  # fmt: skip
    assert seen == []
