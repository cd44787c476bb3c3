"""Lines of progress, where there is no terminal."""

import pytest

from savemasks.cli import progress as progress_module


def test_a_second_run_of_one_command_counts_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(100, 1000, 100))
    monkeypatch.setattr(progress_module, "monotonic", lambda: next(clock))
    update = progress_module._line_printer()
    for _ in range(2):
        for done in (1, 2, 3):
            update(done, 0, 3)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["2/3", "3/3"] * 2
