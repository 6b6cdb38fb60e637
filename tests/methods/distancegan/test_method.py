"""DistanceGAN as its paper and the authors' code have it."""

import copy
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from instar.core.batch import Unpaired
from instar.core.config import RunConfig
from instar.core.errors import UserError
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.methods.distancegan import Config, DistanceGAN
from instar.methods.distancegan.distance import distances
from instar.methods.distancegan.standard_scaler import StandardScaler
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import Constant, count, scramble, values

STEPS = 4
PLAIN = {"identity": 0.0, "cycle": 0.0, "pool": 0}


def measured(source: Noise, between: str) -> list[tuple[float, float]]:
    """Mean and population deviation of the distances of the source's epoch, domain by domain, rounded to 8 bits."""
    found = []
    for domain in ("a", "b"):
        images = torch.cat([getattr(source.batch(i), domain) for i in range(source.epoch_length)])
        images = ((images + 1) * 127.5).round() / 127.5 - 1
        if between == "images":
            all_pairs = [(u - v).abs().mean() for u, v in combinations(images, 2)]
        else:
            all_pairs = [(u[:, :16] - u[:, 16:]).abs().mean() for u in images]
        drawn = torch.stack(all_pairs).double()
        found.append((float(drawn.mean()), float((drawn - drawn.mean()).square().mean().sqrt())))
    return found


def changed(x: Tensor, fake: Tensor, units: list[tuple[float, float]], between: str) -> Tensor:
    """The authors' distance term, pair by pair."""
    losses = []
    rows = [(i, j) for i in range(len(x)) for j in range(i)] if between == "images" else [(i, i) for i in range(len(x))]
    for i, j in rows:
        here, there = (
            (u[i] - u[j]).abs().mean() if between == "images" else (u[i, :, :16] - u[i, :, 16:]).abs().mean()
            for u in (x, fake)
        )
        losses.append(abs((here - units[0][0]) / units[0][1] - (there - units[1][0]) / units[1][1]))
    return sum(losses[1:], start=losses[0]) / len(losses)


def by_hand(method: DistanceGAN, source: Noise, between: str) -> dict[str, nn.Module]:
    """The authors' loop for CycleGAN's networks, with all terms and no pool."""
    w = method.cfg
    nets = {name: copy.deepcopy(net) for name, net in method.named_children() if name in ("G", "F", "D_Y", "D_X")}
    adams = {name: torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for name, net in nets.items()}
    units = measured(source, between)
    for step in range(STEPS):
        for adam in adams.values():
            adam.param_groups[0]["lr"] = 2e-4 * (1 - max(0, step + 1 - STEPS // 2) / (STEPS // 2 + 1))
        batch = source.batch(step)
        x, y = batch.a, batch.b
        G, D_Y, F, D_X = nets["G"], nets["D_Y"], nets.get("F"), nets.get("D_X")
        fake_y = G(x)
        fake_x = F(y) if F else None
        loss = ((D_Y(fake_y) - 1) ** 2).mean() + w.distance_x * changed(x, fake_y, units, between)
        loss = loss + w.identity * (G(y) - y).abs().mean()
        if D_X:
            loss = loss + ((D_X(fake_x) - 1) ** 2).mean() + w.distance_y * changed(y, fake_x, units[::-1], between)
            loss = loss + w.identity * (F(x) - x).abs().mean()
        if w.cycle:
            loss = loss + w.cycle * ((F(fake_y) - x).abs().mean() + (G(fake_x) - y).abs().mean())
        movers = [name for name in ("G", "F") if name in nets]
        for adam in adams.values():
            adam.zero_grad()
        loss.backward()
        for name in movers:
            adams[name].step()
        for name, real, fake in (("D_Y", y, fake_y), ("D_X", x, fake_x)):
            if name in nets:
                D = nets[name]
                adams[name].zero_grad()
                (0.5 * ((D(real) - 1) ** 2).mean() + 0.5 * (D(fake.detach()) ** 2).mean()).backward()
                adams[name].step()
    return nets


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, 2),
        ({"two_sided": False, "distance_x": 0.5, "skip": True}, 3),
        ({"two_sided": False, "cycle": 10.0, "between": "top-bottom"}, 1),
        ({"between": "top-bottom", "identity": 5.0, "cycle": 10.0}, 2),
    ],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any], size: int) -> None:
    config = tiny("distancegan", {"steps": STEPS, "batch": size}, **{**PLAIN, **options})
    method = scramble(build(config))
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    before = copy.deepcopy(method)
    expected = by_hand(method, source, options.get("between", "images"))  # type: ignore[arg-type]
    for step in range(STEPS):
        play.train_step(source.batch(step))
    assert set(expected) == {name for name, net in method.named_children() if list(net.parameters())}
    for name, hand in expected.items():
        starts = before.get_submodule(name).parameters()
        for start, a, b in zip(starts, hand.parameters(), method.get_submodule(name).parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-7, rtol=0)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-4


