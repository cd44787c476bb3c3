"""Kernels in one piece: what makes arrays counts who holds them, and the others cannot get any."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from savemasks.kernels import jit

PROGRAM = """
import numpy as np
from savemasks.kernels.jit import allocating_kernel, kernel
from savemasks.kernels.memory import words


@allocating_kernel
def first_word(size):
    made = words(size)
    made[0] = 5
    return made[0]


@kernel
def of_another(size):
    return first_word(size)


@kernel
def without_counting(size):
    return words(size)[0]


@kernel
def made_without_counting(size):
    return np.empty(size, np.int64)[0]


print({}(3))
"""


def outcome(folder: Path, kernel: str) -> subprocess.CompletedProcess[str]:
    file = folder / "program.py"
    file.write_text(PROGRAM.format(kernel))
    environment = os.environ | {"SAVEMASKS_CACHE_DIR": str(folder / "cache")}
    command = [sys.executable, str(file)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kernel", ["first_word", "of_another"])
def test_an_array_may_be_made_for_the_while(tmp_path: Path, kernel: str) -> None:
    assert outcome(tmp_path, kernel).stdout == "5\n"


@pytest.mark.skipif(not jit._LINKED, reason="Numba counts them in all kernels")
@pytest.mark.parametrize(
    ("kernel", "problem"),
    [
        ("without_counting", "what calls words is an allocating kernel"),
        ("made_without_counting", "No implementation of function"),
    ],
)
def test_an_array_that_nobody_would_let_go_is_refused(
    tmp_path: Path, kernel: str, problem: str
) -> None:
    found = outcome(tmp_path, kernel)
    assert found.returncode == 1
    assert problem in found.stderr
