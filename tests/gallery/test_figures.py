"""Figures of projects and of results: what a run counts, what a painter measures."""

import json
from collections import Counter
from pathlib import Path

import pytest

import savemasks
from savemasks.gallery.figures import Figures
from savemasks.gallery.plots import plots_of
from savemasks.gallery.project_figures import project_figures
from savemasks.layers.graph import Graph
from support.archives import pack
from support.galleries import Gallery, export
from support.projects import HEIGHT, KIWI, WIDTH, Project, annotation, layer, picture

pytestmark = pytest.mark.usefixtures("warm")

ALL = layer(gt_machine_color="auto", gt_human_color="auto")
LEMON = {
    "classTitle": "lemon",
    "geometryType": "rectangle",
    "points": {"exterior": [[0, 0], [3, 3]], "interior": []},
}


def test_classes_are_counted_as_legends_count_them(demo_project: Path, tmp_path: Path) -> None:
    root = export(demo_project, tmp_path / "out", ALL).out
    legend = json.loads((root / "legend.json").read_text())["classes"]
    (figures,) = project_figures([demo_project]).results.values()
    (same,) = project_figures([demo_project], Graph.from_json(ALL)).results.values()
    assert figures.as_json() == same.as_json()
    for each in figures.classes:
        entry = legend[each.title]
        assert (each.objects, each.pixels, each.images) == (
            entry["objects"], entry["pixels"], entry["images"]
        )  # fmt: skip
        assert each.share == each.pixels / figures.canvas
    gallery = Gallery.of(root)
    assert [tuple(each[2:]) for each in gallery.index["classes"]] == [
        (each.objects, each.images, each.pixels) for each in figures.classes
    ]


def test_sizes_are_those_that_a_painter_measures(demo_project: Path) -> None:
    layer_ = savemasks.SaveMasks.from_json(ALL)
    painter = savemasks.Painter(layer_, demo_project / "meta.json")
    expected: Counter[int] = Counter()
    for item in savemasks.open_project(demo_project):
        for each in painter.statistics(item.annotation()).objects:
            expected[each.visible.bit_length()] += 1
    (figures,) = project_figures([demo_project], workers=2).results.values()
    found = {each.least.bit_length(): each.objects for each in figures.sizes if each.objects}
    assert found == expected


def test_what_meets_and_what_is_empty(project: Project) -> None:
    hidden = {**KIWI, "points": {"exterior": [[90, 90], [99, 99]], "interior": []}}
    for name, objects in {"a": [KIWI, LEMON], "b": [KIWI], "c": [], "d": [hidden]}.items():
        project.put(f"ds/img/{name}.png", picture())
        project.put(f"ds/ann/{name}.png.json", annotation(*objects))
    (figures,) = project_figures([project.folder]).results.values()
    found = figures.as_json()
    assert found["together"] == [{"classes": ("kiwi", "lemon"), "images": 1}]
    assert (found["images"], found["images_without_objects"], found["empty_masks"]) == (4, 1, 2)
    assert found["pixels"] == 4 * WIDTH * HEIGHT
    # The lemon hides kiwi's pixels in columns 2 and 3 of rows 1 to 3.
    assert found["classes"]["kiwi"]["pixels"] == 24 - 6 + 24
    assert found["classes"]["lemon"] == {
        "objects": 1, "images": 1, "pixels": 16, "share": round(16 / found["pixels"], 6)
    }  # fmt: skip
    assert found["object_sizes"] == [
        {"pixels": 0, "objects": 1},
        *({"pixels": 1 << bits, "objects": 0} for bits in range(4)),
        {"pixels": 16, "objects": 3},
    ]


def test_archives_and_failures(project: Project, tmp_path: Path) -> None:
    project.add("a.png")
    project.add_bad(picture(), b"{")
    project.add_bad(picture(), None, "lonely.png")
    for place in (project.folder, pack(project.folder, tmp_path / "project.tar")):
        survey = project_figures([place])
        (figures,) = survey.results.values()
        assert (figures.images, figures.failed, survey.failed) == (1, 2, 2)
        assert [failure.split(": ")[-2:][0] for failure in survey.failures]
        assert any("not valid JSON" in failure for failure in survey.failures)
        assert any("has no annotation" in failure for failure in survey.failures)


def test_every_sink_of_a_graph_has_its_figures(project: Project) -> None:
    project.add("a.png")
    graph = [
        {
            "action": "data",
            "src": "project",
            "dst": "$0",
            "settings": {"classes_mapping": {"kiwi": "fruit", "lemon": "fruit"}},
        },
        {**layer(gt_machine_color="auto", gt_human_color="auto"), "src": "$0", "dst": "all"},
        {
            **layer(gt_machine_color={"lemon": [1, 1, 1]}, masks_human=None, gt_human_color=None),
            "src": "$0",
            "dst": "none",
        },
    ]
    survey = project_figures([], Graph.from_json(graph), below=[project.folder.parent])
    assert [*survey.results] == ["all", "none"]
    assert survey.results["all"].as_json()["classes"]["fruit"]["objects"] == 1
    assert survey.results["none"].without_objects == 1


def test_plots_have_bars_in_proportion() -> None:
    figures = Figures(["a", "b", "c"])
    figures.add([(0, 1, 10), (1, 4, 30)], 100)
    figures.add([(1, 1, 10)], 100)
    figures.add_sizes(10, 3)
    bars, matrix = plots_of(figures, ["#000000", "#111111", "#222222"])
    share, objects, images, sizes = bars
    assert [bar.label for bar in share.bars] == ["b", "a", "c"]
    assert [bar.length for bar in share.bars] == [420, 105, 0]
    assert [bar.text for bar in share.bars] == ["20.00%", "5.00%", "0.00%"]
    assert [bar.text for bar in objects.bars] == ["5", "1", "0"]
    assert [bar.length for bar in images.bars] == [420, 210, 0]
    assert sizes.bars == [("8 to 15", 420, "3", None)]
    assert matrix
    assert matrix.labels == ["b", "a", "c"]
    assert matrix.rows == [[(2, 1), (1, 0.5), (0, 0)], [(1, 0.5), (1, 0.5), (0, 0)], [(0, 0)] * 3]
    empty = Figures([])
    assert plots_of(empty, []) == ([], None)
