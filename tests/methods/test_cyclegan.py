"""CycleGAN as its paper and the authors' code have it."""

import copy
from pathlib import Path

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn
from torch.nn.functional import softplus

from instar.core.batch import Unpaired
from instar.core.config import Optim
from instar.core.errors import UserError
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.schedule import linear
from instar.methods.cyclegan import Config, CycleGAN
from instar.networks.light import augment
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import Constant, Shift, count, scramble, values

STEPS = 6


class Pool:
    """The authors' ImagePool as a list."""

    def __init__(self, size: int) -> None:
        self.size, self.images = size, []

    def query(self, images: Tensor) -> Tensor:
        out = []
        for image in images.detach():
            if self.size == 0:
                out.append(image)
            elif len(self.images) < self.size:
                self.images.append(image.clone())
                out.append(image)
            elif torch.rand(()) < 0.5:
                out.append(image)
            else:
                i = int(torch.randint(self.size, ()))
                out.append(self.images[i].clone())
                self.images[i] = image.clone()
        return torch.stack(out)


def by_hand(method: CycleGAN, source: Noise, lambda_identity: float, pool: int) -> list[nn.Module]:
    """The authors' loop: one Adam for both generators, one for both discriminators, D frozen while G moves."""
    nets = [copy.deepcopy(net) for net in (method.G, method.F, method.D_X, method.D_Y)]
    G, F, D_X, D_Y = nets
    generators = [*G.parameters(), *F.parameters()]
    discriminators = [*D_X.parameters(), *D_Y.parameters()]
    adam_g = torch.optim.Adam(generators, lr=2e-4, betas=(0.5, 0.999))
    adam_d = torch.optim.Adam(discriminators, lr=2e-4, betas=(0.5, 0.999))
    pool_x, pool_y = Pool(pool), Pool(pool)
    constant = STEPS // 2
    for epoch in range(1, STEPS + 1):
        rate = 2e-4 * (1 - max(0, epoch - constant) / (STEPS - constant + 1))
        for group in (*adam_g.param_groups, *adam_d.param_groups):
            group["lr"] = rate
        batch = source.batch(epoch - 1)
        x, y = batch.a, batch.b
        seed_step(0, epoch - 1)

        for p in discriminators:
            p.requires_grad_(False)
        fake_y, fake_x = G(x), F(y)
        loss = ((D_Y(fake_y) - 1) ** 2).mean() + ((D_X(fake_x) - 1) ** 2).mean()
        loss = loss + 10 * (F(fake_y) - x).abs().mean() + 10 * (G(fake_x) - y).abs().mean()
        loss = loss + lambda_identity * 10 * ((F(x) - x).abs().mean() + (G(y) - y).abs().mean())
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()

        for p in discriminators:
            p.requires_grad_(True)
        adam_d.zero_grad()
        for D, real, old in ((D_Y, y, pool_y.query(fake_y)), (D_X, x, pool_x.query(fake_x))):
            (0.5 * (((D(real) - 1) ** 2).mean() + (D(old) ** 2).mean())).backward()
        adam_d.step()
    return nets


@pytest.mark.parametrize(
    ("identity", "pool", "size", "antialias"), [(0.5, 2, 1, False), (0.0, 50, 1, True), (0.5, 0, 2, False)]
)
def test_steps_equal_a_hand_written_loop(
    tmp_path: Path, identity: float, pool: int, size: int, antialias: bool
) -> None:
    config = tiny("cyclegan", {"steps": STEPS, "batch": size}, identity=identity, pool=pool, antialias=antialias)
    method = scramble(build(config))
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    before = [copy.deepcopy(net) for net in (method.G, method.F, method.D_X, method.D_Y)]
    expected = by_hand(method, source, identity, pool)
    for step in range(STEPS):
        play.train_step(source.batch(step))
    for old, hand, net in zip(before, expected, (method.G, method.F, method.D_X, method.D_Y), strict=True):
        for start, a, b in zip(old.parameters(), hand.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=0)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-4


@pytest.mark.parametrize("pool", [0, 2])
def test_resume_with_a_pool_in_use(tmp_path: Path, pool: int) -> None:
    interrupted_equals_whole("cyclegan", tmp_path, pool=pool)


