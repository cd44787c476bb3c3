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


def evaluate(
    name: str, entries: dict[str, dict[str, Any]], pairs: list[tuple[str, str]]
) -> dict[str, Any]:
    """Medians of one job's contestants, and how pairs of them compare.

    A ratio says how many times as fast as the other the first of a pair is. There is one for each
    round, and one of the lowest times. A size ratio is the first's bytes over the other's.
    """
    for entry in entries.values():
        entry["median"] = median(entry["seconds"])
        entry["images_per_s"] = round(entry["images"] / entry["median"], 3)
    compared = [
        {"ours": one, "other": other, **_compare(entries[one], entries[other])}
        for one, other in pairs
    ]
    return {"name": name, "pixel_equal": True, "contestants": entries, "pairs": compared}


def _compare(ours: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """One against another."""
    seconds = zip(ours["seconds"], other["seconds"], strict=True)
    rounds = [their / our for our, their in seconds]
    found = {"median": median(rounds), "lowest": min(rounds), "highest": max(rounds)}
    found["of_lowest_times"] = min(other["seconds"]) / min(ours["seconds"])
    sizes = {
        kind: round(size / other["bytes"][kind], 3)
        for kind, size in ours["bytes"].items()
        if other["bytes"].get(kind)
    }
    rounded = {key: round(value, 3) for key, value in found.items()}
    return {**rounded, "rounds": [round(ratio, 3) for ratio in rounds], "size_ratio": sizes}


def job_table(result: dict[str, Any]) -> str:
    """All contestants of one job."""
    lines = [
        f"\n**{result['name']}, on {result['on']}** (all results are pixel-equal)\n",
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
    """All pairs of all jobs in one table."""
    lines = [
        "\n| job | on | | against | times as fast | lowest to highest | of lowest times"
        " | human files | machine files |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        for pair in result["pairs"]:
            sizes = [pair["size_ratio"].get(f"masks_{kind}") for kind in ("human", "machine")]
            cells = [result["name"], result["on"], pair["ours"], pair["other"]]
            cells += [
                f"**{pair['median']:.2f}x**",
                f"{pair['lowest']:.2f} to {pair['highest']:.2f}",
            ]
            cells += [f"{pair['of_lowest_times']:.2f}x"]
            cells += [f"{size:.2f}x" if size else "" for size in sizes]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
