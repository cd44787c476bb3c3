"""A small ASGI service that answers POST annotation → PNG, as a user of the library writes it."""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import savemasks

MAX_PIXELS = 50_000_000
"""Larger canvases are refused: a few bytes can ask for gigabytes."""


def make_app(layer: savemasks.SaveMasks) -> Starlette:
    """Answer with the machine mask of the annotation in the body."""
    painter = savemasks.Painter(layer, max_pixels=MAX_PIXELS)

    def paint(annotation: bytes) -> bytes:
        return savemasks.encode_png(painter.machine(annotation))

    async def answer(request: Request) -> Response:
        annotation = await request.body()
        try:
            png = await asyncio.to_thread(paint, annotation)
        except savemasks.AnnotationError as error:
            return PlainTextResponse(str(error), status_code=422)
        return Response(png, media_type="image/png")

    return Starlette(routes=[Route("/", answer, methods=["POST"])])
