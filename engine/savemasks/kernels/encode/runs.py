"""Gray masks from label maps straight to deflate, without making their pixels.

A mask consists mostly of rows that equal the row above, and of spans of one value. So a picture
becomes a list of tokens: a byte, a repetition of the byte before, or a repetition of the row above.
The unfiltered rows of PNG (a zero and the pixels) follow each other as one stream. Pixels are only
compared with those above, many at a time.

A mask may be coded in strips, each of which repeats nothing that lies in the one before. Rows too
wide to reach the one above (`tokenize_wide`) are filtered by "Up" instead, which makes repeated
rows zeros; the first row and rows of zeros are not filtered.
"""

import numpy as np

from ..eights import same_run
from ..jit import Array, allocating_kernel, kernel
from .mask_tokens import CODE_WORDS, FAR, LITERAL, NEAR, add

_UP = 2  # of PNG's filters
_MODULUS = 65521
# A match of the row above is worth while from this number of equal pixels on.
_WORTH = 4


@kernel
def _add_span(
    row: Array, table: Array, first: int, last: int, before: int, tokens: Array, count: int
) -> int:
    """Append pixels first..last (excluded); `before` is the byte that goes before them."""
    if last - first == 1:
        return add(tokens, count, LITERAL, int(table[row[first]]))
    x = first
    while x < last:
        label = row[x]
        run = x + 1
        while run < last and row[run] == label:
            run += 1
        value = int(table[label])
        length = run - x
        if value != before:
            count = add(tokens, count, LITERAL, value)
            length -= 1
        if length >= 3:
            count = add(tokens, count, NEAR, length)
        else:
            for _ in range(length):
                count = add(tokens, count, LITERAL, value)
        before = value
        x = run
    return count


@kernel
def tokenize(labels: Array, table: Array, memory: Array) -> tuple[int, int]:
    """List the tokens of a mask or a strip; return their number and the stream's Adler-32.

    Parameters
    ----------
    labels
        (height, width) label map.
    table
        (labels,) uint8 gray by label.
    memory
        int64 of scratch, for `mask_tokens.write`: `CODE_WORDS`, and one for every token. If it gets
        full the mask is none for this encoder: the number is -1.
    """
    tokens = memory[CODE_WORDS:]
    height, width = labels.shape
    stride = width + 1
    room = tokens.size - 2 * width - 8
    count = 0
    low = 1
    high = 0
    # Sum and weighted sum of the bytes of a row, for Adler-32; they change with its pixels.
    total = 0
    weighted = 0
    above = labels[0]
    for y in range(height):
        if count > room:
            return -1, 0
        row = labels[y]
        if y == 0:
            # Above the first row there is nothing to repeat.
            count = add(tokens, count, LITERAL, 0)
            count = _add_span(row, table, 0, width, 0, tokens, count)
            for x in range(width):
                value = int(table[row[x]])
                total += value
                weighted += (width - x) * value
        else:
            x = same_run(row, above, 0)
            if x == width and total == 0 and stride >= 3:
                # Zeros below zeros: near repetitions are shorter, their distance has no more bits.
                count = add(tokens, count, NEAR, stride)
            elif x >= 2 or tokens[count - 1] & 3 == FAR:
                count = add(tokens, count, FAR, x + 1)
            else:
                count = add(tokens, count, LITERAL, 0)
                count = _add_span(row, table, 0, x, 0, tokens, count)
            while x < width:
                # A span that differs, with equal stretches too short to matter.
                first = x
                equal = 0
                while x < width and equal < _WORTH:
                    if row[x] == above[x]:
                        equal += 1
                    else:
                        change = int(table[row[x]]) - int(table[above[x]])
                        total += change
                        weighted += (width - x) * change
                        equal = 0
                    x += 1
                last = x - equal
                before = int(table[row[first - 1]]) if first else 0
                count = _add_span(row, table, first, last, before, tokens, count)
                x += same_run(row, above, x)
                equal = x - last
                if equal >= 3:
                    count = add(tokens, count, FAR, equal)
                else:
                    before = int(table[row[last - 1]])
                    count = _add_span(row, table, last, x, before, tokens, count)
        high = (high + stride * low + weighted) % _MODULUS
        low = (low + total) % _MODULUS
        above = row
    return count, (high << 16) | low


@kernel
def _add_run(
    tokens: Array, count: int, low: int, high: int, value: int, length: int, before: int
) -> tuple[int, int, int]:
    """Append `length` bytes of one value after the byte `before`; bring Adler-32 up to date."""
    weight = (length * (length + 1) >> 1) % _MODULUS
    high = (high + length * low + value * weight) % _MODULUS
    low = (low + value * length) % _MODULUS
    if value != before:
        count = add(tokens, count, LITERAL, value)
        length -= 1
    if length >= 3 or (count and tokens[count - 1] & 3 == NEAR):
        return add(tokens, count, NEAR, length), low, high
    for _ in range(length):
        count = add(tokens, count, LITERAL, value)
    return count, low, high


