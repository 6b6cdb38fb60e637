"""CUT and FastCUT: Contrastive Learning for Unpaired Image-to-Image Translation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, cast, final

import torch
from torch import Tensor, nn

from instar.core.batch import Domain, Unpaired
from instar.core.config import Optim, Preset, RunConfig
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import Bounds, NonNegativeFloat, PositiveInt
from instar.losses.contrastive import Negatives, patch_nce
from instar.losses.gan import lsgan as gan
from instar.losses.relativistic import more_real, pairs_loss, penalties
from instar.methods.cut.attention import ATTENDED, select
from instar.methods.cut.contrasts import hard_nce, modulated_nce, relation_consistency
from instar.modules.ema import Average
from instar.modules.init import xavier
from instar.modules.vector_queue import VectorQueue
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
from instar.networks.patch_heads import PatchHeads, sample_places
from instar.networks.resnet import ResnetGenerator
from instar.networks.resnet_patchgan import patch_discriminator, resnet_generator

MOMENTUM = 0.999
"""Of the encoder whose keys fill the bank (section 4.3)."""

SMALL: Mapping[str, Any] = {
    **LIGHT,
    "nce_x": 0.2,  # at 0.5 copies, which please the contrast best, were never left on small changes of shape
    "nce_y": 0.0,
    "layers": ("pixels", "stem", "down", "middle"),
    "patches": 64,
}
"""Options of the presets on a CPU, the same for all contrasts."""
HALF_AN_HOUR: Mapping[str, Any] = {"data": DATA, "train": {**TRAIN, "steps": 10_500}}
"""Their data and length."""
Features = dict[str, Tensor]
"""By the names of layers."""


@dataclass(frozen=True, kw_only=True)
class Config(LightConfig):
    """Options of CUT."""

    removed: ClassVar[Mapping[str, tuple[object, ...]]] = {"tau": (0.07,)}

    nce_x: NonNegativeFloat = 1.0
    """λ_X, weight of the contrast between x and G(x)."""
    nce_y: NonNegativeFloat = 1.0
    """λ_Y, weight of the contrast between y and G(y), the identity term; 0 turns it off and saves a pass."""
    flip: bool = False
    """Mirror the generator's input in half of the steps: its features must follow (FastCUT)."""
    layers: tuple[str, ...] = ("pixels", "down1", "down2", "block1", "block5")
    """Encoder layers that are compared; only `block5` is the paper's last-layer ablation."""
    patches: PositiveInt = 256
    """Places compared in each layer; 16 is the paper's ablation with 15 negatives."""
    negatives: Negatives = "internal"
    """internal: other patches of the same image. external: patches of other images, from a bank. both."""
    bank: PositiveInt = 16_384
    """Vectors in the bank of each layer (only with external negatives)."""
    contrast: Literal["patch", "monce", "src"] = "patch"
    """patch: PatchNCE. monce: the more alike a negative, the more it weighs, by optimal transport (Zhan et al. 2022).
    src: hard negatives, and patches stay as much alike as they were (Jung et al. 2022)."""
    epsilon: Annotated[float, Bounds(0.01, 100)] = 1.0
    """Of monce, weight of the transport's entropy: of a small one each patch pushes away the most alike alone."""
    gamma: Annotated[tuple[float, float], Bounds(0.01, 1000)] = (50.0, 10.0)
    """Of src, temperature of the negatives' weights at the start and at the end of the run; the smaller the harder."""
    relation: NonNegativeFloat = 0.05
    """Of src, λ_SRC, weight of what keeps the patches of G(x) as much alike as those of x."""
    queries: Literal["random", "attention"] = "random"
    """Where features are compared: at random places, or in residual blocks where the attention of the input on itself
    has the least entropy, and then of what it attends to (QS-Attn, Hu et al. 2022)."""
    antialias: bool = True
    """Blurred down- and upsampling, as in the authors' code. Off is a quarter cheaper."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.nce_x and not self.nce_y:
            off = f"{setting('method.nce_x', 0)} and {setting('method.nce_y', 0)}"
            raise UserError(f"{off}: one of the two contrasts must be on")
        if self.contrast != "patch" and (self.negatives != "internal" or self.patches < 2):
            only = f"{setting('method.negatives', 'internal')} and {setting('method.patches', 2)} or more"
            raise UserError(f"{setting('method.contrast', self.contrast)} takes {only}")
        if self.queries == "attention" and not any(name.startswith(ATTENDED) for name in self.layers):
            said, layers = setting("method.queries", "attention"), setting("method.layers", self.layers)
            raise UserError(f"{said} selects them in layers of residual blocks, of which there is none in {layers}")


@final
class CUT(Method[Unpaired]):
    """One generator; a patch of G(x) must resemble the patch of x at its place more than any other patch.

    min_G max_D  L_GAN(G, D) + λ_X L_PatchNCE(G, H, X) + λ_Y L_PatchNCE(G, H, Y)     (eq. 5)

    Terms:
        D/real: D on y
        D/fake: D on G(x); of light networks E f(D(y) - D(G(x))), f(t) = log(1 + exp(-t)): y should look more real
        D/source: of light networks, E f(D(y) - D(x))
        R/r1: of light networks, squared gradient of D at y
        R/r2: of light networks, squared gradient of D at G(x)
        G/gan: D should take G(x) for real (eq. 1); of light networks E f(D(G(x)) - D(y))
        G/nce_x: patches of G(x) against those of x, mean over layers and places (eq. 4)
        G/nce_y: patches of G(y) against those of y (the identity term)
        G/src: of the contrast src, divergence of how alike the patches of G(x) are from how alike those of x are

    Differs from the paper:
        With both contrasts on, their sum is halved, as in the authors' code; and each is the mean over layers and
        places, where the paper writes sums.
        Learning rate 2e-4 as in the authors' code ("same as CycleGAN"); the paper's text says 0.002.
        Least-squares adversarial loss, networks with blurred down- and upsampling: the discriminator sees 84 px.
        The external negatives were never released. Here the keys come from a moving average (0.999) of encoder and
        heads, of the positive too (He et al. 2020); the bank starts with random unit vectors and takes new keys after
        the step; `both` is one softmax over all negatives.
        The random crop stays on to the end; the authors' code turns it off when the learning rate starts to fall.
        The presets of 64 px keep the contrast of x alone: networks, adversarial loss, penalties and rates are those of
        Quick.
        MoNCE (https://arxiv.org/abs/2203.09333): weights by 50 rounds of Sinkhorn's algorithm, in logarithms and with
        a gradient, as in its authors' code; a patch never moves to itself, where the code lets e^(-10 / epsilon) pass.
        hDCE and SRC (https://arxiv.org/abs/2203.01532): the weights multiply the exponentials, so that they are those
        of the negatives' distribution; the authors' code multiplies the cosines. What is logged is the loss itself.
        The relations are those within an image; the authors' code takes all patches of a batch together.
        QS-Attn (https://arxiv.org/abs/2203.08483): its global attention, in the layers of residual blocks; without
        gradient, which the authors' code lets through on the side of the queries.
        The length is fixed in steps: 400 (FastCUT 200) epochs of horse2zebra's 1,334 images.
        The identity term looks at the places that the other contrast drew; the authors' code draws its own.
        Images that are not square are resized by their short side, and averaged weights translate (`train.ema` 0 for
        the trained ones); the authors' code squeezes images to a square, and averages nothing.
    """

    options = Config
    cfg: Config
    also = {"FastCUT": "fastcut", "MoNCE": "monce", "hDCE and SRC": "src", "QS-Attn": "qs-attn"}
    paper = Paper(
        "Contrastive Learning for Unpaired Image-to-Image Translation",
        "Park, Efros, Zhang, Zhu",
        2020,
        "https://arxiv.org/abs/2007.15651",
    )
    data = Unpaired
    holds_input = {"nce_x": "shapes", "nce_y": "colours"}
    one_number_of_channels = "its contrast reads translations by the encoder that reads the inputs"
    targets = ("b",)
    translators = ("G",)
    presets = {
        "paper": Preset(about="CUT, 256 px as in the paper; days on a GPU", train={"steps": 533_600}),
        "fastcut": Preset(
            about="FastCUT, 256 px as in the paper: half the memory, half the time",
            method={"nce_x": 10.0, "nce_y": 0.0, "flip": True, "optim": {"hold": 0.75}},
            train={"steps": 266_800},
        ),
        "monce": Preset(
            about="MoNCE, 256 px as its authors train on horse2zebra",
            method={"contrast": "monce", "epsilon": 0.1},
            train={"steps": 44_467, "batch": 12},
        ),
        "src": Preset(
            about="hDCE and SRC, 256 px as their authors train on horse2zebra",
            method={"contrast": "src", "nce_x": 0.1, "nce_y": 0.1},
            train={"steps": 533_600},
        ),
        "qs-attn": Preset(
            about="QS-Attn, 256 px as its authors train on horse2zebra",
            method={"queries": "attention"},
            train={"steps": 533_600},
        ),
        "small": Preset(
            about="CUT with light networks, 64 px on a CPU: half an hour on one core with bf16",
            method=SMALL,
            **HALF_AN_HOUR,
        ),
        "fastcut-small": Preset(
            about="FastCUT, 64 px on a CPU: as many steps as small",
            method={**SMALL, "flip": True},
            **HALF_AN_HOUR,
        ),
        "monce-small": Preset(
            about="MoNCE, 64 px on a CPU: as many steps as small",
            method={**SMALL, "contrast": "monce", "epsilon": 0.1},
            **HALF_AN_HOUR,
        ),
        "src-small": Preset(
            about="hDCE and SRC, 64 px on a CPU: as many steps as small",
            method={**SMALL, "contrast": "src", "nce_x": 0.1},
            **HALF_AN_HOUR,
        ),
        "qs-attn-small": Preset(
            about="QS-Attn, 64 px on a CPU: as many steps as small",
            method={**SMALL, "queries": "attention"},
            **HALF_AN_HOUR,
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 4, "blocks": 1, "layers": ("pixels", "down1", "down2", "block1"), "patches": 16},
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "light": {"light": 32, "layers": ("stem", "middle")},
        "src": {"contrast": "src"},
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.G: ResnetGenerator | BlendGenerator
        self.G = light_generator(cfg.channels, cfg.light) if cfg.light else xavier(resnet_generator(cfg))
        for name in cfg.layers:
            if name not in self.G.channels:
                there, blocks = ", ".join(self.G.channels), setting("method.blocks", cfg.blocks)
                raise UserError(f"{setting('method.layers')}: with {blocks} there is no {name!r} in {there}")
        self.D: nn.Module
        self.D = whole_discriminator(cfg.channels, cfg.light) if cfg.light else xavier(patch_discriminator(cfg))
        self.H = xavier(PatchHeads({name: self.G.channels[name] for name in cfg.layers}))
        self.banks = nn.ModuleDict()
        if cfg.negatives != "internal":
            self.banks.update({name: VectorQueue(cfg.bank, 256, filled=True) for name in cfg.layers})
            self.slow_G = Average(self.G)
            self.slow_H = Average(self.H)
        self.size_divisor = self.G.size_divisor

    def check(self, config: RunConfig) -> str:
        """Refuse a size that light networks were not built for."""
        return check_light(config, self.cfg.light, self.presets)

    def optim(self, network: str) -> Optim:
        """Return the settings of all networks, or those of a light D, which learns faster."""
        return lazy_rate(self.cfg.optim) if network == "D" and self.cfg.light else self.cfg.optim

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move the discriminator, then generator and heads."""
        x, y, w = batch.a, batch.b, self.cfg
        images = torch.cat([x, y]) if w.nce_y else x
        mirrored = w.flip and bool(torch.rand(()) < 0.5)
        # G and its encoder see the same images, so the features of the keys come with the fakes.
        out, key_features = self.G.trace(images.flip(3) if mirrored else images, w.layers)
        fake = out[: len(x)]
        real: Tensor | None = None
        if w.light:
            real, made, source = outputs(self.D, y, fake.detach(), x)
            yield Objective("D", over=(self.D,), loss=pairs_loss(real, made, source))
            if at.step % LAZY == 0:
                yield Objective("R", over=(self.D,), loss=penalties(at_leaves(self.D, y, fake), EACH_PENALTY))
        else:
            yield Objective("D", over=(self.D,), loss=self.discriminator_loss(y, fake.detach()))

        features = self.G.encode(out, w.layers)
        if mirrored:  # back to the places of the input
            features = {name: feature.flip(3) for name, feature in features.items()}
        inputs = self.input_features(images, None if mirrored else key_features)
        places = self.choose(features, inputs)
        query, key = self.H.project(features, places), self.keys(inputs, places)
        yield Objective("G", over=(self.G, self.H), loss=self.generator_loss(fake, query, key, at, real))

        if w.negatives != "internal":
            for name, bank in self.banks.items():
                cast(VectorQueue, bank).push(key[name][: len(x)].flatten(0, 1))
            self.slow_G.update(self.G, MOMENTUM)
            self.slow_H.update(self.H, MOMENTUM)

    def discriminator_loss(self, y: Tensor, fake: Tensor) -> Loss:
        """Return the loss of D on real images y and on fakes, (N, C, H, W) both."""
        on_real, on_fake = self.D(torch.cat([y, fake])).chunk(2)
        return 0.5 * term("real", gan.real(on_real)) + 0.5 * term("fake", gan.fake(on_fake))

    def generator_loss(
        self, fake: Tensor, query: Features, key: Features, at: Progress, real: Tensor | None = None
    ) -> Loss:
        """Return the loss of G and H.

        Args:
            fake: G(x), (N, C, H, W).
            query: by layer, vectors (N, S, 256) of the patches of G(x), or (2 N, S, 256) of G(x) and G(y).
            key: by layer, the vectors of the patches of the inputs at the same places.
            at: where the run stands.
            real: of light networks, D's outputs (N,) for y.
        """
        w, n = self.cfg, len(fake)
        gan_value = gan.generator(self.D(fake)) if real is None else more_real(self.D(augment(fake)), real.detach())
        nce_x = self.contrast(query, key, slice(None, n), at)
        loss = term("gan", gan_value)
        if w.nce_y:
            nce_y = self.contrast(query, key, slice(n, None), at)
            # Of two contrasts the mean, as in the authors' code.
            loss += 0.5 * w.nce_x * term("nce_x", nce_x) + 0.5 * w.nce_y * term("nce_y", nce_y)
        else:
            loss += w.nce_x * term("nce_x", nce_x)
        if w.contrast == "src":
            src = torch.stack([relation_consistency(query[name][:n], key[name][:n]) for name in w.layers]).mean()
            loss += w.relation * term("src", src)
        return loss

    @torch.no_grad()
    def input_features(self, images: Tensor, known: Features | None) -> Features:
        """Return by layer the features (N, C, H, W) of which keys are made.

        Args:
            images: inputs (N, C, H, W), not mirrored.
            known: what G's encoder makes of them, if that is known.
        """
        if self.cfg.negatives != "internal":
            return self.slow_G.net.encode(images, self.cfg.layers)
        return self.G.encode(images, self.cfg.layers) if known is None else known

    def choose(self, features: Features, inputs: Features) -> Features:
        """Return by layer where features of outputs and of inputs are compared, as `PatchHeads` takes it."""
        count = self.cfg.patches
        if self.cfg.queries == "random":
            return sample_places(features, count)
        attended = [name for name in self.cfg.layers if name.startswith(ATTENDED)]
        others = {name: feature for name, feature in features.items() if name not in attended}
        return {**sample_places(others, count), **{name: select(inputs[name], count) for name in attended}}

    @torch.no_grad()
    def keys(self, inputs: Features, places: Features) -> Features:
        """Return by layer the vectors of the inputs' patches, without gradient."""
        heads = self.H if self.cfg.negatives == "internal" else self.slow_H.net
        return heads.project(inputs, places)

    def contrast(self, query: Features, key: Features, rows: slice, at: Progress) -> Tensor:
        """Return the mean over layers of the contrast of some images of the batch."""
        w, losses = self.cfg, []
        start, end = w.gamma
        for name in w.layers:
            q, k = query[name][rows], key[name][rows]
            if w.contrast == "monce":
                losses.append(modulated_nce(q, k, w.epsilon))
            elif w.contrast == "src":
                losses.append(hard_nce(q, k, start + at.fraction * (end - start)))
            else:
                bank = cast(VectorQueue, self.banks[name]).rows if self.banks else None
                losses.append(patch_nce(q, k, negatives=w.negatives, bank=bank))
        return torch.stack(losses).mean()

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Translate with G."""
        out: Tensor = self.G(x)
        return out
