"""What forked children make, compared with what their parent made before.

    python -m support.forking WAY [CASE ...]

`WAY` is "fork" or "pool". The parent has used libvips, whose threads a child does not have. What
takes too long in a child is said to hang.
"""

import base64
import io
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from PIL import Image

import savemasks
from savemasks.cli.demo import CONFIG, write_project
from savemasks.encode.pages import PageStyle, encode_page
from savemasks.results.verify import verify
from savemasks.run.check import check
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from support.payloads import chunk
from support.projects import KIWI, Project, annotation, files, layer, pixels_of

SECONDS = 100.0
"""After which a child hangs."""

Case = Callable[[Path], Any]
PAINTER = savemasks.Painter(savemasks.SaveMasks.from_json(CONFIG))
PIXELS = pixels_of(5)


def by_pillow(form: str, mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, form, **options)
    return file.getvalue()


def deep(pixels: Any) -> bytes:
    """A PNG of 16 bits."""
    return bytes(pyvips.Image.new_from_array(pixels.astype(np.uint16) * 257).pngsave_buffer())


PICTURES = {
    "TIFF": by_pillow("TIFF"),
    "WebP": by_pillow("WEBP", lossless=True),
    "CMYK JPEG": by_pillow("JPEG", "CMYK"),
    "16-bit PNG": deep(PIXELS),
    "GIF": by_pillow("GIF"),
    "BMP": by_pillow("BMP"),
    "PNG": by_pillow("PNG"),
    "JPEG": by_pillow("JPEG"),
}
MASK = deep(np.dstack([np.eye(5)] * 4))
# All chunks are sound, but there are too few pixels.
SHORT_MASK = MASK[:33] + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
ODD = ("TIFF", "WebP", "16-bit PNG")


def watched(function: Callable[[], Any]) -> Any:
    """What a function returns in a child made by `os.fork`, which is killed if it hangs."""
    inner, outer = Pipe()
    pid = os.fork()
    if pid == 0:
        try:
            inner.send(function())
        finally:
            sys.stdout.flush()
            os._exit(1)
    inner.close()
    try:
        return outer.recv() if outer.poll(SECONDS) else "hangs"
    except EOFError:
        return "has died"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def human(data: bytes) -> Any:
    """A human page, or the error."""
    try:
        return PAINTER.human(annotation(KIWI), data).tolist()
    except savemasks.SavemasksError as error:
        return type(error).__name__, str(error)


def decoded(name: str, _: Path) -> Any:
    return human(PICTURES[name])


def labels(png: bytes) -> Any:
    """The label map of one bitmap, or the error."""
    data = base64.b64encode(zlib.compress(png)).decode()
    bitmap = {"classTitle": "kiwi", "geometryType": "bitmap"}
    try:
        note = annotation(bitmap | {"bitmap": {"origin": [1, 1], "data": data}})
        return PAINTER.labels(note).tolist()
    except savemasks.SavemasksError as error:
        return type(error).__name__, str(error)


def pages(_: Path) -> Any:
    """A page as JPEG and as WebP."""
    return [b"".join(encode_page(PIXELS, PageStyle(format=form))) for form in ("jpeg", "webp")]


