"""Graphs that go on: each result has its own journal, and only what is missing there is made."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from savemasks.errors import OutputError
from savemasks.results.journal import Journal
from savemasks.results.lock import HIDDEN, Lock
from savemasks.results.verify import verify
from savemasks.run.export import retry
from savemasks.run.options import Hooks, RunOptions
from support.graphs import below, each_alone, make, two_sinks, write_projects
from support.layers import data, rename, save, save_masks
from support.projects import Json, annotation, files, same
from support.resuming import done, journal, times, touch

pytestmark = pytest.mark.usefixtures("warm")

ITEMS = ["ds/a.png", "ds/b.png", "market/a.png", "market/datasets/deep/c.png"]


@pytest.fixture
def projects(tmp_path: Path) -> list[Path]:
    return write_projects(tmp_path / "in")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def items(out: Path, name: str) -> list[str]:
    """Items of a result that its journal calls finished."""
    return [item for item, row in journal(out / name).items() if row["error"] is None]


def masked(times: dict[str, int]) -> dict[str, int]:
    return {name: time for name, time in times.items() if not name.endswith("meta.json")}


def changed(out: Path, before: dict[str, int]) -> set[str]:
    """Files, besides meta.json, that were written since."""
    return {n for n, time in masked(times(out)).items() if before.get(n) != time}


# ---------------------------------------------------------------- going on


def test_what_is_finished_in_all_results_is_left(projects: list[Path], out: Path) -> None:
    assert done(make(two_sinks(), projects, out)) == (4, 0, 0, 0)
    before = times(out)
    assert done(make(two_sinks(), projects, out)) == (0, 0, 4, 0)
    assert changed(out, before) == set()


def test_a_sink_that_is_added_is_made_and_the_others_are_left(
    projects: list[Path], tmp_path: Path, out: Path
) -> None:
    expected = each_alone(two_sinks(), projects, tmp_path / "alone")
    make(two_sinks()[:-1], projects, out)
    before = times(out)
    assert done(make(two_sinks(), projects, out)) == (4, 0, 0, 0)
    assert {name.split("/")[0] for name in changed(out, before)} == {"copy"}
    same(files(out), expected)


def test_only_what_one_result_lacks_is_made(
    projects: list[Path], tmp_path: Path, out: Path
) -> None:
    make(two_sinks(), projects, out)
    expected = files(out)
    shutil.rmtree(out / "copy")
    before = times(out)
    summary = make(two_sinks(), projects, out)
    assert (summary.images, summary.skipped) == (4, 0)
    assert changed(out, before) == {
        f"copy/{name}" for name in below(expected, "copy") if name != "meta.json"
    }
    same(files(out), expected)


def test_a_run_that_stopped_is_completed_in_all_results(
    projects: list[Path], tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("savemasks.run.threads._IN_FLIGHT_PER_WORKER", 1)
    expected = each_alone(two_sinks(), projects, tmp_path / "alone")
    stop = threading.Event()
    hooks = Hooks(stop=stop, on_progress=lambda *_: stop.set())
    first = make(two_sinks(), projects, out, hooks, workers=1)
    assert first.interrupted
    assert items(out, "masks") == items(out, "copy")
    assert 1 <= len(items(out, "masks")) <= 2  # the second may have begun
    before = times(out)
    second = make(two_sinks(), projects, out)
    assert done(second) == (4 - first.images, 0, first.images, 0)
    assert not changed(out, before) & {*before}
    same(files(out), expected)


def test_a_changed_annotation_is_made_anew_in_all_results(projects: list[Path], out: Path) -> None:
    make(two_sinks(), projects, out)
    before = times(out)
    (projects[0] / "ds/ann/b.png.json").write_bytes(annotation())
    assert done(make(two_sinks(), projects, out)) == (1, 0, 3, 0)
    assert changed(out, before) == {
        *(f"masks/ds/{name}" for name in ("masks_machine/b.png", "masks_human/b.png",
                                          "img/b.png", "ann/b.png.json")),
        *(f"copy/ds/{name}" for name in ("visualize/b.png", "img/b.png", "ann/b.png.json")),
    }  # fmt: skip


def test_a_changed_picture_matters_only_to_results_that_show_it(
    projects: list[Path], out: Path
) -> None:
    config = [
        data("lemons", "$0"),
        save_masks("$0", "bare", images=False),
        save("$0", "copy"),
    ]
    make(config, projects, out)
    before = times(out)
    touch(projects[0] / "ds/img/a.png")
    assert done(make(config, projects, out)) == (1, 0, 3, 0)
    assert changed(out, before) == {"copy/ds/img/a.png", "copy/ds/ann/a.png.json"}


def test_classes_are_counted_where_there_are_masks_alone(projects: list[Path], out: Path) -> None:
    make(two_sinks(), projects, out)
    for name, count in (("masks", 4), ("copy", 0)):
        opened = Journal(out / name, read_only=True)
        with closing(opened):
            opened.generation = 1
            assert (opened.count(), len([*opened.counts()])) == (4, count)


def test_items_that_are_gone_are_told_once(projects: list[Path], out: Path) -> None:
    make(two_sinks(), projects, out)
    for name in ("img/a.png", "ann/a.png.json"):
        (projects[0] / "ds" / name).unlink()
    shutil.rmtree(projects[0] / "market")
    summary = make(two_sinks(), projects, out)
    assert done(summary) == (0, 0, 1, 3)
    (note,) = [note for note in summary.warnings if "no longer" in note]
    assert note.startswith("3 finished items are no longer in the projects")


# ---------------------------------------------------------------- other settings


CHANGES: dict[str, tuple[Callable[[list[Json]], object], str]] = {
    "setting of a class layer": (
        lambda config: config[1]["settings"]["classes_mapping"].update(kiwi="vegetable"),
        "layer 2 of this result (rename): settings.classes_mapping was ",
    ),
    "setting of the sink": (
        lambda config: config[3]["settings"].update(line_width=3),
        "layer 4 of this result (save_masks): settings.line_width was 1 and is 3",
    ),
    "data sets": (
        lambda config: config[0].update(src="lemons/ds"),
        'layer 1 of this result (data): src was ["lemons"] and is ["lemons/ds"]',
    ),
    "a layer more": (
        lambda config: config.__setitem__(slice(2, 4), [config[3] | {"src": "$1"}]),
        "the layers were data, rename, background, save_masks and are data, rename, save_masks",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_graph_is_refused_and_restart_makes_it_anew(
    projects: list[Path], tmp_path: Path, out: Path, change: str
) -> None:
    make(two_sinks(), projects, out)
    before, contents = times(out), files(out)
    config, (act, told) = two_sinks(), CHANGES[change]
    act(config)
    with pytest.raises(OutputError) as caught:
        make(config, projects, out)
    assert str(caught.value).startswith(f"{out}/masks: was begun with other settings: ")
    assert told in str(caught.value)
    assert times(out) == before
    summary = make(config, projects, out, restart=True)
    assert done(summary) == ((2, 0, 0, 2) if change == "data sets" else (4, 0, 0, 0))
    expected = each_alone(config, projects, tmp_path / "alone")
    found = files(out)
    if change == "data sets":  # what is no longer selected stays
        found = {name: content for name, content in found.items() if "/market/" not in name}
        assert "masks/market/ann/a.png.json" in contents
    same(found, expected)


def test_what_changes_for_another_result_does_not_matter(projects: list[Path], out: Path) -> None:
    make(two_sinks(), projects, out)
    before = times(out)
    config = two_sinks()
    config[4]["settings"]["visualize"] = False
    config.insert(1, rename("$0", "$x", kiwi="other"))
    config.append(save("$x", "third"))
    with pytest.raises(OutputError, match="copy: was begun with other settings"):
        make(config, projects, out)
    assert not (out / "third").exists()
    config.pop(5)
    assert done(make(config, projects, out)) == (4, 0, 0, 0)
    assert {name.split("/")[0] for name in changed(out, before)} == {"third"}


def test_a_result_that_is_refused_changes_no_other(projects: list[Path], out: Path) -> None:
    make([two_sinks()[0], two_sinks()[4]], projects, out)
    errors = out / "copy" / HIDDEN / "errors.jsonl"
    errors.write_bytes(b"of an earlier run\n")
    config = two_sinks()
    config[4]["settings"]["visualize"] = False
    with pytest.raises(OutputError, match="copy: was begun with other settings"):
        make(config, projects, out)
    assert not (out / "masks").exists()
    lock = Lock(out / "copy")
    try:
        with pytest.raises(OutputError, match="copy: another savemasks is at work here"):
            make(two_sinks(), projects, out, restart=True)
    finally:
        lock.close()
    assert not (out / "masks").exists()
    assert errors.read_bytes() == b"of an earlier run\n"
    changed_masks = two_sinks()
    changed_masks[3]["settings"]["line_width"] = 2
    assert done(make(changed_masks, projects, out)) == (4, 0, 0, 0)


def test_restart_of_results_that_are_in_use_outdates_none(projects: list[Path], out: Path) -> None:
    make(two_sinks(), projects, out)
    lock = Lock(out / "copy")
    try:
        with pytest.raises(OutputError, match="copy: another savemasks is at work here"):
            make(two_sinks(), projects, out, restart=True)
    finally:
        lock.close()
    assert done(make(two_sinks(), projects, out)) == (0, 0, 4, 0)


@pytest.mark.parametrize("visualize", [True, False])
def test_other_colors_in_meta_json_matter_to_pages_that_show_them(
    projects: list[Path], out: Path, visualize: bool
) -> None:
    config = [data("lemons", "$0"), save("$0", "copy", visualize=visualize)]
    make(config, projects, out)
    meta = projects[0] / "meta.json"
    meta.write_bytes(meta.read_bytes().replace(b"#00ff00", b"#0000ff"))
    if visualize:
        with pytest.raises(OutputError, match=r"shown colours of the classes in meta\.json have"):
            make(config, projects, out)
    else:
        assert done(make(config, projects, out)) == (0, 0, 4, 0)
        assert (out / "copy/meta.json").read_bytes() == meta.read_bytes()


# ---------------------------------------------------------------- retry and verify


def test_failed_items_fail_in_all_results_and_are_retried_in_each(
    projects: list[Path], tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = (projects[0] / "ds/ann/a.png.json").read_bytes()
    (projects[0] / "ds/ann/a.png.json").write_bytes(b"{")
    report = tmp_path / "report.json"
    monkeypatch.chdir(tmp_path)
    summary = make(two_sinks(), [Path("in/lemons")], Path("out"), report=report)
    assert done(summary) == (3, 1, 0, 0)
    for name in ("masks", "copy"):
        assert orjson.loads(journal(out / name)["ds/a.png"]["error"])["kind"] == "annotation"
        (line,) = (out / name / HIDDEN / "errors.jsonl").read_bytes().splitlines()
        assert (orjson.loads(line)["dataset"], orjson.loads(line)["name"]) == ("ds", "a.png")
    (failed,) = [each for each in json.loads(report.read_bytes())["items"] if "error" in each]
    assert (failed["dataset"], failed["name"]) == ("ds", "a.png")
    (projects[0] / "ds/ann/a.png.json").write_bytes(good)
    monkeypatch.chdir("/")
    assert done(retry(out / "copy", RunOptions(workers=1))) == (1, 0, 0, 0)
    assert len(items(out, "copy")) == 4
    assert len(items(out, "masks")) == 3
    with pytest.raises(OutputError, match=r"holds several results: name one, as .*/out/copy"):
        retry(out)
    before = times(out)
    assert done(make(two_sinks(), projects, out)) == (1, 0, 3, 0)
    assert {name.split("/")[0] for name in changed(out, before)} == {"masks"}
    same(files(out), each_alone(two_sinks(), projects, tmp_path / "alone"))


def test_each_journal_has_its_own_names_of_data_sets(projects: list[Path], out: Path) -> None:
    (projects[1] / "ds/ann/a.png.json").write_bytes(b"{")
    config = [
        data("lemons", "$0"),
        data("limes", "$1"),
        save(["$0", "$1"], "both"),
        save("$1", "limes"),
    ]
    make(config, projects, out)
    for name, dataset in (("both", "limes__ds"), ("limes", "ds")):
        assert f"{dataset}/a.png" in journal(out / name)
        (line,) = (out / name / HIDDEN / "errors.jsonl").read_bytes().splitlines()
        assert orjson.loads(line)["dataset"] == dataset


def test_damage_is_found_and_repaired_in_the_result_that_has_it(
    projects: list[Path], out: Path
) -> None:
    make(two_sinks(), projects, out)
    expected = files(out)
    victim = out / "copy/market/visualize/a.png"
    victim.write_bytes(victim.read_bytes()[:-1])
    assert verify(out / "masks").damaged == 0
    assert verify(out / "copy").damaged == 1
    before = times(out)
    assert done(retry(out / "copy", RunOptions(workers=1))) == (1, 0, 0, 0)
    assert {name.rpartition("/")[2] for name in changed(out, before)} == {"a.png", "a.png.json"}
    same(files(out), expected)


def test_projects_are_found_again_by_retry(
    projects: list[Path], tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those below a folder, by relative paths, and links."""
    (tmp_path / "store").mkdir()
    projects[1].rename(tmp_path / "store/current")
    projects[1].symlink_to(tmp_path / "store/current")
    bad = tmp_path / "store/current/other/ann/z.png.json"
    good = bad.read_bytes()
    bad.write_bytes(b"[]")
    monkeypatch.chdir(tmp_path)
    config = [data("lemons", "$0"), data("limes/other", "$1"), save(["$0", "$1"], "deep/both")]
    assert done(make(config, [], Path("out"), below=[Path("in")])) == (4, 1, 0, 0)
    bad.write_bytes(good)
    monkeypatch.chdir(out)
    assert done(retry(Path("deep"), RunOptions(workers=1))) == (1, 0, 0, 0)
    assert len(items(out, "deep/both")) == 5


