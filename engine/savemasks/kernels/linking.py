"""How a kernel and all kernels that it calls become one piece of machine code.

Numba makes every function by itself: optimised code, machine code, wrappers for callers in Python
and in C, and two files in the cache. And it makes a function anew for every set of constants that
it is called with. A `LinkedKernel` is two dispatchers, therefore: for Python, which gets machine
code, and for other kernels, which get intermediate code and call with types instead of constants.
That code is put together as it is, and optimised once, as a whole; nobody else can call its parts,
so the optimiser may take each in where it is called.

What kernels do not need is left out: Numba's passes for closures, constants and whole arrays, and
the counting of who holds an array, but for those that make some (`jit.allocating_kernel`).

All that together halves the time of compiling; `benchmarks/cold.py` measures it. It takes parts of
Numba that may change with any version, so `jit` has it for those versions alone with which it was
tested.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from numba import _dynfunc
from numba.core import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder, _LowerResult
from numba.core.compiler_machinery import LoweringPass, PassManager, register_pass
from numba.core.registry import CPUDispatcher
from numba.core.targetconfig import ConfigStack
from numba.core.typed_passes import NativeLowering
from numba.core.types.misc import unliteral

from .dispatcher import OPTIONS, Kernel
from .typing_context import target

# Passes of Numba, by name, for what kernels do not have: closures, `with`, array expressions,
# exceptions of their own, and branches on constants.
_NOT_NEEDED = frozenset(
    {
        "with_lifting",
        "inline_closure_likes",
        "rewrite_semantic_constants",
        "dead_branch_prune",
        "Rewrite dynamic raises",
        "make_function_op_code_to_jit_function",
        "inline_inlinables",
        "find_literally",
        "literal_unroll",
        "LiteralPropagation",
        "inline_overloads",
        "nopython_rewrites",
        "nopython_supported_feature_validation",
        "dump_parfor_diagnostics",
    }
)

_ENVIRONMENT = "_ZN08NumbaEnv"  # how Numba calls the place of one


class _Unoptimised(JITCodeLibrary):  # type: ignore[misc]  # Numba is not typed
    """Intermediate code as Numba made it."""

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout


class _PartLibrary(_Unoptimised):
    """Code that is optimised, and becomes machine code, only as a part of other code."""

    def finalize(self) -> None:
        self._finalized = True


class _WholeLibrary(_Unoptimised):
    """The code of a kernel and of all kernels that it calls."""

    def finalize(self) -> None:
        module = self._final_module
        own = {variable.name for variable in module.global_variables}
        names: set[str] = set()
        for library in self._callees():
            module.link_in(library._get_module_for_linking(), preserve=True)
            if isinstance(library, _PartLibrary):
                names.update(f.name for f in library._final_module.functions)
        for function in module.functions:
            if function.name in names and not function.is_declaration:
                function.linkage = "internal"
        # What Numba keeps of each of them for exceptions; to load it takes as long as all the rest.
        for variable in module.global_variables:
            if variable.name.startswith(_ENVIRONMENT) and variable.name not in own:
                variable.linkage = "internal"
        self._linking_libraries: list[JITCodeLibrary] = []
        super().finalize()

    def _optimize_final_module(self) -> None:
        JITCodeLibrary._optimize_functions(self, self._final_module)
        # Numba goes through it twice, to find more pairs that count up and down an array.
        found = self._codegen._module_pass_manager()
        manager, *options = found if isinstance(found, tuple) else (found,)
        manager.run(self._final_module, *options)

    def _callees(self) -> Iterable[JITCodeLibrary]:
        """Libraries of what it calls, and of what its parts call, each once."""
        found = dict.fromkeys(self._linking_libraries)
        waiting = [*found]
        while waiting:
            library = waiting.pop()
            if isinstance(library, _PartLibrary):
                new = [other for other in library._linking_libraries if other not in found]
                found.update(dict.fromkeys(new))
                waiting += new
        return found


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


def _needed_passes(state: Any) -> PassManager:
    passes = DefaultPassBuilder.define_nopython_pipeline(state)
    passes.passes = [entry for entry in passes.passes if entry[0].name() not in _NOT_NEEDED]
    return passes


class _PartCompiler(CompilerBase):  # type: ignore[misc]
    """Compiles for other kernels only."""

    def define_pipelines(self) -> list[Any]:
        state = self.state
        state.flags.no_compile = True
        state.flags.no_cpython_wrapper = state.flags.no_cfunc_wrapper = True
        state.library = _PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        passes = _needed_passes(state)
        passes.add_pass_after(_MakePart, NativeLowering)
        passes.finalize()
        return [passes]


class _WholeCompiler(CompilerBase):  # type: ignore[misc]
    """Compiles for Python, with everything that is called."""

    def define_pipelines(self) -> list[Any]:
        state = self.state
        state.library = _WholeLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        passes = _needed_passes(state)
        passes.finalize()
        return [passes]


class _Part(CPUDispatcher):  # type: ignore[misc]
    """What other kernels call."""

    targetdescr = target

    def get_call_template(self, args: Iterable[Any], kws: Mapping[str, Any]) -> Any:
        """How it is called with arguments of these types; constants count as their types."""
        plain = {name: unliteral(kind) for name, kind in kws.items()}
        found = super().get_call_template([unliteral(kind) for kind in args], plain)
        self._check_that_arrays_are_let_go(ConfigStack.top_or_none())
        return found

    def _check_that_arrays_are_let_go(self, caller: Any) -> None:
        if caller is None or caller.nrt or not self.targetoptions["_nrt"]:
            return
        for signature in self.nopython_signatures:
            kind = signature.return_type
            if any(isinstance(part, types.Array) for part in getattr(kind, "types", [kind])):
                raise AssertionError(f"what calls {self.py_func.__name__} is an allocating kernel")


class LinkedKernel(Kernel):
    """What Python calls, in one piece with what it calls itself."""

    targetdescr = target

    def __init__(self, function: Callable[..., object], *, nogil: bool, allocates: bool) -> None:
        options = OPTIONS | {"_nrt": allocates}
        self._part = _Part(function, targetoptions=options, pipeline_class=_PartCompiler)
        super().__init__(function, nogil=nogil, allocates=allocates, pipeline_class=_WholeCompiler)
        # Kernels that name this one get the other.
        self.typingctx._remove_global(self)
        self.typingctx.insert_global(self, self._numba_type_)

    @property
    def _numba_type_(self) -> Any:
        return types.Dispatcher(self._part)
