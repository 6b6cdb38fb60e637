"""UNSB as its paper and the authors' code have it."""

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
from instar.core.seed import generator
from instar.methods.unsb import UNSB, Config
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import count, scramble, values

STEPS = 4
NETS = ("G", "D", "E", "H")
LAYERS = ("pixels", "down1", "down2", "block1")
Features = dict[str, Tensor]


def vectors(H: nn.Module, name: str, feature: Tensor, ids: Tensor) -> Tensor:
    v = H.get_submodule(f"heads.{name}")(feature.permute(1, 2, 0).flatten(0, 1)[ids])
    return v / (v.norm(dim=1, keepdim=True) + 1e-7)


def walk(G: nn.Module, state: Tensor, t: int, tau: float) -> Tensor:
    times = [0.0, 0.5, 0.5 + 0.5 / 1.5, 1.0]
    for i in range(t):
        with torch.no_grad():
            end = G(state, torch.full((len(state),), i), torch.randn(len(state), 16, dtype=torch.float64))
        delta, left = times[i + 1] - times[i], 1 - times[i]
        noise = (delta * (1 - delta / left) * tau) ** 0.5 * torch.randn_like(state)
        state = (1 - delta / left) * state + delta / left * end + noise
    return state


def energy(E: nn.Module, xt: Tensor, made: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    pair = torch.cat([xt, made], 1)
    other = torch.stack([pair[i - 1] for i in range(len(pair))])
    return E(torch.cat([pair, pair], 1), at).mean(), E(torch.cat([pair, other], 1), at).exp().sum().log()


def contrast(H: nn.Module, made: Features, given: Features, w: Config, n: int) -> Tensor:
    places = {name: torch.randperm(f.shape[2] * f.shape[3])[: w.patches] for name, f in made.items()}
    total = torch.zeros(())
    for name in LAYERS:
        for i in range(len(made[name])):
            q, k = (vectors(H, name, f[name][i], places[name]) for f in (made, given))
            nce = nnf.cross_entropy(q @ k.detach().T / 0.07, torch.arange(len(q)))
            total = total + (w.nce_x if i < n else w.nce_y) * nce / n / len(LAYERS)
    return total / (2 if w.nce_y else 1)


def by_hand(method: UNSB, source: Noise, w: Config) -> dict[str, nn.Module]:
    """The authors' loop; images of a batch one after the other where that makes no difference."""
    nets = {name: copy.deepcopy(getattr(method, name)) for name in NETS if hasattr(method, name)}
    adams = {name: torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for name, net in nets.items()}
    G, D = nets["G"], nets["D"]

    def move(loss: Tensor, *names: str) -> None:
        for net in nets.values():
            net.zero_grad()
        loss.backward()
        for name in names:
            adams[name].step()

    for step in range(STEPS):
        for adam in adams.values():
            adam.param_groups[0]["lr"] = 2e-4 * (1 - max(0, step + 1 - STEPS // 2) / (STEPS - STEPS // 2 + 1))
        x, y = source.batch(step).a, source.batch(step).b
        seed_step(0, step)
        t, n = int(torch.randint(3, ())), len(x)
        images = torch.cat([x, y]) if w.nce_y else x
        at, start, all_at = torch.full((n,), t), torch.zeros(len(images)), torch.full((len(images),), t)
        states = walk(G, images, t, w.tau)
        out = G(states, all_at, torch.randn(len(images), 16, dtype=torch.float64))
        xt, fake = states[:n], out[:n]
        move(0.5 * ((D(y, at) - 1) ** 2).mean() + 0.5 * (D(fake.detach(), at) ** 2).mean(), "D")
        if w.bridge:
            own, total = energy(nets["E"], xt, fake.detach(), at)
            move(-own + total + total**2, "E")
        z = torch.randn(len(images), 16, dtype=torch.float64)
        made, given = G.encode(out, start, z, LAYERS), G.encode(images, start, z, LAYERS)
        loss = ((D(fake, at) - 1) ** 2).mean() + contrast(nets["H"], made, given, w, n)
        if w.bridge:
            own, total = energy(nets["E"], xt, fake, at)
            loss = loss + w.bridge * (w.tau * ((xt - fake) ** 2).mean() - (3 - t) / 3 * w.tau * (own - total))
        move(loss, "G", "H")
    return nets


@pytest.mark.parametrize(
    "options",
    [{}, {"nce_y": 0.0, "nce_x": 2.0}, {"bridge": 0.0}, {"skip": True, "tau": 0.1, "bridge": 3.0}],
    ids=["unsb", "no-identity", "no-bridge", "skip"],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any]) -> None:
    config = tiny("unsb", {"steps": STEPS, "batch": 3}, **options)
    method = cast(UNSB, scramble(build(config)))
    source = source_for(config, dtype=torch.float64)
    engine = trainer(config, tmp_path, method, source)
    before = {name: copy.deepcopy(getattr(method, name)) for name in NETS if hasattr(method, name)}
    expected = by_hand(method, source, config.method)  # type: ignore[arg-type]
    for step in range(STEPS):
        engine.train_step(source.batch(step))
    assert before.keys() == expected.keys()
    for name, hand in expected.items():
        net = getattr(method, name)
        for a, b in zip(hand.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-7, rtol=0, msg=name)
        assert any((a - b).abs().max() > 1e-4 for a, b in zip(net.parameters(), before[name].parameters(), strict=True))


def test_resume(tmp_path: Path) -> None:
    interrupted_equals_whole("unsb", tmp_path, skip=True)


def test_parameter_counts() -> None:
    with torch.device("meta"):
        method = UNSB(Config())
    assert [count(getattr(method, name)) for name in NETS] == [13_500_163, 3_143_041, 3_152_257, 560_384]


@pytest.fixture
def batch() -> Unpaired:
    return cast(Unpaired, Noise(Unpaired, size=2).batch(0))


def make(**options: Any) -> UNSB:
    return cast(UNSB, build(tiny("unsb", **options)))


def play(method: UNSB, batch: Unpaired) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


class Says(nn.Module):
    """A network that says the same of everything."""

    def __init__(self, says: float) -> None:
        super().__init__()
        self.says = says

    def forward(self, x: Tensor, number: Tensor) -> Tensor:
        return torch.full((len(x), 1, 2, 3), self.says)


@pytest.mark.parametrize(("says", "d", "g"), [(0.0, 0.5, 1.0), (1.0, 0.5, 0.0), (0.5, 0.25, 0.25)])
def test_adversarial_values(batch: Unpaired, says: float, d: float, g: float) -> None:
    method = make()
    method.D = Says(says)  # type: ignore[assignment]
    played = play(method, batch)
    assert played["D"].loss.total().item() == pytest.approx(d)
    assert values(played["G"])["gan"] == pytest.approx(g)


def test_an_energy_that_tells_no_pairs_apart_is_the_logarithm_of_their_number(batch: Unpaired) -> None:
    method = make()
    method.E = Says(0.0)  # type: ignore[assignment]
    total = torch.tensor(12.0).log().item()  # two images, six places each
    assert values(play(method, batch)["E"]) == pytest.approx({"energy": total, "square": total**2})


@pytest.mark.parametrize(("number", "left"), [(0, 1.0), (1, 2 / 3), (2, 1 / 3)])
def test_weights_of_the_bridge(monkeypatch: pytest.MonkeyPatch, batch: Unpaired, number: int, left: float) -> None:
    method = make(bridge=2.0, tau=0.1)
    monkeypatch.setattr(torch, "randint", lambda *_: torch.tensor(number))
    weights = {t.name: t.weight for t in play(method, batch)["G"].loss.terms}
    assert weights == pytest.approx({"gan": 1, "path": 0.2, "energy": 0.2 * left, "nce_x": 0.5, "nce_y": 0.5})


def test_the_contrast_compares_with_the_image_not_with_its_state(batch: Unpaired) -> None:
    """A generator that undoes nothing of the noise has its patches compared with those of x itself."""
    seen: list[Tensor] = []
    method = make()
    encode = method.G.encode
    method.G.encode = lambda x, *rest: (seen.append(x.detach()), encode(x, *rest))[1]  # type: ignore[method-assign]
    play(method, batch)
    assert torch.equal(seen[1], torch.cat([batch.a, batch.b]))
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("evaluations", [1, 2, 3])
def test_translations(batch: Unpaired, evaluations: int) -> None:
    drawn = scramble(make(evaluations=evaluations))
    fixed = scramble(make(evaluations=evaluations, test_noise=False))
    x = batch.a.double()
    with torch.no_grad():
        first, second = (drawn.translate(x, generator=generator(seed)) for seed in (0, 1))
        assert not torch.allclose(first, second)
        assert torch.equal(fixed.translate(x), fixed.translate(x))
    assert (drawn.stochastic, fixed.stochastic) == (True, False)


def test_translating_walks_the_path(batch: Unpaired) -> None:
    """Three passes, with the mean of the two bridges between."""
    method = scramble(make(test_noise=False))
    assert isinstance(method, UNSB)
    x, ones = batch.a.double(), torch.ones(2, 16, dtype=torch.float64)

    def end(state: Tensor, number: int) -> Tensor:
        return method.G(state, torch.full((2,), number), ones)

    with torch.no_grad():
        one = 0.5 * x + 0.5 * end(x, 0)
        share = (0.5 / 1.5) / 0.5
        two = (1 - share) * one + share * end(one, 1)
        torch.testing.assert_close(method.translate(x), end(two, 2))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"intervals": 3, "evaluations": 4}, "method.evaluations=4: there are no more strides along the path"),
        ({"width": 9}, "method.width=9: take an even number"),
        ({"intervals": 1}, "method.intervals must be between 2 and 1000"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Config(**options)


def test_what_cannot_be_trained() -> None:
    with pytest.raises(UserError, match=r"batch=1: the energy compares at least 2 images per device; take .*batch=2"):
        make().check(tiny("unsb", {"batch": 1}))
    assert make(bridge=0.0).check(tiny("unsb", {"batch": 1}, bridge=0.0)) == ""
    with pytest.raises(UserError, match=r"there is no 'block5' in pixels"):
        make(layers=("block5",))


def test_recipe() -> None:
    cfg = Config()
    assert (cfg.intervals, cfg.evaluations, cfg.tau, cfg.bridge, cfg.nce_x, cfg.nce_y) == (5, 5, 0.01, 1, 1, 1)
    assert cfg.optim == Optim(lr=2e-4, betas=(0.5, 0.999), hold=0.5)
    assert UNSB.presets["paper"].train["steps"] * 2 == 400 * 1334
