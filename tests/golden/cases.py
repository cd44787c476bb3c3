"""What the golden cases are: pictures, classes, colours and objects, as plain data.

`make.py` writes them as Supervisely projects and has the reference SDK paint them; nothing here
knows the SDK. Every object lies inside its canvas, for only there is its painting the truth.
"""

import base64
import io
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

FRUITS = ("kiwi", "lemon", "plum")
PAINTED = (*FRUITS, "Käse", "pit", "coal")

Pixels = NDArray[Any]
Object = dict[str, Any]
Point = Sequence[float]
Ring = Sequence[Point]
Colors = dict[str, list[int]]


@dataclass(frozen=True)
class Case:
    """One picture: its file name, width and height, objects, and the kind of file it is."""

    name: str
    size: tuple[int, int]
    objects: list[Object]
    kind: str = "rgb"


# ---------------------------------------------------------------- objects


def thing(title: str, geometry: str, **keys: Any) -> Object:
    return {"classTitle": title, "geometryType": geometry, "tags": [], **keys}


def vector(title: str, geometry: str, exterior: Ring, *interior: Ring) -> Object:
    return thing(title, geometry, points={"exterior": exterior, "interior": interior})


def polygon(title: str, exterior: Ring, *holes: Ring) -> Object:
    return vector(title, "polygon", exterior, *holes)


def polygons(*exteriors: Ring) -> list[Object]:
    return [polygon(FRUITS[i % 3], exterior) for i, exterior in enumerate(exteriors)]


def box(left: float, top: float, right: float, bottom: float) -> Ring:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def rectangle(title: str, left: float, top: float, right: float, bottom: float) -> Object:
    return vector(title, "rectangle", [[left, top], [right, bottom]])


def lines(*exteriors: Ring) -> list[Object]:
    return [vector(FRUITS[i % 3], "line", exterior) for i, exterior in enumerate(exteriors)]


def points(*places: Point) -> list[Object]:
    return [vector(FRUITS[i % 3], "point", [place]) for i, place in enumerate(places)]


def wheel(x: float, y: float, radius: float, count: int, step: int = 1) -> Ring:
    """Corners on a circle; a `step` above one makes a star that crosses itself."""
    turns = [2 * math.pi * step * i / count for i in range(count)]
    return [[round(x + radius * math.cos(t)), round(y + radius * math.sin(t))] for t in turns]


# ---------------------------------------------------------------- bitmaps


def blob(width: int, height: int, seed: int) -> Pixels:
    return (np.random.default_rng(seed).random((height, width)) < 0.6).astype(np.uint8)


def channels(*planes: Pixels | int) -> Pixels:
    shape = next(plane.shape for plane in planes if not isinstance(plane, int))
    return np.stack([np.broadcast_to(np.uint8(plane), shape) for plane in planes], axis=-1)


def png(pixels: Pixels, palette: list[int] | None = None, **options: Any) -> bytes:
    image, file = Image.fromarray(pixels), io.BytesIO()
    if palette is not None:
        image.putpalette(palette)
    image.save(file, "PNG", **options)
    return file.getvalue()


def bitmap(title: str, x: float, y: float, data: bytes, geometry: str = "bitmap") -> Object:
    text = base64.b64encode(data).decode()
    return thing(title, geometry, bitmap={"origin": [x, y], "data": text})


def bitmaps(*payloads: bytes, bare: bool = False) -> list[Object]:
    """Set the payloads side by side, each 11 pixels from the last."""
    packed = payloads if bare else tuple(zlib.compress(payload) for payload in payloads)
    return [bitmap(FRUITS[i % 3], 2 + 11 * i, 3, data) for i, data in enumerate(packed)]


def opencv_png(pixels: Pixels) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1])


# ---------------------------------------------------------------- cases


