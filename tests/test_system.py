"""What only some systems have, taken away: the other way must make the same bytes.

The tests run on Linux, which has it all; what is taken away is gone as on a system without it.
"""

import errno
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing import Pipe
from pathlib import Path

import pytest

from savemasks import system
from savemasks.errors import OutputError
from savemasks.layers.save_masks import SaveMasks
from savemasks.results.report import Summary
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from support.projects import files, layer, names, same, savemasks

LAYER = SaveMasks.from_json(layer())
ENGINE = Path(system.__file__).parent
LINUX = [
    "os.copy_file_range",
    "os.sendfile",
    "os.posix_fadvise",
    "os.writev",
    "os.O_PATH",
    "os.O_DIRECTORY",
    "os.sched_getaffinity",
    "os.sysconf",
    "os.getuid",
    "signal.pthread_sigmask",
    "select.poll",
    "fcntl",
]
"""Attributes, and a module, that are not everywhere."""
EACH = [pytest.param([name], id=name) for name in LINUX]
WAYS = [[], *EACH, pytest.param(LINUX, id="all")]


@pytest.fixture
def take_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Take names away until the end of the test."""

    def take(*taken: str) -> None:
        system.available_memory.cache_clear()
        for name in taken:
            if "." in name:
                monkeypatch.delattr(name)
            else:
                monkeypatch.setitem(sys.modules, name, None)

    yield take
    system.available_memory.cache_clear()


def taking(taken: list[str]) -> str:
    """Python that takes names away from the process that executes it."""
    lines = ["import os, select, signal, sys"]
    lines += [f"del {name}" if "." in name else f"sys.modules[{name!r}] = None" for name in taken]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- one place


def test_no_other_file_uses_what_only_some_systems_have() -> None:
    modules = "fcntl|msvcrt|pwd|resource|select|selectors|termios"
    attributes = {name.rpartition(".")[2] for name in LINUX} | {
        *("O_[A-Z]+", "pread", "pwrite", "statvfs", "fork", "mkfifo", "sched_[a-z]+"),
        *("cpu_count", "process_cpu_count", "geteuid", "sigwait", "setitimer", "Signals"),
    }
    used = re.compile(
        rf"^\s*(?:import|from) (?:{modules})\b|\bdir_fd\b"
        rf"|\b(?:os|signal|multiprocessing)\.(?:{'|'.join(attributes)})\b",
        re.MULTILINE,
    )
    using = {path.name for path in ENGINE.rglob("*.py") if used.search(path.read_text())}
    assert using == {"system.py"}


def test_it_needs_the_standard_library_alone_and_little_of_it() -> None:
    program = (
        "import json, sys\nbefore = {*sys.modules}\nimport savemasks.system\n"
        "print(json.dumps(sorted({*sys.modules} - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded - {"savemasks"} <= sys.stdlib_module_names
    assert not loaded & {"sqlite3", "multiprocessing", "fcntl", "ctypes"}


# ---------------------------------------------------------------- whole runs


@pytest.fixture
def mendable(tmp_path: Path, demo_project: Path) -> tuple[Path, Path, bytes]:
    """A project in which one annotation is damaged, its path, and what it ought to hold."""
    project = tmp_path / "lemons"
    for name, content in files(demo_project).items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(content)
    note = min(project.rglob("ann/*.json"))
    genuine = note.read_bytes()
    note.write_bytes(b"{")
    return project, note, genuine


@pytest.fixture(scope="session")
def normal(
    tmp_path_factory: pytest.TempPathFactory,
    demo_project: Path,
    warm: None,
) -> dict[str, bytes]:
    """What Linux makes of the demo project, once the damaged annotation is mended."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        small_pieces(monkeypatch)
        out = tmp_path_factory.mktemp("normal")
        return files(run(LAYER, [demo_project], out, RunOptions(workers=2, memory=1)).out)


