"""`savemasks.export` inside of programs: arguments, an event that ends it, failures, logging."""

import dataclasses
import json
import logging
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import savemasks
from savemasks.cli.demo import CONFIG
from savemasks.results.report import Failure
from savemasks.run.export import run
from support.projects import Project

LAYER = savemasks.SaveMasks.from_json(CONFIG)
wrong: Any = savemasks.export


@pytest.fixture
def good(project: Project) -> Project:
    for name in ("a.png", "b.png", "c.png"):
        project.add(name)
    return project


# ------------------------------------------------------------------ arguments


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((5, "out", LAYER), {}, "^projects must be a folder or several, each a str or a Path"),
        (([5], "out", LAYER), {}, "^projects must be a str or a Path, not int"),
        ((b"p", "out", LAYER), {}, "^projects must be a str or a Path, as os.fsdecode makes it"),
        ((["p", b"p"], "out", LAYER), {}, "^projects must be a str or a Path, as os.fsdecode"),
        (("p", b"out", LAYER), {}, "^out must be a str or a Path, as os.fsdecode makes it"),
        (("p", None, LAYER), {}, "^out must be a str or a Path, not NoneType"),
        (("p", "out", LAYER), {"report": b"r"}, "^report must be a str or a Path, as os.fsdecode"),
        (("p", "out", LAYER), {"workers": True}, "^workers must be a number of threads or None"),
        (("p", "out", LAYER), {"part": 3}, r"^part must be two numbers, as \(2, 3\) for .*: 3"),
        (("p", "out", LAYER), {"part": "2/3"}, r"^part must be two numbers, as \(2, 3\) for"),
        (("p", "out", LAYER), {"stop": True}, "^stop must be a threading.Event, not bool"),
    ],
)  # fmt: skip
def test_arguments_of_a_wrong_kind_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, options: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TypeError, match=message):
        wrong(*arguments, **options)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ((4, 3), "of 3 parts, the number must be from 1 to 3: 4"),
        ((0, 3), "of 3 parts, the number must be from 1 to 3: 0"),
        ((1, 0), "there must be at least one part, not 0"),
        ((1, 2, 3), "part must be two numbers"),
        ((True, 2), "part must be two numbers"),
    ],
)
def test_parts_that_cannot_be_are_refused(tmp_path: Path, part: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong("p", tmp_path / "out", LAYER, part=part)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.usefixtures("warm")
def test_parts_export_all_together(good: Project, tmp_path: Path) -> None:
    options: Any = {"workers": 1}
    found = [
        savemasks.export(good.folder, tmp_path, LAYER, part=(number, 2), **options).images
        for number in (1, 2)
    ]
    assert sum(found) == 3
    log = tmp_path / LAYER.dst / ".savemasks/parts/2-of-2/errors.jsonl"
    summary = savemasks.export(good.folder, tmp_path, LAYER, part=(2, 2), **options)
    assert summary.error_logs == (log,)


@pytest.mark.usefixtures("warm")
def test_paths_may_be_any_that_are_paths(good: Project, tmp_path: Path) -> None:
    class Elsewhere:
        def __init__(self, path: Path) -> None:
            self.path = path

        def __fspath__(self) -> str:
            return os.fspath(self.path)

    summary = savemasks.export([Elsewhere(good.folder)], Elsewhere(tmp_path / "out"), LAYER)
    assert (summary.images, summary.failed) == (3, 0)


@pytest.mark.parametrize(
    ("argument", "error", "said"),
    [
        ("projects", savemasks.ProjectError, "projects: an empty text is no path"),
        ("out", savemasks.OutputError, "out: an empty text is no path"),
        ("report", savemasks.OutputError, "report: an empty text is no path"),
        ("cluster", ValueError, "cluster must be an address or None, not an empty text"),
    ],
)
def test_an_empty_text_is_not_the_current_folder(
    good: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    argument: str,
    error: type[Exception],
    said: str,
) -> None:
    monkeypatch.chdir(good.folder)
    given: Any = {"projects": good.folder, "out": tmp_path / "out", "layer": LAYER, argument: ""}
    for text in ("", [""]) if argument == "projects" else ("",):
        with pytest.raises(error, match=f"^{said}$"):
            savemasks.export(**given | {argument: text})
    assert not (tmp_path / "out").exists()


def test_a_report_is_a_file_of_this_machine(
    good: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    with pytest.raises(savemasks.OutputError, match=r"^memory://a/r\.json: is an address; a re"):
        savemasks.export(good.folder, out, LAYER, report="memory://a/r.json")
    assert not out.exists()
    savemasks.export(good.folder, out, LAYER, report=f"file://{tmp_path}/r.json")
    assert json.loads((tmp_path / "r.json").read_bytes())["images"] == 3


@pytest.mark.parametrize("place", ["", "out", "ds/out"])
@pytest.mark.parametrize("is_linked", [False, True])
def test_an_output_folder_inside_of_its_project_is_refused(
    good: Project, tmp_path: Path, place: str, is_linked: bool
) -> None:
    out = good.folder / place
    if is_linked:
        (tmp_path / "link").symlink_to(good.folder)
        out = tmp_path / "link" / place
    before = sorted(good.folder.rglob("*"))
    told = r"is inside of the project .* choose a folder outside"
    with pytest.raises(savemasks.OutputError, match=told):
        savemasks.export(good.folder, out, LAYER)
    with pytest.raises(savemasks.OutputError, match=told):
        run(LAYER, [good.folder], out)
    assert sorted(good.folder.rglob("*")) == before


# ------------------------------------------------------------------ ending it


@pytest.mark.usefixtures("warm")
def test_an_event_ends_the_export_which_returns(project: Project, tmp_path: Path) -> None:
    for i in range(40):
        project.add(f"{i:02}.png")
    stop = threading.Event()

    def on_progress(done: int, _failed: int, _total: int) -> None:
        if done == 2:
            threading.Thread(target=stop.set).start()
            assert stop.wait(10)

    summary = savemasks.export(
        project.folder, tmp_path / "out", LAYER, workers=1, on_progress=on_progress, stop=stop
    )
    assert summary.interrupted
    assert 2 <= summary.images < 40
    assert not [path for path in summary.out.rglob("*") if path.name.endswith(".part")]
    again = savemasks.export(project.folder, tmp_path / "out", LAYER, stop=threading.Event())
    assert (again.interrupted, again.images + again.skipped) == (False, 40)


@pytest.mark.usefixtures("warm")
def test_ctrl_c_is_none_of_the_callers_event(good: Project, tmp_path: Path) -> None:
    stop = threading.Event()

    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        savemasks.export(good.folder, tmp_path / "out", LAYER, on_progress=interrupt, stop=stop)
    assert not stop.is_set()


# ------------------------------------------------------------------ failures


@pytest.mark.usefixtures("warm")
def test_failures_are_records(good: Project, tmp_path: Path) -> None:
    bad = json.loads((good.folder / "ds/ann/a.png.json").read_bytes())
    bad["objects"] = [5]
    good.add_bad((good.folder / "ds/img/a.png").read_bytes(), json.dumps(bad).encode(), "0.png")
    good.add_bad(b"no picture", (good.folder / "ds/ann/a.png.json").read_bytes(), "1.png")
    report = tmp_path / "report.json"
    summary = savemasks.export(good.folder, tmp_path / "out", LAYER, report=report)
    first, second = summary.failures
    note = str(good.folder / "ds/ann/0.png.json")
    assert first == Failure(
        dataset="ds", name="0.png", kind="annotation", message="is not a JSON object", file=note,
        object=0, line=f"{note}: object 0: is not a JSON object",
    )  # fmt: skip
    assert str(first) == f"{note}: object 0: is not a JSON object"
    picture = str(good.folder / "ds/img/1.png")
    assert (second.name, second.kind, second.file) == ("1.png", "image", picture)
    assert str(second) == f"{picture}: {second.message}"
    assert second.object is None
    assert pickle.loads(pickle.dumps(first)) == first
    assert {first, second} == {*summary.failures}
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.kind = "x"  # type: ignore[misc]
    # The report has what it always had.
    told = {e["name"]: e["error"] for e in json.loads(report.read_bytes())["items"] if "error" in e}
    assert told["0.png"] == {"kind": "annotation", "message": str(first), "file": note, "object": 0}


# ------------------------------------------------------------------ logging


@pytest.mark.usefixtures("warm")
def test_what_happens_is_logged(
    good: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good.add_bad(b"no picture", b"{}", "0.png")
    with caplog.at_level(logging.INFO, "savemasks"):
        summary = savemasks.export(good.folder, tmp_path / "out", LAYER)
    records = [r for r in caplog.records if r.name == "savemasks"]
    assert len(records) == len(caplog.records)
    levels = [(r.levelname, r.getMessage()) for r in records]
    assert levels[0] == ("INFO", f"export to {summary.out} begins: 4 images and annotations")
    assert ("WARNING", str(summary.failures[0])) in levels
    assert {("WARNING", warning) for warning in summary.warnings} <= {*levels}
    assert levels[-1][0] == "INFO"
    assert levels[-1][1].startswith(f"export to {summary.out} ends: 3 exported, 1 failed, 0 finish")


@pytest.mark.usefixtures("warm")
def test_nothing_is_printed_or_configured(good: Project, tmp_path: Path) -> None:
    good.add_bad(b"no picture", b"{}", "0.png")
    program = f"""
import logging, savemasks
before = repr(logging.root.handlers), logging.root.level
layer = savemasks.SaveMasks.from_json({CONFIG!r})
assert savemasks.export({str(good.folder)!r}, {str(tmp_path / "out")!r}, layer).failed == 1
assert (repr(logging.root.handlers), logging.root.level) == before
assert logging.getLogger("savemasks").level == logging.NOTSET
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_a_graph_in_a_layer_s_place_is_told_its_own(tmp_path: Path) -> None:
    layers = [
        {"action": "data", "src": "lemons", "dst": "$0"},
        {"action": "save", "src": "$0", "dst": "copy"},
    ]
    graph = savemasks.Graph.from_json(layers)
    with pytest.raises(TypeError, match=r"^a graph comes first: export\(graph, projects, out\)$"):
        savemasks.export(tmp_path, tmp_path / "out", graph)  # type: ignore[call-overload]