def polygon_cases() -> list[Case]:
    size, frame = (48, 40), box(4, 4, 43, 35)
    return [
        Case("polygon_convex.png", size, polygons(
            [[2, 2], [14, 3], [6, 13]], [[20, 2], [33, 4], [30, 15], [18, 12]], box(3, 20, 13, 33),
            wheel(26, 28, 9, 8), wheel(41, 28, 6, 20), wheel(40, 9, 6, 6))),
        Case("polygon_concave.png", size, polygons(
            [[2, 2], [8, 2], [8, 12], [16, 12], [16, 17], [2, 17]],
            [[20, 2], [24, 2], [24, 14], [32, 12], [30, 2], [36, 3], [36, 18], [20, 18]],
            [[2, 22], [12, 30], [2, 38], [22, 30]],
            [[24, 38], [26, 22], [29, 36], [32, 22], [35, 36], [38, 22], [41, 36], [46, 20],
             [45, 38]])),
        Case("polygon_star.png", (52, 52), polygons(
            wheel(13, 13, 12, 5, 2), wheel(38, 13, 12, 7, 3), wheel(13, 38, 12, 9, 4),
            wheel(38, 38, 12, 8, 3))),
        Case("polygon_bow_tie.png", size, polygons(
            [[2, 2], [20, 16], [20, 2], [2, 16]], [[26, 2], [44, 2], [26, 17], [44, 17]],
            [[2, 20], [9, 38], [16, 20], [22, 38], [2, 30], [22, 27]],
            [[25, 21], [45, 21], [29, 38], [37, 19], [44, 38]])),
        Case("polygon_hole.png", size, [
            polygon("kiwi", box(2, 2, 22, 20), box(7, 6, 16, 14)),
            polygon("lemon", wheel(34, 12, 11, 12), wheel(34, 12, 6, 7)),
            polygon("plum", [[2, 24], [45, 24], [24, 39]], [[24, 30], [25, 30], [25, 31]])]),
        Case("polygon_holes_overlap.png", size, [
            polygon("kiwi", box(1, 1, 23, 20), box(4, 4, 14, 13), box(9, 8, 20, 17)),
            polygon("lemon", box(25, 1, 46, 20), box(28, 4, 40, 17), box(28, 4, 40, 17)),
            polygon("plum", box(1, 22, 46, 38), wheel(14, 30, 7, 9), wheel(20, 30, 7, 10),
                    wheel(17, 28, 6, 5, 2), box(36, 24, 40, 36))]),
        Case("polygon_hole_at_edge.png", size, [
            polygon("kiwi", box(2, 2, 14, 14), box(2, 5, 8, 10)),
            polygon("lemon", box(18, 2, 30, 14), box(25, 6, 34, 18)),
            polygon("plum", box(34, 2, 45, 14), box(34, 2, 45, 14)),
            polygon("kiwi", box(4, 22, 12, 34), box(2, 20, 14, 36)),
            polygon("lemon", box(18, 20, 30, 36), box(34, 22, 44, 34)),
            polygon("plum", box(33, 21, 45, 35), box(31, 26, 46, 28), box(38, 15, 40, 38))]),
        Case("polygon_hole_shows_below.png", size, [
            rectangle("kiwi", 6, 6, 30, 30), polygon("lemon", frame, box(12, 12, 36, 28)),
            polygon("plum", wheel(24, 20, 15, 5, 2), wheel(24, 20, 9, 9))]),
        Case("polygon_repeated_points.png", size, [
            *polygons([[3, 3], [3, 3], [20, 4], [20, 4], [20, 4], [9, 15], [3, 3]],
                      [[30, 9], [30, 9], [30, 9]], [[3, 20], [20, 20], [3, 20], [12, 34]]),
            polygon("lemon", [*box(26, 16, 45, 37), [26, 16]], [*box(30, 20, 38, 30), [30, 20]])]),
        Case("polygon_collinear.png", size, polygons(
            [[2, 2], [8, 2], [14, 2], [20, 2], [20, 9], [20, 16], [11, 9]],
            [[26, 4], [40, 4], [46, 4], [40, 4], [40, 16], [26, 16]],
            [[4, 22], [10, 25], [16, 28], [22, 31], [4, 36]],
            [[28, 22], [36, 30], [44, 38], [36, 30], [28, 38]])),
        Case("polygon_flat.png", size, polygons(
            [[2, 2], [20, 2], [11, 2]], [[25, 2], [25, 16], [25, 9]], [[30, 2], [44, 16], [37, 9]],
            box(2, 6, 20, 6), box(2, 10, 20, 11), box(3, 14, 3, 30), box(7, 14, 8, 30),
            [[12, 20], [28, 21], [44, 20]], [[12, 25], [44, 25], [44, 26]],
            [[12, 30], [45, 38], [28, 34]], [[12, 33], [36, 39], [25, 36], [14, 34]])),
        Case("polygon_few_points.png", (30, 24), [
            *polygons([[3, 3]], [[6, 3], [20, 8]]),
            polygon("plum", box(4, 10, 27, 21), [[7, 13]], [[10, 12], [24, 19]])]),
        Case("polygon_float.png", size, [
            *polygons([[2.9, 2.1], [20.5, 3.999], [11.49, 17.51]],
                      [[2.0, 21.0], [22.0, 30.0], [6.0, 38]],
                      [[26.7, 2.2], [47.99, 2.8], [47.01, 18.3], [30, 11.5]]),
            polygon("kiwi", box(25.5, 21.5, 45.9, 39.99), box(30.6, 25.4, 40.2, 33.7))]),
        Case("polygon_full_frame.png", (33, 27), [
            polygon("kiwi", box(0, 0, 32, 26), box(0, 0, 6, 6), wheel(16, 13, 8, 11)),
            polygon("lemon", [[32, 0], [32, 26], [22, 26]])]),
    ]  # fmt: skip


