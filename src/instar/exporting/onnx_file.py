"""A trained model as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from instar.core.batch import Domain
from instar.core.errors import UserError
from instar.exporting.cards import UNSTATED, card_of, check_size, quiet, untraceable
from instar.exporting.networks import Example, Networks, example
from instar.exporting.padding import with_padding
from instar.inference.card import KEY, Card
from instar.inference.model import Model, without_gradients

if TYPE_CHECKING:
    import onnx

OPSET = 18


def check_onnx() -> None:
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
    card = card_of(model, to, inputs, license, opset=OPSET)
    graph.producer_name, graph.producer_version = "instar", card.instar
    graph.doc_string = f"{card.title}: {card.source} to {card.target}"
    onnx.helper.set_model_props(graph, {KEY: card.as_json(), "license": license})
    try:
        onnx.checker.check_model(graph)
        out.write_bytes(graph.SerializeToString())
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror})") from error
    return card


def _traced(model: Model, to: Domain, inputs: Example) -> onnx.ModelProto:
    """Return the graph from `image` to `translation`."""
    method = model.method
    fixed, divisor = method.fixed_size is not None, method.size_divisor
    first, last = ("image", "translation") if fixed else ("planes", "drawn")
    names = [first, *(["style"] if inputs.style is not None else []), *(one.name for one in inputs.described)]
    try:
        with quiet():
            program = torch.onnx.export(
                Networks(method, to).eval(),
                inputs.arguments,
                dynamo=True,
                dynamic_shapes=inputs.dynamic(divisor, fixed=fixed),
                input_names=names,
                output_names=[last],
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as error:  # whatever the compiler cannot do with the code of a method
        raise untraceable(model.name, "ONNX", error) from error
    assert program is not None
    graph = program.model_proto
    channels, out = model.format_into(to).channels, model.format_of(to).channels
    return graph if fixed else with_padding(graph, channels, divisor, OPSET, out=out)
