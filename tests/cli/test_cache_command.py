"""`savemasks cache`: where compiled kernels are, and their removal."""

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.machinery import PathFinder
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import savemasks
from savemasks.cli.commands import main
from savemasks.kernels import cache
from savemasks.system.file_locks import FileLock

CODE = ("a-savemasks.kernels.x-1.py311.nbi", "a-savemasks.kernels.x-1.py311.1.nbc")
LOCKS = ("savemasks-compile.lock", "savemasks-cache.lock")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that are looked at, none of which exists."""
    chosen, user = tmp_path / "chosen", tmp_path / "user"
    monkeypatch.setattr(cache, "_BESIDE", tmp_path / "beside")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("SAVEMASKS_CACHE_DIR", str(chosen))
    monkeypatch.setenv("XDG_CACHE_HOME", str(user))
    return [chosen, tmp_path / "beside", user / "savemasks"]


def call(*options: str) -> Result:
    return CliRunner().invoke(main, ["cache", *options])


def fill(folder: Path, *more: str) -> None:
    folder.mkdir(parents=True)
    for name in (*CODE, *LOCKS, *more):
        (folder / name).touch()


def test_it_says_which_folders_are_looked_at_in_their_order(folders: list[Path]) -> None:
    result = call("--where")
    assert (result.exit_code, result.output) == (0, "nothing has been compiled yet\n")
    for folder in folders[::2]:
        fill(folder)
    for options in ([], ["--where"]):
        result = call(*options)
        assert (result.exit_code, result.output) == (0, f"{folders[0]}\n{folders[2]}\n")


def test_it_removes_what_is_compiled_and_nothing_else(folders: list[Path]) -> None:
    for folder in folders[1:]:
        fill(folder)
    fill(folders[0], "mine.txt", "numba-of-others.py311.nbi")
    result = call("--clear")
    assert (result.exit_code, result.output) == (0, "removed 6 files\n")
    assert sorted(path.name for path in folders[0].iterdir()) == [
        "mine.txt",
        "numba-of-others.py311.nbi",
    ]
    assert not folders[1].exists()
    assert not folders[2].exists()
    assert call("--clear").output == "removed 0 files\n"


def test_what_cannot_be_removed_is_told(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in folders[:2]:
        fill(folder)

    class Refusing(FileLock):
        def __init__(self, path: Path, **options: bool) -> None:
            if path.parent == folders[0]:
                raise PermissionError(13, "Permission denied")
            super().__init__(path, **options)

    monkeypatch.setattr(cache, "FileLock", Refusing)
    result = call("--clear")
    assert result.exit_code == 1
    assert result.output == f"removed 2 files\n{folders[0]}: cannot be written\n"
    assert not folders[1].exists()


KERNEL = "from .jit import kernel\n\n\n@kernel\ndef tiny(x):\n    return x + 1\n"


def test_a_package_that_was_removed_leaves_nothing_to_import(tmp_path: Path) -> None:
    package = tmp_path / "savemasks"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(savemasks.__file__).parent, package, ignore=ignored)
    (package / "kernels/tiny.py").write_text(KERNEL)
    installed = {*package.rglob("*")}
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("SAVEMASKS_CACHE_DIR", None)
    program = "from savemasks.kernels.tiny import tiny\nprint(tiny(1))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "2\n"
    assert {*package.rglob("*")} == installed
    shutil.rmtree(package)
    (left,) = tmp_path.iterdir()
    assert [*left.glob("*.nbc")]
    assert not left.name.isidentifier()
    assert PathFinder.find_spec("savemasks", [str(tmp_path)]) is None
