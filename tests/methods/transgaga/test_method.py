"""TransGaGa: its three stages against loops by hand, what moves in each, and what one can do with its codes."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from chance import seed_step
from lightning_fabric import Fabric
from torch import Tensor

from instar.core.abilities import Coded, Landmarked, Styled
from instar.core.batch import Unpaired
from instar.core.errors import UserError
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.run import load_method
from instar.engine import checkpoint
from instar.methods.transgaga import Config, TransGaGa
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import count, scramble, values

STEPS = 6
THREE = {"stages": (0.5, 0.2)}
"""Of six steps: three that take apart, one that translates, two that do both."""
PAPER = {"anchor": 0.0, "equivariance": 0.0, "swap": False}
DOMAINS = ("a", "b")


def other(d: str) -> str:
    return "b" if d == "a" else "a"


def l1(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).abs().mean()


def grid(height: int, width: int) -> tuple[Tensor, Tensor]:
    y, x = ((2 * torch.arange(side) + 1).double() / side - 1 for side in (height, width))
    return x.expand(height, -1), y[:, None].expand(-1, width)


def drawn_maps(u: Tensor, side: int) -> Tensor:
    x, y = grid(side, side)
    squared = (x - u[..., 0, None, None]) ** 2 + (y - u[..., 1, None, None]) ** 2
    return torch.exp(-squared / (2 * 0.1**2))


def gram(f: Tensor) -> Tensor:
    return torch.einsum("nchw,ndhw->ncd", f, f) / f[0].numel()


class Hand:
    """The sheet's stages as plain loops over copies of the networks: one Adam for each kind of network."""

    def __init__(self, method: TransGaGa, source: Noise) -> None:
        self.n, self.w, self.source = copy.deepcopy(method), method.cfg, source
        kinds = {"E_g": self.n.E_g, "vae": self.n.vae, "phi": self.n.phi, "D": self.n.D}
        self.adams = {k: torch.optim.Adam(net.parameters(), lr=1.0, betas=(0.5, 0.999)) for k, net in kinds.items()}
        self.pca: dict[str, tuple[Tensor, Tensor, Tensor]] = {}

    def detect(self, d: str, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.n.E_g[d].logits(x)
        p = logits.flatten(2).softmax(2).view(logits.shape)
        gx, gy = grid(*logits.shape[2:])
        u = torch.stack([(p * gx).sum((2, 3)), (p * gy).sum((2, 3))], 2)
        squared = (gx - u[..., 0, None, None]) ** 2 + (gy - u[..., 1, None, None]) ** 2
        return u, (p * squared).sum((2, 3))

    def draw(self, d: str, u: Tensor, a: Tensor, still: bool = False) -> Tensor:
        features = self.n.vae[d].E_c(drawn_maps(u, 32))
        return self.n.vae[d].D([f.detach() for f in features] if still else features, a)

    def look(self, d: str, x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        return self.n.vae[d].E_a(x, drawn_maps(u.detach(), 32))

    def whiten(self, d: str, u: Tensor) -> Tensor:
        mean, v, s = self.pca[d]
        return (u.flatten(1) - mean) @ v / s

    def over(self, to: str, z: Tensor, a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, v, s = self.pca[to]
        on = v.shape[1]
        padded = torch.zeros(len(z), self.w.components, dtype=z.dtype)
        padded[:, : z.shape[1]] = z
        z = self.n.phi[to].geometry(padded)[:, :on]
        u = (mean + z * s @ v.T).view(len(z), -1, 2)
        return u + (u.clamp(-1, 1) - u).detach(), z, self.n.phi[to].appearance(a)

    def fit(self) -> None:
        for d in DOMAINS:
            images = torch.cat([self.source.batch(i).a if d == "a" else self.source.batch(i).b for i in range(3)])
            u = self.detect(d, images)[0].detach().flatten(1)
            _, s, v = torch.linalg.svd(u - u.mean(0), full_matrices=False)
            share = (s**2).cumsum(0) / (s**2).sum()
            on = min(self.w.components, int((share < 0.95).sum()) + 1)
            v = v[:on].T
            v = v * v.gather(0, v.abs().argmax(0, keepdim=True)).sign()
            self.pca[d] = u.mean(0), v, (s[:on] ** 2 / len(u) + 1e-6).sqrt()

    def step(self, loss: Tensor, **rates: float) -> None:
        for adam in self.adams.values():
            adam.zero_grad()
        loss.backward(retain_graph=True)
        for kind, rate in rates.items():
            self.adams[kind].param_groups[0]["lr"] = rate
            self.adams[kind].step()

    def play(self, step: int) -> None:
        batch = self.source.batch(step)
        x = {"a": batch.a, "b": batch.b}
        seed_step(0, step)
        if step < 3:
            kl = (0.0, 0.0, 0.01)[step]
            rate = 1e-4 * (1.0, 1 - 0.5 / 2.5, 1 - 1.5 / 2.5)[step]
            self.step(sum(self.apart(d, x[d], kl) for d in DOMAINS), E_g=rate, vae=rate)
            return
        if step == 3:
            self.fit()
        self.translate(x, step)

    def apart(self, d: str, x: Tensor, kl: float) -> Tensor:
        n, w = len(x), self.w
        angle, size, right, down = torch.rand(4, n, dtype=x.dtype) * 2 - 1
        angle, size = angle * torch.pi / 12, 1 + 0.15 * size
        turn = torch.stack([size * angle.cos(), -size * angle.sin(), size * angle.sin(), size * angle.cos()], 1)
        turn, shift = turn.view(n, 2, 2), 0.1 * torch.stack([right, down], 1)
        u, v = self.detect(d, x)
        there = torch.einsum("nij,nkj->nki", torch.linalg.inv(turn), u - shift[:, None])
        places = torch.stack(grid(32, 32), 2).expand(n, -1, -1, -1)
        where = torch.einsum("nij,nhwj->nhwi", turn, places) + shift[:, None, None]
        copied = torch.nn.functional.grid_sample(x, where, padding_mode="border", align_corners=False)
        loss = torch.zeros((), dtype=x.dtype)
        if w.equivariance:
            gain, offset = torch.rand(2, n, 3, 1, 1, dtype=x.dtype)
            tinted = (copied * (0.6 + 0.8 * gain) + 0.6 * offset - 0.3).clamp(-1, 1)
            apart = ((self.detect(d, tinted)[0] - there) ** 2).sum(2)
            loss = loss + w.equivariance * apart[(there.abs() <= 1).all(2)].mean()
        mu, logvar = self.look(d, copied, there) if w.swap else self.look(d, x, u)
        loss = loss + self.vae(d, x, u, mu, logvar, kl) + v.mean()
        k = w.landmarks
        near = [
            torch.exp(-((u[:, i] - u[:, j]) ** 2).sum(1) / (2 * 0.16**2)) for i in range(k) for j in range(k) if i != j
        ]
        return loss + torch.stack(near).mean()

    def vae(self, d: str, x: Tensor, u: Tensor, mu: Tensor, logvar: Tensor, kl: float) -> Tensor:
        out = self.draw(d, u, mu + (logvar / 2).exp() * torch.randn_like(mu))
        divergence = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()
        return 10 * l1(out, x) + kl * divergence

    def translate(self, x: dict[str, Tensor], step: int) -> None:
        w, joint = self.w, step > 3
        u = {d: self.detect(d, x[d])[0].detach() for d in DOMAINS}
        look = {d: self.look(d, x[d], u[d]) for d in DOMAINS}
        z = {d: self.whiten(d, u[d]) for d in DOMAINS}
        made = {d: self.over(d, z[other(d)], look[other(d)][0].detach()) for d in DOMAINS}
        image = {d: self.draw(d, made[d][0], made[d][2]) for d in DOMAINS}
        padded = lambda one: torch.nn.functional.pad(one, (0, w.components - one.shape[1]))  # noqa: E731

        loss = torch.zeros((), dtype=torch.float64)
        for d in DOMAINS:
            for judge, real, fake in (
                (self.n.D[d].image, x[d], image[d]),
                (self.n.D[d].geometry, padded(z[d]), padded(made[d][1])),
                (self.n.D[d].appearance, look[d][0], made[d][2]),
            ):
                loss = loss + 0.5 * ((judge(real.detach()) - 1) ** 2).mean() + 0.5 * (judge(fake.detach()) ** 2).mean()
        rate = (2e-4 * (1 - 0.5 / 1.5), 1e-4, 1e-4 * (1 - 1 / 2))[step - 3]
        self.step(loss, D=rate)

        loss = torch.zeros((), dtype=torch.float64)
        for d in DOMAINS:
            o = other(d)
            new_u, new_z, new_a = made[o]
            for judge, fake in (("image", image[o]), ("geometry", padded(new_z)), ("appearance", new_a)):
                loss = loss + ((getattr(self.n.D[o], judge)(fake) - 1) ** 2).mean()
            found, _ = self.detect(o, image[o])
            back_u, _, back_a = self.over(d, self.whiten(o, found), self.look(o, image[o], found)[0])
            loss = loss + l1(self.draw(d, back_u, back_a), x[d])
            _, round_z, round_a = self.over(d, new_z, new_a)
            loss = loss + l1(round_z, z[d]) + l1(round_a, look[d][0].detach())
            textured = self.n.texture.features(self.draw(o, new_u, new_a, still=True))
            wanted = self.n.texture.features(x[d])
            loss = loss + sum(l1(gram(f), gram(g)) for f, g in zip(textured, wanted, strict=True))
            if w.anchor:
                foreign = self.whiten(o, self.detect(o, x[d])[0].detach())
                loss = loss + w.anchor * (1, 1, 0.5)[step - 3] * l1(new_z, foreign)
        if joint:
            loss = loss + sum(self.vae(d, x[d], u[d], *look[d], 0.01) for d in DOMAINS)
        self.step(loss, phi=rate, **({"vae": rate / 10} if joint else {}))


@pytest.mark.parametrize("options", [{}, PAPER, {"swap": False}, {"equivariance": 0.0}], ids=str)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any]) -> None:
    config = tiny("transgaga", {"steps": STEPS, "batch": 2}, **THREE, **options)
    method: Any = scramble(build(config))
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    start = copy.deepcopy(method)
    hand = Hand(method, source)
    for step in range(STEPS):
        play.train_step(source.batch(step))
        hand.play(step)
        for name, expected in hand.n.named_parameters():
            torch.testing.assert_close(expected, method.get_parameter(name), atol=1e-8, rtol=0, msg=f"{step} {name}")
    assert play.bad_steps == 0
    for name, p in method.named_parameters():
        assert p.dim() == 1 or (p - start.get_parameter(name)).abs().max() > 1e-5, name


@pytest.mark.parametrize("options", [{"stages": (0.3, 0.4)}, {"stages": (0.3, 0.2), "shared": True}], ids=str)
def test_resume_within_a_stage_and_across(tmp_path: Path, options: dict[str, Any]) -> None:
    """The first is cut in the second stage: its components come from the checkpoint. The third comes later."""
    interrupted_equals_whole("transgaga", tmp_path, **options)


def test_parameters() -> None:
    with torch.device("meta"):
        method, shared = TransGaGa(Config()), TransGaGa(Config(shared=True))
    assert count(method.E_g) + count(method.vae) == 2 * 12_953_665
    assert count(method.phi) == 2 * (874_128 + 888_576)
    assert count(method.D) == 2 * (2_764_737 + 174_529 + 181_697)
    assert count(shared.E_g) + count(shared.vae) == 12_953_665


@pytest.fixture
def method() -> TransGaGa:
    return build(tiny("transgaga"))  # type: ignore[return-value]


@pytest.fixture
def batch() -> Unpaired:
    return Noise(Unpaired, size=2).batch(0)  # type: ignore[return-value]


def at(stage: str, share: float = 0.0) -> Progress:
    start, length = {"disentangle": (0, 40), "translate": (40, 20), "joint": (60, 40)}[stage]
    return Progress(start + round(share * length), 100)


def played(method: TransGaGa, batch: Unpaired, when: Progress) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, when)}


