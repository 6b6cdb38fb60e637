"""The page of a study in a real browser, by its keys."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import needs_browser, opened
from evaluation.parts import data_set
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from instar.cli import main

SIDES = {Keys.ARROW_LEFT: "left", Keys.ARROW_RIGHT: "right", Keys.ARROW_DOWN: "unsure", Keys.SPACE: "unsure"}

pytestmark = needs_browser
Runs = Callable[..., Path]


class Participant:
    """A person at the page: presses keys, and remembers what was answered to which question."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.said: dict[str, str] = {}

    def script(self, text: str) -> Any:
        return self.browser.execute_script(text)

    def text(self, name: str) -> str:
        return self.browser.find_element("id", name).text

    def press(self, key: str) -> None:
        self.browser.switch_to.active_element.send_keys(key)

    def question(self) -> str:
        """The question on the screen, once its pictures are there."""
        WebDriverWait(self.browser, 20).until(lambda browser: self.script("return shownAt !== null"))
        return self.script("return state.order[state.at]")

    def answer(self, key: str) -> str:
        question = self.question()
        self.said[question] = SIDES[key]
        self.press(key)
        return question

    def visible(self) -> list[str]:
        return [
            main.get_attribute("id") for main in self.browser.find_elements("tag name", "main") if main.is_displayed()
        ]


@pytest.fixture
def participant(tmp_path: Path) -> Iterator[Participant]:
    (tmp_path / "downloads").mkdir()
    with opened(tmp_path / "downloads") as browser:
        yield Participant(browser)