def scatter(name: str, count: int, reach: float, decimals: int = 0, holes: bool = False) -> Case:
    """Paint polygons of random corners; every other one has them in the order of their angles."""
    rng, (width, height) = np.random.default_rng([*name.encode()]), (72, 48)
    top = np.array([width, height]) - (10.0**-decimals)

    def ring(centre: Pixels, reach: float, ordered: bool) -> Ring:
        off = rng.uniform(-reach, reach, (int(rng.integers(3, 11)), 2))
        off = off[np.argsort(np.arctan2(off[:, 1], off[:, 0]))] if ordered else off
        places: list[list[float]] = np.clip(np.round(centre + off, decimals), 0, top).tolist()
        return places if decimals else [[int(x), int(y)] for x, y in places]

    objects = []
    for i in range(count):
        centre, title = rng.uniform(0, top), str(rng.choice(PAINTED))
        inner = [ring(centre, reach * 0.6, i % 4 < 2) for _ in range(i % 3)] if holes else []
        objects.append(polygon(title, ring(centre, reach, i % 2 == 0), *inner))
    return Case(name, (width, height), objects)


def random_cases() -> list[Case]:
    return [
        scatter("random_small.png", 40, 7), scatter("random_large.png", 12, 32),
        scatter("random_holes.png", 16, 18, holes=True),
        scatter("random_float.png", 16, 14, decimals=2),
        scatter("random_float_holes.png", 16, 22, decimals=3, holes=True),
    ]  # fmt: skip


