"""Names in a data layer → a project's folder, and data sets of the project."""

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from ..errors import ProjectError, did_you_mean, printable
from ..remote import Url
from .ignored import is_hidden
from .items import Dataset
from .locations import Location
from .remote_places import RemotePath
from .supervisely import Project
from .volumes import archive_stem, is_archive, is_later_part

_MAX_NAMES = 8
_T = TypeVar("_T")


def find_project(name: str, given: Sequence[Location], below: Sequence[Location]) -> Location:
    """Return the folder, or the archive, of the project of this name.

    Parameters
    ----------
    name
        The name of its folder, or of its archive without the ending.
    given
        Folders and archives of projects.
    below
        Folders in which these lie; they are looked at if none of `given` has the name.

    Raises
    ------
    ProjectError
        If there is none, or more than one.
    """
    there = [(each, path) for path in given for each in _names_of(path)]
    found = _of_name(name, there)
    lying: list[tuple[str, Location]] = []
    if not found:
        lying = [(_name_of(path), path) for folder in below for path in _folders_in(folder)]
        found = _of_name(name, lying)
    distinct = _distinct(found)
    if len(distinct) > 1:  # a link's own name counts before that of its target
        found = [path for path in found if _form(_name_of(path)) == _form(name)] or found
        distinct = _distinct(found)
    if len(distinct) > 1:
        paths = ", ".join(str(path) for path in reversed(distinct.values()))
        kind = "projects" if any(is_archive(p) for p in found if isinstance(p, Path)) else "folders"
        raise ProjectError(f'project "{printable(name)}": several {kind} have the name: {paths}')
    if not distinct:
        hint = _one_level_off(name, given, below)
        raise ProjectError(_no_project(name, there, lying, below) + hint)
    return found[0]


def _distinct(paths: Sequence[Location]) -> dict[str, Location]:
    """The first path of each folder, by where that really is."""
    return {
        path.address if isinstance(path, Url) else os.path.realpath(path): path
        for path in reversed(paths)
    }


def _name_of(folder: Location) -> str:
    if isinstance(folder, Url):
        return folder.name
    stem = archive_stem(folder) if is_archive(folder) else None
    return stem or os.path.basename(os.path.abspath(folder))


def _names_of(folder: Location) -> set[str]:
    """The names of a folder; if it is a symbolic link, also that of its target."""
    if isinstance(folder, Url):
        return {folder.name}
    return {_name_of(folder), _name_of(Path(os.path.realpath(folder)))}


def _folders_in(folder: Location) -> list[Location]:
    try:
        if isinstance(folder, Url):
            return [each.url for each in RemotePath(folder).folders() if not is_hidden(each.name)]
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise ProjectError(f"{folder}: cannot be read: {error.strerror}") from error
    return [path for path in paths if not is_hidden(path.name) and _may_be_project(path)]


def _may_be_project(path: Path) -> bool:
    return os.path.isdir(path) or (is_archive(path) and not is_later_part(path))


def _of_name(name: str, named: Iterable[tuple[str, _T]]) -> list[_T]:
    """What has a name; only if nothing has, what has it in another form of Unicode."""
    pairs = list(named)
    same = [each for its, each in pairs if its == name]
    return same or [each for its, each in pairs if _form(its) == _form(name)]


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _no_project(
    name: str,
    there: Sequence[tuple[str, Location]],
    lying: Sequence[tuple[str, Location]],
    below: Sequence[Location],
) -> str:
    told = f'project "{printable(name)}" is not there'
    hint = did_you_mean(name, [each for each, _ in (*there, *lying)])
    places = []
    if there:
        places.append(f"the projects given are {_join(_name_of(path) for _, path in there)}")
    if below:
        folders = ", ".join(map(str, below))
        places.append(f"below {folders} there are {_join(each for each, _ in lying)}")
    if not places:
        places.append(
            "no project was given, and no folder in which projects lie; name its folder as a"
            " PROJECT, or the folder that it lies in with --projects"
        )
    return f"{told}{hint}: {'; '.join(places)}"


def _one_level_off(name: str, given: Sequence[Location], below: Sequence[Location]) -> str:
    """Say what to do if the folder of projects was given for a project, or the other way round."""
    for folder in given:
        if isinstance(folder, Path) and os.path.isdir(folder / name):
            return printable(f"; {folder} holds it: say --projects {folder}, or {folder / name}")
    for folder in below:
        if name in _names_of(folder):
            return printable(f"; {folder} is the project: say it without --projects")
    return ""


def select(project: Project, entries: Sequence[str]) -> list[Dataset]:
    """Return the data sets that a data layer names, each once, as `Project.datasets` has them.

    Parameters
    ----------
    project
        Where they are.
    entries
        "*" stands for all, "market" for one data set, "market/closeups" for one that lies in it,
        "market/*" for a data set and all that lie in it.

    Raises
    ------
    ProjectError
        Naming every entry that no data set has, and the data sets that there are.
    """
    datasets = {dataset: _entry_of(dataset) for dataset in project.datasets()}
    chosen: set[Dataset] = set()
    wrong = []
    for entry in entries:
        found = _chosen(entry, datasets)
        chosen.update(found)
        if not found and entry != "*":
            hint = did_you_mean(entry.removesuffix("/*"), datasets.values())
            wrong.append(f'data set "{printable(entry)}" is not there{hint}')
    if wrong:
        there = f"the data sets are {_join(datasets.values())}" if datasets else "it has none"
        lines = (f"{project.folder}: {said}: {there}" for said in wrong)
        raise ProjectError("\n".join(lines))
    return [dataset for dataset in datasets if dataset in chosen]


def _entry_of(dataset: Dataset) -> str:
    """How a data layer names a data set: parents and children, without folders between."""
    return "/".join(dataset.output.split("/")[::2])


def _chosen(entry: str, datasets: Mapping[Dataset, str]) -> list[Dataset]:
    named = [(name, dataset) for dataset, name in datasets.items()]
    if entry == "*":
        return list(datasets)
    if entry.endswith("/*"):
        parent = _form(entry[:-1])
        return [dataset for name, dataset in named if _form(name + "/").startswith(parent)]
    return _of_name(entry, named)


def _join(names: Iterable[str]) -> str:
    """The first few names, and whether there are more."""
    quoted = [f'"{printable(name)}"' for name in dict.fromkeys(names)]
    rest = ", ..." if len(quoted) > _MAX_NAMES else ""
    return ", ".join(quoted[:_MAX_NAMES]) + rest or "none"
