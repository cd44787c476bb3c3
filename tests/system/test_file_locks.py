"""Locks on files: for one alone or shared, with or without the system's own."""

import errno
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from savemasks.system.file_locks import FileLock
from support.taking import hold, taking

TAKE = """
import sys
from pathlib import Path
from savemasks.system.file_locks import FileLock
lock = FileLock(Path(sys.argv[1]))
lock.take(shared=sys.argv[2] == "shared")
lock.write_note(b"a note")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("taken", [[], ["fcntl"]])
def test_a_lock_is_for_one_alone_or_shared_and_ends_with_its_process(
    taken: list[str], tmp_path: Path, take_away: Callable[..., None]
) -> None:
    path = tmp_path / "lock"
    take_away(*taken)

    def is_free(*, shared: bool) -> bool:
        with closing(FileLock(path)) as lock:
            try:
                lock.take(shared=shared, wait=False)
            except BlockingIOError:
                return False
            return True

    assert is_free(shared=False)
    for how, both in (("alone", False), ("shared", True)):
        with hold(taking(taken) + TAKE, path, how) as other:
            assert [is_free(shared=shared) for shared in (False, True)] == [False, both]
            with closing(FileLock(path, read_only=True)) as lock:
                assert lock.read_note() == b"a note"
            other.kill()
        assert is_free(shared=False)


@pytest.mark.parametrize("taken", [[], ["fcntl"]])
@pytest.mark.parametrize("shared", [False, True])
def test_a_lock_is_waited_for(
    taken: list[str], shared: bool, tmp_path: Path, take_away: Callable[..., None]
) -> None:
    take_away(*taken)
    got = threading.Event()

    def wait() -> None:
        with closing(FileLock(tmp_path / "lock")) as lock:
            lock.take(shared=shared)
            got.set()

    with hold(taking(taken) + TAKE, tmp_path / "lock", "alone") as other:
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not got.wait(0.3)
        other.kill()
        waiting.join(60)
    assert got.is_set()


@pytest.mark.parametrize("taken", [[], ["fcntl"]])
def test_two_locks_of_one_process_exclude_each_other(
    taken: list[str], tmp_path: Path, take_away: Callable[..., None]
) -> None:
    take_away(*taken)
    with closing(FileLock(tmp_path / "lock")) as first:
        first.take()
        with closing(FileLock(tmp_path / "lock")) as second:
            with pytest.raises(BlockingIOError):
                second.take(shared=True, wait=False)
            with pytest.raises(BlockingIOError):
                second.take(wait=False)
        with (
            closing(FileLock(tmp_path / "lock")) as third,
            pytest.raises(BlockingIOError),
        ):
            third.take(wait=False)  # although a file was closed meanwhile


def test_what_cannot_be_locked_is_told(tmp_path: Path, take_away: Callable[..., None]) -> None:
    take_away("fcntl")
    (tmp_path / "lock.sqlite").write_bytes(b"no database at all" * 1000)
    with closing(FileLock(tmp_path / "lock")) as lock:
        with pytest.raises(OSError, match="not a database") as caught:
            lock.take(wait=False)
        assert caught.value.errno == errno.ENOLCK
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "lock")
    for name in ("folder", "link"):
        with pytest.raises(OSError, match=name):
            FileLock(tmp_path / name)
