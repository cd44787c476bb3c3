"""The cache of machine code: never stale, never fatal, shared by many processes."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import savemasks

CALLEE = "from ..jit import kernel\n\n\n@kernel\ndef inner(x):\n    return x + {}\n"
CALLER = (
    "from ..parse.callee import inner\nfrom ..jit import kernel\n\n\n"
    "@kernel\ndef outer(x):\n    return 2 * inner(x)\n"
)
SCRIPT = (
    "from savemasks.kernels.paint.caller import outer\n"
    "print(outer(10), sum(outer.stats.cache_hits.values()))\n"
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package with two small kernels, one of which calls the other's folder."""
    source = Path(savemasks.__file__).parent
    shutil.copytree(source, tmp_path / "savemasks", ignore=shutil.ignore_patterns("__pycache__"))
    kernels = tmp_path / "savemasks/kernels"
    (kernels / "parse/callee.py").write_text(CALLEE.format(1))
    (kernels / "paint/caller.py").write_text(CALLER)
    return tmp_path


def start(package: Path, program: str = SCRIPT) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "PYTHONPATH": str(package),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SAVEMASKS_CACHE_DIR": str(package / "cache"),
    }
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(process: "subprocess.Popen[str]") -> tuple[int, bool]:
    """What the kernel computed, and whether it came from the cache."""
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    result, hits = map(int, output.split())
    return result, hits > 0


def test_machine_code_is_kept_and_a_change_in_a_callees_file_is_noticed(package: Path) -> None:
    assert outcome(start(package)) == (22, False)
    assert outcome(start(package)) == (22, True)
    (package / "savemasks/kernels/parse/callee.py").write_text(CALLEE.format(5))
    assert outcome(start(package)) == (30, False)
    assert outcome(start(package)) == (30, True)


LOADED = """
import sys
from savemasks.kernels.paint.caller import outer
print(outer(10), "numba.np.arrayobj" in sys.modules)
"""


def test_loading_takes_nothing_that_only_compiling_needs(package: Path) -> None:
    """A warm start would take a third longer."""
    printed = []
    for _ in range(2):
        output, errors = start(package, LOADED).communicate()
        printed.append(output or errors)
    assert printed == ["22 True\n", "22 False\n"]


STAMPS = """
import json, sys
from pathlib import Path
from savemasks.kernels import cache

package = Path(cache.__file__).parent.parent
stamp = cache._digest.__wrapped__
before, unnoticed = stamp(), []
files = [*package.glob("kernels/**/*.py"), package / "shapes.py"]
for file in files:
    content = file.read_bytes()
    file.write_bytes(content + b"# changed\\n")
    if stamp() == before:
        unnoticed.append(str(file.relative_to(package)))
    file.write_bytes(content)
print(json.dumps([unnoticed, len(files), stamp() == before]))
"""


def test_a_change_in_any_kernel_file_of_any_folder_is_noticed(package: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STAMPS],
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    unnoticed, files, same = json.loads(done.stdout)
    assert unnoticed == []
    assert files > 20
    assert same


def test_kernels_of_one_name_and_line_in_two_folders_are_kept_apart(package: Path) -> None:
    """Numba would call their files alike, and load one for the other."""
    program = (
        "from savemasks.kernels.parse import twin as a\n"
        "from savemasks.kernels.paint import twin as b\n"
        "print(a.twin(10), b.twin(10))\n"
    )
    for folder, summand in (("parse", 1), ("paint", 2)):
        text = f"from ..jit import kernel\n\n\n@kernel\ndef twin(x):\n    return x + {summand}\n"
        (package / "savemasks/kernels" / folder / "twin.py").write_text(text)
    for _ in range(2):
        output, errors = start(package, program).communicate()
        assert (output.split(), errors) == (["11", "12"], "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "damage"),
    [("*.nbi", b""), ("*.nbc", b"\x80\x04\x95"), ("*.nb?", b"no pickle at all")],
)
def test_a_damaged_cache_is_repaired(package: Path, pattern: str, damage: bytes) -> None:
    outcome(start(package))
    files = list((package / "cache").glob(pattern))
    assert files
    for file in files:
        file.write_bytes(damage)
    assert outcome(start(package)) == (22, False)
    assert outcome(start(package)) == (22, True)


@pytest.mark.slow
def test_many_processes_may_start_at_once(package: Path) -> None:
    processes = [start(package) for _ in range(6)]
    assert [outcome(process)[0] for process in processes] == [22] * 6
    assert outcome(start(package)) == (22, True)


@pytest.mark.slow
def test_without_any_folder_to_write_to_every_process_compiles(package: Path) -> None:
    cache = package / "savemasks/kernels/cache.py"
    text = cache.read_text()
    cache.write_text(text.replace("tempfile.TemporaryFile(dir=folder)", "open('/x/y')"))
    assert outcome(start(package)) == (22, False)
    assert outcome(start(package)) == (22, False)


