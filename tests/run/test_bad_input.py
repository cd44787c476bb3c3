"""Every wrong input costs its own item only, and the message says what is wrong with which file."""

import base64
import io
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest
from PIL import Image

from savemasks.line.item import _contents
from support.projects import (
    KIWI,
    Export,
    Project,
    Runner,
    annotation,
    layer,
    picture,
    same,
)

NO_IMAGE = "the image of this annotation is missing"
NO_NOTE = "the annotation is missing: expected ds/ann/bad.png.json"
NO_FILE = "cannot be read: No such file or directory"


def check(
    done: Export, project: Project, file: str, message: str, index: int | None = None
) -> None:
    """See that exactly `bad.png` failed for that reason and that all else is there, whole."""
    path = str(project.folder / file)
    place = path if index is None else f"{path}: object {index}"
    error = done.errors["bad.png"]
    assert error["message"].startswith(f"{place}: ")
    assert message in error["message"].removeprefix(place)
    kind = "annotation" if "/ann/" in file else "image"
    kind = {NO_IMAGE: "image", NO_NOTE: "annotation"}.get(message, kind)
    assert (error["kind"], error["file"], error["object"]) == (kind, path, index)
    assert list(done.errors) == ["bad.png"]
    assert done.code == 1
    assert f"failed: {error['message']}" in done.output.splitlines()
    same(done.tree, project.expected)


@pytest.fixture
def good(project: Project) -> Project:
    """Good items before, after and elsewhere."""
    project.add("a.png")
    project.add("z.png", bare=True)
    project.add("bad.png.png", "ds/datasets/child")
    return project


# ---------------------------------------------------------------- the annotation as a whole

POSITIVE = "must be a positive whole number, but is"
NO_SIZE = '"size" with "height" and "width" is missing'
FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "blank": (b" \n\t", "the file is empty"),
    "cut off": (annotation(KIWI)[:-20], "not valid JSON at line 1, column "),
    "no json": (b"<xml/>", "not valid JSON at line 1, column 1: "),
    "two documents": (annotation() + b"{}", "not valid JSON"),
    "not utf-8": (annotation(x="?").replace(b"?", b"\xff"), "is not UTF-8: byte 0xff at position "),
    "zeros": (bytes(100), "not valid JSON"),
    "too deep": (b"[" * 100_000, "not valid JSON"),
    "list": (b"[]", NO_SIZE),
    "null": (b"null", NO_SIZE),
    "no size": (b'{"objects": []}', NO_SIZE),
    "size null": (annotation(size=None), NO_SIZE),
    "size list": (annotation(size=[8, 12]), NO_SIZE),
    "no width": (annotation(size={"height": 8}), f"size.width {POSITIVE} missing"),
    "height null": (annotation(size={"height": None, "width": 1}), "size.height must be"),
    "height text": (annotation(size={"height": "8", "width": 12}), f'size.height {POSITIVE} "8"'),
    "negative": (annotation(size={"height": 8, "width": -12}), f"size.width {POSITIVE} -12"),
    "zero": (annotation(size={"height": 0, "width": 12}), f"size.height {POSITIVE} 0"),
    "fraction": (annotation(size={"height": 8.5, "width": 12}), f"size.height {POSITIVE} 8.5"),
    "true": (annotation(size={"height": True, "width": 12}), f"size.height {POSITIVE} true"),
    "absurd": (
        annotation(size={"height": 10_000_000, "width": 10_000_000}),
        "size 10000000 x 10000000 is",
    ),
    "more absurd": (annotation(size={"height": 2**62, "width": 2**62}), "that are supported"),
    "infinite": (annotation(size={"height": 2**900, "width": 1}), f"size.height {POSITIVE}"),
    "objects null": (annotation(objects=None), '"objects" is not a list'),
    "objects map": (annotation(objects={}), '"objects" is not a list'),
}


@pytest.mark.parametrize(("note", "message"), FILES.values(), ids=FILES)
def test_an_annotation_that_cannot_be_read_costs_one_item(
    good: Project, export: Runner, note: bytes, message: str
) -> None:
    good.add_bad(picture(), note)
    check(export(good.folder), good, "ds/ann/bad.png.json", message)


# ---------------------------------------------------------------- one object of it