def other_vector_cases() -> list[Case]:
    size = (48, 40)
    spokes = [[[24, 20], end] for end in wheel(24, 20, 19, 24)]
    walk = np.random.default_rng(5).integers(0, [48, 40], (30, 2)).tolist()
    return [
        Case("rectangle_orders.png", size, [
            rectangle("kiwi", 2, 2, 20, 16), rectangle("lemon", 44, 3, 26, 17),
            rectangle("plum", 3, 37, 19, 21), rectangle("Käse", 45, 36, 27, 22)]),
        Case("rectangle_full_and_small.png", (24, 20), [
            rectangle("kiwi", 0, 0, 23, 19), rectangle("lemon", 5, 5, 5, 5),
            rectangle("plum", 0, 9, 23, 9), rectangle("Käse", 12, 0, 12, 19),
            rectangle("lemon", 23, 19, 22, 18)]),
        Case("rectangle_float.jpg", size, [
            rectangle("kiwi", 2.1, 2.9, 20.9, 16.1), rectangle("lemon", 44.99, 3.5, 26.5, 17.49),
            rectangle("plum", 3.2, 30.8, 3.9, 30.1), rectangle("Käse", 10, 20.0, 47.999, 39.5)]),
        Case("line_few_points.png", size, lines(
            [[2, 2], [20, 9]], [[24, 2], [40, 12], [26, 18]], [[2, 20], [2, 38]],
            [[6, 20], [20, 20]], [[24, 38], [45, 22]], [[47, 39], [47, 39]])),
        Case("line_many_points.png", size, lines(walk, [[i, 20 + i % 7] for i in range(0, 48, 2)])),
        Case("line_closed.png", size, lines(
            [*box(2, 2, 20, 16), [2, 2]], [*wheel(35, 12, 10, 5, 2), [45, 12]],
            [[3, 22], [3, 22], [20, 36], [20, 36], [3, 36]], [[30, 30], [30, 30], [30, 30]])),
        Case("line_slopes.png", size, lines(*spokes, [[0, 0], [47, 1]], [[47, 39], [0, 38]],
                                            [[1, 39], [0, 2]], [[47, 3], [46, 36]])),
        Case("line_float.png", size, lines(
            [[2.9, 2.9], [20.1, 9.6]], [[24.5, 2.5], [40.5, 12.49], [26.99, 18]],
            [[47.9, 39.9], [3.3, 22.7], [3.7, 22.2], [30.5, 39.01]])),
        Case("point.png", (24, 20), points(
            [3, 3], [5, 3], [0, 0], [23, 19], [23, 0], [3, 3], [7.9, 3.1], [5.5, 8.5],
            [22.99, 18.99], [0.2, 19.9])),
        Case("tiny_1x1.png", (1, 1), [rectangle("kiwi", 0, 0, 0.5, 0.5)]),
        Case("tiny_17x1.png", (17, 1), [*lines([[2, 0], [9, 0]]), *points([12, 0], [16, 0])]),
    ]  # fmt: skip


def bitmap_cases() -> list[Case]:
    size, m = (36, 18), blob(9, 11, 1)
    black_white, wide = [0, 0, 0, 255, 255, 255], m.astype(np.uint16)
    key = {"transparency": 0}
    inset, full = np.pad(blob(9, 7, 2), 5), np.ones((30, 40), np.uint8)
    return [
        Case("bitmap_palette.png", (47, 18), bitmaps(
            png(m, black_white, **key), png(m, black_white, **key, bits=1),
            png(m, [9, 9, 9, 0, 0, 0], **key), png(m, black_white, transparency=b"\0\1"))),
        Case("bitmap_rgba.png", (47, 18), bitmaps(
            png(channels(m * 255, m * 255, m * 255, m * 255)), png(channels(255, 255, 255, m)),
            png(channels(0, 0, 0, m * 128)), png(channels(1 - m, m, 7, m * 255)))),
        Case("bitmap_gray_8bit.png", size, bitmaps(
            png(m * 255), png(m), png(m * np.arange(1, 100, dtype=np.uint8).reshape(m.shape)))),
        Case("bitmap_gray_1bit.png", size, bitmaps(
            *(png(bits.astype(bool)) for bits in (m, blob(7, 8, 3), blob(8, 13, 4))))),
        Case("bitmap_gray_alpha_and_16bit.png", (58, 18), bitmaps(
            png(channels(m * 255, m * 255)), png(channels(0, m)),
            opencv_png(wide * 300), opencv_png(wide),
            opencv_png(np.stack([wide * 0 + 9] * 3 + [wide], axis=2)))),
        Case("bitmap_bare_png.jpg", (47, 18), bitmaps(
            png(channels(m * 255, m * 255, m * 255, m * 255)), png(channels(0, 0, 0, m * 255)),
            png(channels(m * 255, m * 255, m * 255)), png(channels(m * 255, m * 255)), bare=True)),
        Case("bitmap_empty_margins.png", (24, 20), [
            bitmap("kiwi", -4, -5, zlib.compress(png(inset))),
            bitmap("lemon", 8.9, 7.5, zlib.compress(png(inset))),
            bitmap("plum", 1.2, 17.99, zlib.compress(png(np.ones((1, 1), np.uint8))))]),
        Case("bitmap_full_frame.png", (40, 30), [
            bitmap("kiwi", 0, 0, zlib.compress(png(full, black_white, **key))),
            bitmap("lemon", 0, 0, zlib.compress(png(blob(40, 30, 6), black_white, **key)))]),
    ]  # fmt: skip


