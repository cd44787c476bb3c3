"""Annotations, good and bad, and what must be said about the bad ones."""

import base64
import json
import math
import zlib
from typing import Any, TypeAlias

import cv2
import numpy as np
from hypothesis import strategies as st

from savemasks.shapes import COORDINATE_LIMIT

Json: TypeAlias = dict[str, Any]
CLASSES = {"kiwi": 4, "lemon": 0, "plum": 70_000}
SIZE = {"height": 10, "width": 20}


def annotation(*objects: Any, **keys: Any) -> bytes:
    return json.dumps({"size": SIZE, "objects": objects, **keys}).encode()


def thing(geometry: str, title: str = "kiwi", **keys: Any) -> Json:
    return {"classTitle": title, "geometryType": geometry, **keys}


def vector(geometry: str, exterior: Any, interior: Any = (), title: str = "kiwi") -> Json:
    return thing(geometry, title, points={"exterior": exterior, "interior": interior})


def data_of(mask: list[list[int]]) -> str:
    """A mask as Supervisely writes it: base64 of zlib of a PNG."""
    done, content = cv2.imencode(".png", np.array(mask, np.uint8) * 255)
    assert done
    return base64.b64encode(zlib.compress(content.tobytes())).decode()


DATA = data_of([[1, 0, 1], [0, 1, 1]])


def polygon(exterior: Any) -> Json:
    return vector("polygon", exterior)


def bitmap(origin: Any, data: Any = DATA, title: str = "kiwi") -> Json:
    return thing("bitmap", title, bitmap={"origin": origin, "data": data})


