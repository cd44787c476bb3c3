"""What a child made by a fork cannot do itself, a new interpreter does for it.

libvips keeps threads of its own. A fork copies none of them, but all that they wait for, so libvips
would wait for ever in a child of a process that has used it. Such children are everywhere: the
workers of a data loader, of a web server that loads the application first, of `multiprocessing`.
They have what needs libvips done by one helper process each, which is started when it is first
needed and ends with them. All else they do themselves.
"""

import atexit
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from multiprocessing.spawn import get_executable
from typing import ParamSpec, TypeVar

from .errors import CrashError
from .system.child_processes import at_fork, exit_reason, ignore_signals, signals_wait
from .system.pipes import has_message

P = ParamSpec("P")
T = TypeVar("T")

SIGNALS_OF_PARENT = (signal.SIGINT, signal.SIGTERM)
"""What a terminal sends to all processes: the one that was started first handles it for all."""
_RECEIVE = "import sys; sys.path[:] = {!r}; from savemasks.forks import begin; begin({})"
_NO_HELPER = (
    "libvips does not work in a process that was forked after it was loaded, and a helper process"
    " cannot be started"
)
_ADVICE = "start processes by spawn or forkserver instead of fork"

# Seconds for the helper to begin, and to end.
_START_TIMEOUT, _PATIENCE = 120.0, 1.0

_lost = False


def libvips_is_lost() -> bool:
    """Whether this process is a child, made by a fork, of one that had loaded libvips."""
    return _lost


def by_libvips(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of a module that uses libvips, here or in the helper process.

    Its arguments and its result are pickled then, and so are its errors. Raises `CrashError` if
    there is no helper, or if it died of this.
    """
    if _lost:
        return _helper.call(function, args, kwargs)
    return function(*args, **kwargs)


class FreshProcess:
    """A new interpreter that calls a function of ours with a pipe to us, and then ends.

    As far as is needed here it is a process of `multiprocessing`. But it may be started by workers,
    which may have no children there, and it does not import the program's main module.
    """

    def __init__(
        self, function: Callable[..., None], *args: object, inherits: tuple[int, ...] = ()
    ) -> None:
        """Start it; `inherits` are descriptors that it needs, too. May raise `OSError`."""
        self.pipe, theirs = Pipe()
        program = _RECEIVE.format([*map(str, sys.path)], theirs.fileno())
        try:
            # Signals wait until the process ignores them itself.
            with signals_wait(SIGNALS_OF_PARENT):
                self._process = subprocess.Popen(  # noqa: S603  (our own program)
                    [os.fsdecode(get_executable()), "-c", program],
                    pass_fds=(theirs.fileno(), *inherits),
                )
        except BaseException:
            self.pipe.close()
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid
        with suppress(OSError):  # it has died already: whoever waits for it will see
            self.pipe.send_bytes(pickle.dumps((function, args), pickle.HIGHEST_PROTOCOL))

    @property
    def exitcode(self) -> int | None:
        """Its exit code, or the number of the signal that killed it, negative; None before that."""
        return self._process.poll()

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()

    def join(self, seconds: float | None = None) -> None:
        """Wait for its end, but not longer than told."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def disown(self) -> None:
        """Forget about it: it is the child of our parent."""
        self.pipe.close()
        self._process.returncode = 0


class Flag:
    """A flag that this process sets and those that it has started see.

    It is a pipe that has something to read once it is set. Unlike an event of `multiprocessing` it
    leaves nothing behind in shared memory when all are killed, and nobody holds a lock of it.
    """

    def __init__(self) -> None:
        self.reader, self._writer = Pipe(duplex=False)

    def set(self) -> None:
        """Set it, for ever."""
        if not self.is_set():
            self._writer.send_bytes(b"")

    def is_set(self) -> bool:
        """Whether it is set."""
        return has_message(self.reader)


def begin(descriptor: int) -> None:
    """Do in the new interpreter what it was started for."""
    ignore_signals(SIGNALS_OF_PARENT)
    pipe = Connection(descriptor)
    function, args = pickle.loads(pipe.recv_bytes())  # noqa: S301  (from our parent)
    function(pipe, *args)


def _answer(pipe: Connection) -> None:
    """Call what comes through the pipe and send back what it returns or raises."""
    try:
        pipe.send_bytes(b"")  # it has begun
        while True:
            function, args, kwargs = pickle.loads(pipe.recv_bytes())  # noqa: S301
            try:
                answer = True, function(*args, **kwargs)
            except Exception as error:
                answer = False, error
            pipe.send_bytes(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
    except (EOFError, ConnectionError):
        # The parent is gone. A regular exit could wait for threads of libraries.
        os._exit(0)


class _Helper:
    """The helper process of this one. Threads take turns."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: FreshProcess | None = None

    def call(
        self, function: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> T:
        request = pickle.dumps((function, args, kwargs), pickle.HIGHEST_PROTOCOL)
        with self._turn:
            if self._process is None:
                self._process = self._start()
            process = self._process
            try:
                process.pipe.send_bytes(request)
                answer = process.pipe.recv_bytes()
            except (EOFError, OSError) as error:
                raise CrashError(f"the process that decoded it {self.end()}") from error
            except BaseException:
                # An answer that nobody has taken must not be that to the next question.
                self.end()
                raise
        is_result, result = pickle.loads(answer)  # noqa: S301  (from our own process)
        if not is_result:
            raise result
        return result  # type: ignore[no-any-return]

    def _start(self) -> FreshProcess:
        try:
            process = FreshProcess(_answer)
        except OSError as error:
            raise CrashError(f"{_NO_HELPER}: {error.strerror}; {_ADVICE}") from error
        try:
            has_begun = process.pipe.poll(_START_TIMEOUT) and not process.pipe.recv_bytes()
        except (EOFError, OSError) as error:
            raise CrashError(f"{_NO_HELPER}: it {_end(process)}; {_ADVICE}") from error
        except BaseException:
            _end(process)
            raise
        if not has_begun:
            _end(process)
            raise CrashError(f"{_NO_HELPER}: it does not answer; {_ADVICE}")
        return process

    def end(self) -> str:
        """End the process if there is one, and say how it has ended."""
        process, self._process = self._process, None
        return _end(process) if process else ""

    def disown(self) -> None:
        """In a child: leave the process to the parent."""
        if self._process:
            self._process.disown()


def _end(process: FreshProcess) -> str:
    process.pipe.close()
    try:
        process.join(_PATIENCE)  # it sees that, unless it is busy
    finally:
        process.kill()
        process.join()
    return exit_reason(process.exitcode or 0)


_helper = _Helper()


@atexit.register
def _end_helper() -> None:
    _helper.end()


def _begin_child() -> None:
    """After a fork: nothing of libvips works here, and the parent's helper is the parent's."""
    global _lost, _helper  # noqa: PLW0603  (they belong to the process)
    _lost = _lost or "pyvips" in sys.modules
    _helper.disown()
    _helper = _Helper()


at_fork(in_child=_begin_child)
