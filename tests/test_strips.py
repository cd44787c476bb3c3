"""Pictures in strips: the same pixels as in memory, whatever the strips, threads and formats."""

import base64
import io
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from conftest import Json, names
from savemasks import strips as strips_module
from savemasks.bins import shapes_by_strip
from savemasks.budget import Budget
from savemasks.demo import CONFIG
from savemasks.encode import Strip, deflate_machine, encode_png, machine_layout
from savemasks.errors import AnnotationError, ImageError, WriteError
from savemasks.item import export_item
from savemasks.jobs import Outcome
from savemasks.plan import Plan
from savemasks.png import PngStream
from savemasks.project import Item
from savemasks.scratch import Scratch
from savemasks.settings import SaveMasks
from savemasks.store import Store
from savemasks.streamed import StreamedOriginal
from test_encode import chunks_of
from test_page import original, painted

CLASSES = ("kiwi", "lemon", "plum")
GIB = 1 << 30


def layer(**changes: object) -> SaveMasks:
    """A layer of both masks."""
    setting: Json = {
        "masks_machine": True,
        "masks_human": True,
        "gt_machine_color": {name: [70 * i] * 3 for i, name in enumerate(CLASSES, start=1)},
        "gt_human_color": {name: [250, 60 * i, 9] for i, name in enumerate(CLASSES, start=1)},
    }
    return SaveMasks.from_json(CONFIG | {"settings": setting | changes})


def bitmap(mask: NDArray[np.uint8]) -> str:
    return base64.b64encode(zlib.compress(b"".join(encode_png(mask)))).decode()


