"""BicycleGAN as its paper and the authors' code have it."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.abilities import Styled
from instar.core.batch import Paired
from instar.core.config import Optim
from instar.core.errors import UserError
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.schedule import linear
from instar.methods.bicyclegan import BicycleGAN, Config
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import count, scramble, values

STEPS = 4
RATES = [2e-4, 2e-4, 2e-4 * 2 / 3, 2e-4 / 3]
"""Of the 4 steps, each an epoch of the authors' schedule, constant over the first half."""


class Says(nn.Module):
    """A discriminator of two scales that says the same of everything."""

    def __init__(self, says: float) -> None:
        super().__init__()
        self.says = says

    def forward(self, x: Tensor) -> list[Tensor]:
        return [torch.full((len(x), 1, side, side), self.says) for side in (4, 2)]


class Reads(nn.Module):
    """An encoder that finds the same in every image."""

    def __init__(self, mu: float, logvar: float = 0.0, style: int = 8) -> None:
        super().__init__()
        self.mu, self.logvar, self.style = mu, logvar, style

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full((len(x), self.style), self.mu), torch.full((len(x), self.style), self.logvar)


class Brighter(nn.Module):
    """A generator that adds a number to its input and ignores the style."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, x: Tensor, style: Tensor, *, noise: bool = True) -> Tensor:
        return x + self.by


def lsgan(maps: list[Tensor], label: float) -> Tensor:
    """Mean squares of every scale, added up."""
    return sum(((scale - label) ** 2).mean() for scale in maps)  # type: ignore[return-value]


def kl_sum(mu: Tensor, logvar: Tensor) -> Tensor:
    return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()


class ByHand:
    """The authors' loop: one Adam a network, one forward, two backward passes for G and E, then D and D2."""

    def __init__(self, method: BicycleGAN) -> None:
        self.cfg = method.cfg
        self.nets = {name: copy.deepcopy(net) for name, net in method.named_children()}
        self.adams = {
            name: torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for name, net in self.nets.items()
        }

    def learn(self, rate: float) -> None:
        for adam in self.adams.values():
            adam.param_groups[0]["lr"] = rate
            adam.zero_grad()

    def pair(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([x, y], 1) if self.cfg.conditional else y

    def draw(self, n: int) -> Tensor:
        return torch.randn(n, self.cfg.style, dtype=torch.float64)

    def bicycle(self, batch: Paired, weight_kl: float = 0.01) -> None:
        G, E, D = (self.nets[name] for name in "GED")
        D2 = self.nets.get("D2", D)
        half = len(batch.a) // 2
        x1, y1, x2, y2 = batch.a[:half], batch.b[:half], batch.a[half:], batch.b[half:]
        mu, logvar = E(y1)
        z_encoded = self.draw(half) * (0.5 * logvar).exp() + mu
        z_random = self.draw(half)
        encoded, random = G(x1, z_encoded), G(x1, z_random)
        found, _ = E(random)

        for net in (D, D2):
            net.requires_grad_(False)
        loss = lsgan(D(self.pair(x1, encoded)), 1) + lsgan(D2(self.pair(x1, random)), 1)
        loss = loss + 10 * (encoded - y1).abs().mean() + weight_kl / half * kl_sum(mu, logvar)
        loss.backward(retain_graph=True)
        E.requires_grad_(False)
        (self.cfg.latent * (found - z_random).abs().mean()).backward()
        E.requires_grad_(True)
        self.adams["E"].step()
        self.adams["G"].step()

        for net in (D, D2):
            net.requires_grad_(True)
        for adam in (self.adams["D"], self.adams.get("D2", self.adams["D"])):
            adam.zero_grad()
        (lsgan(D(self.pair(x1, encoded.detach())), 0) + lsgan(D(self.pair(x1, y1)), 1)).backward()
        (lsgan(D2(self.pair(x1, random.detach())), 0) + lsgan(D2(self.pair(x2, y2)), 1)).backward()
        for name in ("D", "D2"):
            if name in self.adams:
                self.adams[name].step()

    def ablation(self, batch: Paired, mode: str) -> None:
        G, D = self.nets["G"], self.nets["D"]
        x, y, n = batch.a, batch.b, len(batch.a)
        if mode in ("cvae", "cae"):
            mu, logvar = self.nets["E"](y)
            z = mu + self.draw(n) * (0.5 * logvar).exp()
        else:
            z = self.draw(n)
        fake = G(x, z)
        D.requires_grad_(False)
        loss = lsgan(D(self.pair(x, fake)), 1)
        if mode == "clr":
            loss = loss + 0.5 * (self.nets["E"](fake)[0] - z).abs().mean()
        else:
            loss = loss + 10 * (fake - y).abs().mean()
        if mode == "cvae":
            loss = loss + 0.01 / n * kl_sum(mu, logvar)
        loss.backward()
        for name in set(self.adams) - {"D"}:
            self.adams[name].step()
        D.requires_grad_(True)
        (lsgan(D(self.pair(x, fake.detach())), 0) + lsgan(D(self.pair(x, y)), 1)).backward()
        self.adams["D"].step()


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, 2),
        ({"conditional": True, "inject": "input"}, 4),
        ({"same_d": True, "latent": 2.0}, 4),
        ({"encoder": "conv", "latent": 0.0}, 2),
        *(({"mode": mode}, 3) for mode in ("cvae", "clr", "cae", "pix2pix")),
    ],
    ids=str,
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any], size: int) -> None:
    config = tiny("bicyclegan", {"steps": STEPS, "batch": size}, **options)
    method = scramble(build(config))
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    hand = ByHand(method)  # type: ignore[arg-type]
    start = copy.deepcopy(method)
    for step in range(STEPS):
        seed_step(0, step)
        hand.learn(RATES[step])
        batch: Any = source.batch(step)
        hand.bicycle(batch) if method.cfg.mode == "bicycle" else hand.ablation(batch, method.cfg.mode)
        play.train_step(batch)
    for name, net in method.named_children():
        started = start.get_submodule(name).named_parameters()
        for (key, old), a, b in zip(started, hand.nets[name].parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=0)
            idle = method.cfg.mode == "clr" and "logvar" in key  # nothing teaches it
            assert old.dim() == 1 or (b - old).abs().max() > (0 if idle else 1e-4) or idle


