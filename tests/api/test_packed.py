"""`export(pack=)` and `samples`: what went in comes out as arrays, in the same order."""

import gc
import json
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image

import savemasks
from savemasks.api import open_shards
from savemasks.store.pack_members import END, member
from support.packing import LAYER, NAME, Bench, members
from support.projects import HEIGHT, KIWI, WIDTH, Project, annotation, layer, picture, pixels_of

pytestmark = pytest.mark.usefixtures("warm")


@pytest.fixture
def bench(project: Project, tmp_path: Path) -> Bench:
    made = Bench(project, tmp_path)
    made.fill(7)
    return made


def _export(bench: Bench, **options: Any) -> savemasks.Summary:
    given: dict[str, Any] = {"pack": "webdataset", "pack_items": 3} | options
    return savemasks.export(bench.project.folder, bench.base / "out", LAYER, workers=2, **given)


def test_samples_are_what_was_painted(bench: Bench) -> None:
    assert _export(bench).images == 7
    found = [*savemasks.samples(bench.base / "out" / NAME)]
    keys = [f"one/{i:02}" for i in (1, 2, 4, 5)] + [f"two/{i:02}" for i in (0, 3, 6)]
    assert [sample.key for sample in found] == keys
    painter = savemasks.Painter(LAYER)
    for sample in found:
        assert [*sample.parts] == ["machine.png", "human.png", "png", "json"]
        number = int(sample.key[-2:]) + 1
        assert (sample.parts["png"] == pixels_of(number)).all()
        note = sample.parts["json"]
        assert note["tags"] == [number]
        assert (sample.parts["machine.png"] == painter.machine(note)).all()
        assert (sample.parts["human.png"] == painter.human(note, pixels_of(number))).all()


def test_shards_may_be_named_one_by_one(bench: Bench) -> None:
    _export(bench)
    root = bench.base / "out" / NAME
    paths = sorted(root.glob("*.tar"))
    assert len(paths) == 3
    whole = [sample.key for sample in savemasks.samples(root)]
    assert [sample.key for sample in savemasks.samples(paths)] == whole
    assert [sample.key for sample in savemasks.samples(iter(map(str, paths)))] == whole
    assert [sample.key for sample in savemasks.samples(str(paths[1]))] == whole[3:6]
    assert [*savemasks.samples([])] == []


@pytest.mark.parametrize("protocol", ["memory", "file", "s3"])
def test_shards_may_lie_at_an_address(
    bench: Bench, protocol: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_shards, "_AT_ONCE", 700)  # so that a picture takes several requests
    _export(bench)
    expected = [*savemasks.samples(bench.base / "out" / NAME)]
    place = (
        request.getfixturevalue("bucket")
        if protocol == "s3"
        else f"{protocol}://{bench.base}/{protocol}"
    )
    packed = savemasks.export(
        bench.project.folder, f"{place}/out", LAYER, pack="webdataset", pack_items=3
    )
    index = json.loads((packed.out / "index.json").read_bytes())
    shards = [f"{place}/out/{NAME}/{each['name']}" for each in index["shards"]]
    for given in (packed.out, f"{place}/out/{NAME}", f"{place}/out/{NAME}/", shards):
        found = [*savemasks.samples(given)]
        assert [sample.key for sample in found] == [sample.key for sample in expected]
        for sample, same in zip(found, expected, strict=True):
            assert sample.parts["json"] == same.parts["json"]
            for part in ("machine.png", "human.png", "png"):
                assert (sample.parts[part] == same.parts[part]).all()
    assert [sample.key for sample in savemasks.samples(shards[1])] == [
        sample.key for sample in expected[3:6]
    ]


def test_what_cannot_be_read_at_an_address_is_named(bench: Bench) -> None:
    fs = fsspec.filesystem("memory")
    fs.store.clear()

    def read(shards: Any) -> str:
        with pytest.raises(savemasks.OutputError) as caught:
            [*savemasks.samples(shards)]
        return str(caught.value)

    none = "cannot be read: No such file or directory"
    assert read("memory://a/x.tar") == f"memory://a/x.tar: {none}"
    assert read("memory://a/b").startswith(f"memory://a/b/index.json: {none}; a packed result has")
    assert "pip install 'savemasks[gcs]'" in read("gs://a/b")
    fs.pipe("memory://a/x.tar", b"text" * 1000)
    assert "memory://a/x.tar: is not a whole tar archive" in read(["memory://a/x.tar"])
    for nothing in ("", [""]):
        assert read(nothing) == "shards: an empty text is no path"
    with pytest.raises(TypeError, match="shards must be a folder, an archive or several"):
        savemasks.samples([b"x"])  # type: ignore[list-item]