def objects(height: int, width: int, seed: int = 0) -> list[Json]:
    """Objects of every geometry, inside, across the edges and outside."""
    rng = np.random.default_rng(seed)

    def some(count: int) -> Any:
        low, high = (-width // 3, -height // 3), (4 * width // 3, 4 * height // 3)
        return rng.integers(low, high, (count, 2)).tolist()

    mask = (rng.random((height, width)) < 0.3).astype(np.uint8) * 255
    box = [{"loc": point} for point in some(8)]
    sides = ("topleft", "topright", "bottomright", "bottomleft")
    corners = [f"face{face}-{side}" for face in (1, 2) for side in sides]
    part = {"exterior": some(5), "interior": [some(3)]}
    made: list[Json] = [
        {"geometryType": "polygon", "points": {"exterior": some(9), "interior": []}},
        {"geometryType": "polygon", "points": {"exterior": some(7), "interior": [some(4)]}},
        {"geometryType": "multipolygon", "parts": [part, {"exterior": some(4)}]},
        {"geometryType": "rectangle", "points": {"exterior": some(2)}},
        {"geometryType": "oriented_bbox", "points": some(2), "angle": 0.7},
        {"geometryType": "line", "points": {"exterior": some(5)}},
        {"geometryType": "point", "points": {"exterior": [[width // 2, height // 2]]}},
        {"geometryType": "bitmap", "bitmap": {"origin": [0, 0], "data": bitmap(mask)}},
        {"geometryType": "alpha_mask", "bitmap": {"origin": [5, -3], "data": bitmap(mask)}},
        {"geometryType": "cuboid_2d", "vertices": dict(zip(corners, box, strict=True))},
        {"geometryType": "cuboid", "points": some(6), "faces": [[0, 1, 2, 3], [2, 3, 4, 5]]},
    ]
    return [m | {"classTitle": CLASSES[i % 3]} for i, m in enumerate(made)]


class Bench:
    """One item, exported again and again."""

    def __init__(
        self, folder: Path, image: bytes, height: int, width: int, things: list[Json], name: str
    ) -> None:
        self.folder = folder
        (folder / name).write_bytes(image)
        note = {"size": {"height": height, "width": width}, "objects": things}
        (folder / "a.json").write_bytes(orjson.dumps(note))
        self.item = Item("ds", name, str(folder / name), str(folder / "a.json"), "a.png")
        self.runs = 0

    def export(self, config: SaveMasks, budget: Budget) -> tuple[Outcome, Path]:
        """Export to a folder of its own -> what became of it, and the data set's folder."""
        self.runs += 1
        out = self.folder / f"out{self.runs}"
        out.mkdir()
        plan = Plan(config)
        done = export_item(self.item, config.settings, plan, Store(out), Scratch(), budget)
        return done, out / "ds"

    def whole(self, **changes: object) -> dict[str, NDArray[Any]]:
        """Pixels of the masks that are made in memory."""
        done, out = self.export(layer(**changes), Budget(GIB))
        assert done.error is None
        return decoded(out)

    def strips(self, rows: int | None, threads: int = 1, **changes: object) -> Path:
        """Folder of the masks that are made in strips."""
        config = layer(strips_above_megapixels=0, **changes)
        done, out = self.export(config, Budget(GIB, threads, rows))
        if done.error is not None:
            raise done.error
        assert sorted(done.outputs) == sorted(f"ds/{p.relative_to(out)}" for p in all_files(out))
        return out


def all_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def decoded(out: Path) -> dict[str, NDArray[Any]]:
    """Pixels of the masks by their folder; files must be sound."""
    found = {}
    for path in sorted(out.glob("masks_*/*")):
        if path.suffix == ".png":
            chunks_of(path.read_bytes())
            with Image.open(path) as image:
                image.verify()
        pixels = pyvips.Image.new_from_file(str(path), fail_on="warning").numpy()
        found[path.parent.name] = pixels.reshape(pixels.shape[0], pixels.shape[1], -1)
    return found


def same(found: dict[str, NDArray[Any]], expected: dict[str, NDArray[Any]]) -> None:
    assert found.keys() == expected.keys()
    for name, pixels in expected.items():
        assert found[name].dtype == pixels.dtype
        assert np.array_equal(found[name], pixels), name


def encoded(pixels: NDArray[np.uint8], kind: str, **options: Any) -> bytes:
    if kind == "bmp":
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "bmp")
        return file.getvalue()
    return bytes(pyvips.Image.new_from_array(pixels).write_to_buffer("." + kind, **options))


HEIGHT, WIDTH = 150, 90


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    pixels = original("photo", HEIGHT, WIDTH, np.random.default_rng(3))
    image = encoded(pixels, "png")
    return Bench(tmp_path, image, HEIGHT, WIDTH, objects(HEIGHT, WIDTH), "a.png")


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


IMAGES: list[tuple[str, Json]] = [
    ("png", {}),
    ("png", {"interlace": True}),
    ("jpg", {"Q": 90}),
    ("jpg", {"Q": 90, "interlace": True}),
    ("tif", {}),
    ("tif", {"tile": True, "tile_width": 16, "tile_height": 16, "compression": "deflate"}),
    ("tif", {"bigtiff": True, "compression": "lzw"}),
    ("webp", {"lossless": True}),
    ("bmp", {}),
]


@pytest.mark.parametrize(("kind", "options"), IMAGES)
def test_every_format_of_originals(tmp_path: Path, kind: str, options: Json) -> None:
    pixels = original("photo", 60, 44, np.random.default_rng(1))
    image = encoded(pixels, kind, **options)
    made = Bench(tmp_path, image, 60, 44, objects(60, 44), f"a.{kind}")
    expected = made.whole()
    for rows in (1, 7, 64):
        same(decoded(made.strips(rows, threads=2)), expected)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_originals_that_exif_turns(tmp_path: Path, orientation: int) -> None:
    pixels = original("photo", 60, 44, np.random.default_rng(1))
    image = pyvips.Image.new_from_array(pixels).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    height, width = (60, 44) if orientation < 5 else (44, 60)
    data = image.write_to_buffer(".jpg", Q=95)
    made = Bench(tmp_path, data, height, width, objects(height, width), "a.jpg")
    expected = made.whole()
    for rows in (1, 7, 64):
        same(decoded(made.strips(rows)), expected)


@pytest.mark.parametrize("bands", [1, 2, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_transparent_and_deep_originals(tmp_path: Path, bands: int, dtype: Any) -> None:
    rng = np.random.default_rng(bands)
    pixels = rng.integers(0, np.iinfo(dtype).max, (40, 30, bands), dtype, endpoint=True)
    data = pyvips.Image.new_from_array(pixels, interpretation="auto").write_to_buffer(".tif")
    made = Bench(tmp_path, data, 40, 30, objects(40, 30), "a.tif")
    same(decoded(made.strips(7)), made.whole())


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
    palette = Plan(layer()).machine_palette
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
    shapes = Plan(layer()).parse(orjson.dumps(note))
    found = list(shapes_by_strip(shapes, range(0, 1000, 10), order=np.arange(199, -1, -1)))
    assert [order.tolist() for order in found[:2]] == [[1, 0], [3, 2]]
    assert max(map(len, found)) <= 3
    assert {int(i) for order in found for i in order} == set(range(200))


# ---------------------------------------------------------------- when something fails


def failing(bench: Bench, form: str, threads: int = 1) -> tuple[Outcome, Path]:
    config = layer(strips_above_megapixels=0, format=form)
    done, out = bench.export(config, Budget(GIB, threads, 7))
    assert done.outputs == {}
    assert all_files(out.parent) == []
    return done, out


@pytest.mark.parametrize("form", ["png", "tiff"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_picture_that_is_cut_off_leaves_nothing(bench: Bench, form: str, threads: int) -> None:
    path = bench.folder / "a.png"
    path.write_bytes(path.read_bytes()[:-9000])
    done, _ = failing(bench, form, threads)
    assert isinstance(done.error, ImageError)
    assert str(done.error).startswith(f"{path}: cannot be decoded: ")


@pytest.mark.parametrize("form", ["png", "tiff"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_full_disk_leaves_nothing(
    bench: Bench, form: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(28, os.strerror(28))
    genuine = strips_module._Line._make

    def writev(*_: object) -> int:
        raise full

    def make(line: Any, number: int) -> Any:
        if number == 9:
            raise full
        return genuine(line, number)

    if form == "png":
        monkeypatch.setattr(os, "writev", writev)
        done, out = failing(bench, form, threads)
        assert isinstance(done.error, WriteError)
        assert str(done.error).startswith(f"{out}/masks_")
        assert "No space left on device" in str(done.error)
        monkeypatch.undo()
    monkeypatch.setattr(strips_module._Line, "_make", make)
    done, _ = failing(bench, form, threads)
    assert done.error is full


def test_a_tiff_that_cannot_be_written_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("savemasks.tiff._TILE", 7)  # which libvips refuses
    done, out = failing(bench, "tiff")
    assert isinstance(done.error, WriteError)
    assert str(done.error).startswith(f"{out}/masks_")


def test_if_the_second_mask_cannot_get_its_name_the_first_loses_its_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = os.replace

    def replace(source: str, target: str) -> None:
        if "machine" in target:
            raise OSError(28, os.strerror(28))
        genuine(source, target)

    monkeypatch.setattr(os, "replace", replace)
    done, _ = failing(bench, "png")
    assert isinstance(done.error, WriteError)


@pytest.mark.parametrize(
    ("size", "form", "message"),
    [
        ((1, 1 << 31), "png", "its machine mask would have 2147483648 x 1 pixels"),
        ((1 << 31, 1), "png", "its machine mask would have 1 x 2147483648 pixels"),
        ((3, 400_000_000), "png", "its human mask would be 800000001 pixels wide"),
        ((3, 10_000_001), "tiff", "its machine mask would have 10000001 x 3 pixels"),
        ((1 << 21, 1 << 20), "png", "is more than the"),
    ],
)
def test_what_a_format_cannot_hold_is_told_before_anything_is_done(
    tmp_path: Path, size: tuple[int, int], form: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StreamedOriginal, "__init__", lambda self, _: setattr(self, "size", size))
    monkeypatch.setattr("savemasks.item._MOST_AT_ONCE", 0)
    made = Bench(tmp_path, b"x", *size, [], "a.png")
    done, out = made.export(layer(format=form), Budget(GIB))
    assert isinstance(done.error, AnnotationError)
    assert done.error.file == made.item.annotation
    assert message in str(done.error)
    assert names(out.parent) == []
