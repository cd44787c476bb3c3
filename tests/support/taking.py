"""Programs from which names of the system are taken away."""

import subprocess
import sys


def taking(taken: list[str]) -> str:
    """Python that takes names away from the process that executes it."""
    lines = ["import os, select, signal, sys"]
    lines += [f"del {name}" if "." in name else f"sys.modules[{name!r}] = None" for name in taken]
    return "\n".join(lines) + "\n"


def hold(program: str, *arguments: object) -> "subprocess.Popen[bytes]":
    """Start a process that says when it holds a lock, and keeps it until it is killed."""
    child = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout
    assert child.stdout.readline() == b"held\n"
    return child
