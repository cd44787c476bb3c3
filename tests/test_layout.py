"""The house: which rooms the package has, and that every room has one name."""

from collections import Counter
from pathlib import Path

import savemasks

PACKAGE = Path(savemasks.__file__).parent
STATIONS = {"parse", "paint", "pictures", "encode", "store"}
ROOMS = STATIONS | {
    "layers",
    "projects",
    "line",
    "results",
    "run",
    "api",
    "cli",
    "kernels",
    "gallery",
    "system",
}


def test_at_the_top_are_the_stations_and_what_all_of_them_use() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    assert folders == ROOMS
    assert modules == {"__init__", "errors", "forks", "jsontext", "remote", "scratch", "shapes"}


def test_no_two_modules_have_one_name() -> None:
    modules = [p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py"]
    names = Counter(path.stem for path in modules)
    assert [name for name, count in names.items() if count > 1] == []
    folders = {path.parent.name for path in PACKAGE.rglob("__init__.py")} - {"savemasks"}
    assert folders & {*names} == set()


def test_tests_have_the_folders_of_the_package() -> None:
    tests = Path(__file__).parent
    folders = {p.name for p in tests.iterdir() if p.is_dir() and any(p.glob("test_*.py"))}
    assert folders == ROOMS
