"""Small files that promise or unpack to enormous pictures: refused by name, in little memory."""

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from support.projects import KIWI, Project, annotation, layer, names, picture

_RUN = """
import json, re
from pathlib import Path
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from savemasks.layers.save_masks import SaveMasks
layer = SaveMasks.from_json(Path("config.json"))
peaks = []
for project in ("first", "project"):  # the first one is there to compile the kernels
    options = RunOptions(workers=1, memory=64 << 20)
    summary = run(layer, [Path(project)], Path(f"out of {project}"), options)
    peak = re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]
    peaks.append(int(peak) << 10)
print(json.dumps([[*map(str, summary.failures)], summary.images, peaks[1] - peaks[0]]))
"""
_MOST = 300 << 20  # bytes; the smallest of these pictures is 768 MB


def chunk(kind: bytes, data: bytes) -> bytes:
    size, checksum = struct.pack(">I", len(data)), struct.pack(">I", zlib.crc32(kind + data))
    return size + kind + data + checksum


def png(width: int, height: int, packed: bytes, *, interlace: int = 0, extra: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlace))
    rest = chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + extra + rest


def promising(kind: str, width: int, height: int, **options: object) -> bytes:
    """A picture of 16 x 16 pixels whose header promises more."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (9, 9, 9)).save(file, kind, **options)
    data = bytearray(file.getvalue())
    if kind == "JPEG":
        at = data.index(b"\xff\xc2" if options.get("progressive") else b"\xff\xc0")
        struct.pack_into(">HH", data, at + 5, height, width)
    elif kind == "GIF":
        struct.pack_into("<HH", data, 6, width, height)
        struct.pack_into("<HH", data, data.rindex(b",") + 5, width, height)
    else:
        at = data.index(b"VP8L") + 9
        version = struct.unpack_from("<I", data, at)[0] >> 28
        struct.pack_into("<I", data, at, version << 28 | (height - 1) << 14 | (width - 1))
    return bytes(data)


def tiff(width: int, height: int, *, rows: int, strips: int, start: int = 200) -> bytes:
    """A gray TIFF whose strips are not there."""
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1)]
    entries += [(262, 3, 1, 1), (273, 4, strips, start), (277, 3, 1, 1), (278, 4, 1, rows)]
    entries += [(279, 4, strips, 100)]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + directory + bytes(500)


MORE = zlib.compress(bytes(12 * 25 + 100_000_000), 9)
PIXELS = zlib.compress(bytes(8 * 37))
BOMBS: dict[str, tuple[bytes, int, int]] = {  # with the size that their annotation agrees to
    "a.png": (png(100_000, 100_000, zlib.compress(bytes(100))), 100_000, 100_000),
    "b.png": (png(100_000, 100_000, b""), 100_000, 100_000),
    "c.png": (png(20_000, 20_000, zlib.compress(bytes(100)), interlace=1), 20_000, 20_000),
    "d.jpg": (promising("JPEG", 65_500, 65_500), 65_500, 65_500),
    "e.jpg": (promising("JPEG", 65_500, 65_500, progressive=True), 65_500, 65_500),
    "e2.jpg": (
        promising("JPEG", 20_000, 20_000, progressive=True) + bytes(1 << 20),
        20_000,
        20_000,
    ),
    "f.gif": (promising("GIF", 65_535, 65_535), 65_535, 65_535),
    "g.webp": (promising("WEBP", 16_000, 16_000, lossless=True), 16_000, 16_000),
    "h.tif": (tiff(10**6, 10**6, rows=10**6, strips=1), 10**6, 10**6),
    "i.tif": (tiff(100_000, 100_000, rows=1, strips=100_000), 100_000, 100_000),
    "j.tif": (tiff(12, 8, rows=8, strips=1, start=2**32 - 5), 12, 8),
}
REASONS = (
    "cannot be decoded: ",
    "is cut off: so few bytes cannot be a JPEG of so many pixels",
    "MiB, and 64 are allowed (--memory); save it as another kind",
)
HARMLESS = {  # what is beyond the pixels is not unpacked
    "pixels.png": png(12, 8, MORE),
    "text.png": png(12, 8, PIXELS, extra=chunk(b"zTXt", b"a\0\0" + MORE)),
    "profile.png": png(12, 8, PIXELS, extra=chunk(b"iCCP", b"a\0\0" + MORE)),
}


def note(width: int, height: int) -> bytes:
    content = json.loads(annotation(KIWI))
    return json.dumps({**content, "size": {"height": height, "width": width}}).encode()


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("agreed", [True, False])
def test_each_costs_one_item_and_little_memory(tmp_path: Path, agreed: bool) -> None:
    (tmp_path / "config.json").write_text(json.dumps(layer()))
    first, project = Project(tmp_path / "first"), Project(tmp_path / "project")
    first.add_bad(picture(), annotation(KIWI), "good.png")
    for name, (image, width, height) in BOMBS.items():
        size = (width, height) if agreed else (17, 9)
        project.add_bad(image, note(*size), name)
    for name, image in HARMLESS.items():
        project.add_bad(image, note(12, 8), name)
    done = subprocess.run(
        [sys.executable, "-c", _RUN], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    failures, images, memory = json.loads(done.stdout)
    assert [Path(line.partition(": ")[0]).name for line in failures] == list(BOMBS)
    for line in failures:
        disagree = not agreed and "pixels, but its annotation says 17 x 9" in line
        assert disagree or any(reason in line for reason in REASONS)
    assert images == len(HARMLESS)
    assert memory < _MOST
    assert names(tmp_path / "out of project/experiment001/ds/img") == sorted(HARMLESS)
    assert names(tmp_path / "out of project/experiment001/ds/masks_human") == sorted(HARMLESS)
