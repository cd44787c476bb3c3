"""What two processes on two cores can do that one cannot: the bound for two workers.

The processes share nothing but the machine: its memory, its caches, its clock, and whatever else
runs on it. What they reach together, two workers of one run could reach at best. Each works on its
own copy of the same data in memory, and is pinned to a core of its own.
"""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from savemasks.encode.choice import encode_human, encode_machine
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.plan import Plan
from savemasks.line.warmup import warm_up
from savemasks.scratch import Scratch

if TYPE_CHECKING:
    from benchmarks import data
else:
    import data

Work = Callable[[], object]
Duplex: TypeAlias = "Connection[Any, Any]"
_COPIED_BYTES = 1 << 26


def _masks(size: data.Size) -> Work:
    """Both masks of a photograph: parse, paint and encode; nothing is decoded."""
    plan = Plan.of(SaveMasks.from_json(data.save_masks()))
    warm_up(plan)
    rng = np.random.default_rng(0)
    objects = [data.mixed_object(rng, size, number) for number in range(size.objects)]
    annotation, picture = data.annotation(size, objects), data.photograph(rng, size)
    scratch = Scratch()
    machine, human = plan.machine_palette, plan.human_palette
    assert machine is not None
    assert human is not None

    def work() -> None:
        labels, _ = plan.label_maps(plan.parse(annotation), scratch)
        assert labels is not None
        encode_machine(labels, machine, scratch)
        encode_human(picture, labels, human, scratch)

    return work


def _copies(_: data.Size) -> Work:
    """What is bound by memory."""
    source, target = (np.full(_COPIED_BYTES, 1, np.uint8) for _ in range(2))
    return lambda: np.copyto(target, source)


def _arithmetic(_: data.Size) -> Work:
    """What is bound by the clock."""
    return lambda: sum(range(1_000_000))


WORKS = {
    "both masks, in memory": _masks,
    "copying memory": _copies,
    "arithmetic": _arithmetic,
}


def measure(
    cores: tuple[int, int], rounds: int, size: data.Size = data.PHOTOS, repeats: int = 10
) -> dict[str, Any]:
    """By work: how many times as much two processes do in the same time as one alone.

    In every round each process does it alone, then both do at once. Work that one process may do
    faster than the other counts as the mean of both.
    """
    context = multiprocessing.get_context("spawn")
    lines, processes = [], []
    for core in cores:
        ours, theirs = context.Pipe()
        arguments = (core, size, repeats, theirs)
        processes.append(context.Process(target=_process, args=arguments, daemon=True))
        processes[-1].start()
        theirs.close()  # so that a process that dies is noticed
        lines.append(ours)
    for line in lines:
        line.recv()
    found = {name: _compare(name, lines, rounds, repeats) for name in WORKS}
    for line, process in zip(lines, processes, strict=True):
        line.send(None)
        process.join()
    return found


def _process(core: int, size: data.Size, repeats: int, line: Duplex) -> None:
    """Do the work whose name is received, and answer with the seconds; end on None."""
    os.sched_setaffinity(0, {core})
    works = {name: prepare(size) for name, prepare in WORKS.items()}
    for work in works.values():
        work()
    line.send("ready")
    while (name := line.recv()) is not None:
        started = perf_counter()
        for _ in range(repeats):
            works[name]()
        line.send(perf_counter() - started)


def _compare(name: str, lines: list[Duplex], rounds: int, repeats: int) -> dict[str, Any]:
    alone, together = [], []
    for _ in range(rounds):
        alone.append(sum(_go(name, [line]) for line in lines) / 2)
        together.append(_go(name, lines))
    ratios = [2 * one / both for one, both in zip(alone, together, strict=True)]
    return {
        "alone_ms": round(1000 * median(alone) / repeats, 3),
        "together_ms": round(1000 * median(together) / repeats, 3),
        "ratio": round(median(ratios), 3),
        "ratio_of_lowest": round(2 * min(alone) / min(together), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
        "alone_seconds": alone,
        "together_seconds": together,
    }


def _go(name: str, lines: list[Duplex]) -> float:
    """Let these processes work at once -> seconds of the slowest."""
    for line in lines:
        line.send(name)
    return max(float(line.recv()) for line in lines)


def table(pairs: dict[str, Any]) -> str:
    """All works."""
    lines = [
        "\n**Two processes against one**\n",
        "| work | ms alone | ms beside another | two against one |",
        "|---|---|---|---|",
    ]
    for name, entry in pairs.items():
        low, high = entry["ratio_range"]
        lines.append(
            f"| {name} | {entry['alone_ms']:.1f} | {entry['together_ms']:.1f}"
            f" | **{entry['ratio']:.2f}x** ({low:.2f} to {high:.2f};"
            f" lowest times {entry['ratio_of_lowest']:.2f}x) |"
        )
    return "\n".join(lines)
