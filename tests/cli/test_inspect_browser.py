"""The page of `instar inspect` in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import needs_browser, opened

from cli import inspected
from instar.cli import main

pytestmark = needs_browser


@pytest.fixture
def browser() -> Iterator[Any]:
    with opened() as browser:
        yield browser


def colours(browser: Any) -> set[str]:
    """The colours of the borders on the map, as they are drawn."""
    script = "return [...document.querySelectorAll('.map img')].map(img => getComputedStyle(img).borderTopColor)"
    return set(browser.execute_script(script))


def test_the_page_of_a_real_run(browser: Any, tmp_path: Path) -> None:
    data = inspected.draw(tmp_path / "animals")
    run = inspected.without_domain_1(inspected.train(data, tmp_path / "trained"), data, tmp_path / "run")
    assert main.run(["inspect", str(run), str(data), "--device", "cpu", "--inputs", "2"]) == 0
    browser.get((run / "inspect.html").as_uri())

    warnings = [found.text for found in browser.find_elements("class name", "warning")]
    assert "Domain 1 is empty: none of the 32 images on this page." in warnings
    assert len(browser.find_elements("css selector", "section.domain")) == 3
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('section.domain')].map(part => part.querySelectorAll('.tile').length)"
    )
    assert sizes == [16, 0, 16]

    # Every picture is there, and nothing was asked of any network.
    assert browser.execute_script("return [...document.images].every(img => img.complete && img.naturalWidth > 0)")
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name[:80] for name in loaded if not name.startswith("data:")] == []
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []

    # The map: by domain, and on a click by class.
    assert len(browser.find_elements("css selector", ".map img")) == 32
    legends = browser.find_elements("css selector", ".legend.by-domain, .legend.by-class")
    assert [legend.is_displayed() for legend in legends] == [True, False]
    by_domain = colours(browser)
    assert len(by_domain) == 2
    browser.find_element("css selector", "label[for=by-class]").click()
    assert [legend.is_displayed() for legend in legends] == [False, True]
    assert legends[1].text.split() == list(inspected.CLASSES)
    assert len(colours(browser)) == 2
    assert len(by_domain & colours(browser)) == 1  # domains 0 and 2, classes 0 and 1
    inside = browser.execute_script(
        "const map = document.querySelector('.map').getBoundingClientRect();"
        "return [...document.querySelectorAll('.map img')].map(img => img.getBoundingClientRect()).every("
        "box => box.left >= map.left && box.right <= map.right && box.top >= map.top && box.bottom <= map.bottom)"
    )
    assert inside

    # The chart fills its height in every window, whatever the shares are.
    heights = browser.execute_script(
        "const sums = {}; for (const box of document.querySelectorAll('svg.history rect')) {"
        "sums[box.getAttribute('x')] = (sums[box.getAttribute('x')] || 0) + Number(box.getAttribute('height')) }"
        "return Object.values(sums)"
    )
    assert heights == pytest.approx([200] * 10, abs=0.05)

    # Readable on a dark screen too: the text is lighter than the paper.
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    for media, order in (({"features": []}, 1), (dark, -1)):
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        paper, ink = (
            sum(map(int, browser.find_element("tag name", "body").value_of_css_property(name)[5:].split(",")[:3:1]))
            for name in ("background-color", "color")
        )
        assert (paper - ink) * order > 300