def weights(objective: Objective) -> dict[str, float]:
    return {t.name: t.weight for t in objective.loss.terms}


def test_stages(method: TransGaGa) -> None:
    assert [method.phase(Progress(step, 10)) for step in (0, 3, 4, 5, 6, 9)] == [
        "disentangle", "disentangle", "translate", "translate", "joint", "joint"
    ]  # fmt: skip


@pytest.mark.parametrize(("share", "weight"), [(0.0, 0.0), (0.4, 0.0), (0.5, 0.005), (0.6, 0.01), (0.9, 0.01)])
def test_kl_comes_late(method: TransGaGa, batch: Unpaired, share: float, weight: float) -> None:
    assert weights(played(method, batch, at("disentangle", share))["AE"])["kl"] == pytest.approx(weight)


def test_weights_of_the_paper(batch: Unpaired) -> None:
    method: Any = build(tiny("transgaga", **PAPER))
    first = weights(played(method, batch, at("disentangle", 0.9))["AE"])
    assert first == {"recon": 10, "kl": 0.01, "prior_separation": 1, "prior_concentration": 1}
    kinds = ("image", "geometry", "appearance")
    later = dict.fromkeys([*(f"gan_{kind}" for kind in kinds), *(f"cycle_{kind}" for kind in kinds), "gram"], 1.0)
    assert weights(played(method, batch, at("translate"))["G"]) == later
    assert weights(played(method, batch, at("joint"))["G"]) == {**later, "recon": 10, "kl": 0.01}
    assert set(weights(played(method, batch, at("joint"))["D"]).values()) == {1.0}


