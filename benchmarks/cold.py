"""How long compiling takes: kernel by kernel, and until a job can begin.

    python benchmarks/cold.py [--times N] [--json FILE]

Every process works on a copy of the package, whose kernels nobody has compiled. A kernel's time is
that of the processor, on one core, with all that it calls. A job's time is that of the wall, from
the start of the process until its kernels are ready, on all cores that this process may use.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import savemasks

KERNELS = """
import json, os, time
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from numba.core import event
import savemasks
from savemasks.kernels.dispatcher import Kernel

begun, found = [], {}

class Listener(event.Listener):
    def on_start(self, event):
        begun.append(time.process_time())

    def on_end(self, event):
        seconds, dispatcher = time.process_time() - begun.pop(), event.data["dispatcher"]
        if isinstance(dispatcher, Kernel):
            module = dispatcher.py_func.__module__.removeprefix("savemasks.kernels.")
            found.setdefault(f"{module}.{dispatcher.py_func.__name__}", []).append(seconds)

event.register("numba:compile", Listener())
savemasks.warmup()
print(json.dumps(found))
"""

JOB = """
import json, sys
from time import perf_counter
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.plan import Plan
from savemasks.line.warmup import warm_up

layer, meta = json.loads(sys.argv[1])
layer = SaveMasks.from_json(layer)
warm_up(Plan.of(layer, meta), layer.settings)
print(perf_counter())
"""

JOBS = {
    "polygons, machine masks": ("polygon", False),
    "polygons, both masks": ("polygon", True),
    "bitmaps, machine masks": ("bitmap", False),
    "bitmaps, both masks": ("bitmap", True),
}


def measure(times: int) -> dict[str, Any]:
    """Seconds by kernel, for every signature that it is called with; and by job, cold and warm."""
    found: dict[str, Any] = {"jobs": {}}
    for name, (shape, is_human) in JOBS.items():
        cold: list[float] = []
        warm: list[float] = []
        for _ in range(times):
            with tempfile.TemporaryDirectory() as folder:
                environment = _copied(Path(folder))
                for seconds in (cold, warm):
                    started = perf_counter()
                    arguments = (JOB, json.dumps(_job(shape, is_human=is_human)))
                    seconds.append(float(_run(environment, *arguments)) - started)
        found["jobs"][name] = {"cold": median(cold), "warm": median(warm)}
    with tempfile.TemporaryDirectory() as folder:
        found["kernels"] = json.loads(_run(_copied(Path(folder)), KERNELS))
    return found


def _job(shape: str, *, is_human: bool) -> list[dict[str, Any]]:
    settings: dict[str, Any] = {"masks_machine": True, "gt_machine_color": {"a": [1, 1, 1]}}
    if is_human:
        settings |= {"masks_human": True, "gt_human_color": {"a": [1, 2, 3]}}
    layer = {"action": "save_masks", "dst": "x", "settings": settings}
    return [layer, {"classes": [{"title": "a", "shape": shape, "color": "#112233"}]}]


def _copied(folder: Path) -> dict[str, str]:
    """Copy the package; what a process needs to use the copy, and a cache of its own."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(savemasks.__file__).parent, folder / "savemasks", ignore=ignored)
    places = {"PYTHONPATH": str(folder), "SAVEMASKS_CACHE_DIR": str(folder / "cache")}
    return os.environ | places | {"XDG_CACHE_HOME": str(folder / "user")}


def _run(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-c", *arguments]
    return subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def tables(found: dict[str, Any]) -> str:
    """Both tables, as they are in README.md."""
    lines = ["| job | s, nothing compiled | s, all compiled |", "|---|---|---|"]
    for name, entry in found["jobs"].items():
        lines.append(f"| {name} | {entry['cold']:.1f} | {entry['warm']:.2f} |")
    lines += ["", "| kernel | s | signatures |", "|---|---|---|"]
    for name, seconds in sorted(found["kernels"].items(), key=lambda entry: -sum(entry[1])):
        lines.append(f"| {name} | {sum(seconds):.1f} | {len(seconds)} |")
    total = sum(map(sum, found["kernels"].values()))
    return "\n".join([*lines, f"| all | {total:.1f} | |"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=3, help="runs of each job")
    parser.add_argument("--json", type=Path, help="write the figures to a file, too")
    arguments = parser.parse_args()
    found = measure(arguments.times)
    print(tables(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