def polygon(exterior: object, interior: object = ()) -> dict[str, object]:
    return {"geometryType": "polygon", "points": {"exterior": exterior, "interior": interior}}


def pair(kind: str, *points: object) -> dict[str, object]:
    return {"geometryType": kind, "points": {"exterior": points, "interior": []}}


NO_POINTS, NO_PAIRS = "points.exterior has no points", "points must be pairs of numbers"
FAR, TYPE = "is not within", "wrong type"
SQUARE = [[0, 0], [5, 0], [5, 5], [0, 5]]
BOX = {"geometryType": "oriented_bbox", "points": [[0, 0], [5, 5]], "angle": 0}
OBJECTS: dict[str, tuple[object, str]] = {
    "number": (5, "is not a JSON object"),
    "null": (None, "is not a JSON object"),
    "class missing": ({"classTitle": None, **polygon(SQUARE)}, "classTitle is missing"),
    "class number": ({"classTitle": 7, **polygon(SQUARE)}, "classTitle is missing or not a text"),
    "no points": ({"geometryType": "polygon"}, "polygon without 'points'"),
    "points null": ({"geometryType": "polygon", "points": None}, "polygon: points is null"),
    "points list": ({"geometryType": "polygon", "points": SQUARE}, TYPE),
    "no exterior": ({"geometryType": "polygon", "points": {}}, "polygon without 'exterior'"),
    "exterior null": (polygon(None), "polygon: points.exterior is null"),
    "exterior text": (polygon("abc"), NO_POINTS),
    "polygon empty": (polygon([]), NO_POINTS),
    "line empty": (pair("line"), NO_POINTS),
    "point empty": (pair("point"), NO_POINTS),
    "rectangle empty": (pair("rectangle"), NO_POINTS),
    "one corner": (pair("rectangle", [1, 2]), "two corners, not 1 points"),
    "three corners": (pair("rectangle", [1, 2], [3, 4], [5, 6]), "two corners, not 3 points"),
    "three numbers": (polygon([[1, 2, 3], [4, 5, 6]]), NO_PAIRS),
    "one number": (polygon([[1], [2]]), NO_PAIRS),
    "flat": (polygon([1, 2, 3, 4]), NO_PAIRS),
    "ragged": (polygon([[1, 2], [3]]), NO_PAIRS),
    "texts": (polygon([["1", None]]), NO_PAIRS),
    "truths": (polygon([[True, False]]), NO_PAIRS),
    "nested": (polygon([[[1, 2], [3, 4]]]), NO_PAIRS),
    "no parts": ({"geometryType": "multipolygon", "parts": []}, "has no parts"),
    "no nodes": ({"geometryType": "graph", "nodes": {"a": {}}}, "graph without 'loc'"),
    "nodes list": ({"geometryType": "graph", "nodes": [1]}, TYPE),
    "no such point": ({"geometryType": "cuboid", "points": [], "faces": [[0]]}, "do not exist"),
    "box angle": ({**BOX, "angle": "90"}, "angle must be a number of radians"),
    "box 1e300": ({**BOX, "points": [[0, 0], [1, 1e300]]}, f"point [1, 1e+300] {FAR}"),
    "hole number": (polygon(SQUARE, 5), TYPE),
    "hole flat": (polygon(SQUARE, [[1, 2], [3, 4]]), NO_PAIRS),
    "hole texts": (polygon(SQUARE, ["ab"]), NO_PAIRS),
    "1e300": (polygon([[1e300, 0], [0, -1e300], [1, 1]]), f"point [1e+300, 0] {FAR}"),
    "-1e300": (pair("line", [0, 0], [0, -1e300]), f"point [0, -1e+300] {FAR}"),
    "far hole": (polygon(SQUARE, [[[1, 1], [2, 1e300], [2, 2]]]), f"point [2, 1e+300] {FAR}"),
    "2^40": (pair("rectangle", [0, 0], [2**40, 1]), f"point [{2**40}, 1] {FAR}"),
    "2^63": (pair("point", [2**63, 1]), f"point [{2**63}, 1] {FAR}"),
    "2^900": (pair("point", [2**900, 1]), FAR),
}


