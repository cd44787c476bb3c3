"""What the figures of a race come to, as data and as Markdown."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

_PACKAGES = ("savemasks", "numba", "numpy", "opencv-python-headless")


def machine() -> dict[str, Any]:
    """When and on what this runs."""
    cpu = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def evaluate(name: str, entries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Medians and ratios of one job; the first entry is the one the others are held against.

    The ratio says how many times as fast as another contestant the first is, or, for itself with
    more workers, how many times as fast it becomes: of the medians, of the lowest times, and the
    range within one round. A size ratio is the first's bytes over the other's.
    """
    ours = next(iter(entries.values()))
    for entry in entries.values():
        sign = -1 if entry["workers"] > ours["workers"] else 1
        entry["median"] = median(entry["seconds"])
        entry["images_per_s"] = round(entry["images"] / entry["median"], 3)
        pairs = zip(entry["seconds"], ours["seconds"], strict=True)
        rounds = [(their / our) ** sign for their, our in pairs]
        entry["ratio"] = round((entry["median"] / ours["median"]) ** sign, 3)
        entry["ratio_of_lowest"] = round((min(entry["seconds"]) / min(ours["seconds"])) ** sign, 3)
        entry["ratio_range"] = [round(min(rounds), 3), round(max(rounds), 3)]
        entry["size_ratio"] = {
            kind: round(size / entry["bytes"][kind], 3) for kind, size in ours["bytes"].items()
        }
    return {"name": name, "pixel_equal": True, "contestants": entries}


def job_table(result: dict[str, Any]) -> str:
    """All contestants of one job."""
    lines = [
        f"\n**{result['name']}** (all results are pixel-equal)\n",
        "| | images/s | seconds, median | lowest to highest | whole process | files, MB |",
        "|---|---|---|---|---|---|",
    ]
    for name, entry in result["contestants"].items():
        sizes = " + ".join(
            f"{kind.removeprefix('masks_')} {size / 1e6:.2f}"
            for kind, size in sorted(entry["bytes"].items())
        )
        lines.append(
            f"| {name} | {entry['images_per_s']:.1f} | {entry['median']:.3f}"
            f" | {min(entry['seconds']):.3f} to {max(entry['seconds']):.3f}"
            f" | {median(entry['process_seconds']):.2f} | {sizes} |"
        )
    return "\n".join(lines)


def summary(results: list[dict[str, Any]]) -> str:
    """All jobs in one table of ratios."""
    ours, *others = results[0]["contestants"]
    heads = [f"{ours} against {other}" for other in others if not other.startswith(ours)]
    heads += [f"{other} against one" for other in others if other.startswith(ours)]
    heads += ["human files", "machine files"]
    lines = [f"\n| job | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for result in results:
        cells = [result["name"]]
        for other in others:
            entry = result["contestants"][other]
            low, high = entry["ratio_range"]
            cells.append(
                f"**{entry['ratio']:.2f}x** ({low:.2f} to {high:.2f};"
                f" lowest times {entry['ratio_of_lowest']:.2f}x)"
            )
        sizes = result["contestants"][others[0]]["size_ratio"]
        for kind in ("masks_human", "masks_machine"):
            cells += [f"{sizes[kind]:.2f}x" if kind in sizes else ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
