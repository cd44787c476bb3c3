"""Users, where the system tells them apart."""

import os
import stat
from pathlib import Path


def user_number() -> int:
    """The number of the user; 0 where users have none."""
    number: int = getattr(os, "getuid", int)()
    return number


def is_private(folder: Path) -> bool:
    """Whether only this user can write to a folder; taken for granted where users have no number.

    There the temporary folder is the user's own.
    """
    if not hasattr(os, "getuid"):
        return True
    status = folder.lstat()
    return status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o077
