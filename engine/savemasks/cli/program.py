"""The program `savemasks`.

Worker processes import the main module of the program once more, so it loads nothing itself.
"""


def main() -> None:
    """Run the command line."""
    from .commands import main as command

    command()
