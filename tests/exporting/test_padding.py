"""The padding of a graph is that of the translator, number for number."""

import numpy as np
import pytest
import torch

from instar.inference.padding import padded

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from instar.exporting.padding import with_padding  # noqa: E402

SIDES = [1, 2, 5, 8, 9, 15, 16, 17, 23, 31, 32, 33, 40, 64, 70]


def session(divisor: int, channels: int) -> "onnxruntime.InferenceSession":
    """A graph around networks that negate, which gives also what they are given."""
    networks = onnx.parser.parse_model(
        f"""<ir_version: 10, opset_import: ["" : 18]>
        networks (float[n, {channels}, a, b] planes) => (float[n, {channels}, a, b] drawn) {{ drawn = Neg (planes) }}"""
    )
    model = with_padding(networks, channels, divisor, 18)
    onnx.checker.check_model(model, full_check=True)
    model.graph.output.append(onnx.helper.make_tensor_value_info("planes", onnx.TensorProto.FLOAT, None))
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(("divisor", "channels"), [(1, 3), (2, 1), (4, 3), (32, 3), (256, 1)])
def test_it_is_the_rule_of_the_translator(divisor: int, channels: int) -> None:
    run = session(divisor, channels)
    for height in SIDES:
        for width in SIDES:
            x = torch.rand(2, channels, height, width)
            out, planes = run.run(["translation", "planes"], {"image": x.numpy()})
            assert np.array_equal(planes, padded(x, divisor).numpy()), (height, width)
            assert np.array_equal(out, -x.numpy()), (height, width)