@pytest.fixture
def method() -> DistanceGAN:
    return build(tiny("distancegan", **PLAIN))  # type: ignore[return-value]


@pytest.fixture
def batch() -> Unpaired:
    return Noise(Unpaired, size=3).batch(0)  # type: ignore[return-value]


def play(method: DistanceGAN, batch: Unpaired, step: int = 0) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(step, 10))}


def test_parameter_counts() -> None:
    with torch.device("meta"):
        both, one = DistanceGAN(Config()), DistanceGAN(Config(two_sided=False))
    assert count(both) == 2 * (11_378_179 + 2_764_737)
    assert count(one) == 11_378_179 + 2_764_737


@pytest.mark.parametrize(
    ("options", "nets"),
    [
        ({}, {"G", "F", "D_Y", "D_X"}),
        ({"two_sided": False}, {"G", "D_Y"}),
        ({"two_sided": False, "cycle": 10.0}, {"G", "F", "D_Y"}),
    ],
)
def test_a_run_builds_and_moves_what_it_needs(batch: Unpaired, options: dict[str, Any], nets: set[str]) -> None:
    method = build(tiny("distancegan", **{**PLAIN, **options}))
    assert {name for name, net in method.named_children() if list(net.parameters())} == nets
    played = play(method, batch)  # type: ignore[arg-type]
    named = {name for name, net in method.named_children() for o in played.values() if any(net is p for p in o.over)}
    assert named == nets
    assert method.targets == (("a", "b") if options.get("two_sided", True) else ("b",))
    assert method.translators == (("G", "F") if options.get("two_sided", True) else ("G",))


def test_one_sided_models_translate_one_way(method: DistanceGAN, batch: Unpaired) -> None:
    one_sided = build(tiny("distancegan", two_sided=False))
    with pytest.raises(UserError, match=r"to=a: this model was trained one-sided \(method\.two_sided=False\)"):
        one_sided.translate(batch.a, to="a")
    assert torch.equal(one_sided.translate(batch.a), one_sided.G(batch.a))  # type: ignore[operator]
    assert torch.equal(method.translate(batch.a), method.G(batch.a))
    assert torch.equal(method.translate(batch.a, to="a"), method.F(batch.a))


