import re
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
import torch
from evaluation.parts import data_set, noise

import instar
from cli import inspected
from instar.cli import main
from instar.core.batch import Unlabelled
from instar.core.config import DataConfig
from instar.core.run import checkpoints
from instar.data import find
from instar.metrics.clusters import agreement

Runs = Callable[..., Path]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return inspected.draw(tmp_path_factory.mktemp("drawn") / "animals")


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run: look, but do not touch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSTAR_CACHE", str(tmp_path_factory.mktemp("cache")))
        return inspected.train(data, tmp_path_factory.mktemp("trained") / "run")


def call(*arguments: object) -> int:
    return main.run(["inspect", *map(str, arguments), "--device", "cpu"])


def sections(html: str) -> dict[str, str]:
    """The parts of the page by their titles."""
    titles, parts = re.findall(r"<h2>(.*?)</h2>", html), re.split(r"<h2>.*?</h2>", html)[1:]
    return {unescape(title): part for title, part in zip(titles, parts, strict=True)}


def test_the_page_tells_what_the_model_says(
    data: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "page.html"
    assert call(trained, data, "-o", out, "--inputs", 3) == 0
    html = out.read_text()
    assert f"written: {out}" in capsys.readouterr().err
    assert list(out.parent.iterdir()) == [out]
    assert "/*" not in html
    assert "http" not in re.sub(r"http-equiv", "", html)
    assert "<script" not in html
    assert f"step 20. {inspected.IMAGES} images, each as its centre square at 32 px" in html

    # The same numbers as the model gives image by image.
    model, refs = instar.load(trained, "cpu"), find(DataConfig(roots=(data,)), Unlabelled)
    domains = {ref: int(model.cluster(ref.read()).argmax()) for ref in [*refs.train["a"], *refs.test["a"]]}
    parts = sections(html)
    titles = ["Domains and their typical images", "Map of the styles", "Domains over training"]
    titles += ["Domains against classes", "Every domain's style", "The style of each domain's most typical image"]
    assert list(parts) == titles
    sizes = [list(domains.values()).count(k) for k in range(3)]
    assert re.findall(r"Domain (\d): (\d+) image", parts[titles[0]]) == [(str(k), str(n)) for k, n in enumerate(sizes)]
    assert parts[titles[0]].count('class="tile"') == sum(min(n, 18) for n in sizes)
    assert parts[titles[1]].count("<img ") == inspected.IMAGES
    for ref, domain in domains.items():
        assert f'title="{ref.path}, class {ref.label}, domain {domain} (' in parts[titles[1]]
    found = torch.tensor(list(domains.values()))
    classes = torch.tensor([inspected.CLASSES.index(str(ref.label)) for ref in domains])
    row = re.search(r"<td>all images</td>(.*?)</tr>", parts[titles[3]])
    assert row
    told = re.findall(r"<td>([-\d.]+)</td>", row.group(1))
    assert told == [str(inspected.IMAGES), *(f"{score:.3f}" for score in agreement(found, classes))]
    assert "<td>images of training</td><td>24</td>" in parts[titles[3]]
    assert "<td>test images</td><td>8</td>" in parts[titles[3]]
    reachable = len(model.own_domains())
    assert parts[titles[4]].count("<td>") == 3 * (1 + reachable)


def test_an_empty_domain_is_warned_of(
    data: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = inspected.without_domain_1(trained, data, tmp_path / "run")
    assert call(run, data, "--count", 12) == 0
    html = (run / "inspect.html").read_text()
    said = "Domain 1 is empty: none of the 12 images on this page."
    assert f'<p class="warning">{said}</p>' in html
    assert f"warning: {said}\n" in capsys.readouterr().err
    assert "12 of 32 images, drawn evenly" in html
    assert "Domain 1: 0 images, 0 %" in html


def test_its_own_data_and_one_checkpoint(trained: Path, tmp_path: Path) -> None:
    first = checkpoints(trained)[0]
    step = int(first.name.removeprefix("step-"))
    assert step < 20
    assert call(first, "-o", tmp_path / "page.html", "--count", 5) == 0
    html = (tmp_path / "page.html").read_text()
    assert f"step {step}. 5 of 32 images, drawn evenly" in html
    assert "There are 5 images; a map needs 10." in html
    assert f"step {step}</text>" in html  # of the history only what came before
    assert "No domain has a style yet" in html


def test_images_without_classes_and_broken_ones(trained: Path, tmp_path: Path) -> None:
    noise(tmp_path / "plain", 14)
    (tmp_path / "plain" / "3.png").write_bytes(b"no image")
    assert call(trained, tmp_path / "plain", "-o", tmp_path / "page.html") == 0
    html = (tmp_path / "page.html").read_text()
    assert "13 of 14 images" in html
    assert "Domains against classes" not in html
    assert 'by-class"' not in html


@pytest.mark.parametrize("name", ["munit", "bicyclegan"])
def test_methods_with_styles_but_no_domains(name: str, run_directory: Runs, tmp_path: Path) -> None:
    images = data_set(tmp_path / "set")
    run = run_directory(name)
    assert call(run, images, "-o", tmp_path / "page.html", "--inputs", 2) == 0
    parts = sections((tmp_path / "page.html").read_text())
    assert list(parts) == ["Map of the styles", "The styles of some images"]
    assert parts["Map of the styles"].count("<img ") == 18
    assert parts["The styles of some images"].count("<td>") == 2 * 9
    assert "Styles are read from the images of zebra." in (tmp_path / "page.html").read_text()


def test_refused(
    run_directory: Runs, trained: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "page.html"
    (tmp_path / "file").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "1.png").write_bytes(b"")
    for arguments, said in [
        ((run_directory("cyclegan"), data), "cyclegan has no styles and finds no domains"),
        ((tmp_path / "none", data), "not a run directory"),
        ((trained, data, "--count", 0), "--count must be at least 1, not 0"),
        ((trained, data, "--to", "1"), "--to 1: all domains that the model found are shown"),
        ((trained, tmp_path / "broken"), "none of the 1 images can be read"),
        ((trained, data, "-o", tmp_path / "file" / "page.html"), "cannot be written"),
        ((trained, data, "-o", tmp_path / "page.png"), "ends with .html"),
    ]:
        assert call("-o", out, *arguments) == 2
        written = capsys.readouterr().err
        assert said in written
        assert written.count("\n") == 1
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    assert call(trained, data, "-o", out) == 2
    assert "pip install '.[inspect]'" in capsys.readouterr().err
    assert not out.exists()
