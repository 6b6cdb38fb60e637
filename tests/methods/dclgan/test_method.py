"""DCLGAN and SimDCL as the paper and the authors' code have them."""

import copy
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
from instar.core.schedule import linear
from instar.methods.dclgan import DCLGAN, Config
from instar.networks.resnet import ResnetGenerator
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import Constant, count, scramble, values

STEPS = 4
NETS = ("G", "F", "D_X", "D_Y", "H_X", "H_Y")
SUMMARIES = ("H_xr", "H_xf", "H_yr", "H_yf")
Features = dict[str, Tensor]


def encode(G: ResnetGenerator, x: Tensor, layers: tuple[str, ...]) -> Features:
    found = {}
    for name, layer in G.encoder.named_children():
        x = layer(x)
        if name in layers:
            found[name] = x
    return found


def head(H: nn.Module, name: str, feature: Tensor, ids: Tensor) -> Tensor:
    """Vectors of one layer of one image: (S, 256)."""
    rows = feature[0].permute(1, 2, 0).flatten(0, 1)[ids]
    v = H.get_submodule(f"heads.{name}")(rows)
    return v / (v.pow(2).sum(1, keepdim=True).sqrt() + 1e-7)


def nce(q: Tensor, k: Tensor) -> Tensor:
    logits = (q @ k.detach().T) / 0.07
    return nnf.cross_entropy(logits, torch.arange(len(q)))


