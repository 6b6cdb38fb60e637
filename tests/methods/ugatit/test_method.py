"""U-GAT-IT as its paper and the authors' codes have it."""

import copy
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.abilities import Attentive, supports
from instar.core.batch import Unpaired
from instar.core.config import Optim
from instar.core.errors import UserError
from instar.core.method import defaults
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.schedule import linear
from instar.engine.optimizers import Optimizers
from instar.methods.ugatit import UGATIT, Config
from instar.methods.ugatit.adalin import AdaLIN
from instar.methods.ugatit.networks import Outputs
from instar.modules import spectral
from instar.modules.masked import Masked
from instar.testing.runs import Noise, build, source_for, tiny, trainer
from methods.parts import Constant, count, scramble, values

STEPS = 5
SIZES = ("global", "local")


def bce(logits: Tensor, label: float) -> Tensor:
    return nnf.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def adam(nets: list[nn.Module]) -> torch.optim.Adam:
    parameters = [p for net in nets for p in net.parameters()]
    kernels = [p for p in parameters if p.dim() > 1]
    others = [p for p in parameters if p.dim() == 1]
    groups = [{"params": kernels, "weight_decay": 1e-4}, {"params": others}]
    return torch.optim.Adam(groups, lr=1e-4, betas=(0.5, 0.999))


def loss_of_d(judges: Any, real: Tensor, fake: Tensor) -> Tensor:
    """Spectral norm iterates once for real and fake: the second pass is made in eval mode, which does not."""
    loss = torch.zeros((), dtype=torch.float64)
    for size in SIZES:
        on_real = judges.train()[size](real)
        on_fake = judges.eval()[size](fake)
        for r, f in zip(on_real, on_fake, strict=True):
            loss = loss + ((r - 1) ** 2).mean() + (f**2).mean()
    return loss


