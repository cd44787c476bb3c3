"""Measures how long one call takes in somebody else's program.

    python benchmarks/latency.py [--rounds N] [--seconds S] [--json FILE]

Five questions: annotation bytes → machine PNG bytes at 1080p against OpenCV; what Python costs
above the kernels on a small picture; what many threads do to rate and latency; what training code
waits for; and what a web service answers to 64 clients (`--seconds 0` leaves it out; it needs the
extra `test`).
"""

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import cv2
import numpy as np
import orjson

import savemasks

if TYPE_CHECKING:
    from benchmarks import data
    from benchmarks.rivals import opencv_script
else:
    import data

    sys.path.insert(0, str(Path(__file__).parent / "rivals"))
    import opencv_script

TESTS = Path(__file__).parent.parent / "tests"
LARGE = data.Size(images=1, width=1920, height=1080, objects=60)
SMALL = data.Size(images=1, width=256, height=256, objects=5, vertices=20)
ANNOTATIONS = 8
THREADS = (1, 2, 4, 8)
CLIENTS = 64
PER_ROUND = 40
BATCH = 64

Paint = Callable[[bytes], Any]


def our_way() -> Paint:
    """Annotation → PNG by savemasks."""
    layer = data.save_masks()
    layer["settings"]["masks_human"] = False
    painter = savemasks.Painter(savemasks.SaveMasks.from_json(layer))
    return lambda annotation: savemasks.encode_png(painter.machine(annotation))


def opencv_way() -> Paint:
    """The same with OpenCV, by hand."""
    palette = opencv_script.Palette(data.save_masks()["settings"]["gt_machine_color"])

    def paint(annotation: bytes) -> bytes:
        note = orjson.loads(annotation)
        size = note["size"]
        labels = opencv_script.paint(note["objects"], palette, size["height"], size["width"])
        return bytes(cv2.imencode(".png", palette.machine_mask(labels))[1])

    return paint