class ByHand:
    """The authors' loop on copies of a method's networks, one image a step, every pass on its own."""

    def __init__(self, method: DCLGAN) -> None:
        self.cfg = method.cfg
        self.names = [*NETS, *(SUMMARIES if self.cfg.similarity else ())]
        self.nets = {name: copy.deepcopy(getattr(method, name)) for name in self.names}
        self.adams = {
            name: torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for name, net in self.nets.items()
        }

    def places(self, features: Features) -> Features:
        sides = {name: f.shape[2] * f.shape[3] for name, f in features.items()}
        return {name: torch.randperm(n)[: self.cfg.patches] for name, n in sides.items()}

    def vectors(self, heads: str, features: Features, places: Features) -> Features:
        return {name: head(self.nets[heads], name, features[name], places[name]) for name in features}

    def summary(self, name: str, vectors: Features) -> Tensor:
        conv, _, _, _, first, _, second = self.nets[name].body
        image = torch.stack(list(vectors.values()))[None]
        out = second(first(nnf.conv2d(image, conv.weight, conv.bias, stride=2).relu().mean((2, 3))).relu())
        return out / (out.norm() + 1e-7)

    def move(self, names: list[str], loss: Tensor) -> None:
        for name in self.names:
            self.nets[name].zero_grad()
        loss.backward()
        for name in names:
            self.adams[name].step()

    def step(self, x: Tensor, y: Tensor, at: int) -> None:
        cfg, nets = self.cfg, self.nets
        rate = 2e-4 * (1 - max(0, at + 1 - STEPS // 2) / (STEPS - STEPS // 2 + 1))
        for adam in self.adams.values():
            adam.param_groups[0]["lr"] = rate
        seed_step(0, at)
        G, F, D_X, D_Y = (nets[name] for name in NETS[:4])
        fake_y, fake_x = G(x), F(y)
        loss = torch.zeros(())
        for D, real, fake in ((D_Y, y, fake_y), (D_X, x, fake_x)):
            loss = loss + 0.5 * ((1 - D(real)).relu().mean() + (1 + D(fake.detach())).relu().mean())
        self.move(["D_X", "D_Y"], loss)

        of_x, of_y = encode(G, x, cfg.layers), encode(F, y, cfg.layers)
        at_x, at_y = self.places(of_x), self.places(of_y)
        made_y, made_x = encode(F, fake_y, cfg.layers), encode(G, fake_x, cfg.layers)
        other_x = self.places(made_x) if cfg.similarity else {}
        other_y = self.places(made_y) if cfg.similarity else {}
        key_x, key_y = self.vectors("H_X", of_x, at_x), self.vectors("H_Y", of_y, at_y)
        query_y, query_x = self.vectors("H_Y", made_y, at_x), self.vectors("H_X", made_x, at_y)
        nce_x = sum(nce(query_y[name], key_x[name]) for name in cfg.layers) / len(cfg.layers)
        nce_y = sum(nce(query_x[name], key_y[name]) for name in cfg.layers) / len(cfg.layers)
        loss = -(D_Y(fake_y).mean() + D_X(fake_x).mean()) / 2 + cfg.nce * (nce_x + nce_y) / 2
        loss = loss + cfg.identity * ((G(y) - y).abs().mean() + (F(x) - x).abs().mean()) / 2
        if cfg.similarity:
            fakes_x, fakes_y = self.vectors("H_X", made_x, other_x), self.vectors("H_Y", made_y, other_y)
            far = (self.summary("H_xr", key_x) - self.summary("H_xf", fakes_x)).abs().mean()
            far = far + (self.summary("H_yr", key_y) - self.summary("H_yf", fakes_y)).abs().mean()
            loss = loss + cfg.similarity * far
        self.move([name for name in self.names if name not in ("D_X", "D_Y")], loss)


@pytest.mark.parametrize(
    "options",
    [{}, {"identity": 0.0, "nce": 0.5}, {"similarity": 10.0, "nce": 1.0}, {"skip": True, "antialias": False}],
    ids=["dclgan", "no-identity", "simdcl", "skip"],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any]) -> None:
    config = tiny("dclgan", {"steps": STEPS}, **options)
    method = cast(DCLGAN, scramble(build(config)))
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    hand = ByHand(method)
    before = copy.deepcopy(hand.nets)
    for step in range(STEPS):
        batch = source.batch(step)
        hand.step(batch.a, batch.b, step)
        play.train_step(batch)
    for name, net in hand.nets.items():
        theirs = getattr(method, name).parameters()
        for start, a, b in zip(before[name].parameters(), net.parameters(), theirs, strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=0)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-4


@pytest.mark.parametrize("options", [{}, {"similarity": 10.0}], ids=["dclgan", "simdcl"])
def test_resume(tmp_path: Path, options: dict[str, Any]) -> None:
    interrupted_equals_whole("dclgan", tmp_path, **options)


def test_parameter_counts() -> None:
    with torch.device("meta"):
        method, sim = DCLGAN(Config()), DCLGAN(Config(similarity=10.0))
    assert count(method.G) == count(method.F) == 11_378_179
    assert count(method.D_X) == count(method.D_Y) == 2_764_737
    assert count(method.H_X) == count(method.H_Y) == 493_568
    assert count(method) == 29_272_968
    assert count(sim) - count(method) == 4 * 10_688


@pytest.fixture
def batch() -> Unpaired:
    return cast(Unpaired, Noise(Unpaired).batch(0))


def make(**options: Any) -> DCLGAN:
    return cast(DCLGAN, build(tiny("dclgan", **options)))


def play(method: DCLGAN, batch: Unpaired) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


@pytest.mark.parametrize(("says", "d", "g"), [(0.0, 1.0, 0.0), (1.0, 1.0, -1.0), (-2.0, 1.5, 2.0)])
def test_adversarial_values(batch: Unpaired, says: float, d: float, g: float) -> None:
    """Hinge: at 0 both sides cost 1, at 1 the fakes alone cost 2, at -2 the real ones alone 3."""
    method = make()
    method.D_X = method.D_Y = Constant(says)
    played = play(method, batch)
    assert played["D"].loss.total().item() == pytest.approx(2 * d)  # of two discriminators
    assert values(played["G"])["gan_g"] == values(played["G"])["gan_f"] == pytest.approx(g)


@pytest.mark.parametrize(("options", "passes"), [({}, [2, 1]), ({"identity": 0.0}, [1, 1])])
def test_images_through_the_encoders(batch: Unpaired, options: dict[str, Any], passes: list[int]) -> None:
    """Each encoder sees its inputs once, on the way to the fakes, and the fakes of its domain once."""
    method = make(**options)
    for net in (method.G, method.F):
        sizes: list[int] = []
        net.encoder.stem.register_forward_pre_hook(lambda _, args, to=sizes: to.append(len(args[0])))
        play(method, batch)
        assert sizes == passes


def test_contrasts_move_the_heads_of_the_target_alone(batch: Unpaired) -> None:
    """Keys get no gradient: the contrast with x trains H_Y, the encoder of F and G; SimDCL's summaries train both."""
    method = make(similarity=1.0)
    terms = {t.name: t.value for t in play(method, batch)["G"].loss.terms}

    def reached(name: str) -> set[str]:
        method.zero_grad(set_to_none=True)
        terms[name].backward(retain_graph=True)
        return {part for part, net in method.named_children() if any(p.grad is not None for p in net.parameters())}

    assert reached("nce_x") == {"G", "F", "H_Y"}
    assert reached("nce_y") == {"G", "F", "H_X"}
    assert reached("similarity_x") == {"G", "F", "H_X", "H_xr", "H_xf"}
    assert reached("similarity_y") == {"G", "F", "H_Y", "H_yr", "H_yf"}
    assert reached("identity_y") == {"G"}


def test_a_batch_is_the_mean_of_its_images() -> None:
    method = make(patches=10**6)
    both = Noise(Unpaired, size=2).batch(0)
    found = [values(play(method, cast(Unpaired, both))["G"])]
    for i in range(2):
        found.append(values(play(method, Unpaired(both.a[i : i + 1], both.b[i : i + 1]))["G"]))
    for name in found[0]:
        assert found[0][name] == pytest.approx((found[1][name] + found[2][name]) / 2, rel=1e-4)


def test_directions(batch: Unpaired) -> None:
    method = make()
    assert torch.equal(method.translate(batch.a, to="b"), method.G(batch.a))
    assert torch.equal(method.translate(batch.b, to="a"), method.F(batch.b))


def test_recipe() -> None:
    cfg = Config()
    assert (cfg.nce, cfg.identity, cfg.similarity, cfg.patches) == (2, 1, 0, 256)
    assert cfg.optim == Optim(lr=2e-4, betas=(0.5, 0.999), hold=0.5)
    assert linear(Progress(399, 400), cfg.optim.hold) == pytest.approx(1 / 201)
    for preset in ("paper", "simdcl"):
        assert DCLGAN.presets[preset].train["steps"] == 400 * 1334


def test_what_does_not_go() -> None:
    with pytest.raises(UserError, match=r"method\.layers: with method\.blocks=4 there is no 'block5' in pixels, stem"):
        DCLGAN(Config(blocks=4, width=2))
    with pytest.raises(UserError, match=r"method\.patches=2: method\.similarity summarises at least 3 places"):
        Config(similarity=10.0, patches=2)
