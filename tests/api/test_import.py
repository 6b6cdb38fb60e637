"""Checkpoints of the authors' code: their names and shapes, with random numbers."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from importing import authors
from importing.authors import (
    Normed,
    UgatitDiscriminator,
    UgatitGenerator,
    patchgan,
    resnet,
    shaken,
    styled_unet,
    unet,
)
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import instar
from instar.core import registry
from instar.core.config import RunConfig
from instar.core.errors import UserError
from instar.core.method import build
from instar.core.run import AVERAGES, CONFIG, METHOD, find_checkpoint, read_config, write_config
from instar.core.tensors import read_tensors
from instar.data import shapes as drawn

Saved = Callable[[str, Any], str]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    def save(name: str, content: Any) -> str:
        torch.save(content.state_dict() if isinstance(content, nn.Module) else content, tmp_path / name)
        return str(tmp_path / name)

    torch.manual_seed(0)
    return save


def whole(run: Path, *, averaged: bool = True) -> tuple[Any, RunConfig]:
    """The method of a run with the networks that train it, too."""
    checkpoint = find_checkpoint(run)
    config = read_config(checkpoint / CONFIG)
    method = build(registry.get(config.name), config.method, 0)
    weights = read_tensors(checkpoint / METHOD)
    averages = read_tensors(checkpoint / AVERAGES) if averaged and (checkpoint / AVERAGES).exists() else {}
    method.load_state_dict({**weights, **averages}, strict=False)
    return method.eval().requires_grad_(False), config


def image(side: int = 64) -> Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 2 - 1


def equal(found: Tensor, expected: Tensor, atol: float = 1e-9) -> None:
    torch.testing.assert_close(found, expected, atol=atol, rtol=1e-9)


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("parallel", [False, True])
def test_cyclegan(saved: Saved, tmp_path: Path, kept: bool, parallel: bool) -> None:
    def norm(channels: int) -> nn.Module:
        return Normed(channels, kept)

    nets = {"G_A": resnet(norm=norm), "G_B": resnet(norm=norm), "D_A": patchgan(), "D_B": patchgan()}
    files = [
        saved(f"latest_net_{name}.pth", nn.DataParallel(shaken(net)) if parallel else shaken(net))
        for name, net in nets.items()
    ]
    result = instar.import_checkpoint("cyclegan", files, out=tmp_path / "run", source="horse", target="zebra")
    assert (result.absent, result.targets) == ((), ("horse", "zebra"))
    method, config = whole(tmp_path / "run")
    method.double()
    assert (config.method.blocks, config.method.width, config.method.antialias) == (6, 4, False)
    x = image()
    equal(method.translate(x), nets["G_A"].double()(x))
    equal(method.translate(x, to="a"), nets["G_B"].double()(x))
    equal(method.D_Y(x), nets["D_A"].double()(x))
    equal(method.D_X(x), nets["D_B"].double()(x))


def test_a_single_generator_translates_one_way(saved: Saved, tmp_path: Path) -> None:
    """As the released files are."""
    net = shaken(resnet(blocks=2))
    result = instar.import_checkpoint("cyclegan", saved("horse2zebra.pth", net), out=tmp_path / "run", target="zebra")
    assert result.targets == ("zebra",)
    assert set(result.absent) == {"F", "D_X", "D_Y"}
    model = instar.load(tmp_path / "run")
    assert model.targets == ("zebra",)
    assert model.translate(drawn.pair(0)[0]).size == drawn.pair(0)[0].size
    with pytest.raises(UserError, match="translates to zebra"):
        model.translate(drawn.pair(0)[0], to="A")
    with pytest.raises(UserError, match="needs the network F"):
        model.method.F(torch.zeros(1, 3, 32, 32))
    with pytest.raises(UserError, match=r"without D_X, D_Y, F.*start_from"):
        train_on(tmp_path / "run", tmp_path)


def test_a_file_that_lost_a_network_is_still_damaged(run_directory: Callable[..., Path], tmp_path: Path) -> None:
    checkpoint = find_checkpoint(run_directory("cyclegan"))
    copied = tmp_path / "step-000000001"
    copied.mkdir()
    for file in checkpoint.iterdir():
        if file.name != "SHA256SUMS":
            (copied / file.name).write_bytes(file.read_bytes())
    tensors = load_file(copied / "method.safetensors")
    (copied / "averages.safetensors").unlink()
    for name in ("D_X.", "G."):
        tensors = {k: v for k, v in tensors.items() if not k.startswith(name)}
        save_file(tensors, copied / "method.safetensors")
        if name == "D_X.":
            instar.load(copied, "cpu")  # which needs no discriminator
    with pytest.raises(UserError, match="not the weights of cyclegan"):
        instar.load(copied, "cpu")


def train_on(run: Path, tmp_path: Path, steps: int = 2) -> instar.TrainResult:
    """Put drawn images beside a run, and train it on."""
    data = tmp_path / "data"
    for domain, name in enumerate(("train/A", "train/B")):
        (data / name).mkdir(parents=True, exist_ok=True)
        for i in range(12):
            drawn.pair(i)[domain].save(data / name / f"{i}.png")
    config = read_config(run / CONFIG)
    write_config(
        replace(
            config,
            data=replace(config.data, roots=(data,), size=64, source=None, target=None),
            train=replace(config.train, preview_every=1000, save_every=1000),
        ),
        run,
    )
    return instar.resume(run, steps=steps, allow_changes=True)


def test_an_imported_run_is_trained_on_and_started_from(saved: Saved, tmp_path: Path) -> None:
    nets = {"G_A": resnet(blocks=1), "G_B": resnet(blocks=1), "D_A": patchgan(), "D_B": patchgan()}
    files = [saved(f"latest_net_{name}.pth", shaken(net)) for name, net in nets.items()]
    instar.import_checkpoint("cyclegan", files, out=tmp_path / "run")
    before = whole(tmp_path / "run")[0].state_dict()
    assert train_on(tmp_path / "run", tmp_path).step == 2
    after = whole(tmp_path / "run")[0].state_dict()
    moved = (after["G.encoder.stem.0.weight"] - before["G.encoder.stem.0.weight"]).abs().max()
    assert 0 < moved < 1e-3
    result = instar.train(
        "cyclegan",
        tmp_path / "data",
        out=tmp_path / "next",
        size=64,
        steps=1,
        method={"width": 4, "blocks": 1},
        train={"start_from": tmp_path / "run" / "checkpoints" / "step-000000000"},
    )
    assert any("networks of" in note and "G, F, D_X, D_Y" in note for note in result.notes)


@pytest.mark.parametrize("blurred", [True, False])
def test_cut(saved: Saved, tmp_path: Path, blurred: bool) -> None:
    G, D = shaken(resnet(blurred=blurred)), shaken(patchgan(blurred=blurred))
    heads = nn.Module()
    for number, channels in enumerate((3, 8, 16, 16, 16)):
        layers = nn.Sequential(nn.Linear(channels, 256), nn.ReLU(), nn.Linear(256, 256))
        setattr(heads, f"mlp_{number}", layers)
    files = [saved(f"200_net_{name}.pth", net) for name, net in {"F": heads, "G": G, "D": D}.items()]
    result = instar.import_checkpoint("fastcut", files, out=tmp_path / "run")
    method, config = whole(tmp_path / "run")
    assert (config.name, config.preset, config.method.antialias, config.method.nce_y) == ("cut", "fastcut", blurred, 0)
    method.double()
    x = image()
    equal(method.translate(x), G.double()(x))
    equal(method.D(x), D.double()(x))
    if blurred:
        assert result.absent == ()
        torch.testing.assert_close(method.H.heads["block1"][2].weight.float(), heads.mlp_3[2].weight)
    else:  # the same numbers mean other layers there
        assert result.absent == ("H",)
        assert "layers" in result.notes[0]


def test_gcgan(saved: Saved, tmp_path: Path) -> None:
    nets = {"G_AB": resnet(), "D_B": patchgan(), "D_rot_B": patchgan(), "D_vf_B": patchgan()}
    files = [saved(f"latest_net_{name}.pth", shaken(net)) for name, net in nets.items()]
    result = instar.import_checkpoint("gcgan", files, out=tmp_path / "run")
    assert (result.absent, result.targets) == ((), ("B",))
    method = whole(tmp_path / "run")[0].double()
    x = image()
    equal(method.translate(x), nets["G_AB"].double()(x))
    equal(method.D_fY["vflip"](x), nets["D_vf_B"].double()(x))
    equal(method.D_fY["rot90"](x), nets["D_rot_B"].double()(x))


@pytest.mark.parametrize("batch", [True, False])
def test_pix2pix(saved: Saved, tmp_path: Path, batch: bool) -> None:
    G, D = shaken(unet(batch=batch)), shaken(patchgan(6, batch=batch))
    files = [saved("latest_net_G.pth", G), saved("latest_net_D.pth", D)]
    result = instar.import_checkpoint("pix2pix", files, out=tmp_path / "run")
    method, config = whole(tmp_path / "run")
    method.double()
    assert (config.method.norm, config.method.downs) == ("batch" if batch else "instance", 6)
    assert config.method.dropout_at == (2,)
    assert "dropout on d2" in result.notes[0]
    x = image()
    equal(method.G(x, noise=False), G.double()(x), 1e-8)
    pair = torch.cat([x, x.flip(3)], 1)
    equal(method.D(pair), D.double()(pair))


def test_gray_inputs_are_those_that_the_authors_make_of_colour(saved: Saved, tmp_path: Path) -> None:
    G = shaken(unet(cin=1))
    instar.import_checkpoint("pix2pix", saved("latest_net_G.pth", G), out=tmp_path / "run")
    method = whole(tmp_path / "run")[0].double()
    x = image()
    gray = (x * torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)[:, None, None]).sum(1, keepdim=True)
    equal(method.G(x, noise=False), G.double()(gray), 1e-5)


def test_bicyclegan(saved: Saved, tmp_path: Path) -> None:
    G = shaken(styled_unet())
    E = authors.shapes("", {"conv.0": (4, 3, 4, 4), "fc.0": (8, 12), "fcVar.0": (8, 12)})
    for i, (a, b) in enumerate(((4, 8), (8, 12)), 1):
        E |= authors.shapes(f"conv.{i}.conv.", {"2": (a, a, 3, 3), "5.0": (b, a, 3, 3)})
        E |= authors.shapes(f"conv.{i}.shortcut.", {"1": (b, a, 1, 1)})
    D = authors.shapes("model_0.", {"0": (4, 3, 4, 4), "2": (8, 4, 4, 4), "5": (16, 8, 4, 4), "8": (1, 16, 4, 4)})
    D |= authors.shapes("model_1.", {"0": (2, 3, 4, 4), "2": (4, 2, 4, 4), "5": (8, 4, 4, 4), "8": (1, 8, 4, 4)})
    files = [saved("x_net_G.pth", G), *(saved(f"x_net_{name}.pth", net) for name, net in (("E", E), ("D", D)))]
    result = instar.import_checkpoint("bicyclegan", files, out=tmp_path / "run")
    method, config = whole(tmp_path / "run")
    assert result.absent == ()
    assert (config.method.downs, config.method.style, config.method.inject, config.method.same_d) == (6, 8, "all", True)
    assert config.method.patch_layers == 2
    in_order(method.E, E, ["conv", "fc.", "fcVar"])
    in_order(method.D, D)
    method.double()
    x, z = image(), torch.randn(1, 8, dtype=torch.float64)
    equal(method.translate(x, style=z), G.double().model(x, z), 1e-8)


def in_order(net: nn.Module, theirs: dict[str, Tensor], parts: list[str] | None = None) -> None:
    """The tensors of a network are theirs in the order of both, of parts by the beginnings of their names."""
    expected = [t for part in parts or [""] for name, t in theirs.items() if name.startswith(part)]
    found = list(net.state_dict().values())
    assert len(found) == len(expected)
    for mine, other in zip(found, expected, strict=True):
        assert torch.equal(mine, other.reshape(mine.shape))


@pytest.mark.parametrize("side", [None, 32])
def test_ugatit(saved: Saved, tmp_path: Path, side: int | None) -> None:
    nets: dict[str, nn.Module] = {name: UgatitGenerator(side=side) for name in ("genA2B", "genB2A")}
    nets |= {name: UgatitDiscriminator(downs=4 if name[3] == "G" else 3) for name in ("disGA", "disGB")}
    nets |= {name: UgatitDiscriminator(downs=3) for name in ("disLA", "disLB")}
    x = image(side or 48)
    for net in nets.values():
        shaken(net).train()
        if isinstance(net, UgatitDiscriminator):
            for _ in range(3):
                net(image(64).float())
        net.eval()
    file = saved("selfie_params_0001000.pt", {name: net.state_dict() for name, net in nets.items()})
    result = instar.import_checkpoint("ugatit", file, out=tmp_path / "run")
    method, config = whole(tmp_path / "run")
    method.double()
    assert result.absent == ()
    assert config.preset == ("light" if side is None else "paper")
    assert (config.method.global_downs, config.method.local_downs) == (4, 3)
    assert side is None or config.data.size == config.method.side == side
    equal(method.translate(x), nets["genA2B"].double()(x))
    equal(method.translate(x, to="a"), nets["genB2A"].double()(x))
    large = image(64)
    for theirs, ours in (
        ("disGA", method.D_s["global"]),
        ("disLA", method.D_s["local"]),
        ("disGB", method.D_t["global"]),
        ("disLB", method.D_t["local"]),
    ):
        patches, logits = nets[theirs].double()(large)
        equal(ours(large).patches, patches, 1e-5)  # the largest singular values were found in float32
        equal(ours(large).cam, logits, 1e-5)


def munit_layers(encoder: str, *, styled: bool) -> dict[str, Tensor]:
    """Generators of MUNIT and UNIT: 2 blocks, width 4, styles of 3 numbers, a perceptron of 6."""
    found: dict[str, Tensor] = {}
    if styled:
        sizes = {0: (4, 3, 7, 7), 1: (8, 4, 4, 4), 2: (16, 8, 4, 4), 3: (16, 16, 4, 4), 4: (16, 16, 4, 4)}
        found |= authors.shapes("enc_style.model.", {f"{i}.conv": size for i, size in sizes.items()})
        found |= authors.shapes("enc_style.model.", {"6": (3, 16, 1, 1)})
    downs = {"0.conv": (4, 3, 7, 7), "1.conv": (8, 4, 4, 4), "2.conv": (16, 8, 4, 4)}
    found |= authors.shapes(f"{encoder}.model.", downs)
    for i in range(2):
        both = {"0.conv": (16, 16, 3, 3), "1.conv": (16, 16, 3, 3)}
        found |= authors.shapes(f"{encoder}.model.3.model.{i}.model.", both)
    for i in range(2):
        for j in range(2):
            found |= authors.shapes(f"dec.model.0.model.{i}.model.", {f"{j}.conv": (16, 16, 3, 3)})
            if styled:
                found[f"dec.model.0.model.{i}.model.{j}.norm.running_mean"] = torch.zeros(16)
    for place, (a, b) in {2: (16, 8), 4: (8, 4)}.items():
        found |= authors.shapes(f"dec.model.{place}.", {"conv": (b, a, 5, 5)})
        found |= {f"dec.model.{place}.norm.{name}": torch.randn(b) for name in ("gamma", "beta")}
    found |= authors.shapes("dec.model.5.", {"conv": (3, 4, 7, 7)})
    if styled:
        found |= authors.shapes("mlp.model.", {"0.fc": (6, 3), "1.fc": (6, 6), "2.fc": (128, 6)})
    return found


def munit_discriminator() -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for scale in range(2):
        widths = [3, 4, 8, 16, 32]
        convs = {f"{i}.conv": (widths[i + 1], widths[i], 4, 4) for i in range(4)}
        found |= authors.shapes(f"cnns.{scale}.", {**convs, "4": (1, 32, 1, 1)})
    return found


def without_buffers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if "running" not in name}


def test_munit(saved: Saved, tmp_path: Path) -> None:
    gen = {domain: munit_layers("enc_content", styled=True) for domain in "ab"}
    dis = {domain: munit_discriminator() for domain in "ab"}
    files = [saved("dis_00001000.pt", dis), saved("gen_00001000.pt", gen)]
    result = instar.import_checkpoint("munit", files, out=tmp_path / "run")
    method, config = whole(tmp_path / "run")
    shown = config.method
    assert (shown.style_dim, shown.mlp, shown.width, shown.blocks, shown.scales) == (3, 6, 4, 2, 2)
    assert (result.absent, result.targets) == ((), ("A", "B"))
    for domain, net in (("a", method.G_a), ("b", method.G_b)):
        in_order(net, without_buffers(gen[domain]), ["enc_content", "enc_style", "dec", "mlp"])
    in_order(method.D_a, dis["a"])
    in_order(method.D_b, dis["b"])


def test_unit(saved: Saved, tmp_path: Path) -> None:
    gen = {domain: munit_layers("enc", styled=False) for domain in "ab"}
    dis = {domain: munit_discriminator() for domain in "ab"}
    instar.import_checkpoint(
        "unit", [saved("gen_1.pt", gen), saved("dis_1.pt", dis)], out=tmp_path / "run", source="day", target="night"
    )
    method, config = whole(tmp_path / "run")
    assert (config.preset, config.method.generator, config.method.scales) == ("head", "munit", 2)
    for domain in "ab":
        in_order(method.G.front[domain], gen[domain], ["enc"])
        in_order(method.G.back[domain], gen[domain], ["dec"])
        in_order(method.D.own[domain], dis[domain])
    with pytest.raises(UserError, match="it may be of UNIT"):
        instar.import_checkpoint("munit", saved("gen_1.pt", gen), out=tmp_path / "other")


def guiding() -> dict[str, Tensor]:
    """Width 4, styles of 5 numbers, 3 domains."""
    found: dict[str, Tensor] = {}
    a = 3
    for place, b in {0: 4, 4: 8, 8: 16, 11: 16, 15: 32, 18: 32, 22: 32, 25: 32}.items():
        found |= authors.shapes("features.", {str(place): (b, a, 3, 3)})
        norm = nn.BatchNorm2d(b)
        norm.running_mean.normal_()
        found |= {f"features.{place + 1}.{name}": tensor for name, tensor in norm.state_dict().items()}
        a = b
    return found | authors.shapes("", {"cont": (5, 32), "disc": (3, 32)})


def tunit_generator(downs: int) -> dict[str, Tensor]:
    widths = [4 * 2**i for i in range(downs + 1)]
    found = authors.shapes("cnt_encoder.model.", {"0.conv": (4, 3, 7, 7)})
    for i, (a, b) in enumerate(pairwise(widths)):
        found |= authors.shapes("cnt_encoder.model.", {f"{i + 1}.conv": (b, a, 4, 4)})
    deep = widths[-1]
    for part in (f"cnt_encoder.model.{downs + 1}", "decoder.model.0"):
        for i in range(2):
            both = {"0.conv": (deep, deep, 3, 3), "1.conv": (deep, deep, 3, 3)}
            found |= authors.shapes(f"{part}.model.{i}.model.", both)
    for i, (a, b) in enumerate(pairwise(widths[::-1])):
        found |= authors.shapes("decoder.model.", {f"{2 * i + 2}.conv": (b, a, 5, 5)})
    found |= authors.shapes("decoder.model.", {f"{2 * downs + 1}.conv": (3, 4, 7, 7)})
    adain = 2 * 4 * deep + 2 * sum(widths[:-1])
    return found | authors.shapes("mlp.model.", {"0.fc": (256, 5), "1.fc": (256, 256), "2.fc": (adain, 256)})


def tunit_discriminator(side: int) -> dict[str, Tensor]:
    found = authors.shapes("main.", {"0": (4, 3, 3, 3)})
    width, place = 4, 1
    for _ in range(side.bit_length() - 3):
        for cout in (width, 2 * width):
            block = f"main.{place}."
            norms = [f"{block}norm{number}.{name}" for number in (1, 2) for name in ("tau", "gamma", "beta")]
            found |= {name: torch.randn(1, width, 1, 1) for name in norms}
            found |= authors.shapes(block, {"conv1": (width, width, 3, 3), "conv2": (cout, width, 3, 3)})
            if cout != width:
                found[f"{block}conv1x1.weight"] = torch.randn(cout, width, 1, 1)
            place += 1
        width *= 2
    return found | authors.shapes("main.", {str(place + 1): (width, width, 4, 4), str(place + 3): (3, width, 1, 1)})


def tunit_file(side: int) -> dict[str, Any]:
    downs = {32: 1, 64: 2}[side]
    return {
        "epoch": 7,
        "C_state_dict": guiding(),
        "C_EMA_state_dict": guiding(),
        "G_state_dict": tunit_generator(downs),
        "G_EMA_state_dict": tunit_generator(downs),
        "D_state_dict": tunit_discriminator(side),
        "g_optimizer": {"state": {0: {"step": 3}}, "param_groups": [{"lr": 1e-4}]},
    }


@pytest.mark.parametrize("side", [32, 64])
def test_tunit(saved: Saved, tmp_path: Path, side: int) -> None:
    held = tunit_file(side)
    result = instar.import_checkpoint("tunit", saved("model_7.ckpt", held), out=tmp_path / "run")
    assert result.absent == ()
    averaged, config = whole(tmp_path / "run")
    trained, _ = whole(tmp_path / "run", averaged=False)
    assert (config.data.size, config.method.side, config.method.domains, config.method.style_dim) == (side, side, 3, 5)
    in_order(averaged.G, held["G_EMA_state_dict"])
    in_order(trained.G, held["G_state_dict"])
    in_order(trained.C, {k: v for k, v in held["C_state_dict"].items() if "disc" not in k})
    in_order(trained.C_ema.net, {k: v for k, v in held["C_EMA_state_dict"].items() if "disc" not in k})
    in_order(trained.H_ema.net, {k: v for k, v in held["C_EMA_state_dict"].items() if "disc" in k})
    torch.testing.assert_close(trained.D.heads.bias, held["D_state_dict"][list(held["D_state_dict"])[-1]])
    block, theirs = trained.D.body[2], held["D_state_dict"]
    for part, number in ((block.first, 1), (block.second, 2)):
        for mine, name in (("scale", "gamma"), ("shift", "beta"), ("floor", "tau")):
            assert torch.equal(getattr(part[0], mine), theirs[f"main.2.norm{number}.{name}"].flatten())
        assert torch.equal(part[1].weight, theirs[f"main.2.conv{number}.weight"])
    x = image(side).float()
    averaged.translate(x, style=averaged.encode_style(x, domain="b"))


class Zeros(nn.Module):
    """A generator that begins with a convolution, as DistanceGAN's do."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Conv2d(3, 4, 7, 1, 3))


