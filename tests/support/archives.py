"""Archives of projects, as people and programs make them."""

import tarfile
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from savemasks.projects.archives import Archive, ArchivePath
from savemasks.projects.members import MemberError, read_member

KINDS = ("tar", "pax.tar", "gnu.tar", "tar.gz", "tgz", "stored.zip", "zip", "tar.000", "zip.001")


def pack(folder: Path, path: Path, kind: str = "", inside: str = "") -> Path:
    """Pack a folder into `path`, whose ending is the kind; `inside` is a folder in the archive."""
    kind = kind or path.name.partition(".")[2]
    files = [(each, f"{inside}{each.relative_to(folder)}") for each in sorted(folder.rglob("*"))]
    if "zip" in kind:
        method = zipfile.ZIP_STORED if kind == "stored.zip" else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(path, "w", method) as archive:
            for each, name in files:
                archive.write(each, name)
    else:
        form = {"gnu.tar": tarfile.GNU_FORMAT, "tar": tarfile.USTAR_FORMAT}
        mode = "w:gz" if kind in {"tar.gz", "tgz"} else "w"
        with tarfile.open(path, mode, format=form.get(kind, tarfile.PAX_FORMAT)) as tar:  # type: ignore[call-overload]
            for each, name in files:
                tar.add(each, name, recursive=False)
    if path.suffix[1:].isdigit():
        split(path)
    return path


def split(path: Path, parts: int = 3) -> list[Path]:
    """Split an archive, whose name ends in the number of its first part."""
    content, first = path.read_bytes(), int(path.suffix[1:])
    size = -(-len(content) // parts)
    paths = [path.with_suffix(f".{first + number:03}") for number in range(parts)]
    for number, each in enumerate(paths):
        each.write_bytes(content[number * size : (number + 1) * size])
    return paths


def tar_of(path: Path, *members: tuple[str, bytes] | tarfile.TarInfo, form: int = 1) -> Path:
    """Write a tar archive of some members, or headers without contents."""
    with tarfile.open(path, "w", format=form) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            tar.addfile(info, BytesIO(member[1]))
    return path


def zip_of(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], packed: bool = True) -> Path:
    """Write a zip archive of some members."""
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A member that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def edited(path: Path, change: Callable[[bytes], bytes]) -> Path:
    """Change the bytes of a file."""
    path.write_bytes(change(path.read_bytes()))
    return path


def contents(archive: Archive) -> dict[str, bytes | str]:
    """All files of an archive by name: what they hold, or why they cannot be read."""
    found: dict[str, bytes | str] = {}
    folders = [ArchivePath(archive, "")]
    for folder in folders:
        folders += folder.folders()
        for name in folder.files():
            path = folder / name
            member = path.member()
            assert member is not None
            try:
                found[path.inner] = read_member(member)
            except MemberError as error:
                found[path.inner] = str(error)
    return found
