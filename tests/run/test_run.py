"""Whole runs over good projects: the output tree, the totals, and what the caller is told."""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from savemasks.cli.demo import CONFIG
from savemasks.errors import OutputError, ProjectError
from savemasks.layers.save_masks import SaveMasks
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from support.projects import Project, Runner, Tree, annotation, files, layer, picture, same, tree

LAYER = SaveMasks.from_json(CONFIG)


# ---------------------------------------------------------------- the output tree


def test_the_tree_is_the_references_also_for_nested_datasets(
    project: Project, export: Runner
) -> None:
    for dataset in ("ds", "ds/datasets/child", "ds/datasets/child/datasets/grandchild", "other"):
        project.add("a.png", dataset)
        project.add("b.png", dataset, bare=True)
    done = export(project.folder)
    assert done.code == 0
    same(done.tree, project.expected)


def test_a_folder_without_images_of_its_own_is_no_dataset_but_its_children_are(
    project: Project, export: Runner
) -> None:
    project.add(dataset="empty/datasets/child")
    project.put("notes/readme.txt", b"no data set")
    done = export(project.folder)
    assert (done.code, done.report["images"]) == (0, 1)
    same(done.tree, project.expected)


def test_images_and_annotations_are_copied_byte_by_byte_with_their_oddities(
    project: Project, export: Runner
) -> None:
    project.add()
    odd_note = b'\n{ "size":{"width":12,"height" : 8}, "objects":[ ], "x": 1.50 }\n\n'
    odd_image = picture(7) + b"trailing bytes"
    project.add_bad(odd_image, odd_note, "odd.png")
    done = export(project.folder)
    assert done.code == 0
    assert done.tree["ds/img/odd.png"] == odd_image
    assert done.tree["ds/ann/odd.png.json"] == odd_note


def test_an_image_larger_than_a_copying_step_is_copied_whole(
    project: Project, export: Runner
) -> None:
    large = picture(1) + os.urandom(3_000_000)
    project.add_bad(large, annotation(), "large.png")
    assert export(project.folder).tree["ds/img/large.png"] == large
    machine_only = layer(masks_human=False)
    assert export(project.folder, config=machine_only).tree["ds/img/large.png"] == large


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"images": False}, ["img"]),
        ({"annotations": False}, ["ann"]),
        ({"images": False, "annotations": False}, ["img", "ann"]),
        ({"masks_human": False}, ["masks_human"]),
        ({"masks_machine": False}, ["masks_machine"]),
        ({"masks_human": False, "gt_human_color": None}, ["masks_human"]),
        ({"masks_human": False, "images": False}, ["masks_human", "img"]),
        ({"masks_machine": None}, ["masks_machine"]),
    ],
)
def test_only_what_the_settings_ask_for_is_written(
    project: Project, export: Runner, settings: dict[str, object], missing: list[str]
) -> None:
    project.add("a.png")
    project.add("b.png", bare=True)
    done = export(project.folder, config=layer(**settings))
    assert done.code == 0
    same(done.tree, project.without(*missing))


def test_machine_masks_alone_need_no_image(project: Project, export: Runner) -> None:
    project.add()
    (project.folder / "ds/img/good.png").unlink()
    (project.folder / "ds/img").rmdir()
    done = export(project.folder, config=layer(masks_human=False, images=False))
    assert done.code == 0
    # The item's name is that of its annotation; it is not known what the image was called.
    same(done.tree, project.without("masks_human", "img"))


def test_one_colour_that_is_not_gray_makes_machine_masks_rgb(
    project: Project, export: Runner
) -> None:
    project.add()
    colors = {"kiwi": [1, 2, 3], "lemon": [4, 4, 4]}
    done = export(project.folder, config=layer(gt_machine_color=colors))
    mask = np.zeros((8, 12, 3), np.uint8)
    mask[1:5, 2:8] = (1, 2, 3)
    assert done.tree["ds/masks_machine/good.png"] == ("RGB", mask.tobytes())


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["a.jpg", "a.png"], ["a.jpg.png", "a.png.png"]),
        (["a.jpg", "a.jpg.png", "a.png"], ["a.jpg.png", "a.jpg.png.png", "a.png.png"]),
        (["a.b.png", "a.png"], ["a.b.png", "a.png"]),
        (["a", "a.png"], ["a.png", "a.png.png"]),
        (["A.png", "a.png"], ["A.png", "a.png"]),
    ],
)
def test_masks_that_would_collide_keep_the_whole_image_name(
    project: Project, export: Runner, images: list[str], masks: list[str]
) -> None:
    for image, mask in zip(images, masks, strict=True):
        project.add(image, mask=mask)
    done = export(project.folder)
    assert done.code == 0
    same(done.tree, project.expected)


