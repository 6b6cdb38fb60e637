"""The U-Net of guided diffusion (Dhariwal and Nichol 2021, https://arxiv.org/abs/2105.05233): ADM."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.modules.masked import Masked
from instar.modules.waves import waves

HEAD = 64
"""Channels of a head of attention."""


def group_norm(channels: int) -> nn.GroupNorm:
    """Return a norm of up to 32 groups, of four channels or more."""
    groups = next(n for n in range(min(32, max(1, channels // 4)), 0, -1) if channels % n == 0)
    return nn.GroupNorm(groups, channels)


def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
    """Return a convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


def zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """Return a layer that puts out zeros until it has learned."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class Block(nn.Module):
    """Two convolutions around which the input goes; the time scales and shifts in between."""

    def __init__(self, inputs: int, outputs: int, time: int, resample: nn.Module | None = None) -> None:
        """Make one.

        Args:
            inputs: channels.
            outputs: channels.
            time: numbers that stand for a time.
            resample: changes the size, without weights.
        """
        super().__init__()
        self.norm_in, self.conv_in = group_norm(inputs), conv(inputs, outputs)
        self.time = nn.Linear(time, 2 * outputs)
        self.norm_out, self.conv_out = group_norm(outputs), zeroed(conv(outputs, outputs))
        self.around = nn.Identity() if inputs == outputs else conv(inputs, outputs, 1)
        self.resample = resample or nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Return features (B, outputs, H', W') of x (B, inputs, H, W) at times (B, `time`)."""
        h = self.conv_in(self.resample(nnf.silu(self.norm_in(x))))
        scale, shift = self.time(nnf.silu(time))[:, :, None, None].chunk(2, 1)
        h = self.conv_out(nnf.silu(self.norm_out(h) * (1 + scale) + shift))
        out: Tensor = self.around(self.resample(x)) + h
        return out


class Attention(nn.Module):
    """Each place looks at all others, in heads of 64 channels; added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD)
        self.norm = group_norm(channels)
        self.qkv = conv(channels, 3 * channels, 1)
        self.out = zeroed(conv(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the shape of x (B, C, H, W)."""
        b, c, h, w = x.shape
        # (B, heads, 3, channels of one, places): a head's query, key and value lie together.
        q, k, v = self.qkv(self.norm(x)).view(b, self.heads, 3, c // self.heads, h * w).transpose(3, 4).unbind(2)
        seen = nnf.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(b, c, h, w)
        out: Tensor = x + self.out(seen)
        return out


class Stage(nn.Module):
    """A block, and attention where there is some."""

    def __init__(self, block: Block, attention: Attention | None = None) -> None:
        super().__init__()
        self.block, self.attention = block, attention
        self.resamples = not isinstance(block.resample, nn.Identity)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Return features of x (B, C, H, W) at times (B, T)."""
        out: Tensor = self.block(x, time)
        return out if self.attention is None else self.attention(out)


class TimedUNet(Masked):
    """ε(X_n, n), or ε(X_n, n | X_N): a U-Net that knows the time."""

    def __init__(
        self,
        channels: int,
        width: int,
        multipliers: Sequence[int],
        *,
        blocks: int,
        attention: int,
        patch: int,
        condition: bool,
    ) -> None:
        """Make one.

        Args:
            channels: of the images.
            width: channels of the first level.
            multipliers: of the width, by level; each level has half the size of the one before.
            blocks: of each level on the way down; one more on the way up.
            attention: levels with attention, the coarsest ones.
            patch: side of the squares of pixels that the first level takes as one place.
            condition: whether it sees the other end of the bridge too.
        """
        super().__init__()
        self.width, self.patch, self.condition = width, patch, condition
        self.size_divisor = patch * 2 ** (len(multipliers) - 1)
        time = 4 * width
        self.time = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))
        pixels = channels * patch**2

        def stage(inputs: int, outputs: int, level: int) -> Stage:
            attends = level >= len(multipliers) - attention
            return Stage(Block(inputs, outputs, time), Attention(outputs) if attends else None)

        c = width * multipliers[0]
        self.stem = conv((1 + condition) * pixels, c)
        skips = [c]
        down: list[nn.Module] = []
        for level, multiplier in enumerate(multipliers):
            if level:
                down.append(Stage(Block(c, c, time, nn.AvgPool2d(2))))
                skips.append(c)
            for _ in range(blocks):
                down.append(stage(c, width * multiplier, level))
                c = width * multiplier
                skips.append(c)
        self.down = nn.ModuleList(down)
        self.middle = nn.ModuleList([Stage(Block(c, c, time), Attention(c)), Stage(Block(c, c, time))])
        up: list[nn.Module] = []
        for level, multiplier in reversed(list(enumerate(multipliers))):
            for _ in range(blocks + 1):
                up.append(stage(c + skips.pop(), width * multiplier, level))
                c = width * multiplier
            if level:
                up.append(Stage(Block(c, c, time, nn.UpsamplingNearest2d(scale_factor=2))))
        self.up = nn.ModuleList(up)
        self.head = nn.Sequential(group_norm(c), nn.SiLU(), zeroed(conv(c, pixels)))

    def forward(self, x: Tensor, n: Tensor, end: Tensor) -> Tensor:
        """Return ε for states x (B, C, H, W) with numbers n (B,), of bridges that end in `end` (B, C, H, W)."""
        time = self.time(waves(n, self.width).to(x.dtype))
        seen = torch.cat([x, end], 1) if self.condition else x
        h = self.stem(nnf.pixel_unshuffle(seen, self.patch) if self.patch > 1 else seen)
        skips = [h]
        for one in self.down:
            h = one(h, time)
            skips.append(h)
        for one in self.middle:
            h = one(h, time)
        for one in self.up:
            h = one(h if one.resamples else torch.cat([h, skips.pop()], 1), time)
        h = self.head(h)
        return self.limit(nnf.pixel_shuffle(h, self.patch) if self.patch > 1 else h, end)
