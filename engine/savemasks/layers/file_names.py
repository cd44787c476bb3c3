"""Names of files: of legends, and of classes, whatever is in a title and a file system takes.

A title that is a good name stays as it is. Another one, and one that differs from a second title
only by case or Unicode's form, becomes what is left of it and a part of its SHA-256. So the name
depends on neither the order of the classes nor on the computer.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

LEGEND = "legend.json"
LEGEND_PICTURE = "legend.png"
MACHINE_COLORS = "obj_class_to_machine_color.json"
SEMANTIC_COLORS = "obj_class_to_semantic_color.json"
LEGEND_FILES = (LEGEND, LEGEND_PICTURE, MACHINE_COLORS, SEMANTIC_COLORS)
"""Names of all files that say what the values and colours of a result mean."""

_MOST_BYTES = 110  # the least that file systems take is 143, and numbers and endings follow
_DIGITS = 12
_ENDS_LIKE_OURS = re.compile(rf"-[0-9a-f]{{{_DIGITS}}}$")
# Separators, what Windows refuses, controls, and halves of surrogate pairs.
_BAD = re.compile('[\0-\x1f\x7f-\x9f/\\\\:*?"<>|\ud800-\udfff]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)


def file_stems(titles: Iterable[str]) -> dict[str, str]:
    """Name, without ending, of every class's files; no two are alike, also regardless of case."""
    cleaned = {title: _clean(title) for title in titles}
    counts = Counter(_key(stem) for stem in cleaned.values())

    def is_good(title: str) -> bool:
        stem = cleaned[title]
        return stem == title and counts[_key(stem)] == 1 and not _ENDS_LIKE_OURS.search(stem)

    return {
        title: title if is_good(title) else f"{stem}-{_digest(title)}"
        for title, stem in cleaned.items()
    }


def object_stems(titles: Iterable[str], stems: Mapping[str, str]) -> Iterator[str]:
    """Names, without ending, of the files of an annotation's objects, one after the other.

    The first object of a class has the class's name, others `kiwi_01`, `kiwi_02` and so on; a name
    that is taken is passed over.

    Parameters
    ----------
    titles
        Class of every object, in the annotation's order.
    stems
        What `file_stems` returns for all classes.
    """
    used: set[str] = set()
    following: dict[str, int] = {}
    for title in titles:
        stem = stems[title]
        number = following.get(title, 0)
        while True:
            name = f"{stem}_{number:02d}" if number else stem
            number += 1
            if (key := _key(name)) not in used:
                break
        following[title] = number
        used.add(key)
        yield name


def _clean(title: str) -> str:
    """A title without what some system refuses."""
    stem = _BAD.sub("_", title).strip(" ")
    if stem.startswith("."):  # hidden, or another folder
        stem = "_" + stem[1:]
    stem = _cut(stem.rstrip(". "))
    return f"_{stem}" if not stem or _DEVICES.match(stem) else stem


def _cut(stem: str) -> str:
    """As much of a name as fits; characters stay whole."""
    return stem.encode()[:_MOST_BYTES].decode(errors="ignore").rstrip(". ")


def _key(name: str) -> str:
    """What names that are the same file somewhere have in common."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _digest(title: str) -> str:
    return hashlib.sha256(title.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