@pytest.mark.parametrize(("thing", "message"), OBJECTS.values(), ids=OBJECTS)
def test_an_object_that_cannot_be_painted_is_named_by_its_position(
    good: Project, export: Runner, thing: object, message: str
) -> None:
    thing = {"classTitle": "kiwi", **thing} if isinstance(thing, dict) else thing
    good.add_bad(picture(), annotation(KIWI, KIWI, thing, KIWI))
    check(export(good.folder), good, "ds/ann/bad.png.json", message, 2)


@pytest.mark.parametrize(
    ("number", "message", "index"),
    [
        ("NaN", f"point [2, nan] {FAR}", 0),
        ("Infinity", f"point [2, inf] {FAR}", 0),
        ("-Infinity", f"point [2, -inf] {FAR}", 0),
        ("1e999", "not valid JSON at line 1, column ", None),
    ],
)
def test_a_coordinate_that_is_no_number_is_refused(
    good: Project, export: Runner, number: str, message: str, index: int | None
) -> None:
    note = annotation(KIWI).replace(b"[2, 1]", f"[2, {number}]".encode())
    assert number.encode() in note
    good.add_bad(picture(), note)
    check(export(good.folder), good, "ds/ann/bad.png.json", message, index)


# ---------------------------------------------------------------- the payload of a bitmap


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, lines: bytes, *, depth: int = 8, colour: int = 0) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + data


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


MASK = png(3, 2, b"\0\xff\0\xff" * 2)
FLIPPED = MASK[:45] + bytes([MASK[45] ^ 1]) + MASK[46:]
NOISE = png(60, 60, os.urandom(61 * 60))
BOMB = "promises 10000000 x 10000000 pixels"
PAYLOADS: dict[str, tuple[object, str]] = {
    "number": (5, "bitmap.data is not a text"),
    "empty": ("", "bitmap.data: the zlib stream is cut off"),
    "base64 of bad length": ("a", "bitmap.data: not base64"),
    "not ascii": ("ä" * 8, "bitmap.data: not base64"),
    "no zlib": (b64(b"hello world, hello"), "bitmap.data: neither zlib nor PNG"),
    "zlib cut off": (b64(zlib.compress(MASK)[:-5]), "the zlib stream is cut off"),
    "zlib damaged": (b64(zlib.compress(MASK)[:-1] + b"\0"), "neither zlib nor PNG"),
    "no png": (b64(zlib.compress(b"hello" * 20)), "no PNG inside"),
    "png cut off": (b64(zlib.compress(MASK[:-20])), "the PNG is cut off"),
    "only a signature": (b64(MASK[:8]), "no PNG inside"),
    "bit flipped": (b64(zlib.compress(FLIPPED)), "wrong checksum of the PNG's IDAT chunk"),
    "pixels missing": (b64(png(3, 3, b"\0abc" * 2)), "more or fewer pixels than its header says"),
    "pixels to spare": (b64(png(3, 1, b"\0abc" * 2)), "more or fewer pixels than its header says"),
    "no pixels": (b64(png(0, 2, b"")), "a PNG without pixels"),
    "no such filter": (b64(png(1, 1, b"\x09\0")), "row filter that does not exist"),
    "no such colour": (b64(png(1, 1, b"\0\0", colour=5)), "colour type 5 with 8 bits"),
    "16 bits cut off": (b64(png(3, 3, bytes(8), depth=16)), "the PNG cannot be decoded"),
    "large and cut off": (b64(zlib.compress(NOISE[:-400], 0)[:-300]), "cut off"),
    "bomb": (b64(zlib.compress(png(10_000_000, 10_000_000, b""))), BOMB),
    "bare bomb": (b64(png(10_000_000, 10_000_000, b"")), BOMB),
    "large bomb": (b64(zlib.compress(png(10_000_000, 10_000_000, os.urandom(9000)), 0)), BOMB),
    "bomb of scanlines": (b64(png(3, 2, bytes(50_000_000))), "more or fewer pixels"),
    "bomb of zlib": (b64(zlib.compress(MASK + bytes(50_000_000))), "inflates to more than its 3 x"),
}


@pytest.mark.parametrize(("data", "message"), PAYLOADS.values(), ids=PAYLOADS)
def test_a_damaged_payload_costs_one_item_and_a_bomb_no_memory(
    good: Project, export: Runner, data: object, message: str
) -> None:
    thing = {"classTitle": "kiwi", "bitmap": {"origin": [1, 1], "data": data}}
    good.add_bad(picture(), annotation(KIWI, thing))
    tracemalloc.start()
    try:
        done = export(good.folder)
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()
    check(done, good, "ds/ann/bad.png.json", message, 1)


