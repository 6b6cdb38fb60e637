"""UNIT's networks: two autoencoders that share their code and the layers around it, and pairs of discriminators.

Convolutions have zero padding and biases, LeakyReLUs a slope of 0.01. Sizes are those of the branch version_02 of the
authors' code, with which they say the paper was made, and of its later form, which has MUNIT's networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from instar.core.batch import Domain
from instar.modules.norms import InstanceNorm
from instar.modules.resample import BlurDown
from instar.networks.munit import Block, ContentEncoder, MultiScalePatchGAN, upsampling

Maps = list[Tensor]
"""Raw outputs (N, 1, H', W') of a discriminator, a map for each scale."""


Channels = int | tuple[int, int]
"""Of the images of both domains, or of a and of b."""


def by_domain(channels: Channels) -> Iterator[tuple[Domain, int]]:
    """Yield the domains with the channels of their images."""
    yield from zip(("a", "b"), channels if isinstance(channels, tuple) else (channels, channels), strict=True)


class SharedCodeGenerator(nn.Module):
    """Encoders and decoders of two domains. The layers next to the code are the very same for both, or there are none.

    front: a domain's own first layers of its encoder. enter: the shared last layers, up to the code. leave: the
    shared first layers of the decoders. back: a domain's own last layers.
    """

    size_divisor = 4
    """Sides must be multiples of this."""

    def __init__(
        self,
        front: Callable[[int], nn.Module],
        enter: nn.Module,
        leave: nn.Module,
        back: Callable[[int], nn.Module],
        channels: Channels,
    ) -> None:
        """Build a front and a back for each domain, for images of its channels, around the shared layers."""
        super().__init__()
        self.front = nn.ModuleDict({domain: front(count) for domain, count in by_domain(channels)})
        self.enter, self.leave = enter, leave
        self.back = nn.ModuleDict({domain: back(count) for domain, count in by_domain(channels)})

    def encode(self, x: Tensor, domain: Domain) -> Tensor:
        """Map images (N, C, H, W) of a domain to codes (N, 4 width, H / 4, W / 4)."""
        code: Tensor = self.enter(self.front[domain](x))
        return code

    def decode(self, code: Tensor, to: Domain) -> Tensor:
        """Map codes to images (N, C, H, W) of a domain, in [-1, 1]."""
        return self.draw(self.leave(code), to)

    def encode_both(self, a: Tensor, b: Tensor) -> Tensor:
        """Map images of a and of b, N each, to their codes (2 N, ...), those of a first; one pass of what is shared."""
        codes: Tensor = self.enter(torch.cat([self.front["a"](a), self.front["b"](b)]))
        return codes

    def draw(self, features: Tensor, to: Domain) -> Tensor:
        """Map what `leave` made of codes to images of a domain."""
        out: Tensor = self.back[to](features)
        return out


def tied_generator(
    channels: Channels = 3,
    width: int = 64,
    blocks: int = 3,
    shared: int = 1,
    *,
    normed: bool = False,
    dropout: float = 0.0,
) -> SharedCodeGenerator:
    """Return the generator of the paper.

    Args:
        channels: of the images, in and out, of both domains or of each.
        width: channels after the first convolution; the code has four times as many.
        blocks: residual blocks of each encoder and of each decoder.
        shared: blocks on either side of the code that both domains share.
        normed: instance norm and ReLU instead of LeakyReLU on the layers that change the size.
        dropout: of the residual blocks, in training.
    """
    deep = 4 * width

    def stack(count: int) -> list[nn.Module]:
        return [ZeroPadBlock(deep, dropout) for _ in range(count)]

    def front(channels: int) -> nn.Module:
        first = [nn.Conv2d(channels, width, 7, 1, 3), _leaky()]
        for cin, cout in pairwise([width, 2 * width, deep]):
            first += [nn.Conv2d(cin, cout, 3, 2, 1), *_act(normed)]
        return nn.Sequential(*first, *stack(blocks))

    def back(channels: int) -> nn.Module:
        last: list[nn.Module] = []
        for cin, cout in pairwise([deep, 2 * width, width]):
            last += [nn.ConvTranspose2d(cin, cout, 3, 2, 1, output_padding=1), *_act(normed)]
        return nn.Sequential(*stack(blocks), *last, nn.ConvTranspose2d(width, channels, 1), nn.Tanh())

    return SharedCodeGenerator(front, nn.Sequential(*stack(shared)), nn.Sequential(*stack(shared)), back, channels)


def munit_generator(channels: Channels = 3, width: int = 64, blocks: int = 4) -> SharedCodeGenerator:
    """Return the generator of the authors' later code: MUNIT's networks without styles, with nothing shared."""

    def front(channels: int) -> nn.Module:
        return ContentEncoder(channels, width, 2, blocks)

    def back(channels: int) -> nn.Module:
        return nn.Sequential(*(Block(4 * width) for _ in range(blocks)), upsampling(channels, width, 2))

    return SharedCodeGenerator(front, nn.Sequential(), nn.Sequential(), back, channels)


class ZeroPadBlock(nn.Module):
    """conv-norm-ReLU-conv-norm-dropout, added to the input; no activation after the sum."""

    def __init__(self, channels: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            InstanceNorm(),
            *([nn.Dropout(dropout)] if dropout else []),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        out: Tensor = x + self.body(x)
        return out


class DiscriminatorPair(nn.Module):
    """A discriminator for each domain: its own first layers, then what both share, if anything."""

    def __init__(self, own: Callable[[int], nn.Module], channels: Channels, shared: nn.Module | None = None) -> None:
        """Build the discriminators.

        Args:
            own: makes a domain's own layers for images of its channels; they give one map, or a list of maps at several
                scales.
            channels: of the images of both domains, or of each.
            shared: makes the one map from what `own` gives, for both domains alike.
        """
        super().__init__()
        self.own = nn.ModuleDict({domain: own(count) for domain, count in by_domain(channels)})
        self.shared = shared

    def forward(self, a: Tensor, b: Tensor) -> tuple[Maps, Maps]:
        """Map images of a and of b, N each, to raw outputs of their discriminators, a map (N, 1, H', W') a scale."""
        of_a, of_b = self.own["a"](a), self.own["b"](b)
        if self.shared is not None:
            of_a, of_b = self.shared(torch.cat([of_a, of_b])).chunk(2)
        return (of_a, of_b) if isinstance(of_a, list) else ([of_a], [of_b])


def deep_discriminators(channels: Channels = 3, width: int = 64, layers: int = 6) -> DiscriminatorPair:
    """Return 3x3 convolutions that halve, their channels doubling each time; nothing is shared."""
    return DiscriminatorPair(lambda count: _halvings([count, *_doubling(width, layers)], end=True), channels)


def tied_discriminators(channels: Channels = 3, width: int = 64, layers: int = 6) -> DiscriminatorPair:
    """Return discriminators that share all but their first two halvings, the first of them 7x7."""
    widths = _doubling(width, layers)

    def own(channels: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(channels, width, 7, 2, 3), _leaky(), _halvings(widths[:2]))

    return DiscriminatorPair(own, channels, _halvings(widths[1:], end=True))


class BlurredScales(nn.Module):
    """The deep discriminator for the image at 1, 1/2 and 1/4 of its size, blurred before it is halved."""

    def __init__(self, channels: int = 3, width: int = 64, layers: int = 4) -> None:
        super().__init__()
        self.blur = BlurDown("replicate")
        self.nets = nn.ModuleList(_halvings([channels, *_doubling(width, layers)], end=True) for _ in range(3))

    def forward(self, x: Tensor) -> Maps:
        """Map (N, C, H, W) to three maps of raw outputs."""
        half = self.blur(x)
        return [net(scaled) for net, scaled in zip(self.nets, (x, half, self.blur(half)), strict=True)]


def scaled_discriminators(channels: Channels = 3, width: int = 64, layers: int = 4) -> DiscriminatorPair:
    """Return discriminators at three scales; nothing is shared."""
    return DiscriminatorPair(lambda count: BlurredScales(count, width, layers), channels)


def munit_discriminators(channels: Channels = 3, width: int = 64, scales: int = 3) -> DiscriminatorPair:
    """Return MUNIT's discriminators; nothing is shared."""
    return DiscriminatorPair(lambda count: MultiScalePatchGAN(count, width, scales), channels)


def _doubling(width: int, layers: int) -> list[int]:
    return [width * 2**i for i in range(layers)]


def _halvings(widths: list[int], *, end: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = []
    for cin, cout in pairwise(widths):
        layers += [nn.Conv2d(cin, cout, 3, 2, 1), _leaky()]
    return nn.Sequential(*layers, *([nn.Conv2d(widths[-1], 1, 1)] if end else []))


def _act(normed: bool) -> list[nn.Module]:
    return [InstanceNorm(), nn.ReLU(inplace=True)] if normed else [_leaky()]


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.01, inplace=True)