@pytest.mark.parametrize("net", [nn.Identity(), None])
def test_isometries_cost_nothing(method: DistanceGAN, batch: Unpaired, net: nn.Module | None) -> None:
    """With equal statistics; the negative of an image too, which only the discriminator can refuse."""

    class Negative(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return -x

    for units in (method.units_x, method.units_y):
        units.fit(torch.tensor([0.2, 0.4, 0.7]))
    method.G = net or Negative()  # type: ignore[assignment]
    assert values(play(method, batch)["G"])["distance_x"] == 0


class Scale(nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return self.by * x


@pytest.mark.parametrize("a", [0.5, 2.0])
def test_scaling(batch: Unpaired, a: float) -> None:
    """In standard units that scale along it costs nothing; without, |1 - a| of the mean distance."""
    method = build(tiny("distancegan", **PLAIN))
    method.G = Scale(a)
    method.units_x.fit(distances(batch.a))  # type: ignore[operator]
    method.units_y.fit(a * distances(batch.a))  # type: ignore[operator]
    assert values(play(method, batch)["G"])["distance_x"] == pytest.approx(0, abs=1e-5)  # type: ignore[arg-type]
    raw = build(tiny("distancegan", **PLAIN, normalise=False))
    raw.G = Scale(a)
    expected = abs(1 - a) * distances(batch.a).mean().item()
    assert values(play(raw, batch)["G"])["distance_x"] == pytest.approx(expected, rel=1e-5)  # type: ignore[arg-type]


def test_one_colour_for_all_costs_mean_over_deviation(method: DistanceGAN, batch: Unpaired) -> None:
    """Over the pairs measured: E|z + μ/σ| = μ/σ, since no distance is negative."""
    for units in (method.units_x, method.units_y):
        units.fit(distances(batch.a))
    method.G = Scale(0.0)  # type: ignore[assignment]
    expected = (method.units_x.mean / method.units_x.deviation).item()
    assert values(play(method, batch)["G"])["distance_x"] == pytest.approx(expected, rel=1e-4)


def test_order_of_the_batch_makes_no_difference(method: DistanceGAN, batch: Unpaired) -> None:
    turned = Unpaired(batch.a.flip(0), batch.b.roll(1, 0))
    one, other = (values(play(method, b)["G"]) for b in (batch, turned))
    assert one == pytest.approx(other, rel=1e-4)


def regrouped(images: dict[str, Tensor], size: int) -> list[Unpaired]:
    """The same images for both domains, in batches of another size; in b at half the contrast, under other names."""
    a, names = torch.stack(list(images.values())), list(images)
    return [
        Unpaired(
            a[i : i + size], a[i : i + size] / 2 - 0.5, (*names[i : i + size], *(f"b{n}" for n in names[i : i + size]))
        )
        for i in range(0, len(a), size)
    ]


@pytest.fixture
def files() -> dict[str, Tensor]:
    levels = torch.randint(128, (6, 3, 32, 32), generator=torch.Generator().manual_seed(0)) * 2
    return {f"{i}.png": level / 127.5 - 1 for i, level in enumerate(levels)}


@pytest.mark.parametrize("between", ["images", "top-bottom", "left-right"])
@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_statistics_are_of_images_whatever_the_batches(files: dict[str, Tensor], size: int, between: Any) -> None:
    method = build(tiny("distancegan", between=between))
    method.prepare("train", iter(regrouped(files, size)))
    expected = distances(torch.stack(list(files.values())), between)
    for units, scale in ((method.units_x, 1.0), (method.units_y, 0.5)):
        assert isinstance(units, StandardScaler)
        assert units.mean.item() == pytest.approx(scale * expected.mean().item(), rel=1e-6)
        assert units.deviation.item() == pytest.approx(scale * expected.std(correction=0).item(), rel=1e-3)


def test_each_file_is_measured_once(files: dict[str, Tensor]) -> None:
    """The smaller domain comes round several times in an epoch; at most `max_items` files are taken of each."""
    batches = regrouped(files, 2)
    bright = [replace(one, a=one.a * 0.1) for one in batches]  # the same files, cropped otherwise
    short = [
        Unpaired(one.a, again.b, one.names[:2] + again.names[2:])
        for one, again in zip(batches, [*batches[:2], batches[0]], strict=True)
    ]

    def fitted(max_items: int, given: list[Unpaired]) -> list[float]:
        method = build(tiny("distancegan", max_items=max_items))
        method.prepare("train", iter(given))
        return [method.state_dict()[f"units_{domain}"].item() for domain in ("x.mean", "x.deviation", "y.mean")]

    whole, few = fitted(900, batches), fitted(4, batches)
    assert whole != few
    assert fitted(900, batches + bright) == whole
    assert few == fitted(900, batches[:2])
    assert fitted(900, short) == [*whole[:2], few[2]]  # four files in b, six in a


def test_measuring_ends_when_all_is_known(files: dict[str, Tensor]) -> None:
    """A domain of a few files must not make the other one's thousands be read."""
    batches = regrouped(files, 2)
    for max_items, asked in ((4, 3), (900, 4)):
        given = iter(batches * 100)
        build(tiny("distancegan", max_items=max_items)).prepare("train", given)
        assert len(list(given)) == 300 - asked


def test_domains_without_a_spread_are_refused(files: dict[str, Tensor]) -> None:
    method = build(tiny("distancegan"))
    batches = regrouped(files, 2)
    with pytest.raises(UserError, match=r"2 training images of domain a are equal: .*method\.normalise=False"):
        method.prepare("train", iter(batches[:1]))
    flat = [replace(b, b=torch.zeros_like(b.b)) for b in batches]
    with pytest.raises(UserError, match="6 training images of domain b are equal"):
        method.prepare("train", iter(flat))
    build(tiny("distancegan", normalise=False)).prepare("train", iter(flat))


def test_without_distances_nothing_is_measured(files: dict[str, Tensor], batch: Unpaired) -> None:
    method = build(tiny("distancegan", **PLAIN, distance_x=0.0, distance_y=0.0))
    method.prepare("train", iter(regrouped(files, 2)))
    assert method.units_x.deviation.item() == 1  # type: ignore[union-attr]
    assert set(values(play(method, batch)["G"])) == {"gan_g", "gan_f"}  # type: ignore[arg-type]


def configured(size: int = 32, batch: int = 2, devices: int = 1, **options: Any) -> RunConfig:
    base = tiny("distancegan", {"batch": batch, "devices": devices}, **options)
    return replace(base, data=replace(base.data, size=size))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (configured(batch=1), "batch=1: .* batch=2 or more, .*method.between=top-bottom"),
        (configured(batch=2, devices=2), "batch=2: .* batch=4 or more"),
    ],
)
def test_runs_that_cannot_be_trained(config: RunConfig, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(config).check(config)


@pytest.mark.parametrize(
    "config",
    [
        configured(),
        configured(batch=1, between="top-bottom"),
        configured(batch=1, distance_x=0.0, distance_y=0.0),
        configured(batch=1, distance_x=0.0, two_sided=False),
    ],
)
def test_runs_that_can(config: RunConfig) -> None:
    method = build(config)
    assert ("900 images" in method.check(config)) == method.keeps_distances


def test_statistics_outlive_an_interruption(tmp_path: Path) -> None:
    resumed = interrupted_equals_whole("distancegan", tmp_path, pool=2)
    assert resumed.method.units_x.deviation < 1  # measured, and not again on resuming
    assert "train" in resumed.phase


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        (PLAIN, {"G": [3], "F": [3], "D_Y": [3, 6], "D_X": [3, 6]}),
        ({**PLAIN, "two_sided": False}, {"G": [3], "D_Y": [3, 6]}),
        ({**PLAIN, "identity": 5.0}, {"G": [6], "F": [6], "D_Y": [3, 6], "D_X": [3, 6]}),
        ({**PLAIN, "cycle": 10.0}, {"G": [3, 3], "F": [6], "D_Y": [3, 6], "D_X": [3, 6]}),
        ({**PLAIN, "two_sided": False, "cycle": 10.0}, {"G": [3, 3], "F": [6], "D_Y": [3, 6]}),
        ({**PLAIN, "two_sided": False, "cycle": 10.0, "identity": 5.0}, {"G": [6, 3], "F": [6], "D_Y": [3, 6]}),
    ],
)
def test_images_through_the_networks(batch: Unpaired, options: dict[str, Any], sizes: dict[str, list[int]]) -> None:
    method = build(tiny("distancegan", **options))
    seen: dict[str, list[int]] = {name: [] for name in sizes}
    for name, inputs in seen.items():
        method.get_submodule(name).register_forward_pre_hook(lambda _, args, to=inputs: to.append(len(args[0])))
    play(method, batch)  # type: ignore[arg-type]
    assert seen == sizes


