"""SANTA as the authors' code has it."""

import copy
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn

from instar.core.batch import Unpaired
from instar.core.config import Optim
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.methods.santa import SANTA, Config
from instar.methods.santa.networks import PathGenerator
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import Constant, count, scramble, values

STEPS = 4


def energy(G: PathGenerator, latent: Tensor) -> Tensor:
    """The authors' path loss, for one image."""
    centre, drawn = float(torch.rand(1)), float(torch.rand(1))
    half = 0.05 + 0.05 * drawn
    d1, d2 = min(centre + half, 1.0), max(centre - half, 0.0)
    total = torch.zeros(())
    ahead, behind = (G.trace(latent, torch.tensor([d], dtype=latent.dtype)) for d in (d1, d2))
    for a, b in zip(ahead, behind, strict=True):
        total = total + (((a - b) / max(d1 - d2, 0.1)) ** 2).mean()
    return total / len(ahead)


def by_hand(method: SANTA, source: Noise, options: dict[str, Any]) -> list[nn.Module]:
    """The authors' loop, one image a step, every pass on its own."""
    G, D = nets = [copy.deepcopy(net) for net in (method.G, method.D)]
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in nets)
    zero, one = (torch.tensor([d], dtype=torch.float64) for d in (0.0, 1.0))
    for step in range(STEPS):
        rate = 2e-4 * (1 - max(0, step + 1 - STEPS // 2) / (STEPS - STEPS // 2 + 1))
        for adam in (adam_g, adam_d):
            adam.param_groups[0]["lr"] = rate
        x, y = source.batch(step).a, source.batch(step).b
        seed_step(0, step)
        mu_x, mu_y = G.encoder(x), G.encoder(y)
        noise = torch.randn(2, *mu_x.shape[1:], dtype=torch.float64)
        of_x, of_y = mu_x + noise[:1], mu_y + noise[1:]
        fake = G.decode(of_x, one, x)
        adam_d.zero_grad()
        (0.5 * (((D(y) - 1) ** 2).mean() + (D(fake.detach()) ** 2).mean())).backward()
        adam_d.step()
        loss = ((D(fake) - 1) ** 2).mean()
        loss = loss + options.get("reconstruct", 5.0) * (G.decode(of_x, zero, x) - x).abs().mean()
        loss = loss + options.get("identity", 5.0) * (G.decode(of_y, one, y) - y).abs().mean()
        loss = loss + 0.01 * ((mu_x**2).mean() + (mu_y**2).mean()) / 2
        weight = options.get("path", 0.01)
        loss = loss + (weight * energy(G, of_x) if weight else 0)
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
    return nets


@pytest.mark.parametrize(
    "options",
    [{}, {"path": 0.1, "blocks": 5}, {"path": 0.0}, {"skip": True, "identity": 0.5, "reconstruct": 1.0}],
    ids=["santa", "path", "no-path", "skip"],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any]) -> None:
    config = tiny("santa", {"steps": STEPS}, **options)
    method = cast(SANTA, scramble(build(config)))
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    before = [copy.deepcopy(net) for net in (method.G, method.D)]
    expected = by_hand(method, source, options)
    for step in range(STEPS):
        play.train_step(source.batch(step))
    for old, hand, net in zip(before, expected, (method.G, method.D), strict=True):
        for start, a, b in zip(old.parameters(), hand.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-8, rtol=0)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-4


def test_resume(tmp_path: Path) -> None:
    interrupted_equals_whole("santa", tmp_path, path=0.1)


def test_parameter_counts() -> None:
    with torch.device("meta"):
        method = SANTA(Config())
    assert (count(method.G), count(method.D)) == (11_427_731, 2_764_737)
    assert count(method) == 14_192_468


@pytest.fixture
def batch() -> Unpaired:
    return cast(Unpaired, Noise(Unpaired).batch(0))


def make(**options: Any) -> SANTA:
    return cast(SANTA, build(tiny("santa", **options)))


def play(method: SANTA, batch: Unpaired) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


@pytest.mark.parametrize(("says", "d", "g"), [(0.0, 0.5, 1.0), (1.0, 0.5, 0.0), (0.5, 0.25, 0.25)])
def test_adversarial_values(batch: Unpaired, says: float, d: float, g: float) -> None:
    method = make()
    method.D = Constant(says)
    played = play(method, batch)
    assert played["D"].loss.total().item() == pytest.approx(d)
    assert values(played["G"])["gan"] == pytest.approx(g)


def test_a_path_of_one_picture_has_no_length() -> None:
    method = make()
    method.G.ends.data[1] = method.G.ends.data[0]
    assert method.path_energy(torch.randn(2, 16, 8, 8)).item() == 0


@pytest.mark.parametrize("draws", [(0.5, 0.5), (0.99, 0.2), (0.0, 1.0), (0.001, 0.0)])
def test_the_energy_of_a_straight_line(monkeypatch: pytest.MonkeyPatch, draws: tuple[float, float]) -> None:
    """Features 3 d have a derivative of 3 wherever the two places are 0.1 or more apart; less, if cut off closer."""
    method = make()
    monkeypatch.setattr(method.G, "trace", lambda _, place: [3 * place[:, None, None, None].expand(-1, 2, 4, 4)] * 5)
    left = list(draws)
    monkeypatch.setattr(torch, "rand", lambda n: torch.full((n,), left.pop(0)))
    centre, half = draws[0], 0.05 + 0.05 * draws[1]
    apart = min(centre + half, 1) - max(centre - half, 0)
    found = method.path_energy(torch.zeros(2, 3, 4, 4)).item()
    assert found == pytest.approx((3 * apart / max(apart, 0.1)) ** 2, rel=1e-4)


def test_a_batch_has_places_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its energy is the mean of those of its images at their places."""
    method = scramble(make())
    assert isinstance(method, SANTA)
    latent, draws = torch.randn(2, 16, 8, 8, dtype=torch.float64), [[0.2, 0.7], [0.1, 0.9]]
    kept: list[Tensor] = []
    monkeypatch.setattr(torch, "rand", lambda n: kept.pop(0))
    kept += [torch.tensor(d) for d in draws]
    together = method.path_energy(latent)
    alone = []
    for i in range(2):
        kept += [torch.tensor([d[i]]) for d in draws]
        alone.append(method.path_energy(latent[i : i + 1]))
    torch.testing.assert_close(together, torch.stack(alone).mean())


def test_translations_have_no_noise(batch: Unpaired) -> None:
    method = make()
    expected = method.G.decode(method.G.encoder(batch.a), torch.ones(1), batch.a)
    assert torch.equal(method.translate(batch.a), expected)


def test_recipe() -> None:
    cfg = Config()
    assert (cfg.path, cfg.reconstruct, cfg.identity) == (0.01, 5, 5)
    assert cfg.optim == Optim(lr=2e-4, betas=(0.5, 0.999), hold=0.5)
    assert SANTA.presets["paper"].train["steps"] == 400 * 1334
