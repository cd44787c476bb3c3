"""Runs on a machine that gives little, and of huge input."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from savemasks.cli.demo import CONFIG
from savemasks.errors import AnnotationError
from savemasks.layers.auto_colors import ClassColor
from savemasks.layers.save_masks import SaveMasks
from savemasks.parse import annotation as parse_module
from savemasks.parse.annotation import parse
from savemasks.projects.supervisely import Project as OpenedProject
from savemasks.results.lock import HIDDEN
from savemasks.run.export import run
from savemasks.run.routes import config_notes
from support.projects import (
    KIWI,
    Project,
    annotation,
    layer,
    mount,
    names,
    picture,
    same,
    savemasks,
    tree,
)

LAYER = SaveMasks.from_json(CONFIG)
pytestmark = pytest.mark.usefixtures("warm")


# ---------------------------------------------------------------- the disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=1m", "none", folder):
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("filled", [0, pytest.param(900_000, marks=pytest.mark.slow)])
def test_a_disk_that_is_full_costs_items_which_are_made_when_there_is_room(
    project: Project, tmp_path: Path, small_disk: Path, filled: int
) -> None:
    for i in range(40):
        project.add(f"{i:02}.png")
        large = (project.folder / f"ds/img/{i:02}.png").read_bytes() + os.urandom(60_000)
        project.expected[f"ds/img/{i:02}.png"] = large
        project.put(f"ds/img/{i:02}.png", large)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    command = ["run", "config.json", "project", f"--out={small_disk}", "--workers=2", "--quiet"]
    (small_disk / "filled").write_bytes(bytes(filled))
    code, _, errors = savemasks(tmp_path, *command)
    assert code in (1, 2)  # 2: not even the journal fits
    assert "No space left on device" in errors or "disk is full" in errors or "disk I/O" in errors
    assert "Traceback" not in errors
    root = small_disk / "experiment001"
    found = tree(root)
    assert len(found) < len(project.expected)
    assert {name: project.expected[name] for name in found} == found
    assert not [name for name in found if ".savemasks-" in name]

    assert mount("-o", "remount,size=20m", small_disk)
    (small_disk / "filled").unlink()
    code, _, errors = savemasks(tmp_path, *command)
    assert (code, errors) == (0, "")
    same(tree(root), project.expected)
    assert savemasks(tmp_path, "verify", str(small_disk))[0] == 0


UNPRIVILEGED = """
import ctypes
if os.geteuid() == 0 and ctypes.CDLL(None).prctl(24, 1, 0, 0, 0):  # by which root writes anywhere
    sys.exit(77)
