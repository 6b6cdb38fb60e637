import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from instar.metrics.artefacts import ArtefactDetector, ends

SIDE = 64


def smooth(count: int, seed: int = 0, strength: float = 0.5) -> torch.Tensor:
    """Pictures of soft grey forms with a little colour, (N, 3, 64, 64)."""
    generator = torch.Generator().manual_seed(seed)
    light = torch.randn(count, 1, 5, 5, generator=generator) * strength / 2
    tint = torch.randn(count, 3, 2, 2, generator=generator) * 0.03
    grown = [interpolate(part, (SIDE, SIDE), mode="bicubic", align_corners=True) for part in (light, tint)]
    return (grown[0] + grown[1]).clamp(-0.9, 0.9)


def disc(images: torch.Tensor, radius: float, value: float, row: int = 30, column: int = 30) -> torch.Tensor:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside = torch.from_numpy((rows - row) ** 2 + (columns - column) ** 2 <= radius**2)
    return torch.where(inside, torch.full_like(images, value), images)


@pytest.fixture(scope="module")
def detector() -> ArtefactDetector:
    return ArtefactDetector(smooth(50, seed=9), smooth(50))


@pytest.mark.parametrize("value", [1.0, -1.0])
@pytest.mark.parametrize("radius", [2.0, 3.0, 5.0])
@pytest.mark.parametrize("place", [(30, 30), (8, 50)])
def test_discs_are_spots(detector: ArtefactDetector, value: float, radius: float, place: tuple[int, int]) -> None:
    x = smooth(10, seed=1, strength=0.2)
    assert (detector.find(x, disc(x, radius, value, *place)).spots > detector.spot_limit).all()


def test_copies_casts_and_other_real_pictures_have_no_spots(detector: ArtefactDetector) -> None:
    x, other = smooth(40, seed=1), smooth(40, seed=2)
    assert (detector.find(x, x).spots == 0).all()
    assert (detector.find(x, (x + 0.6).clamp(-1, 1)).spots <= detector.spot_limit).all()
    assert (detector.find(x, other).spots <= detector.spot_limit).float().mean() > 0.9


def test_what_the_target_has_is_no_spot() -> None:
    """The same white disc, at a place where real images have one."""
    x = smooth(10, seed=1, strength=0.2)
    usual = ArtefactDetector(smooth(50, seed=9), disc(smooth(50, strength=0.2), 3, 1.0))
    assert (usual.find(x, disc(x, 3, 1.0)).spots <= usual.spot_limit).float().mean() >= 0.8
    assert (usual.find(x, disc(x, 3, 1.0, 12, 12)).spots > usual.spot_limit).all()


def test_a_spot_of_the_input_is_none_of_the_translation(detector: ArtefactDetector) -> None:
    spotted = disc(smooth(10, seed=1, strength=0.2), 3, 1.0)
    assert (detector.find(spotted, spotted).spots <= detector.spot_limit).all()


def test_spots_at_other_sizes_of_image() -> None:
    real, x = (interpolate(smooth(n, seed=n, strength=0.2), (128, 128), mode="bilinear") for n in (60, 6))
    large = ArtefactDetector(real.flip(0), real)
    out = interpolate(disc(smooth(6, seed=6, strength=0.2), 3, 1.0), (128, 128), mode="nearest")
    assert (large.find(x, out).spots > large.spot_limit).all()


def test_casts(detector: ArtefactDetector) -> None:
    x = smooth(20, seed=1)
    shift = torch.tensor([0.5, -0.2, -0.2])[:, None, None]
    green = (x + shift).clamp(-1, 1)
    assert (detector.find(x, green).casts > detector.cast_limit).all()
    assert (detector.find(x, x).casts == 0).all()
    assert (detector.find(x, smooth(20, seed=3)).casts > detector.cast_limit).float().mean() < 0.2
    used_to = ArtefactDetector(smooth(50, seed=9), (smooth(50) + shift).clamp(-1, 1))
    assert (used_to.find(x, green).casts > used_to.cast_limit).float().mean() < 0.2, "the target has that colour"


def test_fringes(detector: ArtefactDetector) -> None:
    x = smooth(10, seed=1, strength=0.2)
    fringed = x.clone()
    fringed[:, 0, :, ::4] += 0.3
    assert (detector.find(x, x).fringes <= 1.3).all()
    assert (detector.find(x, fringed).fringes > 2).all()
    grey = x + 0.15 * torch.randn(10, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    assert (detector.find(x, grey).fringes <= 1.5).all(), "detail without colour is no fringe"


def test_pixels_at_the_ends() -> None:
    x = torch.zeros(2, 3, 8, 8)
    x[0, 0, :4] = 1
    x[0, 1, :, :4] = -1
    assert ends(x).tolist() == pytest.approx([0.75, 0])
    assert ends(torch.full((1, 1, 4, 4), 1 - 2 / 127.5)).item() == 1, "two levels below white, as JPEG leaves them"
    assert ends(torch.full((1, 1, 4, 4), 1 - 3 / 127.5)).item() == 0


def test_what_does_not_fit(detector: ArtefactDetector) -> None:
    with pytest.raises(ValueError, match="ten real images"):
        ArtefactDetector(smooth(10), smooth(9))
    with pytest.raises(ValueError, match="must be images of"):
        detector.find(smooth(2), torch.zeros(2, 3, 32, 32))
