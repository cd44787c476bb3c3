"""The output folder of a run: its lock, its journal, and the arguments it was begun with."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from .. import jsontext
from ..errors import OutputError, printable, shown
from ..layers.auto_colors import needs_colors
from ..layers.class_orders import NumberedClasses
from ..layers.graph import Graph
from ..layers.save import Save
from ..layers.save_masks import SaveMasks
from ..line.job import Files, Outcome, PackRules
from ..projects.locations import Location, location_of
from ..projects.parts import Part, unfinished_mark
from ..projects.supervisely import Project
from ..remote import Url
from ..store.files import UNFINISHED
from .differences import are_same, differences, encoded
from .division import DIVISION, PartLock, put_mark, refuse_divided, remove_mark
from .journal import JOURNAL, Journal
from .lock import HIDDEN, Lock
from .report import ErrorLog
from .root_files import RootFiles

FORMAT = 1
"""Increased whenever the same input gives other files, or the journal gets another meaning."""

CHUNKED = f"{HIDDEN}/result.json"
"""What a result has that is made in chunks."""

_MARKS = f"{HIDDEN}/{JOURNAL}", DIVISION


def check_output(root: Path, *, force: bool = False) -> None:
    """Raise `OutputError` if the folder holds foreign files, unless `force`. Writes nothing."""
    refuse_chunked(root)
    try:
        if is_begun(root) or not root.exists():
            return
        if not root.is_dir() or (not force and any(e.name != HIDDEN for e in root.iterdir())):
            if is_begun(root):  # by another part, just now
                return
            raise OutputError(
                f"{root}: is not an empty folder, and not one that savemasks made; choose another"
                " --out, or remove it first, or --force to add what does not exist there"
            )
    except PermissionError as error:
        raise OutputError(f"{root}: cannot be read: {error.strerror}") from error


def refuse_chunked(root: Path) -> None:
    """Raise `OutputError` if a folder has a result that is made in chunks."""
    if (root / CHUNKED).is_file():
        raise OutputError(
            f"{root}: was made with --cluster, or at an address: say the same again, or choose"
            " another --out"
        )


def is_begun(root: Path) -> bool:
    """Whether a folder has a journal, or journals of parts."""
    return any((root / mark).is_file() for mark in _MARKS)


def find_output(folder: Path) -> Path:
    """Return the folder with a journal: `folder`, or the only one directly below it."""
    if is_begun(folder):
        return folder
    try:
        found = sorted({p.parent.parent for mark in _MARKS for p in folder.glob(f"*/{mark}")})
    except OSError:
        found = []
    if len(found) == 1:
        return found[0]
    if found:
        raise OutputError(f"{folder}: holds several results: name one, as {found[0]}")
    raise no_journal(folder)


def no_journal(folder: Path) -> OutputError:
    """The error that says that a folder has no result."""
    return OutputError(
        f"{printable(folder)}: no journal of savemasks is here; name the folder with the results,"
        " as out/experiment001"
    )


def layer_arguments(
    layer: SaveMasks | Save, projects: Sequence[Project], order: str
) -> dict[str, Any]:
    """Return everything besides the items that the files of a result depend on, as JSON.

    Unknown keys of the settings are left out; the classes of each project are kept as a digest, and
    so is the order in which classes are numbered.
    """
    known = layer.settings.known()
    return {
        "format": FORMAT,
        "layer": {"action": layer.action, "src": layer.src, "dst": layer.dst, "settings": known},
        "projects": [_named(project.folder, os.path.realpath) for project in projects],
        "classes": _digests(layer, projects),
        "order": order,
    }


def graph_arguments(
    layer: SaveMasks | Save,
    layers: Sequence[Mapping[str, Any]],
    projects: Sequence[Project],
    order: str,
) -> dict[str, Any]:
    """Return the same for a sink of a graph, which depends on the layers that lead to it."""
    return {
        "format": FORMAT,
        "graph": [*layers],
        # By the names that the layers know them by.
        "projects": [_named(project.folder, os.path.abspath) for project in projects],
        "classes": _digests(layer, projects),
        "order": order,
    }


def _named(folder: Location, whole: Callable[[Path], str]) -> str:
    """How arguments name a project; an address has no credentials there."""
    return str(folder) if isinstance(folder, Url) else whole(folder)


def order_digest(numbered: NumberedClasses) -> str:
    """Digest of the order in which masks number classes."""
    orders = [titles and [*map(printable, titles)] for titles in numbered.orders]
    return hashlib.sha256(jsontext.dump(orders)).hexdigest()


def _digests(layer: SaveMasks | Save, projects: Sequence[Project]) -> list[str]:
    """Digests of the classes of projects, with order and colours if the layer shows these."""
    has_colors = needs_colors(layer)
    return [_digest(project, has_colors=has_colors) for project in projects]


def _digest(project: Project, *, has_colors: bool) -> str:
    digest = hashlib.sha256()
    templates = project.templates.items()
    for title, template in templates if has_colors else sorted(templates):
        own = [shown(template.color)] if has_colors else []
        text = jsontext.dump([printable(title), template.shape, template.edges, *own])
        digest.update(text + b"\n")
    return digest.hexdigest()


class Output:
    """An output folder, locked until it is closed. What is in it stays as it is until `begin`.

    Attributes
    ----------
    root
        The folder.
    journal, errors
        Journal and error log in its hidden folder, or in that of the part.
    files
        Those at its root.
    """

    errors: ErrorLog
    files: RootFiles

    def __init__(
        self,
        root: Path,
        arguments: Mapping[str, Any],
        part: Part | None = None,
        *,
        restart: bool = False,
        force: bool = False,
        durable: bool = False,
    ) -> None:
        """Lock the folder; create it if needed.

        Parameters
        ----------
        root
            The folder.
        arguments
            What `layer_arguments` or `graph_arguments` returns. A folder that was begun with
            others is refused.
        part
            The part of the result that is made, or None for all of it.
        restart
            Accept other arguments, and call everything in the folder outdated.
        force
            Accept a folder with foreign files, which are then never replaced.
        durable
            Commit rows only when the disk holds them.

        Raises
        ------
        OutputError
            If the folder cannot be used, is in use, or holds foreign files or other arguments.
        """
        self.root, self._restart, self._begun = root, restart, False
        self._part, self._durable = part, durable
        self._was_finished = False
        self._arguments = encoded(arguments)
        hidden = root / HIDDEN
        if hidden.is_symlink():
            raise OutputError(f"{hidden}: is a link; remove it")
        try:
            hidden.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{root}: cannot be written: {error.strerror}") from error
        self._lock = self._locked()
        try:
            if part is None:
                refuse_divided(root)
            self.journal = Journal(root, part, durable=durable)
            try:
                self._check(restart=restart, force=force)
            except BaseException:
                self.journal.close()
                raise
        except BaseException:
            self._lock.close()
            raise

    def _locked(self) -> Lock | PartLock:
        if self._part is not None:
            return PartLock(self.root, self._part, self._arguments, restart=self._restart)
        refuse_divided(self.root)  # also while parts are made
        return Lock(self.root)

    def _check(self, *, restart: bool, force: bool) -> None:
        before, now = self.journal.get("arguments"), self._arguments
        if before is None:
            if not self._part and not force and any(e.name != HIDDEN for e in self.root.iterdir()):
                raise OutputError(f"{self.root}: is not an empty folder")
        elif not are_same(before, now) and not restart:
            raise OutputError(
                f"{self.root}: was begun with other settings: {differences(before, now)};"
                " --restart makes everything anew, another --out leaves this as it is"
            )

    def begin(self) -> None:
        """Note in the journal what is made from now on; raises `OutputError`."""
        journal = self.journal
        is_new = journal.get("arguments") is None
        if is_new and not self._part:
            # Before the arguments, which mark the folder as an output of this package.
            journal.add_foreign(_existing_files(self.root))
        if self._part:
            self._was_finished = remove_mark(self.root, self._part)
        if journal.get("open") == b"1":
            remove_unfinished(self.root, unfinished_mark(self._part))
        generation = int(journal.get("generation") or 0) + (is_new or self._restart)
        # Until it is written again, a run that ends in whatever way leaves an outdated legend.
        self.files = RootFiles(journal, durable=self._durable)
        self.files.legend_is_due |= self._restart
        # Also if it is killed while it lists the projects, and retried.
        unfinished = {"ended": b"0"} if is_new or self._restart else {}
        journal.put(
            arguments=self._arguments,
            generation=b"%d" % generation,
            open=b"1",
            legend_due=b"1",
            **unfinished,
        )
        journal.generation = generation
        self.errors = ErrorLog(journal.folders.hidden / "errors.jsonl")
        self._begun = True

    def put_options(self, *, link: bool, durable: bool) -> None:
        """Store the options that `retry` takes over from the run; raises `OutputError`."""
        self.journal.put(options=orjson.dumps({"link": link, "durable": durable}))

    def add(
        self,
        outcome: Outcome,
        dataset: str,
        written: Files,
        counts: bytes | None = None,
    ) -> None:
        """Add the outcome of an item to the error log and, as `Journal.add` does, the journal."""
        if outcome.error is not None:
            self.errors.add(outcome, dataset)
        if outcome.item.name:  # without a name it is a data set, which the worklist has added
            self.journal.add(outcome, dataset, written, counts)

    def end(self, *, only_failed: bool, has_changed: bool) -> None:
        """Note that all items of a part were tried, or all those that had failed.

        `has_changed` is whether anything was made. Raises `OutputError`.
        """
        if self._part is None or self.journal.problem is not None:
            return
        if not (has_changed or self.files.legend_is_due):
            self.journal.put(legend_due=b"0")
        if self._was_finished or not only_failed:
            put_mark(self.root, self._part, durable=self._durable)

    def close(self) -> None:
        """Close the journal and release the lock."""
        if self._begun:
            self.errors.close()
            self.journal.commit()
            if self.journal.problem is None:
                with suppress(OutputError):  # the next run then looks for unfinished files
                    self.journal.put(open=b"0")
        self.journal.close()
        self._lock.close()


def read_arguments(journal: Journal) -> tuple[Graph, list[Location]]:
    """Return the layers and the projects that an output was begun with; raises `OutputError`."""
    content = journal.get("arguments")
    if content is None:
        raise OutputError(
            f"{printable(journal.folders.root)}: the journal is empty: the run that made it ended"
            " before its first item; run it again"
        )
    arguments = orjson.loads(content)
    projects = [location_of(os.fsdecode(bytes.fromhex(name))) for name in arguments["projects"]]
    return Graph.from_json(arguments.get("graph") or arguments["layer"]), projects


def read_pack(journal: Journal) -> PackRules | None:
    """Return how a result is packed, or None if it is a tree of files."""
    pack = orjson.loads(journal.get("arguments") or b"{}").get("pack")
    return None if pack is None else PackRules(**pack)


def read_options(journal: Journal) -> tuple[bool, bool]:
    """Return `link` and `durable` of the last run."""
    options = orjson.loads(journal.get("options") or b"{}")
    return bool(options.get("link")), bool(options.get("durable"))


def _existing_files(root: Path) -> Iterator[str]:
    """Yield the names of all files, and links to folders, in the folder."""
    for folder, folders, files in os.walk(root):
        below = os.path.relpath(folder, root)
        if below == ".":
            folders[:] = [name for name in folders if name != HIDDEN]
        links = [name for name in folders if os.path.islink(f"{folder}/{name}")]
        for name in (*files, *links):
            yield name if below == "." else f"{below}/{name}"


def remove_unfinished(root: Path, mark: str) -> None:
    """Remove files that a killed run, or a part of that mark, had not finished writing."""
    begin, end = UNFINISHED
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != HIDDEN]
        for name in files:
            if name.startswith(begin + mark) and name.endswith(end):
                with suppress(OSError):
                    os.unlink(f"{folder}/{name}")
