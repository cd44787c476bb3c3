"""The library inside of a web service: real HTTP over the loopback, many clients at once."""

from collections.abc import Iterator

import orjson
import pytest

import savemasks
from support import painters
from support.load import Service, serve

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
