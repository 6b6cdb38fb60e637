"""TUNIT as its paper and the authors' code have it."""

import copy
import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.batch import Unlabelled
from instar.core.errors import UserError
from instar.core.method import defaults
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.methods.tunit import TUNIT, Config
from instar.methods.tunit import head_restarts as restarts
from instar.methods.tunit import method as tunit
from instar.methods.tunit.clustering import iic
from instar.methods.tunit.views import random_view
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import count, scramble, values

STEPS = 4
NETWORKS = ("C", "H", "G", "D")


def adam(net: nn.Module, betas: tuple[float, float], decay: float) -> torch.optim.Adam:
    """Kernels decay."""
    groups = [
        {"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": decay},
        {"params": [p for p in net.parameters() if p.dim() == 1], "weight_decay": 0.0},
    ]
    return torch.optim.Adam(groups, lr=1e-4, betas=betas)


def mutual_information(p: Tensor, q: Tensor) -> Tensor:
    """Written from the equation: sums over pairs of clusters."""
    joint = torch.stack([torch.outer(a, b) for a, b in zip(p, q, strict=True)]).sum(0)
    joint = (joint + joint.T) / 2 / joint.sum()
    terms = [
        joint[i, j] * torch.log(joint[i, j] / (joint[i].sum() * joint[:, j].sum()))
        for i in range(len(joint))
        for j in range(len(joint))
    ]
    return torch.stack(terms).sum()


class ByHand:
    """The authors' loop on copies of a method's networks: every pass on its own, nothing kept between rounds."""

    def __init__(self, method: TUNIT) -> None:
        self.w = method.cfg
        self.C, self.H, self.G, self.D = (copy.deepcopy(net) for net in (method.C, method.H, method.G, method.D))
        self.C_ema, self.H_ema = copy.deepcopy(method.C_ema.net), copy.deepcopy(method.H_ema.net)
        self.of = {n: adam(getattr(self, n), (0.9, 0.999), 1e-3) for n in "CH"}
        self.of |= {n: adam(getattr(self, n), (0.0, 0.99), 1e-4) for n in "GD"}
        self.queue = torch.empty(0, self.w.style_dim, dtype=torch.float64)

    def moved(self, loss: Tensor, over: str) -> None:
        for optimiser in self.of.values():
            optimiser.zero_grad()
        loss.backward()
        for name in over:
            self.of[name].step()

    def contrast(self, query: Tensor, key: Tensor) -> Tensor:
        rows = []
        for q, k in zip(query, key.detach(), strict=True):
            weights = torch.stack([q @ k, *(q @ other for other in self.queue)]).div(0.07).exp()
            rows.append(-(weights[0] / weights.sum()).log())
        return torch.stack(rows).mean()

    def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        known = labels >= 0
        return nnf.cross_entropy(logits[known], labels[known]) if known.any() else logits.sum() * 0

    def domains(self, x: Tensor) -> Tensor:
        out: Tensor = self.H(self.C.encode(x)[0])
        return out

    def step(self, batch: Unlabelled, phase: str) -> None:
        w, x, labels = self.w, batch.a, batch.labels
        resting = w.mode == "separate" and phase == "translate"
        if not len(self.queue):
            self.queue = self.C_ema(random_view(batch.b, w.colour, w.area)).detach()
        if not resting:
            view = random_view(batch.b, w.colour, w.area)
            key = self.C_ema(view).detach()
            self.guide(random_view(x, w.colour, w.area) if w.both else x, view, key, labels, phase)
        else:
            self.C.eval()
            self.C_ema, self.H_ema = copy.deepcopy(self.C), copy.deepcopy(self.H)
            key = self.C(x).detach()
        if phase == "translate":
            self.translate(x, labels, "G" if resting else "GC")
        self.queue = torch.cat([self.queue, key])[-w.queue :]
        with torch.no_grad():
            for slow, fast in ((self.C_ema, self.C), (self.H_ema, self.H)):
                for p, q in zip(slow.parameters(), fast.parameters(), strict=True):
                    p.copy_(0.999 * p + 0.001 * q)

    def guide(self, x: Tensor, view: Tensor, key: Tensor, labels: Tensor, phase: str) -> None:
        w = self.w
        features, style = self.C.encode(x)  # once: passes move the statistics of the norms
        loss = w.contrast * self.contrast(style, key)
        if w.mode == "sup":
            loss = 0.1 * loss + self.cross_entropy(self.H(features.detach()), labels)
        else:
            logits, of_view = self.H(features), self.domains(view)
            if w.mode == "semi":
                loss = loss + w.mi * (self.cross_entropy(logits, labels) + self.cross_entropy(of_view, labels))
            information = mutual_information(logits.softmax(1), of_view.softmax(1))
            if w.mode != "semi":
                loss = loss - w.mi * information
            elif phase != "label":
                loss = loss - (0.1 if phase == "cluster" else 1.0) * w.mi * information
            loss = loss * (w.guide if phase == "translate" else 1.0)
        self.moved(loss, "CH")

    def translate(self, x: Tensor, labels: Tensor, over: str) -> None:
        w, G, D = self.w, self.G, self.D
        order = torch.randperm(len(x))
        other = x[order]
        with torch.no_grad():
            domain = self.domains(x).argmax(1)
            if w.mode in ("semi", "sup"):
                domain = torch.where(labels >= 0, labels, domain)
            fake = G(x, self.C(other))
        real = other.clone().requires_grad_()
        judged = D(real, domain[order])
        loss = (1 - judged).relu().mean() + (1 + D(fake, domain[order])).relu().mean()
        (gradient,) = torch.autograd.grad(judged.sum(), real, create_graph=True)
        loss = loss + w.r1 * (gradient**2).sum() / len(x)
        self.moved(loss, "D")

        fake, same = G(x, self.C(other)), G(x, self.C(x))
        loss = -D(fake, domain[order]).mean() + w.recon * (same - x).abs().mean()
        loss = loss - D(same, domain).mean()
        loss = loss + w.style * self.contrast(self.C(fake), self.C_ema(other))
        self.moved(loss, over)


