"""Galleries: what is in their files, for every kind of result."""

import os
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import numpy as np
import pytest
from PIL import Image

from savemasks.cli.demo import CONFIG
from savemasks.errors import CrashError, OutputError
from savemasks.gallery import building, label_pictures
from savemasks.gallery.building import build_galleries
from savemasks.gallery.pictures_of_items import Has, Maker
from savemasks.layers.graph import Graph
from savemasks.line.job import PackRules
from savemasks.projects.parts import Part
from savemasks.run.export import retry, run
from savemasks.run.options import Hooks, RunOptions
from support.galleries import (
    COUNTS,
    DS,
    HAS,
    HIGH,
    NAME,
    PROBLEM,
    URL,
    WIDE,
    Gallery,
    export,
    label_picture,
)
from support.projects import (
    HEIGHT,
    KIWI,
    WIDTH,
    Project,
    annotation,
    files,
    layer,
    mount,
    picture,
    pixels_of,
)

pytestmark = pytest.mark.usefixtures("warm")

PAINTED = np.zeros((HEIGHT, WIDTH), bool)
PAINTED[1:5, 2:8] = True
KIWIS = PAINTED.sum().item()


def test_rows_have_what_the_page_filters_and_sorts_by(project: Project, tmp_path: Path) -> None:
    project.add("a.png")
    project.add("b.png", bare=True)
    project.add("c.png", dataset="ds/datasets/in")
    export(project, tmp_path / "out")
    gallery = Gallery.of(tmp_path / "out")
    index = gallery.index
    assert index["items"] == 3
    assert [each["name"] for each in index["datasets"]] == ["ds", "ds/datasets/in"]
    assert [row[NAME] for row in gallery.rows] == ["a.png", "b.png", "c.png"]
    assert [row[DS] for row in gallery.rows] == [0, 0, 1]
    assert [row[COUNTS] for row in gallery.rows] == [[0, 1, KIWIS], [], [0, 1, KIWIS]]
    for row in gallery.rows:
        assert (row[WIDE], row[HIGH]) == (WIDTH, HEIGHT)
        assert row[HAS] == Has.THUMBNAIL | Has.LABELS | Has.LINK
        assert len(row) == 6
    assert index["classes"][0] == ["kiwi", "#ff0000", 2, 2, 2 * KIWIS]
    assert index["canvas"] == 3 * WIDTH * HEIGHT
    assert np.array_equal(gallery.painted(0, "kiwi"), PAINTED)
    assert not gallery.labels(1).any()


