"""Supervisely projects on disk → data sets and items.

    <project>/meta.json
    <project>/<dataset>/img/IMG_1.jpeg
    <project>/<dataset>/ann/IMG_1.jpeg.json      (older projects: IMG_1.json)
    <project>/<dataset>/datasets/<child>/...     to any depth

Listing is lazy: the names of a data set are in memory only as long as somebody needs them.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from ..errors import ProjectError


@dataclass(frozen=True, slots=True)
class ClassTemplate:
    """What meta.json says of a class that matters for painting.

    Attributes
    ----------
    shape
        Geometry of its objects, "any", or None if that is not said.
    edges
        Pairs of nodes that are joined, for graphs.
    """

    shape: str | None
    edges: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One image and its annotation; names are as the file system has them.

    Attributes
    ----------
    dataset
        Where the data set's folders lie below the output, as "ds0" or "ds0/datasets/child".
    name
        The image's file name.
    image, annotation
        Paths of the two files, None where one is missing.
    mask_name
        File name of the masks.
    project
        Number of its project in the run.
    """

    dataset: str
    name: str
    image: str | None
    annotation: str | None
    mask_name: str
    project: int = 0


class Entry(NamedTuple):
    """What a data set's folders hold of one item.

    Attributes
    ----------
    name
        The image's file name, or what it would be.
    has_image
        Whether there is an image.
    annotation
        The annotation's file name, or None if there is none.
    mask_name
        File name of the masks.
    """

    name: str
    has_image: bool
    annotation: str | None
    mask_name: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder with `img` and `ann`; `output` is its place below the output folder."""

    folder: Path
    output: str
    project: int = 0

    def count(self) -> int:
        """How many items there are; a folder that cannot be read will be one failure."""
        try:
            return len(self.listing().names)
        except OSError:
            return 1

    def items(self) -> Iterator[Item]:
        """All items by name: images with or without annotation, and annotations without image."""
        listing = self.listing()
        return map(listing.item, listing)

    def listing(self) -> "Listing":
        """All that the folder holds now; may raise OSError."""
        images = sorted(_files(self.folder / "img"))
        annotations = {name for name in _files(self.folder / "ann") if name.endswith(".json")}
        names, flags = _pair(images, annotations)
        _flag_whole_names(names, flags)
        return Listing(self, names, flags)


_IMAGE, _ANNOTATION, _OLD_ANNOTATION, _WHOLE_NAME = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class Listing:
    """The items of one data set at one moment, by name, in about a hundred bytes each.

    Attributes
    ----------
    names
        Names of the items.
    flags
        Of each, what there is: an image, an annotation called after the whole name or, as in older
        projects, after the name without its extension; and whether masks keep the whole name.
    """

    dataset: Dataset
    names: list[str]
    flags: bytearray

    def __iter__(self) -> Iterator[Entry]:
        for name, flags in zip(self.names, self.flags, strict=True):
            annotation = None
            if flags & _ANNOTATION:
                annotation = name + ".json"
            elif flags & _OLD_ANNOTATION:
                annotation = _stem(name) + ".json"
            mask = (name if flags & _WHOLE_NAME else _stem(name)) + ".png"
            yield Entry(name, bool(flags & _IMAGE), annotation, mask)

    def item(self, entry: Entry) -> Item:
        """An item with the paths of its files."""
        folder = self.dataset.folder
        return Item(
            dataset=self.dataset.output,
            name=entry.name,
            image=f"{folder}/img/{entry.name}" if entry.has_image else None,
            annotation=entry.annotation and f"{folder}/ann/{entry.annotation}",
            mask_name=entry.mask_name,
            project=self.dataset.project,
        )


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
        return cls(folder, content, _checked_meta(_load_meta(content, path), path))

    @property
    def templates(self) -> dict[str, ClassTemplate]:
        """What to know of each class for painting; what is malformed counts as not said."""
        return {c["title"]: _template(c) for c in self.meta["classes"]}

    @property
    def classes(self) -> list[str]:
        """Titles of the project's classes."""
        return [c["title"] for c in self.meta["classes"]]

    def datasets(self) -> list[Dataset]:
        """All data sets, parents before children, by name."""
        try:
            return list(_datasets(self.folder, "", frozenset()))
        except OSError as error:
            raise ProjectError(f"{error.filename}: cannot be read: {error.strerror}") from error


Meta = bytes | bytearray | memoryview | str | Path | Mapping[str, Any]
"""A project's meta.json: its text, what that parses to, or the path of the file."""


def read_templates(meta: Meta | None) -> dict[str, ClassTemplate]:
    """What a meta.json in any form, or None, says of each class that matters for painting.

    A mapping of titles to `ClassTemplate` is taken as it is. Raises `ProjectError`.
    """
    if meta is None:
        return {}
    where: object = "meta"
    found: object = meta
    if isinstance(meta, Path):
        where = meta
        try:
            found = meta.read_bytes()
        except OSError as error:
            raise ProjectError(f"{where}: cannot be read: {error.strerror}") from error
    if isinstance(found, Mapping) and all(isinstance(t, ClassTemplate) for t in found.values()):
        return dict(found)
    if isinstance(found, bytes | bytearray | memoryview | str):
        found = _load_meta(found, where)
    return {c["title"]: _template(c) for c in _checked_meta(found, where)["classes"]}


def _load_meta(content: bytes | bytearray | memoryview | str, where: object) -> object:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        is_path = isinstance(content, str) and content.strip()[:1] not in {"", "{", "["}
        hint = "; the path of a file must be a pathlib.Path" if is_path else ""
        raise ProjectError(f"{where}: not valid JSON: {error}{hint}") from error


