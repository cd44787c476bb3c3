"""The output folder of a run: its lock, its journal, and the arguments it was begun with."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
from isal import isal_zlib

from .. import jsontext
from ..errors import OutputError, WriteError, printable, shown
from ..layers.auto_colors import needs_colors
from ..layers.graph import Graph
from ..layers.save import Save
from ..layers.save_masks import SaveMasks
from ..line.job import Files, Outcome, PackRules
from ..projects.supervisely import Project
from ..store.files import UNFINISHED, Store, Written
from ..system import sync_folder
from .journal import Journal
from .lock import HIDDEN, Lock
from .report import ErrorLog

FORMAT = 1
"""Increased whenever the same input gives other files, or the journal gets another meaning."""

_JOURNAL = f"{HIDDEN}/journal.sqlite"
_MAX_NAMED_DIFFERENCES = 5


def check_output(root: Path, *, force: bool = False) -> None:
    """Raise `OutputError` if the folder holds foreign files, unless `force`. Writes nothing."""
    try:
        if is_begun(root) or not root.exists():
            return
        if not root.is_dir() or (not force and any(e.name != HIDDEN for e in root.iterdir())):
            raise OutputError(
                f"{root}: is not an empty folder, and not one that savemasks made; choose another"
                " --out, or remove it first, or --force to add what does not exist there"
            )
    except PermissionError as error:
        raise OutputError(f"{root}: cannot be read: {error.strerror}") from error


def is_begun(root: Path) -> bool:
    """Whether a folder has a journal."""
    return (root / _JOURNAL).is_file()


def find_output(folder: Path) -> Path:
    """Return the folder with a journal: `folder`, or the only one directly below it."""
    if is_begun(folder):
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


def layer_arguments(layer: SaveMasks | Save, projects: Sequence[Project]) -> dict[str, Any]:
    """Return everything besides the items that the files of a result depend on, as JSON.

    Unknown keys of the settings are left out; the classes of each project are kept as a digest.
    """
    known = layer.settings.known()
    return {
        "format": FORMAT,
        "layer": {"action": layer.action, "src": layer.src, "dst": layer.dst, "settings": known},
        "projects": [str(project.folder.resolve()) for project in projects],
        "classes": _digests(layer, projects),
    }


def graph_arguments(
    layer: SaveMasks | Save, layers: Sequence[Mapping[str, Any]], projects: Sequence[Project]
) -> dict[str, Any]:
    """Return the same for a sink of a graph, which depends on the layers that lead to it."""
    return {
        "format": FORMAT,
        "graph": [*layers],
        # By the names that the layers know them by.
        "projects": [os.path.abspath(project.folder) for project in projects],
        "classes": _digests(layer, projects),
    }


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
        Journal and error log in its hidden folder.
    """

    errors: ErrorLog
    _legend_is_due: bool

    def __init__(
        self,
        root: Path,
        arguments: Mapping[str, Any],
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
        self._durable = durable
        self._arguments = orjson.dumps(_encodable(arguments), option=orjson.OPT_SORT_KEYS)
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
                self._check(restart=restart, force=force)
            except BaseException:
                self.journal.close()
                raise
        except BaseException:
            self._lock.close()
            raise

    def _check(self, *, restart: bool, force: bool) -> None:
        before, now = self.journal.get("arguments"), self._arguments
        if before is None:
            if not force and any(e.name != HIDDEN for e in self.root.iterdir()):
                raise OutputError(f"{self.root}: is not an empty folder")
        elif before != now and not restart:
            raise OutputError(
                f"{self.root}: was begun with other settings:"
                f" {_differences(orjson.loads(before), orjson.loads(now))};"
                " --restart makes everything anew, another --out leaves this as it is"
            )

    def begin(self) -> None:
        """Note in the journal what is made from now on; raises `OutputError`."""
        journal = self.journal
        is_new = journal.get("arguments") is None
        if is_new:
            # Before the arguments, which mark the folder as an output of this package.
            journal.add_foreign(_existing_files(self.root))
        if journal.get("open") == b"1":
            _remove_unfinished(self.root)
        generation = int(journal.get("generation") or 0) + (is_new or self._restart)
        # Until it is written again, a run that ends in whatever way leaves an outdated legend.
        self._legend_is_due = self._restart or journal.get("legend_due") != b"0"
        journal.put(
            arguments=self._arguments,
            generation=b"%d" % generation,
            open=b"1",
            legend_due=b"1",
        )
        journal.generation = generation
        self.errors = ErrorLog(self.root / HIDDEN / "errors.jsonl")
        self._begun = True

    def put_meta(self, content: bytes, store: Store) -> None:
        """Write `meta.json`; raises `OutputError`."""
        written = orjson.dumps([*self._put("meta.json", content, store)])
        self._legend_is_due |= self.journal.get("meta") != written
        self.journal.put(meta=written)

    def refuse_foreign(self, names: Iterable[str]) -> None:
        """Raise `OutputError` if a file at the root that is to be written is a foreign one."""
        for name in names:
            if self.journal.is_foreign(name):
                raise OutputError(f"{self.root}/{name}: exists and is not ours; move it away")

    def keep_legend(self) -> bool:
        """Keep the legend of a run that has changed nothing; return whether there is one to keep.

        There is none if anything that it depends on has changed, or a file is not as it was
        written.
        """
        sums = orjson.loads(self.journal.get("legend") or b"{}")
        is_there = bool(sums) and all(
            each and _is_as_written(self.root / name, Written(*each)) for name, each in sums.items()
        )
        if is_there and not self._legend_is_due:
            self.journal.put(legend_due=b"0")
            return True
        return False

    def put_legend(self, files: Iterable[tuple[str, bytes]], store: Store) -> None:
        """Write the files that say what the values mean; raises `OutputError`.

        Those of an earlier run that are no longer made are removed.
        """
        before = self._forget_sums("legend")
        sums = {name: [*self._put(name, content, store)] for name, content in files}
        try:
            for name in before - sums.keys():
                store.remove(name)
            if self._durable:
                sync_folder(str(self.root))
        except (WriteError, OSError) as error:
            raise OutputError(str(error)) from error
        self.journal.put(legend=orjson.dumps(sums), legend_due=b"0")

    def put_index(self, name: str, content: bytes, store: Store) -> None:
        """Write the index of a packed result; raises `OutputError`."""
        self._forget_sums("index")
        self.journal.put(index=orjson.dumps({name: [*self._put(name, content, store)]}))

    def _forget_sums(self, key: str) -> set[str]:
        """Note of files that they are about to be written; return their names.

        If a run is killed meanwhile, `verify` does not know what they should be, and says nothing.
        """
        names = {*orjson.loads(self.journal.get(key) or b"{}")}
        self.journal.put(**{key: orjson.dumps(dict.fromkeys(names, ()))})
        return names

    def remove_index(self) -> None:
        """Remove the index of a result that is not packed any more; raises `OutputError`."""
        for name in orjson.loads(self.journal.get("index") or b"{}"):
            try:
                (self.root / name).unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(f"{self.root}/{name}: cannot be removed: {error}") from error
        self.journal.put(index=b"{}")

    def _put(self, name: str, content: bytes, store: Store) -> Written:
        """Write a file at the root."""
        self.refuse_foreign([name])
        try:
            return store.write(name, [content])
        except WriteError as error:
            raise OutputError(str(error)) from error

    def put_options(self, *, link: bool, durable: bool) -> None:
        """Store the options that `retry` takes over from the run; raises `OutputError`."""
        self.journal.put(options=orjson.dumps({"link": link, "durable": durable}))

    def add(
        self,
        outcome: Outcome,
        dataset: str,
        written: Files,
        *,
        has_image: bool,
        counts: bytes | None = None,
    ) -> None:
        """Add the outcome of an item to the error log and, as `Journal.add` does, the journal."""
        self.errors.add(outcome, dataset)
        if outcome.item.name:  # without a name it is a data set, which the worklist has added
            self.journal.add(outcome, dataset, written, has_image=has_image, counts=counts)

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


def _is_as_written(path: Path, written: Written) -> bool:
    """Whether a small file is there and holds what was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return written == Written(len(content), isal_zlib.crc32(content))


@contextmanager
def locked_journal(root: Path) -> Iterator[Journal]:
    """Lock an output folder and open its journal; raises `OutputError`."""
    lock = Lock(root)
    try:
        journal = Journal(root, read_only=not os.access(root / HIDDEN, os.W_OK))
        try:
            yield journal
        finally:
            journal.close()
    finally:
        lock.close()


def read_arguments(journal: Journal) -> tuple[Graph, list[Path]]:
    """Return the layers and the projects that an output was begun with; raises `OutputError`."""
    content = journal.get("arguments")
    if content is None:
        raise OutputError("the journal is empty: the run that made it ended before its first item")
    arguments = orjson.loads(content)
    projects = [Path(os.fsdecode(bytes.fromhex(name))) for name in arguments["projects"]]
    return Graph.from_json(arguments.get("graph") or arguments["layer"]), projects


def read_pack(journal: Journal) -> PackRules | None:
    """Return how a result is packed, or None if it is a tree of files."""
    pack = orjson.loads(journal.get("arguments") or b"{}").get("pack")
    return None if pack is None else PackRules(**pack)


def read_options(journal: Journal) -> tuple[bool, bool]:
    """Return `link` and `durable` of the last run."""
    options = orjson.loads(journal.get("options") or b"{}")
    return bool(options.get("link")), bool(options.get("durable"))


def read_root_sums(journal: Journal) -> dict[str, Written]:
    """Return sizes and checksums of the files at the root of a result, by their names."""
    meta = journal.get("meta")
    sums = {} if meta is None else {"meta.json": Written(*orjson.loads(meta))}
    for key in ("legend", "index"):
        found = orjson.loads(journal.get(key) or b"{}")
        sums |= {name: Written(*each) for name, each in found.items() if each}
    return sums


def _encodable(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the paths of the projects, which need not be UTF-8, by their bytes in hex."""
    return {**arguments, "projects": [os.fsencode(p).hex() for p in arguments["projects"]]}


def _differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Describe in words how the arguments differ."""
    named = [*_layer_differences(before, now)]
    if before.get("pack") != now.get("pack"):
        named.append(f"--pack was {_shown_pack(before)} and is {_shown_pack(now)}")
    if before.get("format") != now["format"]:
        named.append("it is of another version of savemasks")
    if before.get("projects") != now["projects"]:
        paths = [os.fsdecode(bytes.fromhex(name)) for name in before.get("projects", [])]
        named.append(f"the projects were {', '.join(map(printable, paths))}")
    elif before.get("classes") != now["classes"]:
        named.append("shapes, names or shown colours of the classes in meta.json have changed")
    more = len(named) - _MAX_NAMED_DIFFERENCES
    shown_ones = "; ".join(named[:_MAX_NAMED_DIFFERENCES]) or "src or dst of the layer"
    return shown_ones + (f"; and {more} more" if more > 0 else "")


def _layer_differences(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """What of the layers differs: settings of the same layer, or whole layers of a graph."""
    old, new = before.get("graph", before.get("layer")), now.get("graph", now.get("layer"))
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _setting_differences("", old, new)
    elif isinstance(old, list) and isinstance(new, list):
        if [layer["action"] for layer in old] != [layer["action"] for layer in new]:
            actions = [", ".join(layer["action"] for layer in layers) for layers in (old, new)]
            yield f"the layers were {actions[0]} and are {actions[1]}"
            return
        for number, (first, second) in enumerate(zip(old, new, strict=True), start=1):
            name = f"layer {number} of this result ({first['action']}): "
            yield from _setting_differences(name, first, second)
            for key in ("src", "dst"):
                if first.get(key) != second.get(key):
                    yield f"{name}{key} was {shown(first.get(key))} and is {shown(second.get(key))}"
    else:
        yield "it was made by a layer alone, and the config is a graph, or the other way around"


def _setting_differences(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    before, now = old.get("settings", {}), new.get("settings", {})
    for key in now:
        if before.get(key) != now[key]:
            yield f"{name}settings.{key} was {shown(before.get(key))} and is {shown(now[key])}"


def _shown_pack(arguments: dict[str, Any]) -> str:
    """How a result is packed, in words."""
    pack = arguments.get("pack")
    return "none" if pack is None else str(PackRules(**pack))


def _existing_files(root: Path) -> Iterator[str]:
    """Yield the names of all files, and links to folders, in the folder."""
    for folder, folders, files in os.walk(root):
        below = os.path.relpath(folder, root)
        if below == ".":
            folders[:] = [name for name in folders if name != HIDDEN]
        links = [name for name in folders if os.path.islink(f"{folder}/{name}")]
        for name in (*files, *links):
            yield name if below == "." else f"{below}/{name}"


def _remove_unfinished(root: Path) -> None:
    """Remove files that a killed run had not finished writing."""
    begin, end = UNFINISHED
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != HIDDEN]
        for name in files:
            if name.startswith(begin) and name.endswith(end):
                with suppress(OSError):
                    os.unlink(f"{folder}/{name}")
