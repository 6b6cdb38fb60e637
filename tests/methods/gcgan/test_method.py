"""GcGAN as its paper and the authors' code have it."""

import copy
from pathlib import Path
from typing import Any

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
from instar.methods.gcgan import Config, GcGAN
from instar.methods.gcgan.geometry import transform
from instar.networks.light import augment
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import Constant, Shift, count, scramble, values

STEPS = 4
MAIN = {"maps": ("rot90",), "cycle": 0.0, "pool": 0}


def turned(x: Tensor, name: str, times: int = 1) -> Tensor:
    """The authors' rotation: transpose, then reverse the last axis; undone by three more."""
    if name == "vflip":
        return x[:, :, torch.arange(x.shape[2] - 1, -1, -1)]
    for _ in range(times):
        x = x.transpose(2, 3)
        x = x[..., torch.arange(x.shape[3] - 1, -1, -1)]
    return x


def half(x: Tensor, w: Config, G: nn.Module, G_f: nn.Module, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Both translations and the geometry loss."""
    u, u_f = G(x), G_f(turned(x, name))
    undone, done = turned(u_f, name, 3), turned(u, name)
    return u, u_f, (u - undone.detach()).abs().mean() + (u_f - done.detach()).abs().mean()


def says(D: nn.Module, x: Tensor, label: float) -> Tensor:
    return ((D(x) - label) ** 2).mean()


def game(w: Config, nets: nn.ModuleDict, x: Tensor, y: Tensor, names: list[str], side: str) -> tuple[Tensor, Tensor]:
    """What the generator of one direction minimises, without cycles, and what the discriminators of its side do."""
    here = "G" if side == "Y" else "F"
    G, G_f = nets[here], nets["G_f" if "G_f" in nets else here]
    D, D_f = nets[f"D_{side}"], nets[f"D_f{side}"]
    g_loss, d_loss = torch.zeros(()), torch.zeros(())
    for name in names:
        u, u_f, cost = half(x, w, G, G_f, name)
        y_f = turned(y, name)
        g = says(D, u, 1) + w.geometry * cost + w.identity * (G(y) - y).abs().mean()
        g = g + w.identity * (G_f(y_f) - y_f).abs().mean()
        if w.gan_f:
            g = g + w.gan_f * says(D_f[name], u_f, 1)
            d_loss = d_loss + 0.5 * (says(D_f[name], y_f, 1) + says(D_f[name], u_f.detach(), 0))
        g_loss = g_loss + g / len(names)
    return g_loss, d_loss + 0.5 * (says(D, y, 1) + says(D, u.detach(), 0))


def by_hand(method: GcGAN, source: Noise) -> nn.ModuleDict:
    """The authors' loop: one Adam for the generators, one for the discriminators."""
    w = method.cfg
    kept = ("G", "G_f", "F", "D_Y", "D_fY", "D_X", "D_fX")
    nets = copy.deepcopy(nn.ModuleDict({name: net for name, net in method.named_children() if name in kept}))
    groups = [
        [p for name, net in nets.items() if (name[0] == "D") == judge for p in net.parameters()] for judge in (0, 1)
    ]
    adam_g, adam_d = (torch.optim.Adam(group, 2e-4, (0.5, 0.999)) for group in groups)
    for step in range(STEPS):
        for adam in (adam_g, adam_d):
            adam.param_groups[0]["lr"] = 2e-4 * (1 - max(0, step + 1 - STEPS // 2) / (STEPS // 2 + 1))
        batch = source.batch(step)
        x, y = batch.a, batch.b
        seed_step(0, step)
        names = list(w.maps)
        if w.mix == "random":
            names = [names[int(torch.randint(len(names), ()))]]
        g_loss, d_loss = game(w, nets, x, y, names, "Y")
        if w.cycle:
            G, F = nets["G"], nets["F"]
            other_g, other_d = game(w, nets, y, x, names, "X")
            cycles = (F(G(x)) - x).abs().mean() + (G(F(y)) - y).abs().mean()
            for name in names:
                x_f, y_f = turned(x, name), turned(y, name)
                cycles = cycles + (F(G(x_f)) - x_f).abs().mean() / len(names)
                cycles = cycles + (G(F(y_f)) - y_f).abs().mean() / len(names)
            g_loss, d_loss = g_loss + other_g + w.cycle * cycles, d_loss + other_d
        grads_g = torch.autograd.grad(g_loss, groups[0], retain_graph=True)
        grads_d = torch.autograd.grad(d_loss, groups[1], allow_unused=True)
        for parameters, grads in zip(groups, (grads_g, grads_d), strict=True):
            for parameter, grad in zip(parameters, grads, strict=True):
                parameter.grad = grad
        adam_g.step()
        adam_d.step()
    return nets


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, 1),
        ({"maps": ("vflip",), "shared": False, "gan_f": 0.5, "skip": True}, 2),
        ({"maps": ("rot90", "vflip"), "gan_f": 0.0, "identity": 3.0}, 1),
        ({"maps": ("vflip", "rot90"), "mix": "random"}, 1),
        ({"maps": ("rot90", "vflip"), "cycle": 10.0}, 1),
    ],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any], size: int) -> None:
    config = tiny("gcgan", {"steps": STEPS, "batch": size}, **{**MAIN, **options})
    method = scramble(build(config))
    source = source_for(config, dtype=torch.float64)
    run = trainer(config, tmp_path, method, source)
    before = copy.deepcopy(method)
    expected = by_hand(method, source)  # type: ignore[arg-type]
    for step in range(STEPS):
        run.train_step(source.batch(step))
    assert count(expected) == count(method)
    for name, hand in expected.items():
        starts = before.get_submodule(name).parameters()
        for start, a, b in zip(starts, hand.parameters(), method.get_submodule(name).parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=0)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-4


