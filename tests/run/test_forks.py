"""Forks: a child decodes and exports as its parent does, holds no locks of it, and never waits."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest

import savemasks
from savemasks.system.file_locks import FileLock
from support import TESTS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
SECONDS = 200


def python(program: str, *arguments: object) -> str:
    """What a program prints in a process of its own, so that this one stays without children."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
        cwd=TESTS, capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


# ---------------------------------------------------------------- libvips


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize(
    ("way", "cases"),
    [
        ("fork", ["WebP", "16-bit PNG", "16-bit payload", "damaged WebP", "pages"]),
        ("pool", ["TIFF", "export", "WebP pages in strips"]),
        pytest.param("fork", [], marks=pytest.mark.slow),
        pytest.param("pool", [], marks=pytest.mark.slow),
    ],
)
def test_forked_children_make_what_their_parent_makes(way: str, cases: list[str]) -> None:
    """Without cases it is all of them."""
    done = subprocess.run(
        [sys.executable, "-m", "support.forking", way, *cases],
        cwd=TESTS, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {}


IN_A_CHILD = """
import json, multiprocessing.spawn, os, signal
from savemasks import forks
from support.forking import PICTURES, human, watched

human(PICTURES["WebP"])

def child():
"""


def in_a_child(program: str) -> str:
    """What a child prints, whose parent has used libvips."""
    return python(
        IN_A_CHILD + textwrap.indent(textwrap.dedent(program), "    ") + "\nwatched(child)\n"
    )


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize(
    ("executable", "told"),
    [("/bin/false", "it ended with exit code 1"), ("/no/such/python", "No such file or directory")],
)
def test_a_child_without_a_helper_says_what_to_do(executable: str, told: str) -> None:
    program = f"""
    multiprocessing.spawn.set_executable({executable!r})
    print(json.dumps(human(PICTURES["WebP"])))
    """
    kind, message = json.loads(in_a_child(program))
    assert kind == "CrashError"
    assert message == (
        "libvips does not work in a process that was forked after it was loaded, and a helper"
        f" process cannot be started: {told}; start processes by spawn or forkserver instead of"
        " fork"
    )


@pytest.mark.usefixtures("warm")
def test_a_helper_that_is_killed_costs_one_picture_and_ends_with_its_child() -> None:
    program = """
    good = human(PICTURES["WebP"])
    first = forks._helper._process.pid
    os.kill(first, signal.SIGKILL)
    print(human(PICTURES["WebP"])[1])
    print(human(PICTURES["WebP"]) == good)
    print(forks._helper._process.pid != first, forks._helper._process.pid)
    """
    error, same, last = in_a_child(program).splitlines()
    assert error == "the process that decoded it was killed by SIGKILL (out of memory?)"
    assert same == "True"
    differs, pid = last.split()
    assert differs == "True"
    wait_for_end(int(pid))


@pytest.mark.usefixtures("warm")
def test_a_child_that_needs_no_libvips_has_no_helper() -> None:
    program = """
    human(PICTURES["PNG"])
    human(PICTURES["JPEG"])
    print(forks.libvips_is_lost(), forks._helper._process)
    """
    assert in_a_child(program) == "True None\n"


@pytest.mark.usefixtures("warm")
def test_a_child_of_who_has_not_loaded_libvips_uses_it_itself() -> None:
    program = """
    import os, sys
    from savemasks import forks
    if os.fork() == 0:
        from support.forking import PICTURES, human
        human(PICTURES["WebP"])
        print(forks.libvips_is_lost(), forks._helper._process, flush=True)
        os._exit(0)
    os.wait()
    """
    assert python(program) == "False None\n"


def wait_for_end(pid: int) -> None:
    """Return when a process has ended, which is asserted by the limit of the test."""
    for _ in range(600):
        try:
            os.kill(pid, 0)
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.1)
    raise AssertionError(f"process {pid} is still there")


# ---------------------------------------------------------------- locks


