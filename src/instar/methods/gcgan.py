"""GcGAN: Geometry-Consistent Generative Adversarial Networks for One-Sided Unsupervised Domain Mapping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Unpaired
from instar.core.config import MethodConfig, Preset
from instar.core.errors import UserError
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import within
from instar.losses.gan import lsgan as gan
from instar.losses.geometry import Map, forth, geometry_consistency
from instar.modules.init import xavier
from instar.modules.pool import ImagePool
from instar.networks.patchgan import PatchGAN
from instar.networks.resnet import ResnetGenerator

Views = list[Tensor]
"""Images, then the same images under each map of the step."""


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of GcGAN."""

    maps: tuple[Map, ...] = ("rot90",)
    """f: rot90 (clockwise), rot180, rot270, vflip (upside down), hflip. The paper: rot90, vflip, or both."""
    mix: Literal["all", "random"] = "all"
    """With several maps: the mean over all (the paper's mix-comb), or one drawn for each step (mix-rand)."""
    shared: bool = True
    """The same generator translates x and f(x); off trains another one for f(x) (the paper's separate one)."""
    geometry: float = 20.0
    """λ, weight of the geometry term; 0 is the paper's GAN alone (as in its code, f(x) is still judged)."""
    detach_target: bool = True
    """Each half of the geometry term moves one side only, as in the authors' code; off doubles its gradient."""
    gan_f: float = 1.0
    """Weight of the adversarial terms of f(x); 0 for the ablation without them."""
    identity: float = 5.0
    """Weight of G(y) = y, for y and f(y): keeps colours. 0, as in the paper's formula, saves two passes."""
    cycle: float = 0.0
    """Weight of the cycles (10 in the paper). Above 0 the other direction is learned as well."""
    pool: int = 50
    """Past fakes shown to each discriminator; 0 shows only the current ones."""
    width: int = 64
    """Channels after the first convolution of all networks."""
    blocks: int = 9
    """Residual blocks of the generators: 9 for 256 px and more, 6 for 128 px."""
    patch_norm: Literal["instance", "spectral"] = "instance"
    """Norm of the discriminators. spectral (Miyato et al. 2018) keeps sight of an image's overall colour."""
    antialias: bool = False
    """Blurred down- and upsampling instead of strided convolutions: no checkerboards."""
    skip: bool = False
    """Add the input to the generator's output: it starts as a copy and learns what to change. For short trainings."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("geometry", "gan_f", "identity", "cycle", "pool", "blocks"):
            within(f"method.{name.replace('_', '-')}", getattr(self, name), 0, None)
        within("method.width", self.width, 1, None)
        if not self.maps or len(set(self.maps)) < len(self.maps):
            raise UserError(f"--method.maps {' '.join(self.maps)}: give one or more maps, each once")


@final
class GcGAN(Method[Unpaired]):
    """To turn or flip an image and translate it comes to the same as to translate it and turn or flip the result.

    min_G max_{D_Y,D_fY}  L_GAN(G, D_Y) + L_GAN(G, D_fY) + λ L_geo(G)
    L_geo(G) = E |G(x) - f⁻¹(G(f(x)))| + E |G(f(x)) - f(G(x))|

    Terms:
        G/gan_y: D_Y should take G(x) for real
        G/gan_fy: D_fY should take G(f(x)) for a real f(y)
        G/geometry_y: L_geo of G
        G/identity_y: mean |G(y) - y|
        G/identity_fy: mean |G(f(y)) - f(y)|
        G/gan_x: with cycles, as gan_y for F: Y to X
        G/gan_fx: with cycles, as gan_fy for F
        G/geometry_x: with cycles, L_geo of F
        G/identity_x: with cycles, mean |F(x) - x|
        G/identity_fx: with cycles, mean |F(f(x)) - f(x)|
        G/cycle_x: mean |F(G(x)) - x|
        G/cycle_fx: mean |F(G(f(x))) - f(x)|
        G/cycle_y: mean |G(F(y)) - y|
        G/cycle_fy: mean |G(F(f(y))) - f(y)|
        D/y_real: D_Y on y
        D/y_fake: D_Y on G(x) of now or earlier
        D/fy_real: D_fY on f(y), summed over the maps
        D/fy_fake: D_fY on G(f(x)) of now or earlier
        D/x_real: with cycles, D_X on x
        D/x_fake: with cycles, D_X on F(y) of now or earlier
        D/fx_real: with cycles, D_fX on f(x)
        D/fx_fake: with cycles, D_fX on F(f(y)) of now or earlier

    Differs from the paper:
        In each half of L_geo the side that is compared with gets no gradient, as in the authors' code; the paper's
        formula does not say so.
        The identity terms are on, as in the authors' code, against inverted colours, which commute with every f; the
        paper's formula has none.
        With several maps each has its discriminator; the other terms of f(x) are means over the maps. A step that
        draws one map computes that one only.
        The backward cycle of f(y) goes through G; in the authors' code it goes through F twice.
        A separate generator for f(x) is saved; the authors' code saves G in its place.
        Least squares instead of the log loss; biases start at 0, in the authors' code at PyTorch's random values.
        The learning rate falls at every step instead of every epoch, and does not reach 0.
        The length is fixed in steps: 200 epochs of the 1,096 aerial photos, or of Cityscapes' 2,975 images.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "Geometry-Consistent Generative Adversarial Networks for One-Sided Unsupervised Domain Mapping",
        "Fu, Gong, Wang, Batmanghelich, Zhang, Tao",
        2019,
        "https://arxiv.org/abs/1809.05852",
    )
    data = Unpaired
    targets = ("b",)
    translators = ("G",)
    presets = {
        "paper": Preset(
            about="256 px as in the authors' code",
            data={"zoom": 288 / 256},
            train={"steps": 27_400, "batch": 8},
        ),
        "cityscapes": Preset(
            about="128 px as the authors do label maps to street scenes",
            method={"identity": 3.0, "blocks": 6},
            data={"size": 128, "zoom": 144 / 128},
            train={"steps": 49_600, "batch": 12},
        ),
        "small": Preset(
            about="64 px on a CPU: a quarter of an hour on one core with bf16",
            method={"width": 32, "blocks": 6, "patch_norm": "spectral", "antialias": True, "skip": True}
            | {"geometry": 5.0, "identity": 0.5, "optim": {"lr": 5e-4, "hold": 0.1}},
            data={"size": 64, "zoom": 1.03},
            train={"steps": 2000, "ema": 5000, "save_every": 400, "preview_every": 400},
        ),
        "tiny": Preset(
            about="32 px, two maps and cycles, for tests: seconds",
            method={"maps": ("rot90", "vflip"), "cycle": 10.0, "width": 4, "blocks": 1},
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)

        def generator() -> ResnetGenerator:
            return xavier(ResnetGenerator(cfg.channels, cfg.width, cfg.blocks, antialias=cfg.antialias, skip=cfg.skip))

        def discriminator() -> PatchGAN:
            return xavier(PatchGAN(cfg.channels, cfg.width, norm=cfg.patch_norm, antialias=cfg.antialias))

        # Without any term of its own f(x) plays no part.
        self.maps: tuple[Map, ...] = cfg.maps if cfg.geometry or cfg.gan_f else ()
        judged = self.maps if cfg.gan_f else ()
        self.separate = bool(self.maps) and not cfg.shared
        self.G, self.D_Y, self.pool_y = generator(), discriminator(), ImagePool(cfg.pool)
        self.D_fY = nn.ModuleDict({name: discriminator() for name in judged})
        self.pool_fy = nn.ModuleDict({name: ImagePool(cfg.pool) for name in judged})
        if self.separate:
            self.G_f = generator()
        if cfg.cycle:
            self.F, self.D_X, self.pool_x = generator(), discriminator(), ImagePool(cfg.pool)
            self.D_fX = nn.ModuleDict({name: discriminator() for name in judged})
            self.pool_fx = nn.ModuleDict({name: ImagePool(cfg.pool) for name in judged})
            if self.separate:
                self.F_f = generator()
            self.targets, self.translators = ("a", "b"), ("G", "F")  # type: ignore[misc, assignment]
        self.size_divisor = self.G.size_divisor

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move the generator, then the discriminators, which see the fakes made before."""
        w, names = self.cfg, self.draw()
        x, y = _views(batch.a, names), _views(batch.b, names)

        fake_y, *same_y = self.through("G", x, *([y] if w.identity else []))
        loss = self.one_way("y", names, y, fake_y, same_y)
        if w.cycle:
            fake_x, back_x, *same_x = self.through("F", y, fake_y, *([x] if w.identity else []))
            (back_y,) = self.through("G", fake_x)
            loss = loss + self.one_way("x", names, x, fake_x, same_x)
            loss = loss + w.cycle * (_off("cycle", "x", back_x, x) + _off("cycle", "y", back_y, y))
        yield Objective("G", over=self.players("G", "G_f", "F", "F_f"), loss=loss)

        loss = self.judge("y", names, y, fake_y)
        if w.cycle:
            loss = loss + self.judge("x", names, x, fake_x)
        yield Objective("D", over=self.players("D_Y", "D_fY", "D_X", "D_fX"), loss=loss)

    def draw(self) -> tuple[Map, ...]:
        """Return the maps of this step."""
        if self.cfg.mix == "all" or len(self.maps) < 2:
            return self.maps
        place = int(torch.randint(len(self.maps), ()))
        return self.maps[place : place + 1]

    def players(self, *names: str) -> tuple[nn.Module, ...]:
        """Return those of these networks that this run has."""
        return tuple(
            net for name, net in self.named_children() if name in names and any(True for _ in net.parameters())
        )

    def through(self, name: Literal["G", "F"], *groups: Views) -> list[Views]:
        """Translate groups of views, all in one pass; transformed views by the separate generator if there is one."""
        net = self.G if name == "G" else self.F
        size = len(groups[0][0])
        if not self.separate:
            out = iter(net(torch.cat([view for views in groups for view in views])).split(size))
            return [[next(out) for _ in views] for views in groups]
        net_f = self.G_f if name == "G" else self.F_f
        plain = net(torch.cat([views[0] for views in groups])).split(size)
        moved = iter(net_f(torch.cat([view for views in groups for view in views[1:]])).split(size))
        return [[one, *(next(moved) for _ in views[1:])] for one, views in zip(plain, groups, strict=True)]

    def one_way(self, to: str, names: tuple[Map, ...], real: Views, fake: Views, same: list[Views]) -> Loss:
        """Return what the generator of a domain's images minimises, without cycles."""
        w = self.cfg
        judge, judges, *_ = self.bench(to)
        loss = term(f"gan_{to}", gan.real(judge(fake[0])))
        if judges:
            scores = [gan.real(judges[name](view)) for name, view in zip(names, fake[1:], strict=True)]
            loss = loss + w.gan_f * term(f"gan_f{to}", _mean(scores))
        if w.geometry:
            costs = [
                geometry_consistency(fake[0], view, name, detach_target=w.detach_target)
                for name, view in zip(names, fake[1:], strict=True)
            ]
            loss = loss + w.geometry * term(f"geometry_{to}", _mean(costs))
        return loss + w.identity * _off("identity", to, same[0], real) if same else loss

    def judge(self, to: str, names: tuple[Map, ...], real: Views, fake: Views) -> Loss:
        """Return what the discriminators of a domain minimise."""
        judge, judges, pool, pools = self.bench(to)
        on_real, on_fake = _verdicts(judge, real[0], pool(fake[0]))
        loss = term(f"{to}_real", on_real) + term(f"{to}_fake", on_fake)
        if judges:
            moved = zip(names, real[1:], fake[1:], strict=True)
            verdicts = [_verdicts(judges[name], one, pools[name](other)) for name, one, other in moved]
            on_real, on_fake = (torch.stack(scores).sum() for scores in zip(*verdicts, strict=True))
            loss = loss + term(f"f{to}_real", on_real) + term(f"f{to}_fake", on_fake)
        return 0.5 * loss

    def bench(self, to: str) -> tuple[nn.Module, nn.ModuleDict, nn.Module, nn.ModuleDict]:
        """Return the discriminators of a domain, those of its maps, and their pools."""
        if to == "y":
            return self.D_Y, self.D_fY, self.pool_y, self.pool_fy
        return self.D_X, self.D_fX, self.pool_x, self.pool_fx

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Translate with G towards b; with F towards a, if there were cycles."""
        if to not in self.targets:
            raise UserError("--to a: this model was trained one way; --method.cycle 10 learns both")
        out: Tensor = self.G(x) if to == "b" else self.F(x)
        return out


def _views(x: Tensor, names: tuple[Map, ...]) -> Views:
    if x.shape[2] != x.shape[3] and {"rot90", "rot270"} & set(names):
        raise ValueError(f"quarter turns need square images, not {x.shape[3]} x {x.shape[2]}")
    return [x, *(forth(x, name) for name in names)]


def _off(kind: str, letter: str, found: Views, wanted: Views) -> Loss:
    """Return the mean differences of images and, as a term of its own, of their views under the maps."""
    loss = term(f"{kind}_{letter}", l1(found[0], wanted[0]))
    if len(found) == 1:
        return loss
    return loss + term(f"{kind}_f{letter}", _mean([l1(*pair) for pair in zip(found[1:], wanted[1:], strict=True)]))


def _mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean()


def _verdicts(judge: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    on_real, on_fake = judge(torch.cat([real, fake])).chunk(2)
    return gan.real(on_real), gan.fake(on_fake)
