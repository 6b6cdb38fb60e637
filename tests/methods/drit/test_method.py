"""DRIT as its paper and the authors' code have it."""

import copy
import math
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.batch import Unpaired
from instar.core.config import Optim
from instar.core.errors import UserError
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.methods.drit import DRIT, Config
from instar.methods.drit.method import alike, from_prior, undecided
from instar.methods.drit.networks import Attributes
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import count, scramble, values

STEPS = 4
NETS = ("E_c", "E_a", "G", "D_X", "D_Y", "D2_X", "D2_Y", "D_c")


def bce(logits: Tensor, target: float) -> Tensor:
    return nnf.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def over_maps(maps: list[Tensor], target: float) -> Tensor:
    return torch.stack([bce(logits, target) for logits in maps]).sum()


class ByHand:
    """The authors' loop on copies of a method's networks, every pass on its own."""

    def __init__(self, method: DRIT) -> None:
        self.w = method.cfg
        self.nets = {name: copy.deepcopy(getattr(method, name)) for name in NETS if hasattr(method, name)}
        self.adams = {name: self.adam(name, net) for name, net in self.nets.items()}

    def adam(self, name: str, net: nn.Module) -> torch.optim.Adam:
        rate = 1e-4 / 2.5 if name == "D_c" else 1e-4
        kernels, rest = ([p for p in net.parameters() if (p.dim() > 1) == one] for one in (True, False))
        groups = [{"params": kernels, "weight_decay": 1e-4}, {"params": rest, "weight_decay": 0.0}]
        return torch.optim.Adam(groups, lr=rate, betas=(0.5, 0.999))

    def move(self, loss: Tensor, *names: str) -> None:
        for net in self.nets.values():
            net.zero_grad()
        loss.backward()
        for name in names:
            self.adams[name].step()

    def rate(self, share: float) -> None:
        for name, adam in self.adams.items():
            for group in adam.param_groups:
                group["lr"] = share * (1e-4 / 2.5 if name == "D_c" else 1e-4)

    def draw(self, found: Attributes) -> Tensor:
        if found.logvar is None:
            return found.mean
        return found.mean + torch.randn_like(found.mean) * torch.exp(found.logvar / 2)

    def prior(self, found: Attributes) -> Tensor:
        if found.logvar is None:
            return found.mean.pow(2).mean()
        element = found.mean.pow(2) + found.logvar.exp() - 1 - found.logvar
        return 0.5 * element.sum() / len(found.mean)

    def step(self, a: Tensor, b: Tensor) -> None:
        w, n = self.w, len(a) // 2
        (x, other_x), (y, other_y) = (a[:n], a[n:]), (b[:n], b[n:])
        E_c, E_a, G, D_X, D_Y, D2_X, D2_Y = (self.nets[name] for name in NETS[:7])
        c_x, c_y = E_c(x, "a"), E_c(y, "b")
        of_x, of_y = E_a(x, "a"), E_a(y, "b")
        z_x, z_y = self.draw(of_x), self.draw(of_y)
        u, same_x, v, same_y = G(c_y, z_x, "a"), G(c_x, z_x, "a"), G(c_x, z_y, "b"), G(c_y, z_y, "b")
        if w.content:
            D_c = self.nets["D_c"]
            for _ in range(w.content_updates):
                self.move(bce(D_c(c_x.detach()), 0) + bce(D_c(c_y.detach()), 1), "D_c")

        codes = 2 if w.mode_seeking else 1
        z = torch.randn(codes * n, w.style_dim, dtype=a.dtype)
        made_x, made_y = torch.cat([c_y] * codes), torch.cat([c_x] * codes)
        loss = over_maps(D_X(x), 1) + over_maps(D_X(u.detach()), 0)
        loss = loss + over_maps(D_Y(y), 1) + over_maps(D_Y(v.detach()), 0)
        loss = loss + over_maps(D2_X(other_x), 1) + over_maps(D2_X(G(made_x, z, "a").detach()), 0)
        loss = loss + over_maps(D2_Y(other_y), 1) + over_maps(D2_Y(G(made_y, z, "b").detach()), 0)
        self.move(loss, "D_X", "D_Y", "D2_X", "D2_Y")

        of_u, of_v = self.draw(E_a(u, "a")), self.draw(E_a(v, "b"))
        loss = over_maps(D_X(u), 1) + over_maps(D_Y(v), 1)
        loss = loss + w.cycle * nnf.l1_loss(G(E_c(v, "b"), of_u, "a"), x)
        loss = loss + w.cycle * nnf.l1_loss(G(E_c(u, "a"), of_v, "b"), y)
        loss = loss + w.recon * (nnf.l1_loss(same_x, x) + nnf.l1_loss(same_y, y))
        loss = loss + w.prior * (self.prior(of_x) + self.prior(of_y) + c_x.pow(2).mean() + c_y.pow(2).mean())
        if w.content:
            loss = loss + w.content * (bce(D_c(c_x), 0.5) + bce(D_c(c_y), 0.5))
        self.move(loss, "E_c", "E_a", "G")

        c_x, c_y = E_c(x, "a"), E_c(y, "b")
        u, v = G(torch.cat([c_y] * codes), z, "a"), G(torch.cat([c_x] * codes), z, "b")
        loss = codes * (over_maps(D2_X(u), 1) + over_maps(D2_Y(v), 1))
        loss = loss + w.latent * (nnf.l1_loss(E_a(u, "a").mean, z) + nnf.l1_loss(E_a(v, "b").mean, z))
        if w.mode_seeking:
            far = (z[:n] - z[n:]).abs().mean()
            for made in (u, v):
                loss = loss + w.mode_seeking / ((made[:n] - made[n:]).abs().mean() / far + 1e-5)
        self.move(loss, "E_c", "G")


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, 2),
        ({"inject": "features"}, 4),
        ({"mode_seeking": 1.0}, 4),
        ({"content": 0.0, "prior": 0.5, "latent": 3.0}, 2),
        ({"content_updates": 1, "cycle": 3.0, "recon": 7.0}, 2),
    ],
    ids=["drit", "features", "modes", "no-content", "weights"],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any], size: int) -> None:
    config = tiny("drit", {"steps": STEPS, "batch": size}, **options)
    method = cast(DRIT, scramble(build(config)))
    source = source_for(config, dtype=torch.float64)
    engine = trainer(config, tmp_path, method, source)
    before = {name: copy.deepcopy(net) for name, net in method.named_children()}
    hand = ByHand(method)
    for step in range(STEPS):
        hand.rate(1 - max(0, step + 1 - STEPS // 2) / (STEPS - STEPS // 2 + 1))
        batch = cast(Unpaired, source.batch(step))
        seed_step(0, step)
        hand.step(batch.a, batch.b)
    for step in range(STEPS):
        engine.train_step(source.batch(step))
    for name, net in hand.nets.items():
        rows = zip(before[name].parameters(), net.parameters(), getattr(method, name).parameters(), strict=True)
        for start, a, b in rows:
            torch.testing.assert_close(a, b, atol=1e-7, rtol=0, msg=name)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-5, name


@pytest.mark.parametrize("options", [{}, {"inject": "features", "mode_seeking": 1.0}], ids=["drit", "features"])
def test_resume(tmp_path: Path, options: dict[str, Any]) -> None:
    interrupted_equals_whole("drit", tmp_path, **options)


@pytest.mark.parametrize(
    ("inject", "found"), [("concat", (2_688_160, 9_564_710)), ("features", (5_529_872, 17_146_374))]
)
def test_parameter_counts(inject: Any, found: tuple[int, int]) -> None:
    """Those of the authors' networks."""
    with torch.device("meta"):
        method = DRIT(Config(inject=inject))
    assert (count(method.E_a), count(method.G)) == found
    assert (count(method.E_c), count(method.D_c)) == (9_018_112, 10_683_649)
    assert [count(getattr(method, name)) for name in ("D_X", "D_Y", "D2_X", "D2_Y")] == [8_271_171] * 4


def make(size: int = 2, **options: Any) -> tuple[DRIT, Unpaired]:
    config = tiny("drit", **options)
    return cast(DRIT, build(config)), cast(Unpaired, Noise(Unpaired, size=size).batch(0))


def play(method: DRIT, batch: Unpaired) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


def test_values_of_discriminators_that_know_nothing() -> None:
    method, batch = make()
    for name in ("D_X", "D_Y", "D2_X", "D2_Y"):
        for parameter in getattr(method, name).parameters():
            nn.init.zeros_(parameter)
    for parameter in method.D_c.parameters():
        nn.init.zeros_(parameter)
    played = play(method, batch)
    half = pytest.approx(math.log(2), abs=1e-5)
    twice = pytest.approx(2 * math.log(2), abs=1e-5)  # two scales
    assert values(played["D_c"]) == {"content_x": half, "content_y": half}
    assert all(value == twice for value in values(played["D"]).values())
    found = values(played["G"])
    assert (found["gan_x"], found["gan_y"], found["content_x"], found["content_y"]) == (twice, twice, half, half)


def test_weights_of_the_terms() -> None:
    played = play(*make(mode_seeking=2.0))
    assert {t.name: t.weight for t in played["G"].loss.terms} == {
        "gan_x": 1, "gan_y": 1, "cycle_x": 10, "cycle_y": 10, "recon_x": 10, "recon_y": 10,
        "attributes_x": 0.01, "attributes_y": 0.01, "small_x": 0.01, "small_y": 0.01, "content_x": 1, "content_y": 1,
    }  # fmt: skip
    assert {t.name: t.weight for t in played["G_random"].loss.terms} == {
        "gan_x": 2, "gan_y": 2, "latent_x": 10, "latent_y": 10, "modes_x": 2, "modes_y": 2,
    }  # fmt: skip


def test_attributes_do_not_learn_from_random_ones() -> None:
    """Or encoder and generator would agree on hiding them in the image."""
    method, batch = make()
    for objective in method.objectives(batch, Progress(0, 10)):
        if objective.name == "G_random":
            assert method.E_a not in objective.over
            objective.loss.total().backward()  # type: ignore[no-untyped-call]
            assert all(p.grad is None for p in method.E_a.parameters())
            assert any(p.grad is not None and p.grad.any() for p in method.G.parameters())


@torch.no_grad()
def test_a_translation_has_the_content_of_its_input_and_the_attributes_it_is_given() -> None:
    method, batch = make(size=2)
    method = cast(DRIT, scramble(method)).eval()
    x, y = batch.a.double(), batch.b.double()
    style = method.encode_style(y, domain="b")
    out = method.translate(x, to="b", style=style)
    assert torch.equal(out, method.G(method.E_c(x, "a"), method.E_a(y, "b").mean, "b"))
    assert not torch.allclose(out, method.translate(x, to="b", style=style + 1))
    back = method.translate(y, to="a", style=method.encode_style(x, domain="a"))
    assert torch.equal(back, method.G(method.E_c(y, "b"), method.E_a(x, "a").mean, "a"))


def test_small_functions() -> None:
    assert from_prior(Attributes(torch.zeros(2, 3), torch.zeros(2, 3))).item() == 0
    assert from_prior(Attributes(torch.full((2, 3), 2.0), None)).item() == 4
    assert undecided(torch.zeros(2, 1, 3, 3)).item() == pytest.approx(math.log(2))
    z = torch.tensor([[0.0, 0.0], [1.0, 3.0]])
    images = torch.stack([torch.zeros(3, 4, 4), torch.full((3, 4, 4), 2.0)])
    assert alike(images, z).item() == pytest.approx(1 / (1 + 1e-5))
    assert alike(images * 0, z).item() == pytest.approx(1e5)


@pytest.mark.parametrize(
    ("train", "options", "message"),
    [
        ({"batch": 3}, {}, r"batch=3: half of the images.*batch=4"),
        ({}, {"scales": 3}, r"size=32: method.scales=3 needs at least 61 px"),
        ({}, {"content_layers": 1}, r"size=32: method.content_layers=1 needs at least 41 px"),
    ],
)
def test_settings_that_cannot_be(train: dict[str, Any], options: dict[str, Any], message: str) -> None:
    config = tiny("drit", train, **options)
    with pytest.raises(UserError, match=message):
        build(config).check(config)


def test_without_a_discriminator_of_contents_there_is_none() -> None:
    method, batch = make(content=0.0, content_layers=3)
    assert not hasattr(method, "D_c")
    assert "D_c" not in play(method, batch)
    assert method.check(tiny("drit", content=0.0, content_layers=3)) == ""


def test_recipe() -> None:
    cfg = Config()
    assert cfg.optim == Optim(lr=1e-4, betas=(0.5, 0.999), hold=0.5, weight_decay=1e-4)
    assert (cfg.content, cfg.cycle, cfg.recon, cfg.latent, cfg.prior, cfg.mode_seeking) == (1, 10, 10, 10, 0.01, 0)
    method, _ = make()
    assert (method.optim("D_c").lr, method.optim("G").lr) == (pytest.approx(4e-5), 1e-4)
    assert DRIT.presets["plus"].method["mode_seeking"] == 1
