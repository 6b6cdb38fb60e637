"""StegoGAN as its paper and the authors' code have it."""

import copy
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.batch import Unpaired
from instar.core.errors import UserError
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.methods.stegogan import Config, StegoGAN
from instar.methods.stegogan.method import amount, outside
from instar.testing.runs import Noise, build, interrupted_equals_whole, tiny
from methods.parts import Constant, count, scramble, steps_equal, values

STEPS = 4
NETS = ("G", "F", "D_X", "D_Y")


def separated(F: nn.Module, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    features = F.first(y)  # type: ignore[operator]
    kept = torch.sigmoid(F.matchability(features))  # type: ignore[operator]
    image = F.second(features * kept).tanh()  # type: ignore[operator]
    return image, features * (1 - kept), nnf.interpolate((1 - kept).amax(1, True), scale_factor=4, mode="bilinear")


def by_hand(method: StegoGAN, source: Noise, w: Config) -> list[nn.Module]:
    """The authors' loop, with the pools off."""
    G, F, D_X, D_Y = nets = [copy.deepcopy(getattr(method, name)) for name in NETS]
    adams = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in nets]
    for step in range(STEPS):
        for adam in adams:
            adam.param_groups[0]["lr"] = 2e-4 * (1 - max(0, step + 1 - STEPS // 2) / (STEPS - STEPS // 2 + 1))
        x, y = source.batch(step).a, source.batch(step).b
        seed_step(0, step)
        fake_x, u, m_y = separated(F, y)
        fake_y = G(x, u.detach())
        back_x, _, m_fake = separated(F, fake_y)
        back_y = G(fake_x + 0.01 * torch.randn_like(fake_x), u)
        loss = ((D_Y(fake_y) - 1) ** 2).mean() + ((D_X(fake_x) - 1) ** 2).mean()
        loss = loss + w.cycle_x * (back_x - x).abs().mean() + w.cycle_y * (back_y - y).abs().mean()
        loss = loss + w.identity * w.cycle_x * (F(x) - x).abs().mean()
        loss = loss + w.identity * w.cycle_y * (G(y) - y).abs().mean()
        small_y, small_fake = (1 - torch.sigmoid(F.matchability(F.first(image))) for image in (y, fake_y))
        for mask in (small_y, small_fake):
            loss = loss + w.mask * ((mask.amax(1) + 1e-10) ** 0.5).mean()
        loss = loss + w.clean * nnf.l1_loss(G(fake_x) * (1 - m_y), y * (1 - m_y))
        loss = loss + w.clean * nnf.l1_loss(G(x) * (1 - m_fake), fake_y * (1 - m_fake))
        for net in nets:
            net.zero_grad()
        loss.backward()
        adams[0].step()
        adams[1].step()
        loss = torch.zeros(())
        for D, real, fake in ((D_Y, y, fake_y), (D_X, x, fake_x)):
            loss = loss + 0.5 * ((D(real) - 1) ** 2).mean() + 0.5 * (D(fake.detach()) ** 2).mean()
        for net in nets:
            net.zero_grad()
        loss.backward()
        adams[2].step()
        adams[3].step()
    return nets


@pytest.mark.parametrize(
    ("options", "size"),
    [({}, 1), ({"identity": 0.0, "mask": 1.0}, 2), ({"split": 2, "clean": 7.0, "cycle_x": 1.0}, 1)],
    ids=["stegogan", "no-identity", "split"],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any], size: int) -> None:
    config = tiny("stegogan", {"steps": STEPS, "batch": size}, pool=0, **options)
    steps_equal(config, tmp_path, NETS, by_hand)


def test_resume(tmp_path: Path) -> None:
    interrupted_equals_whole("stegogan", tmp_path, skip=True, pool=2)


def test_parameter_counts() -> None:
    with torch.device("meta"):
        method = StegoGAN(Config())
    assert [count(getattr(method, name)) for name in NETS] == [12_558_339, 13_148_419, 2_764_737, 2_764_737]


@pytest.fixture
def batch() -> Unpaired:
    return cast(Unpaired, Noise(Unpaired).batch(0))


def play(method: StegoGAN, batch: Unpaired) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


@pytest.mark.parametrize(("says", "d", "g"), [(0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (0.5, 0.5, 0.25)])
def test_adversarial_values(batch: Unpaired, says: float, d: float, g: float) -> None:
    method = cast(StegoGAN, build(tiny("stegogan")))
    method.D_X = method.D_Y = Constant(says)  # type: ignore[assignment]
    played = play(method, batch)
    assert played["D"].loss.total().item() == pytest.approx(d)
    found = values(played["G"])
    assert (found["gan_g"], found["gan_f"]) == pytest.approx((g, g))


def test_weights_of_the_terms(batch: Unpaired) -> None:
    played = play(cast(StegoGAN, build(tiny("stegogan"))), batch)
    assert {t.name: t.weight for t in played["G"].loss.terms} == {
        "gan_g": 1, "gan_f": 1, "cycle_x": 10, "cycle_y": 10, "identity_x": 5, "identity_y": 5,
        "mask_y": 0.2, "mask_fake": 0.2, "clean_y": 3, "clean_fake": 3,
    }  # fmt: skip


def test_the_discriminator_sees_what_was_put_in_and_users_do_not(batch: Unpaired) -> None:
    method = cast(StegoGAN, scramble(build(tiny("stegogan"))))
    x, y = batch.a.double(), batch.b.double()
    seen: list[Tensor] = []
    method.D_Y.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    play(method, Unpaired(x, y))
    with torch.no_grad():
        removed = method.F.separate(y).removed
        torch.testing.assert_close(seen[0], method.G(x, removed))
        assert torch.equal(method.translate(x), method.G(x))
    assert not torch.allclose(seen[0], method.translate(x))


def test_what_is_put_in_teaches_F_by_the_cycle_of_y_alone(batch: Unpaired) -> None:
    """D_Y, and the cycle of x, could be served by taking more out."""
    method = cast(StegoGAN, scramble(build(tiny("stegogan"))))
    rounds = method.objectives(Unpaired(batch.a.double(), batch.b.double()), Progress(0, 10))
    terms = {t.name: t.value for t in next(rounds).loss.terms}
    weight = method.F.matchability[-1].weight
    (through_gan,) = torch.autograd.grad(terms["gan_g"], weight, retain_graph=True, allow_unused=True)
    (through_cycle,) = torch.autograd.grad(terms["cycle_y"], weight, retain_graph=True)
    assert through_gan is None
    assert through_cycle.abs().max() > 0


def test_small_functions() -> None:
    mask = torch.zeros(1, 1, 2, 2)
    assert amount(mask).item() == pytest.approx(1e-5)
    assert amount(torch.full((1, 1, 2, 2), 0.25)).item() == pytest.approx(0.5)
    one, other = torch.ones(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    assert outside(mask, one, other).item() == 1
    assert outside(mask + 1, one, other).item() == 0
    assert outside(mask + 0.25, one, other).item() == pytest.approx(0.75)


def test_settings_that_cannot_be() -> None:
    with pytest.raises(UserError, match=r"method.split=8: there are no more residual blocks than .*blocks=6"):
        Config(blocks=6)
