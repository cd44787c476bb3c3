"""Members of archives: byte for byte what Python's tarfile writes."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from savemasks.store.tar_members import END, header, member, padding

NAMES = [
    "a",
    "ds/img/a picture.png",
    "x" * 99,
    "x" * 100,
    "x" * 101,
    "y/" * 80 + "z",
    "y" * 400,
    "größe/ä.png",
    "日本/" + "本" * 60,
    "bad\udcff.png",
    "new\nline",
]


def by_tarfile(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0, 1, 511, 512, (1 << 33) - 1, 1 << 33, 1 << 40])
def test_headers_are_those_of_tarfile(name: str, size: int) -> None:
    assert header(name, size) == by_tarfile(name, size)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 100_000])
def test_archives_are_those_of_tarfile(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in NAMES[:3]:
            info = tarfile.TarInfo(name)
            info.size = size
            archive.addfile(info, io.BytesIO(content))
    ours = b"".join(member(name, content) for name in NAMES[:3]) + END
    assert len(ours) % 512 == 0
    assert file.getvalue().startswith(ours)
    assert not file.getvalue()[len(ours) :].strip(b"\0")  # it pads to its records


def test_more_than_8_gib_can_be_read(tmp_path: Path) -> None:
    path, size = tmp_path / "large.tar", (1 << 33) + 5
    with path.open("wb") as file:
        file.write(header("large", size))
        file.seek(size, 1)  # a hole
        file.write(padding(size) + member("next", b"small") + END)
    with tarfile.open(path) as archive:
        assert [(info.name, info.size) for info in archive] == [("large", size), ("next", 5)]
        found = archive.extractfile("next")
        assert found is not None
        assert found.read() == b"small"


def test_gnu_tar_reads_all_names(tmp_path: Path) -> None:
    path = tmp_path / "names.tar"
    path.write_bytes(
        b"".join(member(name, name.encode("utf-8", "replace")) for name in NAMES) + END
    )
    done = subprocess.run(
        ["tar", "-tf", path, "--quoting-style=literal"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    listed = done.stdout.decode("utf-8", "surrogateescape")
    assert listed == "".join(f"{name}\n" for name in NAMES)
