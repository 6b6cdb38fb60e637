"""SANTA: Unpaired Image-to-Image Translation with Shortest Path Regularization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Unpaired
from instar.core.config import Preset
from instar.core.device import moved
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.precision import full_precision
from instar.core.progress import Progress
from instar.core.settings import NonNegativeFloat
from instar.losses.gan import lsgan as gan
from instar.methods.santa.networks import PathGenerator
from instar.modules.init import xavier
from instar.networks.resnet_patchgan import SMALL, ResnetConfig, patch_discriminator

LATENT = 0.01
"""Weight that keeps the encoding small beside the noise."""
NEAR, FAR = 0.05, 0.1
"""Between these lies half the distance of the two places whose difference is the path's derivative."""


@dataclass(frozen=True, kw_only=True)
class Config(ResnetConfig):
    """Options of SANTA."""

    path: NonNegativeFloat = 0.01
    """Weight of the path's energy (0.1 for label maps of Cityscapes); 0 leaves it out and saves a pass."""
    reconstruct: NonNegativeFloat = 5.0
    """Weight of G(x, 0) = x, the start of the path."""
    identity: NonNegativeFloat = 5.0
    """Weight of G(y, 1) = y, the end of the path of an image of the target."""
    antialias: bool = True
    """Blurred down- and upsampling, as in the authors' code."""


@final
class SANTA(Method[Unpaired]):
    """One generator that draws a path of images, from x at 0 to the target at 1; the shortest path keeps the content.

    min_G max_D  L_GAN(G(·, 1), D) + λ_path L_path(G) + λ_rec E |G(x, 0) - x| + λ_idt E |G(y, 1) - y| + λ_z E |E(x)|²
    L_path(G) = E_{x, d} Σ_l |∂ f_l(x, d) / ∂ d|²,  f_l the features of the decoder

    Terms:
        D/real: D on y
        D/fake: D on G(x, 1)
        G/gan: D should take G(x, 1) for real
        G/reconstruct_x: mean |G(x, 0) - x|
        G/identity_y: mean |G(y, 1) - y|
        G/latent: mean square of the encodings of x and y
        G/path: mean square of the derivative of the decoder's features along the path of x

    Differs from the paper:
        Terms, weights and networks are those of the authors' code: the derivative is a difference of features at two
        places 0.1 to 0.2 apart, cut off at the ends of the path and divided by at least 0.1, the mean over five layers.
        The noise of deviation 1 that is added to encodings in training has no part in a translation.
        In a batch of several images each has places of its own; the authors' code is right for one image alone.
        The learning rate falls at every step instead of every epoch, along the same line.
        The length is fixed in steps: 400 epochs of horse2zebra's 1,334 images.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "Unpaired Image-to-Image Translation with Shortest Path Regularization",
        "Xie, Xu, Gong, Zhang",
        2023,
        "https://openaccess.thecvf.com/content/CVPR2023/html/"
        "Xie_Unpaired_Image-to-Image_Translation_With_Shortest_Path_Regularization_CVPR_2023_paper.html",
    )
    data = Unpaired
    holds_input = {"path": "all", "identity": "colours"}
    one_number_of_channels = "its generator draws images of both domains"
    targets = ("b",)
    translators = ("G",)
    presets = {
        "paper": Preset(about="256 px as in the authors' code; days on a GPU", train={"steps": 533_600}),
        "small": Preset(
            about="64 px on a CPU: as many steps as that of CUT",
            method={**SMALL, "identity": 0.5},  # with a skip and the paper's 5 copying is left too late
            data={"size": 64, "zoom": 1.03},
            train={"steps": 8000, "ema": 5000, "save_every": 400, "preview_every": 400},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 4, "blocks": 2},
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.G = xavier(PathGenerator(cfg.channels, cfg.width, cfg.blocks, antialias=cfg.antialias, skip=cfg.skip))
        self.D = xavier(patch_discriminator(cfg))
        self.size_divisor = self.G.size_divisor

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move the discriminator, then the generator."""
        x, y, n = batch.a, batch.b, len(batch.a)
        encoded = self.G.encoder(torch.cat([x, y]))
        latent = encoded + torch.randn_like(encoded)
        place = torch.cat([x.new_zeros(n), x.new_ones(2 * n)])
        start, fake, same = self.G.decode(torch.cat([latent[:n], latent]), place, torch.cat([x, x, y])).chunk(3)
        yield Objective("D", over=(self.D,), loss=self.discriminator_loss(y, fake.detach()))

        w, loss = self.cfg, self.generator_loss(x, y, start, fake, same)
        loss += LATENT * term("latent", full_precision(encoded).square().mean())
        if w.path:
            loss += w.path * term("path", self.path_energy(latent[:n]))
        yield Objective("G", over=(self.G,), loss=loss)

    def discriminator_loss(self, y: Tensor, fake: Tensor) -> Loss:
        """Return the loss of D on real images y and on fakes, (N, C, H, W) both."""
        on_real, on_fake = self.D(torch.cat([y, fake])).chunk(2)
        return 0.5 * term("real", gan.real(on_real)) + 0.5 * term("fake", gan.fake(on_fake))

    def generator_loss(self, x: Tensor, y: Tensor, start: Tensor, fake: Tensor, same: Tensor) -> Loss:
        """Return the loss of G for its images (N, C, H, W) alone: G(x, 0), G(x, 1) and G(y, 1)."""
        w = self.cfg
        return (
            term("gan", gan.generator(self.D(fake)))
            + w.reconstruct * term("reconstruct_x", l1(start, x))
            + w.identity * term("identity_y", l1(same, y))
        )

    def path_energy(self, latent: Tensor) -> Tensor:
        """Return the mean square of the derivative of features along the path, at a random place of each image.

        Args:
            latent: encodings (N, C, H, W) with their noise.
        """
        centre, half = (moved(torch.rand(len(latent)).to(torch.float32), latent.device) for _ in range(2))
        half = NEAR + (FAR - NEAR) * half
        ahead, behind = (centre + half).clamp(max=1), (centre - half).clamp(min=0)
        features = self.G.trace(torch.cat([latent, latent]), torch.cat([ahead, behind]))
        step = (ahead - behind).clamp(min=2 * NEAR)[:, None, None, None]
        pairs = (full_precision(feature).chunk(2) for feature in features)
        return torch.stack([((there - here) / step).square().mean() for there, here in pairs]).mean()

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Translate with G to the end of the path."""
        out: Tensor = self.G(x)
        return out
