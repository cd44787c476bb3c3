"""The inflate kernel against zlib: it must give the same bytes, or refuse."""

import itertools
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savemasks.kernels.deflate.huffman import REFUSED, new_codes
from savemasks.kernels.deflate.inflate import inflate

CODES = new_codes()
ROOM = 3000
ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
FIXED, DYNAMIC = 1, 2
END = 256


def by_kernel(stream: bytes, room: int = ROOM) -> bytes | None:
    """Output of the kernel, None if it refuses; a stream lies within other bytes, so does `out`."""
    data = np.frombuffer(b"\x55" * 3 + stream + b"\xaa" * 9, np.uint8).copy()
    out = np.full(room + 2, 0x77, np.uint8)
    size = inflate(data, 3, 3 + len(stream), out[1 : room + 1], CODES)
    assert out[0] == out[-1] == 0x77
    return None if size == REFUSED else out[1 : 1 + size].tobytes()


def by_zlib(stream: bytes) -> bytes | None:
    inflater = zlib.decompressobj()
    try:
        out = inflater.decompress(stream)
    except zlib.error:
        return None
    return out if inflater.eof else None


contents = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"\0", b"\0\0\0", b"\xff", b"abc", b"abcd" * 9, bytes(300)])).map(
        b"".join
    ),
    st.integers(0, 2**32).map(
        lambda seed: np.random.default_rng(seed).geometric(0.08, 900).astype(np.uint8).tobytes()
    ),
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """A stream as zlib makes them, of one block or several."""
    compressor = zlib.compressobj(
        draw(st.integers(0, 9)), zlib.DEFLATED, draw(st.integers(9, 15)),
        draw(st.integers(1, 9)), draw(st.integers(0, 4)),
    )  # fmt: skip
    parts = draw(st.lists(contents, min_size=1, max_size=3))
    flush = draw(st.sampled_from([zlib.Z_NO_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH]))
    out = b"".join(compressor.compress(part) + compressor.flush(flush) for part in parts)
    return out + compressor.flush()


@settings(max_examples=300, deadline=None)
@given(streams(), st.binary(max_size=9))
def test_any_stream_comes_out_as_from_zlib(stream: bytes, behind: bytes) -> None:
    expected = zlib.decompress(stream)
    assert by_kernel(stream + behind, len(expected)) == expected
    if expected:
        assert by_kernel(stream, len(expected) - 1) is None


@settings(max_examples=40, deadline=None)
@given(streams())
def test_a_stream_is_refused_wherever_it_is_cut(stream: bytes) -> None:
    assert [by_kernel(stream[:size]) for size in range(len(stream))] == [None] * len(stream)


@settings(max_examples=100, deadline=None)
@given(streams(), st.integers(0, 2**32))
def test_changed_bits_are_refused_unless_zlib_takes_them(stream: bytes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(60):
        changed = bytearray(stream)
        for at in rng.integers(0, 8 * len(stream), rng.integers(1, 4)).tolist():
            changed[at >> 3] ^= 1 << (at & 7)
        out = by_kernel(bytes(changed))
        assert out is None or out == by_zlib(bytes(changed))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(range(8)))
def test_noise_ends(noise: bytes, block: int) -> None:
    """Whatever follows the header: a stream of noise may not be accepted, nor go on for ever."""
    stream = b"\x78\x9c" + bytes([block]) + noise
    assert by_kernel(stream) == by_zlib(stream)


@pytest.mark.parametrize("method", range(256))
def test_a_header_is_taken_as_by_zlib(method: int) -> None:
    for flags in range(256):
        stream = bytes([method, flags]) + zlib.compress(b"header")[2:]
        assert by_kernel(stream) == by_zlib(stream)


# ---------------------------------------------------------------- blocks that zlib never writes


class Writer:
    """Bits of a stream, the first one lowest."""

    def __init__(self) -> None:
        self.bits: list[int] = []

    def number(self, value: int, count: int) -> None:
        """Append a number, lowest bit first."""
        self.bits += [value >> i & 1 for i in range(count)]

    def code(self, lengths: Sequence[int], symbol: int) -> None:
        """The canonical code of a symbol; nothing if it has none."""
        value = 0
        for bits in range(1, lengths[symbol] + 1):
            value = (value + sum(1 for x in lengths if x == bits - 1 and x)) << 1
        value += lengths[:symbol].count(lengths[symbol]) if lengths[symbol] else 0
        count = lengths[symbol]
        self.bits += [value >> (count - 1 - i) & 1 for i in range(count)]

    def stream(self, content: bytes, before: bytes = b"") -> bytes:
        """The zlib stream of a content whose first part is in the blocks `before`."""
        packed = np.packbits(np.array(self.bits, np.uint8), bitorder="little").tobytes()
        return b"\x78\x9c" + before + packed + zlib.adler32(content).to_bytes(4)


def dynamic(
    literals: dict[int, int],
    distances: dict[int, int],
    body: Sequence[int] = (END,),
    content: bytes = b"",
    counts: tuple[int, int] = (286, 30),
    wide: Sequence[int] = (4,) * 16 + (0,) * 3,
) -> bytes:
    """A block with codes of these lengths; `body` are literals and lengths, distances negative."""
    lengths = [literals.get(i, 0) for i in range(counts[0])]
    far = [distances.get(i, 0) for i in range(counts[1])]
    out = Writer()
    for value, count in ((1, 1), (DYNAMIC, 2), (counts[0] - 257, 5), (counts[1] - 1, 5), (15, 4)):
        out.number(value, count)
    for symbol in ORDER:
        out.number(wide[symbol], 3)
    for length in lengths + far:
        out.code(list(wide), length)
    for symbol in body:
        out.code(lengths if symbol >= 0 else far, symbol if symbol >= 0 else ~symbol)
    return out.stream(content)


