"""`savemasks check`: everything read, nothing written."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from savemasks.cli import commands as cli
from savemasks.layers.save_masks import SaveMasks
from savemasks.run import check as check_module
from savemasks.run.check import check
from savemasks.run.export import run
from savemasks.run.options import Hooks, RunOptions
from support.projects import KIWI, Project, annotation, files, layer, picture

LAYER = SaveMasks.from_json(layer())
pytestmark = pytest.mark.usefixtures("warm")


def size(folder: Path) -> int:
    return sum(len(content) for content in files(folder).values())


@pytest.mark.parametrize("processes", [False, True])
def test_a_check_finds_what_a_run_would_and_writes_nothing(
    project: Project, tmp_path: Path, processes: bool
) -> None:
    for i in range(10):
        project.add(f"{i}.png")
    project.add_bad(b"no picture", annotation(), "image.png")
    project.add_bad(picture(), b"{", "note.png")
    project.add_bad(picture(), None, "lonely.png")
    project.add_bad(None, annotation(), "orphan.png")
    before = files(tmp_path)
    told: list[tuple[int, int, int]] = []
    survey = check(
        LAYER,
        [project.folder],
        RunOptions(processes=processes, workers=2),
        Hooks(on_progress=lambda *n: told.append(n)),
    )
    assert files(tmp_path) == before
    assert told[-1] == (14, 4, 14)
    summary = run(LAYER, [project.folder], tmp_path / "out")
    assert (survey.items, survey.failed) == (14, summary.failed)
    assert survey.failures == summary.failures
    assert (survey.images_without_annotation, survey.annotations_without_image) == (1, 1)
    assert survey.sampled == 10
    meta = len(project.put("meta.json", (project.folder / "meta.json").read_bytes()).read_bytes())
    assert survey.bytes == size(tmp_path / "out") - meta
    assert survey.seconds > 0


def test_of_many_items_some_are_tried(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_module, "_SAMPLES", 20)
    for i in range(100):
        project.add(f"{i}.png")
    survey = check(LAYER, [project.folder], RunOptions(workers=1))
    assert 5 <= survey.sampled <= 50
    run(LAYER, [project.folder], tmp_path / "out")
    assert abs(survey.bytes / size(tmp_path / "out") - 1) < 0.05


def test_a_check_of_the_command_line(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "PROCESSES", False)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(layer()))
    project.classes = ("kiwi", "lemon", "melon")
    project.__post_init__()
    project.add()
    project.add_bad(picture(), annotation(KIWI, {"classTitle": "kiwi", "geometryType": "odd"}))
    project.add_bad(b"", annotation(), "z.png")
    project.add_bad(None, annotation(), "y.png")
    done = CliRunner().invoke(cli.main, ["check", str(config), str(project.folder)])
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert f"would fail: {project.folder}/ds/img/z.png: the file is empty" in lines
    assert "note: classes without a colour, which are not painted: melon" in lines
    assert "note: annotations without image: 1" in lines
    assert "note: objects that this version does not paint: 1 x 'odd'" in lines
    assert "4 items read, of which 2 would fail" in lines
    pattern = r"a run would take about 0:00:00 with \d+ workers, and 0\.0 MB .from 2 items that"
    assert re.match(pattern, lines[-1])


def test_an_empty_project_promises_nothing(project: Project) -> None:
    assert check(LAYER, [project.folder]).forecast() == "nothing can be exported"
