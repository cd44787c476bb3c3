"""The JSON Schema of a config: the file, the command, and what it says."""

import json
from typing import Any

import pydantic
import pytest
from click.testing import CliRunner

from savemasks.cli.commands import main
from savemasks.layers.graph import Graph
from savemasks.layers.reading import MODELS
from savemasks.layers.schema import json_schema
from support import ROOT

FILE = ROOT / "docs" / "savemasks.schema.json"


def test_the_command_prints_the_schema() -> None:
    done = CliRunner().invoke(main, ["schema"])
    assert done.exit_code == 0
    assert json.loads(done.output) == json_schema() == Graph.json_schema()


@pytest.mark.skipif(
    tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 12),
    reason="older versions of pydantic word the same schema in another way",
)
def test_the_file_is_what_the_command_prints() -> None:
    """After a change: `savemasks schema > docs/savemasks.schema.json`."""
    assert json.loads(FILE.read_text()) == json_schema()


def test_every_action_and_every_setting_is_described() -> None:
    models = json_schema()["$defs"]
    layers = [models[each["$ref"].rpartition("/")[2]] for each in models["Layer"]["oneOf"]]
    actions: list[str] = []
    for layer in layers:
        action = layer["properties"]["action"]
        actions += action.get("enum", [action.get("const")])
        settings = models[layer["properties"]["settings"]["$ref"].rpartition("/")[2]]
        for name, key in (layer["properties"] | settings["properties"]).items():
            assert "description" in key or name in {"action", "settings"}, (layer, name)
    assert actions == [*MODELS]


def test_the_archive_may_stand_for_the_dst() -> None:
    models = json_schema()["$defs"]
    for sink in ("SaveMasks", "Save"):
        assert "dst" not in models[sink]["required"]
        named: Any = models[sink]["anyOf"][1]
        assert named["properties"]["settings"]["required"] == ["archive_name"]
