"""The graph: a config's layers, and the routes on which items flow from sources to sinks.

`Graph.from_json` takes one layer or a list of layers. What the layers on a route do to classes is
composed into one `ClassTable`, so that whatever handles items knows sinks, and no other layers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Self

from .. import jsontext
from ..errors import ConfigError, did_you_mean, printable, shown
from .class_table import ClassStep, ClassTable, compose
from .joining import MAX_PATHS, Path, paths_to_sinks, problems_of_joints, unused
from .reading import (
    MODELS,
    SINKS,
    Layer,
    Node,
    Sink,
    is_alone,
    label,
    read_alone,
    read_nodes,
)
from .save import Save
from .save_masks import SaveMasks
from .schema import json_schema
from .sources import Data
from .validation import Config, read_config

_WRITING = [action for action, model in MODELS.items() if model in SINKS]


@dataclass(frozen=True, slots=True)
class Source:
    """Data sets of one project, as a data layer names them.

    Attributes
    ----------
    number
        The layer's place in the config, from 1.
    name
        The layer, as errors name it: "layer 1 (data)".
    project
        Name of the project's folder.
    entries
        What is taken of it: "*" for all, "market" for a data set alone, "market/closeups" for one
        inside of it, "market/*" for a data set with all inside of it.
    """

    number: int
    name: str
    project: str
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """One way from a source to a sink.

    Attributes
    ----------
    source
        Where its items come from; None stands for the projects of the command line.
    steps
        What its layers do to classes, the source's first.
    """

    source: Source | None
    steps: tuple[ClassStep, ...]

    def table(self, titles: Iterable[str]) -> ClassTable:
        """What becomes of the classes of a project with these titles.

        Raises
        ------
        ConfigError
            If a class has no entry where one is needed.
        """
        return compose(self.steps, titles)


@dataclass(frozen=True, slots=True)
class SinkLayer:
    """A layer that writes, and the routes that lead to it.

    Attributes
    ----------
    number
        The layer's place in the config, from 1.
    layer
        The layer.
    routes
        In the order of their sources in the config, then of the layers on them.
    """

    number: int
    layer: Sink
    routes: tuple[Route, ...]

    @property
    def name(self) -> str:
        """The layer, as errors name it: "layer 3 (save_masks)"."""
        return label(self.number, self.layer.action)

    @property
    def dst(self) -> str:
        """Folder of the result, relative to the output folder."""
        return self.layer.dst


@dataclass(frozen=True, eq=False)
class Graph:
    """The layers of a config, validated and immutable.

    Graphs are equal, and have the same hash, if the same flows into the same sinks.

    Attributes
    ----------
    sinks
        The layers that write, in the order of the config.
    sources
        What data layers name, in the order of the config; empty for a layer alone, which takes the
        projects of the command line.
    warnings
        What is odd, a line each.
    """

    sinks: tuple[SinkLayer, ...]
    sources: tuple[Source, ...]
    warnings: tuple[str, ...]
    _layers: tuple[Layer, ...] = field(repr=False)
    _paths: Mapping[int, tuple[Path, ...]] = field(repr=False)

    @classmethod
    def from_json(cls, config: Config) -> Self:
        """Validate a config.

        Parameters
        ----------
        config
            The JSON as text or bytes, the path of a file with it, or what it parses to: one layer
            that writes, or a list of layers. A `str` is always JSON, a `pathlib.Path` always a
            path.

        Raises
        ------
        ConfigError
            With every problem found, each with its file, if there is one, and its layer.
        TypeError
            If `config` is none of these.

        Examples
        --------
        >>> graph = Graph.from_json([
        ...     {"action": "data", "src": "lemons", "dst": "$lemons"},
        ...     {"action": "save", "src": "$lemons", "dst": "copy"},
        ... ])
        >>> graph.sink().dst
        'copy'
        >>> Graph.from_json([
        ...     {"action": "data", "src": "lemons", "dst": "$0"},
        ...     {"action": "save", "src": "$x", "dst": "copy"},
        ... ])
        Traceback (most recent call last):
        savemasks.errors.ConfigError: layer 2 (save): src: no layer defines "$x"
        """
        return read_config(config, cls._of_parsed)

    @classmethod
    def of_layer(cls, layer: Sink) -> Self:
        """The graph of a layer alone, which takes the projects of the command line."""
        return cls((SinkLayer(1, layer, (Route(None, ()),)),), (), (), (layer,), {1: ((1,),)})

    @classmethod
    def _of_parsed(cls, data: object) -> Self:
        if is_alone(data):
            return cls.of_layer(read_alone(data))
        problems: list[tuple[int, str]] = []
        nodes = [*read_nodes(data if isinstance(data, list) else [data], problems)]
        problems += problems_of_joints(nodes)
        if all(node.model not in {*SINKS, None} for node in nodes):
            problems.append((len(nodes) + 1, f"no layer writes; these do: {', '.join(_WRITING)}"))
        if not problems:
            try:
                return cls._of_nodes(nodes)
            except OverflowError as error:
                number = error.args[0]
                text = f"more than {MAX_PATHS} ways lead here from data layers"
                problems.append((number, f"{nodes[number - 1].name}: {text}"))
        problems.sort(key=lambda problem: problem[0])
        raise ConfigError([text for _, text in problems])

    @classmethod
    def _of_nodes(cls, nodes: Sequence[Node]) -> Self:
        layers = tuple(node.layer for node in nodes if node.layer is not None)
        names = {node.number: node.name for node in nodes}
        sources = {
            number: Source(number, names[number], layer.projects[0], layer.entries)
            for number, layer in enumerate(layers, start=1)
            if isinstance(layer, Data)
        }
        steps = {
            number: layer.step(names[number])
            for number, layer in enumerate(layers, start=1)
            if not isinstance(layer, SaveMasks | Save)
        }
        paths = paths_to_sinks(nodes)
        sinks = tuple(
            SinkLayer(
                number,
                layer,
                tuple(
                    Route(sources[path[0]], tuple(steps[n] for n in path if n in steps))
                    for path in paths[number]
                ),
            )
            for number, layer in enumerate(layers, start=1)
            if isinstance(layer, SaveMasks | Save)
        )
        return cls(sinks, tuple(sources.values()), tuple(_warnings(nodes)), layers, paths)

    def sink(self, dst: str | None = None) -> SinkLayer:
        """The sink with this `dst`; without one, the only sink.

        Raises
        ------
        ConfigError
            If there is none, or several to choose from; names those that there are.
        """
        if dst is None and len(self.sinks) == 1:
            return self.sinks[0]
        for sink in self.sinks:
            if dst is not None and PurePosixPath(dst) == PurePosixPath(sink.dst):
                return sink
        there = printable(", ".join(sink.dst for sink in self.sinks))
        if dst is None:
            raise ConfigError([f"the graph writes several results; name one of {there}"])
        hint = did_you_mean(dst, [sink.dst for sink in self.sinks])
        raise ConfigError([f"no layer has the dst {shown(dst)}{hint}; there are {there}"])

    def subgraph_json(self, sink: SinkLayer) -> list[dict[str, Any]]:
        """The layers that a sink depends on, as JSON in the order of the config.

        Unknown keys are left out, and so are placeholders that lead to other sinks only; actions
        keep the names that they have. `from_json` of it is a graph that does the same.
        """
        numbers = sorted({number for path in self._paths[sink.number] for number in path})
        layers = [self._layers[number - 1] for number in numbers]
        taken = {name for each in layers if not isinstance(each, Data) for name in each.src}
        return [
            known if isinstance(layer, SaveMasks | Save)
            else known | {"dst": [name for name in layer.dst if name in taken]}
            for layer in layers
            for known in [layer.known]
        ]  # fmt: skip

    def unknown_keys(self) -> list[str]:
        """Keys that no version of their layer knows, which have no effect, with their layers."""
        if not self.sources:
            return self._layers[0].unknown_keys()
        return [
            f"{label(number, layer.action)}: {key}"
            for number, layer in enumerate(self._layers, start=1)
            for key in layer.unknown_keys()
        ]

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """The JSON Schema of a config."""
        return json_schema()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self._flow == other._flow

    def __hash__(self) -> int:
        return hash(self._flow)

    @cached_property
    def _flow(self) -> bytes:
        """What flows into the sinks."""
        return jsontext.dump([self.subgraph_json(sink) for sink in self.sinks])


def _warnings(nodes: Sequence[Node]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node.layer, Data):
            yield from (f"{node.name}: {note}" for note in node.layer.notes())
        if (
            node.model not in SINKS
            and node.layer
            and (keys := node.layer.unknown_keys_with_hints())
        ):
            yield f"{node.name}: keys of the config that have no effect: {', '.join(keys)}"
    for node, name in unused(nodes):
        yield f"{node.name}: dst: no layer takes {shown(name)}, so nothing of it is written"