@pytest.mark.parametrize(
    ("options", "phases"),
    [
        ({"mode": "joint"}, ["cluster", "cluster", "translate", "translate"]),
        ({"mode": "joint", "contrast": 0.5, "guide": 0.3}, ["cluster", "cluster", "translate", "translate"]),
        ({"mode": "joint", "both": True, "area": (0.4, 1.0)}, ["cluster", "cluster", "translate", "translate"]),
        ({"mode": "separate"}, ["cluster", "cluster", "translate", "translate"]),
        ({"mode": "semi", "cluster": 0.75}, ["label", "label", "cluster", "translate"]),
        ({"mode": "sup"}, ["translate"] * 4),
    ],
    ids=["joint", "weights", "two views", "separate", "semi", "sup"],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any], phases: list[str]) -> None:
    config = tiny("tunit", {"steps": STEPS}, **{"cluster": 0.5, "style": 0.5, "queue": 6, **options})
    method = scramble(build(config))
    assert isinstance(method, TUNIT)
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    before, hand = copy.deepcopy(method), ByHand(method)
    for step, phase in enumerate(phases):
        assert method.phase(Progress(step, STEPS)) == phase
        batch = source.batch(step)
        assert isinstance(batch, Unlabelled)
        hidden = replace(batch, labels=torch.where(batch.labels == 1, 1, -1)) if config.method.mode == "semi" else batch  # type: ignore[attr-defined]
        seed_step(0, step)
        hand.step(hidden, phase)
        play.train_step(hidden)
    assert play.bad_steps == 0
    # Adam makes steps of up to 1e-9 of the rounding of gradients that are 0: those of biases before a norm.
    for name in (*NETWORKS, "C_ema", "H_ema"):
        net = getattr(method, name)
        trained = net.net if name.endswith("ema") else net
        for (path, a), b in zip(trained.named_parameters(), getattr(hand, name).parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-7, rtol=0, msg=lambda m, at=f"{name}.{path}": f"{at}: {m}")
    for name in NETWORKS:
        pairs = zip(getattr(before, name).parameters(), getattr(method, name).parameters(), strict=True)
        assert all(a.dim() == 1 or (a - b).abs().max() > 1e-6 for a, b in pairs), name
    # A resting C reads in evaluation mode, where no norm takes those biases out: its keys are no nearer than they.
    near = 1e-7 if options["mode"] == "separate" else 1e-9
    torch.testing.assert_close(method.queue.vectors(), hand.queue, atol=near, rtol=0)


