"""Norms of a video: each frame alone without memory, slowly with it."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as nnf

from instar.core.errors import UserError
from instar.inference.results import Picture
from instar.inference.steady import Steady, SteadyNorms
from instar.modules.norms import InstanceNorm, adaptive_instance_norm


def test_a_first_frame_is_as_without() -> None:
    x, w, b = torch.randn(1, 6, 5, 7), torch.randn(6), torch.randn(6)
    with SteadyNorms(0.9):
        found = [InstanceNorm()(x), nnf.group_norm(x, 3, w, b, 1e-3), adaptive_instance_norm(x, w[None], b[None])]
    wanted = [InstanceNorm()(x), nnf.group_norm(x, 3, w, b, 1e-3), adaptive_instance_norm(x, w[None], b[None])]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_running_statistics_by_hand() -> None:
    norms, keep = SteadyNorms(0.75), 0.75
    mean = var = None
    for number in range(4):
        x = torch.randn(1, 2, 6, 6) * (number + 1) + number
        new_mean, new_var = x.mean((2, 3), keepdim=True), x.var((2, 3), correction=0, keepdim=True)
        mean = new_mean if mean is None else keep * mean + (1 - keep) * new_mean
        var = new_var if var is None else keep * var + (1 - keep) * new_var
        with norms:
            found = InstanceNorm()(x)
        torch.testing.assert_close(found, (x - mean) / (var + 1e-5).sqrt())
    assert isinstance(mean, Tensor)


def test_each_norm_of_a_pass_has_its_own() -> None:
    norms = SteadyNorms(0.5)
    one, other = torch.randn(1, 2, 4, 4), 9 + torch.randn(1, 2, 4, 4)
    for _ in range(3):
        with norms:
            found = [InstanceNorm()(one), InstanceNorm()(other)]
    torch.testing.assert_close(found, [InstanceNorm()(one), InstanceNorm()(other)])


@pytest.mark.parametrize(("step", "kept"), [(5, True), (120, False)])
def test_another_scene_begins_anew(step: int, kept: bool) -> None:
    """So does another size, which has other norms."""

    def make(frames: list[Image.Image]) -> list[Picture]:
        x = torch.tensor(np.asarray(frames[0], np.float32).transpose(2, 0, 1))[None]
        y = InstanceNorm()(x)[0, 0]
        return [Picture(Image.fromarray(y.numpy()))]

    pixels = np.random.default_rng(0).integers(0, 100, (8, 8, 3)).astype(np.uint8)
    steady, after = Steady(make, 0.9), Image.fromarray(pixels + np.uint8(step))
    steady([Image.fromarray(pixels)])
    (found,), (alone,) = steady([after]), make([after])
    assert (not np.allclose(found.image, alone.image, atol=1e-3)) == kept  # type: ignore[attr-defined]


def test_a_model_without_norms_says_so() -> None:
    steady = Steady(lambda frames: [Picture(frame) for frame in frames], 0.9)
    with pytest.raises(UserError, match="steady: this model has no instance norms"):
        steady([Image.new("RGB", (8, 8))])