# ---------------------------------------------------------------- options


def test_links_are_made_where_nothing_is_mapped(projects: list[Path], out: Path) -> None:
    summary = make(two_sinks(), projects, out, link=True, durable=True)
    assert summary.failed == 0
    source = projects[0] / "ds"
    for name in ("img/a.png", "ann/a.png.json"):
        before = (source / name).read_bytes()
        assert (out / "copy/ds" / name).samefile(source / name)
        assert (out / "masks/ds" / name).samefile(source / name) == (name == "img/a.png")
        assert (source / name).read_bytes() == before
    (source / "ann/a.png.json").unlink()
    (source / "ann/a.png.json").write_bytes(annotation())
    (source / "ann/b.png.json").unlink()
    (source / "ann/b.png.json").write_bytes(b"{")
    make(two_sinks(), projects, out)
    assert done(retry(out / "masks", RunOptions(workers=1)))[:2] == (0, 1)
    os.utime(source / "img/a.png", ns=(0, 1))
    make(two_sinks(), projects, out, restart=True)
    for name in ("masks", "copy"):
        assert (out / name / "ds/img/a.png").read_bytes() == (source / "img/a.png").read_bytes()
        assert not (out / name / "ds/img/a.png").samefile(source / "img/a.png")


def test_a_report_names_the_files_of_all_results(
    projects: list[Path], tmp_path: Path, out: Path
) -> None:
    report = tmp_path / "report.json"
    make(two_sinks(), projects, out, report=report)
    content = json.loads(report.read_bytes())
    written = [name for each in content["items"] for name in each["outputs"]]
    assert sorted(written) == sorted(n for n in files(out) if not n.endswith("meta.json"))
    assert content["out"] == str(out)
    (out / "copy/ds/img/a.png").unlink()
    shutil.rmtree(out / "copy")
    make(two_sinks(), projects, out, report=report)
    content = json.loads(report.read_bytes())
    assert {name.split("/")[0] for each in content["items"] for name in each["outputs"]} == {"copy"}


def test_the_most_failures_are_counted_once_for_all_results(
    projects: list[Path], out: Path
) -> None:
    for name in ("ds/ann/a.png.json", "ds/ann/b.png.json", "market/ann/a.png.json"):
        (projects[0] / name).write_bytes(b"{")
    summary = make(two_sinks(), projects, out, workers=1, max_errors=3)
    assert (summary.failed, summary.stopped) == (3, True)
    shutil.rmtree(out)
    summary = make(two_sinks(), projects, out, workers=1)
    assert (summary.failed, summary.images, summary.stopped) == (3, 1, False)


def test_progress_counts_items_and_not_files(projects: list[Path], out: Path) -> None:
    told: list[tuple[int, int, int]] = []
    make(two_sinks(), projects, out, Hooks(on_progress=lambda *n: told.append(n)))
    assert told == [(n, 0, 4) for n in (1, 2, 3, 4)]
