"""`savemasks gallery`, and `run --gallery`."""

from pathlib import Path

import pytest

from support.projects import call, files, names, same

RUN = ("run", "config.json", "project", "--out", "out")


def test_run_builds_a_gallery_and_names_its_page(work: Path) -> None:
    code, text = call(*RUN, "--gallery")
    assert code == 0
    assert text.splitlines()[-1] == "open out/experiment001/gallery/index.html"
    assert (work / "out/experiment001/gallery/index.html").is_file()
    code, text = call(*RUN, "--gallery", "--quiet")
    assert (code, text) == (0, "")


def test_gallery_takes_the_result_or_the_folder_around_it(work: Path) -> None:
    assert call(*RUN)[0] == 0
    for out in ("out", "out/experiment001"):
        code, text = call("gallery", out)
        assert code == 0
        assert text.splitlines()[-1] == "open out/experiment001/gallery/index.html"
    code, text = call("gallery", "out", "--to", "elsewhere", "--quiet")
    assert (code, text) == (0, "")
    assert "index.html" in names(work / "elsewhere")


def test_a_run_on_a_cluster_builds_a_gallery(work: Path) -> None:
    pytest.importorskip("distributed")
    assert call(*RUN[:3], "--out=local", "--gallery")[0] == 0
    code, text = call(*RUN, "--gallery", "--cluster=local")
    assert code == 0, text
    assert text.endswith("out/experiment001/gallery/index.html\n")
    same(files(work / "out/experiment001"), files(work / "local/experiment001"))


def test_a_gallery_that_cannot_be_written_says_so(work: Path) -> None:
    assert call(*RUN)[0] == 0
    code, text = call("gallery", "out", "--to", "project")
    assert code == 2
    assert text == (
        "error: project: is there and no gallery of savemasks; --to DIR takes another folder\n"
    )
    (work / "out/experiment001/gallery").mkdir()
    (work / "out/experiment001/gallery/mine").write_text("mine")
    code, text = call(*RUN, "--gallery")
    assert code == 1
    assert "images exported" in text
    assert "no gallery of savemasks" in text


def test_failures_and_an_interruption_keep_their_exit_codes(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "project/ds/ann/bad.png.json").write_text("{")
    (work / "project/ds/img/bad.png").write_bytes(b"")
    code, text = call(*RUN, "--gallery")
    assert code == 1
    assert text.splitlines()[-1].startswith("open ")
    monkeypatch.setattr("savemasks.gallery.building._fill", lambda *rest: rest[-1].stop.set())
    code, text = call("gallery", "out")
    assert code == 130
    assert text == "interrupted: the gallery is as it was before\n"
