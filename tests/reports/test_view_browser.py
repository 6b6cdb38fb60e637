"""The page of runs in a real browser: what a person does with it."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import faint, needs_browser, opened, window
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from instar.cli.flags import spell
from instar.reports.view import write
from reports import viewed

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened() as browser:
        yield browser


def show(browser: Any, page: Path, runs: list[Path], state: Any = None) -> None:
    write(runs, page, spell, state)
    window(browser, 1280)
    browser.get(page.as_uri())


def wait(browser: Any, script: str, expected: Any = True) -> None:
    for _ in range(100):
        found = browser.execute_script(f"return {script}")
        if found == expected:
            return
        browser.execute_async_script("setTimeout(arguments[0], 30)")
    assert found == expected


def colour(browser: Any, canvas: int) -> list[int]:
    """Of the middle of a canvas, as it is seen on the screen: pictures from disk may not be read by scripts."""
    element = browser.find_elements("css selector", ".over canvas")[canvas]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    image = Image.open(io.BytesIO(base64.b64decode(element.screenshot_as_base64))).convert("RGB")
    return list(image.getpixel((image.width // 4, image.height // 2)))


def clean(browser: Any, folder: Path) -> None:
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in loaded if not name.startswith(("data:", folder.as_uri()))] == []
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


def test_scrubbing_and_the_slider(browser: Any, tmp_path: Path) -> None:
    run = viewed.make(tmp_path / "first")
    show(browser, run / "index.html", [run])
    sheet = "document.querySelector('.tiles img')"
    wait(browser, f"{sheet}.complete && {sheet}.naturalWidth", 138)
    assert browser.execute_script(f"return {sheet}.src").endswith("step-000000004.png")
    scrub = browser.find_element("id", "scrub")
    scrub.send_keys(Keys.ARROW_LEFT)
    assert browser.execute_script(f"return {sheet}.src").endswith("step-000000002.png")
    assert browser.find_element("id", "at").text == "2"
    labels = [label.text for label in browser.find_elements("css selector", ".labels span")]
    assert labels == ["horse", "to zebra & <b>", "zebra & <b>", "to horse"]

    # The pair: the translation on the left of the slider, its input on the right.
    wait(browser, "document.querySelector('.over canvas').width", 32)
    assert colour(browser, 1) == [40, 0, 60]
    browser.execute_script("slide(0)")
    assert colour(browser, 1) == [40, 0, 0]
    slider = browser.find_element("css selector", "#pair input")
    slider.send_keys(Keys.END)
    assert browser.execute_script("return state.slider") == 100
    assert colour(browser, 1) == [40, 0, 60]
    browser.execute_script(
        "const box = document.querySelector('.tiles img').getBoundingClientRect();"
        "document.querySelector('.tiles').dispatchEvent(new MouseEvent('click', {bubbles: true,"
        "clientX: box.left + box.width * 0.9, clientY: box.top + box.height * 0.9}))"
    )
    wait(browser, "[state.column, state.row]", [3, 3])
    assert colour(browser, 1) == [40, 120, 180]
    browser.find_element("css selector", "#against option[value=first]").click()
    browser.execute_script("slide(0)")
    wait(browser, "pictures.get('samples/step-000000000.png').complete")
    assert colour(browser, 1) == [0, 120, 180]
    clean(browser, tmp_path)


def test_dragging_over_the_picture(browser: Any, tmp_path: Path) -> None:
    run = viewed.make(tmp_path / "first")
    show(browser, run / "index.html", [run])
    over = browser.find_element("css selector", ".over")
    wait(browser, "document.querySelector('.over canvas').width", 32)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", over)
    width = over.size["width"]
    drag = ActionChains(browser).move_to_element(over).click_and_hold()
    drag.move_by_offset(width // 4, 0).release().perform()
    assert browser.execute_script("return state.slider") == pytest.approx(75, abs=2)


def test_curves(browser: Any, tmp_path: Path) -> None:
    run = viewed.make(tmp_path / "first")
    show(browser, run / "index.html", [run])
    titles = [element.text for element in browser.find_elements("css selector", ".chart h3")]
    assert titles == [
        *("Colours-KID, validation images", "change (L1), held-out images"),
        *("G", "D", "Norms of the gradients"),
    ]
    assert "a copy of the input: 0.5" in browser.find_element("css selector", "#scores svg").text
    lines = "document.querySelectorAll('#charts .chart:first-child path.line').length"
    wait(browser, lines, 2)
    wait(browser, "document.querySelectorAll('#charts .chart:first-child path.raw').length", 2)
    ticks = "[...document.querySelectorAll('#charts .chart:first-child text')].map(text => text.textContent).join(' ')"
    before = browser.execute_script(f"return {ticks}")
    browser.find_element("id", "log").click()
    assert browser.execute_script(f"return {ticks}") != before
    browser.find_element("css selector", "#charts .legend input").click()
    wait(browser, lines, 1)
    browser.execute_script(
        "const s = document.getElementById('smoothing'); s.value = 0; s.dispatchEvent(new Event('input'))"
    )
    wait(browser, "document.querySelectorAll('path.raw').length", 0)
    browser.refresh()  # what was chosen is kept
    wait(browser, lines, 1)
    assert browser.find_element("id", "log").is_selected()
    clean(browser, tmp_path)


def test_several_runs_side_by_side(browser: Any, tmp_path: Path) -> None:
    runs = [viewed.make(tmp_path / "one"), viewed.make(tmp_path / "two", steps=6, cycle_x=3.0)]
    show(browser, tmp_path / "both.html", runs)
    wait(browser, "document.querySelectorAll('.sheet').length", 2)
    edges = browser.execute_script(
        "return [...document.querySelectorAll('.tiles img')].map(img => img.getBoundingClientRect().left)"
    )
    assert edges[0] == edges[1], "columns of the same input are above each other"
    steps = [element.text for element in browser.find_elements("css selector", ".sheet .step")]
    assert steps == ["step 4", "step 6"]
    browser.find_element("id", "scrub").send_keys(Keys.HOME)
    steps = [element.text for element in browser.find_elements("css selector", ".sheet .step")]
    assert steps == ["step 0", "step 0"]
    assert len(browser.find_elements("css selector", "#pair .over")) == 2
    titles = [element.text for element in browser.find_elements("css selector", "#charts h3")]
    assert titles == ["G/gan_g", "G/cycle_x", "G/grad_norm", "D/y_real"]
    browser.find_element("id", "difference").click()
    mode = "return getComputedStyle(document.querySelector('.over canvas + canvas')).mixBlendMode"
    assert browser.execute_script(mode) == "difference"
    clean(browser, tmp_path)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_width_and_keys(browser: Any, tmp_path: Path, scheme: str) -> None:
    run = viewed.make(tmp_path / "first")
    show(browser, run / "index.html", [run], "training")
    for width in (320, 400, 800, 1280):
        window(browser, width, scheme)
        assert browser.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0, width
    assert faint(browser, "main") == []
    chips = """
      const numbers = text => text.match(/[\\d.]+/g).map(Number);
      const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
      const light = ([r, g, b]) => [r, g, b].map(v => linear(v / 255))
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
      const low = [];
      const paper = light(numbers(getComputedStyle(document.body).backgroundColor));
      for (const chip of document.querySelectorAll('.chip')) {
        const a = light(numbers(getComputedStyle(chip).backgroundColor));
        const ratio = (Math.max(a, paper) + .05) / (Math.min(a, paper) + .05);
        if (ratio < 3) low.push(['chip', ratio]);
      }
      return low;"""
    assert browser.execute_script(chips) == []
    reached = set()
    for _ in range(40):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        focused = browser.switch_to.active_element
        reached.add(focused.get_attribute("id"))
        if focused.tag_name != "body":
            assert focused.value_of_css_property("outline-style") == "solid"
    wanted = {"refresh", "play", "scrub", "column", "row", "against", "zoom", "difference", "smoothing", "log"}
    assert wanted <= reached
    clean(browser, tmp_path)
