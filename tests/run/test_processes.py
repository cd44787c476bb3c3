"""Workers as processes: the same results, and one that dies costs its item at most."""

import dataclasses
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from savemasks.cli.demo import CONFIG
from savemasks.errors import CrashError, FolderError, SavemasksError
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import Flow, Inlet, Job, Outcome
from savemasks.projects.items import Item
from savemasks.projects.supervisely import Project as OpenedProject
from savemasks.projects.supervisely import plan_datasets
from savemasks.run.export import run
from savemasks.run.options import Hooks, RunOptions
from savemasks.run.processes import ProcessPool, _Worker
from support.deadly import DeadlyItem
from support.projects import Project, annotation, names, same, tree

LAYER = SaveMasks.from_json(CONFIG)
pytestmark = pytest.mark.usefixtures("warm")


def flows(root: Path) -> tuple[Flow, ...]:
    return (Flow({}, (Inlet(LAYER, root),)),)


def items_of(project: Project) -> list[Item]:
    (dataset,) = plan_datasets([OpenedProject.open(project.folder)])
    return list(dataset.items())


def deadly(item: Item, tmp_path: Path, **how: object) -> DeadlyItem:
    fields = {f.name: getattr(item, f.name) for f in dataclasses.fields(item)}
    return DeadlyItem(**fields, marker=tmp_path / f"died of {item.name}", **how)  # type: ignore[arg-type]


def export(root: Path, items: Sequence[Item | Outcome], workers: int = 2) -> list[Outcome]:
    pool = ProcessPool(Job(flows(root), workers=workers), threading.Event())
    try:
        return [*pool.map(items), *pool.drain()]
    finally:
        pool.close()


@pytest.fixture
def ten(project: Project) -> list[Item]:
    for i in range(10):
        project.add(f"{i}.png")
    return items_of(project)


def test_processes_make_what_threads_make_and_report_it_in_order(
    project: Project, tmp_path: Path
) -> None:
    for i in range(30):
        project.add(f"{i:02}.png")
    project.add_bad(b"", annotation(), "05x.png")
    reports = []
    for processes in (True, False):
        told: list[tuple[int, int, int]] = []
        out, report = tmp_path / f"out{processes}", tmp_path / f"{processes}.json"
        summary = run(
            LAYER,
            [project.folder],
            out,
            RunOptions(workers=3, processes=processes, report=report),
            Hooks(on_progress=lambda *numbers, told=told: told.append(numbers)),
        )
        assert (summary.images, summary.failed) == (30, 1)
        assert told == [(n, int(n > 6), 31) for n in range(1, 32)]
        same(tree(summary.out), project.expected)
        reports.append(report.read_text().split("\n],")[0])
    assert reports[0] == reports[1]