def test_parameter_counts() -> None:
    with torch.device("meta"):
        method, small = GcGAN(Config()), GcGAN(Config(blocks=6))
        both = GcGAN(Config(maps=("rot90", "vflip")))
        separate, cycle = GcGAN(Config(shared=False)), GcGAN(Config(cycle=10.0))
        without, alone = GcGAN(Config(gan_f=0.0)), GcGAN(Config(geometry=0.0))
    g, d = 11_378_179, 2_764_737
    assert count(method) == g + 2 * d == 16_907_653
    assert count(small) == 13_367_173
    assert count(both) == g + 3 * d
    assert count(separate) == 2 * g + 2 * d
    assert count(cycle) == 2 * (g + 2 * d)
    assert count(without) == g + d
    assert count(alone) == g + 2 * d  # as in the authors' code: f(x) is translated and judged


@pytest.fixture
def method() -> GcGAN:
    return build(tiny("gcgan", **MAIN))  # type: ignore[return-value]


@pytest.fixture
def batch() -> Unpaired:
    return Noise(Unpaired).batch(0)  # type: ignore[return-value]


def play(method: nn.Module, batch: Any) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}  # type: ignore[operator]


def test_the_discriminators_share_nothing(method: GcGAN) -> None:
    one, other = method.D_Y, method.D_fY["rot90"]
    assert not {id(p) for p in one.parameters()} & {id(p) for p in other.parameters()}
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


@pytest.mark.parametrize("maps", [("rot90",), ("rot180", "hflip"), ("rot90", "rot270", "vflip")])
def test_weights_of_the_terms(batch: Unpaired, maps: tuple[str, ...]) -> None:
    """With every value at 1, or 2 for the two halves of the geometry: 1 + 1, 2 * 20 and 5 + 5, for any maps."""

    class Brighter(nn.Module):
        """By 1, except the first of every kind: then the views differ by 1 too."""

        def forward(self, x: Tensor) -> Tensor:
            plain = torch.zeros(len(x), 1, 1, 1)
            plain[1 : len(maps) + 1] = 1
            return x + plain

    method = build(tiny("gcgan", **{**MAIN, "maps": maps}))
    method.G, method.D_Y = Brighter(), Constant(0.0)
    method.D_fY = nn.ModuleDict({name: Constant(0.0) for name in maps})
    terms = {t.name: t.weight * t.value.item() for t in play(method, batch)["G"].loss.terms}
    assert terms == pytest.approx({"gan_y": 1, "gan_fy": 1, "geometry_y": 40, "identity_y": 0, "identity_fy": 0})
    method.G = Shift(1.0)
    terms = {t.name: t.weight * t.value.item() for t in play(method, batch)["G"].loss.terms}
    expected = {"gan_y": 1, "gan_fy": 1, "geometry_y": 0, "identity_y": 5, "identity_fy": 5}
    assert terms == pytest.approx(expected, abs=1e-5)