def test_every_option_weighs_its_terms(batch: Unpaired) -> None:
    given = {"recon": 2.0, "kl": 3.0, "prior": 4.0, "equivariance": 5.0, "gan": 6.0, "cycle": 7.0, "gram": 8.0}
    method: Any = build(tiny("transgaga", **given, anchor=9.0))
    objectives = [played(method, batch, at(stage, 0.9)) for stage in ("disentangle", "translate")]
    found = weights(objectives[0]["AE"]) | weights(objectives[1]["G"])
    assert len(found) == 13
    for name, weight in found.items():
        assert weight == (given | {"anchor": 9.0})[name.split("_")[0]]


@pytest.mark.parametrize("stage", ["disentangle", "translate", "joint"])
def test_terms_are_sums_over_the_domains(method: TransGaGa, batch: Unpaired, stage: str) -> None:
    """Of two identical domains each has half of every term that takes no chance."""
    for both in (method.E_g, method.vae, method.phi, method.D):
        assert both.b is not None
        both.b.load_state_dict(both.a.state_dict())
    same = Unpaired(batch.a, batch.a)
    sums = {t.name: t.value for one in played(method, same, at(stage)).values() for t in one.loss.terms}
    if stage == "disentangle":
        _, variance = method.E_g["a"](batch.a)
        assert sums["prior_concentration"].item() == pytest.approx(2 * variance.mean().item(), rel=1e-5)
        return
    seen = method.pipeline.disentangle("a", batch.a)
    back = method.phi["a"].geometry(method.phi["a"].geometry(seen.z))
    assert sums["cycle_geometry"].item() == pytest.approx(2 * l1(back, seen.z).item(), rel=1e-4)


