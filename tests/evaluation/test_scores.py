from dataclasses import replace

import pytest
import torch
from torch import nn

from instar.core.images import colour
from instar.evaluation.between import CHANGE, LUMINANCE
from instar.evaluation.score import mean_of
from instar.evaluation.scores import Scorer
from instar.metrics.frechet import frechet_distance
from instar.metrics.kid import kernel_distance

from .parts import extractor


def images(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 256, (count, 3, 2, 2), generator=generator)
    return (levels / 127.5 - 1).repeat_interleave(8, 2).repeat_interleave(8, 3)


def by_name(scores):
    return {score.name: score for score in scores}


def test_distances_are_those_of_the_features() -> None:
    real, made, x = images(20, 0), images(30, 1), images(30, 2)
    scorer = Scorer.of(extractor(), real.split(7))
    scores, notes = scorer.scores([(x[:10], made[:10], None), (x[10:], made[10:], None)])
    found = by_name(scores)
    features = [extractor().features([part]) for part in (made, real)]
    assert found["Colours-KID"].value == pytest.approx(kernel_distance(*features))
    assert found["Colours-FD"].value == pytest.approx(frechet_distance(*features))
    low, high = found["Colours-KID"].low, found["Colours-KID"].high
    assert low is not None
    assert high is not None
    assert low < found["Colours-KID"].value < high
    assert {"precision", "recall", "density", "coverage"} <= found.keys()
    assert "RMSE" not in found
    assert notes == []


def test_a_copy_changes_nothing() -> None:
    x = images(16, 0)
    scores, notes = Scorer.of(extractor(), [images(16, 1)]).scores([(x, x, None)])
    found = by_name(scores)
    assert found[CHANGE].value == 0
    assert found[LUMINANCE].value == pytest.approx(1)
    assert found[CHANGE].better == ""
    assert notes == []


def test_swapped_light_and_dark_is_said() -> None:
    x = images(16, 0)
    scores, (note,) = Scorer.of(extractor(), [images(16, 1)]).scores([(x, -x, None)])
    assert by_name(scores)[LUMINANCE].value == pytest.approx(-1)
    assert note.startswith("light and dark are swapped")


def test_pairs_are_scored_against_their_truth() -> None:
    x, truth = images(8, 0), images(8, 1)
    made = (truth + 10 / 127.5).clamp(-1, 1)
    found = by_name(Scorer.of(extractor(), [truth]).scores([(x, made, truth)])[0])
    inner = (truth + 10 / 127.5 <= 1).double()
    assert found["L1"].value == pytest.approx(float((10 * inner).mean()), abs=1)
    assert found["pixel accuracy"].value == 1
    assert found["L1"].better == "lower"
    assert found["PSNR"].better == "higher"
    assert {"RMSE", "PSNR", "SSIM"} <= found.keys()


def test_translations_are_scored_as_their_files_would_be() -> None:
    x = images(8, 0)
    scorer = Scorer.of(extractor(), [images(8, 1)])
    exact, nearly = (by_name(scorer.scores([(x, x + shift, None)])[0]) for shift in (0.0, 0.3 / 127.5))
    assert exact["Colours-KID"].value == nearly["Colours-KID"].value
    assert nearly[CHANGE].value == 0


def test_few_images_have_no_interval_and_no_coverage() -> None:
    x = images(3, 0)
    found = by_name(Scorer.of(extractor(), [images(9, 1)]).scores([(x, x, None)])[0])
    assert found["Colours-KID"].low is None
    assert "coverage" not in found


def test_a_mean_that_is_not_finite_has_no_interval() -> None:
    score = mean_of("PSNR", torch.tensor([1.0, 2.0, 3.0, float("inf")]), "higher")
    assert score.value == float("inf")
    assert score.low is None


def test_gray_images_are_shown_in_colour() -> None:
    assert colour(torch.zeros(2, 1, 4, 4)).shape == (2, 3, 4, 4)


def test_structure_is_scored_where_the_extractor_has_maps() -> None:
    x = images(8, 0)
    name = "Colours self-similarity distance"
    plain = Scorer.of(extractor(), [x])
    assert name not in by_name(plain.scores([(x, x.flip(3), None)])[0])
    scorer = Scorer.of(replace(extractor(), maps=nn.AvgPool2d(4)), [x])
    assert by_name(scorer.scores([(x, x, None)])[0])[name].value == pytest.approx(0, abs=1e-6)
    assert by_name(scorer.scores([(x, x.flip(3), None)])[0])[name].value > 0.01
