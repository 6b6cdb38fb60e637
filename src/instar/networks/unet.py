"""The U-Net generator of pix2pix, and how BicycleGAN brings a style into it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as nnf

from instar.modules.dropout import dropout
from instar.modules.masked import Masked
from instar.modules.norms import Norm, norm

Inject = Literal["input", "all"]
"""Which encoder layers see the style: the first one only, or every one."""


class UNet(Masked):
    """Encoder e1..eN of 4x4 convolutions with stride 2, decoder d1..dN of transposed ones, skips between equal sides.

    Encoder: LeakyReLU 0.2, convolution, norm; none before e1, no norm on e1 and eN (at batch 1 a norm over the 1x1
    map of eN would erase it). Decoder: ReLU, transposed convolution, norm, dropout 0.5 where asked; tanh at the end.

    A style z is repeated over the map and joins the input of e1, or of e1..eN, as further channels. Beyond e1 it then
    goes through the LeakyReLU with them. Nothing is added to the decoder, nor to the skips.
    """

    def __init__(  # noqa: PLR0913  (one for each of the papers' choices)
        self,
        channels: int = 3,
        width: int = 64,
        downs: int = 8,
        *,
        norm: Norm = "batch",
        dropout_at: Collection[int] = (1, 2, 3),
        skips: bool = True,
        out: int | None = None,
        style: int = 0,
        inject: Inject = "input",
    ) -> None:
        """Build the generator.

        Args:
            channels: of the images that go in.
            width: channels of e1, at most eight times as many later.
            downs: N, the number of halvings; 8 takes 256 px down to 1.
            norm: batch (the paper), running or instance; convolutions before a batch norm have no bias.
            dropout_at: decoder layers followed by dropout, counted from the innermost, d1.
            skips: False gives the encoder-decoder of the paper's ablation.
            out: channels of the images that come out; the same if None.
            style: numbers in z; 0 for a network without one.
            inject: where z comes in.
        """
        super().__init__()
        self.size_divisor = 2**downs
        self.skips = skips
        biased = norm not in ("batch", "running")
        widths = [width * min(2**i, 8) for i in range(downs)]
        self.styled = range(0 if not style else 1 if inject == "input" else downs)
        self.down = nn.ModuleList()
        for i, cout in enumerate(widths):
            cin = (widths[i - 1] if i else channels) + (style if i in self.styled else 0)
            conv = nn.Conv2d(cin, cout, 4, 2, 1, bias=biased)
            self.down.append(nn.Sequential(conv, _norm(norm, cout, i not in (0, downs - 1))))
        self.up = nn.ModuleList()
        self.dropout_at = frozenset(dropout_at)
        for i in reversed(range(downs)):
            cin = widths[i] * (2 if skips and i < downs - 1 else 1)
            cout = widths[i - 1] if i else channels if out is None else out
            conv_t = nn.ConvTranspose2d(cin, cout, 4, 2, 1, bias=biased or i == 0)
            self.up.append(nn.Sequential(conv_t, _norm(norm, cout, i > 0)))

    def forward(
        self, x: Tensor, style: Tensor | None = None, *, noise: bool = True, generator: Generator | None = None
    ) -> Tensor:
        """Map images (N, C, H, W) in [-1, 1] to the same shape and range; H and W multiples of 2**downs.

        Args:
            x: images.
            style: z of each image, (N, style), if the network was built for one.
            noise: apply the dropout, the network's only source of chance. Independent of train and eval mode,
                since the paper keeps it on at test time.
            generator: of the dropout; torch's global one if None.
        """
        given, features = x, []
        for i, down in enumerate(self.down):
            if style is not None and i in self.styled:
                x = torch.cat([x, style[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)
            x = down(nnf.leaky_relu(x, 0.2) if i else x)
            features.append(x)
        for i, up in enumerate(self.up):
            skip = features[len(self.up) - 1 - i]
            x = torch.cat([skip, x], 1) if self.skips and i else x
            x = up(nnf.relu(x))
            if noise and i + 1 in self.dropout_at:
                x = dropout(x, 0.5, generator)
        return self.limit(torch.tanh(x), given)


def _norm(kind: Norm, channels: int, wanted: bool) -> nn.Module:
    return norm(kind, channels) if wanted else nn.Identity()
