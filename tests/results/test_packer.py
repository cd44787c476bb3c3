"""Runs that end at any step of packing: the next one ends as if nothing had been."""

import errno
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from savemasks.results import growing
from savemasks.results import packer as packer_module
from savemasks.results.output import Output
from savemasks.results.places import Places
from savemasks.results.root_files import RootFiles
from savemasks.results.verify import verify
from savemasks.run.worker import Worker
from support.packing import NAME, Bench, hidden, members, shards
from support.projects import Project, picture

pytestmark = pytest.mark.usefixtures("warm")


class Died(BaseException):
    """The process has died."""


class Deaths:
    """Lets a run die before or after one of the steps by which shards change."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left, self.steps, self.after = -1, 0, False
        self._monkeypatch = monkeypatch
        for owner, name in (
            (Places, "begin"),
            (Places, "change"),
            (Places, "move"),
            (Places, "write"),
            (packer_module, "copy_range"),
            (packer_module, "write_all"),
            (growing, "write_all"),
            (os, "ftruncate"),
            (Path, "unlink"),
            (Path, "replace"),
            (Path, "hardlink_to"),
        ):
            monkeypatch.setattr(owner, name, self._mortal(getattr(owner, name)))

    def _mortal(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self._step(not self.after)
            result = function(*arguments, **options)
            self._step(self.after)
            return result

        return call

    def _step(self, counts: bool) -> None:
        if self.left == 0:  # the dead do nothing
            raise Died
        if counts:
            self.steps += 1
            self.left -= 1
            if self.left == 0:
                raise Died

    def at(self, step: int, *, after: bool, call: Callable[[], object]) -> bool:
        """Call, and die at a step; return whether it came as far as that."""
        self.left, self.after, self.steps = step, after, 0
        close = Output.close

        def close_as_the_dead_do(output: Output) -> None:
            if self.left:
                close(output)
            else:  # what waits is not written, nor that the run has ended
                output.errors.close()
                output.journal._database.close()
                output._lock.close()

        with self._monkeypatch.context() as patch:
            patch.setattr(Output, "close", close_as_the_dead_do)
            died = False
            try:
                call()
            except Died:
                died = True
            self.left = -1
        return died


@pytest.fixture
def bench(project: Project, tmp_path: Path) -> Bench:
    made = Bench(project, tmp_path, items=3)
    made.fill(8)
    return made


def _change(bench: Bench) -> None:
    """One that is new comes first, one in the middle changes, the last one goes."""
    bench.add("00.png", "one")
    bench.add("04.png", "one")
    bench.remove("06.png", "two")


def _insert(bench: Bench) -> None:
    """More new ones come first than a shard has: all samples move to other shards."""
    for number in range(4):
        bench.add(f"00{number}.png", "one")


def _drop(bench: Bench) -> None:
    """The first ones go: samples move forward."""
    for name in ("01.png", "02.png"):
        bench.remove(name, "one")


def _no_links(path: Path, target: Path) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted", str(target))


def _grow(bench: Bench) -> None:
    """The first one becomes large: with a limit of bytes, samples move to later shards."""
    bench.add("01.png", "one")
    bench.project.put("one/img/01.png", picture(50) + os.urandom(9000))


CHANGES: list[tuple[Callable[[Bench], None], set[str], int | None, int | None, bool]] = [
    (_change, {"00.png", "04.png"}, 3, None, True),
    (_insert, {"000.png", "001.png", "002.png", "003.png"}, 3, None, True),
    (_insert, {"000.png", "001.png", "002.png", "003.png"}, 3, None, False),
    (_drop, set(), 3, None, True),
    (_grow, {"01.png"}, None, 14_000, True),
]


@pytest.mark.parametrize(("change", "changed", "items", "size", "has_links"), CHANGES)
def test_no_death_costs_an_image_that_has_not_changed(
    bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Bench], None],
    changed: set[str],
    items: int | None,
    size: int | None,
    has_links: bool,
) -> None:
    """What was whole before is copied, whatever happens while shards are replaced."""
    if not has_links:
        monkeypatch.setattr(Path, "hardlink_to", _no_links)
    bench.items, bench.size = items, size
    bench.run("before", workers=1)
    change(bench)
    expected = bench.fresh()
    made: list[str] = []
    export = Worker.export

    def noting(worker: Worker, item: Any, *arguments: Any) -> Any:
        made.append(item.name)
        return export(worker, item, *arguments)

    deaths = Deaths(monkeypatch)
    for step in range(1, 200):
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(tmp_path / "before", out)
        with monkeypatch.context() as patch:
            patch.setattr(Worker, "export", noting)
            has_died = deaths.at(step, after=False, call=lambda: bench.run(workers=1))
            if step % 4 == 0:
                told: list[str] = []
                verify(out, on_damage=told.append)
                assert told == [], step
            if step % 2:
                deaths.at(step // 2, after=True, call=lambda: bench.run(workers=1))
            bench.run(workers=1)
        assert {*made} <= changed, step
        assert shards(out) == expected
        assert not hidden(out)
        if not has_died:
            break
    assert step > 10


@pytest.mark.parametrize("kind", ["webdataset", "tar"])
@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_dies_at_any_step(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, after: bool
) -> None:
    bench.kind = kind
    bench.run("before", workers=1)
    _change(bench)
    expected = bench.fresh()
    deaths = Deaths(monkeypatch)
    step, made = 0, []
    while True:
        step += 1
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(tmp_path / "before", out)
        if not deaths.at(step, after=after, call=lambda: bench.run(workers=1)):
            break
        if step % 2:  # and once more, at the third step of the next one
            deaths.at(3, after=after, call=lambda: bench.run(workers=1))
        made.append(bench.run(workers=1).images)
        found = shards(out)
        assert [n for n in expected if found.get(n) != expected[n]] == [], step
        assert [*found] == [*expected]
        assert not hidden(out)
        assert verify(out).damaged == 0
    assert step > 25
    assert max(made) <= 2  # those that are new


def test_whole_shards_are_never_touched_by_a_run_that_dies(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any moment the files that have their names are whole archives."""
    bench.run("before", workers=1)
    _change(bench)
    before, expected = shards(tmp_path / "before"), bench.fresh()
    deaths = Deaths(monkeypatch)
    for step in range(1, 60, 2):
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(tmp_path / "before", out)
        deaths.at(step, after=False, call=lambda: bench.run(workers=1))
        for path in (out / NAME).glob("*.tar"):
            assert path.read_bytes() in (before.get(path.name), expected.get(path.name))
            members(path)


