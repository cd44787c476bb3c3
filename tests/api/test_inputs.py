"""Where annotations, layers, metas and pictures come from: paths, open files, images of Pillow."""

import inspect
import io
import json
import subprocess
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import savemasks
from savemasks.api.arguments import corner_and_shape
from support.painters import GRAYS, HEIGHT, WIDTH, annotation, painter

LAYER = {
    "action": "save_masks",
    "dst": "x",
    "settings": {"masks_machine": True, "gt_machine_color": GRAYS},
}
META = {"classes": [{"title": "kiwi", "shape": "rectangle"}]}


class Elsewhere:
    """A path that is no `pathlib.Path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


PATHS: list[Callable[[Path], Any]] = [lambda path: path, Elsewhere]


# ------------------------------------------------------------------ paths


@pytest.mark.parametrize("as_path", PATHS)
def test_a_path_is_read_wherever_json_is_taken(tmp_path: Path, as_path: Any) -> None:
    for name, content in (("layer", LAYER), ("meta", META), ("note", annotation())):
        (tmp_path / name).write_text(json.dumps(content))
    layer = savemasks.SaveMasks.from_json(as_path(tmp_path / "layer"))
    assert layer == savemasks.SaveMasks.from_json(LAYER)
    p = savemasks.Painter(layer, as_path(tmp_path / "meta"))
    note = as_path(tmp_path / "note")
    assert p.parse(note) == p.parse(annotation())
    assert np.array_equal(p.labels(note, window=(1, 2, 9, 8)), p.labels(annotation())[2:10, 1:10])
    assert np.array_equal(p.machine(note), p.machine(annotation()))


@pytest.mark.parametrize("as_path", PATHS)
def test_errors_name_the_file(tmp_path: Path, as_path: Any) -> None:
    absent, broken = tmp_path / "absent", tmp_path / "broken"
    broken.write_text("{")
    calls: list[tuple[Callable[[Any], object], type[Exception]]] = [
        (savemasks.SaveMasks.from_json, savemasks.ConfigError),
        (lambda meta: savemasks.Painter(savemasks.SaveMasks.from_json(LAYER), meta),
         savemasks.ProjectError),
        (painter().parse, savemasks.AnnotationError),
        (painter().labels, savemasks.AnnotationError),
    ]  # fmt: skip
    for call, error in calls:
        with pytest.raises(error, match=f"^{absent}: cannot be read: No such file"):
            call(as_path(absent))
        with pytest.raises(error, match=f"^{broken}: not valid JSON"):
            call(as_path(broken))
    (tmp_path / "wrong").write_text(json.dumps(annotation() | {"objects": [5]}))
    with pytest.raises(savemasks.AnnotationError, match="wrong: object 0: is not a JSON") as told:
        painter().labels(as_path(tmp_path / "wrong"))
    assert (told.value.file, told.value.object_index) == (str(tmp_path / "wrong"), 0)
    with pytest.raises(savemasks.AnnotationError, match="cannot be read: embedded null byte"):
        painter().labels(Path("a\0b"))


def test_a_text_is_never_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text(json.dumps(LAYER | META | annotation()))
    with pytest.raises(savemasks.ConfigError, match=r"must be a pathlib\.Path"):
        savemasks.SaveMasks.from_json("a.json")
    with pytest.raises(savemasks.ProjectError, match=r"must be a pathlib\.Path"):
        savemasks.Painter(savemasks.SaveMasks.from_json(LAYER), "a.json")
    with pytest.raises(savemasks.AnnotationError, match="not the name of its file"):
        painter().labels("a.json")


# ------------------------------------------------------------------ pictures


def picture(mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA"])
def test_an_image_of_pillow_is_what_its_file_is(mode: str) -> None:
    p, image = painter(), picture(mode)
    expected = p.human(annotation(), saved(image))
    assert np.array_equal(p.human(annotation(), image), expected)
    with Image.open(io.BytesIO(saved(image))) as opened:
        assert np.array_equal(p.human(annotation(), opened), expected)


def test_deep_grays_of_pillow_are_what_their_file_is() -> None:
    levels = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH)).astype(np.uint16)
    image = Image.fromarray(levels)
    assert image.mode == "I;16"
    expected = painter().human(annotation(), saved(image))
    assert np.array_equal(painter().human(annotation(), image), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_of_pillow_is_turned_as_its_file(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = picture()
    if orientation >= 5:
        image = image.transpose(Image.Transpose.TRANSPOSE)
    data = saved(image, exif=exif.tobytes())
    with Image.open(io.BytesIO(data)) as opened:
        assert np.array_equal(
            painter().human(annotation(), opened), painter().human(annotation(), data)
        )


def test_images_of_pillow_that_do_not_fit_are_refused() -> None:
    with pytest.raises(savemasks.ImageError, match=r"^is 4 x 3 pixels, but its annotation says 37"):
        painter().human(annotation(), Image.new("RGB", (4, 3)))
    with pytest.raises(TypeError, match='image has the mode "F": convert it to "RGB"'):
        painter().human(annotation(), Image.new("F", (WIDTH, HEIGHT)))
    cut = Image.open(io.BytesIO(saved(picture(), "BMP")[:-900]))
    with pytest.raises(savemasks.ImageError, match=r"^cannot be decoded: image file is truncated"):
        painter().human(annotation(), cut)


def test_a_larger_image_of_pillow_is_refused_before_it_is_decoded() -> None:
    opened = Image.open(io.BytesIO(saved(Image.new("L", (3000, 3000)))))
    with pytest.raises(savemasks.ImageError, match="is 3000 x 3000 pixels"):
        painter().human(annotation(), opened)
    assert getattr(opened, "_im", None) is None  # Pillow has nothing decoded yet


def test_an_open_file_is_a_picture_as_often_as_it_is_given(tmp_path: Path) -> None:
    p, data = painter(), saved(picture())
    expected = p.human(annotation(), data)
    (tmp_path / "a.png").write_bytes(data)
    memory = io.BytesIO()
    memory.write(data)  # its place is the end now
    with (tmp_path / "a.png").open("rb") as file:
        for image in (file, file, memory, memory):
            assert np.array_equal(p.human(annotation(), image), expected)

    class Stream:
        def read(self, size: int = -1, /) -> bytes:
            return data[: len(data) if size < 0 else size]

    assert np.array_equal(p.human(annotation(), Stream()), expected)


def test_open_files_that_are_no_pictures_are_refused_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("no picture at all")
    with (
        path.open("rb") as file,
        pytest.raises(savemasks.ImageError, match=r"a\.png: cannot be de"),
    ):
        painter().human(annotation(), file)
    wrong: Any = painter().human
    with path.open() as text, pytest.raises(TypeError, match="open it with the mode 'rb'"):
        wrong(annotation(), text)
    with path.open("rb") as file:
        pass
    with pytest.raises(savemasks.ImageError, match=r"a\.png: cannot be read: I/O operation on clo"):
        painter().human(annotation(), file)


def test_bytes_that_are_a_path_are_told_so() -> None:
    with pytest.raises(
        savemasks.ImageError, match=r"; bytes are the contents of a file, its path m"
    ):
        painter().human(annotation(), b"photos/a.png")


def test_pillow_is_not_loaded_for_what_is_no_image_of_it() -> None:
    program = f"""