"""


@pytest.mark.parametrize("place", ["out", "out/experiment001", "out/experiment001/.savemasks"])
def test_an_output_folder_that_is_read_only_is_refused(
    project: Project, tmp_path: Path, place: str
) -> None:
    project.add()
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    closed = tmp_path / place
    closed.mkdir(parents=True)
    closed.chmod(0o555)
    try:
        code, _, errors = savemasks(
            tmp_path, "run", "config.json", "project", "--out=out", setup=UNPRIVILEGED
        )
    finally:
        closed.chmod(0o755)
    if code == 77:
        pytest.skip("root could not give up its rights")
    assert code == 2
    assert errors.startswith("error: out/experiment001")
    assert "Traceback" not in errors


@pytest.mark.parametrize("is_whole", [True, False])  # or its folders alone
@pytest.mark.parametrize("command", ["run", "retry"])
def test_a_result_that_must_not_be_written_is_no_broken_disk(
    project: Project, tmp_path: Path, command: str, is_whole: bool
) -> None:
    project.add()
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    run(LAYER, [project.folder], tmp_path / "out")
    hidden = tmp_path / "out/experiment001/.savemasks"
    closed = [hidden, *(hidden.iterdir() if is_whole else ())]
    modes = {path: path.stat().st_mode for path in closed}
    for path in modes:
        path.chmod(0o555)
    what = ["config.json", "project", "--out=out"] if command == "run" else ["out"]
    try:
        code, _, errors = savemasks(tmp_path, command, *what, setup=UNPRIVILEGED)
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    if code == 77:
        pytest.skip("root could not give up its rights")
    name = ".savemasks/journal.sqlite" if is_whole else ".savemasks"
    said = f"error: out/experiment001/{name}: cannot be written: Permission denied\n"
    assert (code, errors) == (2, said)


def test_a_folder_of_results_that_is_read_only_fails_its_items_alone(
    project: Project, tmp_path: Path
) -> None:
    project.add("a.png", "closed")
    project.add("b.png", "open")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    command = ["run", "config.json", "project", "--out=out"]
    run(LAYER, [project.folder], tmp_path / "out")
    closed = tmp_path / "out/experiment001/closed/masks_machine"
    for dataset in ("closed", "open"):
        for image in (project.folder / dataset / "img").iterdir():
            os.utime(image)
    closed.chmod(0o555)
    try:
        code, _, errors = savemasks(tmp_path, *command, setup=UNPRIVILEGED)
    finally:
        closed.chmod(0o755)
    if code == 77:
        pytest.skip("root could not give up its rights")
    assert code == 1
    assert "Traceback" not in errors
    assert "closed/masks_machine/a.png" in errors
    assert savemasks(tmp_path, *command)[0] == 0
    same(tree(tmp_path / "out/experiment001"), project.expected)


# ---------------------------------------------------------------- files and memory

FEW_FILES = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))"
LITTLE_MEMORY = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))"


def test_few_open_files_suffice(project: Project, tmp_path: Path) -> None:
    for i in range(100):
        project.add(f"{i}.png", f"ds{i % 10}")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    command = ["run", "config.json", "project", "--out=out", "--workers=2", "--quiet"]
    code, _, errors = savemasks(tmp_path, *command, setup=FEW_FILES)
    assert (code, errors) == (0, "")
    same(tree(tmp_path / "out/experiment001"), project.expected)


@pytest.mark.slow
def test_an_item_that_needs_more_memory_than_there_is_fails_alone(
    project: Project, tmp_path: Path
) -> None:
    project.add("a.png")
    project.add("z.png")
    huge = annotation(KIWI, size={"height": 1 << 14, "width": 1 << 14})
    project.add_bad(None, huge, "huge.png")
    (tmp_path / "config.json").write_text(
        json.dumps(
            layer(
                masks_human=False,
                images=False,
                gt_machine_color={"kiwi": [1, 2, 3]},
                strips_above_megapixels=1000,
            )
        )
    )
    # A budget that lies, for else it would be made in strips.
    command = ["run", "config.json", "project", "--out=out", "--workers=1", "--memory=100G"]
    code, _, errors = savemasks(
        tmp_path, *command, setup=LITTLE_MEMORY, OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1"
    )
    assert "Traceback" not in errors
    assert code == 1
    assert errors.count("failed: ") == 1
    assert "huge.png" in errors
    masks = tmp_path / "out/experiment001/ds/masks_machine"
    assert names(masks) == ["a.png", "z.png"]


# ---------------------------------------------------------------- huge and hostile input


def test_an_annotation_of_a_gigabyte_is_refused_unread(project: Project, tmp_path: Path) -> None:
    project.add()
    project.add_bad(picture(), b"", "huge.png")
    with (project.folder / "ds/ann/huge.png.json").open("wb") as file:
        file.truncate(1 << 30)  # takes no space
    summary = run(LAYER, [project.folder], tmp_path / "out")
    (failure,) = summary.failures
    assert str(failure).endswith(
        "huge.png.json: has 1073741824 bytes, which is more than the 134217728 that are supported"
    )


def test_an_annotation_in_memory_may_not_be_larger_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse_module, "MAX_BYTES", 10)
    with pytest.raises(AnnotationError, match="has 11 bytes, which is more than the 10"):
        parse(b" " * 11, {})


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"objects":['])
def test_json_that_is_nested_ten_thousand_deep_is_refused(opening: bytes) -> None:
    with pytest.raises(AnnotationError, match="not valid JSON at line 1"):
        parse(opening * 10_000, {})
    closed = {b"[": b"]", b'{"a":': b"1" + b"}" * 10_000, b'{"objects":[': b"]}"}[opening]
    with pytest.raises(AnnotationError):
        parse(opening * 10_000 + closed * (1 if opening == b'{"a":' else 10_000), {})


def test_ten_million_objects_are_refused_at_the_first_bad_one() -> None:
    note = b'{"size":{"height":8,"width":8},"objects":[' + b"{}," * 9_999_999 + b"{}]}"
    with pytest.raises(AnnotationError, match="object 0: classTitle is missing"):
        parse(note, {"kiwi": 0})


@pytest.mark.slow
def test_a_million_classes_are_a_short_warning(tmp_path: Path) -> None:
    project = Project(tmp_path / "many", tuple(f"class {i:07}" for i in range(1_000_000)))
    warnings = config_notes(
        LAYER, [ClassColor(t) for t in OpenedProject.open(project.folder).classes]
    )
    assert any(warning.endswith(" and 999900 more") for warning in warnings)
    assert all(len(warning) < 5_000 for warning in warnings)


def test_links_are_read_through_but_never_written_through(project: Project, tmp_path: Path) -> None:
    project.add()
    outside = tmp_path / "outside.png"
    outside.write_bytes(picture(3))
    (project.folder / "ds/img/link.png").symlink_to(outside)
    project.put("ds/ann/link.png.json", annotation(KIWI))
    assert run(LAYER, [project.folder], tmp_path / "out").images == 2
    copy = tmp_path / "out/experiment001/ds/img/link.png"
    assert copy.read_bytes() == outside.read_bytes()
    assert not copy.is_symlink()
    # Somebody puts a link where a result was: it is replaced, not followed.
    before = outside.read_bytes()
    copy.unlink()
    copy.symlink_to(outside)
    os.utime(outside)
    assert run(LAYER, [project.folder], tmp_path / "out").images == 1
    assert (outside.read_bytes(), copy.is_symlink()) == (before, False)


def test_the_hidden_folder_may_not_be_a_link(project: Project, tmp_path: Path) -> None:
    project.add()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    root = tmp_path / "out/experiment001"
    root.mkdir(parents=True)
    (root / HIDDEN).symlink_to(elsewhere)
    with pytest.raises(OSError, match="is a link"):
        run(LAYER, [project.folder], tmp_path / "out")
    assert names(elsewhere) == []
