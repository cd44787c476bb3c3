"""The painter with every index checked, in a process of its own: it must never leave an array."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import TESTS


@pytest.mark.slow
def test_no_kernel_leaves_an_array(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "NUMBA_BOUNDSCHECK": "1",
        # Checked code is other code: it must not get into the cache of the unchecked.
        "SAVEMASKS_CACHE_DIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "support.fuzz", "--cases", "1500"]
    done = subprocess.run(
        command, cwd=TESTS, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mixture: 1500 cases, 0 differing" in done.stdout
