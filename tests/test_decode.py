"""The short ways of JPEGs and PNGs lead to exactly what libvips makes of them, or to libvips."""

import io
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any, NoReturn

import cv2
import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from savemasks import decode_jpeg, decode_png
from savemasks.errors import ImageError
from savemasks.headers import Header, UnusualError, exif_orientation
from savemasks.images import Original
from savemasks.kernels.unfilter import _paeth
from savemasks.scratch import Scratch

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
KINDS = [(0, 1), (0, 2), (0, 4), (0, 8), (2, 8), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (6, 8)]
SIZES = [(1, 1), (1, 7), (9, 1), (2, 3), (13, 37), (40, 17)]
Outcome = tuple[Any, ...]


@pytest.fixture(autouse=True)
def _no_cache() -> Iterator[None]:
    """Without libvips's cache: it would remember one outcome for both ways."""
    most = pyvips.cache_get_max()
    pyvips.cache_set_max(0)
    yield
    pyvips.cache_set_max(most)


def refuse(_: bytes) -> NoReturn:
    raise UnusualError


def is_png(data: bytes) -> bool:
    return data.startswith(b"\x89PNG")


def header_of(data: bytes) -> Header | None:
    """Header as the short way reads it, None if it is unusual."""
    read_header = decode_png.read_header if is_png(data) else decode_jpeg.read_header
    try:
        return read_header(data)
    except UnusualError:
        return None


