"""The table beside a map of objects: what each of its numbers is."""

from collections.abc import Mapping

from ..encode.numbers import describe_numbers
from ..paint.numbering import Numbering, Seen, painted_objects
from ..shapes import Shapes
from .plan import Plan


def objects_in(plan: Plan, shapes: Shapes) -> Seen:
    """What is seen of the objects of a map that is about to be looked at."""
    assert plan.own_table is not None
    return Seen(Numbering.of(shapes, plan.own_table).most)


def describe_objects(seen: Seen, plan: Plan, shapes: Shapes, ids: Mapping[int, int | str]) -> bytes:
    """The table, as JSON."""
    assert plan.own_table is not None
    objects = painted_objects(shapes, plan.own_table)
    class_of = {each.object_index + 1: plan.titles[each.class_id] for each in objects}
    return describe_numbers(seen, class_of, ids)


def name_of_description(name: str) -> str:
    """Name of the table's file by that of the map's, which ends in .png or .tif."""
    return name[: -len(".png")] + ".json"
