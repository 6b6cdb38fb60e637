from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.inference.tiles.operations import NotLocal
from instar.methods.ugatit.adalin import LIN
from instar.modules.norms import BatchNorm, InstanceNorm, LayerNorm, adaptive_instance_norm
from instar.modules.pad import ReflectPad
from instar.modules.resample import BlurDown, BlurUp
from instar.modules.upconv import UpConv, UpConv5

from .rows import by_rows

C = 8
X = torch.randn(1, C, 37, 29, generator=torch.Generator().manual_seed(0))
MASK = torch.rand(X.shape, generator=torch.Generator().manual_seed(1))


def conv(*args: int, **options: object) -> nn.Module:
    return nn.Conv2d(C, C, *args, **options)  # type: ignore[arg-type]


def up(*args: int, **options: object) -> nn.Module:
    return nn.ConvTranspose2d(C, C, *args, **options)  # type: ignore[arg-type]


LAYERS: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "1x1": lambda: conv(1),
    "3x3": lambda: conv(3, padding=1),
    "without padding": lambda: conv(5),
    "4x4 that halves": lambda: conv(4, 2, 1),
    "7x7, three in one step": lambda: conv(7, 3, 3),
    "dilated, in groups": lambda: conv(3, 2, 4, dilation=4, groups=2, bias=False),
    "reflected": lambda: conv(7, padding=3, padding_mode="reflect"),
    "replicated": lambda: conv(3, padding=1, padding_mode="replicate"),
    "transposed": lambda: up(3, 2, 1, output_padding=1),
    "transposed 4x4": lambda: up(4, 2, 1),
    "transposed with gaps": lambda: up(1, 3, output_padding=2),
    "transposed in groups": lambda: up(5, 2, 2, groups=4, bias=False, dilation=2),
    "reflect": lambda: nn.ReflectionPad2d((1, 2, 5, 7)),
    "reflect, as the networks do": lambda: ReflectPad(3),
    "replicate": lambda: nn.ReplicationPad2d((3, 0, 9, 40)),
    "constant": lambda: nn.ConstantPad2d((1, 2, 3, 11), 0.7),
    "nearest": lambda: nn.Upsample(scale_factor=3),
    "nearest, by the sides": lambda: lambda x: nnf.interpolate(x, (74, 87)),
    "bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
    "bilinear, thrice": lambda: nn.Upsample(scale_factor=3, mode="bilinear"),
    "average": lambda: nn.AvgPool2d(2),
    "average of overlapping windows": lambda: nn.AvgPool2d(3, 2),
    "maximum": lambda: nn.MaxPool2d(3, 2),
    "shuffle": lambda: nn.PixelShuffle(2),
    "unshuffle": lambda: nn.Sequential(nn.ConstantPad2d((0, 1, 0, 1), 0.0), nn.PixelUnshuffle(2)),
    "instance norm": InstanceNorm,
    "group norm": lambda: nn.GroupNorm(4, C),
    "batch norm per image": lambda: BatchNorm(C),
    "running batch norm": lambda: nn.BatchNorm2d(C).eval(),
    "batch norm of the batch": lambda: nn.BatchNorm2d(C, track_running_stats=False),
    "layer norm": lambda: LayerNorm(C),
    "layer-instance norm": lambda: LIN(C, 0.3),
    "AdaIN": lambda: lambda x: adaptive_instance_norm(x, MASK[:, :, 0, 0], MASK[:, :, 1, 0]),
    "blur": BlurDown,
    "blur up": BlurUp,
    "UpConv": lambda: UpConv(C, 3),
    "UpConv5": lambda: UpConv5(C, 3),
    "residual": lambda: (
        lambda x: x + 0.1 * nnf.conv2d(x, MASK[0, 0, :C, :C, None, None], bias=MASK[0, 0, 0, :C]).relu()
    ),
    "skip": lambda: lambda x: torch.cat([x, MASK, x.tanh()], 1),
    "parts of the channels": lambda: lambda x: torch.cat(list(reversed(x.chunk(2, 1))), 1),
    "rows and columns": lambda: lambda x: x[:, :, 3:31, 5:-2] * 2,
    "gates": lambda: lambda x: x[:, :4].sigmoid() * x[:, 4:],
    "noise over the image": lambda: lambda x: x * MASK + MASK[:, :1],
    "style over the image": lambda: (
        lambda x: torch.cat([x, MASK[:, :, 0, 0, None, None].expand(-1, -1, *x.shape[2:])], 1)
    ),
    "mean": lambda: lambda x: x - x.mean((2, 3), keepdim=True),
    "mean of all": lambda: lambda x: x - x.mean(),
    "sum": lambda: lambda x: x + x.sum((1, 2, 3))[:, None, None, None],
    "maximum of the image": lambda: lambda x: x * x.amax((2, 3))[..., None, None],
    "norm": lambda: lambda x: x / torch.linalg.vector_norm(x, dim=(1, 2, 3), keepdim=True),
    "variance": lambda: lambda x: x / x.var((2, 3), keepdim=True, correction=0),
    "deviation": lambda: lambda x: x / x.std((1, 2, 3), keepdim=True),
    "in place": lambda: lambda x: (x + 1).relu_().mul_(2).pow_(2).clamp_(0, 3),
    "half": lambda: lambda x: x.half().float(),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("rows", [1, 5, 100])
