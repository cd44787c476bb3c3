"""The short way of PNGs leads to exactly what libvips makes of them, or to libvips."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from savemasks.encode.general import encode_png
from savemasks.encode.png import Layout, frame
from savemasks.kernels.pictures.unfilter import _paeth
from savemasks.pictures import decode_png
from savemasks.pictures.headers import UnusualError
from support.decoding import (
    KINDS,
    NOISE,
    SIZES,
    by_opencv,
    chunk,
    expect_as_libvips,
    header_of,
    png,
    scanlines,
    short_way,
)

pytestmark = pytest.mark.usefixtures("no_libvips_cache")


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


@pytest.mark.parametrize("colour", [2, 6])
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 2), (3, 2), (9, 7), (12, 130)])
@pytest.mark.parametrize("filters", [[0], [1], [2], [3], [4], [4, 4, 4, 2], [1, 4, 2, 4, 3, 4, 4]])
@pytest.mark.parametrize("grays", [0, 1, 2, 3, 4, 12])
def test_pngs_of_colours_with_rows_that_have_only_grays(
    colour: int, size: tuple[int, int], filters: list[int], grays: int
) -> None:
    channels = {2: 3, 6: 4}[colour]
    rows = np.frombuffer(scanlines(size, (colour, 8), filters, 1), np.uint8).reshape(size[0], -1)
    pixels = rows[:grays, 1:].reshape(-1, size[1], channels).copy()
    pixels[:, :, 1:3] = pixels[:, :, :1]
    rows = rows.copy()
    rows[:grays, 1:] = pixels.reshape(-1, size[1] * channels)
    data = png(rows.tobytes(), size, (colour, 8))
    decoded = short_way(data)
    assert decoded is not None
    assert expect_as_libvips(data) == (size, decoded.tobytes())
    assert (decoded[:grays, :, :1] == decoded[:grays]).all()


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("place", [(0, 0), (4, 6), (5, 6), (8, 0)])
def test_one_pixel_of_colour_among_grays(place: tuple[int, int], channel: int) -> None:
    size = (9, 7)
    rows = np.full((9, 22), 4, np.uint8)
    rows[:, 1:] = np.repeat(np.arange(63, dtype=np.uint8), 3).reshape(9, 21)
    rows[place[0], 1 + 3 * place[1] + channel] ^= 1
    data = png(rows.tobytes(), size, (2, 8))
    decoded = short_way(data)
    assert decoded is not None
    assert expect_as_libvips(data) == (size, decoded.tobytes())
    y, x = place
    assert len({*decoded[y, x].tolist()}) == 2


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


def test_rows_without_filters_are_samples_as_they_are_stored() -> None:
    samples = np.random.default_rng(0).integers(0, 256, (21, 34), np.uint8)
    rows = np.zeros((21, 35), np.uint8)
    rows[:, 1:] = samples

    def read(data: bytes) -> NDArray[np.uint8]:
        return decode_png.decode_gray(data, decode_png.read_header(data))

    sound = b"".join(frame(zlib.compress(rows.tobytes()), Layout.of(samples)))
    assert np.array_equal(read(sound), samples)
    filtered = rows.copy()
    filtered[7, 0] = 2
    colorful = Layout(21, 34, 1, 8, bytes(6))
    for unusual in (
        b"".join(frame(zlib.compress(filtered.tobytes()), Layout.of(samples))),
        b"".join(frame(zlib.compress(rows.tobytes()), colorful)),
        b"".join(frame(zlib.compress(rows[:-1].tobytes()), Layout.of(samples))),
        b"".join(encode_png(samples.astype(np.uint16))),
        sound[:60] + bytes([sound[60] ^ 1]) + sound[61:],
    ):
        with pytest.raises(UnusualError):
            read(unusual)
