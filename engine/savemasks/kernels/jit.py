"""The one place that decides how kernels are compiled."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numba
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""What a kernel takes; its docstring says which shapes and dtypes."""

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """Compile a module-level function on its first call, and keep the machine code on disk.

    `nogil` lets other threads run meanwhile; `error_model="numpy"` drops the test for division
    by zero, which kernels rule out themselves; `cache` makes the second process start warm.
    """
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