def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat small files as large ones: they are copied by their paths, and written in pieces."""
    monkeypatch.setattr("savemasks.line.item._MOST_AT_ONCE", 1000)
    monkeypatch.setattr("savemasks.store.files._PIECE", 1000)


def counts(summary: Summary) -> tuple[int, int, int]:
    return summary.images, summary.failed, summary.skipped


HOLD = """
import sys
from pathlib import Path
from savemasks.results.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def hold(program: str, *arguments: object) -> "subprocess.Popen[bytes]":
    """Start a process that says when it holds a lock, and keeps it until it is killed."""
    child = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout
    assert child.stdout.readline() == b"held\n"
    return child


@pytest.mark.parametrize("taken", WAYS)
def test_a_run_that_is_refused_mended_and_repeated_makes_the_same_bytes(
    taken: list[str],
    mendable: tuple[Path, Path, bytes],
    normal: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    take_away: Callable[..., None],
) -> None:
    project, note, genuine = mendable
    small_pieces(monkeypatch)
    take_away(*taken)

    def again(**options: object) -> Summary:
        return run(LAYER, [project], tmp_path / "out", RunOptions(memory=1, **options))  # type: ignore[arg-type]

    first = again(durable=True)
    assert counts(first) == (5, 1, 0)
    with hold(taking(taken) + HOLD, first.out) as other:
        with pytest.raises(OutputError, match=f"is at work here .process {other.pid}"):
            again()
        other.kill()
    note.write_bytes(genuine)
    assert counts(again()) == (1, 0, 5)
    assert counts(again()) == (0, 0, 6)
    same(files(first.out), normal)


@pytest.mark.parametrize("taken", [["fcntl"], LINUX], ids=["fcntl", "all"])
def test_worker_processes_of_the_command_line_make_the_same_bytes(
    taken: list[str],
    mendable: tuple[Path, Path, bytes],
    demo_project: Path,
    tmp_path: Path,
    warm: None,
) -> None:
    project, note, genuine = mendable
    expected = files(run(LAYER, [demo_project], tmp_path / "normal", RunOptions(workers=2)).out)
    (tmp_path / "config.json").write_text(json.dumps(layer()))
    begin, told = tmp_path / "begin", tmp_path / "told"
    begin.mkdir()
    told.mkdir()
    noted = f"open({str(told)!r} + f'/{{os.getpid()}}', 'w').close()\n"
    (begin / "sitecustomize.py").write_text(taking(taken) + noted)
    path = os.pathsep.join([str(begin), str(ENGINE.parent)])
    command = ["run", "config.json", str(project), "--out=out", "--workers=2"]

    def again() -> tuple[int, str]:
        code, output, errors = savemasks(tmp_path, *command, PYTHONPATH=path)
        return code, output + errors

    code, output = again()
    assert "5 images exported, 1 failed" in output
    assert code == 1
    assert len(names(told)) >= 3  # the launcher, the command and its workers
    out = tmp_path / "out/experiment001"
    with hold(taking(taken) + HOLD, out) as other:
        code, output = again()
        assert code == 2
        assert f"another savemasks is at work here (process {other.pid})" in output
        other.kill()
    note.write_bytes(genuine)
    assert "1 images exported, 0 failed" in again()[1]
    code, output = again()
    assert code == 0
    assert "0 images exported, 0 failed" in output
    same(files(out), expected)


# ---------------------------------------------------------------- processors and memory


def test_cores_are_counted_as_well_as_the_system_can(
    take_away: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 3, 5})
    monkeypatch.setattr(os, "process_cpu_count", lambda: 7, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 9)
    assert system.usable_cores() == 3
    take_away("os.sched_getaffinity")
    assert system.usable_cores() == 7
    take_away("os.process_cpu_count")
    assert system.usable_cores() == 9
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert system.usable_cores() == 1