def test_a_guiding_network_that_never_learns_comes_from_another_run() -> None:
    def untrained(mode: str, cluster: float) -> tuple[str, ...]:
        return build(tiny("tunit", mode=mode, cluster=cluster)).untrained()

    assert untrained("separate", 0.0) == ("C", "H")
    assert untrained("separate", 0.1) == untrained("joint", 0.0) == untrained("sup", 0.0) == ()


def test_parameter_counts() -> None:
    with torch.device("meta"):
        method = TUNIT(Config())
        at_64, at_256 = TUNIT(Config(side=64)), TUNIT(Config(side=256, width=32))
    assert count(method.C) + count(method.H) == 9_296_778
    assert count(method.C.body) == 9_225_984
    assert (count(method.C.head), count(method.H)) == (65_664, 5_130)
    assert [count(m.G) for m in (at_64, method, at_256)] == [7_143_299, 27_333_763, 27_424_835]
    assert [sum(m.G.adain_sizes) for m in (at_64, method, at_256)] == [2_432, 4_992, 5_056]
    assert count(method.G.content) == 12_202_112
    assert count(method.G.mlp) == 1_381_760
    assert [count(m.D) for m in (at_64, method, at_256)] == [33_170_122, 70_935_242, 70_983_018]


def test_the_paper_s_numbers() -> None:
    cfg = Config()
    assert (cfg.mi, cfg.contrast, cfg.guide, cfg.recon, cfg.style, cfg.r1) == (5, 1, 0.1, 0.1, 0.01, 10)
    assert (cfg.queue, cfg.domains, cfg.style_dim) == (1024, 10, 128)
    assert (cfg.optim_c.lr, cfg.optim_c.betas, cfg.optim_c.weight_decay) == (1e-4, (0.9, 0.999), 1e-3)
    assert (cfg.optim.lr, cfg.optim.betas, cfg.optim.weight_decay) == (1e-4, (0.0, 0.99), 1e-4)
    paper = defaults("tunit", TUNIT, "paper")
    assert (paper.train.steps, paper.train.batch, paper.data.size, paper.data.short_side) == (200_000, 32, 128, 128)


@pytest.mark.parametrize(
    ("options", "ends"),
    [
        ({}, {"cluster": 65_000, "translate": 200_000}),
        ({"mode": "separate"}, {"cluster": 65_000, "translate": 200_000}),
        ({"mode": "semi", "cluster": 0.175}, {"label": 20_000, "cluster": 35_000, "translate": 200_000}),
        ({"mode": "sup"}, {"translate": 200_000}),
        ({"cluster": 1.0}, {"cluster": 200_000}),
        ({"restarts": 5, "cluster": 0.5}, {"cluster": 50_000, "settle": 100_000, "translate": 200_000}),
        ({"restarts": 5, "cluster": 1.0}, {"cluster": 100_000, "settle": 200_000}),
    ],
)
def test_phases_keep_the_proportions(options: dict[str, Any], ends: dict[str, int]) -> None:
    with torch.device("meta"):
        method = TUNIT(Config(**options))
    start = 0
    for phase, end in ends.items():
        assert method.phase(Progress(start, 200_000)) == method.phase(Progress(end - 1, 200_000)) == phase
        start = end
    short = [method.phase(Progress(step, 40)) for step in range(40)]
    assert [short.count(phase) for phase in ends] == [round(end / 5000) for end in _lengths(ends)]


def _lengths(ends: dict[str, int]) -> list[int]:
    points = [0, *ends.values()]
    return [b - a for a, b in pairwise(points)]


@pytest.fixture
def method() -> TUNIT:
    return build(tiny("tunit", cluster=0.5))  # type: ignore[return-value]


@pytest.fixture
def batch() -> Unlabelled:
    return source_for(tiny("tunit")).batch(0)  # type: ignore[return-value]


CLUSTER, TRANSLATE = Progress(0, 10), Progress(9, 10)


def play(method: TUNIT, batch: Unlabelled, at: Progress) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, at)}


def test_values_of_a_discriminator_of_zero(method: TUNIT, batch: Unlabelled) -> None:
    nn.init.zeros_(method.D.heads.weight)
    played = play(method, batch, TRANSLATE)
    assert values(played["D"]) == pytest.approx({"real": 1, "fake": 1, "r1": 0})
    assert [values(played["G"])[name] for name in ("gan", "gan_recon")] == [0, 0]


