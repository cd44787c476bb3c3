"""The options of a run: one object, filled by the command line and handed on as it is."""

import dataclasses
from pathlib import Path
from typing import Any

import orjson
import pytest

from savemasks.cli import commands as cli
from savemasks.layers.save_masks import SaveMasks
from savemasks.line.job import PackRules
from savemasks.projects.parts import Part
from savemasks.results.division import locked_journals
from savemasks.results.report import Summary
from savemasks.run import export
from savemasks.run.options import RunOptions
from support.projects import Project, annotation, call, layer

GIVEN: dict[str, dict[str, Any]] = {
    "--workers=3": {"workers": 3},
    "--memory=2M": {"memory": 2 << 20},
    "--link": {"link": True},
    "--durable": {"durable": True},
    "--restart": {"restart": True},
    "--force": {"force": True},
    "--on-error=stop": {"on_error": "stop"},
    "--max-errors=4": {"max_errors": 4},
    "--report=report.json": {"report": Path("report.json")},
    "--pack=tar": {"pack": PackRules("tar")},
    "--part=2/3": {"part": Part(2, 3)},
    "--cluster=local": {"cluster": "local"},
    "--pack=webdataset": {"pack": PackRules("webdataset", items=1000)},
    "--pack=webdataset --pack-size=4G": {"pack": PackRules("webdataset", size=4 << 30)},
    "--pack=tar --pack-items=7": {"pack": PackRules("tar", items=7)},
}


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[RunOptions]:
    """The options of every call of `run`, which does nothing."""
    options: list[RunOptions] = []

    def run(_: Any, __: Any, out: Path, chosen: RunOptions, ___: Any, **____: Any) -> Summary:
        options.append(chosen)
        return Summary(out=out)

    monkeypatch.setattr(export, "run", run)
    return options


@pytest.mark.usefixtures("work")
def test_each_option_of_the_command_line_sets_its_field_alone(received: list[RunOptions]) -> None:
    command = ("run", "config.json", "project", "--out=out")
    call(*command)
    default = RunOptions(processes=cli.PROCESSES)
    assert received == [default]
    for option, fields in GIVEN.items():
        received.clear()
        call(*command, *option.split())
        assert received == [dataclasses.replace(default, **fields)]
    settable = {f.name for f in dataclasses.fields(RunOptions)} - {"processes", "only_failed"}
    assert {name for fields in GIVEN.values() for name in fields} == settable


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize(
    "kept", [{"link": True}, {"durable": True}, {"link": True, "durable": True}]
)
def test_retry_takes_link_and_durable_from_the_run(
    project: Project, tmp_path: Path, kept: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add_bad(b"", annotation())
    begun = RunOptions(**kept)
    summary = export.run(SaveMasks.from_json(layer()), [project.folder], tmp_path, begun)
    with locked_journals(summary.out) as (journal,):
        stored = orjson.loads(journal.get("options") or b"")
    assert stored == {"link": begun.link, "durable": begun.durable}
    received: list[RunOptions] = []

    def run(*arguments: Any) -> Summary:
        received.append(arguments[3])
        return summary

    monkeypatch.setattr(export, "_run_parts", run)
    export.retry(tmp_path, RunOptions(workers=2, restart=True, force=True))
    assert received == [RunOptions(workers=2, only_failed=True, **kept)]


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        (RunOptions(), None),
        (RunOptions(max_errors=7), 7),
        (RunOptions(on_error="stop"), 1),
        (RunOptions(on_error="stop", max_errors=7), 1),
    ],
)
def test_the_number_of_failures_that_ends_a_run(options: RunOptions, limit: int | None) -> None:
    assert options.failure_limit == limit


@pytest.mark.usefixtures("work")
def test_limits_of_archives_need_archives_and_are_sizes(received: list[RunOptions]) -> None:
    command = ("run", "config.json", "project", "--out=out")
    for option in ("--pack-items=5", "--pack-size=5M"):
        code, output = call(*command, option)
        assert code == 2
        assert "--pack-items and --pack-size are for --pack." in output
    assert "is not a size" in call(*command, "--pack=tar", "--pack-size=many")[1]
    for option in (f"--pack-items={1 << 63}", "--pack-size=9999999999G"):
        code, output = call(*command, "--pack=tar", option)
        assert code == 2
        assert "no archive has more than 9223372036854775807" in output
    assert "'zip' is not one of 'tar', 'webdataset'" in call(*command, "--pack=zip")[1]
    assert received == []
