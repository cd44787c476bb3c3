"""How many pixels of a map have each label or number, and where they are."""

import numpy as np

from ..jit import Array, kernel

# Pixels that are compared at once: the first number inside of objects, the last near an edge.
_CHUNKS = (128, 8)
_BLOCK = 128  # pixels whose comparisons are added up in a byte
_SHORT_BLOCK = 64  # those of a block that is counted by the labels of its ends
_FEW = 5  # labels that are counted one after the other, which is faster


@kernel
def _run_end(row: Array, first: int) -> int:
    """Where the pixels that equal that at `first` end."""
    x = first
    n = row.size
    value = row[np.uint64(first)]
    for chunk in _CHUNKS:
        while x + chunk <= n:
            # Kept to the row's type at every step, so that a vector holds as many as possible.
            different = row.dtype.type(0)
            for i in range(chunk):
                different = row.dtype.type(different | (row[np.uint64(x + i)] ^ value))
            if different:
                break
            x += chunk
    while x < n and row[np.uint64(x)] == value:
        x += 1
    return x


@kernel
def measure_numbers(numbers: Array, top: int, areas: Array, boxes: Array) -> None:
    """Add the pixels of rows of a map to what is known of its objects.

    Parameters
    ----------
    numbers
        (height, width) uint8, uint16 or int32: the object of every pixel, 0 for none.
    top
        Number of the first row.
    areas
        (objects + 1,) int64: pixels of each object.
    boxes
        (objects + 1, 4) int64: its left, top, right and bottom; the latter two are not included.
    """
    for y in range(numbers.shape[0]):
        row = numbers[y]
        x = 0
        while x < row.size:
            first = x
            number = int(row[x])
            x = _run_end(row, x)
            if number == 0:
                continue
            areas[number] += x - first
            boxes[number, 0] = min(boxes[number, 0], first)
            boxes[number, 1] = min(boxes[number, 1], top + y)
            boxes[number, 2] = max(boxes[number, 2], x)
            boxes[number, 3] = max(boxes[number, 3], top + y + 1)


@kernel
def _count(labels: Array, label: int) -> int:
    """How many pixels have a label; many are compared at once."""
    count = 0
    wanted = labels.dtype.type(label)
    for y in range(labels.shape[0]):
        row = labels[y]
        x = 0
        while x + _BLOCK <= row.size:
            part = np.uint8(0)
            for i in range(_BLOCK):
                part = np.uint8(part + np.uint8(row[np.uint64(x + i)] == wanted))
            count += int(part)
            x += _BLOCK
        for i in range(x, row.size):
            count += row[np.uint64(i)] == wanted
    return count


@kernel
def _count_by_ends(row: Array, at: int, counts: Array) -> bool:
    """Count a block that has no other labels than its first and last pixel, as most have."""
    one = row[np.uint64(at)]
    other = row[np.uint64(at + _SHORT_BLOCK - 1)]
    ones = others = np.uint8(0)
    for i in range(_SHORT_BLOCK):
        label = row[np.uint64(at + i)]
        ones = np.uint8(ones + np.uint8(label == one))
        others = np.uint8(others + np.uint8(label == other))
    rest = int(others) if other != one else 0
    if int(ones) + rest != _SHORT_BLOCK:
        return False
    counts[one] += int(ones)
    counts[other] += rest
    return True


@kernel
def _count_singly(row: Array, first: int, last: int, counts: Array) -> None:
    """Count pixels first..last (excluded) of a row."""
    for x in range(first, last):
        counts[row[np.uint64(x)]] += 1


@kernel
def count_labels(labels: Array, counts: Array) -> None:
    """Add to `counts` (labels,) int64 how many pixels of (height, width) have each label.

    Labels of 0 are not counted.
    """
    if counts.size <= _FEW:
        for label in range(1, counts.size):
            counts[label] += _count(labels, label)
        return
    background = counts[0]
    for y in range(labels.shape[0]):
        row = labels[y]
        x = 0
        while x + _SHORT_BLOCK <= row.size:
            if not _count_by_ends(row, x, counts):
                _count_singly(row, x, x + _SHORT_BLOCK, counts)
            x += _SHORT_BLOCK
        _count_singly(row, x, row.size, counts)
    counts[0] = background


@kernel
def count_objects(object_index: Array, class_id: Array, table: Array, counts: Array) -> None:
    """Add to `counts` (labels,) int64 how many objects have each label.

    `object_index` and `class_id` are those of the shapes, `table` has the label of every class.
    """
    before = -1
    for i in range(object_index.size):
        number = int(object_index[i])
        if number != before:
            counts[int(table[class_id[i]])] += 1
        before = number
