"""What writing the files of an item consists of, and what other ways of writing them whole cost.

Usage::

    python benchmarks/writing.py [FOLDER ...] [--items N] [--rounds N]

Every item is three files of the sizes that a small picture has: a mask, an annotation, a picture.
The first table has the calls of the way in use; the second one ways to put a file whole or not at
all, and two that do not. The ways take turns, each round begins with another one, and what is
written is deleted at the very end. What the figures mean: README.md beside this file.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from isal import isal_zlib

_SIZES = {"masks_machine": 800, "ann": 30_000, "img": 60_000}
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL

Way = Callable[[Path, dict[str, int], int, dict[str, bytes]], None]


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(tempfile.gettempdir())])
    parser.add_argument("--items", type=int, default=1000, help="of a round [1000]")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    contents = {name: os.urandom(size) for name, size in _SIZES.items()}
    for folder in options.folders:
        with tempfile.TemporaryDirectory(dir=folder, prefix="writing-") as scratch:
            _calls(Path(scratch), contents, options.items)
            _ways(Path(scratch), contents, options.items, options.rounds)


def _calls(scratch: Path, contents: dict[str, bytes], items: int) -> None:
    """Print the time of every call of the way in use."""
    root = _tree(scratch / "calls")
    spent = dict.fromkeys(("checksum", "create", "write", "close", "rename"), 0.0)
    os.sync()
    for number in range(items):
        for name, content in contents.items():
            unfinished, target = _names(f"{root}/{name}/", number)
            times = [perf_counter()]
            isal_zlib.crc32(content)
            times.append(perf_counter())
            file = os.open(unfinished, _NEW, 0o666)
            times.append(perf_counter())
            os.write(file, content)
            times.append(perf_counter())
            os.close(file)
            times.append(perf_counter())
            os.replace(unfinished, target)
            times.append(perf_counter())
            for call, begin, end in zip(spent, times, times[1:], strict=False):
                spent[call] += end - begin
    print(f"\n| of an item's {len(contents)} files | microseconds |\n|---|---|")
    for call, seconds in spent.items():
        print(f"| {call} | {seconds / items * 1e6:.0f} |")


def _ways(scratch: Path, contents: dict[str, bytes], items: int, rounds: int) -> None:
    """Print what every way takes for an item."""
    found: dict[str, list[float]] = {name: [] for name in _WAYS}
    names = [*_WAYS]
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            root = _tree(scratch / f"{number} {name}")
            folders = {each: os.open(root / each, os.O_RDONLY) for each in contents}
            os.sync()
            began = perf_counter()
            for item in range(items):
                _WAYS[name](root, folders, item, contents)
            found[name].append((perf_counter() - began) / items * 1e6)
            for opened in folders.values():
                os.close(opened)
    print("\n| way | microseconds an item | lowest to highest |\n|---|---|---|")
    for name, each in found.items():
        print(f"| {name} | {statistics.median(each):.0f} | {min(each):.0f} to {max(each):.0f} |")


def _tree(root: Path) -> Path:
    for name in _SIZES:
        (root / name).mkdir(parents=True)
    return root


def _names(folder: str, number: int) -> tuple[str, str]:
    """A temporary name, and the one that the file gets."""
    return f"{folder}.savemasks-{os.getpid()}-{number}.part", f"{folder}{number:06}.png"


def _put(unfinished: str, content: bytes, folder: int | None = None) -> None:
    file = os.open(unfinished, _NEW, 0o666, dir_fd=folder)
    os.write(file, content)
    os.close(file)


def _rename(root: Path, _: dict[str, int], number: int, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        unfinished, target = _names(f"{root}/{name}/", number)
        _put(unfinished, content)
        os.replace(unfinished, target)


def _rename_below(
    _: Path, folders: dict[str, int], number: int, contents: dict[str, bytes]
) -> None:
    for name, content in contents.items():
        unfinished, target = _names("", number)
        _put(unfinished, content, folders[name])
        os.replace(unfinished, target, src_dir_fd=folders[name], dst_dir_fd=folders[name])


def _link_nameless(
    _: Path, folders: dict[str, int], number: int, contents: dict[str, bytes]
) -> None:
    for name, content in contents.items():
        file = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o666, dir_fd=folders[name])
        os.write(file, content)
        target = _names("", number)[1]
        os.link(f"/proc/self/fd/{file}", target, dst_dir_fd=folders[name], follow_symlinks=True)
        os.close(file)


def _in_batches(root: Path, _: dict[str, int], number: int, contents: dict[str, bytes]) -> None:
    """Rename the files of the last 64 items together."""
    for name, content in contents.items():
        _put(_names(f"{root}/{name}/", number)[0], content)
    if number % 64 == 63:
        for name in contents:
            for each in range(number - 63, number + 1):
                os.replace(*_names(f"{root}/{name}/", each))


def _directly(_: Path, folders: dict[str, int], number: int, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        _put(_names("", number)[1], content, folders[name])


def _append(root: Path, _: dict[str, int], __: int, contents: dict[str, bytes]) -> None:
    with open(root / "all", "ab", buffering=0) as file:
        os.writev(file.fileno(), [*contents.values()])


_WAYS: dict[str, Way] = {
    "rename (in use)": _rename,
    "rename, by the folder's descriptor": _rename_below,
    "link of a nameless file": _link_nameless,
    "renames in batches": _in_batches,
    "under its name at once (not whole)": _directly,
    "append to one file (as shards do)": _append,
}


if __name__ == "__main__":
    main()
