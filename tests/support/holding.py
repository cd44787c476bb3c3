"""Another process that holds a lock until it is killed."""

import subprocess
import sys

_END = """
print("held", flush=True)
sys.stdin.read()
"""


def hold(program: str, *arguments: object) -> "subprocess.Popen[bytes]":
    """Start a process that takes a lock as a program says, and wait until it has it."""
    child = subprocess.Popen(
        [sys.executable, "-c", program + _END, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout
    assert child.stdout.readline() == b"held\n"
    return child
