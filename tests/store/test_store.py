"""The disk: files are put whole or not at all, and what has no space or no access fails alone."""

import errno
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from savemasks.cli.demo import CONFIG
from savemasks.errors import OutputError, WriteError
from savemasks.layers.save_masks import SaveMasks
from savemasks.projects.items import Dataset
from savemasks.run.export import run
from savemasks.run.options import Hooks, RunOptions
from savemasks.store import files as store_module
from savemasks.store.files import Store, Written
from support.projects import (
    Project,
    Runner,
    annotation,
    files,
    layer,
    picture,
    same,
    savemasks,
    tree,
)

LAYER = SaveMasks.from_json(CONFIG)
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# ---------------------------------------------------------------- the store alone


@pytest.mark.parametrize("problem", [None, errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP])
@pytest.mark.parametrize("after", [0, 1])
def test_a_large_file_is_copied_whole_where_blocks_cannot_be_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: int | None, after: int
) -> None:
    content = os.urandom(10_000)
    source = tmp_path / "source"
    source.write_bytes(content)
    genuine, calls = os.copy_file_range, []

    def copy_file_range(*arguments: int) -> int:
        calls.append(arguments)
        if problem and len(calls) > after:
            raise OSError(problem, os.strerror(problem))
        return genuine(*arguments)

    monkeypatch.setattr(os, "copy_file_range", copy_file_range)
    monkeypatch.setattr(store_module, "_PIECE", 3000)
    written = Store(tmp_path / "out").copy("ds/img/a", str(source))
    assert (tmp_path / "out/ds/img/a").read_bytes() == content
    assert written == Written(len(content), crc32(content))
    assert calls


def test_a_copy_that_finds_no_space_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_file_range(*_: int) -> int:
        raise FULL

    monkeypatch.setattr(os, "copy_file_range", copy_file_range)
    (tmp_path / "source").write_bytes(b"x")
    with pytest.raises(WriteError, match="No space left"):
        Store(tmp_path / "out").copy("ds/img/a", str(tmp_path / "source"))
    assert not list((tmp_path / "out/ds/img").iterdir())


def test_a_file_is_put_whole_with_its_folders(tmp_path: Path) -> None:
    store = Store(tmp_path / "root")
    store.write("a/b/c.bin", [b"one", b"", b"two"])
    store.write("top", [])
    assert files(tmp_path / "root") == {"a/b/c.bin": b"onetwo", "top": b""}


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a/..", "/abs", "", "."])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path / "root")
    with pytest.raises(WriteError, match="would lie outside the output folder"):
        store.write(name, [b"x"])
    assert files(tmp_path) == {}
    assert not (tmp_path / "root").exists()


def test_a_file_that_grows_is_let_go_by_the_system_and_known_without_reading_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, start, size, __: told.append(start + size))
    monkeypatch.setattr("savemasks.store.files._PIECE", 1000)
    monkeypatch.setattr("savemasks.store.files._finish", None)
    for durable in (False, True):
        store = Store(tmp_path, durable=durable)
        with store.growing("a/b") as file:
            for _ in range(9):
                file.write([bytes(200), memoryview(b"c" * 200)])
        expected = (bytes(200) + b"c" * 200) * 9
        assert (tmp_path / "a/b").read_bytes() == expected
        assert file.written == (3600, crc32(expected))
    assert told == 2 * [1200, 2400, 3600]
    assert [*files(tmp_path)] == ["a/b"]


def test_a_file_that_others_write_is_read_to_know_it(tmp_path: Path) -> None:
    with Store(tmp_path, durable=True).growing("a") as file:
        Path(file.path).write_bytes(b"lemon")
    assert file.written == (5, crc32(b"lemon"))


@pytest.mark.parametrize("before", [None, b"old"])
def test_what_fails_half_way_leaves_nothing_new(tmp_path: Path, before: bytes | None) -> None:
    store = Store(tmp_path)
    if before is not None:
        store.write("a", [before])

    def parts(error: BaseException) -> Iterator[bytes]:
        yield b"half" * 100_000
        raise error

    with pytest.raises(WriteError, match=r"/a: cannot be written: No space left on device$"):
        store.write("a", parts(FULL))
    with pytest.raises(KeyboardInterrupt):
        store.write("a", parts(KeyboardInterrupt()))
    assert files(tmp_path) == ({} if before is None else {"a": before})


@pytest.mark.parametrize("name", ["replace", "makedirs"])
def test_an_error_of_the_system_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, name, fail)
    with pytest.raises(WriteError, match=r"x/a: cannot be written: Read-only file system$"):
        Store(tmp_path).write("x/a", [b"x"])
    assert files(tmp_path) == {}


