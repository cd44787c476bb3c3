"""Runs in parts: they come to what one run comes to, at once or one after the other."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from savemasks.errors import OutputError
from savemasks.layers.graph import Graph
from savemasks.projects.parts import Part
from savemasks.results.division import missing_parts
from savemasks.results.lock import HIDDEN, Lock
from savemasks.results.overview import look_over
from savemasks.results.report import Summary
from savemasks.results.verify import verify
from savemasks.run.export import retry, run
from savemasks.run.options import Hooks, RunOptions
from support.holding import hold
from support.projects import KIWI, Project, annotation, layer, picture
from support.resuming import LAYER, done

pytestmark = pytest.mark.usefixtures("warm")

NAME = "experiment001"
COUNT = 40
RunPart = Callable[..., Summary]


@pytest.fixture
def full(project: Project) -> Project:
    """A project of forty items in two data sets."""
    for number in range(COUNT):
        dataset = "one" if number % 4 else "one/datasets/two"
        project.add(f"{number:02}.png", dataset, bare=number % 5 == 0)
    return project


@pytest.fixture
def part(project: Project, tmp_path: Path) -> RunPart:
    """Run a part, as (2, 3), or all if there is none."""

    def call(
        *numbers: int, out: str = "out", hooks: Hooks | None = None, **options: Any
    ) -> Summary:
        given: dict[str, Any] = {"workers": 2, "part": Part.of(*numbers) if numbers else None}
        chosen = RunOptions(**given | options)
        return run(LAYER, [project.folder], tmp_path / out, chosen, hooks)

    return call


def all_files(out: Path) -> dict[str, bytes]:
    """Every file of a result, those at its root too; the hidden folder is left out."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and HIDDEN not in path.parts
    }


def undivided(part: RunPart, tmp_path: Path) -> dict[str, bytes]:
    """The files of a run that is not divided."""
    part(out="whole")
    return all_files(tmp_path / "whole")


# ---------------------------------------------------------------- one result


@pytest.mark.parametrize("order", [[1], [1, 2, 3], [3, 1, 2], [7, 6, 5, 4, 3, 2, 1]])
def test_parts_make_what_a_run_makes(
    full: Project, part: RunPart, tmp_path: Path, order: list[int]
) -> None:
    images = 0
    for number in order:
        assert not (tmp_path / "out" / NAME / "legend.json").exists()
        images += part(number, len(order)).images
    assert images == COUNT
    assert all_files(tmp_path / "out") == undivided(part, tmp_path)


SCRIPT = """
import os, signal, sys
from pathlib import Path
from savemasks.projects.parts import Part
from savemasks.run.export import run
from savemasks.run.options import Hooks, RunOptions
from support.resuming import LAYER

def on_progress(done, *_):
    if done == deadly:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    project, out, text, deadly = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    options = RunOptions(workers=2, processes=True, part=Part.parse(text))
    summary = run(LAYER, [Path(project)], Path(out), options, Hooks(on_progress=on_progress))
    sys.exit(summary.failed)
"""