@pytest.mark.parametrize("seed", range(4))
def test_many_deaths_in_a_row(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    random_ = random.Random(seed)
    deaths = Deaths(monkeypatch)
    for number in range(12):
        name = f"{random_.randrange(8):02}.png"
        dataset = "one" if int(name[:2]) % 3 else "two"
        action = random_.random()
        if action < 0.6:
            bench.add(f"{number:02}y.png" if action < 0.3 else name, dataset)
        elif (bench.project.folder / dataset / "img" / name).exists():
            bench.remove(name, dataset)
        for _ in range(random_.randrange(3)):
            step, after = random_.randrange(1, 30), random_.random() < 0.5
            deaths.at(step, after=after, call=lambda: bench.run(workers=1))
    bench.run()
    bench.check()
    assert verify(tmp_path / "out").damaged == 0


def test_files_that_are_being_written_at_a_kill_are_not_told_as_damaged(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run()
    bench.add("01.png")
    bench.remove("00.png", "two")
    deaths = Deaths(monkeypatch)
    put = RootFiles._put
    for name in ("index.json", "legend.json"):

        def put_and_die(files: RootFiles, file: str, *arguments: Any) -> Any:
            written = put(files, file, *arguments)
            if file == name:  # noqa: B023  (called before the next one)
                deaths.left = 0
                raise Died
            return written

        with monkeypatch.context() as patch:
            patch.setattr(RootFiles, "_put", put_and_die)
            assert deaths.at(10_000, after=False, call=bench.run)
        told: list[str] = []
        verify(tmp_path / "out", on_damage=told.append)
        assert told == []
        bench.add("02.png")
    bench.run()
    bench.check()
