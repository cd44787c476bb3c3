"""A store that answers late, as a bucket does, and takes nearly no time of a core."""

import asyncio
import os
from pathlib import Path
from typing import Any

from fsspec.asyn import AsyncFileSystem


class LateStore(AsyncFileSystem):  # type: ignore[misc]  # fsspec is not typed
    """A folder as an object store, `late:///folder`; `latency` is in seconds.

    `requests` counts what was asked.
    """

    protocol = "late"
    cachable = True
    latency = 0.05
    requests = 0

    async def _wait(self) -> None:
        LateStore.requests += 1
        await asyncio.sleep(self.latency)

    async def _cat_file(self, path: str, *_: Any, **__: Any) -> bytes:
        await self._wait()
        return Path(path).read_bytes()

    async def _pipe_file(self, path: str, value: bytes, *_: Any, **__: Any) -> None:
        await self._wait()
        _put(path, value)

    async def _put_file(self, lpath: str, rpath: str, *_: Any, **__: Any) -> None:
        await self._wait()
        _put(rpath, Path(lpath).read_bytes())

    async def _get_file(self, rpath: str, lpath: str, *_: Any, **__: Any) -> None:
        await self._wait()
        Path(lpath).write_bytes(Path(rpath).read_bytes())

    async def _rm_file(self, path: str, *_: Any, **__: Any) -> None:
        await self._wait()
        os.unlink(path)

    async def _info(self, path: str, *_: Any, **__: Any) -> dict[str, Any]:
        await self._wait()
        return _described(path)

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        await self._wait()
        found = [_described(entry.path) for entry in os.scandir(path)]
        return found if detail else [each["name"] for each in found]


def _described(path: str) -> dict[str, Any]:
    status = os.stat(path)
    kind = "directory" if os.path.isdir(path) else "file"
    return {"name": path, "size": status.st_size, "type": kind, "mtime": status.st_mtime_ns}


def _put(path: str, value: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_bytes(value)
