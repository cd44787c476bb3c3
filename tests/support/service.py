"""A small ASGI service that answers POST annotation → PNG, as a user of the library writes it."""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import savemasks

MAX_PIXELS = 50_000_000
"""Larger canvases are refused: a few bytes can ask for gigabytes."""


def make_app(layer: savemasks.SaveMasks, *, most_at_once: int = 256) -> Starlette:
    """Answer with the machine mask of the annotation in the body.

    More requests than `most_at_once` are refused at once: a queue that grows helps nobody.
    """
    painter = savemasks.Painter(layer, max_pixels=MAX_PIXELS)
    under_way = 0

    def paint(annotation: bytes) -> bytes:
        return savemasks.encode_png(painter.machine(annotation))

    async def answer(request: Request) -> Response:
        nonlocal under_way
        if under_way >= most_at_once:
            return PlainTextResponse("busy", status_code=503, headers={"Retry-After": "1"})
        under_way += 1
        try:
            png = await asyncio.to_thread(paint, await request.body())
        except savemasks.AnnotationError as error:
            return PlainTextResponse(str(error), status_code=422)
        finally:
            under_way -= 1
        return Response(png, media_type="image/png")

    return Starlette(routes=[Route("/", answer, methods=["POST"])])
