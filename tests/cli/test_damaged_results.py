"""Commands on results in chunks that something has happened to: a message, and a way on."""

import os
from pathlib import Path

import pytest

from support.projects import Project, call

pytestmark = pytest.mark.usefixtures("warm")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("legend.json", "legend.json: is missing"),
        (".savemasks/done.json", "done.json: is not as savemasks wrote it: retry, or the same run"),
        (
            ".savemasks/root.json",
            "root.json: is not as savemasks wrote it, so the files at",
        ),
        (".savemasks/marks", "is not as savemasks wrote it, so its images cannot be verified"),
    ],
)
def test_a_way_on_from_damage(six: Project, file: str, said: str) -> None:
    (six.folder / "ds/img/bad.png").unlink()
    (six.folder / "ds/ann/bad.png.json").unlink()
    run = "run", "config.json", "project", f"--out=file://{Path.cwd()}/out"
    assert call(*run)[0] == 0
    path = Path("out/experiment001") / file
    if path.is_dir():
        os.truncate(next(path.iterdir()), 50)
    elif "legend" in file:
        path.unlink()
    else:
        os.truncate(path, 50)
    code, text = call("verify", "out")
    assert code == 1
    assert said in text
    assert "1 damaged" in text
    code, text = call("gallery", "out")
    assert (code, "Traceback" in text) == (0, False), text
    code, text = call("retry", "out")
    assert code == 0, text
    for command in ("verify", "report"):
        code, text = call(command, "out")
        assert code == 0, text