def test_memory_is_assumed_where_nobody_says_how_much_there_is(
    take_away: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    take_away()
    monkeypatch.setattr(system, "_cgroup_limits", lambda *_: iter([]))
    known = system.available_memory()
    assert known == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    take_away("os.sysconf")
    assert system.available_memory() == 4 << 30
    monkeypatch.setattr(system, "_cgroup_limits", lambda *_: iter([5000, 3000]))
    take_away()
    assert system.available_memory() == 3000


# ---------------------------------------------------------------- files


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
    file = os.open(tmp_path / "a", system.NEW, 0o666)
    left = [memoryview(part) for part in parts]
    system.write_all(file, left)
    os.close(file)
    assert left == []
    assert (tmp_path / "a").read_bytes() == b"".join(parts)
    with pytest.raises(FileExistsError):
        os.open(tmp_path / "a", system.NEW)


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
    source = os.open(tmp_path / "source", system.READ)
    target = os.open(tmp_path / "target", system.NEW, 0o666)
    system.copy_all(source, target, 3000)
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
    source = os.open(tmp_path / "source", system.READ)
    target = os.open(tmp_path / "target", system.NEW, 0o666)
    system.copy_all(source, target, 3000)
    os.close(source)
    os.close(target)
    assert (tmp_path / "target").read_bytes() == b"lemon" * 1000


def test_the_system_is_told_what_it_may_forget_if_it_can_be(
    tmp_path: Path, take_away: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, ...]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda *arguments: told.append(arguments))
    system.let_go(3, 5)
    assert told == [(3, 0, 5, os.POSIX_FADV_DONTNEED)]
    take_away("os.posix_fadvise")
    with (tmp_path / "a").open("wb") as file:
        system.let_go(file.fileno(), 5)
    assert len(told) == 1


def test_a_folder_is_waited_for_if_it_can_be_opened(
    tmp_path: Path, take_away: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append(stat.S_ISDIR(os.fstat(file).st_mode))
    )
    system.sync_folder(str(tmp_path))
    assert synced == [True]
    with pytest.raises(FileNotFoundError):
        system.sync_folder(str(tmp_path / "none"))
    take_away("os.O_DIRECTORY")
    system.sync_folder(str(tmp_path))
    assert synced == [True]


@pytest.mark.parametrize("taken", [[], ["os.O_PATH"]])
def test_files_are_looked_at_by_their_folder(
    taken: list[str], tmp_path: Path, take_away: Callable[..., None]
) -> None:
    (tmp_path / "a").write_bytes(b"lemon")
    take_away(*taken)
    with closing(system.Folder(tmp_path)) as folder:
        assert folder.stat("a") == (tmp_path / "a").stat()
        with pytest.raises(FileNotFoundError):
            folder.stat("b")
    for nothing in (tmp_path / "none", tmp_path / "a"):
        with closing(system.Folder(nothing)) as folder, pytest.raises(OSError):  # noqa: PT011
            folder.stat("a")


