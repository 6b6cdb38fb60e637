"""pix2pix as its paper and the authors' code have it."""

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.batch import Paired
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.schedule import linear
from instar.methods.pix2pix import Config, Pix2Pix
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import Constant, Shift, count, scramble, values

STEPS = 4
LN2 = math.log(2)


def by_hand(method: Pix2Pix, source: Noise, hold: float, conditional: bool) -> list[nn.Module]:
    """The authors' PyTorch loop: D on real and fake pairs, then G against the D that has just moved."""
    G, D = nets = [copy.deepcopy(net) for net in (method.G, method.D)]
    adam_g = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    adam_d = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    bce = nn.BCEWithLogitsLoss()

    def score(x: Tensor, y: Tensor, label: float) -> Tensor:
        logits = D(torch.cat([x, y], dim=1) if conditional else y)
        return bce(logits, torch.full_like(logits, label))

    for epoch in range(1, STEPS + 1):
        constant = round(hold * STEPS)
        rate = 2e-4 * (1 - max(0, epoch - constant) / (STEPS - constant + 1))
        for group in (*adam_g.param_groups, *adam_d.param_groups):
            group["lr"] = rate
        batch = source.batch(epoch - 1)
        x, y = batch.a, batch.b
        seed_step(0, epoch - 1)
        fake = G(x)

        D.requires_grad_(True)
        adam_d.zero_grad()
        (0.5 * (score(x, fake.detach(), 0.0) + score(x, y, 1.0))).backward()
        adam_d.step()

        D.requires_grad_(False)
        adam_g.zero_grad()
        (score(x, fake, 1.0) + 100 * (fake - y).abs().mean()).backward()
        adam_g.step()
    return nets


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, 1),
        ({"optim": {"hold": 0.5}, "norm": "instance"}, 2),
        ({"conditional": False, "skips": False}, 2),
    ],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any], size: int) -> None:
    config = tiny("pix2pix", {"steps": STEPS, "batch": size}, **options)
    method = scramble(build(config))
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    before = [copy.deepcopy(net) for net in (method.G, method.D)]
    hold = options.get("optim", {}).get("hold", 1.0)
    expected = by_hand(method, source, hold, options.get("conditional", True))
    for step in range(STEPS):
        play.train_step(source.batch(step))
    for old, hand, net in zip(before, expected, (method.G, method.D), strict=True):
        for start, a, b in zip(old.parameters(), hand.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=0)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-4


def test_resume_with_instance_norm_and_batches(tmp_path: Path) -> None:
    interrupted_equals_whole("pix2pix", tmp_path, norm="instance", optim={"hold": 0.5})


def test_parameter_counts() -> None:
    with torch.device("meta"):
        paper = Pix2Pix(Config())
        instance = Pix2Pix(Config(norm="instance"))
        pixels = Pix2Pix(Config(downs=7, patch_layers=0))
    assert (count(paper.G), count(paper.D)) == (54_413_955, 2_768_705)
    assert count(paper) == 57_182_660
    assert (count(instance.G), count(instance.D)) == (54_409_603, 2_767_809)
    assert (count(pixels.G), count(pixels.D)) == (41_828_995, 9_024)


@pytest.mark.parametrize(
    ("layers", "parameters"), [(1, 139_585), (2, 666_433), (3, 2_768_705), (4, 6_964_033), (5, 11_159_361)]
)
def test_parameters_of_the_patch_sizes(layers: int, parameters: int) -> None:
    with torch.device("meta"):
        assert count(Pix2Pix(Config(patch_layers=layers)).D) == parameters