def test_parameter_counts() -> None:
    with torch.device("meta"):
        paper = BicycleGAN(Config())
        at_input = BicycleGAN(Config(inject="input"))
        small = BicycleGAN(Config(downs=7, patch_layers=2))
        noise = BicycleGAN(Config(mode="pix2pix", inject="input"))
        others = BicycleGAN(Config(encoder="conv", conditional=True, same_d=True))
    assert {name: count(net) for name, net in paper.named_children()} == {
        "G": 54_794_627,
        "D": 3_458_978,
        "D2": 3_458_978,
        "E": 2_590_032,
    }
    assert count(at_input.G) == 54_417_795
    assert (count(small.G), count(small.D), count(small.E)) == (42_145_155, 830_626, 1_344_080)
    assert {name: count(net) for name, net in noise.named_children()} == {"G": 54_417_795, "D": 3_458_978}
    assert {name: count(net) for name, net in others.named_children()} == {
        "G": 54_794_627,
        "D": 3_463_586,
        "E": 2_760_656,
    }


@pytest.fixture
def method() -> BicycleGAN:
    return build(tiny("bicyclegan"))  # type: ignore[return-value]


@pytest.fixture
def batch() -> Paired:
    return Noise(Paired, size=4).batch(0)  # type: ignore[return-value]


def play(method: Any, batch: Paired) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


def made(**options: Any) -> Any:
    return build(tiny("bicyclegan", **options))


@pytest.mark.parametrize(("says", "d", "g"), [(0.0, 2.0, 2.0), (1.0, 2.0, 0.0), (0.5, 1.0, 0.5)])
def test_adversarial_values(method: BicycleGAN, batch: Paired, says: float, d: float, g: float) -> None:
    """Of two scales, added up; the two discriminators have one objective."""
    method.D = method.D2 = Says(says)  # type: ignore[assignment]
    played = play(method, batch)
    assert played["D"].loss.total().item() == pytest.approx(2 * d)
    found = values(played["G"])
    assert found["gan_encoded"] == found["gan_random"] == pytest.approx(g)