def pile(*titles: str) -> list[Object]:
    """Lay one object of every geometry on the last, in the order of the titles."""
    a, b, c, d, e = titles
    spots = zlib.compress(png(blob(20, 16, 9), [0, 0, 0, 255, 255, 255], transparency=0))
    return [
        rectangle(a, 3, 3, 30, 24), polygon(b, wheel(25, 17, 13, 9), wheel(25, 17, 5, 6)),
        bitmap(c, 14, 12, spots), vector(d, "line", [[0, 0], [39, 31], [39, 2]]),
        polygon(e, [[8, 28], [20, 8], [36, 29]]), vector(b, "point", [[20, 20]]),
    ]  # fmt: skip


def mixed_cases() -> list[Case]:
    size, five = (44, 34), ("kiwi", "lemon", "plum", "Käse", "coal")
    history = {"id": 7, "classId": 3, "labelerLogin": "ann", "nnCreated": False, "nnUpdated": False,
               "createdAt": "2024-01-01T00:00:00.000Z", "updatedAt": "2024-01-02T00:00:00.000Z",
               "description": "", "customThing": {"points": [[1, 2]]}}  # fmt: skip
    old = [{**history, "shape": item.pop("geometryType"), **item} for item in pile(*five)]
    return [
        Case("overlap_order.png", size, pile(*five)),
        Case("overlap_reversed.jpg", size, pile(*five)[::-1]),
        Case("covered_by_black_machine.png", size, pile("kiwi", "pit", "lemon", "pit", "pit")),
        Case("human_black.png", size, pile("coal", "kiwi", "coal", "lemon", "coal")),
        Case("unmapped_does_not_cover.png", size, pile("kiwi", "ghost", "ghost", "lemon", "ghost")),
        Case("no_objects.jpg", (31, 23), []),
        Case("Straße mit Bäumen № 1.png", size, pile("Käse", "kiwi", "pit", "coal", "lemon")),
        Case("unusual_keys.png", size, old),
        *(Case(f"original_{name}", (43, 35), pile(*five), kind) for name, kind in (
            ("gray.jpg", "gray"), ("gray.alpha.png", "gray_alpha"), ("rgba.png", "rgba"),
            ("palette.png", "palette"), ("palette_clear.png", "palette_clear"),
            ("gray_16bit.png", "gray16"), ("rgb_16bit.png", "rgb16"),
            ("exif_6.jpg", "turned"))),
    ]  # fmt: skip


# ---------------------------------------------------------------- the rarer geometries

CRATE = [90, 90, 90]  # the SDK paints a cuboid_2d in its class's own colour: here both are the same
JOINTS = ("head", "hand", "hip", "knee", "foot")
BONES = (("head", "hip"), ("hip", "knee"), ("knee", "foot"), ("hand", "head"))
SKELETON = {  # without colours, so that the SDK paints it in the mapping's colour
    "nodes": {name: {"label": name, "loc": [i, i]} for i, name in enumerate(JOINTS)},
    "edges": [{"src": src, "dst": dst} for src, dst in BONES],
}


def multipolygon(title: str, *parts: Sequence[Ring]) -> Object:
    split = [{"exterior": part[0], "interior": part[1:]} for part in parts]
    return thing(title, "multipolygon", parts=split)


def oriented(title: str, corners: Ring, angle: float | None) -> Object:
    return thing(title, "oriented_bbox", points=corners, angle=angle)


def cuboid(title: str, front: Ring, shift: Point) -> Object:
    places = [*front, *([a + shift[0], b + shift[1]] for a, b in front[:3])]
    return thing(title, "cuboid", points=places, faces=[[0, 1, 2, 3], [0, 4, 5, 1], [1, 5, 6, 2]])


def nodes(places: dict[str, Point], hidden: Sequence[str] = ()) -> Object:
    return {
        name: {"loc": place, **({"disabled": True} if name in hidden else {})}
        for name, place in places.items()
    }


