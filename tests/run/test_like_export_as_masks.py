"""The preset "export-as-masks": its files, compared with what its rules give with OpenCV."""

import base64
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pytest
from numpy.typing import NDArray
from PIL import Image

import savemasks
from savemasks.layers.file_names import MACHINE_COLORS, SEMANTIC_COLORS
from savemasks.layers.save_masks import SaveMasks, Settings
from savemasks.line import budget
from support.projects import call

Json = dict[str, Any]
Pixels = NDArray[np.uint8]

HEIGHT, WIDTH = 70, 90
COLORS = {
    "crate": (250, 130, 7), "kiwi": (115, 179, 42), "coal": (0, 0, 0), "lemon": (247, 198, 37),
    "stick": (9, 80, 255), "unused": (1, 2, 3),
}  # fmt: skip
ORIGINAL = np.random.default_rng(17).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
CORNERS = ("topleft", "topright", "bottomright", "bottomleft")
FACES = ((0, 1, 2, 3), (0, 4, 5, 1), (1, 5, 6, 2), (2, 6, 7, 3), (3, 7, 4, 0))
BOX = [(20, 22), (44, 20), (46, 44), (18, 46), (30, 10), (56, 12), (58, 32), (31, 33)]
NODES = {"a": (5, 60), "b": (30, 52), "c": (33, 66)}
BITS = np.random.default_rng(1).random((17, 23)) < 0.8


def vector(title: str, kind: str, exterior: Any, *holes: Any) -> Json:
    points = {"exterior": exterior, "interior": [*holes]}
    return {"classTitle": title, "geometryType": kind, "points": points}


def bitmap(title: str, bits: NDArray[np.bool_], origin: list[int]) -> Json:
    file = io.BytesIO()
    Image.fromarray(bits).save(file, "PNG")
    data = base64.b64encode(zlib.compress(file.getvalue())).decode()
    return {"classTitle": title, "geometryType": "bitmap",
            "bitmap": {"origin": origin, "data": data}}  # fmt: skip


def nodes(title: str, kind: str, key: str, places: dict[str, tuple[int, int]]) -> Json:
    found = {name: {"loc": place} for name, place in places.items()}
    return {"classTitle": title, "geometryType": kind, key: found}


SMALL = [[30, 30], [60, 34], [52, 60]]
LARGE, HOLE = [[10, 8], [80, 5], [85, 60], [12, 62]], [[40, 25], [62, 28], [50, 48]]
OBJECTS = [
    vector("kiwi", "polygon", SMALL),  # smaller than the next ones, and below them in the list
    vector("lemon", "polygon", LARGE, HOLE),
    vector("coal", "rectangle", [[66, 40], [48, 15]]),
    bitmap("kiwi", BITS, [55, 40]),
    nodes("crate", "cuboid_2d", "vertices", dict(zip(
        [f"face{face}-{corner}" for face in (1, 2) for corner in CORNERS], BOX, strict=True))),
    vector("lemon", "line", [[3, 66], [40, 20], [86, 64]]),
    vector("kiwi", "point", [[70, 8]]),
    nodes("stick", "graph", "nodes", NODES),
    vector("lemon", "rectangle", [[0, 0], [12, 9]]),
]  # fmt: skip
AREAS = [
    cv2.contourArea(np.array(SMALL, np.float32)),
    cv2.contourArea(np.array(LARGE, np.float32)) - cv2.contourArea(np.array(HOLE, np.float32)),
    19 * 26, int(BITS.sum()), 0, 0, 0, 0, 13 * 10,
]  # fmt: skip


