"""Parts on the command line: `run --part`, `verify` and `report`."""

from pathlib import Path

import pytest

from savemasks.results.journal import Journal
from savemasks.results.lock import HIDDEN, Lock
from savemasks.run.worklist import Worklist
from support.projects import Project, annotation, call, files, savemasks

pytestmark = pytest.mark.usefixtures("warm")
RUN = "run", "config.json", "project", "--out=out", "--workers=1"


def test_verify_and_report_say_what_is_missing(six: Project) -> None:
    call(*RUN, "--part=1/2", "--quiet")
    code, text = call("verify", "out")
    assert code == 1
    assert "note: part 2/2 has not begun\n" in text
    assert call("verify", "out", "--quiet")[0] == 1
    code, text = call("report", "out")
    assert code == 1
    assert "part 1/2 is finished\npart 2/2 has not begun\n" in text
    assert "note: " not in call(*RUN, "--part=2/2")[1]
    assert call("verify", "out")[0] == 0
    code, text = call("report", "out")
    assert code == 1
    assert "failed: " in text
    assert "project/ds/img/bad.png: " in text
    assert text.endswith("5 images finished, 1 failed, in out/experiment001\n")
    (six.folder / "ds/img/bad.png").unlink()
    (six.folder / "ds/ann/bad.png.json").unlink()
    for number in (1, 2):
        call(*RUN, f"--part={number}/2")
    code, text = call("report", "out")
    lines = ["part 1/2 is finished", "part 2/2 is finished", "5 images finished, 0 failed"]
    assert text == "\n".join(lines) + ", in out/experiment001\n"
    assert code == 0


def test_a_report_of_an_undivided_result(six: Project) -> None:
    assert call("report", "out")[0] == 2
    call(*RUN, "--quiet")
    code, text = call("report", "out")
    assert code == 1
    assert text.endswith("5 images finished, 1 failed, in out/experiment001\n")
    lock = Lock(Path("out/experiment001"))
    code, text = call("report", "out")
    lock.close()
    assert code == 2
    assert "another savemasks is at work here" in text


def test_a_report_of_a_run_that_has_ended_early(six: Project) -> None:
    six.add_bad(b"no picture", annotation(), "0.png")
    call(*RUN, "--on-error=stop")
    code, text = call("report", "out")
    assert code == 1
    assert text.endswith("experiment001\nthe run is not finished: the same command goes on\n")
    call(*RUN)
    assert "not finished" not in call("report", "out")[1]
    assert "not finished" not in call("retry", "out")[1]


def test_a_retry_of_a_run_that_has_ended_early_says_so(six: Project) -> None:
    six.add_bad(b"no picture", annotation(), "0.png")
    call(*RUN, "--on-error=stop")
    assert "note: the run is not finished: its own command goes on;" in call("retry", "out")[1]
    assert "the run is not finished: " in call("report", "out")[1]


@pytest.mark.parametrize("again", [(), ("--restart",)])
def test_a_run_that_was_killed_while_it_listed_is_not_finished(
    six: Project, again: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: Worklist) -> None:
        raise SystemExit(9)

    if again:
        call(*RUN)
    with monkeypatch.context() as patched:
        patched.setattr(Worklist, "total", killed)
        call(*RUN, *again)
    for command in ("report", "retry", "report"):
        code, text = call(command, "out")
        assert "the run is not finished: " in text
        assert code == 1 or command == "retry"


def test_a_report_of_a_run_that_was_killed_before_it_began(six: Project) -> None:
    root = Path("out/experiment001")
    (root / HIDDEN).mkdir(parents=True)
    Journal(root, None, durable=False).close()
    code, text = call("report", "out")
    assert code == 1
    assert text.endswith("\nthe run is not finished: the same command goes on\n")


def test_many_failures_are_counted_and_the_first_are_shown(six: Project) -> None:
    for number in range(30):
        six.add_bad(b"no picture", annotation(), f"bad{number:02}.png")
    for number in (1, 2, 3):
        call(*RUN, f"--part={number}/3")
    _, text = call("report", "out")
    assert text.count("failed: ") == 20
    assert "... and 11 more\n" in text


def test_where_all_failures_are_is_said_for_the_part(six: Project) -> None:
    for number in range(60):
        six.add_bad(b"no picture", annotation(), f"bad{number:02}.png")
    _, text = call(*RUN, "--part=2/2")
    assert "see out/experiment001/.savemasks/parts/2-of-2/errors.jsonl\n" in text


def test_force_is_not_for_parts(six: Project) -> None:
    code, text = call(*RUN, "--part=1/2", "--force")
    assert code == 2
    assert "error: --force does not go with --part" in text
    assert not Path("out").exists()


def test_a_gallery_is_of_all_parts_together(six: Project) -> None:
    code, text = call(*RUN, "--part=1/2", "--gallery")
    assert code == 2
    assert "--gallery is of all parts" in text
    call(*RUN[:3], "--out=whole")
    call("gallery", "whole")
    for number in (1, 2):
        call(*RUN, f"--part={number}/2")
        assert call("gallery", "out")[0] == 0
        page = Path("out/experiment001/gallery/index.html").read_text()
        assert ("not finished" in page) == (number == 1)
    made = files(Path("out/experiment001/gallery"))
    assert made == files(Path("whole/experiment001/gallery"))


def test_the_installed_command_has_parts(six: Project) -> None:
    for number in (1, 2):
        code, _, errors = savemasks(Path(), *RUN, f"--part={number}/2")
        assert code in {0, 1}, errors
    assert call("verify", "out")[0] == 0
