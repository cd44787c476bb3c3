"""Whether two runs made the same: the same files, and in masks the same pixels."""

import filecmp
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np

LEGEND = ("legend", "obj_class_to_")
"""How the names of files begin that we alone make."""

_NO_IMAGES = ("json", "machine.png", "human.png")
"""Parts of a sample beside its image."""


def differences(ours: Path, theirs: Path) -> list[str]:
    """Compare all files of two results.

    Masks may be encoded differently, and a gray one may have one channel or three; their decoded
    pixels must agree, and so must what tables of objects say. Any other file must agree in every
    byte. Legends are not compared: others make none.

    Returns
    -------
    One line for every file that differs or is missing; nothing if all is well.
    """
    names = _files(ours), _files(theirs)
    found = [f"{name}: only in {theirs}" for name in sorted(names[1] - names[0])]
    found += [f"{name}: only in {ours}" for name in sorted(names[0] - names[1])]
    for name in sorted(names[0] & names[1]):
        pair = ours / name, theirs / name
        if _kind(name) and name.suffix == ".json":
            if json.loads(pair[0].read_bytes()) != json.loads(pair[1].read_bytes()):
                found.append(f"{name}: the tables differ")
        elif _kind(name):
            if problem := _compare_pictures(*pair):
                found.append(f"{name}: {problem}")
        elif not filecmp.cmp(*pair, shallow=False):
            found.append(f"{name}: the bytes differ")
    return found


def unpack(result: Path) -> None:
    """Let a packed result be the tree that is in it; a tree stays as it is.

    Samples of the kind webdataset get back the names that their files have in a tree. What the
    archive does not tell is taken for usual: the endings of images in small letters.
    """
    for path in sorted(result.glob("*.tar")):
        with tarfile.open(path) as archive:
            members = archive.getmembers()
            names = {member.name for member in members}
            samples = any(name.endswith(".machine.png") for name in names)
            images = _images(names) if samples else {}
            for member in members:
                if samples and "/" in member.name:
                    member.name = _in_a_tree(member.name, images)
                archive.extract(member, result, filter="data")
        path.unlink()
    (result / "index.json").unlink(missing_ok=True)


def _images(names: set[str]) -> dict[str, str]:
    """Endings of images by key."""
    parts = [name.rpartition("/")[::2] for name in names]
    found = [(folder, *file.split(".", 1)) for folder, file in parts if "." in file]
    return {f"{folder}/{stem}": end for folder, stem, end in found if end not in _NO_IMAGES}


def _in_a_tree(name: str, images: dict[str, str]) -> str:
    """What a file of a sample is called in a tree."""
    dataset, _, file = name.rpartition("/")
    stem, _, part = file.partition(".")
    image = f"{stem}.{images[f'{dataset}/{stem}']}"
    named = {
        "json": f"ann/{image}.json",
        "machine.png": f"masks_machine/{stem}.png",
        "human.png": f"masks_human/{stem}.png",
    }.get(part, f"img/{image}")
    return f"{dataset}/{named}".replace("%2E", ".").replace("%25", "%")


def mask_bytes(result: Path) -> dict[str, int]:
    """Sum of the sizes of the files of each kind of mask, where there are any."""
    sizes: dict[str, int] = {}
    for name in _files(result):
        if kind := _kind(name):
            sizes[kind] = sizes.get(kind, 0) + (result / name).stat().st_size
    return sizes


def _kind(name: Path) -> str | None:
    """The folder of one kind of mask in which a file lies."""
    return next((part for part in name.parts[:-1] if part.startswith("masks_")), None)


def _files(folder: Path) -> set[Path]:
    """All files but legends and those in hidden folders, where a program keeps what is its own."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    names = {name for name in found if len(name.parts) > 1 or not name.name.startswith(LEGEND)}
    return {name for name in names if not any(part.startswith(".") for part in name.parts[:-1])}


def _compare_pictures(ours: Path, theirs: Path) -> str | None:
    """What is wrong with one of our pictures, or None."""
    pictures = []
    for path in (ours, theirs):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None:
            return f"{path} cannot be decoded"
        pictures.append(np.asarray(picture).reshape(*picture.shape[:2], -1))
    one, other = pictures
    if one.shape[:2] != other.shape[:2] or one.dtype != other.dtype:
        return f"{one.shape} {one.dtype} against {other.shape} {other.dtype}"
    if one.shape[2] != other.shape[2] and 1 not in (one.shape[2], other.shape[2]):
        return f"{one.shape[2]} channels against {other.shape[2]}"
    wrong = (one != other).any(axis=2)
    if not wrong.any():
        return None
    y, x = np.argwhere(wrong)[0].tolist()
    return (
        f"{np.count_nonzero(wrong)} pixels differ, the first at x={x}, y={y}:"
        f" {one[y, x].tolist()} against {other[y, x].tolist()} (BGR)"
    )
