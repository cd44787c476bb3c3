"""Fixtures for whole runs: tiny projects, and the command line in this process."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import pyvips
from click.testing import CliRunner

from savemasks.cli import commands as cli
from savemasks.cli.commands import main
from savemasks.cli.demo import CONFIG, write_project
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.plan import Plan
from savemasks.line.warmup import warm_up
from support.kernels import compile_kernels
from support.projects import Export, Project, Runner, files, layer, tree


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile all kernels before there are workers, who would compile the same ones or wait."""
    config = session.config
    is_worker = hasattr(config, "workerinput")
    checked = "NUMBA_BOUNDSCHECK" in os.environ  # few of them are needed
    if is_worker or checked or config.option.collectonly:
        return
    if config.get_verbosity() >= 0:
        config.get_terminal_writer().line("loading kernels; the first time takes about a minute")
    compile_kernels()


@pytest.fixture
def export(tmp_path: Path, warm: None, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """`savemasks run` in this process; it also proves that nothing outside --out was touched."""
    monkeypatch.setattr(cli, "PROCESSES", False)
    calls = 0

    def call(*projects: Path, config: object = None, options: tuple[str, ...] = ()) -> Export:
        nonlocal calls
        calls += 1
        work = tmp_path / f"run{calls}"
        work.mkdir()
        out, report = work / "out", work / "report.json"
        (work / "config.json").write_text(json.dumps(config or layer()))
        before = files(tmp_path)
        paths = [*projects, f"--out={out}", f"--report={report}"]
        command = ["run", str(work / "config.json"), *map(str, paths), *options]
        result = CliRunner().invoke(main, command)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        after = files(tmp_path)
        inside = (f"{out.relative_to(tmp_path)}/", str(report.relative_to(tmp_path)))
        assert {k: v for k, v in after.items() if not k.startswith(inside)} == before
        written = tree(out)
        assert all(name.startswith("experiment001/") for name in written)
        content = json.loads(report.read_bytes()) if report.exists() else {}
        return Export(
            result.exit_code,
            result.output,
            content,
            {name.removeprefix("experiment001/"): content for name, content in written.items()},
        )

    return call


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project without data sets."""
    return Project(tmp_path / "project")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm: None) -> Path:
    """The current folder: a project with one item, a good configuration, and a file."""
    Project(tmp_path / "project").add()
    (tmp_path / "config.json").write_text(json.dumps(layer()))
    (tmp_path / "file").write_bytes(b"mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def demo_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo project `lemons`; not to be changed."""
    folder = tmp_path_factory.mktemp("demo") / "lemons"
    write_project(folder)
    return folder


@pytest.fixture
def no_libvips_cache() -> Iterator[None]:
    """Without libvips's cache: it would remember one outcome for two ways to decode."""
    most = pyvips.cache_get_max()
    pyvips.cache_set_max(0)
    yield
    pyvips.cache_set_max(most)


@pytest.fixture(scope="session")
def warm() -> None:
    """Compile all kernels, so that nobody is told to wait and a subprocess finds them on disk."""
    colors = {"kiwi": [1, 2, 3]}
    for config in (CONFIG, layer(gt_machine_color=colors)):
        warm_up(Plan.of(SaveMasks.from_json(config)))


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 server."""
    from support.s3 import s3_server  # few tests need it

    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3: str) -> Iterator[str]:
    """The address of a new bucket, on a server that this process and its workers know."""
    from support.s3 import new_bucket, used

    with used(s3):
        yield new_bucket()