def test_weights_with_cycles(batch: Unpaired) -> None:
    """Round trips that are off by 1: 10 for each of the four."""
    method = build(tiny("gcgan"))
    method.G, method.F = nn.Identity(), Shift(1.0)
    terms = {t.name: t.weight * t.value.item() for t in play(method, batch)["G"].loss.terms}
    for name in ("cycle_x", "cycle_fx", "cycle_y", "cycle_fy"):
        assert terms[name] == pytest.approx(10)
    assert terms["identity_x"] == terms["identity_fx"] == pytest.approx(5)
    assert terms["identity_y"] == terms["geometry_y"] == 0


@pytest.mark.parametrize("net", [nn.Identity(), nn.Conv2d(3, 3, 1)])
def test_pointwise_maps_are_consistent(method: GcGAN, batch: Unpaired, net: nn.Module) -> None:
    method.G = net  # type: ignore[assignment]
    found = values(play(method, batch)["G"])
    assert found["geometry_y"] == pytest.approx(0, abs=1e-6)
    assert (found["identity_y"] == 0) == isinstance(net, nn.Identity)


@pytest.mark.parametrize(("says", "d", "g"), [(0.0, 0.5, 1.0), (1.0, 0.5, 0.0), (0.5, 0.25, 0.25)])
def test_adversarial_values(batch: Unpaired, says: float, d: float, g: float) -> None:
    """The terms of two maps are averaged for G and summed for their discriminators."""
    method = build(tiny("gcgan", **{**MAIN, "maps": ("rot90", "vflip")}))
    method.D_Y = Constant(says)
    method.D_fY = nn.ModuleDict({"rot90": Constant(says), "vflip": Constant(says)})
    played = play(method, batch)
    assert played["D"].loss.total().item() == pytest.approx(3 * d)
    assert values(played["G"])["gan_y"] == values(played["G"])["gan_fy"] == pytest.approx(g)


@pytest.mark.parametrize("maps", [("rot90",), ("vflip", "hflip")])
def test_discriminators_judge_their_views(batch: Unpaired, maps: tuple[Any, ...]) -> None:
    method = build(tiny("gcgan", **{**MAIN, "maps": maps}))
    judges = {"plain": method.D_Y, **method.D_fY}  # type: ignore[dict-item]
    seen: dict[str, list[Tensor]] = {name: [] for name in judges}
    for name, judge in judges.items():
        judge.register_forward_pre_hook(lambda _, args, to=seen[name]: to.append(args[0]))
    play(method, batch)
    for name, (generator, discriminator) in seen.items():
        x, y = (one if name == "plain" else transform(one, name) for one in (batch.a, batch.b))  # type: ignore[arg-type]
        fake = method.G(x)  # type: ignore[operator]
        assert generator.requires_grad
        assert not discriminator.requires_grad
        torch.testing.assert_close(generator, fake, atol=1e-5, rtol=0)
        torch.testing.assert_close(discriminator, torch.cat([y, fake]), atol=1e-5, rtol=0)


