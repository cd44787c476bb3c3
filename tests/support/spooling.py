"""Worker processes in which every item seems to take long, so that no sample stays in memory."""

from multiprocessing.connection import Connection

from savemasks.run import worker
from savemasks.run.serving import serve


def serve_spooling(pipe: Connection, halt: Connection) -> None:
    """Work as `serve` does."""
    worker._QUICK_SECONDS = 0
    serve(pipe, halt)
