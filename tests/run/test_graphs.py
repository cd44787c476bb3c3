"""Graphs: several results in one run are what each is alone, and each item is read once."""

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import savemasks
from savemasks.cli.demo import CONFIG
from savemasks.layers.file_names import LEGEND_FILES
from savemasks.line import item as line_item
from savemasks.line import strips as line_strips
from savemasks.line.plan import Plan
from savemasks.pictures.original import Original
from savemasks.results.lock import HIDDEN
from support.graphs import (
    COLORS,
    below,
    classes,
    each_alone,
    figure,
    make,
    titles,
    two_sinks,
    write_project,
    write_projects,
)
from support.layers import data, rename, save, save_masks, step
from support.projects import Json, annotation, decode, files, picture, same

pytestmark = pytest.mark.usefixtures("warm")


@pytest.fixture
def projects(tmp_path: Path) -> list[Path]:
    return write_projects(tmp_path / "in")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


FRUIT = {"classes_mapping": {"kiwi": "fruit", "__other__": "__default__"}}
BOTH: Json = {"masks_human": True, "gt_machine_color": COLORS, "gt_human_color": COLORS}
GRAPHS: dict[str, list[Json]] = {
    "two sinks": two_sinks(),
    "same-named data sets of two projects": [
        data("lemons", "$0", **FRUIT),
        data("limes", "$1"),
        save_masks(["$0", "$1"], "masks", **BOTH),
        save("$1", "limes"),
        save("$0", "lemons", visualize=True),
    ],
    "two ways of one data set": [
        data("lemons/ds", "$0"),
        rename("$0", "$1"),
        step("drop_obj_by_class", "$0", "$2", classes=["kiwi"]),
        save_masks(["$0", "$1", "$2"], "masks", **BOTH),
        save(["$2", "$0"], "copy", visualize=True),
    ],
    "data sets that flow differently": [
        data("lemons/ds", "$0"),
        data("lemons/market/*", "$1", classes_mapping={"__other__": "fruit"}),
        data("limes/other", "$2"),
        save_masks(["$0", "$1"], "masks", **BOTH),
        save(["$1", "$2"], "copy", visualize=True),
        save_masks("$2", "deep/er", gt_machine_color=COLORS, images=False, annotations=False),
    ],
    "orders and lines": [
        data("lemons", "$0"),
        step("background", "$0", "$1", **{"class": "bg"}),
        save_masks("$1", "area", **BOTH, paint_order="area"),
        save_masks("$1", "rank", **BOTH, class_priority=["lemon", "kiwi", "bg"], line_width=3),
    ],
}


@pytest.mark.parametrize("name", GRAPHS)
def test_several_results_are_byte_by_byte_what_each_is_alone(
    name: str, projects: list[Path], tmp_path: Path, out: Path
) -> None:
    expected = each_alone(GRAPHS[name], projects, tmp_path / "alone")
    summary = make(GRAPHS[name], projects, out)
    assert summary.failed == 0
    found = files(out)
    same(found, expected)
    assert len({file.split("/")[0] for file in found}) == len(summary.results)


@pytest.mark.parametrize("name", GRAPHS)
def test_results_depend_on_the_graph_alone(
    name: str, projects: list[Path], tmp_path: Path, out: Path
) -> None:
    make(GRAPHS[name], projects, out, workers=1)
    make(GRAPHS[name], projects[::-1], tmp_path / "second", workers=5)
    same(files(tmp_path / "second"), files(out))


def test_an_item_is_read_parsed_and_decoded_once_whatever_the_number_of_sinks(
    projects: list[Path], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = [
        data("lemons", "$0"),
        rename("$0", "$1"),
        step("background", "$1", "$2", **{"class": "bg"}),
        save_masks("$0", "a", **BOTH),
        save_masks(["$1", "$2"], "b", **BOTH),
        save("$2", "c", visualize=True),
        save("$0", "d"),
    ]
    calls: Counter[str] = Counter()
    lock = threading.Lock()

    def counted(owner: Any, name: str) -> None:
        genuine = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            with lock:
                calls[name] += 1
            return genuine(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    monkeypatch.setattr("savemasks.run.worker.warm_up_all", lambda *_: None)
    counted(Original, "pixels")
    counted(Plan, "parse")
    counted(line_item, "_read_annotation")
    counted(line_item, "_read_image")
    summary = make(config, projects, out, workers=3)
    assert (summary.images, summary.failed) == (4, 0)
    assert calls == dict.fromkeys(("pixels", "parse", "_read_annotation", "_read_image"), 4)
    found = files(out)
    assert len(found) == 4 + 4 * (4 + 2 * 4 + 3 + 2)  # every meta.json; of b two ways


# ---------------------------------------------------------------- names


def test_same_named_data_sets_are_named_after_their_projects_in_the_order_of_the_config(
    projects: list[Path], out: Path
) -> None:
    make(GRAPHS["same-named data sets of two projects"], projects, out)
    assert {path.name for path in (out / "masks").iterdir()} - {*LEGEND_FILES} == {
        HIDDEN, "lemons__ds", "limes__ds", "market", "meta.json", "other"
    }  # fmt: skip
    assert (out / "limes/ds").is_dir()  # alone there
    picture_of_limes = (projects[1] / "ds/img/a.png").read_bytes()
    assert (out / "masks/limes__ds/img/a.png").read_bytes() == picture_of_limes


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 0, 1, 3, 2), (3, 4, 0, 1, 2)])
def test_ways_of_one_data_set_are_numbered_in_the_order_of_the_layers_on_them(
    projects: list[Path], out: Path, order: tuple[int, ...]
) -> None:
    config = [GRAPHS["two ways of one data set"][number] for number in order]
    make(config, projects, out)
    copies = {
        path.name: titles((path / "ann/a.png.json").read_bytes())
        for path in (out / "masks").iterdir()
        if path.name.startswith("lemons")
    }
    assert copies == {
        "lemons__ds": ["kiwi", "lemon", "stone", "kiwi"],
        "lemons__ds-2": ["fruit", "lemon", "stone", "fruit"],
        "lemons__ds-3": ["lemon", "stone"],
    }


