"""`bitmap.data` against plain twins: a tiny PNG writer here, OpenCV and Pillow."""

import base64
import io
import itertools
import tracemalloc
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from savemasks.errors import AnnotationError
from savemasks.parse.payload import decode_masks
from support.payloads import (
    DEPTHS,
    GRAY,
    GRAY_ALPHA,
    KINDS,
    PALETTE,
    RGBA,
    SMALL,
    Bits,
    Picture,
    base64_of,
    chunk,
    header,
    payload,
    payloads,
    pictures,
    png,
    same,
    scanlines,
)


def decoded(*texts: str, canvas: tuple[int, int] = (40, 40), threshold: int = 1) -> list[Bits]:
    """The masks, after a look at the layout that `shapes.Masks` promises."""
    masks = decode_masks(payloads(*texts, threshold=threshold), canvas)
    dtypes = masks.start.dtype.name, masks.shape.dtype.name, masks.bits.dtype.name
    assert dtypes == ("int64", "int64", "uint8")
    out = []
    for i, (height, width) in enumerate(masks.shape.tolist()):
        rows = masks.bits[masks.start[i] : masks.start[i + 1]].reshape(height, -(-width // 8))
        mask = np.unpackbits(rows, axis=1).astype(np.bool_)
        assert not mask[:, width:].any()
        out.append(mask[:, :width])
    assert masks.start[0] == 0
    assert masks.start[-1] == masks.bits.size
    return out


def seen_by_opencv(picture: Picture) -> Bits:
    pixels = cv2.imdecode(np.frombuffer(png(picture), np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return np.asarray(pixels[..., 3] != 0 if pixels.shape[2] == 4 else pixels.any(axis=2))


def seen_by_pillow(picture: Picture) -> Bits:
    image = Image.open(io.BytesIO(png(picture)))
    if picture.transparent is not None or picture.colour in (GRAY_ALPHA, RGBA):
        return np.asarray(image.convert("RGBA"))[..., 3].astype(np.bool_)
    return np.asarray(np.asarray(image.convert("RGB")).any(axis=2))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_kind_of_png_gives_the_mask_that_it_means(kind: tuple[int, int, bool]) -> None:
    @settings(max_examples=15, deadline=None)
    @given(pictures(kind), st.booleans())
    def check(picture: Picture, bare: bool) -> None:
        (mask,) = decoded(payload(png(picture), bare=bare))
        assert same(mask, picture.mask)
        # OpenCV ignores the transparent level of gray pictures, Pillow knows it for 8 bits only.
        if not (picture.colour == GRAY and picture.transparent):
            assert same(mask, seen_by_opencv(picture))
        if picture.depth == 8 or picture.colour == PALETTE:
            assert same(mask, seen_by_pillow(picture))

    check()


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_kind_of_png_gives_the_alpha_that_it_means(kind: tuple[int, int, bool]) -> None:
    """Of a whole payload, and of one that the kernel does not take."""

    @settings(max_examples=25, deadline=None)
    @given(pictures(kind), st.booleans())
    def check(picture: Picture, bare: bool) -> None:
        text = payload(png(picture), bare=bare)
        fast, slow = decoded(text, text + "\n", threshold=128)
        assert same(fast, picture.alpha_mask)
        assert same(slow, picture.alpha_mask)

    check()


def levels_by_pillow(content: bytes) -> NDArray[np.int64]:
    """Levels of a gray PNG, of 8 bits or of 16."""
    image = Image.open(io.BytesIO(content))
    assert image.mode in {"1", "L", "I;16"}
    return np.asarray(image).astype(np.int64) * (255 if image.mode == "1" else 1)


@pytest.mark.parametrize("depth", DEPTHS[GRAY])
@pytest.mark.parametrize("interlace", [False, True])
def test_the_level_of_a_gray_alpha_mask_is_its_alpha(depth: int, interlace: bool) -> None:
    """As the Supervisely SDK writes them: level 0 is also said to be transparent."""
    top = (1 << depth) - 1
    rng = np.random.default_rng(depth)
    samples = rng.integers(0, top + 1, (21, 33, 1))
    samples.flat[:4] = 0, top, top // 2, top // 2 + 1
    for hidden in (None, 0, top, top // 2 + 1):
        transparent = None if hidden is None else hidden.to_bytes(2)
        content = png(Picture(samples, GRAY, depth, None, transparent, interlace=interlace))
        expected = levels_by_pillow(content) >= (0x8000 if depth == 16 else 128)
        assert same(expected, samples[..., 0] > top // 2)
        for bare in (False, True):
            text = payload(content, bare=bare)
            assert all(same(mask, expected) for mask in decoded(text, text + "\n", threshold=128))
            # For a bitmap, tRNS stays what it is.
            (mask,) = decoded(text)
            assert same(mask, samples[..., 0] != (hidden or 0))


def test_a_large_gray_alpha_mask_is_that_of_a_small_one() -> None:
    """Too large for the kernel, so inflated piece by piece."""
    samples = np.random.default_rng(3).integers(0, 256, (300, 301, 1))
    text = payload(png(Picture(samples, GRAY, 8, transparent=b"\0\0")))
    assert len(text) > 1 << 14
    (mask,) = decoded(text, canvas=(300, 301), threshold=128)
    assert same(mask, samples[..., 0] >= 128)


@settings(max_examples=40, deadline=None)
@given(st.lists(pictures(), max_size=5))
def test_several_payloads_in_one_call_do_not_touch_each_other(several: list[Picture]) -> None:
    masks = decoded(*[payload(png(p), bare=p.level == 0) for p in several])
    assert [same(m, p.mask) for m, p in zip(masks, several, strict=True)] == [True] * len(several)


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("interlace", [False, True])
def test_payloads_larger_than_a_buffer_are_whole(interlace: bool, level: int) -> None:
    samples = np.random.default_rng(7).integers(0, 2, (40, 301, 4)) * 255
    content = png(Picture(samples, RGBA, 8, interlace=interlace, filters=(0, 2), level=level))
    for bare in (False, True):
        text = payload(content, bare=bare, level=level)
        assert len(text) > 9000
        assert same(decoded(text, canvas=(40, 301))[0], samples[..., 3] != 0)


def test_ancillary_chunks_white_space_and_bytes_behind_the_end_are_passed_over() -> None:
    picture = Picture(np.random.default_rng(8).integers(0, 2, (5, 13, 1)), GRAY, 1)
    extra = [chunk(b"tEXt", b"Comment\0x" * 3000), chunk(b"pHYs", bytes(9)), chunk(b"zzZz", b"")]
    stream = zlib.compress(png(picture, *extra) + b"behind") + b"behind"
    text = base64.encodebytes(stream).decode()
    assert "\n" in text[:-1]
    assert same(decoded(text)[0], picture.mask)


@pytest.mark.parametrize(("transparent", "mask"), [(None, [0, 1, 0, 0]), (b"\0\xff", [0, 1, 1, 1])])
def test_an_index_beyond_the_palette_is_opaque_black_as_for_opencv(
    transparent: bytes | None, mask: list[bool]
) -> None:
    picture = Picture(np.arange(4).reshape(1, 4, 1), PALETTE, 8, b"\0\0\0\1\1\1", transparent)
    assert decoded(payload(png(picture)))[0].tolist() == [mask]
    assert seen_by_opencv(picture).tolist() == [mask]


def test_a_mask_larger_than_the_canvas_is_allowed_up_to_four_times() -> None:
    picture = Picture(np.ones((600, 600, 1), np.int64), GRAY, 1)
    assert decoded(payload(png(picture)), canvas=(300, 300))[0].all()
    with pytest.raises(AnnotationError, match="promises 600 x 600 pixels, more than the canvas"):
        decoded(payload(png(picture)), canvas=(200, 200))


# ---------------------------------------------------------------- damage

NOISE = Picture(np.random.default_rng(1).integers(0, 256, (70, 90, 1)), GRAY, 8)
INDEXED = Picture(SMALL.samples, PALETTE, 8, bytes(768))
LINES = b"".join(scanlines(SMALL))
GOOD = png(SMALL)
TEXT = payload(png(NOISE))
END = chunk(b"IEND", b"")


def changed(content: bytes, at: int, flip: int = 0x55) -> bytes:
    """Bytes with some bits of one of them flipped."""
    out = bytearray(content)
    out[at] ^= flip
    return bytes(out)


def with_idat(stream: bytes, *ihdr: int) -> bytes:
    """A PNG of these compressed scanlines, 8 x 6 gray unless told otherwise."""
    return header(*(ihdr or (8, 6))) + chunk(b"IDAT", stream) + END


def with_lines(lines: bytes, *ihdr: int) -> bytes:
    return with_idat(zlib.compress(lines), *ihdr)


CUT, PNG_CUT = "the zlib stream is cut off", "the PNG is cut off"
PIXELS = "the PNG has more or fewer pixels than its header says"
DAMAGED, UNREADABLE = "the PNG's pixels are damaged", "the PNG cannot be decoded"
NO_FILTER = "the PNG has a row filter that does not exist"
BAD_TEXTS = {
    "no base64 at all": ("!!! a picture ???", "not base64"),
    "no character of base64": ("@@@@", "not base64"),
    "not ASCII": ("жук", "not base64"),
    "base64 cut inside a group": (TEXT[:401], "not base64"),
    "base64 cut": (TEXT[:400], CUT),
    "long base64 cut": (TEXT[:-40], CUT),
    "nothing": ("", CUT),
    "zlib cut": (base64_of(zlib.compress(GOOD)[:-9]), CUT),
    "zlib header wrong": (base64_of(changed(zlib.compress(GOOD), 0)), "neither zlib nor PNG"),
    "zlib checksum wrong": (base64_of(changed(zlib.compress(GOOD), -1)), "Incorrect checksum"),
    "much zlib changed": (base64_of(changed(zlib.compress(png(NOISE)), 2000)), "Incorrect check"),
    "neither zlib nor PNG": (base64_of(b"GIF89a...."), "neither zlib nor PNG"),
    "zlib of something else": (payload(b"GIF89a" * 20), "no PNG inside"),
    "zlib of much else": (payload(np.random.default_rng(2).bytes(9999)), "no PNG inside"),
}
BAD_PNGS = {
    "cut in its header": (GOOD[:30], "no PNG inside"),
    "cut in its pixels": (GOOD[:60], PNG_CUT),
    "cut before its end": (GOOD[:-12], PNG_CUT),
    "a chunk longer than the file": (changed(GOOD, 33, 9), PNG_CUT),
    "checksum of IHDR": (changed(GOOD, 30), "wrong checksum of the PNG's IHDR chunk"),
    "checksum of IDAT": (changed(GOOD, -14), "wrong checksum of the PNG's IDAT chunk"),
    "checksum of PLTE": (changed(png(INDEXED), 99), "wrong checksum of the PNG's PLTE chunk"),
    "palette picture without palette": (png(replace(INDEXED, palette=None)), "PLTE"),
    "IDAT is no zlib": (with_idat(b"abcdef"), DAMAGED),
    "IDAT has a wrong checksum": (with_idat(changed(zlib.compress(LINES), -1)), DAMAGED),
    "IDAT is cut": (with_idat(zlib.compress(LINES)[:-9]), PIXELS),
    "IDAT lacks its checksum": (with_idat(zlib.compress(LINES)[:-4]), PIXELS),
    "no IDAT": (header(8, 6) + END, PIXELS),
    "a scanline too few": (with_lines(LINES[:-9]), PIXELS),
    "a byte too few": (with_lines(LINES[:-1]), PIXELS),
    "a byte too many": (with_lines(LINES + b"\0"), PIXELS),
    "a scanline too many": (with_lines(LINES + LINES[:9]), PIXELS),
    "filter 5": (with_lines(changed(LINES, 18, 5)), NO_FILTER),
    "no width": (with_lines(b"", 0, 6), "a PNG without pixels"),
    "no height": (with_lines(b"", 8, 0), "a PNG without pixels"),
    "interlace method 2": (with_lines(LINES, 8, 6, 8, GRAY, 2), UNREADABLE),
    "interlaced, too few lines": (with_lines(LINES, 99, 6, 8, GRAY, 1), UNREADABLE),
    "16 bits, too few lines": (with_lines(LINES, 8, 6, 16), UNREADABLE),
    "16 bits, filter 5": (with_lines(b"\5" * 102, 8, 6, 16), UNREADABLE),
}


def refusal(text: str) -> str:
    """What is said about a payload between two good ones."""
    with pytest.raises(AnnotationError) as caught:
        decode_masks(payloads(TEXT, text, TEXT, first=10), (100, 100))
    start, _, rest = str(caught.value).partition("bitmap.data: ")
    assert start == "object 11: "
    return rest


@pytest.mark.parametrize(("text", "message"), BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_a_damaged_payload_is_named_with_its_object(text: str, message: str) -> None:
    assert message in refusal(text)


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize(("content", "message"), BAD_PNGS.values(), ids=BAD_PNGS)
def test_a_damaged_png_is_named_with_its_object(content: bytes, message: str, bare: bool) -> None:
    assert message in refusal(payload(content, bare=bare))


@pytest.mark.parametrize("colour", [*range(8), 255])
def test_a_depth_that_a_colour_type_cannot_have_is_refused(colour: int) -> None:
    for depth in {*range(33), 255} - {*DEPTHS.get(colour, ())}:
        told = refusal(payload(with_lines(LINES, 8, 6, depth, colour)))
        assert told == f"a PNG of colour type {colour} with {depth} bits does not exist"


SEVERAL = {
    "gray": SMALL,
    "palette": Picture(SMALL.samples % 3, PALETTE, 2, b"\0\0\0\1\2\3abcABC", b"\7\0\0", pieces=2),
    "16 bits": Picture(SMALL.samples, GRAY, 16, transparent=b"\0\5"),
    "interlaced": Picture(SMALL.samples, GRAY, 8, transparent=b"\0\5", interlace=True),
}


@pytest.mark.parametrize("picture", SEVERAL.values(), ids=SEVERAL)
def test_a_cut_payload_is_refused_wherever_it_is_cut(picture: Picture) -> None:
    for content in (png(picture), zlib.compress(png(picture))):
        for size in range(len(content)):
            assert refusal(base64_of(content[:size]))


@pytest.mark.parametrize("picture", SEVERAL.values(), ids=SEVERAL)
def test_a_changed_byte_never_makes_another_mask(picture: Picture) -> None:
    for content in (png(picture), zlib.compress(png(picture))):
        for at, flip in itertools.product(range(len(content)), (0x01, 0x20, 0x55)):
            try:
                (mask,) = decoded(base64_of(changed(content, at, flip)))
            except AnnotationError:
                continue
            assert same(mask, picture.mask), at


# ---------------------------------------------------------------- bombs

ZEROS = bytes(20_000_000)
HUGE = with_lines(LINES, 100_000, 100_000)
RANDOM = np.random.default_rng(3).bytes(9999)
BOMBS = {
    "header": (payload(HUGE), "promises 100000 x 100000 pixels"),
    "bare header": (payload(HUGE, bare=True), "promises 100000 x 100000 pixels"),
    "RGBA header": (payload(header(1, 2**31, 16, RGBA)), "promises 1 x 2147483648 pixels"),
    "interlaced": (payload(header(2**32 - 1, 2**32 - 1, 8, 6, 1)), "promises 4294967295 x"),
    "header before noise": (payload(header(50_000, 50_000) + RANDOM), "promises 50000 x"),
    "zlib": (payload(GOOD + ZEROS), "inflates to more than its 8 x 6 pixels need"),
    "zlib without a PNG": (payload(ZEROS), "no PNG inside"),
    "small zlib": (payload(header(8, 6) + ZEROS[:1_000_000]), "the PNG is cut off|wrong checksum"),
    "IDAT": (payload(with_lines(ZEROS)), PIXELS),
    "bare IDAT": (payload(with_lines(ZEROS), bare=True), PIXELS),
    "twice": (payload(with_lines(zlib.compress(ZEROS))), PIXELS),
}


@pytest.mark.parametrize(("text", "message"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_without_taking_its_memory(text: str, message: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(AnnotationError, match=message) as caught:
            decode_masks(payloads(text, first=5), (10, 10))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.object_index == 5
    assert peak < 8_000_000
