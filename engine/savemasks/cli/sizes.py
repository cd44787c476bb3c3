"""Sizes as people write them: 800M, 1.5G."""

import re

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def parse_size(text: str) -> int:
    """Bytes of a size such as "800M" or "1.5G", in powers of 1024; may raise ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", text.strip().lower())
    size = float(found[1]) * _UNITS[found[2]] if found else 0
    if not 1 <= size < float("inf"):
        raise ValueError(f"{text!r} is not a size; write 800M or 1.5G")
    return int(size)
