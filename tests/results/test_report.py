"""What a run tells: totals, warnings, progress, and the JSON report."""

import json
import os
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from savemasks.cli.demo import CONFIG
from savemasks.errors import AnnotationError, OutputError, WriteError, printable
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import Files, Outcome
from savemasks.line.plan import Plan
from savemasks.projects.items import Item
from savemasks.results.report import ReportWriter, Summary, explain
from savemasks.run import threads, worker
from savemasks.run.export import run
from savemasks.run.options import Hooks, RunOptions
from savemasks.store.files import Written
from support.projects import Project, Runner, annotation, files, layer, names, picture, same, tree

LAYER = SaveMasks.from_json(CONFIG)
ITEM = Item("ds", "a.png", "ds/img/a.png", "ds/ann/a.png.json", "a.png")


# ---------------------------------------------------------------- totals and calls


@pytest.mark.parametrize("bad", [False, True])
def test_the_number_of_workers_changes_neither_files_nor_report(
    project: Project, demo_project: Path, export: Runner, bad: bool
) -> None:
    for i in range(30):
        project.add(f"{i}.png", f"ds{i % 3}")
        if bad and i % 7 == 0:
            project.add_bad(b"", annotation(), f"{i}x.png", "ds1")
    runs = [
        export(project.folder, demo_project, options=(f"--workers={workers}",))
        for workers in (1, 3)
    ]
    assert [done.code for done in runs] == [int(bad)] * 2
    one, three = (
        files(Path(done.report["out"])) | {"items": repr(done.report["items"]).encode()}
        for done in runs
    )
    same(one, three)
    assert len(runs[0].report["items"]) == 41 if bad else 36


def test_the_summary_counts_what_was_done(project: Project, tmp_path: Path) -> None:
    project.add("a.png")
    project.add("b.png", bare=True)
    project.add_bad(b"no image", annotation(), "c.png")
    line = {"classTitle": "lemon", "geometryType": "line", "points": {"exterior": [[1, 1]]}}
    odd = {"classTitle": "kiwi", "geometryType": "hexagon"}
    project.add_bad(picture(), annotation(line, odd, line), "d.png")
    summary = run(LAYER, [project.folder], tmp_path / "out")
    assert (summary.images, summary.failed, len(summary.failures)) == (3, 1, 1)
    assert summary.pixels == 3 * 8 * 12
    assert summary.geometries == {"rectangle": 1, "line": 2, "hexagon": 1}
    assert summary.unsupported == {"hexagon": 1}
    assert summary.warnings == []
    assert not summary.interrupted
    assert not summary.stopped
    assert set(summary.stations) == {"read", "parse", "paint", "count", "decode", "encode", "write"}
    assert summary.images_per_s == pytest.approx(3 / summary.seconds)


def test_classes_that_do_not_meet_are_one_warning_each(tmp_path: Path, export: Runner) -> None:
    project = Project(tmp_path / "project", ("kiwi", "zebra", "ape"))
    project.add()
    colors = {"kiwi": [100, 100, 100], "lemon": [9, 9, 9], "fig\x1b": [8, 8, 8]}
    config = {**layer(gt_machine_color=colors, speed="high"), "comment": ""}
    done = export(project.folder, config=config)
    assert done.code == 0
    assert done.report["warnings"] == [
        "classes of the config that no project has: fig\\x1b, lemon",
        "classes without a colour, which are not painted: ape, zebra",
        "keys of the config that have no effect: comment, settings.speed",
    ]
    notes = [line for line in done.output.splitlines() if line.startswith("note: ")]
    assert notes == [f"note: {warning}" for warning in done.report["warnings"]]


def test_a_mapping_that_is_not_requested_warns_of_nothing(project: Project, export: Runner) -> None:
    project.add()
    config = layer(masks_human=False, gt_human_color={"nobody": [1, 2, 3]})
    assert export(project.folder, config=config).report["warnings"] == []


@pytest.mark.parametrize("workers", [1, 3])
def test_progress_is_told_after_every_item(project: Project, tmp_path: Path, workers: int) -> None:
    for i in range(15):
        project.add(f"{i:02}.png")
    project.add_bad(None, annotation(), "07x.png")
    told: list[object] = []
    run(
        LAYER,
        [project.folder],
        tmp_path / "out",
        RunOptions(workers=workers),
        Hooks(
            on_progress=lambda *numbers: told.append(numbers),
            on_start=lambda: told.append("start"),
        ),
    )
    assert told == ["start", *((n, int(n > 8), 16) for n in range(1, 17))]


@pytest.mark.parametrize("workers", [1, 3])
def test_stop_ends_the_run_at_the_first_failure_and_leaves_finished_items_whole(
    project: Project, export: Runner, workers: int
) -> None:
    for i in range(40):
        project.add(f"{i:02}.png")
    project.add_bad(b"", annotation(), "03x.png")
    done = export(project.folder, options=("--on-error=stop", f"--workers={workers}"))
    assert done.code == 1
    assert done.report["stopped"] is True
    names = [item["name"] for item in done.report["items"]]
    assert names[:5] == ["00.png", "01.png", "02.png", "03.png", "03x.png"]
    assert len(names) == done.report["images"] + 1 < 41
    written = [name for item in done.report["items"] for name in item.get("outputs", [])]
    same(done.tree, {name: project.expected[name] for name in ["meta.json", *written]})