NAMES = {
    "spaces": " two  words .png",
    "unicode": "Straße № 1 \N{KIWIFRUIT}.png",
    "combining": "e\u0301 \u00e9.png",
    "dots": "a..b.png",
    "leading dots": "..png",
    "dots only": "...png",
    "no extension": "plain",
    "two extensions": "a.tar.png",
    "capitals": "A.PNG",
    "shell": "$(touch x);'\"*?|&<>.png",
    "backslash": "..\\..\\a.png",
    "percent": "%2e%2e%2fa%s{0}.png",
    "newline": "a\nb.png",
    "escape": "\x1b[31mred.png",
    "dash": "--help.png",
    "not utf-8": os.fsdecode(b"caf\xe9 \xff.png"),
    "part": "x.part",
    "json": "a.json",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_any_name_of_an_image_is_kept(project: Project, export: Runner, name: str) -> None:
    project.add(name)
    project.add("z.png")
    done = export(project.folder)
    assert (done.code, done.report["images"]) == (0, 2), done.output
    same(done.tree, project.expected)


@pytest.mark.parametrize("name", ["two words", "Bäume №", "..ds", "a..b", os.fsdecode(b"\xff")])
def test_any_name_of_a_dataset_is_kept(project: Project, export: Runner, name: str) -> None:
    if name.startswith("."):
        project.put(f"{name}/img/a.png", picture())  # hidden folders are no data sets
    else:
        project.add("a.png", f"{name}/datasets/{name}")
    project.add("b.png")
    done = export(project.folder)
    assert done.code == 0
    same(done.tree, project.expected)


@pytest.mark.parametrize(
    ("image", "ann"),
    [("x" * 246 + ".png", None), ("ä" * 123 + ".png", None), ("x" * 250 + ".jpeg", "x" * 250)],
)
def test_names_at_the_limit_of_the_file_system_work(
    project: Project, export: Runner, image: str, ann: str | None
) -> None:
    ann = f"{ann or image}.json"
    assert len(os.fsencode(ann)) == 255
    project.add(image, ann=ann)
    done = export(project.folder)
    assert done.code == 0, done.output
    same(done.tree, project.expected)


def test_a_mask_whose_name_would_be_too_long_fails_alone(project: Project, export: Runner) -> None:
    project.add()
    long = "x" * 248
    images = [f"{long}.png", f"{long}.tif"]  # with another ".png" they have 256 bytes
    for image in images:
        project.put(f"ds/img/{image}", picture())
    project.put(f"ds/ann/{long}.json", annotation())
    done = export(project.folder)
    assert done.code == 1
    assert list(done.errors) == images
    assert all("File name too long" in error["message"] for error in done.errors.values())
    same(done.tree, project.expected)


def test_the_annotation_may_be_named_without_the_images_extension(
    project: Project, export: Runner
) -> None:
    project.add("IMG_1.png", ann="IMG_1.json")
    project.add("IMG_2.png")
    done = export(project.folder)
    assert done.code == 0
    same(done.tree, project.expected)


def test_hidden_files_and_folders_that_systems_leave_behind_are_ignored(
    project: Project, export: Runner
) -> None:
    project.add("a.png")
    for rubbish in (
        ".DS_Store",
        "ds/img/.DS_Store",
        "ds/img/._a.png",
        "ds/ann/._a.png.json",
        "ds/ann/.DS_Store",
        "ds/img/.ipynb_checkpoints/a.png",
        ".git/img/a.png",
        "ds/img_info/a.png.json",
        "ds/seg/a.png",
        "ds/meta/a.json",
    ):
        project.put(rubbish, b"rubbish")
    done = export(project.folder)
    assert done.code == 0, done.output
    same(done.tree, project.expected)


def test_names_inside_json_lead_nowhere(project: Project, export: Runner, tmp_path: Path) -> None:
    evil = "../../evil"
    project.add()
    thing = {"classTitle": evil, "geometryType": evil, "id": "/etc/passwd"}
    note = annotation(thing, name="../../evil.png", img=str(tmp_path / "evil"), datasetName=evil)
    project.add_bad(picture(), note, "a.png")
    colors = {"kiwi": [100, 100, 100], evil: [1, 1, 1], "/abs": [2, 2, 2]}
    done = export(project.folder, config=layer(gt_machine_color=colors))
    assert done.code == 0
    assert done.tree["ds/ann/a.png.json"] == note
    assert done.report["unsupported_objects"] == {evil: 1}
    assert not [name for name in files(tmp_path) if "evil" in name]


@pytest.mark.parametrize("dst", ["a/b/c", "with space", "…", "a..b"])
def test_dst_names_a_folder_below_out(project: Project, tmp_path: Path, dst: str) -> None:
    project.add()
    summary = run(SaveMasks.from_json(layer() | {"dst": dst}), [project.folder], tmp_path / "out")
    assert summary.out == tmp_path / "out" / dst
    same(tree(tmp_path / "out" / dst), project.expected)
    assert sorted(files(tmp_path / "out")) == sorted(f"{dst}/{name}" for name in project.expected)


# ---------------------------------------------------------------- old projects


@pytest.mark.parametrize(
    ("shape", "points", "painted"),
    [
        ("rectangle", [[2, 1], [5, 4]], (slice(1, 5), slice(2, 6))),
        ("polygon", [[2, 1], [5, 1], [5, 4], [2, 4]], (slice(1, 5), slice(2, 6))),
        (
            "line",
            [[2, 1], [2, 4], [4, 4]],
            ([1, 2, 3, 4, 4, 4], [2, 2, 2, 2, 3, 4]),
        ),
        ("point", [[3, 5]], (slice(5, 6), slice(3, 4))),
    ],
)
def test_an_object_without_geometry_type_has_the_shape_of_its_class(
    project: Project, export: Runner, shape: str, points: list[list[int]], painted: Any
) -> None:
    project.put("meta.json", json.dumps({"classes": [{"title": "kiwi", "shape": shape}]}).encode())
    old = {"classTitle": "kiwi", "points": {"exterior": points, "interior": []}, "bitmap": None}
    project.add_bad(picture(), annotation(old), "a.png")
    done = export(project.folder)
    assert done.code == 0
    mask = np.zeros((8, 12), np.uint8)
    mask[painted] = 100
    assert done.tree["ds/masks_machine/a.png"] == ("L", mask.tobytes())


def test_the_pictures_orientation_is_applied_and_the_file_left_alone(
    project: Project, export: Runner
) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    pixels = np.random.default_rng(1).integers(0, 256, (12, 8, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG", exif=exif)
    project.add_bad(file.getvalue(), annotation(), "a.png")
    done = export(project.folder)
    assert (done.code, done.tree["ds/img/a.png"]) == (0, file.getvalue())
    upright = np.rot90(pixels, -1)
    green = np.full((8, 1, 3), (0, 255, 0), np.uint8)
    page = np.concatenate([upright, green, upright], axis=1)
    assert done.tree["ds/masks_human/a.png"] == ("RGB", page.tobytes())


# ---------------------------------------------------------------- several projects, or nothing


def test_several_projects_are_merged(tmp_path: Path, export: Runner) -> None:
    first = Project(tmp_path / "north", ("kiwi",))
    second = Project(tmp_path / "south", ("lemon", "kiwi", "fig"))
    first.add("a.png", "only north")
    first.add("a.png", "both")
    second.add("b.png", "both")
    second.add("c.png", "both/datasets/child")
    done = export(first.folder, second.folder)
    assert (done.code, done.report["images"]) == (0, 4)
    meta = done.tree.pop("meta.json")
    assert isinstance(meta, bytes)
    assert [c["title"] for c in json.loads(meta)["classes"]] == ["kiwi", "lemon", "fig"]
    expected: Tree = {}
    for name, one in (("north", first), ("south", second)):
        expected |= {k.replace("both/", f"{name}__both/"): v for k, v in one.expected.items()}
    same(done.tree, {k: v for k, v in expected.items() if k != "meta.json"})


def test_a_project_given_twice_is_exported_twice(project: Project, export: Runner) -> None:
    project.add()
    done = export(project.folder, project.folder)
    tops = {name.split("/")[0] for name in done.tree}
    assert (done.code, done.report["images"]) == (0, 2)
    assert tops == {"project__ds", "project__ds-2", "meta.json"}


def test_an_empty_project_gives_meta_json_and_says_that_it_is_empty(
    project: Project, export: Runner
) -> None:
    done = export(project.folder)
    assert (done.code, done.report["images"], done.report["failed"]) == (0, 0, 0)
    same(done.tree, project.expected)
    assert "note: the projects have no images: nothing was exported" in done.output.splitlines()
    assert done.report["items"] == []


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (None, "is not a Supervisely project: it has no meta.json"),
        (b"", "meta.json: not valid JSON"),
        (b"{", "meta.json: not valid JSON"),
        (b"[]", 'meta.json: "classes" must be a list of objects with a "title"'),
        (b"{}", 'meta.json: "classes" must be a list'),
        (b'{"classes": [{"name": "kiwi"}]}', 'meta.json: "classes" must be a list'),
        (b'{"classes": [{"title": 7}]}', 'meta.json: "classes" must be a list'),
    ],
)
def test_a_project_that_cannot_be_used_ends_the_run_before_anything_is_written(
    project: Project, export: Runner, tmp_path: Path, meta: bytes | None, message: str
) -> None:
    project.add()
    broken = tmp_path / "broken"
    broken.mkdir()
    if meta is not None:
        (broken / "meta.json").write_bytes(meta)
    with pytest.raises(ProjectError, match=r"^.*broken") as caught:
        run(LAYER, [project.folder, broken], tmp_path / "out")
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()
    done = export(project.folder, broken)
    assert (done.code, done.tree, done.report) == (2, {}, {})
    assert f"error: {caught.value}\n" == done.output


def test_output_that_is_not_empty_is_refused_and_left_alone(
    project: Project, tmp_path: Path
) -> None:
    project.add()
    root = tmp_path / "out/experiment001"
    root.mkdir(parents=True)
    (root / "mine").write_bytes(b"mine")
    before = files(tmp_path)
    with pytest.raises(OutputError, match="experiment001: is not an empty folder, and not one"):
        run(LAYER, [project.folder], tmp_path / "out", RunOptions(report=tmp_path / "report.json"))
    assert files(tmp_path) == before
    (root / "mine").unlink()
    assert run(LAYER, [project.folder], tmp_path / "out").images == 1  # empty is fine
