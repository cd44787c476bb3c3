"""Folders at another level, or of another name, than a project has them: what was found there.

A project that other tools have made, or that was unpacked into a wrong place, would else look as if
it had no images. Nothing here raises; a folder that cannot be read has nothing to tell.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .ignored import is_hidden, is_picture
from .locations import Place, entries_of, is_there
from .volumes import NUMBER_PARTS, TAKEN, is_lettered_part, is_named_archive

_FOR_IMG = frozenset({"img", "imgs", "image", "images", "jpegimages", "photos", "pictures"})
_FOR_ANN = frozenset({"ann", "anns", "annotation", "annotations", "json", "label", "labels"})
_MAX_NAMES = 3
_LEVELS = 4


@dataclass(frozen=True, slots=True)
class _Content:
    """What a folder holds: its folders, its files that look like meta.json, and one picture."""

    folders: tuple[str, ...]
    metas: tuple[str, ...]
    picture: str | None

    @classmethod
    def of(cls, folder: Place) -> "_Content":
        """Look into a folder."""
        folders, metas, picture = [], [], None
        try:
            for name, is_folder in entries_of(folder):
                if name.startswith(".") or is_hidden(name):
                    continue
                if is_folder:
                    folders.append(name)
                elif picture is None and is_picture(name):
                    picture = name
                elif name.lower().startswith("meta") and "json" in name.lower():
                    metas.append(name)
        except OSError:
            return cls((), (), None)
        return cls(tuple(sorted(folders)), tuple(sorted(metas)), picture)

    def parts(self, folder: Place) -> list[str]:
        """Its folders that stand for `img` and `ann`, whatever they are called; `img` first."""
        parts = [n for n in self.folders if is_part(n) and not _is_dataset(folder / n)]
        return sorted(parts, key=lambda name: name.casefold() in _FOR_ANN)

    def datasets(self, folder: Place) -> list[str]:
        """Names of the data sets in it."""
        return [name for name in self.folders if _is_dataset(folder / name)]

    def projects(self, folder: Place) -> list[str]:
        """Names of the projects in it."""
        return [name for name in self.folders if _has_meta(folder / name)]


def is_part(name: str) -> bool:
    """Whether a folder's name stands for `img` or `ann`."""
    return name.casefold() in _FOR_IMG | _FOR_ANN


def describe_no_project(folder: Place) -> str:
    """What a folder without meta.json is instead, as the end of a sentence; may be empty."""
    content = _Content.of(folder)
    if found := content.projects(folder):
        return f"; projects lie in it: name {_join(str(folder / name) for name in found)}"
    if parts := content.parts(folder):
        return f"; {_lie(parts)} in it, as in a data set's folder{_project_above(folder)}"
    if found := content.datasets(folder):
        return f", though data sets lie in it: {_join(found)}{_near_meta(content)}"
    if content.picture:
        return f"; pictures lie directly in it, as {content.picture}{_project_above(folder)}"
    return _near_meta(content)


def describe_file(path: Path) -> str:
    """What to do about a file in the place of a project's folder; may be empty."""
    if not os.path.isfile(path):
        return ""
    if is_named_archive(path):
        return f"; it is an archive, which must be unpacked first, or packed as a {TAKEN}"
    if is_lettered_part(path):
        return f"; {NUMBER_PARTS}"
    return f"; a project is a folder, or a {TAKEN}"


def describe_project(folder: Place, *, has_datasets: bool) -> str | None:
    """What lies directly in a project's folder and belongs into one of a data set, or None.

    Beside data sets, a picture may be there for whatever reason.
    """
    content = _Content.of(folder)
    parts = content.parts(folder)
    if named := [name for name in parts if name in {"img", "ann"}]:
        belong = "they belong" if len(named) > 1 else "it belongs"
        return f"{_lie(named)} directly in the project; {belong} into a data set's folder"
    if parts:
        return (
            f"{_lie(parts)} directly in the project;"
            " it must hold folders of data sets, and these img/ and ann/"
        )
    if content.picture and not has_datasets:
        return (
            f"pictures lie directly in the project, as {content.picture};"
            " they belong into img/ of a data set's folder"
        )
    return None


def describe_folder(folder: Place, name: str) -> str | None:
    """What is odd about a folder where a data set is looked for, or None; `name` is its output."""
    content = _Content.of(folder)
    parts, is_dataset = content.parts(folder), _is_dataset(folder)
    missing, wanted = ("ann", _FOR_ANN) if "img" in parts else ("img", _FOR_IMG)
    others = [] if missing in parts else [n for n in parts if n.casefold() in wanted]
    said = None
    if is_dataset and others:
        said = f"it has {_slashed(others)} instead of {missing}/"
    elif parts and not is_dataset:
        said = f"it has {_slashed(parts)} instead of img/ and ann/"
    elif content.picture:
        said = f"pictures lie directly in it, as {content.picture}; they belong into its img/"
    elif found := content.projects(folder):
        said = f"a project lies in it: {_join(found)}"
    elif found := [name for name in content.datasets(folder) if not is_part(name)]:
        place = "directly into the project" if name == "datasets" else f"into {name}/datasets"
        said = f"data sets lie in it: {_join(found)}; they belong {place}"
    return said and f"{name}: {said}"


def _is_dataset(folder: Place) -> bool:
    """Whether it is the folder of a data set; what is in it is not listed."""
    if isinstance(folder, Path):
        return any(os.path.isdir(folder / part) for part in ("img", "ann"))
    return any((folder / part).is_dir() for part in ("img", "ann"))


def _has_meta(folder: Place) -> bool:
    return is_there(folder / "meta.json")


def _near_meta(content: _Content) -> str:
    return f"; is {_join(content.metas)} meant?" if content.metas else ""


def _project_above(folder: Place) -> str:
    if not isinstance(folder, Path):
        return ""
    for parent in folder.absolute().parents[:_LEVELS]:
        if _has_meta(parent):
            return f": name the project {parent}"
    return ""


def _lie(parts: Sequence[str]) -> str:
    return f"{_slashed(parts)} {'lie' if len(parts) > 1 else 'lies'}"


def _slashed(names: Iterable[str]) -> str:
    return " and ".join(f"{name}/" for name in names)


def _join(names: Iterable[str]) -> str:
    """The first few names, and whether there are more."""
    names = list(names)
    return ", ".join(names[:_MAX_NAMES]) + (", ..." if len(names) > _MAX_NAMES else "")
