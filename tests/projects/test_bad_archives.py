"""Archives that are cut off, damaged or malicious: refused by name, or the member is."""

import gzip
import io
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections import namedtuple
from pathlib import Path

import pytest

from savemasks.errors import ProjectError
from savemasks.projects import unpacking
from savemasks.projects.archives import Archive
from savemasks.projects.supervisely import Project
from support.archives import contents, edited, special, split, tar_of, zip_of

META = ("p/meta.json", b'{"classes": []}')
FILES = (META, ("p/ds/img/a.jpg", b"a" * 700), ("p/ds/ann/a.jpg.json", b"{}" * 500))


def refused(path: Path, message: str) -> None:
    with pytest.raises(ProjectError, match=message) as caught:
        Archive.open(path)
    assert str(caught.value).startswith(f"{path}: ")


# ---------------------------------------------------------------- names

BAD_NAMES = [
    ("/etc/passwd", 'the name of a member is absolute: "/etc/passwd"'),
    ("C:/x", "absolute"),
    ("../x", '".." is in the name of a member: "../x"'),
    ("a/../../x", '".."'),
    ("a/..", '".."'),
    ("..", '".."'),
    ("./..", '".."'),
    ("a/../\n", r'"a/../\\n"'),
    ("x/" * 257 + "a", "is longer or deeper than any file's: \"x/x/"),
    ("x" * 4097, "is longer or deeper"),
]


@pytest.mark.parametrize(("name", "message"), BAD_NAMES)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str, message: str) -> None:
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        if form != tarfile.USTAR_FORMAT or len(name) < 100:
            refused(tar_of(tmp_path / "x.tar", META, (name, b"x"), form=form), message)
    refused(zip_of(tmp_path / "x.zip", META, (name, b"x")), message)
    refused(tar_of(tmp_path / "x.tar", special(name, tarfile.DIRTYPE)), message)
    refused(tar_of(tmp_path / "x.tar", special(name, tarfile.SYMTYPE, "x")), message)


def test_names_that_only_look_odd_are_used(tmp_path: Path) -> None:
    names = ["..a", "a..", "a/..b", ".a", "x...jpg", "./b", "c//d", "./././e", "f/./g"]
    expected = {"..a", "a..", "a/..b", ".a", "x...jpg", "b", "c/d", "e", "f/g"}
    for path in (
        tar_of(tmp_path / "x.tar", *((name, b"") for name in names)),
        zip_of(tmp_path / "x.zip", *((name, b"") for name in names)),
    ):
        assert set(contents(Archive.open(path))) == expected


def test_links_and_devices_are_refused_one_by_one(tmp_path: Path) -> None:
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, b"Z")
    members = [special(f"{number}", kind, "/etc/passwd") for number, kind in enumerate(kinds)]
    found = contents(Archive.open(tar_of(tmp_path / "x.tar", *members, ("last", b"x"))))
    assert found.pop("last") == b"x"
    for number in "01":
        assert str(found.pop(number)).startswith("is a link in the archive, and links there are")
    assert {*found.values()} == {"is neither a file nor a folder in the archive"}
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    found = contents(Archive.open(zip_of(tmp_path / "x.zip", (link, b"/etc"), ("last", b"x"))))
    assert found.pop("last") == b"x"
    assert str(found["link"]).startswith("is a link in the archive")


@pytest.mark.parametrize("name", ["p/ds", "p/ds/img", "p/ds/datasets"])
def test_a_link_in_the_place_of_a_folder_ends_it(tmp_path: Path, name: str) -> None:
    link = special(name, tarfile.SYMTYPE, "/etc")
    project = Project.open(tar_of(tmp_path / "x.tar", META, link, ("p/ds2/img/a.jpg", b"x")))
    if name == "p/ds":
        assert project.notes() == [
            "x.tar: ds: is a link in the archive, and links there are not followed;"
            " pack the file itself"
        ]
    else:
        with pytest.raises(ProjectError, match=f"x.tar/{name}: is a link in the archive"):
            project.datasets()


def test_members_of_one_name_are_refused_one_by_one(tmp_path: Path) -> None:
    files = [("b", b"1"), ("a", b"2"), ("b", b"3"), ("./b", b"4")]
    found = contents(Archive.open(tar_of(tmp_path / "x.tar", *files)))
    assert found["a"] == b"2"
    assert str(found["b"]) == "is in the archive more than once; make the archive anew"
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zip_of(tmp_path / "x.zip", *files)
    assert contents(Archive.open(path)) == found


