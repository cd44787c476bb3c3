"""From a graph and folders of projects to what a run does: which items flow where, as what.

The layers say which data sets flow through which class layers into which sinks. Here the data sets
get their places in every sink, the class layers become one table a route, and the classes of every
sink its meta.json.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import jsontext
from ..errors import ConfigError, OutputError, ProjectError, printable
from ..layers.auto_colors import ClassColor, mapped_titles, resolve_colors
from ..layers.class_orders import numbered_classes
from ..layers.class_table import IDENTITY, ClassTable, unknown_titles
from ..layers.graph import Graph, Route, SinkLayer
from ..layers.reading import Sink
from ..layers.save import Save
from ..layers.save_masks import SaveMasks
from ..line.job import Flow, Inlet
from ..projects.classes import (
    class_templates,
    mapped_meta,
    merge_conflicts,
    merge_metas,
    shape_conflicts,
)
from ..projects.items import Dataset
from ..projects.locations import Location, Place, is_inside
from ..projects.member_index import Halted, never
from ..projects.selection import find_project, select
from ..projects.supervisely import Project, distinct_outputs, merge_meta
from ..results.output import graph_arguments, layer_arguments, order_digest

_MAX_NAMES = 100  # in one note


@dataclass(frozen=True, slots=True)
class Result:
    """What one sink of a graph becomes.

    Attributes
    ----------
    sink
        The layer that asks for it.
    layer, classes, shapes
        The same layer with all colours, and the classes of meta.json, in order; their shapes.
    root
        Its folder.
    meta
        Its meta.json.
    arguments
        Everything besides the items that its files depend on.
    notes
        What the user should know of its classes, one line each.
    known_classes
        Titles that the configuration or a source's meta.json names.
    """

    sink: SinkLayer
    layer: SaveMasks | Save
    classes: tuple[ClassColor, ...]
    shapes: Mapping[str, str | None]
    root: Path
    meta: bytes
    arguments: dict[str, Any]
    notes: list[str]
    known_classes: frozenset[str]

    def inlet(self, table: ClassTable) -> Inlet:
        """What workers need to know of a source whose classes take this way."""
        return Inlet(self.layer, self.root, table, self.classes)


@dataclass(frozen=True, slots=True)
class Routing:
    """What a run does.

    Attributes
    ----------
    results
        One for every sink of the graph.
    flows
        What the items of each source have in common.
    sinks
        For every flow, the numbers of the results of its inlets.
    datasets
        Every data set once, with its flow and its places.
    projects
        The projects that they are of.
    notes
        What the user should know, one line each.
    """

    results: list[Result]
    flows: list[Flow]
    sinks: list[tuple[int, ...]]
    datasets: list[Dataset]
    projects: list[Project]
    notes: list[str]

    def close(self) -> None:
        """Remove what archives were unpacked to."""
        for project in self.projects:
            project.close()


@dataclass(frozen=True, slots=True)
class _Part:
    """What flows into a sink by one route: data sets of one project, number `project`.

    `name` is the project's, as the config has it, for data sets that need it in theirs.
    """

    project: int
    name: str
    datasets: list[Dataset]
    table: ClassTable
    route: Route


@dataclass(slots=True)
class _Opened:
    """Projects by the folders that they are in."""

    given: Sequence[Location]
    below: Sequence[Location]
    halted: Halted
    projects: list[Project] = field(default_factory=list)
    numbers: dict[Location, int] = field(default_factory=dict)

    def number(self, folder: Location) -> int:
        """Open a project, unless it is open."""
        if folder not in self.numbers:
            self.projects.append(Project.open(folder, self.halted))
            self.numbers[folder] = len(self.projects) - 1
        return self.numbers[folder]


def find_routes(
    graph: Graph | Sink,
    projects: Sequence[Location],
    out: Path,
    below: Sequence[Location] = (),
    halted: Halted = never,
) -> Routing:
    """Find out what a run does. Writes nothing but what archives are unpacked to.

    Parameters
    ----------
    graph
        What to make. All projects flow into a layer alone.
    projects
        Folders or addresses of projects.
    out
        Output folder.
    below
        Folders whose projects data layers may name, besides `projects`.
    halted
        Whether the user has asked for the end, while archives are read.

    Raises
    ------
    ProjectError
        If a project or a data set cannot be used or is not there; all of them are named.
    ConfigError
        If a class of a project has no entry in a mapping.
    KeyboardInterrupt
        If `halted` says so.
    """
    graph = graph if isinstance(graph, Graph) else Graph.of_layer(graph)
    opened = _Opened(projects, below, halted)
    try:
        return _routing(graph, opened, out)
    except BaseException:
        for project in opened.projects:
            project.close()
        raise


def _routing(graph: Graph, opened: _Opened, out: Path) -> Routing:
    parts = _parts_of_graph(graph, opened) if graph.sources else _parts_of_layer(graph, opened)
    routing = _joined(graph, opened.projects, parts, out)
    if graph.sources:
        used = [project.folder for project in opened.projects]
        unused = [str(folder) for folder in opened.given if folder not in used]
        if unused:
            routing.notes.append(printable(f"projects that no layer names: {', '.join(unused)}"))
    return routing


def _parts_of_layer(graph: Graph, opened: _Opened) -> list[list[_Part]]:
    """All data sets of all projects flow into the only sink."""
    opened.projects.extend(Project.open(folder, opened.halted) for folder in opened.given)
    return [
        [
            _Part(
                number,
                project.name,
                project.datasets(),
                route.table(project.classes),
                route,
            )
            for route in sink.routes
            for number, project in enumerate(opened.projects)
        ]
        for sink in graph.sinks
    ]


def _parts_of_graph(graph: Graph, opened: _Opened) -> list[list[_Part]]:
    """What the data layers name, by sink; all that is wrong is said at once."""
    found: dict[int, tuple[int, list[Dataset]]] = {}
    missing: dict[str, None] = {}
    for source in graph.sources:
        try:
            number = opened.number(find_project(source.project, opened.given, opened.below))
            found[source.number] = number, select(opened.projects[number], source.entries)
        except ProjectError as error:
            missing.update((f"{source.name}: {said}", None) for said in str(error).splitlines())
    if missing:
        raise ProjectError("\n".join(missing))
    wrong: dict[str, None] = {}
    parts = [
        [
            _part(route, *found[route.source.number], opened, wrong)
            for route in sink.routes
            if route.source
        ]
        for sink in graph.sinks
    ]
    if wrong:
        raise ConfigError([*wrong])
    return parts


def _part(
    route: Route, number: int, datasets: list[Dataset], opened: _Opened, wrong: dict[str, None]
) -> _Part:
    try:
        table = route.table(opened.projects[number].classes)
    except ConfigError as error:
        wrong.update((problem, None) for problem in error.problems)
        table = IDENTITY
    name = route.source.project if route.source else ""
    return _Part(number, name, datasets, table, route)


def _joined(graph: Graph, projects: list[Project], parts: list[list[_Part]], out: Path) -> Routing:
    """Turn around what flows into each sink: the sinks that each data set flows into."""
    results = []
    places: dict[tuple[int, Place], list[tuple[int, ClassTable, str]]] = {}
    for number, (sink, found) in enumerate(zip(graph.sinks, parts, strict=True)):
        results.append(_result(graph, sink, projects, found, out))
        named = distinct_outputs([(part.name, part.datasets) for part in found])
        for part, outputs in zip(found, named, strict=True):
            for dataset, output in zip(part.datasets, outputs, strict=True):
                key = part.project, dataset.folder
                places.setdefault(key, []).append((number, part.table, output))
    flows: dict[tuple[int, tuple[tuple[int, ClassTable], ...]], int] = {}
    datasets = []
    for (project, folder), reached in places.items():
        inlets = tuple((number, table) for number, table, _ in reached)
        flow = flows.setdefault((project, inlets), len(flows))
        outputs = [output for *_, output in reached]
        numbered = tuple(enumerate(outputs)) if len(outputs) > 1 else ()
        datasets.append(Dataset(folder, outputs[0], flow, numbered))
    made = [
        Flow(
            projects[project].templates,
            tuple(results[number].inlet(table) for number, table in inlets),
        )
        for project, inlets in flows
    ]
    numbers = [tuple(number for number, _ in inlets) for _, inlets in flows]
    ways = [(part.route.steps, projects[part.project].classes) for found in parts for part in found]
    notes = [printable(note) for note in (*graph.warnings, *unknown_titles(ways))]
    return Routing(results, made, numbers, datasets, projects, notes)


def _result(
    graph: Graph, sink: SinkLayer, projects: list[Project], parts: list[_Part], out: Path
) -> Result:
    """What a sink becomes."""
    used = [*dict.fromkeys(part.project for part in parts)]
    own = [projects[number] for number in used]
    tables = [part.table for part in parts]
    notes: list[str] = []
    if all(map(_changes_nothing, tables)):
        metas = [project.meta for project in own]
        notes += merge_conflicts(metas) if graph.sources else []
        meta_bytes = merge_meta(own)
        meta = merge_metas(metas)
    else:
        metas = []
        for part in parts:
            table, source = part.table, projects[part.project].meta
            notes += shape_conflicts(source, table.titles, table.backgrounds)
            metas.append(mapped_meta(source, table.titles, table.colors, table.backgrounds))
        notes += merge_conflicts(metas)
        meta = merge_metas(metas)
        meta_bytes = jsontext.dump(meta)
    classes = tuple(ClassColor(each["title"], each.get("color")) for each in meta["classes"])
    layer = _with_colors(sink, classes, is_alone=not graph.sources)
    notes += config_notes(layer, classes, is_in_graph=bool(graph.sources))
    order = order_digest(numbered_classes(layer, classes))
    if graph.sources:
        arguments = graph_arguments(sink.layer, graph.subgraph_json(sink), own, order)
        notes = [f"{sink.name}: {note}" for note in notes]
    else:
        arguments = layer_arguments(sink.layer, own, order)
    known = _known_classes(layer).union(
        (each.title for each in classes),
        *(project.classes for project in own),
        *(table.titles for table in tables),
    )
    return Result(
        sink=sink,
        layer=layer,
        classes=classes,
        shapes={title: each.shape for title, each in class_templates(meta).items()},
        root=out / sink.dst,
        meta=meta_bytes,
        arguments=arguments,
        notes=[*dict.fromkeys(notes)],
        known_classes=known,
    )


def _with_colors(
    sink: SinkLayer, classes: Sequence[ClassColor], *, is_alone: bool
) -> SaveMasks | Save:
    """The layer of a sink, with colours of its classes where they are "auto"."""
    if isinstance(sink.layer, Save):
        return sink.layer
    try:
        return resolve_colors(sink.layer, classes)
    except ConfigError as error:
        prefix = "" if is_alone else f"{sink.name}: "
        raise ConfigError([prefix + problem for problem in error.problems]) from None


def _known_classes(layer: SaveMasks | Save) -> frozenset[str]:
    if isinstance(layer, Save):
        return frozenset()
    settings = layer.settings
    return frozenset(settings.machine_colors).union(settings.human_colors)


def _changes_nothing(table: ClassTable) -> bool:
    return table.is_identity and not table.colors


def check_outside(routing: Routing, roots: Sequence[Location]) -> None:
    """Refuse results inside of a project, of whose items they would be taken for a part."""
    for project in routing.projects:
        for root in roots:
            if is_inside(root, project.folder):
                raise OutputError(
                    f"{root}: is inside of the project {project.folder}, whose part the"
                    " results would become; choose a folder outside of it"
                )


def routing_notes(routing: Routing) -> list[str]:
    """What the user should know before anything is made, one line each."""
    notes = list(routing.notes)
    for result in routing.results:
        notes += result.notes
    return notes + [note for project in routing.projects for note in project.notes()]


def config_notes(
    layer: SaveMasks | Save, classes: Sequence[ClassColor], *, is_in_graph: bool = False
) -> list[str]:
    """A note for each way in which a sink's settings and the classes that reach it differ."""
    notes = []
    absence = "that do not flow into it" if is_in_graph else "that no project has"
    if isinstance(layer, SaveMasks):
        settings = layer.settings
        existing = [each.title for each in classes]
        mapped = set(mapped_titles(layer, classes))
        if absent := sorted(mapped.difference(existing)):
            notes.append(f"classes of the config {absence}: {_join_names(absent)}")
        if plain := sorted(set(existing) - mapped):
            notes.append(f"classes without a colour, which are not painted: {_join_names(plain)}")
        named = set(settings.classes.titles) if settings.classes else set()
        if strange := sorted(named - mapped.union(existing)):
            notes.append(f"classes in settings.classes {absence}: {_join_names(strange)}")
        if unmapped := sorted(set(settings.class_priority) - mapped):
            notes.append(f"classes in class_priority that have no colour: {_join_names(unmapped)}")
    if unknown := layer.unknown_keys_with_hints():
        notes.append(f"keys of the config that have no effect: {_join_names(unknown)}")
    return [printable(note) for note in notes]


def _join_names(names: Sequence[str]) -> str:
    """Join names; of very many, the first ones and how many more there are."""
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
