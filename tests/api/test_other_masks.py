"""Machine and semantic masks, pages and PNGs as the newer settings want them, in memory."""

import io
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import savemasks
from support.painters import (
    COLORS,
    GRAYS,
    HEIGHT,
    MANY,
    MAPPINGS,
    WIDTH,
    annotation,
    painter,
)
from support.projects import Json

NOTES = [annotation(seed) for seed in range(6)]
META = {
    "classes": [
        {"title": title, "shape": "any", "color": color}
        for title, color in (
            ("kiwi", "#00ff00"), ("lemon", "#ffff00"), ("peel", "#102030"), ("seed", "#000000"),
        )
    ]
}  # fmt: skip


def image(seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def auto(**options: Any) -> savemasks.Painter:
    layer = {"action": "save_masks", "dst": "x", "settings": options}
    return savemasks.Painter(savemasks.SaveMasks.from_json(layer), META)


@pytest.mark.parametrize(
    "options",
    [
        {"masks_machine": True, "gt_machine_color": "auto"},
        {"masks_human": True, "gt_human_color": "auto"},
        {"masks_semantic_rgb": True},
        {"masks_classes": True},
    ],
)
def test_classes_of_meta_json_need_one(options: Json) -> None:
    layer = savemasks.SaveMasks.from_json({"action": "save_masks", "dst": "x", "settings": options})
    metas: tuple[Json | None, ...] = (None, {"classes": []})
    for meta in metas:
        with pytest.raises(ValueError, match=r"takes its classes from a meta\.json"):
            savemasks.Painter(layer, meta)
    assert [*auto(**options).classes] == [*GRAYS]


def opened(png: bytes) -> Any:
    picture = Image.open(io.BytesIO(png))
    picture.load()
    return picture


# ------------------------------------------------------------------ machine masks


def test_auto_colors_are_positions_and_meta_jsons() -> None:
    p = auto(masks_machine=True, masks_human=True, gt_machine_color="auto", gt_human_color="auto")
    twin = painter(
        {title: [i] * 3 for i, title in enumerate(GRAYS, start=1)},
        {"kiwi": [0, 255, 0], "lemon": [255, 255, 0], "peel": [16, 32, 48], "seed": [0, 0, 0]},
    )
    assert p.class_names == ["background", *GRAYS]
    assert p.palette_for_pil() == twin.palette_for_pil()
    for note in NOTES:
        assert np.array_equal(p.labels(note), p.machine(note))
        assert np.array_equal(p.machine(note), twin.machine(note))
        assert np.array_equal(p.human(note, image()), twin.human(note, image()))


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("background", [0, 255, 77])
@pytest.mark.parametrize("channels", ["auto", 3])
def test_machine_masks_have_their_background_and_channels(
    mapping: Json, background: int, channels: Any
) -> None:
    # A class of the same colour is refused.
    mapping = {t: c for t, c in mapping.items() if not background or c != [background] * 3}
    p = painter(mapping, machine_channels=channels, background=background)
    plain = painter(mapping)
    colors = np.array([[background] * 3, *mapping.values()])
    for note in NOTES:
        expected = colors[plain.labels(note)]
        found = p.machine(note)
        is_gray = channels == "auto" and bool((colors == colors[:, :1]).all())
        assert np.array_equal(found, expected[..., 0] if is_gray else expected)
        assert np.array_equal(p.labels(note), plain.labels(note))
        part = p.machine(note, window=(3, 4, 11, 9))
        assert np.array_equal(part, found[4:13, 3:14])


def test_a_background_of_the_only_free_gray_is_no_black_class() -> None:
    """All grays but one are taken, and a class is black."""
    mapping = {**{str(i): [i] * 3 for i in range(1, 255)}, "kiwi": [0] * 3}
    found = painter(mapping, background=255).machine(NOTES[2])
    assert np.array_equal(found == 0, painter(mapping).labels(NOTES[2]) == 255)
    assert set(np.unique(found).tolist()) == {0, 255}


@pytest.mark.parametrize("below", ["kiwi", "lemon"])
def test_a_graphs_background_lies_on_that_of_the_setting(below: str) -> None:
    mapping = {"kiwi": [0] * 3, "lemon": [9] * 3, "peel": [30] * 3}
    layers = [
        {"action": "data", "src": "lemons", "dst": "$0", "settings":
            {"classes_mapping": "default"}},
        {"action": "background", "src": ["$0"], "dst": "$1", "settings": {"class": below}},
        {"action": "save_masks", "src": ["$1"], "dst": "masks", "settings":
            {"masks_machine": True, "gt_machine_color": mapping, "background": 255}},
    ]  # fmt: skip
    p = savemasks.Painter.from_graph(savemasks.Graph.from_json(layers), meta=META)
    colors = np.array([255, *(color[0] for color in mapping.values())])
    for note in NOTES:
        labels = p.labels(note)
        assert labels.all()
        assert np.array_equal(p.machine(note), colors[labels])


def test_faces_of_cuboids_are_painted_where_the_layer_says_so() -> None:
    front, back = [(2, 3), (12, 3), (12, 13), (2, 13)], [(9, 8), (19, 8), (19, 18), (9, 18)]
    corners = ("topleft", "topright", "bottomright", "bottomleft")
    vertices = {f"face1-{at}": {"loc": [*xy]} for at, xy in zip(corners, front, strict=True)}
    vertices |= {f"face2-{at}": {"loc": [*xy]} for at, xy in zip(corners, back, strict=True)}
    cuboid = {"classTitle": "kiwi", "geometryType": "cuboid_2d", "vertices": vertices}
    note = {"size": {"height": HEIGHT, "width": WIDTH}, "objects": [cuboid]}
    faces, edges = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(faces, [np.array(front)], 1)
    for points in (front, back):
        cv2.polylines(edges, [np.array(points)], isClosed=True, color=1)
    for i in range(4):
        j = (i + 1) % 4
        cv2.fillPoly(faces, [np.array([front[i], front[j], back[j], back[i]])], 1)
        cv2.line(edges, front[i], back[i], 1)
    assert np.array_equal(painter().labels(note), edges)
    p = painter(cuboid_2d="faces")
    assert np.array_equal(p.labels(note), faces)
    (found,) = p.objects(p.parse(note))
    assert (found.box, found.area) == (cv2.boundingRect(faces), faces.sum())


# ------------------------------------------------------------------ semantic masks


@pytest.mark.parametrize("human", [COLORS, MANY, {t: [i, 7, i // 2] for i, t in enumerate(MANY)}])
@pytest.mark.parametrize("order", ["list", "area"])
def test_semantic_masks_have_the_classes_colours_in_the_order_of_the_list(
    human: Json, order: str
) -> None:
    human = {title: [min(v, 255) for v in color] for title, color in human.items()}
    p = painter({}, human, masks_semantic_rgb=True, paint_order=order)
    listed = painter({}, human)
    colors = np.array([(0, 0, 0), *human.values()], np.uint8)
    for note in NOTES:
        expected = colors[listed.labels(note)]
        assert np.array_equal(p.semantic(note), expected)
        assert np.array_equal(p.semantic(note, window=(3, 4, 5, 6)), expected[4:10, 3:8])
        out = np.full((HEIGHT + 2, WIDTH + 2, 3), 9, np.uint8)
        assert p.semantic(note, pad=1, fill=(1, 2, 3), out=out) is out
        assert np.array_equal(out[1:-1, 1:-1], expected)
        assert out[0, 0].tolist() == [1, 2, 3]
        small = p.semantic(note, size=(9, 8))
        assert np.array_equal(small, colors[listed.labels(note, size=(9, 8))])


def test_semantic_masks_of_meta_jsons_colours_need_nothing_else() -> None:
    p = auto(masks_semantic_rgb=True)
    colors = np.array([(0, 0, 0), (0, 255, 0), (255, 255, 0), (16, 32, 48), (0, 0, 0)], np.uint8)
    labels = savemasks.Painter.from_classes([*GRAYS]).labels(NOTES[0])
    assert np.array_equal(p.semantic(NOTES[0]), colors[labels])
    with pytest.raises(ValueError, match="does not request masks_semantic_rgb"):
        painter().semantic(NOTES[0])


# ------------------------------------------------------------------ pages


def page_twin(p: savemasks.Painter, note: Json, original: Any, **style: Any) -> Any:
    """A page step by step, by OpenCV and numpy."""
    labels = p.labels(note, mask="human")
    assert p.human_palette
    colors = p.human_palette.colors.astype(int)
    share = style.get("human_opacity", 0.5)
    copy = original.copy()
    mixed = original.astype(float) * (1 - share) + colors[labels] * share
    copy[labels > 0] = np.floor(mixed[labels > 0] + 1e-9)
    if style.get("human_outlines"):
        numbers = p.instances(note, mask="human").numbers
        padded = np.pad(numbers, 1)
        shifted = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
        edge = (numbers > 0) & np.any([numbers != other for other in shifted], axis=0)
        copy[edge] = colors[labels[edge]]
    halves = [copy]
    if style.get("human_layout") != "overlay":
        green = np.full((len(copy), 1, 3), (0, 255, 0), np.uint8)
        halves = [original, green, copy]
    return np.concatenate(halves, axis=1)


STYLES: list[Json] = [
    {"human_opacity": 0.25},
    {"human_layout": "overlay"},
    {"human_outlines": True},
    {"human_opacity": 1.0, "human_layout": "overlay", "human_outlines": True},
    {"human_format": "jpeg", "human_quality": 3},
]


@pytest.mark.parametrize("style", STYLES)
def test_pages_have_the_style_of_the_layer(style: Json) -> None:
    p = painter(**style)
    for note in NOTES:
        expected = page_twin(p, note, image(), **style)
        assert np.array_equal(p.human(note, image()), expected)
        out = np.empty_like(expected)
        assert p.human(note, image(), out=out) is out
        assert np.array_equal(out, expected)


@pytest.mark.parametrize("style", STYLES[:2])
def test_a_window_of_a_page_is_that_of_both_halves(style: Json) -> None:
    p, note = painter(**style), NOTES[1]
    whole = p.human(note, image())
    part = p.human(note, image(), window=(3, 4, 11, 9), pad=1, fill=7)
    assert np.array_equal(part[1:-1, -12:-1], whole[4:13, whole.shape[1] - WIDTH + 3 :][:, :11])
    assert (part[0, -13:] == 7).all()
    assert p.human(note, image(), size=(9, 8)).shape[0] == 9


def test_pages_are_scaled_as_opencv_does() -> None:
    p, note = painter(human_scale=0.5, human_layout="overlay"), NOTES[3]
    full = painter(human_layout="overlay").human(note, image())
    found = p.human(note, image())
    height, width = round(HEIGHT / 2), round(WIDTH / 2)
    expected = cv2.resize(full, (width, height), interpolation=cv2.INTER_AREA)
    assert found.shape == (height, width, 3)
    assert np.abs(found.astype(int) - expected).max() <= 1
    both = painter(human_scale=0.5).human(note, image())
    assert both.shape == (height, 2 * width + 1, 3)
    assert np.array_equal(both[:, width + 1 :], found)
    part = p.human(note, image(), window=(2, 2, 10, 8))
    assert part.shape == (4, 5, 3)


def test_two_scales_at_once_are_refused() -> None:
    p = painter(human_scale=0.5)
    for options in ({"size": (9, 8)}, {"scale": 0.5}):
        with pytest.raises(ValueError, match=r"without a human_scale, but this one's is 0\.5"):
            p.human(NOTES[0], image(), **options)
    with pytest.raises(ValueError, match="out must have the shape"):
        p.human(NOTES[0], image(), out=np.empty((HEIGHT, 2 * WIDTH + 1, 3), np.uint8))


# ------------------------------------------------------------------ indexed PNGs


def test_machine_masks_are_indexed_by_their_palette() -> None:
    p = painter(GRAYS, COLORS, machine_palette=True)
    for note in NOTES:
        mask = p.machine(note)
        picture = opened(savemasks.encode_png(mask, palette=p.machine_palette))
        assert picture.mode == "P"
        assert np.array_equal(np.asarray(picture), mask)
        colors = np.array([(0, 0, 0), *COLORS.values()], np.uint8)
        assert np.array_equal(np.asarray(picture.convert("RGB")), colors[p.labels(note)])
        as_opencv = cv2.imdecode(
            np.frombuffer(savemasks.encode_png(mask, palette=p.machine_palette), np.uint8),
            cv2.IMREAD_COLOR,
        )
        assert as_opencv is not None
        assert np.array_equal(as_opencv[..., ::-1], colors[p.labels(note)])


@pytest.mark.parametrize(
    "of", [bytes, bytearray, memoryview, lambda raw: np.frombuffer(raw, np.uint8).reshape(-1, 3),
           lambda raw: np.frombuffer(raw, np.uint8).reshape(-1, 3).astype(np.int64).tolist()]
)  # fmt: skip
def test_palettes_may_have_any_form(of: Any) -> None:
    p = painter(GRAYS, COLORS)
    labels = p.labels(NOTES[0])
    expected = savemasks.encode_png(labels, palette=p.human_palette)
    raw = p.human_palette.colors.tobytes() if p.human_palette else b""
    assert savemasks.encode_png(labels, of(raw)) == expected
    colors = np.frombuffer(raw, np.uint8).reshape(-1, 3)
    assert np.array_equal(np.asarray(opened(expected).convert("RGB")), colors[labels])
    noise = np.random.default_rng(0).integers(0, 5, (40, 50), np.uint8)
    picture = opened(savemasks.encode_png(noise, palette=of(raw)))
    assert np.array_equal(np.asarray(picture), noise)


def test_a_palette_for_pillow_shows_what_the_masks_are_seen_in() -> None:
    p = auto(masks_machine=True, gt_machine_color="auto", machine_palette=True)
    labels = p.labels(NOTES[0])
    colors = np.array([(0, 0, 0), (0, 255, 0), (255, 255, 0), (16, 32, 48), (0, 0, 0)], np.uint8)
    assert p.palette_for_pil()[:15] == colors.tobytes()
    picture = opened(savemasks.encode_png(labels, palette=p.palette_for_pil()))
    assert np.array_equal(np.asarray(picture.convert("RGB")), colors[labels])


RED = [(0, 0, 0), (255, 0, 0)]
ZEROS = np.zeros((2, 3), np.uint8)


@pytest.mark.parametrize(
    ("pixels", "palette", "message"),
    [
        (ZEROS + 2, RED, "pixels have the index 2, but palette has 2 colours"),
        (np.zeros((2, 3, 3), np.uint8), RED, "for a palette"),
        (np.zeros((2, 3), np.uint16), RED, "of uint16"),
        (ZEROS, [(0, 0)], r"shape \(colours, 3\), not \(1, 2\)"),
        (ZEROS, np.zeros((257, 3), np.uint8), "1 to 256 colours, not 257"),
        (ZEROS, np.zeros((0, 3), np.uint8), "1 to 256 colours, not 0"),
        (ZEROS, [(0, 0, 256)], "levels from 0 to 255"),
        (ZEROS, [(0, 0, -1)], "levels from 0 to 255"),
        (ZEROS, b"1234", "three bytes a colour, but has 4"),
    ],
)
def test_palettes_that_do_not_fit_are_refused(pixels: Any, palette: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        savemasks.encode_png(pixels, palette=palette)


@pytest.mark.parametrize("palette", [[(0.5, 1, 1)], "red", 7.5])
def test_what_is_no_palette_is_refused(palette: Any) -> None:
    with pytest.raises(TypeError, match="palette must have whole numbers"):
        savemasks.encode_png(ZEROS, palette=palette)
