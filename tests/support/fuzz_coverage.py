"""Feeds the parser and the payload decoders with what reaches code that nothing has reached yet.

    pip install atheris
    python -m support.fuzz_coverage {annotation,payload} CORPUS [-max_total_time=600] ...

Options are those of libFuzzer; CORPUS is a folder in which it keeps what it finds, and which starts
with cases of `fuzz_input.py`. What counts as reached are branches of Python; kernels are compiled
with every index checked. What is neither painted nor refused with an `AnnotationError`, takes more
than `-timeout` seconds or more memory than `-rss_limit_mb` is a crash, kept as a file.
"""

import base64
import os
import random
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["NUMBA_BOUNDSCHECK"] = "1"
# Checked code is other code: it must not get into the cache of the unchecked.
os.environ["SAVEMASKS_CACHE_DIR"] = f"{tempfile.gettempdir()}/savemasks-checked-{os.getuid()}"

import atheris
import orjson

from support import ROOT

# Numba could not compile kernels that count their branches.
_ENGINE = ROOT / "engine"
_NOT_COUNTED = [
    ".".join(path.relative_to(_ENGINE).with_suffix("").parts)
    for path in (_ENGINE / "savemasks/kernels").rglob("*.py")
]

with atheris.instrument_imports(include=["savemasks"], exclude=_NOT_COUNTED):
    from support.fuzz_input import case, feed, spoil

_SEEDS = 300
_SIDES = {"height": 20, "width": 30}
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_WORDS = (
    *('"objects"', '"size"', '"height"', '"width"', '"classTitle"', '"kiwi"', '"geometryType"'),
    *('"points"', '"exterior"', '"interior"', '"bitmap"', '"data"', '"origin"', '"nodes"', '"loc"'),
    *('"vertices"', '"faces"', '"parts"', '"angle"', '"polygon"', '"multipolygon"', '"rectangle"'),
    *('"oriented_bbox"', '"line"', '"point"', '"alpha_mask"', '"graph"', '"cuboid"', '"cuboid_2d"'),
    *("null", "true", "1e308", "-1e308", "9007199254740993", "18446744073709551615", "5e-324"),
    *("[[", "]]", "{}", "[]", "},{"),
)


def annotation(content: bytes) -> bytes:
    """The input is an annotation."""
    return content


def mutate_annotation(content: bytes, most: int, seed: int) -> bytes:
    """Change values, so that it stays JSON, or bytes."""
    random_ = random.Random(seed)
    try:
        data = orjson.loads(content) if seed & 1 else None
    except orjson.JSONDecodeError:
        data = None
    if not data:
        return bytes(atheris.Mutate(content, most))
    spoil(data, random_)
    changed = orjson.dumps(data)
    return changed if len(changed) <= most else content


def payload(content: bytes) -> bytes:
    """The input is a bitmap's data; its first byte says how it is wrapped.

    Checksums and compression are what a fuzzer cannot guess, so they are made good here: the rest
    are chunks of a PNG, each of a byte for its kind, one for its length, and its contents.
    """
    how, rest = (content[0], content[1:]) if content else (0, b"")
    data = _png(rest) if how & 1 else rest
    data = zlib.compress(data, 1) if how & 2 else data
    text = (base64.b64encode(data) if how & 4 else data).decode("latin-1")
    kind = "alpha_mask" if how & 8 else "bitmap"
    bitmap = {"data": text, "origin": [5, 5]}
    thing = {"classTitle": "kiwi", "geometryType": kind, "bitmap": bitmap}
    return orjson.dumps({"size": _SIDES, "objects": [thing]})


_KINDS = (b"IHDR", b"IDAT", b"PLTE", b"tRNS", b"IEND", b"tEXt", b"gAMA", b"fdAT")


def _png(parts: bytes) -> bytes:
    """A PNG of chunks with the right checksums; pixels are compressed."""
    png, at = bytearray(_SIGNATURE), 0
    while at + 2 <= len(parts):
        how, length = parts[at], parts[at + 1]
        data = parts[at + 2 : at + 2 + length]
        at += 2 + length
        kind = _KINDS[how & 7]
        if kind == b"IDAT" and not how & 8:
            data = zlib.compress(data, 1)
        checksum = zlib.crc32(kind + data) ^ (how >> 7)
        png += len(data).to_bytes(4, "big") + kind + data + checksum.to_bytes(4, "big")
    return bytes(png)


def _chunk(kind: int, data: bytes) -> bytes:
    return bytes([kind, len(data)]) + data


def _annotation_seeds() -> list[bytes]:
    seeds = []
    for seed in range(_SEEDS):
        content = case(seed)
        try:
            data = orjson.loads(content)
            data["size"] = _SIDES
        except (orjson.JSONDecodeError, TypeError):
            seeds.append(content)
        else:
            seeds.append(orjson.dumps(data))
    return seeds


def _payload_seeds() -> list[bytes]:
    """PNGs of 7 x 5 pixels of every kind."""
    seeds = []
    for depth, color in ((1, 0), (2, 0), (8, 0), (16, 0), (8, 2), (1, 3), (8, 3), (8, 4), (8, 6)):
        header = (7).to_bytes(4, "big") + (5).to_bytes(4, "big") + bytes([depth, color, 0, 0, 0])
        row = (7 * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color] + 7) // 8
        pixels = b"".join(bytes([i % 5]) + bytes(range(row)) for i in range(5))
        table = _chunk(2, bytes(range(6))) + _chunk(3, b"\0\xff") if color == 3 else b""
        chunks = _chunk(0, header) + table + _chunk(1, pixels) + _chunk(4, b"")
        seeds += [bytes([how]) + chunks for how in (5, 7, 15)]
        seeds.append(b"\x06" + _png(chunks))
    return seeds


TARGETS: dict[str, tuple[Callable[[bytes], bytes], Callable[[], list[bytes]]]] = {
    "annotation": (annotation, _annotation_seeds),
    "payload": (payload, _payload_seeds),
}


def main() -> None:
    """Fuzz one target."""
    name, corpus, *options = sys.argv[1:]
    wrap, seeds = TARGETS[name]
    folder = Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(seeds()):
        (folder / f"seed{number}").write_bytes(content)
    words = folder.with_suffix(".dict")
    words.write_text("".join(f'"{word.replace(chr(34), chr(92) + chr(34))}"\n' for word in _WORDS))
    hooks: dict[str, Any] = {}
    if name == "annotation":
        options.append(f"-dict={words}")
        hooks["custom_mutator"] = mutate_annotation
    for seed in range(50):
        feed(case(seed))  # compiles

    def test_one(content: bytes) -> None:
        feed(wrap(content))

    atheris.Setup([sys.argv[0], *options, str(folder)], test_one, **hooks)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
