"""Supervisely projects on disk → data sets.

<project>/meta.json
<project>/<dataset>/img/IMG_1.jpeg
<project>/<dataset>/ann/IMG_1.jpeg.json      (older projects: IMG_1.json)
<project>/<dataset>/datasets/<child>/...     to any depth

The names of data sets are found when a project is planned; their items are listed later.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import jsontext
from ..errors import ProjectError
from .classes import ClassTemplate, check_meta, class_templates, merge_metas, parse_meta
from .items import Dataset


@dataclass(frozen=True, slots=True)
class Project:
    """An opened project.

    Attributes
    ----------
    folder
        Where it is.
    meta_bytes, meta
        `meta.json`, as it is and parsed.
    """

    folder: Path
    meta_bytes: bytes
    meta: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Project":
        """Read `meta.json`.

        Raises
        ------
        ProjectError
            If the folder is no project.
        """
        path = folder / "meta.json"
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            hint = "is not a Supervisely project: it has no meta.json"
            raise ProjectError(
                f"{folder}: {hint if folder.is_dir() else 'no such folder'}"
            ) from None
        except OSError as error:
            raise ProjectError(f"{path}: cannot be read: {error.strerror}") from error
        return cls(folder, content, check_meta(parse_meta(content, path), path))

    @property
    def templates(self) -> dict[str, ClassTemplate]:
        """Templates of the project's classes by title."""
        return class_templates(self.meta)

    @property
    def classes(self) -> list[str]:
        """Titles of the project's classes."""
        return [c["title"] for c in self.meta["classes"]]

    def datasets(self) -> list[Dataset]:
        """All data sets, parents before children, by name."""
        try:
            return list(_find_datasets(self.folder, "", frozenset()))
        except OSError as error:
            raise ProjectError(f"{error.filename}: cannot be read: {error.strerror}") from error


def _find_datasets(folder: Path, prefix: str, ancestors: frozenset[str]) -> Iterator[Dataset]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        if not prefix:
            raise
        yield Dataset(folder, prefix.rstrip("/"))  # listing it will say why
        return
    for path in entries:
        real = os.path.realpath(path)
        if path.name.startswith(".") or real in ancestors:
            continue  # hidden, or a symbolic link to a data set that it lies in
        try:
            if not _is_folder(path):
                continue
            has_items = _is_folder(path / "img") or _is_folder(path / "ann")
            nested = _is_folder(path / "datasets")
        except OSError:
            has_items, nested = True, False  # listing it will say why
        output = prefix + path.name
        if has_items:
            yield Dataset(path, output)
        if nested:
            yield from _find_datasets(path / "datasets", f"{output}/datasets/", ancestors | {real})


def plan_datasets(projects: Sequence[Project]) -> list[Dataset]:
    """Data sets of all projects with distinct outputs.

    A data set keeps its name unless several projects have one of that name; then each of these is
    called <project>__<dataset>, and numbered if even that is not unique.
    """
    per_project = [(project, project.datasets()) for project in projects]
    tops = Counter(t for _, sets in per_project for t in {d.output.split("/")[0] for d in sets})
    taken = {top for top, count in tops.items() if count == 1}
    planned: list[Dataset] = []
    for number, (project, datasets) in enumerate(per_project):
        renamed: dict[str, str] = {}
        for dataset in datasets:
            top, slash, rest = dataset.output.partition("/")
            if tops[top] > 1 and top not in renamed:
                renamed[top] = _unused_name(f"{project.folder.resolve().name}__{top}", taken)
            output = renamed.get(top, top) + slash + rest
            planned.append(Dataset(dataset.folder, output, number))
    return planned


def _unused_name(name: str, taken: set[str]) -> str:
    unused, number = name, 2
    while unused in taken:
        unused, number = f"{name}-{number}", number + 1
    taken.add(unused)
    return unused


def merge_meta(projects: Sequence[Project]) -> bytes:
    """`meta.json` of the result: the project's own bytes, or the union of several."""
    if len(projects) == 1:
        return projects[0].meta_bytes
    return jsontext.dump(merge_metas([project.meta for project in projects]))


def _is_folder(path: Path) -> bool:
    """Whether the path is a folder; raises OSError if it cannot be looked at."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