def test_only_a_folder_of_this_user_is_private(
    tmp_path: Path, take_away: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert system.user_number() == os.getuid()
    tmp_path.chmod(0o700)
    assert system.is_private(tmp_path)
    tmp_path.chmod(0o750)
    assert not system.is_private(tmp_path)
    tmp_path.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    assert not system.is_private(tmp_path)
    take_away("os.getuid")
    assert system.user_number() == 0
    assert system.is_private(tmp_path)


# ---------------------------------------------------------------- locks

TAKE = """
import sys
from pathlib import Path
from savemasks.system import FileLock
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
        with closing(system.FileLock(path)) as lock:
            try:
                lock.take(shared=shared, wait=False)
            except BlockingIOError:
                return False
            return True

    assert is_free(shared=False)
    for how, both in (("alone", False), ("shared", True)):
        with hold(taking(taken) + TAKE, path, how) as other:
            assert [is_free(shared=shared) for shared in (False, True)] == [False, both]
            with closing(system.FileLock(path, read_only=True)) as lock:
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
        with closing(system.FileLock(tmp_path / "lock")) as lock:
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
    with closing(system.FileLock(tmp_path / "lock")) as first:
        first.take()
        with closing(system.FileLock(tmp_path / "lock")) as second:
            with pytest.raises(BlockingIOError):
                second.take(shared=True, wait=False)
            with pytest.raises(BlockingIOError):
                second.take(wait=False)
        with closing(system.FileLock(tmp_path / "lock")) as third, pytest.raises(BlockingIOError):
            third.take(wait=False)  # although a file was closed meanwhile


def test_what_cannot_be_locked_is_told(tmp_path: Path, take_away: Callable[..., None]) -> None:
    take_away("fcntl")
    (tmp_path / "lock.sqlite").write_bytes(b"no database at all" * 1000)
    with closing(system.FileLock(tmp_path / "lock")) as lock:
        with pytest.raises(OSError, match="not a database") as caught:
            lock.take(wait=False)
        assert caught.value.errno == errno.ENOLCK
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "lock")
    for name in ("folder", "link"):
        with pytest.raises(OSError, match=name):
            system.FileLock(tmp_path / name)


# ---------------------------------------------------------------- processes


def test_signals_wait_as_long_as_they_are_told(take_away: Callable[..., None]) -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: came.append(number))
    try:
        with pytest.raises(RuntimeError), system.signals_wait([signal.SIGUSR1]):  # noqa: PT012
            signal.raise_signal(signal.SIGUSR1)
            assert came == []
            raise RuntimeError
        assert came == [signal.SIGUSR1]
        with system.signals_wait([signal.SIGUSR1]):
            signal.raise_signal(signal.SIGUSR1)
            system.ignore_signals([signal.SIGUSR1])
            assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
            signal.raise_signal(signal.SIGUSR1)
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
        assert came == [signal.SIGUSR1]
        signal.signal(signal.SIGUSR1, lambda number, _: came.append(number))
        take_away("signal.pthread_sigmask")
        with system.signals_wait([signal.SIGUSR1]):
            signal.raise_signal(signal.SIGUSR1)
            assert len(came) == 2
        system.ignore_signals([signal.SIGUSR1])
        signal.raise_signal(signal.SIGUSR1)
        assert len(came) == 2
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_without_a_name_is_called_by_its_number() -> None:
    assert system.signal_name(9) == "SIGKILL"
    assert system.signal_name(1000) == "signal 1000"


@pytest.mark.parametrize("taken", [[], ["select.poll"]])
def test_pipes_tell_whose_something_has_come(
    taken: list[str], take_away: Callable[..., None]
) -> None:
    take_away(*taken)
    ends = [Pipe() for _ in range(3)]
    with closing(system.Pipes()) as pipes:
        assert pipes.ready(0) == []
        for number, (ours, _) in enumerate(ends):
            pipes.add(ours, number)
        assert pipes.ready(0) == []
        ends[1][1].send_bytes(b"x")
        assert pipes.ready(60) == [1]
        ends[2][1].close()
        assert sorted(pipes.ready(60)) == [1, 2]
        pipes.remove(ends[1][0])
        assert pipes.ready(60) == [2]
    for end in (*ends[0], *ends[1], ends[2][0]):
        end.close()


@pytest.mark.parametrize("taken", [[], ["select.poll"]])
def test_messages_that_have_come_through_a_pipe_are_read_at_once(
    taken: list[str], take_away: Callable[..., None]
) -> None:
    take_away(*taken)
    ours, theirs = Pipe()
    messages = [b"", b"lemon", bytes(20_000), b"kiwi" * 10]
    with closing(system.Pipes()) as pipes:
        pipes.add(ours, "owner")
        for message in messages:
            theirs.send_bytes(message)
        read: list[bytes] = []
        while len(read) < len(messages):
            assert pipes.ready(60) == ["owner"]
            read += pipes.read(ours)
        assert read == messages
        theirs.close()
        assert pipes.ready(60) == ["owner"]
        with pytest.raises(EOFError):
            pipes.read(ours)
    ours.close()


def test_a_message_may_come_in_pieces() -> None:
    ours, theirs = Pipe()
    with closing(system.Pipes()) as pipes:
        pipes.add(ours, "owner")
        length = (5).to_bytes(4, "big")
        for piece, complete in (
            (length[:1], []),
            (length[1:] + b"le", []),
            (b"mon" + length, [b"lemon"]),
            # Lengths that four bytes cannot hold are written so.
            (b"lemon" + b"\xff" * 4 + (3).to_bytes(8, "big")[:7], [b"lemon"]),
            (b"\3fig", [b"fig"]),
        ):
            os.write(theirs.fileno(), piece)
            assert pipes.read(ours) == complete
    ours.close()
    theirs.close()
