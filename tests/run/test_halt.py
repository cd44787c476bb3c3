"""A run that is to end gives up pictures in strips, which would take too long."""

import threading
from pathlib import Path

import orjson
import pytest

from savemasks.layers.save_masks import SaveMasks
from savemasks.run.export import run
from savemasks.run.options import Hooks, RunOptions
from support.projects import Project, layer, names

# It would take minutes, and a few kilobytes.
HUGE = {"size": {"height": 1 << 20, "width": 1 << 20}, "objects": []}
SMALL = {"size": {"height": 30, "width": 20}, "objects": []}


@pytest.mark.parametrize(
    ("workers", "form", "processes"),
    [
        *((1, "png", False), (2, "png", False), (2, "tiff", False), (2, "tiff", True)),
        *(pytest.param(n, "png", True, marks=pytest.mark.slow) for n in (1, 2)),
    ],
)
@pytest.mark.usefixtures("warm")
def test_a_large_picture_is_given_up_and_made_the_next_time(
    tmp_path: Path, workers: int, form: str, processes: bool
) -> None:
    note = tmp_path / "project/ds/ann/a.png.json"
    note.parent.mkdir(parents=True)
    (tmp_path / "project/meta.json").write_text('{"classes": []}')
    note.write_bytes(orjson.dumps(HUGE))
    config = SaveMasks.from_json(layer(masks_human=False, format=form, images=False))
    stop = threading.Event()
    folder = tmp_path / "out/experiment001/ds/masks_machine"

    def when_it_has_begun() -> None:
        while not (folder.exists() and names(folder)):
            pass
        stop.set()

    begun = threading.Thread(target=when_it_has_begun)
    begun.start()
    arguments = (config, [tmp_path / "project"], tmp_path / "out")
    options = RunOptions(workers=workers, processes=processes)
    summary = run(*arguments, options, Hooks(stop=stop))
    begun.join()
    assert (summary.interrupted, summary.images, summary.failed) == (True, 0, 0)
    assert names(folder) == []
    note.write_bytes(orjson.dumps(SMALL))
    summary = run(*arguments, options)
    assert (summary.images, summary.skipped, summary.failures) == (1, 0, [])
    assert len(names(folder)) == 1


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.usefixtures("warm")
def test_a_run_that_is_to_end_before_it_begins_makes_nothing(
    project: Project, tmp_path: Path, processes: bool
) -> None:
    project.add("a.png")
    stop = threading.Event()
    stop.set()
    arguments = SaveMasks.from_json(layer()), [project.folder], tmp_path / "out"
    summary = run(*arguments, RunOptions(workers=1, processes=processes), Hooks(stop=stop))
    assert (summary.interrupted, summary.images, summary.failed) == (True, 0, 0)
    assert "ds" not in names(tmp_path / "out/experiment001")
