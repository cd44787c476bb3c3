"""Hard links instead of copies: the same tree, without writing images and annotations again."""

import errno
import os
from pathlib import Path

import pytest

from savemasks.errors import WriteError
from savemasks.store.files import Store
from support.projects import Project, Runner, names, picture, same, tree

OUT = "run1/out/experiment001"


def test_links_are_the_originals_and_the_tree_is_that_of_copies(
    project: Project, export: Runner, tmp_path: Path
) -> None:
    project.add()
    project.add("b.png", "ds/datasets/child")
    done = export(project.folder, options=("--link",))
    assert done.code == 0
    same(done.tree, project.expected)
    for kind, name in (("img", "b.png"), ("ann", "b.png.json")):
        path = f"ds/datasets/child/{kind}/{name}"
        assert (project.folder / path).samefile(tmp_path / OUT / path)
    mask = "ds/datasets/child/masks_human/b.png"
    assert (tmp_path / OUT / mask).stat().st_nlink == 1


def test_a_link_to_a_link_leads_to_the_file_itself(
    project: Project, export: Runner, tmp_path: Path
) -> None:
    project.add()
    image = next((project.folder / "ds/img").iterdir())
    real = image.with_name(".real")
    image.rename(real)
    image.symlink_to(real)
    assert export(project.folder, options=("--link",)).code == 0
    result = tmp_path / OUT / "ds/img" / image.name
    assert not result.is_symlink()
    assert result.samefile(real)


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP])
def test_where_links_are_impossible_files_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "source").write_bytes(b"data")
    store = Store(tmp_path / "out", link=True)
    store.copy("img/a", str(tmp_path / "source"), b"data")
    assert tree(tmp_path / "out").keys() == {"img/a"}
    assert (tmp_path / "out/img/a").read_bytes() == b"data"


def test_a_link_that_fails_otherwise_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "out", link=True)
    with pytest.raises(WriteError, match=r"img/a: cannot be written: No such file"):
        store.copy("img/a", str(tmp_path / "gone"), picture())
    assert names(tmp_path / "out/img") == []
