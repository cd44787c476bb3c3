"""`bitmap.data` of any PNG: a tiny writer of PNGs, and what they mean."""

import base64
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from savemasks.parse.payload import PayloadList, Payloads

Bits = NDArray[np.bool_]
GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGBA: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
KINDS = [(c, d, t) for c in DEPTHS for d in DEPTHS[c] for t in (False, True) if not t or c < 4]
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2)]  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """What a PNG says, and how; `mask` is what it means, by a plain twin of the rule."""

    samples: NDArray[np.int64]
    colour: int
    depth: int
    palette: bytes | None = None
    transparent: bytes | None = None
    interlace: bool = False
    filters: Sequence[int] = (0,)
    level: int = 6
    pieces: int = 1

    @property
    def mask(self) -> Bits:
        """Which pixels are in: not transparent, or without any transparency not black."""
        values, transparent = self.samples, self.transparent
        hidden: NDArray[Any] = np.zeros(1)
        if self.colour in (GRAY_ALPHA, RGBA):
            values = values[..., -1:]
        elif self.colour == PALETTE and transparent is None:
            entries = np.frombuffer((self.palette or b"").ljust(768, b"\0"), np.uint8)
            values = entries.reshape(256, 3)[values[..., 0]].astype(np.int64)
        elif self.colour == PALETTE:
            alpha = np.frombuffer((transparent or b"").ljust(256, b"\xff"), np.uint8)
            values = alpha[values].astype(np.int64)
        elif transparent is not None:
            hidden = np.frombuffer(transparent, ">u2")
        return np.asarray((values != hidden).any(axis=2))

    @property
    def alpha_mask(self) -> Bits:
        """Which pixels are half opaque; the levels of a gray picture are alpha, tRNS or not."""
        half = 1 << (self.depth - 1)
        if self.colour == GRAY or (self.colour == RGB and self.transparent is None):
            return np.asarray((self.samples >= half).any(axis=2))
        if self.colour == RGB:
            return self.mask
        if self.colour != PALETTE:
            return np.asarray(self.samples[..., -1] >= half)
        if self.transparent is None:
            entries = np.frombuffer((self.palette or b"").ljust(768, b"\0"), np.uint8)
            levels = np.max(entries.reshape(256, 3), axis=1)
        else:
            levels = np.frombuffer(self.transparent.ljust(256, b"\xff"), np.uint8)
        return np.asarray(levels[self.samples[..., 0]] >= 128)


def chunk(name: bytes, body: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + crc


def header(width: int, height: int, depth: int = 8, colour: int = 0, interlace: int = 0) -> bytes:
    body = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", body)


def packed_row(row: NDArray[np.int64], depth: int) -> bytes:
    if depth == 16:
        return row.astype(">u2").tobytes()
    bits = row.reshape(-1, 1) >> np.arange(depth - 1, -1, -1) & 1
    return np.packbits(bits.astype(np.uint8).reshape(-1)).tobytes()


def filtered(kind: int, line: bytes, above: bytes, step: int) -> bytes:
    if kind == 0:
        return b"\0" + line
    out = [kind]
    for i, value in enumerate(line):
        a, b, c = (line[i - step], above[i], above[i - step]) if i >= step else (0, above[i], 0)
        paeth = min((a, b, c), key=lambda side: abs(a + b - c - side))
        out.append(value - (0, a, b, (a + b) // 2, paeth)[kind] & 255)
    return bytes(out)


def scanlines(picture: Picture) -> Iterator[bytes]:
    step = max(1, picture.depth * CHANNELS[picture.colour] // 8)
    number = 0
    for x, y, dx, dy in ADAM7 if picture.interlace else [(0, 0, 1, 1)]:
        part = picture.samples[y::dy, x::dx]
        lines = [packed_row(row, picture.depth) for row in part if part.size]
        for above, line in zip([bytes(999_999), *lines], lines, strict=False):
            kind = picture.filters[number % len(picture.filters)]
            yield filtered(kind, line, above, step)
            number += 1


def png(picture: Picture, *extra: bytes) -> bytes:
    height, width, _ = picture.samples.shape
    out = header(width, height, picture.depth, picture.colour, picture.interlace)
    for name, body in ((b"PLTE", picture.palette), (b"tRNS", picture.transparent)):
        out += b"" if body is None else chunk(name, body)
    out += b"".join(extra)
    stream = zlib.compress(b"".join(scanlines(picture)), picture.level)
    size = -(-len(stream) // picture.pieces)
    for i in range(picture.pieces):
        out += chunk(b"IDAT", stream[i * size : (i + 1) * size])
    return out + chunk(b"IEND", b"")


@st.composite
def pictures(draw: st.DrawFn, kind: tuple[int, int, bool] | None = None) -> Picture:
    colour, depth, transparent = kind or draw(st.sampled_from(KINDS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    height, width = draw(st.integers(1, 18)), draw(st.integers(1, 35))
    top = (1 << depth) - 1
    values = [0, 0, 0, 1, 2 & top, 3 & top, top, top // 2, 0x100 & top]
    samples = rng.choice(values, (height, width, CHANNELS[colour]))
    palette = hidden = None
    if colour == PALETTE:
        palette = rng.choice([0, 0, 0, 7, 255], (top + 1, 3)).astype(np.uint8).tobytes()
        hidden = rng.choice([0, 0, 128, 255], top // 2 + 1).astype(np.uint8).tobytes()
    elif transparent:
        hidden = samples[0, 0].astype(">u2").tobytes()
    return Picture(
        samples, colour, depth, palette, hidden if transparent else None,
        interlace=draw(st.booleans()),
        filters=draw(st.lists(st.integers(0, 4), min_size=1, max_size=6)),
        level=draw(st.sampled_from([0, 1, 6, 9])),
        pieces=draw(st.integers(1, 4)),
    )  # fmt: skip


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def payload(content: bytes, *, bare: bool = False, level: int = 6) -> str:
    return base64_of(content if bare else zlib.compress(content, level))


def payloads(*texts: str, threshold: int = 1, first: int = 0) -> Payloads:
    """Payloads of the objects from `first` on."""
    collected = PayloadList()
    for index, text in enumerate(texts, first):
        collected.add(text, index, threshold)
    return collected.payloads()


def same(first: Bits, second: Bits) -> bool:
    return first.shape == second.shape and bool((first == second).all())


SMALL = Picture(np.arange(48).reshape(6, 8, 1) * 5, GRAY, 8)
