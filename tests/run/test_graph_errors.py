"""Graphs that meet wrong input: all is told at once, and nothing is written before."""

import json
from pathlib import Path

import orjson
import pytest

from savemasks.errors import ConfigError, OutputError, ProjectError
from savemasks.layers.graph import Graph
from savemasks.run.check import check
from savemasks.run.options import RunOptions
from support.graphs import COLORS, each_alone, make, two_sinks, write_projects
from support.layers import data, rename, save, save_masks
from support.projects import Project, annotation, call, files, picture, same
from support.resuming import done, journal, touch

pytestmark = pytest.mark.usefixtures("warm")


@pytest.fixture
def projects(tmp_path: Path) -> list[Path]:
    return write_projects(tmp_path / "in")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


# ---------------------------------------------------------------- before the first item


def test_everything_that_is_not_there_is_told_at_once(
    projects: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Project(tmp_path / "in/empty")
    (tmp_path / "in/none").mkdir()
    config = [
        data("lemon/*", "$0"),
        data(["lemons/markets", "lemons/market/dee", "lemons/ds"], "$1"),
        save(["$0", "$1", "$2", "$3", "$4"], "both"),
        data("limes/ds/*", "$2"),
        data("empty/x", "$3"),
        data("none", "$4"),
    ]
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    before = files(tmp_path)
    code, text = call("run", "config.json", "in/limes", "--projects=in", "--out=out")
    assert code == 2
    lines = text.splitlines()
    lemons = 'in/lemons: data set "{}" is not there (did you mean "{}"?): the data sets are "ds",'
    starts = [
        'error: layer 1 (data): project "lemon" is not there (did you mean "lemons"?): the',
        f"error: layer 2 (data): {lemons.format('markets', 'market')}",
        f"error: layer 2 (data): {lemons.format('market/dee', 'market/deep')}",
        'error: layer 5 (data): in/empty: data set "x" is not there: it has none',
        "error: layer 6 (data): in/none: is not a Supervisely project: it has no meta.json",
    ]
    assert len(lines) == len(starts)
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(start)
    assert files(tmp_path) == before
    assert not (tmp_path / "out").exists()
    code, checked = call("check", "config.json", "in/limes", "--projects=in")
    assert (code, checked) == (2, text)


def test_classes_without_entry_are_told_of_all_layers(projects: list[Path], out: Path) -> None:
    config = [
        data("lemons", "$0", classes_mapping={"kiwi": "fruit"}),
        data("limes", "$1", classes_mapping={"lemon": "fruit", "kiwi2": "x"}),
        save(["$0", "$1"], "both"),
        save("$0", "one"),
    ]
    with pytest.raises(ConfigError) as caught:
        make(config, projects, out)
    named = [(p[:14], p.partition("class ")[2].partition(" has")[0]) for p in caught.value.problems]
    assert named == [("layer 1 (data)", '"lemon"'), ("layer 2 (data)", '"kiwi"')]
    assert not out.exists()


def test_classes_that_only_annotations_have_need_no_entry(projects: list[Path], out: Path) -> None:
    mapping = {"kiwi": "__ignore__", "lemon": "lemon"}
    summary = make(
        [data("lemons", "$0", classes_mapping=mapping), save("$0", "copy")], projects, out
    )
    assert summary.failed == 0
    (note,) = [each for each in summary.warnings if "stone" in each]
    assert "all background" not in note  # there are no masks


def test_results_inside_of_a_project_are_refused(projects: list[Path], tmp_path: Path) -> None:
    before = files(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(projects[0])
    for out in (projects[0], link / "new"):
        with pytest.raises(OutputError, match=r"/masks: is inside of the project .*lemons"):
            make(two_sinks(), projects, out)
    config = two_sinks()
    config[4]["dst"] = "lemons/copy"
    with pytest.raises(OutputError, match="lemons/copy: is inside of the project"):
        make(config, projects, projects[0].parent)
    assert files(tmp_path) == before


def test_a_folder_with_foreign_files_is_refused_before_any_result_is_made(
    projects: list[Path], out: Path
) -> None:
    (out / "copy").mkdir(parents=True)
    (out / "copy/mine").write_bytes(b"mine")
    with pytest.raises(OutputError, match="copy: is not an empty folder"):
        make(two_sinks(), projects, out)
    assert files(out) == {"copy/mine": b"mine"}
    assert not (out / "masks").exists()


def test_two_folders_of_one_name_are_told_apart_by_nobody(
    projects: list[Path], tmp_path: Path, out: Path
) -> None:
    write_projects(tmp_path / "other")
    given = [projects[0], tmp_path / "other/lemons"]
    with pytest.raises(ProjectError, match='project "lemons": several folders have the name'):
        make(two_sinks(), given, out)
    assert not out.exists()


def test_a_folder_of_projects_that_is_not_there_is_told(tmp_path: Path, out: Path) -> None:
    with pytest.raises(ProjectError, match=r"layer 1 \(data\): .*nowhere: cannot be read"):
        make(two_sinks(), [], out, below=[tmp_path / "nowhere"])
    assert not out.exists()


def test_projects_that_nobody_names_are_noted(projects: list[Path], out: Path) -> None:
    summary = make(two_sinks(), projects, out)
    assert f"projects that no layer names: {projects[1]}" in summary.warnings


# ---------------------------------------------------------------- items


BAD = {
    "annotation": (None, b"{", "annotation"),
    "image": (b"no picture", None, "image"),
    "half an image": (picture()[:-40], None, "image"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_broken_item_leaves_nothing_in_any_result(
    projects: list[Path], tmp_path: Path, out: Path, what: str
) -> None:
    image, note, kind = BAD[what]
    for part, content in (("img/b.png", image), ("ann/b.png.json", note)):
        if content is not None:
            (projects[0] / "ds" / part).write_bytes(content)
    expected = each_alone(two_sinks(), projects, tmp_path / "alone")
    summary = make(two_sinks(), projects, out)
    assert done(summary) == (3, 1, 0, 0)
    assert summary.failures[0].kind == kind
    found = files(out)
    same(found, expected)
    assert not [name for name in found if "/ds/" in name and "/b.png" in name]
    for name in ("masks", "copy"):
        assert orjson.loads(journal(out / name)["ds/b.png"]["error"])["kind"] == kind


def test_a_foreign_file_in_one_result_costs_its_item(projects: list[Path], out: Path) -> None:
    mine = out / "copy/ds/visualize/a.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    summary = make(two_sinks(), projects, out, force=True)
    assert done(summary) == (3, 1, 0, 0)
    (failure,) = summary.failures
    assert str(failure) == f"{mine}: exists and was not made by savemasks; move it away"
    assert mine.read_bytes() == b"mine"
    made = [name for name in files(out) if "/ds/" in name and "/a.png" in name]
    assert made == ["copy/ds/visualize/a.png"]
    for name in ("masks", "copy"):
        assert journal(out / name)["ds/a.png"]["error"] is not None
    mine.rename(out.parent / "mine")  # as the message says
    assert done(make(two_sinks(), projects, out)) == (1, 0, 3, 0)
    touch(projects[0] / "ds/img/a.png")
    assert done(make(two_sinks(), projects, out)) == (1, 0, 3, 0)  # the file is ours now


def test_a_file_that_cannot_be_written_in_one_result_leaves_none_in_the_other(
    projects: list[Path], out: Path
) -> None:
    make(two_sinks(), projects[:1], out)
    (projects[0] / "ds/ann/a.png.json").write_bytes(annotation())
    victim = out / "copy/ds/visualize"
    for path in victim.iterdir():
        path.unlink()
    victim.rmdir()
    victim.write_bytes(b"")
    summary = make(two_sinks(), projects, out)
    assert done(summary) == (0, 1, 3, 0)
    assert not [name for name in files(out) if "/ds/" in name and "/a.png" in name]
    victim.unlink()
    assert done(make(two_sinks(), projects, out)) == (1, 0, 3, 0)


def test_a_data_set_that_cannot_be_listed_is_one_failure_of_all_results(
    projects: list[Path], tmp_path: Path, out: Path
) -> None:
    folder = projects[0] / "ds/ann"
    moved = folder.rename(tmp_path / "moved")
    folder.write_bytes(b"")
    summary = make(two_sinks(), projects, out)
    assert done(summary) == (2, 1, 0, 0)
    assert summary.failures[0].kind == "folder"
    for name in ("masks", "copy"):
        assert journal(out / name)["ds/"]["error"] is not None
    folder.unlink()
    moved.rename(folder)
    assert done(make(two_sinks(), projects, out)) == (2, 0, 2, 0)
    assert len(journal(out / "copy")) == 4


# ---------------------------------------------------------------- check


def test_check_tells_what_a_run_of_all_results_would_find(
    projects: list[Path], out: Path, tmp_path: Path
) -> None:
    config = [
        data("lemons", "$0", classes_mapping={"kiwi": "fruit", "__other__": "__default__"}),
        data("limes/other", "$1"),
        rename("$0", "$2", cherry="fruit"),
        save_masks(["$1", "$2"], "masks", gt_machine_color=COLORS),
        save(["$0", "$1"], "copy", visualize=True),
    ]
    (projects[0] / "ds/ann/a.png.json").write_bytes(b"{")
    graph = Graph.from_json(json.dumps(config))
    before = files(tmp_path)
    survey = check(graph, projects, RunOptions(workers=2))
    assert files(tmp_path) == before
    assert (survey.items, survey.failed, survey.sampled) == (5, 1, 4)
    summary = make(config, projects, out)
    assert [str(failure) for failure in survey.failures] == [str(f) for f in summary.failures]
    assert survey.notes() == summary.warnings
    assert 'layer 3 (rename): no class "cherry" flows into it' in summary.warnings
    sizes = [len(content) for name, content in files(out).items() if not name.endswith("meta.json")]
    assert survey.sample_bytes == sum(sizes)