def start(tmp_path: Path, text: str, deadly: int = -1) -> "subprocess.Popen[bytes]":
    """Run a part in processes; it is killed when it has made so many items."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [script, tmp_path / "project", tmp_path / "out", text, str(deadly)]
    return subprocess.Popen([sys.executable, *map(str, command)], env=with_tests())


def with_tests(*folders: Path) -> dict[str, str]:
    """An environment in which programs find the helpers of tests, and what is in other folders."""
    tests = Path(__file__).parents[1]
    found = [*map(str, (*folders, tests)), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, found))}


def test_parts_at_once_of_which_one_is_killed_make_what_a_run_makes(
    full: Project, part: RunPart, tmp_path: Path
) -> None:
    root = tmp_path / "out" / NAME
    jobs = [start(tmp_path, "1/3"), start(tmp_path, "2/3", 4), start(tmp_path, "3/3")]
    assert [job.wait(100) for job in jobs] == [0, -signal.SIGKILL, 0]
    assert missing_parts(root) == ["part 2/3 is not finished"]
    assert not (root / "legend.json").exists()
    assert start(tmp_path, "2/3").wait(100) == 0
    assert missing_parts(root) == []
    assert all_files(tmp_path / "out") == undivided(part, tmp_path)
    found = verify(root)
    assert (found.items, found.damaged, found.missing) == (COUNT, 0, [])


def test_what_is_finished_stays_and_only_the_part_that_has_it_makes_a_new_item(
    full: Project, part: RunPart, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        part(number, 3)
    legend = tmp_path / "out" / NAME / "legend.json"
    before = legend.stat().st_ino
    assert sum(part(number, 3).skipped for number in (1, 2, 3)) == COUNT
    assert legend.stat().st_ino == before
    full.add("new.png", "one")
    assert sorted(part(number, 3).images for number in (1, 2, 3)) == [0, 0, 1]
    assert all_files(tmp_path / "out") == undivided(part, tmp_path)


def test_a_part_without_items_is_finished_and_says_so(project: Project, part: RunPart) -> None:
    project.add()
    notes = [part(number, 3).warnings for number in (1, 2, 3)]
    empty = [any("no image is in part" in note for note in each) for each in notes]
    assert sorted(empty) == [False, True, True]


def test_the_part_that_ends_last_writes_the_legend_and_others_say_what_is_missing(
    full: Project, part: RunPart, tmp_path: Path
) -> None:
    legend = tmp_path / "out" / NAME / "legend.json"
    stop = threading.Event()
    hooks = Hooks(stop=stop, on_progress=lambda *_: stop.set())
    assert part(2, 4, hooks=hooks).interrupted
    part(1, 4)
    (note,) = [note for note in part(4, 4).warnings if "legend" in note]
    assert note == (
        "part 2/4 is not finished; part 3/4 has not begun: the legend is written when all parts"
        " are finished"
    )
    part(3, 4)
    assert not legend.exists()
    assert not any("legend" in note for note in part(2, 4).warnings)
    assert legend.exists()


def test_a_legend_whose_writer_was_killed_is_written_by_retry(
    full: Project, part: RunPart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part(1, 2)
    with monkeypatch.context() as patch:
        patch.setattr("savemasks.run.export.finish_parts", lambda *_: None)
        part(2, 2)
    out = tmp_path / "out"
    (out / NAME / ".savemasks-p1-7-7.part").write_bytes(b"half")
    path = out / NAME / HIDDEN / "parts/1-of-2/journal.sqlite"
    script = (
        "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute(sys.argv[2]); d.commit()"
    )
    query = "UPDATE run SET value = x'31' WHERE key = 'open'"
    subprocess.run([sys.executable, "-c", script, path, query], check=True)
    assert verify(out).missing == ["legend and index are not written: retry does it"]
    assert retry(out).images == 0
    assert verify(out).missing == []
    assert all_files(out) == undivided(part, tmp_path)


@pytest.mark.parametrize("processes", [False, True])
def test_names_of_unfinished_files_say_whose_part_they_are(
    full: Project, tmp_path: Path, processes: bool
) -> None:
    """Processes of two machines may have the same number."""
    script = """
import os, sys
from savemasks.store import files
replace = os.replace
def told(source, target):
    print(os.path.basename(source), flush=True)
    replace(source, target)
