"""The service of `service.py` in a process of its own, and clients that load it over HTTP."""

import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, perf_counter

from support import TESTS

_SERVER = """
import json, socket, sys
import uvicorn
import savemasks
from support.service import make_app

savemasks.warmup()
layer = savemasks.SaveMasks.from_json(json.loads(sys.argv[1]))
listener = socket.create_server(("127.0.0.1", 0), backlog=256)
print(listener.getsockname()[1], flush=True)
config = uvicorn.Config(make_app(layer), log_level="warning", lifespan="off")
uvicorn.Server(config).run(sockets=[listener])
"""


@dataclass
class Load:
    """What the clients saw.

    Attributes
    ----------
    seconds
        How long it took.
    latencies
        Seconds of every answer.
    errors
        What went wrong.
    memory
        Resident bytes of the server, about once in half a second.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds


@dataclass
class Service:
    """A running server."""

    port: int
    pid: int

    def resident(self) -> int:
        """Bytes of memory that it has."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def post(self, body: bytes) -> tuple[int, bytes]:
        """Status and content of one answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            return _post(connection, body)
        finally:
            connection.close()

    def load(self, jobs: Sequence[tuple[bytes, bytes]], clients: int, seconds: float) -> Load:
        """Let clients post bodies, one after the other, and compare with the right answers."""
        found = Load()
        end = monotonic() + seconds
        threads = [
            threading.Thread(target=self._client, args=(found, jobs, number, end))
            for number in range(clients)
        ]
        started = monotonic()
        for thread in threads:
            thread.start()
        while monotonic() < end:
            found.memory.append(self.resident())
            threading.Event().wait(min(0.5, max(0.0, end - monotonic())))
        for thread in threads:
            thread.join()
        found.seconds = monotonic() - started
        return found

    def _client(
        self, found: Load, jobs: Sequence[tuple[bytes, bytes]], number: int, end: float
    ) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            while monotonic() < end:
                body, expected = jobs[number % len(jobs)]
                number += 1
                started = perf_counter()
                status, png = _post(connection, body)
                found.latencies.append(perf_counter() - started)
                if status != 200 or png != expected:
                    found.errors.append(f"status {status}, {len(png)} bytes")
        except (OSError, http.client.HTTPException) as error:
            found.errors.append(repr(error))
        finally:
            connection.close()


def _post(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes]:
    connection.request("POST", "/", body)
    answer = connection.getresponse()
    return answer.status, answer.read()


@contextmanager
def serve(layer: object) -> Iterator[Service]:
    """Start a server on a free port of the loopback, and stop it."""
    command = [sys.executable, "-c", _SERVER, json.dumps(layer)]
    with subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline()
            if not port:
                raise RuntimeError("the server did not start")
            yield Service(int(port), process.pid)
        finally:
            process.terminate()
