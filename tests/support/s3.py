"""An S3 server on loopback (moto's), in a process that ends with the one that started it.

A test asks for the fixture `bucket`, which is a new bucket: the address of the server and its
credentials are in the environment, so that workers find it too.

    def test_it(bucket: str) -> None:  # "s3://bucket-1"
        upload(project, f"{bucket}/project")
        ...
        assert download(f"{bucket}/out/dst") == files(local / "dst")

`python -m support.s3` starts one by hand: it prints its address, and ends with its input.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import fsspec

from savemasks import remote

_TESTS = Path(__file__).parents[1]
_numbers = count(1)


@contextmanager
def s3_server() -> Iterator[str]:
    """Start a server without buckets -> its address."""
    with served("support.s3") as endpoint:
        yield endpoint


@contextmanager
def served(module: str, *arguments: object) -> Iterator[str]:
    """Run a module that prints its address, and ends when its input does -> the address."""
    path = os.pathsep.join([str(_TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    with process:
        assert process.stdout
        assert process.stdin
        address = process.stdout.readline().strip()
        assert address.startswith("http://"), f"{module} did not start"
        try:
            yield address
        finally:
            process.stdin.close()


def environment(endpoint: str) -> dict[str, str]:
    """What a process needs in its environment to use the server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "not-for-logs",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def used(endpoint: str) -> Iterator[None]:
    """Let this process and those that it starts use a server for addresses of `s3://`."""
    wanted = environment(endpoint)
    before = {name: os.environ.get(name) for name in wanted}
    _set_environment(wanted)
    _forget()
    try:
        yield
    finally:
        _set_environment(before)
        _forget()


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _forget() -> None:
    """Let fsspec make new file systems, for those that it has know another server."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    remote._opened.cache_clear()


def new_bucket() -> str:
    """Make a bucket of an unused name -> its address."""
    name = f"bucket-{os.getpid()}-{next(_numbers)}"
    _fs(f"s3://{name}").mkdir(name)
    return f"s3://{name}"


def upload(folder: Path, url: str) -> None:
    """Put all files below a folder below an address of any kind."""
    fs = _fs(url)
    base = fs._strip_protocol(url)
    contents = {f"{base}/{name}": data for name, data in _files(folder).items()}
    for parent in {path.rpartition("/")[0] for path in contents}:
        if not url.startswith("s3://"):
            fs.makedirs(parent, exist_ok=True)
    fs.pipe(contents)


def download(url: str) -> dict[str, bytes]:
    """All files below an address of any kind, by their names below it."""
    fs = _fs(url)
    base = fs._strip_protocol(url)
    fs.invalidate_cache()
    found = fs.find(base)
    # `cat` would take [1] in a name for a pattern.
    contents: list[bytes] = fs.cat_ranges(found, None, None) if found else []
    names = (name.removeprefix(base).lstrip("/") for name in found)
    return dict(zip(names, contents, strict=True))


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _fs(url: str) -> Any:
    fs, _ = fsspec.core.url_to_fs(url)
    return fs


def main() -> None:
    """Serve until the input ends."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
