"""GcGAN: Geometry-Consistent Generative Adversarial Networks for One-Sided Unsupervised Domain Mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Unpaired
from instar.core.config import Optim, Preset, RunConfig
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper, compares_domains
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import NonNegativeFloat, NonNegativeInt
from instar.losses.gan import lsgan as gan
from instar.losses.relativistic import SOURCE, more_real, penalties
from instar.methods.gcgan.geometry import Map, geometry_consistency, transform
from instar.modules.init import xavier
from instar.modules.pool import ImagePool
from instar.networks.blend import BlendGenerator
from instar.networks.light import (
    DATA,
    EACH_PENALTY,
    LAZY,
    LIGHT,
    TRAIN,
    LightConfig,
    at_leaves,
    augment,
    check_light,
    lazy_rate,
    light_generator,
    outputs,
    whole_discriminator,
)
from instar.networks.resnet import ResnetGenerator
from instar.networks.resnet_patchgan import patch_discriminator, resnet_generator

Maps = tuple[Map, ...]
Views = list[Tensor]
"""Images, then the same images under each map of the step."""


@dataclass(frozen=True, kw_only=True)
class Config(LightConfig):
    """Options of GcGAN."""

    removed: ClassVar[Mapping[str, tuple[object, ...]]] = {"detach_target": (True,)}

    maps: Maps = ("rot90",)
    """f: rot90 (clockwise), rot180, rot270, vflip (upside down), hflip. The paper: rot90, vflip, or both."""
    mix: Literal["all", "random"] = "all"
    """With several maps: the mean over all (the paper's mix-comb), or one drawn for each step (mix-rand)."""
    shared: bool = True
    """The same generator translates x and f(x); off trains another one for f(x) (the paper's separate one)."""
    geometry: NonNegativeFloat = 20.0
    """λ, weight of the geometry term; 0 is the paper's GAN alone (as in its code, with discriminators of f(x))."""
    gan_f: NonNegativeFloat = 1.0
    """Weight of the adversarial terms of f(x); 0 for the ablation without them."""
    identity: NonNegativeFloat = 5.0
    """Weight of G(y) = y, for y and f(y): keeps colours. 0, as in the paper's formula, saves two passes."""
    cycle: NonNegativeFloat = 0.0
    """Weight of the cycles (10 in the paper). Above 0 the other direction is learned as well."""
    pool: NonNegativeInt = 50
    """Past fakes shown to each discriminator; 0 shows only the current ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.maps or len(set(self.maps)) < len(self.maps):
            raise UserError(f"{setting('method.maps', self.maps)}: give one or more maps, each once")
        if self.light and (self.cycle or self.gan_f or not self.shared):
            only = [setting("method.gan_f", 0), setting("method.cycle", 0), setting("method.shared", True)]
            raise UserError(f"{setting('method.light', self.light)} takes {', '.join(map(str, only))}")


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
        D/y_pair: of light networks, E f(D_Y(y) - D_Y(G(x))), f(t) = log(1 + exp(-t)); G/gan_y the same, exchanged
        D/y_source: of light networks, E f(D_Y(y) - D_Y(x))
        R/r1: of light networks, squared gradient of D_Y at y
        R/r2: of light networks, squared gradient of D_Y at G(x)

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
        The preset `small` keeps the geometry alone: networks, adversarial loss, penalties and rates are those of Quick.
        The length is fixed in steps: 200 epochs of the 1,096 aerial photos, or of Cityscapes' 2,975 images.
        Images that are not square are resized by their short side, and averaged weights translate (`train.ema` 0 for
        the trained ones); the authors' code squeezes images to a square, and averages nothing.
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
    holds_input = {"geometry": "shapes", "cycle": "all", "identity": "colours"}
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
            about="a light generator, 64 px on a CPU: half an hour on one core with bf16",
            method={**LIGHT, "geometry": 1.0, "gan_f": 0.0, "identity": 0.0},
            data=DATA,
            train={**TRAIN, "steps": 9000},
        ),
        "tiny": Preset(
            about="32 px, two maps and cycles, for tests: seconds",
            method={"maps": ("rot90", "vflip"), "cycle": 10.0, "width": 4, "blocks": 1},
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    one_number_of_channels = ""
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {"light": {"light": 32, "gan_f": 0.0, "cycle": 0.0}}

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        # Without any term of its own f(x) plays no part.
        self.maps: Maps = cfg.maps if cfg.geometry or cfg.gan_f else ()
        discriminated = self.maps if cfg.gan_f else ()
        self.separate = bool(self.maps) and not cfg.shared
        compares_domains(cfg, "identity", cfg.identity, "G(y) with y")
        compares_domains(cfg, "light", cfg.light, "the generator's input with its output")
        self.G: ResnetGenerator | BlendGenerator
        self.G = light_generator(cfg.channels, cfg.light) if cfg.light else xavier(resnet_generator(cfg))
        self.D_Y: nn.Module
        self.D_Y = whole_discriminator(cfg.channels, cfg.light) if cfg.light else xavier(patch_discriminator(cfg))
        self.pool_y = ImagePool(cfg.pool)
        self.D_fY = nn.ModuleDict({name: xavier(patch_discriminator(cfg)) for name in discriminated})
        self.pool_fy = nn.ModuleDict({name: ImagePool(cfg.pool) for name in discriminated})
        if self.separate:
            self.G_f = xavier(resnet_generator(cfg))
        if cfg.cycle:
            self.F = xavier(resnet_generator(cfg, "a"))
            self.D_X = xavier(patch_discriminator(cfg, "a"))
            self.pool_x = ImagePool(cfg.pool)
            self.D_fX = nn.ModuleDict({name: xavier(patch_discriminator(cfg, "a")) for name in discriminated})
            self.pool_fx = nn.ModuleDict({name: ImagePool(cfg.pool) for name in discriminated})
            if self.separate:
                self.F_f = xavier(resnet_generator(cfg, "a"))
        self.targets = ("a", "b") if cfg.cycle else ("b",)
        self.translators = ("G", "F") if cfg.cycle else ("G",)
        self.size_divisor = self.G.size_divisor

    def check(self, config: RunConfig) -> str:
        """Refuse a size that light networks were not built for."""
        return check_light(config, self.cfg.light, self.presets)

    def optim(self, network: str) -> Optim:
        """Return the settings of all networks, or those of a light D_Y, which learns faster."""
        return lazy_rate(self.cfg.optim) if network == "D_Y" and self.cfg.light else self.cfg.optim

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move the generator, then the discriminators, which see the fakes made before; a light one goes first."""
        maps = self.draw_maps()
        x, y = views(batch.a, maps), views(batch.b, maps)
        if self.cfg.light:
            yield from self.light_objectives(maps, x, y, at)
            return
        loss, fake_x, fake_y = self.generator_loss(maps, x, y)
        yield Objective("G", over=self.networks("G", "G_f", "F", "F_f"), loss=loss)
        loss = self.discriminator_loss(maps, x, y, fake_x, fake_y)
        yield Objective("D", over=self.networks("D_Y", "D_fY", "D_X", "D_fX"), loss=loss)

    def light_objectives(self, maps: Maps, x: Views, y: Views, at: Progress) -> Objectives:
        """Move a light D_Y, each eighth step once more for its penalties, then the generator."""
        fake_y, *same_y = self.translate_views("G", x, *([y] if self.cfg.identity else []))
        real, made, source = outputs(self.D_Y, y[0], fake_y[0].detach(), x[0])
        loss = term("y_pair", more_real(real, made)) + SOURCE * term("y_source", more_real(real, source))
        yield Objective("D", over=(self.D_Y,), loss=loss)
        if at.step % LAZY == 0:
            yield Objective("R", over=(self.D_Y,), loss=penalties(at_leaves(self.D_Y, y[0], fake_y[0]), EACH_PENALTY))
        yield Objective("G", over=(self.G,), loss=self.loss_of_g(maps, y, fake_y, same_y, real.detach()))

    def draw_maps(self) -> Maps:
        """Return the maps of this step."""
        if self.cfg.mix == "all" or len(self.maps) < 2:
            return self.maps
        place = int(torch.randint(len(self.maps), ()))
        return self.maps[place : place + 1]

    def networks(self, *names: str) -> tuple[nn.Module, ...]:
        """Return those of these networks that this run has."""
        there = {name: net for name, net in self.named_children() if any(True for _ in net.parameters())}
        return tuple(net for name, net in there.items() if name in names)

    def generator_loss(self, maps: Maps, x: Views, y: Views) -> tuple[Loss, Views, Views]:
        """Translate images, and return the loss of the generators and the fakes of x and of y.

        Args:
            maps: of this step.
            x: views of the images of X.
            y: views of the images of Y.

        Returns:
            The loss, F(y), which is empty without cycles, and G(x).
        """
        w = self.cfg
        fake_y, *same_y = self.translate_views("G", x, *([y] if w.identity else []))
        loss = self.loss_of_g(maps, y, fake_y, same_y)
        if not w.cycle:
            return loss, [], fake_y
        fake_x, back_x, *same_x = self.translate_views("F", y, fake_y, *([x] if w.identity else []))
        (back_y,) = self.translate_views("G", fake_x)
        loss += self.loss_of_f(maps, x, fake_x, same_x)
        loss += w.cycle * term("cycle_x", l1(back_x[0], x[0]))
        if maps:
            loss += w.cycle * term("cycle_fx", mean_l1(back_x[1:], x[1:]))
        loss += w.cycle * term("cycle_y", l1(back_y[0], y[0]))
        if maps:
            loss += w.cycle * term("cycle_fy", mean_l1(back_y[1:], y[1:]))
        return loss, fake_x, fake_y

    def loss_of_g(self, maps: Maps, y: Views, fake_y: Views, same_y: list[Views], real: Tensor | None = None) -> Loss:
        """Return the loss of G without cycles, for its fakes, and its translations of y itself if there are any.

        `real` are the outputs (N,) of a light D_Y for y.
        """
        w, fake = self.cfg, fake_y[0]
        gan_y = gan.generator(self.D_Y(fake)) if real is None else more_real(self.D_Y(augment(fake)), real)
        loss = term("gan_y", gan_y)
        if self.D_fY:
            outputs = [self.D_fY[name](view) for name, view in zip(maps, fake_y[1:], strict=True)]
            loss += w.gan_f * term("gan_fy", mean([gan.generator(p) for p in outputs]))
        if w.geometry:
            loss += w.geometry * term("geometry_y", mean_geometry(maps, fake_y))
        if w.identity:
            (same,) = same_y
            loss += w.identity * term("identity_y", l1(same[0], y[0]))
            if maps:
                loss += w.identity * term("identity_fy", mean_l1(same[1:], y[1:]))
        return loss

    def loss_of_f(self, maps: Maps, x: Views, fake_x: Views, same_x: list[Views]) -> Loss:
        """Return the loss of F without cycles, which is that of G the other way round."""
        w = self.cfg
        loss = term("gan_x", gan.generator(self.D_X(fake_x[0])))
        if self.D_fX:
            outputs = [self.D_fX[name](view) for name, view in zip(maps, fake_x[1:], strict=True)]
            loss += w.gan_f * term("gan_fx", mean([gan.generator(p) for p in outputs]))
        if w.geometry:
            loss += w.geometry * term("geometry_x", mean_geometry(maps, fake_x))
        if w.identity:
            (same,) = same_x
            loss += w.identity * term("identity_x", l1(same[0], x[0]))
            if maps:
                loss += w.identity * term("identity_fx", mean_l1(same[1:], x[1:]))
        return loss

    def discriminator_loss(self, maps: Maps, x: Views, y: Views, fake_x: Views, fake_y: Views) -> Loss:
        """Return the loss of the discriminators on real images and on fakes of now or earlier; arguments as above."""
        real, fake = scores(self.D_Y, self.pool_y, y[0], fake_y[0])
        loss = 0.5 * term("y_real", real) + 0.5 * term("y_fake", fake)
        if self.D_fY:
            real, fake = scores_under_maps(self.D_fY, self.pool_fy, maps, y[1:], fake_y[1:])
            loss += 0.5 * term("fy_real", real) + 0.5 * term("fy_fake", fake)
        if not self.cfg.cycle:
            return loss
        real, fake = scores(self.D_X, self.pool_x, x[0], fake_x[0])
        loss += 0.5 * term("x_real", real) + 0.5 * term("x_fake", fake)
        if self.D_fX:
            real, fake = scores_under_maps(self.D_fX, self.pool_fx, maps, x[1:], fake_x[1:])
            loss += 0.5 * term("fx_real", real) + 0.5 * term("fx_fake", fake)
        return loss

    def translate_views(self, name: Literal["G", "F"], *groups: Views) -> list[Views]:
        """Translate groups of views, all in one pass; those under maps by the separate generator if there is one."""
        net = self.G if name == "G" else self.F
        size = len(groups[0][0])
        if not self.separate:
            out = iter(net(torch.cat([view for group in groups for view in group])).split(size))
            return [[next(out) for _ in group] for group in groups]
        net_f = self.G_f if name == "G" else self.F_f
        plain = net(torch.cat([group[0] for group in groups])).split(size)
        mapped = iter(net_f(torch.cat([view for group in groups for view in group[1:]])).split(size))
        return [[one, *(next(mapped) for _ in group[1:])] for one, group in zip(plain, groups, strict=True)]

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Translate with G towards b; with F towards a, if there were cycles."""
        if to not in self.targets:
            raise UserError(
                f"{setting('to', to)}: this model was trained one way; {setting('method.cycle', 10)} learns both"
            )
        out: Tensor = self.G(x) if to == "b" else self.F(x)
        return out


def views(x: Tensor, maps: Maps) -> Views:
    """Return images (N, C, H, W) and, for each map, the same images under it."""
    if x.shape[2] != x.shape[3] and {"rot90", "rot270"} & set(maps):
        raise ValueError(f"quarter turns need square images, not {x.shape[3]} x {x.shape[2]}")
    return [x, *(transform(x, name) for name in maps)]


def mean(values: list[Tensor]) -> Tensor:
    """Return the mean over the maps of scalars."""
    return torch.stack(values).mean()


def mean_l1(found: Views, wanted: Views) -> Tensor:
    """Return the mean over the maps of mean absolute differences."""
    return mean([l1(a, b) for a, b in zip(found, wanted, strict=True)])


def mean_geometry(maps: Maps, fake: Views) -> Tensor:
    """Return the mean over the maps of how far translation and map are from commuting."""
    return mean([geometry_consistency(fake[0], view, name) for name, view in zip(maps, fake[1:], strict=True)])


def scores(D: nn.Module, pool: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Return the losses of a discriminator on real images and on fakes from its pool, both in one pass."""
    on_real, on_fake = D(torch.cat([real, pool(fake)])).chunk(2)
    return gan.real(on_real), gan.fake(on_fake)


def scores_under_maps(
    D: nn.ModuleDict, pool: nn.ModuleDict, maps: Maps, real: Views, fake: Views
) -> tuple[Tensor, Tensor]:
    """Return the sums of `scores` of the discriminators of the maps."""
    pairs = [scores(D[name], pool[name], r, f) for name, r, f in zip(maps, real, fake, strict=True)]
    return torch.stack([r for r, _ in pairs]).sum(), torch.stack([f for _, f in pairs]).sum()