def test_contrast_of_codes_of_zero(method: TUNIT, batch: Unlabelled) -> None:
    """All logits are 0: one positive among 1 + |Q|."""
    nn.init.zeros_(method.C.head.weight)
    method.queue.push(torch.randn(6, 8))
    assert values(play(method, batch, CLUSTER)["C"])["contrast"] == pytest.approx(math.log(7))


def test_equal_probabilities_share_no_information(method: TUNIT, batch: Unlabelled) -> None:
    nn.init.zeros_(method.H.weight)
    seen = values(play(method, batch, CLUSTER)["C"])
    assert seen["mi"] == pytest.approx(0, abs=1e-6)
    assert seen["used"] == pytest.approx(3)


@pytest.mark.parametrize("guide", [0.1, 0.3])
def test_weights_of_the_terms(guide: float, batch: Unlabelled) -> None:
    method = build(tiny("tunit", cluster=0.5, guide=guide))
    for at, factor in ((CLUSTER, 1.0), (TRANSLATE, guide)):
        played = play(method, batch, at)  # type: ignore[arg-type]
        weights = {f"{name}/{t.name}": t.weight for name, o in played.items() for t in o.loss.terms}
        expected = {"C/contrast": factor, "C/mi": 5 * factor, "C/used": 0.0}
        if at is TRANSLATE:
            expected |= {"D/real": 1, "D/fake": 1, "D/r1": 10}
            expected |= {"G/gan": 1, "G/gan_recon": 1, "G/recon": 0.1, "G/style": 0.01}
        assert weights == pytest.approx(expected)


def test_every_image_is_counted_once_in_each_phase(batch: Unlabelled) -> None:
    """By C while it learns, in joint also beside G; by the heads that D trains while C rests."""
    logits = []
    for mode, at, where in (("joint", CLUSTER, "C"), ("joint", TRANSLATE, "C"), ("separate", TRANSLATE, "D")):
        method = build(tiny("tunit", cluster=0.5, mode=mode))
        method.H.register_forward_hook(lambda net, given, out: logits.append(out))  # type: ignore[attr-defined]
        logits.clear()
        counted = {name: o.counts for name, o in play(method, batch, at).items() if o.counts}  # type: ignore[arg-type]
        assert list(counted) == [where]
        assert counted[where]["domains"].tolist() == logits[0].argmax(1).bincount(minlength=3).tolist()
        assert counted[where]["domains"].sum() == len(batch.a)
    supervised = build(tiny("tunit", mode="sup"))
    assert play(supervised, batch, CLUSTER)["C"].counts["domains"].sum() == len(batch.a)  # type: ignore[arg-type]


def test_order_and_players(method: TUNIT, batch: Unlabelled) -> None:
    played = play(method, batch, TRANSLATE)
    assert list(played) == ["C", "D", "G"]
    assert [o.over for o in played.values()] == [(method.C, method.H), (method.D,), (method.G, method.C)]
    assert list(play(method, batch, CLUSTER)) == ["C"]