def test_a_layer_by_rows_is_the_layer(name: str, rows: int) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name]()
    if isinstance(layer, nn.Module):
        for weight in layer.parameters():
            nn.init.normal_(weight)
    with torch.no_grad():
        whole = layer(X)
    torch.testing.assert_close(by_rows(layer, X, rows, memory=0), whole, atol=2e-5, rtol=2e-5)


def test_norms_take_the_mean_of_large_values_exactly() -> None:
    """Sums of squares would lose the variance of values far from 0."""
    x = X + 3000 * torch.arange(1, C + 1)[:, None, None]
    got = by_rows(InstanceNorm(), x, 2)
    wanted = nnf.group_norm(x.double(), C).float()
    torch.testing.assert_close(got, wanted, atol=5e-3, rtol=0)


def test_part_of_a_tensor_changed_in_place() -> None:
    def run(x: Tensor) -> Tensor:
        y = x * 2
        y[:, :, :1] += 5
        y[:, :, -1:] += x[:, :, 1:2]
        y[..., :1] -= 7
        y[..., -2:] *= 3
        y[:, :, 10:20] += 1
        return y + 0

    torch.testing.assert_close(by_rows(run, X, 4), run(X))


def test_a_change_that_another_view_would_see_is_refused() -> None:
    def run(x: Tensor) -> Tensor:
        y = x * 2
        top = y[:, :, :20]
        y.relu_()
        return top + 0

    with pytest.raises(NotLocal, match="seen through another view"):
        by_rows(run, X, 4)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (lambda x: x.softmax(1), "softmax"),
        (lambda x: x.flatten(2).softmax(2), "reshaping of rows and columns"),
        (lambda x: x.transpose(2, 3), "transpose"),
        (lambda x: x.cumsum(2), "cumsum"),
        (lambda x: x.mean(2, keepdim=True), "mean over some"),
        (lambda x: nnf.interpolate(x, (50, 50), mode="bilinear"), "not whole"),
        (lambda x: nnf.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True), "aligned corners"),
        (lambda x: nnf.interpolate(x, scale_factor=2, mode="bicubic"), "bicubic"),
        (lambda x: nnf.avg_pool2d(x, 3, 2, 1), "pooling with padding"),
        (lambda x: torch.cat([x, x], 2), "joining of rows"),
        (lambda x: x[:, :, ::2], "steps"),
        (lambda x: x.flip(3), "flip"),
    ],
)
def test_what_is_not_local_is_refused(run: Callable[[Tensor], Tensor], reason: str) -> None:
    with pytest.raises(NotLocal, match=reason):
        by_rows(run, X, 4)