files.os.replace = told
"""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(script)
    (tmp_path / "script.py").write_text(SCRIPT.replace("processes=True", f"processes={processes}"))
    command = ["script.py", "project", "out", "2/3", "-1"]
    told = subprocess.check_output(
        [sys.executable, *command], cwd=tmp_path, env=with_tests(site), text=True
    )
    names = [line for line in told.splitlines() if line.endswith(".part")]
    assert len(names) > 20
    assert all(name.startswith(".savemasks-p2-") for name in names)


@pytest.mark.parametrize("number", [1, 2])
def test_a_part_removes_its_own_unfinished_files_alone(
    full: Project, part: RunPart, tmp_path: Path, number: int
) -> None:
    root = tmp_path / "out" / NAME
    stop = threading.Event()
    for each in (1, 2):
        part(each, 2)
    left = {each: root / f"one/img/.savemasks-p{each}-1-1.part" for each in (1, 2, 22)}
    for path in left.values():
        path.write_bytes(b"half")
    journal = root / HIDDEN / f"parts/{number}-of-2/journal.sqlite"
    with sqlite3.connect(journal) as database:
        database.execute("UPDATE run SET value = x'31' WHERE key = 'open'")
    database.close()
    part(number, 2, hooks=Hooks(stop=stop))
    assert [each for each in left if left[each].exists()] == [e for e in left if e != number]


# ---------------------------------------------------------------- what is refused


def test_another_number_of_parts_is_refused_also_anew(
    full: Project, part: RunPart, tmp_path: Path
) -> None:
    part(1, 3)
    before = all_files(tmp_path / "out")
    for options in ({}, {"restart": True}):
        with pytest.raises(OutputError, match="was begun in 3 parts, not in 4: give --part as 1/3"):
            part(1, 4, **options)
        with pytest.raises(OutputError, match="is made in 3 parts: say which one this is"):
            part(**options)
    assert all_files(tmp_path / "out") == before
    parts = tmp_path / "out" / NAME / HIDDEN / "parts"
    assert [path.name for path in parts.iterdir()] == ["1-of-3"]


def test_parts_of_an_undivided_result_are_refused(
    full: Project, part: RunPart, tmp_path: Path
) -> None:
    part()
    with pytest.raises(OutputError, match="was begun without --part: leave it out here"):
        part(1, 3)
    with pytest.raises(OutputError, match="was begun without --part"):
        part(1, 3, restart=True)
    assert not (tmp_path / "out" / NAME / HIDDEN / "parts").exists()
    assert part().skipped == COUNT


def test_other_settings_are_refused_by_every_part(
    full: Project, part: RunPart, tmp_path: Path
) -> None:
    part(1, 2)
    other = LAYER.from_json(layer(masks_human=False))
    where = [full.folder], tmp_path / "out"
    for number in (1, 2):
        with pytest.raises(OutputError, match=r"begun with other settings: settings\.masks_human"):
            run(other, *where, RunOptions(part=Part(number, 2)))
    for number in (1, 2):
        run(other, *where, RunOptions(part=Part(number, 2), restart=True))
    run(other, [full.folder], tmp_path / "whole")
    made = all_files(tmp_path / "out")
    assert {k: v for k, v in made.items() if "masks_human" not in k} == all_files(
        tmp_path / "whole"
    )
    with pytest.raises(OutputError, match="begun with other settings"):
        part(2, 2)


def test_after_a_part_has_begun_anew_none_is_finished_that_has_not(
    full: Project, part: RunPart, tmp_path: Path
) -> None:
    for number in (1, 2):
        part(number, 2)
    other = LAYER.from_json(layer(masks_human=False))
    where = [full.folder], tmp_path / "out"
    run(other, *where, RunOptions(part=Part(1, 2), restart=True))
    assert missing_parts(tmp_path / "out" / NAME) == ["part 2/2 is not finished"]
    with pytest.raises(OutputError, match="begun with other settings"):
        run(other, *where, RunOptions(part=Part(2, 2)))
    assert done(retry(tmp_path / "out")) == (0, 0, 0, 0)  # of the part that is as it should be


def test_foreign_files_are_refused(project: Project, part: RunPart, tmp_path: Path) -> None:
    project.add()
    root = tmp_path / "out" / NAME
    root.mkdir(parents=True)
    (root / "mine").write_bytes(b"mine")
    with pytest.raises(OutputError, match="is not an empty folder"):
        part(1, 2)
    with pytest.raises(OutputError, match="--force does not go with --part"):
        part(1, 2, force=True)
    assert list(root.iterdir()) == [root / "mine"]


HOLD = """
import sys
from pathlib import Path
from savemasks.projects.parts import Part
from savemasks.results.division import PartLock, read_division
root = Path(sys.argv[1])
lock = PartLock(root, Part.parse(sys.argv[2]), read_division(root).arguments, restart=False)
"""


def test_a_part_is_made_by_one_at_a_time_and_keeps_the_whole_from_others(
    full: Project, part: RunPart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "out" / NAME
    for number in (1, 2, 3):
        part(number, 3)
    monkeypatch.setattr("savemasks.results.lock._PART_TIMEOUT", 0.1)
    monkeypatch.setattr("savemasks.results.division._JOIN_TIMEOUT", 0.1)
    with hold(HOLD, root, "2/3") as other:
        message = rf"part 2/3: another savemasks is at work here .process {other.pid}"
        with pytest.raises(OutputError, match=message):
            part(2, 3)
        assert part(1, 3).skipped
        for call in (verify, retry):
            with pytest.raises(OutputError, match="part 2/3 is being made; wait for the end"):
                call(root)
        with pytest.raises(OutputError, match="is made in 3 parts"):
            part()
        found = look_over(root)
        assert found.lines() == [
            "part 1/3 is finished",
            "part 2/3 is being made",
            "part 3/3 is finished",
        ]
        other_layer = LAYER.from_json(layer(masks_human=False))
        with pytest.raises(OutputError, match="part 2/3 is being made with other settings"):
            run(
                other_layer,
                [full.folder],
                tmp_path / "out",
                RunOptions(part=Part(1, 3), restart=True),
            )
        other.kill()
    assert part(2, 3).skipped


def test_a_part_waits_for_whoever_reads_the_whole(
    full: Project, part: RunPart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "out" / NAME
    part(1, 2)
    lock = Lock(root)
    with monkeypatch.context() as patch:
        patch.setattr("savemasks.results.division._JOIN_TIMEOUT", 0.1)
        with pytest.raises(OutputError, match=r"another savemasks is at work here .process"):
            part(2, 2)
    timer = threading.Timer(0.5, lock.close)
    timer.start()
    assert part(2, 2).images
    timer.join()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"parts": 2}'])
def test_a_damaged_note_of_what_parts_have_in_common_is_told(
    project: Project, part: RunPart, tmp_path: Path, content: bytes
) -> None:
    project.add()
    part(1, 2)
    (tmp_path / "out" / NAME / HIDDEN / "parts.json").write_bytes(content)
    with pytest.raises(OutputError, match=r"parts\.json: is not as savemasks wrote it"):
        part(1, 2)


# ---------------------------------------------------------------- all parts together


def test_verify_and_retry_see_all_parts(full: Project, part: RunPart, tmp_path: Path) -> None:
    out = tmp_path / "out"
    bad = [f"bad{number}.png" for number in range(6)]
    for name in bad:
        full.add_bad(b"no picture", annotation(KIWI), name, "one")
    failed = [part(number, 3).failed for number in (1, 2, 3)]
    assert sum(failed) == 6 > max(failed)
    found = look_over(out)
    assert (found.images, found.failed, found.is_whole) == (COUNT, 6, False)
    assert sorted(message.partition("/img/")[2][:8] for message in found.messages) == bad
    for number in (1, 2, 5, 6, 7, 9):
        (out / NAME / f"one/masks_machine/{number:02}.png").write_bytes(b"")
    for name in bad:
        full.put(f"one/img/{name}", picture())
    checked = verify(out)
    assert (checked.damaged, checked.failed, checked.missing) == (6, 6, [])
    report = tmp_path / "report.json"
    progress: list[tuple[int, int, int]] = []
    hooks = Hooks(on_progress=lambda *numbers: progress.append(numbers))
    summary = retry(out, RunOptions(workers=2, report=report), hooks)
    assert done(summary) == (12, 0, 0, 0)
    assert len(json.loads(report.read_bytes())["items"]) == 12
    assert [each[0] for each in progress] == [*range(1, 13)]
    assert progress[-1] == (12, 0, 12)
    assert len(summary.error_logs) == 3
    assert all_files(out) == undivided(part, tmp_path)
    assert look_over(out).is_whole


def test_verify_says_which_parts_are_missing(full: Project, part: RunPart, tmp_path: Path) -> None:
    part(2, 25)
    found = verify(tmp_path / "out")
    named = [f"{number}/25" for number in range(1, 26) if number != 2]
    assert found.missing == [f"parts {', '.join(named[:20])} and 4 more have not begun"]
    assert found.items
    assert done(retry(tmp_path / "out")) == (0, 0, 0, 0)
    assert look_over(tmp_path / "out").lines()[:2] == [
        "part 1/25 has not begun",
        "part 2/25 is finished",
    ]


def test_a_retry_of_a_part_that_ended_early_does_not_finish_it(
    full: Project, part: RunPart, tmp_path: Path
) -> None:
    stop = threading.Event()
    part(1, 2, hooks=Hooks(stop=stop, on_progress=lambda *_: stop.set()))
    assert retry(tmp_path / "out").images == 0
    assert missing_parts(tmp_path / "out" / NAME)[0] == "part 1/2 is not finished"


def test_a_data_set_that_cannot_be_listed_fails_once(
    full: Project, part: RunPart, tmp_path: Path
) -> None:
    folder = full.folder / "one/ann"
    folder.rename(full.folder / "kept")
    folder.write_bytes(b"")
    for number in (1, 2, 3):
        assert part(number, 3).failed == 1
    assert (look_over(tmp_path / "out").failed, verify(tmp_path / "out").failed) == (1, 1)
    folder.unlink()
    (full.folder / "kept").rename(folder)
    retry(tmp_path / "out")
    assert all_files(tmp_path / "out") == undivided(part, tmp_path)


def test_results_of_a_graph_are_divided_each(full: Project, tmp_path: Path) -> None:
    def chain(*names: str) -> Graph:
        sinks = [layer() | {"src": ["$data"], "dst": name} for name in names]
        source = {"action": "data", "src": ["project/*"], "dst": "$data", "settings": {}}
        return Graph.from_json([source, *sinks])

    for number in (1, 2):
        run(chain("a", "b"), [full.folder], tmp_path / "out", RunOptions(part=Part(number, 2)))
    for number in (1, 2):
        options = RunOptions(part=Part(number, 2))
        assert not run(chain("c", "b", "a"), [full.folder], tmp_path / "out", options).failed
    made = [all_files(tmp_path / "out" / name) for name in "abc"]
    assert made[0] == made[1] == made[2]
    assert retry(tmp_path / "out/b").failed == 0
    with pytest.raises(OutputError, match="was begun in 2 parts"):
        run(chain("a", "d"), [full.folder], tmp_path / "out", RunOptions(part=Part(1, 3)))
    assert not (tmp_path / "out/d").exists()
