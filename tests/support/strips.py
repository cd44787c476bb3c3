"""What the tests of pictures in strips have in common: an item that is exported either way."""

import base64
import io
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyvips
from numpy.typing import NDArray
from PIL import Image

from savemasks.cli.demo import CONFIG
from savemasks.encode.general import encode_png
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.budget import Budget
from savemasks.line.item import export_item
from savemasks.line.job import Outcome
from savemasks.line.plan import Plan
from savemasks.line.sinks import Line, Sink
from savemasks.projects.items import Item
from savemasks.scratch import Scratch
from savemasks.store.files import Store
from support.pixels import original
from support.pngs import chunks_of
from support.projects import Json

CLASSES = ("kiwi", "lemon", "plum")
GIB = 1 << 30


def layer(**changes: object) -> SaveMasks:
    """A layer of both masks."""
    setting: Json = {
        "masks_machine": True,
        "masks_human": True,
        "gt_machine_color": {name: [70 * i] * 3 for i, name in enumerate(CLASSES, start=1)},
        "gt_human_color": {name: [250, 60 * i, 9] for i, name in enumerate(CLASSES, start=1)},
    }
    return SaveMasks.from_json(CONFIG | {"settings": setting | changes})


def bitmap(mask: NDArray[np.uint8]) -> str:
    return base64.b64encode(zlib.compress(b"".join(encode_png(mask)))).decode()


def objects(height: int, width: int, seed: int = 0) -> list[Json]:
    """Objects of every geometry, inside, across the edges and outside."""
    rng = np.random.default_rng(seed)

    def some(count: int) -> Any:
        low, high = (-width // 3, -height // 3), (4 * width // 3, 4 * height // 3)
        return rng.integers(low, high, (count, 2)).tolist()

    mask = (rng.random((height, width)) < 0.3).astype(np.uint8) * 255
    box = [{"loc": point} for point in some(8)]
    sides = ("topleft", "topright", "bottomright", "bottomleft")
    corners = [f"face{face}-{side}" for face in (1, 2) for side in sides]
    part = {"exterior": some(5), "interior": [some(3)]}
    made: list[Json] = [
        {"geometryType": "polygon", "points": {"exterior": some(9), "interior": []}},
        {"geometryType": "polygon", "points": {"exterior": some(7), "interior": [some(4)]}},
        {"geometryType": "multipolygon", "parts": [part, {"exterior": some(4)}]},
        {"geometryType": "rectangle", "points": {"exterior": some(2)}},
        {"geometryType": "oriented_bbox", "points": some(2), "angle": 0.7},
        {"geometryType": "line", "points": {"exterior": some(5)}},
        {"geometryType": "point", "points": {"exterior": [[width // 2, height // 2]]}},
        {"geometryType": "bitmap", "bitmap": {"origin": [0, 0], "data": bitmap(mask)}},
        {"geometryType": "alpha_mask", "bitmap": {"origin": [5, -3], "data": bitmap(mask)}},
        {"geometryType": "cuboid_2d", "vertices": dict(zip(corners, box, strict=True))},
        {"geometryType": "cuboid", "points": some(6), "faces": [[0, 1, 2, 3], [2, 3, 4, 5]]},
    ]
    return [m | {"classTitle": CLASSES[i % 3]} for i, m in enumerate(made)]


class Bench:
    """One item, exported again and again."""

    def __init__(
        self, folder: Path, image: bytes, height: int, width: int, things: list[Json], name: str
    ) -> None:
        self.folder = self.place = folder
        (folder / name).write_bytes(image)
        note = {"size": {"height": height, "width": width}, "objects": things}
        (folder / "a.json").write_bytes(orjson.dumps(note))
        self.item = Item("ds", name, str(folder / name), str(folder / "a.json"), "a.png")
        self.runs = 0

    def export(self, config: SaveMasks, budget: Budget) -> tuple[Outcome, Path]:
        """Export to a folder of its own -> what became of it, and the data set's folder."""
        self.runs += 1
        out = self.place / f"out{self.runs}"
        out.mkdir()
        sink = Sink(config.settings, Plan.of(config), Store(out))
        done = export_item(self.item, Line((sink,), budget, Scratch()))
        return done, out / "ds"

    def whole(self, **changes: object) -> dict[str, NDArray[Any]]:
        """Pixels of the masks that are made in memory."""
        done, out = self.export(layer(**changes), Budget(GIB))
        assert done.error is None
        return decoded(out)

    def strips(self, rows: int | None, threads: int = 1, **changes: object) -> Path:
        """Folder of the masks that are made in strips."""
        config = layer(strips_above_megapixels=0, **changes)
        done, out = self.export(config, Budget(GIB, threads, rows))
        if done.error is not None:
            raise done.error
        assert sorted(done.outputs()) == sorted(f"ds/{p.relative_to(out)}" for p in all_files(out))
        return out


def all_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def decoded(out: Path) -> dict[str, NDArray[Any]]:
    """Pixels of the masks by their folder; files must be sound."""
    found = {}
    for path in sorted(out.glob("masks_*/*")):
        if path.suffix == ".png":
            chunks_of(path.read_bytes())
            with Image.open(path) as image:
                image.verify()
        source = pyvips.Source.new_from_file(os.fsencode(path))
        pixels = pyvips.Image.new_from_source(source, "", fail_on="warning").numpy()
        found[path.parent.name] = pixels.reshape(pixels.shape[0], pixels.shape[1], -1)
    return found


def same(found: dict[str, NDArray[Any]], expected: dict[str, NDArray[Any]]) -> None:
    assert found.keys() == expected.keys()
    for name, pixels in expected.items():
        assert found[name].dtype == pixels.dtype
        assert np.array_equal(found[name], pixels), name


def encoded(pixels: NDArray[np.uint8], kind: str, **options: Any) -> bytes:
    if kind == "bmp":
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "bmp")
        return file.getvalue()
    return bytes(pyvips.Image.new_from_array(pixels).write_to_buffer("." + kind, **options))


def photo(folder: Path) -> Bench:
    """A picture with objects of every geometry."""
    height, width = 150, 90
    image = encoded(original("photo", height, width, np.random.default_rng(3)), "png")
    return Bench(folder, image, height, width, objects(height, width), "a.png")
