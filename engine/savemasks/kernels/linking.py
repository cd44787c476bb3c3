"""How a kernel and all kernels that it calls become one piece of machine code.

Numba makes every function by itself: machine code, wrappers for callers in Python and in C, and two
files in the cache. For a function that only other kernels call this is for nothing, since they take
in its optimised intermediate code. And it makes a function anew for every set of constants that it
is called with. A `LinkedKernel` is two dispatchers, therefore: for Python, which gets machine code,
and for other kernels, which get intermediate code and call with types instead of constants. That
halves the time of compiling; `benchmarks/cold.py` measures it. It takes parts of Numba that may
change with any version, so `jit` has it for those versions alone with which it was tested.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from numba import _dynfunc
from numba.core import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder, _LowerResult
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering
from numba.core.types.misc import unliteral

from .dispatcher import OPTIONS, Kernel


class _PartLibrary(JITCodeLibrary):  # type: ignore[misc]  # Numba is not typed
    """Optimised intermediate code, which becomes machine code only as a part of other code."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=False, analysis_only=False)
class _MakePart(LoweringPass):  # type: ignore[misc]
    """Tell Numba how to call a function that has no address."""

    _name = "savemasks_make_part"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        lowered, library = state["cr"], state.library
        name = lowered.fndesc.qualname.rpartition(".")[2]
        module = lowered.fndesc.lookup_module()
        # It stands for the function in Numba's tables; nobody calls it.
        function = _dynfunc.make_function(module, name, "", 0, lowered.env, (library,))
        state.targetctx.insert_user_function(function, lowered.fndesc, [library])
        state.reload_init.extend(getattr(library, "_reload_init", ()))  # later versions have it
        state["cr"] = _LowerResult(lowered.fndesc, lowered.call_helper, function, lowered.env)
        return True


class _PartCompiler(CompilerBase):  # type: ignore[misc]
    """Compiles for other kernels only."""

    def define_pipelines(self) -> list[Any]:
        state = self.state
        state.flags.no_compile = True
        state.flags.no_cpython_wrapper = state.flags.no_cfunc_wrapper = True
        state.library = _PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        passes = DefaultPassBuilder.define_nopython_pipeline(state)
        passes.add_pass_after(_MakePart, NativeLowering)
        passes.finalize()
        return [passes]


class _Part(CPUDispatcher):  # type: ignore[misc]
    """What other kernels call."""

    def get_call_template(self, args: Iterable[Any], kws: Mapping[str, Any]) -> Any:
        """How it is called with arguments of these types; constants count as their types."""
        plain = {name: unliteral(kind) for name, kind in kws.items()}
        return super().get_call_template([unliteral(kind) for kind in args], plain)


_ALLOCATING = {"copy", "empty", "full", "zeros"}


class LinkedKernel(Kernel):
    """What Python calls, in one piece with what it calls itself."""

    def __init__(self, function: Callable[..., object], *, nogil: bool) -> None:
        # A kernel that makes no array need not count references to those that it is given. LLVM
        # removes only some of the counting, and each of the rest takes longer than a pixel.
        counts = not _ALLOCATING.isdisjoint(function.__code__.co_names)
        options = {**OPTIONS, "_nrt": counts}
        self._part = _Part(function, targetoptions=options, pipeline_class=_PartCompiler)
        super().__init__(function, nogil=nogil)
        # Kernels that name this one get the other.
        self.typingctx._remove_global(self)
        self.typingctx.insert_global(self, self._numba_type_)

    @property
    def _numba_type_(self) -> Any:
        return types.Dispatcher(self._part)
