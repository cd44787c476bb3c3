"""Files by their addresses: in memory, on the disk, on an S3 server that is slow and refuses."""

import pickle
import sys
from pathlib import Path

import pytest

from savemasks import remote
from savemasks.errors import RemoteError, SavemasksError
from savemasks.projects.remote_listing import scan, stamp_of
from savemasks.remote import (
    Url,
    is_url,
    put_all,
    read_all,
    retrying,
)
from support.s3 import download, new_bucket, used
from support.slow_s3 import requests, slow_s3

CONTENTS = {f"folder/{i}.png": bytes([i]) * i for i in range(1, 30)}


@pytest.fixture(params=["memory", "file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        found: str = request.getfixturevalue("bucket")
        return found
    name = f"{tmp_path}/place"
    return f"{request.param}://{name}"


def test_what_was_put_is_read(place: str) -> None:
    folder = Url.parse(place) / "a"
    put_all(folder, CONTENTS)
    assert download(str(folder)) == CONTENTS
    found = read_all(folder, [*CONTENTS, "folder/none.png"])
    assert isinstance(found.pop("folder/none.png"), FileNotFoundError)
    assert found == CONTENTS
    (folder / "folder/1.png").write_bytes(b"other")
    assert (folder / "folder/1.png").read_bytes() == b"other"
    with pytest.raises(FileNotFoundError):
        (folder / "folder/none.png").read_bytes()


def test_requests_that_are_refused_are_repeated(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with slow_s3(s3, latency=0.01, errors=0.3) as slow, used(slow):
        folder = Url.parse(new_bucket()) / "a"
        put_all(folder, CONTENTS)
        assert read_all(folder, [*CONTENTS]) == CONTENTS
        counts = requests(slow)
    assert counts["503"] > 5
    assert counts["PUT"] >= len(CONTENTS)


def test_what_is_forbidden_is_not_repeated(s3: str) -> None:
    with used(s3):
        folder = Url.parse(new_bucket()) / "a"
    with slow_s3(s3, forbidden=["PUT"]) as slow, used(slow):
        with pytest.raises(PermissionError):
            put_all(folder, {"x": b""})
        assert requests(slow)["PUT"] == 1


@pytest.mark.parametrize("secret", ["secret", "se/secret", "se@secret"])
def test_an_address_shows_no_credentials_and_keeps_them(secret: str) -> None:
    url = Url(f"s3://key:{secret}@bucket/a")
    assert str(url) == "s3://bucket/a"
    assert "secret" not in f"{url!r} {url / 'b'}"
    assert pickle.loads(pickle.dumps(url)).address == url.address
    assert url.name == "a"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nothing://a/b", "nothing:// is no protocol that fsspec knows"),
        ("abfs://a/b", "abfs:// needs another package"),
        ("gs://a/b", "pip install 'savemasks[gcs]'"),
        ("GS://a/b", "gs://a/b: gs:// needs another package"),
        ("simplecache::s3://a/b", "addresses with :: before s3:// are not taken"),
        ("https://a/b?token=1", r"^https://a/b\?\.\.\.: has a \?"),
    ],
)
def test_protocols_that_cannot_be_used(address: str, said: str) -> None:
    remote._opened.cache_clear()
    with pytest.raises(RemoteError, match=said.replace("[", r"\[")):
        Url.parse(address)


@pytest.mark.parametrize("package", ["fsspec", "tenacity"])
@pytest.mark.parametrize(
    ("address", "extra"), [("s3://a/b", "s3"), ("gs://a/b", "gcs"), ("memory://a/b", "remote")]
)
def test_without_its_packages_the_extra_of_the_protocol_is_named(
    monkeypatch: pytest.MonkeyPatch, package: str, address: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    remote._opened.cache_clear()
    said = rf"an address needs {package}: pip install 'savemasks\[{extra}\]'"
    with pytest.raises(SavemasksError, match=said):
        Url.parse(address)


@pytest.mark.parametrize("address", ["file://host:8080/a@b", "file:///C:/a@b"])
def test_what_is_no_credential_is_shown(address: str) -> None:
    assert str(Url(address)) == address


def test_errors_show_no_part_of_a_password() -> None:
    url = Url.parse("memory://key:pass/word@bucket/a")
    with pytest.raises(OSError, match="Invalid") as caught:
        retrying(_refuse, 'Invalid bucket "key:pass"')
    assert "pass" not in str(caught.value)
    assert str(url) == "memory://bucket/a"


def _refuse(text: str) -> None:
    raise PermissionError(13, text)


def test_roots_stay_addresses() -> None:
    assert (Url.parse("memory://") / "a" / "b").address == "memory://a/b"
    assert (Url.parse("file:///") / "a").path == "/a"
    assert Url.parse("file:///a//").address == "file:///a"


def test_a_path_is_no_address() -> None:
    assert is_url("s3://a")
    assert is_url("file:///a")
    assert not is_url("/a/b")
    assert not is_url("a:b/c")
    assert not is_url(Path("s3://a"))


class Gcs:
    """What gcsfs is asked for to list a bucket; pages have two names."""

    protocol = ("gs", "gcs")
    names = ("", "a.jpg", "b.jpg", "c.jpg", "sub/", "z.jpg")

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []

    def call(self, method: str, path: str, bucket: str, **parameters: object) -> dict[str, object]:
        """Answer with a page."""
        assert (method, path, bucket) == ("GET", "b/{}/o", "photos")
        self.asked.append(parameters)
        at = int(str(parameters.get("pageToken", 0)))
        keys = [f"ds/img/{name}" for name in self.names[at : at + 2]]
        files = [key for key in keys if key == "ds/img/" or not key.endswith("/")]
        page: dict[str, object] = {
            "items": [{"name": key, "size": str(len(key)), "generation": key} for key in files],
            "prefixes": [key for key in keys if key not in files],
        }
        return page if at + 2 >= len(self.names) else page | {"nextPageToken": str(at + 2)}


def test_google_cloud_storage_is_listed_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    fs = Gcs()
    monkeypatch.setattr(remote, "_opened", lambda _: fs)
    fs._strip_protocol = lambda _: "photos/ds/img"  # type: ignore[attr-defined]
    pages = [*scan(Url("gs://photos/ds/img"))]
    assert [[file.name for file in page.files] for page in pages] == [
        ["a.jpg"], ["b.jpg", "c.jpg"], ["z.jpg"],
    ]  # fmt: skip
    assert [page.folders for page in pages] == [[], [], ["sub"]]
    assert pages[0].files[0].size == len("ds/img/a.jpg")
    assert pages[0].files[0].stamp == stamp_of("ds/img/a.jpg")
    assert [each.get("pageToken") for each in fs.asked] == [None, "2", "4"]
    assert {str(each["prefix"]) for each in fs.asked} == {"ds/img/"}
