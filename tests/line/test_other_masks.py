"""The other masks through `savemasks.export`, whole and in strips, compared with OpenCV."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import pyvips
from PIL import Image

from support import other_masks
from support.other_masks import (
    FEW,
    HEIGHT,
    IMAGE,
    THINGS,
    WIDTH,
    Make,
    Pixels,
    export,
    make_project,
    only,
    put,
    read,
    same,
    whole_objects,
)
from support.projects import Json, files

pytestmark = pytest.mark.usefixtures("warm")
# ---------------------------------------------------------------- one by one


def test_every_object_is_whole_in_a_file_of_its_own(make: Make) -> None:
    folder = make(masks_instances="objects") / "masks_instances"
    names = ["kiwi", "lemon", "kiwi_01", "plum", "lemon_01", "kiwi_02", "plum_01", "plum_02"]
    found = sorted(path.stem for path in (folder / "a").iterdir())
    assert found == sorted(names)
    for name, each in zip(names, whole_objects(THINGS), strict=True):
        (path,) = (folder / "a").glob(f"{name}.*")
        pixels = read(path)
        assert pixels.dtype == np.uint8
        same(pixels, each.mask * 255)
    assert sorted(path.stem for path in (folder / "b").iterdir()) == ["plum", "plum_01"]


def test_a_class_has_all_of_its_objects_whatever_covers_them(make: Make) -> None:
    folder = make(masks_classes=True) / "masks_classes"
    assert sorted(path.stem for path in (folder / "a").iterdir()) == ["kiwi", "lemon", "plum"]
    for path in (folder / "a").iterdir():
        masks = [each.mask for each in whole_objects(THINGS) if each.title == path.stem]
        same(read(path), np.any(masks, axis=0) * 255)
    assert [path.stem for path in (folder / "b").iterdir()] == ["plum"]


@pytest.mark.parametrize("order", ["list", "area"])
def test_a_map_numbers_the_objects_and_a_table_tells_what_they_are(make: Make, order: str) -> None:
    folder = make(masks_instances="map", paint_order=order) / "masks_instances"
    things = sorted(whole_objects(THINGS), key=lambda each: -area(each) if order == "area" else 0)
    expected = np.zeros((HEIGHT, WIDTH), np.uint16)
    for each in things:
        expected[each.mask] = each.number
    pixels = read(only(folder))
    assert pixels.dtype == np.uint16
    same(pixels, expected)
    table = json.loads((folder / "a.json").read_bytes())
    assert table == {str(e.number): entry(e, expected == e.number) for e in whole_objects(THINGS)}
    assert table["8"] == {"class": "plum", "area": 0, "bbox": None} or order == "area"
    assert (table["1"]["id"], table["6"]["id"]) == (77, "b")


def area(each: other_masks.Whole) -> float:
    """The area that objects are sorted by: of polygons that of their rings, of lines none."""
    thing = THINGS[each.number - 1]
    if thing["geometryType"] == "polygon":
        rings = [thing["points"]["exterior"], *thing["points"]["interior"]]
        outer, *holes = [cv2.contourArea(np.array(ring, np.float32)) for ring in rings]
        return outer - sum(holes)
    return 0.0 if thing["geometryType"] == "line" else float(each.mask.sum())


def entry(each: other_masks.Whole, visible: Pixels) -> Json:
    """What the table must say of an object."""
    rows, columns = np.nonzero(visible)
    found: Json = {"class": each.title, "area": len(rows), "bbox": None}
    if len(rows):
        left, top = int(columns.min()), int(rows.min())
        size = [int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]
        found["bbox"] = [left, top, *size]
    if "id" in THINGS[each.number - 1]:
        found["id"] = THINGS[each.number - 1]["id"]
    return found


@pytest.mark.parametrize("megapixels", [0, 64])
def test_a_background_of_a_graph_is_a_class_that_covers_all(
    tmp_path: Path, megapixels: int
) -> None:
    project = make_project(tmp_path / "project")
    data: Json = {"action": "data", "src": ["project/*"], "dst": "$0"}
    data["settings"] = {"classes_mapping": "default"}
    ground = {"action": "background", "src": ["$0"], "dst": "$1", "settings": {"class": "ground"}}
    colors = {title: [9, 9, i] for i, title in enumerate(("plum", "ground"))}
    sink = other_masks.config(
        masks_classes=True, gt_human_color=colors, strips_above_megapixels=megapixels
    )
    export(project, tmp_path, [data, ground, {**sink, "src": ["$1"], "dst": "out"}])
    folder = tmp_path / "out/ds/masks_classes/b"
    assert sorted(path.name for path in folder.iterdir()) == ["ground.png", "plum.png"]
    assert (read(folder / "ground.png") == 255).all()
    plums = [each.mask for each in whole_objects(other_masks.FEW)]
    same(read(folder / "plum.png"), np.any(plums, axis=0) * 255)


def test_a_picture_without_objects_has_an_empty_map_and_no_other_files(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    put(project, "a", [])
    export(project, tmp_path, other_masks.config(masks_instances="map", masks_classes=True))
    out = tmp_path / "out/ds"
    assert not read(out / "masks_instances/a.png").any()
    assert json.loads((out / "masks_instances/a.json").read_bytes()) == {}
    assert not (out / "masks_classes/a").exists()


def test_more_objects_than_16_bits_can_number_make_a_map_of_32(tmp_path: Path) -> None:
    count, width = 65_600, 300
    project = make_project(tmp_path / "project")
    places = np.random.default_rng(0).permutation(width * width)[:count]
    points = np.stack([places % width, places // width], axis=1).tolist()
    things = ",".join(
        f'{{"classTitle":"kiwi","geometryType":"point","points":{{"exterior":[{point}]}}}}'
        for point in points
    )
    text = f'{{"size":{{"height":{width},"width":{width}}},"objects":[{things}],"tags":[]}}'
    project.put("ds/ann/a.png.json", text.encode())
    png = pyvips.Image.black(width, width, bands=3).pngsave_buffer()
    project.put("ds/img/a.png", png)
    export(project, tmp_path, other_masks.config(masks_instances="map", masks_machine=True))
    out = tmp_path / "out/ds"
    assert sorted(path.name for path in (out / "masks_instances").iterdir()) == [
        "a.json", "a.tif", "b.json", "b.png"
    ]  # fmt: skip
    expected = np.zeros(width * width, np.uint32)
    expected[places] = np.arange(1, count + 1)
    found = read(out / "masks_instances/a.tif")
    assert found.dtype == np.uint32
    same(found, expected.reshape(width, width))
    with Image.open(out / "masks_instances/a.tif") as image:
        same(np.asarray(image), expected.reshape(width, width))
    same(read(out / "masks_machine/a.png"), (found > 0) * 1)
    table = json.loads((out / "masks_instances/a.json").read_bytes())
    assert len(table) == count
    assert table["65600"] == {"class": "kiwi", "area": 1, "bbox": [*points[-1], 1, 1]}


# ---------------------------------------------------------------- together


ALL: Json = {
    "masks_machine": True, "masks_human": True, "masks_instances": "objects",
    "masks_classes": True, "masks_semantic_rgb": True, "machine_palette": True,
    "human_outlines": True, "human_scale": 0.5, "background": 255,
}  # fmt: skip


@pytest.mark.parametrize("changes", [{}, {"masks_instances": "map", "machine_palette": False}])
def test_strips_give_the_same_pixels_as_whole_pictures(
    tmp_path: Path, changes: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ALL | changes
    project = make_project(tmp_path / "project")
    export(project, tmp_path / "whole", other_masks.config(**wanted))
    expected = pixels(tmp_path / "whole/out")
    assert len(expected) > 8
    for rows in (1, 10, 56, 57, 58):
        monkeypatch.setattr("savemasks.line.budget.STRIP_PIXELS", rows * WIDTH)
        out = tmp_path / str(rows)
        export(project, out, other_masks.config(**wanted, strips_above_megapixels=0))
        found = pixels(out / "out")
        assert found.keys() == expected.keys()
        assert [n for n in found if not np.array_equal(found[n], expected[n])] == []
        counted = [
            {**json.loads((folder / "out/legend.json").read_bytes()), "settings": None}
            for folder in (out, tmp_path / "whole")
        ]
        assert counted[0] == counted[1]


def pixels(out: Path) -> dict[str, Any]:
    """Pixels by name, and the contents of tables."""
    return {
        name: np.frombuffer(content, np.uint8)
        if name.endswith(".json")
        else np.asarray(Image.open(out / name))
        for name, content in files(out).items()
    }


FRONT = [[10, 10], [40, 12], [38, 40], [9, 38]]
BACK = [[20, 5], [50, 7], [48, 33], [19, 31]]
CUBOID: Json = {
    "classTitle": "fig",
    "geometryType": "cuboid_2d",
    "vertices": {
        f"face{face}-{side}": {"loc": corner}
        for face, corners in ((1, FRONT), (2, BACK))
        for side, corner in zip(
            ("topleft", "topright", "bottomright", "bottomleft"), corners, strict=True
        )
    },
}


@pytest.mark.parametrize("megapixels", [0, 64])
def test_sinks_that_read_cuboids_otherwise_get_what_they_would_get_alone(
    tmp_path: Path, megapixels: int
) -> None:
    project = make_project(tmp_path / "project")
    put(project, "a", [*THINGS, CUBOID])
    same_for_all = {"strips_above_megapixels": megapixels, "masks_classes": True}
    wanted: list[Json] = [
        {"masks_instances": "map", "cuboid_2d": "faces"},
        {"masks_instances": "objects", "masks_human": True},
        {"masks_machine": True, "masks_instances": "objects", "cuboid_2d": "faces"},
    ]
    layers = [other_masks.config(**same_for_all, **each) for each in wanted]
    data = {"action": "data", "src": ["project/*"], "dst": "$0", "settings": {}}
    data["settings"] = {"classes_mapping": "default"}
    graph = [data, *({**each, "src": ["$0"], "dst": f"sink{i}"} for i, each in enumerate(layers))]
    export(project, tmp_path / "together", graph)
    for number, each in enumerate(layers):
        export(project, tmp_path / f"alone{number}", each)
        together = pixels(tmp_path / f"together/sink{number}")
        alone = pixels(tmp_path / f"alone{number}/out")
        assert together.keys() == alone.keys()
        assert [n for n in alone if not np.array_equal(together[n], alone[n])] == []
    edges, faces = (read(tmp_path / f"together/sink{i}/ds/masks_classes/a/fig.png") for i in (1, 2))
    hull = np.zeros((HEIGHT, WIDTH), np.uint8)
    for i in range(4):
        j = (i + 1) % 4
        for face in (FRONT, [FRONT[i], FRONT[j], BACK[j], BACK[i]]):
            cv2.fillPoly(hull, [np.array(face, np.int32)], 255)
    same(faces, hull)
    assert 0 < (edges > 0).sum() < (faces > 0).sum()


def test_an_item_of_nothing_but_own_masks_names_them_after_its_own_name(tmp_path: Path) -> None:
    """Two items of one stem keep their whole names, folders too."""
    project = make_project(tmp_path / "project")
    picture = pyvips.Image.new_from_array(IMAGE).jpegsave_buffer()
    project.put("ds/img/a.jpg", picture)
    project.put("ds/ann/a.jpg.json", other_masks.note(FEW))
    export(project, tmp_path, other_masks.config(masks_classes=True, masks_instances="map"))
    found = {name for name in files(tmp_path / "out") if name.startswith("ds/masks_classes/")}
    assert found == {
        "ds/masks_classes/a.jpg/plum.png", "ds/masks_classes/b/plum.png",
        *(f"ds/masks_classes/a.png/{title}.png" for title in ("kiwi", "lemon", "plum")),
    }  # fmt: skip
