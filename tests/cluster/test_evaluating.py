"""Scoring on a Ray cluster: the same numbers, also when machines go."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evaluation.parts import colours, data_set, noise
from torch import Tensor, nn

import instar
from instar.cli import main
from instar.core.errors import UserError
from instar.core.events import Event, Worked
from instar.evaluation import registry
from instar.evaluation.spread import PART
from instar.metrics.extractors import Extractor

Runs = Callable[..., Path]
IMAGES = 2 * PART + 30


class Lightness:
    """A metric of this process alone."""

    name, better, needs, per_image = "lightness", "", ("inputs",), True

    def __call__(self, translations: Tensor, inputs: Tensor) -> Tensor:
        return (translations - inputs).mean((1, 2, 3))


def extractor() -> Extractor:
    """With features by place, and none of them kept: the cluster computes all."""
    return Extractor(colours(), "Colours", "means of quarters", maps=nn.AvgPool2d(8), lasting=False)


class Killer:
    """Kills the second node once a third of some work is done."""

    def __init__(self, cluster: Any, what: str) -> None:
        self.cluster, self.what, self.killed = cluster, what, False

    def __call__(self, event: Event) -> None:
        if isinstance(event, Worked) and event.what == self.what and event.done >= event.total / 3 and not self.killed:
            self.killed = True
            self.cluster.remove_node(self.cluster.extra, allow_graceful=False)


def test_what_does_not_go_is_one_line(run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_set(tmp_path / "set", test=12)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"^ray needs the library Ray: pip install '\.\[ray\]'$"):
        instar.evaluate(run_directory("cut"), data, extractor=extractor(), ray="local")
    with pytest.raises(UserError, match=r"^ray needs the library Ray: pip install '\.\[ray\]'$"):
        instar.evaluate_folders(data / "test/horse", data / "test/zebra", extractor=extractor(), ray="local")


@pytest.mark.slow
def test_a_run_has_the_same_scores(
    cluster: Any, run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A style for each place, broken files, a metric that other machines do not have, and a node that is killed."""
    monkeypatch.setattr(registry, "_registered", {})
    instar.register_metric(Lightness())
    data, run = data_set(tmp_path / "set", test=IMAGES), run_directory("munit")
    (data / "test/horse/3.png").write_bytes(b"none")
    (data / "test/zebra/7.png").write_bytes(b"none")
    asked: dict[str, Any] = {"extractor": extractor(), "device": "cpu"}
    plain = instar.evaluate(run, data, **asked)
    kill = Killer(cluster, "last")
    found = instar.evaluate(run, data, ray=cluster.address, on_event=kill, **asked)
    assert kill.killed
    assert found == plain
    assert {"Colours-KID", "lightness", "Colours self-similarity distance"} <= {
        score.name for score in found.columns[1].scores
    }


@pytest.mark.slow
@pytest.mark.parametrize("beside", [True, False])
def test_folders_have_the_same_scores(cluster: Any, tmp_path: Path, beside: bool) -> None:
    made = noise(tmp_path / "made", IMAGES)
    real, inputs = noise(tmp_path / "real", PART + 10, 50), noise(tmp_path / "inputs", IMAGES, 0, 100)
    (made / "5.png").write_bytes(b"none")
    asked: dict[str, Any] = {"inputs": inputs if beside else None, "extractor": extractor()}
    plain = instar.evaluate_folders(made, real, **asked)
    assert instar.evaluate_folders(made, real, ray=cluster.address, **asked) == plain


@pytest.mark.slow
def test_what_is_wrong_is_one_line(
    cluster: Any, run_directory: Runs, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """More than half of the images broken is found over all parts, and the command says what Python does."""
    made, real = noise(tmp_path / "made", PART + 50), noise(tmp_path / "real", 20)
    for number in range(200):
        (made / f"{number}.png").write_bytes(b"none")
    with pytest.raises(UserError, match=r"^only 50 of the 250 images can be read, .*0\.png"):
        instar.evaluate_folders(made, real, size=32, extractor=extractor(), ray=cluster.address)
    flags = ["--images", str(real), "--reference", str(real), "--extractor", f"{colours.__module__}:colours"]
    assert main.run(["evaluate", *flags, "--ray", cluster.address]) == 0
    assert "colours-KID" in capfd.readouterr().out
