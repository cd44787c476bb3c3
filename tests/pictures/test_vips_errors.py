"""Messages of libvips: each is about its own picture, although all threads share the place."""

import io
import os
import threading
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest
import pyvips
from PIL import Image

from savemasks.errors import ImageError
from savemasks.pictures import vips_errors
from savemasks.pictures.original import Original
from savemasks.pictures.vips_errors import with_own_message


def encoded(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind, **options)
    return file.getvalue()


PIXELS = np.random.default_rng(3).integers(0, 256, (8, 12, 3), np.uint8)
WEBP, TIFF = encoded("WEBP", lossless=True), encoded("TIFF")
DAMAGED = {"webp": WEBP[:60], "tiff": TIFF[:200], "none": b"no picture"}


def said_of(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        Original(data).pixels()
    return str(caught.value)


def test_threads_hear_of_their_own_pictures() -> None:
    alone = {name: said_of(data) for name, data in DAMAGED.items()}
    assert len({*alone.values()}) == len(alone)
    said = defaultdict(set)

    def work(name: str) -> None:
        for _ in range(100):
            said[name].add(said_of(DAMAGED[name]))
            Original(WEBP).pixels()

    threads = [threading.Thread(target=work, args=(name,)) for name in [*DAMAGED] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {name: {text} for name, text in alone.items()}


def test_what_was_said_earlier_is_not_repeated() -> None:
    before = said_of(DAMAGED["webp"])
    assert not pyvips.vips_lib.vips_foreign_find_load(b"not-there.png")
    assert pyvips.ffi.string(pyvips.vips_lib.vips_error_buffer())
    assert said_of(DAMAGED["webp"]) == before


def test_what_succeeds_at_last_has_not_failed() -> None:
    answers: Iterator[str | pyvips.Error] = iter([pyvips.Error("odd"), "made"])

    def operation() -> str:
        answer = next(answers)
        if not isinstance(answer, str):
            raise answer
        return answer

    assert with_own_message(operation) == "made"


def test_a_message_that_is_never_the_same_is_told_all_the_same() -> None:
    numbers = iter(range(1000))

    def operation() -> None:
        raise pyvips.Error("odd", str(next(numbers)))

    with pytest.raises(pyvips.Error, match="odd"):
        with_own_message(operation)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot fork here")
def test_a_child_does_not_wait_for_threads_that_it_does_not_have() -> None:
    with vips_errors._turn:
        pid = os.fork()
        if pid == 0:
            os._exit(not vips_errors._turn.acquire(timeout=5))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