def drawn(number: int, width: int = 2) -> NDArray[np.bool_]:
    """Where an object is, by OpenCV."""
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    item = OBJECTS[number]
    kind = item["geometryType"]
    exterior = np.array(item.get("points", {}).get("exterior", []), np.int32)
    if kind == "polygon":
        cv2.fillPoly(canvas, [exterior], 1)
        if holes := item["points"]["interior"]:
            cv2.fillPoly(canvas, [np.array(hole, np.int32) for hole in holes], 0)
    elif kind == "rectangle":
        cv2.rectangle(canvas, exterior[0].tolist(), exterior[1].tolist(), 1, cv2.FILLED)
    elif kind == "bitmap":
        canvas[40 : 40 + BITS.shape[0], 55 : 55 + BITS.shape[1]] = BITS
    elif kind == "cuboid_2d":
        for face in FACES:
            cv2.fillPoly(canvas, [np.array(BOX, np.int32)[[*face]]], 1)
    elif kind == "line":
        cv2.polylines(canvas, [exterior], False, 1, width)
    elif kind == "point":
        cv2.circle(canvas, exterior[0].tolist(), round(width / 2), 1, cv2.FILLED)
    else:
        for one, other in (("a", "b"), ("b", "c")):
            cv2.line(canvas, NODES[one], NODES[other], 1, width)
        for place in NODES.values():
            cv2.circle(canvas, place, round(width / 2), 1, cv2.FILLED)
    return canvas.astype(np.bool_)


MASKS = [drawn(i) for i in range(len(OBJECTS))]
TITLES = [item["classTitle"] for item in OBJECTS]


def machine() -> Pixels:
    out = np.zeros((HEIGHT, WIDTH), np.uint8)
    for i in sorted(range(len(OBJECTS)), key=lambda i: -AREAS[i]):
        out[MASKS[i]] = [*COLORS].index(TITLES[i]) + 1
    return out


def semantic() -> Pixels:
    out = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for mask, title in zip(MASKS, TITLES, strict=True):
        out[mask] = COLORS[title]
    return out


def human() -> Pixels:
    """Every object drawn on a copy, and both mixed, as the application does it."""
    copy = ORIGINAL
    for mask, title in zip(MASKS, TITLES, strict=True):
        painted = copy.copy()
        painted[mask] = COLORS[title]
        copy = ((copy.astype(np.uint16) + painted.astype(np.uint16)) / 2).astype(np.uint8)
    return np.concatenate([ORIGINAL, copy], axis=1)


def instances() -> Iterator[tuple[str, Pixels]]:
    used: list[str] = []
    for mask, title in zip(MASKS, TITLES, strict=True):
        count = used.count(title)
        used.append(title)
        yield f"{title}_{count:02d}" if count else title, mask * np.uint8(255)


def layer(**settings: Any) -> Json:
    wanted = {"masks_machine": True, "masks_human": True, "masks_semantic_rgb": True,
              "masks_instances": "objects"}  # fmt: skip
    return {"action": "save_masks", "src": ["$0"], "dst": "made",
            "settings": {"like": "export-as-masks", **wanted, **settings}}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name in ("img", "ann"):
        (folder / "ds" / name).mkdir(parents=True)
    shapes = {"crate": "cuboid_2d", "stick": "graph"}
    edges = [{"src": "a", "dst": "b"}, {"src": "b", "dst": "c"}]
    config = {"nodes": {name: {"label": name, "loc": [0, 0]} for name in NODES}, "edges": edges}
    classes = [
        {
            "title": title,
            "shape": shapes.get(title, "any"),
            "color": "#{:02x}{:02x}{:02x}".format(*color),
            **({"geometry_config": config} if title == "stick" else {}),
        }
        for title, color in COLORS.items()
    ]
    meta = {"classes": classes, "tags": [], "projectType": "images"}
    (folder / "meta.json").write_bytes(orjson.dumps(meta))
    Image.fromarray(ORIGINAL).save(folder / "ds" / "img" / "a b.png")
    size = {"height": HEIGHT, "width": WIDTH}
    note = {"size": size, "objects": OBJECTS, "tags": [], "description": ""}
    (folder / "ds" / "ann" / "a b.png.json").write_bytes(orjson.dumps(note))
    return folder


