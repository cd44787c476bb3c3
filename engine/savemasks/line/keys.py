"""Names of members in packed results."""

from .job import PackKind

_ENDINGS = {
    "masks_machine": "machine",
    "masks_human": "human",
    "masks_semantic_rgb": "rgb",
    "masks_instances": "instances",
    "masks_classes": "class",
    "visualize": "visualize",
}

_TAKEN = {"json", *_ENDINGS.values(), "object"}


def member_name(kind: PackKind, dataset: str, name: str, stem: str) -> str:
    """Name of the member that a file becomes.

    Parameters
    ----------
    kind
        With "tar", the name stays as it is.
    dataset
        The data set's place below the result.
    name
        Of the file, below the result.
    stem
        That of the item's masks, which no other item of the data set has.

    Returns
    -------
    With "webdataset", `<key>.<part>`: the key is the data set and the stem, without dots. The part
    is the ending of an image, "json" of an annotation, "machine.png" of a machine mask, and so on;
    of one object "object.kiwi_01.png", of one class "class.kiwi.png".
    """
    if kind == "tar":
        return name
    folder, _, file = name[len(dataset) + 1 :].partition("/")
    key = f"{_without_dots(dataset)}/{_without_dots(stem)}"
    if key.startswith("__"):  # which readers would take for something else, and pass over
        key = f"%5F{key[1:]}"
    if folder == "img":
        ending = _ending(file)
        return f"{key}.{'image' if ending in _TAKEN else ending}"
    if folder == "ann":
        return f"{key}.json"
    part = _ENDINGS[folder]
    if "/" in file:
        part = "object" if folder == "masks_instances" else part
        return f"{key}.{part}.{file.rpartition('/')[2]}"
    return f"{key}.{part}.{_ending(file)}"


def _ending(file: str) -> str:
    """The ending of a name, without its dot and in small letters; "image" if it has none."""
    _, dot, ending = file[1:].rpartition(".")
    return (ending if dot else "").lower() or "image"


def _without_dots(text: str) -> str:
    """A part of a key: readers take what is behind the first dot for the ending."""
    return text.replace("%", "%25").replace(".", "%2E")