@pytest.mark.parametrize(
    ("preset", "shapes"),
    [
        ("paper", [(512, 2), (512, 4), (512, 8)]),
        ("reference", [(512, 4), (512, 8), (512, 16)]),
    ],
)
def test_where_dropout_fires(monkeypatch: pytest.MonkeyPatch, preset: str, shapes: list[tuple[int, int]]) -> None:
    fired = []
    real = nnf.dropout

    def record(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if training:
            fired.append((*x.shape[1:3],))
            assert p == 0.5
        return real(x, p, training, inplace)

    monkeypatch.setattr(nnf, "dropout", record)
    dropout_at = Pix2Pix.presets[preset].method.get("dropout_at", Config().dropout_at)
    with torch.device("meta"):  # shapes without numbers
        method = Pix2Pix(Config(dropout_at=dropout_at))
    method.G(torch.empty(1, 3, 256, 256, device="meta"))
    assert fired == shapes


@pytest.fixture
def method() -> Pix2Pix:
    return build(tiny("pix2pix"))  # type: ignore[return-value]


@pytest.fixture
def batch() -> Paired:
    return Noise(Paired).batch(0)  # type: ignore[return-value]


def play(method: Pix2Pix, batch: Paired) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


def test_dropout_is_the_only_noise(method: Pix2Pix, batch: Paired) -> None:
    """It stays on in eval mode, as in the paper; without it two passes are the same to the bit."""
    method.eval()
    torch.manual_seed(0)
    assert not torch.equal(method.translate(batch.a), method.translate(batch.a))
    method.train()
    assert torch.equal(method.G(batch.a, noise=False), method.G(batch.a, noise=False))
    quiet = build(tiny("pix2pix", test_noise=False)).eval()
    assert torch.equal(quiet.translate(batch.a), quiet.translate(batch.a))


@pytest.mark.parametrize("norm", ["batch", "instance", "running"])
def test_without_noise_a_translation_does_not_depend_on_its_batch(norm: str) -> None:
    """What the contract's waiver leaves open: batch norm is no reason for it."""
    method = build(tiny("pix2pix", test_noise=False, norm=norm)).eval()
    x = Noise(Paired, size=2).batch(0).a
    alone = torch.cat([method.translate(image[None]) for image in x])
    torch.testing.assert_close(method.translate(x), alone, atol=1e-5, rtol=0)


def test_running_averages_tell_how_light_a_picture_of_one_colour_is(batch: Paired) -> None:
    """Its own statistics erase that: the first two layers are linear, and no bias is there at the start."""
    flat = torch.full_like(batch.a, 50.0)  # far above the eps of the norms
    for norm, alike in (("instance", True), ("batch", True), ("running", False)):
        method: Any = build(tiny("pix2pix", test_noise=False, norm=norm)).train()
        play(method, batch)
        with torch.no_grad():
            first, second = method.eval().G.down[:2]
            assert torch.allclose(second(first(flat)), second(first(2 * flat)), rtol=0, atol=1e-2) == alike


def test_logits_0(method: Pix2Pix, batch: Paired) -> None:
    method.D = Constant(0.0)
    played = play(method, batch)
    assert played["D"].loss.total().item() == pytest.approx(LN2)
    assert values(played["G"])["gan"] == pytest.approx(LN2)


@pytest.mark.parametrize(("off", "cost"), [(0.0, 0.0), (0.01, 1.0)])
def test_l1_has_weight_100(method: Pix2Pix, batch: Paired, off: float, cost: float) -> None:
    method.G = Shift(off)
    (l1,) = [t for t in play(method, Paired(batch.a, batch.a))["G"].loss.terms if t.name == "l1"]
    assert l1.weight * l1.value.item() == pytest.approx(cost, abs=1e-5)


def test_the_discriminator_looks_at_the_input(method: Pix2Pix, batch: Paired) -> None:
    x, y = batch.a, batch.b
    judged = method.discriminate(x, y)
    assert torch.equal(judged, method.D(torch.cat([x, y], 1)))  # the input's channels come first
    assert not torch.allclose(judged, method.discriminate(-x, y))
    assert not torch.allclose(judged, method.discriminate(y, x))


def test_the_discriminator_without_condition_does_not(batch: Paired) -> None:
    method: Any = build(tiny("pix2pix", conditional=False))
    assert method.D.body[0].in_channels == 3
    assert torch.equal(method.discriminate(batch.a, batch.b), method.discriminate(-batch.a, batch.b))


def test_with_augmentation_pairs_are_seen_moved_and_with_holes(batch: Paired) -> None:
    method = build(tiny("pix2pix", augment=True))
    seen: list[Tensor] = []
    method.D.register_forward_hook(lambda net, args, output: seen.append(args[0].detach()))
    play(method, batch)
    assert len(seen) == 3
    for pairs in seen:
        holes = (pairs == 0).all(1)
        assert holes.flatten(1).any(1).all(), "input and output have the same hole"
    assert not torch.equal(seen[1], seen[2]), "the same fakes, drawn anew"
    assert not (method.eval().translate(batch.a) == 0).all(1).any(), "the generator sees images as they are"


def test_what_the_discriminator_is_shown(method: Pix2Pix, batch: Paired) -> None:
    """Real pair, fake pair without a path to G, fake pair with one."""
    seen: list[Tensor] = []
    method.D.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    play(method, batch)
    real, fake, fake_for_g = seen
    assert torch.equal(real, torch.cat([batch.a, batch.b], 1))
    assert torch.equal(fake, fake_for_g)
    assert not fake.requires_grad
    assert fake_for_g.requires_grad


@pytest.mark.parametrize(("options", "names"), [({"gan": 0.0}, ["G"]), ({"l1": 0.0}, ["D", "G"])])
def test_ablations_of_table_1(batch: Paired, options: dict[str, float], names: list[str]) -> None:
    played = play(build(tiny("pix2pix", **options)), batch)  # type: ignore[arg-type]
    assert list(played) == names
    kept = [t.name for t in played["G"].loss.terms if t.weight]
    assert kept == (["l1"] if "gan" in options else ["gan"])


@pytest.mark.parametrize(
    ("preset", "rates"),
    [("paper", [2e-4, 2e-4, 2e-4]), ("reference", [2e-4, 1.9802e-4, 1.9802e-6])],
)
def test_learning_rate_table(preset: str, rates: list[float]) -> None:
    optim = Config().optim
    hold = Pix2Pix.presets[preset].method.get("optim", {}).get("hold", optim.hold)
    found = [optim.lr * linear(Progress(epoch - 1, 200), hold) for epoch in (100, 101, 200)]
    assert found == pytest.approx(rates, rel=1e-4)
    assert optim.betas == (0.5, 0.999)


def test_initial_weights() -> None:
    method = build(tiny("pix2pix", width=16))
    convs = [m for m in method.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    drawn = torch.cat([m.weight.flatten() for m in convs])
    assert drawn.std().item() == pytest.approx(0.02, rel=0.02)
    scales = torch.cat([p for name, p in method.named_parameters() if p.dim() == 1 and name.endswith("weight")])
    assert scales.mean().item() == pytest.approx(1.0, abs=0.01)
    assert scales.std().item() == pytest.approx(0.02, rel=0.25)
    assert not any(p.any() for name, p in method.named_parameters() if name.endswith("bias"))