@pytest.mark.parametrize("stage", ["disentangle", "translate", "joint"])
@pytest.mark.parametrize("channels", [1, 3])
def test_terms_in_full_precision_in_every_stage(batch: Unpaired, stage: str, channels: int) -> None:
    """Under bf16 autocast too, and of gray images too."""
    method: Any = build(tiny("transgaga", channels=channels))
    images = Unpaired(batch.a[:, :channels], batch.b[:, :channels])
    method.prepare(stage, [images])
    with torch.autocast("cpu", torch.bfloat16):
        for objective in played(method, images, at(stage)).values():
            for t in objective.loss.terms:
                assert t.value.dtype == torch.float32, t.name
                assert t.value.isfinite(), t.name


@pytest.mark.parametrize(
    ("stage", "share", "weight"), [("translate", 0.9, 5), ("joint", 0, 5), ("joint", 0.5, 2.5), ("joint", 0.9, 0.5)]
)
def test_the_anchor_is_weighed_in_the_last_stage(
    method: TransGaGa, batch: Unpaired, stage: str, share: float, weight: float
) -> None:
    assert weights(played(method, batch, at(stage, share))["G"])["anchor"] == pytest.approx(weight)


@pytest.mark.parametrize(
    ("stage", "rates"),
    [
        ("disentangle", {"E_g": 1e-4, "vae": 1e-4}),
        ("translate", {"phi": 2e-4, "D": 2e-4}),
        ("joint", {"vae": 1e-5, "phi": 1e-4, "D": 1e-4}),
    ],
)
def test_learning_rates(method: TransGaGa, stage: str, rates: dict[str, float]) -> None:
    for name, rate in rates.items():
        method.at = at(stage)
        assert method.optim(name).lr == pytest.approx(rate)
        method.at = at(stage, 0.45)
        assert method.optim(name).lr == pytest.approx(rate)
        method.at = at(stage, 0.75)
        assert rate * 0.4 < method.optim(name).lr < rate * 0.55
        assert method.optim(name).hold == 1.0  # the engine adds no fall of its own


