"""`samples`: what was packed, sample by sample, as arrays."""

import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyvips
from numpy.typing import NDArray

from .. import jsontext
from ..errors import ImageError, OutputError, SavemasksError, printable
from ..forks import by_libvips
from ..pictures.decode_jpeg import with_end
from ..pictures.decode_pillow import open_whole
from ..pictures.decode_vips import upright
from ..pictures.formats import HEAD, refusal
from ..pictures.vips_errors import with_own_message
from ..projects.locations import Location, as_path, location_of
from ..remote import Url
from .open_shards import check_end, opened_shard, reason_of

Folder = str | os.PathLike[str]
_INDEX = "index.json"


@dataclass(frozen=True, slots=True, eq=False)
class PackedSample:
    """What one image became in a result that was packed with `pack="webdataset"`.

    Attributes
    ----------
    key
        The data set and the name of the image without its ending, "%" and "." in them as "%25" and
        "%2E".
    parts
        By what follows the key and a dot in the names of members, as "jpg", "json", "machine.png":
        pictures as arrays (height, width) or (height, width, channels) of uint8, uint16 or int32,
        EXIF orientation applied, JSON as what it means.
    """

    key: str
    parts: Mapping[str, Any]


def samples(shards: Folder | Iterable[Folder]) -> Iterator[PackedSample]:
    """Read samples in their order; one is in memory at a time.

    Parameters
    ----------
    shards
        A folder with a packed result, one of its shards, or several shards; or their addresses, as
        "s3://bucket/out/masks".

    Yields
    ------
    PackedSample
        Key and parts; those of a folder in the order of its index.

    Raises
    ------
    OutputError
        If a shard cannot be read, is not an archive, has a tree of files instead of samples, or
        JSON that is none.
    ImageError
        If a picture cannot be decoded.
    TypeError
        If an argument is of the wrong kind.

    Examples
    --------
    >>> import savemasks
    >>> savemasks.export(project, out, layer, workers=1, pack="webdataset").images
    6
    >>> for sample in savemasks.samples(out / layer.dst):
    ...     machine, annotation = sample.parts["machine.png"], sample.parts["json"]
    >>> machine.dtype, machine.ndim, annotation["size"]["height"] == machine.shape[0]
    (dtype('uint8'), 2, True)
    """
    return _read_all(_paths(shards))  # errors of arguments come at once


def _paths(shards: Folder | Iterable[Folder]) -> list[Location]:
    if isinstance(shards, str | os.PathLike | Url):
        place = _place(shards)
        # At an address, a look would be a request more.
        is_folder = place.is_dir() if isinstance(place, Path) else place.name[-4:] != ".tar"
        return _of_folder(place) if is_folder else [place]
    try:
        return [_place(each) for each in shards]
    except TypeError:
        raise TypeError(
            "shards must be a folder, an archive or several, each a str or a Path, not"
            f" {type(shards).__name__}"
        ) from None


def _place(given: object) -> Location:
    if not isinstance(given, str | os.PathLike | Url):
        raise TypeError
    return as_path(location_of(given, "shards", OutputError))


def _of_folder(folder: Location) -> list[Location]:
    path = folder / _INDEX
    try:
        index = orjson.loads(path.read_bytes())
        has_samples = index["kind"] == "webdataset"
        paths = [folder / shard["name"] for shard in index["shards"]]
    except OSError as error:
        raise OutputError(
            f"{printable(path)}: cannot be read: {reason_of(error, path)}; a packed result has it"
            " when its run has ended"
        ) from error
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise OutputError(f"{printable(path)}: is not the index of a packed result") from error
    if not has_samples:
        raise _no_samples(folder)
    return paths


def _read_all(paths: list[Location]) -> Iterator[PackedSample]:
    for path in paths:
        try:
            yield from _read(path)
        except SavemasksError:
            raise
        except OSError as error:
            reason = reason_of(error, path)
            raise OutputError(f"{printable(path)}: cannot be read: {reason}") from error
        except tarfile.TarError as error:
            raise OutputError(f"{printable(path)}: is not a whole tar archive: {error}") from error


def _read(path: Location) -> Iterator[PackedSample]:
    """Read the samples of a shard."""
    key, parts = "", dict[str, Any]()
    with opened_shard(path) as archive:
        for info in iter(archive.next, None):
            vars(archive)["members"].clear()  # it would keep all that it has seen
            folder, _, name = info.name.rpartition("/")
            stem, _, part = name.partition(".")
            own = f"{folder}/{stem}"
            file = archive.extractfile(info)
            if not folder or not part or file is None:
                raise _no_samples(path)
            if own != key and parts:
                yield PackedSample(key, parts)
                parts = {}
            key = own
            parts[part] = _decoded(file.read(), part, f"{path}: {info.name}")
        check_end(archive)
    if parts:
        yield PackedSample(key, parts)


def _no_samples(path: Location) -> OutputError:
    return OutputError(
        f'{printable(path)}: holds a tree of files, not samples: pack with "webdataset"'
    )


def _decoded(content: bytes, part: str, shown: str) -> Any:
    if part == "json" or part.endswith(".json"):
        try:
            return jsontext.load(content)
        except ValueError as error:
            raise OutputError(
                f"{printable(shown)}: is no JSON that can be read: {error}"
            ) from error
    try:
        return _picture(content)
    except ImageError as error:
        raise ImageError(error.message, file=shown) from error


def _picture(content: bytes) -> NDArray[Any]:
    """Decode a picture, also one that libvips leaves to others; raises `ImageError`."""
    if whole := open_whole(content):
        return whole.pixels()
    try:
        shape, kind, data = by_libvips(with_own_message, partial(_pixels, content))
    except pyvips.Error as error:
        if mended := with_end(content):
            return _picture(mended)
        raise refusal(content[:HEAD], error) from error
    pixels = np.frombuffer(data, kind).reshape(shape)
    return pixels if pixels.shape[2] > 1 else pixels[..., 0]


_KINDS = {"uchar": "uint8", "ushort": "uint16", "int": "int32", "uint": "uint32"}


def _pixels(content: bytes) -> tuple[tuple[int, int, int], str, bytearray]:
    """Shape, type and bytes of a picture; of other types than those of pictures, as they are."""
    image = upright(pyvips.Image.new_from_buffer(content, "", fail_on="error"))  # as masks are
    kind = _KINDS.get(image.format, "float32")
    if image.format not in _KINDS:
        image = image.cast("float")
    shape = image.height, image.width, image.bands
    return shape, kind, bytearray(image.write_to_memory())