STAIRS = {65 + i: i + 1 for i in range(14)} | {END: 15, 257: 15}
CODE_CASES = {
    "two codes": (dynamic({65: 1, END: 1}, {}, (65, 65, END), b"AA"), True),
    "only the end": (dynamic({END: 1}, {}), True),
    "only the end, too long": (dynamic({END: 2}, {}), False),
    "too many codes": (dynamic({65: 1, 66: 1, END: 1}, {}), False),
    "too few codes": (dynamic({65: 2, 66: 2, END: 2}, {}), False),
    "no end": (dynamic({65: 1, 66: 1}, {}), False),
    "long codes": (dynamic(STAIRS, {}, (78, 77, 65, 76, END), b"NMAL"), True),
    "one distance": (dynamic({65: 2, END: 2, 257: 1}, {0: 1}, (65, 257, ~0, END), b"AAAA"), True),
    "one distance, too long": (dynamic({65: 1, END: 1}, {0: 2}), False),
    "too many distances": (dynamic({65: 1, END: 1}, {0: 1, 1: 1, 2: 1}), False),
    "too far": (dynamic({65: 2, END: 2, 257: 1}, {1: 1}, (65, 257, ~1, END), b"AAAA"), False),
    "no distance": (dynamic({65: 2, END: 2, 257: 1}, {}, (65, 257, END), b"AAAA"), False),
    "the other bit": (dynamic({65: 2, END: 2, 257: 1}, {0: 1}, (65, 257, END), b"AAAA"), False),
    "most codes": (dynamic(dict.fromkeys(range(1, 256), 8) | {END: 8}, {}), True),
    "287 literals": (dynamic({65: 1, END: 1}, {}, counts=(287, 30)), False),
    "31 distances": (dynamic({65: 1, END: 1}, {}, counts=(286, 31)), False),
    "code of lengths cut": (dynamic({END: 1}, {}, wide=(2, 2, 2) + (0,) * 16), False),
    "code of lengths twice": (dynamic({END: 1}, {}, wide=(1, 1, 1) + (0,) * 16), False),
}


@pytest.mark.parametrize(("stream", "good"), CODE_CASES.values(), ids=CODE_CASES)
def test_codes_are_checked_as_by_zlib(stream: bytes, good: bool) -> None:
    assert (by_zlib(stream) is not None) == good
    assert by_kernel(stream) == by_zlib(stream)


few = st.dictionaries(st.integers(0, 285), st.integers(1, 6), max_size=12)


@settings(max_examples=500, deadline=None)
@given(few, st.dictionaries(st.integers(0, 29), st.integers(1, 3), max_size=5), st.integers(1, 7))
def test_any_codes_are_taken_as_by_zlib(
    literals: dict[int, int], distances: dict[int, int], end: int
) -> None:
    """Nothing but the end is written, so the checksum is right whatever the codes are."""
    stream = dynamic(literals | {END: end}, distances)
    assert by_kernel(stream) == by_zlib(stream)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.integers(0, 7), min_size=19, max_size=19))
def test_any_code_of_lengths_is_taken_as_by_zlib(wide: list[int]) -> None:
    stream = dynamic({END: 1}, {}, wide=wide)
    assert by_kernel(stream) == by_zlib(stream)


@pytest.mark.parametrize("repeats", [[16], [17], [18], [0, 16], [18] * 3, [18] * 9])
def test_repeated_lengths_are_taken_as_by_zlib(repeats: list[int]) -> None:
    """The end of 257 literals has the only code; repetitions come before it or run past it."""
    wide = [2] + [2] + [0] * 14 + [2, 3, 3]
    for most, last in itertools.product((False, True), range(200)):
        out = Writer()
        for value, count in ((1, 1), (DYNAMIC, 2), (0, 5), (0, 5), (15, 4)):
            out.number(value, count)
        for symbol in ORDER:
            out.number(wide[symbol], 3)
        for symbol in repeats:
            out.code(wide, symbol)
            count = {16: 2, 17: 3, 18: 7}.get(symbol, 0)
            out.number((1 << count) - 1 if most else 0, count)
        for _ in range(last):
            out.code(wide, 0)
        for symbol in (1, 0):
            out.code(wide, symbol)
        out.number(0, 1)
        stream = out.stream(b"")
        assert by_kernel(stream) == by_zlib(stream)


@pytest.mark.parametrize("symbol", range(257, 288))
def test_every_length_and_distance_is_read_as_by_zlib(symbol: int) -> None:
    lengths = [8] * 144 + [9] * 112 + [7] * 24 + [8] * 8
    start = np.random.default_rng(symbol).bytes(32_768)
    stored = b"\0" + struct.pack("<HH", len(start), len(start) ^ 0xFFFF) + start
    for distance, extra in itertools.product(range(32), (0, 1, (1 << 18) - 1)):
        out = Writer()
        out.number(1, 1)
        out.number(FIXED, 2)
        out.code(lengths, symbol)
        more = max(0, (symbol - 261) // 4) if symbol < 285 else 0
        out.number(extra & ((1 << more) - 1), more)
        out.bits += [distance >> (4 - i) & 1 for i in range(5)]
        more = max(0, distance // 2 - 1) if distance < 30 else 0
        out.number(extra & ((1 << more) - 1), more)
        out.code(lengths, END)
        try:
            content = zlib.decompressobj(-15).decompress(out.stream(b"", stored)[2:])
        except zlib.error:
            content = b""
        stream = out.stream(content, stored)
        assert by_kernel(stream, 33_100) == by_zlib(stream)
        assert bool(content) == (symbol < 286 and distance < 30)
