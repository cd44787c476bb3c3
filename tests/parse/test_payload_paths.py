"""The two ways of a payload: through the kernel, and one by one. They must not differ."""

import os
import subprocess
import sys
import tracemalloc
import zlib
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savemasks.errors import AnnotationError
from savemasks.kernels.parse.bitmaps import DONE, decode
from savemasks.layers.save_masks import SaveMasks
from savemasks.line import warmup
from savemasks.line.plan import Plan
from savemasks.parse import payload as module
from savemasks.parse.payload import decode_masks
from support import TESTS
from support.payloads import (
    GRAY,
    PALETTE,
    RGBA,
    Picture,
    base64_of,
    payload,
    payloads,
    pictures,
    png,
)

Outcome = str | tuple[list[list[int]], bytes]


def outcome(*texts: str, threshold: int = 1, canvas: tuple[int, int] = (40, 40)) -> Outcome:
    """Masks, or the message."""
    try:
        masks = decode_masks(payloads(*texts, threshold=threshold), canvas)
    except AnnotationError as error:
        return str(error)
    sizes = [height * (-(-width // 8)) for height, width in masks.shape.tolist()]
    assert masks.start.tolist() == [*accumulate(sizes, initial=0)]
    return masks.shape.tolist(), masks.bits.tobytes()


def folded(text: str) -> str:
    """The same payload, but not as the kernel takes it."""
    return text + "\n"


@settings(max_examples=300, deadline=None)
@given(pictures(), st.booleans(), st.sampled_from([1, 128]), st.sampled_from([40, 10]))
def test_both_ways_give_the_same_mask(
    picture: Picture, bare: bool, threshold: int, side: int
) -> None:
    text = payload(png(picture), bare=bare, level=picture.level)
    canvas = side, side
    fast, slow = (outcome(t, threshold=threshold, canvas=canvas) for t in (text, folded(text)))
    assert fast == slow


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_large_payloads_are_inflated_a_few_rows_at_a_time(
    monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    @settings(max_examples=100, deadline=None)
    @given(pictures(), st.integers(0, 2**32))
    def check(picture: Picture, seed: int) -> None:
        _, width, channels = picture.samples.shape
        content = png(picture)
        damaged = bytearray(content)
        damaged[np.random.default_rng(seed).integers(33, len(content))] ^= 4
        for text in (payload(content), payload(bytes(damaged))):
            monkeypatch.undo()
            whole = outcome(folded(text))
            stride = 1 + (width * channels * picture.depth + 7) // 8
            monkeypatch.setattr(module, "_PIECE", rows * stride)
            monkeypatch.setattr(module, "_SLICE", 3)
            assert outcome(folded(text)) == whole

    check()


def test_a_bitmap_of_the_whole_frame_is_never_a_byte_a_pixel() -> None:
    samples = np.broadcast_to(np.arange(5000)[None, :, None] % 3, (4000, 5000, 1))
    text = payload(png(Picture(samples, GRAY, 8)))
    outcome(folded(payload(png(Picture(samples[:2, :9], GRAY, 8)))))  # loads the kernels
    given_payloads = payloads(text)
    tracemalloc.start()
    try:
        masks = decode_masks(given_payloads, (4000, 5000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert masks.bits.tobytes() == np.packbits(samples[..., 0] > 0, axis=1).tobytes()
    assert peak < 12_000_000  # the mask has 2.5 MB, its pixels have 20


@settings(max_examples=60, deadline=None)
@given(pictures(), st.booleans(), st.integers(0, 2**32))
def test_both_ways_take_damage_alike(picture: Picture, bare: bool, seed: int) -> None:
    """Damage inside the PNG with checksums outside made right, and damage of the whole."""
    rng = np.random.default_rng(seed)
    for _ in range(20):
        content = bytearray(png(picture))
        content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        text = payload(bytes(content), bare=bare)
        assert outcome(text) == outcome(folded(text))
        raw = bytearray(zlib.compress(png(picture), picture.level))
        raw[rng.integers(len(raw))] ^= 1 << int(rng.integers(8))
        text = base64_of(bytes(raw))
        assert outcome(text) == outcome(folded(text))
        at = int(rng.integers(len(text)))
        text = text[:at] + chr(rng.integers(33, 300)) + text[at + 1 :]
        assert outcome(text) == outcome(folded(text))


@pytest.mark.parametrize("tail", ["", "=", "==", "===", "A", "AA=", "A===", "AB==", "AAB=", "=A=="])
def test_both_ways_read_padding_alike(tail: str) -> None:
    content = png(Picture(np.ones((3, 5, 1), np.int64), GRAY, 1))
    text = base64_of(content + bytes(-len(content) % 3)) + tail
    assert outcome(text) == outcome(folded(text))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(pictures(), st.booleans()), min_size=1, max_size=9))
def test_masks_of_both_ways_keep_their_order(several: list[tuple[Picture, bool]]) -> None:
    texts = [payload(png(picture)) for picture, _ in several]
    mixed = [folded(t) if fold else t for t, (_, fold) in zip(texts, several, strict=True)]
    assert outcome(*mixed) == outcome(*map(folded, texts))


def test_masks_that_leave_no_room_for_others_are_decoded_all() -> None:
    rng = np.random.default_rng(5)
    samples = [np.repeat(rng.integers(0, 2, (200, 1, 1)), 3000, axis=1) for _ in range(12)]
    texts = [payload(png(Picture(each, GRAY, 1))) for each in samples]
    masks = decode_masks(payloads(*texts), (1000, 1000))
    assert masks.bits.tobytes() == b"".join(
        np.packbits(x[..., 0], axis=1).tobytes() for x in samples
    )


def test_pixels_are_counted_over_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    text = payload(png(Picture(np.ones((10, 10, 1), np.int64), GRAY, 1)))
    monkeypatch.setattr(module, "MAX_MASK_PIXELS", 300)
    assert not isinstance(outcome(text, folded(text), text), str)
    for last in (text, folded(text)):
        told = outcome(text, folded(text), text, last)
        assert isinstance(told, str)
        assert told.startswith("object 3: bitmap.data: the annotation's bitmaps have more than 300")


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize(
    ("colour", "depth", "level"), [(PALETTE, 1, 1), (GRAY, 8, 1), (RGBA, 8, 1), (GRAY, 8, 128)]
)
def test_everyday_payloads_go_through_the_kernel(
    colour: int, depth: int, level: int, pieces: int
) -> None:
    samples = np.random.default_rng(4).integers(0, 2, (30, 20, 4 if colour == RGBA else 1))
    palette = b"\0\0\0\xff\xff\xff" if colour == PALETTE else None
    hidden = b"\0\xff" if colour == PALETTE else b"\0\0" if level > 1 else None
    picture = Picture(samples, colour, depth, palette, hidden, filters=range(5), pieces=pieces)
    for bare in (False, True):
        text = np.frombuffer(payload(png(picture), bare=bare).encode(), np.uint8)
        spans = np.array([[0, text.size, level]])
        shape, bits, made = np.zeros((1, 2), np.int64), np.empty(90, "u1"), np.zeros(2, np.int64)
        assert decode(text, spans, 0, 9999, 9999, made, shape, bits) == (1, DONE, 90)
        assert decode(text, spans, 0, 9999, 9999, made, shape, bits[:89])[1] != DONE
        assert decode(text, spans, 0, 599, 9999, made, shape, bits)[1] != DONE
        assert decode(text, spans, 0, 9999, 599, made, shape, bits)[1] != DONE


def test_nothing_is_compiled_after_the_warm_up() -> None:
    """Neither way needs a kernel that `warm_up` has not called."""
    program = (
        "from savemasks.kernels.parse import bitmaps as payload, scanlines\n"
        "from parse import test_payload_paths as t\n"
        "from support import payloads as p\n"
        "t.warm_up()\n"
        "count = lambda: [len(k.signatures) for k in (payload.decode, scanlines.unpack)]\n"
        "before = count()\n"
        "text = p.payload(p.png(p.SMALL))\n"
        "assert not isinstance(t.outcome(text, t.folded(text)), str)\n"
        "assert before == count() and min(before) > 0, (before, count())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=TESTS,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def warm_up() -> None:
    """Warm up a painter of one class."""
    mapping = {"kiwi": [255, 0, 0]}
    options = {"masks_machine": True, "masks_human": False, "gt_machine_color": mapping}
    layer = {"action": "save_masks", "src": ["$a"], "dst": "$b", "settings": options}
    warmup.warm_up(Plan.of(SaveMasks.from_json(layer)))


@pytest.mark.slow
@pytest.mark.skipif("NUMBA_BOUNDSCHECK" in os.environ, reason="this is the checked process")
def test_no_payload_makes_a_kernel_leave_an_array(tmp_path: Path) -> None:
    """The tests that damage payloads with every index checked, in a process of its own."""
    environment = {
        **os.environ, "NUMBA_BOUNDSCHECK": "1",
        # Checked code is other code: it must not get into the cache of the unchecked.
        "SAVEMASKS_CACHE_DIR": str(tmp_path),
    }  # fmt: skip
    files = [str(TESTS / f"{n}.py") for n in ("parse/test_payload_paths", "kernels/test_inflate")]
    chosen = "codes_are or damage or padding or changed or cut or noise or any_stream or everyday"
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "-x", "-k", chosen, *files]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
