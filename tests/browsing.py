"""A real browser for pages; tests that need it are skipped where there is none."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install '.[dev]'")
from selenium.webdriver.chrome.service import Service  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")

needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium, chromium-driver)"
)


@contextmanager
def opened(downloads: Path | None = None) -> Iterator[Any]:
    """Open a browser that puts what is saved into a folder."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    if downloads:
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:  # sockets need a short path
        browser = webdriver.Chrome(options=options, service=Service(DRIVER, env={**os.environ, "TMPDIR": scratch}))
        try:
            yield browser
        finally:
            browser.quit()


def window(browser: Any, width: int, scheme: str = "light") -> None:
    """Give the window a width in pixels, and say which colours its user prefers."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


FAINT = """
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(v => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = element => { for (let e = element; e; e = e.parentElement) {
    const c = numbers(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const low = [];
  for (const element of document.querySelectorAll(arguments[0] + ' *')) {
    if (!element.textContent.trim() || element.children.length || element.closest('svg, :disabled')) continue;
    if (!element.getClientRects().length) continue;
    const [a, b] = [light(numbers(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) low.push([element.textContent.trim().slice(0, 30), ratio]);
  }
  return low;"""


def faint(browser: Any, within: str) -> list[Any]:
    """Texts that are seen within an element and stand out too little from what is behind them: below 4.5 (WCAG AA)."""
    return browser.execute_script(FAINT, within)