def moved(config: Any, folder: Path, steps: range) -> set[str]:
    method = build(config)
    source = source_for(config)
    play = trainer(config, folder, method, source)
    before = copy.deepcopy(method)
    play.step = steps[0]
    for step in steps:
        play.train_step(source.batch(step))
    changed = {name for name, p in method.named_parameters() if not torch.equal(p, before.get_parameter(name))}
    return {name.split(".")[0] for name in changed}


def test_who_moves_when(tmp_path: Path) -> None:
    config = tiny("transgaga", {"steps": STEPS}, **THREE)
    assert moved(config, tmp_path, range(2)) == {"E_g", "vae"}
    assert moved(config, tmp_path, range(3, 4)) == {"phi", "D"}
    assert moved(config, tmp_path, range(4, 6)) == {"phi", "D", "vae"}


def test_the_first_stage_leaves_components_alone(method: TransGaGa, batch: Unpaired) -> None:
    method.prepare("disentangle", [batch])
    assert not method.pca.a.fitted


@pytest.mark.parametrize("phase", ["translate", "joint"])
def test_components_are_those_of_all_training_images(method: TransGaGa, phase: str) -> None:
    source = Noise(Unpaired, size=2)
    batches = [source.batch(i) for i in range(4)]
    method.prepare(phase, iter(batches))  # type: ignore[arg-type]
    for domain in ("a", "b"):
        seen = torch.cat([method.landmarks(getattr(b, domain), domain=domain) for b in batches]).flatten(1)  # type: ignore[arg-type]
        torch.testing.assert_close(method.pca[domain].mean, seen.mean(0), atol=1e-6, rtol=0)  # type: ignore[index]
    before = copy.deepcopy(method.pca)
    method.prepare("joint", iter(batches[:1]))  # type: ignore[arg-type]
    assert all(torch.equal(old, new) for old, new in zip(before.buffers(), method.pca.buffers(), strict=True))


def test_components_of_another_run_are_measured_anew_if_the_detectors_move_on(
    method: TransGaGa, batch: Unpaired
) -> None:
    method.prepare("translate", [batch])
    assert method.pca.a.fitted
    method.prepare("disentangle", [batch])
    assert not method.pca.a.fitted
    source = Noise(Unpaired, size=2)
    before = method.pca.a.mean.clone()
    method.prepare("translate", (source.batch(i) for i in range(3)))
    assert not torch.equal(method.pca.a.mean, before)


def test_without_a_first_stage_another_run_must_have_had_one() -> None:
    def untrained(*stages: float) -> tuple[str, ...]:
        return build(tiny("transgaga", stages=stages)).untrained()

    assert untrained(0.4, 0.2) == untrained(1.0, 0.0) == ()
    assert untrained(0.0, 0.5) == untrained(0.0, 0.0) == ("E_g", "vae")


def test_shared_components_are_those_of_both_domains() -> None:
    method: Any = build(tiny("transgaga", shared=True))
    source = Noise(Unpaired, size=2)
    method.prepare("translate", (source.batch(i) for i in range(4)))
    buffers = zip(method.pca["a"].buffers(), method.pca["b"].buffers(), strict=True)
    assert all(torch.equal(a, b) for a, b in buffers)
    x = source.batch(0).a
    parts = method.pipeline.disentangle("a", x)
    made = method.pipeline.transform(parts.z, parts.a, "b")
    torch.testing.assert_close(made.z, parts.z)
    torch.testing.assert_close(method.translate(x), method.pipeline.draw("a", made, x.shape))


