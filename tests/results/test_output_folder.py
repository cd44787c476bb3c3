"""The output folder: what others have in it, one run at a time, and what killed runs leave."""

import sqlite3
import subprocess
import threading
from pathlib import Path

import pytest

from savemasks.errors import OutputError
from savemasks.results.lock import HIDDEN, Lock
from support.holding import hold
from support.projects import Project, files, names
from support.resuming import Again, done

pytestmark = pytest.mark.usefixtures("warm")


# ---------------------------------------------------------------- folders of others


def test_force_adds_what_is_not_there_and_replaces_nothing(
    project: Project, again: Again, out: Path, tmp_path: Path
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        project.add(name)
    project.add("a.png", "linked")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("ds/masks_human/b.png", "ds/other/x"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"mine")
    (out / "linked").symlink_to(elsewhere)
    with pytest.raises(OutputError, match="or --force to add what does not exist there"):
        again()
    for force in (True, False):  # once it is ours, nobody needs force any more
        summary = again(force=force)
        assert done(summary) == (2 if force else 0, 2, 0 if force else 2, 0)
        assert [*map(str, summary.failures)] == [
            f"{out}/ds/masks_human/b.png: exists and was not made by savemasks; move it away",
            f"{out}/linked/masks_machine/a.png: exists and was not made by savemasks; move it away",
        ]
        assert (out / "ds/masks_human/b.png").read_bytes() == b"mine"
        assert names(elsewhere) == []
    assert names(out / "ds/img") == ["a.png", "c.png"]


def test_a_meta_json_of_others_is_not_replaced(project: Project, again: Again, out: Path) -> None:
    project.add()
    out.mkdir(parents=True)
    (out / "meta.json").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"meta\.json: exists and is not ours"):
        again(force=True)
    assert files(out) == {"meta.json": b"mine"}


def test_a_journal_that_is_damaged_is_refused(project: Project, again: Again, out: Path) -> None:
    project.add()
    again()
    (out / HIDDEN / "journal.sqlite").write_bytes(b"no database at all" * 1000)
    with pytest.raises(OutputError, match=r"journal\.sqlite: cannot be used as a journal: file is"):
        again()


# ---------------------------------------------------------------- one at a time


HOLD = """
import sys
from pathlib import Path
from savemasks.results.lock import Lock, hold_worker_lock
root = Path(sys.argv[1])
lock = Lock(root) if sys.argv[2] == "run" else hold_worker_lock(root)
"""


def holder(root: Path, what: str) -> "subprocess.Popen[bytes]":
    (root / HIDDEN).mkdir(parents=True, exist_ok=True)
    return hold(HOLD, root, what)


def test_a_second_run_is_refused_while_one_is_at_work_but_not_after_it_was_killed(
    project: Project, again: Again, out: Path
) -> None:
    project.add()
    with holder(out, "run") as other:
        with pytest.raises(
            OutputError, match=rf"another savemasks is at work here .process {other.pid}"
        ):
            again()
        other.kill()
    assert done(again()) == (1, 0, 0, 0)


def test_a_run_waits_for_the_workers_of_one_that_was_killed(
    project: Project, again: Again, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add()
    with holder(out, "worker") as other:
        monkeypatch.setattr("savemasks.results.lock._WORKERS_TIMEOUT", 0.3)
        with pytest.raises(OutputError, match="workers of a run that was killed are still at work"):
            again()
        monkeypatch.undo()
        timer = threading.Timer(0.5, other.kill)
        timer.start()
        assert done(again()) == (1, 0, 0, 0)
        timer.join()


def test_a_run_lets_go_of_its_lock(project: Project, again: Again, out: Path) -> None:
    project.add()
    again()
    Lock(out).close()


# ---------------------------------------------------------------- leftovers


def test_what_a_killed_run_left_half_written_is_removed(
    project: Project, again: Again, out: Path
) -> None:
    project.add()
    again()
    with sqlite3.connect(out / HIDDEN / "journal.sqlite") as database:
        database.execute("UPDATE run SET value = x'31' WHERE key = 'open'")
    database.close()
    left = [out / ".savemasks-1-2.part", out / "ds/img/.savemasks-1-3.part"]
    kept = [out / "ds/img/.savemasks-x", out / "ds/x.part"]
    for path in left + kept:
        path.write_bytes(b"half")
    again()
    assert [path.exists() for path in left + kept] == [False, False, True, True]
