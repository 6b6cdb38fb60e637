"""What exported models say of themselves, and what all formats need before and while a model is traced."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from importlib.metadata import version

import torch
from torch import nn

from instar.core.abilities import Clustered, Styled, supports
from instar.core.batch import Domain
from instar.core.errors import UserError
from instar.core.formats import DomainFormat
from instar.core.seed import generator
from instar.exporting.networks import Example
from instar.inference.card import FORMAT, Card
from instar.inference.model import Model
from instar.inference.padding import SMALLEST

MOST_BYTES = 2_000_000_000
"""Of weights: a file of protocol buffers holds at most 2 GiB."""
STYLES = 64
"""Examples of styles in the card, where they are not normal numbers."""
UNSTATED = "not stated; what may be done with the weights depends on the images that they were trained on"


def check_size(name: str, method: nn.Module) -> None:
    """Refuse a method whose networks for translating do not fit into a file."""
    children: list[str] = list(getattr(method, "translators", ()))
    networks = [method.get_submodule(child) for child in children]
    total = sum(one.numel() * one.element_size() for network in networks for one in network.parameters())
    if total > MOST_BYTES:
        raise UserError(f"{name} cannot be exported: its networks have {total / 1e9:.1f} GB, an ONNX file holds 2 GB")


def card_of(
    model: Model,
    to: Domain,
    inputs: Example,
    license: str,  # noqa: A002
    *,
    opset: int = 0,
    pads: bool = True,
) -> Card:
    """Return the card of a direction of a model.

    Args:
        model: it.
        to: key of the domain that it translates into.
        inputs: with which it is traced.
        license: what is said about the use of the weights.
        opset: of the operators, for ONNX.
        pads: whether the graph pads images itself.
    """
    method, names = model.method, model.keys.names
    source, target = model.format_into(to), model.format_of(to)
    style_size, prior = 0, "normal"
    styles: tuple[tuple[float, ...], ...] = ()
    of_domains: tuple[tuple[float, ...] | None, ...] = ()
    if supports(method, Styled):
        drawn = torch.cat([method.sample_style(1, generator(0, number), to=to) for number in range(STYLES)])
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
        format=_format(source, target, pads=pads, masked=model.config.data.masks is not None),
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
        opset=opset,
        license=license,
        pads=pads,
        masks=model.config.data.masks or "",
    )


def _format(source: DomainFormat, target: DomainFormat, *, pads: bool, masked: bool) -> int:
    """Return the number of the first cards whose readers get this one right."""
    if masked or source.band_ranges or target.band_ranges:
        return FORMAT
    return 3 if not pads else 1 if source.plain else 2


def _rows(styles: torch.Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in styles.cpu().tolist())


def _finite(number: float) -> bool:
    return abs(number) < float("inf")


def untraceable(name: str, what: str, error: Exception) -> UserError:
    """Return the error for a method whose code PyTorch's exporter cannot trace."""
    lines = str(error.__cause__ or error).strip().splitlines()
    reason = lines[0] if lines else "no reason given"
    return UserError(f"{name} cannot be exported to {what}: {type(error).__name__}: {reason}")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what exporters print, log and warn of from the caller."""
    loggers = [
        logging.getLogger(name)
        for name in ("torch.onnx", "torch.export", "torch._dynamo", "torch.utils", "onnxscript", "nncf")
    ]
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
