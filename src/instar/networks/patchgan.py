"""The patch discriminator of pix2pix: one output for each overlapping patch of the image."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from instar.modules.norms import Norm, norm
from instar.modules.resample import BlurDown


class PatchGAN(nn.Module):
    """4x4 convolutions, LeakyReLU 0.2, raw outputs (no sigmoid).

    Receptive field for 1 to 5 layers: 16, 34, 70, 142, 286 px; anti-aliased 18, 40, 84, 172, 348 px;
    0 layers is the pixel discriminator of pix2pix (1x1 convolutions).
    """

    def __init__(
        self, channels: int = 3, width: int = 64, layers: int = 3, *, norm: Norm = "instance", antialias: bool = False
    ) -> None:
        """Build the discriminator.

        Args:
            channels: of the input; twice the image's for a conditional discriminator.
            width: channels after the first convolution, at most eight times as many later.
            layers: downsampling convolutions.
            norm: instance (CycleGAN, CUT) or batch (pix2pix); convolutions before a batch norm have no bias.
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


def _patch(channels: int, width: int, layers: int, kind: Norm, antialias: bool) -> list[nn.Module]:
    stride = 1 if antialias else 2
    blur = [BlurDown()] if antialias else []
    body = [nn.Conv2d(channels, width, 4, stride, 1), _act(), *blur]
    widths = [width * min(2**i, 8) for i in range(layers + 1)]
    for i, (cin, cout) in enumerate(pairwise(widths)):
        last = i == layers - 1
        conv = nn.Conv2d(cin, cout, 4, 1 if last else stride, 1, bias=kind != "batch")
        body += [conv, norm(kind, cout), _act(), *([] if last else blur)]
    return [*body, nn.Conv2d(widths[-1], 1, 4, 1, 1)]


def _pixel(channels: int, width: int, kind: Norm) -> list[nn.Module]:
    biased = kind != "batch"
    second = nn.Conv2d(width, 2 * width, 1, bias=biased)
    return [
        nn.Conv2d(channels, width, 1),
        _act(),
        second,
        norm(kind, 2 * width),
        _act(),
        nn.Conv2d(2 * width, 1, 1, bias=biased),
    ]


def _act() -> nn.Module:
    return nn.LeakyReLU(0.2, inplace=True)