def test_files_are_closed_when_the_iterator_is_left(bench: Bench) -> None:
    _export(bench)
    found = savemasks.samples(bench.base / "out" / NAME)
    next(found)
    del found
    gc.collect()  # a file that is still open would be an error here


def test_types_of_pictures(project: Project, tmp_path: Path) -> None:
    bench = Bench(project, tmp_path)
    bench.fill(2)
    chosen = savemasks.SaveMasks.from_json(layer(masks_instances="map", masks_human=False))
    savemasks.export(project.folder, tmp_path / "out", chosen, pack="webdataset")
    for sample in savemasks.samples(tmp_path / "out" / NAME):
        numbers = sample.parts["instances.png"]
        assert numbers.dtype == np.uint16
        assert numbers.shape == sample.parts["machine.png"].shape
        assert isinstance(sample.parts["instances.json"], (dict, list))


def test_all_that_a_run_takes_is_read_again(project: Project, tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    file = BytesIO()
    Image.fromarray(pixels_of(0)).save(file, "JPEG", exif=turned)
    cut = picture(0, "JPEG")[:-2]
    pictures = {"a.bmp": picture(0, "BMP"), "b.jpg": cut, "c.jpg": file.getvalue()}
    notes = {
        "a.bmp": b"\xef\xbb\xbf" + annotation(KIWI),
        "b.jpg": annotation(description=float("nan")),
        "c.jpg": annotation(size={"height": WIDTH, "width": HEIGHT}, description="\ud83d"),
    }
    for name, content in pictures.items():
        project.put(f"ds/img/{name}", content)
        project.put(f"ds/ann/{name}.json", notes[name])
    savemasks.export(project.folder, tmp_path / "out", LAYER, pack="webdataset")
    found = [sample.parts for sample in savemasks.samples(tmp_path / "out" / NAME)]
    assert (found[0]["bmp"] == pixels_of(0)).all()
    assert np.isnan(found[1]["json"]["description"])
    assert found[2]["json"]["description"] == "\ud83d"
    for parts in found:
        image = next(parts[part] for part in ("bmp", "jpg") if part in parts)
        assert image.shape[:2] == parts["machine.png"].shape


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_library_webdataset_reads_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    webdataset = pytest.importorskip("webdataset")
    _export(bench)
    paths = sorted(map(str, (bench.base / "out" / NAME).glob("*.tar")))
    found = [*webdataset.WebDataset(paths, shardshuffle=False)]
    expected = members([Path(path) for path in paths])
    assert [sample["__key__"] for sample in found] == [
        sample.key for sample in savemasks.samples(bench.base / "out" / NAME)
    ]
    gc.collect()  # it leaves its files to the collector
    for sample in found:
        parts = {part: content for part, content in sample.items() if part[:2] != "__"}
        for part, content in parts.items():
            assert expected[f"{sample['__key__']}.{part}"] == content
        assert sorted(parts) == ["human.png", "json", "machine.png", "png"]


@pytest.mark.filterwarnings("ignore")
def test_the_library_datasets_reads_the_same(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets")
    _export(bench)
    paths = sorted(map(str, (bench.base / "out" / NAME).glob("*.tar")))
    expected = [*savemasks.samples(bench.base / "out" / NAME)]
    for is_streamed in (True, False):
        found = datasets.load_dataset(
            "webdataset",
            data_files={"train": paths},
            split="train",
            streaming=is_streamed,
            cache_dir=str(tmp_path / "cache"),
        )
        rows = [*found]
        assert [row["__key__"] for row in rows] == [sample.key for sample in expected]
        for row, sample in zip(rows, expected, strict=True):
            assert row["json"]["tags"] == sample.parts["json"]["tags"]
            for part in ("png", "machine.png", "human.png"):
                assert (np.asarray(row[part]) == sample.parts[part]).all()


def test_gnu_tar_reads_the_same(bench: Bench) -> None:
    for pack in ("tar", "webdataset"):
        savemasks.export(bench.project.folder, bench.base / pack, LAYER, pack=pack)
        for path in (bench.base / pack / NAME).glob("*.tar"):
            listed = subprocess.run(
                ["tar", "-tf", path], capture_output=True, check=True, text=True
            )
            assert listed.stdout.splitlines() == [*members(path)]
            assert listed.stderr == ""
        names = [*members(path)]
        subprocess.run(["tar", "-xf", path, "-C", bench.base, names[-1]], check=True)
        assert (bench.base / names[-1]).read_bytes() == members(path)[names[-1]]


def test_what_cannot_be_read_is_named(bench: Bench, tmp_path: Path) -> None:
    def read(shards: Any) -> str:
        with pytest.raises(savemasks.SavemasksError) as caught:
            [*savemasks.samples(shards)]
        return str(caught.value)

    with pytest.raises(TypeError, match="shards must be a folder, an archive or several"):
        savemasks.samples(5)  # type: ignore[arg-type]
    assert "index.json: cannot be read: No such file" in read(tmp_path)
    assert read(tmp_path / "no.tar") == f"{tmp_path / 'no.tar'}: cannot be read: No such file or " \
        "directory"  # fmt: skip
    (tmp_path / "text.tar").write_bytes(b"text" * 1000)
    assert "text.tar: is not a whole tar archive" in read(tmp_path / "text.tar")
    (tmp_path / "index.json").write_bytes(b"[]")
    assert "index.json: is not the index of a packed result" in read(tmp_path)
    _export(bench, pack="tar")
    for shards in (tmp_path / "out" / NAME, tmp_path / "out" / NAME / f"{NAME}-00000.tar"):
        assert 'holds a tree of files, not samples: pack with "webdataset"' in read(shards)
    path = tmp_path / "bad.tar"
    path.write_bytes(member("ds/a.png", b"no picture") + END)
    assert "bad.tar: ds/a.png: cannot be decoded" in read(path)
    path.write_bytes(member("ds/a.json", b"{") + END)
    assert "bad.tar: ds/a.json: is no JSON that can be read: " in read(path)
    path.write_bytes(member("ds/a.png", bytes(3000))[:1000])
    assert "bad.tar" in read(path)


@pytest.mark.parametrize("cut", [0, 100, 512])
def test_a_shard_whose_rest_is_missing_or_damaged_is_no_whole_one(
    bench: Bench, tmp_path: Path, cut: int
) -> None:
    """`tarfile` calls both the end."""
    _export(bench, pack_items=None)
    whole = (tmp_path / "out" / NAME / f"{NAME}-00000.tar").read_bytes()
    with tarfile.open(fileobj=BytesIO(whole)) as archive:
        second = archive.getmembers()[4].offset
    path = tmp_path / "bad.tar"
    damaged = whole[:second] + b"x" + whole[second + 1 :]
    path.write_bytes(whole[: second + cut] if cut < 512 else damaged)
    problem = "damaged" if cut == 512 else "cut off"
    with pytest.raises(savemasks.OutputError) as caught:
        [*savemasks.samples(path)]
    assert str(caught.value) == f"{path}: is not a whole tar archive: {problem} at byte {second}"


def test_threads_hear_of_their_own_pictures(tmp_path: Path) -> None:
    def said_of(name: str) -> str:
        with pytest.raises(savemasks.ImageError) as caught:
            [*savemasks.samples(tmp_path / f"{name}.tar")]
        return str(caught.value)

    file = BytesIO()
    Image.fromarray(pixels_of(1)).save(file, "WEBP", lossless=True)
    for name, content in {"webp": file.getvalue()[:60], "none": b"no picture"}.items():
        (tmp_path / f"{name}.tar").write_bytes(member("ds/a.png", content) + END)
    names = ["webp", "none"] * 4
    alone = {name: said_of(name) for name in {*names}}
    with ThreadPoolExecutor(len(names)) as threads:
        for _ in range(40):
            assert [*threads.map(said_of, names)] == [alone[name] for name in names]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pack": "zip"}, ValueError, 'pack must be "tar", "webdataset" or None, not \'zip\''),
        ({"pack": None}, ValueError, "pack_items is for pack, which is None"),
        ({"pack_items": 0}, ValueError, "pack_items must be at least 1, not 0"),
        ({"pack_items": 1 << 63}, ValueError, "no archive has more than 92233720368547758"),
        ({"pack_size": True}, TypeError, "pack_size must be a number or None, not True"),
        ({"link": True}, savemasks.OutputError, "there are no hard links into archives"),
    ],
)
def test_wrong_arguments_are_named(bench: Bench, options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        _export(bench, **options)
    assert not (bench.base / "out").exists()


def test_limits_may_be_numbers_of_numpy(bench: Bench) -> None:
    _export(bench, pack_items=np.int64(3), pack_size=np.uint32(1 << 30))
    assert len([*(bench.base / "out" / NAME).glob("*.tar")]) > 1


def test_limits_have_defaults(bench: Bench) -> None:
    _export(bench, pack_items=None)
    index = json.loads((bench.base / "out" / NAME / "index.json").read_bytes())
    assert [shard["name"] for shard in index["shards"]] == [f"{NAME}-00000.tar"]
    assert tarfile.is_tarfile(bench.base / "out" / NAME / f"{NAME}-00000.tar")
