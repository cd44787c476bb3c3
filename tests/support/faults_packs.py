"""Kills packing runs at random moments, and counts what each kill costs.

    python -m support.faults_packs [--kills 200] [--seed 0] [--kind 0|1|2|3]

Every round begins a result, or changes the project of one that is there, so that its shards are
replaced; its runs are killed until one comes to its end. Then all shards must be those of a run
that nobody disturbed. A kill may cost the items in hand, and never one that was finished before.
"""

import argparse
import os
import random
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from savemasks import forks
from savemasks.line.job import PackRules
from savemasks.line.plan import Plan
from savemasks.line.warmup import warm_up
from savemasks.results import journal
from savemasks.results.lock import HIDDEN
from savemasks.results.verify import verify
from savemasks.run.options import RunOptions
from savemasks.run.threads import _IN_FLIGHT_PER_WORKER
from savemasks.run.worker import Worker

from .faults import Fork
from .packing import LAYER, NAME, Bench, hidden, shards
from .projects import Project

KINDS = (
    PackRules("webdataset", items=10),
    PackRules("webdataset", size=50_000),
    PackRules("tar", size=100_000),
    PackRules("tar"),
)
"""One archive, and several by either limit."""

_PENDING_ROWS = 8  # few, so that they are not nearly all items
_TIMEOUT = 120
_ITEMS = 200


@dataclass
class Costs:
    """What a series of kills has cost.

    Attributes
    ----------
    kills, rounds
        How many there were.
    replacing
        Kills of runs that replaced shards.
    asked, made
        Items that were new or changed, and items that were made.
    """

    kills: int = 0
    rounds: int = 0
    replacing: int = 0
    asked: int = 0
    made: int = 0


def in_hand() -> int:
    """How many items a run may have made of which its journal does not know."""
    return _PENDING_ROWS + _IN_FLIGHT_PER_WORKER * RunOptions().worker_count


def _run(bench: Bench, out: str) -> int:
    """Run in this process."""
    return int(bench.run(out, restart=False).failed > 0)


def _run_and_note(bench: Bench) -> int:
    """Run in this process, and note every item that is made."""
    journal._MAX_PENDING_ROWS = _PENDING_ROWS
    note = os.open(bench.base / "made.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    export = Worker.export

    def noting(worker: Worker, item: Any, *arguments: Any) -> Any:
        outcome = export(worker, item, *arguments)
        if outcome is not None and outcome.error is None:
            os.write(note, f"{item.name}\n".encode())
        return outcome

    setattr(Worker, "export", noting)  # noqa: B010  (a method)
    return _run(bench, "out")


def _verify(bench: Bench) -> int:
    """Verify in this process."""
    told: list[str] = []
    verify(bench.base / "out", on_damage=told.append)
    assert not told, told
    return 0


def _fork(bench: Bench, function: Callable[..., int], *arguments: object) -> Fork:
    """Call in a copy of this process, which has all kernels: what it does begins at once."""

    def call() -> int:
        forks._lost = False  # this process has loaded libvips, but made nothing with it
        return function(bench, *arguments)

    return Fork(bench.base, call)


def _complete(bench: Bench, function: Callable[..., int], *arguments: object) -> float:
    """Call in a copy of this process; return how many seconds it took."""
    begun = perf_counter()
    with _fork(bench, function, *arguments) as child:
        _, errors = child.communicate(timeout=_TIMEOUT)
    assert child.returncode == 0, errors.decode()
    return perf_counter() - begun


def _names(bench: Bench) -> list[str]:
    return sorted(path.name for path in (bench.project.folder / "one/img").iterdir())


def change(bench: Bench, random_: random.Random, number: int) -> set[str]:
    """Change the project, mostly near its beginning; return the names of what is to be made."""
    names, changed = _names(bench), set[str]()
    for step in range(random_.choice([1, 1, 3])):
        what = random_.choice(["insert", "insert many", "change", "remove"])
        name = names[int(len(names) * random_.random() ** 3)]
        if what == "remove" or len(names) > 2 * _ITEMS:
            bench.remove(name)
            names.remove(name)
            changed.discard(name)
            continue
        count = {"insert": 1, "insert many": 25, "change": 0}[what]
        added = [f"{name[:-4]}-{number}{step}{i:02}.png" for i in range(count)] or [name]
        for each in added:
            bench.add(each)
            changed.add(each)
    return changed


def _kill_at_random(child: Fork, random_: random.Random, longest: float) -> bool:
    """Kill a run at a random moment; return whether it was still at work."""
    end = perf_counter() + random_.uniform(0, longest)
    while child.poll() is None and perf_counter() < end:
        sleep(0.0005)
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.communicate(timeout=_TIMEOUT)
    return child.returncode == -signal.SIGKILL


def _round(
    bench: Bench, random_: random.Random, asked: set[str], longest: float
) -> tuple[int, Counter[str]]:
    """Kill runs until one ends; return how many, and how often each item was made."""
    note = bench.base / "made.txt"
    note.write_bytes(b"")
    kills = 0
    while True:
        with _fork(bench, _run_and_note) as child:
            was_killed = _kill_at_random(child, random_, longest)
        if not was_killed:
            assert child.returncode == 0, (bench.base / "errors.txt").read_text()
            break
        kills += 1
        if (bench.base / "out" / NAME / HIDDEN / "journal.sqlite").exists():
            _complete(bench, _verify)
    made = Counter(note.read_text().splitlines())
    assert made.keys() == asked, f"finished, and made anew: {sorted(made.keys() - asked)}"
    assert made.total() - len(made) <= kills * in_hand(), (made.total(), len(made), kills)
    return kills, made


def torture_packs(folder: Path, kills: int, seed: int, pack: PackRules) -> Costs:
    """Kill runs so many times; raises `AssertionError` at the first thing that is not right."""
    random_ = random.Random(seed)
    bench = Bench(Project(folder / "project"), folder, pack.kind, pack.items, pack.size)
    for number in range(_ITEMS):
        bench.add(f"{number:03}.png")
    costs = Costs()
    while costs.kills < kills:
        is_new = costs.rounds % 4 == 0
        asked = {*_names(bench)} if is_new else change(bench, random_, costs.rounds)
        for old in ["fresh"] + ["out"] * is_new:
            shutil.rmtree(folder / old, ignore_errors=True)
        longest = _complete(bench, _run, "fresh")
        killed, made = _round(bench, random_, asked, longest / (2 if is_new else 3))
        expected, found = shards(folder / "fresh"), shards(folder / "out")
        assert [*found] == [*expected]
        assert [name for name in found if found[name] != expected[name]] == []
        assert not hidden(folder / "out")
        _complete(bench, _verify)
        costs.rounds += 1
        costs.kills += killed
        costs.replacing += 0 if is_new else killed
        costs.asked += len(made)
        costs.made += made.total()
    return costs


def main() -> None:
    """Run a long series of every kind and print what it has cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", type=int, choices=range(len(KINDS)), help="only this one")
    options = parser.parse_args()
    warm_up(Plan.of(LAYER))
    for pack in KINDS if options.kind is None else [KINDS[options.kind]]:
        with tempfile.TemporaryDirectory() as folder:
            costs = torture_packs(Path(folder), options.kills, options.seed, pack)
            print(pack, costs, f"at most {in_hand()} in hand", flush=True)


if __name__ == "__main__":
    main()