def test_parameter_counts() -> None:
    with torch.device("meta"):
        method = CycleGAN(Config())
        blurred = CycleGAN(Config(antialias=True))
        small = CycleGAN(Config(blocks=6))
    assert count(method.G) == count(method.F) == count(blurred.G) == 11_378_179
    assert count(small.G) == 7_837_699
    assert count(method.D_X) == count(method.D_Y) == count(blurred.D_X) == 2_764_737
    assert count(method) == 28_285_832


@pytest.fixture
def method() -> CycleGAN:
    return build(tiny("cyclegan", pool=0))  # type: ignore[return-value]


@pytest.fixture
def batch() -> Unpaired:
    return Noise(Unpaired).batch(0)  # type: ignore[return-value]


def play(method: CycleGAN, batch: Unpaired) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


@pytest.mark.parametrize(("says", "d", "g"), [(0.0, 0.5, 1.0), (1.0, 0.5, 0.0), (0.5, 0.25, 0.25)])
def test_adversarial_values(method: CycleGAN, batch: Unpaired, says: float, d: float, g: float) -> None:
    method.D_X = method.D_Y = Constant(says)
    played = play(method, batch)
    assert played["D"].loss.total().item() == pytest.approx(2 * d)  # of two discriminators
    assert values(played["G"])["gan_g"] == values(played["G"])["gan_f"] == pytest.approx(g)


def test_identity_maps_make_no_cycle_loss(method: CycleGAN, batch: Unpaired) -> None:
    method.G = method.F = nn.Identity()
    found = values(play(method, batch)["G"])
    assert [found[name] for name in ("cycle_x", "cycle_y", "identity_x", "identity_y")] == [0, 0, 0, 0]


def test_weights_of_the_terms(method: CycleGAN, batch: Unpaired) -> None:
    """A round trip that is off by 1 everywhere costs 10 for each cycle and 5 for each identity."""
    method.G, method.F = nn.Identity(), Shift(1.0)
    terms = {t.name: t for t in play(method, batch)["G"].loss.terms}
    weighted = {name: t.weight * t.value.item() for name, t in terms.items()}
    assert weighted["cycle_x"] == pytest.approx(10)
    assert weighted["cycle_y"] == pytest.approx(10)
    assert weighted["identity_x"] == pytest.approx(5)
    assert weighted["identity_y"] == 0


def test_discriminators_judge_their_domains(method: CycleGAN, batch: Unpaired) -> None:
    """D_Y sees y and G(x), D_X sees x and F(y): the real ones first, the fakes without a path to the generators."""
    seen: dict[str, list[Tensor]] = {"D_X": [], "D_Y": []}
    for name, inputs in seen.items():
        getattr(method, name).register_forward_pre_hook(lambda _, args, to=inputs: to.append(args[0]))
    play(method, batch)
    fake_y, fake_x = method.G(batch.a), method.F(batch.b)
    for (generator, discriminator), real, fake in ((seen["D_Y"], batch.b, fake_y), (seen["D_X"], batch.a, fake_x)):
        assert generator.requires_grad
        assert not discriminator.requires_grad
        torch.testing.assert_close(generator, fake, atol=1e-5, rtol=0)
        torch.testing.assert_close(discriminator, torch.cat([real, fake]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("identity", "passes"), [(0.5, [2, 1]), (0.0, [1, 1])])
def test_images_through_a_generator(batch: Unpaired, identity: float, passes: list[int]) -> None:
    """Fakes and identities share a pass; without identity terms nothing is computed for them."""
    method = build(tiny("cyclegan", identity=identity))
    sizes: list[int] = []
    method.G.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))  # type: ignore[union-attr]
    play(method, batch)  # type: ignore[arg-type]
    assert sizes == passes


@pytest.mark.parametrize(("epoch", "rate"), [(1, 2e-4), (100, 2e-4), (101, 1.9802e-4), (200, 1.9802e-6)])
def test_learning_rate_table(epoch: int, rate: float) -> None:
    optim = CycleGAN.options().optim
    assert optim == Optim(lr=2e-4, betas=(0.5, 0.999), hold=0.5)
    assert optim.lr * linear(Progress(epoch - 1, 200), optim.hold) == pytest.approx(rate, rel=1e-4)


def test_directions(method: CycleGAN, batch: Unpaired) -> None:
    assert torch.equal(method.translate(batch.a, to="b"), method.G(batch.a))
    assert torch.equal(method.translate(batch.b, to="a"), method.F(batch.b))


def test_recipe() -> None:
    cfg, steps = Config(), CycleGAN.presets["paper"].train["steps"]
    assert (cfg.cycle_x, cfg.cycle_y, cfg.identity, cfg.pool) == (10, 10, 0.5, 50)
    assert steps == 200 * 1334  # epochs of the larger domain of horse2zebra


