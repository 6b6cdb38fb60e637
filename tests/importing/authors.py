"""Networks with the layers, and so the names of weights, of the authors' code; small, of plain PyTorch."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

Norm = Callable[[int], nn.Module]


class Normed(nn.Module):
    """Instance norm, with the statistics that old versions kept."""

    def __init__(self, channels: int, kept: bool = False) -> None:
        super().__init__()
        if kept:
            self.register_buffer("running_mean", torch.zeros(channels))
            self.register_buffer("running_var", torch.ones(channels))
            self.register_buffer("num_batches_tracked", torch.tensor(3))

    def forward(self, x: Tensor) -> Tensor:
        return nnf.group_norm(x, x.shape[1])


class BatchOfOne(nn.BatchNorm2d):
    """Batch norm by the image at hand, as at test time without --eval."""

    def forward(self, x: Tensor) -> Tensor:
        return nnf.group_norm(x, x.shape[1], self.weight, self.bias)


class Down(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("filt", (taps[:, None] * taps / 16).expand(channels, 1, 3, 3).clone())

    def forward(self, x: Tensor) -> Tensor:
        return nnf.conv2d(nnf.pad(x, (1, 1, 1, 1), "reflect"), self.filt, stride=2, groups=x.shape[1])


class Up(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filt", torch.ones(1, 1, 4, 4))

    def forward(self, x: Tensor) -> Tensor:
        return nnf.interpolate(x, scale_factor=2, mode="bilinear")


class ResBlock(nn.Module):
    def __init__(self, dim: int, norm: Norm, dropout: bool) -> None:
        super().__init__()
        drop = [nn.Dropout(0.5)] if dropout else []
        self.conv_block = nn.Sequential(
            *(nn.ReflectionPad2d(1), nn.Conv2d(dim, dim, 3), norm(dim), nn.ReLU()),
            *(*drop, nn.ReflectionPad2d(1), nn.Conv2d(dim, dim, 3), norm(dim)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class Model(nn.Module):
    """Layers under the name `model`."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def resnet(
    width: int = 4,
    blocks: int = 6,
    *,
    blurred: bool = False,
    norm: Norm = Normed,
    dropout: bool = False,
    cin: int = 3,
    bias: bool = True,
) -> Model:
    w = width
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(cin, w, 7, bias=bias), norm(w), nn.ReLU()]
    for c in (w, 2 * w):
        conv = nn.Conv2d(c, 2 * c, 3, 1 if blurred else 2, 1, bias=bias)
        layers += [conv, norm(2 * c), nn.ReLU(), *([Down(2 * c)] if blurred else [])]
    layers += [ResBlock(4 * w, norm, dropout) for _ in range(blocks)]
    for c in (4 * w, 2 * w):
        if blurred:
            layers += [Up(), nn.Conv2d(c, c // 2, 3, 1, 1), norm(c // 2), nn.ReLU()]
        else:
            layers += [nn.ConvTranspose2d(c, c // 2, 3, 2, 1, 1, bias=bias), norm(c // 2), nn.ReLU()]
    return Model(*layers, nn.ReflectionPad2d(3), nn.Conv2d(w, 3, 7), nn.Tanh())


def patchgan(cin: int = 3, width: int = 4, layers: int = 3, *, blurred: bool = False, batch: bool = False) -> Model:
    widths = [width * min(2**i, 8) for i in range(layers + 1)]
    stride = 1 if blurred else 2

    def blur(channels: int) -> list[nn.Module]:
        return [Down(channels)] if blurred else []

    found: list[nn.Module] = [nn.Conv2d(cin, width, 4, stride, 1), nn.LeakyReLU(0.2), *blur(width)]
    for i, (a, b) in enumerate(pairwise(widths)):
        last = i == layers - 1
        found += [nn.Conv2d(a, b, 4, 1 if last else stride, 1, bias=not batch)]
        found += [BatchOfOne(b) if batch else Normed(b), nn.LeakyReLU(0.2), *([] if last else blur(b))]
    return Model(*found, nn.Conv2d(widths[-1], 1, 4, 1, 1))


class Level(nn.Module):
    """A level of a U-Net, with the inner ones in it."""

    def __init__(self, *layers: nn.Module, outermost: bool = False) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)
        self.outermost = outermost

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


def unet(downs: int = 6, width: int = 4, *, batch: bool = True, cin: int = 3) -> Model:
    """pix2pix's."""
    widths = [width * min(2**i, 8) for i in range(downs)]

    def norm(channels: int) -> nn.Module:
        return BatchOfOne(channels) if batch else Normed(channels)

    a, b = widths[-2:]
    level = Level(
        nn.LeakyReLU(0.2), nn.Conv2d(a, b, 4, 2, 1, bias=not batch), nn.ReLU(),
        nn.ConvTranspose2d(b, a, 4, 2, 1, bias=not batch), norm(a),
    )  # fmt: skip
    for a, b in reversed(list(pairwise(widths[:-1]))):
        level = Level(
            nn.LeakyReLU(0.2), nn.Conv2d(a, b, 4, 2, 1, bias=not batch), norm(b), level, nn.ReLU(),
            nn.ConvTranspose2d(2 * b, a, 4, 2, 1, bias=not batch), norm(a),
        )  # fmt: skip
    out = nn.ConvTranspose2d(2 * width, 3, 4, 2, 1)
    net = Model()
    first = nn.Conv2d(cin, width, 4, 2, 1, bias=not batch)
    net.model = Level(first, level, nn.ReLU(), out, nn.Tanh(), outermost=True)
    return net


class StyledLevel(nn.Module):
    """A level of BicycleGAN's U-Net, to whose convolution the style is given."""

    def __init__(
        self, cin: int, width: int, cout: int, style: int, submodule: nn.Module | None, *, first: bool
    ) -> None:
        super().__init__()
        conv = nn.Conv2d(cin + style, width, 4, 2, 1)
        normed = [] if first or submodule is None else [Normed(width)]
        self.down = nn.Sequential(*([] if first else [nn.LeakyReLU(0.2)]), conv, *normed)
        self.submodule = submodule
        up = nn.ConvTranspose2d(width if submodule is None else 2 * width, cout, 4, 2, 1)
        self.up = nn.Sequential(nn.ReLU(), up, nn.Tanh() if first else Normed(cout))
        self.first = first

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        inside = self.down(torch.cat([x, z[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1))
        out = self.up(inside if self.submodule is None else self.submodule(inside, z))
        return out if self.first else torch.cat([out, x], 1)


def styled_unet(downs: int = 6, width: int = 4, style: int = 8, cin: int = 3) -> Model:
    """BicycleGAN's, with the style in all levels."""
    widths = [width * min(2**i, 8) for i in range(downs)]
    level: nn.Module | None = None
    for a, b in reversed(list(pairwise(widths))):
        level = StyledLevel(a, b, a, style, level, first=False)
    net = Model()
    net.model = StyledLevel(cin, width, 3, style, level, first=True)
    return net


class AdaIlnBlock(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(dim, dim, 3, bias=False) for _ in range(2))
        self.norm1, self.norm2 = Iln(dim, 0.9), Iln(dim, 0.9)

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        inside = self.norm1(self.conv1(_reflected(x)), gamma, beta).relu()
        return x + self.norm2(self.conv2(_reflected(inside)), gamma, beta)


class Iln(nn.Module):
    def __init__(self, dim: int, rho: float, learned: bool = False) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.full((1, dim, 1, 1), rho))
        if learned:
            self.gamma, self.beta = nn.Parameter(torch.ones(1, dim, 1, 1)), nn.Parameter(torch.zeros(1, dim, 1, 1))

    def forward(self, x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None) -> Tensor:
        def normed(axes: tuple[int, ...]) -> Tensor:
            return (x - x.mean(axes, keepdim=True)) / (x.var(axes, keepdim=True) + 1e-5).sqrt()

        mixed = self.rho * normed((2, 3)) + (1 - self.rho) * normed((1, 2, 3))
        if gamma is None or beta is None:
            return mixed * self.gamma + self.beta
        return mixed * gamma[..., None, None] + beta[..., None, None]


class UgatitGenerator(nn.Module):
    def __init__(self, width: int = 4, blocks: int = 2, side: int | None = None) -> None:
        super().__init__()
        deep = 4 * width
        down: list[nn.Module] = [
            nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7, bias=False), Normed(width), nn.ReLU()
        ]  # fmt: skip
        for c in (width, 2 * width):
            down += [nn.ReflectionPad2d(1), nn.Conv2d(c, 2 * c, 3, 2, bias=False), Normed(c), nn.ReLU()]
        self.DownBlock = nn.Sequential(*down, *(_bare(ResBlock(deep, Normed, False)) for _ in range(blocks)))
        self.gap_fc, self.gmp_fc = nn.Linear(deep, 1, bias=False), nn.Linear(deep, 1, bias=False)
        self.conv1x1 = nn.Conv2d(2 * deep, deep, 1)
        read = deep if side is None else deep * (side // 4) ** 2
        self.FC = nn.Sequential(
            nn.Linear(read, deep, bias=False), nn.ReLU(), nn.Linear(deep, deep, bias=False), nn.ReLU()
        )
        self.gamma, self.beta = nn.Linear(deep, deep, bias=False), nn.Linear(deep, deep, bias=False)
        self.blocks, self.light = blocks, side is None
        for i in range(blocks):
            setattr(self, f"UpBlock1_{i + 1}", AdaIlnBlock(deep))
        up: list[nn.Module] = []
        for c in (deep, 2 * width):
            conv = nn.Conv2d(c, c // 2, 3, bias=False)
            up += [nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), conv, Iln(c // 2, 0.0, True), nn.ReLU()]
        self.UpBlock2 = nn.Sequential(*up, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7, bias=False), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        x = self.DownBlock(x)
        both = [x * fc.weight[..., None, None] for fc in (self.gap_fc, self.gmp_fc)]
        x = self.conv1x1(torch.cat(both, 1)).relu()
        style = self.FC(x.mean((2, 3)) if self.light else x.flatten(1))
        for i in range(self.blocks):
            x = getattr(self, f"UpBlock1_{i + 1}")(x, self.gamma(style), self.beta(style))
        return self.UpBlock2(x)


class UgatitDiscriminator(nn.Module):
    """Patches, and the two logits."""

    def __init__(self, width: int = 4, downs: int = 3) -> None:
        super().__init__()
        widths = [3, *(width * 2**i for i in range(downs + 1))]
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise(widths)):
            conv = nn.Conv2d(a, b, 4, 2 if i < downs else 1)
            layers += [nn.ReflectionPad2d(1), nn.utils.spectral_norm(conv), nn.LeakyReLU(0.2)]
        self.model, deep = nn.Sequential(*layers), widths[-1]
        self.gap_fc, self.gmp_fc = (nn.utils.spectral_norm(nn.Linear(deep, 1, bias=False)) for _ in range(2))
        self.conv1x1 = nn.Conv2d(2 * deep, deep, 1)
        self.conv = nn.utils.spectral_norm(nn.Conv2d(deep, 1, 4, bias=False))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.model(x)
        logits = [self.gap_fc(x.mean((2, 3))), self.gmp_fc(x.amax((2, 3)))]
        both = [x * fc.weight_orig[..., None, None] for fc in (self.gap_fc, self.gmp_fc)]
        x = nnf.leaky_relu(self.conv1x1(torch.cat(both, 1)), 0.2)
        return self.conv(_reflected(x)), torch.cat(logits, 1)


def _reflected(x: Tensor) -> Tensor:
    return nnf.pad(x, (1, 1, 1, 1), "reflect")


def _bare(block: ResBlock) -> ResBlock:
    """Take the biases off."""
    for place in (1, 5):
        block.conv_block[place].register_parameter("bias", None)
    return block


def shaken(net: nn.Module) -> nn.Module:
    """Draw all weights anew, from the global generator."""
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn_like(p) * 0.3)
    return net


def shapes(prefix: str, layers: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Random weights and biases of layers by the shapes of their weights."""
    found = {}
    for name, shape in layers.items():
        found[f"{prefix}{name}.weight"] = torch.randn(shape)
        found[f"{prefix}{name}.bias"] = torch.randn(shape[0])
    return found