@pytest.mark.parametrize(
    ("kind", "net", "said"),
    [
        ("cyclegan", unet, r"U-Net \(--netG unet_256"),
        ("cyclegan", lambda: resnet(norm=nn.BatchNorm2d, bias=False), "batch norms or learn scales"),
        ("cyclegan", Zeros, "pad with zeros"),
        ("pix2pix", resnet, "no U-Net"),
        ("cut", lambda: nn.Linear(2, 2), "no ResNet generator"),
        ("bicyclegan", unet, r"there is no model\.model\.0\.bias"),
    ],
)
def test_other_networks_are_refused_in_one_line(
    saved: Saved, tmp_path: Path, kind: str, net: Callable[[], nn.Module], said: str
) -> None:
    file = saved("latest_net_G.pth", net())
    with pytest.raises(UserError, match=said) as error:
        instar.import_checkpoint(kind, file, out=tmp_path / "run")
    assert str(error.value).startswith(file)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_wrong_files_are_refused_in_one_line(saved: Saved, tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> Any:
            return print, ("this must not run",)

    changed = shaken(resnet()).state_dict()
    changed["model.30.weight"] = torch.zeros(3)
    nan = shaken(resnet()).state_dict()
    nan["model.1.weight"][0, 0, 0, 0] = float("nan")
    missing = shaken(resnet()).state_dict()
    del missing["model.12.conv_block.5.bias"]
    text = tmp_path / "latest_net_G.txt.pth"
    text.write_text("not a checkpoint")
    for files, said in (
        (saved("a_net_G_A.pth", {"x": Code()}), "holds objects besides weights"),
        (saved("b_net_G_A.pth", changed), r"no place for model\.30\.weight"),
        (saved("c_net_G_A.pth", nan), r"model\.1\.weight holds numbers that are not finite"),
        (saved("d_net_G_A.pth", missing), r"there is no model\.12\.conv_block\.5\.bias"),
        (saved("e_net_G_A.pth", [1, 2]), "holds a list"),
        (saved("f_net_G_A.pth", {"epoch": 3}), "epoch is no tensor"),
        (saved("f_net_Q.pth", resnet()), "network 'Q' is not known"),
        ([saved("g.pth", resnet()), saved("h.pth", resnet())], "does not tell which network"),
        ([f"G_A={saved('g.pth', resnet())}", f"G_A={saved('h.pth', resnet())}"], "G_A is .*g.pth already"),
        (str(tmp_path / "none_net_G_A.pth"), "there is no such file"),
        (f"G_A={text}", "damaged|cannot be read"),
        ([], "give the file"),
    ):
        with pytest.raises(UserError, match=said) as error:
            instar.import_checkpoint("cyclegan", files, out=tmp_path / "run")
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="did you mean 'cyclegan'"):
        instar.import_checkpoint("cyclegn", "x", out=tmp_path / "run")
    with pytest.raises(UserError, match="genA2B and genB2A, and holds model"):
        instar.import_checkpoint("ugatit", saved("y.pt", resnet()), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_networks_that_do_not_agree_are_refused(saved: Saved, tmp_path: Path) -> None:
    files = [saved("x_net_G_A.pth", resnet(4)), saved("x_net_G_B.pth", resnet(6))]
    with pytest.raises(UserError, match="width is 6 in it and 4"):
        instar.import_checkpoint("cyclegan", files, out=tmp_path / "run")
    files = [saved("x_net_G_A.pth", resnet(4)), saved("x_net_D_A.pth", patchgan(layers=2))]
    result = instar.import_checkpoint("cyclegan", files, out=tmp_path / "run")
    assert "left out" in result.notes[0]
    assert "D_Y" in result.absent


def test_dropout_is_found_and_named(saved: Saved, tmp_path: Path) -> None:
    net = shaken(resnet(dropout=True)).eval()
    result = instar.import_checkpoint("cyclegan", saved("latest_net_G_A.pth", net), out=tmp_path / "run")
    assert "dropout" in result.notes[0]
    x = image()
    equal(whole(tmp_path / "run")[0].double().translate(x), net.double()(x))
