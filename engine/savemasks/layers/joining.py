"""How the layers of a list are joined, and what is wrong with that."""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath

from ..errors import did_you_mean, printable, shown
from .reading import SINKS, Node
from .save import Save
from .save_masks import SaveMasks
from .sources import Data

Path = tuple[int, ...]
"""Numbers of layers, from a source to a sink."""

MAX_PATHS = 10_000
"""The most ways on which items may flow into a layer."""

_NO_DATA_LAYER = "; where there are several layers, a data layer names the project"


def parents_of(nodes: Sequence[Node]) -> dict[int, tuple[int, ...]]:
    """Numbers of the layers that each layer takes from, ascending."""
    defining = {name: node.number for node in reversed(nodes) for name in node.dst}
    return {
        node.number: tuple(sorted({defining[name] for name in node.src if name in defining}))
        for node in nodes
    }


def paths_to_sinks(nodes: Sequence[Node]) -> dict[int, tuple[Path, ...]]:
    """All ways from sources to each sink, in the order of the layers before the sink.

    Raises
    ------
    OverflowError
        If there are more than `MAX_PATHS` to a layer; its argument is the layer's number.
    """
    by_number = {node.number: node for node in nodes}
    parents = parents_of(nodes)
    paths: dict[int, list[Path]] = {}
    for number in TopologicalSorter(parents).static_order():
        if by_number[number].model is Data:
            paths[number] = [(number,)]
        else:
            behind = (path for parent in parents[number] for path in paths[parent])
            paths[number] = [(*path, number) for path in sorted(behind)]
        if len(paths[number]) > MAX_PATHS:
            raise OverflowError(number)
    return {node.number: tuple(paths[node.number]) for node in nodes if node.model in SINKS}


def problems_of_joints(nodes: Sequence[Node]) -> Iterator[tuple[int, str]]:
    """What is wrong with how layers are joined, each with the number of the layer to blame."""
    for problems in (_undefined, _unused, _defined_twice, _cycles, _sinks, _sources):
        for node, problem in problems(nodes):
            yield node.number, f"{node.name}: {problem}"


def _undefined(nodes: Sequence[Node]) -> Iterator[tuple[Node, str]]:
    defined = dict.fromkeys(name for node in nodes for name in node.dst)
    hint = "" if any(node.model in {Data, None} for node in nodes) else _NO_DATA_LAYER
    for node in nodes:
        for name in node.src:
            if name not in defined:
                near = did_you_mean(name, defined)
                yield node, f"src: no layer defines {shown(name)}{near}{hint}"


def unused(nodes: Sequence[Node]) -> Iterator[tuple[Node, str]]:
    """The placeholders that a layer defines and no layer takes."""
    used = {name for node in nodes for name in node.src}
    for node in nodes:
        yield from ((node, name) for name in node.dst if name not in used)


def _unused(nodes: Sequence[Node]) -> Iterator[tuple[Node, str]]:
    for node, name in unused(nodes):
        if node.model not in {Data, None}:
            yield node, f"dst: no layer takes {shown(name)}"


def _defined_twice(nodes: Sequence[Node]) -> Iterator[tuple[Node, str]]:
    first: dict[str, Node] = {}
    for node in nodes:
        for name in node.dst:
            if name in first:
                yield node, f"dst: {shown(name)} is defined by {first[name].name} already"
            else:
                first[name] = node


def _cycles(nodes: Sequence[Node]) -> Iterator[tuple[Node, str]]:
    by_number = {node.number: node for node in nodes}
    parents = {number: {*found} for number, found in parents_of(nodes).items()}
    while cycle := _cycle(parents):
        first = cycle.index(min(cycle))
        ring = [by_number[number] for number in cycle[first:] + cycle[:first]]
        names = " → ".join(node.name for node in (*ring, ring[0]))
        yield ring[0], f"its own results flow back into it: {names}"
        for number in cycle:
            parents[number] -= {*cycle}


def _cycle(parents: Mapping[int, set[int]]) -> list[int]:
    """The layers of a cycle in the order in which items flow, or nothing."""
    try:
        TopologicalSorter(parents).prepare()
    except CycleError as error:
        ring: list[int] = error.args[1]
        return ring[:-1]  # the last one is the first one
    return []


def _sinks(nodes: Sequence[Node]) -> Iterator[tuple[Node, str]]:
    before: list[tuple[Node, PurePosixPath]] = []
    for node in nodes:
        if node.model in SINKS and not node.src:
            yield node, "src: names no layer, so nothing flows into this one"
        if not isinstance(node.layer, SaveMasks | Save):
            continue
        if node.layer.dst.startswith("$"):
            yield (
                node,
                f"dst: {shown(node.layer.dst)} is a placeholder, and this layer writes; name a"
                " folder below --out",
            )
        path = PurePosixPath(node.layer.dst)
        for other, taken in before:
            if path == taken:
                yield node, f"dst: {shown(node.layer.dst)} is the dst of {other.name} already"
            elif path.is_relative_to(taken) or taken.is_relative_to(path):
                yield (
                    node,
                    f"dst: {shown(node.layer.dst)} and {shown(str(taken))} of {other.name} are one"
                    " inside of the other",
                )
        before.append((node, path))


def _sources(nodes: Sequence[Node]) -> Iterator[tuple[Node, str]]:
    for node in nodes:
        if isinstance(node.layer, Data) and len(node.layer.projects) > 1:
            projects = printable(" and ".join(node.layer.projects))
            yield node, f"src: names {projects}; give each project a data layer of its own"