def test_names_are_those_of_the_config_also_where_projects_are_links(
    projects: list[Path], tmp_path: Path, out: Path
) -> None:
    links = tmp_path / "links"
    links.mkdir()
    for number, name in enumerate(("limes", "lemons")):
        real = tmp_path / f"store/{number}/current"
        real.parent.mkdir(parents=True)
        (tmp_path / "in" / name).rename(real)
        (links / name).symlink_to(real)
    config = [data("limes", "$0"), data("lemons", "$1"), save(["$0", "$1"], "both")]
    make(config, [], out, below=[links])
    assert {path.name for path in (out / "both").iterdir() if path.name.endswith("ds")} == {
        "lemons__ds", "limes__ds"
    }  # fmt: skip


# ---------------------------------------------------------------- what is written


def test_only_classes_change_in_meta_and_annotations(projects: list[Path], out: Path) -> None:
    make(two_sinks(), projects, out)
    lemons = projects[0]
    for name, content in below(files(lemons), "ds").items():  # of `copy`, nothing is mapped
        assert (out / "copy/ds" / name).read_bytes() == content
    meta = (lemons / "meta.json").read_bytes()
    assert (out / "copy/meta.json").read_bytes() == meta
    assert classes((out / "masks/meta.json").read_bytes()) == {
        "fruit": ("any", "#00ff00"),
        "bg": ("rectangle", classes((out / "masks/meta.json").read_bytes())["bg"][1]),
    }
    before = json.loads((lemons / "ds/ann/a.png.json").read_bytes())
    after = json.loads((out / "masks/ds/ann/a.png.json").read_bytes())
    ground, *objects = after.pop("objects")
    assert ground["classTitle"] == "bg"
    assert ground["points"]["exterior"] == [[0, 0], [11, 7]]
    renamed = {"kiwi": "fruit", "lemon": "fruit"}
    assert [
        each | {"classTitle": renamed.get(each["classTitle"], each["classTitle"])}
        for each in before.pop("objects")
    ] == objects
    assert list(after) == list(before)
    assert after == before


def test_classes_that_become_one_are_painted_as_one(projects: list[Path], out: Path) -> None:
    make(two_sinks(), projects, out)
    mode, pixels = decode((out / "masks/market/masks_machine/a.png").read_bytes())
    expected = np.full((8, 12), (1, 2, 3)[0], np.uint8)
    expected[0:6, 2:8] = 9
    expected[2:7, 4:12] = 9
    expected[7, 11] = 9
    mask = np.frombuffer(pixels, np.uint8).reshape(8, 12, -1)[:, :, 0]
    assert mode == "RGB"
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize(
    "settings",
    [{}, {"paint_order": "area"}, {"class_priority": ["bg", "kiwi"]}, {"class_priority": ["bg"]}],
)
def test_backgrounds_lie_below_everything_whatever_the_order(
    tmp_path: Path, out: Path, settings: Json
) -> None:
    project = write_project(tmp_path / "lemons", ())
    tall = figure("kiwi", 0, 0, 11, 7)  # as large as the background
    project.put("ds/img/a.png", picture())
    project.put("ds/ann/a.png.json", annotation(tall, figure("bg", 3, 3, 4, 4)))
    config = [
        data("lemons", "$0"),
        step("background", "$0", "$1", **{"class": "bg"}),
        save_masks("$1", "masks", gt_machine_color={"bg": [1] * 3, "kiwi": [2] * 3}, **settings),
    ]
    make(config, [project.folder], out)
    _, pixels = decode((out / "masks/ds/masks_machine/a.png").read_bytes())
    expected = np.full((8, 12), 2, np.uint8)
    if settings.get("class_priority") != ["bg", "kiwi"]:
        expected[3:5, 3:5] = 1  # an object of the class is one like others
    assert pixels == expected.tobytes()

    painter = savemasks.Painter.from_graph(
        savemasks.Graph.from_json(config), meta=(project.folder / "meta.json").read_bytes()
    )
    objects = (project.folder / "ds/ann/a.png.json").read_bytes()
    labels = painter.labels(objects)
    assert np.array_equal(painter.machine(objects), expected)
    for window in ((0, 0, 12, 8), (2, 2, 4, 3), (11, 7, 1, 1)):
        x, y, width, height = window
        part = labels[y : y + height, x : x + width]
        assert np.array_equal(painter.labels(objects, window=window), part)
    beyond = painter.labels(annotation(), window=(10, 6, 4, 4), fill=255)
    assert beyond[:2, :2].tolist() == [[1, 1], [1, 1]]
    assert (beyond[2:] == 255).all()
    assert (beyond[:, 2:] == 255).all()