def _checked_meta(meta: object, where: object) -> dict[str, Any]:
    found: dict[str, Any] = meta if isinstance(meta, dict) else {}
    classes = found.get("classes")
    if not isinstance(classes, list) or not all(
        isinstance(c, dict) and isinstance(c.get("title"), str) for c in classes
    ):
        raise ProjectError(f'{where}: "classes" must be a list of objects with a "title"')
    return found


def _template(entry: dict[str, Any]) -> ClassTemplate:
    shape = entry.get("shape")
    config = entry.get("geometry_config")
    edges = config.get("edges") if isinstance(config, dict) else None
    pairs = [
        (edge.get("src"), edge.get("dst"))
        for edge in (edges if isinstance(edges, list) else ())
        if isinstance(edge, dict)
    ]
    return ClassTemplate(
        shape if isinstance(shape, str) else None,
        tuple((a, b) for a, b in pairs if isinstance(a, str) and isinstance(b, str)),
    )


def _datasets(folder: Path, prefix: str, above: frozenset[str]) -> Iterator[Dataset]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        if not prefix:
            raise
        yield Dataset(folder, prefix.rstrip("/"))  # listing it will say why
        return
    for path in entries:
        real = os.path.realpath(path)
        if path.name.startswith(".") or real in above:
            continue  # hidden, or a symbolic link to a data set that it lies in
        try:
            if not _is_folder(path):
                continue
            own = _is_folder(path / "img") or _is_folder(path / "ann")
            nested = _is_folder(path / "datasets")
        except OSError:
            own, nested = True, False  # here too
        output = prefix + path.name
        if own:
            yield Dataset(path, output)
        if nested:
            yield from _datasets(path / "datasets", f"{output}/datasets/", above | {real})


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
                renamed[top] = _free(f"{project.folder.resolve().name}__{top}", taken)
            output = renamed.get(top, top) + slash + rest
            planned.append(Dataset(dataset.folder, output, number))
    return planned


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    taken.add(free)
    return free


def merge_meta(projects: Sequence[Project]) -> bytes:
    """`meta.json` of the result: the project's own, or the union of several.

    Of classes and tags of one name the first is kept; a class whose shapes differ becomes "any".
    """
    if len(projects) == 1:
        return projects[0].meta_bytes
    merged = dict(projects[0].meta)
    classes: dict[str, dict[str, Any]] = {}
    tags: dict[Any, Any] = {}
    for project in projects:
        for item in project.meta["classes"]:
            first = classes.setdefault(item["title"], dict(item))
            if first.get("shape") != item.get("shape"):
                first["shape"] = "any"
        found = project.meta.get("tags")
        for tag in found if isinstance(found, list) else ():
            tags.setdefault(str(tag.get("name") if isinstance(tag, dict) else tag), tag)
    merged["classes"], merged["tags"] = list(classes.values()), list(tags.values())
    return orjson.dumps(merged)


def mask_names(images: Sequence[str]) -> list[str]:
    """File names of the masks of one data set: the image's without its extension, and ".png".

    Where that is not unique the whole image name is kept: a.jpg and a.png give a.jpg.png and
    a.png.png. A name that then meets another one's is kept whole as well, until all differ.
    """
    names = [_stem(image) + ".png" for image in images]
    while len(set(names)) < len(names):
        counts = Counter(names)
        names = [
            image + ".png" if counts[name] > 1 else name
            for image, name in zip(images, names, strict=True)
        ]
    return names


def _flag_whole_names(names: Sequence[str], flags: bytearray) -> None:
    """Flag the items whose masks keep the whole name."""
    for i, (name, mask) in enumerate(zip(names, mask_names(names), strict=True)):
        if mask == name + ".png":
            flags[i] |= _WHOLE_NAME


def _stem(name: str) -> str:
    """A file name without its extension, by the rules of `os.path.splitext`."""
    stem = name.rpartition(".")[0]
    return stem if stem.strip(".") else name


def _is_folder(path: Path) -> bool:
    """Whether there is a folder; an OSError if that cannot be told."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _files(folder: Path) -> list[str]:
    """Names of the files in a folder; none if there is no such folder.

    Those are left out that begin with a dot, but not with two: they are a file system's or a
    desktop's own, as .DS_Store or ._IMG_1.jpeg.
    """
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return []
    with entries:
        return [
            entry.name
            for entry in entries
            if (entry.name[0] != "." or entry.name[:2] == "..") and not entry.is_dir()
        ]


def _pair(images: list[str], annotations: set[str]) -> tuple[list[str], bytearray]:
    """Names of all items, sorted, and flags of what there is; uses up the annotations."""
    flags = bytearray(len(images))
    for i, name in enumerate(images):
        if name + ".json" in annotations:
            flags[i] = _IMAGE | _ANNOTATION
        elif _stem(name) + ".json" in annotations:
            flags[i] = _IMAGE | _OLD_ANNOTATION
        else:
            flags[i] = _IMAGE
    # An annotation of the old kind may be that of several images, so none is taken out before.
    for name, found in zip(images, flags, strict=True):
        if found & _ANNOTATION:
            annotations.discard(name + ".json")
        elif found & _OLD_ANNOTATION:
            annotations.discard(_stem(name) + ".json")
    if not annotations:
        return images, flags
    names = images + [annotation.removesuffix(".json") for annotation in annotations]
    flags += bytes([_ANNOTATION]) * len(annotations)
    order = sorted(range(len(names)), key=names.__getitem__)
    return [names[i] for i in order], bytearray(flags[i] for i in order)