def test_clustering_leaves_generator_and_discriminator(tmp_path: Path) -> None:
    config = tiny("tunit", {"steps": 2}, cluster=1.0)
    method = build(config)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    run = trainer(config, tmp_path, method, source_for(config))
    for step in range(2):
        run.train_step(run.source.batch(step))
    after = method.state_dict()
    changed = {name.split(".")[0] for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {"C", "H", "C_ema", "H_ema", "queue"}


@pytest.mark.parametrize(("mode", "moves"), [("joint", True), ("separate", False)])
def test_the_generator_s_round_moves_the_guiding_network_or_not(mode: str, moves: bool, tmp_path: Path) -> None:
    config = tiny("tunit", {"steps": 2}, cluster=0.0, mode=mode)
    method = build(config)
    run = trainer(config, tmp_path, method, source_for(config))
    run.enter_phase(Progress(0, 2))
    rounds = method.objectives(run.source.batch(0), Progress(0, 2))
    for objective in rounds:
        before = [p.clone() for p in (*method.C.parameters(), *method.H.parameters())]  # type: ignore[operator,union-attr]
        assert run.move([(objective, run.backward(objective))], Progress(0, 2))
        after = [*method.C.parameters(), *method.H.parameters()]  # type: ignore[operator,union-attr]
        same = all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
        if objective.name == "G":
            assert same == (not moves)
    if mode == "separate":
        kept = zip(method.C.state_dict().values(), method.C_ema.net.state_dict().values(), strict=True)  # type: ignore[operator,union-attr]
        assert all(torch.equal(a, b) for a, b in kept)


def test_with_all_labels_there_is_no_clustering(monkeypatch: pytest.MonkeyPatch, batch: Unlabelled) -> None:
    def never(*_: Tensor) -> Tensor:
        raise AssertionError("sup does not cluster")

    monkeypatch.setattr(tunit, "iic", never)
    method = build(tiny("tunit", mode="sup"))
    played = play(method, batch, Progress(0, 10))  # type: ignore[arg-type]
    assert list(played) == ["C", "D", "G"]
    assert set(values(played["C"])) == {"contrast", "label"}
    grads = torch.autograd.grad(
        next(t.value for t in played["C"].loss.terms if t.name == "label"), [*method.C.parameters()], allow_unused=True
    )
    assert all(g is None for g in grads)  # naming domains moves H alone


def test_labels_choose_the_heads(monkeypatch: pytest.MonkeyPatch, batch: Unlabelled) -> None:
    method = build(tiny("tunit", mode="semi", cluster=0.0))
    asked: list[Tensor] = []
    plain = method.D.forward
    monkeypatch.setattr(method.D, "forward", lambda x, domain: asked.append(domain) or plain(x, domain))
    given = replace(batch, labels=torch.tensor([2, -1, 2, 1]))
    play(method, given, Progress(0, 10))  # type: ignore[arg-type]
    assert asked[0][[0, 2, 3]].tolist() == [2, 2, 1]
    assert sorted(asked[1].tolist()) == sorted(asked[0].tolist())


def test_passes_of_a_joint_step(method: TUNIT, batch: Unlabelled) -> None:
    """C: x, x', x again, fakes. C_ema: x', x. One content, one decoding for fakes and reconstructions."""
    images = {"C": 0, "C_ema": 0, "content": 0, "mlp": 0, "D": 0}
    nets = {"C": method.C.body, "C_ema": method.C_ema.net.body, "content": method.G.content, "mlp": method.G.mlp}
    for name, net in {**nets, "D": method.D.body}.items():
        net.register_forward_pre_hook(lambda _, x, name=name: images.update({name: images[name] + len(x[0])}))
    play(method, batch, TRANSLATE)
    n = len(batch.a)
    assert images == {"C": 4 * n, "C_ema": 2 * n, "content": n, "mlp": 2 * n, "D": 4 * n}


def test_keys_have_no_gradient(method: TUNIT, batch: Unlabelled) -> None:
    play(method, batch, CLUSTER)
    assert not method.queue.rows.requires_grad
    assert len(method.queue) == len(batch.a)
    assert not any(p.requires_grad for p in (*method.C_ema.parameters(), *method.H_ema.parameters()))


def test_the_moving_average_keeps_statistics_of_its_own(method: TUNIT, batch: Unlabelled) -> None:
    """Fakes pass through C in training mode; what C_ema counts are real images and views."""
    play(method, batch, TRANSLATE)
    counted = [int(m.num_batches_tracked) for m in method.C_ema.modules() if isinstance(m, nn.BatchNorm2d)]
    assert set(counted) == {2}
    assert {int(m.num_batches_tracked) for m in method.C.modules() if isinstance(m, nn.BatchNorm2d)} == {4}


def test_each_domain_s_mean_style(method: TUNIT, batch: Unlabelled) -> None:
    styles = torch.arange(32.0).view(4, 8)
    method.gallery.push(styles, torch.tensor([0, 2, 2, 0]))
    means = method.cluster_styles()
    assert torch.equal(means[0], styles[[0, 3]].mean(0))
    assert torch.equal(means[2], styles[[1, 2]].mean(0))
    assert not means[1].isfinite().any()
    assert method.gallery.counts().tolist() == [2, 0, 2]


def test_the_gallery_holds_what_the_images_were_taken_for(method: TUNIT, batch: Unlabelled) -> None:
    expected = copy.deepcopy(method)
    play(method, batch, TRANSLATE)
    with torch.no_grad():
        domain = expected.H(expected.C.encode(batch.a)[0]).argmax(1)
    assert method.gallery.counts().tolist() == torch.bincount(domain, minlength=3).tolist()
    seed_step(0, 0)
    drawn = method.sample_style(5)
    assert all((row == method.gallery.rows.vectors()[:, :8]).all(1).any() for row in drawn)


def test_translating_takes_the_style_alone(method: TUNIT, batch: Unlabelled) -> None:
    method.eval()
    style = method.encode_style(batch.b, domain="b")
    assert style.shape == (4, 8)
    torch.testing.assert_close(method.encode_style(batch.b[:1], domain="a"), style[:1])
    with torch.no_grad():
        assert not torch.equal(method.translate(batch.a, style=style), method.translate(batch.a, style=style.flip(0)))
        p = method.cluster(batch.a)
    torch.testing.assert_close(p.sum(1), torch.ones(4))


def test_a_better_head_in_the_middle(batch: Unlabelled, monkeypatch: pytest.MonkeyPatch) -> None:
    """H becomes the best of new heads for the features of both views of all images; C stays as it is."""
    seen: list[Tensor] = []

    def fake(head: nn.Linear, features: Iterable[Tensor], heads: int, loss: object) -> None:
        assert (heads, loss) == (7, iic)
        seen.extend(features)
        head.weight.data.fill_(3.0)

    monkeypatch.setattr(tunit, "restart_head", fake)
    method = build(tiny("tunit", restarts=7))
    for parameter in method.C.parameters():
        parameter.data.mul_(1.5)
    before, averaged = copy.deepcopy(method.C.state_dict()), copy.deepcopy(method.C_ema.state_dict())
    torch.manual_seed(5)
    method.queue.push(torch.randn(4, 8))
    method.prepare("settle", iter([batch, batch]))
    torch.manual_seed(5)
    torch.randn(4, 8)
    view = random_view(torch.cat([batch.a, batch.b]), 1.0)
    torch.testing.assert_close(seen[0], method.C.eval().encode(view)[0])
    assert [part.shape for part in seen] == [(8, 32), (8, 32)]
    assert (method.H.weight == 3).all()
    assert torch.equal(method.H_ema.net.weight, method.H.weight)
    assert all(torch.equal(value, before[name]) for name, value in method.C.state_dict().items())
    assert all(torch.equal(value, averaged[name]) for name, value in method.C_ema.state_dict().items())


def test_interrupted_before_the_phase_changes(tmp_path: Path) -> None:
    resumed = interrupted_equals_whole("tunit", tmp_path, cluster=0.7)
    assert resumed.phase == "translate"


def test_interrupted_before_a_better_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "STEPS", 20)
    resumed = interrupted_equals_whole("tunit", tmp_path, cluster=1.0, restarts=2)
    assert resumed.phase == "settle"


