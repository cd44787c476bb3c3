"""The one place that decides how kernels are compiled, and where machine code is kept.

Numba's own disk cache has gaps that would hurt a program that many processes start: it does not
notice a change in a callee of another file, two processes that save at once can mix up their
files, and a damaged file ends the program. `_KernelCache` closes them: its stamp covers all kernel
files, loads and saves hold a lock, and what cannot be loaded is compiled anew.
"""

import functools
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numpy.typing import NDArray

from ..system import FileLock, is_private, user_number

Array: TypeAlias = NDArray[Any]
"""What a kernel takes; its docstring says which shapes and dtypes."""

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """Compile a module-level function on its first call, and keep the machine code on disk.

    It works without Python's lock, so other threads run meanwhile.
    """
    return _compiled(function, nogil=True)


def brief_kernel(function: F) -> F:
    """As `kernel`, but it keeps Python's lock: for what takes less than to get the lock back.

    A thread that lets go of it, however briefly, is put to sleep if others wait for it. Points take
    some ten microseconds an annotation, and a millisecond or two for the most that are read at
    once. Eight threads on two cores paint a fifth more annotations since they are read so.
    """
    return _compiled(function, nogil=False)


def _compiled(function: F, *, nogil: bool) -> F:
    """`error_model="numpy"` drops the test for division by zero, which kernels rule out."""
    dispatcher = numba.njit(nogil=nogil, error_model="numpy")(function)
    if cache_folder() is not None and not numba.config.DISABLE_JIT:
        dispatcher._cache = _KernelCache(function)
    return cast(F, dispatcher)


@contextmanager
def one_process_at_a_time() -> Iterator[None]:
    """Hold the right to compile: the first process compiles, those that wait find its code."""
    with _lock("compile"):
        yield


@functools.cache
def cache_folder() -> Path | None:
    """The first folder that works: beside the kernels, the user's cache, a private temporary one.

    The environment variable SAVEMASKS_CACHE_DIR goes before them all. None if there is no folder
    to write to; then every process compiles for itself.
    """
    user = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    private = Path(tempfile.gettempdir()) / f"savemasks-{user_number()}"
    folders = [Path(__file__).parent / "__pycache__", Path(user) / "savemasks", private]
    if chosen := os.environ.get("SAVEMASKS_CACHE_DIR"):
        folders.insert(0, Path(chosen))
    for folder in folders:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder == private and not is_private(folder):
                continue  # somebody else could plant code there
            tempfile.TemporaryFile(dir=folder).close()
            for name in ("compile", "cache"):
                # Somebody else's lock file, or a file system without locks, is of no use.
                with closing(_lock_file(folder, name)) as file:
                    file.take(shared=True)
        except OSError:
            continue
        return folder
    return None


@functools.cache
def _digest() -> str:
    """Fingerprint of all kernel files and of the constants that they compile in."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in [*sorted(folder.rglob("*.py")), folder.parent / "shapes.py"]:
        # With its place and size, so that code that moves from file to file is a change as well.
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder.parent)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


@contextmanager
def _lock(name: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a file lock of the cache folder; the system lets go of it if the process dies."""
    folder = cache_folder()
    if folder is None:
        yield
        return
    with closing(_lock_file(folder, name)) as file:
        file.take(shared=shared)
        yield


def _lock_file(folder: Path, name: str) -> FileLock:
    return FileLock(folder / f"savemasks-{name}.lock")


class _Locator(_CacheLocator):  # type: ignore[misc]  # Numba is not typed
    """Tells Numba where the cache is and what it depends on."""

    def __init__(self, module: str, line: int) -> None:
        self._place = f"{module}-{line}"

    @classmethod
    def from_function(cls, function: Any, _path: str) -> "_Locator":
        return cls(function.__module__, function.__code__.co_firstlineno)

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return _digest()

    def get_disambiguator(self) -> str:
        # Numba names files after the last part of a module's name, which folders may have twice.
        return self._place


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_Locator]  # noqa: RUF012  (as in the base class)


class _KernelCache(FunctionCache):  # type: ignore[misc]
    _impl_class = _Implementation

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Compiled code, or None to compile: if there is none, or if it is damaged."""
        try:
            with _lock("cache", shared=True):
                return super().load_overload(signature, context)
        except Exception:
            with _lock("cache"):
                self.flush()
            return None

    def save_overload(self, signature: Any, code: Any) -> None:
        """Save compiled code; on a full disk go on without."""
        try:
            with _lock("cache"):
                super().save_overload(signature, code)
        except OSError:
            return
