"""What a usual annotation looks like, as a table that `automaton` follows from value to value.

A *place* is a list or an object that is being read; what its values mean depends on it and, in an
object, on their keys.
"""

import numpy as np

from ...shapes import BITMAP, LINE, POINT, POLYGON, RECTANGLE
from ..jit import Array, kernel
from .lookup_names import name_table

GEOMETRIES = ("polygon", "rectangle", "line", "polyline", "point", "bitmap", "alpha_mask")
"""Those that are read here, in the order in which they are numbered."""

KINDS = np.array([POLYGON, RECTANGLE, LINE, LINE, POINT, BITMAP, BITMAP], np.int64)
THRESHOLDS = np.array([0, 0, 0, 0, 0, 1, 128], np.int64)

# Keys are numbered as the geometries are, because "bitmap" is both.
IS_BITMAP = 5
SIZE, CONTENTS, HEIGHT, WIDTH, TITLE, GEOMETRY, POINTS, EXTERIOR, INTERIOR, ORIGIN, DATA = range(
    7, 18
)
OTHER = 18  # any other key, and no key in lists
_KEYS = (
    "size", "objects", "height", "width", "classTitle", "geometryType", "points",
    "exterior", "interior", "origin", "data",
)  # fmt: skip
WORDS = name_table({name: number for number, name in enumerate((*GEOMETRIES, *_KEYS))})

# Kinds of values.
IN_DICT, IN_LIST, TEXT, NUMBER, LITERAL = range(5)

# Places. What is not read is `SKIPPED`, however deep; all others are as deep as they must be.
SKIPPED = 0
IN_FILE, IN_SIZE, IN_OBJECTS, IN_OBJECT, IN_POINTS, IN_INTERIOR = range(1, 7)
IN_EXTERIOR, IN_HOLE, IN_BITMAP = range(7, 10)
_PLACES = 10

# What is done with other values, and with the points of a ring.
PASS, TAKE, REFUSE = 20, 21, -1


def _steps() -> Array:
    """(places, keys, kinds of values) the place that begins, or what is done with the value."""
    steps = np.full((_PLACES, OTHER + 1, 5), PASS, np.int64)
    steps[:, :, (IN_DICT, IN_LIST)] = SKIPPED
    for place in (IN_OBJECTS, IN_INTERIOR, IN_EXTERIOR, IN_HOLE):
        steps[place] = REFUSE
    usual = {
        (IN_FILE, SIZE, IN_DICT): IN_SIZE,
        (IN_FILE, CONTENTS, IN_LIST): IN_OBJECTS,
        (IN_SIZE, HEIGHT, NUMBER): TAKE,
        (IN_SIZE, WIDTH, NUMBER): TAKE,
        (IN_OBJECTS, OTHER, IN_DICT): IN_OBJECT,
        (IN_OBJECT, TITLE, TEXT): TAKE,
        (IN_OBJECT, GEOMETRY, TEXT): TAKE,
        (IN_OBJECT, POINTS, IN_DICT): IN_POINTS,
        (IN_OBJECT, IS_BITMAP, IN_DICT): IN_BITMAP,
        (IN_POINTS, EXTERIOR, IN_LIST): IN_EXTERIOR,
        (IN_POINTS, INTERIOR, IN_LIST): IN_INTERIOR,
        (IN_INTERIOR, OTHER, IN_LIST): IN_HOLE,
        (IN_EXTERIOR, OTHER, IN_LIST): TAKE,
        (IN_HOLE, OTHER, IN_LIST): TAKE,
        (IN_BITMAP, ORIGIN, IN_LIST): TAKE,
        (IN_BITMAP, DATA, TEXT): TAKE,
    }
    for place, key, _ in usual:
        steps[place, key] = REFUSE
    for step, meaning in usual.items():
        steps[step] = meaning
    # Old annotations have these keys whether the object is a bitmap or not.
    steps[IN_OBJECT, (POINTS, IS_BITMAP), LITERAL] = PASS
    return steps


STEPS = _steps()


# What is read goes into one array, for every array makes a call dearer. It begins with the size of
# the canvas, and of how much there is how many; ...
N_HEIGHT, N_WIDTH, N_OBJECTS, N_SHAPES, N_RINGS, N_POINTS, N_BITMAPS = range(7)
# ... with what is known of the object that is being read: its class and geometry, where its rings
# and points begin, and whether it has an exterior or an origin;
N_CLASS, N_GEOMETRY, N_FIRST_RING, N_FIRST_POINT, N_EXTERIORS, N_ORIGINS = range(7, 13)
# where the vertices of the rings are noted, as `vertex` of `shapes.Shapes`;
N_VERTEX = 13
# most pixels that the canvas may have;
N_MOST = 14
# for every geometry, how many objects have it, and the number of the first one.
N_GEOMETRIES = 15
# Then come the shapes, each with: the end of its rings, kind, class, object, number of its payload,
# and of a payload the first and last (excluded) character, and the threshold.
SHAPES = N_GEOMETRIES + 2 * len(GEOMETRIES)
RING, KIND, CLASS, OBJECT, PAYLOAD, FIRST, LAST, THRESHOLD = range(8)
FIELDS = 8

_SHORTEST_SHAPE = len('{"classTitle":"","geometryType":"line","points":{"exterior":[[0,0]]}}')
_SHORTEST_RING = len("[[0,0]],")
_SHORTEST_POINT = len("[0,0],")


@kernel
def sizes_of(characters: int) -> tuple[int, int, int]:
    """What a text of so many characters needs: where vertices are noted, the array, and points."""
    vertex = SHAPES + FIELDS * (characters // _SHORTEST_SHAPE + 1)
    return vertex, vertex + characters // _SHORTEST_RING + 2, characters // _SHORTEST_POINT + 1
