"""What there is to use of memory, and who may use how much of it."""

from pathlib import Path

from savemasks.layers.save_masks import SaveMasks
from savemasks.line.budget import Budget
from savemasks.system.hardware import _cgroup_limits, available_memory
from support.projects import Project, Runner, layer

SETTINGS = SaveMasks.from_json(layer()).settings
MACHINE_ONLY = SaveMasks.from_json(layer(masks_human=False)).settings
GIB = 1 << 30


def test_a_wrong_size_on_the_command_line_is_wrong_usage(project: Project, export: Runner) -> None:
    project.add()
    done = export(project.folder, options=("--memory=lots",))
    assert (done.code, done.tree) == (2, {})
    assert "'lots' is not a size" in done.output


def test_little_memory_on_the_command_line_changes_no_pixel(
    project: Project, export: Runner
) -> None:
    project.add("a.png")
    project.add("b.png", bare=True)
    done = export(project.folder, options=("--memory=1k", "--workers=2"))
    assert done.code == 0
    assert done.tree == project.expected


def test_the_share_of_a_worker_decides_before_the_threshold() -> None:
    assert not Budget(GIB).wants_strips([SETTINGS], 5000, 5000)
    assert Budget(GIB // 4).wants_strips([SETTINGS], 5000, 5000)
    assert not Budget(GIB // 4).wants_strips([MACHINE_ONLY], 5000, 5000)
    assert not Budget(64 * GIB).wants_strips([SETTINGS], 8000, 8000)
    assert Budget(64 * GIB).wants_strips([SETTINGS], 8000, 8001)


def test_the_height_of_strips_depends_on_nothing_but_the_width() -> None:
    for memory in (1, GIB):
        for threads in (1, 8):
            assert Budget(memory, threads).rows(1 << 15) == 64
            assert Budget(memory, threads).rows(1 << 30) == 1


def test_strips_under_way_fit_the_share() -> None:
    assert Budget(64 * GIB, 4).strips_at_once([SETTINGS], 32768) == 5
    few = Budget(200 << 20, 4).strips_at_once([SETTINGS], 32768)
    assert 1 < few < 5
    assert few * 65 * 32768 * 28 <= 200 << 20
    assert Budget(1, 4).strips_at_once([SETTINGS], 32768) == 1


def test_workers_share_half_of_the_memory() -> None:
    assert Budget.of_worker(None, 4).memory == available_memory() // 2 // 4
    assert Budget.of_worker(1000, 4) == Budget(250, 4)


def test_the_smallest_limit_of_all_control_groups_counts(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("0::/outer/inner\n5:memory,cpu:/old\n3:cpuset:/outer\n")
    root = tmp_path / "fs"
    for name, text in {
        "outer/inner/memory.max": "max\n",
        "outer/memory.max": "3000\n",
        "memory/old/memory.limit_in_bytes": "2000\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert sorted(_cgroup_limits(membership, root)) == [2000, 3000, 9223372036854771712]
    assert list(_cgroup_limits(tmp_path / "none", root)) == []