def test_thumbnails_are_originals_with_half_of_the_colour_of_classes(
    project: Project, tmp_path: Path
) -> None:
    gray = Image.new("RGB", (1000, 500), (100, 100, 100))
    (tmp_path / "project/ds/img").mkdir(parents=True)
    gray.save(tmp_path / "project/ds/img/a.png")
    gray.save(tmp_path / "project/ds/img/b.jpg", quality=95)
    left = {**KIWI, "points": {"exterior": [[0, 0], [499, 499]], "interior": []}}
    size = {"height": 500, "width": 1000}
    for name in ("a.png", "b.jpg"):
        project.put(f"ds/ann/{name}.json", annotation(left, size=size))
    export(project, tmp_path / "out")
    gallery = Gallery.of(tmp_path / "out")
    for number, width in ((0, 320), (1, 250)):
        small = gallery.thumbnail(number).astype(int)
        assert small.shape == (width // 2, width, 3)
        assert np.allclose(small[:, : width // 2 - 8], [177, 50, 50], rtol=0, atol=6)
        assert np.allclose(small[:, width // 2 + 8 :], 100, rtol=0, atol=6)


def test_thumbnails_of_noise_are_small_all_the_same(project: Project, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (320, 320, 3), np.uint8)
    (tmp_path / "project/ds/img").mkdir(parents=True)
    Image.fromarray(noise).save(tmp_path / "project/ds/img/a.png")
    size = {"height": 320, "width": 320}
    project.put("ds/ann/a.png.json", annotation(size=size))
    export(project, tmp_path / "out")
    gallery = Gallery.of(tmp_path / "out")
    assert (gallery.folder / "items/0/0.jpg").stat().st_size < 25_000


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"gt_machine_color": {"lemon": [9, 9, 9], "kiwi": [1, 2, 3]}},
        {"gt_machine_color": {"lemon": [9, 9, 9], "kiwi": [300, 300, 300]}},
        {"gt_machine_color": {"lemon": [9, 9, 9], "kiwi": [0, 0, 0]}, "background": 255},
        {"gt_machine_color": "auto", "machine_palette": True},
        {"machine_channels": 3},
        {"format": "tiff"},
        {"masks_human": False},
        {"masks_machine": False},
        {"masks_machine": False, "masks_human": False, "masks_semantic_rgb": True},
        {"masks_machine": False, "masks_human": False, "masks_classes": True},
        {"masks_machine": False, "masks_human": False, "masks_instances": "map"},
    ],
    ids=str,
)
@pytest.mark.parametrize("pack", [None, "tar", "webdataset"])
def test_labels_are_right_for_every_kind_of_mask(
    project: Project, tmp_path: Path, settings: dict[str, Any], pack: Any
) -> None:
    project.add("a.png")
    rules = None if pack is None else PackRules.of(pack)
    export(project, tmp_path / "out", layer(**settings), pack=rules)
    gallery = Gallery.of(tmp_path / "out")
    (row,) = gallery.rows
    has_original = Has.LINK if pack is None else Has.PREVIEW
    assert row[HAS] == Has.THUMBNAIL | Has.LABELS | has_original
    assert row[COUNTS][1:] == [1, KIWIS]
    assert np.array_equal(gallery.painted(0, "kiwi"), PAINTED)
    assert not gallery.painted(0, "lemon").any()


def test_classes_of_one_value_are_shown_together(project: Project, tmp_path: Path) -> None:
    project.add("a.png")
    colors = {"kiwi": [7, 7, 7], "lemon": [7, 7, 7]}
    export(project, tmp_path / "out", layer(gt_machine_color=colors))
    gallery = Gallery.of(tmp_path / "out")
    assert gallery.index["values"] == [[7, [0, 1]]]


def test_more_than_255_values_need_two_channels(project: Project, tmp_path: Path) -> None:
    project.add("a.png")
    colors = {f"class {n}": [n, n, n] for n in range(400, 800)} | {"kiwi": [1000, 1000, 1000]}
    export(project, tmp_path / "out", layer(gt_machine_color=colors))
    gallery = Gallery.of(tmp_path / "out")
    assert gallery.labels(0).max() == 401
    assert np.array_equal(gallery.painted(0, "kiwi"), PAINTED)


def test_a_save_layer_shows_its_annotations(project: Project, tmp_path: Path) -> None:
    project.add("a.png")
    save = {"action": "save", "src": ["$0"], "dst": "copy", "settings": {"visualize": True}}
    export(project, tmp_path / "out", save)
    gallery = Gallery.of(tmp_path / "out")
    assert np.array_equal(gallery.painted(0, "kiwi"), PAINTED)
    assert gallery.rows[0][COUNTS] == [0, 0, KIWIS]
    export(project, tmp_path / "plain", {**save, "settings": {}})
    gallery = Gallery.of(tmp_path / "plain")
    assert gallery.index["classes"] == []
    assert gallery.rows[0][HAS] == Has.THUMBNAIL | Has.LINK


def test_without_copies_of_originals_pages_have_them(project: Project, tmp_path: Path) -> None:
    project.add("a.png")
    export(project, tmp_path / "out", layer(images=False))
    gallery = Gallery.of(tmp_path / "out")
    assert gallery.rows[0][HAS] == Has.THUMBNAIL | Has.LABELS | Has.PREVIEW
    shown = Image.open(gallery.folder / "items/0/0-original.jpg")
    assert shown.size == (WIDTH, HEIGHT)
    mean = pixels_of(1).astype(int).mean()
    assert abs(np.asarray(shown).mean() - mean) < 8


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "large.jpg"])
def test_pictures_of_packed_results_have_all_pixels(
    project: Project, tmp_path: Path, name: str
) -> None:
    height, width = 30, 2600
    down, across = np.indices((height, width))
    pixels = np.stack([down * 8, across // 11, 0 * down], axis=2).astype(np.uint8)
    project.put(f"ds/img/{name}", b"")
    if name == "large.jpg":  # it needs more than a byte for a pixel
        pixels = np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8)
    original = tmp_path / "project/ds/img" / name
    Image.fromarray(pixels).save(original, quality=100, subsampling=0)
    project.put(f"ds/ann/{name}.json", annotation(size={"height": height, "width": width}))
    export(project, tmp_path / "out", pack=PackRules.of("tar"))
    gallery = Gallery.of(tmp_path / "out")
    assert gallery.rows[0][HAS] & Has.PREVIEW
    shown = gallery.folder / "items/0/0-original.jpg"
    assert (shown.read_bytes() == original.read_bytes()) == (name == "a.jpg")
    with Image.open(shown) as image:
        assert (image.format, image.size) == ("JPEG", (width, height))
        if name == "a.png":
            assert abs(np.asarray(image).astype(int) - pixels).mean() < 3


def test_machine_masks_alone_are_shown_alone(project: Project, tmp_path: Path) -> None:
    project.add("a.png")
    settings = layer(images=False, annotations=False, masks_human=False)
    export(project, tmp_path / "out", settings)
    gallery = Gallery.of(tmp_path / "out")
    assert gallery.rows[0][HAS] == Has.THUMBNAIL | Has.LABELS
    assert np.array_equal(gallery.painted(0, "kiwi"), PAINTED)
    small = gallery.thumbnail(0).astype(int)
    assert small.shape == (HEIGHT, WIDTH, 3)
    export(project, tmp_path / "pages", layer(images=False, annotations=False, masks_machine=False))
    pages = Gallery.of(tmp_path / "pages")
    assert pages.rows[0][HAS] == Has.THUMBNAIL | Has.PREVIEW
    assert (pages.rows[0][WIDE], pages.rows[0][HIGH]) == (2 * WIDTH + 1, HEIGHT)


def test_failures_have_their_reason(project: Project, tmp_path: Path) -> None:
    project.add("good.png")
    project.add_bad(picture(), b"{")
    export(project, tmp_path / "out")
    gallery = Gallery.of(tmp_path / "out")
    assert gallery.row("good.png")[HAS] & Has.FAILED == 0
    bad = gallery.row("bad.png")
    assert bad[HAS] == Has.FAILED
    assert "not valid JSON" in bad[PROBLEM]
    assert "1 failed" in (gallery.folder / "index.html").read_text()


def test_pictures_that_cannot_be_decoded_say_so(project: Project, tmp_path: Path) -> None:
    project.add("cut.png")
    image = project.folder / "ds/img/cut.png"
    image.write_bytes(image.read_bytes()[:-60])
    export(project, tmp_path / "out", layer(masks_human=False))
    (row,) = Gallery.of(tmp_path / "out").rows
    assert row[HAS] == Has.THUMBNAIL | Has.LABELS | Has.BROKEN
    assert row[PROBLEM].startswith("the picture cannot be shown: ")


@pytest.mark.parametrize("kind", ["img", "masks_machine"])
def test_files_that_are_gone_or_damaged_are_named(
    project: Project, tmp_path: Path, kind: str
) -> None:
    project.add("a.png")
    project.add("b.png")
    root = export(project, tmp_path / "out").out
    (root / "ds" / kind / "a.png").unlink()
    (root / "ds" / kind / "b.png").write_bytes(b"no picture")
    gallery = Gallery.of(tmp_path / "out")
    what = "the picture" if kind == "img" else "the mask"
    for row in gallery.rows:
        assert row[HAS] & (Has.BROKEN | Has.THUMBNAIL) == Has.BROKEN | Has.THUMBNAIL
        assert row[PROBLEM].startswith(f"{what} cannot be shown: ")
    assert "No such file" in gallery.rows[0][PROBLEM]


def test_a_result_that_is_not_finished_shows_what_is_there(
    project: Project, tmp_path: Path
) -> None:
    for name in "abc":
        project.add(f"{name}.png")
    root = export(project, tmp_path / "out").out
    assert "not finished" not in (Gallery.of(root).folder / "index.html").read_text()
    journal = root / ".savemasks/journal.sqlite"
    execute(journal, "UPDATE run SET value = CAST('1' AS BLOB) WHERE key = 'open'")
    execute(journal, "DELETE FROM items WHERE name = CAST('b.png' AS BLOB)")
    gallery = Gallery.of(root)
    assert [row[NAME] for row in gallery.rows] == ["a.png", "c.png"]
    assert "This result is not finished" in (gallery.folder / "index.html").read_text()


def banner(root: Path) -> str:
    """What the page of a result says first, built anew; nothing if it is finished."""
    text = (Gallery.of(root).folder / "index.html").read_text()
    found = re.search(r'<p class="banner" role="note">(.*?)</p>', text, re.DOTALL)
    return " ".join(re.sub(r"</?strong>", "", found[1]).split()) if found else ""


def test_a_run_that_was_stopped_says_what_is_missing(project: Project, tmp_path: Path) -> None:
    for number in range(40):
        project.add(f"{number:02}.png")
    project.add_bad(picture(), b"{")
    graph, out = Graph.from_json(CONFIG), tmp_path / "out"
    root = out / str(CONFIG["dst"])

    def stopped(**options: Any) -> str:
        hooks = Hooks(on_progress=lambda *_: hooks.stop.set())
        options = {"workers": 1} | options
        assert run(graph, (project.folder,), out, RunOptions(**options), hooks).interrupted
        return banner(root)

    begun = "This result is not finished: its last run was ended early."
    end = "What the runs so far have made is shown."
    said = stopped()
    missing = 41 - len(Gallery(root / "gallery").rows)
    assert 0 < missing < 41
    assert said == f"{begun} Of 41 images, {missing} are missing. {end}"
    export(project, out)
    assert banner(root) == ""
    assert re.match(f"{begun} Of 41 images, [1-4]?[0-9] are missing.", stopped(restart=True))
    rows = Gallery(root / "gallery").rows
    assert 30 < len(rows) <= 41  # those in hand were begun anew
    outdated = "was made by an earlier run with other settings"
    assert {row[PROBLEM] for row in rows if row[HAS] & Has.FAILED} >= {outdated}
    export(project, out)
    retry(root)  # of what failed, which it does again
    assert banner(root) == ""
    export(project, tmp_path / "strict", on_error="stop")
    assert begun in banner(tmp_path / "strict")


def test_missing_parts_are_named(project: Project, tmp_path: Path) -> None:
    for number in range(20):
        project.add(f"{number:02}.png")
    out = tmp_path / "out"
    root = export(project, out, part=Part(1, 3)).out
    said = banner(root)
    assert said.startswith("This result is not finished: parts 2/3, 3/3 have not begun. What")
    export(project, out, part=Part(2, 3))
    export(project, out, part=Part(3, 3))
    assert banner(root) == ""


def execute(path: Path, query: str) -> None:
    """Change a journal."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(query)


EVIL = [
    "<script>alert(1)</script>.png".replace("/", "\u2215"),
    'quote" onerror="x.png',
    "it's & #1 100%25?.png",
    "Żółć 猫.png",
    "back\\slash\nline.png",
]


def test_links_lead_to_files_of_any_name(project: Project, tmp_path: Path) -> None:
    for name in EVIL:
        project.add(name, dataset="a b#%")
    broken = os.fsdecode(b"no utf-8 \xff.png")
    project.add(broken, dataset="a b#%")
    export(project, tmp_path / "out")
    gallery = Gallery.of(tmp_path / "out")
    assert len(gallery.rows) == len(EVIL) + 1
    for number, row in enumerate(gallery.rows):
        assert row[HAS] & Has.LINK
        as_script = quote(row[NAME], safe="!'()*~")  # as encodeURIComponent
        url = row[URL] if row[URL:] else f"img/{as_script}"
        assert bool(row[URL:]) == ("\\" in row[NAME] or "\ufffd" in row[NAME]), row
        url = gallery.index["datasets"][row[DS]]["url"] + "/" + url
        assert not {*' "<>#?'} & {*url}
        path = os.fsencode(gallery.folder) + b"/" + unquote_to_bytes(url)
        assert Path(os.fsdecode(path)).is_file(), number


def test_an_index_of_long_names_stays_small(project: Project, tmp_path: Path) -> None:
    for number in range(20):
        project.add(f"{number:02}" + "猫" * 80 + ".png")
    export(project, tmp_path / "out")
    rows = Gallery.of(tmp_path / "out").folder / "data/rows-0.js"
    assert rows.stat().st_size / 20 < 300  # 3 MB of 10,000 images


def test_titles_cannot_end_a_script_or_a_tag(tmp_path: Path) -> None:
    title = '</script><img src=x onerror="alert(1)">'
    project = Project(tmp_path / "project", classes=(title,))
    project.put("ds/img/a.png", picture())
    project.put("ds/ann/a.png.json", annotation({**KIWI, "classTitle": title}))
    colors = {title: [1, 1, 1]}
    export(project, tmp_path / "out", layer(gt_machine_color=colors, gt_human_color=colors))
    gallery = Gallery.of(tmp_path / "out")
    assert gallery.index["classes"][0][0] == title
    text = (gallery.folder / "index.html").read_text()
    assert 'onerror="' not in text
    assert "<img" not in text


@pytest.mark.parametrize("settings", [{}, {"machine_channels": 3}, {"masks_machine": False}])
def test_large_pictures_become_tiles(
    project: Project, tmp_path: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_pictures, "LARGE_SIDE", 1000)
    height, width = 700, 1300
    down, across = np.indices((height, width))
    picture = np.stack([down // 4, across // 8, down // 8 + across // 16], axis=2).astype(np.uint8)
    project.put("ds/img/a.png", b"")
    Image.fromarray(picture).save(tmp_path / "project/ds/img/a.png")
    box = {**KIWI, "points": {"exterior": [[100, 50], [1201, 680]], "interior": []}}
    size = {"height": height, "width": width}
    project.put("ds/ann/a.png.json", annotation(box, size=size))
    export(project, tmp_path / "out", layer(**settings))
    gallery = Gallery.of(tmp_path / "out")
    (row,) = gallery.rows
    assert row[HAS] == Has.THUMBNAIL | Has.TILES | Has.LABEL_TILES
    assert (row[WIDE], row[HIGH]) == (width, height)
    folder = gallery.folder / "items/0"
    rows = [
        np.concatenate([label_picture(folder / f"0-labels/2/{x}_{y}.js") for x in range(3)], axis=1)
        for y in range(2)
    ]
    labels = np.concatenate(rows)
    expected = np.zeros((height, width), bool)
    expected[50:681, 100:1202] = True
    assert np.array_equal(labels > 0, expected)
    assert label_picture(folder / "0-labels/0/0_0.js").shape == (175, 325)
    tile = np.asarray(Image.open(folder / "0-original/2/0_0.jpg")).astype(int)
    assert tile.shape == (512, 512, 3)
    assert abs(tile - picture[:512, :512]).mean() < 3
    assert {path.name for path in folder.glob("*-labels/*")} == {"0", "1", "2"}


def test_a_gallery_does_not_depend_on_workers(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "MANY", 40)
    for number in range(40):
        project.add(f"{number:02}.png", bare=number % 3 == 0)
    project.add_bad(picture(), b"{")
    out = tmp_path / "out"
    export(project, out)
    found = []
    for workers, processes in ((1, False), (4, False), (2, True)):
        (page,) = build_galleries(out, workers=workers, processes=processes)
        found.append(files(page.parent))
    assert found[0] == found[1] == found[2]


def test_a_process_that_dies_leaves_the_gallery_before(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "MANY", 1)
    project.add("a.png")
    root = export(project, tmp_path / "out").out
    before = files(Gallery.of(root).folder)
    monkeypatch.setattr(Maker, "__reduce__", lambda _: (os._exit, (1,)))  # on its arrival
    with pytest.raises(CrashError, match="a worker process has died: the gallery is as it was"):
        build_galleries(root, workers=2, processes=True)
    assert files(root / "gallery") == before


def test_a_gallery_is_replaced_and_other_folders_are_not(project: Project, tmp_path: Path) -> None:
    project.add("a.png")
    root = export(project, tmp_path / "out").out
    (root / "gallery").mkdir()
    first = Gallery.of(root).folder
    (first / "items/0/stale.jpg").write_bytes(b"old")
    Gallery.of(root)
    assert not (first / "items/0/stale.jpg").exists()
    assert [each.name for each in root.iterdir() if "gallery" in each.name] == ["gallery"]
    other = tmp_path / "mine"
    other.mkdir()
    (other / "index.html").write_text("mine")
    with pytest.raises(OutputError, match="no gallery of savemasks; --to DIR"):
        build_galleries(root, other)
    assert (other / "index.html").read_text() == "mine"


def test_a_gallery_elsewhere_finds_originals(project: Project, tmp_path: Path) -> None:
    project.add("a.png")
    root = export(project, tmp_path / "out").out
    gallery = Gallery.of(root, tmp_path / "deep/er/gallery")
    url = gallery.index["datasets"][0]["url"]
    assert (gallery.folder / url / "img/a.png").is_file()
    assert not (root / "gallery").exists()


def test_a_data_set_called_gallery_stays(project: Project, tmp_path: Path) -> None:
    project.add("a.png", dataset="gallery")
    root = export(project, tmp_path / "out").out
    before = files(root)
    with pytest.raises(OutputError, match="--to DIR"):
        build_galleries(root)
    assert files(root) == before


def test_a_gallery_that_is_stopped_leaves_the_one_before(project: Project, tmp_path: Path) -> None:
    project.add("a.png")
    project.add("b.png")
    root = export(project, tmp_path / "out").out
    before = files(Gallery.of(root).folder)
    hooks = Hooks(on_progress=lambda *_: hooks.stop.set())
    assert build_galleries(root, hooks=hooks) == []
    assert files(root / "gallery") == before
    assert not [*root.glob(".gallery*")]


def test_a_result_that_cannot_be_written_to_needs_another_folder(
    project: Project, tmp_path: Path
) -> None:
    project.add("a.png")
    root = export(project, tmp_path / "out").out
    if not mount("--bind", root, root):
        pytest.skip("needs the right to mount")
    try:
        assert mount("-o", "remount,bind,ro", root)
        with pytest.raises(OutputError, match=r"cannot be written: .*; --to DIR names a folder"):
            build_galleries(root)
        gallery = Gallery.of(root, tmp_path / "to")
        assert len(gallery.rows) == 1
    finally:
        subprocess.run(["umount", root], check=True)


def test_all_results_of_a_graph_have_a_gallery(project: Project, tmp_path: Path) -> None:
    project.add("a.png")
    graph = [
        {
            "action": "data",
            "src": "project",
            "dst": "$0",
            "settings": {"classes_mapping": "default"},
        },
        {**CONFIG, "src": "$0", "dst": "one"},
        {**CONFIG, "src": "$0", "dst": "two/deep"},
    ]
    run(Graph.from_json(graph), (), tmp_path / "out", below=(tmp_path,))
    pages = build_galleries(tmp_path / "out")
    assert [page.relative_to(tmp_path / "out").as_posix() for page in pages] == [
        "one/gallery/index.html",
        "two/deep/gallery/index.html",
    ]
    pages = build_galleries(tmp_path / "out", tmp_path / "to")
    assert [page.relative_to(tmp_path / "to").as_posix() for page in pages] == [
        "one/index.html",
        "two/deep/index.html",
    ]


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no journal of savemasks is here"):
        build_galleries(tmp_path)
    with pytest.raises(OutputError, match="cannot be read"):
        build_galleries(tmp_path / "missing")
