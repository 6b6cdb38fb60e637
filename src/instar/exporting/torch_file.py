"""A trained model as a program of `torch.export`: its operators and weights, without the code of the method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from instar.core.batch import Domain
from instar.exporting.cards import UNSTATED, card_of, quiet, untraceable
from instar.exporting.networks import Networks, example
from instar.inference.card import KEY, Card
from instar.inference.model import Model, without_gradients


@without_gradients()
def write_torch(model: Model, to: Domain, out: Path, license: str = UNSTATED) -> Card:  # noqa: A002
    """Write one direction of a model as a program. Its card is the file `extra/instar` in it.

    Padding stays outside: which way an image is padded depends on its size, and a program holds one way. It takes one
    image at a time: norms that depend on a style have as many groups as images, and a program holds their number.

    Args:
        model: on the CPU.
        to: key of the domain that it translates into.
        out: the file, which ends with .pt2.
        license: what is said about the use of the weights.

    Returns:
        What the file says of itself.

    Raises:
        UserError: the method cannot be exported.
    """
    method = model.method
    inputs = example(model.name, method, to, model.format_into(to).channels)
    card = card_of(model, to, inputs, license, pads=method.fixed_size is not None)
    try:
        with quiet():
            program = torch.export.export(
                Networks(method, to).eval(),
                _first(inputs.arguments),
                dynamic_shapes=_sides(inputs.dynamic(method.size_divisor, fixed=method.fixed_size is not None)),
            )
    except Exception as error:  # whatever the compiler cannot do with the code of a method
        raise untraceable(model.name, "a program of PyTorch", error) from error
    with quiet():
        torch.export.save(program, out, extra_files={KEY: card.as_json()})
    return card


def _first(given: Any) -> Any:
    """Return inputs for the first image of a batch."""
    if isinstance(given, tuple):
        return tuple(map(_first, given))
    return None if given is None else given[:1]


def _sides(shapes: Any) -> Any:
    """Return which sizes are free, without the number of images."""
    if isinstance(shapes, tuple):
        return tuple(map(_sides, shapes))
    if not isinstance(shapes, dict):
        return shapes
    return {key: one if isinstance(key, int) else _sides(one) for key, one in shapes.items() if key != 0}
