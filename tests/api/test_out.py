"""`out=`: results in the memory of the caller."""

from collections.abc import Callable

import numpy as np
import pytest

from support.painters import (
    BLACK,
    COLORS,
    DEEP,
    GRAYS,
    HEIGHT,
    MANY,
    MANY_GRAYS,
    MAPPINGS,
    WIDTH,
    annotation,
    calls,
    painter,
    peak,
)
from support.projects import Json

MACHINE, HUMAN = 2, 3  # places in `calls`: these two are written in one piece only


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_results_go_to_the_memory_of_the_caller(mapping: Json) -> None:
    for call, shape, dtype in calls(painter(mapping, MANY), annotation()):
        out = np.full(shape, 77, dtype)
        assert call(out=out) is out
        assert np.array_equal(out, call())
        # Memory that begins at an odd address is as good, if the dtype does not mind.
        if dtype.itemsize == 1:
            odd = np.full(out.size + 1, 77, np.uint8)[1:].reshape(shape)
            assert np.array_equal(call(out=odd), out)
        # Neighbours are not touched.
        many = np.full((3, *shape), 77, dtype)
        call(out=many[1])
        assert np.array_equal(many[1], out)
        assert (many[0] == 77).all()
        assert (many[2] == 77).all()


def test_memory_that_does_not_fit_is_refused() -> None:
    for number, (call, shape, dtype) in enumerate(calls(painter(), annotation())):
        with pytest.raises(TypeError, match="out must be a NumPy array, not list"):
            call(out=[])
        with pytest.raises(TypeError, match=f"out must be an array of {dtype}, not of float64"):
            call(out=np.empty(shape, np.float64))
        with pytest.raises(TypeError, match="out must be an array of"):
            call(out=np.empty(shape, dtype.newbyteorder() if dtype.itemsize > 1 else np.int8))
        with pytest.raises(ValueError, match="out must have the shape"):
            call(out=np.empty((shape[0] + 1, *shape[1:]), dtype))
        with pytest.raises(ValueError, match="out must be C-contiguous, but its strides are"):
            call(out=np.empty(shape, dtype, order="F"))
        every_second = np.empty((shape[0] * 2, *shape[1:]), dtype)
        if number in {MACHINE, HUMAN}:
            with pytest.raises(ValueError, match="out must be C-contiguous, but its strides are"):
                call(out=every_second[::2])
        else:
            assert np.array_equal(call(out=every_second[::2]), call())
        read_only = np.empty(shape, dtype)
        read_only.flags.writeable = False
        with pytest.raises(ValueError, match="out must be writeable"):
            call(out=read_only)
    numbers = np.empty(HEIGHT * WIDTH * 4 + 1, np.uint8)[1:].view(np.int32)
    with pytest.raises(ValueError, match="out must be aligned"):
        painter().instances(annotation(), out=numbers.reshape(HEIGHT, WIDTH))


def test_a_page_must_not_be_painted_over_its_original() -> None:
    page = np.zeros((HEIGHT, 2 * WIDTH + 1, 3), np.uint8)
    for image in (page[:, :WIDTH], page[:, WIDTH + 1 :]):
        with pytest.raises(ValueError, match="image and out must not share memory"):
            painter().human(annotation(), image, out=page)


@pytest.mark.parametrize("mapping", [GRAYS, COLORS, DEEP, BLACK, MANY, MANY_GRAYS])
@pytest.mark.parametrize("order", ["list", "area"])
def test_with_memory_of_the_caller_nothing_of_the_size_of_the_canvas_is_allocated(
    mapping: Json, order: str
) -> None:
    side = 1500
    p = painter(mapping, MANY, paint_order=order)
    note = {**annotation(), "size": {"height": side, "width": side}}
    image = np.zeros((side, side, 3), np.uint8)
    shapes = p.parse(note)
    machine = np.empty_like(p.machine(shapes))
    labels, wide = np.empty_like(p.labels(shapes)), np.empty((side, side), np.int32)
    page = np.empty((side, 2 * side + 1, 3), np.uint8)
    window = (100, 200, 1300, 1200)
    part = np.empty((1200, 1300), labels.dtype)
    everything: tuple[Callable[[], object], ...] = (
        lambda: p.labels(note, out=labels),
        lambda: p.labels(note, out=part, window=window),
        lambda: p.machine(note, out=machine),
        lambda: p.human(note, image, out=page),
        lambda: p.instances(note, out=wide),
    )
    for call in everything:
        call()
        assert peak(call) < side * side // 4
