"""`savemasks demo`: a project, its export, and where to look."""

import json
import re
import shlex
from pathlib import Path

import pytest

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
    masks = {name for name in made if "/masks_" in name}
    assert len(masks) == 12
    for name in made.keys() - masks:
        assert made[name] == (folder / "lemons" / name).read_bytes()
    places = re.search(r"look at (.+) and (\w+);", text)
    assert places
    shown = Path(places[1])
    assert {path.suffix for kind in (shown, shown.with_name(places[2])) for path in kind.iterdir()}
    # The command that it shows does the same when it is pasted.
    (line,) = (line for line in text.splitlines() if line.startswith("  savemasks run "))
    (folder / "experiment001").rename(folder / "before")
    code, _ = call(*shlex.split(line)[1:])
    assert code == 0
    same(files(folder / "experiment001"), files(folder / "before"))


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
