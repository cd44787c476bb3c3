"""What a user of the library writes; checked by mypy --strict, and run by `test_surface.py`."""

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import savemasks


class Size(TypedDict):
    """The canvas."""

    height: int
    width: int


class Note(TypedDict):
    """An annotation as a program may describe it."""

    size: Size
    objects: list[Mapping[str, object]]


def inputs(painter: savemasks.Painter, path: Path) -> list[NDArray[np.unsignedinteger]]:
    """Every kind of annotation, window and picture."""
    note: Note = {"size": {"height": 4, "width": 6}, "objects": []}
    mapping: Mapping[str, object] = {"size": {"height": 4, "width": 6}}
    annotations: list[savemasks.Annotation] = [note, mapping, path, path.read_bytes()]
    window: savemasks.Window = np.array([0, 0, 1, 1])
    windows: list[savemasks.Window] = [window, (0, 0, 1, 1), [np.int64(0), 0, 1, 1]]
    mask: savemasks.Mask = "human"
    made: list[NDArray[np.unsignedinteger]] = [painter.labels(note), painter.labels(mapping)]
    made += [painter.labels(a, window=w, mask=mask) for a in annotations for w in windows]
    pillow = Image.new("RGB", (6, 4))
    images: list[savemasks.Image] = [pillow, np.zeros((4, 6, 3), np.uint8)]
    return [*made, *(painter.human(note, image, pad=0, fill=(0, 0, 9)) for image in images)]


def paint(config: Path, annotation: bytes, image: NDArray[np.uint8]) -> list[bytes]:
    """Every call, with the types that a strict checker sees."""
    layer: savemasks.SaveMasks = savemasks.SaveMasks.from_json(config)
    painter: savemasks.Painter = savemasks.Painter(layer, meta=None, max_pixels=100, strict=True)
    shapes: savemasks.Shapes = painter.parse(annotation)
    height: int = shapes.height
    labels: NDArray[np.unsignedinteger] = painter.labels(shapes)
    part: NDArray[np.unsignedinteger] = painter.labels(shapes, window=(0, 0, 1, height))
    human_labels: NDArray[np.unsignedinteger] = painter.labels(annotation, mask="human")
    human_labels = painter.labels({"size": {"height": 1, "width": 1}}, out=part[:1, :1].copy())
    instances: savemasks.Instances = painter.instances(annotation)
    numbers: NDArray[np.int32] = instances.numbers
    classes: dict[int, str] = instances.classes
    palette: savemasks.Palette | None = painter.machine_palette
    if palette is not None:
        titles: tuple[str, ...] = palette.titles
        assert set(classes.values()) <= set(titles)
    assert numbers.shape == labels.shape
    assert human_labels.shape == (1, 1)
    found: list[savemasks.ObjectMask] = [*painter.objects(shapes)]
    codes: list[savemasks.RunLengthCode] = [savemasks.rle(each.mask) for each in found]
    decoded: list[NDArray[np.bool_]] = [savemasks.rle_decode(code) for code in codes]
    own: dict[str, NDArray[np.bool_]] = painter.classes_of(shapes)
    counted: savemasks.Statistics = painter.statistics(shapes)
    assert len(decoded) == sum(each.objects for each in counted.classes.values())
    assert [*own] == [*counted.classes]
    indexed: bytes = savemasks.encode_png(labels, palette=painter.palette_for_pil())
    assert indexed
    human: NDArray[np.uint8] = painter.human(annotation, image)
    return [savemasks.encode_png(painter.machine(annotation)), savemasks.encode_png(human)]


def train(project: str, classes: list[str]) -> int:
    """What training code calls, with the types that a strict checker sees."""
    items: savemasks.ProjectItems = savemasks.open_project(project)
    painter: savemasks.Painter = savemasks.Painter.from_classes(classes, items.meta)
    names: list[str] = painter.class_names
    numbers: dict[str, int] = painter.label2id
    assert [numbers[name] for name in names] == [*painter.id2label]
    for item in items:
        annotation: bytes = item.annotation()
        targets: savemasks.Targets = painter.targets(annotation, size=(32, 32), pad=1, fill=255)
        boxes: NDArray[np.float32] = targets["boxes"]
        one_hot: NDArray[np.bool_] = painter.one_hot(annotation)
        labels: NDArray[np.unsignedinteger] = painter.labels(annotation, scale=0.5, fill=255, pad=1)
        assert boxes.shape[1] == 4
        assert len(one_hot) == len(classes)
        assert labels.max() == 255
    return len(painter.labels_batch([item.annotation() for item in items], size=(8, 8)))


def whole_project(project: str, out: Path, layer: savemasks.SaveMasks) -> int:
    """Export, with progress."""

    def on_progress(done: int, failed: int, total: int) -> None:
        print(f"{done} of {total}, {failed} failed")

    report: savemasks.Summary = savemasks.export(
        project, out=out, layer=layer, workers=1, on_progress=on_progress, stop=threading.Event()
    )
    for failure in report.failures:
        record: savemasks.Failure = failure
        print(record.dataset, record.name, record.kind, record.message, record.file, record.object)
    return report.images


async def answer(painter: savemasks.Painter, annotation: bytes) -> bytes:
    """What an asynchronous service does."""

    def png() -> bytes:
        return savemasks.encode_png(painter.machine(annotation))

    return await asyncio.to_thread(png)


def careful(painter: savemasks.Painter, annotation: bytes) -> str:
    """What goes wrong has a type."""
    try:
        painter.labels(annotation)
    except savemasks.AnnotationError as error:
        index: int | None = error.object_index
        return f"{error.message} ({index})"
    except savemasks.SavemasksError as error:
        return str(error)
    return ""
