"""What commands take as paths: no empty text, no other archives, no addresses of local files."""

from pathlib import Path

import pytest

from support.projects import call, files, names

RUN = "run", "config.json", "project", "--out=out"
EMPTY = {
    "run --out": ("run", "config.json", "project", "--out="),
    "run --out apart": ("run", "config.json", "project", "--out", ""),
    "run CONFIG": ("run", "", "project", "--out=out"),
    "run PROJECT": ("run", "config.json", "", "--out=out"),
    "run second PROJECT": ("run", "config.json", "project", "", "--out=out"),
    "run --projects": (*RUN, "--projects="),
    "run --report": (*RUN, "--report="),
    "run --cluster": (*RUN, "--cluster="),
    "check CONFIG": ("check", "", "project"),
    "check PROJECT": ("check", "config.json", ""),
    "init PROJECT": ("init", ""),
    "init --to": ("init", "project", "--to="),
    "stats PROJECT": ("stats", ""),
    "stats --config": ("stats", "project", "--config="),
    "retry": ("retry", ""),
    "verify": ("verify", ""),
    "report": ("report", ""),
    "gallery": ("gallery", ""),
    "gallery --to": ("gallery", "out", "--to="),
    "demo": ("demo", ""),
}


@pytest.mark.parametrize("arguments", EMPTY.values(), ids=EMPTY)
def test_an_empty_text_is_not_the_current_folder(work: Path, arguments: tuple[str, ...]) -> None:
    before = files(work)
    code, text = call(*arguments)
    assert code == 2
    said = text.splitlines()[-1]
    assert said.startswith("Error: Invalid value for ")
    assert "an empty text is no " in said
    assert said.endswith("; is a variable not set?")
    assert (files(work), names(work)) == (before, ["config.json", "file", "project"])


LOCAL = {
    "CONFIG": ("run", "s3://me:secret@bucket/x", "project", "--out=out"),
    "--report": (*RUN, "--report=s3://me:secret@bucket/x"),
    "--to": ("gallery", "out", "--to=s3://me:secret@bucket/x"),
    "DIR": ("demo", "s3://me:secret@bucket/x"),
}


@pytest.mark.parametrize("arguments", LOCAL.values(), ids=LOCAL)
def test_an_address_is_not_taken_for_a_path(work: Path, arguments: tuple[str, ...]) -> None:
    before = names(work)
    code, text = call(*arguments)
    assert code == 2
    assert text.endswith("s3://bucket/x: is an address; here, only a path is taken.\n")
    assert names(work) == before


TAKEN = "is a file; a project is a folder, or a .tar, .tar.gz, .tgz or .zip."


@pytest.mark.parametrize(
    "command", [("run", "config.json"), ("check", "config.json"), ("stats",), ("init",)]
)
def test_archives_that_are_taken_are_named(work: Path, command: tuple[str, ...]) -> None:
    out = ["--out=out"] if command[0] == "run" else []
    order = " CONFIG, the layer's JSON file, comes once, before the projects."
    for name, hint in (
        ("x.tar.xz", " Unpack it, or pack it as one of these."),
        ("x.7z", " Unpack it, or pack it as one of these."),
        ("x.tar.aa", " Parts of an archive are read if they are numbered, .000, .001 and so on."),
        ("x.txt", order if len(command) > 1 else ""),
    ):
        Path(name).touch()
        code, text = call(*command, name, *out)
        assert code == 2
        assert text.endswith(f": {name} {TAKEN}{hint}\n")
    for name in ("nix.zip", "nix.tar.000", "nix.tar.xz"):
        code, text = call(*command, name, *out)
        assert (code, text) == (2, f"error: {name}: no such file\n")
