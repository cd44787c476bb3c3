"""How long fresh processes take until they are of use, on one core.

Everything is measured from outside: from just before the process is started until it says so (its
clock is the machine's own, as ours) or ends.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

import savemasks

if TYPE_CHECKING:
    from benchmarks import data
    from benchmarks.contest import PROGRAM
else:
    import data
    from contest import PROGRAM

FIRST_MASK = """
import sys
from pathlib import Path
from time import perf_counter
from savemasks.api.painter import Painter
from savemasks.layers.save_masks import SaveMasks

painter = Painter(SaveMasks.from_json(Path(sys.argv[1])))
mask = painter.machine(Path(sys.argv[2]).read_bytes())
done = perf_counter()
assert mask.any()
print(done)
"""

_COLD_TIMES = 3


def measure(times: int, scratch: Path, *, cold: bool) -> dict[str, Any]:
    """Medians in milliseconds; `cold` also starts with nothing compiled, which takes long."""
    config, annotation = scratch / "start.json", scratch / "start-annotation.json"
    size = data.PHOTOS
    rng = np.random.default_rng(0)
    objects = [data.mixed_object(rng, size, number) for number in range(size.objects)]
    config.write_bytes(orjson.dumps(data.save_masks()))
    annotation.write_bytes(data.annotation(size, objects))
    arguments = [str(config), str(annotation)]

    def first_mask() -> float:
        return _says_when(FIRST_MASK, *arguments)

    def first_mask_cold() -> float:
        with tempfile.TemporaryDirectory(dir=scratch, prefix="cache-") as folder:
            # A package that is another one by a comment, whose kernels nobody has compiled.
            package = Path(folder, "savemasks")
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(Path(savemasks.__file__).parent, package, ignore=ignored)
            with (package / "kernels" / "jit.py").open("a") as file:
                file.write(f"# {folder}\n")
            return _says_when(FIRST_MASK, *arguments, SAVEMASKS_CACHE_DIR=folder, PYTHONPATH=folder)

    starts: dict[str, tuple[Callable[[], float], int]] = {
        "Python alone (`pass`)": (lambda: _ends("pass"), times),
        "`import savemasks`": (lambda: _ends("import savemasks"), times),
        "`savemasks --help`": (lambda: _ends(PROGRAM, "--help"), times),
        "first mask": (first_mask, times),
    }
    found = {name: _median(start, number, warm_up=True) for name, (start, number) in starts.items()}
    if cold:
        number = min(times, _COLD_TIMES)
        found["first mask, nothing compiled"] = _median(first_mask_cold, number, warm_up=False)
    return found


def _median(start: Callable[[], float], times: int, *, warm_up: bool) -> dict[str, Any]:
    if warm_up:
        start()
    seconds = sorted(start() for _ in range(times))
    ends = [round(1000 * seconds[i], 1) for i in (0, -1)]
    return {"ms": round(1000 * median(seconds), 1), "range_ms": ends, "times": times}


def _ends(code: str, *arguments: str) -> float:
    started = perf_counter()
    _run(code, *arguments)
    return perf_counter() - started


def _says_when(code: str, *arguments: str, **environment: str) -> float:
    started = perf_counter()
    return float(_run(code, *arguments, **environment)) - started


def _run(code: str, *arguments: str, **environment: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def table(starts: dict[str, Any]) -> str:
    """All starts."""
    lines = [
        "\n**Start**\n",
        "| from the start of the process | ms, median | lowest to highest | of |",
        "|---|---|---|---|",
    ]
    for name, entry in starts.items():
        low, high = entry["range_ms"]
        lines.append(f"| {name} | {entry['ms']:.0f} | {low:.0f} to {high:.0f} | {entry['times']} |")
    return "\n".join(lines)