def loss_of_g(G_st: Any, G_ts: Any, D_s: Any, D_t: Any, s: Tensor, t: Tensor) -> Tensor:
    def through(G: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = G.encode(x)
        return G.decode(features), logits

    fake_t, logits_s = through(G_st, s)
    fake_s, logits_t = through(G_ts, t)
    same_t, logits_other_t = through(G_st, t)
    same_s, logits_other_s = through(G_ts, s)
    loss = 10 * ((G_ts(fake_t) - s).abs().mean() + (G_st(fake_s) - t).abs().mean())
    loss = loss + 10 * ((same_s - s).abs().mean() + (same_t - t).abs().mean())
    loss = loss + 1000 * (bce(logits_s, 1) + bce(logits_other_t, 0) + bce(logits_t, 1) + bce(logits_other_s, 0))
    for judges, fake in ((D_s, fake_s), (D_t, fake_t)):
        for size in SIZES:
            loss = loss + sum(((said - 1) ** 2).mean() for said in judges.train()[size](fake))
    return loss


def clamp(G: nn.Module, rho_max: float) -> None:
    for name, p in G.named_parameters():
        if name.endswith("rho"):
            p.data.clamp_(0, rho_max if name.startswith("blocks") else 1)


def by_hand(method: UGATIT, source: Noise, rho_max: float) -> list[nn.Module]:
    """The authors' loop: all images one by one, fakes made anew for G, one Adam for both G and one for all D."""
    nets = [copy.deepcopy(net) for net in (method.G_st, method.G_ts, method.D_s, method.D_t)]
    G_st, G_ts, D_s, D_t = nets
    adam_g, adam_d = adam([G_st, G_ts]), adam([D_s, D_t])

    def move(optimizer: torch.optim.Adam, loss: Tensor) -> None:
        for net in nets:
            net.zero_grad()
        loss.backward()
        optimizer.step()

    constant = STEPS / 2
    for step in range(STEPS):
        for group in (*adam_g.param_groups, *adam_d.param_groups):
            group["lr"] = 1e-4 * (1 - max(0, step + 1 - constant) / (STEPS - constant + 1))
        batch = source.batch(step)
        s, t = batch.a, batch.b
        with torch.no_grad():
            fake_t, fake_s = G_st(s), G_ts(t)
        move(adam_d, loss_of_d(D_s, s, fake_s) + loss_of_d(D_t, t, fake_t))
        move(adam_g, loss_of_g(G_st, G_ts, D_s, D_t, s, t))
        clamp(G_st, rho_max)
        clamp(G_ts, rho_max)
    return nets


@pytest.mark.parametrize(
    ("batch", "options"),
    [
        (1, {}),
        (2, {"light": False, "side": 32}),
        (1, {"shared_cam": True, "rho_max": 0.5}),
    ],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, batch: int, options: dict[str, Any]) -> None:
    config = tiny("ugatit", {"steps": STEPS, "batch": batch}, **options)
    method = scramble(build(config))
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    names = ("G_st", "G_ts", "D_s", "D_t")
    before = {name: copy.deepcopy(method.get_submodule(name)) for name in names}
    expected = by_hand(method, source, options.get("rho_max", 1.0))
    for step in range(STEPS):
        play.train_step(source.batch(step))
    for name, hand in zip(names, expected, strict=True):
        mine = method.get_submodule(name)
        starts = before[name].parameters()
        for start, a, b in zip(starts, hand.parameters(), mine.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=0)
            assert (a - start).abs().max() > 1e-5
        for a, b in zip(hand.buffers(), mine.buffers(), strict=True):  # of spectral norm
            torch.testing.assert_close(a, b, atol=1e-9, rtol=0)


@pytest.fixture(scope="module")
def full() -> UGATIT:
    with torch.device("meta"):
        return UGATIT(Config())


@pytest.fixture(scope="module")
def light() -> UGATIT:
    with torch.device("meta"):
        return UGATIT(Config(light=True))


def test_parameter_counts(full: UGATIT, light: UGATIT) -> None:
    assert count(full.G_st) == count(full.G_ts) == 278_959_808
    assert count(light.G_st) == count(light.G_ts) == 10_589_888
    for judges in (full.D_s, full.D_t, light.D_s, light.D_t):
        assert {size: count(judge) for size, judge in judges.items()} == {"global": 53_130_176, "local": 3_290_560}
    assert count(full) == 670_761_088
    assert count(light) == 134_021_248


@pytest.fixture
def method() -> UGATIT:
    return build(tiny("ugatit"))  # type: ignore[return-value]


@pytest.fixture
def batch() -> Unpaired:
    return Noise(Unpaired).batch(0)  # type: ignore[return-value]


def play(method: UGATIT, batch: Unpaired) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


class Says(nn.Module):
    """A discriminator that says the same of everything, with both heads."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.patches, self.classes = Constant(number), torch.full((1, 2), number)

    def forward(self, x: Tensor) -> Outputs:
        return Outputs(self.patches(x), self.classes.expand(len(x), 2))


class Keeps(Masked):
    """A generator that changes nothing, or the brightness, and whose classifiers say 0."""

    def __init__(self, by: float = 0.0) -> None:
        super().__init__()
        self.by = by

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, torch.zeros(len(x), 2)

    def decode(self, features: Tensor) -> Tensor:
        return features + self.by

    def forward(self, x: Tensor) -> Tensor:
        return x + self.by


@pytest.mark.parametrize(("says", "d", "g"), [(0.0, 8.0, 8.0), (0.5, 4.0, 2.0), (1.0, 8.0, 0.0)])
def test_adversarial_values(method: UGATIT, batch: Unpaired, says: float, d: float, g: float) -> None:
    method.D_s = method.D_t = nn.ModuleDict({size: Says(says) for size in SIZES})
    played = play(method, batch)
    assert played["D"].loss.total().item() == pytest.approx(d)
    terms = played["G"].loss.terms
    assert sum(t.weight * t.value.item() for t in terms if t.name.startswith("gan")) == pytest.approx(g)


def test_identity_maps_and_undecided_classifiers(method: UGATIT, batch: Unpaired) -> None:
    method.G_st, method.G_ts = Keeps(), Keeps()
    terms = {t.name: t.weight * t.value.item() for t in play(method, batch)["G"].loss.terms}
    assert [terms[name] for name in ("cycle_s", "cycle_t", "identity_s", "identity_t")] == [0, 0, 0, 0]
    assert terms["cam_st"] + terms["cam_ts"] == pytest.approx(1000 * 4 * math.log(2))
    assert 1000 * 4 * math.log(2) == pytest.approx(2772.6, abs=0.05)


def test_weights_of_the_terms(method: UGATIT, batch: Unpaired) -> None:
    """G_ts brightens by 1: every round trip is off by 1, and so is the identity of s."""
    method.G_st, method.G_ts = Keeps(), Keeps(1.0)
    played = play(method, batch)
    terms = {t.name: t for t in played["G"].loss.terms}
    weighted = {name: t.weight * t.value.item() for name, t in terms.items()}
    assert weighted["cycle_s"] == pytest.approx(10)
    assert weighted["cycle_t"] == pytest.approx(10)
    assert weighted["identity_s"] == pytest.approx(10)
    assert weighted["identity_t"] == 0
    assert {t.weight for objective in played.values() for t in objective.loss.terms if "gan" in t.name} == {1}
    assert {t.weight for t in played["D"].loss.terms} == {1}
    assert terms["cam_st"].weight == terms["cam_ts"].weight == 1000


def test_classifiers_say_1_to_their_source(method: UGATIT, batch: Unpaired) -> None:
    """Logits are how bright the image is: with s bright and t dark, G_st is right and G_ts wrong."""

    class Bright(Keeps):
        def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, x.mean((1, 2, 3))[:, None].expand(-1, 2) * 10

    method.G_st, method.G_ts = Bright(), Bright()
    bright = Unpaired(torch.ones_like(batch.a), -torch.ones_like(batch.b))
    found = values(play(method, bright)["G"])
    assert found["cam_st"] == pytest.approx(2 * math.log1p(math.exp(-10)), rel=1e-3)
    assert found["cam_ts"] == pytest.approx(2 * math.log1p(math.exp(10)), rel=1e-3)


def test_discriminators_judge_their_domains(method: UGATIT, batch: Unpaired) -> None:
    """D_t sees t and G_st(s), D_s sees s and G_ts(t): real ones first, the fakes without a path to the generators."""
    s, t = batch.a, batch.b
    fake_t, fake_s = method.G_st(s), method.G_ts(t)
    seen: dict[str, list[Tensor]] = {}
    for name, judges in (("s", method.D_s), ("t", method.D_t)):
        for size, judge in judges.items():
            inputs = seen.setdefault(f"{name} {size}", [])
            judge.register_forward_pre_hook(lambda _, args, to=inputs: to.append(args[0]))
    play(method, batch)
    assert len(seen) == 4
    for name, inputs in seen.items():
        discriminator, generator = inputs
        real, fake = (s, fake_s) if name[0] == "s" else (t, fake_t)
        assert generator.requires_grad
        assert not discriminator.requires_grad
        torch.testing.assert_close(generator, fake, atol=1e-5, rtol=0)
        torch.testing.assert_close(discriminator, torch.cat([real, fake]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("options", "encoded", "decoded"),
    [
        ({}, [2, 1], [2, 1]),
        ({"identity": 0.0}, [2, 1], [1, 1]),
        ({"identity": 0.0, "cam": 0.0}, [1, 1], [1, 1]),
        ({"identity": 0.0, "attention": "discriminator"}, [1, 1], [1, 1]),
        ({"cycle": 0.0}, [2], [2]),
    ],
)
def test_images_through_a_generator(
    batch: Unpaired, options: dict[str, Any], encoded: list[int], decoded: list[int]
) -> None:
    """Six images in four passes, where the authors' code makes eight: nothing twice, nothing that no term uses."""
    method = build(tiny("ugatit", **options))
    for net in (method.G_st, method.G_ts):
        sizes: dict[str, list[int]] = {"encoder": [], "out": []}
        for name, found in sizes.items():
            net.get_submodule(name).register_forward_pre_hook(lambda _, args, to=found: to.append(len(args[0])))
        list(method.objectives(batch, Progress(0, 10)))
        assert sizes == {"encoder": encoded, "out": decoded}


def test_power_iterations_of_a_step(method: UGATIT, batch: Unpaired, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two a step: one for real and fake together, one for the fakes that the generators answer for."""
    counts: Counter[int] = Counter()
    iterated = spectral._iterated

    def counted(matrices: Any, norms: Any) -> Any:
        counts.update(id(norm) for norm in norms)
        return iterated(matrices, norms)

    monkeypatch.setattr(spectral, "_iterated", counted)
    play(method, batch)
    assert len(counts) == sum(name.endswith("weight.original") for name, _ in method.named_parameters())
    assert set(counts.values()) == {2}


def rhos(method: UGATIT) -> list[Tensor]:
    return [p for name, p in method.named_parameters() if name.endswith("rho")]


def test_rho_is_clipped_after_the_generators_step_and_not_before(method: UGATIT, batch: Unpaired) -> None:
    with torch.no_grad():
        for rho in rhos(method):
            rho.copy_(torch.linspace(-0.3, 1.7, len(rho)))
    found = [
        (objective.name, max(rho.max().item() for rho in rhos(method)))
        for objective in method.objectives(batch, Progress(0, 10))
    ]
    assert found == [("D", pytest.approx(1.7)), ("G", pytest.approx(1.7))]
    for rho in rhos(method):
        torch.testing.assert_close(rho.detach(), torch.linspace(-0.3, 1.7, len(rho)).clamp(0, 1))


def test_rho_stays_within_its_bounds_in_training(tmp_path: Path) -> None:
    config = tiny("ugatit", {"steps": 4}, optim={"lr": 1.0}, rho_max=0.8)
    method = build(config)
    adaptive = [m.rho for m in method.modules() if isinstance(m, AdaLIN)]
    assert all(rho.max().item() == pytest.approx(0.8) for rho in adaptive)  # from the start
    play = trainer(config, tmp_path, method, source_for(config))
    for step in range(4):
        play.train_step(play.source.batch(step))
        assert all(rho.min().item() >= 0 and rho.max().item() <= 1 for rho in rhos(method))
        assert all(rho.max().item() <= 0.8 + 1e-6 for rho in adaptive)
    assert any(rho.max().item() > 0 for rho in rhos(method))


def test_copies_play_the_same_step(method: UGATIT, batch: Unpaired) -> None:
    """In place of the contract's check: the vectors of spectral norm are state, and all the state there is."""
    twin = copy.deepcopy(method)
    for one, other in zip(play(method, batch).values(), play(twin, batch).values(), strict=True):
        assert torch.equal(one.loss.total(), other.loss.total())
    after = [b for b, c in zip(method.buffers(), twin.buffers(), strict=True) if torch.equal(b, c)]
    assert len(after) == len(list(method.buffers()))


def test_kernels_decay_and_nothing_else() -> None:
    method = build(tiny("ugatit"))
    optimizers = Optimizers(method)
    decayed = {
        id(p)
        for one in optimizers.by_name.values()
        for group in one.param_groups
        if group["weight_decay"]
        for p in group["params"]
    }
    kernels = {name for name, p in method.named_parameters() if id(p) in decayed}
    assert kernels == {n for n, _ in method.named_parameters() if n.endswith(("weight", "weight.original"))}
    rest = {n.rsplit(".", 1)[1] for n, _ in method.named_parameters() if n not in kernels}
    assert rest == {"rho", "gamma", "beta", "bias"}


@pytest.mark.parametrize(("step", "rate"), [(0, 1e-4), (499_999, 1e-4), (749_999, 5e-5), (999_999, 0.0)])
def test_learning_rate_table(step: int, rate: float) -> None:
    optim = UGATIT.options().optim
    assert optim == Optim(lr=1e-4, betas=(0.5, 0.999), hold=0.5, weight_decay=1e-4)
    assert optim.lr * linear(Progress(step, 1_000_000), optim.hold) == pytest.approx(rate, rel=1e-5, abs=1e-9)


def test_recipe() -> None:
    cfg = Config()
    assert (cfg.cycle, cfg.identity, cfg.cam, cfg.blocks, cfg.light, cfg.side) == (10, 10, 1000, 4, False, 256)
    for preset in ("paper", "light"):
        config = defaults("ugatit", UGATIT, preset)
        assert config.train.steps == 1_000_000
        assert (config.train.batch, config.data.size, config.data.short_side, config.data.flip) == (1, 256, 286, True)


def test_weights_start_at_002() -> None:
    method = build(tiny("ugatit", width=16))
    for name in ("G_st", "G_ts", "D_s", "D_t"):
        kernels = [p.flatten() for p in method.get_submodule(name).parameters() if p.dim() > 1]
        assert torch.cat(kernels).std().item() == pytest.approx(0.02, rel=0.05)
    assert not any(bool(p.any()) for n, p in method.named_parameters() if n.endswith(".bias"))


def test_directions_and_attention(method: UGATIT, batch: Unpaired) -> None:
    assert supports(method, Attentive)
    with torch.no_grad():
        assert torch.equal(method.translate(batch.a, to="b"), method.G_st(batch.a))
        assert torch.equal(method.translate(batch.b, to="a"), method.G_ts(batch.b))
        assert torch.equal(method.attention(batch.a, to="b"), method.G_st.heat_map(batch.a))
        assert torch.equal(method.attention(batch.b, to="a"), method.G_ts.heat_map(batch.b))
        assert method.attention(batch.a).shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("attention", "generators", "discriminators"),
    [("both", True, True), ("generator", True, False), ("discriminator", False, True), ("none", False, False)],
)
def test_attention_can_be_left_out(batch: Unpaired, attention: str, generators: bool, discriminators: bool) -> None:
    method = build(tiny("ugatit", attention=attention))
    names = set()
    for objective in method.objectives(batch, Progress(0, 10)):
        names |= {f"{objective.name}/{t.name}" for t in objective.loss.terms}
        parameters = [p for net in objective.over for p in net.parameters()]
        gradients = torch.autograd.grad(objective.loss.total(), parameters, allow_unused=True)
        assert all(g is not None for g in gradients)
    assert ("G/cam_st" in names) == generators
    assert ("D/s_global_cam" in names) == ("G/gan_t_local_cam" in names) == discriminators
    assert {"D/s_global", "G/gan_t_local", "G/cycle_s"} <= names
    assert supports(method, Attentive) == generators
    if not generators:
        with pytest.raises(
            UserError, match=f"no attention maps: this model was trained with method.attention={attention}"
        ):
            method.attention(batch.a)  # type: ignore[operator]


@pytest.mark.parametrize("norm", ["adain", "instance", "layer", "group"])
def test_other_norms_play_a_step(tmp_path: Path, norm: str) -> None:
    config = tiny("ugatit", norm=norm)
    play = trainer(config, tmp_path, build(config), source_for(config))
    play.train_step(play.source.batch(0))
    assert play.bad_steps == 0


def test_memory_of_the_full_model(full: UGATIT) -> None:
    config = defaults("ugatit", UGATIT, "paper")
    note = full.check(config)
    assert "671 million" in note
    expected = (16 * 670_761_088 + 4 * 2 * 278_959_808) / 1e9
    assert f"{expected:.1f} GB" in note
    assert expected == pytest.approx(12.96, abs=0.01)
    plain = full.check(replace(config, train=replace(config.train, ema=0)))
    assert "10.7 GB" in plain
    assert "activations" in plain


def test_the_full_model_is_tied_to_its_side(full: UGATIT, light: UGATIT) -> None:
    config = defaults("ugatit", UGATIT, "paper")
    assert full.fixed_size == 256
    other = replace(config, data=replace(config.data, size=128))
    with pytest.raises(UserError, match=r"size=128: .* method.side=256; make the two equal, .*method.light=True"):
        full.check(other)
    assert UGATIT(Config(side=128, width=1)).check(other)
    assert light.fixed_size is None
    assert light.check(other) == ""
    with pytest.raises(UserError, match=r"method.side must be a multiple of 4, not 130"):
        Config(side=130)


@pytest.mark.parametrize(
    ("size", "fault"),
    [
        (64, r"size=64: a global discriminator that halves 5 times needs 96 px; .* method.global_downs=4"),
        (95, r"method.global_downs=4"),
        (96, None),
        (128, None),
    ],
)
def test_size_of_the_discriminators(light: UGATIT, size: int, fault: str | None) -> None:
    config = defaults("ugatit", UGATIT, "light")
    config = replace(config, data=replace(config.data, size=size))
    if fault is None:
        assert light.check(config) == ""
        return
    with pytest.raises(UserError, match=fault):
        light.check(config)


def test_the_local_discriminator_is_checked_too() -> None:
    method = UGATIT(Config(light=True, width=1, global_downs=1, local_downs=4))
    config = defaults("ugatit", UGATIT, "light")
    with pytest.raises(UserError, match=r"size=40: a local discriminator .* needs 48 px; .* method.local_downs=3"):
        method.check(replace(config, data=replace(config.data, size=40)))


@pytest.mark.slow
def test_a_fresh_run_starts_in_the_thousands() -> None:
    torch.manual_seed(0)
    method = UGATIT(Config(light=True))
    batch = Noise(Unpaired, side=128).batch(0)
    played = {}
    with torch.no_grad():
        for objective in method.objectives(batch, Progress(0, 10)):  # type: ignore[arg-type]
            played[objective.name] = objective.loss.total().item()
    assert 2000 < played["G"] < 4000
    assert 4 < played["D"] < 12
