"""Signals wait as long as they are told, and have names."""

import signal
from collections.abc import Callable

import pytest

from savemasks.system.child_processes import ignore_signals, signal_name, signals_wait


def test_signals_wait_as_long_as_they_are_told(take_away: Callable[..., None]) -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: came.append(number))
    try:
        with pytest.raises(RuntimeError), signals_wait([signal.SIGUSR1]):  # noqa: PT012
            signal.raise_signal(signal.SIGUSR1)
            assert came == []
            raise RuntimeError
        assert came == [signal.SIGUSR1]
        with signals_wait([signal.SIGUSR1]):
            signal.raise_signal(signal.SIGUSR1)
            ignore_signals([signal.SIGUSR1])
            assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
            signal.raise_signal(signal.SIGUSR1)
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
        assert came == [signal.SIGUSR1]
        signal.signal(signal.SIGUSR1, lambda number, _: came.append(number))
        take_away("signal.pthread_sigmask")
        with signals_wait([signal.SIGUSR1]):
            signal.raise_signal(signal.SIGUSR1)
            assert len(came) == 2
        ignore_signals([signal.SIGUSR1])
        signal.raise_signal(signal.SIGUSR1)
        assert len(came) == 2
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_without_a_name_is_called_by_its_number() -> None:
    assert signal_name(9) == "SIGKILL"
    assert signal_name(1000) == "signal 1000"