@allocating_kernel
def tokenize_wide(labels: Array, table: Array, memory: Array) -> tuple[int, int]:
    """As `tokenize`, without repetitions of the row above.

    It is compiled with the first such mask: few are wider than 32,767 pixels.
    """
    tokens = memory[CODE_WORDS:]
    height, width = labels.shape
    count = 0
    low = 1
    high = 0
    blank = np.zeros(width, labels.dtype)
    above = blank
    is_blank = True
    before = -1  # what the strip before ends with is not known
    for y in range(height):
        if count + 8 > tokens.size:
            return -1, 0
        row = labels[y]
        x = same_run(row, above, 0)
        if x < width:
            is_blank = same_run(row, blank, 0) == width
        # A row of zeros as it is continues that above it.
        kind = _UP if y and not (is_blank and x == width) else 0
        count, low, high = _add_run(tokens, count, low, high, kind, 1, before)
        before = kind
        if x:
            count, low, high = _add_run(tokens, count, low, high, 0, x, before)
            before = 0
        while x < width:
            if count + 8 > tokens.size:
                return -1, 0
            label = row[x]
            label_above = above[x]
            last = x + 1
            while last < width and row[last] == label and above[last] == label_above:
                last += 1
            value = (int(table[label]) - int(table[label_above])) & 0xFF
            count, low, high = _add_run(tokens, count, low, high, value, last - x, before)
            before = value
            x = last
            same = same_run(row, above, x)
            if same:
                count, low, high = _add_run(tokens, count, low, high, 0, same, before)
                before = 0
                x += same
        above = row
    return count, (high << 16) | low


@kernel
def _add_numbers(row: Array, first: int, last: int, before: int, tokens: Array, count: int) -> int:
    """Append numbers of two bytes; `before` is the number that goes before them, or -1."""
    x = first
    while x < last:
        value = int(row[x])
        run = x + 1
        while run < last and row[run] == value:
            run += 1
        length = run - x
        if value != before:
            count = add(tokens, count, LITERAL, value >> 8)
            count = add(tokens, count, LITERAL, value & 0xFF)
            length -= 1
        if length >= 2:
            count = add(tokens, count, NEAR, 2 * length)
        elif length:
            count = add(tokens, count, LITERAL, value >> 8)
            count = add(tokens, count, LITERAL, value & 0xFF)
        before = value
        x = run
    return count


@kernel
def tokenize_numbers(numbers: Array, memory: Array) -> tuple[int, int]:
    """As `tokenize` for pixels of two bytes, whose near repetitions are those of a pixel.

    `numbers` is (height, width) uint8 or uint16; two rows must be within deflate's reach.
    """
    tokens = memory[CODE_WORDS:]
    height, width = numbers.shape
    stride = 2 * width + 1
    room = tokens.size - 4 * width - 8
    count = 0
    low = 1
    high = 0
    total = 0
    weighted = 0
    above = numbers[0]
    for y in range(height):
        if count > room:
            return -1, 0
        row = numbers[y]
        if y == 0:
            count = add(tokens, count, LITERAL, 0)
            count = _add_numbers(row, 0, width, -1, tokens, count)
            for x in range(width):
                value = int(row[x])
                total += (value >> 8) + (value & 0xFF)
                weighted += 2 * (width - x) * ((value >> 8) + (value & 0xFF)) - (value & 0xFF)
        else:
            x = same_run(row, above, 0)
            if x == width and total == 0:
                count = add(tokens, count, NEAR, stride)
            elif x or tokens[count - 1] & 3 == FAR:
                count = add(tokens, count, FAR, 2 * x + 1)
            else:
                count = add(tokens, count, LITERAL, 0)
            while x < width:
                first = x
                equal = 0
                while x < width and equal < _WORTH >> 1:
                    if row[x] == above[x]:
                        equal += 1
                    else:
                        one = int(row[x])
                        other = int(above[x])
                        change = (one & 0xFF) - (other & 0xFF)
                        both = (one >> 8) - (other >> 8) + change
                        total += both
                        weighted += 2 * (width - x) * both - change
                        equal = 0
                    x += 1
                last = x - equal
                before = int(row[first - 1]) if first else -1
                count = _add_numbers(row, first, last, before, tokens, count)
                x += same_run(row, above, x)
                if x - last >= 2:
                    count = add(tokens, count, FAR, 2 * (x - last))
                else:
                    count = _add_numbers(row, last, x, int(row[last - 1]), tokens, count)
        high = (high + stride * low + weighted) % _MODULUS
        low = (low + total) % _MODULUS
        above = row
    return count, (high << 16) | low
