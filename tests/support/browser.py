"""A browser without a window, which tells what it asks for and what goes wrong in it."""

import base64
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver
    from selenium.webdriver.remote.webelement import WebElement

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE = 20.0


class Browser:
    """A browser on a page of a gallery."""

    def __init__(self, driver: "WebDriver") -> None:
        self.driver = driver

    def open(self, page: Path) -> None:
        """Open a file, and wait until all of its images are listed."""
        self.driver.get(page.absolute().as_uri())
        self.wait(lambda: "images" in self.find("#status").text)
        self.wait(lambda: "are loaded" not in self.find("#status").text)

    def find(self, selector: str) -> "WebElement":
        """The first element of a CSS selector."""
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> "list[WebElement]":
        """All elements of a CSS selector."""
        return self.driver.find_elements("css selector", selector)

    def choose(self, selector: str, value: object) -> None:
        """Set the value of a control as a user does, with its events."""
        program = """
            const element = document.querySelector(arguments[0]);
            if (element.type === "checkbox") element.checked = arguments[1];
            else element.value = arguments[1];
            element.dispatchEvent(new Event("input", {bubbles: true}));
            element.dispatchEvent(new Event("change", {bubbles: true}));
        """
        self.driver.execute_script(program, selector, value)

    def press(self, *keys: str) -> None:
        """Press keys where the focus is, one after the other."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def js(self, program: str, *arguments: object) -> Any:
        """What an expression of JavaScript is."""
        return self.driver.execute_script(f"return {program}", *arguments)

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds."""
        end = time.monotonic() + _PATIENCE
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)

    def names(self) -> list[str]:
        """Names of the images that are shown."""
        program = "[...document.querySelectorAll('#grid b')].map((each) => each.innerText)"
        return list(self.js(program))

    def canvas(self) -> NDArray[np.int64]:
        """RGBA of the classes over the image that is looked at."""
        url = self.js("document.querySelector('#over canvas').toDataURL()")
        content = base64.b64decode(url.partition(",")[2])
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA")).astype(int)

    def stage(self) -> NDArray[np.int64]:
        """RGB of the viewer as it is on the screen."""
        content = self.find("#stage").screenshot_as_png
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)

    def settle(self) -> None:
        """Wait until what was asked for is drawn."""
        program = """
            const done = arguments[0];
            requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
        """
        self.driver.execute_async_script(program)

    def check(self) -> None:
        """Nothing may have gone wrong, and nothing may have been asked for that is no file."""
        found = [entry for entry in self._log("browser") if entry["level"] != "INFO"]
        assert found == []
        for entry in self._log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                assert message["params"]["request"]["url"].startswith(("file:", "data:"))

    def _log(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return found

    def emulate(self, command: str, **parameters: Any) -> None:
        """Let the browser be on another device."""
        self.driver.execute_cdp_cmd(f"Emulation.{command}", parameters)


class NoBrowserError(Exception):
    """There is no browser, or nothing that drives one."""


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser; raises `NoBrowserError` where there is none."""
    if not find_spec("selenium"):
        raise NoBrowserError("needs the extra `browser`")
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.chrome.webdriver import WebDriver

    binary = next(filter(None, map(shutil.which, _BROWSERS)), None)
    program = shutil.which("chromedriver")
    if binary is None or program is None:
        raise NoBrowserError("needs the packages chromium and chromium-driver")
    options = Options()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,900"):
        options.add_argument(argument)
    options.add_argument("--force-color-profile=srgb")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = WebDriver(options=options, service=Service(program))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