@pytest.mark.parametrize(
    ("by", "told"),
    [
        (signal.SIGKILL, "was killed by SIGKILL (out of memory?)"),
        pytest.param(signal.SIGSEGV, "was killed by SIGSEGV", marks=pytest.mark.slow),
        pytest.param(0, "ended with exit code 7", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_an_item_that_kills_its_process_twice_fails_and_all_others_are_exported(
    project: Project, ten: list[Item], tmp_path: Path, workers: int, by: int, told: str
) -> None:
    items = [*ten[:3], deadly(ten[3], tmp_path, by=by), *ten[4:]]
    outcomes = export(tmp_path / "out", items, workers)
    assert [outcome.item.name for outcome in outcomes] == [item.name for item in items]
    error = outcomes[3].error
    assert isinstance(error, CrashError)
    assert (error.file, error.kind) == (items[3].image, "crash")
    assert told in error.message
    assert [outcome.error for outcome in outcomes].count(None) == 9
    gone = {k for k in project.expected if "/3." in k or k == "meta.json"}
    same(tree(tmp_path / "out"), {k: v for k, v in project.expected.items() if k not in gone})


@pytest.mark.slow
def test_an_item_whose_process_dies_once_is_tried_again(
    project: Project, ten: list[Item], tmp_path: Path
) -> None:
    items = [
        deadly(item, tmp_path, once=True) if i % 3 == 0 else item for i, item in enumerate(ten)
    ]
    outcomes = export(tmp_path / "out", items)
    assert [outcome.error for outcome in outcomes] == [None] * 10
    expected = {k: v for k, v in project.expected.items() if k != "meta.json"}
    same(tree(tmp_path / "out"), expected)
    assert len(list(tmp_path.glob("died of *"))) == 4


@pytest.mark.slow
def test_an_interruption_while_a_process_is_replaced_costs_no_outcome(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(200):  # so that the other process has some in hand
        project.add(f"{i:03}.png")
    first, *others = items_of(project)
    pool = ProcessPool(Job(flows(tmp_path / "out"), workers=2), threading.Event())
    successors: list[Any] = []

    def interrupt(_: ProcessPool, worker: Any) -> None:
        successors.append(worker)
        assert worker.pipe.poll(60)  # it is ready, which is nobody's outcome
        raise KeyboardInterrupt

    monkeypatch.setattr(ProcessPool, "_await_ready", interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(pool.map([deadly(first, tmp_path), *others]))
        outcomes = pool.drain()
    finally:
        pool.close()
    assert len(successors) == 1
    assert 1 <= len(outcomes) < 200
    assert not [outcome.error for outcome in outcomes if outcome.error]


def test_what_a_dead_process_has_not_finished_is_removed(ten: list[Item], tmp_path: Path) -> None:
    litter = tmp_path / "out/ds/img"
    items = [deadly(item, tmp_path, once=i == 1, litter=litter) for i, item in enumerate(ten[:2])]
    litter.mkdir(parents=True)
    foreign = litter / ".savemasks-1-0.part"  # of another process, which may be alive
    foreign.touch()
    outcomes = export(tmp_path / "out", items)
    assert [outcome.error is None for outcome in outcomes] == [False, True]
    assert names(litter) == [foreign.name, "1.png"]


def test_outcomes_that_are_known_keep_their_place(ten: list[Item], tmp_path: Path) -> None:
    known = Outcome(ten[0], error=FolderError("closed"))
    outcomes = export(tmp_path / "out", [known, *ten, known])
    assert [outcome.item.name for outcome in outcomes] == ["0.png", *(i.name for i in ten), "0.png"]
    assert isinstance(outcomes[0].error, FolderError)
    assert export(tmp_path / "nothing", []) == []


def test_memory_is_bounded_when_one_item_takes_long(
    ten: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("savemasks.run.processes._WINDOW", 2)
    taken = 0

    def source() -> Iterator[Item]:
        nonlocal taken
        for item in ten:
            taken += 1
            yield item

    pool = ProcessPool(Job(flows(tmp_path / "out"), workers=2), threading.Event())
    try:
        for number, _ in enumerate(pool.map(source()), start=1):
            assert taken <= number + 2 * 2
        assert number == 10
    finally:
        pool.close()


def test_a_request_to_stop_is_answered_after_the_items_in_hand(
    ten: list[Item], tmp_path: Path
) -> None:
    stop = threading.Event()
    pool = ProcessPool(Job(flows(tmp_path / "out"), workers=1), stop)
    try:
        outcomes = []
        for outcome in pool.map(ten * 20):
            outcomes.append(outcome)
            stop.set()
        outcomes += pool.drain()
    finally:
        pool.close()
    assert 1 <= len(outcomes) < 20
    made = {name for outcome in outcomes for name in outcome.outputs()}
    assert set(tree(tmp_path / "out")) == made


def test_a_worker_that_cannot_begin_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    flow = Flow({}, (Inlet("no layer", tmp_path),))  # type: ignore[arg-type]
    job = Job((flow,), workers=2)
    with pytest.raises(AttributeError, match="settings"):
        ProcessPool(job, threading.Event())


def test_a_run_stopped_while_it_starts_is_interrupted(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        ProcessPool(Job(flows(tmp_path), workers=2), stop)


def test_the_error_that_is_reported_is_one_of_the_tree() -> None:
    assert issubclass(CrashError, SavemasksError)


def test_the_leading_process_loads_nothing_that_workers_need() -> None:
    code = "import sys, savemasks.run.export; print([m for m in {heavy} if m in sys.modules])"
    program = code.format(heavy=("numba", "numpy", "pyvips"))
    assert subprocess.check_output([sys.executable, "-c", program]) == b"[]\n"


def test_a_process_calls_a_function_of_a_module(tmp_path: Path) -> None:
    pool = ProcessPool(Job(flows(tmp_path / "out"), workers=1), threading.Event())
    try:
        assert pool.call(os.path.join, "a", "b") == "a/b"
        with pytest.raises(ZeroDivisionError):
            pool.call(divmod, 1, 0)
        with pytest.raises(CrashError, match="ended with exit code 7"):
            pool.call(os._exit, 7)
    finally:
        pool.close()


def test_a_legend_is_drawn_even_if_the_process_dies_that_was_to(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("a.png")
    call = ProcessPool.call
    options = RunOptions(workers=1, processes=True)
    expected = run(LAYER, [project.folder], tmp_path / "expected", options)
    monkeypatch.setattr(ProcessPool, "call", lambda pool, *_: call(pool, os._exit, 7))
    summary = run(LAYER, [project.folder], tmp_path / "out", options)
    assert summary.problems == []
    same(tree(summary.out), tree(expected.out))


def test_many_quick_items_are_submitted_at_once_and_long_paths_few_at_a_time(
    ten: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    submit = ProcessPool._submit

    def noting(pool: ProcessPool, worker: Any, batch: list[Any]) -> None:
        submit(pool, worker, batch)
        lengths.append(len(worker.items))

    monkeypatch.setattr(ProcessPool, "_submit", noting)
    monkeypatch.setattr(ProcessPool, "_queue_length", lambda _: 32)
    items = ten * 20
    assert len(export(tmp_path / "out", items, 1)) == len(items)
    assert max(lengths) == 32
    lengths.clear()
    monkeypatch.setattr("savemasks.run.processes._QUEUE_LETTERS", 1)
    assert len(export(tmp_path / "again", items, 1)) == len(items)
    assert max(lengths) == 1


def test_a_pool_hands_on_what_its_workers_compile(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    job, stop = Job(flows(tmp_path / "out"), workers=1), threading.Event()
    pool = ProcessPool(job, stop, lambda done, total: told.append((done, total)))
    ours, theirs = multiprocessing.Pipe()
    try:
        for message in ((0, 2), (2, 2), None):
            theirs.send_bytes(pickle.dumps(message))
        process = pool._workers[0].process
        pool._await_ready(_Worker(process, ours))
        assert told == [(0, 2), (2, 2)]
    finally:
        pool.close()