# ---------------------------------------------------------------- cut off and damaged


def test_a_tar_archive_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    long = ("p/" + "x" * 150, b"y")
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        whole = tar_of(tmp_path / "w.tar", *FILES, long, form=form).read_bytes()
        path = tmp_path / "x.tar"
        end = len(whole.rstrip(b"\0")) // 512 * 512 + 1024  # of the block that ends it
        for size in {*range(0, end, 97), *range(0, end, 512)}:
            path.write_bytes(whole[:size])
            refused(path, r"is cut off after \d member|is empty or no tar archive")
        path.write_bytes(whole[:end])
        assert contents(Archive.open(path))["p/ds/img/a.jpg"] == b"a" * 700


def test_a_zip_archive_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = zip_of(tmp_path / "w.zip", *FILES).read_bytes()
    path = tmp_path / "x.zip"
    for size in range(4, len(whole), 7):
        path.write_bytes(whole[:size])
        refused(path, "is cut off, for its list of members is missing")
    path.write_bytes(whole[100:])
    refused(path, "is cut off, or its list of members is damaged")


def test_a_gzip_archive_that_is_cut_or_damaged_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    whole = gzip.compress(tar_of(tmp_path / "w.tar", *FILES).read_bytes())
    path = tmp_path / "x.tar.gz"
    for size in range(3, len(whole), 5):
        path.write_bytes(whole[:size])
        refused(path, "is cut off; a part of it is missing|damaged, and cannot be unpacked")
    path.write_bytes(whole[:100] + b"\0\0\0\0" + whole[104:])
    refused(path, "is damaged, and cannot be unpacked")
    path.write_bytes(gzip.compress(b"no archive" * 100))
    refused(path, "is no tar archive, nor one of gzip or zip")
    assert [*(tmp_path / "tmp").iterdir()] == []


def test_damaged_headers_of_tar_are_refused(tmp_path: Path) -> None:
    whole = tar_of(tmp_path / "w.tar", *FILES, form=tarfile.GNU_FORMAT).read_bytes()
    at = whole.index(b"p/ds/img/a.jpg")
    path = tmp_path / "x.tar"
    for place in (0, 50, 124, 136, 150, 257, 500):
        damaged = bytearray(whole)
        damaged[at + place] ^= 1
        path.write_bytes(damaged)
        refused(path, rf"is damaged at byte {at}, after 1 members; fetch it again")
    path.write_bytes(b"something else" * 100)
    refused(path, "is no tar archive, nor one of gzip or zip")


