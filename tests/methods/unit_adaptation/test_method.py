"""UNIT for domain adaptation as the authors' code has it."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.batch import Labelled
from instar.core.errors import UserError
from instar.core.method import defaults
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.methods.unit_adaptation.method import Config, UNITAdaptation, by_path
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import count, scramble, values

STEPS = 3


def by_hand(method: UNITAdaptation, source: Noise, w: Config) -> list[nn.Module]:
    """The authors' loop: D on its whole loss, then G, each image's path written out; the same fakes for both."""
    G, D = copy.deepcopy(method.G), copy.deepcopy(method.D)
    adam = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (G, D)]

    def bce(features: Tensor, real: int) -> Tensor:
        return nnf.cross_entropy(D.real(features)[:, :, 0, 0], torch.full((len(features),), real))

    for step in range(STEPS):
        batch = source.batch(step)
        assert isinstance(batch, Labelled)
        x, y, n = batch.a, batch.b, len(batch.a)
        if w.gray == "b":
            y = 0.299 * y[:, :1] + 0.587 * y[:, 1:2] + 0.114 * y[:, 2:]
        seed_step(0, step)
        mean, std = G.encode_both(x, y)
        z = mean + std * torch.randn_like(std)
        shared = G.decoder(z)
        x_a, y_a = G.own_decoder["a"](shared).split(n)
        x_b, y_b = G.own_decoder["b"](shared).split(n)
        d_x_a, d_y_a, d_x_b, d_y_b = (fake.detach() for fake in (x_a, y_a, x_b, y_b))

        def f(a: Tensor, b: Tensor) -> Tensor:
            return D.features(a, b)

        loss = w.gan * (bce(f(x, y), 1) + 0.5 * (bce(f(d_x_a, d_y_b), 0) + bce(f(d_y_a, d_x_b), 0)))
        loss = loss + w.label * nnf.cross_entropy(D.label(f(x, y[:0]))[:, :, 0, 0], batch.labels)
        for first, second in ((f(d_x_a, d_x_b).chunk(2)), (f(d_y_a, d_y_b).chunk(2))):
            loss = loss + w.feature * (first - second).square().sum() / n
        adam[1].zero_grad()
        loss.backward()
        adam[1].step()

        loss = w.gan * (bce(f(x_a, y_b), 1) + bce(f(y_a, x_b), 1))
        loss = loss + w.recon * ((x_a - x).square().sum() + (y_b - y).square().sum()) / n
        loss = loss + w.kl * 0.5 * (mean.square() + std.square() - 1 - std.square().log()).sum() / n
        adam[0].zero_grad()
        loss.backward()
        adam[0].step()
    return [G, D]


@pytest.mark.parametrize("gray", ["b", "none"])
def test_steps_equal_a_hand_written_loop(tmp_path: Path, gray: str) -> None:
    optim = {"weight_decay": 0.0}
    weights = {"gan": 0.7, "recon": 0.02, "kl": 0.03, "label": 3.0, "feature": 0.05}
    config = tiny("unit-adaptation", {"steps": STEPS, "batch": 3}, gray=gray, optim=optim, **weights)
    method = scramble(build(config))
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    before = copy.deepcopy(method)
    expected = by_hand(method, source, config.method)  # type: ignore[arg-type]
    for step in range(STEPS):
        play.train_step(source.batch(step))
    for old, hand, net in zip((before.G, before.D), expected, (method.G, method.D), strict=True):
        for start, a, b in zip(old.parameters(), hand.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=0)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-4
        for a, b in zip(hand.buffers(), net.buffers(), strict=True):  # the statistics of the norms: one pass a step
            torch.testing.assert_close(a, b)


def test_resume_with_inverted_and_painted_images(tmp_path: Path) -> None:
    interrupted_equals_whole("unit-adaptation", tmp_path, invert="a", paint="b")


def test_dropout_follows_the_seed() -> None:
    method = build(tiny("unit-adaptation", side=32))
    batch = Noise(Labelled, side=32, size=2).batch(0)
    seen = []
    for seed in (1, 1, 2):
        seed_step(0, seed)
        codes = method.objectives(batch, Progress(0, 10))
        seen.append(values(next(codes))["label"])
    assert seen[0] == seen[1] != seen[2]


def test_presets_have_the_networks_of_the_paper() -> None:
    with torch.device("meta"):
        method = UNITAdaptation(Config())
        wide = UNITAdaptation(Config(width=96))
    assert count(method.G) == 10_053_380
    assert count(method.D) == 4_332_812
    assert count(wide.G) == 22_606_468
    cfg = Config()
    assert (cfg.gan, cfg.recon, cfg.label, cfg.feature) == (1, 1e-3, 10, 1e-4)
    assert cfg.kl == 2 * 1e-4  # twice a true divergence is what the code weights with 1e-4
    assert (cfg.optim.lr, cfg.optim.betas, cfg.optim.hold, cfg.optim.weight_decay) == (2e-4, (0.5, 0.999), 1.0, 5e-4)
    paper = defaults("unit-adaptation", UNITAdaptation, "paper")
    assert (paper.train.steps, paper.train.batch, paper.data.size, paper.data.flip) == (200_000, 64, 32, False)
    assert paper.data.short_side == 32


@pytest.fixture
def method() -> UNITAdaptation:
    return build(tiny("unit-adaptation"))  # type: ignore[return-value]


@pytest.fixture
def batch() -> Labelled:
    return source_for(tiny("unit-adaptation")).batch(0)  # type: ignore[return-value]


def play(method: UNITAdaptation, batch: Labelled) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


def test_values_with_heads_of_zero(method: UNITAdaptation, batch: Labelled) -> None:
    """ln 2 for every question of real or not, ln 10 for the class."""
    for head in (method.D.real, method.D.label):
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    played = play(method, batch)
    d, g = values(played["D"]), values(played["G"])
    assert [d["real"], d["recon"], d["trans"]] == pytest.approx([math.log(2)] * 3)
    assert d["label"] == pytest.approx(math.log(10))
    assert g["gan_recon"] + g["gan_trans"] == pytest.approx(1.3863, abs=1e-4)


def test_weights_of_the_terms(method: UNITAdaptation, batch: Labelled) -> None:
    played = play(method, batch)
    weights = {f"{name}/{t.name}": t.weight for name, o in played.items() for t in o.loss.terms}
    assert weights == {
        "D/real": 1, "D/recon": 0.5, "D/trans": 0.5, "D/label": 10, "D/feature_x": 1e-4, "D/feature_y": 1e-4,
        "G/gan_recon": 1, "G/gan_trans": 1, "G/recon_x": 1e-3, "G/recon_y": 1e-3, "G/kl_x": 2e-4, "G/kl_y": 2e-4,
    }  # fmt: skip


def test_order_and_players(method: UNITAdaptation, batch: Labelled) -> None:
    played = list(method.objectives(batch, Progress(0, 10)))
    assert [objective.name for objective in played] == ["D", "G"]
    assert [objective.over for objective in played] == [(method.D,), (method.G,)]


def test_the_class_never_reaches_the_layers_of_the_target(method: UNITAdaptation, batch: Labelled) -> None:
    label = next(t.value for t in play(method, batch)["D"].loss.terms if t.name == "label")
    reached = {
        name for name, p in method.named_parameters()
        if torch.autograd.grad(label, p, retain_graph=True, allow_unused=True)[0] is not None
        and torch.autograd.grad(label, p, retain_graph=True)[0].any()
    }  # fmt: skip
    assert any(name.startswith("D.own.a") for name in reached)
    assert any(name.startswith("D.trunk") for name in reached)
    assert any(name.startswith("D.label") for name in reached)
    assert not [name for name in reached if name.startswith(("D.own.b", "D.real", "G."))]


def test_features_of_equal_images_are_at_no_distance(batch: Labelled) -> None:
    """The own layers start alike: a translation is the reconstruction, and its features are the same."""
    alike = build(tiny("unit-adaptation", gray="none", alike=True))
    found = values(play(alike, batch)["D"])  # type: ignore[arg-type]
    assert (found["feature_x"], found["feature_y"]) == (0, 0)
    alike.eval()
    x = batch.a
    with torch.no_grad():
        code = alike.encode(x, domain="a")
        assert torch.equal(alike.decode(code, to="b"), alike.decode(code, to="a"))
        assert torch.equal(alike.classify(x, "a"), alike.classify(x, "b"))
    other = build(tiny("unit-adaptation", gray="none"))
    assert values(play(other, batch)["D"])["feature_x"] > 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "d", "g"),
    [
        ({}, [12], [8]),
        ({"feature": 0.0}, [12], [8]),
        ({"gan": 0.0}, [12], []),
        ({"gan": 0.0, "feature": 0.0}, [], []),
        ({"side": 32}, [12, 8], [8]),
        ({"side": 32, "feature": 0.0}, [12], [8]),
    ],
)
def test_images_through_the_discriminator(changes: dict[str, float], d: list[int], g: list[int]) -> None:
    """Of 2 images a domain: 4 real and 8 fakes in one pass; the features without dropout need one more."""
    method = build(tiny("unit-adaptation", {"batch": 2}, **changes))
    batch = Noise(Labelled, side=int(changes.get("side", 28)), size=2).batch(0)
    passes: list[int] = []
    method.D.trunk[0].register_forward_pre_hook(lambda _, args: passes.append(len(args[0])))
    codes: list[int] = []
    method.G.decoder.register_forward_pre_hook(lambda _, args: codes.append(len(args[0])))
    rounds = method.objectives(batch, Progress(0, 10))
    next(rounds)
    if d:
        assert passes == d
    else:
        assert passes == [2]  # the classifier alone
    passes.clear()
    assert len(list(rounds)) == 1
    assert passes == g
    assert codes == [4]


def test_small_functions() -> None:
    recon, trans = by_path(torch.tensor([1.0, 2.0, 3.0, 4.0]))  # x_a, y_a, x_b, y_b
    assert (recon.tolist(), trans.tolist()) == ([1, 4], [3, 2])


def test_divergence_of_unit_variance(method: UNITAdaptation, batch: Labelled) -> None:
    """μ = 1 and σ = 1 in n dimensions: n / 2."""
    n = method.G.mean.out_channels
    for head, value in ((method.G.mean, 1.0), (method.G.spread, math.log(math.e - 1))):
        nn.init.zeros_(head.weight)
        nn.init.constant_(head.bias, value)
    found = values(play(method, batch)["G"])
    assert found["kl_x"] == pytest.approx(n / 2, rel=1e-5)
    assert found["kl_y"] == pytest.approx(n / 2, rel=1e-5)


def test_inverted_images() -> None:
    method = build(tiny("unit-adaptation", invert="b", gray="none"))
    x = torch.rand(400, 3, 28, 28)
    seen = method.augmented(x, "b")
    inverted = (seen == -x).all((1, 2, 3))
    assert ((seen == x).all((1, 2, 3)) ^ inverted).all()
    assert 150 < inverted.sum() < 250
    assert torch.equal(method.augmented(x, "a"), x)


def test_painted_images_are_those_of_one_domain_in_training_only() -> None:
    method = build(tiny("unit-adaptation", paint="a", gray="none")).eval()
    x = torch.rand(2, 3, 28, 28)
    assert not torch.equal(method.augmented(x, "a"), x)
    assert torch.equal(method.augmented(x, "b"), x)
    assert torch.equal(method.classify(x, "a"), method.classify(x, "a"))


def test_gray_domain(method: UNITAdaptation) -> None:
    """The networks of b have one channel; outside its images have three equal ones."""
    method.eval()
    x = torch.rand(2, 3, 28, 28)
    out = method.translate(x, to="b")
    assert torch.equal(out[:, 0], out[:, 1])
    assert torch.equal(out[:, 0], out[:, 2])
    assert not torch.equal(method.translate(x, to="a")[:, 0], method.translate(x, to="a")[:, 1])
    gray = method.with_planes(out, "b")
    torch.testing.assert_close(gray[:, 0], out[:, 0])
    assert torch.equal(method.with_planes(x, "a"), x)
    assert method.G.own_encoder["a"][0].in_channels == 5
    assert method.G.own_encoder["b"][0].in_channels == 3


def test_noise_only_while_training(method: UNITAdaptation, batch: Labelled) -> None:
    first, second = (values(play(method, batch)["G"])["recon_x"] for _ in range(2))
    assert first != second
    method.eval()
    assert torch.equal(method.translate(batch.a), method.translate(batch.a))
    assert torch.equal(method.classify(batch.b), method.classify(batch.b))


def test_classifying_takes_the_target_by_default(method: UNITAdaptation, batch: Labelled) -> None:
    method.eval()
    assert torch.equal(method.classify(batch.b), method.classify(batch.b, "b"))
    assert not torch.equal(method.classify(batch.b, "a"), method.classify(batch.b, "b"))
    torch.testing.assert_close(method.classify(batch.b)[:1], method.classify(batch.b[:1]))


def test_what_cannot_be_trained(batch: Labelled) -> None:
    config = tiny("unit-adaptation")
    method = build(config)
    with pytest.raises(UserError, match="size=32: these networks take 28 px; set size=28"):
        method.check(replace(config, data=replace(config.data, size=32)))
    with pytest.raises(UserError, match="at least 2 images"):
        method.check(tiny("unit-adaptation", {"batch": 1}))
    with pytest.raises(UserError, match="at least 2 images"):
        method.check(tiny("unit-adaptation", {"batch": 2, "devices": 2}))
    with pytest.raises(UserError, match=r"there are 1\d classes: set method\.classes, not 10"):
        next(method.objectives(replace(batch, labels=batch.labels + 10), Progress(0, 10)))
    with pytest.raises(UserError, match=r"method\.alike needs domains with the same channels"):
        Config(alike=True)
    with pytest.raises(UserError, match=r"method\.classes must be at least 2"):
        Config(classes=1)


def test_training_images_of_both_domains_are_warped_and_others_never() -> None:
    torch.manual_seed(0)
    method = UNITAdaptation(Config(side=28, width=2, channels=1, gray="none", warp=1.0)).eval()
    x = torch.rand(3, 1, 28, 28) * 2 - 1
    assert not method.augmented(x, "a").allclose(x)
    assert not method.augmented(x, "b").allclose(x)
    assert torch.equal(method.with_planes(x, "a"), x)
    assert torch.equal(method.classify(x), method.classify(x))
    with pytest.raises(UserError, match=r"method\.warp must be at least 0"):
        Config(warp=-1.0)
