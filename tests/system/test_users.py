"""Users are told apart where the system does."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from savemasks.system import users


def test_only_a_folder_of_this_user_is_private(
    tmp_path: Path, take_away: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert users.user_number() == os.getuid()
    tmp_path.chmod(0o700)
    assert users.is_private(tmp_path)
    tmp_path.chmod(0o750)
    assert not users.is_private(tmp_path)
    tmp_path.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    assert not users.is_private(tmp_path)
    take_away("os.getuid")
    assert users.user_number() == 0
    assert users.is_private(tmp_path)