def side_by_side(_: Path) -> Any:
    """Pictures that threads decode at the same time."""
    made: dict[int, Any] = {}

    def decode(number: int) -> None:
        made[number] = human(PICTURES[ODD[number % len(ODD)]])

    threads = [threading.Thread(target=decode, args=(number,)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [made[number] for number in range(9)]


def project(folder: Path) -> Project:
    """A project with pictures of all kinds, one of them damaged."""
    made = Project(folder / "project")
    names = ((name, f"{name.replace(' ', '')}.{name[-4:].strip().lower()}") for name in PICTURES)
    for name, file in names:
        made.put(f"ds/img/{file}", PICTURES[name])
        made.put(f"ds/ann/{file}.json", annotation(KIWI))
    made.put("ds/img/bad.webp", PICTURES["WebP"][:60])
    made.put("ds/ann/bad.webp.json", annotation(KIWI))
    return made


def exported(folder: Path, **settings: object) -> Any:
    config = savemasks.SaveMasks.from_json(layer(**settings))
    out = folder / f"out{len(settings)}"
    done = savemasks.export(project(folder).folder, out, config, workers=2)
    return (
        files(out),
        done.images,
        [str(failure).partition("bad.webp")[1:] for failure in done.failures],
    )


def checked(folder: Path) -> Any:
    config = savemasks.SaveMasks.from_json(layer())
    survey = check(config, [project(folder).folder], RunOptions(workers=1))
    return survey.items, survey.failed, survey.bytes, survey.notes()


def verified(folder: Path) -> Any:
    run(savemasks.SaveMasks.from_json(layer()), [project(folder).folder], folder / "out")
    (machine, *_) = sorted(folder.rglob("masks_machine/*.png"))
    before = verify(folder / "out", workers=2)
    machine.write_bytes(b"")
    return before, verify(folder / "out", workers=2)


def demo(folder: Path) -> Any:
    write_project(folder / "lemons")
    return files(folder)


def in_a_grandchild(folder: Path) -> Any:
    """What this process makes before and after a child of it has made the same."""
    pages = [human(PICTURES["WebP"])]
    return [*pages, watched(lambda: human(PICTURES["WebP"])), human(PICTURES["WebP"])]


CASES: dict[str, Case] = {
    **{name: partial(decoded, name) for name in PICTURES},
    "damaged WebP": lambda _: human(PICTURES["WebP"][:60]),
    "no picture": lambda _: human(b"no picture"),
    "16-bit payload": lambda _: labels(MASK),
    "damaged payload": lambda _: labels(SHORT_MASK),
    "pages": pages,
    "threads": side_by_side,
    "grandchild": in_a_grandchild,
    "export": exported,
    "TIFF output": lambda folder: exported(folder, format="tiff"),
    "strips": lambda folder: exported(folder, strips_above_megapixels=0, format="png"),
    "JPEG pages": lambda folder: exported(folder, human_format="jpeg"),
    "WebP pages in strips": lambda folder: exported(
        folder, human_format="webp", strips_above_megapixels=0, images=False
    ),
    "check": checked,
    "verify": verified,
    "demo": demo,
}


def attempt(name: str, folder: Path) -> Any:
    """What a case makes, or the traceback of what it did not mean to raise."""
    folder.mkdir(parents=True)
    try:
        return CASES[name](folder)
    except BaseException:
        return traceback.format_exc()


def forked(names: Sequence[str], folder: Path) -> Iterator[Any]:
    """By a child for each; its parent has just used libvips, whose idle threads end in time."""
    for name in names:
        human(PICTURES["WebP"])
        yield watched(partial(attempt, name, folder / name))


def pooled(names: Sequence[str], folder: Path) -> Iterator[Any]:
    """By workers for all of it that are daemons, as data loaders do."""
    human(PICTURES["WebP"])
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for result in [pool.apply_async(attempt, (name, folder / name)) for name in names]:
            try:
                yield result.get(SECONDS)
            except multiprocessing.TimeoutError:
                yield "hangs"


def main(way: str, *some: str) -> None:
    """Print by the names of cases what went wrong, or nothing."""
    names = some or tuple(CASES)
    with tempfile.TemporaryDirectory() as folder:
        expected = {name: attempt(name, Path(folder, "parent", name)) for name in names}
        place = Path(folder, way)
        made = pooled(names, place) if way == "pool" else forked(names, place)
        wrong = {}
        for name, found in zip(names, made, strict=True):
            says, should = repr(found), repr(expected[name])
            if says != should or "Traceback" in says:
                wrong[name] = f"{says[-2000:]} instead of {should[-2000:]}"
    print(json.dumps(wrong))


if __name__ == "__main__":
    main(*sys.argv[1:])
