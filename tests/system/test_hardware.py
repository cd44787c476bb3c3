"""Cores and memory are counted as well as the system can."""

import os
from collections.abc import Callable

import pytest

from savemasks.system import hardware


def test_cores_are_counted_as_well_as_the_system_can(
    take_away: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 3, 5})
    monkeypatch.setattr(os, "process_cpu_count", lambda: 7, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 9)
    assert hardware.usable_cores() == 3
    take_away("os.sched_getaffinity")
    assert hardware.usable_cores() == 7
    take_away("os.process_cpu_count")
    assert hardware.usable_cores() == 9
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert hardware.usable_cores() == 1


def test_memory_is_assumed_where_nobody_says_how_much_there_is(
    take_away: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    take_away()
    monkeypatch.setattr(hardware, "_cgroup_limits", lambda *_: iter([]))
    known = hardware.available_memory()
    assert known == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    take_away("os.sysconf")
    assert hardware.available_memory() == 4 << 30
    monkeypatch.setattr(hardware, "_cgroup_limits", lambda *_: iter([5000, 3000]))
    take_away()
    assert hardware.available_memory() == 3000