def test_interruption_keeps_finished_items_and_says_so(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(40):
        project.add(f"{i:02}.png")

    def progress(done: int, failed: int, total: int) -> None:
        assert (failed, total) == (0, 40)
        if done == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(threads, "_IN_FLIGHT_PER_WORKER", 2)
    report = tmp_path / "report.json"
    options = RunOptions(workers=2, report=report)
    summary = run(LAYER, [project.folder], tmp_path / "o", options, Hooks(on_progress=progress))
    assert summary.interrupted
    assert 5 <= summary.images <= 5 + 3
    content = json.loads(report.read_bytes())
    assert (content["interrupted"], len(content["items"])) == (True, summary.images)
    written = [name for item in content["items"] for name in item["outputs"]]
    same(tree(summary.out), {name: project.expected[name] for name in ["meta.json", *written]})


@pytest.mark.parametrize("error", [RuntimeError("boom"), MemoryError("boom"), OSError("boom")])
def test_an_unexpected_exception_is_reported_with_its_type_and_the_run_goes_on(
    project: Project, export: Runner, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for name in ("a.png", "z.png"):
        project.add(name)
    project.add_bad(picture(), annotation(description="break here"), "bad.png")
    genuine = Plan.parse

    def parse(plan: Plan, note: bytes, *more: Any) -> Any:
        if b"break here" in note:
            raise error
        return genuine(plan, note, *more)

    monkeypatch.setattr(Plan, "parse", parse)
    done = export(project.folder)
    file = str(project.folder / "ds/img/bad.png")
    message = f"{file}: unexpected {type(error).__name__}: boom"
    assert done.code == 1
    assert done.errors == {
        "bad.png": {"kind": "unexpected", "message": message, "file": file, "object": None}
    }
    assert f"failed: {message}" in done.output.splitlines()
    same(done.tree, project.expected)


def test_an_unexpected_exception_names_the_annotation_where_there_is_no_image(
    project: Project, export: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add_bad(None, annotation(), "bad.png")

    def parse(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(worker, "warm_up_all", lambda *_: None)
    monkeypatch.setattr(Plan, "parse", parse)
    done = export(project.folder, config=layer(masks_human=False, images=False))
    file = str(project.folder / "ds/ann/bad.png.json")
    error = done.errors["bad.png"]
    assert (error["file"], error["message"]) == (file, f"{file}: unexpected RuntimeError: boom")


# ---------------------------------------------------------------- the report


TOTALS = {
    "images": int,
    "failed": int,
    "skipped": int,
    "vanished": int,
    "seconds": float,
    "startup_seconds": float,
    "images_per_s": float,
    "megapixels": float,
    "stations": dict,
    "objects": dict,
    "unsupported_objects": dict,
    "unknown_class_objects": dict,
    "blank_images": int,
    "unread_formats": dict,
    "warnings": list,
    "interrupted": bool,
    "stopped": bool,
    "out": str,
    "items": list,
}


def test_the_report_is_complete(project: Project, export: Runner) -> None:
    project.add("a.png")
    project.add("b.png", "ds/datasets/child", bare=True)
    bitmap = {
        "classTitle": "kiwi",
        "geometryType": "bitmap",
        "bitmap": {"data": "", "origin": [0, 0]},
    }
    project.add_bad(picture(), annotation(bitmap), "c.png")
    done = export(project.folder)
    report = done.report
    assert {key: type(value) for key, value in report.items()} == TOTALS
    assert (report["images"], report["failed"], report["objects"]) == (2, 1, {"rectangle": 1})
    assert report["megapixels"] == round(2 * 8 * 12 / 1e6, 3)
    assert Path(report["out"]).name == "experiment001"
    items = {item["name"]: item for item in report["items"]}
    assert list(items) == ["a.png", "c.png", "b.png"]
    folder = "ds/datasets/child"
    assert items["b.png"] == {
        "dataset": folder,
        "name": "b.png",
        "outputs": [
            f"{folder}/masks_machine/b.png",
            f"{folder}/masks_human/b.png",
            f"{folder}/img/b.png",
            f"{folder}/ann/b.png.json",
        ],
    }
    file = str(project.folder / "ds/ann/c.png.json")
    error = items["c.png"].pop("error")
    assert items["c.png"] == {"dataset": "ds", "name": "c.png"}
    assert error.pop("message").startswith(f"{file}: object 0: bitmap.data: ")
    assert error == {"kind": "annotation", "file": file, "object": 0}
    outputs = [name for item in report["items"] for name in item.get("outputs", [])]
    assert sorted(["meta.json", *outputs]) == sorted(done.tree)


def test_every_file_is_in_the_report_with_odd_names_made_readable(
    project: Project, export: Runner
) -> None:
    images = ["a b.png", "\N{KIWIFRUIT}.png", "x\ny.png", os.fsdecode(b"\xff.png")]
    for name in images:
        project.add(name)
    items = {item["name"]: item["outputs"] for item in export(project.folder).report["items"]}
    shown = ["a b.png", "\N{KIWIFRUIT}.png", "x\\ny.png", "\\xff.png"]
    assert sorted(items) == sorted(shown)
    assert all(items[name][2] == f"ds/img/{name}" for name in shown)


def test_a_report_replaces_an_older_one_and_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(b"old")
    with path.open("rb", buffering=0) as reader, ReportWriter(path) as writer:
        writer.add(Outcome(ITEM, written=[Files.of("ds", {"ds/x": Written(1, 2)})]))
        assert path.read_bytes() == b"old"
        writer.add(Outcome(replace(ITEM, name="b.png"), error=AnnotationError("is odd")))
        writer.finish(Summary(out=tmp_path))
        assert [i["name"] for i in json.loads(path.read_bytes())["items"]] == ["a.png", "b.png"]
        assert reader.read() == b"old"  # who has the old one open is not disturbed
    assert names(tmp_path) == ["report.json"]


def test_a_report_whose_end_does_not_fit_on_the_disk_does_not_appear(tmp_path: Path) -> None:
    path, summary = tmp_path / "report.json", Summary(out=tmp_path)
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ReportWriter(path) as writer:
        writer.add(Outcome(ITEM, written=[Files.of("ds", {"ds/x": Written(1, 2)})]))
        (unfinished,) = tmp_path.iterdir()
        # Room for a part of the totals: the system writes that part, and is content.
        resource.setrlimit(resource.RLIMIT_FSIZE, (unfinished.stat().st_size + 100, hard))
        try:
            writer.finish(summary)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
    assert names(tmp_path) == []
    assert summary.report_problem == f"{path}: cannot be written: File too large"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_report_that_is_broken_off_leaves_nothing(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def broken() -> None:
        with ReportWriter(tmp_path / "report.json") as writer:
            writer.add(Outcome(ITEM))
            raise error

    with pytest.raises(error):
        broken()
    assert names(tmp_path) == []


def test_without_a_path_no_report_is_written(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add()
    monkeypatch.chdir(tmp_path)
    run(LAYER, [project.folder], Path("out"))
    assert names(tmp_path) == ["out", "project"]


@pytest.mark.parametrize("path", ["none/report.json", "file/report.json"])
def test_a_report_that_cannot_be_written_ends_the_run_before_anything_is_exported(
    project: Project, tmp_path: Path, path: str
) -> None:
    project.add()
    (tmp_path / "file").write_bytes(b"")
    before = files(tmp_path)
    with pytest.raises(OutputError, match=r"report.json: cannot be written: (No such|Not a dir)"):
        run(LAYER, [project.folder], tmp_path / "out", RunOptions(report=tmp_path / path))
    assert files(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_a_report_goes_into_a_pipe_and_does_not_replace_it(
    project: Project, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        project.add()
        run(LAYER, [project.folder], tmp_path / "out", RunOptions(report=pipe))
        assert pipe.is_fifo()
        assert json.loads(os.read(reader, 1 << 16))["images"] == 1
    finally:
        os.close(reader)


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Ünïcode \N{KIWIFRUIT} '\"\\", "plain Ünïcode \N{KIWIFRUIT} '\"\\"),
        (os.fsdecode(b"caf\xe9"), "caf\\xe9"),
        ("a\nb\tc\0", "a\\nb\\tc\\x00"),
        ("\x1b[31m\x7f\u202e", "\\x1b[31m\\x7f\\u202e"),
        (Path("a/b"), "a/b"),
    ],
)
def test_what_is_shown_is_one_printable_line(text: object, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("error", "source", "text"),
    [
        (AnnotationError("is odd", file="a.json", object_index=3), "x", "a.json: object 3: is odd"),
        (WriteError("is full", file="a\n.png"), "x", "a\\n.png: is full"),
        (AnnotationError("is odd"), "x", "is odd"),
        (ZeroDivisionError("by zero"), "a.png", "a.png: unexpected ZeroDivisionError: by zero"),
        (MemoryError(), "a.png", "a.png: unexpected MemoryError: "),
    ],
)
def test_an_error_is_explained_in_one_line(error: Exception, source: str, text: str) -> None:
    assert explain(error, source) == text


def test_memory_does_not_grow_with_the_number_of_failures() -> None:
    summary = Summary(out=Path())
    for i in range(1500):
        summary.add(Outcome(ITEM, error=AnnotationError(str(i))))
    assert summary.failed == 1500
    assert [*map(str, summary.failures)] == [str(i) for i in range(1000)]


def test_a_problem_that_ends_more_than_one_thing_is_told_once() -> None:
    summary = Summary(Path())
    assert summary.problems == []
    summary.journal_problem = summary.legend_problem = "journal: full"
    summary.report_problem = "report: full"
    assert summary.problems == ["report: full", "journal: full"]


def test_a_run_that_did_nothing_has_a_rate_of_zero() -> None:
    assert Summary(out=Path()).images_per_s == 0