@contextmanager
def long_way() -> Iterator[None]:
    """Leave everything to libvips."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (decode_jpeg, decode_png):
            patch.setattr(module, "read_header", refuse)
        yield


def outcome(data: bytes) -> Outcome:
    """Size and pixels, or what went wrong where.

    What libvips says of pixels that it cannot decode depends on which of its threads was first.
    """
    size = None
    pyvips.vips_lib.vips_error_clear()  # of what libvips warned of in earlier pictures
    try:
        original = Original(data)
        size = original.size
        return (size, original.pixels(Scratch()).tobytes())
    except ImageError as error:
        return size, str(error) if size is None else str(error).partition(":")[0]


def expect_as_libvips(data: bytes) -> Outcome:
    made = outcome(data)
    with long_way():
        expected = outcome(data)
    assert made == expected
    return made


def short_way(data: bytes) -> NDArray[np.uint8] | None:
    """What the short way alone makes of a picture."""
    header = header_of(data)
    decode = decode_png.decode if is_png(data) else decode_jpeg.decode
    try:
        return decode(data, header, Scratch()) if header else None
    except UnusualError:
        return None


def chunk(name: bytes, content: bytes, crc: int | None = None) -> bytes:
    crc = zlib.crc32(name + content) if crc is None else crc
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def png(
    scanlines: bytes,
    size: tuple[int, int],
    kind: tuple[int, int],
    *,
    before: bytes = b"",
    between: bytes = b"",
    parts: int = 1,
    interlace: int = 0,
    stream: bytes | None = None,
    palette: bytes | None = None,
) -> bytes:
    """A PNG of filtered scanlines; `kind` is colour type and bits per sample."""
    colour, depth = kind
    stream = zlib.compress(scanlines) if stream is None else stream
    header = struct.pack(">IIBBBBB", size[1], size[0], depth, colour, 0, 0, interlace)
    if palette is None and colour == 3:
        palette = np.random.default_rng(7).bytes(3 << depth)
    at = [len(stream) * i // parts for i in range(parts + 1)]
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            before,
            chunk(b"PLTE", palette) if palette is not None else b"",
            between,
            *(chunk(b"IDAT", stream[a:b]) for a, b in pairwise(at)),
            chunk(b"IEND", b""),
        ]
    )


def scanlines(size: tuple[int, int], kind: tuple[int, int], filters: list[int], seed: int) -> bytes:
    """Rows of noise with the filters in turn: every byte sequence is some picture."""
    stride = (size[1] * kind[1] * CHANNELS[kind[0]] + 7) // 8
    rows = np.random.default_rng(seed).integers(0, 256, (size[0], stride + 1)).astype(np.uint8)
    rows[:, 0] = np.resize(filters, size[0])
    return rows.tobytes()


def by_opencv(data: bytes) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(
        np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    )
    assert decoded is not None
    return decoded[:, :, ::-1].astype(np.uint8)


# PNG


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("filters", [[0], [1], [2], [3], [4], [4, 3, 2, 1, 0], [1, 4, 2, 3]])
def test_every_filter_of_every_kind_of_png(
    size: tuple[int, int], kind: tuple[int, int], filters: list[int]
) -> None:
    data = png(scanlines(size, kind, filters, 1), size, kind, parts=1 + size[0] % 3)
    pixels = short_way(data)
    assert pixels is not None
    assert pixels.shape == (*size, 3)
    assert expect_as_libvips(data) == (size, pixels.tobytes())
    if kind[0] not in (4, 6):  # OpenCV blends some alpha
        assert np.array_equal(pixels, by_opencv(data))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.lists(st.integers(0, 5), min_size=1, max_size=30),
    st.integers(1, 4),
    st.integers(0, 1 << 30),
)
def test_any_png(
    kind: tuple[int, int], size: tuple[int, int], filters: list[int], parts: int, seed: int
) -> None:
    expect_as_libvips(png(scanlines(size, kind, filters, seed), size, kind, parts=parts))


def test_paeth_picks_the_nearest_neighbour() -> None:
    paeth = getattr(_paeth, "py_func", _paeth)
    values = [*range(0, 256, 15), 1, 2, 127, 128, 254]
    for a in values:
        for b in values:
            for c in values:
                nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))
                assert paeth(a, b, c) == nearest[2]


NOISE = np.random.default_rng(3).bytes(300)
EXIF = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
EXTRAS = {
    "gamma": chunk(b"gAMA", struct.pack(">I", 45455)),
    "gamma of noise": chunk(b"gAMA", NOISE[:4]),
    "gamma too long": chunk(b"gAMA", NOISE[:9]),
    "colours": chunk(b"cHRM", NOISE[:32]),
    "srgb": chunk(b"sRGB", b"\0"),
    "profile": chunk(b"iCCP", b"x\0\0" + zlib.compress(NOISE)),
    "profile of noise": chunk(b"iCCP", NOISE),
    "resolution": chunk(b"pHYs", struct.pack(">IIB", 3000, 3000, 1)),
    "time": chunk(b"tIME", NOISE[:7]),
    "background": chunk(b"bKGD", b"\0\1\0\2\0\3"),
    "significant bits": chunk(b"sBIT", b"\5\5\5"),
    "text": chunk(b"tEXt", b"Title\0something"),
    "texts": chunk(b"tEXt", b"Title\0something") * 300,
    "compressed text": chunk(b"zTXt", b"Title\0\0" + zlib.compress(b"something")),
    "compressed text of noise": chunk(b"zTXt", b"Title\0\0" + NOISE),
    "unicode": chunk(b"iTXt", b"Title\0\0\0\0\0caf\xc3\xa9"),
    "raw profile": chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 26\n" + EXIF.hex().encode()),
    "bad checksum": chunk(b"tEXt", b"Title\0something", 1),
    "exif": chunk(b"eXIf", EXIF),
    "exif, bad checksum": chunk(b"eXIf", EXIF, 1),
    "exif twice": chunk(b"eXIf", EXIF) + chunk(b"eXIf", EXIF.replace(b"\x06", b"\x03")),
    "exif of noise": chunk(b"eXIf", NOISE),
    "unknown": chunk(b"abCd", NOISE),
    "unknown and needed": chunk(b"ABCD", NOISE),
    "no letters": chunk(b"\0\0\0\0", NOISE),
    "end": chunk(b"IEND", b""),
    "header": chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 5, 8, 2, 0, 0, 0)),
    "palette": chunk(b"PLTE", NOISE[:30]),
    "empty palette": chunk(b"PLTE", b""),
    "odd palette": chunk(b"PLTE", NOISE[:31]),
    "animation": chunk(b"acTL", struct.pack(">II", 1, 0)),
}


@pytest.mark.parametrize("extra", EXTRAS.values(), ids=EXTRAS)
@pytest.mark.parametrize("kind", [(0, 2), (0, 8), (2, 8), (3, 4), (4, 8), (6, 8)])
@pytest.mark.parametrize("place", ["before", "between"])
def test_chunks_around_the_pixels(extra: bytes, kind: tuple[int, int], place: str) -> None:
    size = (5, 3)
    content = scanlines(size, kind, [4, 3], 2)
    expect_as_libvips(png(content, size, kind, **{place: extra}))  # type: ignore[arg-type]


def test_texts_that_some_versions_of_libvips_take_for_exif_are_left_to_it() -> None:
    content = scanlines((5, 3), (2, 8), [0], 2)
    for name, usual in (("text", True), ("raw profile", False)):
        data = png(content, (5, 3), (2, 8), before=EXTRAS[name])
        assert (header_of(data) is not None) == usual


@pytest.mark.parametrize("kind", [(0, 1), (0, 8), (2, 8), (3, 2), (3, 8)])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 6, 12, 256])
def test_transparency_beside_the_pixels(kind: tuple[int, int], length: int) -> None:
    size = (5, 9)
    content = scanlines(size, kind, [4, 1], 2)
    expect_as_libvips(png(content, size, kind, between=chunk(b"tRNS", bytes(range(length)))))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("colours", [0, 1, 2, 3, 5, 200, 256, 257])
def test_palettes_that_are_too_short_or_too_long(depth: int, colours: int) -> None:
    size = (9, 9)
    palette = np.random.default_rng(1).bytes(3 * colours)
    expect_as_libvips(png(scanlines(size, (3, depth), [1], 3), size, (3, depth), palette=palette))


@pytest.mark.parametrize("kind", [(2, 16), (0, 16), (6, 16), (2, 4), (3, 16), (5, 8), (2, 0)])
@pytest.mark.parametrize("interlace", [0, 1, 2])
def test_kinds_that_are_left_to_libvips(kind: tuple[int, int], interlace: int) -> None:
    content = scanlines((5, 9), (kind[0] if kind[0] != 5 else 2, kind[1]), [0], 3)
    data = png(content, (5, 9), kind, interlace=interlace, palette=NOISE[:48])
    assert short_way(data) is None
    expect_as_libvips(data)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (10_000_001, 1), (1, 10_000_001), (1 << 31, 1)])
def test_sizes_beyond_the_limits(size: tuple[int, int]) -> None:
    data = png(bytes(100), size, (2, 8))
    assert header_of(data) is None
    expect_as_libvips(data)


def deflated(scanlines: bytes, window: int) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, window)
    return engine.compress(scanlines) + engine.flush()


def test_streams_that_are_not_exactly_the_pixels() -> None:
    size, kind = (40, 300), (2, 8)
    content = scanlines(size, kind, [2], 5)[: 40 * 901 // 2] * 2  # repeats far back
    stream = deflated(content, 15)
    streams = [
        zlib.compress(content + b"\0"),
        zlib.compress(content + bytes(50_000)),
        zlib.compress(content[:-1]),
        stream + b"rest",
        stream[:-4] + b"sum!",
        stream[:-1],
        stream[:5],
        b"",
        b"\x78\x9d" + stream[2:],
        b"\x18\x19" + stream[2:],  # promises a window of 512 bytes
        b"\x79\x9c" + stream[2:],
        zlib.compress(content)[2:-4],
    ]
    good = png(content, size, kind, stream=stream)
    assert short_way(good) is not None
    expect_as_libvips(good)
    for bad in streams:
        data = png(b"", size, kind, stream=bad)
        assert short_way(data) is None
        expect_as_libvips(data)


def test_a_bomb_of_pixels_takes_no_more_memory_than_its_size() -> None:
    stream = zlib.compress(bytes(1 << 26))
    for bad in (stream, stream[:100], b"\x78\x9c", b""):
        tracemalloc.start()
        with pytest.raises(UnusualError):
            decode_png._inflate(bad, 1000)
        assert tracemalloc.get_traced_memory()[1] < 200_000
        tracemalloc.stop()


def small_pngs() -> list[bytes]:
    size = (4, 5)
    extras = EXTRAS["text"] + EXTRAS["exif"]
    return [png(scanlines(size, k, [4, 3, 1], 4), size, k, before=extras, parts=2) for k in KINDS]


@pytest.mark.parametrize("data", small_pngs(), ids=map(str, KINDS))
def test_pngs_cut_off_anywhere(data: bytes) -> None:
    for end in range(1, len(data)):
        expect_as_libvips(data[:end])


@pytest.mark.parametrize("length", [0, 1, 5_000_000, 60_000_000, (1 << 31) - 1, 1 << 31, 2**32 - 1])
def test_pixels_that_promise_to_be_long(length: int) -> None:
    for size in ((4, 5), (4000, 5000)):
        data = png(bytes(64), size, (2, 8))
        at = data.index(b"IDAT") - 4
        expect_as_libvips(data[:at] + struct.pack(">I", length) + data[at + 4 :])


@pytest.mark.parametrize("data", small_pngs(), ids=map(str, KINDS))
def test_pngs_with_any_byte_damaged(data: bytes) -> None:
    rng = np.random.default_rng(len(data))
    for i in range(len(data)):
        flip = 1 << int(rng.integers(8))
        expect_as_libvips(data[:i] + bytes([data[i] ^ flip]) + data[i + 1 :])


def test_pngs_with_damaged_chunks_of_the_right_checksum() -> None:
    rng = np.random.default_rng(5)
    size, kind = (4, 5), (3, 4)
    stream = zlib.compress(scanlines(size, kind, [4, 1], 4))
    for i in range(len(stream)):
        bad = bytearray(stream)
        bad[i] ^= 1 << int(rng.integers(8))
        expect_as_libvips(png(b"", size, kind, stream=bytes(bad)))


# JPEG


def photo(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    rng = np.random.default_rng(height * 1000 + width)
    noise = rng.integers(0, 256, (height, width, channels)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (5, 5), 1.5).reshape(noise.shape).astype(np.uint8)


def jpeg(pixels: NDArray[np.uint8], *options: int) -> bytes:
    ok, data = cv2.imencode(".jpg", pixels, options)
    assert ok
    return data.tobytes()


SAMPLINGS = [0x411111, 0x221111, 0x211111, 0x121111, 0x111111]


@pytest.mark.parametrize("size", [(1, 1), (1, 17), (23, 1), (8, 8), (16, 16), (33, 47), (65, 130)])
@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("restart", [0, 1, 3])
def test_every_sampling_of_jpeg(
    size: tuple[int, int], sampling: int, progressive: int, restart: int
) -> None:
    options = [
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        sampling,
        cv2.IMWRITE_JPEG_PROGRESSIVE,
        progressive,
        cv2.IMWRITE_JPEG_RST_INTERVAL,
        restart,
    ]
    for quality in (30, 95):
        data = jpeg(photo(*size), *options, cv2.IMWRITE_JPEG_QUALITY, quality)
        pixels = short_way(data)
        assert pixels is not None
        assert expect_as_libvips(data) == (size, pixels.tobytes())
        assert np.array_equal(pixels, by_opencv(data))


def by_pillow(mode: str, size: tuple[int, int] = (33, 47), **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo(*size)).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def exif_of(orientation: int, byte_order: str) -> bytes:
    mark = {"<": b"II*\0", ">": b"MM\0*"}[byte_order]
    return (
        mark
        + struct.pack(
            byte_order + "IHHHIHHHHII", 8, 2, 0x0112, 3, 1, orientation, 0, 0x0128, 3, 1, 2
        )
        + bytes(8)
    )


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


PLAIN = by_pillow("RGB")
JPEGS = {
    "plain": PLAIN,
    "gray": by_pillow("L"),
    "gray, progressive": by_pillow("L", progressive=True),
    "profile": by_pillow("RGB", icc_profile=np.random.default_rng(0).bytes(150_000)),
    "comment": by_pillow("RGB", comment=b"something"),
    "optimized": by_pillow("RGB", optimize=True, quality=100),
    "rgb": by_pillow("RGB", keep_rgb=True),
    "xmp": PLAIN[:2] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>") + PLAIN[2:],
    "adobe": PLAIN[:2] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\x01") + PLAIN[20:],
    "adobe and jfif": PLAIN[:20] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\x01") + PLAIN[20:],
    "adobe rgb": PLAIN[:2] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\0") + PLAIN[20:],
    "neither jfif nor adobe": PLAIN[:2] + PLAIN[20:],
    "bytes behind": PLAIN + b"more",
    "exif": PLAIN[:2] + segment(0xE1, b"Exif\0\0" + exif_of(1, "<")) + PLAIN[2:],
}
SMALL_JPEGS = {
    "color": by_pillow("RGB", (9, 17)),
    "progressive": by_pillow("RGB", (9, 17), progressive=True, exif=exif_of(6, ">")),
    "gray": by_pillow("L", (9, 17), restart_marker_blocks=1, icc_profile=NOISE),
}
ODD_JPEGS = {
    "cmyk": by_pillow("CMYK"),
    "12 bits": PLAIN.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
    "extended": PLAIN.replace(b"\xff\xc0\0\x11", b"\xff\xc9\0\x11"),
    "lossless": PLAIN.replace(b"\xff\xc0\0\x11", b"\xff\xc3\0\x11"),
    "two frames": PLAIN.replace(
        b"\xff\xc0\0\x11", PLAIN[PLAIN.index(b"\xff\xc0") :][:19] + b"\xff\xc0\0\x11"
    ),
    "no rows": PLAIN.replace(b"\xff\xc0\0\x11\x08\0\x21", b"\xff\xc0\0\x11\x08\0\0"),
    "parts": PLAIN[:2] + segment(0xE2, b"MPF\0" + bytes(50)) + PLAIN[2:],
    "gain map": PLAIN[:2] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0hdrgm") + PLAIN[2:],
    "exif of noise": PLAIN[:2] + segment(0xE1, b"Exif\0\0" + NOISE) + PLAIN[2:],
    "exif twice": PLAIN[:2] + 2 * segment(0xE1, b"Exif\0\0" + exif_of(1, ">")) + PLAIN[2:],
    "garbage between": PLAIN[:20] + b"garbage" + PLAIN[20:],
    "fill byte": PLAIN[:20] + b"\xff" + PLAIN[20:],
    "table too long": PLAIN[:20] + segment(0xDB, bytes(70)) + PLAIN[20:],
    "segment of one byte": PLAIN[:20] + b"\xff\xe5\0\x01" + PLAIN[20:],
    "start only": b"\xff\xd8",
}


@pytest.mark.parametrize("data", JPEGS.values(), ids=JPEGS)
def test_kinds_of_jpeg(data: bytes) -> None:
    pixels = short_way(data)
    assert pixels is not None
    assert expect_as_libvips(data) == ((33, 47), pixels.tobytes())
    assert np.array_equal(pixels, by_opencv(data))


@pytest.mark.parametrize("data", ODD_JPEGS.values(), ids=ODD_JPEGS)
def test_jpegs_that_are_left_to_libvips(data: bytes) -> None:
    assert header_of(data) is None
    expect_as_libvips(data)


@pytest.mark.parametrize("data", SMALL_JPEGS.values(), ids=SMALL_JPEGS)
def test_jpegs_cut_off_or_damaged_anywhere(data: bytes) -> None:
    assert short_way(data) is not None
    rng = np.random.default_rng(len(data))
    for i in range(2, len(data)):
        expect_as_libvips(data[:i])
        flip = 1 << int(rng.integers(8))
        expect_as_libvips(data[:i] + bytes([data[i] ^ flip]) + data[i + 1 :])


def test_progressive_jpegs_that_lack_their_last_scans() -> None:
    data = JPEGS["gray, progressive"]
    scans = [i for i in range(len(data)) if data.startswith(b"\xff\xda", i)]
    assert len(scans) > 3
    for at in scans[1:]:
        expect_as_libvips(data[:at] + b"\xff\xd9")


# headers


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_the_orientation_is_in_the_size(orientation: int, byte_order: str) -> None:
    exif = exif_of(orientation, byte_order)
    usual = 1 <= orientation <= 8
    if usual:
        assert exif_orientation(exif) == orientation
    picture = png(scanlines((5, 3), (2, 8), [0], 2), (5, 3), (2, 8), before=chunk(b"eXIf", exif))
    photo = PLAIN[:2] + segment(0xE1, b"Exif\0\0" + exif) + PLAIN[2:]
    for data in (picture, photo):
        header = header_of(data)
        assert (header is not None) == usual
        expect_as_libvips(data)
        if header:
            assert header.orientation == orientation
            assert header.upright_size == Original(data).size


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_exif_data(data: st.DataObject) -> None:
    exif = bytearray(exif_of(data.draw(st.integers(0, 9)), data.draw(st.sampled_from("<>"))))
    for _ in range(data.draw(st.integers(0, 4))):
        exif[data.draw(st.integers(0, len(exif) - 1))] = data.draw(st.integers(0, 255))
    del exif[data.draw(st.integers(8, len(exif))) :]
    photo = PLAIN[:2] + segment(0xE1, b"Exif\0\0" + exif) + PLAIN[2:]
    picture = png(
        scanlines((5, 3), (2, 8), [0], 2), (5, 3), (2, 8), before=chunk(b"eXIf", bytes(exif))
    )
    expect_as_libvips(photo)
    expect_as_libvips(picture)


def test_the_first_part_of_a_file_is_enough_for_its_header() -> None:
    big = jpeg(photo(600, 800), cv2.IMWRITE_JPEG_QUALITY, 95)
    assert header_of(big[:2000]) == (600, 800, 1)
    picture = png(scanlines((50, 30), (2, 8), [0], 2), (50, 30), (2, 8))
    assert header_of(picture[:60]) == (50, 30, 1)
    for data in (big, picture):
        full = header_of(data)
        sure = [header_of(data[:n]) for n in range(1, 1000)]
        assert {*sure} == {None, full}
        assert sure == sorted(sure, key=lambda header: header is not None)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_hostile_bytes_are_not_surely_a_header(noise: bytes) -> None:
    for start in (b"\xff\xd8", b"\x89PNG\r\n\x1a\n"):
        assert header_of(start + noise) is None
    with suppress(UnusualError):
        exif_orientation(b"II*\0" + noise)


def test_pixels_lie_in_the_scratch_memory() -> None:
    scratch = Scratch()
    for data in (PLAIN, png(scanlines((33, 47), (2, 8), [4], 2), (33, 47), (2, 8))):
        pixels = Original(data).pixels(scratch)
        assert np.shares_memory(pixels, scratch.take("original", (33, 47, 3)))