CYCLES: dict[str, Any] = {"maps": ("rot90",), "cycle": 10.0, "pool": 0}


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        (MAIN, {"G": [4], "D_Y": [1, 2], "D_fY.rot90": [1, 2]}),
        ({**MAIN, "identity": 0.0}, {"G": [2], "D_Y": [1, 2], "D_fY.rot90": [1, 2]}),
        ({**MAIN, "gan_f": 0.0}, {"G": [4], "D_Y": [1, 2]}),
        ({**MAIN, "gan_f": 0.0, "geometry": 0.0}, {"G": [2], "D_Y": [1, 2]}),
        ({**MAIN, "shared": False}, {"G": [2], "G_f": [2], "D_Y": [1, 2], "D_fY.rot90": [1, 2]}),
        ({**MAIN, "maps": ("rot90", "vflip")}, {"G": [6], "D_Y": [1, 2], "D_fY.rot90": [1, 2], "D_fY.vflip": [1, 2]}),
        (CYCLES, {"G": [4, 2], "F": [6], "D_Y": [1, 2], "D_fX.rot90": [1, 2]}),
        ({**CYCLES, "shared": False}, {"G": [2, 1], "G_f": [2, 1], "F": [3], "F_f": [3]}),
    ],
)
def test_images_through_the_networks(batch: Unpaired, options: dict[str, Any], sizes: dict[str, list[int]]) -> None:
    method = build(tiny("gcgan", **options))
    seen: dict[str, list[int]] = {name: [] for name in sizes}
    for name, inputs in seen.items():
        method.get_submodule(name).register_forward_pre_hook(lambda _, args, to=inputs: to.append(len(args[0])))
    play(method, batch)
    assert seen == sizes


def test_a_step_draws_one_map(batch: Unpaired) -> None:
    method = build(tiny("gcgan", **{**MAIN, "maps": ("rot90", "vflip"), "mix": "random"}))
    met: list[str] = []
    for name, judge in method.D_fY.items():  # type: ignore[union-attr, operator]
        judge.register_forward_pre_hook(lambda _m, _a, name=name: met.append(name))
    sizes: list[int] = []
    method.G.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))  # type: ignore[union-attr]
    torch.manual_seed(0)
    for step in range(20):
        play(method, batch)
        assert len(set(met[2 * step :])) == 1
    assert sizes == [4] * 20
    assert 10 < met.count("rot90") < 30


@pytest.mark.parametrize(
    "options", [{"mix": "random", "cycle": 0.0, "pool": 2}, {**MAIN, "shared": False, "maps": ("vflip",), "pool": 2}]
)
def test_resume_is_exact(tmp_path: Path, options: dict[str, Any]) -> None:
    """Also while a map's discriminator has never moved, or with a generator for each view."""
    interrupted_equals_whole("gcgan", tmp_path, **options)


def test_pools_are_separate() -> None:
    method = build(tiny("gcgan", **{**MAIN, "pool": 2}))
    source = Noise(Unpaired)
    for step in range(4):
        play(method, source.batch(step))
    pools = [method.pool_y.images, method.pool_fy["rot90"].images]  # type: ignore[index, union-attr]
    for images in pools:
        assert len(images) == 2  # type: ignore[arg-type]
        assert not images.requires_grad  # type: ignore[union-attr]
    assert not torch.equal(*pools)  # type: ignore[arg-type]


def test_directions(method: GcGAN, batch: Unpaired) -> None:
    assert torch.equal(method.translate(batch.a), method.G(batch.a))
    assert (method.targets, method.translators) == (("b",), ("G",))
    with pytest.raises(UserError, match=r"to=a: this model was trained one way; method\.cycle=10"):
        method.translate(batch.b, to="a")
    both = build(tiny("gcgan"))
    assert (both.targets, both.translators) == (("a", "b"), ("G", "F"))
    assert torch.equal(both.translate(batch.b, to="a"), both.F(batch.b))  # type: ignore[operator]


