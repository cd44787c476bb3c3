"""The tutorial does what it says, and the manual is a site."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from support import ROOT
from support.documents import DOCS, blocks
from support.projects import call


def commands(page: str) -> list[list[str]]:
    """The commands of savemasks that a page shows, without the demo's."""
    lines = [
        line.strip().split() for line in page.splitlines() if line.startswith("    savemasks ")
    ]
    return [line[1:] for line in lines if line[1] != "demo"]


@pytest.mark.usefixtures("warm")
def test_the_tutorial_leads_to_a_data_set(
    demo_project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("savemasks.cli.commands.PROCESSES", False)
    (tmp_path / "lemons").symlink_to(demo_project)
    shown = commands(DOCS["tutorial"])
    assert [line[0] for line in shown] == ["stats", "init", "check", "run"]
    for line in shown:
        code, text = call(*line)
        assert code == 0, text
    assert text.splitlines()[-1] == "open first/masks/gallery/index.html"
    if not find_spec("torch"):  # its download is large
        stand_in = ModuleType("torch.utils.data")
        stand_in.DataLoader = Batches  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
        monkeypatch.setitem(sys.modules, "torch.utils", ModuleType("torch.utils"))
        monkeypatch.setitem(sys.modules, "torch.utils.data", stand_in)
    known: dict[str, Any] = {}
    capsys.readouterr()
    for block in blocks(DOCS["tutorial"], "python"):
        assert sum(map(bool, block.splitlines())) <= 20
        exec(block, known)  # noqa: S102  (our own)
    printed = re.findall(r"\(\[?(.+?)\]?\)", capsys.readouterr().out)  # of NumPy, or PyTorch
    shapes = [tuple(map(int, shape.split(","))) for shape in printed]
    assert shapes == [(4, 3, 256, 256), (4, 256, 256), (2, 3, 256, 256), (2, 256, 256)]
    assert len(known["dataset"]) == len(known["painted"]) == 6
    pixels, labels = known["dataset"][1]
    assert (pixels.shape, pixels.dtype) == ((3, 256, 256), np.float32)
    assert (labels.shape, labels.dtype) == ((256, 256), np.int64)
    counted = []
    for name in ("dataset", "painted"):  # their orders differ
        found = [known[name][number][1] for number in range(6)]
        counted.append(np.bincount(np.concatenate(found).ravel(), minlength=3))
    assert np.abs(counted[0] - counted[1]).max() < 0.01 * 6 * labels.size
    assert (counted[0] > 0).all()


class Batches:
    """What `torch.utils.data.DataLoader` does, as far as the tutorial needs it."""

    def __init__(self, dataset: Any, *, batch_size: int, shuffle: bool) -> None:
        self._dataset, self._size, self._shuffle = dataset, batch_size, shuffle

    def __iter__(self) -> Iterator[tuple[NDArray[Any], ...]]:
        order = np.arange(len(self._dataset))
        if self._shuffle:
            np.random.default_rng().shuffle(order)
        for at in range(0, len(order), self._size):
            items = [self._dataset[number] for number in order[at : at + self._size].tolist()]
            yield tuple(np.stack(each) for each in zip(*items, strict=True))


@pytest.mark.slow
def test_the_manual_is_a_site(tmp_path: Path) -> None:
    pytest.importorskip("mkdocstrings", reason="needs the extra `docs`")
    pytest.importorskip("material", reason="needs the extra `docs`")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", tmp_path],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for page in (*DOCS, "index", "reference", "settings-reference", "architecture", "benchmarks"):
        assert (tmp_path / f"{page}.html").is_file()
    text = (tmp_path / "reference.html").read_text()
    assert 'id="savemasks.Painter.labels"' in text
    assert "strips_above_megapixels" in (tmp_path / "settings-reference.html").read_text()
