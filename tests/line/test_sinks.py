"""Several sinks: an item is read, parsed and decoded once, and each sink gets what it asks for."""

from pathlib import Path
from typing import Any

import pytest

from savemasks.layers.save_masks import SaveMasks
from savemasks.line import item as item_module
from savemasks.line import products as masks_module
from savemasks.line import strips as strips_module
from savemasks.line.budget import Budget
from savemasks.line.item import export_item, try_item
from savemasks.line.job import Outcome
from savemasks.line.plan import Plan
from savemasks.line.sinks import Line, Sink
from savemasks.pictures.original import Original
from savemasks.pictures.streamed import StreamedOriginal
from savemasks.projects.items import Item
from savemasks.scratch import Scratch
from savemasks.store.files import Store
from support.projects import files, same
from support.strips import layer, photo

LAYERS = (
    layer(),
    layer(masks_human=False, images=False),
    layer(masks_machine=False, annotations=False, paint_order="area", line_width=3),
)


@pytest.fixture
def item(tmp_path: Path) -> Item:
    folder = tmp_path / "in"
    folder.mkdir()
    return photo(folder).item


def exported(item: Item, layers: tuple[SaveMasks, ...], out: Path, rows: int | None) -> Outcome:
    sinks = []
    for number, config in enumerate(layers):
        store = out / str(number)
        store.mkdir(parents=True)
        sinks.append(Sink(config.settings, Plan.of(config), Store(store)))
    line = Line(tuple(sinks), Budget(1 << 30, strip_rows=rows), Scratch())
    return export_item(item, line)


@pytest.mark.parametrize("rows", [None, 7], ids=["whole", "strips"])
def test_every_sink_gets_what_it_would_get_alone(
    item: Item, tmp_path: Path, rows: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rows:
        monkeypatch.setattr(Line, "wants_strips", lambda *_: True)
    done = exported(item, LAYERS, tmp_path / "together", rows)
    assert done.error is None
    for number, config in enumerate(LAYERS):
        alone = exported(item, (config,), tmp_path / f"alone{number}", rows)
        assert alone.error is None
        folder = tmp_path / "together" / str(number)
        same(files(folder), files(tmp_path / f"alone{number}" / "0"))
        assert [*done.outputs(number).items()] == [*alone.outputs().items()]
        assert {*files(folder)} == {*done.outputs(number)}


@pytest.mark.parametrize("rows", [None, 7], ids=["whole", "strips"])
def test_an_item_is_read_parsed_and_decoded_once(
    item: Item, tmp_path: Path, rows: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rows:
        monkeypatch.setattr(Line, "wants_strips", lambda *_: True)
    calls: list[str] = []

    def count(owner: Any, name: str) -> None:
        genuine = getattr(owner, name)

        def counted(*args: Any, **options: Any) -> Any:
            calls.append(name)
            return genuine(*args, **options)

        monkeypatch.setattr(owner, name, counted)

    count(item_module, "_contents")
    count(Plan, "parse")
    count(Original, "pixels")
    count(StreamedOriginal, "read")
    assert exported(item, LAYERS, tmp_path / "out", rows).error is None
    decoded = ["pixels"] if rows is None else ["read"] * -(-150 // 7)
    assert calls == ["_contents", "_contents", "parse", *decoded]


def test_if_one_sink_fails_nothing_is_left_in_any(
    item: Item, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = OSError("no room")

    def encode_human(*_: object) -> None:
        raise failing

    for rows, module, name in (
        (None, masks_module, "encode_human"),
        (7, strips_module, "deflate_human"),
    ):
        if rows:
            monkeypatch.setattr(Line, "wants_strips", lambda *_: True)
        monkeypatch.setattr(module, name, encode_human)
        out = tmp_path / f"out{rows}"
        done = exported(item, LAYERS[::-1][1:], out, rows)  # the first one makes no page
        assert done.error is failing
        assert done.written == []
        assert files(out) == {}


def test_what_every_sink_would_get_is_told_without_writing(item: Item, tmp_path: Path) -> None:
    sinks = tuple(Sink(config.settings, Plan.of(config), Store(tmp_path)) for config in LAYERS)
    tried = try_item(item, Line(sinks, Budget(1 << 30), Scratch()), 1)
    done = exported(item, LAYERS, tmp_path / "out", None)
    for sink in range(len(LAYERS)):
        sizes = {name: written.size for name, written in done.outputs(sink).items()}
        assert {name: w.size for name, w in tried.outputs(sink).items()} == sizes
