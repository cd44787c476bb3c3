"""Where machine code is kept, and who may load it.

Numba's own disk cache has gaps that would hurt a program that many processes start: it does not
notice a change in a callee of another file, two processes that save at once can mix up their
files, and a damaged file ends the program. `KernelCache` closes them: its stamp covers all kernel
files, loads and saves hold a lock, and what cannot be loaded is compiled anew. It also loads from
folders that it could not write to: what an administrator has compiled serves all users.
"""

import functools
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    _CacheLocator,
)
from numba.core.runtime.nrt import rtsys

from ..system.file_locks import FileLock
from ..system.users import is_private, user_number

# Beside the package: what is left in a package's folder can be imported after it was removed.
_BESIDE = Path(__file__).parents[2] / "savemasks-kernels.cache"
_LOCKS = ("compile", "cache")


def cache_folders() -> list[Path]:
    """Where machine code is looked for, in this order; not all of them need exist.

    What the environment variable SAVEMASKS_CACHE_DIR names, the folder beside the package, the
    user's cache, a private temporary one. Code is saved in the first that can be written to.
    """
    return [folder for folder in _candidates() if _is_safe(folder)]


@functools.cache
def cache_folder() -> Path | None:
    """Where machine code is saved, or None; then every process compiles what it does not find."""
    for folder in _candidates():
        try:
            # What one user compiles there others may read, but in the temporary folder.
            folder.mkdir(0o700 if folder == _private() else 0o755, parents=True, exist_ok=True)
            if not _is_safe(folder):
                continue
            tempfile.TemporaryFile(dir=folder).close()
            for name in _LOCKS:
                # Somebody else's lock file, or a file system without locks, is of no use.
                with closing(_lock_file(folder, name)) as file, suppress(BlockingIOError):
                    file.take(shared=True, wait=False)
        except OSError:
            continue
        return folder
    return None


def clear_cache() -> tuple[int, list[Path]]:
    """Remove all machine code that this user may remove.

    Returns
    -------
    How many files were removed, and the folders in which some had to be left.
    """
    removed, left = 0, []
    for folder in cache_folders():
        try:
            removed += _clear(folder)
        except OSError:
            left.append(folder)
    return removed, left


def _clear(folder: Path) -> int:
    """Remove what is ours from a folder, and the folder unless there is something else in it."""
    locks = [_lock_path(folder, name) for name in _LOCKS]
    locks += folder.glob("*savemasks.kernels.*.lock*")
    code = [*folder.glob("*savemasks.kernels.*.nb[ic]*")]
    if not code and not any(lock.exists() for lock in locks):
        return 0
    with _locked(folder, "compile"), _locked(folder, "cache"):
        for path in [*code, *locks]:
            path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
    return len(code)


@contextmanager
def one_process_at_a_time() -> Iterator[None]:
    """Hold the right to compile: the first process compiles, those that wait find its code."""
    folder = cache_folder()
    if folder is None:
        yield
        return
    with _locked(folder, "compile"):
        yield


def _candidates() -> list[Path]:
    user = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    folders = [_BESIDE, _private()]
    if user.is_absolute():  # in a container a user may have no home
        folders.insert(1, user / "savemasks")
    if chosen := os.environ.get("SAVEMASKS_CACHE_DIR"):
        folders.insert(0, Path(chosen))
    return folders


def _is_safe(folder: Path) -> bool:
    """Whether nobody else could plant code in a folder, as they could in a temporary one."""
    try:
        return folder != _private() or is_private(folder)
    except OSError:  # it does not exist
        return False


def _private() -> Path:
    return Path(tempfile.gettempdir()) / f"savemasks-{user_number()}"


def _lock_path(folder: Path, name: str) -> Path:
    return folder / f"savemasks-{name}.lock"


def _lock_file(folder: Path, name: str) -> FileLock:
    return FileLock(_lock_path(folder, name))


@contextmanager
def _locked(folder: Path, name: str) -> Iterator[None]:
    """Hold a lock of a folder; the system lets go of it if the process dies."""
    with closing(_lock_file(folder, name)) as file:
        file.take()
        yield


@contextmanager
def _locked_to_read(folder: Path) -> Iterator[None]:
    """Keep others from saving, where there is a lock for that and the file system has locks."""
    try:
        file = FileLock(_lock_path(folder, "cache"), read_only=True)
    except OSError:
        yield
        return
    with closing(file):
        with suppress(OSError):
            file.take(shared=True)
        yield


@functools.cache
def _digest() -> str:
    """Fingerprint of all kernel files, of the constants and the checks that they compile in."""
    digest = hashlib.sha256(f"checks: {bool(numba.config.BOUNDSCHECK)}\n".encode())
    folder = Path(__file__).parent
    for path in [*sorted(folder.rglob("*.py")), folder.parent / "shapes.py"]:
        # With its place and size, so that code that moves from file to file is a change as well.
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder.parent)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


class _Locator(_CacheLocator):  # type: ignore[misc]  # Numba is not typed
    """Tells Numba where the cache is and what it depends on."""

    def __init__(self, module: str, line: int) -> None:
        self._place = f"{module}-{line}"

    @classmethod
    def from_function(cls, function: Any, _path: str) -> "_Locator":
        return cls(function.__module__, function.__code__.co_firstlineno)

    def get_cache_path(self) -> str:
        return str(cache_folder() or _BESIDE)

    def get_source_stamp(self) -> str:
        return _digest()

    def get_disambiguator(self) -> str:
        # Numba names files after the last part of a module's name, which folders may have twice.
        return self._place


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_Locator]  # noqa: RUF012  (as in the base class)


class KernelCache(FunctionCache):  # type: ignore[misc]
    """The machine code of one kernel on disk."""

    _impl_class = _Implementation

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self._turn: FileLock | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Around loading, compiling and saving, by one thread at a time.

        From when nothing was found to the end of this, no other process compiles the kernel.
        """
        try:
            yield
        finally:
            if self._turn:
                self._turn.close()
            self._turn = None

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Compiled code, or None to compile: if there is none, or if it is damaged."""
        # What Numba compiles with takes a fifth of a second to load; code that is there needs none.
        rtsys.initialize(context)
        key = self._index_key(signature, context.codegen())
        found = self._load(key, context)
        if found is not None:
            return found
        context.refresh()
        if self._take_turn():
            found = self._load(key, context)  # another may have compiled it meanwhile
        return found

    def _load(self, key: Any, context: Any) -> Any:
        for folder in cache_folders():
            file = IndexDataCacheFile(str(folder), self._impl.filename_base, _digest())
            try:
                with _locked_to_read(folder):
                    data = file.load(key)
                if data is not None:
                    return self._impl.rebuild(context, data)
            except PermissionError:
                continue
            except Exception:
                self._forget(folder, file)
        return None

    def _take_turn(self) -> bool:
        """Wait until nobody else compiles this kernel; false if that cannot be known."""
        if (folder := cache_folder()) is None:
            return False
        with suppress(OSError):
            self._turn = FileLock(folder / f"{self._impl.filename_base}.lock")
            self._turn.take()
            return True
        return False

    def _forget(self, folder: Path, file: IndexDataCacheFile) -> None:
        """Have a damaged file written anew, if it is ours to write."""
        if folder == cache_folder():
            with suppress(OSError), _locked(folder, "cache"):
                file.flush()

    def save_overload(self, signature: Any, code: Any) -> None:
        """Save compiled code; on a full disk go on without."""
        folder = cache_folder()
        if folder is None:
            return
        with suppress(OSError), _locked(folder, "cache"):
            super().save_overload(signature, code)