AS_ANOTHER = """
import os
# What this user may perhaps not read is loaded before.
import fcntl, hashlib, numba, numba.core.caching, numpy.typing, selectors, tempfile
from numba.core import event
numba.njit(lambda x: x + 1)(1)
tempfile.tempdir = os.environ["TMPDIR"]  # also if it cannot be written to
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
compiled = []
class Listener(event.Listener):
    def on_start(self, event): compiled.append(event)
    def on_end(self, event): pass
event.register("numba:compile", Listener())
from savemasks.kernels.paint.caller import outer
from savemasks.kernels.cache import cache_folder
print(outer(10), len(compiled), cache_folder())
"""


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that other users may read; that of the tests is private."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs root")
@pytest.mark.parametrize("compiled_in", ["beside the package", "the chosen folder"])
@pytest.mark.parametrize("home", ["", "none"])
def test_what_root_has_compiled_serves_users_who_may_write_nowhere(
    package: Path, readable: Path, compiled_in: str, home: str
) -> None:
    shutil.move(package / "savemasks", readable / "savemasks")
    chosen, temporary = readable / "chosen", readable / "temporary"
    chosen.mkdir()
    temporary.mkdir(0o755)
    environment = {
        **os.environ, "PYTHONPATH": str(readable), "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": f"/{home}", "XDG_CACHE_HOME": "", "TMPDIR": str(temporary),
        "SAVEMASKS_CACHE_DIR": "" if compiled_in == "beside the package" else str(chosen),
    }  # fmt: skip

    def python(program: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment, cwd=readable, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert python(SCRIPT) == ["22", "0"]
    environment["SAVEMASKS_CACHE_DIR"] = str(chosen)
    assert python(AS_ANOTHER) == ["22", "0", "None"]
    temporary.chmod(0o777)
    assert python(AS_ANOTHER) == ["22", "0", f"{temporary}/savemasks-65534"]


def test_a_folder_that_may_only_be_read_is_not_repaired(package: Path) -> None:
    """What is damaged there is compiled, and kept elsewhere."""
    outcome(start(package))
    for file in (package / "cache").glob("*.nbc"):
        file.write_bytes(b"no pickle at all")
    (package / "cache").rename(package / "savemasks-kernels.cache")
    before = {p: p.read_bytes() for p in (package / "savemasks-kernels.cache").iterdir()}
    assert outcome(start(package)) == (22, False)
    assert outcome(start(package)) == (22, True)
    assert before == {p: p.read_bytes() for p in (package / "savemasks-kernels.cache").iterdir()}


def test_checked_kernels_are_other_kernels(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome(start(package))
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    assert outcome(start(package)) == (22, False)


def test_only_what_python_calls_is_kept(package: Path) -> None:
    """What a kernel calls is in its machine code, and is made machine code if Python calls it."""
    assert outcome(start(package)) == (22, False)
    kept = {path.name.partition("-")[0] for path in (package / "cache").glob("*.nbc")}
    assert kept == {"caller.outer"}
    program = "from savemasks.kernels.parse.callee import inner\nprint(inner(10), 0)"
    assert outcome(start(package, program)) == (11, False)
    kept = {path.name.partition("-")[0] for path in (package / "cache").glob("*.nbc")}
    assert kept == {"caller.outer", "callee.inner"}


def test_constants_make_no_more_of_what_is_called(package: Path) -> None:
    (package / "savemasks/kernels/paint/caller.py").write_text(
        "from ..parse.callee import inner\nfrom ..jit import kernel\n\n\n"
        "@kernel\ndef outer(x):\n    return inner(x) + inner(2) + inner(3)\n"
    )
    program = (
        "from savemasks.kernels.paint.caller import outer\n"
        "from savemasks.kernels.parse.callee import inner\n"
        "print(outer(10), len(inner._part.signatures) - 1)\n"
    )
    assert outcome(start(package, program)) == (18, False)


COUNTED = """
from savemasks.kernels.jit import when_compiling
from savemasks.kernels.paint.caller import outer
compiled = []
with when_compiling(lambda: compiled.append(1)):
    outer(10)
outer(10.0)
print(outer(10), len(compiled))
"""


def test_whoever_asks_is_told_once_a_kernel_is_compiled(package: Path) -> None:
    assert outcome(start(package, COUNTED)) == (22, True)
    assert outcome(start(package, COUNTED)) == (22, False)


def test_of_many_processes_one_compiles_a_kernel_and_the_others_wait(package: Path) -> None:
    processes = [start(package, COUNTED) for _ in range(3)]
    assert sorted(outcome(process) for process in processes) == [(22, False)] * 2 + [(22, True)]
