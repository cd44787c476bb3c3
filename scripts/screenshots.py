#!/usr/bin/env python
"""Makes the screenshots of the docs, `.readme/gallery.jpg` and `viewer.jpg`, of the demo's gallery.

Needs the extra `browser`, Chromium and its driver.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "engine"), str(ROOT / "tests")]

from savemasks.cli.demo import write_demo  # noqa: E402
from savemasks.gallery.building import build_galleries  # noqa: E402
from support.browser import Browser, browser  # noqa: E402
from support.galleries import export  # noqa: E402


def main() -> None:
    """Run the program."""
    with tempfile.TemporaryDirectory() as folder, browser() as page:
        project, _, _ = write_demo(Path(folder))
        (index,) = build_galleries(export(project, Path(folder)).out)
        page.driver.set_window_size(1180, 760)
        page.open(index)
        page.wait(lambda: page.js("[...document.images].every((each) => each.naturalWidth)"))
        save(page, "gallery.jpg")
        page.all("#grid button")[2].click()
        page.wait(lambda: page.js("[...tiles.values()].every((each) => each.map)"))
        page.choose("#swipe", 45)
        page.choose("#opacity", 65)
        page.settle()
        save(page, "viewer.jpg")
        page.check()


def save(page: Browser, name: str) -> None:
    """Save what the window shows."""
    content = page.driver.get_screenshot_as_png()
    image = Image.open(io.BytesIO(content)).convert("RGB")
    image.save(ROOT / ".readme" / name, quality=85)
    print(ROOT / ".readme" / name, image.size)


if __name__ == "__main__":
    main()
