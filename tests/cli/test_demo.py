"""`savemasks demo`: a project, its export, and where to look."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from savemasks.layers.save_masks import Settings
from support.projects import (
    Project,
    call,
    files,
    names,
    same,
)

SPECIFICATION = """
{"action": "save_masks", "src": ["$0"], "dst": "experiment001",
 "settings": {"masks_machine": true, "masks_human": true,
  "gt_machine_color": {"kiwi": [100, 100, 100], "lemon": [200, 200, 200]},
  "gt_human_color": {"kiwi": [255, 0, 0], "lemon": [27, 0, 255]}}}
"""


def test_the_demo_writes_project_and_config_exports_them_and_says_where_to_look(
    demo_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my demo"
    folder.mkdir()
    code, text = call("demo", "my demo")
    assert code == 0
    assert json.loads((folder / "save_masks.json").read_text()) == json.loads(SPECIFICATION)
    same(files(folder / "lemons"), files(demo_project))
    made = files(folder / "experiment001")
    pages = {name for name in made if name.startswith("gallery/")}
    assert text.splitlines()[-1] == "open my demo/experiment001/gallery/index.html"
    assert "gallery/index.html" in pages
    assert len(pages & {f"gallery/items/0/{n}.jpg" for n in range(6)}) == 6
    masks = {name for name in made if "/masks_" in name}
    assert len(masks) == 12
    for name in made.keys() - masks - pages:
        assert made[name] == (folder / "lemons" / name).read_bytes()
    places = re.search(r"look at (.+) and (\w+);", text)
    assert places
    shown = Path(places[1])
    assert {path.suffix for kind in (shown, shown.with_name(places[2])) for path in kind.iterdir()}
    # The commands that it shows do the same when they are pasted.
    lines = [line for line in text.splitlines() if line.startswith("  savemasks run ")]
    for line, made_by_it in zip(lines, ("experiment001", "all"), strict=True):
        (folder / made_by_it).rename(folder / "before")
        code, _ = call(*shlex.split(line)[1:])
        assert code == 0
        same(files(folder / made_by_it), files(folder / "before"))
        shutil.rmtree(folder / "before")
    check_all_masks(folder / "all")


def check_all_masks(results: Path) -> None:
    """Masks of all kinds that there are."""
    like, other = results / "like_the_application", results / "other_masks"
    kinds = {path.name for path in (*like.rglob("*"), *other.rglob("*")) if path.is_dir()}
    fields = {name for name in Settings.model_fields if name.startswith("masks_")}
    assert kinds & fields == fields
    assert (like / "market/masks_instances/fruit_table/lemon_01.png").exists()
    numbers = json.loads((other / "market/masks_instances/fruit_table.json").read_text())
    assert len(numbers) == 8
    for name in ("masks_machine", "masks_classes/fruit_table"):
        path = other / "market" / name
        assert {file.suffix for file in path.iterdir()} == {".png"}
    with Image.open(other / "market/masks_machine/fruit_table.png") as mask:
        assert mask.mode == "P"
        assert (mask.getpalette() or [])[3:6] == [0x73, 0xB3, 0x2A]
        assert {*np.unique(np.asarray(mask)).tolist()} == {1, 2, 255}


@pytest.fixture
def quick_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of the fruit, which take a second to draw, a project with one item; no processes."""
    monkeypatch.setattr("savemasks.cli.commands.PROCESSES", False)
    monkeypatch.setattr("savemasks.cli.demo.write_project", lambda folder: Project(folder).add())


@pytest.mark.usefixtures("quick_demo")
def test_a_second_demo_takes_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [call("demo")[0], call("demo")[0]] == [0, 0]
    assert names(tmp_path) == ["savemasks-demo", "savemasks-demo-2"]
    same(files(tmp_path / "savemasks-demo"), files(tmp_path / "savemasks-demo-2"))


@pytest.mark.usefixtures("quick_demo")
@pytest.mark.parametrize(
    ("folder", "message"), [("project", "is not empty"), ("file/demo", "cannot be written")]
)
def test_a_demo_folder_that_cannot_be_used_is_refused(
    work: Path, folder: str, message: str
) -> None:
    before = files(work)
    code, text = call("demo", folder)
    assert code == 2
    assert text.startswith(f"error: {folder}")
    assert message in text
    assert files(work) == before
