"""Kills runs at random moments, resumes them, and compares with a run that nobody disturbed.

    python -m support.faults [--kills 200] [--seed 0] [--fork]
                             [--pack tar|webdataset] [--pack-items N] [--pack-size BYTES]

After every kill each file that is in its place must be whole, and each item that the journal calls
finished must have all of its files. At the end everything must be there, byte by byte.
"""

import argparse
import os
import random
import signal
import subprocess
import sysconfig
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter, sleep
from typing import Self, TypeAlias

import orjson

from savemasks.cli.demo import CONFIG, write_project
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import PackRules
from savemasks.line.plan import Plan
from savemasks.line.warmup import warm_up
from savemasks.results.journal import Journal
from savemasks.results.lock import HIDDEN, Folders, Lock
from savemasks.results.output import read_pack
from savemasks.results.record import Record
from savemasks.results.shards import PART, path_of
from savemasks.results.verify_packs import Sampled, find_damage
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from savemasks.store.packs import SPOOL

_ITEMS = 200
_BAD = (7, 77)
_BLINK = 0.005
_WHILE_WRITING = 0.8
_TIMEOUT = 120
_WORKERS = 2


Run: TypeAlias = "subprocess.Popen[bytes] | Fork"


@dataclass
class Figures:
    """What a series of kills met.

    Attributes
    ----------
    kills
        By what was killed: the whole group, the command, or a worker.
    completed
        Runs that were undisturbed to their end.
    rows, new_rows, halves
        Items that the journal called finished after a kill, added up; how many of them the killed
        run had added; and unfinished files that were found.
    """

    kills: Counter[str] = field(default_factory=Counter)
    completed: int = 0
    rows: int = 0
    new_rows: int = 0
    halves: int = 0


def build(folder: Path) -> None:
    """Write a project of many items, a few of which are bad, and a configuration."""
    write_project(folder / "demo")
    sources = sorted((folder / "demo/market/img").iterdir())
    for part in ("img", "ann"):
        (folder / "project/ds" / part).mkdir(parents=True)
    (folder / "project/meta.json").write_bytes((folder / "demo/meta.json").read_bytes())
    for i in range(_ITEMS):
        source = sources[i % len(sources)]
        (folder / f"project/ds/img/{i:03}{source.suffix}").hardlink_to(source)
        note = folder / f"project/ds/ann/{i:03}{source.suffix}.json"
        if i in _BAD:
            note.write_bytes(b"{")
        else:
            note.hardlink_to(folder / f"demo/market/ann/{source.name}.json")
    (folder / "config.json").write_bytes(orjson.dumps(CONFIG))


def start(folder: Path, out: str, pack: PackRules | None = None) -> "subprocess.Popen[bytes]":
    """Start a run in a process group of its own."""
    script = str(Path(sysconfig.get_path("scripts"), "savemasks"))
    command = [script, "run", "config.json", "project", f"--out={out}", f"--workers={_WORKERS}"]
    if pack:
        command += [f"--pack={pack.kind}"]
        command += [f"--pack-items={pack.items}"] if pack.items else []
        command += [f"--pack-size={pack.size}"] if pack.size else []
    return subprocess.Popen(
        [*command, "--quiet"], cwd=folder, stderr=subprocess.PIPE, process_group=0
    )


class Fork:
    """A call in a copy of this process; as far as is needed here it is a `subprocess.Popen`."""

    def __init__(self, folder: Path, call: Callable[[], int]) -> None:
        """Call, and end with the exit code that it returns; `folder` is for its errors."""
        self.returncode: int | None = None
        self._errors = folder / "errors.txt"
        self.pid = os.fork()
        if self.pid == 0:
            os.setpgid(0, 0)
            self._errors.unlink(missing_ok=True)
            code = 70
            try:
                code = call()
            except BaseException:
                self._errors.write_text(traceback.format_exc())
            os._exit(code)
        with suppress(OSError):
            os.setpgid(self.pid, self.pid)

    def poll(self) -> int | None:
        """Return the exit code once it has ended."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def kill(self) -> None:
        """Kill it."""
        os.kill(self.pid, signal.SIGKILL)

    def communicate(self, timeout: float) -> tuple[bytes, bytes]:
        """Wait for its end."""
        end = perf_counter() + timeout
        while self.poll() is None:
            assert perf_counter() < end, "a run hangs"
            sleep(_BLINK)
        return b"", self._errors.read_bytes() if self._errors.exists() else b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.poll() is None:
            self.kill()


def fork(folder: Path, out: str, pack: PackRules | None = None) -> Fork:
    """Start a run in a copy of this process, which has all kernels: it begins to write at once."""
    return Fork(folder, partial(run_here, folder, out, pack))


def run_here(folder: Path, out: str, pack: PackRules | None) -> int:
    """Run in this process; return the exit code."""
    where = folder / "project", folder / out
    done = run(SaveMasks.from_json(CONFIG), [where[0]], where[1], RunOptions(pack=pack))
    return int(done.failed > 0)


def contents(root: Path) -> dict[str, bytes]:
    """Every file in its place; unfinished ones and the hidden folder are left out."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and HIDDEN not in path.parts and not path.name.startswith(".savemasks-")
    }


