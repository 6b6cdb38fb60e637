"""U-GAT-IT: Unsupervised Generative Attentional Networks with Adaptive Layer-Instance Normalization."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss as l1

from instar.core.abilities import Attentive
from instar.core.batch import Domain, Unpaired
from instar.core.config import MethodConfig, Optim, Preset, RunConfig
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper, compares_domains
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import Blocks, Bounds, Depth, Fraction, NonNegativeFloat, Width
from instar.losses.gan import lsgan as gan
from instar.losses.gan import vanilla as cross_entropy
from instar.methods.ugatit.adalin import clip_rho
from instar.methods.ugatit.networks import DecoderNorm, Discriminator, Generator
from instar.modules.init import normal


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of U-GAT-IT."""

    optim: Optim = field(default_factory=lambda: Optim(lr=1e-4, weight_decay=1e-4))
    """Adam and its schedule, as in the paper."""
    cycle: NonNegativeFloat = 10.0
    """λ2, weight of the cycles."""
    identity: NonNegativeFloat = 10.0
    """λ3, weight of the identity terms, which keep colours."""
    cam: NonNegativeFloat = 1000.0
    """λ4, weight of the generators' classifiers, which tell the two domains apart."""
    light: bool = False
    """Read γ and β from the averaged map: 1/26 of the weights in a generator, images of any size. Off: the paper's."""
    side: Annotated[int, Bounds(16, 16_384)] = 256
    """Side of the images for the full generator, which is tied to it: the same as `data.size`. Nothing to the light
    one."""
    attention: Literal["both", "generator", "discriminator", "none"] = "both"
    """Which networks have attention modules; all in the paper, the others are its ablations."""
    norm: DecoderNorm = "adalin"
    """Norms of the generator's decoder: adalin is the paper's, the others are its ablations."""
    shared_cam: bool = False
    """One classifier for average and maximum, as in the authors' TensorFlow code; off, two as in their PyTorch code."""
    rho_max: Fraction = 1.0
    """Upper bound of ρ in the residual blocks; 0.9 is that of the authors' TensorFlow code."""
    width: Width = 64
    """Channels after the first convolution of all networks."""
    blocks: Blocks = 4
    """Residual blocks of the generator's encoder, and as many of its decoder."""
    global_downs: Depth = 5
    """Halvings of the global discriminators: 5 sees 286 px and needs images of 96 px, 4 sees 142 px and needs 48."""
    local_downs: Depth = 3
    """Halvings of the local discriminators: 3 sees 70 px, 2 sees 34 px."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.side % Generator.size_divisor:
            multiple = f"a multiple of {Generator.size_divisor}"
            raise UserError(f"{setting('method.side')} must be {multiple}, not {self.side}")

    @property
    def attentive_generators(self) -> bool:
        """Whether generators have attention modules."""
        return self.attention in ("both", "generator")

    @property
    def attentive_discriminators(self) -> bool:
        """Whether discriminators have attention modules."""
        return self.attention in ("both", "discriminator")


@final
class UGATIT(Method[Unpaired]):
    """Two generators that look where the domains differ, and a global and a local discriminator for each domain.

    min_{G_st, G_ts, η_s, η_t} max_{D_s, D_t, η_Ds, η_Dt}
        λ1 L_lsgan + λ2 L_cycle + λ3 L_identity + λ4 L_cam     (section 2.2)

    G_st translates the source s to the target t, G_ts back; η are the classifiers of the attention modules.

    Terms:
        D/s_global: D_s, global, on s and on G_ts(t)
        D/s_global_cam: its classifiers η_Ds on the same
        D/s_local: D_s, local
        D/s_local_cam: its classifiers
        D/t_global: D_t, global, on t and on G_st(s)
        D/t_global_cam: its classifiers η_Dt on the same
        D/t_local: D_t, local
        D/t_local_cam: its classifiers
        G/gan_s_global: D_s, global, should take G_ts(t) for real
        G/gan_s_global_cam: its classifiers too
        G/gan_s_local: D_s, local
        G/gan_s_local_cam: its classifiers
        G/gan_t_global: D_t, global, should take G_st(s) for real
        G/gan_t_global_cam: its classifiers too
        G/gan_t_local: D_t, local
        G/gan_t_local_cam: its classifiers
        G/cycle_s: mean |G_ts(G_st(s)) - s|
        G/cycle_t: mean |G_st(G_ts(t)) - t|
        G/identity_s: mean |G_ts(s) - s|
        G/identity_t: mean |G_st(t) - t|
        G/cam_st: cross entropy of η_s, in G_st, which should say 1 to s and 0 to t
        G/cam_ts: cross entropy of η_t, in G_ts, which should say 1 to t and 0 to s

    Differs from the paper:
        Two classifiers without bias in each attention module, no biases in the generators' convolutions, 6 x 6 and
        30 x 30 patches at 256 px, as in the authors' PyTorch code.
        ρ starts at 0.9 in the residual blocks, as in both of the authors' codes, and at 0 where it upsamples.
        Weights are drawn from N(0, 0.02) and the weight decay spares biases and norms, as in the TensorFlow code;
        the PyTorch code pulls ρ to 0 too.
        Discriminators weight their features with the classifiers' normalised weights, as in the TensorFlow code; the
        PyTorch code takes the weights before spectral norm.
        Discriminators and generators see the same fakes, made once. Real and fake images go through a discriminator
        together: two power iterations of spectral norm a step instead of three. Otherwise the same numbers.
        The learning rate falls at every step from the middle of the run, along the line of the PyTorch code.
        Images are resized by their short side before the crop, not squeezed to a square.
        Ablated norms and attention are our reading: the other norms take over all of the decoder, with their own
        scale and shift except for AdaIN; without attention its 1x1 convolution goes too.
        Images are resized bicubically, and averaged weights translate (`train.ema` 0 for the trained ones); in the
        authors' code bilinearly, and nothing is averaged.
    """

    options = Config
    cfg: Config
    title = "U-GAT-IT"
    paper = Paper(
        "U-GAT-IT: Unsupervised Generative Attentional Networks with Adaptive Layer-Instance Normalization for "
        "Image-to-Image Translation",
        "Kim, Kim, Kang, Lee",
        2020,
        "https://arxiv.org/abs/1907.10830",
    )
    data = Unpaired
    holds_input = {"cycle": "all", "identity": "colours"}
    targets = ("a", "b")
    translators = ("G_st", "G_ts")
    presets = {
        "paper": Preset(
            about="the full model, 256 px as in the paper; days on a GPU with 24 GB", train={"steps": 1_000_000}
        ),
        "light": Preset(
            about="the authors' light model, 256 px; days on a GPU", method={"light": True}, train={"steps": 1_000_000}
        ),
        "small": Preset(
            about="light, 64 px on a CPU: half an hour on one core with bf16",
            method={
                "light": True,
                "width": 32,  # half the paper's, for minutes on one core
                "global_downs": 4,  # 5 needs 96 px
                "local_downs": 2,
                # Against the adversarial terms these hold a short run back; other weights were not tried.
                "cycle": 2.0,
                "identity": 1.0,
                "cam": 100.0,
                "optim": {"lr": 5e-4},  # a run of thousands of steps, not of a million
            },
            data={"size": 64, "zoom": 1.03},
            train={"steps": 2600, "ema": 5000, "save_every": 400, "preview_every": 400},
        ),
        "tiny": Preset(
            about="light, 32 px, for tests: seconds",
            method={"light": True, "width": 4, "blocks": 1, "global_downs": 2, "local_downs": 1},
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }
    exempt = {
        "a_step_leaves_nothing_behind": "each pass through a discriminator is a power iteration of spectral norm, "
        "whose vectors are state that a step is meant to move"
    }

    one_number_of_channels = ""

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        compares_domains(cfg, "identity", cfg.identity, "images of a domain with their translations into it")
        attention = cfg.attentive_generators and cfg.cam
        compares_domains(cfg, "cam", attention, "images of both domains by one encoder")
        self.G_st = self.generator("a", "b")
        self.G_ts = self.generator("b", "a")
        self.D_s = self.discriminators("a")
        self.D_t = self.discriminators("b")
        self.size_divisor = self.G_st.size_divisor
        self.fixed_size = self.G_st.side
        self.without = frozenset() if cfg.attentive_generators else frozenset({Attentive})

    def generator(self, source: Domain, to: Domain) -> Generator:
        """Return a new generator from one domain to the other."""
        w = self.cfg
        net = Generator(
            w.channels_of(source),
            w.width,
            w.blocks,
            out=w.channels_of(to),
            side=None if w.light else w.side,
            attention=w.attentive_generators,
            shared_cam=w.shared_cam,
            norm=w.norm,
        )
        clip_rho(net, w.rho_max)
        return normal(net)

    def discriminators(self, domain: Domain) -> nn.ModuleDict:
        """Return a new global and a new local discriminator of a domain."""
        w = self.cfg
        attention = w.attentive_discriminators
        return nn.ModuleDict(
            {
                size: Discriminator(w.channels_of(domain), w.width, downs, attention=attention, shared_cam=w.shared_cam)
                for size, downs in (("global", w.global_downs), ("local", w.local_downs))
            }
        )

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move the discriminators, then the generators; then put every ρ back into its bounds."""
        s, t = batch.a, batch.b
        to_t = self.generate(self.G_st, s, t)
        to_s = self.generate(self.G_ts, t, s)
        loss = self.discriminator_loss(s, t, to_s.fake.detach(), to_t.fake.detach())
        yield Objective("D", over=(self.D_s, self.D_t), loss=loss)
        yield Objective("G", over=(self.G_st, self.G_ts), loss=self.generator_loss(s, t, to_s, to_t))

        for net in (self.G_st, self.G_ts):
            clip_rho(net, self.cfg.rho_max)

    @property
    def learns_cam(self) -> bool:
        """Whether the generators learn to tell the domains apart."""
        return bool(self.cfg.cam) and self.cfg.attentive_generators

    def generate(self, net: Generator, source: Tensor, target: Tensor) -> Generated:
        """Take images of both domains through a generator, in one pass, as far as the losses need."""
        n = len(source)
        given = torch.cat([source, target]) if self.learns_cam or self.cfg.identity else source
        features, logits = net.encode(given)
        images = net.decode(features if self.cfg.identity else features[:n])
        images = net.limit(images, given[: len(images)])
        return Generated(images[:n], images[n:], logits)

    def discriminator_loss(self, s: Tensor, t: Tensor, fake_s: Tensor, fake_t: Tensor) -> Loss:
        """Return the loss of the discriminators, which see real images and fakes without gradient in one pass."""
        cam = self.cfg.attentive_discriminators
        both = torch.cat([s, fake_s])
        s_global, s_local = self.D_s["global"](both), self.D_s["local"](both)
        both = torch.cat([t, fake_t])
        t_global, t_local = self.D_t["global"](both), self.D_t["local"](both)
        loss = term("s_global", real_and_fake(s_global.patches))
        if cam:
            loss += term("s_global_cam", real_and_fake(s_global.cam))
        loss += term("s_local", real_and_fake(s_local.patches))
        if cam:
            loss += term("s_local_cam", real_and_fake(s_local.cam))
        loss += term("t_global", real_and_fake(t_global.patches))
        if cam:
            loss += term("t_global_cam", real_and_fake(t_global.cam))
        loss += term("t_local", real_and_fake(t_local.patches))
        if cam:
            loss += term("t_local_cam", real_and_fake(t_local.cam))
        return loss

    def generator_loss(self, s: Tensor, t: Tensor, to_s: Generated, to_t: Generated) -> Loss:
        """Return the loss of both generators on images s and t, and what they made in either domain."""
        w = self.cfg
        loss = self.adversarial_loss(to_s.fake, to_t.fake)
        if w.cycle:
            cycle_s, cycle_t = l1(self.G_ts(to_t.fake), s), l1(self.G_st(to_s.fake), t)
            loss += w.cycle * term("cycle_s", cycle_s)
            loss += w.cycle * term("cycle_t", cycle_t)
        if w.identity:
            loss += w.identity * term("identity_s", l1(to_s.same, s))
            loss += w.identity * term("identity_t", l1(to_t.same, t))
        if self.learns_cam:
            loss += w.cam * term("cam_st", source_or_target(to_t.logits))
            loss += w.cam * term("cam_ts", source_or_target(to_s.logits))
        return loss

    def adversarial_loss(self, fake_s: Tensor, fake_t: Tensor) -> Loss:
        """Return the generators' loss by the discriminators, which should take their fakes for real."""
        cam = self.cfg.attentive_discriminators
        s_global, s_local = self.D_s["global"](fake_s), self.D_s["local"](fake_s)
        t_global, t_local = self.D_t["global"](fake_t), self.D_t["local"](fake_t)
        loss = term("gan_s_global", gan.generator(s_global.patches))
        if cam:
            loss += term("gan_s_global_cam", gan.generator(s_global.cam))
        loss += term("gan_s_local", gan.generator(s_local.patches))
        if cam:
            loss += term("gan_s_local_cam", gan.generator(s_local.cam))
        loss += term("gan_t_global", gan.generator(t_global.patches))
        if cam:
            loss += term("gan_t_global_cam", gan.generator(t_global.cam))
        loss += term("gan_t_local", gan.generator(t_local.patches))
        if cam:
            loss += term("gan_t_local_cam", gan.generator(t_local.cam))
        return loss

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Translate with G_st towards b, with G_ts towards a."""
        out: Tensor = self.G_st(x) if to == "b" else self.G_ts(x)
        return out

    def attention(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Return the heat maps (N, H/4, W/4) of the generator that translates, each stretched to [0, 1].

        Raises:
            UserError: the generators were trained without attention.
        """
        if not self.cfg.attentive_generators:
            off = setting("method.attention", self.cfg.attention)
            raise UserError(f"no attention maps: this model was trained with {off}")
        return (self.G_st if to == "b" else self.G_ts).heat_map(x)

    def check(self, config: RunConfig) -> str:
        """Check the size against the networks; for the full model say how much memory its weights take."""
        w, size = self.cfg, config.data.size
        if self.fixed_size not in (None, size):
            side, light = setting("method.side", self.fixed_size), setting("method.light", True)
            raise UserError(
                f"{setting('data.size', size)}: the full generator takes images of one size, {side}; make the two "
                f"equal, or take the light one ({light})"
            )
        for name, downs in (("global", w.global_downs), ("local", w.local_downs)):
            if size < (needed := Discriminator.smallest(downs)):
                fewer = setting(f"method.{name}_downs", (size // 3).bit_length() - 1)
                raise UserError(
                    f"{setting('data.size', size)}: a {name} discriminator that halves {downs} times needs "
                    f"{needed} px; take a larger size, or {fewer}"
                )
        if self.fixed_size is None:
            return ""
        trained = count_weights(self)
        kept = 16 * trained + (4 * count_weights(self.G_st, self.G_ts) if config.train.ema else 0)
        return (
            f"the full model: {trained / 1e6:.0f} million weights. With gradients, Adam's two averages and the "
            f"averaged generators they take {kept / 1e9:.1f} GB; the activations come on top"
        )


class Generated(NamedTuple):
    """What a generator made of images of its source, and of images of its target."""

    fake: Tensor
    """Translations (N, C, H, W) of the source."""
    same: Tensor
    """The target's images as they came through; none without identity terms."""
    logits: Tensor
    """Of the classifiers, for the source's features, then for the target's (2 N, 2)."""


def count_weights(*nets: nn.Module) -> int:
    """Return how many numbers these networks learn."""
    return sum(p.numel() for net in nets for p in net.parameters())


def real_and_fake(outputs: Tensor) -> Tensor:
    """Return the loss of a discriminator's outputs, of which the first half of the batch is real, the other fake."""
    on_real, on_fake = outputs.chunk(2)
    return gan.real(on_real) + gan.fake(on_fake)


def source_or_target(logits: Tensor) -> Tensor:
    """Return the cross entropy of logits (2 N, 2) that should say 1 to the source, which comes first, and 0 after."""
    source, target = logits.chunk(2)
    return cross_entropy.real(source) + cross_entropy.fake(target)