def skeleton(*places: Point, hidden: Sequence[str] = ()) -> Object:
    named = dict(zip(JOINTS, places, strict=False))
    return thing("skeleton", "graph", nodes=nodes(named, hidden))


def crate(front: Ring, back: Ring, hidden: Sequence[str] = ()) -> Object:
    corners = ("topleft", "topright", "bottomright", "bottomleft")
    names = [f"face{face}-{corner}" for face in (1, 2) for corner in corners]
    places = dict(zip(names, [*front, *back], strict=True))
    return thing("crate", "cuboid_2d", vertices=nodes(places, hidden))


def alpha(title: str, x: float, y: float, pixels: Pixels) -> Object:
    return bitmap(title, x, y, zlib.compress(png(pixels * 255)), "alpha_mask")


def more_cases() -> list[Case]:
    size, under = (48, 40), rectangle("plum", 6, 6, 40, 32)
    quarter = math.pi / 2
    man = ([8, 4], [3.5, 12.9], [9.9, 17.2], [12, 26], [6, 36.5])
    other = ([30, 5], [40, 15], [30, 20], [38, 29], [30, 37])
    shapeless = {key: value for key, value in skeleton(*man).items() if key != "geometryType"}
    return [
        Case("multipolygon.png", size, [under, multipolygon(
            "kiwi", [box(2, 2, 22, 20), box(6, 6, 18, 16)], [box(10, 9, 14, 12)],
            [wheel(36, 28, 9, 7)]), multipolygon("lemon", [[[3, 38], [3, 26], [15, 38]]])]),
        Case("multipolygon_overlap.png", size, [under, multipolygon(
            "kiwi", [box(2, 2, 30, 24)], [box(18, 12, 45, 37), box(22, 16, 40, 33)],
            [wheel(14, 30, 8, 5, 2), wheel(14, 30, 3, 6)]),
            multipolygon("lemon", [[[33.9, 2.1], [46.5, 2.7], [40.2, 9.9]]])]),
        Case("oriented_bbox.png", (64, 52), [
            oriented("kiwi", [[3, 3], [16, 10]], 0), oriented("lemon", [[22, 6], [40, 13]], 0.5),
            oriented("plum", [[44, 6], [59, 15]], -0.4),
            oriented("Käse", [[6, 16], [13, 31]], quarter),
            oriented("kiwi", [[22, 20], [37, 30]], quarter / 2),
            oriented("lemon", [[44, 22], [58, 31]], 3),
            oriented("plum", [[5, 36], [19, 46]], 2 * quarter),
            oriented("Käse", [[40, 46], [24, 37]], 7),
            oriented("kiwi", [[44, 38], [60, 47]], None)]),
        Case("oriented_bbox_float.png", size, [
            oriented("kiwi", [[8.7, 6.2], [21.4, 13.9]], 0.3),
            oriented("lemon", [[40.2, 6.6], [30.9, 15.1]], 1.2),
            oriented("plum", [[8, 26.5], [20.99, 31.01]], -0.8),
            oriented("Käse", [[28.5, 22.5], [42.5, 33.5]], -9.5)]),
        Case("cuboid.png", size, [
            under, cuboid("kiwi", box(4, 12, 18, 24), [6, -8]),
            cuboid("lemon", box(26.9, 20.2, 37.4, 30.1), [8.3, -6.4]),
            cuboid("Käse", box(8, 30, 20, 30), [0, 6])]),
        Case("graph.png", size, [
            skeleton(*man), skeleton(*other, hidden=["knee"]), skeleton([20, 36], [26, 34])]),
        Case("graph_without_type.jpg", size, [under, shapeless]),
        Case("cuboid_2d.png", size, [
            under, crate(box(4, 12, 18, 24), box(10.7, 4.9, 24.2, 16.5)),
            crate(box(24, 24, 36, 36), box(30, 20, 42, 32), hidden=["face2-bottomleft"])]),
        Case("alpha_mask_opaque.png", size, [
            under, alpha("kiwi", 3, 3, blob(20, 16, 11)),
            alpha("lemon", 22.5, 12.5, blob(20, 16, 12))]),
    ]  # fmt: skip