def annotations(size: data.Size, *, only_polygons: bool = False) -> list[bytes]:
    """Annotations of objects of all kinds, or of polygons only."""
    made = []
    for seed in range(ANNOTATIONS):
        rng = np.random.default_rng(seed)
        numbers = [0] * size.objects if only_polygons else range(size.objects)
        made.append(data.annotation(size, [data.mixed_object(rng, size, n) for n in numbers]))
    return made


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Median and 99th percentile in milliseconds."""
    p50, p99 = np.percentile(np.array(seconds) * 1e3, [50, 99]).tolist()
    return {"p50_ms": p50, "p99_ms": p99}


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = perf_counter()
    call()
    return perf_counter() - started


def against_opencv(rounds: int) -> dict[str, Any]:
    """Both ways, for annotations of all kinds of objects and for those of polygons."""
    return {
        kind: _turn_by_turn(annotations(LARGE, only_polygons=kind == "polygons"), rounds)
        for kind in ("mixed", "polygons")
    }


def _turn_by_turn(notes: list[bytes], rounds: int) -> dict[str, Any]:
    """One after the other, so that both ways meet the same machine."""
    ours, theirs = our_way(), opencv_way()
    for note in notes:
        one, other = (np.frombuffer(way(note), np.uint8) for way in (ours, theirs))
        ours_read, theirs_read = (
            np.asarray(cv2.imdecode(png, cv2.IMREAD_UNCHANGED)) for png in (one, other)
        )
        assert np.array_equal(ours_read, theirs_read), "the two ways differ"
    taken: dict[str, list[float]] = {"savemasks": [], "opencv": []}
    for _ in range(rounds * PER_ROUND // len(notes)):
        for note in notes:
            taken["savemasks"].append(timed(lambda note=note: ours(note)))  # type: ignore[misc]
            taken["opencv"].append(timed(lambda note=note: theirs(note)))  # type: ignore[misc]
    figures: dict[str, Any] = {name: percentiles(seconds) for name, seconds in taken.items()}
    p50, p99 = figures["savemasks"]["p50_ms"], figures["savemasks"]["p99_ms"]
    return figures | {
        "p50_against_opencv": p50 / figures["opencv"]["p50_ms"],
        "p99_against_p50": p99 / p50,
        "bytes": {
            "savemasks": sum(len(ours(note)) for note in notes) // len(notes),
            "opencv": sum(len(theirs(note)) for note in notes) // len(notes),
        },
    }


def above_the_kernels(rounds: int) -> dict[str, Any]:
    """Microseconds of a small picture: all of it, and what of it are kernels."""
    ours = our_way()
    notes = annotations(SMALL, only_polygons=True)
    inside = [0.0]

    def measured(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            started = perf_counter()
            try:
                return function(*arguments)
            finally:
                inside[0] += perf_counter() - started

        return call

    whole: list[float] = []
    kernels: list[float] = []
    for _ in range(rounds * PER_ROUND):
        whole.extend(timed(lambda note=note: ours(note)) for note in notes)  # type: ignore[misc]
        with ExitStack() as stack:
            for module, name in _kernels():
                function = getattr(module, name)
                stack.enter_context(patch.object(module, name, measured(function)))
            for note in notes:
                inside[0] = 0.0
                ours(note)
                kernels.append(inside[0])
    found = {
        "all_us": float(np.median(whole)) * 1e6,
        "kernels_us": float(np.median(kernels)) * 1e6,
    }
    found["python_us"] = found["all_us"] - found["kernels_us"]
    return found


def _kernels() -> list[tuple[ModuleType, str]]:
    """Where the everyday way calls kernels."""
    from savemasks.kernels.encode import mask_tokens, runs
    from savemasks.kernels.paint import painting
    from savemasks.parse import usual

    parts = [(usual, "read_usual"), (painting, "paint")]
    return [*parts, (runs, "tokenize"), (mask_tokens, "write")]


def by_threads(rounds: int) -> list[dict[str, Any]]:
    """Rate and latency of threads that share a painter, each number of them in every round."""
    ours = our_way()
    notes = annotations(LARGE)
    taken: dict[int, list[float]] = {count: [] for count in THREADS}
    rates: dict[int, list[float]] = {count: [] for count in THREADS}
    for _ in range(rounds):
        for count in THREADS:
            seconds = _together(ours, notes, count, taken[count])
            rates[count].append(PER_ROUND * 4 / seconds)
    return [
        {"threads": count, "rate_per_s": float(np.median(rates[count]))} | percentiles(taken[count])
        for count in THREADS
    ]


def _together(paint: Paint, notes: list[bytes], count: int, taken: list[float]) -> float:
    """Seconds for four times PER_ROUND calls by so many threads, which have their memory."""
    started: list[float] = []
    ready = threading.Barrier(count, action=lambda: started.append(perf_counter()), timeout=60)

    def work() -> None:
        for note in notes:
            paint(note)
        ready.wait()
        for number in range(PER_ROUND * 4 // count):
            note = notes[number % len(notes)]
            taken.append(timed(lambda note=note: paint(note)))  # type: ignore[misc]

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return perf_counter() - started[0]


def training(rounds: int) -> dict[str, Any]:
    """Masks by object and by class against one canvas of OpenCV for each, and a small window."""
    painter = savemasks.Painter.from_classes(data.CLASSES)
    notes = annotations(LARGE, only_polygons=True)
    found = {
        "targets": _both_ways(painter.targets, opencv_targets, notes, rounds),
        "one_hot": _both_ways(painter.one_hot, opencv_one_hot, notes, rounds),
    }
    window = (800, 400, 256, 256)
    calls = [
        partial(painter.labels, painter.parse(note), window=window) for note in annotations(LARGE)
    ]
    found["window"] = percentiles([timed(call) for call in calls * rounds * PER_ROUND])
    return found


def _both_ways(ours: Paint, theirs: Paint, notes: list[bytes], rounds: int) -> dict[str, Any]:
    one, other = ours(notes[0]), theirs(notes[0])
    if isinstance(one, dict):
        one, other = [*one.values()], [other[key] for key in one]
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a, b), "the two ways differ"
    del one, other, a, b  # a hundred megabytes, which would not be new memory any more
    taken: dict[str, list[float]] = {"savemasks": [], "opencv": []}
    for note in notes * rounds:
        taken["savemasks"].append(timed(partial(ours, note)))
        taken["opencv"].append(timed(partial(theirs, note)))
    return {way: percentiles(seconds) for way, seconds in taken.items()}


def opencv_targets(annotation: bytes) -> dict[str, Any]:
    """Boxes, labels and masks with OpenCV: a `fillPoly` on a canvas of its own for each object."""
    note = orjson.loads(annotation)
    shape = note["size"]["height"], note["size"]["width"]
    masks, boxes, labels = [], [], []
    for item in note["objects"]:
        mask = np.zeros(shape, np.uint8)
        opencv_script.BRUSHES["polygon"](mask, item, 1)
        x, y, width, height = cv2.boundingRect(mask)
        masks.append(mask)
        boxes.append((x, y, x + width, y + height))
        labels.append(data.CLASSES.index(item["classTitle"]) + 1)
    return {
        "boxes": np.array(boxes, np.float32),
        "labels": np.array(labels, np.int64),
        "masks": np.stack(masks),
    }


def opencv_one_hot(annotation: bytes) -> Any:
    """A mask for every class with OpenCV: a `fillPoly` on a canvas of its own for each object."""
    note = orjson.loads(annotation)
    shape = note["size"]["height"], note["size"]["width"]
    found = np.zeros((len(data.CLASSES), *shape), np.bool_)
    for item in note["objects"]:
        canvas = np.zeros(shape, np.uint8)
        opencv_script.BRUSHES["polygon"](canvas, item, 1)
        found[data.CLASSES.index(item["classTitle"])] |= canvas.view(np.bool_)
    return found


def batches(rounds: int) -> list[dict[str, Any]]:
    """Rate of `labels_batch`, of annotations and of `Shapes`, on one thread and on two."""
    painter = savemasks.Painter.from_classes(data.CLASSES)
    notes: list[Any] = annotations(LARGE) * (BATCH // ANNOTATIONS)
    forms: dict[str, list[Any]] = {"JSON": notes, "Shapes": [painter.parse(n) for n in notes]}
    out = np.zeros((BATCH, LARGE.height, LARGE.width), np.uint8)
    found = []
    for form, given in forms.items():
        taken: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(rounds):
            for workers, seconds in taken.items():
                call = partial(painter.labels_batch, given, out=out, workers=workers)
                seconds.append(timed(call))
        one, two = (float(np.median(seconds)) for seconds in taken.values())
        found.append({"form": form, "one_ms": one * 1e3, "two_ms": two * 1e3, "times": one / two})
    return found


def service(seconds: float) -> dict[str, Any]:
    """The service of the tests under load."""
    sys.path.insert(0, str(TESTS))
    from support.load import serve

    layer = data.save_masks()
    layer["settings"]["masks_human"] = False
    ours = our_way()
    jobs = [(note, ours(note)) for note in annotations(SMALL)]
    with serve(layer) as running:
        running.load(jobs, CLIENTS, min(2.0, seconds))
        load = running.load(jobs, CLIENTS, seconds)
    megabytes = np.array(load.memory) / 2**20
    return percentiles(load.latencies) | {
        "clients": CLIENTS,
        "seconds": load.seconds,
        "answers": len(load.latencies),
        "errors": len(load.errors),
        "rate_per_s": load.rate,
        "memory_first_mb": float(megabytes[0]),
        "memory_last_mb": float(megabytes[-1]),
        "memory_highest_mb": float(np.max(megabytes)),
    }


def _on_one_core(measure: Callable[[int], Any], rounds: int) -> Any:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        return measure(rounds)
    finally:
        os.sched_setaffinity(0, cores)


def report(found: dict[str, Any]) -> None:
    """Print the figures as tables."""
    small = found["above_the_kernels"]
    print("\n**1080p, 60 objects, annotation → machine PNG, one core**\n")
    print("| objects | way | p50 ms | p99 ms | bytes | p50 against OpenCV | p99 against p50 |")
    print("|---|---|---|---|---|---|---|")
    for kind, large in found["against_opencv"].items():
        ratios = f"**{large['p50_against_opencv']:.2f}x** | {large['p99_against_p50']:.2f}x"
        for way in ("savemasks", "opencv"):
            times = f"{large[way]['p50_ms']:.2f} | {large[way]['p99_ms']:.2f}"
            print(f"| {kind} | {way} | {times} | {large['bytes'][way]} | {ratios} |")
            ratios = " | "
    print("\n**256 x 256, 5 polygons, one core**, microseconds\n")
    print("| all | kernels | Python above them |\n|---|---|---|")
    print("| {all_us:.0f} | {kernels_us:.0f} | {python_us:.0f} |".format(**small))
    print("\n**Threads that share a painter, 1080p**\n")
    print("| threads | images/s | p50 ms | p99 ms |\n|---|---|---|---|")
    for row in found["by_threads"]:
        print("| {threads} | {rate_per_s:.0f} | {p50_ms:.2f} | {p99_ms:.2f} |".format(**row))
    print("\n**Training code, 1080p, 60 polygons, one core**\n")
    print("| call | savemasks, p50 ms | OpenCV, p50 ms | times |\n|---|---|---|---|")
    for call in ("targets", "one_hot"):
        one, two = (found["training"][call][way]["p50_ms"] for way in ("savemasks", "opencv"))
        print(f"| {call} | {one:.2f} | {two:.2f} | {two / one:.1f} |")
    window = found["training"]["window"]
    print(f"\nA window of 256 x 256, 60 objects: {window['p50_ms']:.3f} ms")
    print(f"\n**A batch of {BATCH}, 1080p**\n")
    print("| annotations | one thread, ms | two threads, ms | times |\n|---|---|---|---|")
    for row in found["batches"]:
        print("| {form} | {one_ms:.1f} | {two_ms:.1f} | {times:.2f} |".format(**row))
    if "service" in found:
        print("\n**Service, 256 x 256, 5 objects**\n")
        print("| clients | s | answers | errors | per s | p50 ms | p99 ms | MB, first to last |")
        print("|---|---|---|---|---|---|---|---|")
        print("| {clients} | {seconds:.0f} | {answers} | {errors} | {rate_per_s:.0f} | {p50_ms:.0f}"
              " | {p99_ms:.0f} | {memory_first_mb:.0f} to {memory_last_mb:.0f} |"
              .format(**found["service"]))  # fmt: skip


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=30.0, help="load of the service")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    savemasks.warmup()
    cv2.setNumThreads(1)
    found: dict[str, Any] = {
        "against_opencv": _on_one_core(against_opencv, options.rounds),
        "above_the_kernels": _on_one_core(above_the_kernels, options.rounds),
        "by_threads": by_threads(options.rounds),
        "training": _on_one_core(training, options.rounds),
        "batches": batches(options.rounds),
    }
    if options.seconds > 0:
        found["service"] = service(options.seconds)
    report(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