def saved(folder: Path, count: int = 1) -> list[Path]:
    """The files in the folder of downloads, once there are `count` of them, whole."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if len(found := sorted(folder.glob("*.json"))) >= count and not list(folder.glob("*.crdownload")):
            return found
        time.sleep(0.1)
    raise AssertionError(f"not saved: {sorted(folder.iterdir())}")


def written_study(run_directory: Runs, folder: Path) -> Path:
    """A study of 6 questions about two runs."""
    runs = [str(run_directory("cut")), str(run_directory("cyclegan"))]
    data = data_set(folder / "set")
    assert main.run(["study", *runs, "--data", str(data), "--count", "6", "-o", str(folder / "study")]) == 0
    return folder / "study"


def test_a_participant_answers_by_keys(
    participant: Participant, run_directory: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = written_study(run_directory, tmp_path)
    key = json.loads((study / "key.json").read_text())
    browser = participant.browser
    browser.get((study / "study.html").as_uri())

    # The instructions first; keys that answer do nothing yet.
    assert participant.visible() == ["start"]
    assert participant.text("start").startswith("Which one is the better zebra?")
    assert "There are 6 questions" in participant.text("start")
    participant.press(Keys.ARROW_LEFT)
    participant.press(Keys.ENTER)
    assert participant.visible() == ["asking"]
    first = participant.question()
    assert participant.text("progress") == "1 of 6"

    # The pictures are there, and are those of the question.
    widths = participant.script("return ['left', 'input', 'right'].map(id => document.getElementById(id).naturalWidth)")
    assert widths == [32, 32, 32]
    page = json.loads((study / "study.html").read_text().split('id="study">')[1].split("</script>")[0])
    asked = next(one for one in page["questions"] if one["id"] == first)
    for side in ("left", "input", "right"):
        assert browser.find_element("id", side).get_attribute("src") == page["pictures"][asked[side]]

    # A key that is held down is one answer.
    participant.answer(Keys.ARROW_LEFT)
    participant.question()
    participant.script(
        "document.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', repeat: true, cancelable: true}))"
    )
    assert participant.text("progress") == "2 of 6"
    second = participant.answer(Keys.ARROW_LEFT)
    assert second != first

    # Back once: the answer is marked, and changes.
    assert participant.text("progress") == "3 of 6"
    participant.press(Keys.BACKSPACE)
    assert participant.question() == second
    assert participant.text("progress") == "2 of 6"
    (chosen,) = browser.find_elements("class name", "chosen")
    assert chosen.get_attribute("data-side") == "left"
    assert participant.answer(Keys.ARROW_RIGHT) == second

    # A reload in the middle goes on.
    order = participant.script("return state.order")
    third = participant.question()
    browser.refresh()
    assert participant.visible() == ["asking"]
    assert participant.question() == third
    assert participant.text("progress") == "3 of 6"
    assert participant.script("return state.order") == order

    participant.answer(Keys.ARROW_DOWN)
    participant.answer(Keys.SPACE)
    # A click on a button is an answer too, and leaves the space bar free.
    participant.said[participant.question()] = "right"
    browser.find_element("css selector", "[data-side=right]").click()
    assert participant.text("progress") == "6 of 6"
    assert browser.switch_to.active_element.tag_name == "body"
    assert list((tmp_path / "downloads").iterdir()) == []
    participant.answer(Keys.SPACE)

    assert participant.visible() == ["end"]
    (file,) = saved(tmp_path / "downloads")
    assert file.name == participant.text("file") == f"answers-{participant.script('return state.participant')}.json"
    values = json.loads(file.read_text())
    assert values["study"] == key["study"]
    assert [one["question"] for one in values["answers"]] == order
    assert {one["question"]: one["side"] for one in values["answers"]} == participant.said
    assert set(participant.said.values()) == {"left", "right", "unsure"}
    assert all(set(one) == {"question", "side", "ms"} and 0 <= one["ms"] < 60_000 for one in values["answers"])

    # Nothing was asked of any network, and nothing went wrong.
    loaded = participant.script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name[:80] for name in loaded if not name.startswith(("data:", "blob:"))] == []
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []

    # A reload at the end stays there and saves nothing twice by itself.
    browser.refresh()
    assert participant.visible() == ["end"]
    assert participant.text("answered") == "6"

    capsys.readouterr()
    assert main.run(["study", "--score", str(study), str(file), "-o", str(tmp_path / "found")]) == 0
    assert "1 participant, 6 answers" in capsys.readouterr().out
    (pair,) = json.loads((tmp_path / "found" / "scores.json").read_text())["pairs"]
    sides = {one["id"]: one for one in key["questions"]}
    wins = [sides[name][side] for name, side in participant.said.items() if side != "unsure"]
    assert len(wins) == 3
    assert pair["share_a"]["value"] == pytest.approx(wins.count(0) / 6)
    assert pair["share_b"]["value"] == pytest.approx(wins.count(1) / 6)
    assert pair["unsure"]["value"] == pytest.approx(3 / 6)


def test_a_reload_right_after_an_answer_loses_nothing(
    participant: Participant, run_directory: Runs, tmp_path: Path
) -> None:
    study = written_study(run_directory, tmp_path)
    participant.browser.get((study / "study.html").as_uri())
    participant.press(Keys.ENTER)

    # Chromium's localStorage alone was empty after 50 of 660 such reloads, its sessionStorage old after 38 of 3,750.
    for _ in range(20):
        participant.answer(Keys.ARROW_LEFT)
        participant.browser.refresh()
        assert participant.visible() == ["asking"]
        assert participant.text("progress") == "2 of 6"
        participant.press(Keys.BACKSPACE)
        participant.browser.refresh()
        assert participant.visible() == ["asking"]
        assert participant.text("progress") == "1 of 6"

    # The tab is closed: another one goes on.
    participant.answer(Keys.ARROW_LEFT)
    address = participant.browser.current_url
    time.sleep(1)
    old = participant.browser.current_window_handle
    participant.browser.switch_to.new_window("tab")
    new = participant.browser.current_window_handle
    participant.browser.switch_to.window(old)
    participant.browser.close()
    participant.browser.switch_to.window(new)
    participant.browser.get(address)
    assert participant.text("progress") == "2 of 6"


def test_by_tab_and_the_keys_of_buttons(participant: Participant, run_directory: Runs, tmp_path: Path) -> None:
    """Who moves from button to button presses the one that has the focus, by Enter or by the space bar, once."""
    study = written_study(run_directory, tmp_path)
    participant.browser.get((study / "study.html").as_uri())

    def focused() -> str:
        return participant.script("return document.activeElement.textContent")

    participant.press(Keys.TAB)
    assert focused() == "Start (Enter)"
    assert participant.script("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    participant.press(Keys.SPACE)
    assert participant.visible() == ["asking"]
    for key in (Keys.ENTER, Keys.SPACE):
        question = participant.question()
        participant.browser.find_element("css selector", "[data-side=right]").send_keys(key)
        participant.question()
        assert participant.script(f"return state.answers['{question}'].side") == "right"
    assert participant.text("progress") == "3 of 6"
    assert focused() == "Right is better →"
    held = "new KeyboardEvent('keydown', {key: 'Enter', repeat: true, bubbles: true, cancelable: true})"
    pressed = participant.script(f"return document.activeElement.dispatchEvent({held})")
    assert pressed is False, "a key held down is one answer"
    participant.browser.find_element("id", "back").send_keys(Keys.SPACE)
    assert participant.text("progress") == "2 of 6"
