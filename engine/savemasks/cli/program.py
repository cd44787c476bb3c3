"""The program `savemasks`.

Worker processes import the main module of the program once more, so it loads nothing itself.
"""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from .commands import main as command
    except KeyboardInterrupt:  # nothing has begun
        sys.exit(130)
    command()
