"""Galleries in a real browser, opened as files."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from savemasks.gallery import label_pictures
from savemasks.gallery.building import build_galleries
from savemasks.line.job import PackRules
from support.browser import Browser, NoBrowserError, browser
from support.galleries import Gallery, export
from support.projects import KIWI, Project, annotation, layer, picture

pytestmark = pytest.mark.usefixtures("warm")

ESCAPE, LEFT, RIGHT = "\ue00c", "\ue012", "\ue014"  # keys as WebDriver names them
COLORS = {100: (255, 0, 0), 200: (27, 0, 255)}
NAMES = ["bare_table.jpg", "citron pressé.png", "fruit_table.jpg"]
NAMES += ["halves.png", "rings.jpg", "snack.png"]
SNACK = NAMES.index("snack.png")
FOLDER = "market/datasets/closeups"


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    with ExitStack() as stack:
        try:
            found = stack.enter_context(browser())
        except NoBrowserError as error:
            pytest.skip(str(error))
        yield found


@pytest.fixture(scope="module")
def demo(demo_project: Path, tmp_path_factory: pytest.TempPathFactory, started: Browser) -> Path:
    """The result of the demo, with its gallery."""
    out = tmp_path_factory.mktemp("out")
    root = export(demo_project, out).out
    build_galleries(root)
    return root


@pytest.fixture
def page(started: Browser, demo: Path) -> Iterator[Browser]:
    """The gallery of the demo in a browser."""
    started.open(demo / "gallery/index.html")
    yield started
    started.check()


def look_at(page: Browser, number: int) -> None:
    page.all("#grid button")[number].click()
    page.wait(lambda: page.js("[...tiles.values()].every((each) => !each.canvas || each.map)"))
    page.wait(lambda: page.js("[...document.images].every((each) => each.complete)"))
    page.settle()


def test_thumbnails_load(page: Browser) -> None:
    assert page.names() == NAMES
    widths = "[...document.querySelectorAll('#grid img')].map((each) => each.naturalWidth)"
    page.wait(lambda: all(page.js(widths)))
    assert page.js(widths) == [320, 240, 240, 320, 300, 320]


def test_filters_filter(page: Browser) -> None:
    page.choose("#dataset", "1")
    assert page.names() == NAMES[3:]
    page.choose("#dataset", "")
    page.choose("#show", "empty")
    assert page.names() == ["bare_table.jpg"]
    assert page.find("#status").text == "1 of 6 images"
    page.choose("#show", "failed")
    assert page.names() == []
    page.choose("#show", "")
    page.choose("#legend select", "without")
    assert page.names() == ["bare_table.jpg"]
    page.choose("#legend select", "with")
    assert page.names() == NAMES[1:]
    page.choose("#search", "FRUIT")
    assert page.names() == ["fruit_table.jpg"]
    page.find("[type=reset]").click()
    page.wait(lambda: page.names() == NAMES)


def test_sorting_sorts(page: Browser, demo: Path) -> None:
    rows = Gallery(demo / "gallery").rows
    shares = {row[1]: sum(row[4][2::3]) / row[2] / row[3] for row in rows}
    objects = {row[1]: sum(row[4][1::3]) for row in rows}
    page.choose("#sort", "share")
    assert page.names() == sorted(NAMES, key=shares.__getitem__)
    page.choose("#descending", True)
    assert page.names() == sorted(NAMES, key=shares.__getitem__, reverse=True)
    page.choose("#sort", "objects")
    assert [objects[name] for name in page.names()] == sorted(objects.values(), reverse=True)
    page.choose("#sort", "name")
    assert page.names() == NAMES[::-1]
    page.choose("#descending", False)
    page.choose("#sort", "")
    assert page.names() == NAMES


def expected(demo: Path, opacity: float, shown: tuple[int, ...]) -> NDArray[np.int64]:
    """RGBA of the classes over the snack."""
    mask = np.asarray(Image.open(demo / FOLDER / "masks_machine/snack.png"))
    found = np.zeros((*mask.shape, 4), int)
    for gray in shown:
        found[mask == gray] = (*COLORS[gray], round(255 * opacity))
    return found


def test_opacity_and_classes_change_the_pixels_as_computed(page: Browser, demo: Path) -> None:
    look_at(page, SNACK)
    assert np.allclose(page.canvas(), expected(demo, 0.5, (100, 200)), rtol=0, atol=2)
    page.choose("#opacity", 100)
    page.settle()
    assert np.array_equal(page.canvas(), expected(demo, 1, (100, 200)))
    page.choose("#shown label:nth-of-type(1) input", False)
    page.settle()
    assert np.array_equal(page.canvas(), expected(demo, 1, (200,)))
    page.press("a")
    page.settle()
    assert np.array_equal(page.canvas(), expected(demo, 1, (100, 200)))
    page.press("a")
    page.settle()
    assert not page.canvas().any()


def test_what_one_sees_is_the_original_with_classes_over_it(page: Browser, demo: Path) -> None:
    original = np.asarray(Image.open(demo / FOLDER / "img/snack.png").convert("RGB")).astype(int)
    height, width = original.shape[:2]
    mask = expected(demo, 1, (100, 200))
    is_painted = mask[..., 3:] > 0
    mixed = np.where(is_painted, (original + mask[..., :3]) / 2, original)
    look_at(page, SNACK)
    page.press("1")
    page.js("(left = 10, top_ = 20, move())")
    page.settle()

    def seen() -> NDArray[np.int64]:
        return page.stage()[20 : 20 + height, 10 : 10 + width]

    assert np.allclose(seen(), mixed, rtol=0, atol=3)
    page.choose("#swipe", 50)
    page.settle()
    middle = width // 2
    now = seen()
    assert np.allclose(now[:, : middle - 3], original[:, : middle - 3], rtol=0, atol=1)
    assert np.allclose(now[:, middle + 3 :], mixed[:, middle + 3 :], rtol=0, atol=3)
    page.choose("#swipe", 0)
    page.choose("#opacity", 100)
    page.press("m")
    page.settle()
    assert np.allclose(seen(), mask[..., :3], rtol=0, atol=1)


def test_zoom_goes_down_to_pixels(page: Browser, demo: Path) -> None:
    look_at(page, SNACK)
    page.choose("#opacity", 100)
    page.press("m")
    page.js("(zoomTo(8), left = -8 * 100, top_ = -8 * 100, move())")
    page.settle()
    mask = expected(demo, 1, (100, 200))[100:140, 100:140, :3]
    seen = page.stage()[: 40 * 8, : 40 * 8]
    assert np.array_equal(seen, np.repeat(np.repeat(mask, 8, axis=0), 8, axis=1))
    assert page.find("#zoom").text == "800 %"


def test_keys_and_focus(page: Browser) -> None:
    page.js("document.querySelector('#grid button').focus()")
    page.press("\n")
    name = page.find("#viewer-name")
    assert name.text == NAMES[0]
    page.press(LEFT)
    assert name.text == NAMES[0]
    page.press(RIGHT, RIGHT)
    assert name.text == NAMES[2]
    page.press(LEFT)
    assert name.text == NAMES[1]
    before = page.find("#zoom").text
    page.press("+")
    assert page.find("#zoom").text != before
    page.press("0")
    assert page.find("#zoom").text == before
    page.press("]")
    assert page.find("#opacity").get_attribute("value") == "60"
    page.press("m")
    assert page.find("[data-do=mask]").get_attribute("aria-pressed") == "true"
    page.press("m", ESCAPE)
    page.wait(lambda: not page.js("document.querySelector('#viewer').open"))
    page.wait(lambda: page.js("document.activeElement.dataset.number") == "1")


def test_everything_that_one_can_use_has_a_name(page: Browser) -> None:
    look_at(page, SNACK)
    page.driver.execute_cdp_cmd("Accessibility.enable", {})
    roles = {"button", "checkbox", "combobox", "slider", "searchbox", "dialog", "image", "region"}
    found = set()
    for opened in (True, False):
        if not opened:
            page.press(ESCAPE)
        nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        for node in nodes:
            role = node.get("role", {}).get("value")
            if role in roles and not node["ignored"]:
                assert node["name"]["value"].strip(), node
                found.add(role)
    assert {"button", "checkbox", "combobox", "slider", "searchbox", "dialog", "image"} <= found


def test_a_phone_needs_no_scrolling_sideways(page: Browser) -> None:
    page.emulate(
        "setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True
    )
    try:
        page.driver.refresh()
        page.wait(lambda: page.names() == NAMES)
        assert page.js("document.documentElement.scrollWidth") <= 360
        assert not page.js("document.querySelector('#filter-box').open")
        look_at(page, 1)
        assert page.js("document.querySelector('#viewer').scrollWidth") <= 360
        assert page.js("document.querySelector('#stage').clientHeight") >= 200
    finally:
        page.emulate("clearDeviceMetricsOverride")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(page: Browser, scheme: str) -> None:
    page.emulate("setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    try:
        style = "getComputedStyle(document.body)"
        text, back = (luminance(page.js(f"{style}.{of}")) for of in ("color", "backgroundColor"))
        assert (back < text) == (scheme == "dark")
        assert (max(text, back) + 0.05) / (min(text, back) + 0.05) > 7
    finally:
        page.emulate("setEmulatedMedia", features=[])


def luminance(color: str) -> float:
    """Of an "rgb(r, g, b)", as WCAG defines it."""
    channels = np.array([int(each) for each in color[4:-1].split(",")]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


EVIL = (
    '<img src=x onerror="window.evil = 1">.png',
    "<script>window.evil = 2<\u2044script>.png",
    'it\'s "quoted" & #1 100%25?.png',
    "Żółć 猫.png",
    "javascript:evil=3 `${evil=4}`.png",
)


def test_no_name_is_ever_executed(started: Browser, tmp_path: Path) -> None:
    title = "</script><script>window.evil = 5</script><img src=x onerror='evil = 6'>"
    project = Project(tmp_path / "project", classes=(title,))
    dataset = "ds <b>#%20?&amp;"
    for name in EVIL:
        project.put(f"{dataset}/img/{name}", picture())
        project.put(f"{dataset}/ann/{name}.json", annotation({**KIWI, "classTitle": title}))
    project.put(f"{dataset}/img/<i>bad.png", picture())
    colors = {title: [1, 1, 1]}
    root = export(
        project, tmp_path / "out", layer(gt_machine_color=colors, gt_human_color=colors)
    ).out
    started.open(build_galleries(root)[0])
    assert sorted(started.names()) == sorted([*EVIL, "<i>bad.png"])
    started.find("#figures").click()
    for number, name in enumerate(started.names()):
        look_at(started, number)
        assert started.find("#viewer-name").text == name
        if name in EVIL:
            assert started.js("document.querySelector('#below img').naturalWidth") == 12
            assert title in started.find("#viewer-facts").text
            assert started.canvas()[2, 3, 3] == 128
        else:
            assert "the annotation is missing" in started.find("#viewer-facts").text
        started.press(ESCAPE)
    assert started.js("window.evil === undefined")
    assert started.all("b + script, #legend img, #shown img, #grid li img[src=x]") == []
    started.check()


@pytest.mark.parametrize("kind", ["packed", "large", "alone"])
def test_other_results_are_looked_at(
    started: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(label_pictures, "LARGE_SIDE", 1000 if kind == "large" else 8000)
    project = Project(tmp_path / "project")
    down, across = np.indices((1100, 1500))
    pixels = np.stack([down // 5, across // 6, 0 * down], axis=2).astype(np.uint8)
    project.put("ds/img/a.png", b"")
    Image.fromarray(pixels).save(tmp_path / "project/ds/img/a.png")
    box = {**KIWI, "points": {"exterior": [[600, 700], [899, 899]], "interior": []}}
    size = {"height": 1100, "width": 1500}
    project.put("ds/ann/a.png.json", annotation(box, size=size))
    pack = PackRules.of("webdataset") if kind == "packed" else None
    alone = {"images": False, "annotations": False, "masks_human": False}
    config = layer(**(alone if kind == "alone" else {}))
    root = export(project, tmp_path / "out", config, pack=pack).out
    started.open(build_galleries(root)[0])
    look_at(started, 0)
    assert started.js("tiles.size") == (4 if kind == "large" else 1)
    started.js("(zoomTo(1), left = -500, top_ = -600, move())")
    started.wait(lambda: started.js("[...tiles.values()].every((each) => each.map)"))
    started.wait(lambda: started.js("[...document.images].every((each) => each.complete)"))
    started.settle()
    seen = started.stage()[:200, :300]
    below = 0 * pixels if kind == "alone" else pixels
    mixed = below[600:800, 500:800].astype(int)
    mixed[100:, 100:] = (mixed[100:, 100:] + (255, 0, 0)) // 2
    if kind == "alone":
        mixed[100:, 100:] = (0, 255, 0)  # that of meta.json; there is nothing to mix it with
    difference = abs(seen - mixed)
    assert difference.mean() < 2.5
    assert np.quantile(difference, 0.99) < 12
    started.check()
