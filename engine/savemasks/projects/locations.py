"""The places where projects can be: folders of this machine, archives, and addresses."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import OutputError, ProjectError, RemoteError
from ..remote import Url, is_url
from ..system.file_calls import Folder
from .archives import ArchivePath, MemberFolder
from .remote_places import RemoteFolder, RemotePath

Location = Path | Url
"""Where a project or a result is, as its user names it."""

Place = Path | ArchivePath | RemotePath
"""A folder of a project."""

OpenFolder = Folder | MemberFolder | RemoteFolder
"""A folder whose files are looked at by their names."""


def location_of(
    given: str | os.PathLike[str] | Url,
    what: str = "a project",
    error_type: type[ProjectError] | type[OutputError] = ProjectError,
) -> Location:
    """The place of a path or an address.

    Raises an error of the type that is given for an address of no use, and for an empty text, which
    would be the current folder; that error names `what` is empty.
    """
    if isinstance(given, Url):
        return given
    text = os.fsdecode(given)
    if not text:
        raise error_type(f"{what}: an empty text is no path")
    try:
        return Url.parse(text) if is_url(text) else Path(text)
    except RemoteError as error:
        raise error_type(str(error)) from error


def paths_of(places: Iterable[Location], what: str) -> list[Path]:
    """Paths of projects for what reads no addresses; raises `ProjectError` that names it."""
    paths = []
    for place in places:
        path = as_path(place)
        if not isinstance(path, Path):
            raise ProjectError(f"{place}: {what} reads folders and archives, no addresses")
        paths.append(path)
    return paths


def is_inside(place: Location, folder: Location) -> bool:
    """Whether a place is in a folder, or is that."""
    inner, outer = (
        each.folder or each if isinstance(each, Url) else each for each in (place, folder)
    )
    if isinstance(inner, Path) and isinstance(outer, Path):
        return inner.resolve().is_relative_to(outer.resolve())
    return f"{inner}/".startswith(f"{str(outer).rstrip('/')}/")


def as_path(place: Location) -> Location:
    """The path of a place, if it has one on this machine."""
    return (place.folder or place) if isinstance(place, Url) else place


def open_folder(place: Place) -> OpenFolder:
    """A folder whose files are looked at one after the other; one at an address is listed."""
    if isinstance(place, Path):
        return Folder(place)
    return MemberFolder(place) if isinstance(place, ArchivePath) else RemoteFolder.listed(place)


def entries_of(place: Place) -> Iterator[tuple[str, bool]]:
    """Names in a folder, and whether they are those of folders; raises `OSError`.

    Of a folder at an address, of which all is in a store, those of the first page.
    """
    if isinstance(place, Path):
        with os.scandir(place) as entries:
            yield from ((entry.name, entry.is_dir()) for entry in entries)
    elif isinstance(place, ArchivePath):
        yield from ((name, False) for name in place.files())
        yield from ((each.name, True) for each in place.folders())
    else:
        for page in place.pages():
            yield from ((file.name, False) for file in page.files)
            yield from ((name, True) for name in page.folders)
            return


def is_there(place: Place) -> bool:
    """Whether a file is there."""
    return os.path.isfile(place) if isinstance(place, Path) else place.is_there()
