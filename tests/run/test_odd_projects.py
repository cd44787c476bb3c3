"""Projects as people have them: what runs, checks and reports say of what is not as it should be.

A good item beside it is exported every time, whole and under its own name.
"""

from pathlib import Path
from typing import Any

import pytest

import savemasks
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import Outcome
from savemasks.projects.items import Item
from savemasks.results.report import Summary
from savemasks.results.verify import verify
from savemasks.run.check import check
from savemasks.run.export import retry, run
from savemasks.run.options import RunOptions
from support.projects import KIWI, Project, Runner, annotation, files, layer, picture, same, tree

LAYER = SaveMasks.from_json(layer())
ONE = RunOptions(workers=1)
pytestmark = pytest.mark.usefixtures("warm")


def notes_of(output: str) -> list[str]:
    return [line.removeprefix("note: ") for line in output.splitlines() if "note: " in line]


# ---------------------------------------------------------------- files that are no items

LITTER = {
    "img/Thumbs.db": "files in img/ that are no pictures and have no annotation: 4"
    " (ds/img/Thumbs.db, ds/img/good.txt, ds/img/good.xml, ...)",
    "img/good.txt": "",
    "img/good.xml": "",
    "img/weird\udcff.cr2": "",
    "ann/desktop.ini": "files in ann/ that are no annotations: 1 (ds/ann/desktop.ini)",
    "img/more/x.png": "pictures in folders below img/, where no item is looked for: 1"
    " (ds/img/more/x.png)",
}


def test_files_of_other_tools_are_left_alone_and_named(project: Project, export: Runner) -> None:
    project.add("good.png")
    for name in LITTER:
        project.put(f"ds/{name}", b"litter")
    said = [note for note in LITTER.values() if note]
    done = export(project.folder)
    assert done.code == 0
    assert notes_of(done.output) == said
    assert done.report["warnings"] == said
    same(done.tree, project.expected)
    survey = check(LAYER, [project.folder], ONE)
    assert (survey.items, survey.failed, survey.notes()) == (1, 0, said)
    summary = savemasks.export(project.folder, project.folder.parent / "api", LAYER, workers=1)
    assert (summary.images, summary.failed, summary.warnings) == (1, 0, said)


