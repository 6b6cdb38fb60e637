"""A trained model as an ONNX file."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from instar.core.abilities import Clustered, Styled, supports
from instar.core.batch import Domain
from instar.core.errors import UserError
from instar.core.seed import generator
from instar.exporting.networks import Example, Networks, example
from instar.exporting.padding import with_padding
from instar.inference.card import FORMAT, KEY, Card
from instar.inference.model import Model, without_gradients
from instar.inference.padding import SMALLEST

if TYPE_CHECKING:
    import onnx

OPSET = 18
MOST_BYTES = 2_000_000_000
"""Of weights: a file of protocol buffers holds at most 2 GiB."""
STYLES = 64
"""Examples of styles in the card, where they are not normal numbers."""
UNSTATED = "not stated; what may be done with the weights depends on the images that they were trained on"


def check_installed() -> None:
    """Refuse what the extra is needed for, before a model is loaded."""
    try:
        import onnx  # noqa: F401, PLC0415  (an extra)
        import onnxruntime  # noqa: F401, PLC0415
        import onnxscript  # noqa: F401, PLC0415
    except ImportError as error:
        raise UserError(f"exporting to ONNX needs {error.name}: pip install '.[onnx]'") from error


@without_gradients()
def write_onnx(model: Model, to: Domain, out: Path, license: str = UNSTATED) -> Card:  # noqa: A002
    """Write one direction of a model as an ONNX file.

    Args:
        model: on the CPU.
        to: key of the domain that it translates into.
        out: the file.
        license: what is said about the use of the weights.

    Returns:
        What the file says of itself.

    Raises:
        UserError: the method cannot be exported, or the file cannot be written.
    """
    import onnx  # noqa: PLC0415  (an extra)

    check_size(model.name, model.method)
    inputs = example(model.name, model.method, to, model.format_into(to).channels)
    graph = _traced(model, to, inputs)
    card = _card(model, to, inputs, license)
    graph.producer_name, graph.producer_version = "instar", card.instar
    graph.doc_string = f"{card.title}: {card.source} to {card.target}"
    onnx.helper.set_model_props(graph, {KEY: card.as_json(), "license": license})
    try:
        onnx.checker.check_model(graph)
        out.write_bytes(graph.SerializeToString())
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror})") from error
    return card


def check_size(name: str, method: nn.Module) -> None:
    """Refuse a method whose networks for translating do not fit into a file."""
    children: list[str] = list(getattr(method, "translators", ()))
    networks = [method.get_submodule(child) for child in children]
    total = sum(one.numel() * one.element_size() for network in networks for one in network.parameters())
    if total > MOST_BYTES:
        raise UserError(f"{name} cannot be exported: its networks have {total / 1e9:.1f} GB, an ONNX file holds 2 GB")


def _traced(model: Model, to: Domain, inputs: Example) -> onnx.ModelProto:
    """Return the graph from `image` to `translation`."""
    method = model.method
    fixed, divisor = method.fixed_size is not None, method.size_divisor
    first, last = ("image", "translation") if fixed else ("planes", "drawn")
    arguments: tuple[Any, ...] = (inputs.planes,)
    names = [first]
    if inputs.style is not None:
        arguments, names = (*arguments, inputs.style), [*names, "style"]
    if inputs.noise:
        arguments, names = (*arguments, None, inputs.noise), [*names, *(one.name for one in inputs.described)]
    try:
        with _quiet():
            program = torch.onnx.export(
                Networks(method, to).eval(),
                arguments,
                dynamo=True,
                dynamic_shapes=inputs.dynamic(divisor, fixed=fixed),
                input_names=names,
                output_names=[last],
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as error:  # whatever the compiler cannot do with the code of a method
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise UserError(f"{model.name} cannot be exported to ONNX: {type(error).__name__}: {reason}") from error
    assert program is not None
    graph = program.model_proto
    channels, out = model.format_into(to).channels, model.format_of(to).channels
    return graph if fixed else with_padding(graph, channels, divisor, OPSET, out=out)


def _card(model: Model, to: Domain, inputs: Example, license: str) -> Card:  # noqa: A002
    method, names = model.method, model.keys.names
    source, target = model.format_into(to), model.format_of(to)
    style_size, prior = 0, "normal"
    styles: tuple[tuple[float, ...], ...] = ()
    of_domains: tuple[tuple[float, ...] | None, ...] = ()
    if supports(method, Styled):
        drawn = torch.cat([method.sample_style(1, generator(0, number)) for number in range(STYLES)])
        normal = torch.cat([torch.randn(1, drawn.shape[1], generator=generator(0, n)) for n in range(STYLES)])
        style_size = drawn.shape[1]
        if not torch.equal(drawn.cpu(), normal):
            prior, styles = "drawn", _rows(drawn)
    if supports(method, Clustered):
        of_domains = tuple(row if all(map(_finite, row)) else None for row in _rows(method.cluster_styles()))
    return Card(
        instar=version("instar"),
        method=model.name,
        title=method.title or type(method).__name__,
        paper=method.paper.url if method.paper else "",
        source=names[model.keys.opposite(to)],
        target=names[to],
        channels=source.channels,
        out_channels=target.channels,
        formats=() if source.plain else (source, target),
        format=1 if source.plain else FORMAT,
        size=model.trained_at,
        zoom=model.config.data.zoom,
        size_divisor=method.size_divisor,
        smallest=SMALLEST,
        fixed_size=method.fixed_size,
        style_size=style_size,
        style_prior=prior,
        styles=styles,
        domain_styles=of_domains,
        noise=inputs.described,
        opset=OPSET,
        license=license,
    )


def _rows(styles: torch.Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in styles.cpu().tolist())


def _finite(number: float) -> bool:
    return abs(number) < float("inf")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what PyTorch's exporter prints, logs and warns of from the caller."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "torch._dynamo", "onnxscript")]
    levels = [one.level for one in loggers]
    try:
        for one in loggers:
            one.setLevel(logging.CRITICAL)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
