"""CUT and FastCUT: Contrastive Learning for Unpaired Image-to-Image Translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor, nn

from instar.core.batch import Domain, Unpaired
from instar.core.config import MethodConfig, Preset
from instar.core.errors import UserError
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Objective, term
from instar.core.progress import Progress
from instar.core.settings import within
from instar.losses.contrastive import Negatives, patch_nce
from instar.losses.gan import lsgan as gan
from instar.modules.bank import VectorBank
from instar.modules.ema import Average
from instar.modules.init import xavier
from instar.networks.patch_heads import PatchHeads, sample_places
from instar.networks.patchgan import PatchGAN, PatchNorm
from instar.networks.resnet import ResnetGenerator

MOMENTUM = 0.999
"""Of the encoder whose keys fill the bank (section 4.3)."""

_SMALL = {
    "width": 32,
    "blocks": 6,
    "patches": 64,
    "patch_norm": "spectral",
    "skip": True,
    "optim": {"lr": 5e-4, "hold": 0.1},
}
"""What a few thousand steps at 64 px need."""


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of CUT."""

    nce_x: float = 1.0
    """λ_X, weight of the contrast between x and G(x)."""
    nce_y: float = 1.0
    """λ_Y, weight of the contrast between y and G(y), the identity term; 0 turns it off and saves a pass."""
    flip: bool = False
    """Mirror the generator's input in half of the steps: its features must follow (FastCUT)."""
    layers: tuple[str, ...] = ("pixels", "down1", "down2", "block1", "block5")
    """Encoder layers that are compared; only `block5` is the paper's last-layer ablation."""
    patches: int = 256
    """Places compared in each layer; 16 is the paper's ablation with 15 negatives."""
    negatives: Negatives = "internal"
    """internal: other patches of the same image. external: patches of other images, from a bank. both."""
    bank: int = 16_384
    """Vectors in the bank of each layer (only with external negatives)."""
    tau: float = 0.07
    """Temperature of the contrast."""
    width: int = 64
    """Channels after the first convolution of G and D."""
    blocks: int = 9
    """Residual blocks of the generator: 9 for 256 px and more, 6 for 128 px."""
    patch_norm: PatchNorm = "instance"
    """Norm of the discriminator. spectral (Miyato et al. 2018) keeps sight of an image's overall colour."""
    antialias: bool = True
    """Blurred down- and upsampling, as in the authors' code. Off is a quarter cheaper."""
    skip: bool = False
    """Add the input to the generator's output: it starts as a copy and learns what to change. For short trainings."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("patches", "bank", "width"):
            within(f"method.{name}", getattr(self, name), 1, None)
        for name in ("nce_x", "nce_y", "blocks"):
            within(f"method.{name.replace('_', '-')}", getattr(self, name), 0, None)
        within("method.tau", self.tau, 1e-3, None)
        if not self.nce_x and not self.nce_y:
            raise UserError("--method.nce-x 0 and --method.nce-y 0: one of the two contrasts must be on")


@final
class CUT(Method[Unpaired]):
    """One generator; a patch of G(x) must resemble the patch of x at its place more than any other patch.

    min_G max_D  L_GAN(G, D) + λ_X L_PatchNCE(G, H, X) + λ_Y L_PatchNCE(G, H, Y)     (eq. 5)

    Terms:
        D/real: D on y
        D/fake: D on G(x)
        G/gan: D should take G(x) for real (eq. 1)
        G/nce_x: patches of G(x) against those of x, mean over layers and places (eq. 4)
        G/nce_y: patches of G(y) against those of y (the identity term)

    Differs from the paper:
        With both contrasts on, their sum is halved, as in the authors' code; and each is the mean over layers and
        places, where the paper writes sums.
        Learning rate 2e-4 as in the authors' code ("same as CycleGAN"); the paper's text says 0.002.
        Least-squares adversarial loss, networks with blurred down- and upsampling: the discriminator sees 84 px.
        The external negatives were never released. Here the keys come from a moving average (0.999) of encoder and
        heads, of the positive too (He et al. 2020); the bank starts with random unit vectors and takes new keys after
        the step; `both` is one softmax over all negatives.
        The random crop stays on to the end; the authors' code turns it off when the learning rate starts to fall.
        The length is fixed in steps: 400 (FastCUT 200) epochs of horse2zebra's 1,334 images.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "Contrastive Learning for Unpaired Image-to-Image Translation",
        "Park, Efros, Zhang, Zhu",
        2020,
        "https://arxiv.org/abs/2007.15651",
    )
    data = Unpaired
    targets = ("b",)
    translators = ("G",)
    presets = {
        "paper": Preset(about="CUT, 256 px as in the paper; days on a GPU", train={"steps": 533_600}),
        "fastcut": Preset(
            about="FastCUT, 256 px as in the paper: half the memory, half the time",
            method={"nce_x": 10.0, "nce_y": 0.0, "flip": True, "optim": {"hold": 0.75}},
            train={"steps": 266_800},
        ),
        "small": Preset(
            about="CUT, 64 px on a CPU: half an hour on one core with bf16",
            method=_SMALL,
            data={"size": 64, "zoom": 1.03},
            train={"steps": 8000, "ema": 5000, "save_every": 400, "preview_every": 400},
        ),
        "fastcut-small": Preset(
            about="FastCUT, 64 px on a CPU: a quarter of an hour on one core with bf16",
            method={**_SMALL, "nce_y": 0.0, "flip": True},
            data={"size": 64, "zoom": 1.03},
            train={"steps": 6000, "ema": 5000, "save_every": 400, "preview_every": 400},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 4, "blocks": 1, "layers": ("pixels", "down1", "down2", "block1"), "patches": 16},
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.G = xavier(ResnetGenerator(cfg.channels, cfg.width, cfg.blocks, antialias=cfg.antialias, skip=cfg.skip))
        for name in cfg.layers:
            if name not in self.G.channels:
                there = ", ".join(self.G.channels)
                raise UserError(f"--method.layers: with --method.blocks {cfg.blocks} there is no {name!r} in {there}")
        self.D = xavier(PatchGAN(cfg.channels, cfg.width, norm=cfg.patch_norm, antialias=cfg.antialias))
        self.H = xavier(PatchHeads({name: self.G.channels[name] for name in cfg.layers}))
        external = cfg.negatives != "internal"
        self.banks = nn.ModuleDict({name: VectorBank(cfg.bank, 256) for name in cfg.layers} if external else {})
        if external:
            self.slow_G, self.slow_H = Average(self.G), Average(self.H)
        self.size_divisor = self.G.size_divisor

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move the discriminator, then generator and heads."""
        x, y, w = batch.a, batch.b, self.cfg
        sources = torch.cat([x, y]) if w.nce_y else x
        mirrored = w.flip and bool(torch.rand(()) < 0.5)
        # G and its encoder see the same images, so the keys are met on the way to the fakes.
        out, met = self.G.trace(sources.flip(3) if mirrored else sources, w.layers)
        fake = out[: len(x)]

        real_score, fake_score = self.D(torch.cat([y, fake.detach()])).chunk(2)
        yield Objective(
            "D", over=(self.D,), loss=0.5 * (term("real", gan.real(real_score)) + term("fake", gan.fake(fake_score)))
        )

        features = self.G.encode(out, w.layers)
        places = sample_places(features, w.patches)
        if mirrored:  # back to the places of the input
            features = {name: feature.flip(3) for name, feature in features.items()}
        query = self.H.project(features, places)
        key = self.keys(sources, None if mirrored else met, places)
        nce_x = term("nce_x", self.contrast(query, key, slice(None, len(x))))
        if w.nce_y:
            nce_y = term("nce_y", self.contrast(query, key, slice(len(x), None)))
            nce = 0.5 * (w.nce_x * nce_x + w.nce_y * nce_y)
        else:
            nce = w.nce_x * nce_x
        yield Objective("G", over=(self.G, self.H), loss=term("gan", gan.real(self.D(fake))) + nce)

        if w.negatives != "internal":
            for name, bank in self.banks.items():
                cast(VectorBank, bank).push(key[name][: len(x)].flatten(0, 1))
            self.slow_G.update(self.G, MOMENTUM)
            self.slow_H.update(self.H, MOMENTUM)

    @torch.no_grad()
    def keys(self, sources: Tensor, met: dict[str, Tensor] | None, places: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the vectors of the input's patches, without gradient.

        Args:
            sources: inputs (N, C, H, W), not mirrored.
            met: their encoder features, if they are known.
            places: by layer, where to look.
        """
        if self.cfg.negatives != "internal":
            return self.slow_H.net.project(self.slow_G.net.encode(sources, self.cfg.layers), places)
        return self.H.project(self.G.encode(sources, self.cfg.layers) if met is None else met, places)

    def contrast(self, query: dict[str, Tensor], key: dict[str, Tensor], rows: slice) -> Tensor:
        """Return the mean over layers of the contrast of some images of the batch."""
        w = self.cfg
        banks = {name: cast(VectorBank, bank).rows for name, bank in self.banks.items()}
        losses = [patch_nce(query[n][rows], key[n][rows], w.tau, w.negatives, banks.get(n)) for n in w.layers]
        return torch.stack(losses).mean()

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Translate with G."""
        out: Tensor = self.G(x)
        return out