def test_weights_of_the_terms(method: BicycleGAN, batch: Paired) -> None:
    """Off by 1 in every pixel costs 10; a mean of 1 in each of 8 numbers 0.04; at chance the latent term about 0.4."""
    method.G, method.E = Brighter(1.0), Reads(1.0)  # type: ignore[assignment]
    many = Paired(batch.a.repeat(500, 1, 1, 1)[:, :, :12, :12], batch.a.repeat(500, 1, 1, 1)[:, :, :12, :12])
    weighted = {t.name: t.weight * t.value.item() for t in play(method, many)["G"].loss.terms}
    assert weighted["l1"] == pytest.approx(10)
    assert weighted["kl"] == pytest.approx(0.01 * 8 / 2)
    method.E = Reads(0.0)  # type: ignore[assignment]
    terms = {t.name: t for t in play(method, many)["G"].loss.terms}
    assert terms["kl"].value.item() == 0
    assert terms["latent"].weight == 0.5
    assert terms["latent"].value.item() == pytest.approx(0.798, abs=0.02)  # mean |z| of a normal z


def reached(loss: Tensor, net: nn.Module) -> bool:
    """Whether a gradient of the loss reaches the network's weights."""
    found = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True, allow_unused=True)
    return any(g is not None and bool(g.any()) for g in found)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_what_moves_generator_and_encoder(method: BicycleGAN, batch: Paired, precision: torch.dtype) -> None:
    """E learns from the encoded path, never from D2 nor from the latent term. Under autocast neither."""
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        terms = {t.name: t.value for t in next(method.objectives(batch, Progress(0, 10))).loss.terms}
    assert [name for name in terms if reached(terms[name], method.E)] == ["gan_encoded", "l1", "kl"]
    assert [name for name in terms if reached(terms[name], method.G)] == ["gan_encoded", "gan_random", "l1", "latent"]
    assert all(p.requires_grad for p in method.E.parameters())


def test_the_encoder_of_clr_learns_from_the_latent_term(batch: Paired) -> None:
    clr = made(mode="clr")
    terms = {t.name: t.value for t in next(clr.objectives(batch, Progress(0, 10))).loss.terms}
    assert [name for name in terms if reached(terms[name], clr.E)] == ["latent"]


def watched(method: BicycleGAN) -> dict[str, list[Tensor]]:
    """What goes into each network, by its name."""
    seen: dict[str, list[Tensor]] = {name: [] for name, _ in method.named_children()}
    for name, net in method.named_children():
        net.register_forward_pre_hook(lambda _, args, to=seen[name]: to.append(args[0]))
    return seen


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ({}, {"E": [2, 2], "G": [4], "D": [2, 4], "D2": [2, 4]}),
        ({"latent": 0.0}, {"E": [2], "G": [4], "D": [2, 4], "D2": [2, 4]}),
        ({"same_d": True}, {"E": [2, 2], "G": [4], "D": [4, 8]}),
        ({"mode": "cvae"}, {"E": [4], "G": [4], "D": [4, 8]}),
        ({"mode": "cae"}, {"E": [4], "G": [4], "D": [4, 8]}),
        ({"mode": "clr"}, {"E": [4], "G": [4], "D": [4, 8]}),
        ({"mode": "pix2pix"}, {"G": [4], "D": [4, 8]}),
    ],
    ids=str,
)
def test_images_through_the_networks(batch: Paired, options: dict[str, Any], passes: dict[str, list[int]]) -> None:
    """In passes of half a batch as the sheet counts them: E 2, G 2, D 1 + 2, D2 1 + 2."""
    method = made(**options)
    seen = watched(method)
    play(method, batch)
    assert {name: [len(images) for images in inputs] for name, inputs in seen.items()} == passes


