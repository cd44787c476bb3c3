"""What a kernel is to Python: a dispatcher of Numba with our cache."""

from collections.abc import Callable
from typing import Any

from numba.core.compiler import Compiler, CompilerBase
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher

from .cache import KernelCache

# `error_model="numpy"` drops the test for division by zero, which kernels rule out.
OPTIONS = {"nopython": True, "boundscheck": None, "error_model": "numpy"}


class Kernel(CPUDispatcher):  # type: ignore[misc]  # Numba is not typed
    """A kernel, made as Numba makes every function."""

    def __init__(
        self,
        function: Callable[..., object],
        *,
        nogil: bool,
        allocates: bool = True,
        pipeline_class: type[CompilerBase] = Compiler,
    ) -> None:
        options = {**OPTIONS, "nogil": nogil, "no_cfunc_wrapper": True, "_nrt": allocates}
        super().__init__(function, targetoptions=options, pipeline_class=pipeline_class)
        self._cache = KernelCache(function)

    def compile(self, sig: Any) -> Any:
        """Load or compile it for arguments of these types; other processes wait for the code."""
        with global_compiler_lock, self._cache.turn():
            return super().compile(sig)
