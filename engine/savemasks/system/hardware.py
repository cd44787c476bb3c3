"""How many cores and how much memory there are to use."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

_ASSUMED_MEMORY = 4 << 30  # where nobody says how much there is
_CGROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """How many cores this process may use; all of the machine where the system does not say."""
    if affinity := getattr(os, "sched_getaffinity", None):
        return len(affinity(0))
    count = getattr(os, "process_cpu_count", os.cpu_count)  # from Python 3.13 on
    return count() or 1


@functools.cache
def available_memory() -> int:
    """Bytes that the machine has, or the control group of this process if that may use fewer."""
    total = _ASSUMED_MEMORY
    if sysconf := getattr(os, "sysconf", None):
        total = sysconf("SC_PAGE_SIZE") * sysconf("SC_PHYS_PAGES")
    return min([total, *_cgroup_limits(Path("/proc/self/cgroup"), _CGROUPS)])


def _cgroup_limits(membership: Path, root: Path) -> Iterator[int]:
    """The limits of a process's control group and those above it, of either version."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        folder = base / path.lstrip("/")
        # In a container the path may be the host's; then the root is the container's own.
        for place in [folder, *folder.parents]:
            if not place.is_relative_to(base):
                break
            try:
                yield int((place / name).read_text())
            except (OSError, ValueError):  # no such file, or "max"
                continue
