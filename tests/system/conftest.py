"""Names of the system are taken away."""

import sys
from collections.abc import Callable, Iterator

import pytest

from savemasks.system import hardware


@pytest.fixture
def take_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Take names away until the end of the test."""

    def take(*taken: str) -> None:
        hardware.available_memory.cache_clear()
        for name in taken:
            if "." in name:
                monkeypatch.delattr(name)
            else:
                monkeypatch.setitem(sys.modules, name, None)

    yield take
    hardware.available_memory.cache_clear()
