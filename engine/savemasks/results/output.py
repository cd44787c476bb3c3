"""The output folder of a run: whose it is, under which settings it was begun, and who is in it."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from ..errors import OutputError, WriteError, printable, shown
from ..layers.save_masks import SaveMasks
from ..line.job import Outcome
from ..projects.supervisely import Project
from ..store.files import UNFINISHED, Store, Written
from .journal import Journal
from .lock import HIDDEN, Lock
from .report import ErrorLog

FORMAT = 1
"""Raised whenever the same input and settings give other files, or the journal another meaning."""

_JOURNAL = f"{HIDDEN}/journal.sqlite"
_NAMED_DIFFERENCES = 5


def check_output(root: Path, *, force: bool = False) -> None:
    """Refuse to mix results with files of somebody else. Writes nothing."""
    try:
        if (root / _JOURNAL).is_file() or not root.exists():
            return
        if not root.is_dir() or (not force and any(e.name != HIDDEN for e in root.iterdir())):
            raise OutputError(
                f"{root}: is not an empty folder, and not one that savemasks made; choose another"
                " --out, or remove it first, or --force to add what does not exist there"
            )
    except PermissionError as error:
        raise OutputError(f"{root}: cannot be read: {error.strerror}") from error


def find_output(folder: Path) -> Path:
    """Return the folder with a journal: `folder`, or the only one directly below it."""
    if (folder / _JOURNAL).is_file():
        return folder
    try:
        found = sorted(path.parent.parent for path in folder.glob(f"*/{_JOURNAL}"))
    except OSError:
        found = []
    if len(found) == 1:
        return found[0]
    if found:
        raise OutputError(f"{folder}: holds several results: name one, as {found[0]}")
    raise OutputError(
        f"{folder}: no journal of savemasks is here; name the folder with the results,"
        " as out/experiment001"
    )


def arguments_of(layer: SaveMasks, projects: Sequence[Project]) -> dict[str, Any]:
    """Everything that the files of a result depend on, besides the items, as JSON.

    Keys without effect are left out, and of the classes of each project only a digest is kept.
    """
    settings = layer.settings
    known = settings.model_dump(mode="json", include=set(type(settings).model_fields))
    return {
        "format": FORMAT,
        "layer": {"action": layer.action, "src": layer.src, "dst": layer.dst, "settings": known},
        "projects": [str(project.folder.resolve()) for project in projects],
        "classes": [_digest(project) for project in projects],
    }


def _digest(project: Project) -> str:
    digest = hashlib.sha256()
    for title, template in sorted(project.templates.items()):
        text = orjson.dumps([printable(title), template.shape, template.edges])
        digest.update(text + b"\n")
    return digest.hexdigest()


class Output:
    """An output folder that is ours until it is closed.

    Attributes
    ----------
    root
        The folder.
    journal, errors
        What is kept in its hidden folder.
    """

    def __init__(
        self,
        root: Path,
        arguments: Mapping[str, Any],
        *,
        restart: bool = False,
        force: bool = False,
        durable: bool = False,
    ) -> None:
        """Take the folder, or make it.

        Parameters
        ----------
        root
            The folder.
        arguments
            What `arguments_of` says. If the folder was begun with others, it is refused, unless
            `restart` is true, which makes everything that it holds outdated.
        force
            Take a folder with files of somebody else, which are then never replaced.
        durable
            Wait for the disk.

        Raises
        ------
        OutputError
            If the folder cannot be used, is in use, or must not be used so.
        """
        self.root = root
        hidden = root / HIDDEN
        if hidden.is_symlink():
            raise OutputError(f"{hidden}: is a link; remove it")
        try:
            hidden.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{root}: cannot be written: {error.strerror}") from error
        self._lock = Lock(root)
        try:
            self.journal = Journal(root, durable=durable)
            try:
                self._begin(arguments, restart=restart, force=force)
            except BaseException:
                self.journal.close()
                raise
        except BaseException:
            self._lock.close()
            raise
        self.errors = ErrorLog(hidden / "errors.jsonl")

    def _begin(self, arguments: Mapping[str, Any], *, restart: bool, force: bool) -> None:
        journal = self.journal
        now = orjson.dumps(_encodable(arguments), option=orjson.OPT_SORT_KEYS)
        before = journal.get("arguments")
        generation = int(journal.get("generation") or 0)
        if before is None:
            check_foreign = force or all(e.name == HIDDEN for e in self.root.iterdir())
            if not check_foreign:
                raise OutputError(f"{self.root}: is not an empty folder")
            # Before the arguments, with which the folder becomes ours.
            journal.add_strangers(_strangers(self.root))
        elif before != now and not restart:
            raise OutputError(
                f"{self.root}: was begun with other settings:"
                f" {_differences(orjson.loads(before), orjson.loads(now))};"
                " --restart makes everything anew, another --out leaves this as it is"
            )
        if journal.get("open") == b"1":
            _sweep(self.root)
        generation += before is None or restart
        journal.put(arguments=now, generation=b"%d" % generation, open=b"1")
        journal.generation = generation

    def put_meta(self, content: bytes, store: Store) -> None:
        """Write `meta.json`; raises `OutputError`."""
        if self.journal.is_stranger("meta.json"):
            raise OutputError(f"{self.root}/meta.json: exists and is not ours; move it away")
        try:
            written = store.write("meta.json", [content])
        except WriteError as error:
            raise OutputError(str(error)) from error
        self.journal.put(meta=orjson.dumps([*written]))

    def add(self, outcome: Outcome) -> None:
        """Note what became of an item."""
        self.errors.add(outcome)
        if outcome.item.name:  # otherwise it is a folder, which the plan has noted
            self.journal.add(outcome)

    def close(self) -> None:
        """Let the next one in."""
        self.errors.close()
        self.journal.commit()
        if self.journal.problem is None:
            with suppress(OutputError):  # then the next run has a little more to do
                self.journal.put(open=b"0")
        self.journal.close()
        self._lock.close()


@contextmanager
def locked_journal(root: Path) -> Iterator[Journal]:
    """Open the journal of a finished or broken-off run; raises `OutputError`."""
    lock = Lock(root)
    try:
        journal = Journal(root, read_only=not os.access(root / HIDDEN, os.W_OK))
        try:
            yield journal
        finally:
            journal.close()
    finally:
        lock.close()


def read_arguments(journal: Journal) -> tuple[SaveMasks, list[Path]]:
    """Return the layer and the projects that a result was begun with; raises `OutputError`."""
    content = journal.get("arguments")
    if content is None:
        raise OutputError("the journal is empty: the run that made it ended before its first item")
    arguments = orjson.loads(content)
    projects = [Path(os.fsdecode(bytes.fromhex(name))) for name in arguments["projects"]]
    return SaveMasks.from_json(arguments["layer"]), projects


def meta_written(journal: Journal) -> Written | None:
    """Return what `meta.json` must hold."""
    content = journal.get("meta")
    return None if content is None else Written(*orjson.loads(content))


def _encodable(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Paths need not be UTF-8."""
    return {**arguments, "projects": [os.fsencode(p).hex() for p in arguments["projects"]]}