@pytest.mark.parametrize("conditional", [False, True])
def test_who_sees_what(batch: Paired, conditional: bool) -> None:
    """Both fakes come from the first half; D2's real images are those of the other half."""
    method = made(conditional=conditional)
    seen, x, y = watched(method), batch.a, batch.b
    fakes: list[Tensor] = []
    method.G.register_forward_hook(lambda _m, _a, out: fakes.append(out))
    play(method, batch)
    encoded, random = fakes[0].chunk(2)

    def shown(x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([x, y], 1) if conditional else y

    assert torch.equal(seen["G"][0], torch.cat([x[:2], x[:2]]))
    assert torch.equal(seen["E"][0], y[:2])
    assert torch.equal(seen["E"][1], random)
    for name, fake, real in (
        ("D", encoded, shown(x[:2], y[:2])),
        ("D2", random, shown(x[2:], y[2:])),
    ):
        for_g, for_d = seen[name]
        assert torch.equal(for_g, shown(x[:2], fake))
        assert torch.equal(for_d, torch.cat([real, shown(x[:2], fake)]))
        assert for_g.requires_grad
        assert not for_d.requires_grad


def test_one_discriminator_sees_both_paths(batch: Paired) -> None:
    method = made(same_d=True)
    seen, y = watched(method), batch.b
    played = play(method, batch)
    for_g, for_d = seen["D"]
    assert torch.equal(for_d, torch.cat([y[:2], for_g[:2], y[2:], for_g[2:]]))
    for name, rows in (("encoded", slice(0, 2)), ("random", slice(2, 4))):
        expected = lsgan(method.D(for_g[rows]), 1).item()
        assert values(played["G"])[f"gan_{name}"] == pytest.approx(expected, rel=1e-4)
    for name, rows, label in (
        ("real_encoded", slice(0, 2), 1.0),
        ("fake_encoded", slice(2, 4), 0.0),
        ("real_random", slice(4, 6), 1.0),
        ("fake_random", slice(6, 8), 0.0),
    ):
        assert values(played["D"])[name] == pytest.approx(lsgan(method.D(for_d[rows]), label).item(), rel=1e-4)


@pytest.mark.parametrize(
    ("mode", "terms"),
    [
        ("cvae", {"gan_encoded": 1, "l1": 10, "kl": 0.01}),
        ("cae", {"gan_encoded": 1, "l1": 10}),
        ("clr", {"gan_random": 1, "latent": 0.5}),
        ("pix2pix", {"gan_random": 1, "l1": 10}),
    ],
)
def test_terms_of_the_ablations(batch: Paired, mode: str, terms: dict[str, float]) -> None:
    method = made(mode=mode)
    played = play(method, batch)
    assert {t.name: t.weight for t in played["G"].loss.terms} == terms
    path = "encoded" if mode in ("cvae", "cae") else "random"
    assert list(values(played["D"])) == [f"real_{path}", f"fake_{path}"]
    assert ("E" in dict(method.named_children())) == (mode != "pix2pix")


@pytest.mark.parametrize("options", [{"mode": "clr"}, {"mode": "pix2pix"}, {"same_d": True}], ids=str)
def test_resume_of_the_ablations(tmp_path: Path, options: dict[str, Any]) -> None:
    interrupted_equals_whole("bicyclegan", tmp_path, **options)


@pytest.mark.parametrize(
    ("downs", "on", "shapes"),
    [
        (8, True, [(512, 4), (512, 8), (512, 16)]),
        (7, True, [(512, 4), (512, 8)]),
        (6, True, [(512, 4)]),
        (5, True, []),
        (8, False, []),
    ],
)
def test_dropout_in_training_only(
    monkeypatch: pytest.MonkeyPatch, downs: int, on: bool, shapes: list[tuple[int, int]]
) -> None:
    fired = []
    real = nnf.dropout

    def record(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if training:
            fired.append((*x.shape[1:3],))
            assert p == 0.5
        return real(x, p, training, inplace)

    monkeypatch.setattr(nnf, "dropout", record)
    with torch.device("meta"):  # shapes without numbers
        method = BicycleGAN(Config(downs=downs, dropout=on, patch_layers=1))
        images = torch.empty(2, 3, 2**downs, 2**downs)
    next(method.objectives(Paired(images, images), Progress(0, 10)))
    assert fired == shapes
    method.translate(images)
    assert fired == shapes


def check(batch: int = 2, devices: int = 1, size: int = 64, **options: Any) -> None:
    config = tiny("bicyclegan", {"batch": batch, "devices": devices}, **options)
    assert build(config).check(replace(config, data=replace(config.data, size=size))) == ""


@pytest.mark.parametrize(
    ("batch", "devices", "remedy"), [(1, 1, "batch=2"), (3, 1, "batch=4"), (2, 2, "batch=4"), (6, 2, "batch=8")]
)
def test_a_batch_must_have_two_halves_on_every_device(batch: int, devices: int, remedy: str) -> None:
    with pytest.raises(UserError, match=f"{remedy}$"):
        check(batch, devices)
    check(int(remedy.split("=")[1]), devices)
    check(batch, devices, mode="cvae")


def test_crops_must_be_large_enough_for_the_second_scale() -> None:
    with pytest.raises(UserError, match=r"size=32: method.patch_layers=3 needs at least 48 px"):
        check(size=32, patch_layers=3)
    check(size=48, patch_layers=3)


def test_clr_without_the_latent_term_is_refused() -> None:
    with pytest.raises(UserError, match=r"method.latent=0"):
        Config(mode="clr", latent=0.0)


def test_styles(method: BicycleGAN, batch: Paired) -> None:
    """One style may serve a whole batch; the mean alone is read from a reference, so reading is no game of chance."""
    assert isinstance(method, Styled)
    method.eval()
    read = method.encode_style(batch.b)
    assert torch.equal(read, method.E(batch.b)[0])
    assert torch.equal(read, method.encode_style(batch.b, domain="b"))
    one = method.sample_style(1)
    assert torch.equal(method.translate(batch.a, style=one), method.translate(batch.a, style=one.expand(4, -1)))
    many = method.sample_style(20_000)
    assert many.shape == (20_000, 8)
    assert many.mean().item() == pytest.approx(0, abs=0.02)
    assert many.std().item() == pytest.approx(1, abs=0.02)


def test_styles_that_cannot_be_read(method: BicycleGAN, batch: Paired) -> None:
    with pytest.raises(UserError, match="domain into which"):
        method.encode_style(batch.a, domain="a")
    with pytest.raises(UserError, match="no encoder"):
        made(mode="pix2pix").encode_style(batch.b)


@pytest.mark.parametrize(("epoch", "rate"), [(1, 2e-4), (200, 2e-4), (201, 1.99e-4), (400, 9.95e-7)])
def test_learning_rate_table(epoch: int, rate: float) -> None:
    optim = Config().optim
    assert optim == Optim(lr=2e-4, betas=(0.5, 0.999), hold=0.5)
    assert optim.lr * linear(Progress(epoch - 1, 400), optim.hold) == pytest.approx(rate, rel=1e-3)


def test_recipe() -> None:
    cfg, paper = Config(), BicycleGAN.presets["paper"]
    assert (cfg.l1, cfg.kl, cfg.latent, cfg.style, cfg.inject) == (10, 0.01, 0.5, 8, "all")
    assert not cfg.conditional
    assert not cfg.same_d
    assert paper.train == {"steps": 400 * 1096 // 2, "batch": 2}
    assert paper.data["zoom"] * 256 == 600


def test_initial_weights() -> None:
    """Xavier's normal distribution at a gain of 0.02; biases 0."""
    for name, net in made(width=16).named_children():
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) and module.weight.numel() > 5000:
                fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(module.weight)
                expected = 0.02 * (2 / (fan_in + fan_out)) ** 0.5
                assert module.weight.std().item() == pytest.approx(expected, rel=0.05), name
        assert not any(p.any() for key, p in net.named_parameters() if key.endswith("bias"))
