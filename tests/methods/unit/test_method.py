"""UNIT as its paper and the authors' code have it."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn

from instar.core.batch import Unpaired
from instar.core.config import Optim
from instar.core.errors import UserError
from instar.core.method import defaults
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.settings import with_changes
from instar.engine.optimizers import Optimizers
from instar.methods.unit.method import UNIT, Config, energy
from instar.testing.runs import Noise, build, source_for, tiny, trainer
from methods.parts import count, scramble, values

STEPS = 3
HEAD = {
    **UNIT.presets["head"].method,
    "width": 4,
    "blocks": 1,
    "scales": 2,
}
"""The later form, small."""


def l1(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).abs().mean()


class ByHand:
    """The authors' loop on a copy of a method's networks, every image and domain on its own."""

    def __init__(self, method: UNIT) -> None:
        self.w = method.cfg
        self.G, self.D = copy.deepcopy(method.G), copy.deepcopy(method.D)
        self.adams = []
        for net in (self.G, self.D):
            kernels = {"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": 1e-4}
            others = {"params": [p for p in net.parameters() if p.dim() == 1]}
            self.adams.append(torch.optim.Adam([kernels, others], lr=1e-4, betas=(0.5, 0.999)))

    def encode(self, x: Tensor, domain: str) -> Tensor:
        return self.G.enter(self.G.front[domain](x))

    def decode(self, z: Tensor, to: str) -> Tensor:
        return self.G.back[to](self.G.leave(z))

    def noises(self, code: Tensor) -> tuple[Tensor, Tensor]:
        n, *shape = code.shape
        return torch.randn(2 * n, *shape, dtype=code.dtype).chunk(2)

    def judged(self, domain: str, x: Tensor) -> list[Tensor]:
        maps = self.D.own[domain](x)
        if self.D.shared is not None:
            maps = self.D.shared(maps)
        return maps if isinstance(maps, list) else [maps]

    def real(self, p: Tensor) -> Tensor:
        return ((p - 1) ** 2).mean() if self.w.adversary == "lsgan" else -p.sigmoid().log().mean()

    def fake(self, p: Tensor) -> Tensor:
        return (p**2).mean() if self.w.adversary == "lsgan" else -(1 - p.sigmoid()).log().mean()

    def step(self, x_a: Tensor, x_b: Tensor) -> None:
        of_G, of_D = self.adams
        h_a, h_b = self.encode(x_a, "a"), self.encode(x_b, "b")
        n_a, n_b = self.noises(h_a)
        x_ba, x_ab = self.decode(h_b + n_b, "a").detach(), self.decode(h_a + n_a, "b").detach()
        of_D.zero_grad()
        loss = torch.zeros(())
        for domain, x, made in (("a", x_a, x_ba), ("b", x_b, x_ab)):
            loss = loss + sum(self.real(p) for p in self.judged(domain, x))
            loss = loss + sum(self.fake(p) for p in self.judged(domain, made))
        (self.w.gan * loss).backward()
        of_D.step()

        of_G.zero_grad()
        self.loss(x_a, x_b).backward()
        of_G.step()

    def loss(self, x_a: Tensor, x_b: Tensor) -> Tensor:
        w = self.w
        h_a, h_b = self.encode(x_a, "a"), self.encode(x_b, "b")
        n_a, n_b = self.noises(h_a)
        x_ba, x_ab = self.decode(h_b + n_b, "a"), self.decode(h_a + n_a, "b")
        again_b, again_a = self.encode(x_ba, "a"), self.encode(x_ab, "b")
        m_b, m_a = self.noises(h_a)
        x_aba, x_bab = self.decode(again_a + m_a, "a"), self.decode(again_b + m_b, "b")
        loss = w.recon * (l1(self.decode(h_a + n_a, "a"), x_a) + l1(self.decode(h_b + n_b, "b"), x_b))
        loss = loss + w.kl * ((h_a**2).mean() + (h_b**2).mean())
        loss = loss + w.cycle * (l1(x_aba, x_a) + l1(x_bab, x_b))
        loss = loss + w.cycle_kl * ((again_a**2).mean() + (again_b**2).mean())
        fooled = sum(self.real(p) for p in self.judged("a", x_ba)) + sum(self.real(p) for p in self.judged("b", x_ab))
        return loss + w.gan * fooled


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, 1),
        ({"discriminator": "tied", "layers": 4, "normed": True}, 2),
        ({"discriminator": "scales", "shared": 0, "blocks": 2}, 1),
        ({**HEAD, "optim": {"halve": 0.0}}, 1),
        ({"cycle": 0.0, "cycle_kl": 0.0}, 1),
    ],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any], size: int) -> None:
    config = tiny("unit", {"steps": STEPS, "batch": size}, **options)
    method = scramble(build(config))
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    before, hand = (copy.deepcopy(method.G), copy.deepcopy(method.D)), ByHand(method)
    for step in range(STEPS):
        batch = source.batch(step)
        seed_step(0, step)
        hand.step(batch.a, batch.b)
        play.train_step(batch)
    for old, expected, net in zip(before, (hand.G, hand.D), (method.G, method.D), strict=True):
        for (name, start), a, b in zip(old.named_parameters(), expected.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=0, msg=name)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-5


@pytest.mark.parametrize(
    ("preset", "G", "D"),
    [
        ("paper", 18_017_286, 50_298_114),
        ("animals", 18_017_286, 50_298_114),
        ("faces", 18_017_286, 25_240_065),
        ("streets", 18_017_286, 9_308_934),
        ("head", 2 * 11_140_483, 2 * 8_271_171),
    ],
)
def test_parameter_counts(preset: str, G: int, D: int) -> None:
    with torch.device("meta"):
        method = UNIT(defaults("unit", UNIT, preset).method)  # type: ignore[arg-type]
    assert (count(method.G), count(method.D)) == (G, D)
    assert count(method) == G + D


def test_recipe() -> None:
    cfg = Config()
    assert (cfg.gan, cfg.kl, cfg.recon, cfg.cycle_kl, cfg.cycle) == (10, 0.1, 100, 0.1, 100)
    assert cfg.optim == Optim(lr=1e-4, betas=(0.5, 0.999), hold=1.0, halve=0.0, weight_decay=1e-4)
    assert UNIT.presets["paper"].train["steps"] == 500_000
    head = defaults("unit", UNIT, "head")
    w: Config = head.method  # type: ignore[assignment]
    assert (w.gan, w.kl, w.recon, w.cycle_kl, w.cycle, w.shared) == (1, 0.01, 10, 0.01, 10, 0)
    assert w.optim == Optim(lr=1e-4, betas=(0.5, 0.999), hold=1.0, halve=0.1, weight_decay=1e-4)
    assert (head.train.steps, head.data.short_side) == (1_000_000, 256)


@pytest.fixture
def method() -> UNIT:
    return build(tiny("unit"))  # type: ignore[return-value]


@pytest.fixture
def batch() -> Unpaired:
    return Noise(Unpaired).batch(0)  # type: ignore[return-value]


def play(method: UNIT, batch: Unpaired) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


def test_each_parameter_is_moved_once(method: UNIT) -> None:
    """Shared layers have one optimiser and stand in it once."""
    optimizers = Optimizers(method)
    assert set(optimizers.by_name) == {"G", "D"}
    moved = [id(p) for p in optimizers.parameters(["G", "D"])]
    assert len(moved) == len(set(moved)) == len(list(method.parameters()))


def test_discriminators_of_zeros(batch: Unpaired) -> None:
    """Cross entropy ln 2 a map, weighted by λ_0 for both players; least squares 1 a scale."""
    method = build(tiny("unit"))
    three = build(tiny("unit", **{**HEAD, "scales": 3}))
    for one in (method, three):
        for p in one.D.parameters():  # type: ignore[union-attr]
            nn.init.zeros_(p)
    played = play(method, batch)  # type: ignore[arg-type]
    assert played["D"].loss.total().item() == pytest.approx(10 * 4 * 0.693147)
    assert {t.name: t.weight * t.value.item() for t in played["G"].loss.terms}["gan_a"] == pytest.approx(6.93147)
    played = play(three, Noise(Unpaired, side=64).batch(0))  # type: ignore[arg-type]
    assert values(played["D"]) == {"a_real": 3, "a_fake": 0, "b_real": 3, "b_fake": 0}
    assert played["D"].loss.total().item() == 6
    assert values(played["G"])["gan_a"] == values(played["G"])["gan_b"] == 3


class Always(nn.Module):
    """Says the same of everything, in the shape of another image or code."""

    def __init__(self, says: Tensor) -> None:
        super().__init__()
        self.says = says

    def forward(self, x: Tensor) -> Tensor:
        return self.says.expand(len(x), *self.says.shape[1:])


def test_weights_of_the_terms(method: UNIT) -> None:
    gray = torch.zeros(1, 3, 32, 32)
    for side, code in (("a", 2.0), ("b", 3.0)):
        method.G.front[side] = Always(torch.full((1, 16, 8, 8), code))
        method.G.back[side] = Always(gray)
    method.G.enter = nn.Identity()
    played = play(method, Unpaired(gray + 0.5, gray - 0.25))
    weighted = {t.name: t.weight * t.value.item() for t in played["G"].loss.terms}
    assert weighted["recon_a"] == weighted["cycle_a"] == pytest.approx(100 * 0.5)
    assert weighted["recon_b"] == weighted["cycle_b"] == pytest.approx(100 * 0.25)
    assert weighted["kl_a"] == pytest.approx(0.1 * 4)
    assert weighted["kl_b"] == pytest.approx(0.1 * 9)
    assert weighted["cycle_kl_a"] == pytest.approx(0.1 * 9)  # a's translation is an image of b
    assert weighted["cycle_kl_b"] == pytest.approx(0.1 * 4)


def test_energy_is_the_divergence_up_to_a_factor() -> None:
    """KL(N(μ, 1) || N(0, 1)) is half the sum of squares: n / 2 for μ = 1 on n numbers, where the mean is 1."""
    assert energy(torch.ones(2, 3, 4, 5)).item() == 1
    assert energy(torch.zeros(1, 3, 4, 5)).item() == 0
    mu = torch.randn(1, 3, 4, 5, dtype=torch.float64)
    standard = torch.distributions.Normal(torch.zeros_like(mu), 1.0)
    kl = torch.distributions.kl_divergence(torch.distributions.Normal(mu, torch.ones_like(mu)), standard).sum()
    assert energy(mu).item() == pytest.approx(2 * kl.item() / mu.numel())
    assert energy(torch.ones(1, 1, 1, 1, dtype=torch.bfloat16)).dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ({}, {"front": [1, 1], "enter": [2, 2], "leave": [2, 2, 2], "back": [1, 2, 1], "D": [2, 1]}),
        (HEAD, {"front": [1, 1], "enter": [2, 2], "leave": [2, 2, 2], "back": [1, 2, 1], "D": [2, 1]}),
        ({"cycle": 0.0}, {"front": [1, 1], "enter": [2, 2], "leave": [2, 2], "back": [1, 2], "D": [2, 1]}),
        (
            {"cycle": 0.0, "cycle_kl": 0.0},
            {"front": [1], "enter": [2], "leave": [2, 2], "back": [1, 2], "D": [2, 1]},
        ),
    ],
)
def test_passes(batch: Unpaired, options: dict[str, Any], passes: dict[str, list[int]]) -> None:
    """Images in each pass: what is shared sees both domains at once; the codes of the images serve both rounds."""
    method = build(tiny("unit", **options))
    sizes: dict[str, list[int]] = {}
    watched = {"enter": method.G.enter, "leave": method.G.leave, "D": method.D}
    for side in "ab":
        watched |= {f"front_{side}": method.G.front[side], f"back_{side}": method.G.back[side]}
    for name, net in watched.items():
        of = sizes.setdefault(name, [])
        net.register_forward_pre_hook(lambda _, args, of=of: of.append(len(args[0])))
    play(method, batch)  # type: ignore[arg-type]
    for name, found in sizes.items():
        assert found == passes[name.removesuffix("_a").removesuffix("_b")], name


def test_fakes_reach_their_discriminators(method: UNIT, batch: Unpaired) -> None:
    """D sees translations only, not reconstructions, and without a path to G."""
    met: list[tuple[Tensor, Tensor]] = []
    method.D.register_forward_pre_hook(lambda _, args: met.append(args))
    torch.manual_seed(5)
    play(method, batch)
    torch.manual_seed(5)
    (of_a, of_b), (fake_a, fake_b) = met
    assert not of_a.requires_grad
    assert not of_b.requires_grad
    codes = method.G.encode_both(batch.a, batch.b)
    for seen, real in ((of_a, batch.a), (of_b, batch.b)):
        assert torch.equal(seen[:1], real)
    for found_a, found_b in ((of_a[1:], of_b[1:]), (fake_a, fake_b)):
        z_a, z_b = (codes + torch.randn_like(codes)).chunk(2)
        torch.testing.assert_close(found_a, method.G.decode(z_b, "a"), atol=1e-5, rtol=0)
        torch.testing.assert_close(found_b, method.G.decode(z_a, "b"), atol=1e-5, rtol=0)


def test_translation_is_without_noise_training_is_not(method: UNIT, batch: Unpaired) -> None:
    assert torch.equal(method.translate(batch.a), method.translate(batch.a))
    torch.manual_seed(0)
    first = values(play(method, batch)["G"])
    torch.manual_seed(1)
    second = values(play(method, batch)["G"])
    assert first["recon_a"] != second["recon_a"]
    assert first["kl_a"] == second["kl_a"]


def test_directions(method: UNIT, batch: Unpaired) -> None:
    G = method.G
    assert torch.equal(method.translate(batch.a, to="b"), G.back["b"](G.leave(G.enter(G.front["a"](batch.a)))))
    assert torch.equal(method.translate(batch.b, to="a"), G.back["a"](G.leave(G.enter(G.front["b"](batch.b)))))
    code = method.encode(batch.a, domain="a")
    assert torch.equal(code, G.encode(batch.a, "a"))
    assert torch.equal(method.decode(code, to="a"), G.decode(code, "a"))


@pytest.mark.parametrize(("scales", "size", "fits"), [(3, 64, True), (3, 32, False), (2, 32, True)])
def test_size_that_munits_discriminators_need(scales: int, size: int, fits: bool) -> None:
    config = tiny("unit", **{**HEAD, "scales": scales})
    object.__setattr__(config.data, "size", size)
    method = build(config)
    if fits:
        assert method.check(config) == ""
    else:
        with pytest.raises(UserError, match=r"size=32: at 3 scales .*method.scales"):
            method.check(config)


def test_paper_discriminators_take_any_size() -> None:
    for kind in ("deep", "tied", "scales"):
        config = tiny("unit", discriminator=kind, layers=6)
        assert build(config).check(config) == ""
        assert build(config).D(torch.zeros(1, 3, 24, 24), torch.zeros(1, 3, 24, 24))


@pytest.mark.parametrize("wrong", [{"shared": 1}, {"normed": True}, {"dropout": 0.5}])
def test_options_that_the_later_form_does_not_have(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"method.shared=0 method.dropout=0 method.normed=False"):
        with_changes(Config(), {**HEAD, **wrong})


def test_options_out_of_bounds() -> None:
    with pytest.raises(UserError, match=r"method.cycle_kl must be at least 0"):
        Config(cycle_kl=-1.0)
    with pytest.raises(UserError, match=r"method.dropout must be between"):
        Config(dropout=1.0)
    with pytest.raises(UserError, match=r"method.layers must be at least 3"):
        Config(discriminator="tied", layers=2)
    with pytest.raises(UserError, match=r"method.gan=0"):
        Config(gan=0.0)


def test_initial_weights() -> None:
    """The paper's form N(0, 0.02); the later form Kaiming for G, N(0, 0.02) for D."""
    paper, later = build(tiny("unit", width=32)), build(tiny("unit", **{**HEAD, "width": 32}))
    assert paper.G.enter[0].body[0].weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert paper.D.own["a"][2].weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert later.G.back["a"][0].first[1].weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    assert later.D.own["a"].nets[0][7].weight.std().item() == pytest.approx(0.02, rel=0.03)