@pytest.mark.parametrize("mode", ["separate", "semi"])
def test_interrupted_in_other_modes(mode: str, tmp_path: Path) -> None:
    interrupted_equals_whole("tunit", tmp_path, mode=mode, cluster=0.34 if mode == "separate" else 0.7)


def test_what_cannot_be_trained(batch: Unlabelled) -> None:
    config = tiny("tunit")
    method = build(config)
    with pytest.raises(UserError, match="size=64: these networks take 32 px; set size=32"):
        method.check(replace(config, data=replace(config.data, size=64)))
    with pytest.raises(UserError, match="at least 2 images"):
        method.check(tiny("tunit", {"batch": 2, "devices": 2}))
    with pytest.raises(UserError, match=r"method\.side must be a power of 2 from 32 to 16384, not 96"):
        Config(side=96)
    with pytest.raises(UserError, match=r"method\.domains must be at least 2"):
        Config(domains=1)
    with pytest.raises(UserError, match="untrained"):
        Config(mi=0, contrast=0)
    with pytest.raises(UserError, match=r"method\.restarts: in mode semi domains are classes"):
        Config(mode="semi", restarts=3)
    sup = build(tiny("tunit", mode="sup"))
    with pytest.raises(UserError, match="needs classes"):
        next(sup.objectives(Unlabelled(batch.a, batch.b), CLUSTER))
    with pytest.raises(UserError, match="needs classes"):
        next(sup.objectives(replace(batch, labels=batch.labels - 1), CLUSTER))
    with pytest.raises(UserError, match=r"there are 12 classes or more: set method\.domains"):
        next(sup.objectives(replace(batch, labels=batch.labels * 0 + 11), CLUSTER))


def test_source_gives_labels(batch: Unlabelled) -> None:
    assert isinstance(source_for(tiny("tunit")), Noise)
    assert batch.labels.shape == (4,)
    moved = batch.to(torch.device("meta"))
    assert {moved.a.device.type, moved.b.device.type, moved.labels.device.type} == {"meta"}
