"""`savemasks stats`: tables and JSON."""

import json
from pathlib import Path

import pytest

from support.projects import call, files

TABLE = """\
class       objects    images    share
kiwi              1         1   25.00%
lemon             0         0    0.00%

objects by their visible pixels
               16 to 31         1 ######

        1 images
        0 without an object of a class
        0 with an empty mask
"""


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")


def test_a_table_fits_into_40_columns_and_nothing_is_written(work: Path) -> None:
    before = files(work)
    assert call("stats", "project", "--quiet") == (0, TABLE)
    assert max(map(len, TABLE.splitlines())) <= 40
    assert files(work) == before


def test_json_has_it_all(work: Path) -> None:
    code, text = call("stats", "project", "--json", "--quiet")
    assert code == 0
    found = json.loads(text)
    assert found["classes"]["kiwi"] == {"objects": 1, "images": 1, "pixels": 24, "share": 0.25}
    code, text = call("stats", "--config", "config.json", "project", "--json", "--quiet")
    assert code == 0
    assert json.loads(text)["classes"]["kiwi"]["objects"] == 1


def test_what_cannot_be_read_is_named(work: Path) -> None:
    (work / "project/ds/ann/bad.png.json").write_text("{")
    code, text = call("stats", "project", "--quiet")
    assert code == 1
    assert text.startswith("cannot be read: project/ds/ann/bad.png.json: not valid JSON")
    assert text.endswith("        1 more that could not be read\n")


def test_a_missing_project_is_refused(work: Path) -> None:
    assert call("stats")[0] == 2
    code, text = call("stats", "--config", "config.json")
    assert code == 2
    assert "Missing argument 'PROJECT...'" in text
    code, text = call("stats", "nowhere")
    assert code == 2