def test_a_removed_file_may_be_gone_already(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("a", [b"x"])
    store.remove("a")
    store.remove("a")
    assert files(tmp_path) == {}


def test_threads_may_share_a_store_and_even_a_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    contents = [bytes([i]) * 50_000 for i in range(40)]

    def put(i: int) -> None:
        store.write(f"own/{i % 5}/{i}", [contents[i]])
        store.write("shared", [contents[i][:20_000], contents[i][20_000:]])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(40)))
    written = files(tmp_path)
    assert written.pop("shared") in contents
    assert written == {f"own/{i % 5}/{i}": contents[i] for i in range(40)}


# ---------------------------------------------------------------- no space, no access


HUMAN_TOO = ["masks_machine", "masks_human", "img", "ann"]


@pytest.mark.parametrize(
    ("part", "human"),
    [*((part, True) for part in HUMAN_TOO), ("img", False), ("ann", False)],
)
def test_a_full_disk_costs_one_item_and_what_it_had_written_is_removed(
    project: Project, export: Runner, monkeypatch: pytest.MonkeyPatch, part: str, human: bool
) -> None:
    project.add("a.png")
    project.add("z.png")
    project.add_bad(picture(), annotation(), "bad.png")
    genuine = Store.write

    def write(store: Store, name: str, parts: Iterable[bytes]) -> Written:
        def until_full() -> Iterator[bytes]:
            yield from parts
            if name.startswith(f"ds/{part}/bad.png"):
                raise FULL

        return genuine(store, name, until_full())

    monkeypatch.setattr(Store, "write", write)
    done = export(project.folder, config=layer(masks_human=human))
    assert (done.code, list(done.errors)) == (1, ["bad.png"])
    error = done.errors["bad.png"]
    assert error["kind"] == "write"
    assert f"/experiment001/ds/{part}/bad.png" in error["file"]
    assert error["message"] == f"{error['file']}: cannot be written: No space left on device"
    assert f"failed: {error['message']}" in done.output.splitlines()
    same(done.tree, project.without(*([] if human else ["masks_human"])))