@pytest.mark.slow
def test_fresh_networks_at_full_size() -> None:
    """N(0, 0.02): G's output is spread out and D far off from the start (the sheet's one seed: 0.58 and 1.7)."""
    torch.manual_seed(0)
    method = CycleGAN(Config())
    x, y = (torch.rand(1, 3, 128, 128) * 2 - 1 for _ in range(2))
    with torch.no_grad():
        spread = method.G(x).std().item()
        d = 0.5 * ((method.D_Y(y) - 1).square().mean() + method.D_Y(method.G(x)).square().mean()).item()
    assert 0.4 < spread < 0.8
    assert 1.0 < d < 3.0


def test_conv_weights_start_at_002(method: CycleGAN) -> None:
    convs = [m for m in method.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    drawn = torch.cat([m.weight.flatten() for m in convs])
    assert drawn.std().item() == pytest.approx(0.02, rel=0.05)
    assert all(not m.bias.any() for m in convs if m.bias is not None)


def test_pools_hold_detached_copies() -> None:
    with_pool = build(tiny("cyclegan", pool=2))
    source = Noise(Unpaired)
    for step in range(4):
        play(with_pool, source.batch(step))  # type: ignore[arg-type]
    for pool in (with_pool.pool_x, with_pool.pool_y):
        assert len(pool.images) == 2  # type: ignore[arg-type]
        assert not pool.images.requires_grad  # type: ignore[union-attr]


def squared_slope(D: nn.Module, images: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(D(images).sum(), images, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def test_steps_of_light_networks_equal_a_hand_written_loop(tmp_path: Path) -> None:
    """Both D on pairs, on their slopes in each eighth step, both G against the D of now and by the cycles."""
    steps = 10
    optim = Optim(lr=1e-3, betas=(0.0, 0.99), hold=1.0)
    config = tiny(
        "cyclegan", {"steps": steps, "batch": 2}, light=32, cycle_x=0.7, cycle_y=0.4, optim=optim, identity=0.3
    )
    method = build(config).double()
    assert isinstance(method, CycleGAN)
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    G, F, D_X, D_Y = nets = [copy.deepcopy(net) for net in (method.G, method.F, method.D_X, method.D_Y)]
    adam_g = torch.optim.Adam([*G.parameters(), *F.parameters()], lr=1e-3, betas=(0.0, 0.99))
    discriminators = [*D_X.parameters(), *D_Y.parameters()]
    adam_d = torch.optim.Adam(discriminators, lr=2e-3 * 8 / 9, betas=(0.0, 0.99 ** (8 / 9)))
    for step in range(steps):
        batch = source.batch(step)
        play.train_step(batch)
        x, y = batch.a, batch.b
        seed_step(0, step)
        fake_y, fake_x = G(x), F(y)
        adam_d.zero_grad()
        kept = []
        for D, real, fake, other in ((D_Y, y, fake_y, x), (D_X, x, fake_x, y)):
            on_real, made, unchanged = D(augment(torch.cat([real, fake.detach(), other]))).chunk(3)
            (softplus(made - on_real).mean() + 0.5 * softplus(unchanged - on_real).mean()).backward()
            kept.append(on_real.detach())
        adam_d.step()
        if step % 8 == 0:
            adam_d.zero_grad()
            for D, images in ((D_Y, y), (D_Y, fake_y), (D_X, x), (D_X, fake_x)):
                (8 * 0.2 / 2 * squared_slope(D, augment(images.detach()).requires_grad_())).backward()
            adam_d.step()
        loss = softplus(kept[0] - D_Y(augment(fake_y))).mean() + softplus(kept[1] - D_X(augment(fake_x))).mean()
        loss = loss + 0.7 * (F(fake_y) - x).abs().mean() + 0.4 * (G(fake_x) - y).abs().mean()
        loss = loss + 0.3 * 0.7 * (F(x) - x).abs().mean() + 0.3 * 0.4 * (G(y) - y).abs().mean()
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
    for hand, net in zip(nets, (method.G, method.F, method.D_X, method.D_Y), strict=True):
        for a, b in zip(hand.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-7, rtol=0)


def test_light_networks_take_their_side() -> None:
    config = tiny("cyclegan", light=64)
    with pytest.raises(UserError, match="these networks take 64 px"):
        build(config).check(config)
