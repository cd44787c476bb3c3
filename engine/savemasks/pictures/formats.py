"""Formats by their first bytes: those that this installation cannot decode are refused by name."""

import re
import struct
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import NamedTuple

import pyvips

from ..errors import ImageError, UnreadFormatError

HEAD = 4096
"""How many bytes of a file are enough to tell its format."""
Reader = Callable[[int, int], bytes]

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"mif1", b"mif2", b"msf1", b"miaf"}
_SEQUENCES = {b"hevc", b"hevx", b"avis", b"msf1"}

_CONVERT = "convert it to PNG or JPEG"
_HELP = {"HEIC": "pip install 'savemasks[heic]', or " + _CONVERT}
_MAGICK = "magickload"


class _Kind(NamedTuple):
    """A format: how its files begin, and the loader of libvips for it, if libvips was built so."""

    name: str
    start: re.Pattern[bytes]
    loader: str = ""


def _kind(name: str, start: bytes, loader: str = "") -> _Kind:
    return _Kind(name, re.compile(start, re.DOTALL), loader)


_PICTURES = (
    _kind("JPEG XL", rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", "jxlload"),
    _kind("JPEG 2000", rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "jp2kload"),
    _kind("JPEG XR", rb"II\xbc[\0\1]", _MAGICK),
    _kind("PSD", rb"8BPS", _MAGICK),
    _kind("XCF", rb"gimp xcf ", _MAGICK),
    _kind("OpenEXR", rb"v/1\x01", "openexrload"),
    _kind("Radiance HDR", rb"#\?R(ADIANCE|GBE)", "radload"),
    _kind("DICOM", rb".{128}DICM", _MAGICK),
    _kind("FITS", rb"SIMPLE  = ", "fitsload"),
    _kind("NIfTI", rb"(\x5c\x01\0\0|\0\0\x01\x5c).{340}n[i+]1\0", "niftiload"),
    _kind("Netpbm", rb"P[1-7][ \t\r\n]|P[Ff]\n", "ppmload"),
    _kind("ICO", rb"\0\0[\1\2]\0[^\0]\0.{3}\0", _MAGICK),
    _kind("DDS", rb"DDS \x7c\0\0\0", _MAGICK),
    _kind("QOI", rb"qoif", _MAGICK),
    _kind("DjVu", rb"AT&TFORM", _MAGICK),
    _kind("camera RAW (CR3)", rb"....ftypcrx ", _MAGICK),
    _kind("camera RAW (CRW)", rb"II.{4}HEAPCCDR", _MAGICK),
    _kind("camera RAW (RAF)", rb"FUJIFILMCCD-RAW", _MAGICK),
    _kind("camera RAW (ORF)", rb"IIR[OS]|MMOR", _MAGICK),
    _kind("camera RAW (RW2)", rb"IIU\0", _MAGICK),
    _kind("camera RAW (X3F)", rb"FOVb", _MAGICK),
)
_OTHERS = (
    _kind("PDF", rb"%PDF-", "pdfload"),
    _kind("PostScript", rb"%!PS|\xc5\xd0\xd3\xc6", _MAGICK),
    _kind("SVG", rb"(\xef\xbb\xbf)?\s*(<\?xml.{0,1000}?)?<svg[\s>]", "svgload"),
    _kind("MP4 or QuickTime video", rb"....(ftyp|moov|mdat|wide)"),
    _kind("AVI video", rb"RIFF....AVI "),
    _kind("Matroska or WebM video", rb"\x1a\x45\xdf\xa3"),
    _kind("MPEG video", rb"\0\0\x01[\xb3\xba]"),
    _kind("WMV video", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    _kind("FLV video", rb"FLV\x01"),
)
_HTML = re.compile(
    rb"(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S
)
_LFS = b"version https://git-lfs"

_SUBFILE, _MAKE, _SUBIFDS, _DNG_VERSION = 254, 271, 330, 50706
_COMPRESSION, _PHOTOMETRIC = 259, 262
_JPEG, _YCBCR = {6, 7}, 6
_SHORT = 3
_REDUCED = 1  # such a part of a TIFF is a small copy of another part

# 64 x 64 black pixels, to see whether libvips can decode HEIC; the header it reads without that.
SMALL_HEIC = b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAVZtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    "AAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABegABAAAAAAAAABYAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABo"
    "dmMxAAAAAA5waXRtAAAAAAABAAAA1mlwcnAAAAC3aXBjbwAAAHhodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEA"
    "GEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqSSmubgIaDAgAAAMAyAAA"
    "AwAIQGIAAQAHRAHBcrAiQAAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAABBwaXhpAAAAAAMI"
    "CAgAAAAXaXBtYQAAAAAAAAABAAEEgQIDBAAAAB5tZGF0AAAAEigBrxOA5shoU///uuOnlGGjmA=="
)


def is_heic(head: bytes) -> bool:
    """Whether a file is HEIF with pictures compressed by HEVC."""
    return _heif_name(head) == "HEIC"


def refusal(head: bytes, cause: pyvips.Error) -> ImageError:
    """Why a file that begins so could not be opened by libvips, whose reason is `cause`."""
    if head.startswith(_LFS):
        return ImageError("cannot be decoded: it is a pointer of Git LFS; run `git lfs pull`")
    if _HTML.match(head):
        return ImageError("cannot be decoded: it is a page of HTML, perhaps one about an error")
    if name := _unread_heif(head) or _first(_PICTURES, head):
        return unread(name)
    if not _heif_name(head) and (name := _first(_OTHERS, head)):
        return ImageError(f"{name} is not supported by this installation; {_CONVERT}")
    return undecodable(cause)


def check_readable(image: pyvips.Image, size: tuple[int, int], read: Reader) -> None:
    """Raise `ImageError` if libvips has read the header, but cannot decode the picture rightly.

    Parameters
    ----------
    image
        What libvips has opened.
    size
        Its height and width, turned upright.
    read
        Returns bytes of the file; its arguments are the position of the first one, and how many.
    """
    codec = image.get("heif-compression") if image.get_typeof("heif-compression") else ""
    if codec == "hevc" and not _decodes_hevc():
        raise unread("HEIC", size)
    if not image.get("vips-loader").startswith("tiffload"):
        return
    tags = _tiff_tags(read)
    if name := _raw_name(tags, read(8, 2)):
        raise unread(name)
    if tags.get(_PHOTOMETRIC) == _YCBCR and tags.get(_COMPRESSION) not in _JPEG:
        raise ImageError("has samples of YCbCr, which only JPEG may have in a TIFF; save it as RGB")
    if image.interpretation == "scrgb":
        # libvips takes them to be from 0 to 1, but nothing says that they are.
        raise ImageError(f"has samples of type {image.format}; 8 and 16 bits are supported")


def unread(name: str, size: tuple[int, int] | None = None) -> UnreadFormatError:
    """The error of a format that this installation cannot decode, and what helps."""
    help_ = _HELP.get(name, _CONVERT)
    message = f"{name} is not supported by this installation; {help_}"
    return UnreadFormatError(message, picture_format=name, size=size)


def undecodable(error: pyvips.Error) -> ImageError:
    """The cause as libvips words it, without the trace of its operations."""
    lines = [line for line in error.detail.splitlines() if line.strip()]
    cause = lines[0].strip() if lines else str(error.message)
    return ImageError(f"cannot be decoded: {cause}")


def _first(kinds: tuple[_Kind, ...], head: bytes) -> str | None:
    """The format that a file has, if libvips has no loader for it."""
    for kind in kinds:
        if kind.start.match(head):
            return None if kind.loader and _has_loader(kind.loader) else kind.name
    return None


@cache
def _has_loader(name: str) -> bool:
    return bool(pyvips.type_find("VipsOperation", name))


@cache
def _decodes_hevc() -> bool:
    with suppress(pyvips.Error):
        return bool(pyvips.Image.new_from_buffer(SMALL_HEIC, "").avg() >= 0)
    return False


def _heif_name(head: bytes) -> str | None:
    """HEIC, AVIF, or HEIF for other codecs; None for other files."""
    if head[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(head[:4]), len(head))
    brands = [head[8:12], *(head[i : i + 4] for i in range(16, end, 4))]
    if brands[0] not in _HEIC_BRANDS | _AVIF_BRANDS | _HEIF_BRANDS:
        return None
    for brand in brands:
        if brand in _HEIC_BRANDS:
            return "HEIC"
        if brand in _AVIF_BRANDS:
            return "AVIF"
    return "HEIF"


def _tiff_tags(read: Reader) -> dict[int, int]:
    """First values of the tags of a TIFF's first picture; BigTIFF has none here."""
    byte_order = "<" if read(0, 2) == b"II" else ">"
    if read(0, 4) not in {b"II*\0", b"MM\0*"}:
        return {}
    try:
        (first,) = struct.unpack(byte_order + "I", read(4, 4))
        (count,) = struct.unpack(byte_order + "H", read(first, 2))
        entries = list(struct.iter_unpack(byte_order + "HHI4s", read(first + 2, 12 * count)))
    except struct.error:
        return {}
    return {
        tag: struct.unpack_from(byte_order + ("H" if kind == _SHORT else "I"), value)[0]
        for tag, kind, _, value in entries
    }


def _unread_heif(head: bytes) -> str | None:
    """HEIF's kind, if libvips cannot even open it; else it is damaged."""
    name = _heif_name(head)
    if name and head[8:12] in _SEQUENCES:
        return f"{name} sequence"
    return name if name and not _has_loader("heifload") else None


def _raw_name(tags: dict[int, int], mark: bytes) -> str | None:
    """What a camera has written as a TIFF whose first picture is a small copy.

    libvips would decode that copy.
    """
    if mark == b"CR" and _MAKE in tags:
        return "camera RAW (CR2)"
    if not tags.get(_SUBFILE, 0) & _REDUCED:
        return None
    if _DNG_VERSION in tags:
        return "camera RAW (DNG)"
    return "camera RAW" if _MAKE in tags and _SUBIFDS in tags else None