def test_large_pictures_go_in_strips_into_all_results(
    projects: list[Path], tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def config(megapixels: float) -> list[Json]:
        masks = {**BOTH, "paint_order": "area", "strips_above_megapixels": megapixels}
        steps = two_sinks()
        return [*steps[:3], save_masks("$2", "masks", **masks), save("$2", "copy", visualize=True)]

    def pixels(folder: Path) -> dict[str, object]:
        made = files(folder)
        return {k: decode(v) if k.endswith(".png") else v for k, v in made.items()}

    make(config(64), projects, tmp_path / "whole")
    monkeypatch.setattr("savemasks.line.budget.STRIP_PIXELS", 36)  # three rows
    strips = []
    genuine = line_strips.write_strips

    def counted(masks: Any, *arguments: Any) -> Any:
        strips.append(len(masks))
        return genuine(masks, *arguments)

    monkeypatch.setattr(line_item, "write_strips", counted)
    make(config(1e-6), projects, out)
    assert strips == [3] * 4
    same(pixels(out), pixels(tmp_path / "whole"))


def test_a_tiff_and_a_png_of_one_picture_have_the_same_pixels(
    projects: list[Path], out: Path
) -> None:
    config = [
        data("lemons", "$0"),
        save_masks("$0", "tiff", format="tiff"),
        save_masks("$0", "png"),
    ]
    make(config, projects, out)
    for name in ("ds/masks_machine/a", "market/datasets/deep/masks_machine/c"):
        with Image.open(out / f"tiff/{name}.tif") as image:
            tiff = image.tobytes()
        assert decode((out / f"png/{name}.png").read_bytes()) == ("L", tiff)


# ---------------------------------------------------------------- configs of others


def test_the_specifications_layer_behind_a_data_layer_is_the_layer_alone(
    demo_project: Path, tmp_path: Path, out: Path
) -> None:
    make([data("lemons/*", "$0"), CONFIG], [demo_project], out)
    make(CONFIG, [demo_project], tmp_path / "alone")
    found = files(out)
    same(found, files(tmp_path / "alone"))
    assert len(found) == 25


TUTORIAL = [
    data("lemons/*", "$sample"),
    step("tag", "$sample", "$tagged", tag="train"),
    step("background", "$sample", "$bg", **{"class": "bg"}),
    save_masks("$bg", "masks", gt_machine_color={"bg": [1] * 3, "kiwi": [2] * 3}),
]


def test_the_tutorials_graph_works_without_its_tags(demo_project: Path, out: Path) -> None:
    summary = make([TUTORIAL[0], *TUTORIAL[2:]], [demo_project], out)
    assert (summary.images, summary.failed) == (6, 0)
    for mask in out.glob("masks/market/masks_machine/*.png"):
        assert {*decode(mask.read_bytes())[1]} <= {1, 2}


def test_layers_that_transform_are_refused() -> None:
    with pytest.raises(savemasks.ConfigError) as caught:
        savemasks.Graph.from_json(TUTORIAL)
    (problem,) = caught.value.problems
    assert problem.startswith("layer 2 (tag): savemasks exports and does not transform; it takes ")
    assert "background" in problem


def test_sources_of_one_sink_with_other_shapes_are_noted(tmp_path: Path, out: Path) -> None:
    config = [data("a", "$0"), data("b", "$1"), save(["$0", "$1"], "both")]
    for name, shape in (("a", "polygon"), ("b", "bitmap")):
        project = write_project(tmp_path / name, (f"{name}/1.png",))
        entry = {"title": "kiwi", "shape": shape, "color": "#0000ff"}
        project.put("meta.json", json.dumps({"classes": [entry], "tags": []}).encode())
    summary = make(config, [tmp_path / "a", tmp_path / "b"], out)
    note = 'layer 3 (save): classes of different shapes become "kiwi": its shape is "any" in'
    assert f"{note} meta.json" in summary.warnings
    assert classes((out / "both/meta.json").read_bytes()) == {"kiwi": ("any", "#0000ff")}