BITMAPS: dict[str, tuple[object, str]] = {
    "missing": ({}, "bitmap without 'bitmap'"),
    "null": ({"bitmap": None}, "bitmap: bitmap is null"),
    "text": ({"bitmap": b64(MASK)}, "bitmap: bitmap has the wrong type: an object is needed"),
    "no data": ({"bitmap": {"origin": [1, 1]}}, "bitmap without 'data'"),
    "no origin": ({"bitmap": {"data": b64(MASK)}}, "bitmap without 'origin'"),
    "origin text": ({"bitmap": {"data": b64(MASK), "origin": "1, 1"}}, "origin"),
    "origin one": ({"bitmap": {"data": b64(MASK), "origin": [1]}}, "origin"),
    "origin far": ({"bitmap": {"data": b64(MASK), "origin": [1e300, 1]}}, FAR),
}


@pytest.mark.parametrize(("keys", "message"), BITMAPS.values(), ids=BITMAPS)
def test_a_bitmap_without_what_it_needs_costs_one_item(
    good: Project, export: Runner, keys: dict[str, object], message: str
) -> None:
    thing = {"classTitle": "kiwi", "geometryType": "bitmap", **keys}
    good.add_bad(picture(), annotation(KIWI, thing))
    check(export(good.folder), good, "ds/ann/bad.png.json", message, 1)


# ---------------------------------------------------------------- the image


def floats() -> bytes:
    file = io.BytesIO()
    Image.new("F", (12, 8)).save(file, "TIFF")
    return file.getvalue()


def bmp(width: int, height: int) -> bytes:
    header = struct.pack("<2sIHHI", b"BM", 1000, 0, 0, 54)
    return header + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6) + bytes(900)


SIZE = "pixels, but its annotation says 12 x 8"
PICTURES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "text": (b"This is no picture.", "cannot be decoded: "),
    "zeros": (bytes(5000), "cannot be decoded: "),
    "signature only": (MASK[:8], "cannot be decoded: "),
    "png cut off": (picture()[:-100], "cannot be decoded: "),
    "png without end": (picture()[:60], "cannot be decoded: "),
    "jpeg cut off": (picture(0, "JPEG")[:-100], "cannot be decoded: "),
    "jpeg header only": (picture(0, "JPEG")[:300], "cannot be decoded: "),
    "bmp cut off": (picture(0, "BMP")[:-100], "cannot be decoded: "),
    "gif cut off": (picture(0, "GIF")[:-100], "cannot be decoded: "),
    "floats": (floats(), "has samples of type float; 8 and 16 bits are supported"),
    "other size": (MASK, f"is 3 x 2 {SIZE}"),
    "turned": (png(8, 12, bytes(9 * 12)), f"is 8 x 12 {SIZE}"),
    "bmp bomb": (bmp(12_000, 12_000), f"is 12000 x 12000 {SIZE}"),
    "png bomb": (png(10_000_000, 10_000_000, b""), f"is 10000000 x 10000000 {SIZE}"),
}


@pytest.mark.parametrize(("image", "message"), PICTURES.values(), ids=PICTURES)
def test_a_picture_that_cannot_be_used_costs_one_item(
    good: Project, export: Runner, image: bytes, message: str
) -> None:
    good.add_bad(image, annotation(KIWI))
    check(export(good.folder), good, "ds/img/bad.png", message)