def picture(path: Path) -> Pixels:
    """Pixels, of an indexed picture its colours."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB") if image.mode == "P" else image)


def made(project: Path, **settings: Any) -> Path:
    out = project.parent / "out"
    summary = savemasks.export(project, out=out, layer=SaveMasks.from_json(layer(**settings)))
    assert summary.failures == []
    return out / "made"


def check(result: Path) -> None:
    folder = result / "ds"
    assert np.array_equal(picture(folder / "masks_machine" / "a b.png"), machine())
    assert np.array_equal(picture(folder / "masks_semantic_rgb" / "a b.png"), semantic())
    assert np.array_equal(picture(folder / "masks_human" / "a b.png"), human())
    expected = dict(instances())
    own = folder / "masks_instances" / "a b"
    assert {path.stem for path in own.iterdir()} == {*expected}
    for name, mask in expected.items():
        assert np.array_equal(picture(own / f"{name}.png"), mask), name


def test_all_masks_are_those_of_the_application(project: Path) -> None:
    config = project.parent / "like.json"
    config.write_text(json.dumps(layer()))
    out = project.parent / "out"
    code, text = call("run", config, project, "--out", out)
    assert code == 0, text
    check(out / "made")
    assert json.loads((out / "made" / MACHINE_COLORS).read_text()) == {
        title: [i] * 3 for i, title in enumerate(COLORS, start=1)
    }
    expected = {title: [*color] for title, color in COLORS.items()}
    assert json.loads((out / "made" / SEMANTIC_COLORS).read_text()) == expected
    legend = json.loads((out / "made" / "legend.json").read_text())["classes"]
    assert legend["coal"]["human"] == [0, 0, 0]
    assert call("verify", out)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("a b.png")}
    assert call("run", config, project, "--out", out)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("a b.png")} == before


@pytest.mark.parametrize("rows", [1, 7, 40])
def test_the_masks_are_the_same_in_strips(
    project: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "STRIP_PIXELS", rows * WIDTH)
    check(made(project, strips_above_megapixels=0))


def test_a_class_may_have_priority_in_all_masks(project: Path) -> None:
    folder = made(project, class_priority=["kiwi"], masks_instances=None) / "ds"
    is_kiwi = MASKS[0] | MASKS[3] | MASKS[6]
    assert np.array_equal(picture(folder / "masks_machine" / "a b.png") == 2, is_kiwi)
    copy = ORIGINAL
    for i in sorted(range(len(OBJECTS)), key=lambda i: TITLES[i] == "kiwi"):
        painted = np.where(MASKS[i][..., None], np.array(COLORS[TITLES[i]], np.uint8), copy)
        copy = ((copy.astype(np.uint16) + painted) >> 1).astype(np.uint8)
    assert np.array_equal(picture(folder / "masks_human" / "a b.png")[:, WIDTH:], copy)


def test_pages_may_be_scaled_outlined_and_mixed_otherwise(project: Path) -> None:
    style = {"human_scale": 0.5, "human_layout": "overlay", "masks_instances": None}
    page = picture(made(project, **style) / "ds" / "masks_human" / "a b.png")
    copy = human()[:, WIDTH:]
    expected = cv2.resize(copy, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    assert np.array_equal(page, expected)


@pytest.mark.parametrize("strips", [64, 0])
def test_outlines_lie_on_mixed_objects(
    project: Path, strips: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "STRIP_PIXELS", 8 * WIDTH)
    style = {"human_outlines": True, "human_opacity": 0.25, "strips_above_megapixels": strips}
    page = picture(made(project, **style) / "ds" / "masks_human" / "a b.png")
    numbers, copy = np.zeros((HEIGHT, WIDTH), np.int64), ORIGINAL.astype(np.int64)
    for number, (mask, title) in enumerate(zip(MASKS, TITLES, strict=True), start=1):
        numbers[mask] = number
        copy = np.where(mask[..., None], (3 * copy + np.array(COLORS[title])) >> 2, copy)
    around = np.pad(numbers, 1)
    others = (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:])
    is_edge = (numbers > 0) & np.any([numbers != other for other in others], axis=0)
    copy[is_edge] = semantic()[is_edge]
    assert np.array_equal(page, np.concatenate([ORIGINAL, copy], axis=1))


def test_the_painter_paints_the_same(project: Path) -> None:
    painter = savemasks.Painter(SaveMasks.from_json(layer()), project / "meta.json")
    note = project / "ds" / "ann" / "a b.png.json"
    assert np.array_equal(painter.machine(note), machine())
    assert np.array_equal(painter.semantic(note), semantic())
    page = painter.human(note, ORIGINAL)
    assert np.array_equal(page, human())
    x, y, width, height = window = (15, 9, 60, 41)
    part = painter.human(note, ORIGINAL, window=window)
    copy = human()[y : y + height, WIDTH + x : WIDTH + x + width]
    assert np.array_equal(part[:, width:], copy)
    padded = painter.human(note, ORIGINAL, pad=3)
    assert np.array_equal(padded[3:-3, WIDTH + 9 : -3], human()[:, WIDTH:])
    assert not padded[:3].any()
    for found, mask, title in zip(painter.objects(note), MASKS, TITLES, strict=True):
        x, y, width, height = found.box
        assert found.title == title
        assert np.array_equal(found.mask, mask[y : y + height, x : x + width])
        assert found.mask.sum() == mask.sum()


def test_outlines_of_the_painter_are_those_of_the_page(project: Path) -> None:
    changed = layer(human_outlines=True)
    page = picture(made(project, human_outlines=True) / "ds" / "masks_human" / "a b.png")
    painter = savemasks.Painter(SaveMasks.from_json(changed), project / "meta.json")
    note = project / "ds" / "ann" / "a b.png.json"
    assert np.array_equal(painter.human(note, ORIGINAL), page)


# ------------------------------------------------------------------ settings


def settings(**changes: Any) -> Settings:
    return SaveMasks.from_json(layer(**changes)).settings


def test_the_preset_gives_what_is_missing_and_nothing_else() -> None:
    found = settings()
    assert (found.paint_order, found.line_width, found.cuboid_2d) == ("area", 2, "faces")
    assert (found.gt_machine_color, found.gt_human_color) == ("auto", "auto")
    assert settings(masks_human=False).gt_human_color is None
    explicit = {"paint_order": "list", "line_width": 1, "cuboid_2d": "edges",
                "gt_machine_color": {"kiwi": (3, 3, 3)}}  # fmt: skip
    changed = settings(**explicit)
    assert {key: getattr(changed, key) for key in explicit} == explicit
    assert changed.gt_human_color == "auto"


@pytest.mark.parametrize(
    "changes", [{}, {"cuboid_2d": "edges"}, {"line_width": 1}, {"masks_machine": False}]
)
def test_what_a_journal_keeps_is_read_as_the_same_settings(changes: Json) -> None:
    found = settings(**changes)
    known = json.loads(json.dumps(found.known()))
    assert known["like"] == "export-as-masks"
    again = SaveMasks.from_json({**layer(), "settings": known}).settings
    assert again == found
    assert again.known() == known


@pytest.mark.parametrize("wrong", ["export as masks", 1, []])
def test_an_unknown_preset_is_an_error(wrong: object) -> None:
    with pytest.raises(savemasks.ConfigError) as caught:
        settings(like=wrong)
    shown = json.dumps(wrong)
    text = f"settings.like: {shown} is not supported; possible: 'export-as-masks'"
    assert caught.value.problems == (text,)


def test_a_colour_that_is_missing_is_named(project: Path) -> None:
    meta = json.loads((project / "meta.json").read_text())
    del meta["classes"][1]["color"]
    (project / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(savemasks.ConfigError, match="gt_human_color: needs the colour of kiwi"):
        made(project)
