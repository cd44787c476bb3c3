"""Supervisely projects on disk → data sets and items.

    <project>/meta.json
    <project>/<dataset>/img/IMG_1.jpeg
    <project>/<dataset>/ann/IMG_1.jpeg.json      (older projects: IMG_1.json)
    <project>/<dataset>/datasets/<child>/...     to any depth

Listing is lazy: one data set's names are in memory at a time.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from .errors import ProjectError


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


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder with `img` and `ann`; `output` is its place below the output folder."""

    folder: Path
    output: str
    project: int = 0

    def names(self) -> tuple[list[str], set[str]]:
        """Return the sorted names of images and the set of annotations; may raise OSError."""
        images = sorted(n for n in _files(self.folder / "img") if not _is_hidden(n))
        annotations = {
            n for n in _files(self.folder / "ann") if n.endswith(".json") and not _is_hidden(n)
        }
        return images, annotations

    def count(self) -> int:
        """How many items there are; a folder that cannot be read will be one failure."""
        try:
            images, annotations = self.names()
        except OSError:
            return 1
        return len(_pair(images, annotations))

    def items(self) -> Iterator[Item]:
        """All items by name: images with or without annotation, and annotations without image."""
        return iter(self.listing())

    def listing(self) -> "Listing":
        """All that the folder holds now; may raise OSError."""
        pairs = _pair(*self.names())
        return Listing(self, pairs, mask_names([name for name, _, _ in pairs]))


@dataclass(frozen=True, slots=True)
class Listing:
    """The names of one data set at one moment, by which items are made when they are wanted.

    Attributes
    ----------
    pairs
        Name, whether there is an image, and the annotation's file name, by name.
    masks
        The file names of their masks.
    """

    dataset: Dataset
    pairs: list[tuple[str, bool, str | None]]
    masks: list[str]

    def __iter__(self) -> Iterator[Item]:
        dataset = self.dataset
        image_folder = os.path.join(dataset.folder, "img", "")  # noqa: PTH118
        annotation_folder = os.path.join(dataset.folder, "ann", "")  # noqa: PTH118
        for (name, has_image, annotation), mask in zip(self.pairs, self.masks, strict=True):
            yield Item(
                dataset=dataset.output,
                name=name,
                image=image_folder + name if has_image else None,
                annotation=annotation and annotation_folder + annotation,
                mask_name=mask,
                project=dataset.project,
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
    names = [os.path.splitext(image)[0] + ".png" for image in images]  # noqa: PTH122
    while True:
        counts = Counter(names)
        if len(counts) == len(names):
            return names
        names = [
            image + ".png" if counts[name] > 1 else name
            for image, name in zip(images, names, strict=True)
        ]


def _is_hidden(name: str) -> bool:
    """Whether a file system's or desktop's own file, as .DS_Store or ._IMG_1.jpeg."""
    return name.startswith(".") and not name.startswith("..")


def _is_folder(path: Path) -> bool:
    """Whether there is a folder; an OSError if that cannot be told."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _files(folder: Path) -> Iterator[str]:
    """Names of the files in a folder; none if there is no such folder."""
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if not entry.is_dir():
                yield entry.name


def _pair(images: list[str], annotations: set[str]) -> list[tuple[str, bool, str | None]]:
    """Name, whether there is an image, and the annotation's file name, by name."""
    pairs: list[tuple[str, bool, str | None]] = []
    used = set()
    for name in images:
        stem = os.path.splitext(name)[0]  # noqa: PTH122
        found = next((a for a in (f"{name}.json", f"{stem}.json") if a in annotations), None)
        used.add(found)
        pairs.append((name, True, found))
    pairs += [(a.removesuffix(".json"), False, a) for a in annotations - used]
    return sorted(pairs)