def _differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Say in words what is not as it was."""
    old, new = before.get("layer", {}).get("settings", {}), now["layer"]["settings"]
    named = [
        f"settings.{key} was {shown(old.get(key))} and is {shown(new.get(key))}"
        for key in new
        if old.get(key) != new[key]
    ]
    if before.get("format") != now["format"]:
        named.append("it is of another version of savemasks")
    if before.get("projects") != now["projects"]:
        paths = [os.fsdecode(bytes.fromhex(name)) for name in before.get("projects", [])]
        named.append(f"the projects were {', '.join(map(printable, paths))}")
    elif before.get("classes") != now["classes"]:
        named.append("shapes or names of the classes in meta.json have changed")
    more = len(named) - _NAMED_DIFFERENCES
    shown_ones = "; ".join(named[:_NAMED_DIFFERENCES]) or "src or dst of the layer"
    return shown_ones + (f"; and {more} more" if more > 0 else "")


def _strangers(root: Path) -> Iterator[str]:
    """Files, and links to folders, that are in the folder already."""
    for folder, folders, files in os.walk(root):
        below = os.path.relpath(folder, root)
        if below == ".":
            folders[:] = [name for name in folders if name != HIDDEN]
        links = [name for name in folders if os.path.islink(f"{folder}/{name}")]  # noqa: PTH114
        for name in (*files, *links):
            yield name if below == "." else f"{below}/{name}"


def _sweep(root: Path) -> None:
    """Remove what a run that was killed had not finished writing."""
    begin, end = UNFINISHED
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != HIDDEN]
        for name in files:
            if name.startswith(begin) and name.endswith(end):
                with suppress(OSError):
                    os.unlink(f"{folder}/{name}")  # noqa: PTH108
