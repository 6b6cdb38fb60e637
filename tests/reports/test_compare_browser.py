"""The page of a comparison in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from browsing import needs_browser, opened, window
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
