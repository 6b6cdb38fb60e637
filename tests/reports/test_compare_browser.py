"""The page of a comparison in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from browsing import needs_browser, opened, window
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from instar.evaluation.compare import Cell, Comparison, Row, Weights
from instar.reports.compare import html

pytestmark = needs_browser
SCORES = ["MobileNet-KID", "MobileNet-FD", "precision", "recall", "density", "coverage", "change (L1)"]
SCORES += ["luminance correlation", "MobileNet self-similarity distance", "PSNR", "SSIM", "pixel accuracy"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened() as browser:
        yield browser


def comparison(rows: int, scores: int) -> Comparison:
    names = SCORES[:scores]
    cells = {name: Cell(-371.61234, None, -412.35, 395.12) for name in names}
    weights = Weights((1_200_000,), 1234.5, cells)
    seeds = Weights((1_200_000,), 1234.5, {name: Cell(371.61234, 12.345) for name in names})
    made = [
        Row(
            f"unit-adaptation, small, run-{i}",
            (0,),
            (weights, seeds)[i % 2],
            weights,
            2_000_000_000,
            12_345_678,
            ("run",),
        )
        for i in range(rows)
    ]
    return Comparison("horses -> zebras", "MobileNet", cells, made, dict.fromkeys(names, ""), [])


def opened_page(browser: Any, folder: Path, found: Comparison) -> None:
    page = folder / "table.html"
    page.write_text(html(found, {"a run": torch.rand(3, 66, 530)}))
    browser.get(page.as_uri())


@pytest.mark.parametrize(("rows", "scores"), [(1, 2), (2, 9), (4, 12), (12, 9)])
def test_the_table_fits_every_window(browser: Any, tmp_path: Path, rows: int, scores: int) -> None:
    opened_page(browser, tmp_path, comparison(rows, scores))
    over = "const box = document.querySelector('.wide');"
    over += "return Math.max(box.scrollWidth - box.clientWidth, document.documentElement.scrollWidth - innerWidth)"
    forms = "return getComputedStyle(document.querySelector('.scores')).display"
    seen = []
    for width in range(320, 2400, 40):
        window(browser, width)
        assert browser.execute_script(over) <= 0, width
        seen.append(browser.execute_script(forms))
    order = {"block": 0, "table": 1, "grid": 1}
    assert [order[form] for form in seen] == sorted(order[form] for form in seen), "lists in narrow windows alone"


def test_a_turned_table_has_a_line_for_each_score(browser: Any, tmp_path: Path) -> None:
    opened_page(browser, tmp_path, comparison(2, 9))
    window(browser, 1280)
    script = "return [...document.querySelectorAll('.scores tr')].map(row => [...row.children].map("
    script += "cell => Math.round(cell.getBoundingClientRect().bottom)))"
    rows = browser.execute_script(script)
    assert len(rows) == 6
    assert all(row == rows[0] for row in rows), "the cells of a score end in one line"
    assert rows[0] == sorted(set(rows[0]))


def test_keys_colours_and_no_network(browser: Any, tmp_path: Path) -> None:
    opened_page(browser, tmp_path, comparison(2, 9))
    window(browser, 480, "dark")
    browser.switch_to.active_element.send_keys(Keys.TAB)
    focused = browser.switch_to.active_element
    assert focused.get_attribute("aria-label") == "scores"
    assert focused.value_of_css_property("outline-style") == "solid"
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(25, 27, 30)"
    window(browser, 480, "light")
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    label = "return getComputedStyle(document.querySelector('.scores td[data-name=seeds]'), '::before').content"
    assert browser.execute_script(label) == '"seeds"'
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name[:80] for name in loaded if not name.startswith("data:")] == []
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


def strip(columns: int) -> torch.Tensor:
    """Inputs are red, translations blue; from column to column both become greener."""
    picture = torch.ones(3, 2 * 34 + 2, columns * 34 + 2)
    for row in range(2):
        for column in range(columns):
            tile = picture[:, row * 34 + 2 : row * 34 + 34, column * 34 + 2 : column * 34 + 34]
            tile[:] = torch.tensor([1.0 - row, column / 10, float(row)])[:, None, None]
    return picture


def pixel(browser: Any, figure: int, canvas: int) -> list[int]:
    script = "return [...document.querySelectorAll('.pairing')[arguments[0]].querySelectorAll('canvas')[arguments[1]]"
    return browser.execute_script(f"{script}.getContext('2d').getImageData(5, 5, 1, 1).data]", figure, canvas)


def test_an_image_is_chosen_and_seen_before_and_after(browser: Any, tmp_path: Path) -> None:
    page = tmp_path / "table.html"
    page.write_text(html(comparison(2, 2), {"one": strip(8), "<b>two": strip(8)}))
    window(browser, 1280)
    browser.get(page.as_uri())
    assert len(browser.find_elements("css selector", ".pairing")) == 2
    assert [one.text for one in browser.find_elements("css selector", ".pairing h3")] == ["one", "<b>two"]
    labels = [one.text for one in browser.find_elements("css selector", ".labels span")]
    assert labels == ["input", "translation"] * 2
    browser.execute_script(
        "const box = document.querySelector('.tiles img').getBoundingClientRect();"
        "document.querySelector('.tiles').dispatchEvent(new MouseEvent('click', {bubbles: true,"
        "clientX: box.left + box.width * 5.5 / 8, clientY: box.top + 5}))"
    )
    assert browser.find_element("id", "column").get_attribute("value") == "5"
    for figure in range(2):
        assert pixel(browser, figure, 0) == pytest.approx([255, 127, 0, 255], abs=1), "the input lies below"
        assert pixel(browser, figure, 1) == pytest.approx([0, 127, 255, 255], abs=1), "the translation above"
    browser.find_element("css selector", "#column option[value='2']").click()
    assert pixel(browser, 1, 1) == pytest.approx([0, 51, 255, 255], abs=1)
    sliders = browser.find_elements("css selector", ".pairing input")
    sliders[0].send_keys(Keys.HOME)
    shares = "return [...document.querySelectorAll('.over')].map(one => one.style.getPropertyValue('--at'))"
    assert browser.execute_script(shares) == ["0%", "0%"], "one slider moves all"
    over = browser.find_element("css selector", ".over")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", over)
    ActionChains(browser).move_to_element(over).click_and_hold().move_by_offset(20, 0).release().perform()
    assert float(browser.execute_script(shares)[1].rstrip("%")) > 50
    width = over.size["width"]
    browser.find_element("css selector", "#zoom option[value='1']").click()
    assert over.size["width"] == 32 < width
    for size in (320, 480, 800, 1280):
        window(browser, size)
        assert browser.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0, size
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


def test_intervals_are_drawn_on_the_scale_of_their_column(browser: Any, tmp_path: Path) -> None:
    wide, narrow = Cell(0.5, None, 0.0, 1.0), Cell(0.25, None, 0.2, 0.3)
    rows = [
        Row(str(i), (i,), Weights((1,), 1.0, {"KID": cell}), None, None, 1, ("r",))
        for i, cell in enumerate((wide, narrow, Cell(0.4, None)))
    ]
    opened_page(browser, tmp_path, Comparison("a -> b", "it", {"KID": Cell(0.6, None)}, rows, {"KID": "lower"}, []))
    window(browser, 1280)
    script = "return [...document.querySelectorAll('.interval')].map(one => one.getAttribute('style'))"
    assert browser.execute_script(script) == [
        "--left:0.0%;--width:100.0%;--value:50.0%",
        "--left:20.0%;--width:10.0%;--value:25.0%",
    ]
    drawn = "return getComputedStyle(document.querySelectorAll('.interval')[1], '::before').width"
    whole = browser.execute_script("return document.querySelectorAll('.interval')[1].clientWidth")
    assert float(browser.execute_script(drawn).rstrip("px")) == pytest.approx(0.1 * whole, abs=2)
