"""Tiny projects on disk, the command line in this process, and what must come out.

What must come out is computed here with NumPy alone, pixel by pixel, and compared exactly.
"""

import io
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from savemasks.cli.commands import main
from savemasks.cli.demo import CONFIG
from savemasks.layers.file_names import LEGEND_FILES

Json: TypeAlias = dict[str, Any]
Tree: TypeAlias = dict[str, object]
"""Contents by relative path: bytes, or (mode, pixels) of a mask."""

SCRIPT = str(Path(sysconfig.get_path("scripts"), "savemasks"))
"""The installed command."""

WIDTH, HEIGHT = 12, 8
GRAY, COLOR = 100, (255, 0, 0)  # of kiwi, in the configuration of the specification
KIWI: Json = {
    "classTitle": "kiwi",
    "geometryType": "rectangle",
    "points": {"exterior": [[2, 1], [7, 4]], "interior": []},
}
"""The object of a picture for which a test asks no other: rows 1 to 4, columns 2 to 7."""


def pixels_of(seed: int) -> NDArray[np.uint8]:
    """Draw noise (HEIGHT, WIDTH, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def picture(seed: int = 0, kind: str = "PNG") -> bytes:
    """Encode `pixels_of(seed)`."""
    file = io.BytesIO()
    Image.fromarray(pixels_of(seed)).save(file, kind)
    return file.getvalue()


def annotation(*objects: object, **changes: object) -> bytes:
    """Encode an annotation of a picture of WIDTH x HEIGHT with some keys replaced."""
    whole = {"size": {"height": HEIGHT, "width": WIDTH}, "objects": [*objects], "tags": []}
    return json.dumps(whole | changes).encode()


def files(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder; folders that are empty are not seen.

    Journals are left out, and so are legends, which are tested by themselves.
    """
    return {
        str(Path(path, name).relative_to(folder)): Path(path, name).read_bytes()
        for path, _, names in os.walk(folder)
        for name in names
        if Path(path, name).is_file()
        and ".savemasks" not in Path(path).parts
        and name not in LEGEND_FILES
    }


def decode(content: bytes) -> tuple[str, bytes]:
    """Mode and pixels of a PNG that must be sound to the last byte."""
    with Image.open(io.BytesIO(content)) as image:
        image.verify()
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        return image.mode, image.tobytes()


def tree(folder: Path) -> Tree:
    """Every file of an output, masks decoded."""
    return {
        name: decode(content) if "/masks_" in name else content
        for name, content in files(folder).items()
    }


@dataclass
class Project:
    """A Supervisely project on disk, and what its good items must become.

    Attributes
    ----------
    folder
        Where it is.
    expected
        The output of the items added so far by `add`, and `meta.json`.
    """

    folder: Path
    classes: tuple[str, ...] = ("kiwi", "lemon")
    expected: Tree = field(default_factory=dict)

    def __post_init__(self) -> None:
        classes = [{"title": c, "shape": "any", "color": "#00ff00"} for c in self.classes]
        meta = json.dumps({"classes": classes, "tags": [], "projectType": "images"}).encode()
        self.put("meta.json", meta)
        self.expected["meta.json"] = meta

    def put(self, name: str, content: bytes) -> Path:
        """Write any file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def add(
        self,
        name: str = "good.png",
        dataset: str = "ds",
        *,
        mask: str | None = None,
        ann: str | None = None,
        bare: bool = False,
    ) -> None:
        """Add a good item: a picture of noise with one kiwi, or with nothing if bare.

        `mask` is the name that its masks must get, `ann` that of its annotation.
        """
        seed = len(self.expected)
        stem = os.path.splitext(name)[0]  # pathlib's changes between Pythons
        mask, ann = mask or f"{stem}.png", ann or f"{name}.json"
        content, note = picture(seed), annotation(*([] if bare else [KIWI]))
        for part, text in ((f"{dataset}/img/{name}", content), (f"{dataset}/ann/{ann}", note)):
            self.put(part, text)
            self.expected[part] = text
        machine, page = np.zeros((HEIGHT, WIDTH), np.uint8), pixels_of(seed)
        painted = page.copy()
        if not bare:
            machine[1:5, 2:8] = GRAY
            kiwi = page[1:5, 2:8].astype(int)
            painted[1:5, 2:8] = (kiwi + np.array(COLOR)) >> 1
        green = np.full((HEIGHT, 1, 3), (0, 255, 0), np.uint8)
        human = np.concatenate([page, green, painted], axis=1)
        self.expected[f"{dataset}/masks_machine/{mask}"] = "L", machine.tobytes()
        self.expected[f"{dataset}/masks_human/{mask}"] = "RGB", human.tobytes()

    def add_bad(
        self, image: bytes | None, note: bytes | None, name: str = "bad.png", dataset: str = "ds"
    ) -> None:
        """Add what must not be exported; None leaves the file out."""
        if image is not None:
            self.put(f"{dataset}/img/{name}", image)
        if note is not None:
            self.put(f"{dataset}/ann/{name}.json", note)

    def without(self, *parts: str) -> Tree:
        """What is expected, without the files of some folders such as "masks_human"."""
        return {k: v for k, v in self.expected.items() if not {*parts} & {*k.split("/")}}


@dataclass(frozen=True)
class Export:
    """What one call of the command line did."""

    code: int
    output: str
    report: Json
    tree: Tree

    @property
    def errors(self) -> dict[str | None, Json]:
        """What the report says of the items that failed, by name."""
        return {i["name"]: i["error"] for i in self.report["items"] if "error" in i}


def layer(**settings: object) -> Json:
    """The layer of the specification with some settings replaced; None removes one."""
    base: Any = CONFIG["settings"]
    merged = {k: v for k, v in {**base, **settings}.items() if v is not None}
    return {**CONFIG, "settings": merged}


def call(*arguments: object) -> tuple[int, str]:
    """Exit code and all that is printed; an exception that is not meant for the user is raised."""
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


Runner: TypeAlias = Callable[..., Export]


def savemasks(cwd: Path, *arguments: str, setup: str = "", **env: str) -> tuple[int, str, str]:
    """Run the installed command; `setup` is Python that its process executes before.

    Returns
    -------
    Exit code, standard output and standard error.
    """
    launcher = f"import os, sys\n{setup}\nos.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", launcher, SCRIPT, *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"} | env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def names(folder: Path) -> list[str]:
    """Sorted names of what a folder holds."""
    return sorted(path.name for path in folder.iterdir())


def same(found: Mapping[str, object], expected: Mapping[str, object]) -> None:
    """Compare two trees; a difference names the files before it shows contents."""
    assert sorted(found) == sorted(expected)
    assert [name for name in found if found[name] != expected[name]] == []


def mount(*arguments: object) -> bool:
    try:
        done = subprocess.run(
            ["mount", *map(str, arguments)],
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0
