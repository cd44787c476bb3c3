"""Pictures that are too large for a browser, as pyramids of tiles."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyvips

from .label_pictures import Labels

TILE = 512
_QUALITY = 85


def original_tiles(content: str | bytes, folder: Path) -> None:
    """Write tiles `LEVEL/COLUMN_ROW.jpg` of an original; raises `pyvips.Error`.

    Level 0 fits into a tile, the last one has the picture's size.
    """
    how = {"access": "sequential", "fail_on": "error"}
    if isinstance(content, bytes):
        image = pyvips.Image.new_from_buffer(content, "", **how)
    else:
        image = pyvips.Image.new_from_file(content, **how)
    if image.hasalpha():
        image = image.flatten()
    _save(image.autorot(), folder, f".jpg[Q={_QUALITY}]", "mean")


def label_tiles(
    labels: pyvips.Image, folder: Path, script: Callable[[str, bytes], None]
) -> tuple[tuple[int, int], Labels]:
    """Write tiles of a label map, each by `script`; returns its height, width and smallest level.

    Smaller levels take every other pixel, so they mix no classes.
    """
    if labels.format == "ushort":
        labels = (labels & 255).bandjoin([labels >> 8, 0]).cast("uchar")
    _save(labels, folder, ".png", "nearest")
    first = pyvips.Image.new_from_file(str(folder / "0/0_0.png"))
    pixels = np.frombuffer(first.write_to_memory(), np.uint8)
    pixels = pixels.reshape(first.height, first.width, first.bands)
    values: Labels = pixels[..., 0]
    if first.bands > 1:
        values = pixels[..., 0] + (pixels[..., 1].astype(np.uint16) << 8)
    for tile in folder.glob("*/*.png"):
        script(str(tile.with_suffix("")), tile.read_bytes())
        tile.unlink()
    return (labels.height, labels.width), values


def _save(image: pyvips.Image, folder: Path, suffix: str, shrink: str) -> None:
    name = folder.with_name(folder.name + "-")
    image.dzsave(
        str(name), suffix=suffix, tile_size=TILE, overlap=0, depth="onetile", region_shrink=shrink
    )
    name.with_name(name.name + ".dzi").unlink()
    made = name.with_name(name.name + "_files")
    folder.mkdir(parents=True, exist_ok=True)
    for level in sorted(made.iterdir()):
        if level.is_dir():
            target = folder / level.name
            target.mkdir(exist_ok=True)
            for tile in level.iterdir():
                tile.rename(target / tile.name)
    shutil.rmtree(made)
