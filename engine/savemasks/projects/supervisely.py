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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import jsontext
from ..errors import ProjectError, printable
from ..remote import Url, explained
from .archives import Archive, ArchivePath
from .classes import ClassTemplate, check_meta, class_templates, merge_metas, parse_meta
from .ignored import is_hidden
from .items import Dataset
from .levels import describe_file, describe_folder, describe_no_project, describe_project, is_part
from .locations import Place
from .member_index import LINK, PROBLEMS, Halted, never
from .remote_places import RemotePath
from .volumes import archive_stem, is_archive, is_named_archive

_MAX_ODD = 5


@dataclass(frozen=True, slots=True)
class Project:
    """An opened project.

    Attributes
    ----------
    folder
        Where it is; it may be an archive, or an address.
    tree
        Where its data sets are: the folder, or one in the archive.
    meta_bytes, meta
        `meta.json`, as it is and parsed.
    """

    folder: Path | Url
    tree: Place
    meta_bytes: bytes
    meta: dict[str, Any]
    _found: list[tuple[Dataset, bool]] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def open(cls, folder: Path | Url, halted: Halted = never) -> "Project":
        """Read `meta.json`; of an archive, list what it holds.

        Raises
        ------
        ProjectError
            If the folder or archive is no project.
        KeyboardInterrupt
            If `halted` says so while an archive is read.
        """
        if isinstance(folder, Url):
            return cls._open_url(folder)
        if is_archive(folder):
            return cls._open_archive(folder, halted)
        path = folder / "meta.json"
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            if not folder.is_dir():
                kind = "file" if is_named_archive(folder) else "folder"
                raise ProjectError(f"{folder}: no such {kind}") from None
            problem = "is not a Supervisely project: it has no meta.json"
            raise ProjectError(f"{folder}: {problem}{describe_no_project(folder)}") from None
        except OSError as error:
            hint = describe_file(folder)
            raise ProjectError(f"{path}: cannot be read: {error.strerror}{hint}") from error
        return cls(folder, folder, content, check_meta(parse_meta(content, path), path))

    @classmethod
    def _open_archive(cls, path: Path, halted: Halted) -> "Project":
        archive = Archive.open(path, halted)
        try:
            tree = archive.root()
            meta = tree / "meta.json"
            content = _meta_in_archive(tree)
            return cls(path, tree, content, check_meta(parse_meta(content, meta), meta))
        except BaseException:
            archive.close()
            raise

    @classmethod
    def _open_url(cls, url: Url) -> "Project":
        if archive_stem(Path(url.name)):
            problem = "archives are read from disks only: copy it, or unpack it into the bucket"
            raise ProjectError(f"{url}: {problem}")
        tree, path = RemotePath(url), url / "meta.json"
        try:
            content = path.read_bytes_now()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ProjectError(_no_project_at(tree)) from None
        except OSError as error:
            raise ProjectError(f"{path}: cannot be read: {explained(error)}") from error
        return cls(url, tree, content, check_meta(parse_meta(content, path), path))

    def close(self) -> None:
        """Remove what an archive was unpacked to."""
        if isinstance(self.tree, ArchivePath):
            self.tree.archive.close()

    @property
    def name(self) -> str:
        """The name of the folder, or that of the archive without its ending."""
        if isinstance(self.folder, Url):
            return self.folder.name
        resolved = self.folder.resolve()
        return resolved.name if isinstance(self.tree, Path) else archive_stem(resolved) or ""

    @property
    def is_archived(self) -> bool:
        """Whether it lies in an archive."""
        return isinstance(self.tree, ArchivePath)

    @property
    def templates(self) -> dict[str, ClassTemplate]:
        """Templates of the project's classes by title."""
        return class_templates(self.meta)

    @property
    def classes(self) -> list[str]:
        """Titles of the project's classes."""
        return [c["title"] for c in self.meta["classes"]]

    def datasets(self) -> list[Dataset]:
        """All data sets, parents before children, by name.

        Raises
        ------
        ProjectError
            If there are none because something lies at another level; the message says what.
        """
        found = self._folders()
        datasets = [dataset for dataset, is_dataset in found if is_dataset]
        if not datasets and (odd := self._odd_ones(found)):
            raise ProjectError("\n".join(f"{self.folder}: {said}" for said in odd[:_MAX_ODD]))
        return datasets

    def notes(self) -> list[str]:
        """What is not read because it lies at another level, one line each."""
        odd = self._odd_ones(self._folders())
        if (more := len(odd) - _MAX_ODD) > 0:
            odd[_MAX_ODD:] = [f"{more} more folders are not as in a Supervisely project"]
        notes = [printable(f"{self.folder.name}: {said}") for said in odd]
        tree = self.tree
        own = map(printable, tree.archive.notes()) if isinstance(tree, ArchivePath) else ()
        return [*own, *notes]

    def _folders(self) -> list[tuple[Dataset, bool]]:
        if self._found:
            return self._found
        try:
            found = list(_find_folders(self.tree, "", frozenset()))
        except ProjectError:
            raise
        except OSError as error:
            raise ProjectError(f"{error.filename}: cannot be read: {error.strerror}") from error
        if isinstance(self.tree, RemotePath):
            self._found.extend(found)
        return found

    def _odd_ones(self, found: Sequence[tuple[Dataset, bool]]) -> list[str]:
        has_datasets = any(is_dataset for _, is_dataset in found)
        is_remote = isinstance(self.tree, RemotePath)  # where a look at every data set takes long
        said = [describe_project(self.tree, has_datasets=has_datasets)]
        for dataset, is_dataset in found:
            is_named = is_part(dataset.output)
            if not (is_remote if is_dataset else is_named):
                said.append(describe_folder(dataset.folder, dataset.output))
        if isinstance(self.tree, ArchivePath):
            said += [f"{name}: {PROBLEMS[LINK]}" for name in self.tree.links()]
        return list(filter(None, said))