def test_names_of_several_data_sets_are_counted_together(project: Project, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        project.add("x.png", name)
        project.put(f"{name}/img/1.txt", b"")
        project.put(f"{name}/img/2.txt", b"")
    (note,) = run(LAYER, [project.folder], tmp_path / "out", ONE).warnings
    assert note.endswith(": 6 (a/img/1.txt, a/img/2.txt, b/img/1.txt, ...)")


# ---------------------------------------------------------------- what earlier versions have made


def test_a_mask_that_litter_had_renamed_gets_its_own_name(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("a.png")
    project.add("b.png")
    project.put("ds/img/a.txt", b"not a picture")
    project.put("ds/ann/a.jpg.json", annotation(KIWI))
    out = tmp_path / "out"
    with monkeypatch.context() as patch:  # as before: every file is an item and has a say in names
        patch.setattr("savemasks.projects.pairing.is_picture", lambda _: True)
        first = run(LAYER, [project.folder], out, ONE)
    root = first.out
    assert (first.images, first.failed) == (2, 2)
    assert (root / "ds/masks_human/a.png.png").exists()
    (project.folder / "ds/ann/a.jpg.json").unlink()
    second = run(LAYER, [project.folder], out, ONE)
    assert (second.images, second.failed, second.skipped, second.vanished) == (1, 0, 1, 0)
    same(tree(root), project.expected)
    assert (verify(out).failed, verify(out).damaged) == (0, 0)
    third = run(LAYER, [project.folder], out, ONE)
    assert (third.images, third.skipped) == (0, 2)


def test_a_retry_forgets_failures_of_what_is_no_item(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("a.png")
    project.put("ds/img/notes.txt", b"")
    project.add_bad(b"no picture", annotation(KIWI), "bad.png")
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("savemasks.projects.pairing.is_picture", lambda _: True)
        assert run(LAYER, [project.folder], out, ONE).failed == 2
    again = retry(out, ONE)
    assert (again.images, again.failed) == (0, 1)
    assert verify(out).failed == 1


def test_an_annotation_whose_image_is_gone_takes_no_mask_away(
    project: Project, tmp_path: Path
) -> None:
    project.add("a.png")
    out = tmp_path / "out"
    root = run(LAYER, [project.folder], out, ONE).out
    (project.folder / "ds/img/a.png").unlink()
    for name in [name for name in project.expected if name != "meta.json"]:
        del project.expected[name]
    project.add("a.jpg")  # sorted before, and so made before the other one is looked at
    again = run(LAYER, [project.folder], out, ONE)
    assert (again.images, again.failed) == (1, 1)
    assert str(again.failures[0]).endswith(
        "ds/ann/a.png.json: the image of this annotation is missing"
    )
    same(tree(root), project.expected)
    assert verify(out).damaged == 0


def test_masks_of_annotations_alone_do_not_meet_those_of_images(
    project: Project, tmp_path: Path
) -> None:
    project.add("a.png")
    project.add_bad(None, annotation(), "a.jpg")
    settings = layer(masks_human=False, images=False, annotations=False)
    done = run(SaveMasks.from_json(settings), [project.folder], tmp_path / "out", ONE)
    assert (done.images, done.failed) == (2, 0)
    masks = {name: size for name, size in files(done.out).items() if "masks" in name}
    assert sorted(masks) == ["ds/masks_machine/a.jpg.png", "ds/masks_machine/a.png"]
    assert tree(done.out)["ds/masks_machine/a.png"] == project.expected["ds/masks_machine/a.png"]


# ---------------------------------------------------------------- names in forms of Unicode


@pytest.mark.parametrize(
    ("image", "note"), [("\u0439.png", "\u0438\u0306.png"), ("e\u0301.png", "\u00e9.png")]
)
@pytest.mark.parametrize("ending", [".png.json", ".json"])
def test_an_image_and_its_annotation_in_two_forms_are_exported_and_kept(
    project: Project, tmp_path: Path, image: str, note: str, ending: str
) -> None:
    project.add("a.png")
    project.add(image, ann=note.removesuffix(".png") + ending)
    out = tmp_path / "out"
    done = run(LAYER, [project.folder], out, ONE)
    assert (done.images, done.failures) == (2, [])
    same(tree(done.out), project.expected)
    again = run(LAYER, [project.folder], out, ONE)
    assert (again.images, again.skipped) == (0, 2)
    assert verify(out).damaged == 0


# ---------------------------------------------------------------- objects of unknown classes


def kiwi(title: str) -> dict[str, Any]:
    return {**KIWI, "classTitle": title}


UNKNOWN = "objects of classes that neither meta.json nor the config knows: "


@pytest.mark.parametrize(
    ("titles", "said"),
    [
        (["Kiwi", "kiwi"], '1 x "Kiwi" (did you mean "kiwi"?)'),
        (["kiwi ", "kiwi"], '1 x "kiwi " (did you mean "kiwi"?)'),
        (["Kiwi"], '1 x "Kiwi" (did you mean "kiwi"?); images that are all background because'
         " of it: 1"),
        (["limo\u0301n", "bicycle", "bicycle", "kiwi"],
         '2 x "bicycle", 1 x "limo\u0301n" (did you mean "lim\u00f3n", in another form of'
         " Unicode?)"),
        (["a\x1bb", "kiwi"], '1 x "a\\x1bb"'),
    ],
)  # fmt: skip
def test_objects_of_unknown_classes_are_told(
    project: Project, export: Runner, titles: list[str], said: str
) -> None:
    project.classes = ("kiwi", "lim\u00f3n")
    project.__post_init__()
    project.add("good.png")
    project.put("ds/img/odd.png", picture())
    project.put("ds/ann/odd.png.json", annotation(*map(kiwi, titles)))
    done = export(project.folder)
    assert done.code == 0
    assert notes_of(done.output)[-1] == UNKNOWN + said
    assert done.report["warnings"][-1] == UNKNOWN + said
    counts = done.report["unknown_class_objects"]
    assert sum(counts.values()) == len(titles) - titles.count("kiwi")
    assert done.report["blank_images"] == ("kiwi" not in titles)
    same({n: done.tree[n] for n in project.expected}, project.expected)
    survey = check(LAYER, [project.folder], ONE)
    assert survey.notes()[-1] == UNKNOWN + said
    assert survey.blank_images == ("kiwi" not in titles)
    summary = savemasks.export(project.folder, project.folder.parent / "api", LAYER, workers=1)
    assert summary.warnings[-1] == UNKNOWN + said
    assert sum(summary.unknown_classes.values()) == sum(counts.values())


def test_classes_that_are_known_and_not_painted_are_not_unknown(
    project: Project, export: Runner
) -> None:
    project.classes = ("kiwi", "lemon", "melon")
    project.__post_init__()
    project.add()
    project.put("ds/img/m.png", picture())
    project.put("ds/ann/m.png.json", annotation(kiwi("melon")))
    report = export(project.folder).report
    assert (report["unknown_class_objects"], report["blank_images"]) == ({}, 0)
    assert not any(UNKNOWN in warning for warning in report["warnings"])


def test_of_very_many_unknown_classes_a_few_are_named(project: Project, tmp_path: Path) -> None:
    project.add()
    project.put("ds/img/odd.png", picture())
    titles = [f"{i:04}" for i in range(3000)]
    project.put("ds/ann/odd.png.json", annotation(*map(kiwi, [*titles, "0007"])))
    done = run(LAYER, [project.folder], tmp_path / "out", ONE)
    assert len(done.unknown_classes) == 1000
    assert '2 x "0007"' in done.warnings[-1]
    assert " and 990 more; images that are all background" in done.warnings[-1]
    assert len(done.warnings[-1]) < 400


@pytest.mark.parametrize(("name", "meant"), [("Rectangle", "rectangle"), ("bit_map", "bitmap")])
def test_a_geometry_that_nobody_knows_is_told_with_the_nearest_one(
    project: Project, export: Runner, name: str, meant: str
) -> None:
    project.add()
    project.put("ds/img/odd.png", picture())
    project.put("ds/ann/odd.png.json", annotation(KIWI, {**KIWI, "geometryType": name}))
    done = export(project.folder)
    text = f'objects that this version does not paint: 1 x {name} (did you mean "{meant}"?)'
    assert notes_of(done.output) == [text]
    assert done.report["unsupported_objects"] == {name: 1}
    survey = check(LAYER, [project.folder], ONE)
    assert survey.notes() == [text.replace(f"x {name}", f"x {name!a}")]


# ---------------------------------------------------------------- pictures that were only copied


def test_pictures_that_could_only_be_copied_are_told(project: Project, tmp_path: Path) -> None:
    outcome = Outcome(Item("ds", "a.heic", "a.heic", "a.json", "a.png"), unread_format="HEIC")
    summary = Summary(out=tmp_path)
    survey = check(LAYER, [project.folder], ONE)
    for told in (summary, survey):
        told.add(outcome)
        told.add(outcome)
        assert told.unread_formats == {"HEIC": 2}
    assert summary.as_json()["unread_formats"] == {"HEIC": 2}
    assert survey.notes()[-1] == (
        "2 images are in a format that this installation cannot read (HEIC): they were copied,"
        " and their size was compared with their header at most"
    )


# ---------------------------------------------------------------- other levels


def test_what_lies_at_another_level_is_a_note_beside_good_items(
    project: Project, export: Runner
) -> None:
    project.add()
    project.put("ds2/images/a.jpg", picture())
    project.put("loose/a.jpg", picture())
    done = export(project.folder)
    said = [
        "project: ds2: it has images/ instead of img/ and ann/",
        "project: loose: pictures lie directly in it, as a.jpg; they belong into its img/",
    ]
    assert done.code == 0
    assert notes_of(done.output) == said
    assert done.report["warnings"] == said
    assert check(LAYER, [project.folder], ONE).notes() == said
    same(done.tree, project.expected)