def test_an_unexpected_error_while_writing_removes_what_was_written_too(
    project: Project, export: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("a.png")
    project.add_bad(picture(), annotation(), "bad.png")
    genuine = Store.write

    def write(store: Store, name: str, parts: Iterable[bytes]) -> Written:
        if name == "ds/ann/bad.png.json":
            raise RuntimeError("boom")
        return genuine(store, name, parts)

    monkeypatch.setattr(Store, "write", write)
    done = export(project.folder)
    assert done.code == 1
    assert "bad.png: unexpected RuntimeError: boom" in done.errors["bad.png"]["message"]
    same(done.tree, project.expected)


LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"


@pytest.mark.usefixtures("warm")
def test_files_above_the_limit_of_the_system_fail_and_smaller_ones_are_written(
    project: Project, tmp_path: Path
) -> None:
    project.add("a.png")
    project.add_bad(picture() + bytes(500_000), annotation(), "large.png")
    project.add("z.png")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    command = ["run", "config.json", "project", "--out=out", "--report=report.json"]
    code, _, errors = savemasks(tmp_path, *command, setup=LIMIT.format(300_000))
    assert code == 1
    message = "out/experiment001/ds/img/large.png: cannot be written: File too large"
    assert f"failed: {message}" in errors.splitlines()
    same(tree(tmp_path / "out/experiment001"), project.expected)
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert (report["images"], report["failed"]) == (2, 1)


@pytest.mark.usefixtures("warm")
def test_a_report_that_outgrows_the_disk_costs_no_item(project: Project, tmp_path: Path) -> None:
    for i in range(60):
        project.add(f"{i}.png")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    command = ["run", "config.json", "project", "--out=out", "--report=/dev/full"]
    code, _, errors = savemasks(tmp_path, *command)
    assert "error: /dev/full: cannot be written: No space left on device" in errors
    assert "Traceback" not in errors
    assert code == 1
    same(tree(tmp_path / "out/experiment001"), project.expected)


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
def test_a_journal_that_outgrows_the_disk_costs_no_item_and_is_completed_later(
    project: Project, tmp_path: Path
) -> None:
    for i in range(60):
        project.add(f"{i}-{'x' * 200}.png")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    command = ["run", "config.json", "project", "--out=out", "--quiet"]
    code, _, errors = savemasks(tmp_path, *command, setup=LIMIT.format(90_000))
    assert "journal.sqlite: the journal cannot be used: disk I/O error" in errors
    assert "Traceback" not in errors
    assert code == 1
    same(tree(tmp_path / "out/experiment001"), project.expected)
    assert savemasks(tmp_path, *command)[::2] == (0, "")
    assert savemasks(tmp_path, "verify", "out")[:2] == (
        0,
        "244 files of 60 images read, 0 damaged\n",
    )


@pytest.mark.parametrize("blocked", ["out", "out/experiment001"])
def test_a_file_where_the_output_folder_should_be_is_refused(
    project: Project, tmp_path: Path, blocked: str
) -> None:
    project.add()
    (tmp_path / blocked).parent.mkdir(exist_ok=True)
    (tmp_path / blocked).write_bytes(b"mine")
    before = files(tmp_path)
    with pytest.raises(OutputError, match=r"out/experiment001"):
        run(LAYER, [project.folder], tmp_path / "out", RunOptions(report=tmp_path / "report.json"))
    assert files(tmp_path) == before


def test_a_disk_that_is_full_from_the_start_ends_the_run(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise WriteError("cannot be written: No space left on device", file="meta.json")

    project.add()
    before = files(tmp_path)
    monkeypatch.setattr(store_module.Store, "write", full)
    with pytest.raises(OutputError, match=r"meta.json: cannot be written: No space left"):
        run(LAYER, [project.folder], tmp_path / "out", RunOptions(report=tmp_path / "report.json"))
    assert files(tmp_path) == before


# ---------------------------------------------------------------- folders

UNREADABLE = "the folder cannot be read: Permission denied"


@pytest.mark.parametrize("folder", ["img", "ann"])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_folder_that_cannot_be_listed_is_one_failure_in_its_place(
    project: Project, export: Runner, monkeypatch: pytest.MonkeyPatch, folder: str, workers: int
) -> None:
    project.add("first.png", "before")
    project.add()
    project.add_bad(picture(), annotation(), "x.png", "closed")
    locked, genuine = project.folder / "closed" / folder, os.scandir

    def scandir(path: Any = ".") -> Any:
        if Path(path) == locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return genuine(path)

    monkeypatch.setattr(os, "scandir", scandir)
    done = export(project.folder, options=(f"--workers={workers}",))
    assert done.code == 1
    message = f"{locked}: {UNREADABLE}"
    assert f"failed: {message}" in done.output.splitlines()
    assert (done.report["images"], done.report["failed"]) == (2, 1)
    error = {"kind": "folder", "message": message, "file": str(locked), "object": None}
    assert done.report["items"][1] == {"dataset": str(locked), "name": None, "error": error}
    same(done.tree, project.expected)


def test_a_folder_that_cannot_be_listed_counts_for_progress_and_can_stop_the_run(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add_bad(picture(), annotation(), dataset="closed")
    project.add("a.png")
    project.add("b.png")
    genuine = Dataset.listing

    def listed(dataset: Dataset) -> Any:
        if dataset.output == "closed":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "closed")
        return genuine(dataset)

    monkeypatch.setattr(Dataset, "listing", listed)
    told: list[tuple[int, int, int]] = []
    hooks = Hooks(on_progress=lambda *numbers: told.append(numbers))
    summary = run(LAYER, [project.folder], tmp_path / "out", hooks=hooks)
    assert (summary.images, summary.failed) == (2, 1)
    assert told[-1] == (3, 1, 3)
    options = RunOptions(on_error="stop")
    assert run(LAYER, [project.folder], tmp_path / "stopped", options).stopped


UNPRIVILEGED = """
import ctypes
for capability in (1, 2) if os.geteuid() == 0 else ():  # those by which root reads everything
    if ctypes.CDLL(None).prctl(24, capability, 0, 0, 0):
        sys.exit(77)
"""


@pytest.mark.usefixtures("warm")
def test_folders_without_permission_are_failures_at_any_depth(
    project: Project, tmp_path: Path
) -> None:
    project.add()
    project.add("x.png", "ds/datasets/child")
    for dataset in ("closed", "half", "ds/datasets/child/datasets/x"):
        project.add_bad(picture(), annotation(), dataset=dataset)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    paths = ["closed", "ds/datasets/child/datasets", "half/img"]
    locked = [project.folder / path for path in paths]
    try:
        for folder in locked:
            folder.chmod(0)
        command = ["run", "config.json", "project", "--out=out"]
        code, _, errors = savemasks(tmp_path, *command, setup=UNPRIVILEGED)
    finally:
        for folder in locked:
            folder.chmod(0o755)
    if code == 77:
        pytest.skip("root could not give up its rights")
    assert "Traceback" not in errors
    for path in paths:
        assert f"failed: project/{path}" in errors
    assert errors.count("cannot be read: Permission denied") == 3
    assert code == 1
    same(tree(tmp_path / "out/experiment001"), project.expected)