coordinates = st.one_of(
    st.integers(-50, 50),
    st.floats(-50, 50),
    st.integers(-COORDINATE_LIMIT, COORDINATE_LIMIT),
    st.floats(-COORDINATE_LIMIT, COORDINATE_LIMIT),
)
points = st.lists(coordinates, min_size=2, max_size=2)
exteriors = st.lists(points, min_size=1, max_size=5)
titles = st.sampled_from([*CLASSES, "unmapped"])
vectors = st.one_of(
    st.builds(vector, st.just("polygon"), exteriors, st.lists(st.lists(points)), titles),
    st.builds(vector, st.sampled_from(["line", "polyline"]), exteriors, st.just([]), titles),
    st.builds(vector, st.just("rectangle"), st.tuples(points, points), st.just([]), titles),
    st.builds(vector, st.just("point"), st.tuples(points), st.just([]), titles),
    st.builds(vector, st.sampled_from(["mesh", "Polygon", "wat"]), st.none(), st.none(), titles),
)
NO_SIZE = '"size" with "height" and "width" is missing'
BROKEN = {
    "empty": (b"", "the file is empty"),
    "white space": (b" \r\n\t", "the file is empty"),
    "broken": (b'{"size":\n {,', "not valid JSON at line 2, column 3: "),
    "cut": (annotation(vector("line", [[1, 2]]))[:-9], "not valid JSON at line 1, column "),
    "NaN": (b'{"size":{"height":NaN}}', "size.height must be a positive whole number, but is NaN"),
    "Infinity": (b'[\n[\n-Infinity]', "not valid JSON at line 3, column 11: "),
    "infinite": (annotation(5).replace(b"5", b"1e400"), "number is infinity"),
    "not UTF-8": (b'{"size": "\xff"}', "is not UTF-8: byte 0xff at position 10; save it as UTF-8"),
    "UTF-16": (annotation().decode().encode("utf-16"), "is UTF-16; save it as UTF-8"),
    "UTF-32": (annotation().decode().encode("utf-32-be"), "is UTF-32; save it as UTF-8"),
    "half a character": (b'{"size": "\\ud800"}', NO_SIZE),
    "half a character, broken": (
        b'{"size":\n"\\ud800" x}',
        "not valid JSON at line 2, column 10: ",
    ),
    "byte order mark": (b"\xef\xbb\xbf{}", NO_SIZE),
    "only a byte order mark": (b"\xef\xbb\xbf \n", "the file is empty"),
    "mark and broken": (b"\xef\xbb\xbf{\n,", "not valid JSON at line 2, column 1: "),
    "zeros": (bytes(400), "not valid JSON at line 1, column 1: "),
    "wrapper without size": (b'{"annotation": {"objects": []}}', NO_SIZE),
    "wrapped text": (b'{"annotation": "{}"}', NO_SIZE),
    "two documents": (b"{}{}", "not valid JSON at line 1, column 3: "),
    "deep inside": (annotation(5).replace(b"5", b"[" * 10_000 + b"]" * 10_000), "depth"),
    "list": (b"[]", NO_SIZE),
    "no keys": (b"{}", NO_SIZE),
    "size null": (annotation(size=None), NO_SIZE),
    "size list": (annotation(size=[10, 20]), NO_SIZE),
    "objects null": (annotation().replace(b"[]", b"null"), '"objects" is not a list'),
    "objects dict": (annotation().replace(b"[]", b'{"0": {}}'), '"objects" is not a list'),
    "too large": (annotation(size={"height": 1 << 20, "width": (1 << 20) + 1}),
                  "1048577 x 1048576 is more than the 1099511627776 pixels that are supported"),
    "huge": (annotation(size={"height": 2**62, "width": 2**62}), "is more than the 1099511627776"),
}  # fmt: skip
PAIRS = "points must be pairs of numbers, as [12, 34.5]"
TYPE = "has the wrong type: "
FAR = f"is not within {COORDINATE_LIMIT} pixels of the origin"
NO_LISTS: list[Any] = [[], None, 5, "x", {"x": 1}]
NO_PAIRS: list[Any] = [
    ["1", "2"], [1], [[1, 2, 3]], [[1]], [[]], [[1, 2], [3]], [[1, 2], 3], [[[1, 2], [3, 4]]],
    [[["1"]]], [[1, None]], [[None, None]], [["1", "2"]], [["1", 2]], [[1, [2]]], [[1, {}]], [{}],
    [{"x": 1, "y": 2}], ["ab"], [None],
]  # fmt: skip
TOO_FAR: list[Any] = [
    [[1, 1], [1e300, 0]], [[0, -1e300]], [[10**9 + 1, 0]], [[0, -(10**9) - 1]], [[-1e9 - 0.5, 0]],
    [[2**63, 0]], [[2**63, -1]], [[2**64, 0]], [[-(2**63) - 1, 0]], [[0, 10**300]],
]  # fmt: skip
BAD_OBJECTS: list[tuple[Any, str]] = [
    (5, "is not a JSON object"), (None, "is not a JSON object"), ([], "is not a JSON object"),
    ({}, "classTitle is missing or not a text"),
    ({"classTitle": 5}, "classTitle is missing or not a text"),
    ({"classTitle": None, "geometryType": "wat"}, "classTitle is missing or not a text"),
    ({"classTitle": "kiwi"}, "polygon without 'points'"),
    (thing("polygon", points={}), "polygon without 'exterior'"),
    (thing("line", points={"interior": []}), "line without 'exterior'"),
    *((thing("polygon", points=p), f"polygon: points {TYPE}an object is needed, not")
      for p in (5, "x", [[1, 2]])),
    (thing("polygon", points=None), "polygon: points is null"),
    *((polygon(p), "polygon: points.exterior has no points") for p in NO_LISTS if p is not None),
    (polygon(None), "polygon: points.exterior is null"),
    (thing("multipolygon", parts=None), "multipolygon: parts is null"),
    (thing("multipolygon", parts=[{"exterior": [[1, 2]]}, None]), "multipolygon: parts[1] is null"),
    (thing("multipolygon", parts=[{"exterior": [[1, 2]]}, {"exterior": None}]),
     "multipolygon: parts[1].exterior is null"),
    (thing("graph", nodes=None), "graph: nodes is null"),
    (thing("graph", nodes={"a": {"loc": [1, 2]}, "b": None}), "graph: nodes.b is null"),
    (thing("graph", nodes={"a": {"loc": [1, 2]}, "b": {"loc": None}}), "nodes.b.loc is null"),
    (thing("cuboid_2d", vertices=None), "cuboid_2d: vertices is null"),
    (thing("cuboid", points=None, faces=[[0]]), "cuboid: points is null"),
    (thing("cuboid", points=[[1, 2]], faces=None), "cuboid: faces is null"),
    (thing("oriented_bbox", points=None, angle=None), "oriented_bbox: points is null"),
    (thing("bitmap", bitmap=None), "bitmap: bitmap is null"),
    (thing("alpha_mask", bitmap=None), "alpha_mask: bitmap is null"),
    (thing("bitmap", bitmap={"origin": None, "data": DATA}), "bitmap: bitmap.origin is null"),
    (thing("bitmap", bitmap={"origin": [1, 2], "data": None}), "bitmap: bitmap.data is null"),
    # A null that nobody reads is not to blame.
    (thing("polygon", points=5, bitmap=None, description=None), f"polygon: points {TYPE}an object"),
    (thing("rectangle", points={"exterior": [[1, 2]], "interior": None}), "must be two corners"),
    *((thing("oriented_bbox", points=[[0, 1], point], angle=0), FAR)
      for point in ([math.nan, 1], [1, math.nan], [math.inf, 1], [1, -math.inf])),
    *((polygon([[1, 2], point]), FAR)
      for point in ([math.nan, 1], [1, math.nan], [math.inf, 1], [1, -math.inf])),
    (bitmap([math.nan, 1]), FAR),
    (polygon([["\ud83d", 1]]), PAIRS),
    (bitmap([1, 2], "\ud83d"), "bitmap.data: not base64"),
    *((polygon(p), PAIRS) for p in NO_PAIRS),
    (polygon([1, 2]), PAIRS),
    *((polygon(p), FAR) for p in TOO_FAR),
    (polygon([[1, 2], [3, 10**10]]), "point [3, 10000000000] is not within"),
    (vector("polygon", [[1, 2]], 5), f"polygon: points.interior {TYPE}a list is needed, not 5"),
    (vector("polygon", [[1, 2]], [5]), f"polygon: points.interior[0] {TYPE}a list is needed"),
    (vector("polygon", [[1, 2]], [[1, 2]]), PAIRS),
    (vector("polygon", [[1, 2]], [[[1, 2, 3]]]), PAIRS),
    (vector("polygon", [[1, 2]], ["ab"]), PAIRS),
    (vector("polygon", [[1, 2]], [[[0, 0]], [[2e9, 0]]]), FAR),
    *((vector("rectangle", [[1, 2]] * n),
       f"rectangle: points.exterior must be two corners, not {n} points") for n in (1, 3, 4)),
    (thing("oriented_bbox", points=[[-1e200, -1e200], [1e200, 1e200]], angle=0), FAR),
    (vector("rectangle", [1, 2]), PAIRS),
    (vector("line", []), "line: points.exterior has no points"),
    (vector("point", []), "point: points.exterior has no points"),
    (vector("point", [1, 2]), PAIRS),
    (thing("bitmap"), "bitmap without 'bitmap'"),
    *((thing("bitmap", bitmap=b), f"bitmap: bitmap {TYPE}an object is needed, not")
      for b in NO_LISTS[2:4]),
    (thing("bitmap", bitmap={"origin": [1, 2]}), "bitmap without 'data'"),
    (thing("bitmap", bitmap={"data": DATA}), "bitmap without 'origin'"),
    (bitmap([1, 2], 5), "bitmap: bitmap.data is not a text"),
    *((bitmap(origin), PAIRS) for origin in (*NO_LISTS, *NO_PAIRS) if origin is not None),
    (bitmap([2e9, 0]), FAR),
    (bitmap([1, 2], ""), "bitmap.data: "),
    (bitmap([1, 2], "AAAA"), "bitmap.data: "),
    (bitmap([1, 2], DATA[:-8]), "bitmap.data: the zlib stream is cut off"),
]  # fmt: skip
GOOD = [
    polygon([[1, 2], [3.5, 4]]), polygon([[1, 2], [3, 4]]), bitmap([1, 2]), thing("mesh"),
    vector("polygon", None, title="unmapped"), vector("rectangle", [[0, 0], [1, 1]]),
    bitmap([0, 0]),
]  # fmt: skip