@pytest.mark.parametrize(("maps", "fits"), [(("rot90",), False), (("rot270",), False), (("rot180", "vflip"), True)])
def test_quarter_turns_need_squares(batch: Unpaired, maps: tuple[str, ...], fits: bool) -> None:
    method = build(tiny("gcgan", **{**MAIN, "maps": maps}))
    flat = Unpaired(batch.a[:, :, :24], batch.b[:, :, :24])
    if fits:
        assert values(play(method, flat)["G"])
    else:
        with pytest.raises(ValueError, match="square images, not 32 x 24"):
            play(method, flat)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"maps": ()}, "method.maps=: give one or more maps, each once"),
        ({"maps": ("vflip", "vflip")}, "method.maps=vflip vflip: give one or more maps"),
        ({"geometry": -1.0}, "method.geometry must be at least 0"),
        ({"gan_f": -1.0}, "method.gan_f must be at least 0"),
        ({"width": 0}, "method.width must be between 1 and 65536"),
    ],
)
def test_messages_name_the_flag(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Config(**options)


def test_recipe() -> None:
    cfg, paper, city = Config(), GcGAN.presets["paper"], GcGAN.presets["cityscapes"]
    assert (cfg.geometry, cfg.identity, cfg.gan_f, cfg.cycle, cfg.pool) == (20, 5, 1, 0, 50)
    assert (cfg.maps, cfg.shared) == (("rot90",), True)
    assert paper.train["steps"] == 200 * 1096 // paper.train["batch"]
    assert abs(city.train["steps"] - 200 * 2975 / city.train["batch"]) < 20
    assert round(256 * paper.data["zoom"]) == 288
    assert round(128 * city.data["zoom"]) == 144


def test_fresh_weights() -> None:
    """Xavier's normal distribution at 0.02."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = GcGAN(Config(width=16, blocks=1)).G
    conv = net.encoder.block1.body[1]
    assert isinstance(conv, nn.Conv2d)
    assert conv.weight.std().item() == pytest.approx(0.02 * (2 / (9 * 64 * 2)) ** 0.5, rel=0.05)


def squared_slope(D: nn.Module, images: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(D(images).sum(), images, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def test_steps_of_light_networks_equal_a_hand_written_loop(tmp_path: Path) -> None:
    """D on pairs, D on its slopes in each eighth step, G against the D of now and by the geometry."""
    steps = 10
    optim = Optim(lr=1e-3, betas=(0.0, 0.99), hold=1.0)
    options = {"light": 32, "maps": ("rot90",), "gan_f": 0.0, "cycle": 0.0, "geometry": 0.7, "identity": 0.3}
    config = tiny("gcgan", {"steps": steps, "batch": 2}, optim=optim, **options)
    method = build(config).double()
    assert isinstance(method, GcGAN)
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    G, D = copy.deepcopy(method.G), copy.deepcopy(method.D_Y)
    adam_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.0, 0.99))
    adam_d = torch.optim.Adam(D.parameters(), lr=2e-3 * 8 / 9, betas=(0.0, 0.99 ** (8 / 9)))
    for step in range(steps):
        batch = source.batch(step)
        play.train_step(batch)
        x, y = batch.a, batch.b
        seed_step(0, step)
        turned_x, turned_y = x.rot90(-1, (2, 3)), y.rot90(-1, (2, 3))
        fake, fake_turned = G(x), G(turned_x)
        real, made, unchanged = D(augment(torch.cat([y, fake.detach(), x]))).chunk(3)
        adam_d.zero_grad()
        (softplus(made - real).mean() + 0.5 * softplus(unchanged - real).mean()).backward()
        adam_d.step()
        if step % 8 == 0:
            slopes = [squared_slope(D, augment(images.detach()).requires_grad_()) for images in (y, fake)]
            adam_d.zero_grad()
            (8 * 0.2 / 2 * sum(slopes)).backward()
            adam_d.step()
        loss = softplus(real.detach() - D(augment(fake))).mean()
        loss = loss + 0.7 * (fake - fake_turned.rot90(1, (2, 3)).detach()).abs().mean()
        loss = loss + 0.7 * (fake_turned - fake.rot90(-1, (2, 3)).detach()).abs().mean()
        loss = loss + 0.3 * ((G(y) - y).abs().mean() + (G(turned_y) - turned_y).abs().mean())
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
    for hand, net in ((G, method.G), (D, method.D_Y)):
        for a, b in zip(hand.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-7, rtol=0)


def test_what_light_networks_take() -> None:
    for change in ({"gan_f": 1.0}, {"cycle": 1.0}, {"shared": False}):
        options: dict[str, Any] = {"gan_f": 0.0, "cycle": 0.0, "shared": True, **change}
        with pytest.raises(UserError, match=r"light=64 takes method.gan_f=0, method.cycle=0, method.shared=True"):
            Config(light=64, **options)
    config = tiny("gcgan", light=64, gan_f=0.0, cycle=0.0)
    with pytest.raises(UserError, match="these networks take 64 px"):
        build(config).check(config)
