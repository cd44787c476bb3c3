"""The files at the root of a result: meta.json, the legend, and the index of shards.

The journal has their sizes and checksums. Those of a legend and an index of a divided result are in
the journal of its first part.
"""

from collections.abc import Iterable
from pathlib import Path

import orjson
from isal import isal_zlib

from ..errors import OutputError, WriteError
from ..store.files import Store, Written
from ..system.file_calls import sync_folder
from .journal import Journal


class RootFiles:
    """Writes the files at the root of a result.

    Attributes
    ----------
    journal
        That of the result.
    legend_is_due
        Whether what a legend depends on has changed since it was written.
    """

    def __init__(self, journal: Journal, *, durable: bool = False) -> None:
        """Look at the journal; wait for the disk if `durable`."""
        self.journal = journal
        self.legend_is_due = journal.get("legend_due") != b"0"
        self._root, self._durable = journal.folders.root, durable

    def put_meta(self, content: bytes, store: Store) -> None:
        """Write `meta.json`; raises `OutputError`."""
        written = orjson.dumps([*self._put("meta.json", content, store)])
        self.legend_is_due |= self.journal.get("meta") != written
        self.journal.put(meta=written)

    def refuse_foreign(self, names: Iterable[str]) -> None:
        """Raise `OutputError` if a file at the root that is to be written is a foreign one."""
        for name in names:
            if self.journal.is_foreign(name):
                raise OutputError(f"{self._root}/{name}: exists and is not ours; move it away")

    def has_legend(self) -> bool:
        """Whether the legend that was written last is there, as it was written."""
        sums = orjson.loads(self.journal.get("legend") or b"{}")
        return bool(sums) and all(
            each and _is_as_written(self._root / name, Written(*each))
            for name, each in sums.items()
        )

    def keep_legend(self) -> bool:
        """Keep the legend of a run that has changed nothing; return whether there is one to keep.

        There is none if anything that it depends on has changed, or a file is not as it was
        written.
        """
        if self.has_legend() and not self.legend_is_due:
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
                sync_folder(str(self._root))
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
                (self._root / name).unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(f"{self._root}/{name}: cannot be removed: {error}") from error
        self.journal.put(index=b"{}")

    def _put(self, name: str, content: bytes, store: Store) -> Written:
        """Write a file at the root."""
        self.refuse_foreign([name])
        try:
            return store.write(name, [content])
        except WriteError as error:
            raise OutputError(str(error)) from error


def read_root_sums(journals: Iterable[Journal]) -> dict[str, Written]:
    """Return sizes and checksums of the files at the root of a result, by their names.

    `journals` are those of its parts, or the one of an undivided result.
    """
    sums: dict[str, Written] = {}
    for journal in journals:
        if meta := journal.get("meta"):
            sums["meta.json"] = Written(*orjson.loads(meta))
        for key in ("legend", "index"):
            found = orjson.loads(journal.get(key) or b"{}")
            sums |= {name: Written(*each) for name, each in found.items() if each}
    return sums


def _is_as_written(path: Path, written: Written) -> bool:
    """Whether a small file is there and holds what was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return written == Written(len(content), isal_zlib.crc32(content))