def _no_project_at(tree: RemotePath) -> str:
    """What to say of an address at which there is no meta.json."""
    try:
        if not tree.is_dir():
            return f"{tree}: nothing is there: no such bucket or folder"
    except OSError as error:
        return f"{tree}: cannot be read: {explained(error)}"
    return f"{tree}: is not a Supervisely project: it has no meta.json{describe_no_project(tree)}"


def _meta_in_archive(tree: ArchivePath) -> bytes:
    meta = tree / "meta.json"
    if meta.is_there():
        return meta.read_bytes()
    problem = "is not an archive of a Supervisely project: it has no meta.json"
    raise ProjectError(f"{tree.archive.path}: {problem}{describe_no_project(tree)}")


def _find_folders(
    folder: Place, prefix: str, ancestors: frozenset[str]
) -> Iterator[tuple[Dataset, bool]]:
    """Yield all folders in the places of data sets, and whether they are some."""
    try:
        entries = sorted(folder.iterdir()) if isinstance(folder, Path) else [*folder.folders()]
    except OSError:
        if not prefix:
            raise
        yield Dataset(folder, prefix.rstrip("/")), True  # listing it will say why
        return
    for path in entries:
        real = os.path.realpath(path) if isinstance(path, Path) else str(path)
        if path.name.startswith(".") or is_hidden(path.name) or real in ancestors:
            continue  # hidden, or a symbolic link to a data set that it lies in
        try:
            if not isinstance(path, RemotePath) and not _is_folder(path):
                continue
            has_items, nested = _holds_items(path)
        except ProjectError:
            raise
        except OSError:
            has_items, nested = True, False  # listing it will say why
        output = prefix + path.name
        yield Dataset(path, output), has_items
        if nested:
            yield from _find_folders(path / "datasets", f"{output}/datasets/", ancestors | {real})


def _holds_items(folder: Place) -> tuple[bool, bool]:
    """Whether a folder has items, and whether it has data sets; raises `OSError`."""
    if isinstance(folder, RemotePath):  # one request instead of several
        inside = {each.name for each in folder.folders()}
        return not inside.isdisjoint({"img", "ann"}), "datasets" in inside
    return (
        _is_folder(folder / "img") or _is_folder(folder / "ann"),
        _is_folder(folder / "datasets"),
    )


def plan_datasets(projects: Sequence[Project]) -> list[Dataset]:
    """Data sets of all projects with distinct outputs, which `distinct_outputs` explains."""
    per_project = [(project, project.datasets()) for project in projects]
    outputs = distinct_outputs([(project.name, datasets) for project, datasets in per_project])
    return [
        Dataset(dataset.folder, output, number)
        for number, (_, datasets) in enumerate(per_project)
        for dataset, output in zip(datasets, outputs[number], strict=True)
    ]


def distinct_outputs(
    parts: Sequence[tuple[str, Sequence[Dataset]]],
) -> list[list[str]]:
    """Outputs of data sets that meet in one result, for each part of it: a project's name and sets.

    A data set keeps its name unless several parts have one of that name; then each of these is
    called <project>__<dataset>, and numbered if even that is not unique.
    """
    tops = Counter(t for _, sets in parts for t in {d.output.split("/")[0] for d in sets})
    taken = {top for top, count in tops.items() if count == 1}
    outputs = []
    for project, datasets in parts:
        renamed: dict[str, str] = {}
        names = []
        for dataset in datasets:
            top, slash, rest = dataset.output.partition("/")
            if tops[top] > 1 and top not in renamed:
                renamed[top] = _unused_name(f"{project}__{top}", taken)
            names.append(renamed.get(top, top) + slash + rest)
        outputs.append(names)
    return outputs


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


def _is_folder(path: Place) -> bool:
    """Whether the path is a folder; raises OSError if it cannot be looked at."""
    if not isinstance(path, Path):
        return path.is_dir()
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
