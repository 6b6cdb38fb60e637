"""The trained models that come with Instar: whole, stated, small, and good at what they are said to do."""

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import instar
from instar.cli.main import run
from instar.core.digests import check_sum, listed
from instar.core.errors import UserError
from instar.core.store import EXAMPLES, SHIPPED, examples, shipped
from instar.data.drawn.kinds import kind
from instar.data.drawn.oracle import Oracle
from instar.evaluation.drawn import DrawnScores

TARGET, STRENGTH, ELSEWHERE = 0.9, 0.7, 2.0
"""Least share of translations with the change, least mean strength, and most grey levels of change elsewhere."""
SIZE, FIRST, COUNT = 64, 20_000, 12
"""Of pictures that were in no set, and that no other check of these models has seen."""
MOST = 10_000_000


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError("there is no network")

    monkeypatch.setattr(socket, "socket", refused)


def test_all_of_them_are_small() -> None:
    assert shipped() == ["coat", "mask", "stripes"]
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < MOST


@pytest.mark.parametrize("name", shipped())
def test_files_and_card(name: str) -> None:
    folder = SHIPPED / name
    assert {"config.yaml", "method.safetensors", "training.json"} == {*listed(folder)}
    for file in listed(folder):
        check_sum(folder / file)
    card = (folder / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert (head["license"], head["library_name"]) == ("apache-2.0", "instar")
    for part in (f'instar.load("demo:{name}")', kind(name).about, "drawn target share", "samples.png"):
        assert part in card
    assert "/work" not in card + (folder / "config.yaml").read_text()


@pytest.mark.parametrize("name", shipped())
def test_the_change_is_there_on_new_pictures(name: str) -> None:
    drawn = kind(name)
    scenes = [drawn.scene("easy", "test", "A", FIRST + number) for number in range(COUNT)]
    pictures = [drawn.draw(scene, SIZE) for scene in scenes]
    oracles = [Oracle(drawn, scene, SIZE) for scene in scenes]
    made = instar.load(f"demo:{name}", "cpu").translate([Image.fromarray(picture) for picture in pictures])

    def scores(images: list[Any]) -> DrawnScores:
        read = [oracle.read(np.asarray(image)) for oracle, image in zip(oracles, images, strict=True)]
        return DrawnScores({str(number): one for number, one in enumerate(read)})

    found = scores(made)
    assert found.target >= TARGET
    assert found.strength >= STRENGTH
    assert found.outside <= ELSEWHERE
    assert scores(pictures).target == 0, "the inputs do not have it"


@pytest.mark.parametrize("name", shipped())
def test_the_examples_are_drawn_pictures(name: str) -> None:
    """As `tools/ship.py` draws them: they were in no set that the model was trained on."""
    folder = examples(f"demo:{name}")
    assert folder == SHIPPED / name / EXAMPLES
    for number in range(8):
        scene = kind(name).scene("easy", "test", "A", 10_000 + number)
        with Image.open(folder / f"{number + 1}.png") as image:
            difference = np.asarray(image).astype(int) - kind(name).draw(scene, SIZE)
        assert np.abs(difference).max() <= 1


def test_the_first_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "first"
    assert run(["translate", "demo:coat", "-o", str(out), "--grid"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "no images given: these are the drawn pictures that come with demo:coat" in said
    assert "translated 8 of 8 images" in said
    assert {f"{number + 1}.png" for number in range(8)} | {"grid.png"} <= {path.name for path in out.iterdir()}


def test_a_name_that_does_not_ship() -> None:
    said = "'demo:coats': no such model comes with Instar; there is: demo:coat, demo:mask, demo:stripes"
    with pytest.raises(UserError, match=said):
        instar.load("demo:coats", "cpu")
