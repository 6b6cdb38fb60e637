"""The studio in a real browser: what a person does with it."""

from pathlib import Path

import pytest
from browsing import faint, needs_browser, opened, window
from selenium.webdriver import ActionChains

from instar.core.run import owner
from instar.data.drawn import sets
from studio.person import Person, serving, until

pytest.importorskip("gradio", reason="needs gradio: pip install '.[studio]'")
pytestmark = needs_browser
FIRST_PICTURE = """
  const image = document.querySelector('.tiles img');
  return Boolean(image && image.complete && image.naturalWidth > 0)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    sets.write("mask", folder / "masks", "easy", 64, 24, 4)
    return folder


def test_from_a_folder_to_a_translation(root: Path, tmp_path: Path) -> None:
    with serving(root, tmp_path / "log") as server, opened() as browser:
        person = Person(browser)
        person.open(server.address)

        # The images: what was found, pictures, and a method.
        (folder,) = until(lambda: person.find("#images-folder input"), "the folders")
        assert folder.get_attribute("value") == "masks"
        person.click("look")
        person.said("images-said", "problem")
        assert "A: 24 images" in person.text("#findings")
        assert "method: " in person.text("#advice")
        until(lambda: len(person.find("#thumbnails img")) >= 16, "thumbnails")
        person.click("use")

        # A training: it begins, and its page comes up with the first picture.
        until(lambda: person.find("#start"), "the part for trainings")
        person.type("method", "quick")
        person.type("preset", "tiny")
        person.type("steps", "500000")
        person.type("run-name", "first")
        person.click("start")
        until(lambda: person.find("#run-page iframe"), "the run's page")
        until(lambda: person.within("#run-page", FIRST_PICTURE), "the first picture")
        until(lambda: "training" in person.text("#overview .state"), "training")
        run = root / "runs" / "first"
        assert owner(run) is not None

        # Stopped: it saves, and translates what is uploaded.
        person.click("stop")
        until(lambda: person.text("#overview .state") == "stopped", "the end of the training")
        assert owner(run) is None
        assert list((run / "checkpoints").iterdir())
        person.tab("Translate")
        person.type("model", "runs/first")
        person.said("translate-said", "quick")
        (upload,) = browser.find_elements("css selector", "#upload input[type=file]")
        upload.send_keys(str(root / "masks" / "testA" / "0000.png"))
        until(lambda: person.find("#upload img"), "the upload")
        person.click("translate")
        person.said("translate-said", "translated: 64 x 64 px")
        until(lambda: len(person.find("#slider img")) == 2, "before and after")
        (handle,) = until(lambda: person.find("#slider .icon-wrap"), "the slider")
        before = handle.rect["x"]
        ActionChains(browser).move_to_element(handle).click_and_hold().move_by_offset(80, 0).release().perform()
        until(lambda: handle.rect["x"] == pytest.approx(before + 80, abs=20), "the slider moved")

        # Nothing is faint, too wide, or from elsewhere, and what is wrong is a line.
        person.type("model", "../..")
        person.said("translate-said", "lies outside of the folder")
        for scheme in ("light", "dark"):
            window(browser, 1280, scheme)
            for name in ("Images", "Train", "Runs", "Translate", "Scores"):
                person.tab(name)
                assert faint(browser, ".gradio-container") == [], (scheme, name)
        window(browser, 400)
        assert browser.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0
        person.clean(server.address)
        assert server.stop() == 0


@pytest.mark.slow
def test_two_runs_are_scored_and_compared(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="needs features: pip install '.[evaluate]'")
    with serving(root, tmp_path / "log") as server, opened() as browser:
        person = Person(browser)
        person.open(server.address)
        for name, steps in (("first", "20"), ("second", "40")):  # with as many they would be one row
            person.tab("Train")
            person.type("preset", "tiny")
            person.type("steps", steps)
            person.type("run-name", name)
            person.click("start")
            until(lambda name=name: f"runs/{name}" in person.text("#overview"), "the training")
            until(lambda: {one.text for one in person.find("#overview .state")} == {"finished"}, "its end")

        person.tab("Scores")
        person.type("chosen", "runs/first")
        person.click("score")
        person.said("scores-said", "scored")
        title = until(lambda: person.within("#scores-page", "return document.querySelector('h1').innerText"), "scores")
        assert title == "runs/first"
        assert "EfficientNet-Lite0-KID" in person.within("#scores-page", "return document.body.innerText")

        person.type("chosen", "runs/second")
        person.click("compare")
        person.said("scores-said", "written: comparisons/first")
        words = until(
            lambda: (
                (text := person.within("#scores-page", "return document.body.innerText")) and "second" in text and text
            ),
            "the table",
        )
        assert {"first", "second"} <= set(words.replace(",", " ").split())
        assert (root / "comparisons/first/table.html").is_file()
        person.click("beside")
        until(lambda: person.within("#scores-page", FIRST_PICTURE), "samples side by side")
        person.clean(server.address)
        assert server.stop() == 0


@pytest.mark.slow
def test_a_training_outlives_the_studio(root: Path, tmp_path: Path) -> None:
    run = root / "runs" / "first"
    with opened() as browser:
        person = Person(browser)
        with serving(root, tmp_path / "log") as server:
            person.open(server.address)
            person.tab("Train")
            person.type("preset", "tiny")
            person.type("steps", "500000")
            person.click("start")
            until(lambda: (run / ".lock").exists() and owner(run), "the training")
            trained_by = owner(run)
            assert server.stop() == 0
        assert owner(run) == trained_by
        token = tmp_path / "token"
        token.write_text("a token of some length")
        with serving(root, tmp_path / "log", "--token-file", str(token)) as server:
            browser.get(server.address)
            assert "open the studio once with its token" in browser.page_source
            # The page of before has lost its studio, and the new one has asked for a token.
            assert [
                said for said in person.complaints() if "CONNECTION_REFUSED" not in said and "401" not in said
            ] == []
            person.open(f"{server.address}/?token=a token of some length")
            person.tab("Runs")
            until(lambda: person.text("#overview .state") == "training", "the training is found")
            person.type("run", "runs/first")
            until(lambda: person.within("#run-page", FIRST_PICTURE), "the first picture")
            person.click("stop")
            until(lambda: person.text("#overview .state") == "stopped", "the end of the training")
            done = max(path.name for path in (run / "checkpoints").iterdir())
            person.click("resume")
            until(lambda: person.text("#overview .state") == "training", "it goes on")
            person.click("stop")
            until(lambda: person.text("#overview .state") == "stopped", "the end of the training")
            assert max(path.name for path in (run / "checkpoints").iterdir()) >= done
            person.clean(server.address)
