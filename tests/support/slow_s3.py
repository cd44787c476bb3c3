"""A server in front of an S3 server that makes it slow, and refuses some requests.

    with s3_server() as endpoint, slow_s3(endpoint, latency=0.2, errors=0.05) as slow, used(slow):
        ...                 # every request takes 200 ms more; 5 % are answered by 503 SlowDown
        requests(slow)      # {"LIST": 1, "GET": 40, "PUT": 41, "503": 4}

Which requests are refused depends on `seed` and on their order alone. `forbidden` are methods that
are answered by 403, such as "PUT" for a bucket that forbids writing. If there is a `page`, listings
come in pages of so many names. Requests wait side by side: latency costs no work. By hand:
`python -m support.slow_s3 UPSTREAM [LATENCY ERRORS SEED PAGE FORBIDDEN...]` prints its address, and
ends with its input.
"""

import asyncio
import logging
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.request import urlopen

import orjson
from aiohttp import ClientSession, TCPConnector, web

from .s3 import served

_COUNTS = "/-/requests"
_NOT_PASSED_ON = {"connection", "transfer-encoding", "date", "server", "keep-alive"}
_ERROR = "<Error><Code>{code}</Code><Message>{code}</Message></Error>"


@contextmanager
def slow_s3(
    upstream: str,
    *,
    latency: float = 0.0,
    errors: float = 0.0,
    seed: int = 1,
    page: int = 0,
    forbidden: Sequence[str] = (),
) -> Iterator[str]:
    """Start a server in front of another one -> its address; `latency` is in seconds."""
    with served("support.slow_s3", upstream, latency, errors, seed, page, *forbidden) as endpoint:
        yield endpoint


def requests(endpoint: str) -> dict[str, int]:
    """How many requests there were: by method, listings as LIST, and refused ones by status.

    Those that read a picture or an annotation are counted once more, as ITEMS.
    """
    with urlopen(endpoint + _COUNTS) as answer:  # noqa: S310
        counts: dict[str, int] = orjson.loads(answer.read())
    return counts


class _Forward:
    """Passes requests on, late, or refuses them."""

    def __init__(
        self,
        upstream: str,
        latency: float,
        errors: float,
        seed: int,
        page: int,
        forbidden: Sequence[str],
    ) -> None:
        self._upstream, self._latency, self._errors, self._page = upstream, latency, errors, page
        self._random, self._forbidden = random.Random(seed), frozenset(forbidden)
        self._counts: Counter[str] = Counter()
        self._session: ClientSession | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if request.path == _COUNTS:
            return web.json_response(dict(self._counts))
        is_listing = request.method == "GET" and "list-type" in request.query
        self._counts["LIST" if is_listing else request.method] += 1
        if request.method == "GET" and ("/img/" in request.path or "/ann/" in request.path):
            self._counts["ITEMS"] += 1
        refused = self._random.random() < self._errors
        body = await request.read()
        await asyncio.sleep(self._latency)
        if request.method in self._forbidden:
            return self._refuse(403, "AccessDenied")
        if refused:
            return self._refuse(503, "SlowDown")
        return await self._pass_on(request, body)

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()

    def _refuse(self, status: int, code: str) -> web.Response:
        self._counts[str(status)] += 1
        text = _ERROR.format(code=code)
        return web.Response(status=status, text=text, content_type="application/xml")

    async def _pass_on(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(limit=0), auto_decompress=False, skip_auto_headers=["Accept"]
            )
        headers = {k: v for k, v in request.headers.items() if k.lower() not in {"host"}}
        url = self._upstream + request.raw_path
        if self._page and "list-type" in request.query:
            url += f"&max-keys={self._page}"
        async with self._session.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        ) as got:
            kept = {k: v for k, v in got.headers.items() if k.lower() not in _NOT_PASSED_ON}
            if request.method == "HEAD":
                return web.Response(status=got.status, headers=kept)
            kept.pop("Content-Length", None)
            return web.Response(status=got.status, headers=kept, body=await got.read())


async def _serve(forward: _Forward) -> None:
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # clients may be killed
    app = web.Application(client_max_size=1 << 32)
    app.router.add_route("*", "/{path:.*}", forward.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()
    await forward.close()


def main(upstream: str, *settings: str) -> None:
    """Serve until the input ends."""
    given = dict(enumerate(settings))
    latency, errors = float(given.get(0, 0)), float(given.get(1, 0))
    seed, page = int(given.get(2, 1)), int(given.get(3, 0))
    asyncio.run(_serve(_Forward(upstream, latency, errors, seed, page, settings[4:])))


if __name__ == "__main__":
    main(*sys.argv[1:])
