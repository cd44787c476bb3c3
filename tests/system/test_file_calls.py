"""Files are written, copied, forgotten and looked at, whatever the system has."""

import errno
import os
import stat
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from savemasks.system import file_calls


@pytest.mark.parametrize("taken", [[], ["os.writev"]])
@pytest.mark.parametrize("most", [7, 1 << 20])
def test_all_parts_are_written_however_few_bytes_a_call_takes(
    taken: list[str],
    most: int,
    tmp_path: Path,
    take_away: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = [bytes([n % 251]) * (n % 17) for n in range(3000)]
    write = os.write
    monkeypatch.setattr(os, "writev", lambda file, some: write(file, b"".join(some)[:most]))
    monkeypatch.setattr(os, "write", lambda file, part: write(file, part[:most]))
    take_away(*taken)
    file = os.open(tmp_path / "a", file_calls.NEW, 0o666)
    left = [memoryview(part) for part in parts]
    file_calls.write_all(file, left)
    os.close(file)
    assert left == []
    assert (tmp_path / "a").read_bytes() == b"".join(parts)
    with pytest.raises(FileExistsError):
        os.open(tmp_path / "a", file_calls.NEW)


@pytest.mark.parametrize(
    "taken",
    [[], ["os.copy_file_range"], ["os.sendfile"], ["os.copy_file_range", "os.sendfile"]],
)
@pytest.mark.parametrize("fails_after", [0, 1, None])
def test_a_copy_goes_on_where_another_way_has_ended(
    taken: list[str],
    fails_after: int | None,
    tmp_path: Path,
    take_away: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = os.urandom(10_000)
    (tmp_path / "source").write_bytes(content)
    genuine, calls = os.copy_file_range, []

    def copy_file_range(*arguments: int) -> int:
        calls.append(arguments)
        if fails_after is not None and len(calls) > fails_after:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return genuine(*arguments)

    monkeypatch.setattr(os, "copy_file_range", copy_file_range)
    take_away(*taken)
    source = os.open(tmp_path / "source", file_calls.READ)
    target = os.open(tmp_path / "target", file_calls.NEW, 0o666)
    file_calls.copy_all(source, target, 3000)
    os.close(source)
    os.close(target)
    assert (tmp_path / "target").read_bytes() == content
    assert bool(calls) == ("os.copy_file_range" not in taken)


def test_a_system_whose_sendfile_is_for_sockets_copies_without(
    tmp_path: Path, take_away: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").write_bytes(b"lemon" * 1000)
    take_away("os.copy_file_range")
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "sendfile", None)
    source = os.open(tmp_path / "source", file_calls.READ)
    target = os.open(tmp_path / "target", file_calls.NEW, 0o666)
    file_calls.copy_all(source, target, 3000)
    os.close(source)
    os.close(target)
    assert (tmp_path / "target").read_bytes() == b"lemon" * 1000


def test_the_system_is_told_what_it_may_forget_if_it_can_be(
    tmp_path: Path, take_away: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, ...]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda *arguments: told.append(arguments))
    file_calls.let_go(3, 5)
    assert told == [(3, 0, 5, os.POSIX_FADV_DONTNEED)]
    take_away("os.posix_fadvise")
    with (tmp_path / "a").open("wb") as file:
        file_calls.let_go(file.fileno(), 5)
    assert len(told) == 1


def test_a_folder_is_waited_for_if_it_can_be_opened(
    tmp_path: Path, take_away: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append(stat.S_ISDIR(os.fstat(file).st_mode))
    )
    file_calls.sync_folder(str(tmp_path))
    assert synced == [True]
    with pytest.raises(FileNotFoundError):
        file_calls.sync_folder(str(tmp_path / "none"))
    take_away("os.O_DIRECTORY")
    file_calls.sync_folder(str(tmp_path))
    assert synced == [True]


@pytest.mark.parametrize("taken", [[], ["os.O_PATH"]])
def test_files_are_looked_at_by_their_folder(
    taken: list[str], tmp_path: Path, take_away: Callable[..., None]
) -> None:
    (tmp_path / "a").write_bytes(b"lemon")
    take_away(*taken)
    with closing(file_calls.Folder(tmp_path)) as folder:
        assert folder.stat("a") == (tmp_path / "a").stat()
        with pytest.raises(FileNotFoundError):
            folder.stat("b")
    for nothing in (tmp_path / "none", tmp_path / "a"):
        with closing(file_calls.Folder(nothing)) as folder, pytest.raises(OSError):  # noqa: PT011
            folder.stat("a")