import json, sys
import numpy as np, savemasks
layer = savemasks.SaveMasks.from_json({json.dumps(LAYER).replace("true", "True")})
layer = savemasks.SaveMasks(action="save_masks", dst="x", settings={{
    "masks_human": True, "gt_human_color": {{"kiwi": [1, 2, 3]}}}})
painter = savemasks.Painter(layer)
painter.human({{"size": {{"height": 1, "width": 1}}}}, np.zeros((1, 1, 3), np.uint8))
print(json.dumps([name for name in sys.modules if name == "PIL" or name == "pyvips"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []


# ------------------------------------------------------------------ windows


@pytest.mark.parametrize(
    "window", [{0, 1, 2, 3}, frozenset((0, 1, 2, 3)), {0: 1, 1: 1, 2: 1, 3: 1}]
)
def test_a_window_without_an_order_is_a_type_error(window: Any) -> None:
    with pytest.raises(TypeError, match="window must be four whole numbers"):
        painter().labels(annotation(), window=window)


@pytest.mark.parametrize(
    "window", [np.array([1, 2, 3, 4]), np.array([1, 2, 3, 4], np.uint8), (np.int64(1), 2, 3, 4)]
)
def test_a_window_may_be_an_array(window: Any) -> None:
    assert corner_and_shape(window, 10, 10) == ((1, 2), (4, 3))
    part = painter().labels(annotation(), window=window)
    assert np.array_equal(part, painter().labels(annotation())[2:6, 1:4])


# ------------------------------------------------------------------ types


def public_callables() -> list[Any]:
    found: list[Any] = []
    for name in savemasks.__all__:
        value: Any = getattr(savemasks, name)
        if inspect.isclass(value) and value.__module__.startswith("savemasks"):
            found.append(value)
            members = vars(value).items()
            calls = [m for n, m in members if n == "__init__" or not n.startswith("_")]
            found += [getattr(m, "__func__", getattr(m, "fget", m)) for m in calls]
        else:
            found.append(value)
    return [value for value in found if inspect.isclass(value) or inspect.isfunction(value)]


def test_the_types_of_all_that_is_public_can_be_asked_for() -> None:
    calls = public_callables()
    assert {savemasks.export, savemasks.Painter.human, savemasks.Painter.__init__} < {*calls}
    for call in calls:
        typing.get_type_hints(call)
    hints = typing.get_type_hints(savemasks.Painter.__init__)
    assert hints["layer"] is savemasks.SaveMasks
    assert typing.get_type_hints(savemasks.export)["return"] is savemasks.Summary
