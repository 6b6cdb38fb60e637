"""The patch discriminator of pix2pix: one output for each overlapping patch of the image."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from instar.modules.norms import norm
from instar.modules.resample import BlurDown
from instar.modules.spectral import SpectralConv2d, spectral

PatchNorm = Literal["instance", "batch", "spectral"]
"""instance (CycleGAN, CUT) and batch (pix2pix) norm the features; spectral norms the kernels (Miyato et al. 2018), so
that the discriminator keeps sight of an image's overall colour and brightness."""


class PatchGAN(nn.Module):
    """4x4 convolutions, LeakyReLU 0.2, raw outputs (no sigmoid).

    Receptive field for 1 to 5 layers: 16, 34, 70, 142, 286 px; anti-aliased 18, 40, 84, 172, 348 px;
    0 layers is the pixel discriminator of pix2pix (1x1 convolutions).
    """

    def __init__(
        self,
        channels: int = 3,
        width: int = 64,
        layers: int = 3,
        *,
        norm: PatchNorm = "instance",
        antialias: bool = False,
    ) -> None:
        """Build the discriminator.

        Args:
            channels: of the input; twice the image's for a conditional discriminator.
            width: channels after the first convolution, at most eight times as many later.
            layers: downsampling convolutions.
            norm: see `PatchNorm`; convolutions before a batch norm have no bias.
            antialias: stride-1 convolutions followed by a blur that halves the sides (CUT).
        """
        super().__init__()
        self.body = nn.Sequential(
            *(_pixel(channels, width, norm) if layers == 0 else _patch(channels, width, layers, norm, antialias))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to raw outputs (N, 1, H', W'): 256 px gives 30 x 30 with 3 layers."""
        out: Tensor = self.body(x)
        return out


def _patch(channels: int, width: int, layers: int, kind: PatchNorm, antialias: bool) -> list[nn.Module]:
    stride = 1 if antialias else 2
    blur = [BlurDown()] if antialias else []
    body = [_conv(kind, channels, width, 4, stride, 1), _act(), *blur]
    widths = [width * min(2**i, 8) for i in range(layers + 1)]
    for i, (cin, cout) in enumerate(pairwise(widths)):
        last = i == layers - 1
        conv = _conv(kind, cin, cout, 4, 1 if last else stride, 1, bias=kind != "batch")
        body += [conv, _norm(kind, cout), _act(), *([] if last else blur)]
    return [*body, _conv(kind, widths[-1], 1, 4, 1, 1)]


def _pixel(channels: int, width: int, kind: PatchNorm) -> list[nn.Module]:
    biased = kind != "batch"
    return [
        _conv(kind, channels, width, 1),
        _act(),
        _conv(kind, width, 2 * width, 1, bias=biased),
        _norm(kind, 2 * width),
        _act(),
        _conv(kind, 2 * width, 1, 1, bias=biased),
    ]


def _conv(
    kind: PatchNorm, cin: int, cout: int, side: int, stride: int = 1, pad: int = 0, *, bias: bool = True
) -> nn.Conv2d:
    if kind == "spectral":
        return spectral(SpectralConv2d(cin, cout, side, stride, pad))
    return nn.Conv2d(cin, cout, side, stride, pad, bias=bias)


def _norm(kind: PatchNorm, channels: int) -> nn.Module:
    return norm("none" if kind == "spectral" else kind, channels)


def _act() -> nn.Module:
    return nn.LeakyReLU(0.2, inplace=True)