@pytest.mark.usefixtures("warm")
def test_a_child_that_is_forked_during_an_export_holds_nothing_of_it(tmp_path: Path) -> None:
    program = """
    import os, signal, sys
    from pathlib import Path
    import savemasks
    from support.forking import watched
    from support.projects import Project, layer

    folder = Path(sys.argv[1])
    project = Project(folder / "project")
    for name in ("a.png", "b.png"):
        project.add(name)
    layer = savemasks.SaveMasks.from_json(layer())
    children = []

    def fork(done, failed, total):
        if done > 1:
            return
        def child():
            summary = savemasks.export(project.folder, folder / "elsewhere", layer, workers=1)
            print(summary.images, flush=True)
            try:
                savemasks.export(project.folder, folder / "out", layer, workers=1)
            except savemasks.OutputError as error:
                print(f"(process {os.getppid()}); wait" in str(error), flush=True)
        watched(child)
        if pid := os.fork():
            children.append(pid)
        else:
            signal.pause()

    savemasks.export(project.folder, folder / "out", layer, workers=1, on_progress=fork)
    print(savemasks.export(project.folder, folder / "out", layer, workers=1).skipped)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    """
    assert python(program, tmp_path) == "2\nTrue\n2\n"


HOLDS = """
import os, signal, sys
from contextlib import closing
from pathlib import Path
import savemasks
from savemasks.system.file_locks import FileLock

lock = FileLock(Path(sys.argv[1]))
lock.take()
child = os.fork()
if child == 0:
    if sys.argv[2:]:
        lock.close()  # it is not the child's to give back
    print(os.getpid(), flush=True)
    signal.pause()
sys.stdin.readline()
"""


@pytest.mark.parametrize("child_closes", [[], ["closes"]])
@pytest.mark.parametrize("how", ["close", "kill"])
def test_a_lock_ends_with_who_took_it_though_a_child_lives(
    tmp_path: Path, how: str, child_closes: list[str]
) -> None:
    path = tmp_path / "lock"
    program = HOLDS + (
        "lock.close()\nprint(flush=True)\nsignal.pause()\n" if how == "close" else ""
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, path, *child_closes],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        child = int(process.stdout.readline())
        try:
            with closing(FileLock(path)) as lock:
                with pytest.raises(BlockingIOError):  # the child's end of it took nothing away
                    lock.take(wait=False)
                if how == "kill":
                    process.kill()
                    process.wait()
                else:
                    process.stdin.write("\n")
                    process.stdin.flush()
                    process.stdout.readline()
                lock.take(wait=False)
        finally:
            process.kill()
            os.kill(child, signal.SIGKILL)


@pytest.mark.usefixtures("warm")
def test_a_child_that_is_forked_during_a_warm_up_keeps_nobody_from_compiling() -> None:
    program = """
    import os, signal
    from savemasks.kernels import cache
    from savemasks.system.file_locks import FileLock
    with cache.one_process_at_a_time():
        child = os.fork()
        if child == 0:
            signal.pause()
    for name in ("compile", "cache"):
        lock = FileLock(cache.cache_folder() / f"savemasks-{name}.lock")
        lock.take(wait=False)
        lock.close()
    os.kill(child, signal.SIGKILL)
    """
    assert python(program) == ""


# ---------------------------------------------------------------- compiling


def test_a_child_that_is_forked_while_a_thread_compiles_can_compile() -> None:
    program = """
    import os, threading
    import numba
    from numba.core import event
    from savemasks.kernels import jit
    from support.forking import watched

    def loop(x):
        total = 0
        for i in range(x):
            for j in range(i):
                total += i * j % 7
        return total

    begun = threading.Event()
    class Listener(event.Listener):
        def on_start(self, event): begun.set()
        def on_end(self, event): pass
    event.register("numba:compile", Listener())
    thread = threading.Thread(target=lambda: numba.njit(loop)(10))
    thread.start()
    begun.wait()
    watched(lambda: print(numba.njit(lambda x: x + 1)(1), flush=True))
    thread.join()
    print(numba.njit(loop)(10))
    """
    child, parent = python(program).split()
    assert child == "2"
    assert int(parent) > 0


def test_only_these_files_use_libvips() -> None:
    """Whoever is new here asks `forks` first, or is never reached in a forked child."""
    asking = {"cli/demo.py", "parse/rare_payload.py", "pictures/decode_vips.py"}
    asking |= {"pictures/formats.py", "pictures/original.py", "pictures/vips_errors.py"}
    asking |= {"encode/legend_picture.py", "encode/pages.py", "results/damage.py"}
    asking |= {"results/verify.py", "api/packed.py"}
    by_commands = {"label_pictures", "pictures_of_items", "thumbnails", "tiles"}
    asking |= {f"gallery/{name}.py" for name in by_commands}
    in_fresh_processes = {"encode/tiff.py", "pictures/streamed.py", "run/worker.py"}
    package = Path(savemasks.__file__).parent
    using = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"^\s*(import|from) pyvips\b", path.read_text(), re.MULTILINE)
    }
    assert using == asking | in_fresh_processes
