import pytest
import torch
from methods.parts import count, spread, without_norms
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.modules.init import normal
from instar.modules.norms import InstanceNorm
from instar.modules.resample import BlurDown
from instar.networks.patchgan import PatchGAN


@pytest.mark.parametrize(
    ("layers", "antialias", "field"),
    [(0, False, 1), (1, False, 16), (2, False, 34), (3, False, 70), (4, False, 142), (5, False, 286),
     (1, True, 18), (2, True, 40), (3, True, 84), (4, True, 172), (5, True, 348)],
)  # fmt: skip
def test_receptive_field(layers: int, antialias: bool, field: int) -> None:
    net = without_norms(PatchGAN(1, 1, layers, antialias=antialias), InstanceNorm)
    assert spread(net, torch.rand(1, 1, 448, 448) + 0.5) == [field]


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize(
    ("layers", "side", "out"), [(1, 256, 126), (2, 256, 62), (3, 256, 30), (3, 128, 14), (4, 256, 14), (5, 256, 6)]
)
def test_map(layers: int, side: int, out: int, antialias: bool) -> None:
    with torch.device("meta"):
        net = PatchGAN(3, 8, layers, antialias=antialias)
        assert net(torch.empty(2, 3, side, side)).shape == (2, 1, out, out)


def test_pixels() -> None:
    with torch.device("meta"):
        assert count(PatchGAN(3, layers=0)) == 8_705
        assert count(PatchGAN(6, layers=0, norm="batch")) == 9_024
        assert PatchGAN(3, layers=0)(torch.empty(1, 3, 20, 24)).shape == (1, 1, 20, 24)


@pytest.mark.parametrize(
    ("channels", "norm", "parameters"),
    [(3, "instance", 2_764_737), (6, "batch", 2_768_705), (6, "instance", 2_767_809)],
)
def test_parameters(channels: int, norm: str, parameters: int) -> None:
    with torch.device("meta"):
        assert count(PatchGAN(channels, norm=norm)) == parameters  # type: ignore[arg-type]
        assert count(PatchGAN(channels, norm=norm, antialias=True)) == parameters  # type: ignore[arg-type]


def by_table(net: PatchGAN, x: Tensor, antialias: bool) -> Tensor:
    """The 70 px discriminator (anti-aliased: 84 px) as the sheets of the papers list it."""
    weights = iter(list(net.parameters()))
    for i in range(4):
        halve = i < 3
        x = nnf.conv2d(x, next(weights), next(weights), 2 if halve and not antialias else 1, 1)
        x = nnf.leaky_relu(nnf.instance_norm(x) if i else x, 0.2)
        x = BlurDown()(x) if halve and antialias else x
    return nnf.conv2d(x, next(weights), next(weights), 1, 1)


@pytest.mark.parametrize("antialias", [False, True])
def test_equals_the_table(antialias: bool) -> None:
    torch.manual_seed(0)
    net = PatchGAN(3, 4, antialias=antialias).double()
    x = torch.rand(2, 3, 48, 40, dtype=torch.float64) * 2 - 1
    torch.testing.assert_close(net(x), by_table(net, x, antialias))


def test_raw_outputs() -> None:
    """No sigmoid: the losses expect numbers of any size and sign."""
    torch.manual_seed(0)
    out = PatchGAN(3, 4, 1)(torch.randn(1, 3, 32, 32) * 50)
    assert out.min() < 0 or out.max() > 1


def test_far_pixels_do_not_matter() -> None:
    torch.manual_seed(0)
    net = without_norms(PatchGAN(1, 2, 3), InstanceNorm)
    x = torch.rand(1, 1, 128, 128)
    changed = x.clone()
    changed[..., 127] += 1.0
    same = (net(x) == net(changed)).all(2).flatten()
    # Output column i sees the 70 px from 8 i - 23 on.
    assert same.tolist() == [8 * i - 23 + 70 <= 127 for i in range(14)]


def test_spectral_norm_bounds_every_kernel_and_sees_the_overall_colour() -> None:
    """Instance norm subtracts what a brighter image adds; spectral norm does not."""
    torch.manual_seed(0)
    dark = torch.rand(1, 3, 64, 64) - 1
    seen = {}
    for kind in ("instance", "spectral"):
        D = normal(PatchGAN(width=8, norm=kind))  # type: ignore[arg-type]
        for _ in range(30):
            D(dark)
        D.eval()
        middle = D(dark)[..., 3, 3]
        seen[kind] = ((D(dark + 1)[..., 3, 3] - middle).abs() / middle.abs()).item()
        if kind == "spectral":
            kernels = [layer.weight.flatten(1) for layer in D.body if isinstance(layer, nn.Conv2d)]
            assert [torch.linalg.matrix_norm(k, 2).item() for k in kernels] == pytest.approx([1] * 5, rel=0.05)
    assert seen["spectral"] > 0.01