@pytest.mark.parametrize(("says", "d", "g"), [(0.0, 0.5, 1.0), (1.0, 0.5, 0.0), (0.5, 0.25, 0.25)])
def test_adversarial_values(method: DistanceGAN, batch: Unpaired, says: float, d: float, g: float) -> None:
    method.D_X = method.D_Y = Constant(says)  # type: ignore[assignment]
    played = play(method, batch)
    assert played["D"].loss.total().item() == pytest.approx(2 * d)  # of two discriminators
    assert values(played["G"])["gan_g"] == values(played["G"])["gan_f"] == pytest.approx(g)


def test_discriminators_judge_their_domains(method: DistanceGAN, batch: Unpaired) -> None:
    seen: dict[str, list[Tensor]] = {"D_X": [], "D_Y": []}
    for name, inputs in seen.items():
        getattr(method, name).register_forward_pre_hook(lambda _, args, to=inputs: to.append(args[0]))
    play(method, batch)
    for name, real, fake in (("D_Y", batch.b, method.G(batch.a)), ("D_X", batch.a, method.F(batch.b))):
        generator, discriminator = seen[name]
        assert generator.requires_grad
        assert not discriminator.requires_grad
        torch.testing.assert_close(generator, fake, atol=1e-5, rtol=0)
        torch.testing.assert_close(discriminator, torch.cat([real, fake]), atol=1e-5, rtol=0)


def test_weights_of_the_terms(batch: Unpaired) -> None:
    method = build(tiny("distancegan", **{**PLAIN, "identity": 5.0, "cycle": 10.0}, distance_x=0.5, distance_y=2.0))
    weights = {t.name: t.weight for t in play(method, batch)["G"].loss.terms}  # type: ignore[arg-type]
    adversarial = {"gan_g": 1, "gan_f": 1}
    kept = {"distance_x": 0.5, "distance_y": 2, "identity_x": 5, "identity_y": 5, "cycle_x": 10, "cycle_y": 10}
    assert weights == adversarial | kept


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distance_x": -1.0}, "method.distance_x must be at least 0"),
        ({"max_items": 0}, "method.max_items must be at least 1"),
    ],
)
def test_messages_name_the_flag(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Config(**options)


def test_recipes() -> None:
    cfg, paper = Config(), DistanceGAN.presets["paper"].train
    assert (cfg.distance_x, cfg.distance_y, cfg.cycle, cfg.identity, cfg.pool) == (1, 1, 0, 0, 50)
    assert (cfg.optim.lr, cfg.optim.betas, cfg.optim.hold) == (2e-4, (0.5, 0.999), 0.5)
    assert (cfg.between, cfg.max_items, cfg.two_sided) == ("images", 900, True)
    assert paper == {"steps": 200 * 1334 // 2, "batch": 2}


def test_fresh_weights(method: DistanceGAN) -> None:
    convs = [m for m in method.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    drawn = torch.cat([m.weight.flatten() for m in convs])
    assert drawn.std().item() == pytest.approx(0.02, rel=0.05)
