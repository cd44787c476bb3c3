"""Pictures in strips: the same pixels as in memory, whatever the strips, threads and formats."""

import io
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from savemasks.encode.choice import deflate_machine, machine_layout
from savemasks.encode.png import PngStream, Strip
from savemasks.line.plan import Plan
from savemasks.paint.bins import shapes_by_strip
from savemasks.scratch import Scratch
from support.pixels import original, painted
from support.pngs import chunks_of
from support.projects import Json
from support.strips import Bench, all_files, decoded, encoded, layer, objects, photo, same


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return photo(tmp_path)


@pytest.mark.parametrize("rows", [1, 7, 64, 149, 150, 1000, None])
@pytest.mark.parametrize("form", ["png", "tiff"])
def test_strips_have_the_pixels_of_the_whole(bench: Bench, rows: int | None, form: str) -> None:
    other: Json = {"paint_order": "area", "line_width": 6, "class_priority": ["kiwi"]}
    changes: Json
    for changes in ({}, other):
        out = bench.strips(rows, **changes, format=form)
        assert {p.suffix for p in out.glob("masks_*/*")} == {".png" if form == "png" else ".tif"}
        same(decoded(out), bench.whole(**changes))


@pytest.mark.parametrize("geometry", range(11))
@pytest.mark.parametrize("line_width", [1, 2, 9])
def test_every_geometry(tmp_path: Path, geometry: int, line_width: int) -> None:
    rng = np.random.default_rng(geometry)
    image = encoded(original("noise", 70, 50, rng), "png")
    things = [objects(70, 50, seed)[geometry] for seed in range(4)]
    made = Bench(tmp_path, image, 70, 50, things, "a.png")
    expected = made.whole(line_width=line_width)
    for rows in (1, 7, 64):
        same(decoded(made.strips(rows, line_width=line_width)), expected)


@pytest.mark.parametrize(("height", "width"), [(2, 1), (20, 20), (51, 700), (700, 16)])
def test_tiffs_of_small_pictures_can_be_read(tmp_path: Path, height: int, width: int) -> None:
    image = encoded(original("photo", height, width, np.random.default_rng(1)), "png")
    made = Bench(tmp_path, image, height, width, objects(height, width), "a.png")
    same(decoded(made.strips(None, format="tiff")), made.whole())


COLORS: dict[str, Json] = {
    "one class each": {"gt_human_color": {"plum": [1, 2, 3]}},
    "colours": {"gt_machine_color": {"kiwi": [1, 2, 3], "plum": [4, 4, 4]}},
    "deep grays": {"gt_machine_color": {"kiwi": [300] * 3, "plum": [65535] * 3}},
    "machine only": {"masks_human": False},
    "human only": {"masks_machine": False},
}


@pytest.mark.parametrize("changes", COLORS.values(), ids=COLORS.keys())
@pytest.mark.parametrize("form", ["png", "tiff"])
def test_every_kind_of_mask(bench: Bench, changes: Json, form: str) -> None:
    expected = bench.whole(**changes)
    for rows in (1, 7, 64):
        same(decoded(bench.strips(rows, **changes, format=form)), expected)


@pytest.mark.parametrize("width", [5460, 5461, 10921, 10922, 32766, 32767, 32768, 40000])
def test_around_the_widths_at_which_other_encoders_take_over(tmp_path: Path, width: int) -> None:
    rng = np.random.default_rng(width)
    for kind in ("photo", "noise", "zeros", "gray photo"):
        image = encoded(original(kind, 9, width, rng), "png")
        things = objects(9, width)[:7]  # without bitmaps, whose noise no run encoder takes
        made = Bench(tmp_path, image, 9, width, things, "a.png")
        same(decoded(made.strips(4)), made.whole())
        tmp_path = tmp_path / kind
        tmp_path.mkdir()


@pytest.mark.parametrize("rows", [1, 7, 64])
@pytest.mark.parametrize("form", ["png", "tiff"])
def test_the_bytes_do_not_depend_on_threads_or_memory(bench: Bench, rows: int, form: str) -> None:
    one = bench.strips(rows, format=form)
    for threads in (2, 3, 8):
        many = bench.strips(rows, threads, format=form)
        for path in all_files(one):
            assert path.read_bytes() == (many / path.relative_to(one)).read_bytes()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["nothing", "all", "noise", "blocks", "columns", "first", "last", "rows"]),
    st.integers(1, 40),
    st.sampled_from([1, 2, 3, 64, 300, 32767, 32768, 33000]),
    st.integers(1, 9),
)
def test_runs_in_strips_join_to_one_stream(kind: str, height: int, width: int, rows: int) -> None:
    height = min(height, 12) if width > 1000 else height
    labels = painted(kind, height, width, np.random.default_rng(0))
    palette = Plan.of(layer()).machine_palette
    assert palette
    stream = PngStream(machine_layout(height, width, palette))
    png = b"".join(stream.begin())
    for top in range(0, height, rows):
        above = 1 if top else 0
        part = Strip(above, is_part=True)
        made = deflate_machine(labels[top - above : top + rows], palette, Scratch(), part)
        png += b"".join(stream.strip(made))
    png += b"".join(stream.end())
    chunks_of(png)
    with Image.open(io.BytesIO(png)) as image:
        assert np.array_equal(np.asarray(image), palette.colors[:, 0][labels])


# ---------------------------------------------------------------- which shapes a strip has


def test_a_strip_has_the_shapes_that_touch_it_and_few_others() -> None:
    things = []
    for i in range(200):
        ring = [[3, 5 * i], [9, 5 * i + 1], [5, 5 * i + 3]]
        things.append(
            {"classTitle": "kiwi", "geometryType": "polygon", "points": {"exterior": ring}}
        )
    note = {"size": {"height": 1000, "width": 20}, "objects": things}
    shapes = Plan.of(layer()).parse(orjson.dumps(note))
    found = list(shapes_by_strip(shapes, range(0, 1000, 10), order=np.arange(199, -1, -1)))
    assert [order.tolist() for order in found[:2]] == [[1, 0], [3, 2]]
    assert max(map(len, found)) <= 3
    assert {int(i) for order in found for i in order} == set(range(200))