def test_cycles_of_codes_cost_nothing_where_transformers_are_identities(batch: Unpaired) -> None:
    method: Any = build(tiny("transgaga", shared=True))
    found = values(played(method, batch, at("translate"))["G"])
    assert found["cycle_geometry"] == pytest.approx(0, abs=1e-6)
    assert found["cycle_appearance"] == 0
    assert found["anchor"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("stage", "options", "sizes"), [
    ("disentangle", {}, {"E_g": [4], "E_c": [2], "E_a": [2], "decoder": [2]}),
    ("disentangle", PAPER, {"E_g": [2], "E_c": [2], "E_a": [2], "decoder": [2]}),
    ("translate", {}, {"E_g": [2, 2, 2], "E_c": [2, 2], "E_a": [2, 2], "decoder": [4, 2]}),
    ("translate", {"gram": 0.0, "anchor": 0.0}, {"E_g": [2, 2], "E_c": [2, 2], "E_a": [2, 2], "decoder": [2, 2]}),
    ("joint", {}, {"E_g": [2, 2, 2], "E_c": [2, 2, 2], "E_a": [2, 2], "decoder": [4, 2, 2]}),
], ids=str)  # fmt: skip
def test_images_through_the_networks(
    batch: Unpaired, stage: str, options: dict[str, Any], sizes: dict[str, list[int]]
) -> None:
    """Nothing is computed twice, and nothing for a term that is off."""
    method: Any = build(tiny("transgaga", **options))
    seen: dict[str, list[int]] = {name: [] for name in sizes}
    vae = method.vae["b"]
    nets = {"E_g": method.E_g["b"], "E_c": vae.E_c, "E_a": vae.E_a, "decoder": vae.D.out}
    for name, net in nets.items():
        net.register_forward_pre_hook(lambda _, args, to=seen[name]: to.append(len(args[0])))
    played(method, batch, at(stage))
    assert seen == sizes


def test_textures_do_not_move_landmarks(batch: Unpaired) -> None:
    method: Any = build(tiny("transgaga"))
    terms = {t.name: t.value for t in played(method, batch, at("joint"))["G"].loss.terms}
    geometry = list(method.phi.b.geometry.parameters())
    appearance = list(method.phi.b.appearance.parameters())
    for name, moves in (("gram", False), ("gan_image", True)):
        grads = torch.autograd.grad(terms[name], geometry + appearance, retain_graph=True)
        assert any(g.any() for g in grads[: len(geometry)]) == moves
        assert any(g.any() for g in grads[len(geometry) :])


def test_abilities(method: TransGaGa) -> None:
    assert isinstance(method, Styled)
    assert isinstance(method, Coded)
    assert isinstance(method, Landmarked)


@torch.no_grad()
def test_landmarks(method: TransGaGa, batch: Unpaired) -> None:
    points = method.landmarks(batch.a, domain="a")
    assert points.shape == (2, 4, 2)
    assert points.abs().max() < 1
    assert not torch.equal(points, method.landmarks(batch.a, domain="b"))


