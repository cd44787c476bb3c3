"""The library inside of a web service: real HTTP over the loopback, many clients at once."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from numpy.typing import NDArray

import savemasks
from support import painters
from support.load import Service, serve
from support.service import make_app

LAYER = {
    "action": "save_masks",
    "dst": "x",
    "settings": {"masks_machine": True, "gt_machine_color": painters.GRAYS},
}
CLIENTS = 64
SECONDS = 3.0


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    savemasks.warmup()  # here, so that the server finds everything compiled
    with serve(LAYER) as running:
        yield running


@pytest.mark.slow
def test_many_clients_get_the_right_masks(service: Service) -> None:
    painter = savemasks.Painter(savemasks.SaveMasks.from_json(LAYER))
    notes = [painters.annotation(seed) for seed in range(20)]
    jobs = [(orjson.dumps(note), savemasks.encode_png(painter.machine(note))) for note in notes]
    service.load(jobs, CLIENTS, 1.0)  # threads and buffers come to be
    before = service.resident()
    load = service.load(jobs, CLIENTS, SECONDS)
    assert load.errors == []
    assert len(load.latencies) > CLIENTS
    assert service.resident() < before + (16 << 20)


def test_a_wrong_annotation_is_answered_with_what_is_wrong(service: Service) -> None:
    status, answer = service.post(b'{"size": {"height": 0, "width": 5}}')
    assert status == 422
    assert answer == b"size.height must be a positive whole number, but is 0"
    assert service.post(b"")[0] == 422


def test_a_canvas_of_gigabytes_is_answered_with_its_limit(service: Service) -> None:
    status, answer = service.post(b'{"size": {"height": 30000, "width": 30000}}')
    assert status == 422
    assert answer == b"size 30000 x 30000 is more than the max_pixels of 50000000 that are allowed"


class SlowPainter:
    """Paints when it is told to."""

    def __init__(self) -> None:
        self.painter = savemasks.Painter(savemasks.SaveMasks.from_json(LAYER))
        self.started, self.go = threading.Semaphore(0), threading.Event()

    def machine(self, annotation: bytes) -> NDArray[Any]:
        """As `Painter.machine`, later."""
        self.started.release()
        assert self.go.wait(60)
        return self.painter.machine(annotation)


def test_more_requests_than_it_can_take_are_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    painter: Any = SlowPainter()
    monkeypatch.setattr(savemasks, "Painter", lambda *_, **__: painter)
    app: Any = make_app(savemasks.SaveMasks.from_json(LAYER), most_at_once=3)
    note = orjson.dumps(painters.annotation())

    async def post() -> int:
        """The status of one answer."""
        found: list[Any] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": note}

        async def send(message: dict[str, object]) -> None:
            found.append(message)

        scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
        await app(scope, receive, send)
        return int(found[0]["status"])

    async def visit() -> list[int]:
        waiting = [asyncio.create_task(post()) for _ in range(3)]
        for _ in waiting:
            await asyncio.to_thread(painter.started.acquire)
        refused = [await post() for _ in range(5)]
        painter.go.set()
        return [*refused, *(await asyncio.gather(*waiting)), await post()]

    assert asyncio.run(visit()) == [503] * 5 + [200] * 4
