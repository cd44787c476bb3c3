"""What Numba finds out of types, kept.

For `a + b` Numba tries some twenty ways of adding, of sets and of texts as well, and it does so
again for every addition of a program. `Typing` asks it once for operators and functions of numbers
and arrays, which halves the time of finding types.
"""

import copy
from functools import cached_property
from typing import Any

from numba.core import types
from numba.core.registry import CPUTarget, cpu_target
from numba.core.targetconfig import ConfigStack
from numba.core.types.containers import BaseTuple
from numba.core.types.misc import SliceType
from numba.core.typing import Context

_PLAIN = (
    types.Number,
    types.Boolean,
    types.Literal,
    types.Array,
    BaseTuple,
    SliceType,
    types.NumberClass,
    types.DType,
)


class Typing(Context):  # type: ignore[misc]  # Numba is not typed
    """Numba's context, with its tables, and one more for what was found."""

    @classmethod
    def of(cls, context: Context) -> "Typing":
        """A context that shares everything with Numba's own."""
        made = copy.copy(context)
        made.__class__ = cls
        made._found = {}
        return made  # type: ignore[no-any-return]

    def _resolve_user_function_type(
        self, func: Any, args: tuple[Any, ...], kws: dict[str, Any], literals: Any = None
    ) -> Any:
        # Not for kernels, which look after themselves, and not for methods.
        is_plain = not isinstance(func, types.Dispatcher | types.BoundFunction) and not kws
        if not is_plain or not all(isinstance(kind, _PLAIN) for kind in args):
            return super()._resolve_user_function_type(func, args, kws, literals)
        # Arrays that it makes are not counted unless its caller counts them.
        flags = ConfigStack.top_or_none()
        key = func, args, flags is None or flags.nrt
        if key not in self._found:
            found = super()._resolve_user_function_type(func, args, kws, literals)
            self._found[key] = found
        return self._found[key]


class _Target(CPUTarget):  # type: ignore[misc]
    """Numba's target, the processor, with our context for types."""

    @cached_property
    def typing_context(self) -> Typing:
        return Typing.of(cpu_target.typing_context)

    @property
    def target_context(self) -> Any:
        return cpu_target.target_context


target = _Target("cpu")