@torch.no_grad()
def test_moving_a_landmark(method: TransGaGa, batch: Unpaired) -> None:
    """What is drawn comes from the image's moved landmarks, in the appearance of the plain translation."""
    method.prepare("translate", [batch])
    still, by = torch.zeros(4, 2), torch.zeros(4, 2)
    by[3] = torch.tensor([0.1, -0.05])
    plain = method.translate(batch.a)
    assert torch.equal(method.move(batch.a, still)[0], plain)
    z = method.pca["a"]((method.landmarks(batch.a, domain="a") + by).flatten(1))
    made = method.pipeline.transform(z, method.pipeline.disentangle("a", batch.a).a, "b")
    picture, points = method.move(batch.a, by)
    assert torch.equal(points, made.points)
    assert torch.equal(picture, method.pipeline.draw("b", made, batch.a.shape))
    assert not torch.equal(picture, plain)
    style = method.sample_style(2)
    assert torch.equal(method.move(batch.a, still, style=style)[0], method.translate(batch.a, style=style))
    each = torch.stack([still, by])
    torch.testing.assert_close(method.move(batch.a, each)[0][0], plain[0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_drawing_an_image_anew_in_its_own_domain(method: TransGaGa, batch: Unpaired) -> None:
    """From its own landmarks, which may be moved, and in its own appearance or another's; nothing is carried over."""
    by = torch.zeros(4, 2)
    by[1, 0] = 0.3
    seen = method.pipeline.disentangle("a", batch.a)
    picture, points = method.move(batch.a, by, to="a", source="a")
    assert torch.equal(points, seen.points + by)
    assert torch.equal(picture, method.vae["a"].draw(seen.points + by, seen.a, batch.a.shape))
    style = method.encode_style(batch.a.flip(0), domain="a")
    swapped, _ = method.move(batch.a, torch.zeros(()), to="a", style=style, source="a")
    assert torch.equal(swapped, method.vae["a"].draw(seen.points, seen.a.flip(0), batch.a.shape))


@torch.no_grad()
def test_an_exemplar_decides_the_appearance_alone(method: TransGaGa, batch: Unpaired) -> None:
    style = method.encode_style(batch.b, domain="b")
    made = method.pipeline.translate_parts(batch.a, "b")
    drawn = method.vae["b"].draw(made.points, style, batch.a.shape)
    assert torch.equal(method.translate(batch.a, style=style), drawn)


@torch.no_grad()
def test_codes_lead_from_one_image_to_another(method: TransGaGa, batch: Unpaired) -> None:
    """Half way between two codes lie the landmarks half way in components."""
    first, last = method.encode(batch.a, domain="a").chunk(2)
    z = method.pipeline.disentangle("a", batch.a).z
    middle = method.decode(first.lerp(last, 0.5), to="b")
    assert middle.shape == batch.a[:1].shape
    a = method.pipeline.disentangle("a", batch.a).a
    expected = method.pipeline.transform(z.mean(0, keepdim=True), a.mean(0, keepdim=True), "b")
    torch.testing.assert_close(middle, method.pipeline.draw("b", expected, batch.a[:1].shape), atol=1e-4, rtol=0)


def test_a_saved_model_translates_the_same_bit_for_bit(tmp_path: Path) -> None:
    config = tiny("transgaga", {"steps": STEPS, "ema": 0}, **THREE)
    method = build(config)
    play = trainer(config, tmp_path, method, source_for(config))
    for step in range(5):
        play.train_step(play.source.batch(step))
    checkpoint.save(Fabric(accelerator="cpu", devices=1), tmp_path, play.live, {"step": 5})
    loaded, _ = load_method(tmp_path)
    x = play.source.batch(9).a
    assert method.pca.a.fitted  # type: ignore[union-attr, operator]
    with torch.no_grad():
        assert torch.equal(loaded.eval().translate(x), method.eval().translate(x))


def test_presets() -> None:
    robust, paper = (TransGaGa.presets[name] for name in ("robust", "paper"))
    assert next(iter(TransGaGa.presets)) == "robust"
    assert not paper.method
    assert robust.method == {"anchor": 5.0, "equivariance": 10.0, "swap": True}
    cfg = Config()
    assert (cfg.landmarks, cfg.code, cfg.components, cfg.optim.lr, cfg.optim.betas) == (30, 128, 16, 1e-4, (0.5, 0.999))
    assert paper.train["steps"] * cfg.stages[0] == 100_000
    assert paper.train["steps"] * cfg.stages[1] == pytest.approx(50_000)


@pytest.mark.parametrize(
    ("make", "flag"),
    [
        (lambda: Config(landmarks=1), "method.landmarks"),
        (lambda: Config(components=61), "method.components"),
        (lambda: Config(stages=(0.6, 0.5)), "method.stages"),
        (lambda: Config(stages=(0.6, -0.5)), "method.stages"),
        (lambda: Config(recon=-1.0), "method.recon"),
    ],
)
def test_wrong_options(make: Callable[[], Config], flag: str) -> None:
    with pytest.raises(UserError, match=flag):
        make()


def test_of_weights_that_are_needed_the_user_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    config = tiny("transgaga")
    assert build(config).check(config) == ""
    vgg = tiny("transgaga", texture="vgg")
    assert "VGG-16" in build(vgg).check(vgg)
    off = replace(vgg, method=replace(vgg.method, gram=0.0))  # type: ignore[type-var]
    assert build(off).check(off) == ""