def inspect(root: Path, expected: dict[str, bytes], figures: Figures, before: int) -> int:
    """Compare files and journal after a kill with each other; return the rows of the journal."""
    if not (root / HIDDEN).exists():
        return 0
    lock = Lock(root)  # waits for workers whose master was killed
    try:
        found = contents(root)
        wrong = [name for name, content in found.items() if expected.get(name) != content]
        assert not wrong, f"not as in an undisturbed run: {wrong}"
        figures.halves += sum(1 for _ in root.rglob(".savemasks-*.part"))
        if not (root / HIDDEN / "journal.sqlite").exists():
            return 0
        journal = Journal(root)
        try:
            rows = 0
            for record in journal.records("ds"):
                rows += record.error is None
                if record.error is None and journal.get("arguments") and read_pack(journal):
                    _check_sample(root, journal, record)
                    continue
                for name, written in record.files():
                    assert len(found[f"ds/{name}"]) == written.size
        finally:
            journal.close()
    finally:
        lock.close()
    assert rows >= before, "the journal has lost items"
    figures.rows += rows
    figures.new_rows += rows - before
    return rows


def _check_sample(root: Path, journal: Journal, record: Record) -> None:
    """What the journal calls finished must be in a shard, whole."""
    extent = journal.places.extent("ds", record.name)
    assert extent
    (shard,) = [shard for shard in journal.places.shards() if shard.number == extent.shard]
    path = path_of(Folders.of(root), shard)
    path = path if path.exists() else root / shard.name
    damage = find_damage(Sampled("ds", record, path, extent))
    assert not damage, damage


def _workers_of(group: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, process_group = stat.read_text().rpartition(")")[2].split()[:3]
            command = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        is_worker = int(process_group) == group == int(parent) and b"spawn_main" in command
        if is_worker and state not in "ZX":
            found.append(int(stat.parent.name))
    return found


def kill(child: Run, random_: random.Random) -> str:
    """Kill a group, its leader or one of its workers; say which."""
    what = random_.choices(("group", "command", "worker"), (6, 3, 1))[0]
    if what == "worker":
        workers = _workers_of(child.pid)
        if workers:
            os.kill(random_.choice(workers), signal.SIGKILL)
            return what
    if what == "command":
        child.kill()
    else:
        os.killpg(child.pid, signal.SIGKILL)
    return what if what != "worker" else "group"


def _last_written(root: Path) -> int:
    """When a run has written a file, a spool or a shard."""
    written = 0
    with suppress(OSError):
        hidden = root / HIDDEN
        for path in [root / "ds/ann", *hidden.glob(f"{SPOOL}*"), *hidden.glob(f"*{PART}")]:
            written = max(written, path.stat().st_mtime_ns if path.exists() else 0)
    return written


def _wait_a_moment(child: Run, root: Path, random_: random.Random, duration: float) -> None:
    """Wait until any moment of a run or, more often, of the time in which it writes."""
    begun = time.time_ns()
    end = perf_counter() + random_.uniform(0, duration)
    if random_.random() < _WHILE_WRITING:
        end = perf_counter() + _TIMEOUT
        while child.poll() is None and perf_counter() < end:
            if _last_written(root) > begun:
                end = perf_counter() + random_.uniform(0, duration / 4)
                break
            sleep(_BLINK)
    while child.poll() is None and perf_counter() < end:
        sleep(_BLINK)


def torture(
    folder: Path,
    kills: int,
    seed: int,
    begin: Callable[[Path, str], Run] = start,
    tell: Callable[[object], None] = lambda _: None,
    *,
    is_packed: bool = False,
) -> Figures:
    """Kill runs so many times; raises `AssertionError` at the first thing that is not right."""
    random_ = random.Random(seed)
    figures = Figures()
    build(folder)
    started = perf_counter()
    with begin(folder, "quiet") as child:
        _, errors = child.communicate(timeout=_TIMEOUT)
    assert child.returncode == 1, errors.decode()
    duration = perf_counter() - started
    expected = contents(folder / "quiet/experiment001")
    assert is_packed or len(expected) >= 4 * (_ITEMS - len(_BAD)) + 1
    number, rows = 0, 0
    while figures.kills.total() < kills or rows < _ITEMS:
        out = f"out{number}"
        root = folder / out / "experiment001"
        with begin(folder, out) as child:
            if figures.kills.total() < kills:
                _wait_a_moment(child, root, random_, duration)
                if child.poll() is None:
                    what = kill(child, random_)
                    figures.kills[what] += 1
            _, errors = child.communicate(timeout=_TIMEOUT)
        text = errors.decode()
        assert "Traceback" not in text, text
        rows = inspect(root, expected, figures, rows)
        code = child.poll()
        assert code is not None
        if code == 2:  # there is no run yet that could do without it
            assert "a worker process was killed by SIGKILL" in text, text
            assert "at its start" in text
        elif code >= 0:
            assert code == 1, text
            figures.completed += 1
            tell(figures)
            found = contents(root)
            assert found.keys() == expected.keys()
            assert found == expected
            left = [path.name for path in root.rglob(".savemasks-*")]
            left += [path.name for path in (root / HIDDEN).iterdir() if _is_left(path.name)]
            assert not left, f"unfinished: {left}"
            assert rows == _ITEMS - len(_BAD)
            if figures.kills.total() >= kills:
                return figures
            number, rows = number + 1, 0
    return figures


def _is_left(name: str) -> bool:
    return name.endswith(".part") or name.startswith(SPOOL)


def main() -> None:
    """Run a long series and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fork", action="store_true", help="a copy of this process")
    parser.add_argument("--pack", choices=("tar", "webdataset"), help="into archives")
    parser.add_argument("--pack-items", type=int)
    parser.add_argument("--pack-size", type=int)
    options = parser.parse_args()
    pack = options.pack and PackRules(options.pack, options.pack_items, options.pack_size)
    begin: Callable[[Path, str], Run] = partial(start, pack=pack)
    if options.fork:
        warm_up(Plan.of(SaveMasks.from_json(CONFIG)))
        begin = partial(fork, pack=pack)
    with tempfile.TemporaryDirectory() as folder:
        print(
            torture(Path(folder), options.kills, options.seed, begin, print, is_packed=bool(pack))
        )


if __name__ == "__main__":
    main()
