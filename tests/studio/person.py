"""A person at the studio: a process that serves it, and a browser that is looked at and clicked in."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from browsing import window
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PATIENCE = 180.0
"""Seconds: of a machine with other work."""


class Server:
    """`instar studio` as a process."""

    def __init__(self, root: Path, log: Path, *flags: str) -> None:
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "instar.cli", "studio", str(root), "--port", "0", *flags],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "COLUMNS": "400"},
                start_new_session=True,
            )
        self.address = until(self._address, "the address")

    def _address(self) -> str | None:
        text = self.log.read_text()
        assert self.process.poll() is None, text
        found = re.search(r"at (http://\S+?)(/\?token=TOKEN)?;", text)
        return found[1] if found else None

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def serving(root: Path, log: Path, *flags: str) -> Iterator[Server]:
    server = Server(root, log, *flags)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def until(ask: Callable[[], Any], what: str) -> Any:
    """Wait for an answer that is true, and return it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(WebDriverException):
            if answer := ask():
                return answer
        time.sleep(0.1)
    raise AssertionError(f"never seen: {what}")


class Person:
    """Somebody at the page."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        window(browser, 1280)

    def open(self, address: str) -> None:
        self.browser.get(address)
        until(lambda: self.find("button[role=tab]"), "the page")

    def find(self, selector: str) -> list[Any]:
        return [one for one in self.browser.find_elements(By.CSS_SELECTOR, selector) if one.is_displayed()]

    def text(self, selector: str) -> str:
        found = self.find(selector)
        return found[0].text if found else ""

    def tab(self, name: str) -> None:
        for one in self.find("button[role=tab]"):
            if one.text.strip() == name:
                one.click()
                return
        raise AssertionError(name)

    def type(self, place: str, text: str) -> None:
        """Fill a field, or choose from a list by its words."""
        (field,) = until(lambda: self.find(f"#{place} input, #{place} textarea"), place)[:1]
        field.click()
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text, Keys.ENTER)

    def click(self, place: str) -> None:
        def clicked() -> bool:
            found = self.find(f"#{place}")
            if not found or not found[0].is_enabled():
                return False
            found[0].click()
            return True

        until(clicked, place)

    def said(self, place: str, words: str) -> str:
        return until(lambda: (text := self.text(f"#{place}")) and words in text and text, f"{words} in {place}")

    def within(self, frame: str, script: str) -> Any:
        """Ask a page that is shown within the page; None while there is none."""
        shown = self.find(f"{frame} iframe")
        if not shown:
            return None
        self.browser.switch_to.frame(shown[0])
        try:
            return self.browser.execute_script(script)
        finally:
            self.browser.switch_to.default_content()

    def clean(self, address: str) -> None:
        """Check that nothing went wrong and that nothing was asked of another host."""
        loaded = self.browser.execute_script("return performance.getEntriesByType('resource').map(one => one.name)")
        assert [name[:80] for name in loaded if not name.startswith((address, "data:", "blob:"))] == []
        complaints = self.complaints()
        assert complaints == [], complaints

    def complaints(self) -> list[str]:
        """Return the errors that the browser has noted since it was last asked."""
        return [line["message"] for line in self.browser.get_log("browser") if line["level"] == "SEVERE"]