def test_odd_headers_of_tar_are_refused(tmp_path: Path) -> None:
    path, buffer = tmp_path / "x.tar", io.BytesIO()
    named = tarfile.TarFile(fileobj=buffer, mode="w", pax_headers={"path": "x"})
    named.close()
    path.write_bytes(buffer.getvalue())
    refused(path, "has a header that names all members")
    large = special("x", tarfile.GNUTYPE_LONGNAME)
    large.size = 1 << 30
    path.write_bytes(large.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    refused(path, "is no tar archive|is damaged at byte 0")
    header = special("x", tarfile.GNUTYPE_LONGNAME)
    header.size = 5
    path.write_bytes((header.tobuf(tarfile.GNU_FORMAT) + b"name\0".ljust(512, b"\0")) * 1000)
    refused(path, "is damaged at byte")


def test_damaged_lists_of_zip_are_refused(tmp_path: Path) -> None:
    whole = zip_of(tmp_path / "w.zip", *FILES).read_bytes()
    first, end = whole.index(b"PK\1\2"), whole.index(b"PK\5\6")
    path = tmp_path / "x.zip"
    for place, message in ((first, "damaged after 0"), (end + 10, "lists 3 of"), (end + 12, "")):
        damaged = bytearray(whole)
        damaged[place] ^= 8
        path.write_bytes(damaged)
        refused(path, message or "damaged|overlap|cut off")
    for place in range(first, len(whole) - 22):  # nothing else than an error of ours comes of it
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            contents(Archive.open(path))
        except ProjectError:
            continue


def test_damaged_members_are_refused_one_by_one(tmp_path: Path) -> None:
    written = [("a", b"xyz" * 1000), ("b", b"b" * 100), ("c", b"")]
    for packed in (True, False):
        path = zip_of(tmp_path / "x.zip", *written, packed=packed)
        whole = path.read_bytes()
        good = contents(Archive.open(path))
        for place in range(whole.index(b"PK\1\2")):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
            found = contents(Archive.open(path))
            wrong = {name for name in good if found[name] != good[name]}
            assert len(wrong) <= 1  # some bytes of the local headers have no meaning
            assert all("is damaged in the archive" in str(found[name]) for name in wrong)


# ---------------------------------------------------------------- zip: what members say


def zip_with(path: Path, field: int, form: str, value: int) -> Path:
    """An archive whose list says something else of its first member."""

    def change(content: bytes) -> bytes:
        at = content.index(b"PK\1\2") + field
        new = struct.pack(form, value)
        return content[:at] + new + content[at + len(new) :]

    return edited(zip_of(path, ("a", b"x" * 5000), ("b", b"y")), change)


@pytest.mark.parametrize(
    ("field", "form", "value", "message"),
    [
        (8, "<H", 1, "is encrypted in the archive"),
        (10, "<H", 12, "is compressed in the archive by a method other than deflate"),
        (16, "<I", 7, "is damaged in the archive: its CRC-32 is another one"),
        (24, "<I", 4999, "is damaged in the archive: it has 5000 bytes instead of 4999"),
        (24, "<I", 5001, "is damaged in the archive: it has 5000 bytes instead of 5001"),
        (24, "<I", 1 << 31, "cannot be as large as the archive says"),
        (42, "<I", 1, "is damaged in the archive: its header is not where it should be"),
    ],
)
def test_members_of_zip_that_cannot_be_read(
    tmp_path: Path, field: int, form: str, value: int, message: str
) -> None:
    found = contents(Archive.open(zip_with(tmp_path / "x.zip", field, form, value)))
    assert found["b"] == b"y"
    assert str(found["a"]).startswith(message)


def test_a_member_never_inflates_to_much_more_than_it_says(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(50 << 20), 9, wbits=-15)
    path = zip_of(tmp_path / "x.zip", ("a", bytes(50 << 20)))
    assert bomb[:100] in path.read_bytes()[:200]
    small = edited(path, lambda content: content.replace(
        struct.pack("<I", 50 << 20), struct.pack("<I", 1000)))  # fmt: skip
    import tracemalloc

    member = (Archive.open(small).root() / "a").member()
    assert member is not None
    tracemalloc.start()
    assert "it has 1001 bytes instead of 1000" in str(contents(Archive.open(small))["a"])
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    """As in the bombs of David Fifield, where many members are made of the same bytes."""
    path = zip_of(tmp_path / "x.zip", ("a", b"x" * 3000), packed=False)
    content = path.read_bytes()
    first, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    entry = content[first:end]
    many = b"".join(entry.replace(b"a", b"%c" % (97 + i)) for i in range(3))
    tail = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 3, 3, len(many), first, 0)
    path.write_bytes(content[:first] + many + tail)
    refused(path, "its members overlap each other or its end")


# ---------------------------------------------------------------- parts, and what is unpacked


def test_parts_that_are_missing_or_not_the_first_are_named(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "x.tar.000", *FILES)
    parts = split(path, 4)
    refused(parts[2], f"is a part of {path}; name only the first one")
    parts[1].unlink()
    refused(path, "is split into parts, of which x.tar.001 is missing")
    parts[0].unlink()
    refused(parts[2], "is split into parts, of which x.tar.000 is missing")
    parts = split(tar_of(tmp_path / "y.tar.000", *FILES), 4)
    for part in parts[1:]:
        part.unlink()
    refused(parts[0], "is cut off after")


def test_bombs_and_full_disks_end_unpacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(tar_of(tmp_path / "w.tar", ("a", bytes(5 << 20))).read_bytes()))
    assert contents(Archive.open(path)) == {"a": bytes(5 << 20)}
    monkeypatch.setattr(unpacking, "_ALWAYS_TAKES", 1 << 20)
    refused(path, "unpacks to more than 200 times its size, which no project does")
    monkeypatch.setattr(unpacking, "_ALWAYS_TAKES", 1 << 30)
    usage = namedtuple("usage", ["free"])
    with monkeypatch.context() as patched:
        patched.setattr("shutil.disk_usage", lambda _: usage(free=1 << 20))
        refused(path, "has no room to unpack it; let TMPDIR name a folder on a larger disk")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    refused(path, "cannot be unpacked: No such file or directory")
    assert [*(tmp_path / "tmp").iterdir()] == []