@pytest.mark.parametrize("human", [True, False])
@pytest.mark.parametrize(
    ("part", "instead", "guilty", "message"),
    [
        ("img/bad.png", None, "ann/bad.png.json", NO_IMAGE),
        ("img/bad.png", "folder", "ann/bad.png.json", NO_IMAGE),
        ("img/bad.png", "link", "img/bad.png", NO_FILE),
        ("ann/bad.png.json", None, "img/bad.png", NO_NOTE),
        ("ann/bad.png.json", "folder", "img/bad.png", NO_NOTE),
        ("ann/bad.png.json", "link", "ann/bad.png.json", NO_FILE),
        ("img/bad.png", "pipe", "img/bad.png", "is not a regular file"),
        ("ann/bad.png.json", "pipe", "ann/bad.png.json", "is not a regular file"),
        ("img/bad.png", "device", "img/bad.png", "is not a regular file"),
    ],
)
def test_an_item_without_one_of_its_files_is_a_failure(
    good: Project,
    export: Runner,
    part: str,
    instead: str | None,
    guilty: str,
    message: str,
    human: bool,
) -> None:
    good.add_bad(picture(), annotation())
    path = good.folder / "ds" / part
    path.unlink()
    if instead == "folder":
        path.mkdir()
    elif instead == "link":
        path.symlink_to("nowhere")
    elif instead == "device":
        path.symlink_to("/dev/zero")
    elif instead == "pipe":
        os.mkfifo(path)
    if not human:
        good.expected = good.without("masks_human")
    done = export(good.folder, config=layer(masks_human=human))
    check(done, good, f"ds/{guilty}", message)


@pytest.mark.parametrize("said", [0, 1, 4999, 5000, 5001, 100_000])
def test_a_file_that_changes_its_size_while_it_is_read_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: int
) -> None:
    monkeypatch.setattr("savemasks.line.item._MOST_AT_ONCE", 1000)
    content = os.urandom(5000)
    path = tmp_path / "file"
    path.write_bytes(content)
    file = os.open(path, os.O_RDONLY)
    try:
        assert _contents(file, said) == content
    finally:
        os.close(file)


# ---------------------------------------------------------------- no failures, and many at once


def test_objects_of_unknown_geometry_are_counted_and_named_and_the_rest_is_painted(
    good: Project, export: Runner
) -> None:
    kinds = ("hexagon", "blob\x1b[2J", "hexagon", 7)
    odd = [{"classTitle": "kiwi", "geometryType": kind} for kind in kinds]
    good.add("odd.png")
    path = good.put("ds/ann/odd.png.json", annotation(odd[0], KIWI, *odd[1:], {"classTitle": "x"}))
    good.expected["ds/ann/odd.png.json"] = path.read_bytes()
    done = export(good.folder)
    assert (done.code, done.report["failed"]) == (0, 0)
    counts = {"?": 1, "blob\x1b[2J": 1, "hexagon": 2}
    assert done.report["unsupported_objects"] == counts
    assert done.report["objects"] == {**counts, "polygon": 1, "rectangle": 3}
    note = "objects that this version does not paint: 1 x ?, 1 x blob\\x1b[2J, 2 x hexagon"
    assert f"note: {note}" in done.output.splitlines()
    same(done.tree, good.expected)


def test_objects_of_classes_without_colour_are_not_looked_into(
    good: Project, export: Runner
) -> None:
    good.add("odd.png")
    bad = {"classTitle": "somebody else's", "geometryType": "polygon", "points": "oops"}
    note = good.put("ds/ann/odd.png.json", annotation(bad, KIWI))
    good.expected["ds/ann/odd.png.json"] = note.read_bytes()
    done = export(good.folder)
    assert done.code == 0
    same(done.tree, good.expected)


@pytest.mark.parametrize("workers", [1, 3])
def test_many_failures_at_once_are_all_reported_and_every_good_item_is_there(
    good: Project, export: Runner, workers: int
) -> None:
    messages = {}
    for i, (note, message) in enumerate(FILES.values()):
        good.add_bad(picture(), note, f"f{i:02}.png")
        messages[f"f{i:02}.png"] = message
    for i, (image, message) in enumerate(PICTURES.values()):
        good.add_bad(image, annotation(KIWI), f"p{i:02}.png")
        messages[f"p{i:02}.png"] = message
    done = export(good.folder, options=(f"--workers={workers}",))
    assert done.code == 1
    errors = {name: error["message"] for name, error in done.errors.items() if name}
    assert [name for name, text in messages.items() if text not in errors[name]] == []
    assert (done.report["images"], done.report["failed"]) == (3, len(messages))
    shown = [line for line in done.output.splitlines() if line.startswith("failed: ")]
    assert shown == [f"failed: {message}" for message in errors.values()][:20]
    more = f"... and {len(messages) - 20} more; see "
    (line,) = [line for line in done.output.splitlines() if line.startswith(more)]
    assert len(Path(line.removeprefix(more)).read_bytes().splitlines()) == len(messages)
    same(done.tree, good.expected)
