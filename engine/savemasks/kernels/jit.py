"""The one place that decides how kernels are compiled. `cache` keeps their machine code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar, cast

import numba
from numba.core import event
from numba.core.compiler_lock import global_compiler_lock
from numpy.typing import NDArray

from ..system.child_processes import at_fork
from .dispatcher import Kernel

Array: TypeAlias = NDArray[Any]
"""What a kernel takes; its docstring says which shapes and dtypes."""

F = TypeVar("F", bound=Callable[..., object])

# Versions of Numba whose inner parts are as `linking` uses them. With others, kernels are made as
# Numba makes every function: they do the same, and take twice as long to compile.
_LINKED = (0, 61) <= numba.version_info.short <= (0, 68)

# A child that is forked while another thread compiles would wait for that thread, which it has not.
at_fork(
    before=global_compiler_lock.acquire,
    in_parent=global_compiler_lock.release,
    in_child=global_compiler_lock.release,
)


def kernel(function: F) -> F:
    """Compile a module-level function on its first call, and keep the machine code on disk.

    It works without Python's lock, so other threads run meanwhile.
    """
    return _compiled(function)


def allocating_kernel(function: F) -> F:
    """As `kernel`, for one that makes arrays, or gets arrays that another kernel makes.

    In it Numba counts who holds an array. In the others it does not, which makes them faster, and
    faster to compile.
    """
    return _compiled(function, allocates=True)


def brief_kernel(function: F) -> F:
    """As `kernel`, but it keeps Python's lock: for what takes less than to get the lock back.

    A thread that lets go of it, however briefly, is put to sleep if others wait for it. Points take
    some ten microseconds an annotation, and a millisecond or two for the most that are read at
    once. Eight threads on two cores paint a fifth more annotations since they are read so.
    """
    return _compiled(function, nogil=False)


@contextmanager
def when_compiling(function: Callable[[], object]) -> Iterator[None]:
    """Call a function whenever this process begins to compile a kernel that is in no cache."""

    class Listener(event.Listener):  # type: ignore[misc]  # Numba is not typed
        def on_start(self, event: Any) -> None:
            if isinstance(event.data["dispatcher"], Kernel):
                function()

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Listener()):
        yield


def _compiled(function: F, *, nogil: bool = True, allocates: bool = False) -> F:
    if numba.config.DISABLE_JIT:
        return function
    if _LINKED:
        from .linking import LinkedKernel

        return cast(F, LinkedKernel(function, nogil=nogil, allocates=allocates))
    return cast(F, Kernel(function, nogil=nogil))
